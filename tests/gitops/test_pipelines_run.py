"""The pipelines' own steps, run in order on this machine: from a foundation to a finished batch, and to nothing again.

Real: make, git, Pulumi, our plugin, the worker's entrypoint, the store. Played: GitHub, RunPod. Stations of one life.
"""

from decimal import Decimal

import pytest

from tests.doubles.github_api import AUTHOR
from tests.doubles.runpod.process_box import unable
from tests.gitops.conftest import Hosted
from tools.gitops.words import MARK

pytestmark = [pytest.mark.skipif(bool(unable()), reason=unable() or "-"), pytest.mark.timeout(300)]

WALK = """\
schema: 1
name: walk
workflow: wan22-i2v
fixed: {prompt: a walk, character: inputs/character.png, width: 64, height: 96, length: 9}
matrix: {seed: [1, 2]}
leave_policy: [size, length]
"""
RUN = WALK.replace("walk", "run").replace("[1, 2]", "[3]")
QUEUE = "batches/queue/phase-c"


def test_a_merge_brings_up_what_lasts(hosted: Hosted) -> None:
    """A foundation that is new on main is made and brought up; no queue was touched, so nothing is run."""
    ran = hosted.merged({"Pulumi.prod.yaml": hosted.keys()})

    assert ran.results == {"changed": "success", "up (prod)": "success", "queue": "skipped"}, ran.log
    assert ran.steps == ["changed: make changed", "up (prod): make ready", "up (prod): make up"]
    assert ran.leaked == set()


def test_a_pull_request_is_told_what_would_fail(hosted: Hosted) -> None:
    """A batch that cannot be run fails the preview, and the comment has each fault; what it knows of the phase, too."""
    ran = hosted.proposed({f"{QUEUE}/walk.yaml": "schema: 1\nname: walk\n"})
    (comment,) = hosted.api.comments

    assert ran.results == {"preview": "failure"}, ran.log
    assert ran.steps == ["preview: make ready", "preview: make preview", "preview: make comment"]
    assert comment["user"]["login"] == AUTHOR
    for words in (
        MARK,
        "No batch is run, so nothing is rented.",
        "❌ It cannot be run:",
        f"{QUEUE}/walk.yaml:1: workflow: is required",
        "Pulumi was not asked: there is no stack of that name yet.",
        "phase c: 1 worker on runpod, for wan22-i2v",
    ):
        assert words in comment["body"], comment["body"]


def test_a_fork_gets_words_and_no_secrets(hosted: Hosted) -> None:
    """Its change is forecast from its files alone, in the job's summary; nobody is asked, and nothing is commented."""
    before, kept = len(hosted.runpod.calls), dict(hosted.actions.secrets)
    hosted.actions.secrets = dict.fromkeys(kept, "")
    try:
        ran = hosted.proposed({f"{QUEUE}/walk.yaml": WALK}, head="somebody/fork")
    finally:
        hosted.actions.secrets = kept

    assert ran.results == {"preview": "success"}, ran.log
    assert ran.steps == ["preview: make ready", "preview: make preview"]
    assert "Pulumi was not asked: this run has no secrets" in ran.summary
    assert "2 jobs: at most $1.40." in ran.summary
    assert "worst case: $1.40 (" in ran.summary
    assert len(hosted.runpod.calls) == before
    assert len(hosted.api.comments) == 1


def test_a_queued_batch_is_rendered_and_nothing_is_left(hosted: Hosted) -> None:
    """Merged, the batch is run: up, submit, destroy; its videos and its receipt are in the bucket, and nothing lives."""
    ran = hosted.merged({f"{QUEUE}/walk.yaml": WALK})
    (receipt,) = hosted.receipts().values()
    made = [one.key for one in hosted.s3.store().list("outputs", "outputs/walk/")]

    assert ran.results == {"changed": "success", "up": "skipped", "queue (phase-c)": "success"}, ran.log
    assert [step.split(": ")[1] for step in ran.steps] == ["make changed", "make ready", "make queue", "make destroy"]
    assert len([key for key in made if key.endswith(".mp4")]) == 2
    assert (receipt.batch, receipt.gpu, receipt.dollars > 0) == ("walk", "L40S", True)
    assert receipt.machine in ran.log
    assert hosted.runpod.alive() == []
    assert ran.leaked == set()


def test_a_pull_request_is_told_what_it_will_do(hosted: Hosted) -> None:
    """The comment changes in place: what is run, why, the worst case, what Pulumi would create, what RunPod has now."""
    ran = hosted.proposed({f"{QUEUE}/run.yaml": RUN})
    (comment,) = hosted.api.comments

    assert ran.results == {"preview": "success"}, ran.log
    for words in (
        "**Worst case: $1.40**, 1 run; each ends everything it rented.",
        f"#### `videogen run` of `{QUEUE}/run.yaml` on `phase-c`",
        "1 job, 1 of them still open: at most $1.40. Why: this change brings it.",
        f"#### `videogen run` of `{QUEUE}/walk.yaml` on `phase-c`",
        "2 jobs, all in the bucket: nothing is rented for it.",
        f"#### `phase-c`, what is rented\n\nWhy: `{QUEUE}/run.yaml`.\n",
        "Its next run creates, and ends again: 2 to create.",
        "- create `videogen:index:GpuWorker worker-1`",
        "worst case: $1.40 (1 x 60 minutes at $1.40/h is $1.40; ",
        "month to date: $0.0",
        "now: L40S at $0.86/h",
    ):
        assert words in comment["body"], comment["body"]
    assert ran.summary == comment["body"]
    assert ran.leaked == set()
    assert hosted.runpod.alive() == []


def test_a_machine_that_dies_leaves_what_the_button_ends(hosted: Hosted) -> None:
    """The next merge renders the new batch alone; its runner dies over it; the sweep knows the worker; the button ends it.

    The batch that is done is looked at, and nothing is rented for it. The dead runner's lock is no hindrance.
    """
    hosted.actions.lost = lambda said: "worker-1: created" in said
    died = hosted.merged({f"{QUEUE}/run.yaml": RUN})
    hosted.actions.lost = lambda _said: False
    left = hosted.runpod.alive()
    hosted.relocked("runner", "runnervm-elsewhere")
    pressed = hosted.pressed("phase-c")
    dollars = sum((receipt.dollars for receipt in hosted.receipts().values()), Decimal(0))

    assert died.results["queue (phase-c)"] == "lost"
    assert len(left) == 1
    assert "the lock of runner@runnervm-elsewhere" in pressed.log
    assert pressed.results == {"destroy": "success"}, pressed.log
    assert [step.split(": ")[1] for step in pressed.steps] == ["make ready", "make destroy", "make sweep"]
    assert hosted.runpod.alive() == []
    assert len(hosted.receipts()) == 2
    assert abs(dollars - hosted.runpod.bill().total) < Decimal("0.02")
    assert (died.leaked, pressed.leaked) == (set(), set())


def test_the_sweep_finds_nothing(hosted: Hosted) -> None:
    """Each hour, with the same state and store: everything is known, nothing lives."""
    ran = hosted.swept()

    assert ran.results == {"sweep": "success"}, ran.log
    assert "0 ended or closed, 0 live at $0.00/h" in ran.log
