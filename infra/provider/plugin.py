"""The resources of our plugin, each by its handler, called in threads so that a cancel is always heard."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeVar

from pulumi.provider.experimental import provider as wire
from pulumi.runtime.rpc import UNKNOWN

from infra.provider.engine import Call, Engine
from infra.provider.properties import Plain, is_unknown, plain, wrapped
from infra.provider.run import Made, Run

Result = TypeVar("Result")


class Handler(Protocol):
    """One resource type. Inputs and state are plain values; the state holds the inputs too."""

    secret: frozenset[str]
    """Properties that must not be read in the state."""
    replacing: frozenset[str]
    """Inputs whose change needs a new resource; the old one is deleted before."""
    made: frozenset[str]
    """Outputs that are known only when the resource exists."""

    def faults(self, inputs: Plain, /) -> Mapping[str, str]:
        """Input → what is wrong with it; inputs that are not known yet are left out."""

    def ails(self, state: Plain, /) -> frozenset[str]:
        """Outputs that show that the resource needs an update though its inputs are as they were."""

    def create(self, inputs: Plain, call: Call, /) -> tuple[str, Plain]:
        """The new resource's id and outputs."""

    def read(self, state: Plain, call: Call, /) -> Plain | None:
        """The resource as it is now; nothing when it is gone."""

    def update(self, state: Plain, inputs: Plain, call: Call, /) -> Plain:
        """The outputs after the change in place."""

    def delete(self, state: Plain, call: Call, /) -> None:
        """Ends the resource; one that is gone is fine."""


class Plugin(wire.Provider):
    """Answers the engine."""

    def __init__(self, handlers: Mapping[str, Handler], engine: Engine) -> None:
        self._handlers = handlers
        self._engine = engine
        self._run = Run()

    def _handler(self, kind: str) -> Handler:
        """Of a resource type; inside a component it is spelled `component$type`."""
        return self._handlers[kind.rpartition("$")[2]]

    async def configure(self, _request: wire.ConfigureRequest) -> wire.ConfigureResponse:
        """Previews get what is known already."""
        return wire.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def cancel(self) -> None:
        """Ctrl-C, or the engine's end: everything that waits stops waiting."""
        self._run.stopped.set()

    async def check(self, request: wire.CheckRequest) -> wire.CheckResponse:
        """What is wrong with the inputs, as far as they are known."""
        handler = self._handler(request.type)
        known = {key: value for key, value in plain(request.new_inputs).items() if not is_unknown(value)}
        found = await asyncio.to_thread(handler.faults, known)
        unknown = request.new_inputs.keys() - known.keys()
        failures = [wire.CheckFailure(key, reason) for key, reason in found.items() if key not in unknown]
        return wire.CheckResponse(request.new_inputs, failures)

    async def diff(self, request: wire.DiffRequest) -> wire.DiffResponse:
        """Inputs that changed, and outputs that show an ailment."""
        handler = self._handler(request.type)
        state, inputs = plain(request.old_state), plain(request.new_inputs)
        unknown = {key for key, value in inputs.items() if is_unknown(value)}
        changed = {key for key in inputs.keys() - unknown if inputs[key] != state.get(key)} | handler.ails(state)
        replaces = sorted(changed & handler.replacing)
        kinds = wire.PropertyDiffKind
        detail = {
            key: wire.PropertyDiff(kinds.UPDATE_REPLACE if key in replaces else kinds.UPDATE, key in inputs)
            for key in changed | unknown
        }
        return wire.DiffResponse(
            changes=bool(changed | unknown),
            replaces=replaces,
            delete_before_replace=True,
            diffs=sorted(changed | unknown),
            detailed_diff=detail,
        )

    async def create(self, request: wire.CreateRequest) -> wire.CreateResponse:
        """The resource; in a preview what is known of it."""
        handler, inputs = self._handler(request.type), plain(request.properties)
        if request.preview:
            return wire.CreateResponse("", wrapped(inputs | dict.fromkeys(handler.made, UNKNOWN), handler.secret))
        made, outputs = await self._call(request.urn, partial(handler.create, inputs))
        return wire.CreateResponse(made, wrapped(inputs | outputs, handler.secret))

    async def read(self, request: wire.ReadRequest) -> wire.ReadResponse:
        """The resource as it is now."""
        handler, state = self._handler(request.type), plain(request.properties)
        found = await self._call(request.urn, partial(handler.read, state))
        if found is None:
            return wire.ReadResponse()
        return wire.ReadResponse(request.resource_id, wrapped(state | found, handler.secret), request.inputs)

    async def update(self, request: wire.UpdateRequest) -> wire.UpdateResponse:
        """The resource after a change in place; a preview promises that its outputs stay."""
        handler, state, inputs = self._handler(request.type), plain(request.olds), plain(request.news)
        if request.preview:
            return wire.UpdateResponse(wrapped(state | inputs, handler.secret))
        outputs = await self._call(request.urn, partial(handler.update, state, inputs))
        return wire.UpdateResponse(wrapped(state | inputs | outputs, handler.secret))

    async def delete(self, request: wire.DeleteRequest) -> None:
        """Ends the resource."""
        handler, state = self._handler(request.type), plain(request.properties)
        await self._call(request.urn, partial(handler.delete, state))

    async def _call(self, urn: str, work: Callable[[Call], Result]) -> Result:
        warn = partial(self._engine.warn, urn)
        call = Call(
            partial(self._engine.say, urn),
            warn,
            self._run.stopped,
            lambda name, undo: self._run.made(Made(name, undo, warn)),
        )

        def request() -> Result:
            with self._run.request():
                return work(call)

        return await asyncio.to_thread(request)
