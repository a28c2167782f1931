"""A stack `prod` of lasting things alone, with the real engine, on an account that has both APIs."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.doubles.runpod import FakeRunpod, fake_runpod
from tests.doubles.runpod.account import StoredVolume
from tests.doubles.runpod_graphql.server import RunpodGraphql
from videogen import project

ROOT = project.root()
HERE = Path(__file__).parent
STANDIN = HERE / "bin" / "pulumi-resource-runpod"
NAME = "videogen-1a2b3c4d-prod"
PASSWORD = "a-token-that-reads-images"


def plugin() -> Path:
    """RunPod's plugin: the stand-in, or the real one that `RUNPOD_PLUGIN` names."""
    return Path(os.environ.get("RUNPOD_PLUGIN") or STANDIN)


@dataclass
class Lasting:
    """Runs `pulumi` in a project of its own."""

    folder: Path
    sdk: Path | None
    rest: FakeRunpod
    graphql: RunpodGraphql
    terms: dict[str, Any] = field(
        default_factory=lambda: {
            "through": "rest",
            "volume": {"gb": 50, "place": "EU-RO-1"},
            "image": "ghcr.io/me/video-gen-worker:1",
            "diskGb": 60,
        }
    )
    login: dict[str, str] | None = field(default_factory=lambda: {"username": "me", "password": PASSWORD})

    def __post_init__(self) -> None:
        """Makes the stack, with a state that knows nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(HERE / "program", self.folder)
        (self.folder / "backend").mkdir()
        committed = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
        plugins = {"videogen": ROOT / "infra" / "provider", "runpod": plugin().parent}
        about = {
            "name": "lasting",
            "runtime": "python",
            "options": committed["options"],
            "packages": committed["packages"],
            "plugins": {"providers": [{"name": name, "path": str(path)} for name, path in plugins.items()]},
        }
        (self.folder / "Pulumi.yaml").write_text(yaml.safe_dump(about))
        self.pulumi("stack", "init", "prod")

    def pulumi(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs `pulumi` to its end; stderr is in stdout."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("VIDEOGEN_", "RUNPOD_"))}
        environment = kept | self.rest.environment | {
            "RUNPOD_API_URL": self.graphql.address,
            "TERMS": json.dumps(self.terms),
            "LOGIN": json.dumps(self.login),
            "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}:{ROOT / '.tools/bin'}",
            "PYTHONPATH": ":".join(map(str, [ROOT, *([self.sdk] if self.sdk else [])])),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }  # fmt: skip
        environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
        return subprocess.run(
            [
                "pulumi",
                *words,
                "--non-interactive",
                "--color=never",
                *(["--stack=prod"] if words[0] != "stack" else []),
            ],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )

    def up(self, *words: str, through: str = "rest", code: int = 0, **volume: Any) -> str:
        """`pulumi up` of the terms, with changes to those of the volume; what it said."""
        self.terms["through"] = through
        self.terms["volume"] |= volume
        done = self.pulumi("up", "--yes", "--skip-preview", *words)
        assert (done.returncode != 0) == bool(code), done.stdout
        return done.stdout

    def destroy(self, code: int = 0) -> str:
        """`pulumi destroy`; what it said."""
        done = self.pulumi("destroy", "--yes", "--skip-preview")
        assert (done.returncode != 0) == bool(code), done.stdout
        return done.stdout

    def state(self) -> str:
        """The state as it is kept, secrets as they are there."""
        (path,) = (self.folder / "backend" / ".pulumi" / "stacks").rglob("prod.json")
        return path.read_text()

    def ids(self) -> dict[str, str]:
        """Name in the program → id, of what the state knows."""
        return {one["urn"].rpartition("::")[2]: one["id"] for one in self._things()}

    def types(self) -> set[str]:
        """Of what the state knows."""
        return {one["type"] for one in self._things()}

    def _things(self) -> list[dict[str, Any]]:
        known = json.loads(self.state())["checkpoint"]["latest"].get("resources", [])
        return [one for one in known if "id" in one and not one["type"].startswith("pulumi:providers:")]

    def forget(self) -> None:
        """The state is lost; the account is as it was."""
        self.__post_init__()

    @property
    def volumes(self) -> list[StoredVolume]:
        """What the account has."""
        return self.rest.account.living_volumes()

    def orders(self) -> list[tuple[str, str]]:
        """Everything that REST was told to do, reading left out."""
        return [(method, path) for method, path, _ in self.rest.calls if method != "GET"]


@contextmanager
def stack(folder: Path, sdk: Path | None = None) -> Iterator[Lasting]:
    """A stack that is not up, of an account that has both APIs; `sdk`: where `pulumi_runpod` is, if it is."""
    with fake_runpod() as rest, RunpodGraphql(rest.account, rest.key) as graphql:
        yield Lasting(folder / "stack", sdk, rest, graphql)
