"""What a stack exports: the fields of `videogen.stack_outputs.StackOutputs`, no more and no fewer."""

from collections.abc import Sequence

import pulumi

from infra.foundation import FoundationOutputs
from infra.gpu_worker import GpuWorker
from infra.settings import StackSettings
from videogen.stack_outputs import SECRET, StackOutputs, Worker


def export(stack: StackSettings, foundation: FoundationOutputs, workers: Sequence[GpuWorker]) -> None:
    """Exports the contract; secrets are marked."""
    values = {
        "contract": StackOutputs.model_fields["contract"].default,
        "stack": stack.stack,
        "phase": stack.settings.phase,
        "manifest": stack.manifest_digest,
        "workflows": list(stack.settings.workflows),
        "store": foundation.store,
        "storeAccess": foundation.store_access,
        "workerAccess": foundation.worker_access,
        "queue": foundation.queue,
        "runpod": foundation.runpod,
        "workers": [{name: getattr(worker, name) for name in Worker.model_fields} for worker in workers],
        "tokens": pulumi.Output.all(*(pulumi.Output.all(worker.name, worker.token) for worker in workers)).apply(dict),
    }
    names = [field.alias or name for name, field in StackOutputs.model_fields.items()]
    for name in names:
        pulumi.export(name, pulumi.Output.secret(values[name]) if name in SECRET else values[name])
