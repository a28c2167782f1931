"""`videogen plan` in terminals of any width."""

import re

import pytest
from typer.testing import CliRunner

from videogen import cli, project


@pytest.mark.parametrize(("columns", "tables"), [("80", 2), ("145", 1)])
def test_no_figure_breaks_in_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, columns: str, tables: int) -> None:
    """Where one table is too wide, times and money are a table each."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", columns)
    batch = str(project.root() / "batches" / "production-2k-30s.yaml")
    done = CliRunner().invoke(cli.app, ["plan", batch, "--phase", "c"])
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in done.stdout.splitlines()]

    assert done.exit_code == 0, done.output
    assert sum(line.startswith("H200-141GB ") for line in lines) == tables
    assert sum(line.startswith("GPU ") for line in lines) == tables
    assert all(len(line) <= int(columns) for line in lines)
    assert re.search(r"GPU .*batch .*from – to .*memory .*basis", "\n".join(lines))
    assert re.search(r"\$ batch .*\$ from – to .*\$ a video .*\$ a second", "\n".join(lines))
