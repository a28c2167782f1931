"""A character's preset in batches: what it sets, below what, and where its faults lead."""

from pathlib import Path

import pytest

from videogen import project
from videogen.errors import InputError
from videogen.prepare import PreparedBatch, prepare

ROOT = Path(__file__).resolve().parents[2]
CHARACTER = """
schema: 1
name: walker
images: {character: who.png}
prompt: walks
uni3c: {strength: 1.5, end: 0.6}
seeds: [3, 5]
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the workflows of this one and a character of its own."""
    for name in ("workflows", "Pulumi.yaml", "models_manifest.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    for folder in ("characters", "batches"):
        (tmp_path / folder).mkdir()
    picture = (ROOT / "batches" / "inputs" / "character.png").read_bytes()
    (tmp_path / "characters" / "who.png").write_bytes(picture)
    (tmp_path / "batches" / "who.png").write_bytes(picture + b"another")
    (tmp_path / "batches" / "move.mp4").write_bytes((ROOT / "batches" / "inputs" / "motion.mp4").read_bytes())
    (tmp_path / "characters" / "walker.yaml").write_text(CHARACTER)
    monkeypatch.setenv("VIDEOGEN_PROJECT", str(tmp_path))
    return tmp_path


def _prepared(checkout: Path, rest: str = "", workflow: str = "scail-uni3c-wan22") -> PreparedBatch:
    batch = f"schema: 1\nname: walk\nworkflow: {workflow}\ncharacter: walker\n{rest}"
    (checkout / "batches" / "walk.yaml").write_text(batch)
    return prepare(checkout / "batches" / "walk.yaml", "a", project.read_manifest(ROOT / "models_manifest.dev.yaml"))


def _faults(checkout: Path, rest: str = "", workflow: str = "scail-uni3c-wan22") -> list[str]:
    with pytest.raises(InputError) as caught:
        _prepared(checkout, rest, workflow)
    return [str(fault).replace(f"{checkout}/", "") for fault in caught.value.faults]


MOTION = "fixed: {motion: move.mp4}\n"


def test_a_preset_fills_a_batch(checkout: Path) -> None:
    """Its picture, words, Uni3C and seeds are those of the jobs, which name it; its paths go from its own folder."""
    found = _prepared(checkout, MOTION)

    assert [job.label for job in found.jobs] == ["seed=3", "seed=5"]
    for job in found.jobs:
        values = job.parameters
        assert (values["prompt"], values["uni3c_strength"], values["uni3c_end"]) == ("walks", 1.5, 0.6)
        assert job.character == "walker"
    (picture,) = [path for path in found.files.values() if path.suffix == ".png"]
    assert picture == checkout / "characters" / "who.png"
    assert found.unused == ()


def test_the_batch_says_more(checkout: Path) -> None:
    """What the batch fixes or varies goes before the character's, which goes before the phase's defaults."""
    rest = "fixed: {motion: move.mp4, prompt: runs, character: who.png}\nmatrix: {uni3c_strength: [1, 2], seed: [9]}"
    found = _prepared(checkout, rest)

    assert [job.label for job in found.jobs] == ["uni3c_strength=1 seed=9", "uni3c_strength=2 seed=9"]
    assert {job.parameters["prompt"] for job in found.jobs} == {"runs"}
    assert checkout / "batches" / "who.png" in found.files.values()


def test_a_preset_serves_several_workflows(checkout: Path) -> None:
    """What a workflow has no parameter for is left out, and said."""
    found = _prepared(checkout, workflow="wan22-i2v")

    assert found.unused == ("uni3c_strength", "uni3c_end")
    assert found.jobs[0].parameters["prompt"] == "walks"


FAULTS = [
    ("images: {character: who.png}", "images: {character: whom.png}", "characters/walker.yaml:4: images/character: no such file: ../characters/whom.png\nhint: did you mean `who.png`?"),
    ("strength: 1.5", "strength: 15", "characters/walker.yaml:6: uni3c/strength: should be less than or equal to 10, got 15"),
    ("seeds: [3, 5]", "seeds: [-3]", "characters/walker.yaml:7: seeds: -3 is below 0\nhint: nearest: 0"),
    ("name: walker", "name: wanderer", "characters/walker.yaml:3: name: is `wanderer`, its file is `walker.yaml`"),
    ("prompt: walks", "promt: walks", "characters/walker.yaml:5: promt: unknown key\nhint: did you mean `prompt`?"),
    ("seeds: [3, 5]", "lora: {models: {style-lora-high: stile}}", "characters/walker.yaml:7: lora/models/style-lora-high: no model `stile` in the manifest\nhint: `videogen models list` shows which phases have it"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence"), FAULTS)
def test_faults_lead_into_the_characters_file(checkout: Path, old: str, new: str, sentence: str) -> None:
    """Not into the batch, which is right."""
    (checkout / "characters" / "walker.yaml").write_text(CHARACTER.replace(old, new, 1))

    assert sentence in _faults(checkout, MOTION)


def test_an_unknown_character_is_told_the_nearest(checkout: Path) -> None:
    """At its line in the batch."""
    (checkout / "characters" / "walker.yaml").rename(checkout / "characters" / "walkers.yaml")

    assert _faults(checkout, MOTION) == [
        "batches/walk.yaml:4: character: no character `walker`\nhint: did you mean `walkers`?"
    ]


def test_every_character_of_the_checkout() -> None:
    """Each is whole, and its pictures are there."""
    for name in project.character_names():
        found, _, folder = project.read_character(name)
        assert all((folder / image).is_file() for image in found.images.values())
