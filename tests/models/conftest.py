"""A checkout of its own, a hub, a store, and the command line on them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.doubles.hub import Hub
from tests.doubles.s3_server import S3Server
from videogen.cli import app
from videogen.errors import InputError, VideogenError
from videogen.standin.weights import weights


@dataclass(frozen=True)
class Said:
    """What a verb answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, object]:
        """Of `--json`."""
        found: dict[str, object] = json.loads(self.out)
        return found


@dataclass(frozen=True)
class Desk:
    """Where a user sits: a checkout, its settings, a hub and a store."""

    folder: Path
    hub: Hub
    s3: S3Server

    @property
    def manifest(self) -> Path:
        """The checkout's manifest."""
        return self.folder / "models_manifest.yaml"

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead to hub and store."""
        return {
            "VIDEOGEN_PROJECT": str(self.folder),
            "VIDEOGEN_STATE": str(self.folder / "state"),
            "HF_ENDPOINT": self.hub.address,
            "HF_TOKEN": "",
            "VIDEOGEN_STORE_ENDPOINT": self.s3.place.endpoint,
            "VIDEOGEN_STORE_MODELS": "models",
            "VIDEOGEN_STORE_KEY": self.s3.access.key.reveal(),
            "VIDEOGEN_STORE_SECRET": self.s3.access.secret.reveal(),
        }

    def models(self, *words: str, typed: str = "", **environment: str) -> Said:
        """`videogen models …`, with what `main` makes of errors."""
        known = {**self.environment, **environment}
        done = CliRunner().invoke(app, ["models", *words], env=known, input=typed)
        if isinstance(done.exception, VideogenError):
            error = done.exception
            said = str(error) if isinstance(error, InputError) else f"{error.message}\nhint: {error.hint}"
            return Said(error.exit_code, done.stdout, done.stderr + said)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    def write(self, *entries: str) -> None:
        """A manifest of some entries, with comments to lose."""
        self.manifest.write_text(
            "# The first comment.\nschema: 1\nmodels:   # mine\n" + "\n".join(entries) + "# The last comment.\n"
        )

    def hub_entry(self, name: str, size: int = 5000, more: str = "") -> tuple[str, bytes]:
        """An entry of a file that lies on the hub, not pinned; and its bytes."""
        content = b"".join(weights(name, size))
        self.hub.put("org/repo", f"{name}.safetensors", content)
        return (
            f"  # about {name}\n  - name: {name}\n    role: 'draws'   # what it does\n"
            f"    file: vae/{name}.safetensors\n    comfy_folder: vae\n{more}"
            f"    source:\n      repository: org/repo\n      revision: main  # moves\n      path: {name}.safetensors\n"
            f"    license: none\n",
            content,
        )


@pytest.fixture
def desk(tmp_path: Path, s3: S3Server) -> Iterator[Desk]:
    """A checkout with an empty manifest."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: videogen\n")
    (folder / "models_manifest.yaml").write_text("schema: 1\nmodels: []\n")
    with Hub() as hub:
        yield Desk(folder, hub, s3)
