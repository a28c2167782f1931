"""The foundation of another stack, which its own `pulumi up` made and this one cannot touch."""

import pulumi

from infra.foundation import FoundationOutputs
from infra.settings import StackSettings


def foundation_of(stack: StackSettings) -> FoundationOutputs:
    """What the stack `foundationStack` exports; what is missing there is not known here, and said by the workers."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack.settings.foundation_stack}"
    other = pulumi.StackReference(name)
    return FoundationOutputs(
        other.get_output("store"),
        other.get_output("storeAccess"),
        other.get_output("workerAccess"),
        other.get_output("queue"),
        other.get_output("runpod"),
    )
