"""Which Pulumi keeps the state of a stack: two that share a bucket must not take each other's machines for left behind.

A state's place has an id of its own, so that a state that was lost there is found again. A folder's id lies in it, for
folders of two machines may be called the same; any other place is known by its address.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from videogen import project
from videogen.errors import VideogenError

ID = "videogen-id"
"""In a backend's folder."""


def identity(environment: Mapping[str, str] = os.environ) -> str:
    """Eight hexadecimal digits; empty where no backend is chosen.

    Raises `VideogenError` when the folder of a backend is neither readable nor writable.
    """
    url = environment.get("PULUMI_BACKEND_URL") or _logged_in(environment)
    if not url:
        return ""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _of_folder(project.root() / Path(unquote(parts.netloc + parts.path)).expanduser())
    return hashlib.sha256(f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}".encode()).hexdigest()[:8]


def same(one: str, other: str) -> bool:
    """Whether both may be one backend: what is not known, may."""
    return not one or not other or one == other


def _logged_in(environment: Mapping[str, str]) -> str:
    """Where `pulumi login` went."""
    home = Path(environment.get("PULUMI_HOME") or Path.home() / ".pulumi")
    try:
        found = json.loads((home / "credentials.json").read_text())
    except (OSError, ValueError):
        return ""
    return str(found.get("current") or "") if isinstance(found, dict) else ""


def _of_folder(folder: Path) -> str:
    path = folder / ID
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            fresh = folder / f"{ID}.{secrets.token_hex(4)}"
            fresh.write_text(secrets.token_hex(4))
            try:
                os.link(fresh, path)  # of two that get here at once, one id stays
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise VideogenError(f"which Pulumi backend this is cannot be known: {path}: {error.strerror}") from error
