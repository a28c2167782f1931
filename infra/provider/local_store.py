"""`videogen:index:LocalStore`: an S3 store on this machine, filled from the manifest."""

from collections.abc import Mapping
from functools import partial

from infra.local_store import MADE, SECRET
from infra.provider.engine import Call
from infra.provider.properties import Plain
from videogen import local_store, manifest, project
from videogen.clouds.local import here
from videogen.disk import spell_bytes
from videogen.document import Schema
from videogen.local_store import LocalStore
from videogen.mirror import mirror
from videogen.receipts import Receipts
from videogen.stack_outputs import Store, StoreAccess
from videogen.store import Store as StoreClient

TYPE = "videogen:index:LocalStore"


class Inputs(Schema):
    """What the program says."""

    stack: str
    manifest: str
    """Digest of the manifest's text; a new one is mirrored."""
    file: str
    """The manifest, a path in the checkout."""
    wanted: Store
    """Region and buckets."""


class Handler:
    """Starts, watches and ends the server; what it holds stays for ever."""

    secret = frozenset(SECRET)
    replacing = frozenset({"stack"})
    made = frozenset(MADE)

    def faults(self, _inputs: Plain, /) -> Mapping[str, str]:
        """The stack file is checked by the program already; a manifest may have changed since."""
        return {}

    def ails(self, state: Plain) -> frozenset[str]:
        """A server that stopped is started again, with its old address and keys."""
        return frozenset() if state.get("running") else frozenset({"running"})

    def create(self, inputs: Plain, call: Call) -> tuple[str, Plain]:
        """A server with fresh keys, its buckets, and the models in them."""
        wanted = Inputs.model_validate(inputs)
        access = local_store.new_access()
        store = _server(wanted.stack)
        place = local_store.place(store.start(access), wanted.wanted)
        call.made("the store", partial(_end_unless_needed, wanted.stack))
        _fill(wanted, place, access, call)
        return f"store-{wanted.stack}", _outputs(place, access)

    def read(self, state: Plain, _call: Call, /) -> Plain | None:
        """The store stays known when its server stopped, so that the next `up` starts it where it was."""
        return {"running": _server(state["stack"]).server() is not None}

    def update(self, state: Plain, inputs: Plain, call: Call) -> Plain:
        """The server runs, with the models of the manifest as it is now."""
        wanted = Inputs.model_validate(inputs)
        access, place = StoreAccess.model_validate(state["access"]), Store.model_validate(state["place"])
        store = _server(wanted.stack)
        number = local_store.port_of(place.endpoint)
        if store.server() is None:
            number = store.start(access, number)
            call.made("the store", partial(_end_unless_needed, wanted.stack))
        assert number is not None
        place = local_store.place(number, wanted.wanted)
        _fill(wanted, place, access, call)
        return _outputs(place, access)

    def delete(self, state: Plain, call: Call) -> None:
        """Ends the server, when the receipts that wait for it are sent."""
        place, access = Store.model_validate(state["place"]), StoreAccess.model_validate(state["access"])
        store = _server(state["stack"])
        if store.server() is not None:
            client = StoreClient(place, access, patience_seconds=3)
            for path in Receipts(project.state(state["stack"]), client).send():
                call.warn(f"a receipt is not in the store yet, it waits for the next `up`: {project.shown(path)}")
        store.end()


def _server(stack: str) -> LocalStore:
    return LocalStore(project.state(stack))


def _end_unless_needed(stack: str) -> bool:
    """Workers of an earlier run, which a failure does not end, keep their store."""
    if here(stack).machines(stack):
        return False
    _server(stack).end()
    return True


def _outputs(place: Store, access: StoreAccess) -> Plain:
    keys = {"key": access.key.reveal(), "secret": access.secret.reveal()}
    return {"place": place.model_dump(), "access": keys, "running": True}


def _fill(wanted: Inputs, place: Store, access: StoreAccess, call: Call) -> None:
    store = StoreClient(place, access)
    store.ensure_buckets()
    Receipts(project.state(wanted.stack), store).send()
    path = project.root() / wanted.file
    text = project.read(path)
    models = manifest.parse(text, project.shown(path))

    def tell(name: str, what: str, done: int, size: int) -> None:
        call.say(f"mirror: {name} {spell_bytes(done)} of {spell_bytes(size)} {what}")

    report = mirror(text, models, store, path.parent, progress=tell, stop=call.cancelled)
    for name, reason in report.absent.items():
        call.warn(f"{name} is not in the store: {reason}")
