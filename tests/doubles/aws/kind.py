"""What the stand-in plugin knows of one type of resource."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

Plain = dict[str, Any]


class Inputs(BaseModel):
    """The properties that are carried out, by their names in the SDK; any other is refused, and so is a wrong type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)

    def plain(self) -> Plain:
        """As the engine writes them."""
        return self.model_dump(by_alias=True, exclude_none=True)


Wanted_contra = TypeVar("Wanted_contra", bound=Inputs, contravariant=True)


@dataclass(frozen=True)
class Aws:
    """Clients of the account that the environment names, as the real plugin makes them."""

    region: str

    @cached_property
    def s3(self) -> Any:
        """S3."""
        return self._client("s3")

    @cached_property
    def sqs(self) -> Any:
        """SQS."""
        return self._client("sqs")

    @cached_property
    def iam(self) -> Any:
        """IAM."""
        return self._client("iam")

    @cached_property
    def sts(self) -> Any:
        """STS."""
        return self._client("sts")

    def _client(self, service: str) -> Any:
        config = Config(proxies={}, s3={"addressing_style": "path"})
        return boto3.session.Session().client(service, region_name=self.region, config=config)


class Kind(Protocol[Wanted_contra]):
    """One type of resource. What a method gives are properties as the engine writes them."""

    replacing: frozenset[str]
    """Inputs whose change needs a new resource."""
    computed: frozenset[str]
    """Outputs that only AWS knows."""

    def create(self, aws: Aws, wanted: Wanted_contra, /) -> tuple[str, Plain]:
        """The new resource's id, and outputs that AWS tells only now."""

    def read(self, aws: Aws, id_: str, /) -> Plain | None:
        """Inputs and outputs as AWS has them; nothing when it is gone."""

    def update(self, aws: Aws, id_: str, wanted: Wanted_contra, /) -> None:
        """Changes it in place."""

    def delete(self, aws: Aws, id_: str, /) -> None:
        """Ends it; one that is gone is fine."""


def found(call: Any, *missing: str, **asked: Any) -> Any:
    """The answer to a call; nothing where AWS says one of the words for "not there"."""
    try:
        return call(**asked)
    except ClientError as error:
        if error.response["Error"]["Code"] in missing:
            return None
        raise


def document(text: str) -> str:
    """A policy in JSON; raises `ValueError` for what AWS would call malformed."""
    said = json.loads(text)
    if not isinstance(said, Mapping) or not said:
        raise ValueError("is no policy")
    return text


Document = AfterValidator(document)
