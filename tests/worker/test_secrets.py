"""No secret of a worker is where it has no business: each one is planted as a canary, and everything is searched."""

import base64
import gzip
import json
import os
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.doubles.s3_server import S3Server
from tests.doubles.worker_process import WorkerProcess, fill, manifest_text, settings, ticks, worker
from tests.worker.test_ends import prompt
from tests.worker.test_repository import commit, git
from videogen import stack_outputs
from videogen.secret import Secret
from videogen.worker_environment import WorkerEnvironment

CANARIES = {
    name: Secret(f"canary-{name.replace('_', '-')}-+/&ü-6b1f0c")
    for name, field in WorkerEnvironment.model_fields.items()
    if "Secret" in str(field.annotation)
}
INJECTED = {"RUNPOD_API_KEY": "canary-injected-6b1f0c", "AWS_SECRET_ACCESS_KEY": "canary-account-6b1f0c"}
NEEDLES = [re.compile(rb"canary-(?!\*)"), *(re.compile(re.escape(base64.b64encode(word))) for word in (b"canary-",))]


def test_the_fields() -> None:
    """The canaries are those of the model, so that a new secret is searched for without a word here."""
    assert {"token", "store_key", "store_secret", "repository_key"} <= CANARIES.keys()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[S3Server]:
    """A store whose keys are canaries, as far as headers can carry them."""
    server = S3Server(tmp_path / "s3")
    server.folder.mkdir()
    server.access = stack_outputs.StoreAccess(key=header("store_key"), secret=header("store_secret"))
    with server:
        yield server


def header(name: str) -> Secret:
    """A canary without signs that a header or the store's own settings cannot hold."""
    return Secret(CANARIES[name].reveal().replace("ü", "u").replace("&", "-").replace("+", "-").replace("/", "-"))


def found(data: bytes) -> bool:
    """Whether a canary is in it, in the clear, in a URL, in JSON or in base64."""
    forms = (data, urllib.parse.unquote_to_bytes(data), data.replace(b"\\/", b"/"))
    return any(needle.search(form) for needle in NEEDLES for form in forms)


def files(folder: Path) -> Iterator[Path]:
    """All files below a folder."""
    return (path for path in folder.rglob("*") if path.is_file())


def test_canaries(guarded: S3Server, tmp_path: Path) -> None:
    """A boot with everything switched on, a job, a ComfyUI that dies, a store that goes away: no canary anywhere."""
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "--quiet", "--initial-branch=main")
    for name in ("Pulumi.yaml", "models_manifest.yaml"):
        (origin / name).write_text("x\n")
    commit(origin, "one")
    wanted = settings(
        guarded,
        tmp_path / "disk",
        fill(guarded, manifest_text()),
        **{**CANARIES, **{name: header(name) for name in ("store_key", "store_secret", "token")}},
        repository=f"file://{origin}",
        repository_ref="main",
        repository_update=True,
        log_ship_seconds=0.5,
    )
    bearer = {"Authorization": f"Bearer {wanted.token.reveal()}"}
    with worker(wanted, tmp_path / "w", **INJECTED) as one:
        answers = [until(one, bearer, "ready")]
        job = prompt(one, 1)
        for _ in ticks(10):
            if job in httpx.get(f"{one.url}/history", trust_env=False).json():
                break
        for pid in one.members():
            process = Path(f"/proc/{pid}")
            assert not found((process / "cmdline").read_bytes()), pid
            if pid != one.process.pid:
                assert not found((process / "environ").read_bytes()), pid
        lying = f"{wanted.token.reveal()} {wanted.store_secret.reveal()}"
        with (tmp_path / "disk" / "cache" / "comfyui.log").open("a") as file:
            file.write(f"a node said {lying}\n")
        one.kill_comfyui()
        answers.append(until(one, bearer, "ready", restarts=1))
        httpx.post(f"{one.agent}/stop", headers=bearer, trust_env=False).raise_for_status()
        assert one.ends(10) == 0

    (tmp_path / "disk" / "cache" / "comfyui.log").unlink()  # where the canary was planted
    for path in (*files(tmp_path / "disk"), *files(tmp_path / "w"), *files(guarded.folder)):
        data = path.read_bytes()
        assert not found(gzip.decompress(data) if path.suffix == ".gz" else data), path
    assert not any(map(found, answers))
    shipped = b"".join(gzip.decompress(path.read_bytes()) for path in files(guarded.folder / "outputs" / "logs"))
    assert b"a node said ***" in shipped


def test_canary_in_the_last_words(guarded: S3Server, tmp_path: Path) -> None:
    """What a program says at its death goes into the status and the log, without the secrets that it quotes."""
    checkout = tmp_path / "checkout"
    (checkout / "comfy").mkdir(parents=True)
    (checkout / "comfy" / "cli_args.py").touch()
    token = header("token").reveal()
    (checkout / "main.py").write_text(f"raise SystemExit('its token is {token[:9]}' + {token[9:]!r})\n")
    wanted = settings(
        guarded,
        tmp_path / "disk",
        fill(guarded, manifest_text()),
        comfyui_dir=checkout,
        comfyui_python=Path(os.path.realpath("/proc/self/exe")),
        token=header("token"),
        linger_seconds=20,
    )
    with worker(wanted, tmp_path / "w") as one:
        status = until(one, {"Authorization": f"Bearer {token}"}, "failed")
        one.process.terminate()
        one.ends(5)

    assert "its token is ***" in json.loads(status)["hint"]
    assert not found(status)
    assert "its token is ***" in one.said()
    assert not found(one.said().encode())


def until(one: WorkerProcess, bearer: dict[str, str], state: str, restarts: int = 0) -> bytes:
    """The agent's answer, once the worker is in that state."""
    for _ in ticks(20):
        try:
            answer = httpx.get(f"{one.agent}/status", headers=bearer, trust_env=False).raise_for_status()
        except httpx.TransportError:
            continue
        if answer.json()["state"] == state and answer.json()["comfyui_restarts"] >= restarts:
            return answer.content
    raise AssertionError(one.said())
