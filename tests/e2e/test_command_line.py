"""The command line as a person meets it: words, exit codes, files; workers and store are real processes."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.doubles import studio
from tests.doubles.bound_by_modes import bound_by_modes, unwritable
from tests.doubles.s3_server import S3Server
from tests.doubles.standin_process import StandinProcess
from videogen import manifest, mirror, process, project
from videogen.ledger import Ledger

ROOT = project.root()
MANIFEST = ROOT / "models_manifest.dev.yaml"
BATCH = """schema: 1
name: walk
workflow: wan22-i2v
fixed: {prompt: a walk, character: who.png, width: 64, height: 64, length: 5, steps: 2, switch_step: 1}
matrix: {seed: [1, 2, 3, 4]}
limits: {attempts: 1}
leave_policy: [size, length, steps]
"""


@dataclass
class Desk:
    """A person's folder, two workers and a store."""

    folder: Path
    workers: list[StandinProcess]

    def start(self, *words: str, bound: bool = False) -> "subprocess.Popen[str]":
        """Starts `videogen` with its output in pipes; with `bound` it may write only what modes let it."""
        environment = os.environ | {"VIDEOGEN_STATE": str(self.folder / "state"), "VIDEOGEN_PROJECT": str(ROOT)}
        command = [sys.executable, "-m", "videogen.cli", *words]
        return subprocess.Popen(
            bound_by_modes(command) if bound else command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def videogen(self, *words: str, bound: bool = False) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of one command."""
        process = self.start(*words, bound=bound)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def submit(self, *words: str) -> tuple[int, str, str]:
        """`videogen submit walk.yaml`."""
        return self.videogen("submit", "walk.yaml", "--outputs", "outputs.json", "--to", "videos", *words)

    def renders(self) -> int:
        """What the workers rendered, all together."""
        return sum(worker.stats()["renders"] for worker in self.workers)


@pytest.fixture
def desk(tmp_path: Path, s3: S3Server) -> Iterator[Desk]:
    """A desk with the batch `walk.yaml` and the outputs of a stack."""
    text = MANIFEST.read_text()
    store = s3.store()
    store.ensure_buckets()
    mirror.mirror(text, manifest.parse(text, MANIFEST.name), store, ROOT)
    (tmp_path / "walk.yaml").write_text(BATCH)
    (tmp_path / "who.png").symlink_to(ROOT / "batches" / "inputs" / "character.png")
    with studio.workers(tmp_path / "workers", 2) as workers:
        rows = studio.rows([worker.url for worker in workers])
        outputs = {
            "contract": 1,
            "stack": "desk",
            "phase": "a",
            "manifest": manifest.digest(text),
            "workflows": ["wan22-i2v"],
            "store": s3.place.model_dump(),
            "storeAccess": {"key": s3.access.key.reveal(), "secret": s3.access.secret.reveal()},
            "workers": [row.model_dump() for row in rows],
            "tokens": {row.name: "token" for row in rows},
        }
        (tmp_path / "outputs.json").write_text(json.dumps(outputs))
        yield Desk(tmp_path, workers)


def test_a_batch_from_submit_to_fetch(desk: Desk) -> None:
    """Submit renders each job once and says where the videos are; status, outputs and fetch agree; no colour in a pipe."""
    code, out, err = desk.submit()
    status = json.loads(desk.videogen("status", "--outputs", "outputs.json", "--json")[1])
    listed = json.loads(desk.videogen("outputs", "list", "--outputs", "outputs.json", "--json")[1])
    Path(listed[0]["path"]).unlink()
    fetched = json.loads(desk.videogen("outputs", "fetch", "walk", "--outputs", "outputs.json", "--json")[1])
    again, _, said = desk.submit()

    assert (code, out) == (0, "")
    assert re.search(r"Finished 4 jobs in \d", err)
    assert "contact sheet: videos/walk/contact-sheet.png" in err
    assert "\x1b" not in err
    assert (desk.folder / "videos" / "walk" / "contact-sheet.png").read_bytes()[1:4] == b"PNG"
    assert [(b["batch"], b["done"], b["open"]) for b in status["batches"]] == [("walk", 4, 0)]
    assert len(listed) == 4
    assert [row["fetched"] for row in fetched] == [True, False, False, False]
    assert again == 0
    assert "4 done before" in said
    assert desk.renders() == 4


def test_a_failed_job_is_exit_1(desk: Desk) -> None:
    """A job that runs out of memory on every rung fails with its reason; the others are done; --retry-failed heals."""
    for worker in desk.workers:
        worker.faults({"name": "out_of_memory", "over": {"noise_seed": 3}})
    code, out, err = desk.submit("--json")
    for worker in desk.workers:
        worker.faults()
    healed, _, _ = desk.submit("--retry-failed")

    assert code == 1
    assert (json.loads(out)["done"], json.loads(out)["failed"]) == (3, 1)
    assert "out_of_memory" in err
    assert healed == 0


def test_ctrl_c_keeps_what_is_done_and_the_next_submit_goes_on(desk: Desk) -> None:
    """Ctrl-C ends submit with code 3 and a hint; the next one renders what is missing, and nothing twice.

    A job in flight at Ctrl-C has 10 seconds left to end; one that cannot, on a busy machine, is interrupted, and only
    such a one may be sent again: for each prompt beyond eight there is an interrupted one.
    """
    walk = desk.folder / "walk.yaml"
    walk.write_text(walk.read_text().replace("[1, 2, 3, 4]", "[1, 2, 3, 4, 5, 6, 7, 8]"))
    for worker in desk.workers:
        worker.faults({"name": "slow", "seconds": 0.3})
    process = desk.start("submit", "walk.yaml", "--outputs", "outputs.json", "--to", "videos")
    assert process.stderr is not None
    seen = ""
    while "done 1/8" not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    for worker in desk.workers:
        worker.faults()
    code, out, _ = desk.submit("--json")

    assert process.returncode == 3
    assert "hint: submit the batch again to go on" in rest
    assert "Traceback" not in seen + rest
    assert code == 0
    assert json.loads(out)["done"] == 8
    counts = [worker.stats() for worker in desk.workers]
    assert sum(one["succeeded"] for one in counts) == 8
    assert sum(one["prompts"] - one["interrupted"] for one in counts) == 8


def test_status_shows_a_worker_that_its_stack_does_not_know(desk: Desk) -> None:
    """A process that a killed engine left is in the list of workers, with how to end it."""
    left = process.start(
        desk.folder / "state" / "desk" / "processes",
        "desk-1-left",
        [sys.executable, "-c", "import time; time.sleep(60)"],
        environment=dict(os.environ),
        ports={"comfyui": 1, "agent": 2},
        folder=desk.folder,
        about={"role": "worker", "stack": "desk", "slot": "1", "phase": "a"},
    )
    try:
        _, out, err = desk.videogen("status", "--outputs", "outputs.json")
    finally:
        left.end(5)

    assert "desk-1-left" in out
    assert "does not know it: `pulumi destroy` ends it" in err


def test_a_checkout_that_may_not_be_written_shows_what_it_has(desk: Desk) -> None:
    """Status and outputs read what was submitted where nobody may write, and beside a submit that writes."""
    ledger = Ledger.open(desk.folder / "state" / "desk" / "ledger.sqlite")
    ledger.register("walk", [])
    running = desk.videogen("status", "--outputs", "outputs.json", "--json")
    ledger.close()
    with unwritable(desk.folder / "state"):
        status = desk.videogen("status", "--outputs", "outputs.json", "--json", bound=True)
        listed = desk.videogen("outputs", "list", "--outputs", "outputs.json", "--json", bound=True)

    for code, out, _ in (running, status):
        assert code == 0
        assert [batch["batch"] for batch in json.loads(out)["batches"]] == ["walk"]
    assert listed[:2] == (0, "[]\n")


def test_ctrl_c_is_heard_while_the_store_is_silent(desk: Desk) -> None:
    """Ctrl-C ends a submit that waits for a store, at once and with code 3."""
    with studio.deaf() as store:
        outputs = json.loads((desk.folder / "outputs.json").read_text())
        outputs["store"]["endpoint"] = store.url
        (desk.folder / "outputs.json").write_text(json.dumps(outputs))
        process = desk.start("submit", "walk.yaml", "--outputs", "outputs.json")
        assert store.called()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=5)

    assert process.returncode == 3
    assert "stopped by SIGINT" in err
    assert "Traceback" not in err


def test_again_renders_anew(desk: Desk) -> None:
    """--again renders every job once more, done or not, and no cache answers instead."""
    desk.submit()
    code, _, err = desk.submit("--again")

    assert code == 0
    assert "Finished 4 jobs" in err
    assert desk.renders() == 8


BAD = [
    ("name: walk", "name: walk\nnmae: x", ["walk.yaml:3: nmae: unknown key", "hint: did you mean `name`?"]),
    ("who.png", "whom.png", ["walk.yaml:4: fixed/character: no such file: whom.png", "hint: did you mean `who.png`?"]),
    ("who.png", ".", ["walk.yaml:4: fixed/character: is no file: ."]),
    ("who.png", '"a\\0b.png"', ["walk.yaml:4: fixed/character: cannot be read: embedded null byte"]),
    ("who.png", "walk.yaml", ["walk.yaml:4: fixed/character: walk.yaml is not an image"]),
    ("wan22-i2v", "wan22-i2w", ["walk.yaml:3: workflow: no workflow `wan22-i2w`", "hint: did you mean `wan22-i2v`?"]),
    ("steps: 2", "steps: 99, sed: 1", ["99 is above 60", "workflow wan22-i2v has no parameter `sed`"]),
]


@pytest.mark.parametrize(("old", "new", "words"), BAD)
def test_bad_batches_are_exit_2(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    """What a person wrote wrong is said at its line with the nearest right word: code 2, no traceback, nothing on stdout."""
    (tmp_path / "walk.yaml").write_text(BATCH.replace(old, new, 1))
    (tmp_path / "who.png").symlink_to(ROOT / "batches" / "inputs" / "character.png")
    code, out, err = Desk(tmp_path, []).videogen("lint", "walk.yaml", "--manifest", str(MANIFEST))

    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    assert [word for word in words if word not in err] == []


USAGE = [
    (["submt"], "No such command 'submt'"),
    (["submit"], "Missing argument"),
    (["submit", "x.yaml"], "name a stack, or a file with --outputs"),
    (["submit", "x.yaml", "--outputs", "none.json"], "none.json: no such file"),
    (["lint", "x.yaml"], "x.yaml: no such file"),
    (["lint", "x.yaml", "--phase", "d"], "'d' is not a phase"),
    (["outputs", "list", "--stack", "never"], "nothing was submitted on this stack from this machine"),
]


@pytest.mark.parametrize(("words", "sentence"), USAGE)
def test_wrong_usage_is_exit_2(tmp_path: Path, words: list[str], sentence: str) -> None:
    """A wrong word on the command line is one clear error and code 2."""
    code, _, err = Desk(tmp_path, []).videogen(*words)

    assert code == 2
    assert sentence in err
    assert "Traceback" not in err


def test_help_lists_verbs_in_the_order_of_use(tmp_path: Path) -> None:
    """`videogen --help` groups the verbs and says what the exit codes mean."""
    code, out, _ = Desk(tmp_path, []).videogen("--help")
    places = [out.index(f" {verb} ") for verb in ("doctor", "lint", "submit", "status", "outputs")]

    assert code == 0
    assert places == sorted(places)
    assert "2 what you wrote is wrong" in " ".join(out.split())


def test_doctor_says_what_is_missing(tmp_path: Path) -> None:
    """On a machine without Pulumi the doctor ends with 1 and says how to get it."""
    process = subprocess.run(
        [sys.executable, "-m", "videogen.cli", "doctor", "--json"],
        env={"PATH": "/nowhere", "VIDEOGEN_PROJECT": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    findings: dict[str, Any] = {one["name"]: one for one in json.loads(process.stdout)}

    assert process.returncode == 1
    assert findings["pulumi"]["state"] == "missing"
    assert "make setup" in findings["pulumi"]["hint"]
    assert findings["python"]["state"] == "ok"
