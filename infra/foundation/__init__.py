"""What lasts and costs little: the store of models and outputs, the queue, the identities."""

from dataclasses import replace

from infra.foundation.local import local
from infra.foundation.outputs import FoundationOutputs
from infra.runpod_lasting import RunpodLasting
from infra.settings import StackSettings

__all__ = ["FoundationOutputs", "foundation"]


def foundation(stack: StackSettings) -> FoundationOutputs | None:
    """The foundation that a stack declares; nothing where it uses another stack's."""
    made = _store(stack)
    wanted = stack.settings.runpod_lasting
    if made is None or wanted is None:
        return made
    lasting = RunpodLasting("runpod", wanted, stack.settings.registry_login, made.owner)
    return replace(made, runpod=lasting.on_runpod)


def _store(stack: StackSettings) -> FoundationOutputs | None:
    match stack.settings.foundation:
        case "local":
            return local(stack)
        case "s3":
            from infra.foundation.s3 import s3

            return s3(stack)
        case "aws":
            from infra.foundation.aws import aws  # its SDK is large, and only here

            return aws(stack)
        case None:
            return None
