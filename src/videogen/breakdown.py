"""Breakdown records: one page for each way in which attempts broke, filled from what was kept of them."""

import datetime
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videogen import phase_document, project
from videogen.breakage import Pattern, Tried
from videogen.disk import written
from videogen.phase_document import Language
from videogen.redaction import Redaction
from videogen.store import Store

TEMPLATE = "breakdown_record.md.j2"
CASES = 50
"""Listed in one record, the newest."""
_LINES, _LINE = 40, 400
_LATE_SECONDS = 75.0
"""A program's line bears the time at which it was shipped, up to a minute after it was written."""
_PARTS = 30
"""Of a worker's log that are looked into, from the end."""


@dataclass(frozen=True)
class Record:
    """A page, and the graph that it links."""

    name: str
    text: str
    graph: Mapping[str, Any] | None

    def write(self, folder: Path) -> Path:
        """Puts both into `folder`; the same pattern is written over."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.graph:
            with written(folder / _graph_name(self.name)) as file:
                file.write(json.dumps(self.graph, indent=1, ensure_ascii=False).encode())
        with written(folder / self.name) as file:
            file.write(self.text.encode())
        return folder / self.name


def record(pattern: Pattern, language: Language, log_of: Callable[[Tried], list[str]]) -> Record:
    """The page of a pattern; its newest failure is the example. `log_of` gives the last lines of a worker's log."""
    last = pattern.failures[-1]
    assert last.failure is not None
    kept: Mapping[str, Any] = last.failure.evidence
    name = f"{_name(pattern)}.{language}.md"
    graph = _mapping(kept.get("graph")) or None
    worker, memory = _mapping(kept.get("worker")), _mapping(kept.get("memory"))
    text = project.template(TEMPLATE).render(
        cell=phase_document.cell,
        moment=_moment,
        language=language,
        pattern=pattern,
        last=last,
        shown=pattern.failures[: -CASES - 1 : -1],
        findings=list(_findings(kept, language)),
        kept=project.shown(Path(path)) if (path := kept.get("kept")) else None,
        inputs=[_mapping(one) for one in kept.get("inputs") or []],
        next=kept.get("next"),
        place=list(_place(worker, last)),
        memory=_memory(memory),
        parameters=_mapping(kept.get("parameters")) or last.job.parameters,
        models=_mapping(kept.get("models")),
        graph=_graph_name(name) if graph else None,
        log=log_of(last),
    )
    return Record(name, Redaction().text(text), graph)


def log_tail(store: Store, one: Tried) -> list[str]:
    """The last lines that the attempt's worker and its programs said, as the bucket has them; raises `StoreError`."""
    begin, end = one.attempt.leased, one.attempt.changed + _LATE_SECONDS
    keys = sorted((found.key for found in store.list(store.outputs, f"logs/{one.attempt.worker}/")), key=_part)
    lines: list[str] = []
    for key in reversed(keys[-_PARTS:]):
        part = [json.loads(line) for line in gzip.decompress(store.get_bytes(store.outputs, key)).splitlines()]
        lines[:0] = [_line(said) for said in part if begin <= said.get("time", 0) <= end]
        if len(lines) >= _LINES or (part and part[0].get("time", 0) < begin):
            break
    return lines[-_LINES:]


def _part(key: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", key.rpartition("/")[2]))


def _line(said: Mapping[str, Any]) -> str:
    """A line of a program with its name, or one of the agent's own: its facts."""
    if "line" in said:
        text = f"{said.get('from')}: {said['line']}"
    else:
        known = {key: value for key, value in said.items() if key not in ("time", "worker", "level") and value != ""}
        text = str(known.get("message") or json.dumps(known, ensure_ascii=False))
    return text.replace("```", "'''")[:_LINE]


def _name(pattern: Pattern) -> str:
    words = [pattern.kind, *(value for value in pattern.conditions.values() if value != "–")]
    return re.sub(r"[^a-z0-9.]+", "-", "-".join(words).lower()).strip("-")


def _graph_name(page: str) -> str:
    return re.sub(r"\.(en|ja)\.md$", ".graph.json", page)


def _findings(kept: Mapping[str, Any], language: Language) -> Iterator[str]:
    """What the check of the video found: the name of its kind in the page's language, and what was seen."""
    names = {rule.kind: rule.japanese if language == "ja" else rule.english for rule in phase_document.RULES}
    for one in kept.get("findings") or []:
        found = _mapping(one) or {"message": str(one)}
        name = names.get(found.get("kind", ""))
        yield f"{name}: {found.get('message')}" if name else str(found.get("message"))


def _place(worker: Mapping[str, Any], last: Tried) -> Iterator[tuple[str, object]]:
    """What the worker said of itself, under its own names."""
    for name, value in ({"gpu": last.attempt.gpu, **worker}).items():
        if name == "devices" and isinstance(value, list):
            for number, device in enumerate(_mapping(one) for one in value):
                yield f"device {number}", ", ".join(_said(device))
        elif value not in ("", None):
            yield name, value


def _said(device: Mapping[str, Any]) -> Iterator[str]:
    for key, value in device.items():
        if value is not None:
            yield _gb(value) if key == "vram_total" else str(value)


def _memory(memory: Mapping[str, Any]) -> dict[str, str]:
    devices = [_mapping(one) for one in memory.get("devices") or []]
    pairs = [f"{_gb(one['vram_total'])} / {_gb(one['vram_free'])}" for one in devices if one.get("vram_total")]
    machine = memory.get("ram_total")
    return {
        "peak": _gb(memory["gpu_peak"]) if memory.get("gpu_peak") else "",
        "gpu": ", ".join(pairs),
        "machine": f"{_gb(machine)} / {_gb(memory['ram_free'])}" if machine and memory.get("ram_free") else "",
    }


def _gb(size: object) -> str:
    return f"{size / 1e9:.1f} GB" if isinstance(size, int | float) else "–"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
