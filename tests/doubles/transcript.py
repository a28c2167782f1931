"""Recorded conversations with a real ComfyUI, made comparable: what differs by nature is taken out of both sides."""

import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "transcripts"
ELIDED = "…"
"""Stands in a transcript for something left out of it."""

_VOLATILE = frozenset(
    ("timestamp", "create_time", "execution_start_time", "execution_end_time", "number", "priority", "sid", "tooltip",
     "traceback", "extension", "max_items")
)  # fmt: skip
_TEMP = re.compile(r"ComfyUI_temp_[a-z]{5}_")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_CLIENT = re.compile(r"\b[0-9a-f]{32}\b")


def read(name: str) -> Any:
    """A transcript by the name of its file."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def scrubbed(value: Any) -> Any:
    """The value without times, ids, random names and texts for people; ids keep their identity within the value."""
    text = json.dumps(_without(value))
    text = _TEMP.sub("ComfyUI_temp_", _CLIENT.sub("client", text))
    names: dict[str, str] = {}
    return json.loads(_UUID.sub(lambda match: names.setdefault(match[0], f"id-{len(names)}"), text))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(item) for key, item in value.items() if key not in _VOLATILE}
    if isinstance(value, list):
        # A row of the queue begins with its number, and a prompt's nodes may be listed in the order of a set.
        row = len(value) >= 2 and isinstance(value[0], int | float) and isinstance(value[1], str)
        return [0 if row and index == 0 else _without(item) for index, item in enumerate(value)]
    return value


def differences(recorded: Any, answered: Any, path: str = "") -> list[str]:
    """Where an answer differs from the recorded one; empty when it does not."""
    if recorded == ELIDED:
        return []
    if isinstance(recorded, dict) and isinstance(answered, dict):
        keys = [f"{path}/{key}: only on one side" for key in recorded.keys() ^ answered.keys()]
        shared = (differences(recorded[key], answered[key], f"{path}/{key}") for key in recorded.keys() & answered)
        return keys + [difference for found in shared for difference in found]
    if isinstance(recorded, list) and isinstance(answered, list) and len(recorded) == len(answered):
        pairs = enumerate(zip(recorded, answered, strict=True))
        return [found for index, (a, b) in pairs for found in differences(a, b, f"{path}/{index}")]
    return [] if recorded == answered else [f"{path}: {recorded!r} was recorded, {answered!r} was answered"]
