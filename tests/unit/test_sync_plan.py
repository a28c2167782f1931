"""The plan decides from what was found and what was proven, and believes nothing else."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogen.errors import InputError
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


def test_a_disk_that_folds_letter_case_shows_no_foreign_twin() -> None:
    """The same file under another spelling is ours; another file of that spelling is not."""
    same, other = planned({FILE: FOUND, FILE.upper(): FOUND}, {}), {FILE: FOUND, FILE.upper(): replace(FOUND, inode=8)}

    assert same.foreign == ()
    assert planned(other, {}).foreign == (FILE.upper(),)


def test_two_models_of_one_file_are_refused() -> None:
    """Two wishes for one place cannot both come true, also where only the letter case differs."""
    with pytest.raises(InputError, match="model y: wants the same file as model x"):
        planned({}, {}, model(), model(FILE.upper().replace("VAE/", "vae/"), name="y"))


NAMES = [f"vae/{letter}" for letter in "abcde"]
HASHES = [RIGHT, OTHER, "c" * 64]


@dataclass(frozen=True)
class Lying:
    """A file as it is: what the disk says of it, and what it holds."""

    said: FoundFile
    sha256: str


STAMPS = st.integers(0, 2)
FOUND_FILES = st.builds(FoundFile, st.sampled_from([9, 10]), STAMPS, STAMPS, STAMPS)
LYING = st.builds(Lying, FOUND_FILES, st.sampled_from(HASHES))
DISKS = st.dictionaries(st.sampled_from(NAMES), LYING)
WANTED = st.dictionaries(st.sampled_from(NAMES[:4]), st.sampled_from([*HASHES, None]))
PROOFS = st.builds(VerifiedFile, st.sampled_from([9, 10]), STAMPS, STAMPS, STAMPS, st.sampled_from(HASHES))
ANY_RECORD = st.dictionaries(st.sampled_from(NAMES), PROOFS)


def manifest_of(wanted: dict[str, str | None]) -> Manifest:
    """Models of ten bytes by file and hash."""
    models = [model(file, name=file[-1], sha256=sha256) for file, sha256 in wanted.items()]
    return Manifest.model_validate({"schema": 1, "models": models})


def applied(
    made: SyncPlan, disk: dict[str, Lying], record: dict[str, VerifiedFile]
) -> tuple[dict[str, Lying], dict[str, VerifiedFile]]:
    """What a sync makes of a disk and its record, without a disk."""
    disk, record = dict(disk), dict(record)
    for file in made.remove:
        del disk[file]
    fetch = list(made.to_fetch)
    for each in made.to_verify:
        if disk[each.file].sha256 == each.sha256:
            record[each.file] = VerifiedFile.of(disk[each.file].said, disk[each.file].sha256)
        else:
            fetch.append(each)
    for each in fetch:
        said = FoundFile(10, 99, 99, 99)
        disk[each.file] = Lying(said, str(each.sha256))
        record[each.file] = VerifiedFile.of(said, str(each.sha256))
    return disk, record


def seen(disk: dict[str, Lying]) -> dict[str, FoundFile]:
    """What a look at the disk tells."""
    return {file: lying.said for file, lying in disk.items()}


@given(DISKS, ANY_RECORD, WANTED, st.booleans())
def test_every_model_has_one_state_and_only_proof_makes_it_present(
    disk: dict[str, Lying], record: dict[str, VerifiedFile], wanted: dict[str, str | None], remove: bool
) -> None:
    """Whatever lies on the disk: each model stands in one group, and in `present` only with a fitting proof."""
    found = seen(disk)
    made = plan(manifest_of(wanted), found, record, remove_foreign=remove)
    groups = (made.present, made.to_verify, made.missing, made.wrong, made.unpinned)

    assert sorted(m.file for group in groups for m in group) == sorted(wanted)
    for each in made.present:
        assert record[each.file] == VerifiedFile.of(found[each.file], str(each.sha256))
    assert set(made.foreign) == set(found) - set(wanted)


@given(DISKS, WANTED, st.booleans())
def test_applying_a_plan_reaches_the_manifest_and_twice_does_nothing(
    disk: dict[str, Lying], wanted: dict[str, str | None], remove: bool
) -> None:
    """From any disk, with a record that is true or absent, one plan makes every pinned model right; then none is due."""
    manifest = manifest_of(wanted)
    for record in ({}, {file: VerifiedFile.of(lying.said, lying.sha256) for file, lying in disk.items()}):
        after, proofs = applied(plan(manifest, seen(disk), record, remove_foreign=remove), disk, record)
        again = plan(manifest, seen(after), proofs, remove_foreign=remove)

        assert all(after[each.file].sha256 == each.sha256 for each in manifest.models if each.runnable)
        assert (again.to_fetch, again.to_verify, again.remove) == ((), (), ())
        assert applied(again, after, proofs) == (after, proofs)


@given(DISKS, ANY_RECORD, WANTED, st.booleans())
def test_no_plan_removes_what_the_manifest_names(
    disk: dict[str, Lying], record: dict[str, VerifiedFile], wanted: dict[str, str | None], remove: bool
) -> None:
    """Only foreign files go, and only when that was asked for; an unpinned model's file is not foreign."""
    made = plan(manifest_of(wanted), seen(disk), record, remove_foreign=remove)

    assert not set(made.remove) & set(wanted)
    assert set(made.remove) == (set(disk) - set(wanted) if remove else set())
