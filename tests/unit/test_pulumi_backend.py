"""Two places of state are told apart, and one is known again."""

from pathlib import Path

import pytest

from videogen import pulumi_backend
from videogen.errors import VideogenError


def of(url: object, **more: str) -> str:
    return pulumi_backend.identity({"PULUMI_BACKEND_URL": str(url), **more})


def test_a_folder_is_known_by_what_lies_in_it(tmp_path: Path) -> None:
    """The id goes with the folder wherever it is mounted; a new folder of the same name has another one."""
    here = tmp_path / "a folder" / "pulumi"
    first = of(f"file://{str(here).replace(' ', '%20')}?no_tmp_dir=true")
    moved = here.rename(tmp_path / "moved")

    assert len(first) == 8
    assert of(f"file://{moved}") == first
    assert of(f"file://{here.parent / 'pulumi'}".replace(" ", "%20")) != first
    assert [path.name for path in moved.iterdir()] == [pulumi_backend.ID]


def test_any_other_place_is_known_by_its_address(tmp_path: Path) -> None:
    """Spelled with a region or a slash at the end or without, and chosen by `pulumi login` too."""
    state = of("s3://team-state/video-gen")
    (tmp_path / "credentials.json").write_text('{"current": "s3://team-state/video-gen"}')

    assert of("s3://team-state/video-gen/?region=eu-central-1") == state
    assert pulumi_backend.identity({"PULUMI_HOME": str(tmp_path)}) == state
    assert of("s3://team-state/other") != state


def test_no_backend_is_nobodys(tmp_path: Path) -> None:
    """What is not known may be the same."""
    assert pulumi_backend.identity({"PULUMI_HOME": str(tmp_path)}) == ""
    assert pulumi_backend.same("", "0123abcd")
    assert not pulumi_backend.same("4567cdef", "0123abcd")


def test_a_folder_that_takes_no_id(tmp_path: Path) -> None:
    """The error names it."""
    (tmp_path / "file").write_text("")

    with pytest.raises(
        VideogenError, match=r"which Pulumi backend this is cannot be known: .*/file/pulumi/videogen-id"
    ):
        of(f"file://{tmp_path / 'file' / 'pulumi'}")
