"""Faults on command, for tests and demonstrations.

Given as JSON in the environment variable `STANDIN_FAULTS` (the text itself, or the path of a file with it) or by
`POST /standin/faults`, which replaces all earlier ones. It is a list of `{"name": …, "times": N, "seconds": S}`;
`times` is for how many prompts it holds (left out: for ever), `seconds` is for the two slow ones. With
`"over": {INPUT: NUMBER}` it holds only for prompts in which an input of that name has a greater value.

| name            | what the stand-in does                                                                   |
|-----------------|------------------------------------------------------------------------------------------|
| `out_of_memory` | the sampler fails with `torch.OutOfMemoryError`; the next prompt may succeed             |
| `cuda_fault`    | the sampler fails with an illegal memory access                                          |
| `silent`        | sockets are accepted and hear nothing; the prompt never ends, unless it is interrupted   |
| `slow`          | every sampler step takes `seconds` (default 1); without a sampler every node does        |
| `crash`         | the process ends in the middle of the prompt, with code 70 and without a word            |
| `black`         | the video is black                                                                       |
| `frozen`        | the video repeats its first frame                                                        |
| `truncated`     | only the first third of the file is written                                              |
| `missing`       | the file is announced and never written                                                  |
| `instant`       | one render for each size, length and frame rate, then copies of it: time without pixels  |
| `slow_start`    | the server listens only after `seconds` (default 1); environment only                    |
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

_SPOILING = ("black", "frozen", "truncated", "missing", "instant")
NAMES = frozenset(("out_of_memory", "cuda_fault", "silent", "slow", "crash", "slow_start", *_SPOILING))
VARIABLE = "STANDIN_FAULTS"


@dataclass(frozen=True)
class StandinFault:
    """One thing to do wrong; `times` None means for ever."""

    name: str
    times: int | None = None
    seconds: float = 1.0
    over: tuple[tuple[str, float], ...] = ()
    """Inputs' names and the values up to which nothing happens."""

    def strikes(self, prompt: Mapping[str, Any]) -> bool:
        """Whether it holds for such a prompt."""
        inputs = [node["inputs"] for node in prompt.values()]
        return not self.over or any(
            isinstance(value := one.get(name), int | float) and value > most
            for one in inputs
            for name, most in self.over
        )


class Faults:
    """The faults that are still to happen."""

    def __init__(self, pending: list[StandinFault]) -> None:
        self.pending = pending

    def set(self, wanted: Any) -> None:
        """Replace all faults; raises `ValueError` and changes nothing when one of them is not in the table."""
        self.pending = parse_faults(wanted)

    def has(self, name: str) -> bool:
        """Whether the fault is still to happen."""
        return any(fault.name == name for fault in self.pending)

    def take(self, prompt: Mapping[str, Any]) -> dict[str, StandinFault]:
        """The faults of the prompt that starts now, by name; each of them has one time less from now on."""
        here = [fault for fault in self.pending if fault.strikes(prompt)]
        taken = {fault.name: fault for fault in here}
        counted = (
            replace(fault, times=fault.times - 1) if fault in here and fault.times is not None else fault
            for fault in self.pending
        )
        self.pending = [fault for fault in counted if fault.times is None or fault.times > 0]
        return taken

    def take_named(self, name: str) -> list[StandinFault]:
        """The faults of that name, which are then no longer to happen."""
        taken = [fault for fault in self.pending if fault.name == name]
        self.pending = [fault for fault in self.pending if fault.name != name]
        return taken


def faults_of(environment: Mapping[str, str]) -> Faults:
    """The faults that the environment asks for; raises `ValueError` or `OSError` when it cannot be read."""
    text = environment.get(VARIABLE, "").strip()
    if text and text[0] not in "[{":
        text = Path(os.path.expanduser(text)).read_text(encoding="utf-8")
    return Faults(parse_faults(json.loads(text)) if text else [])


def parse_faults(wanted: Any) -> list[StandinFault]:
    """The faults of a JSON value: a list, one fault, or `{"faults": list}`; raises `ValueError`."""
    if isinstance(wanted, dict):
        wanted = wanted.get("faults", [wanted])
    if not isinstance(wanted, list):
        raise ValueError("faults: should be a list")
    return [_fault(index, entry) for index, entry in enumerate(wanted)]


def _fault(index: int, entry: Any) -> StandinFault:
    place = f"faults/{index}"
    if not isinstance(entry, dict) or entry.get("name") not in NAMES:
        raise ValueError(f"{place}: `name` should be one of {', '.join(sorted(NAMES))}")
    if unknown := set(entry) - {"name", "times", "seconds", "over"}:
        raise ValueError(f"{place}: unknown key {sorted(unknown)[0]!r}")
    times, seconds = entry.get("times"), entry.get("seconds", 1.0)
    if times is not None and (not isinstance(times, int) or times < 1):
        raise ValueError(f"{place}: `times` should be a whole number from 1 on")
    if not isinstance(seconds, int | float) or seconds < 0:
        raise ValueError(f"{place}: `seconds` should be a number from 0 on")
    over = entry.get("over", {})
    if not isinstance(over, dict) or not all(isinstance(most, int | float) for most in over.values()):
        raise ValueError(f"{place}: `over` should name inputs, each with a number")
    return StandinFault(entry["name"], times, float(seconds), tuple(sorted(over.items())))
