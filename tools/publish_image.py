"""`make publish IMAGE=ghcr.io/YOU/video-gen-worker`: builds the worker's image, pushes it, names it in each phase.

What is written is the digest that the registry gave, so that a phase names these bytes and no others. Log in before:
`docker login ghcr.io`. The stack files change in that one line; commit them.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_REPOSITORY = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+")
_LINE = re.compile(r"(?m)^( *videogen:image:) .*$")


def main() -> int:
    """Docker's exit code; 2 when nothing was asked of it."""
    repository = sys.argv[1] if len(sys.argv) > 1 else ""
    host = repository.split("/")[0]
    if not _REPOSITORY.fullmatch(repository) or not ("." in host or ":" in host):
        print(f"error: IMAGE: `{repository}` names no repository of a registry", file=sys.stderr)
        print("hint: make publish IMAGE=ghcr.io/YOU/video-gen-worker, without a tag", file=sys.stderr)
        return 2
    tag = f"{repository}:{_told('git', '-C', str(ROOT), 'rev-parse', '--short=12', 'HEAD')}"
    try:
        subprocess.run([sys.executable, ROOT / "tools/build_image.py", "--tag", tag], check=True)
        subprocess.run(["docker", "push", tag], check=True)
        digests = json.loads(_told("docker", "inspect", "--format", "{{json .RepoDigests}}", tag))
    except subprocess.CalledProcessError as error:
        return error.returncode
    found = [digest for digest in digests if digest.startswith(f"{repository}@sha256:")]
    if not found:
        print(f"error: the registry gave no digest for {tag}: {digests}", file=sys.stderr)
        return 1
    for path in write(found[0], ROOT.glob("Pulumi.phase-*.yaml")):
        print(f"{path.name}: {found[0]}")
    return 0


def write(image: str, files: Iterable[Path]) -> list[Path]:
    """Names the image in stack files, and changes nothing else in them; those that changed."""
    changed = []
    for path in sorted(files):
        text = path.read_text(encoding="utf-8")
        new = _LINE.sub(rf"\1 {image}", text)
        if new != text:
            path.write_text(new, encoding="utf-8")
            changed.append(path)
    return changed


def _told(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
