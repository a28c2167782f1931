"""What lasts and costs little: the store of models and outputs, the queue, the identities."""

from infra.foundation.local import local
from infra.foundation.outputs import FoundationOutputs
from infra.settings import StackSettings

__all__ = ["FoundationOutputs", "foundation"]


def foundation(stack: StackSettings) -> FoundationOutputs | None:
    """The foundation that a stack declares; nothing where it uses another stack's."""
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
