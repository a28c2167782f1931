"""`prod` on AWS and `phase-c` on RunPod, from the first bucket to the last receipt, as a person types it.

The real engine, the stand-in plugin for AWS over moto, the fake RunPod whose pods run the image's entrypoint. The tests
are stations of one life, in order; the last one asks whether anything is left, and what it cost.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.aws.server import AwsServer
from tests.doubles.rented_phase import MANIFEST, PHASE
from tests.doubles.runpod import FakeRunpod, fake_runpod
from tests.doubles.runpod.process_box import unable
from tests.infra.conftest import Prod
from videogen import project
from videogen.money import CENT

pytestmark = pytest.mark.skipif(bool(unable()), reason=unable() or "-")

BATCH = """
schema: 1
name: NAME
workflow: wan22-i2v
fixed: {prompt: a small figure, character: who.png, width: 64, height: 96, length: 9}
matrix: {seed: SEEDS}
limits: {attempts: 2, job_minutes: 20}
leave_policy: [size, length]
"""


@dataclass
class Operator:
    """Somebody in a checkout, with keys of AWS and RunPod."""

    prod: Prod
    runpod: FakeRunpod
    folder: Path

    def videogen(self, *words: str, code: int = 0) -> str:
        """What the command says on stdout."""
        done = subprocess.run(
            ["videogen", *words],
            cwd=self.folder,
            env=self.prod.checkout.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def pulumi(self, verb: str, stack: str) -> None:
        """`pulumi up` or `pulumi destroy`."""
        done = self.prod.checkout.pulumi(verb, "--yes", "--skip-preview", stack=stack)
        assert done.returncode == 0, done.stdout

    def batch(self, name: str, seeds: str) -> str:
        """A batch file."""
        path = self.folder / f"{name}.yaml"
        path.write_text(BATCH.replace("NAME", name).replace("SEEDS", seeds))
        return path.name


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The stacks exist, nothing is up."""
    folder = tmp_path_factory.mktemp("rented")
    with AwsServer() as aws, fake_runpod(pods="processes", world={"AWS_ENDPOINT_URL": aws.url}) as runpod:
        prod = Prod(folder, aws)
        checkout = prod.checkout
        checkout.environment |= runpod.environment
        checkout.set("prod", "manifest", MANIFEST)
        for key, value in PHASE.items():
            checkout.set("phase-c", key, value)
        checkout.init("phase-c")
        (checkout.folder / "who.png").symlink_to(project.root() / "batches" / "inputs" / "character.png")
        yield Operator(prod, runpod, checkout.folder)
        runpod.swept()


def test_a_foundation_and_its_models(operator: Operator) -> None:
    """`pulumi up` of `prod`, and `videogen models mirror` fills its bucket."""
    operator.pulumi("up", "prod")
    operator.videogen("models", "mirror", "--stack", "prod", "--manifest", MANIFEST)

    assert operator.runpod.alive() == []


def test_a_run_rents_renders_and_ends(operator: Operator) -> None:
    """One command: videos through RunPod's proxy, nothing rented afterwards, and a receipt for what was."""
    said: dict[str, Any] = json.loads(
        operator.videogen("run", operator.batch("first", "[7, 42]"), "--stack", "phase-c", "--cap", "3", "--yes",
                          "--to", "videos", "--json")
    )  # fmt: skip

    assert (said["done"], said["failed"], said["open"]) == (2, 0, 0)
    assert len(list((operator.folder / "videos").rglob("*.mp4"))) == 2
    assert operator.runpod.alive() == []
    assert [one["why"] for one in said["receipts"]] == ["destroyed"]


def test_up_submit_destroy(operator: Operator) -> None:
    """The same in three commands."""
    operator.pulumi("up", "phase-c")
    operator.videogen("submit", operator.batch("second", "[8]"), "--stack", "phase-c", "--to", "more")
    rented = [pod.name for pod in operator.runpod.alive()]
    operator.pulumi("destroy", "phase-c")

    assert len(list((operator.folder / "more").rglob("*.mp4"))) == 1
    assert (len(rented), operator.runpod.alive()) == (1, [])


def test_all_is_paid_and_nothing_is_left(operator: Operator) -> None:
    """The sweep is content, the month is what RunPod bills, and three videos have a price a second."""
    operator.videogen("sweep", "--stack", "phase-c", "--stack", "prod")
    month = json.loads(operator.videogen("cost", "--stack", "phase-c", "--json"))
    bill = operator.runpod.bill()

    assert len(bill.pods) == 2
    assert abs(Decimal(month["ended"]) - bill.total) < CENT
    assert [one["basis"] for one in month["receipts"]] == ["ended"] * 2
    assert (month["lives"], month["dollars_per_hour"]) == ([], "0")
    assert Decimal(month["dollars_per_second"]) > 0
