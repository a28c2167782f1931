"""The tag that every rented machine and volume carries in its name, before it exists.

`videogen-<owner>-<machine>`: whoever shares an outputs bucket is one owner, so that nobody ends a stranger's machine on
an account that many use.
"""

import hashlib

from videogen.stack_outputs import Store

PREFIX = "videogen-"
"""Whatever starts with it was rented by some video-gen."""


def owner(store: Store) -> str:
    """Eight hexadecimal digits that name the owner of a store's outputs bucket."""
    return hashlib.sha256(f"{store.endpoint.rstrip('/')}|{store.outputs}".encode()).hexdigest()[:8]


def tagged(owner: str, name: str) -> str:
    """What a machine or volume called `name` is called on its cloud."""
    return f"{PREFIX}{owner}-{name}"


def untagged(owner: str, name: str) -> str | None:
    """Our name of what is called so on its cloud; nothing when it carries no tag of this owner."""
    mine = f"{PREFIX}{owner}-"
    return name.removeprefix(mine) if name.startswith(mine) and len(name) > len(mine) else None
