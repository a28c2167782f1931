"""Writes the manifest of the tiny weights that tools/tiny_wan.py wrote: the real names, these files, their hashes.

tiny_manifest.py FOLDER    reads FOLDER/weights, writes FOLDER/models_manifest.yaml
"""

import hashlib
import os
import sys
from pathlib import Path

import yaml

from videogen import manifest, project

FILES = {
    "wan2.2-i2v-high": "diffusion_models/tiny_wan2.2_i2v_high_noise.safetensors",
    "wan2.2-i2v-low": "diffusion_models/tiny_wan2.2_i2v_low_noise.safetensors",
    "wan2.1-vae": "vae/tiny_wan_2.1_vae.safetensors",
    "umt5-xxl": "text_encoders/tiny_umt5.safetensors",
    "clip-vision-h": "clip_vision/sparse_clip_vision_h.safetensors",
    "scail-2": "diffusion_models/tiny_scail_2.safetensors",
    "uni3c": "model_patches/tiny_uni3c.safetensors",
}


def main(folder: Path) -> None:
    """Writes the manifest; complete or not at all."""
    real = project.read_manifest(project.root() / "models_manifest.yaml")
    models = [entry(real.named(name), folder, Path("weights") / file) for name, file in FILES.items()]
    text = "# Tiny random weights: they prove the plumbing, not the picture.\n"
    text += yaml.safe_dump({"schema": 1, "models": models}, sort_keys=False)
    manifest.parse(text, "tiny models_manifest.yaml")
    new = folder / "models_manifest.yaml.new"
    new.write_text(text)
    os.replace(new, folder / "models_manifest.yaml")


def entry(model: manifest.Model, folder: Path, file: Path) -> dict[str, object]:
    """One entry: the real one's name and place, this file's bytes."""
    with (folder / file).open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "name": model.name,
        "role": model.role,
        "file": f"{model.folder}/{file.name}",
        "comfy_folder": model.comfy_folder,
        "size": (folder / file).stat().st_size,
        "sha256": sha256,
        "source": {"local": str(file)},
        "license": "none (noise)",
    }


main(Path(sys.argv[1]))
