"""The command line of the stand-in: ComfyUI's own flags, so that one entrypoint starts either.

Flags that only tune a GPU or a frontend are taken and have no effect here; a flag that ComfyUI does not know is an
error here too.
"""

import argparse
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RECORDED = Path(__file__).resolve().parents[3] / "images" / "comfyui" / "node_schemas"
"""The schemas of the pinned image, when the program runs from its repository."""

_SWITCHES = (
    "cpu",
    "gpu-only",
    "highvram",
    "normalvram",
    "lowvram",
    "novram",
    "disable-smart-memory",
    "disable-dynamic-vram",
    "disable-auto-launch",
    "disable-api-nodes",
    "disable-partner-nodes",
    "offline",
    "disable-all-custom-nodes",
    "disable-assets",
    "deterministic",
    "log-stdout",
    "dont-print-server",
    "disable-xformers",
    "use-sage-attention",
    "use-flash-attention",
    "use-pytorch-cross-attention",
    "use-split-cross-attention",
    "use-quad-cross-attention",
    "use-ck-attention",
    "async-offload",
    "disable-pinned-memory",
    "fast-disk",
    "cache-classic",
    "high-ram",
)
_VALUES = (
    "reserve-vram",
    "vram-headroom",
    "cuda-device",
    "preview-method",
    "preview-size",
    "cache-lru",
    "cache-ram",
    "database-url",
    "verbose",
    "front-end-version",
)


@dataclass(frozen=True)
class Options:
    """How one stand-in runs. Directories are absolute; `max_upload` is in bytes."""

    listen: str
    port: int
    base: Path
    input: Path
    output: Path
    temp: Path
    user: Path
    extra_model_paths: tuple[Path, ...]
    node_schemas: Path
    max_upload: int
    metadata: bool
    cache: bool
    cors_origin: str | None
    argv: tuple[str, ...]


def read_options(argv: Sequence[str]) -> Options:
    """Options of a command line; a wrong one ends the process with code 2, as argparse does."""
    parser = argparse.ArgumentParser("videogen.standin", description="A stand-in for ComfyUI.", allow_abbrev=False)
    parser.add_argument("--listen", nargs="?", const="0.0.0.0,::", default="127.0.0.1", help="loopback addresses only")
    parser.add_argument("--port", type=int, default=8188, help="0 picks a free one and logs it")
    parser.add_argument("--base-directory", type=Path, default=Path(), help="default: the current directory")
    for name in ("input", "output", "temp", "user"):
        parser.add_argument(f"--{name}-directory", type=Path)
    parser.add_argument("--extra-model-paths-config", type=Path, nargs="+", action="extend", default=[])
    parser.add_argument("--node-schemas", type=Path, default=RECORDED, help="folder of recorded object_info files")
    parser.add_argument("--max-upload-size", type=float, default=100, help="MB")
    parser.add_argument("--disable-metadata", action="store_true")
    parser.add_argument("--cache-none", action="store_true")
    parser.add_argument("--enable-cors-header", nargs="?", const="*")
    parser.add_argument("--fast", nargs="*")
    parser.add_argument("--whitelist-custom-nodes", nargs="+")
    for switch in _SWITCHES:
        parser.add_argument(f"--{switch}", action="store_true", help=argparse.SUPPRESS)
    for value in _VALUES:
        parser.add_argument(f"--{value}", nargs="?", help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if not _is_loopback(given.listen):
        parser.error(f"--listen {given.listen}: the stand-in has no authentication and listens on loopback only")
    base = given.base_directory.absolute()

    def directory(name: str) -> Path:
        chosen: Path | None = getattr(given, f"{name}_directory")
        return chosen.absolute() if chosen else base / name

    return Options(
        listen=given.listen,
        port=given.port,
        base=base,
        input=directory("input"),
        output=directory("output"),
        # As in ComfyUI the flag names the parent of the directory that is emptied at every start.
        temp=given.temp_directory.absolute() / "temp" if given.temp_directory else base / "temp",
        user=directory("user"),
        extra_model_paths=tuple(given.extra_model_paths_config),
        node_schemas=given.node_schemas,
        max_upload=round(given.max_upload_size * 1024 * 1024),
        metadata=not given.disable_metadata,
        cache=not given.cache_none,
        cors_origin=given.enable_cors_header,
        argv=tuple(argv),
    )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
