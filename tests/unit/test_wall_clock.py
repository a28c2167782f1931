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
ASKING = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "formatdate", "localtime"}
"""What asks the wall clock elsewhere; times that a store has said may be read."""


@pytest.mark.parametrize("module", ASKS_NO_WALL_CLOCK)
def test_only_steady_clocks(module: str) -> None:
    """No deadline, rate, pause or proof of a sync comes from a clock that somebody can set."""
    tree = ast.parse((HOME / f"{module}.py").read_text(encoding="utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    named = {f"{node.value.id}.{node.attr}" for node in attributes if isinstance(node.value, ast.Name)}
    named |= {name.name for node in froms for name in node.names}
    asked = {node.attr for node in attributes if isinstance(node.value, ast.Name) and node.value.id == "time"}

    assert not named & ASKING
    assert not (imported | {node.module for node in froms}) & {"calendar"}
    assert not any(node.module == "time" for node in froms)
    assert asked <= STEADY
