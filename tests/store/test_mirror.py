"""A mirror fills the bucket once, with proven bytes only."""

import hashlib
from pathlib import Path

import pytest

from tests.doubles.s3_server import S3Server
from videogen import manifest as manifests
from videogen import project
from videogen.errors import WrongHash
from videogen.manifest import Manifest
from videogen.mirror import mirror
from videogen.store import manifest_key, model_key

BYTES = b"weights of my own"
HASH = hashlib.sha256(BYTES).hexdigest()


def manifest_of(**more: object) -> Manifest:
    """One local model."""
    known = {"name": "mine", "role": "r", "file": "vae/mine", "comfy_folder": "vae", "size": len(BYTES), "sha256": HASH}
    model = {**known, "source": {"local": "weights/mine"}, "license": "none", **more}
    return Manifest.model_validate({"schema": 1, "models": [model]})


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A manifest's folder with a local file."""
    (tmp_path / "base/weights").mkdir(parents=True)
    (tmp_path / "base/weights/mine").write_bytes(BYTES)
    return tmp_path / "base"


def test_the_dev_manifest(s3: S3Server) -> None:
    """All stand-ins go into the store, with progress, and the manifest's text with them; the second time nothing moves."""
    store, told = s3.store(), list[tuple[str, str, int, int]]()
    text = (project.root() / "models_manifest.dev.yaml").read_text()
    dev = manifests.parse(text, "dev")
    first = mirror(text, dev, store, project.root(), progress=lambda *step: told.append(step))
    second = mirror(text, dev, store, project.root())

    assert (first.stored, first.already_there, first.absent) == (dev.names, (), {})
    assert (second.stored, second.already_there) == ((), dev.names)
    assert {what for _, what, _, _ in told} == {"stored"}
    assert {name: (sent, size) for name, _, sent, size in told} == {m.name: (m.size, m.size) for m in dev.models}
    assert store.get_bytes("models", manifest_key(manifests.digest(text))).decode() == text


def test_the_real_manifest(s3: S3Server) -> None:
    """Nothing of the real manifest comes from this machine; for each model the report says what to do."""
    real = project.read_manifest(project.root() / "models_manifest.yaml")
    report = mirror("text", real, s3.store(), project.root())

    assert set(report.absent) | set(report.empty) == {model.id for model in real.models}
    assert report.absent["uni3c"] == "has no size and sha256 in the manifest; `videogen models pin uni3c` fills them"
    assert report.absent["scail-2/fp8"] == "comes from another machine; `videogen models mirror` fetches it"
    assert "style-lora-high" in report.empty


def test_a_local_file(s3: S3Server, base: Path) -> None:
    """A local file is found from the manifest's folder."""
    store = s3.store()

    assert mirror("text", manifest_of(), store, base).stored == ("mine",)
    assert store.get_bytes("models", model_key(HASH)) == BYTES


@pytest.mark.parametrize("change", [{"size": 3}, {"sha256": "0" * 64}])
def test_wrong_bytes_stay_out(s3: S3Server, base: Path, change: dict[str, object]) -> None:
    """A file that is not what the manifest says is an error, and is not stored."""
    store = s3.store()
    with pytest.raises(WrongHash, match=r"model mine: .*weights/mine .* the manifest says"):
        mirror("text", manifest_of(**change), store, base)

    assert list(store.list("models", "")) == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"local": "weights/none"}, "no such file: "),
        ("bring-your-own", f"bring-your-own: put your file into the store as models/models/sha256/{HASH}"),
        ({"url": "https://models.example/x"}, "comes from another machine; `videogen models mirror` fetches it"),
    ],
)
def test_absent_models_are_told_with_the_cure(s3: S3Server, base: Path, source: object, reason: str) -> None:
    """What cannot be brought from here is listed with what to do."""
    assert mirror("text", manifest_of(source=source), s3.store(), base).absent["mine"].startswith(reason)


def test_a_half_object_is_replaced(s3: S3Server, base: Path) -> None:
    """An object of the wrong size under the right key is not taken for the model."""
    store = s3.store()
    store.put_bytes("models", model_key(HASH), b"half")

    assert mirror("text", manifest_of(), store, base).stored == ("mine",)


def test_what_the_user_brought_is_there(s3: S3Server, base: Path) -> None:
    """A model that cannot be fetched counts as there once its object is."""
    store = s3.store()
    store.put_bytes("models", model_key(HASH), BYTES)

    assert mirror("text", manifest_of(source="bring-your-own"), store, base).already_there == ("mine",)
