"""Who runs what on a rented worker: ComfyUI with its strangers' code must not read what belongs to the entrypoint.

Only root can start a program as somebody else. A local worker has no accounts of its own.
"""

import os
import pwd
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from videogen.errors import InputError, ProcessError


@dataclass(frozen=True)
class Accounts:
    """Names of accounts; nothing stands for whoever runs the entrypoint."""

    comfyui: str | None = None
    """Of ComfyUI, and of people who log in."""
    gateway: str | None = None


def accounts(*, rented: bool) -> Accounts:
    """The image's own for root on a rented worker, else none; raises `ProcessError` when they are not there."""
    if not rented or os.geteuid() != 0:
        return Accounts()
    found = Accounts("comfy", "gateway")
    for name in (found.comfyui, found.gateway):
        try:
            pwd.getpwnam(str(name))
        except KeyError:
            raise ProcessError(f"this machine has no account `{name}`", "is it our image?") from None
    return found


def home(user: str) -> dict[str, str]:
    """The variables of an account by which programs find its home."""
    return {"HOME": pwd.getpwnam(user).pw_dir, "USER": user, "LOGNAME": user}


def hand_over(folders: Iterable[Path], user: str | None) -> None:
    """Makes an account the owner of folders and all in them; where a disk knows no owners, everybody may write there.

    A folder that is the account's already is not looked into. Raises `InputError` where neither can be done.
    """
    if user is None:
        return
    account = pwd.getpwnam(user)
    for folder in folders:
        if folder.stat().st_uid == account.pw_uid:
            continue
        try:
            for path in (*folder.rglob("*"), folder):
                os.lchown(path, account.pw_uid, account.pw_gid)  # a link is given, not what it leads to
        except PermissionError:
            try:
                folder.chmod(0o777)
            except OSError as error:
                message = f"{folder} cannot be given to `{user}`: {error}"
                raise InputError.of("environment: VIDEOGEN_WORKSPACE", message) from error
