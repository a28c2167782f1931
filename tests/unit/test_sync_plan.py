"""The plan decides from what was found and what was proven, and believes nothing else."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from videogen.manifest import Manifest, Model
from videogen.sync_plan import FoundFile, SyncPlan, VerifiedFile, plan

RIGHT, OTHER = "a" * 64, "b" * 64
FILE = "vae/x.safetensors"
FOUND = FoundFile(size=10, mtime_ns=1_000, ctime_ns=1_000, inode=7)
PROOF = VerifiedFile.of(FOUND, RIGHT)


def model(file: str = FILE, **more: object) -> Model:
    """A model of ten bytes."""
    known = {"name": "x", "role": "r", "file": file, "comfy_folder": "vae", "size": 10, "sha256": RIGHT}
    return Model.model_validate({**known, "source": "stand-in", "license": "none", **more})


def planned(found: dict[str, FoundFile], verified: dict[str, VerifiedFile], *models: Model) -> SyncPlan:
    """The plan for some models, one by default."""
    return plan(Manifest.model_validate({"schema": 1, "models": models or (model(),)}), found, verified)


def test_a_proven_untouched_file_is_present() -> None:
    """A file that was hashed and left alone needs nothing."""
    assert [m.name for m in planned({FILE: FOUND}, {FILE: PROOF}).present] == ["x"]


def test_a_file_without_proof_is_hashed() -> None:
    """A file of the right size is never believed for being there."""
    assert len(planned({FILE: FOUND}, {}).to_verify) == 1


def test_a_touched_file_is_hashed_again() -> None:
    """A proof does not outlive a new time or a new inode."""
    assert len(planned({FILE: replace(FOUND, mtime_ns=1_001)}, {FILE: PROOF}).to_verify) == 1
    assert len(planned({FILE: replace(FOUND, inode=8)}, {FILE: PROOF}).to_verify) == 1


def test_another_size_is_wrong() -> None:
    """A file of another size is replaced without reading it."""
    assert len(planned({FILE: replace(FOUND, size=9)}, {FILE: PROOF}).wrong) == 1


def test_another_revision_is_wrong() -> None:
    """A file that is proven to be something else is replaced."""
    assert len(planned({FILE: FOUND}, {FILE: replace(PROOF, sha256=OTHER)}).wrong) == 1


def test_nothing_found_is_missing() -> None:
    """A proof without a file is worth nothing."""
    assert len(planned({}, {FILE: PROOF}).missing) == 1


def test_a_model_without_hash_is_neither_fetched_nor_foreign() -> None:
    """A model that nobody can prove is told, not guessed."""
    found = planned({FILE: FOUND}, {}, model(sha256=None))

    assert [m.name for m in found.unpinned] == ["x"]
    assert (found.to_fetch, found.foreign) == ((), ())


def test_foreign_files_are_told() -> None:
    """What no model names is listed in order."""
    assert planned({"z": FOUND, "a": FOUND, FILE: FOUND}, {}).foreign == ("a", "z")


FILES = st.builds(FoundFile, st.sampled_from([9, 10]), st.integers(0, 1), st.integers(0, 1))
PROOFS = st.builds(
    VerifiedFile, st.sampled_from([9, 10]), st.integers(0, 1), st.integers(0, 1), st.sampled_from([RIGHT, OTHER])
)
NAMES = [f"vae/{letter}" for letter in "abcd"]


@given(st.dictionaries(st.sampled_from(NAMES), FILES), st.dictionaries(st.sampled_from(NAMES), PROOFS))
def test_every_model_has_one_state_and_only_proof_makes_it_present(
    found: dict[str, FoundFile], verified: dict[str, VerifiedFile]
) -> None:
    """Whatever lies on the disk: each model stands in one group, and in `present` only with a fitting proof."""
    models = [model(name, name=name[-1]) for name in NAMES[:3]]
    made = planned(found, verified, *models)
    groups = (made.present, made.to_verify, made.missing, made.wrong, made.unpinned)

    assert sorted(m.file for group in groups for m in group) == NAMES[:3]
    for each in made.present:
        assert verified[each.file] == VerifiedFile.of(found[each.file], RIGHT)
    assert set(made.foreign) == set(found) - set(NAMES[:3])
