"""A sync meets everything that a store, a link, a disk and a clock can do wrong, and never names a wrong byte right."""

import contextlib
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.doubles.bad_s3 import BadS3, Fault
from tests.doubles.s3_server import S3Server
from videogen.errors import (
    DiskFull,
    InputError,
    Interrupted,
    LinkTooSlow,
    ObjectChanged,
    StoreError,
    StoreUnreachable,
    VideogenError,
    WrongHash,
)
from videogen.landing import CHUNK
from videogen.manifest import Manifest
from videogen.models_folder import ModelsFolder
from videogen.store import Store, model_key
from videogen.sync import SyncReport, sync
from videogen.sync_events import Again, Moved, SyncEvent, Unranged, line

BYTES = {
    "large": hashlib.shake_128(b"large").digest(2 * CHUNK + 4711),
    "small": b"small" * 1000,
    "日本": "日本語".encode() * 99,
}
FILES = {"large": "vae/large", "small": "vae/small", "日本": "vae/名 前 with spaces.safetensors"}
HASHES = {name: hashlib.sha256(data).hexdigest() for name, data in BYTES.items()}


def model(which: str, **more: object) -> dict[str, object]:
    """A model of `BYTES`."""
    known = {"name": "jp" if which == "日本" else which, "file": FILES[which], "size": len(BYTES[which])}
    fixed = {"role": "r", "comfy_folder": "vae", "sha256": HASHES[which], "source": "bring-your-own", "license": "x"}
    return {**known, **fixed, **more}


def of(*models: dict[str, object]) -> Manifest:
    """A manifest that no parser has looked at."""
    return Manifest.model_validate({"schema": 1, "models": models})


ALL = of(*(model(name) for name in BYTES))


@pytest.fixture
def full(s3: S3Server) -> S3Server:
    """A server that has all models."""
    store = s3.store()
    for name, data in BYTES.items():
        store.put_bytes("models", model_key(HASHES[name]), data)
    return s3


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The models folder, not there yet."""
    return tmp_path / "models"


def run(store: Store, models: Path, manifest: Manifest = ALL, **more: object) -> SyncReport:
    """A sync with 40 seconds to go."""
    return sync(manifest, models, store, deadline_seconds=40, **more)  # type: ignore[arg-type]  # passed on


def assert_right(models: Path) -> None:
    """Every model has its bytes, and nothing half-done is left."""
    for name, data in BYTES.items():
        assert (models / FILES[name]).read_bytes() == data
    assert list((models / ".parts").iterdir()) == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("truncated", times=4),
        Fault("too long", times=3),
        Fault("reset", times=5),
        Fault("error", times=4, status=500),
        Fault("error", times=1, status=503, retry_after="1"),
        Fault("flipped", key=HASHES["large"]),
        Fault("flipped", key=HASHES["small"]),
        Fault("replaced", key=HASHES["large"], after=1),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.key[:3]}",
)
@pytest.mark.parametrize("seed", [1, 2])
def test_faults_that_pass_cost_time_only(full: S3Server, models: Path, fault: Fault, seed: int) -> None:
    """A truncated, broken, damaged, refused or replaced answer is asked for again; the files are right in the end."""
    fault = Fault(**{key: value for key, value in vars(fault).items() if key != "met"})
    with BadS3(full, fault, seed=seed) as bad:
        run(bad.store(10), models)

    assert bad.hits
    assert_right(models)


def test_retry_after_is_waited_for(full: S3Server, models: Path) -> None:
    """A store that asks for two seconds gets them."""
    with BadS3(full, Fault("error", retry_after="2", key=HASHES["small"])) as bad:
        assert run(bad.store(), models).seconds >= 2


def test_retry_after_beyond_the_patience_is_an_error_at_once(full: S3Server, models: Path) -> None:
    """Nobody waits for an hour, and nobody waits in vain."""
    with BadS3(full, Fault("error", times=99, retry_after="3600")) as bad:
        began = time.monotonic()
        with pytest.raises(StoreUnreachable, match="503 SlowDown"):
            run(bad.store(), models)

    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault("forbidden", times=99, key=HASHES["small"]), StoreError, "model small: .* AccessDenied as told"),
        (Fault("flipped", times=99, key=HASHES["small"]), WrongHash, "model small: .* has sha256"),
        (Fault("replaced", times=99, key=HASHES["large"]), ObjectChanged, "was replaced while it was read"),
        (Fault("truncated", times=0), None, ""),
    ],
    ids=["403", "flipped", "replaced", "none"],
)
def test_faults_that_stay_are_one_clear_error(
    full: S3Server, models: Path, fault: Fault, error: type[VideogenError] | None, words: str
) -> None:
    """What does not pass is told with its model; the next sync, over a good link, makes everything right."""
    with BadS3(full, fault) as bad:
        if error:
            with pytest.raises(error, match=words):
                run(bad.store(), models)
            assert not (models / FILES["small" if fault.key == HASHES["small"] else "large"]).exists()
    run(full.store(), models)

    assert_right(models)


def once_unranged(bad: BadS3, *faults: Fault, told: list[SyncEvent]) -> Callable[[SyncEvent], None]:
    """A listener that keeps events, and lets faults begin when the store is known to ignore ranges."""

    def tell(event: SyncEvent) -> None:
        told.append(event)
        if isinstance(event, Unranged):
            bad.faults[:0] = faults

    return tell


@pytest.mark.parametrize("breaks", [0, 2])
def test_ranges_that_are_ignored(full: S3Server, models: Path, breaks: int) -> None:
    """A store that gives whole objects is read in one answer a file, said once; one that breaks is asked again."""
    told: list[SyncEvent] = []
    with BadS3(full, Fault("whole", times=99)) as bad:
        breaking = Fault("reset", times=breaks, key=HASHES["large"])
        report = run(bad.store(), models, tell=once_unranged(bad, breaking, told=told))
        asked = bad.asked

    assert_right(models)
    assert set(report.fetched) == {"large", "small", "jp"}
    assert [event.model for event in told if isinstance(event, Unranged)] == ["large"]
    assert not any(isinstance(event, Again) for event in told)
    assert breaking.met == 1 + breaks
    assert asked <= 2 + 3 + 1 + breaks  # the small ones, a range for each chunk, the one answer
    assert all(event.done_bytes <= event.total_bytes for event in told if isinstance(event, Moved))


def test_a_proven_part_is_used_where_ranges_are_ignored(full: S3Server, models: Path) -> None:
    """What an earlier sync left is read from the disk, and not written again."""
    parts = ModelsFolder(models).parts(FILES["large"])
    first = BYTES["large"][:CHUNK]
    (parts / HASHES["large"]).write_bytes(first)
    (parts / f"{HASHES['large']}.chunks").write_text(f"0 {hashlib.sha256(first).hexdigest()}\n")
    with BadS3(full, Fault("whole", times=99)) as bad:
        report = run(bad.store(), models, of(model("large")))

    assert report.fetched_bytes == len(BYTES["large"]) - CHUNK
    assert (models / FILES["large"]).read_bytes() == BYTES["large"]


def test_damage_where_ranges_are_ignored(full: S3Server, models: Path) -> None:
    """Wrong bytes are found there as well."""
    full.file("models", model_key(HASHES["large"])).write_bytes(b"?" + BYTES["large"][1:])
    with BadS3(full, Fault("whole", times=99)) as bad, pytest.raises(WrongHash, match=r"model large: .* has sha256"):
        run(bad.store(), models)


def test_a_stop_where_ranges_are_ignored(full: S3Server, models: Path) -> None:
    """A stop is heard while the one answer is silent."""
    stop, silent = threading.Event(), Fault("silent", times=99, key=HASHES["large"])
    with BadS3(full, Fault("whole", times=99)) as bad:
        stopped: list[float] = []

        def stop_in_the_silence() -> None:
            while not silent.met:
                time.sleep(0.02)
            stopped.append(time.monotonic())
            stop.set()

        threading.Thread(target=stop_in_the_silence, daemon=True).start()
        with pytest.raises(Interrupted):
            run(bad.store(60), models, stop=stop, tell=once_unranged(bad, silent, told=[]))
        heard = time.monotonic()

    assert silent.met == 1
    assert heard - stopped[0] < 5


def test_the_floor_bites(full: S3Server, models: Path) -> None:
    """A link that gives less than the floor is given up, with both rates; what arrived is kept."""
    with BadS3(full, Fault("slow", times=99, key=HASHES["large"], rate=200_000)) as bad:
        began = time.monotonic()
        with pytest.raises(LinkTooSlow, match=r"models: \d+\.\d kB/s in the last 1 s, the floor is 5\.0 MB/s"):
            run(bad.store(), models, floor_bytes_per_second=5e6, floor_window_seconds=1)

    assert time.monotonic() - began < 8
    assert (models / FILES["small"]).exists()
    run(full.store(), models)
    assert_right(models)


def test_a_floor_that_is_met_is_silent(full: S3Server, models: Path) -> None:
    """A good link does not notice the floor, nor does a warm folder."""
    for _ in range(2):
        run(full.store(), models, floor_bytes_per_second=1e3, floor_window_seconds=0.2)
    assert_right(models)


def test_a_stop_does_not_wait_for_a_silent_store(full: S3Server, models: Path) -> None:
    """Who stops a sync has it back at once, although the store's patience is long."""
    stop = threading.Event()
    with BadS3(full, Fault("silent", times=99)) as bad:
        threading.Timer(0.5, stop.set).start()
        began = time.monotonic()
        with pytest.raises(Interrupted):
            run(bad.store(60), models, stop=stop)

    assert time.monotonic() - began < 5


def test_a_file_changed_behind_a_restored_date(full: S3Server, models: Path) -> None:
    """Who changes a proven file and sets its date back is found, because a change's own time cannot be set."""
    run(full.store(), models)
    path = models / FILES["small"]
    before = path.stat()
    path.write_bytes(b"evil!" * 1000)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert run(full.store(), models).fetched == ("small",)
    assert_right(models)


@pytest.mark.parametrize("year", [1971, 2100])
def test_clock_jumps(full: S3Server, models: Path, year: int) -> None:
    """Files dated long ago or in the future are hashed once, then believed as long as they stay so."""
    run(full.store(), models)
    for file in FILES.values():
        os.utime(models / file, ((year - 1970) * 3.15e7,) * 2)

    assert len(run(full.store(), models).verified) == 3
    assert len(run(full.store(), models).present) == 3


@pytest.mark.parametrize("days", [1, -1])
def test_clock_jumps_while_it_runs(full: S3Server, models: Path, days: int) -> None:
    """A day more or less on every file of a sync under way, also on what an earlier one left, costs at most a hash."""
    jump = days * 86_400 * 10**9
    parts = ModelsFolder(models).parts(FILES["large"])
    first = BYTES["large"][:CHUNK]
    (parts / HASHES["large"]).write_bytes(first)
    (parts / f"{HASHES['large']}.chunks").write_text(f"0 {hashlib.sha256(first).hexdigest()}\n")
    jumps = 0

    def tell(_: SyncEvent) -> None:
        nonlocal jumps
        for path in models.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # a file that got its name meanwhile
                when = path.stat().st_mtime_ns + jump * (-1) ** jumps
                os.utime(path, ns=(when, when))
        jumps += 1

    report = run(full.store(), models, tell=tell)

    assert jumps > 3
    assert report.fetched_bytes == sum(map(len, BYTES.values())) - CHUNK
    assert_right(models)
    assert run(full.store(), models).fetched == ()
    assert len(run(full.store(), models).present) == 3


@pytest.mark.parametrize(
    "record",
    [b"\0" * 512, b'{"version": 99, "files": {}}', b'{"version": 2, "files": {"vae/small": {"size": -1}}}', b"[]"],
)
def test_a_record_that_is_corrupt_or_from_the_future(full: S3Server, models: Path, record: bytes) -> None:
    """What cannot be read proves nothing: all is hashed, nothing fetched, and the record is whole again."""
    run(full.store(), models)
    (models / ".verified.json").write_bytes(record)
    again = run(full.store(), models)

    assert (len(again.verified), again.fetched) == (3, ())
    assert len(run(full.store(), models).present) == 3


def test_a_lying_record(full: S3Server, models: Path) -> None:
    """A record that calls another hash proven makes the file wrong, not right."""
    run(full.store(), models)
    record = models / ".verified.json"
    said = json.loads(record.read_text())
    said["files"]["vae/small"]["sha256"] = "0" * 64
    record.write_text(json.dumps(said))

    assert run(full.store(), models).fetched == ("small",)


def test_a_link_to_a_file_elsewhere(full: S3Server, models: Path, tmp_path: Path) -> None:
    """A linked file with the right bytes is proven as it is; one with wrong bytes is replaced, its target untouched."""
    (models / "vae").mkdir(parents=True)
    mine, wrong = tmp_path / "mine", tmp_path / "wrong"
    mine.write_bytes(BYTES["large"])
    wrong.write_bytes(b"wrong" * 1000)
    (models / "vae/large").symlink_to(mine)
    (models / "vae/small").symlink_to(wrong)
    report = run(full.store(), models)

    assert (report.verified, set(report.fetched)) == (("large",), {"small", "jp"})
    assert (models / "vae/large").is_symlink()
    assert not (models / "vae/small").is_symlink()
    assert wrong.read_bytes() == b"wrong" * 1000


def test_a_linked_folder_that_leads_out(full: S3Server, models: Path, tmp_path: Path) -> None:
    """Nothing is ever written through a link into somebody else's folder."""
    models.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (models / "vae").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out of"):
        run(full.store(), models)

    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("twin", ["vae/small", "vae/SMALL"])
def test_two_entries_with_one_target(full: S3Server, models: Path, twin: str) -> None:
    """Two entries for one file, also in another letter case, are refused before anything happens."""
    with pytest.raises(InputError, match="model twin: wants the same file as model small"):
        run(full.store(), models, of(model("small"), model("large", name="twin", file=twin)))

    assert not (models / "vae").exists()


def test_foreign_files_go_only_when_asked(full: S3Server, models: Path, tmp_path: Path) -> None:
    """Asked for, foreign files are removed, of a link the link; unpinned models and upper case twins of ours are kept."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    (models / "lora").mkdir(parents=True)
    (models / "vae").mkdir()
    (models / "lora/old").write_bytes(b"old")
    (models / "lora/link").symlink_to(precious)
    (models / "vae/unpinned").write_bytes(b"?")
    manifest = of(model("small"), model("large", name="unpinned", file="vae/unpinned", sha256=None))
    kept = run(full.store(), models, manifest)
    gone = run(full.store(), models, manifest, remove_foreign=True)

    assert (kept.foreign, kept.removed) == (("lora/link", "lora/old"), ())
    assert gone.removed == ("lora/link", "lora/old")
    assert precious.read_bytes() == b"mine"
    assert (models / "vae/unpinned").exists()
    assert run(full.store(), models, manifest).foreign == ()


def heard(
    full: S3Server, models: Path, act: Callable[[Callable[[SyncEvent], None]], object]
) -> list[dict[str, object]]:
    """The events of a sync as a reader of the lines gets them."""
    events: list[SyncEvent] = []
    act(events.append)
    return [json.loads(line(event)) for event in events]


def test_events_tell_the_whole_story(full: S3Server, models: Path) -> None:
    """One JSON line an event, from the plan to the end; a failure is an event too."""
    told = heard(full, models, lambda tell: run(full.store(), models, tell=tell))
    with BadS3(full, Fault("forbidden", times=9)) as bad:
        (models / FILES["small"]).unlink()

        def fail(tell: Callable[[SyncEvent], None]) -> None:
            with pytest.raises(StoreError):
                run(bad.store(), models, tell=tell)

        failed = heard(full, models, fail)

    assert (told[0]["event"], told[0]["missing"]) == ("planned", ["large", "small", "jp"])
    assert sorted(str(each["model"]) for each in told if each["event"] == "fetched") == ["jp", "large", "small"]
    assert (told[-1]["event"], told[-1]["fetched_bytes"]) == ("ended", sum(map(len, BYTES.values())))
    assert (failed[-1]["event"], failed[-1]["error"]) == ("failed", "StoreError")


def test_links_to_the_other_disk_survive_and_heal(full: S3Server, tmp_path: Path) -> None:
    """A model on the other disk is used through its link; when that disk was lost, it is fetched again."""
    models, other = tmp_path / "volume/models", tmp_path / "container/large-models"
    folder = ModelsFolder(models, other)
    folder.away = frozenset({"vae/large"})
    part = folder.parts("vae/large") / "x"
    part.write_bytes(BYTES["large"])
    folder.place(part, "vae/large")
    used = run(full.store(), models, overflow=other)
    again = run(full.store(), models, overflow=other)
    (other / "vae/large").unlink()
    healed = run(full.store(), models, overflow=other)

    assert (models / "vae/large").exists()
    assert (used.verified, used.fetched, len(again.present)) == (("large",), ("small", "jp"), 3)
    assert healed.fetched == ("large",)


def test_what_old_manifests_left_on_the_other_disk(full: S3Server, tmp_path: Path) -> None:
    """A file there that no model names any more is named by its whole path, and goes with its link when asked."""
    models, other = tmp_path / "volume/models", tmp_path / "container/large-models"
    folder = ModelsFolder(models, other)
    folder.away = frozenset({FILES["large"], FILES["small"]})
    for name in ("large", "small"):
        part = folder.parts(FILES[name]) / "x"
        part.write_bytes(BYTES[name])
        folder.place(part, FILES[name])
    kept = run(full.store(), models, of(model("small")), overflow=other)
    there = (other / FILES["large"]).exists()
    gone = run(full.store(), models, of(model("small")), overflow=other, remove_foreign=True)

    assert kept.foreign == gone.foreign == gone.removed == (str(other / FILES["large"]), FILES["large"])
    assert there
    assert not (other / FILES["large"]).exists()
    assert not (models / FILES["large"]).is_symlink()
    assert (models / FILES["small"]).resolve() == other / FILES["small"]
    assert run(full.store(), models, of(model("small")), overflow=other).foreign == ()


def test_a_full_disk_says_what_nobody_needs_on_it(full: S3Server, tmp_path: Path) -> None:
    """The hint counts the foreign files of the disk that is full, and not those that a link there leads to."""
    models, other = tmp_path / "models", tmp_path / "other"
    for folder in (models, other):
        folder.mkdir()
        (folder / "old").write_bytes(b"x" * (7000 if folder == other else 3000))
    (models / "link").symlink_to(other / "old")
    huge = of(model("large", size=10**18))
    with pytest.raises(DiskFull) as here:
        run(full.store(), models, huge)
    with pytest.raises(DiskFull) as there:
        run(full.store(), models, huge, overflow=other)

    assert re.search(r"files that no model names take 3\.\d kB", here.value.hint or "")
    assert "files that no model names take 7.0 kB" in (there.value.hint or "")


def test_a_shared_volume_is_linked_and_left_alone(full: S3Server, tmp_path: Path) -> None:
    """What a folder that nobody may write holds is linked and, with its record, believed; only the rest is fetched."""
    shared, models = tmp_path / "shared", tmp_path / "models"
    run(full.store(), shared, of(model("large"), model("small")))
    before = {path: path.stat().st_mtime_ns for path in shared.rglob("*")}
    report = run(full.store(), models, shared=shared)

    assert (set(report.present), report.verified, report.fetched) == ({"large", "small"}, (), ("jp",))
    assert (models / "vae/large").resolve() == shared / "vae/large"
    assert {path: path.stat().st_mtime_ns for path in shared.rglob("*")} == before
