"""A rented worker in a real engine, its bucket in another container: it boots, is proven, renders, and is closed."""

import gzip
import io
import json
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.doubles import studio
from tests.doubles.docker_engine import ROOT, Start, docker
from tests.doubles.studio import Heard
from tests.doubles.worker_container import CANARY, TOKEN, S3Container, WorkerContainer, rent, wanted
from videogen import manifest, mirror, project, readiness
from videogen.media import Expected, look
from videogen.secret import Secret

MANIFEST = ROOT / "models_manifest.dev.yaml"
ORIGIN = """
set -e
git init --quiet --initial-branch=main /origin
cd /origin
touch Pulumi.yaml models_manifest.yaml
git add .
git -c user.name=x -c user.email=x@example.org commit --quiet --message=one
"""


@pytest.fixture(scope="module")
def digest(bucket: S3Container) -> str:
    """The manifest of stack `dev`, whose small models are in the bucket."""
    text = MANIFEST.read_text()
    mirror.mirror(text, manifest.parse(text, MANIFEST.name), bucket.store(), ROOT)
    return manifest.digest(text)


@pytest.fixture(scope="module")
def origin(image: str) -> Iterator[str]:
    """A volume with a git repository."""
    name = docker("volume", "create")
    with Start(image) as start:
        box = start("/bin/sh", "-c", ORIGIN, mounts=[f"type=volume,source={name},destination=/origin"])
        assert int(docker("wait", box.id)) == 0, box.logs()
    yield name
    docker("volume", "rm", name)


@pytest.fixture(scope="module")
def worker(origin: str, shared_container: Start, bucket: S3Container, digest: str, public_key: str) -> WorkerContainer:
    """One worker with everything switched on and a canary in every secret, for all tests that leave it alive."""
    everything = wanted(
        bucket,
        digest,
        ssh_public_keys=public_key,
        repository="file:///origin",
        repository_ref="main",
        repository_key=Secret(f"{CANARY}-deploy-key"),
    )
    mounts = [f"type=volume,source={origin},destination=/origin,readonly"]
    injected = {"RUNPOD_API_KEY": f"{CANARY}-pod", "AWS_SECRET_ACCESS_KEY": f"{CANARY}-account"}
    return rent(shared_container, bucket, everything, mounts=mounts, **injected)


def test_proven_ready_then_renders(worker: WorkerContainer, bucket: S3Container, digest: str, tmp_path: Path) -> None:
    """A worker with one address is proven ready behind its gateway, and a batch is rendered through that."""
    models = manifest.parse(MANIFEST.read_text(), MANIFEST.name).select("a")
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
    assert look(tmp_path / "videos" / "walk" / f"{what.jobs[0].id}.mp4", Expected(64, 64, 5, 16)).flaws == ()
    assert heard.words("progress")


def test_leaving_worker_hands_its_job_on(
    worker: WorkerContainer, container: Start, bucket: S3Container, digest: str, tmp_path: Path
) -> None:
    """A worker that drains takes no new job of a batch; another worker renders it, and nothing is lost."""
    slow = json.dumps([{"name": "slow", "seconds": 60}])
    leaving = rent(container, bucket, wanted(bucket, digest, drain_seconds=60), STANDIN_FAULTS=slow)
    leaving.ready()
    picture = {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 1}}
    save = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}
    assert leaving.ask("/prompt", "POST", json={"prompt": {"1": picture, "2": save}}).status_code == 200
    leaving.container.until(lambda: leaving.ask("/queue").json()["queue_running"])
    docker("kill", "--signal", "TERM", leaving.container.id)
    leaving.until(lambda now: now.state == "ending")
    leaving.container.until(lambda: leaving.ask("/prompt", "POST", json={}).status_code == 503)
    worker.ready()
    what, heard = studio.plan(tmp_path, [2, 3]), Heard()
    done = studio.run(what, [leaving.url, worker.url], bucket.store(), heard, tokens={"w1": TOKEN, "w2": TOKEN})

    assert (done.done, done.failed, done.open) == (2, 0, 0)
    assert done.lost == {"w1": f"{leaving.url}: is leaving and takes no more jobs"}


def test_health(worker: WorkerContainer, image: str) -> None:
    """Without a token only the gateway's health is told, and not by Docker: the image has no check of its own."""
    worker.ready()
    answers = [httpx.get(f"{worker.url}{path}", trust_env=False) for path in ("/healthz", "/videogen/status")]

    assert [answer.status_code for answer in answers] == [200, 401]
    assert answers[0].json() == {"gateway": "ok"}
    assert "Healthcheck" not in json.loads(docker("inspect", "--format", "{{json .Config}}", image))


def test_large_upload(worker: WorkerContainer) -> None:
    """ComfyUI takes what the gateway lets through, above the 100 MB that it takes by itself."""
    worker.ready()
    files = {"image": ("long.mp4", io.BytesIO(bytes(101 << 20)))}

    assert worker.ask("/upload/image", "POST", files=files).json()["name"] == "long.mp4"


def test_open_ports(worker: WorkerContainer) -> None:
    """Gateway and sshd listen on public addresses, and nothing else does."""
    worker.ready()
    found = worker.container.host.socket.get_listening_sockets()
    loopback = ("tcp://127.", "udp://127.")

    assert {one for one in found if not one.startswith(loopback) and "unix" not in one} == {
        "tcp://0.0.0.0:8080", "tcp://0.0.0.0:2222"
    }  # fmt: skip
    assert {"tcp://127.0.0.1:8188", "tcp://127.0.0.1:8189"} <= set(found)


def test_without_keys(container: Start, bucket: S3Container, digest: str) -> None:
    """Without keys there is no sshd, and only the gateway listens."""
    worker = rent(container, bucket, wanted(bucket, digest))
    worker.ready()
    found = worker.container.host.socket.get_listening_sockets()

    assert {one for one in found if "://127." not in one and "unix" not in one} == {"tcp://0.0.0.0:8080"}
    assert worker.processes().keys() == {"tini", "entrypoint", "guard", "gateway", "ComfyUI"}


def test_users(worker: WorkerContainer) -> None:
    """Every process is whose it should be, and there is no other one."""
    worker.ready()
    found = {name: {user for _, user in processes} for name, processes in worker.processes().items()}

    assert found.pop("gateway") == {"gateway"}
    assert found.pop("ComfyUI") == {"comfy"}
    assert found == {name: {"root"} for name in ("tini", "entrypoint", "guard", "sshd")}


def test_no_secret_in_processes(worker: WorkerContainer) -> None:
    """No command line has a secret, nor has the environment of any process but those that read it."""
    worker.ready()
    for name, processes in worker.processes().items():
        for number, user in processes:
            words = worker.container.run("cat", f"/proc/{number}/cmdline").stdout
            # As its own user: the container's root may not look into another one's process.
            known = worker.container.run("cat", f"/proc/{number}/environ", user=user)
            assert known.returncode == 0, name
            assert CANARY not in words, name
            assert (CANARY in known.stdout) == (name in ("tini", "entrypoint")), name
            assert ("VIDEOGEN_TOKEN" in known.stdout) == (name in ("tini", "entrypoint")), name


def test_no_secret_in_files(worker: WorkerContainer) -> None:
    """No file of the running worker has a secret, but the gateway's own, which its user alone may read."""
    worker.ready()
    gateway = int(worker.container.run("id", "-u", "gateway").stdout)
    found = {}
    with (
        subprocess.Popen(["docker", "export", worker.container.id], stdout=subprocess.PIPE) as exported,
        tarfile.open(fileobj=exported.stdout, mode="r|") as tree,
    ):
        for member in tree:
            file = tree.extractfile(member) if member.isfile() else None
            if file and CANARY.encode() in file.read():
                found[Path(member.name).name] = (member.name.split("-")[0], member.mode & 0o777, member.uid)

    assert found == {"nginx.conf": ("run/videogen", 0o600, gateway)}


def test_no_secret_in_what_it_says(worker: WorkerContainer, bucket: S3Container) -> None:
    """A secret that a program writes into its log is in neither of the worker's logs; the engine knows what it was given."""
    worker.ready()
    quoted = f"a node said {TOKEN.reveal()} {bucket.access.secret.reveal()}"
    worker.container.run("sh", "-c", f"echo '{quoted}' >> /workspace/cache/comfyui.log")
    shipped = bucket.folder / "outputs" / "logs" / worker.settings.worker
    worker.container.until(lambda: b"a node said *** ***" in _texts(shipped))
    inspected = json.loads(docker("inspect", worker.container.id))[0]
    given = inspected["Config"].pop("Env")
    worker.container.run("sed", "-i", "/a node said/d", "/workspace/cache/comfyui.log")

    assert CANARY.encode() not in _texts(shipped)
    assert CANARY not in worker.container.logs()
    assert CANARY not in json.dumps(inspected)
    assert len([word for word in given if CANARY in word]) == 6


def _texts(folder: Path) -> bytes:
    """What was shipped to the bucket."""
    return b"".join(gzip.decompress(path.read_bytes()) for path in folder.glob("*.gz"))
