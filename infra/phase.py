"""What a phase rents: the resource `videogen:index:Phase`, and a worker a slot that depends on it."""

from typing import Any

import pulumi

from infra.foundation import FoundationOutputs
from infra.gpu_worker import GpuWorker
from infra.settings import StackSettings

SECRET = ("access", "workerAccess")


class Phase(pulumi.CustomResource):
    """Says what will be rented before anything is, and ends last what was; `provider/phase.py` has what it does."""

    def __init__(self, name: str, inputs: dict[str, Any]) -> None:
        options = pulumi.ResourceOptions(additional_secret_outputs=list(SECRET))
        super().__init__("videogen:index:Phase", name, inputs, options)


def workers(stack: StackSettings, foundation: FoundationOutputs) -> list[GpuWorker]:
    """One worker a slot, each proven ready; none where the stack has no phase."""
    wanted = stack.settings
    if wanted.phase is None or wanted.lease is None or wanted.rent is None:
        return []
    inputs = {
        "stack": stack.stack,
        "phase": wanted.phase,
        "cloud": wanted.cloud,
        "gpus": [{"gpu": offer.gpu, "dollars_per_hour": float(offer.dollars_per_hour)} for offer in wanted.gpus],
        "places": wanted.places,
        "workers": wanted.workers,
        "image": wanted.image,
        "volumeGb": wanted.volume_gb,
        "containerDiskGb": wanted.container_disk_gb,
        "cuda": wanted.cuda or "",
        "sshPublicKeys": "\n".join(wanted.ssh_public_keys),
        "lease": wanted.lease.model_dump(),
        "rent": wanted.rent.model_dump(),
        "cap": {"run": float(wanted.cap.run), "month": float(wanted.cap.month)},
        "manifest": stack.manifest_digest,
        "file": wanted.manifest,
        "workflows": wanted.workflows,
        "foundationStack": wanted.foundation_stack or "",
        "store": foundation.store,
        "access": foundation.store_access,
        "workerAccess": foundation.worker_access,
        "networkVolume": foundation.on_runpod("networkVolume") if wanted.volume_gb else "",
        "registry": foundation.on_runpod("login"),
        "comfyui": stack.comfyui.model_dump(by_alias=True),
    }
    phase = Phase("phase", inputs)
    return [
        GpuWorker(f"worker-{slot}", inputs | {"slot": str(slot)}, after=phase) for slot in range(1, wanted.workers + 1)
    ]
