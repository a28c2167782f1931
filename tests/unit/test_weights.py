"""The stand-in's weights are safetensors files that never change."""

import json

import pytest

from videogen.standin.weights import sha256, weights


@pytest.mark.parametrize("size", [1000, 1 << 20, (1 << 20) + 1, 3_000_000])
def test_exactly_so_many_bytes_in_small_pieces(size: int) -> None:
    """The file is as long as asked, in pieces of at most 1 MiB."""
    pieces = list(weights("x", size))

    assert sum(map(len, pieces)) == size
    assert max(map(len, pieces)) <= 1 << 20


def test_it_is_a_safetensors_file() -> None:
    """Eight bytes of length, JSON, then one tensor that fills the rest and begins on a multiple of eight."""
    whole = b"".join(weights("wan2.2-i2v-high", 5000))
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    metadata = header.pop("__metadata__")

    assert length % 8 == 0
    assert header == {"noise": {"dtype": "U8", "shape": [4992 - length], "data_offsets": [0, 4992 - length]}}
    assert metadata["made_by"] == "videogen stand-in"


def test_the_bytes_stay_for_ever() -> None:
    """Manifests pin these hashes, so a change of the generator is a mistake."""
    assert sha256("x", 4096) == "b10a91225bba4c7a231781b5e43276c26c8d07e8071c666216472091c4b37ad0"
    assert sha256("y", 4096) != sha256("x", 4096)


def test_too_small_a_file_is_refused() -> None:
    """A size below the header is a mistake of the caller."""
    with pytest.raises(ValueError, match="needs at least 176 bytes, not 20"):
        list(weights("x", 20))
