"""The comment is put once, and changed in place after that."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.doubles.github_api import AUTHOR, REPOSITORY, Github, github
from tools.gitops.comment import put
from tools.gitops.words import MARK
from videogen.errors import InputError


@pytest.fixture
def api() -> Iterator[Github]:
    """A pull request without comments."""
    with github() as made:
        yield made


@pytest.fixture
def environment(api: Github, tmp_path: Path) -> Mapping[str, str]:
    """What a step has."""
    (tmp_path / "comment.md").write_text(f"{MARK}\none\n")
    return {
        "GITHUB_API_URL": api.url,
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_TOKEN": api.token,
        "PULL_REQUEST": str(api.pull_request),
        "COMMENT": str(tmp_path / "comment.md"),
    }


def test_the_second_push_changes_the_comment(api: Github, environment: Mapping[str, str]) -> None:
    """However many others there are, one comment is ours, and it says the newest."""
    for number in range(130):
        api.say(f"{number}", "somebody")
    assert put(environment) == "the comment is new"
    Path(environment["COMMENT"]).write_text(f"{MARK}\ntwo\n")
    assert put(environment) == "the comment was changed in place"

    assert [one["body"] for one in api.comments if one["user"]["login"] == AUTHOR] == [f"{MARK}\ntwo\n"]


def test_a_mark_of_somebody_elses_is_left_alone(api: Github, environment: Mapping[str, str]) -> None:
    """Nobody can keep our comment away by writing its mark first, nor does another pipeline's comment go."""
    api.say(f"{MARK}\nmine", "somebody")
    api.say("a report of another pipeline", AUTHOR)
    put(environment)

    assert [one["body"] for one in api.comments] == [f"{MARK}\nmine", "a report of another pipeline", f"{MARK}\none\n"]


def test_a_refusal_is_an_error(environment: Mapping[str, str]) -> None:
    """A token that may not comment fails the step, without the token in its words."""
    with pytest.raises(httpx.HTTPStatusError, match="401") as caught:
        put({**environment, "GITHUB_TOKEN": "ghs_another0123456789abcd"})
    assert "ghs_" not in str(caught.value)


def test_what_is_missing_is_named(environment: Mapping[str, str]) -> None:
    """Called by hand, it says what it needs."""
    with pytest.raises(InputError, match="PULL_REQUEST must be set"):
        put({name: value for name, value in environment.items() if name != "PULL_REQUEST"})
