"""The master: `tools/master.sh` in a fresh copy of the repository, and what a person then finds on the machine."""

import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from tests.doubles.docker_engine import ROOT, docker
from videogen import port

READY_SECONDS = 90
SERVICES = {"comfyui", "controller", "store"}


@dataclass(frozen=True)
class Master:
    """A copy of the repository with a master of its own."""

    folder: Path
    words: Sequence[str]
    environment: Mapping[str, str]
    said: str = ""

    def compose(self, *words: str, seconds: float = 60, **more: str) -> "subprocess.CompletedProcess[str]":
        """`docker compose …` in the folder."""
        return subprocess.run(
            [*self.words, *words],
            cwd=self.folder,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def controller(self, *words: str, seconds: float = 60) -> str:
        """What a command in the controller prints."""
        done = self.compose("exec", "-T", "controller", *words, seconds=seconds)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def containers(self) -> dict[str, str]:
        """Service → container, of all that there are."""
        label = f"label=com.docker.compose.project={self.environment['COMPOSE_PROJECT_NAME']}"
        form = '{{.Label "com.docker.compose.service"}}={{.ID}}'
        listed = docker("ps", "--all", "--filter", label, "--format", form).splitlines()
        return dict(line.split("=") for line in listed)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment['VIDEOGEN_PORT']}"

    @property
    def secrets(self) -> dict[str, str]:
        """What `.env` keeps."""
        return dict(re.findall(r"^(VIDEOGEN_(?:TOKEN|STORE_KEY|STORE_SECRET))=(.*)$", self.env, re.MULTILINE))

    @property
    def env(self) -> str:
        return (self.folder / ".env").read_text()

    @property
    def login(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secrets['VIDEOGEN_TOKEN']}"}


def until(done: Callable[[], bool], told: Callable[[], str], seconds: float = READY_SECONDS) -> None:
    """Waits for something; the test fails with what is `told` then."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, told()
        time.sleep(0.2)


def answer(master: Master, path: str, **headers: str) -> int:
    """The status of an answer; 0 while nobody answers."""
    try:
        return httpx.get(master.url + path, headers=headers, timeout=10, trust_env=False).status_code
    except httpx.TransportError:
        return 0


@pytest.fixture(scope="module")
def compose(engine: None) -> list[str]:
    """The words that start compose; Debian's is installed where there is none and that can be done."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "compose"]
    if not shutil.which("docker-compose") and os.geteuid() == 0 and shutil.which("apt-get"):
        install = "apt-get update -qq && apt-get install -y -qq --no-install-recommends docker-compose"
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["sh", "-c", install], env=environment, capture_output=True, timeout=300, check=False)
    if not shutil.which("docker-compose"):
        pytest.fail("no docker compose, and none could be installed: apt-get install docker-compose", pytrace=False)
    return ["docker-compose"]


@pytest.fixture(scope="module")
def copied(compose: list[str], tmp_path_factory: pytest.TempPathFactory) -> Master:
    """A fresh copy in which nothing was started."""
    folder = tmp_path_factory.mktemp("master")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout
    pack = ["tar", "--null", "--files-from=-", "--create", "--ignore-failed-read", "--warning=no-failed-read"]
    packed = subprocess.run(pack, cwd=ROOT, input=names, capture_output=True, check=True)
    subprocess.run(["tar", "--extract"], cwd=folder, input=packed.stdout, check=True)
    (folder / ".tools").symlink_to(ROOT / ".tools")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("COMPOSE_", "VIDEOGEN_", "PULUMI_"))
    }
    own = {
        "COMPOSE_PROJECT_NAME": f"videogen-test-{uuid.uuid4().hex[:12]}",
        "VIDEOGEN_PORT": str(port.free(["web"])["web"]),
    }
    return Master(folder, compose, {**kept, **own, "BASE_IMAGE": os.environ["VIDEOGEN_TEST_BASE"]})


@pytest.fixture(scope="module")
def master(image: str, copied: Master) -> Iterator[Master]:
    """The master, started as a person starts it; nothing of it is left afterwards."""
    images = {"VIDEOGEN_IMAGE": image, "VIDEOGEN_CONTROLLER_IMAGE": image.replace("test", "controller-test")}
    own = Master(copied.folder, copied.words, {**copied.environment, **images})
    try:
        done = subprocess.run(
            ["tools/master.sh"],
            cwd=own.folder,
            env=own.environment,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        yield Master(own.folder, own.words, own.environment, done.stdout)
    finally:
        own.compose("down", "--volumes", "--timeout", "5", seconds=120)


@pytest.fixture(scope="module")
def ready(master: Master) -> Master:
    """The same, once its ComfyUI answers."""
    until(
        lambda: answer(master, "/system_stats", **master.login) == 200, lambda: master.compose("logs", "comfyui").stdout
    )
    return master


def test_without_secrets_nothing_starts(copied: Master) -> None:
    """Without .env compose refuses, and says what to do."""
    (copied.folder / ".env").unlink(missing_ok=True)
    done = copied.compose("up", "-d", COMPOSE_PROFILES="store,cpu")

    assert done.returncode != 0
    assert re.search(r"VIDEOGEN_\w+.*`make master` writes .env", done.stderr, re.DOTALL)
    assert copied.containers() == {}


def test_profiles_say_what_there_is(master: Master) -> None:
    """Compose takes the file: the controller is always there, the profile `gpu` has ComfyUI on every GPU."""
    done = master.compose("config", COMPOSE_PROFILES="store,cpu,gpu")
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    [device] = services["comfyui-gpu"]["deploy"]["resources"]["reservations"]["devices"]

    assert {name: one.get("profiles") for name, one in services.items()} == {
        "controller": None, "store": ["store"], "comfyui": ["cpu"], "comfyui-gpu": ["gpu"],
    }  # fmt: skip
    assert device["capabilities"] == ["gpu"]


def test_one_command_starts_everything(master: Master) -> None:
    """After tools/master.sh all services run, and it said where ComfyUI is; nobody else may read .env."""
    found = master.containers()

    assert set(found) == SERVICES
    assert all(docker("inspect", "--format", "{{.State.Running}}", one) == "true" for one in found.values())
    assert f"ComfyUI at {master.url}" in master.said
    assert (master.folder / ".env").stat().st_mode & 0o777 == 0o600
    assert all(len(value) >= 20 for value in master.secrets.values())
    assert len(set(master.secrets.values())) == 3


def test_controller_has_its_tools(master: Master) -> None:
    """The command line finds everything that it needs, Pulumi among it; nobody in the container is root."""
    found = {one["name"]: one["state"] for one in json.loads(master.controller("videogen", "doctor", "--json"))}
    pinned = re.search(r"pulumi==(\S+?)\"", (ROOT / "pyproject.toml").read_text())

    assert set(found.values()) <= {"ok", "optional"}
    assert pinned
    assert master.controller("pulumi", "version").strip() == f"v{pinned[1]}"
    assert master.controller("id", "-u").strip() != "0"


def test_controller_plans_a_stack(master: Master) -> None:
    """The Pulumi program and its plugin run in the controller."""
    master.controller("tools/init_stack.sh", "dev")
    plan = master.controller("pulumi", "preview", "--stack", "dev", "--non-interactive")

    assert "videogen:index:GpuWorker" in plan


def test_controller_comes_back(master: Master) -> None:
    """A new container finds the state of the old one; a restarted one works on."""
    master.controller("tools/init_stack.sh", "dev")
    assert master.compose("up", "-d", "--force-recreate", "--no-deps", "controller", seconds=90).returncode == 0
    again = master.containers()["controller"]
    docker("restart", "--time", "10", again)
    time.sleep(1)

    assert "dev" in master.controller("pulumi", "stack", "ls")
    assert "comfyui" in master.controller("cat", "master.json")
    assert docker("inspect", "--format", "{{.RestartCount}}", again) == "0"


def test_schedule_runs(ready: Master) -> None:
    """Entries run by themselves, and their words are in the log."""

    def logs() -> str:
        return ready.compose("logs", "--no-color", "controller").stdout

    until(lambda: "models: done in" in logs() and "look: done in" in logs(), logs, 30)

    assert re.search(r"look \| .*comfyui", logs())


def test_page_wants_the_token(ready: Master) -> None:
    """ComfyUI's page opens with the token of .env, and with nothing else."""
    assert answer(ready, "/", **ready.login) == 200
    assert answer(ready, "/") == 401
    assert answer(ready, "/", Authorization="Bearer wrong") == 401
    assert answer(ready, "/healthz") == 200


def test_only_the_gateway_is_published(master: Master) -> None:
    """One port leads in, on loopback."""
    form = "{{json .NetworkSettings.Ports}}"
    ports = {name: json.loads(docker("inspect", "--format", form, one)) for name, one in master.containers().items()}
    public = [(name, *way.values()) for name, all_ in ports.items() for ways in all_.values() for way in ways or ()]

    assert public == [("comfyui", "127.0.0.1", master.environment["VIDEOGEN_PORT"])]


def test_no_secret_in_images_and_processes(ready: Master) -> None:
    """Neither an argument list nor the controller's image holds a secret of .env."""
    seen = docker("history", "--no-trunc", ready.environment["VIDEOGEN_CONTROLLER_IMAGE"])
    seen += "".join(docker("top", one, "-eo", "pid,args") for one in ready.containers().values())
    files = "test ! -e /opt/video-gen/.env && test ! -e /opt/video-gen/.git"

    assert [name for name, value in ready.secrets.items() if value in seen] == []
    assert (
        docker("run", "--rm", "--entrypoint", "sh", ready.environment["VIDEOGEN_CONTROLLER_IMAGE"], "-c", files) == ""
    )


def test_batch_becomes_a_video(ready: Master) -> None:
    """A batch of the host's folder is rendered by this machine's ComfyUI, and the video lies in outputs/ of the host."""
    batch = (ready.folder / "batches/demo.yaml").read_text().split("matrix:")[0].replace("name: demo", "name: one")
    (ready.folder / "batches/one.yaml").write_text(batch.replace("length: 49", "length: 17\n  seed: 7"))
    said = ready.controller("videogen", "submit", "batches/one.yaml", "--outputs", "master.json", "--json", seconds=120)

    assert json.loads(said)["done"] == 1
    assert [one.stat().st_size > 1000 for one in (ready.folder / "outputs/one").glob("*.mp4")] == [True]


def test_down_leaves_volumes_alone(ready: Master) -> None:
    """`down` ends and removes all but the named volumes."""
    name = ready.environment["COMPOSE_PROJECT_NAME"]
    assert ready.compose("down", seconds=120).returncode == 0
    label = f"label=com.docker.compose.project={name}"

    assert ready.containers() == {}
    assert docker("network", "ls", "--quiet", "--filter", label) == ""
    assert set(docker("volume", "ls", "--quiet", "--filter", label).split()) == {
        f"{name}_{kept}" for kept in ("state", "store", "workspace")
    }
