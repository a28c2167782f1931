"""What a worker says of its boot: each step with its seconds, and whether the gate is open."""

from typing import Literal

from videogen.document import Schema
from videogen.worker_sample import Peak, Sample


class BootStep(Schema):
    """One step, as seconds since the entrypoint started."""

    name: str
    began: float
    seconds: float | None = None
    """Nothing while it is under way."""
    detail: str = ""


class ModelsProgress(Schema):
    """How far the models are: bytes of all files that this boot hashes or fetches."""

    file: str
    """The one that moved last."""
    done_bytes: int
    total_bytes: int
    bytes_per_second: float
    """From the store, since the sync began."""
    eta_seconds: float | None
    """Nothing while no rate is known; 0 at the end."""


class WorkerStatus(Schema):
    """The agent's answer to `GET /status`.

    `ready` means: the disk equals the manifest, ComfyUI answers, its folders are the rendered ones.
    """

    worker: str
    state: Literal["booting", "ready", "failed", "ending"]
    manifest: str
    """Digest of the manifest that the disk was brought in line with."""
    steps: tuple[BootStep, ...]
    models: ModelsProgress | None = None
    """Nothing before the first byte, and where all files were proven earlier."""
    error: str | None = None
    hint: str | None = None
    idle_seconds: float = 0
    lease_seconds_left: float = 0
    comfyui_restarts: int = 0
    restarts: dict[str, int] = {}
    """How often each other program of the worker died and was started again."""
    looked_seconds: float | None = None
    """Since the entrypoint last looked at ComfyUI; nothing before its first look. More than some: it hangs itself."""
    answered_seconds: float | None = None
    """Since ComfyUI last answered such a look."""
    peak: Peak = Peak()
    samples: tuple[Sample, ...] = ()
    """The last minutes, oldest first."""
