"""A worker boots from its environment, a store and a disk, or says why it does not."""

import json
import socket
import threading
from pathlib import Path

import httpx
import pytest

from tests.doubles.s3_server import S3Server
from tests.doubles.worker_process import bearer, fill, manifest_text, put_manifest, settings, worker
from tests.unit.test_direct_file import is_cached
from videogen.boot_report import WorkerStatus
from videogen.standin import weights
from videogen.store import model_key

HIGH = model_key(weights.sha256("high", 4096))


def details(status: WorkerStatus) -> dict[str, str]:
    """Each step's detail."""
    return {step.name: step.detail for step in status.steps}


def test_cold_then_warm(s3: S3Server, tmp_path: Path) -> None:
    """A first boot fetches what the manifest names; a second one finds it proven, and needs no manifest of the store."""
    digest = fill(s3, manifest_text())
    with worker(settings(s3, tmp_path / "disk", digest), tmp_path / "cold") as cold:
        first = cold.ready()
        listed = httpx.get(f"{cold.url}/models/vae", trust_env=False).json()
        cold.process.terminate()
        cold_code = cold.ends()
    fetched = tmp_path / "disk" / "models" / "vae" / "vae.safetensors"
    in_memory = is_cached(fetched)
    s3.file("models", f"manifests/{digest}.yaml").unlink()
    with worker(settings(s3, tmp_path / "disk", digest), tmp_path / "warm") as warm:
        second = warm.ready()
        warm.process.terminate()
        warm_code = warm.ends()

    assert cold_code == warm_code == 0
    assert listed == ["vae.safetensors"]
    assert in_memory
    assert "2 fetched (8.2 kB)" in details(first)["models"]
    assert "2 present, 0 verified, 0 fetched" in details(second)["models"]
    assert set(details(second)) == {
        "Python starts", "folders", "lease", "manifest", "model paths", "ComfyUI starts", "ComfyUI answers", "models",
        "ComfyUI lists the models",
    }  # fmt: skip
    assert all(step.seconds is not None and step.seconds < 10 for step in second.steps)


def test_log(s3: S3Server, tmp_path: Path) -> None:
    """Each step is a sentence on stderr and one JSON object on stdout; no secret is in the log."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()))
    with worker(wanted, tmp_path / "w") as one:
        one.ready()
        said = one.said()
    facts = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    steps = {fact["step"]: fact["seconds"] for fact in facts if "step" in fact}

    assert steps.keys() >= {"folders", "manifest", "models", "ComfyUI answers"}
    assert all(f" s  {name}: " in said for name in steps)
    assert facts[-1]["state"] == "ready"
    assert wanted.token.reveal() not in said
    assert wanted.store_secret.reveal() not in said


def test_comfyui_gets_no_secret(s3: S3Server, tmp_path: Path) -> None:
    """ComfyUI, which runs strangers' nodes, has none of the worker's settings in its environment or command line."""
    with worker(settings(s3, tmp_path / "disk", fill(s3, manifest_text())), tmp_path / "w") as one:
        one.ready()
        process = Path(f"/proc/{one.comfyui()}")
        known = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()

    assert b"VIDEOGEN_" not in known
    assert b"--listen=127.0.0.1" in known


def test_model_missing_in_store(s3: S3Server, tmp_path: Path) -> None:
    """A model that the store lacks fails the boot at once, with its name; nothing runs on."""
    digest = fill(s3, manifest_text(), {"high": None})
    with worker(settings(s3, tmp_path / "disk", digest), tmp_path / "w") as one:
        status = one.failed()
        code = one.ends()

    assert code == 1
    assert status.error == f"bucket models has no bytes of: high ({HIGH})"
    assert status.hint == "`videogen models mirror` brings them there"


def test_wrong_hash(s3: S3Server, tmp_path: Path) -> None:
    """Other bytes under a model's name fail the boot, and no file gets the model's name."""
    digest = fill(s3, manifest_text(), {"high": b"x" * 4096})
    with worker(settings(s3, tmp_path / "disk", digest), tmp_path / "w") as one:
        status = one.failed()
        code = one.ends()

    assert code == 1
    assert status.error
    assert status.error.startswith("model high: models/models/sha256/")
    assert not (tmp_path / "disk" / "models" / "wan2.2" / "high.safetensors").exists()


def test_disk_too_small(s3: S3Server, tmp_path: Path) -> None:
    """A disk without room for the models fails the boot before anything is fetched."""
    document = json.loads(manifest_text())
    document["models"][0]["size"] = 10**16
    with worker(settings(s3, tmp_path / "disk", put_manifest(s3, json.dumps(document))), tmp_path / "w") as one:
        status = one.failed()
        code = one.ends()

    assert code == 1
    assert status.error
    assert "needs 10000.0 TB" in status.error
    assert status.hint == "take a larger disk, or free space"


def test_manifest_missing(s3: S3Server, tmp_path: Path) -> None:
    """A manifest that the store lacks fails the boot with its key."""
    fill(s3, manifest_text())
    with worker(settings(s3, tmp_path / "disk", "0" * 64), tmp_path / "w") as one:
        status = one.failed()
        code = one.ends()

    assert code == 1
    assert status.error == f"bucket models has no manifest manifests/{'0' * 64}.yaml"


def test_manifest_changed(s3: S3Server, tmp_path: Path) -> None:
    """A manifest whose text is not the one that its digest names is not used."""
    digest = put_manifest(s3, manifest_text(), digest="1" * 64)
    with worker(settings(s3, tmp_path / "disk", digest), tmp_path / "w") as one:
        status = one.failed()
        code = one.ends()

    assert code == 1
    assert status.error
    assert "has sha256" in status.error


def test_manifest_wrong(s3: S3Server, tmp_path: Path) -> None:
    """A manifest with faults ends the worker with code 2 and every fault."""
    with worker(settings(s3, tmp_path / "disk", put_manifest(s3, "schema: 2\nmodels: 1\n")), tmp_path / "w") as one:
        status = one.failed()
        code = one.ends()

    assert code == 2
    assert status.error
    assert "manifest:1: schema" in status.error
    assert "manifest:2: models" in status.error


def test_environment_wrong(s3: S3Server, tmp_path: Path) -> None:
    """Every variable that is wrong or unknown is named at once; code 2, before anything is started."""
    wanted = settings(s3, tmp_path / "disk", "0" * 64)
    with worker(wanted, tmp_path / "w", VIDEOGEN_LEASE_MINUTES="-1", VIDEOGEN_TOKENS="x") as one:
        code = one.ends()
        said = one.said()

    assert code == 2
    assert "environment: VIDEOGEN_LEASE_MINUTES" in said
    assert "environment: VIDEOGEN_TOKENS: unknown variable\nhint: did you mean `VIDEOGEN_TOKEN`?" in said


def test_workspace_unusable(s3: S3Server, tmp_path: Path) -> None:
    """A file where a folder must be is one clear error about the variable that leads there."""
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "models").write_text("a file")
    with worker(settings(s3, disk, "0" * 64), tmp_path / "w") as one:
        status = one.failed()
        code = one.ends()

    assert code == 2
    assert status.error
    assert status.error.startswith("environment: VIDEOGEN_WORKSPACE: cannot be used:")


@pytest.mark.parametrize(("which", "said"), [("comfyui_port", "ComfyUI: port"), ("agent_port", "agent: port")])
def test_port_taken(s3: S3Server, tmp_path: Path, which: str, said: str) -> None:
    """A port that somebody else has is one clear error, and nothing runs on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        with worker(
            settings(s3, tmp_path / "disk", fill(s3, manifest_text()), **{which: number}), tmp_path / "w"
        ) as one:
            code = one.ends()
            log = one.said()

    assert code == 1
    assert f"{said} {number} of 127.0.0.1 is taken" in log


def test_comfyui_that_cannot_start(s3: S3Server, tmp_path: Path) -> None:
    """A ComfyUI that ends before it ever answered is not tried again; its last words are the hint."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), comfyui_arguments="--no-such-flag")
    with worker(wanted, tmp_path / "w") as one:
        status = one.failed()
        code = one.ends()

    assert code == 1
    assert status.error == "ComfyUI ended with code 2 before it answered"
    assert status.hint
    assert "unrecognized arguments: --no-such-flag" in status.hint
    assert status.comfyui_restarts == 0


def test_never_ready(s3: S3Server, tmp_path: Path) -> None:
    """A ComfyUI that does not answer within the boot's minutes is a failed boot."""
    wanted = settings(s3, tmp_path / "disk", fill(s3, manifest_text()), boot_minutes=0.03)
    slow = json.dumps([{"name": "slow_start", "seconds": 4}])
    with worker(wanted, tmp_path / "w", STANDIN_FAULTS=slow) as one:
        status = one.failed()
        code = one.ends()

    assert code == 1
    assert status.error == "not ready within 0.03 minutes"


def test_silent_store(s3: S3Server, tmp_path: Path) -> None:
    """A store that takes connections and says nothing costs a boot no more than its minutes."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        wanted = settings(s3, tmp_path / "disk", "0" * 64, boot_minutes=0.03, store_endpoint=endpoint)
        with worker(wanted, tmp_path / "w") as one:
            status = one.failed()
            code = one.ends()

    assert code == 1
    assert status.error == "not ready within 0.03 minutes"
    assert status.steps[-1].name == "manifest"


def test_store_away_for_a_while(s3: S3Server, tmp_path: Path) -> None:
    """A store that comes back while the worker boots is only a delay."""
    digest = fill(s3, manifest_text())
    s3.kill()
    back = threading.Timer(2.0, s3.start)
    with worker(settings(s3, tmp_path / "disk", digest), tmp_path / "w") as one:
        back.start()
        status = one.ready()
        back.join()

    assert (next(step for step in status.steps if step.name == "manifest").seconds or 0) > 1


def test_stopped_while_it_boots(s3: S3Server, tmp_path: Path) -> None:
    """A worker that waits for its store ends as soon as it is asked to."""
    digest = fill(s3, manifest_text())
    s3.kill()
    with worker(settings(s3, tmp_path / "disk", digest), tmp_path / "w") as one:
        one.until(lambda status: status.steps[-1].name == "manifest")
        answer = httpx.post(f"{one.agent}/stop", headers=bearer(), trust_env=False)
        code = one.ends(5)

    assert answer.json()["state"] == "ending"
    assert code == 0
