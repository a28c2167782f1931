"""What ComfyUI answers, as values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self


class Place(StrEnum):
    """Where a prompt is on a worker."""

    PENDING = "pending"
    RUNNING = "running"
    ENDED = "ended"
    UNKNOWN = "unknown"
    """Never arrived, or forgotten by a restart."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on a worker that a node made."""

    node: str
    filename: str
    subfolder: str
    type: str
    """`output`, `temp` or `input`: the folder it lies in."""

    @property
    def query(self) -> dict[str, str]:
        """What `/view` takes."""
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.type}


@dataclass(frozen=True)
class Queue:
    """Prompt ids on a worker, in order."""

    running: tuple[str, ...]
    pending: tuple[str, ...]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """From the body of `GET /queue`."""
        ids = {key: tuple(str(row[1]) for row in answer.get(key, [])) for key in ("queue_running", "queue_pending")}
        return cls(ids["queue_running"], ids["queue_pending"])


@dataclass(frozen=True)
class HistoryEntry:
    """How a prompt ended."""

    prompt_id: str
    succeeded: bool
    files: tuple[RemoteFile, ...]
    messages: tuple[tuple[str, dict[str, Any]], ...]

    @classmethod
    def of(cls, prompt_id: str, answer: Mapping[str, Any]) -> Self:
        """From an entry of `GET /history/{prompt_id}`."""
        status = answer.get("status") or {}
        messages = tuple((str(kind), dict(data)) for kind, data in status.get("messages", []))
        succeeded = status.get("status_str") == "success" and bool(status.get("completed"))
        return cls(prompt_id, succeeded, tuple(_files(answer.get("outputs", {}))), messages)

    def message(self, kind: str) -> dict[str, Any] | None:
        """The event of that kind, as it was sent on the socket."""
        return next((data for name, data in self.messages if name == kind), None)

    @property
    def render_seconds(self) -> float | None:
        """By the worker's own clock, from `execution_start` to the last message."""
        stamps = [data["timestamp"] for _, data in self.messages if isinstance(data.get("timestamp"), int | float)]
        return (stamps[-1] - stamps[0]) / 1000 if len(stamps) > 1 else None


def _files(outputs: Mapping[str, Any]) -> Iterator[RemoteFile]:
    """Every entry of every list that has a filename and a type.

    `SaveVideo` lists its video under `images`, VideoHelperSuite under `gifs`, others have words of their own.
    """
    for node, lists in outputs.items():
        for entries in lists.values() if isinstance(lists, Mapping) else ():
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, Mapping) and "filename" in entry and "type" in entry:
                    yield RemoteFile(node, entry["filename"], str(entry.get("subfolder") or ""), entry["type"])


_VERSIONS = ("comfyui_version", "python_version", "pytorch_version", "os", "standin")


def versions(stats: Mapping[str, Any]) -> dict[str, Any]:
    """What of `/system_stats` makes a result repeatable; its `argv`, with paths and flags of a machine, is left out."""
    system, devices = stats.get("system") or {}, stats.get("devices") or []
    named = [{key: device.get(key) for key in ("name", "type", "vram_total")} for device in devices]
    return {**{key: system[key] for key in _VERSIONS if key in system}, "devices": named}
