"""What an import finds in a graph that somebody else drew."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.doubles import linted
from videogen import document, project, workflow
from videogen.definition import Definition
from videogen.graph import Graph, parse_nodes
from videogen.graph import parse as parse_graph
from videogen.workflow_import import Draft, draft
from videogen.workflow_import.drafting import _text

FOREIGN = project.root() / "tests" / "fixtures" / "foreign"


REAL = project.read_manifest(project.root() / "models_manifest.yaml").as_if_pinned()
"""Official files have the names under which everybody loads them."""


def imported(name: str) -> Draft:
    file = FOREIGN / f"{name}.api.json"
    return draft(parse_nodes(file.read_text(), file.name), name, linted.schemas(), linted.models())


def again(made: Draft) -> workflow.Workflow:
    """The draft, read as any workflow is read."""
    graph = parse_graph(made.graph, "graph.json")
    return workflow.parse(made.definition, "workflow.yaml", graph)


FOUND: dict[str, dict[str, str]] = {
    "svd": {
        "image": "image", "width": "integer", "height": "integer", "length": "integer", "fps": "number",
        "fps_svd_img2vid_conditioning": "integer", "seed": "integer", "steps": "integer", "cfg": "number",
        "sampler": "choice", "scheduler": "choice", "denoise": "number", "motion": "integer", "augmentation": "number",
    },
    "ltxv": {
        "prompt": "text", "negative": "text", "image": "image", "width": "integer", "height": "integer",
        "length": "integer", "fps": "number", "seed": "integer", "steps": "integer", "cfg": "number",
        "sampler": "choice", "strength": "number",
    },
    "cogvideox": {
        "prompt": "text", "negative": "text", "image": "image", "length": "integer", "fps": "integer",
        "seed": "integer", "steps": "integer", "cfg": "number", "strength": "number",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_what_a_batch_will_want_to_set_is_found(name: str) -> None:
    """In an engine's own words for it, by the names that the house uses, people's things first."""
    found = {one.name: one.type for one in again(imported(name)).definition.parameters}
    assert found == FOUND[name]
    assert list(found) == list(FOUND[name])


def test_ranges_come_from_the_nodes() -> None:
    """Also the grid: LTX takes frames of 8n + 1; a value in a primitive node has the range of what it feeds."""
    made = again(imported("ltxv"))
    length, width = made.parameter("length"), made.parameter("width")
    assert (length.minimum, length.maximum, length.multiple_of, length.plus) == (9, 16384, 8, 1)
    assert (width.minimum, width.multiple_of, width.sets[0].title, width.sets[0].input) == (64, 32, "Width", "value")
    assert made.parameter("fps").maximum == 120  # what both of its nodes take


def test_prompts_are_told_apart_by_what_they_feed() -> None:
    """Where the editor called both alike, they are named; defaults are what stood there, but for the prompt."""
    made = again(imported("ltxv"))
    assert {"Positive prompt", "Negative prompt"} <= set(made.graph.titles)
    assert made.parameter("prompt").default is None
    assert made.parameter("negative").default == "low quality, worst quality, deformed"
    cog = imported("cogvideox")
    assert [one.sets for one in cog.parameters[:2]] == [
        (("CogVideo TextEncode", "prompt"),),
        (("CogVideo TextEncode 2", "prompt"),),
    ]


def test_what_remains_is_said() -> None:
    """Classes that the image lacks, files that are fetched at run time, models that the manifest lacks."""
    remains = "\n".join(imported("cogvideox").remains)
    assert "no node class `CogVideoSampler`" in remains
    assert "`(Down)load CogVideo Model` fetches files while it runs" in remains
    assert "the manifest has no t5xxl_fp8_e4m3fn.safetensors" in remains
    assert "`SaveAnimatedWEBP` gives what counts as an image" in "\n".join(imported("svd").remains)


def test_known_models_get_their_names_and_others_an_entry() -> None:
    """By file, wherever the exporting machine kept it."""
    nodes = linted.nodes("wan22-i2v")
    loader = next(node for node in nodes.values() if node["class_type"] == "VAELoader")
    name = loader["inputs"]["vae_name"]
    loader["inputs"]["vae_name"] = f"wan\\{name}"
    made = draft(nodes, "x", linted.schemas(), REAL)
    assert {"wan2.2-i2v-high", "wan2.2-i2v-low", "umt5-xxl", "wan2.1-vae"} <= {
        one.name for one in made.models if one.known
    }
    loader["inputs"]["vae_name"] = "Other VAE (v2).safetensors"
    made = draft(nodes, "x", linted.schemas(), REAL)
    (entry,) = document.Document(made.entries, "entries").data
    assert entry["name"] == "other-vae-v2"
    assert (entry["file"], entry["comfy_folder"]) == ("vae/Other VAE (v2).safetensors", "vae")


@pytest.mark.parametrize("name", linted.drawn())
def test_our_own_graphs_come_back(name: str) -> None:
    """Imported, each of our workflows has every parameter of ours that has a house name, with the same nodes."""
    made = draft(linted.nodes(name), name, linted.schemas(), REAL)
    read = again(made)
    ours = document.Document(linted.definition(name), "workflow.yaml").load(Definition)
    here = {one.name: set(one.sets) for one in read.definition.parameters}
    for one in ours.parameters:
        if one.name in ("width", "height", "length", "fps", "steps", "switch_step") and one.name in here:
            assert here[one.name] & set(one.sets), one.name
    if len(ours.order) > 1:
        assert [one.stage for one in read.definition.order] == [one.stage for one in ours.order]
    assert {one.title for one in read.definition.outputs} == {one.title for one in ours.outputs}
    found = linted.errors(linted.findings(name, made.graph, made.definition, REAL))
    left = ("slot ", "is not on the workers of this phase")
    assert {one.message for one in found if not any(word in one.message for word in left)} == set()


def test_titles_are_told_apart_and_loose_nodes_left_out() -> None:
    """Every node has a title of its own; what no output needs is named and gone."""
    nodes: dict[str, Any] = json.loads((FOREIGN / "svd.api.json").read_text())
    for node in nodes.values():
        node["_meta"]["title"] = "Node"
    nodes["99"] = {"class_type": "LoadImage", "inputs": {"image": "old.png"}, "_meta": {"title": "Old"}}
    made = draft(nodes, "x", linted.schemas(), linted.models())
    titles = Graph(json.loads(made.graph)).titles
    assert sorted(titles) == ["Node", *(f"Node {number}" for number in range(2, 8))]
    assert made.left_out == ("Old",)
    assert [one.name for one in made.parameters if one.type == "image"] == ["image"]


@settings(max_examples=300)
@given(
    st.text(max_size=20) | st.sampled_from(["yes", "1e3", "- a", "a: b", "{x}", "0x1F", "2024-01-01", "~", "a #b", "é"])
)
def test_any_text_survives_being_written(text: str) -> None:
    """As a title in a line of braces, and alone: YAML reads back what was meant."""
    read = document.Document(f"a: {_text(text)}\nb: {{c: {_text(text, flow=True)}}}\n", "x.yaml").data
    assert read == {"a": text, "b": {"c": text}}


def test_the_page_says_all_of_it(tmp_path: Path) -> None:
    """Parameters, models, outputs and what remains, as a page."""
    page = project.template("workflow_readme.md.j2").render(draft=imported("ltxv"))
    for part in (
        "| `prompt` | what the video shows | Positive prompt/text |",
        "- video of `Save Video`",
        "```yaml\n  - name: t5xxl-fp16\n",
    ):
        assert part in page
    assert "\n\n\n" not in page
