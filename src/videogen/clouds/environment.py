"""What every cloud tells a worker, whichever way its variables reach it."""

from pathlib import Path
from typing import Any

from videogen.clouds import WorkerSpec
from videogen.worker_environment import WorkerEnvironment


def environment(spec: WorkerSpec, name: str, workspace: Path, **more: Any) -> WorkerEnvironment:
    """The environment of the worker called `name`; `more`: fields that differ between clouds."""
    common: dict[str, Any] = {
        "worker": name,
        "stack": spec.stack,
        "phase": spec.phase,
        "workspace": workspace,
        "manifest": spec.manifest,
        "store_endpoint": spec.store.endpoint,
        "store_region": spec.store.region,
        "store_addressing": spec.store.addressing,
        "store_checksums": spec.store.checksums,
        "store_floor_mbit": spec.store.floor_mbit,
        "store_models": spec.store.models,
        "store_outputs": spec.store.outputs,
        "store_key": spec.worker_access.key,
        "store_secret": spec.worker_access.secret,
        "token": spec.token,
        "comfyui_arguments": spec.comfyui.arguments,
        "lease_minutes": spec.lease.total,
        "idle_minutes": spec.lease.idle,
        "boot_minutes": spec.lease.boot,
    }
    return WorkerEnvironment.model_validate(common | more)
