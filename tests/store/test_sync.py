"""A sync makes a folder equal the manifest, against a real store, and again after anything that went wrong."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.doubles.bad_link import BadLink
from tests.doubles.s3_server import S3Server
from videogen.errors import DiskFull, InputError, Interrupted, NotReady, ObjectMissing, StoreUnreachable, WrongHash
from videogen.landing import CHUNK
from videogen.manifest import Manifest
from videogen.mirror import mirror
from videogen.standin.weights import sha256, weights
from videogen.store import Store, model_key
from videogen.sync import SyncProgress, SyncReport, sync

MiB = 1 << 20
SIZES = {"large": 2 * CHUNK + 4711, "middle": 3 * MiB, "small": 5000}


def manifest_of(sizes: dict[str, int]) -> Manifest:
    """Stand-in models of some sizes."""
    models = [
        {"name": name, "role": "r", "file": f"vae/{name}.safetensors", "comfy_folder": "vae", "size": size,
         "sha256": sha256(name, size), "source": "stand-in", "license": "none"}
        for name, size in sizes.items()
    ]  # fmt: skip
    return Manifest.model_validate({"schema": 1, "models": models})


MANIFEST = manifest_of(SIZES)


@pytest.fixture
def store(s3: S3Server) -> Store:
    """A store that has all models."""
    store = s3.store(patience_seconds=5)
    mirror("text", MANIFEST, store, Path("/"))
    return store


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The worker's models folder, not there yet."""
    return tmp_path / "root" / "models"


def run(
    store: Store, models: Path, manifest: Manifest = MANIFEST, progress: Callable[[SyncProgress], None] | None = None
) -> SyncReport:
    """A sync with a minute to go."""
    return sync(manifest, models, store, progress=progress, deadline_seconds=60)


def assert_right(models: Path, manifest: Manifest = MANIFEST) -> None:
    """Every model has its bytes, and nothing half-done is left."""
    for model in manifest.models:
        assert model.size
        assert (models / model.file).read_bytes() == b"".join(weights(model.name, model.size))
    assert list((models / ".parts").iterdir()) == []


def test_cold_then_warm(store: Store, models: Path) -> None:
    """The first sync fetches all, the second finds all proven and takes milliseconds."""
    told: list[SyncProgress] = []
    cold = run(store, models, progress=told.append)
    warm = run(store, models)

    assert set(cold.fetched) == set(SIZES)
    assert cold.fetched_bytes == sum(SIZES.values()) == told[-1].done_bytes == told[-1].total_bytes
    assert [each.done_bytes for each in told] == sorted(each.done_bytes for each in told)
    assert told[-1].eta_seconds == 0
    assert_right(models)
    assert (set(warm.present), warm.fetched, warm.verified) == (set(SIZES), (), ())
    assert warm.seconds < 0.5


def test_a_warm_sync_needs_no_store(s3: S3Server, store: Store, models: Path) -> None:
    """A proven folder is right even while the store is down."""
    run(store, models)
    s3.kill()

    assert set(run(store, models).present) == set(SIZES)


def test_a_file_that_changed_on_disk_is_fetched_again(store: Store, models: Path) -> None:
    """One changed byte behind the record's back is found by its new time, and only that file is fetched."""
    run(store, models)
    with (models / "vae/middle.safetensors").open("r+b") as file:
        file.seek(1000)
        file.write(b"!")
    report = run(store, models)

    assert (report.fetched, report.verified, set(report.present)) == (("middle",), (), {"large", "small"})
    assert_right(models)


def test_a_touched_file_is_hashed_and_kept(store: Store, models: Path) -> None:
    """New times with the old bytes cost a hash, not a download."""
    run(store, models)
    os.utime(models / "vae/middle.safetensors")

    assert (run(store, models).verified, run(store, models).verified) == (("middle",), ())


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff\xfe", b'{"vae/small.safetensors": {"size": "x"}}'])
def test_a_damaged_record_is_no_record(store: Store, models: Path, damage: bytes) -> None:
    """Without a readable record everything is hashed, and the record is whole again."""
    run(store, models)
    (models / ".verified.json").write_bytes(damage)

    assert set(run(store, models).verified) == set(SIZES)
    assert set(run(store, models).present) == set(SIZES)


def test_foreign_files_are_told_and_stay(store: Store, models: Path) -> None:
    """A file that no model names is somebody's: it is reported, never removed."""
    (models / "lora").mkdir(parents=True)
    (models / "lora/mine.safetensors").write_bytes(b"mine")
    (models / "notes.txt").write_bytes(b"mine")

    assert run(store, models).foreign == ("lora/mine.safetensors", "notes.txt")
    assert (models / "lora/mine.safetensors").read_bytes() == b"mine"


def test_models_without_a_hash_are_left_out_and_told(store: Store, models: Path) -> None:
    """A model that cannot be proven is not fetched, and the caller learns it."""
    unpinned = MANIFEST.models[2].model_copy(update={"sha256": None})
    manifest = MANIFEST.model_copy(update={"models": (*MANIFEST.models[:2], unpinned)})

    assert run(store, models, manifest).unpinned == ("small",)
    assert not (models / unpinned.file).exists()


def test_two_models_with_equal_bytes(store: Store, models: Path) -> None:
    """Equal bytes under two names become two files."""
    twin = MANIFEST.models[1].model_copy(update={"name": "twin", "file": "vae/twin.safetensors"})
    run(store, models, MANIFEST.model_copy(update={"models": (*MANIFEST.models, twin)}))

    assert (models / "vae/twin.safetensors").read_bytes() == (models / "vae/middle.safetensors").read_bytes()


def test_another_revision_replaces_the_file(s3: S3Server, store: Store, models: Path) -> None:
    """A new manifest brings its bytes under the old name; going back brings the old ones."""
    run(store, models)
    other = manifest_of({"small": 6000})
    mirror("other", other, store, Path("/"))

    assert run(store, models, other).fetched == ("small",)
    assert (models / "vae/small.safetensors").stat().st_size == 6000
    assert run(store, models).fetched == ("small",)
    assert_right(models)


def test_wrong_bytes_in_the_store(s3: S3Server, store: Store, models: Path) -> None:
    """Damaged bytes never get a model's name; the part is dropped, and the cure is to repair the store."""
    file = s3.file("models", model_key(MANIFEST.models[1].sha256 or ""))
    good = file.read_bytes()
    file.write_bytes(b"?" + good[1:])
    with pytest.raises(WrongHash, match=r"model middle: models/models/sha256/.* has sha256"):
        run(store, models)

    assert not (models / MANIFEST.models[1].file).exists()
    assert not list((models / ".parts").glob(f"{MANIFEST.models[1].sha256}*"))
    file.write_bytes(good)
    assert "middle" in run(store, models).fetched
    assert_right(models)


def test_a_wrong_size_in_the_store(s3: S3Server, store: Store, models: Path) -> None:
    """An object of another size is known to be wrong before a byte is fetched."""
    store.put_bytes("models", model_key(MANIFEST.models[1].sha256 or ""), b"short")
    with pytest.raises(WrongHash, match=r"model middle: .* holds 5 bytes, not 3145728"):
        run(store, models)


def test_missing_objects_are_all_named(s3: S3Server, models: Path) -> None:
    """Every model whose object is missing is named at once, before anything is fetched."""
    store = s3.store()
    mirror("text", manifest_of({"small": 5000}), store, Path("/"))
    with pytest.raises(ObjectMissing) as caught:
        run(store, models)

    assert "large (models/sha256/" in caught.value.message
    assert "middle (models/sha256/" in caught.value.message
    assert "small" not in caught.value.message
    assert caught.value.hint == "`videogen models mirror` brings them there"
    assert not (models / "vae").exists()


def test_a_disk_that_is_too_small(store: Store, models: Path) -> None:
    """A model that no disk holds is refused before anything is fetched, with what is missing."""
    huge = MANIFEST.models[0].model_copy(
        update={"name": "huge", "file": "vae/huge", "sha256": "0" * 64, "size": 10**18}
    )
    with pytest.raises(DiskFull, match=r"needs 1000000\.0 TB, has .* free, .* TB too little"):
        run(store, models, MANIFEST.model_copy(update={"models": (*MANIFEST.models, huge)}))

    assert not (models / "vae").exists()


def test_a_folder_in_a_models_place(store: Store, models: Path) -> None:
    """A folder that has a model's name is an error, not a crash."""
    (models / "vae/small.safetensors").mkdir(parents=True)
    with pytest.raises(InputError, match="is no file, where the manifest wants one"):
        run(store, models)


def test_the_store_goes_away_and_comes_back(s3: S3Server, models: Path) -> None:
    """A store that is down for some seconds in the middle of a sync costs time and nothing else."""
    store = s3.store(patience_seconds=20)
    mirror("text", MANIFEST, store, Path("/"))
    with contextlib.ExitStack() as outage:

        def kill_once(step: SyncProgress) -> None:
            if step.done_bytes < step.total_bytes and killed_at == []:
                killed_at.append(step.done_bytes)
                s3.kill()
                outage.enter_context(s3.back_after(2))

        killed_at: list[int] = []
        report = run(store, models, progress=kill_once)

    assert killed_at
    assert report.seconds > 2
    assert set(report.fetched) == set(SIZES)
    assert_right(models)


def test_the_store_goes_away_for_good(s3: S3Server, models: Path) -> None:
    """After the patience the sync fails with one error."""
    store = s3.store(patience_seconds=0.5)
    mirror("text", MANIFEST, store, Path("/"))
    s3.kill()
    with pytest.raises(StoreUnreachable):
        run(store, models)


def slow_store(link: BadLink, s3: S3Server) -> Store:
    """The store behind a link of 2 MiB a second and connection."""
    mirror("text", MANIFEST, s3.store(), Path("/"))
    link.limit, link.mood = 2 * MiB, "slow"
    place = s3.place.model_copy(update={"endpoint": f"http://127.0.0.1:{link.port}"})
    return Store(place, s3.access, patience_seconds=5)


def test_a_link_that_is_too_slow(s3: S3Server, models: Path) -> None:
    """At the deadline the sync says how far it came, and the next one goes on from there."""
    with BadLink(s3.port) as link:
        store = slow_store(link, s3)
        with pytest.raises(NotReady, match=rf"after 2 s .* MB of {sum(SIZES.values()) / 1e6:.1f} MB are in place"):
            sync(MANIFEST, models, store, deadline_seconds=2)
    report = run(s3.store(), models)

    assert "small" in report.present
    assert_right(models)


def test_a_stop_ends_it_soon(s3: S3Server, models: Path) -> None:
    """A sync that is told to stop ends within moments, in the middle of a file."""
    stop = threading.Event()
    with BadLink(s3.port) as link:
        store = slow_store(link, s3)
        threading.Timer(1, stop.set).start()
        began = time.monotonic()
        with pytest.raises(Interrupted):
            sync(MANIFEST, models, store, stop=stop, deadline_seconds=60)

    assert time.monotonic() - began < 10


def test_two_syncs_at_once(store: Store, models: Path) -> None:
    """Two syncs of one folder: one fetches, the other waits and finds all proven."""
    reports: list[SyncReport] = []
    threads = [threading.Thread(target=lambda: reports.append(run(store, models))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(len(report.fetched) for report in reports) == [0, 3]
    assert_right(models)


CHILD = """
import json, sys
from pathlib import Path
from videogen.manifest import Manifest
from videogen.secret import Secret
from videogen.stack_outputs import Store as Place, StoreAccess
from videogen.store import Store
from videogen.sync import sync
said = json.load(sys.stdin)
store = Store(Place(**said["place"]), StoreAccess(key=Secret("test-key"), secret=Secret("test-secret")))
print("begun", flush=True)
sync(Manifest.model_validate(said["manifest"]), Path(said["models"]), store, deadline_seconds=60)
"""


UNCHECKED = (
    CHILD[: CHILD.index("sync(Manifest")]
    + """
import threading
from videogen.download import Downloads
from videogen.errors import DiskFull
from videogen.models_folder import ModelsFolder
from videogen.store import model_key
folder = ModelsFolder(Path(said["models"]))
model = Manifest.model_validate(said["manifest"]).models[0]
stored = store.head("models", model_key(model.sha256))
nothing = lambda *anything: None
downloads = Downloads([(model, stored)], folder, store, nothing, nothing, nothing, threading.Event())
try:
    downloads.work()
finally:
    downloads.close(drop=True)
    print("left:", list((folder.path / ".parts").iterdir()))
"""
)
"""The fetch alone, without the look at the disk that a sync takes before it."""


def child(
    place: dict[str, object], manifest: Manifest, models: Path, prefix: tuple[str, ...] = (), script: str = CHILD
) -> subprocess.Popen[str]:
    """A sync in a process of its own."""
    source = Path(__file__).resolve().parents[2] / "src"
    process = subprocess.Popen(
        [*prefix, sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(source)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    said = {"place": place, "manifest": manifest.model_dump(mode="json", by_alias=True), "models": str(models)}
    process.stdin.write(json.dumps(said))
    process.stdin.close()
    process.stdin = None
    return process


def test_killed_in_the_middle(s3: S3Server, models: Path) -> None:
    """After kill -9 the next sync uses the chunks that are proven and fetches the rest, and no half byte is trusted."""
    manifest = manifest_of({"large": 6 * CHUNK + 4711})
    model = manifest.models[0]
    journal = models / ".parts" / f"{model.sha256}.chunks"
    mirror("text", manifest, s3.store(), Path("/"))
    with BadLink(s3.port) as link:
        link.limit, link.mood = 24 * MiB, "slow"
        process = child({**s3.place.model_dump(), "endpoint": f"http://127.0.0.1:{link.port}"}, manifest, models)
        deadline = time.monotonic() + 40
        while not journal.exists() or len(journal.read_text().splitlines()) < 2:
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.kill()
        process.communicate(timeout=20)
    kept = [int(line.split()[0]) for line in journal.read_text().splitlines()]
    with (models / ".parts" / str(model.sha256)).open("r+b") as part:  # as if one chunk had never reached the disk
        part.seek(kept[0] * CHUNK)
        part.write(b"\0" * 512)
    with journal.open("a") as lines:
        lines.write("5 12")  # cut off
    assert not (models / model.file).exists()

    report = run(s3.store(), models, manifest)

    size = model.size or 0
    trusted = sum(min(CHUNK, size - chunk * CHUNK) for chunk in kept[1:])
    assert report.fetched_bytes == size - trusted
    assert 2 <= len(kept) < 7
    assert_right(models, manifest)


SMALL_DISK = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=8m none "$0" && exec "$@"')
CAN_MOUNT = (
    bool(shutil.which("unshare"))
    and not subprocess.run([*SMALL_DISK[:-1], "mount -t tmpfs none /mnt"], check=False, capture_output=True).returncode
)


@pytest.mark.skipif(not CAN_MOUNT, reason="this user cannot mount a small disk")
def test_a_small_disk(s3: S3Server, tmp_path: Path) -> None:
    """On a disk of 8 MB a sync of 9 MB says what is missing."""
    manifest = manifest_of({"large": 9 * MiB})
    mirror("text", manifest, s3.store(), Path("/"))
    disk = tmp_path / "disk"
    disk.mkdir()
    process = child(s3.place.model_dump(), manifest, disk / "models", (*SMALL_DISK, str(disk)))
    _, errors = process.communicate(timeout=40)

    assert f"videogen.errors.DiskFull: {disk}/models: needs 9.4 MB, has 8.4 MB free, 1.0 MB too little" in errors


@pytest.mark.skipif(not CAN_MOUNT, reason="this user cannot mount a small disk")
def test_a_disk_that_others_fill_meanwhile(s3: S3Server, tmp_path: Path) -> None:
    """When the room is gone although it was there before, the error says so and no half-written part stays."""
    manifest = manifest_of({"large": 9 * MiB})
    mirror("text", manifest, s3.store(), Path("/"))
    disk = tmp_path / "disk"
    disk.mkdir()
    process = child(s3.place.model_dump(), manifest, disk / "models", (*SMALL_DISK, str(disk)), UNCHECKED)
    out, errors = process.communicate(timeout=40)

    assert "videogen.errors.DiskFull" in errors
    assert "no space left while writing" in errors
    assert out.splitlines() == ["begun", "left: []"]


OVERFLOWING = CHILD.replace(
    "deadline_seconds=60)", 'deadline_seconds=60, overflow=Path(said["models"]).parents[1] / "other")'
).replace("sync(Manifest", "done = sync(Manifest") + (
    'print(sorted(done.overflow), [path.name for path in Path(said["models"]).rglob("*") if path.is_symlink()])\n'
)


@pytest.mark.skipif(not CAN_MOUNT, reason="this user cannot mount a small disk")
def test_a_small_volume_with_the_containers_disk_beside_it(s3: S3Server, store: Store, tmp_path: Path) -> None:
    """What a volume of 8 MB cannot hold lies on the other disk, linked; the small models stay on the volume."""
    disk = tmp_path / "disk"
    disk.mkdir()
    prefix = (*SMALL_DISK, str(disk))
    process = child(s3.place.model_dump(), MANIFEST, disk / "models", prefix, OVERFLOWING)
    out, errors = process.communicate(timeout=60)

    assert out.splitlines() == ["begun", "['large'] ['large.safetensors']"], errors
    assert (tmp_path / "other/vae/large.safetensors").stat().st_size == SIZES["large"]
