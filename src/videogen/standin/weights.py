"""The weights files of the stand-in: they weigh what the manifest says, load as safetensors, and mean nothing.

The bytes follow from name and size alone and must stay so for ever: manifests pin their hashes.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import cache

_CHUNK = 1 << 20


def weights(name: str, size: int) -> Iterator[bytes]:
    """The file in pieces of at most 1 MiB, together exactly `size` bytes: one tensor of noise.

    Raises `ValueError` when `size` is too small for the header (some 200 bytes).
    """
    header = _header(name, size)
    yield header
    left = size - len(header)
    for index in range((left + _CHUNK - 1) // _CHUNK):
        piece = min(_CHUNK, left - index * _CHUNK)
        yield hashlib.shake_256(f"{name}\0{index}".encode()).digest(piece)


@cache
def sha256(name: str, size: int) -> str:
    """The hash of that file, for a manifest."""
    whole = hashlib.sha256()
    for piece in weights(name, size):
        whole.update(piece)
    return whole.hexdigest()


def _header(name: str, size: int) -> bytes:
    """Length and JSON of a safetensors file, padded with spaces so that the tensor begins on a multiple of eight."""
    room = (160 + len(json.dumps(name, ensure_ascii=False).encode()) + 7) // 8 * 8
    data = size - 8 - room
    if data < 0:
        raise ValueError(f"a safetensors file called {name} needs at least {8 + room} bytes, not {size}")
    about = {
        "__metadata__": {"format": "pt", "made_by": "videogen stand-in", "name": name},
        "noise": {"dtype": "U8", "shape": [data], "data_offsets": [0, data]},
    }
    text = json.dumps(about, ensure_ascii=False, separators=(",", ":")).encode()
    return room.to_bytes(8, "little") + text.ljust(room)
