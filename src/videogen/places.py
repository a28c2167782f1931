"""Where a sweep looks: the clouds that stacks name, each with the store that knows what was rented there."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

from videogen import declared, project, pulumi_stack, stack, store_settings, tag
from videogen.clouds import Cloud
from videogen.errors import InputError, StoreError, ToolMissing, VideogenError
from videogen.pulumi_stack import StackState
from videogen.receipts import FOLDER, Receipts
from videogen.secret import Secret
from videogen.stack_outputs import Store as StorePlace
from videogen.stack_outputs import StoreAccess, StoreOutputs
from videogen.store import Store
from videogen.sweep import Place

LOCAL = "local"
PATIENCE_SECONDS = 10.0
NOBODY_SECONDS = 0.2
"""How long to ask where it is known that nobody answers."""

Choose = Callable[[str, str, StorePlace], Cloud]
"""The cloud of that name, as a stack and the owner of a store see it. Raises `InputError` without its key."""

NOWHERE = StoreOutputs(
    store=StorePlace(endpoint="http://127.0.0.1:9", region="us-east-1", models="nowhere", outputs="nowhere"),
    storeAccess=StoreAccess(key=Secret("none"), secret=Secret("none")),
)
"""The store of a foundation on this machine that is down: nothing answers there, and books are kept on the disk."""


@dataclass
class Places:
    """Where to look, with the stacks that rent or keep volumes there; what could not be found out; what need not be."""

    found: list[tuple[Place, tuple[str, ...]]] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


_read_store = cache(stack.read_store)


@cache
def state_of(stack_name: str) -> StackState | None:
    """A stack's state, read once; nothing where Pulumi has no such stack here. Raises `VideogenError`."""
    return pulumi_stack.state(stack_name)


def places(
    stacks: tuple[str, ...], clouds: tuple[str, ...], store: StoreOutputs | None, choose: Choose, *, every: bool
) -> Places:
    """The clouds of the stacks, and those that are named; `store` is theirs, else each stack's own is found.

    `every`: all stacks of the checkout are meant, so that one which was never used here is left out without an alarm.
    """
    made = Places()
    known: dict[tuple[str, str], tuple[Place, list[str]]] = {}
    unknown: dict[str, str] = {}
    for name in stacks:
        wanted = declared.read(name)
        for kind in dict.fromkeys((*([wanted.cloud] if wanted.cloud != declared.NONE else []), *clouds)):
            try:
                outputs = store or store_of(name, kind)
                owner = name if kind == LOCAL else tag.owner(outputs.store)
                if (kind, owner) not in known:
                    known[kind, owner] = _place(kind, name, outputs, choose), []
                known[kind, owner][1].extend(one for one in (name, wanted.foundation_stack) if one != declared.NONE)
            except VideogenError as error:
                why = _unused(name, store) if every else None
                if why is None:
                    made.alarms.append(f"{kind} ({name}): cannot be looked at: {_said(error)}")
                    continue
                made.left_out.append(f"{kind} ({name}): not looked at: {_said(error)}; {why}")
                unknown[kind] = name
    for kind, name in unknown.items():
        if kind not in {kind for kind, _ in known}:  # else its machines are told, as ours or as strangers
            made.alarms.extend(f"{kind}: {words}" for words in anybodys(kind, name, choose))
    made.found = [(_with_others(place, names), tuple(sorted(set(names)))) for place, names in known.values()]
    return made


def anybodys(kind: str, name: str, choose: Choose, *, only: str = "") -> tuple[str, ...]:
    """What is wrong where nobody knows whose machines are looked for: a sentence each for those of any video-gen.

    `only`: of a stack of that name. Nothing where the cloud cannot be asked for want of a key: then nothing can have
    been rented from here either.
    """
    try:
        cloud = choose(kind, name, NOWHERE.store)
    except VideogenError:
        return ()
    try:
        found = [one for one in cloud.strangers() if not only or _stack_on(one).startswith(f"{only}-")]
        return tuple(f"it lives, and nothing here knows whose it is: {one}" for one in found)
    except VideogenError as error:
        return (f"which machines live is not known: {error.message}",)


def _stack_on(stranger: str) -> str:
    """What begins with a machine's own name, which begins with its stack's."""
    return stranger.removeprefix(tag.PREFIX).partition("-")[2]


def _place(kind: str, name: str, outputs: StoreOutputs, choose: Choose) -> Place:
    store = client(outputs)
    cloud = choose(kind, name, outputs.store)
    shown = f"{kind} ({name})" if kind == LOCAL else kind
    books = Receipts(project.state(name), store)
    return Place(shown, cloud, kind, books, None if outputs is NOWHERE else store, whole=kind != LOCAL)


def _with_others(place: Place, names: list[str]) -> Place:
    """With the books of every stack that keeps them in a folder of its own."""
    if place.store is None or not place.whole:
        return place
    others = sorted({name for name in names if (project.state(name) / FOLDER).is_dir()} - {names[0]})
    return replace(place, others=tuple(Receipts(project.state(name), place.store) for name in others))


def client(outputs: StoreOutputs) -> Store:
    """A client of that store, which does not wait long for `NOWHERE`."""
    patience = PATIENCE_SECONDS if outputs is not NOWHERE else NOBODY_SECONDS
    return Store(outputs.store, outputs.store_access, patience_seconds=patience)


def store_of(name: str, kind: str) -> StoreOutputs:
    """The stack's own store, else its foundation's, else the environment's.

    Raises `InputError` where none is known; on this machine it is `NOWHERE` then.
    """
    for one in (name, declared.read(name).foundation_stack):
        try:
            return _read_store(one)
        except (InputError, ToolMissing):
            continue  # it is not up, there is none of that name, or nobody here can ask
    if kind == LOCAL:
        return NOWHERE
    if found := store_settings.from_environment(os.environ):
        return found
    raise InputError.of(f"stack {name}", "its store is not known", f"--outputs FILE, or VIDEOGEN_STORE_… for {name}")


def _said(error: VideogenError) -> str:
    return error.faults[0].message if isinstance(error, InputError) else error.message


def _unused(name: str, store: StoreOutputs | None) -> str | None:
    """Why nothing of the stack can live, though its cloud is not asked; nothing when something may."""
    try:
        found = state_of(name)
        if found is not None and found.workers:
            return None
        outputs = store or store_of(name, "")
    except InputError:
        return "so nothing was rented from here"
    except VideogenError:
        return None
    try:
        books = Receipts(project.state(name), client(outputs))
        rents = [rent for rent in books.open_rents() if rent.stack == name]
    except StoreError:
        return None
    return None if rents else "its state has no worker, and its books have no open rent"
