"""A repository on a GitHub of this machine: its commits, its pipelines, and the clouds that their jobs reach."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doubles.actions import Actions, Ran
from tests.doubles.github_api import REPOSITORY, Github, github
from tests.doubles.rented_phase import MANIFEST, PHASE
from tests.doubles.runpod import FakeRunpod, fake_runpod
from tests.doubles.s3_server import S3Server
from videogen import manifest as models
from videogen import mirror, project, tag
from videogen.money import Receipt
from videogen.receipts import stored

ROOT = project.root()
BATCH = (ROOT / "batches/demo-short.yaml").read_text()
PASSPHRASE = "a passphrase that nobody else has"

VIDEOGEN = """#!/bin/sh
echo "videogen $*"
exit "$(cat "$(dirname "$2")/../code.$(basename "$2")" 2>/dev/null || echo 0)"
"""


class Hosted:
    """A repository, and everything outside of it; `merged` and `proposed` are what a person does."""

    def __init__(self, folder: Path, s3: S3Server, runpod: FakeRunpod, api: Github) -> None:
        self.s3, self.runpod, self.api = s3, runpod, api
        self.repository = folder / "repository"
        self.interrupted = False
        (folder / "state").mkdir()
        machine = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "GITHUB_API_URL": api.url}
        machine |= {name: value for name, value in runpod.environment.items() if name != "RUNPOD_API_KEY"}
        self.backend = f"file://{folder / 'state'}"
        self.actions = Actions(
            folder / "jobs",
            machine,
            {"PULUMI_BACKEND_URL": self.backend},
            {
                "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
                "RUNPOD_API_KEY": runpod.environment["RUNPOD_API_KEY"],
                "GITHUB_TOKEN": api.token,
            },
            {"actions/checkout": self._checkout, "actions/setup-python": lambda _inputs, _folder: {}},
        )
        self._import()

    def commit(self, files: Mapping[str, str], words: str = "change") -> str:
        """Writes files and commits them; the commit."""
        for name, text in files.items():
            path = self.repository / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "-qm", words)
        return self.git("rev-parse", "HEAD")

    def merged(self, files: Mapping[str, str]) -> Ran:
        """The pipeline of a merge to main."""
        before = self.git("rev-parse", "HEAD")
        self.commit(files)
        return self._run("merge", {"event": {"before": before}})

    def proposed(self, files: Mapping[str, str], head: str = REPOSITORY) -> Ran:
        """The pipeline of a pull request; its commit goes again, for nobody has merged it."""
        before = self.git("rev-parse", "HEAD")
        self.commit(files)
        request = {"number": self.api.pull_request, "head": {"repo": {"full_name": head}}}
        ran = self._run("preview", {"event": {"pull_request": request}})
        self.git("reset", "-q", "--hard", before)
        return ran

    def pressed(self, stack: str) -> Ran:
        """The button."""
        return self._run("destroy", {}, {"stack": stack})

    def swept(self) -> Ran:
        """The hour has come."""
        return self._run("sweep", {})

    def receipts(self) -> dict[str, Receipt]:
        """In the bucket, by machine."""
        found, faults = stored(self.s3.store())
        assert not faults
        return {receipt.machine: receipt for receipt in found}

    def relocked(self, user: str, host: str) -> None:
        """The lock that a killed Pulumi left, as if it had run elsewhere."""
        (lock,) = Path(self.backend.removeprefix("file://"), ".pulumi/locks").rglob("*.json")
        lock.write_text(json.dumps(json.loads(lock.read_text()) | {"username": user, "hostname": host}))

    def git(self, *words: str) -> str:
        """What git says."""
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "init.defaultBranch=main"]
        return subprocess.run(
            ["git", *who, *words], cwd=self.repository, check=True, capture_output=True, text=True, timeout=60
        ).stdout.strip()

    def _run(self, pipeline: str, about: Mapping[str, Any], inputs: Mapping[str, str] | None = None) -> Ran:
        told = {"repository": REPOSITORY, "event": {}, **about}
        return self.actions.run(self.repository / f".github/workflows/{pipeline}.yml", told, inputs)

    def _import(self) -> None:
        """The files of this checkout, with a `prod` and a `phase-c` that are on this machine."""
        names = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ":!tests", ":!docs"]
        listed = subprocess.run(names, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (self.repository / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.repository / name)
        inputs = self.repository / "batches/queue/phase-c/inputs"
        inputs.mkdir(parents=True)
        shutil.copy(ROOT / "batches/inputs/character.png", inputs)
        for key, value in PHASE.items():
            self._set("phase-c", key, value)
        self._set("prod", "foundation", "s3")
        self._set("prod", "store", json.dumps(self.s3.place.model_dump()))
        self._set("prod", "manifest", MANIFEST)
        self.git("init", "-q")
        self.commit({}, "everything")

    def keys(self) -> str:
        """Pulumi.prod.yaml with the store's keys, encrypted as a person does it once."""
        keys = json.dumps({"key": self.s3.access.key.reveal(), "secret": self.s3.access.secret.reveal()})
        environment = {
            **self.actions.machine,
            "PATH": f"{self.actions.machine['PATH']}:{ROOT / '.tools/bin'}",
            "PULUMI_BACKEND_URL": self.backend,
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }
        for words, said in (
            (["stack", "init", "prod", "--no-select"], ""),
            (["config", "set", "--secret", "videogen:storeAccess", "--stack", "prod"], keys),
        ):
            subprocess.run(
                ["pulumi", *words, "--non-interactive"],
                cwd=self.repository, env=environment, input=said, text=True, check=True, timeout=60, capture_output=True,
            )  # fmt: skip
        return (self.repository / "Pulumi.prod.yaml").read_text()

    def _set(self, stack: str, key: str, value: str) -> None:
        path = self.repository / f"Pulumi.{stack}.yaml"
        text, count = re.subn(rf"(?m)^(\s*videogen:{key}:).*\n(\s+- .*\n)*", rf"\1 {value}\n", path.read_text())
        assert count == 1, key
        path.write_text(text)

    def _checkout(self, inputs: Mapping[str, Any], folder: Path) -> Mapping[str, str]:
        """The newest commit, with no more history than was asked for; tools and packages are as a cache leaves them."""
        depth = inputs.get("fetch-depth", 1)
        shallow = ["--depth", str(depth)] if depth else []
        subprocess.run(
            ["git", "clone", "-q", *shallow, f"file://{self.repository}", str(folder)], check=True, timeout=60
        )
        (folder / ".tools").symlink_to(ROOT / ".tools")
        (folder / ".venv").mkdir()
        for path in (ROOT / ".venv").iterdir():
            if path.name != ".ready":
                (folder / ".venv" / path.name).symlink_to(path)
        (folder / ".venv/.ready").touch()
        for name in ("requirements.lock", "pyproject.toml"):
            os.utime(folder / name, (0, 0))
        return {}


def _keep_volume(s3: S3Server, runpod: FakeRunpod) -> None:
    """Something that lasts on the account: without it nobody believes that an empty list of machines is whole."""
    volume = {"name": tag.tagged(tag.owner(s3.place), "models"), "size": 10, "dataCenter": "EU-RO-1"}
    headers = {"Authorization": f"Bearer {runpod.key}"}
    httpx.post(f"{runpod.url}/network-volumes", json=volume, headers=headers, trust_env=False).raise_for_status()


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """A repository without any stack; the models are in the bucket."""
    folder = tmp_path_factory.mktemp("hosted")
    (folder / "s3").mkdir()
    with ExitStack() as stack:
        s3 = stack.enter_context(S3Server(folder / "s3"))
        runpod = stack.enter_context(fake_runpod(pods="processes"))
        text = (ROOT / MANIFEST).read_text()
        _keep_volume(s3, runpod)
        mirror.mirror(text, models.parse(text, MANIFEST), s3.store(), ROOT)
        yield Hosted(folder, s3, runpod, stack.enter_context(github()))


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose phase-c has small models that are pinned, and two batches in its queue."""
    for name in ("workflows", "templates", "Pulumi.yaml", "models_manifest.yaml", "models_manifest.dev.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    for path in ROOT.glob("Pulumi.?*.yaml"):
        text = path.read_text().replace("manifest: models_manifest.yaml", "manifest: models_manifest.dev.yaml")
        (tmp_path / path.name).write_text(text)
    queue = tmp_path / "batches/queue/phase-c"
    shutil.copytree(ROOT / "batches/inputs", queue / "inputs")
    for name in ("a", "b"):
        (queue / f"{name}.yaml").write_text(BATCH.replace("demo-short", name))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/videogen").write_text(VIDEOGEN)
    (tmp_path / "bin/videogen").chmod(0o755)
    monkeypatch.setenv("VIDEOGEN_PROJECT", str(tmp_path))
    return tmp_path
