"""A local cloud whose workers only live, and nothing of it left afterwards."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from videogen import process
from videogen.clouds import WorkerSpec
from videogen.clouds.local import LocalCloud
from videogen.comfyui_source import ComfyuiSource
from videogen.lease import LeaseTerms
from videogen.money import Cap
from videogen.secret import Secret
from videogen.stack_outputs import Store, StoreAccess

IMAGES = Path(__file__).parent.parent / "doubles" / "images"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A stack's folder; every process started in it is ended."""
    yield tmp_path / "dev"
    for one in process.processes(tmp_path / "dev" / "processes"):
        one.end(grace_seconds=0)


@pytest.fixture
def cloud(state: Path) -> LocalCloud:
    """A cloud on that folder."""
    return LocalCloud(IMAGES, state)


@pytest.fixture
def spec() -> WorkerSpec:
    """A worker of slot 1."""
    return WorkerSpec(
        stack="dev",
        slot="1",
        phase="a",
        offers=(),
        places=(),
        image="quiet",
        volume_gb=0,
        container_disk_gb=20,
        lease=LeaseTerms(total=60, idle=30, boot=1),
        cap=Cap(run=Decimal(10), month=Decimal(100)),
        manifest="d" * 64,
        store=Store(endpoint="http://127.0.0.1:1", region="us-east-1", models="models", outputs="outputs"),
        access=StoreAccess(key=Secret("operator-key"), secret=Secret("operator-secret")),
        worker_access=StoreAccess(key=Secret("the-key"), secret=Secret("the-secret")),
        token=Secret("the-token"),
        comfyui=ComfyuiSource(),
    )
