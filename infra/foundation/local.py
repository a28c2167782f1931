"""The foundation on this machine: a store, one key for all, no queue."""

from infra.foundation.outputs import FoundationOutputs
from infra.local_folder import LocalFolder
from infra.local_store import LocalStore
from infra.settings import StackSettings


def local(stack: StackSettings) -> FoundationOutputs:
    """A server that runs while the stack is up; its files stay."""
    store = LocalStore(
        "store",
        stack=stack.stack,
        manifest=stack.manifest_digest,
        file=stack.settings.manifest,
        wanted=stack.store.at("").model_dump(),
        after=LocalFolder("folder", stack=stack.stack),
    )
    return FoundationOutputs(store.place, store.access, store.access)
