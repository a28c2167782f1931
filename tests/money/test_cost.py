"""`videogen cost` as a person meets it, over a real store and a RunPod that can be silent."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doubles.runpod import FakeRunpod, fake_runpod
from tests.doubles.s3_server import S3Server
from videogen import project, tag
from videogen.money import Cap, Receipt, cost
from videogen.receipts import Receipts
from videogen.rent_record import RentRecord
from videogen.worker_environment import PREFIX

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


def receipt(machine: str, *, phase: str = "c", gpu: str = "H100-80GB", batch: str = "walk", ago: float = 0) -> Receipt:
    """Half an hour at $3 that ended so many days ago."""
    ended = NOW - timedelta(days=ago)
    return Receipt(
        machine=machine, stack=f"phase-{phase}", phase=phase, batch=batch, cloud="runpod", gpu=gpu, why="destroyed",
        started=ended - HOUR / 2, ended=ended, seconds=1800, dollars_per_hour=Decimal(3),
        dollars=cost(Decimal(3), 1800), ended_by="test",
    )  # fmt: skip


def rent(machine: str, hours: float) -> RentRecord:
    """An open rent that began so long ago."""
    return RentRecord(
        machine=machine, cloud="runpod", owner="0123abcd", stack="phase-c", slot="1", phase="c", gpu="L40S",
        dollars_per_hour=Decimal("0.86"), rented=datetime.now(UTC) - HOUR * hours, lease_minutes=60, boot_minutes=10,
        cap=Cap(run=Decimal(5), month=Decimal(50)),
    )  # fmt: skip


@dataclass
class Desk:
    """A bucket with books, and a person who asks what they say."""

    folder: Path
    s3: S3Server
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        access = {"key": self.s3.access.key.reveal(), "secret": self.s3.access.secret.reveal()}
        outputs = {"store": self.s3.place.model_dump(), "storeAccess": access, "stack": "phase-c"}
        (self.folder / "outputs.json").write_text(json.dumps(outputs))
        self.store = self.s3.store()
        self.books = Receipts(self.folder / "books", self.store)

    def keep(self, *receipts: Receipt) -> None:
        """Receipts for the bucket."""
        for one in receipts:
            assert self.books.keep(one)

    def film(self, machine: str, job: str, frames: int, fps: float = 16, **chain: Any) -> None:
        """A finished video, by what its record says."""
        record = {
            "schema": 1, "batch": "walk", "job": job, "worker": {"name": machine, "gpu": "H100-80GB"},
            "outputs": [
                {"name": "image.png", "frames": 1, "fps": 0},
                {"name": "video-2.mp4", "frames": 999, "fps": fps},
                {"name": "video.mp4", "frames": frames, "fps": fps, "node": "save"},
            ],
            **chain,
        }  # fmt: skip
        self.store.put_bytes(self.store.outputs, f"outputs/walk/{job}/record.json", json.dumps(record).encode())
        self.store.put_bytes(self.store.outputs, f"outputs/walk/{job}/video.mp4", b"film")

    def cost(self, *words: str, where: tuple[str, ...] = ("--outputs", "outputs.json")) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of one `videogen cost`."""
        ours = ("VIDEOGEN_", "RUNPOD_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        environment |= {"VIDEOGEN_STATE": str(self.folder / "state"), "VIDEOGEN_PROJECT": str(project.root())}
        done = subprocess.run(
            [sys.executable, "-m", "videogen.cli", "cost", *where, *words],
            cwd=self.folder, env=environment | self.variables, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def json(self, *words: str, code: int = 0) -> Any:
        """What it says as JSON."""
        got, out, err = self.cost("--json", *words)
        assert got == code, err
        return json.loads(out)


@pytest.fixture
def runpod() -> Iterator[FakeRunpod]:
    """An account without anything in it."""
    with fake_runpod(provisioning=0, starting=0) as fake:
        yield fake


@pytest.fixture
def desk(tmp_path: Path, s3: S3Server, runpod: FakeRunpod) -> Desk:
    """A desk with an empty bucket and a key of RunPod."""
    return Desk(tmp_path, s3, dict(runpod.environment))


def test_a_month(desk: Desk) -> None:
    """Dollars and yen, by phase, batch and GPU, and dollars a second of finished video; other months are not in it."""
    desk.keep(receipt("m1"), receipt("m2"), receipt("m3", phase="a", gpu="L40S", batch=""), receipt("old", ago=70))
    desk.film("m1", "j1", 81)
    desk.film("m2", "j2", 79)
    desk.film("nobody's", "j3", 160)

    found = desk.json("--yen", "150")
    assert (found["dollars"], found["yen"], found["video_seconds"]) == ("4.5000", 675, "10.000")
    assert [
        (one["phase"], one["batch"], one["gpu"], one["dollars"], one["dollars_per_second"]) for one in found["by"]
    ] == [
        ("c", "walk", "H100-80GB", "3.0000", "0.3000"),
        ("a", "", "L40S", "1.5000", None),
    ]
    code, out, _ = desk.cost("--yen", "150")
    assert code == 0
    assert f"{NOW:%Y-%m} to date: $4.50 (¥675)" in out
    assert "10.0s of finished video: $0.4500 (¥67.50) a second" in out


def test_a_chain_is_one_finished_video(desk: Desk) -> None:
    """What its steps make on the way does not count; the last one, stitched on no machine, counts with those who drew.

    Each has the part of it for which it rendered; a step that another month's machine drew has its part, too.
    """
    desk.keep(receipt("m1"), receipt("m2", gpu="L40S"))
    step: dict[str, Any] = {"final": False, "step": "draw"}
    desk.film("m1", "draw-1", 81, timings={"render_seconds": 60}, **step)
    desk.film("m2", "draw-2", 81, timings={"render_seconds": 20}, needs=[{"job": "draw-1"}], **step)
    desk.film("old", "draw-3", 81, timings={"render_seconds": 20}, **step)
    needs = [{"job": f"draw-{number}"} for number in (1, 2, 3)]
    desk.film("here", "stitch", 160, post="stitch", step="stitch", final=True, needs=needs)

    found = desk.json()
    assert found["video_seconds"] == "8.000"
    assert {one["gpu"]: one["video_seconds"] for one in found["by"]} == {"H100-80GB": "6.000", "L40S": "2.000"}


def test_the_sum_from_the_objects_alone(desk: Desk) -> None:
    """Whoever reads the receipts in the bucket with nothing but JSON comes to the same sum."""
    desk.keep(*(receipt(f"m{number}") for number in range(7)))
    store = desk.store
    objects = [json.loads(store.get_bytes(store.outputs, one.key)) for one in store.list(store.outputs, "receipts/")]
    month = [one for one in objects if one["ended"].startswith(f"{NOW:%Y-%m}")]

    assert Fraction(desk.json()["dollars"]) == sum(Fraction(one["dollars"]) for one in month) == Fraction("10.5")


def test_unknown_in_json(desk: Desk) -> None:
    """A program that reads the answer finds what is not known in it."""
    desk.books.open(rent("open-1-c", 2))
    desk.variables.clear()

    found = desk.json(code=1)
    assert [one["state"] for one in found["lives"]] == ["unknown"]
    assert "without a key" in found["unknown"][0]


def test_what_lives(desk: Desk, runpod: FakeRunpod) -> None:
    """What the books and the cloud know, what only one of them knows, and what all of it costs an hour."""
    owner = tag.owner(desk.s3.place)
    for name in ("seen-1-a", "stray-1-b"):
        variables = {"WORKER": name, "STACK": "phase-c", "PHASE": "c", "LEASE_MINUTES": "60"}
        given = {PREFIX + key: value for key, value in variables.items()}
        runpod.plant(tag.tagged(owner, name), given, gpu="NVIDIA L40S")
    runpod.plant("somebody-else's", {})
    desk.books.open(rent("seen-1-a", 1))
    desk.books.open(rent("lost-1-c", 2))

    found = desk.json()
    lives = {one["machine"]: (one["state"], one["in_books"]) for one in found["lives"]}
    assert lives == {
        "seen-1-a": ("running", True),
        "stray-1-b": ("running", False),
        "lost-1-c": ("not in its cloud's list", True),
    }
    assert Decimal(found["dollars_per_hour"]) == 3 * Decimal("0.86")
    assert Decimal("2.58") <= Decimal(found["rented"]) < Decimal("2.70")  # it goes on while the test runs
    code, out, _ = desk.cost()
    assert code == 0
    assert "running, not in the books" in out
    assert "3 machines rented now: $2.58/h" in out


@pytest.mark.parametrize("silence", ["no key", "silent", "refused"])
def test_a_cloud_that_does_not_answer(desk: Desk, runpod: FakeRunpod, silence: str) -> None:
    """The receipts are told all the same, what lives is called unknown, and the exit code is 1."""
    desk.keep(receipt("m1"))
    desk.books.open(rent("open-1-c", 2))
    if silence == "no key":
        desk.variables.clear()
    elif silence == "silent":
        desk.variables["VIDEOGEN_RUNPOD_URL"] = "http://127.0.0.1:9/v2"
    else:
        runpod.fault("refuse", on="any", status=403)

    code, out, err = desk.cost()
    assert code == 1
    assert re.search(r"to date: \$3\.2[2-9] ", out)
    assert "1 machine rented now: $0.86/h; what else lives is unknown" in out
    assert "runpod: what lives there is not known" in err


def test_volumes(desk: Desk, runpod: FakeRunpod) -> None:
    """What lasts is told with what it costs a month."""
    name = tag.tagged(tag.owner(desk.s3.place), "models")
    answer = httpx.post(
        f"{runpod.url}/network-volumes",
        json={"name": name, "size": 100, "dataCenter": "EU-RO-1"},
        headers={"Authorization": f"Bearer {runpod.key}"},
        trust_env=False,
    )
    assert answer.is_success, answer.text

    assert "1 volume: $7.00 a month" in desk.cost()[1]
    assert desk.json()["dollars_per_month"] == "7.00"


def test_a_month_that_is_over(desk: Desk) -> None:
    """Only receipts; nothing of what is now, and no cloud is asked."""
    past = NOW - timedelta(days=70)
    desk.keep(receipt("old", ago=70))
    desk.books.open(rent("open-1-c", 2))
    desk.variables["VIDEOGEN_RUNPOD_URL"] = "http://127.0.0.1:9/v2"

    found = desk.json("--month", f"{past:%Y-%m}", "--by", "stack")
    assert (found["dollars"], found["lives"], found["by"][0]["stack"]) == ("1.5000", [], "phase-c")


def test_garbage(desk: Desk) -> None:
    """What cannot be read is named and not in the sum, the rest is; the exit code is 1."""
    desk.keep(receipt("m1"))
    for key in ("receipts/m2.json", "outputs/walk/j1/record.json"):
        desk.store.put_bytes(desk.store.outputs, key, b"{}")

    code, out, err = desk.cost()
    assert code == 1
    assert "to date: $1.50" in out
    assert "outputs/receipts/m2.json" in err
    assert "outputs/outputs/walk/j1/record.json" in err


def test_nothing_yet(desk: Desk) -> None:
    """An empty bucket has cost nothing."""
    assert desk.cost("--yen", "150")[:2] == (
        0, f"{NOW:%Y-%m} to date: $0.00 (¥0)\n0 receipts: $0.00\n0 machines rented now: $0/h\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "where", "code", "said"),
    [
        (["--month", "2026-13"], None, 2, "--month 2026-13: is no month\nhint: such as"),
        (["--by", "phase,gpus"], None, 2, "`gpus` is none of phase, batch, gpu, stack\nhint: did you mean `gpu`?"),
        (["--by", ","], None, 2, "is none of phase, batch, gpu, stack"),
        (["--yen", "0"], None, 2, "--yen"),
        ([], (), 2, "whose bucket has the receipts?"),
        ([], ("--outputs", "none.json"), 2, "none.json: no such file"),
        ([], ("--outputs", "outputs.json", "--stack", "dev"), 2, "one of the two"),
    ],
)
def test_wrong_words(desk: Desk, words: list[str], where: tuple[str, ...] | None, code: int, said: str) -> None:
    """What is wrong with the command, and what to write."""
    got, out, err = desk.cost(*words, where=where if where is not None else ("--outputs", "outputs.json"))

    assert (got, out) == (code, "")
    assert said in err


def test_a_store_that_is_away(desk: Desk) -> None:
    """Without the receipts there is no sum."""
    desk.s3.kill()
    code, out, err = desk.cost()

    assert (code, out) == (1, "")
    assert "no good answer" in err


def test_the_environments_store(desk: Desk) -> None:
    """A machine without Pulumi and without a file finds its store in the environment."""
    desk.keep(receipt("m1"))
    place, access = desk.s3.place, desk.s3.access
    store = {"ENDPOINT": place.endpoint, "MODELS": place.models, "OUTPUTS": place.outputs}
    store |= {"KEY": access.key.reveal(), "SECRET": access.secret.reveal()}
    desk.variables |= {f"VIDEOGEN_STORE_{name}": value for name, value in store.items()}

    code, out, _ = desk.cost(where=())
    assert code == 0
    assert "to date: $1.50" in out
