"""A worker in a real engine with no volume, a small one, a full one, and one that it may only read."""

from collections.abc import Iterator

import pytest

from tests.doubles.docker_engine import Start, docker
from tests.doubles.worker_container import S3Container, WorkerContainer, rent, wanted
from tests.doubles.worker_process import fill, manifest_text

SIZE = 4 << 20
HIGH, VAE = "wan2.2/high.safetensors", "vae/vae.safetensors"


@pytest.fixture(scope="module")
def digest(bucket: S3Container) -> str:
    """A manifest of two models of 4 MiB."""
    return fill(bucket, manifest_text(SIZE))


def place(worker: WorkerContainer, models: str, name: str) -> str:
    """Where a model's bytes really are."""
    return str(worker.container.host.check_output("readlink -f %s", f"{models}/{name}"))


def detail(worker: WorkerContainer) -> str:
    """What its boot says of its models."""
    return next(step.detail for step in worker.ready().steps if step.name == "models")


def test_no_volume(container: Start, bucket: S3Container, digest: str) -> None:
    """Without a volume all is on the container's own disk."""
    worker = rent(container, bucket, wanted(bucket, digest))

    assert "0 present, 0 verified, 2 fetched" in detail(worker)
    assert place(worker, "/workspace/models", HIGH) == f"/workspace/models/{HIGH}"
    assert worker.ask("/models/vae").json() == ["vae.safetensors"]


def test_small_volume(container: Start, bucket: S3Container, digest: str) -> None:
    """A volume with room for one of two models holds one, the container's disk the other, and ComfyUI lists both."""
    mount = f"type=tmpfs,destination=/workspace/data,tmpfs-size={SIZE * 3 // 2}"
    worker = rent(container, bucket, wanted(bucket, digest, volume=True, disk_floor_gb=0.0001), mounts=[mount])

    assert "2 fetched" in detail(worker)
    assert {place(worker, "/workspace/data/models", name).split("/")[2] for name in (HIGH, VAE)} == {
        "data", "large-models"
    }  # fmt: skip
    assert worker.ask("/models/vae").json() == ["vae.safetensors"]
    assert worker.ask("/models/diffusion_models").json() == ["high.safetensors"]


def test_full_volume(container: Start, bucket: S3Container, digest: str) -> None:
    """A volume without room for anything fails the boot: path and reason are told outside, the exit code says it."""
    mount = "type=tmpfs,destination=/workspace/data,tmpfs-size=1000000"
    fill_up = "head -c 2000000 /dev/zero > /workspace/data/theirs 2> /dev/null"
    worker = rent(container, bucket, wanted(bucket, digest, volume=True), mounts=[mount], before=fill_up)
    status = worker.failed()

    assert status.error == "/workspace/data/cache/leases/w1.json: no space left while writing"
    assert [step.name for step in status.steps][1:] == ["gateway", "folders", "lease"]
    assert worker.container.stop() == 1


def test_volume_fills_up(container: Start, bucket: S3Container, digest: str) -> None:
    """A worker whose volume falls below the floor while it is idle fails, and says so through the gateway."""
    mount = "type=tmpfs,destination=/workspace/data,tmpfs-size=40000000"
    settings = wanted(bucket, digest, volume=True, disk_floor_gb=0.01)
    worker = rent(container, bucket, settings, mounts=[mount])
    worker.ready()
    worker.container.run("sh", "-c", "head -c 25000000 /dev/zero > /workspace/data/theirs")

    assert "the floor is 10.0 MB" in (worker.failed().error or "")
    assert worker.container.stop() == 1


@pytest.fixture
def volume(engine: None) -> Iterator[str]:
    """The name of an empty volume."""
    name = docker("volume", "create")
    yield name
    docker("volume", "rm", name)


def test_shared_volume(volume: str, container: Start, bucket: S3Container, digest: str) -> None:
    """What one worker put on a volume others use without writing there; what it lacks each fetches for itself."""
    mount = f"type=volume,source={volume},destination=/workspace/data"
    first = rent(container, bucket, wanted(bucket, digest, volume=True), mounts=[mount])
    assert "2 fetched" in detail(first)
    assert first.container.stop() == 0
    other = fill(bucket, manifest_text(SIZE).replace(VAE, "vae/other.safetensors"))
    reader = rent(container, bucket, wanted(bucket, other, volume=True), mounts=[f"{mount},readonly"])

    assert "1 present, 0 verified, 1 fetched" in detail(reader)
    assert place(reader, "/workspace/models", HIGH) == f"/workspace/data/models/{HIGH}"
    assert place(reader, "/workspace/models", "vae/other.safetensors") == "/workspace/models/vae/other.safetensors"
