"""A rented worker in a real engine, its bucket in another container: it boots, is proven, renders, and is closed."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles import studio
from tests.doubles.studio import Heard
from tests.doubles.worker_container import TOKEN, S3Container, WorkerContainer, rent, wanted
from tests.image.conftest import ROOT, Start
from videogen import manifest, mirror, project, readiness
from videogen.media import Expected, check_video

MANIFEST = ROOT / "models_manifest.dev.yaml"


@pytest.fixture(scope="module")
def digest(bucket: S3Container) -> str:
    """The manifest of stack `dev`, whose small models are in the bucket."""
    text = MANIFEST.read_text()
    mirror.mirror(text, manifest.parse(text, MANIFEST.name), bucket.store(), ROOT)
    return manifest.digest(text)


@pytest.fixture(scope="module")
def worker(shared_container: Start, bucket: S3Container, digest: str) -> WorkerContainer:
    """One worker for all tests that leave it alive."""
    return rent(shared_container, bucket, wanted(bucket, digest, ssh_public_keys=""))


def test_proven_ready_then_renders(worker: WorkerContainer, bucket: S3Container, digest: str, tmp_path: Path) -> None:
    """A worker with one address is proven ready behind its gateway, and a batch is rendered through that."""
    models = manifest.parse(MANIFEST.read_text(), MANIFEST.name)
    flows = [project.read_workflow(name) for name in project.workflow_names()]
    report = readiness.wait_until_ready(
        worker.url,
        worker.agent,
        TOKEN,
        readiness.requirements(flows, models, digest),
        deadline=time.monotonic() + 60,
        alive=lambda: bool(worker.container.state()["Running"]),
        progress=lambda _: None,
        cancelled=threading.Event(),
    )
    assert report.seconds < 30
    what, heard = studio.plan(tmp_path, [1]), Heard()
    done = studio.run(what, [worker.url], bucket.store(), heard, tokens={"w1": TOKEN})

    assert (done.done, done.failed) == (1, 0)
    assert check_video(tmp_path / "videos" / "walk" / f"{what.jobs[0].id}.mp4", Expected(64, 64, 5, 16)) == []
    assert heard.words("progress")
