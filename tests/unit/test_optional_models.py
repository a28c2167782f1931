"""Slots that may stay empty: a LoRA that nobody has is taken out of the graph, one that somebody has is in it."""

import json
from typing import Any

import pytest

from videogen import batch, graph, workflow
from videogen.errors import InputError
from videogen.manifest import Manifest
from videogen.phase import Phase
from videogen.workflow import Workflow

GRAPH: dict[str, Any] = {
    "1": {"class_type": "Load", "inputs": {"name": "x"}, "_meta": {"title": "Load"}},
    "2": {"class_type": "Lora", "inputs": {"model": ["1", 0], "name": "x", "strength": 1}, "_meta": {"title": "Turbo"}},
    "3": {"class_type": "Lora", "inputs": {"model": ["2", 0], "name": "x", "strength": 1}, "_meta": {"title": "Style"}},
    "4": {"class_type": "Draw", "inputs": {"model": ["3", 0], "seed": 0}, "_meta": {"title": "Draw"}},
}
WORKFLOW = """
schema: 1
name: draw
about: draws
parameters:
  - {name: seed, about: noise, type: integer, default: 1, sets: [{title: Draw, input: seed}]}
  - {name: style, about: how much, type: number, default: 1, sets: [{title: Style, input: strength}]}
models:
  - {title: Load, input: name, model: base}
  - {title: Turbo, input: name, model: turbo, optional: true}
  - {title: Style, input: name, model: style, optional: true, strength: style}
outputs: [{title: Draw, kind: video}]
"""
PHASE = Phase.model_validate(
    {
        "phase": "a",
        "name": "explore",
        "policy": {
            "sizes": [],
            "samplers": [],
            **{name: {"minimum": 0, "maximum": 9} for name in ("length", "steps", "cfg", "denoise")},
        },
    }
)


def _flow(text: str = WORKFLOW) -> Workflow:
    return workflow.parse(text, "w.yaml", graph.parse(json.dumps(GRAPH), "g.json"))


def _models(*names: str, empty: tuple[str, ...] = ()) -> Manifest:
    entry = {"role": "r", "comfy_folder": "loras", "license": "x"}
    full = {"size": 1, "source": "bring-your-own"}
    found: list[dict[str, Any]] = [
        {
            **entry,
            **full,
            "name": name,
            "file": f"lora/{name}.safetensors",
            "sha256": name[0] * 64 if name[0] in "abcdef" else "9" * 64,
        }
        for name in ("base", *names)
    ]
    found += [
        {**entry, "name": name, "file": f"lora/{name}.safetensors", "source": "empty", "slot": {"empty": "missing"}}
        for name in empty
    ]
    return Manifest.model_validate({"schema": 1, "models": found})


def _job(models: Manifest, /, **said: Any) -> batch.Job:
    wanted = batch.Batch.model_validate({"schema": 1, "name": "b", "workflow": "draw", **said})
    (job,) = batch.expand(wanted, _flow(), PHASE, models, {})
    return job


def _line(job: batch.Job) -> list[str]:
    """Titles from the last node back to the first."""
    node, found = job.prompt["4"], ["Draw"]
    while "model" in node["inputs"]:
        node = job.prompt[node["inputs"]["model"][0]]
        found.append(node["_meta"]["title"])
    return found


@pytest.mark.parametrize(
    ("models", "fixed", "line"),
    [
        (_models("turbo", "style"), {}, ["Draw", "Style", "Turbo", "Load"]),
        (_models("turbo"), {}, ["Draw", "Turbo", "Load"]),
        (_models("style", empty=("turbo",)), {}, ["Draw", "Style", "Load"]),
        (_models(empty=("turbo", "style")), {}, ["Draw", "Load"]),
        (_models("turbo", "style"), {"style": 0}, ["Draw", "Turbo", "Load"]),
    ],
    ids=["both", "unknown", "empty slot", "both empty", "strength 0"],
)
def test_only_what_there_is_stays(models: Manifest, fixed: dict[str, Any], line: list[str]) -> None:
    """The job is whole either way, and says which models it uses."""
    job = _job(models, fixed=fixed)

    assert _line(job) == line
    assert set(job.models) == {title.lower().replace("load", "base") for title in line[1:]}


def test_a_batch_chooses_what_is_in_a_slot() -> None:
    """The workflow stays; the file is the other entry's, and the id is another one."""
    models = _models("style", "cinema")
    plain, other = _job(models), _job(models, models={"style": "cinema"})

    assert other.prompt["3"]["inputs"]["name"] == "cinema.safetensors"
    assert set(other.models) == {"base", "cinema"}
    assert plain.id != other.id


def test_a_chosen_model_must_be_there() -> None:
    """Who names a model wants it: it is no reason to leave the node out."""
    with pytest.raises(InputError, match="no model `cinema`"):
        _job(_models("style"), models={"style": "cinema"})


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("strength: style", "strength: stile", "models/2/strength: no parameter `stile`\nhint: did you mean `style`?"),
        ("model: turbo, optional: true", "model: turbo, optional: true, bridges: [modle]", "models/1: `Turbo` has no linked input `modle`"),
        ("{title: Load, input: name, model: base}", "{title: Load, input: name, model: base, optional: true}", "models/0: output 0 of `Load` is in use and has no input to be bridged to"),
    ],
)  # fmt: skip
def test_a_slot_that_could_not_stay_empty_is_told(old: str, new: str, words: str) -> None:
    """When the definition is read, not when a job needs it."""
    with pytest.raises(InputError) as caught:
        _flow(WORKFLOW.replace(old, new, 1))

    assert [str(fault).partition(": ")[2] for fault in caught.value.faults] == [words]


def test_seeds_of_a_phase() -> None:
    """Where the batch names none, each seed of the phase is a job; others than fixed ones leave the policy."""
    phase = PHASE.model_copy(
        update={"seeds": Phase.model_validate(PHASE.model_dump() | {"seeds": {"values": [4, 5], "fixed": True}}).seeds}
    )
    document = batch.parse("schema: 1\nname: b\nworkflow: draw\nfixed: {seed: 6}", "b.yaml")
    plain, _ = batch.parse("schema: 1\nname: b\nworkflow: draw", "b.yaml")

    assert [job.label for job in batch.expand(plain, _flow(), phase, _models(), {})] == ["seed=4", "seed=5"]
    (only,) = phase.faults({"seed": 6}, frozenset(), "b.yaml")
    assert only.message == "6 is outside the policy of phase a (4, 5)"
    assert list(phase.faults({"seed": 6}, frozenset({"seed"}), "b.yaml")) == []
    assert [job.label for job in batch.expand(document[0], _flow(), phase, _models(), {})] != ["seed=4", "seed=5"]
