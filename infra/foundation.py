"""What lasts and costs little: the store of models and outputs."""

import pulumi

from infra.local_folder import LocalFolder
from infra.local_store import LocalStore
from infra.settings import StackSettings


def foundation(stack: StackSettings) -> tuple[pulumi.Output[dict[str, str]], pulumi.Output[dict[str, str]]]:
    """The store's place and its keys, as `videogen.stack_outputs` describes them."""
    store = LocalStore(
        "store",
        stack=stack.stack,
        manifest=stack.manifest_digest,
        file=stack.settings.manifest,
        wanted=stack.settings.store.model_dump(),
        after=LocalFolder("folder", stack=stack.stack),
    )
    return store.place, store.access
