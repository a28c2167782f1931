"""The store as a stack file wishes for it: its place, its buckets' names, whose keys it takes."""

import re
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from videogen.document import Path
from videogen.stack_outputs import Store, StoreAccess, bucket

ACCOUNT = "<account>"
"""In a bucket's name: the number of the AWS account. Names on AWS are the whole world's; with it they are yours."""

_HOW = 'pulumi config set --secret videogen:{} < FILE, which says {{"key": "…", "secret": "…"}}'

_DIGITS = "0" * 12


def _named(name: str) -> str:
    bucket(name.replace(ACCOUNT, _DIGITS))
    return name


Pattern = Annotated[str, AfterValidator(_named)]


class WantedStore(Store):
    """`videogen.stack_outputs.Store`, where a bucket's name may hold `<account>`."""

    models: Pattern
    outputs: Pattern
    existing_models: Annotated[bool, Field(alias="existingModels")] = False
    """On AWS: the bucket of models is there already; it is used, and never made, changed or deleted."""

    def at(self, account: str) -> Store:
        """The store in an AWS account."""
        said = self.model_dump(exclude={"existing_models"})
        named = {name: said[name].replace(ACCOUNT, account) for name in ("models", "outputs")}
        return Store.model_validate(said | named)


def access(value: Any) -> Any:
    """Keys of a store as a stack file has them, or none; what is wrong is said without them."""
    if value == "none":
        return None
    if isinstance(value, dict) and value.keys() == {"key", "secret"} and all(map(_is_text, value.values())):
        return value
    raise ValueError("should be none, or a `key` and a `secret`, both texts")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"\S+", value))


def impossible(
    foundation: Literal["local", "aws", "s3"] | None,
    store: WantedStore,
    operator: StoreAccess | None,
    worker: StoreAccess | None,
    clear: Collection[str],
) -> Iterator[tuple[Path, str, str | None]]:
    """Where a store does not fit its foundation: key, fault, cure. `clear`: keys that the file has for all to read."""
    if foundation != "aws":
        for name in ("models", "outputs"):
            if ACCOUNT in getattr(store, name):
                yield ("store", name), f"{ACCOUNT} means something only where foundation is aws", None
        if store.existing_models:
            yield ("store", "existingModels"), "means something only where foundation is aws", None
    if foundation == "aws" and store.endpoint:
        yield ("store", "endpoint"), 'should be "" where foundation is aws', "a store elsewhere is foundation s3"
    if foundation == "s3":
        if not store.endpoint:
            yield ("store", "endpoint"), "is required where foundation is s3", "the address that your store names"
        if operator is None:
            yield ("storeAccess",), "is required where foundation is s3", _HOW.format("storeAccess")
    for key, given in (("storeAccess", operator), ("workerAccess", worker)):
        if given is not None and foundation != "s3":
            yield (key,), "should be none: only foundation s3 brings keys of its own", None
        elif given is not None and key in clear:
            yield (key,), "stands in clear, and should be a secret of Pulumi; make new keys", _HOW.format(key)
