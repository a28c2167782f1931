"""`make comment`: puts the text of `COMMENT` under pull request `PULL_REQUEST`, in place of the one it put before."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from tools.gitops.words import MARK
from videogen.console import Console
from videogen.errors import InputError, VideogenError

_AUTHOR = "github-actions[bot]"
_SECONDS = 30.0
_PAGE = 100


def main() -> int:
    """The exit code."""
    console = Console()
    try:
        console.say(put(os.environ))
    except VideogenError as error:
        console.error(error)
        return error.exit_code
    except httpx.HTTPError as error:
        console.error(VideogenError(f"the comment is not there: {error}"))
        return 1
    return 0


def put(environment: Mapping[str, str]) -> str:
    """Writes the comment; what was done. Raises `httpx.HTTPError` when GitHub does not take it."""
    wanted = ("GITHUB_TOKEN", "GITHUB_REPOSITORY", "PULL_REQUEST", "COMMENT")
    if missing := [name for name in wanted if not environment.get(name)]:
        raise InputError.of("environment", f"{', '.join(missing)} must be set")
    issues = f"/repos/{environment['GITHUB_REPOSITORY']}/issues"
    headers = {"Authorization": f"Bearer {environment['GITHUB_TOKEN']}", "Accept": "application/vnd.github+json"}
    body = {"body": Path(environment["COMMENT"]).read_text(encoding="utf-8")}
    base = environment.get("GITHUB_API_URL", "https://api.github.com")
    with httpx.Client(base_url=base, headers=headers, timeout=_SECONDS) as github:
        comments = f"{issues}/{environment['PULL_REQUEST']}/comments"
        own = next((one["id"] for one in _comments(github, comments) if _ours(one)), None)
        if own is None:
            github.post(comments, json=body).raise_for_status()
            return "the comment is new"
        github.patch(f"{issues}/comments/{own}", json=body).raise_for_status()
        return "the comment was changed in place"


def _ours(comment: Mapping[str, Any]) -> bool:
    """Whether a pipeline wrote it: the mark alone could be anybody's."""
    return comment["user"]["login"] == _AUTHOR and comment["body"].startswith(MARK)


def _comments(github: httpx.Client, path: str) -> Iterator[Mapping[str, Any]]:
    page = 1
    while True:
        found = github.get(path, params={"per_page": _PAGE, "page": page}).raise_for_status().json()
        yield from found
        if len(found) < _PAGE:
            return
        page += 1


if __name__ == "__main__":
    sys.exit(main())
