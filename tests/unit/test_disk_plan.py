"""Where a worker's files go, decided from what is mounted and how much room there is."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from videogen.disk_plan import RESERVE, DiskLayout, layout, overflowing
from videogen.manifest import Model

WORK = Path("/workspace")
GB = 10**9


def models(*sizes: int) -> list[Model]:
    """Models of some sizes."""
    fixed = {"role": "r", "comfy_folder": "vae", "sha256": "a" * 64, "source": "stand-in", "license": "none"}
    return [
        Model.model_validate({**fixed, "name": f"m{number}", "file": f"vae/{number}", "size": size})
        for number, size in enumerate(sizes)
    ]


def test_layouts() -> None:
    """Without a volume all is in the workspace; with one, in it; beside a read-only one, and linked from it."""
    assert layout(WORK, "none") == DiskLayout(WORK, None, None)
    assert layout(WORK, "writable") == DiskLayout(WORK / "data", WORK / "large-models", None)
    assert layout(WORK, "read-only") == DiskLayout(WORK, None, WORK / "data/models")


def test_a_volume_with_room_takes_all() -> None:
    """With room and a reserve nothing goes away; a full volume that lacks nothing loses nothing."""
    assert overflowing(models(14 * GB, 6 * GB), 30 * GB) == frozenset()
    assert overflowing([], 0) == frozenset()


def test_a_small_volume_keeps_the_small_ones() -> None:
    """Of 60 GB on a volume of 20 the large go away, and room for the rest is left."""
    assert overflowing(models(14 * GB, 28 * GB, 6 * GB, 1 * GB, 250_000_000), 20 * GB) == {"vae/0", "vae/1"}


@given(st.lists(st.integers(1, 40 * GB), max_size=12), st.integers(0, 200 * GB))
def test_what_stays_fits_and_nothing_small_goes_before_something_large(sizes: list[int], free: int) -> None:
    """Whatever the sizes: what stays fits into the free room, and is nowhere larger than what goes."""
    wanted = models(*sizes)
    away = overflowing(wanted, free)
    stay = [model.size or 0 for model in wanted if model.file not in away]

    assert sum(stay) <= max(0, free - min(RESERVE, free // 10))
    assert max(stay, default=0) <= min((model.size or 0 for model in wanted if model.file in away), default=10**18)
