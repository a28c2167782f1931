"""What RunPod is asked for when a worker is rented, and what its refusals mean."""

from pathlib import Path
from typing import Any

from videogen.clouds import Candidate, WorkerSpec
from videogen.clouds.environment import environment
from videogen.errors import CloudBusy, CloudError, NoCapacity
from videogen.runpod_api import RateLimited, Refused
from videogen.worker_environment import WorkerEnvironment

GATEWAY_PORT = 8080

_SSH_PORT = 2222
_INSIDE = {"comfyui_port": 8188, "agent_port": 8189}
_WORKSPACE = Path("/workspace")
_NEXT_CANDIDATE = (400, 403, 404)
"""What a create may be refused with although another candidate may be taken: RunPod has no word for `none is free`."""


def told(spec: WorkerSpec, name: str, api: str) -> WorkerEnvironment:
    """The environment of the worker called `name`; `api`: where it finds RunPod's, if not at its usual place."""
    return environment(
        spec,
        name,
        _WORKSPACE,
        **_INSIDE,
        volume=bool(spec.network_volume_id),
        gateway_port=GATEWAY_PORT,
        ssh_port=_SSH_PORT,
        ssh_public_keys=spec.ssh_public_keys,
        restarts_bill=True,
        runpod_url=api,
    )


def order(spec: WorkerSpec, candidate: Candidate, called: str, worker: WorkerEnvironment) -> dict[str, Any]:
    """The body of `POST /pods` for a pod that is `called` so on RunPod."""
    body: dict[str, Any] = {
        "name": called,
        "image": spec.image,
        "disk": spec.container_disk_gb,
        "ports": [f"{GATEWAY_PORT}/http", *([f"{_SSH_PORT}/tcp"] if spec.ssh_public_keys else [])],
        "env": worker.variables(),
        "cloud": "SECURE",
        "gpu": {"id": candidate.id, "count": 1} | ({"minCudaVersion": spec.cuda} if spec.cuda else {}),
    }
    if candidate.place:
        body["dataCenterIds"] = [candidate.place]
    if spec.network_volume_id:
        body["mounts"] = {"network": [{"volumeId": spec.network_volume_id, "path": str(_WORKSPACE / "data")}]}
    if spec.registry_id:
        body["registry"] = spec.registry_id
    return body


def refusal(error: Refused, candidate: Candidate) -> CloudError:
    """What a refused create means; nothing was created."""
    if isinstance(error, RateLimited):
        return CloudBusy(f"RunPod: {error.detail}", error.seconds)
    if error.status in _NEXT_CANDIDATE:
        return NoCapacity(f"{candidate}: {error.detail}", error.hint)
    if error.status == 402:
        return CloudError(
            f"RunPod's account has too little money: {error.detail}",
            "add credit at https://console.runpod.io/user/billing; a pod wants an hour of its price to start",
        )
    if error.status == 422:
        return CloudError(f"RunPod does not understand the order for {candidate}: {error.detail}", error.hint)
    return CloudError(error.message, error.hint)
