"""The manifests of this checkout, and the manifest as a value."""

import pytest

from videogen import manifest, project
from videogen.errors import InputError
from videogen.manifest import Manifest, PhaseName
from videogen.standin.weights import sha256

ENTRY = """
  - name: wan
    role: draws
    file: wan2.2/wan.safetensors
    comfy_folder: diffusion_models
    size: 10
    sha256: {hash}
    source: stand-in
    license: none
    aliases: [wan-old]
""".format(hash="a" * 64)


@pytest.fixture(scope="module")
def real() -> Manifest:
    """The models of production."""
    return project.read_manifest(project.root() / "models_manifest.yaml")


@pytest.fixture(scope="module")
def dev() -> Manifest:
    """The models of stack `dev`."""
    return project.read_manifest(project.root() / "models_manifest.dev.yaml")


def parsed(entries: str) -> Manifest:
    """A manifest of some entries."""
    return manifest.parse(f"schema: 1\nmodels:{entries}", "m.yaml")


def faults(entries: str) -> list[str]:
    """What is wrong with some entries, in words."""
    with pytest.raises(InputError) as caught:
        parsed(entries)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize("phase", ["a", "b", "c"])
def test_both_manifests_have_the_same_names_and_folders(real: Manifest, dev: Manifest, phase: PhaseName) -> None:
    """A workflow runs on either manifest: same names in each phase, listed by ComfyUI in the same folders."""
    assert real.names == dev.names
    assert {model.name: model.comfy_folder for model in real.select(phase).models} == {
        model.name: model.comfy_folder for model in dev.select(phase).models
    }


def test_workflows_find_their_models(real: Manifest, dev: Manifest) -> None:
    """Every model that a workflow of this checkout uses is in both manifests."""
    used = {slot.model for name in project.workflow_names() for slot in project.read_workflow(name).definition.models}

    assert used <= set(real.names) & set(dev.names)


def test_stand_ins_are_what_the_generator_writes(dev: Manifest) -> None:
    """The hashes of the dev manifest are those of the generator's bytes; they are small and called stand-ins."""
    for model in dev.models:
        assert model.size is not None
        assert 1 << 18 <= model.size <= 16 << 20
        assert sha256(model.name, model.size) == model.sha256, f"{model.name}: {sha256(model.name, model.size)}"
        assert model.source == "stand-in"
        assert model.comfy_name.startswith("standin_")


def test_real_models_are_pinned_or_not_runnable(real: Manifest) -> None:
    """Of phases a and b only text to video and Uni3C wait for hashes; a workflow that wants one is told how."""
    drafts = ["wan2.2-t2v-high/fp8", "wan2.2-t2v-low/fp8", "wan2.2-t2v-4step-high", "wan2.2-t2v-4step-low"]
    waits: dict[PhaseName, list[str]] = {"a": [*drafts, "uni3c"], "b": ["uni3c"]}
    for phase, waiting in waits.items():
        models = real.select(phase).models
        assert [model.id for model in models if not model.runnable and not model.is_empty] == waiting
    with pytest.raises(InputError, match="videogen models pin uni3c"):
        manifest.require(real, "uni3c", "workflow.yaml: models/1")
    with pytest.raises(InputError, match="videogen models pin scail-2/fp16"):
        manifest.require(real.select("c"), "scail-2", "workflow.yaml: models/1")


def test_phases_choose_variants(real: Manifest) -> None:
    """Phase a has the small file of a name, phase c the full one, and both have one file a name."""
    for phase in ("a", "b", "c"):
        names = [model.name for model in real.select(phase).models]
        assert len(names) == len(set(names))
    assert real.select("a").named("wan2.2-i2v-high").id == "wan2.2-i2v-high/fp8"
    assert real.select("c").named("wan2.2-i2v-high").id == "wan2.2-i2v-high/fp16"
    assert real.size == sum(model.size or 0 for model in real.models)


def test_every_key_leads_to_one_folder_line(real: Manifest) -> None:
    """The folders of a key are listed once each, in the order of the manifest."""
    assert real.select("a").folders() == {
        "diffusion_models": ["wan2.2", "scail"],
        "loras": ["lora"],
        "vae": ["vae"],
        "text_encoders": ["text_encoders"],
        "clip_vision": ["clip_vision"],
        "checkpoints": ["sam3"],
        "model_patches": ["uni3c"],
        "frame_interpolation": ["frame_interpolation"],
        "upscale_models": ["upscale"],
    }


FAULTS = [
    ("file: wan2.2/wan", "file: ../wan", "m.yaml:5: models/0/file: should be a path inside the models folder such as `vae/wan.safetensors`, got '../wan.safetensors'"),
    ("file: wan2.2/wan", "file: wan/wan", "m.yaml:5: models/0/file: first folder 'wan' is not one of: wan2.2, text_encoders, lora, scail, uni3c, vae, clip_vision, upscale, frame_interpolation, sam3, checkpoints, controlnet, detection"),
    ("a" * 64, "a" * 63, "m.yaml:8: models/0/sha256: should be 64 hex digits in lower case, got 63 characters"),
    ("comfy_folder: diffusion_models", "comfy_folder: diffusion_model", "m.yaml:6: models/0/comfy_folder: 'diffusion_model' is not one of the words allowed here\nhint: did you mean `diffusion_models`?"),
    ("source: stand-in", "sauce: stand-in", "m.yaml:3: models/0/source: is required"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence"), FAULTS)
def test_wording(old: str, new: str, sentence: str) -> None:
    """Each fault is told at its line, with its path and in plain words."""
    assert sentence in faults(ENTRY.replace(old, new, 1))


def test_faults_between_entries() -> None:
    """Two entries may not share name, file in any letter case, or the name that ComfyUI lists."""
    twin = ENTRY.replace("wan.safetensors", "WAN.safetensors")
    other_folder = ENTRY.replace("name: wan", "name: wan-b").replace("file: wan2.2/", "file: scail/")
    other_folder = other_folder.replace("wan-old", "wan-older")

    assert faults(ENTRY + twin) == [
        "m.yaml:13: models/1/name: is the same as that of models/0: wan\nhint: entries of one name need a `variant` each",
        "m.yaml:15: models/1/file: is the same as that of models/0: wan2.2/wan.safetensors",
    ]
    assert faults(ENTRY + other_folder) == [
        "m.yaml:16: models/1/comfy_folder: is the same as that of models/0: diffusion_models/wan.safetensors"
    ]


def test_an_alias_is_told_the_name() -> None:
    """Who writes an alias is told the canonical name."""
    with pytest.raises(InputError, match="write its name: `wan`"):
        manifest.require(parsed(ENTRY), "wan-old", "b.yaml:3")
