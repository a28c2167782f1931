"""The command line that starts a worker's ComfyUI: the real one where there is a checkout, else the stand-in."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from videogen.errors import InputError
from videogen.worker_environment import WorkerEnvironment

_NAMES = frozenset(("PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE"))
_FAMILIES = (
    *(
        "LC_",
        "PYTHON",
        "CUDA",
        "NVIDIA_",
        "NCCL_",
        "PYTORCH_",
        "TORCH",
        "TRITON_",
        "OMP_",
        "MKL_",
        "HIP_",
        "ROCM",
        "HSA_",
    ),
    "STANDIN_",
)
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd")


def command(settings: WorkerEnvironment, model_paths: Path) -> list[str]:
    """Listens on loopback only and keeps all that it writes under the worker's root, where the file `model_paths` is.

    Raises `InputError` for a checkout or interpreter that is not there.
    """
    root = model_paths.parent
    flags = [
        "--listen=127.0.0.1",
        f"--port={settings.comfyui_port}",
        f"--extra-model-paths-config={model_paths}",
        f"--input-directory={root / 'input'}",
        f"--output-directory={root / 'outputs'}",
        f"--temp-directory={root}",  # it appends `temp`, and empties that at each start
        f"--user-directory={root / 'user'}",
        f"--max-upload-size={settings.upload_limit_mb}",  # its own is 100 MB, less than the gateway's
        "--disable-auto-launch",
    ]
    program = [sys.executable, "-m", "videogen.standin"]
    if settings.comfyui_dir is not None:
        program = _program(settings.comfyui_dir, settings.comfyui_python)
        flags += _flags_of_version(settings.comfyui_dir, root)
    try:
        return program + flags + shlex.split(settings.comfyui_arguments)
    except ValueError as error:
        raise InputError.of("environment: VIDEOGEN_COMFYUI_ARGUMENTS", f"cannot be split: {error}") from error


def environment(own: Mapping[str, str], account: Mapping[str, str] | None = None) -> dict[str, str]:
    """What ComfyUI may know of the worker's environment, a closed list: anything else may be a secret.

    `account`: the variables of the user as whom it runs.
    """
    given = {name: value for name, value in own.items() if name in _NAMES or name.startswith(_FAMILIES)}
    return {**given, **(account or {}), "PYTHONUNBUFFERED": "1"}


def _program(checkout: Path, interpreter: Path | None) -> list[str]:
    python = interpreter or checkout / ".venv" / "bin" / "python"
    for path, variable in ((checkout / "main.py", "DIR"), (python, "PYTHON")):
        if not path.is_file():
            raise InputError.of(f"environment: VIDEOGEN_COMFYUI_{variable}", f"no file {path}")
    return [str(python), str(checkout / "main.py")]


def _flags_of_version(checkout: Path, root: Path) -> list[str]:
    """ComfyUI ends at once on a flag that its version does not know."""
    try:
        known = (checkout / "comfy" / "cli_args.py").read_text(encoding="utf-8")
    except OSError as error:
        raise InputError.of("environment: VIDEOGEN_COMFYUI_DIR", f"is no ComfyUI: {error}") from error
    flags = [flag for flag in ("--offline", "--disable-api-nodes") if f'"{flag}"' in known][:1]
    if '"--database-url"' in known:  # by default it is in the checkout, where only one ComfyUI at a time may use it
        flags.append(f"--database-url=sqlite:///{root / 'user' / 'comfyui.db'}")
    if sys.platform == "linux" and not any(Path(device).exists() for device in _GPU_DEVICES):
        flags.append("--cpu")
    return flags
