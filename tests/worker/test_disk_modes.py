"""A worker's folders by what is mounted: none, a volume, a volume that nobody may write."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.test_sync import CAN_MOUNT
from videogen.worker_disk import WorkerDisk


def test_without_and_with_a_volume(tmp_path: Path) -> None:
    """Without a volume the workspace is the root; with one, its `data` is, and the overflow lies beside it."""
    bare, volume = WorkerDisk(tmp_path / "a"), WorkerDisk(tmp_path / "b", volume=True)

    assert (bare.root, bare.overflow, bare.shared) == (tmp_path / "a", None, None)
    assert (volume.root, volume.overflow, volume.shared) == (tmp_path / "b/data", tmp_path / "b/large-models", None)
    assert (tmp_path / "b/data/models").is_dir()


READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
LOOK = """
import sys
from pathlib import Path
from videogen.worker_disk import WorkerDisk
disk = WorkerDisk(Path(sys.argv[1]), volume=True)
print(disk.root, disk.overflow, disk.shared)
"""


@pytest.mark.skipif(not CAN_MOUNT, reason="this user cannot mount anything")
def test_a_volume_that_nobody_may_write(tmp_path: Path) -> None:
    """Its models are shared, and everything of the worker lies beside it."""
    (tmp_path / "data").mkdir()
    enter = ["unshare", "--mount", "sh", "-c", READ_ONLY, str(tmp_path / "data")]
    done = subprocess.run(
        [*enter, sys.executable, "-c", LOOK, str(tmp_path)], check=True, capture_output=True, text=True
    )

    assert done.stdout.split() == [str(tmp_path), "None", str(tmp_path / "data/models")]
