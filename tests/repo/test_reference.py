"""What is generated is as the generator would write it now."""

import subprocess
import sys
from pathlib import Path

from videogen import project

ROOT = project.root()


def test_reference_is_fresh(tmp_path: Path) -> None:
    """docs/reference and the index of decisions equal what `make reference` writes."""
    subprocess.run([sys.executable, "tools/write_reference.py", str(tmp_path)], cwd=ROOT, check=True, timeout=60)
    written = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))

    assert written
    for page in written:
        assert (ROOT / "docs" / page).read_text() == (tmp_path / page).read_text(), f"{page} is stale: `make reference`"
