"""Reads from the checkout what the decision wants: its stacks, the paths that changed, the batches that wait."""

import os
import subprocess
from pathlib import Path

import yaml

from tools.gitops.changed import QUEUE, Changed, Stack, changed
from videogen import declared, project
from videogen.errors import VideogenError

_LOCAL = "local"


def stacks() -> tuple[Stack, ...]:
    """Every stack whose file names a cloud."""
    found = []
    for name in declared.stacks():
        keys = yaml.safe_load(project.read(project.root() / f"Pulumi.{name}.yaml"))["config"]
        if _LOCAL not in (keys["videogen:cloud"], keys["videogen:foundation"]):
            found.append(Stack(name, keys["videogen:phase"] != declared.NONE))
    return tuple(found)


def paths(base: str) -> tuple[str, ...]:
    """What differs between a commit and this one, renamed files twice; everything where there is no such commit."""
    known = bool(base.strip("0")) and _git("cat-file", "-e", f"{base}^{{commit}}").returncode == 0
    done = _git("diff", "--name-only", "--no-renames", "-z", base, "HEAD") if known else _git("ls-files", "-z")
    if done.returncode != 0:
        raise VideogenError(f"git does not say what changed since {base}: {done.stderr.strip()}", "fetch-depth: 0")
    return tuple(path for path in done.stdout.split("\0") if path)


def decided() -> Changed:
    """What changed since the commit that `BASE` names."""
    return changed(paths(os.environ.get("BASE", "")), stacks())


def batches(stack: str) -> tuple[Path, ...]:
    """The batch files that wait for a stack, in the order of their names; inputs lie in folders beside them."""
    return tuple(sorted((project.root() / QUEUE / stack).glob("*.yaml")))


def _git(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["git", *words], cwd=project.root(), capture_output=True, text=True, timeout=60, check=False, errors="replace"
    )
