"""Files are complete or not there; a full disk is an error with a cure."""

from pathlib import Path

import pytest

from videogen.disk import explained, require_free, spell_bytes, written
from videogen.errors import DiskFull


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    """Until the block ends the old file stays; a block that fails leaves it and no trace."""
    target = tmp_path / "x"
    with written(target) as file:
        file.write(b"1")
        assert not target.exists()
    with pytest.raises(TypeError), written(target) as file:
        file.write("text where bytes belong")  # type: ignore[call-overload]  # the fault that this test is about

    assert target.read_bytes() == b"1"
    assert list(tmp_path.iterdir()) == [target]


def test_no_space_left_is_disk_full() -> None:
    """The system's word for a full disk becomes ours; other faults pass unchanged."""
    with pytest.raises(DiskFull, match="/dev/full: no space left"), explained(Path("/dev/full")):
        Path("/dev/full").write_bytes(b"x")
    with pytest.raises(FileNotFoundError), explained(Path("/none")):
        Path("/none/x").write_bytes(b"x")


def test_room_that_is_there_is_enough(tmp_path: Path) -> None:
    """A wish that fits passes, one that does not says what is missing."""
    require_free(tmp_path, 1)
    with pytest.raises(DiskFull, match="TB too little"):
        require_free(tmp_path, 10**18)


def test_sizes_as_disks_count() -> None:
    """Decimal units, one digit."""
    assert [spell_bytes(n) for n in (5, 1500, 59.7e9, 1e18)] == ["5 bytes", "1.5 kB", "59.7 GB", "1000000.0 TB"]
