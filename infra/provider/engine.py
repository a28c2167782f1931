"""The engine's ear: what a resource says while it works stands live behind its line in `pulumi up`."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

from infra.provider.run import Undo


class Engine:
    """Sends words to the engine at an address; may be used from many threads."""

    def __init__(self, address: str) -> None:
        self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def say(self, urn: str, message: str) -> None:
        """A word on what goes on; the next one replaces it."""
        self._log(urn, message, engine_pb2.INFO, ephemeral=True)

    def note(self, message: str) -> None:
        """What a person should read of the stack as a whole; it stays on the screen."""
        self._log("", message, engine_pb2.INFO, ephemeral=False)

    def warn(self, urn: str, message: str) -> None:
        """A warning that stays on the screen at the end."""
        self._log(urn, message, engine_pb2.WARNING, ephemeral=False)

    def _log(self, urn: str, message: str, severity: engine_pb2.LogSeverity.ValueType, *, ephemeral: bool) -> None:
        request = engine_pb2.LogRequest(severity=severity, message=message, urn=urn, ephemeral=ephemeral)
        try:
            self._stub.Log(request, timeout=5)
        except grpc.RpcError:
            return  # an engine that went away hears nothing; the work goes on to its end


@dataclass(frozen=True)
class Call:
    """What a handler gets of the engine's request: where to speak, whether to stop, and who undoes a failure."""

    say: Callable[[str], None]
    warn: Callable[[str], None]
    cancelled: threading.Event
    made: Callable[[str, Undo], None]
    """Told the name of what now exists, and how to end it should the run fail, this request included."""
