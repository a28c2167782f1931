"""The foundation in any store that speaks S3 and whose buckets and keys its owner has made: nothing is declared."""

import pulumi

from infra.foundation.outputs import FoundationOutputs, keys
from infra.settings import StackSettings
from videogen.stack_outputs import StoreAccess


def s3(stack: StackSettings) -> FoundationOutputs:
    """What the stack file says, with the keys as secrets; no queue. Workers without keys of their own get the same."""
    operator = stack.settings.store_access
    assert operator is not None  # `wanted_store.impossible` has asked for them
    place = pulumi.Output.from_input(stack.store.at("").model_dump())
    return FoundationOutputs(place, _access(operator), _access(stack.settings.worker_access or operator))


def _access(access: StoreAccess) -> pulumi.Output[dict[str, str]]:
    return keys(access.key.reveal(), access.secret.reveal())
