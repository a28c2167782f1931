"""The wall clock of a rented machine may be wrong, and may be set right in the middle of a sync."""

import ast
from pathlib import Path

import pytest

from videogen import sync

HOME = Path(sync.__file__).parent
ASKS_NO_WALL_CLOCK = [
    "direct_file", "disk", "disk_plan", "download", "landing", "models_folder", "status_board", "store",
    "store_client", "store_reader", "store_upload", "sync", "sync_events", "sync_plan", "whole_answer", "worker_disk",
]  # fmt: skip
STEADY = {"monotonic", "sleep", "process_time", "clock_gettime", "CLOCK_BOOTTIME"}
"""What they may have of `time`: none of it jumps."""


@pytest.mark.parametrize("module", ASKS_NO_WALL_CLOCK)
def test_only_steady_clocks(module: str) -> None:
    """No deadline, rate, pause or proof of a sync comes from a clock that somebody can set."""
    tree = ast.parse((HOME / f"{module}.py").read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    asked = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "time"
    }

    assert not imported & {"datetime", "calendar", "email.utils"}
    assert not any(isinstance(node, ast.ImportFrom) and node.module == "time" for node in ast.walk(tree))
    assert asked <= STEADY
