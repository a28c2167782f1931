"""Writes the manifest of the tiny weights beside it: the real names, these files, their hashes.

tiny_manifest.py FOLDER    reads FOLDER/weights, of tiny_wan.py and tiny_sam3.py; writes FOLDER/models_manifest.yaml
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
    "wan2.2-i2v-4step-high": "loras/tiny_wan2.2_i2v_4steps_high_noise.safetensors",
    "wan2.2-i2v-4step-low": "loras/tiny_wan2.2_i2v_4steps_low_noise.safetensors",
    "wan2.2-t2v-high": "diffusion_models/tiny_wan2.2_t2v_high_noise.safetensors",
    "wan2.2-t2v-low": "diffusion_models/tiny_wan2.2_t2v_low_noise.safetensors",
    "wan2.2-t2v-4step-high": "loras/tiny_wan2.2_t2v_4steps_high_noise.safetensors",
    "wan2.2-t2v-4step-low": "loras/tiny_wan2.2_t2v_4steps_low_noise.safetensors",
    "wan2.1-vae": "vae/tiny_wan_2.1_vae.safetensors",
    "umt5-xxl": "text_encoders/tiny_umt5.safetensors",
    "clip-vision-h": "clip_vision/tiny_clip_vision_h.safetensors",
    "scail-2": "diffusion_models/tiny_scail_2.safetensors",
    "scail-2-dpo": "loras/tiny_scail_2_dpo.safetensors",
    "wan2.1-i2v-4step": "loras/tiny_wan2.1_i2v_4steps.safetensors",
    "sam3.1": "checkpoints/tiny_sam3.1.safetensors",
    "uni3c": "model_patches/tiny_uni3c.safetensors",
    "style-lora-high": "loras/tiny_style_high_noise.safetensors",
    "style-lora-low": "loras/tiny_style_low_noise.safetensors",
    "rife": "frame_interpolation/tiny_rife.safetensors",
    "real-esrgan-x4": "upscale_models/tiny_real_esrgan_x4.safetensors",
}


def main(folder: Path) -> None:
    """Writes the manifest; complete or not at all."""
    real = project.read_manifest(project.root() / "models_manifest.yaml")
    models = [
        entry(real.named(name), folder, Path("weights") / file)
        for name, file in FILES.items()
        if (folder / "weights" / file).exists()
    ]
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
