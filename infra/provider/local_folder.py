"""`videogen:index:LocalFolder`: the folder where a stack keeps its processes on this machine."""

from collections.abc import Mapping

from infra.provider.engine import Call
from infra.provider.properties import Plain
from videogen import project
from videogen.clouds.local import here
from videogen.errors import CloudError
from videogen.local_store import LocalStore

TYPE = "videogen:index:LocalFolder"


class Handler:
    """Makes nothing. In the state before anything lives, so that a destroy always has whom to ask what does."""

    secret: frozenset[str] = frozenset()
    replacing = frozenset({"stack"})
    made: frozenset[str] = frozenset()

    def faults(self, _inputs: Plain, /) -> Mapping[str, str]:
        """Nothing can be wrong with it."""
        return {}

    def ails(self, _state: Plain, /) -> frozenset[str]:
        """Nothing can ail it."""
        return frozenset()

    def create(self, inputs: Plain, _call: Call, /) -> tuple[str, Plain]:
        """The folder itself comes with the first that needs it."""
        return f"folder-{inputs['stack']}", {}

    def read(self, _state: Plain, _call: Call, /) -> Plain | None:
        """It is always there."""
        return {}

    def update(self, _state: Plain, _inputs: Plain, _call: Call, /) -> Plain:
        """It has nothing to change."""
        return {}

    def delete(self, state: Plain, call: Call) -> None:
        """Ends a store that the state does not know; raises `CloudError` while a worker lives: it needs a receipt."""
        if left := here(state["stack"]).machines(state["stack"]):
            names = ", ".join(machine.name for machine in left)
            again = f"pulumi up --stack {state['stack']}, then destroy again"
            raise CloudError(f"unknown to the state, and not ended: {names}", again)
        store = LocalStore(project.state(state["stack"]))
        if store.server() is not None:
            call.warn("a store was unknown to the state, and is ended")
        store.end()
