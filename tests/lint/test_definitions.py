"""A workflow.yaml that does not fit its graph, the nodes or the manifest is found at its line."""

import re

import pytest

from tests.doubles import linted
from videogen import project
from videogen.definition import ChainStep, Definition
from videogen.document import Document
from videogen.graph import Graph
from videogen.lint import Finding, chain_findings
from videogen.workflow import Workflow

I2V, MAIN = "wan22-i2v", "scail-uni3c-wan22"


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


SLIPS: list[tuple[str, str, str, str, str | None]] = [
    (I2V, "{title: Start image, input: image}", "{title: Start imgae, input: image}", "no node is titled `Start imgae`", "did you mean `Start image`?"),
    (I2V, "{title: Create video, input: fps}", "{title: Create video, input: fpx}", "node `Create video` has no input `fpx`", "did you mean `fps`?"),
    (I2V, "type: number\n    minimum: 1\n    maximum: 60", "type: nubmer\n    minimum: 1\n    maximum: 60", "'nubmer' is not one of the words allowed here", "did you mean `number`?"),
    (I2V, "minimum: 16\n", "minimum: 8\n", "8 is below what the input takes", "nearest: 16"),
    (I2V, "maximum: 60\n    default: 16", "maximum: 240\n    default: 16", "240 is above what the input takes", "nearest: 120.0"),
    (I2V, "multiple_of: 16", "multiple_of: 8", "lets values through that `Wan image to video`/width would cut without a word", "multiple_of: 16"),
    (I2V, "    plus: 1\n    default: {a: 33, b: 81, c: 81}", "    plus: 2\n    default: {a: 34, b: 82, c: 82}", "lets values through that `Wan image to video`/length would cut without a word", "multiple_of: 4, plus: 1"),
    (I2V, "choices: [sa_solver, euler, dpmpp_2m]", "choices: [sa_slover, euler, dpmpp_2m]", "'sa_slover' is none of the choices of `High-noise sampler`/sampler_name", "did you mean `sa_solver`?"),
    (I2V, "{title: Create video, input: fps}", "{title: Create video, input: images}", "is fed by another node; a value would cut that link", None),
    (I2V, "sets: [{title: Start image, input: image}]", "sets: [{title: Positive prompt, input: text}]", "is set a second time here", None),
    (I2V, "type: image\n", "type: video\n", "is of type video, but the input lists image files", None),
    (I2V, "input: text}]", "input: clip}]", "is of type text, but the input takes CLIP", None),
    (I2V, "model: umt5-xxl", "model: umt5-xl", "no model `umt5-xl` in the manifest", "did you mean `umt5-xxl`?"),
    (I2V, "model: umt5-xxl", "model: wan2.1-vae", "`wan2.1-vae` lies in vae, but this input lists text_encoders", None),
    (I2V, "model: wan2.2-i2v-low}", "model: wan2.2-i2v-low}\n  - {title: Create video, input: fps, model: wan2.1-vae}", "takes FLOAT, not the name of a file", None),
    (I2V, "  - {title: VAE, input: vae_name, model: wan2.1-vae}\n", "", "which no worker would have", None),
    (I2V, "    sets: [{title: Start image, input: image}]", "    sets: [{title: Positive prompt, input: text}]", "which nobody sends there", "a parameter of type `image` that sets it"),
    (I2V, "{less: switch_step, than: steps,", "{less: switch_stpe, than: steps,", "no parameter `switch_stpe`", "did you mean `switch_step`?"),
    (I2V, "default: {a: 3, b: 5, c: 6}", "default: {a: 6, b: 5, c: 6}", "in phase a, 6 should be less than `steps`, which is 6", "the low-noise expert needs steps of its own"),
    (I2V, "{title: Save video, kind: video}", "{title: Create video, kind: video}", "`CreateVideo` is no output node: it gives no file", None),
    (I2V, f"name: {I2V}", "name: wan22", "is `wan22`, its folder is `wan22-i2v`", f"name: {I2V}"),
    (MAIN, "stage: scail, title: SCAIL conditioning", "stage: scail, title: Motion at size", "`ImageScale` does not carry scail", None),
    (MAIN, "  - {stage: uni3c, title: Uni3C on SCAIL}\n", "", "carries uni3c, which `order` does not name: nothing holds the order scail, uni3c, wan", None),
    (MAIN, "  - {stage: uni3c, title: Uni3C on SCAIL}\n  - {stage: wan, title: Wan image to video}", "  - {stage: wan, title: Wan image to video}\n  - {stage: uni3c, title: Uni3C on SCAIL}", "the order is scail, uni3c, wan", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "message", "hint"), SLIPS, ids=[f"{row[3][:40]}" for row in SLIPS])
def test_a_slip_in_a_definition_is_found(name: str, old: str, new: str, message: str, hint: str | None) -> None:
    """With its line where it is in the definition, and the right word where there is one."""
    text = linted.definition(name)
    assert old in text
    changed = text.replace(old, new, 1)
    found = [one for one in linted.errors(linted.findings(name, defined=changed)) if message in one.message]

    assert found
    assert hint is None or hint in {one.hint for one in found}
    for one in found:
        assert re.match(r"workflow\.yaml:\d+|graph\.json$", one.address)


def test_one_slip_does_not_hide_another() -> None:
    """All of SLIPS that leave the file readable, told in one go."""
    text = linted.definition(I2V)
    chosen = [row for row in SLIPS if row[0] == I2V and row[3].startswith(("no node is", "8 is", "240 is", "no model"))]
    for _, old, new, _, _ in chosen:
        text = text.replace(old, new, 1)
    said = {one.message for one in linted.findings(I2V, defined=text)}
    assert {message for *_, message, _ in chosen} <= said


def test_the_address_is_the_line_of_the_slip() -> None:
    """And the path of keys, the node, the input, what stands there and what may stand there."""
    text = linted.definition(I2V)
    (found,) = linted.findings(I2V, defined=text.replace("model: umt5-xxl", "model: clip-vision-h"))

    assert found == Finding(
        f"workflow.yaml:{line_of(text, 'model: umt5-xxl')}: models/2/model",
        "`clip-vision-h` lies in clip_vision, but this input lists text_encoders",
        node="Text encoder",
        input="clip_name",
        value="clip-vision-h",
        allowed="umt5-xxl",
        hint="one of: umt5-xxl",
    )
    assert found.document()["file"] == "workflow.yaml"
    assert found.document()["line"] == line_of(text, "model: umt5-xxl")
    assert found.place.endswith("models/2/model: Text encoder/clip_name")


def test_a_model_that_is_not_pinned_or_not_of_the_phase_is_found() -> None:
    """With the verb that pins it."""
    bare = tuple(one.model_copy(update={"sha256": None, "size": None}) for one in linted.models().models)
    found = linted.findings(I2V, manifest=linted.models().model_copy(update={"models": bare}))
    assert [one.message for one in found] == [
        f"model `{name}` has no size and sha256 in the manifest"
        for name in ("wan2.2-i2v-high", "wan2.2-i2v-low", "umt5-xxl", "wan2.1-vae")
    ]
    elsewhere = tuple(one.model_copy(update={"phases": ("c",)}) for one in linted.models().models)
    found = linted.findings(I2V, manifest=linted.models().model_copy(update={"models": elsewhere}), phase="a")
    assert {(one.message, one.allowed) for one in found} == {
        (f"`{name}` is not on the workers of this phase", "phase c")
        for name in ("wan2.2-i2v-high", "wan2.2-i2v-low", "umt5-xxl", "wan2.1-vae")
    }


def test_what_a_batch_puts_into_a_slot_is_not_held_against_the_workflow() -> None:
    """The slot's own model may then be missing."""
    text = linted.definition(I2V).replace("model: umt5-xxl", "model: of-my-own")
    assert linted.findings(I2V, defined=text)
    assert linted.findings(I2V, defined=text, chosen={"of-my-own": "umt5-xxl"}) == []


def test_a_default_outside_the_policy_is_a_warning() -> None:
    """A batch has to set it, or to say that it leaves the policy."""
    text = linted.definition(I2V).replace("default: {a: 6, b: 10, c: 12}", "default: {a: 6, b: 10, c: 40}")
    assert linted.findings(I2V, defined=text) == []
    (found,) = linted.findings(I2V, defined=text, phase="c")
    assert (found.severity, found.message) == ("warning", "default 40 is outside the policy of phase c (6 to 12)")


def test_an_order_that_the_graph_breaks_is_found() -> None:
    """SCAIL that depends on what Wan drew, and stages that nothing joins."""
    graph = linted.nodes(MAIN)
    ids = {node["_meta"]["title"]: node_id for node_id, node in graph.items()}
    drawn = next(title for title, node_id in ids.items() if graph[node_id]["class_type"] == "SaveVideo")
    create = graph[ids[drawn]]["inputs"]["video"][0]
    graph[ids["Motion at size"]]["inputs"]["image"] = graph[create]["inputs"]["images"]
    assert any("scail must come before" in one.message for one in linted.errors(linted.findings(MAIN, graph)))


def test_one_stage_alone_has_no_order_to_hold() -> None:
    """SCAIL-2 may be named or not, and Wan by itself; a stage that another node carries is wrong all the same."""
    text = linted.definition("scail2-replace")
    order = "order:\n  - {stage: scail, title: SCAIL conditioning}\n"
    assert linted.findings("scail2-replace", defined=text.replace(order, "")) == []
    text = text.replace(order, "order:\n  - {stage: scail, title: Sampler}\n")
    (found,) = linted.errors(linted.findings("scail2-replace", defined=text))
    assert (found.message, found.allowed) == ("`KSampler` does not carry scail", "WanSCAILToVideo")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (["scail2-replace", "upscale-interpolate"], []),
        (["scail2-replace", "wan22-i2v"], []),
        (["scail-uni3c-wan22", "upscale-interpolate"], []),
        (["wan22-i2v", "upscale-interpolate", "scail2-replace"], ["`c` carries scail, and is fed by what wan drew in `a`"]),
        (["scail-uni3c-wan22", "scail2-replace"], ["`b` carries scail, and is fed by what wan drew in `a`"]),
    ],
)  # fmt: skip
def test_the_order_holds_from_step_to_step(steps: list[str], expected: list[str]) -> None:
    """What Wan drew goes back to no SCAIL, however many steps lie between."""
    chain = [ChainStep(step="a", workflow=steps[0])]
    chain += [
        ChainStep(step=name, workflow=workflow, feeds={"video": before})
        for name, before, workflow in zip("bc", "ab", steps[1:], strict=False)
    ]
    definition = Definition(schema=1, name="x", about="", parameters=(), chain=tuple(chain))
    parts = {step.step: project.read_workflow(step.workflow or "") for step in chain}
    found = chain_findings(Workflow(definition, Graph({}), parts), Document("name: x", "workflow.yaml"))
    assert [one.message for one in found] == expected


def test_a_parameter_of_a_node_that_never_runs_is_an_error() -> None:
    """It would set nothing that anybody sees."""
    graph = linted.nodes(I2V)
    graph["loose"] = {"class_type": "LoadImage", "inputs": {"image": "x.png"}, "_meta": {"title": "Loose"}}
    old = "sets: [{title: Start image, input: image}]"
    text = linted.definition(I2V)
    assert old in text
    more = "sets: [{title: Start image, input: image}, {title: Loose, input: image}]"
    (found,) = linted.errors(linted.findings(I2V, graph, text.replace(old, more)))
    assert (found.node, found.message) == ("Loose", "sets a node that never runs: no output needs it")
