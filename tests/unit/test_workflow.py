"""A workflow's definition must fit its graph, node by title."""

import json

import pytest

from tests.doubles.tiny_workflow import GRAPH, WORKFLOW
from videogen import graph, project, workflow
from videogen.errors import InputError


def faults(text: str) -> list[str]:
    """What is wrong with a definition, in words."""
    with pytest.raises(InputError) as caught:
        workflow.parse(text, "w.yaml", graph.parse(json.dumps(GRAPH), "g.json"))
    return [str(fault) for fault in caught.value.faults]


CHANGES = [
    ("title: Draw, input: seed", "title: Drow, input: seed", "w.yaml:7: parameters/1/sets/0/title: no node is titled `Drow`\nhint: did you mean `Draw`?"),
    ("title: Draw, input: seed", "title: Draw, input: sede", "w.yaml:7: parameters/1/sets/0/input: node `Draw` has no input `sede`\nhint: did you mean `seed`?"),
    ("default: 1", "default: -1", "w.yaml:7: parameters/1/default: -1 is below 0\nhint: nearest: 0"),
    ("type: image", "type: choice", "w.yaml:6: parameters/0: `choices` belongs to type `choice`, which needs it"),
    ("name: steps", "name: seed", "w.yaml:5: parameters: `seed` stands twice"),
    ("kind: video", "kind: vidoe", "w.yaml:10: outputs/0/kind: 'vidoe' is not one of the words allowed here\nhint: did you mean `video`?"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence"), CHANGES)
def test_wording(old: str, new: str, sentence: str) -> None:
    """Each fault leads to the line and says the nearest right word."""
    assert faults(WORKFLOW.replace(old, new, 1)) == [sentence]


def test_order_is_scail_uni3c_wan() -> None:
    """The chain's order is enforced in the definition and in the graph."""
    path = project.root() / "workflows" / "scail-uni3c-wan22"
    text, drawn = (path / "workflow.yaml").read_text(), (path / "graph.json").read_text()
    swapped = text.replace("stage: scail, title: SCAIL conditioning", "stage: scail, title: Save video")

    with pytest.raises(InputError, match="scail must come before uni3c, but `Save video` depends on `Uni3C on SCAIL`"):
        workflow.parse(swapped, "w", graph.parse(drawn, "g"))


NUMBERS = [(81, None), (80, ("80 is not a multiple of 4 plus 1", "nearest: 81")), (3, ("3 is below 5", "nearest: 5"))]


@pytest.mark.parametrize(("value", "wrong"), NUMBERS)
def test_lengths_are_4n_plus_1(value: int, wrong: tuple[str, str | None] | None) -> None:
    """A length that the model cannot render is told the nearest one."""
    length = project.read_workflow("scail-uni3c-wan22").parameter("length")

    assert length.fault(value) == wrong


@pytest.mark.parametrize("name", project.workflow_names())
def test_every_workflow_of_the_checkout(name: str) -> None:
    """Each workflow is whole, and both manifests hold every model that it names."""
    found = project.read_workflow(name)

    for file in ("models_manifest.yaml", "models_manifest.dev.yaml"):
        manifest = project.read_manifest(project.root() / file)
        assert {slot.model for slot in found.definition.models} <= set(manifest.names), file
