"""`videogen lint` and `videogen workflow`, as a person meets them."""

import json
import re
from collections.abc import Callable

import pytest

from tests.lint.conftest import Checkout
from videogen import project

FOREIGN = project.root() / "tests" / "fixtures" / "foreign"
New = Callable[[], Checkout]


def test_everything_wrong_with_a_batch_is_told_at_once(checkout: New) -> None:
    """In the batch, its graph and its definition; exit 2, each with its address, and what was assumed."""
    desk = checkout()
    desk.change("batches/demo-short.yaml", "width: 64", "width: 65")
    desk.change("batches/demo-short.yaml", "inputs/character.png", "inputs/charakter.png")
    desk.change("workflows/wan22-i2v/graph.json", '"shift"', '"shfit"')
    desk.change("workflows/wan22-i2v/workflow.yaml", "model: umt5-xxl", "model: umt5-xl")
    code, out, err = desk.videogen("lint", "batches/demo-short.yaml")

    assert (code, out) == (2, "")
    lines = err.splitlines()
    for said in (
        "error: batches/demo-short.yaml:9: fixed/width: 65 is not a multiple of 16",
        "hint: nearest: 64",
        "error: batches/demo-short.yaml:8: fixed/character: no such file: inputs/charakter.png",
        "hint: did you mean `character.png`?",
        "error: workflows/wan22-i2v/graph.json: Shift of high noise/shfit: "
        "`ModelSamplingSD3` has no such input; ComfyUI would ignore it",
        "hint: did you mean `shift`?",
        "error: workflows/wan22-i2v/graph.json: Shift of high noise/shift: required input is missing",
        "hint: did you mean `umt5-xxl`?",
    ):
        assert said in lines
    assert lines[-2].startswith("node classes: ComfyUI 0.38.1 (the image's pin), from core-0.27.json")
    assert lines[-1] == "batches/demo-short.yaml: 5 errors"


def test_a_fault_of_the_batch_hides_nothing_of_its_jobs(checkout: New) -> None:
    """A wrong key, value, slot, character and file beside what only the jobs show: a model left out, a cut image."""
    desk = checkout()
    desk.change("batches/demo-short.yaml", "name: demo-short", "name: demo-short\nnmae: x\ncharacter: figur")
    desk.change("batches/demo-short.yaml", "  width: 64", "  width: 320\n  lora_strength: 0.8\n  fps: -1\n  sed: 2")
    desk.change("workflows/wan22-i2v/graph.json", '"shift": 5', '"shift": 500')
    code, found = desk.json("lint", "batches/demo-short.yaml", "--stack", "phase-a")
    said = [f"{one['path'] or one['node']}: {one['message']}" for one in found["linted"][0]["findings"]]

    assert code == 2
    assert found["linted"][0]["jobs"] == []
    for start in (
        "nmae: unknown key",
        "character: no character `figur`",
        "fixed/fps: -1 is below 1",
        "fixed/sed: workflow wan22-i2v has no parameter `sed`",
        "Shift of high noise: ",
        "fixed/character: is 576x1024: ",
        "fixed/lora_strength: 0.8 does nothing: the slots `style-lora-high` and `style-lora-low` are empty",
    ):
        assert [one for one in said if one.startswith(start)], (start, said)


SLIPS = {
    "values": (
        "wan22-i2v",
        "fixed:\n  prompt: x\n  character: inputs/character.png\n  width: 500\n  steps: 40\n  sampler: eulr\n  seed: -1\n",
        [
            "values.yaml:7: fixed/width: 500 is not a multiple of 16\nhint: nearest: 496",
            "values.yaml:8: fixed/steps: 40 is outside the policy of phase a (6 to 12)\nhint: to leave",
            "values.yaml:9: fixed/sampler: 'eulr' is not a choice\nhint: did you mean `euler`?",
            "values.yaml:10: fixed/seed: -1 is below 0\nhint: nearest: 0",
            "values.yaml:7: fixed/size: 500x576 is outside the policy",
        ],
    ),
    "words": (
        "wan22-i2v",
        "fixed: {prompt: x, character: inputs/character.png, zoom: 1}\nleave_policy: [cgf]\n",
        [
            "words.yaml:4: fixed/zoom: workflow wan22-i2v has no parameter `zoom`\nhint: `videogen workflow show",
            "words.yaml:5: leave_policy/0: no phase has a policy for `cgf`\nhint: did you mean `cfg`?",
        ],
    ),
    "slots": (
        "wan22-i2v",
        "fixed: {prompt: x, character: inputs/motion.mp4}\nmatrix: {seed: [1, 1]}\n"
        "models: {wan2.2-i2v-high: wan2.2-i2v-low, umt5-xxl: wan2.1-vae}\n",
        [
            "slots.yaml:4: fixed/character: inputs/motion.mp4 is not an image that can be read: ",
            "slots.yaml:6: models/umt5-xxl: `wan2.1-vae` lies in vae, the slot loads from text_encoders\nhint: one of: umt5-xxl",
            "slots.yaml:6: models/wan2.2-i2v-high: `wan2.2-i2v-low` is the model of another slot",
            "slots.yaml:5: matrix/seed: 1 stands twice: equal jobs are one",
        ],
    ),
    "nothing": (
        "scail-uni3c-wan22",
        'fixed: {prompt: " ", character: inputs/character.png, motion: inputs/motion.mp4}\n'
        "matrix: {seed: [1], uni3c_start: [0.5], uni3c_end: [0.5]}\n",
        [
            "nothing.yaml:4: fixed/prompt: is empty: nobody knows what will come",
            "nothing.yaml:5: matrix/uni3c_start: 0.5 should be less than `uni3c_end`, which is 0.5\nhint: Uni3C acts between",
        ],
    ),
    "chain": (
        "production-2k-30s",
        "fixed: {prompt: x, character: inputs/character.png, width: 200, cfg: 4}\n",
        ["chain.yaml:4: fixed/width: 200 is not a multiple of 16\nhint: nearest: 192", "chain.yaml:4: fixed/size: 200x"],
    ),
    "frames": (
        "long-i2v",
        "fixed: {prompt: x, character: inputs/character.png, frames: 100000}\n",
        ["frames.yaml:4: fixed/frames: 100000 is above 2401\nhint: nearest: 2401"],
    ),
}  # fmt: skip


def test_each_slip_of_a_batch_is_told_once_at_its_line(checkout: New) -> None:
    """With what is right; nothing is said twice in other words, and nothing of what was put in its place."""
    desk = checkout()
    for name, (workflow, text, _) in SLIPS.items():
        head = f"schema: 1\nname: {name}\nworkflow: {workflow}\n"
        (desk.folder / "batches" / f"{name}.yaml").write_text(head + text)
    code, _, err = desk.videogen("lint", *(f"batches/{name}.yaml" for name in SLIPS))

    assert code == 2
    for name, (_, _, expected) in SLIPS.items():
        for said in expected:
            assert f"batches/{said}" in err, err
        assert len(re.findall(rf"(?m)^(?:error|warning): batches/{name}\.yaml", err)) == len(expected), err


def test_a_characters_wish_is_said_at_its_own_line(checkout: New) -> None:
    """Its LoRA with a strength that is 0, and what the workflow takes nothing of."""
    desk = checkout()
    home = desk.folder / "characters"
    home.unlink()
    home.mkdir()
    image = desk.folder / "batches" / "inputs" / "character.png"
    lora = "lora: {models: {style-lora-high: wan2.2-i2v-4step-high}, strength: 0}"
    text = f"schema: 1\nname: figure\nimages: {{character: {image}}}\nuni3c: {{strength: 1}}\n{lora}\n"
    (home / "figure.yaml").write_text(text)
    batch = "schema: 1\nname: x\nworkflow: wan22-i2v\ncharacter: figure\nfixed: {prompt: a walk}\n"
    (desk.folder / "batches" / "x.yaml").write_text(batch)
    _, _, err = desk.videogen("lint", "batches/x.yaml", "--stack", "phase-a")

    assert "warning: characters/figure.yaml:5: lora/strength: is 0, so that what was chosen for" in err
    assert "batches/x.yaml:4: character: workflow wan22-i2v takes nothing of the character's uni3c_strength" in err


def test_findings_are_data_with_json(checkout: New) -> None:
    """File, line, node, input, what stands there, what may stand there; warnings alone are exit 0."""
    desk = checkout()
    code, found = desk.json("lint", "workflows/wan22-i2v", "batches/demo-short.yaml")
    assert code == 0
    assert found["phase"] == "a"
    assert [one["name"] for one in found["linted"]] == ["workflows/wan22-i2v", "batches/demo-short.yaml"]
    assert len(found["linted"][1]["jobs"]) == 2
    assert {one["severity"] for one in found["linted"][1]["findings"]} == {"warning"}

    desk.change("workflows/wan22-i2v/graph.json", '"fps": 16', '"fps": 1600')
    code, found = desk.json("lint", "workflows/wan22-i2v")
    assert code == 2
    (one,) = found["linted"][0]["findings"]
    assert {key: one[key] for key in ("file", "line", "node", "input", "value", "allowed", "hint")} == {
        "file": "workflows/wan22-i2v/graph.json",
        "line": None,
        "node": "Create video",
        "input": "fps",
        "value": 1600.0 if isinstance(one["value"], float) else 1600,
        "allowed": "FLOAT 1.0 … 120.0",
        "hint": "nearest: 120.0",
    }


def test_all_workflows_are_linted_chains_included(checkout: New) -> None:
    """A slip in a step is told for the chain, too."""
    desk = checkout()
    desk.change("workflows/wan22-i2v/graph.json", "KSamplerAdvanced", "KSamplerAdvance")
    code, found = desk.json("lint", "--workflows")
    wrong = {one["name"] for one in found["linted"] if one["findings"]}
    assert code == 2
    assert wrong == {f"workflows/{name}" for name in ("wan22-i2v", "long-i2v", "production-2k-30s")}


def test_a_chain_that_lets_through_what_its_step_refuses_is_found(checkout: New) -> None:
    """At the line of the chain's parameter."""
    desk = checkout()
    desk.change("workflows/production-2k-30s/workflow.yaml", "maximum: 2048", "maximum: 4096")
    code, found = desk.json("lint", "workflows/production-2k-30s")
    (one,) = found["linted"][0]["findings"]
    assert code == 2
    assert one["file"] == "workflows/production-2k-30s/workflow.yaml"
    assert "lets larger values through than `width` of step `draw` takes" in one["message"]


def test_a_servers_own_classes_and_files_can_be_assumed(checkout: New) -> None:
    """Then also model files that it does not list are found."""
    desk = checkout()
    recorded = json.loads((desk.folder / "images/comfyui/node_schemas/core-0.27.json").read_text())
    recorded["VAELoader"]["input"]["required"]["vae_name"] = [["other.safetensors"]]
    (desk.folder / "info.json").write_text(json.dumps(recorded))
    code, found = desk.json("lint", "batches/demo-short.yaml", "--object-info", "info.json")
    assert code == 2
    assert found["node_schemas"] == "the server of info.json"
    (one,) = [one for one in found["linted"][0]["findings"] if one["node"] == "VAE"]
    assert "is none of its choices" in one["message"]
    assert "other.safetensors" in one["allowed"]


def test_an_older_server_is_called_older(checkout: New) -> None:
    """A class that only the image's newer ComfyUI has is told as that, and not as a slip of a resembling one."""
    desk = checkout()
    recorded = project.root() / "images" / "comfyui" / "node_schemas" / "core-0.27.json"
    code, found = desk.json("lint", "workflows/scail-uni3c-wan22", "--object-info", str(recorded))
    told = {(one["node"], one["value"], one["hint"]) for one in found["linted"][0]["findings"]}

    assert code == 2
    hint = "ComfyUI 0.38.1, which the image pins, has it"
    assert told == {(node, "WanUni3CControlnetApply", hint) for node in ("Uni3C on SCAIL", "Uni3C on Wan 2.2")}


def test_seeds_that_nobody_asked_for_are_told(checkout: New) -> None:
    """They make several videos of one; a chain's video is one row, however many jobs it has."""
    desk = checkout()
    desk.change("batches/demo-long.yaml", "  seed: 7\n", "")
    code, out, err = desk.videogen("lint", "batches/demo-long.yaml")
    said = "the batch names no seed: 4 of phase a (1, 7, 42, 1001), each makes a video of its own"
    assert code == 0
    assert f"batches/demo-long.yaml: {said}" in err
    assert [line.split(maxsplit=1)[1].strip() for line in out.splitlines()[1:]] == [
        f"seed={seed} · draw ×4, stitch ×1" for seed in (1, 7, 42, 1001)
    ]
    assert said in desk.videogen("plan", "batches/demo-long.yaml", "--phase", "a")[2]
    assert "names no seed" not in desk.videogen("lint", "batches/demo.yaml")[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lint"], "lint: what?"),
        (["lint", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["lint", "batches"], "hint: each by its name: `videogen lint batches/*.yaml`"),
        (["lint", "batches/demo.yaml", "--object-info", "batches/demo.yaml"], "is not JSON"),
        (["workflow", "show", "wan22-i2w"], "did you mean `wan22-i2v`?"),
        (["workflow", "import", "nowhere.json"], "nowhere.json: no such file"),
        (["workflow", "import", str(FOREIGN / "svd.api.json"), "--name", "wan22-i2v"], "is there already"),
        (["workflow", "import", str(FOREIGN / "svd.api.json"), "--name", "../x"], "is no name for a workflow"),
    ],
)
def test_a_wrong_word_is_exit_2(checkout: New, words: list[str], said: str) -> None:
    """With what is wrong."""
    code, _, err = checkout().videogen(*words)
    assert code == 2
    assert said in err


def test_workflows_are_listed_and_shown(checkout: New) -> None:
    """With what a batch may set."""
    desk = checkout()
    _, listed = desk.json("workflow", "list")
    assert {one["name"]: one["kind"] for one in listed}["production-2k-30s"] == "chain"
    _, shown = desk.json("workflow", "show", "wan22-i2v")
    assert "switch_step" in [one["name"] for one in shown["parameters"]]
    code, out, _ = desk.videogen("workflow", "show", "wan22-i2v")
    assert code == 0
    assert re.search(r"^models  wan2\.2-i2v-high, wan2\.2-i2v-low", out, re.MULTILINE)
    assert re.search(r"^before  .*a chain sets it", out, re.MULTILINE)
    assert re.search(r"^seed  .*0 … 2\^64 - 1 ", out, re.MULTILINE)


def test_an_imported_graph_is_a_workflow_to_edit(checkout: New) -> None:
    """Its folder lints but for the models, whose entries are ready to paste; with those it is clean."""
    desk = checkout()
    code, out, err = desk.videogen("workflow", "import", str(FOREIGN / "ltxv.api.json"), "--name", "ltxv")
    folder = desk.folder / "workflows" / "ltxv"
    assert code == 0, err
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "graph.json", "workflow.yaml"]
    assert "the manifest has no t5xxl_fp16.safetensors" in err
    assert "  - name: t5xxl-fp16\n" in out

    code, found = desk.json("lint", "workflows/ltxv")
    assert code == 2
    wrong = [one["message"] for one in found["linted"][0]["findings"] if one["severity"] == "error"]
    assert wrong == [f"no model `{name}` in the manifest" for name in ("t5xxl-fp16", "ltx-video-2b-v0.9.5")]

    entries = json.loads(
        desk.videogen("workflow", "import", str(FOREIGN / "ltxv.api.json"), "--name", "b", "--json")[1]
    )
    pinned = f"license: unknown\n    size: 1\n    sha256: {'f' * 64}"
    pasted = entries["entries"].replace("license: unknown", pinned)
    text = (desk.folder / "models_manifest.dev.yaml").read_text()
    (desk.folder / "mine.yaml").write_text(f"{text}{pasted}\n")
    code, found = desk.json("lint", "workflows/ltxv", "--manifest", "mine.yaml")
    assert (code, [one for one in found["linted"][0]["findings"] if one["severity"] == "error"]) == (0, [])


def test_a_graph_in_the_ui_format_is_not_imported(checkout: New) -> None:
    """Nothing is written; the hint says how to export."""
    desk = checkout()
    (desk.folder / "ui.json").write_text(json.dumps({"nodes": [{"id": 1}], "links": [], "version": 0.4}))
    code, _, err = desk.videogen("workflow", "import", "ui.json")
    assert code == 2
    assert "ui.json: is in ComfyUI's UI format\nhint: in ComfyUI: Workflow → Export (API)" in err
    assert not (desk.folder / "workflows" / "ui").exists()
