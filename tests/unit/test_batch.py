"""A batch expands into jobs whose ids come from their content."""

import json
from pathlib import Path

import pytest

from tests.doubles.tiny_workflow import GRAPH, MANIFEST, WORKFLOW
from videogen import batch, graph, project, workflow
from videogen.errors import InputError
from videogen.manifest import Manifest
from videogen.phase import Phase
from videogen.workflow import Workflow

HEAD = "schema: 1\nname: b\nworkflow: draw\n"


def the_workflow() -> Workflow:
    """The small workflow of these tests."""
    return workflow.parse(WORKFLOW, "workflow.yaml", graph.parse(json.dumps(GRAPH), "graph.json"))


def phase_a() -> Phase:
    """The real phase a."""
    return project.read_phase("a")


def jobs(text: str, manifest: object = MANIFEST, digest: str = "d" * 64) -> list[batch.Job]:
    """The jobs of a batch's text."""
    found, document = batch.parse(HEAD + text, "b.yaml")
    batch.check(found, document, the_workflow(), phase_a())
    digests = {str(value): digest for _, _, value in batch.file_parameters(found, the_workflow())}
    return batch.expand(found, the_workflow(), phase_a(), Manifest.model_validate(manifest), digests)


def test_matrix() -> None:
    """Every combination is one job, each with its own id, values in the graph, inputs named by digest."""
    made = jobs("fixed: {character: in/a.PNG}\nmatrix: {seed: [1, 2], steps: [6, 7]}")

    assert [(j.prompt["2"]["inputs"]["seed"], j.prompt["2"]["inputs"]["steps"]) for j in made] == [
        (1, 6),
        (1, 7),
        (2, 6),
        (2, 7),
    ]
    assert len({job.id for job in made}) == 4
    assert made[0].prompt["1"]["inputs"] == {"image": "d" * 32 + ".png", "name": "v.safetensors"}


def test_id_is_content() -> None:
    """The id stays when the batch is written otherwise, and changes with an input's bytes, a model's bytes or a value."""
    text = "fixed: {character: a.png, seed: 5}"
    same = jobs("matrix: {seed: [5], character: [a.png]}")
    other_model = json.loads(json.dumps(MANIFEST).replace("a" * 64, "b" * 64))

    assert [job.id for job in jobs(text)] == [job.id for job in same]
    assert jobs(text)[0].id != jobs(text, digest="e" * 64)[0].id
    assert jobs(text)[0].id != jobs(text, manifest=other_model)[0].id
    assert jobs(text)[0].id != jobs("fixed: {character: a.png, seed: 6}")[0].id


def test_equal_combinations_are_one_job() -> None:
    """What the matrix names twice is rendered once."""
    assert len(jobs("fixed: {character: a.png}\nmatrix: {seed: [3, 3]}")) == 1


FAULTS = [
    ("fixed: {}", ["b.yaml:4: fixed: `character` is required: who"]),
    ("fixed: {character: a.png, sed: 1}", ["b.yaml:4: fixed/sed: workflow draw has no parameter `sed`\nhint: did you mean `seed`?"]),
    ("fixed: {character: a.png, seed: -1}", ["b.yaml:4: fixed/seed: -1 is below 0\nhint: nearest: 0"]),
    ("fixed: {character: a.png, seed: 1.5}", ["b.yaml:4: fixed/seed: should be an integer, got 1.5"]),
    ("fixed: {character: a.png, seed: true}", ["b.yaml:4: fixed/seed: should be an integer, got True"]),
    ("fixed: {character: a.png, seed: 1}\nmatrix: {seed: [2]}", ["b.yaml:5: matrix/seed: is also in `fixed`"]),
    (f"fixed: {{character: a.png}}\nmatrix: {{seed: {list(range(200))}, steps: {list(range(6, 106))}}}", ["b.yaml:5: matrix: 20,000 combinations are more than 10,000, the most for one batch\nhint: several batches, or fewer values"]),
    ("fixed: {character: a.png}\nmatrix: {steps: [6, 40]}", ["b.yaml:5: matrix/steps: 40 is outside the policy of phase a (6 to 12)\nhint: to leave the policy on purpose: `leave_policy: [steps]`"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentences"), FAULTS)
def test_faults(text: str, sentences: list[str]) -> None:
    """What the workflow or the phase does not allow is said at its line."""
    with pytest.raises(InputError) as caught:
        jobs(text)

    assert [str(fault) for fault in caught.value.faults] == sentences


def test_leaving_the_policy_needs_a_word_and_is_recorded() -> None:
    """A batch that says so may leave the policy, and its jobs remember it."""
    (job,) = jobs("fixed: {character: a.png, steps: 40, seed: 5}\nleave_policy: [steps]")

    assert job.leaves_policy == ("steps",)


def test_model_without_hash_is_not_runnable() -> None:
    """A workflow that needs an unpinned model, an alias or no model at all is told so, at the slot."""
    bad = {"bare": "has no size and sha256", "old": "write its name: `bare`", "vea": "did you mean `vae`?"}
    for name, words in bad.items():
        text = WORKFLOW.replace("model: vae", f"model: {name}")
        used = workflow.parse(text, "w", graph.parse(json.dumps(GRAPH), "g"))
        with pytest.raises(InputError) as caught:
            used.bind({}, Manifest.model_validate(MANIFEST))

        assert str(caught.value).startswith("workflows/draw/workflow.yaml: models/0/model: ")
        assert words in str(caught.value)


@pytest.mark.parametrize("path", sorted((project.root() / "batches").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_batch_of_the_checkout(path: Path) -> None:
    """Each batch file of this repository is right for phase a and the dev models."""
    from videogen.prepare import prepare

    found = prepare(path, "a", project.read_manifest(project.root() / "models_manifest.dev.yaml"))

    assert found.jobs
