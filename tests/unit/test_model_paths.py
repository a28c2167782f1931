"""`extra_model_paths.yaml` leads ComfyUI to the manifest's files, or is refused."""

from pathlib import Path

import pytest

from videogen import model_paths, project
from videogen.errors import InputError
from videogen.manifest import Manifest, PhaseName

MODELS = Path("/data/models")


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    """The models of stack `dev`."""
    return project.read_manifest(project.root() / "models_manifest.dev.yaml")


def test_text(manifest: Manifest) -> None:
    """One default group, strings in quotes, a block only where a key has several folders."""
    assert model_paths.render(manifest, MODELS, Path("/opt/nodes")) == (
        "# Rendered from the models manifest at each boot; edits are lost.\n"
        "videogen:\n"
        '  base_path: "/data/models"\n'
        "  is_default: true\n"
        "  diffusion_models: |-\n"
        "    wan2.2\n"
        "    scail\n"
        "    upscale\n"
        '  loras: "lora"\n'
        '  vae: "vae"\n'
        '  text_encoders: "text_encoders"\n'
        '  clip_vision: "clip_vision"\n'
        '  checkpoints: "sam3"\n'
        '  model_patches: "uni3c"\n'
        '  frame_interpolation: "frame_interpolation"\n'
        '  upscale_models: "upscale"\n'
        '  custom_nodes: "/opt/nodes"\n'
    )


@pytest.mark.parametrize("path", ['/data/it\'s: #1, "x"', "/data/モデル", "/data/😀", "/data/a b", "/data/C:\\x"])
def test_strange_but_possible_paths_survive(manifest: Manifest, path: str) -> None:
    """Quotes, colons, hashes, blanks and other scripts arrive unchanged."""
    assert model_paths.render(manifest, Path(path)).count("base_path") == 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("models", "should be an absolute path"),
        ("/data/a\nb", "cannot carry"),
        ("/data/$HOME", "cannot carry"),
        ("/data/models ", "cannot carry"),
        ("/data/\x85", "cannot carry"),
    ],
)
def test_impossible_paths_are_refused(manifest: Manifest, path: str, words: str) -> None:
    """A path that ComfyUI would read as another one is an error, not a surprise."""
    with pytest.raises(InputError, match=words):
        model_paths.render(manifest, Path(path))
    with pytest.raises(InputError, match=words):
        model_paths.render(manifest, MODELS, custom_nodes=Path(path))


def answer(manifest: Manifest) -> dict[str, list[str]]:
    """What ComfyUI says when it took the file: our folders first, its own behind them."""
    return {
        key: [str(MODELS / folder) for folder in reversed(folders)] + [f"/comfy/models/{key}"]
        for key, folders in manifest.folders().items()
    }


def test_comfyui_that_took_the_file_shows_no_difference(manifest: Manifest) -> None:
    """ComfyUI turns several lines of a key round; that is no difference."""
    assert model_paths.differences(manifest, MODELS, answer(manifest)) == []


def test_each_wrong_folder_is_told(manifest: Manifest) -> None:
    """A folder that is missing, elsewhere or behind another one is told as a sentence."""
    wrong = {**answer(manifest), "vae": ["/comfy/models/vae", "/data/models/vae"]}
    del wrong["clip_vision"]

    assert model_paths.differences(manifest, MODELS, wrong) == [
        "vae: ComfyUI looks in /comfy/models/vae first, not in /data/models/vae",
        "clip_vision: ComfyUI looks in no folder first, not in /data/models/clip_vision",
    ]


@pytest.mark.parametrize("phase", ["a", "b", "c"])
def test_variants_and_slots_lie_where_comfyui_looks(phase: PhaseName) -> None:
    """In each phase of the real manifest every chosen file, and the file of every slot, is in a rendered folder."""
    real = project.read_manifest(project.root() / "models_manifest.yaml")
    chosen = real.select(phase)
    folders = chosen.folders()

    assert model_paths.render(chosen, MODELS)
    assert model_paths.differences(chosen, MODELS, answer(chosen)) == []
    for model in real.models:
        if phase in model.phases:
            assert model.folder in folders[model.comfy_folder]
