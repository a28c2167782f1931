"""Starts a program where the image's accounts exist: a mount namespace with a list of accounts of its own. For root."""

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

ACCOUNTS = {
    "passwd": "comfy:x:61000:61000::{home}:/bin/sh\ngateway:x:61001:61001::/:/usr/sbin/nologin\n",
    "group": "comfy:x:61000:\ngateway:x:61001:\n",
    "shadow": "comfy:*:19000:0:99999:7:::\ngateway:!:19000::::::\n",
}
ENTER = """
for file in passwd group shadow; do mount --bind "$0/$file" "/etc/$file" || exit 9; done
# An interpreter below a folder that only its owner may enter, such as /root, is shown to the other users, too.
if [ -n "$CLOSED" ]; then
  mount --bind "$PYTHON" "$0/python" && mount -t tmpfs -o mode=755 none "$CLOSED" || exit 9
  mkdir -p "$PYTHON" && mount --bind "$0/python" "$PYTHON" || exit 9
fi
unset CLOSED PYTHON
exec "$@"
"""


def entering(place: Path, *namespaces: str) -> Sequence[str]:
    """The words that start a program there; `place` is a folder that other users may enter, and keeps the lists.

    `namespaces`: further flags of `unshare`.
    """
    folder = place / "etc"
    folder.mkdir()
    (place / "home").mkdir()
    os.chown(place / "home", 61000, 61000)
    for name, text in ACCOUNTS.items():
        (folder / name).write_text(Path("/etc", name).read_text() + text.format(home=place / "home"))
    (folder / "python").mkdir()
    python = Path(sys.base_prefix).resolve()
    closed = [str(one) for one in python.parents if not one.stat().st_mode & stat.S_IXOTH]
    told = [f"CLOSED={closed[-1] if closed else ''}", f"PYTHON={python}"]
    return ["env", *told, "unshare", "--mount", *namespaces, "sh", "-c", ENTER, str(folder)]
