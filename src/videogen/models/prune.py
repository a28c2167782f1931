"""Which objects of the models bucket no manifest revision names any more."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from videogen.errors import InputError, ToolMissing, VideogenError
from videogen.manifest import digest
from videogen.store import Store, StoredObject, manifest_key, model_key

FILES = "models_manifest*.yaml"
_SECONDS = 120.0
_HASH = re.compile(r"\bsha256:\s*['\"]?([0-9a-f]{64})\b")


@dataclass(frozen=True)
class Surplus:
    """What may go, and what it was measured against."""

    objects: tuple[StoredObject, ...]
    revisions: int
    """Manifest texts that were read."""

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(stored.size for stored in self.objects)


def surplus(store: Store, texts: Iterable[str]) -> Surplus:
    """Models and manifests of the bucket that none of these manifest texts names or is; deletes nothing.

    Texts are searched for hashes, not parsed, so that revisions in an older form count as well.
    """
    known = set(texts)
    keep = {model_key(found) for text in known for found in _HASH.findall(text)}
    keep |= {manifest_key(digest(text)) for text in known}
    listed = [*store.list(store.models, model_key("")), *store.list(store.models, "manifests/")]
    return Surplus(tuple(stored for stored in listed if stored.key not in keep), len(known))


def revisions(root: Path, commits: str) -> Iterator[str]:
    """Every text that the manifests at the top of a checkout had in a range of commits, and have there now.

    Raises `InputError` for a range that git does not know, and for a history that is cut short.
    """
    for path in sorted(root.glob(FILES)):
        yield path.read_text(encoding="utf-8")
    if _git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        raise InputError.of(str(root), "holds only the end of its history", "`git fetch --unshallow`")
    if commits.startswith("-"):
        raise InputError.of("--range", f"{commits!r} is no range of commits", "such as v1.0..HEAD")
    # those that touch a manifest, and those just before the range, whose manifests it begins with
    touching = _git(root, "rev-list", commits, "--", FILES).split()
    before = [line[1:] for line in _git(root, "rev-list", "--boundary", commits).split() if line.startswith("-")]
    oldest = _git(root, "rev-list", "--max-parents=0", commits).split()
    blobs: dict[str, None] = {}
    for commit in dict.fromkeys([*touching, *before, *oldest]):
        for line in _git(root, "ls-tree", commit).splitlines():
            about, _, name = line.partition("\t")
            if re.fullmatch(r"models_manifest.*\.yaml", name):
                blobs[about.split()[2]] = None
    for blob in blobs:
        yield _git(root, "cat-file", "blob", blob)


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except FileNotFoundError:
        raise ToolMissing("git is not installed", "your system's package manager has it") from None
    except subprocess.TimeoutExpired:
        raise VideogenError(f"git did not answer within {_SECONDS:g} s") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise InputError.of(f"git {words[0]}", said[0] if said else "failed", "is --range a range of commits here?")
    return done.stdout
