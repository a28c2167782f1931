"""Writes a tiny random SAM 3.1 for a ComfyUI on a CPU, and the shim custom node beside which alone it loads.

tiny_sam3.py COMFYUI_DIR MODELS_DIR CUSTOM_NODES_DIR    run it with ComfyUI's own Python

The layers of SAM are so many, and their names change so much, that ComfyUI's own classes make the file: same code,
narrow and shallow, on pictures of 336 pixels instead of 1008. What it finds is a matter of chance.
"""

import importlib
import sys
from pathlib import Path

SHIM_NAME = "tiny_sam3_shim"
SHIM = '''"""Test shim: lets ComfyUI load the SAM 3.1 of tiny_sam3.py (never for real use)."""
import comfy.ldm.sam3.tracker
import comfy.supported_models
import comfy.text_encoders.sam3_clip

CONFIG = {
    "embed_dim": 64, "depth": 2, "global_att_blocks": (1,), "img_size": 336,
    "d_model": 32, "mem_dim": 32, "num_queries": 10,
}


def see_less(self, *args, _init=comfy.ldm.sam3.tracker.SAM31Tracker.__init__, **kwargs):
    _init(self, *args, **kwargs)
    self.image_size = CONFIG["img_size"]
    encoder = self.interactive_sam_prompt_encoder
    encoder.image_embedding_size, encoder.input_image_size = (24, 24), (336, 336)


comfy.ldm.sam3.tracker.SAM31Tracker.__init__ = see_less
comfy.supported_models.SAM31.unet_extra_config = CONFIG
comfy.text_encoders.sam3_clip.SAM3_CLIP_CONFIG.update(
    hidden_size=64, intermediate_size=64, num_attention_heads=4, num_hidden_layers=2
)
NODE_CLASS_MAPPINGS = {}
'''
PREFIX = "detector.backbone.language_backbone.sam3_clip.transformer."


def main(comfyui: Path, models: Path, custom_nodes: Path) -> None:
    """Writes both."""
    folder = custom_nodes / SHIM_NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "__init__.py").write_text(SHIM)
    sys.path[:0] = [str(comfyui), str(custom_nodes)]
    import torch
    from comfy.cli_args import args

    args.cpu = True
    from comfy import clip_model
    from comfy.ldm.sam3 import detector
    from comfy.text_encoders import sam3_clip
    from safetensors.torch import save_file

    shim = importlib.import_module(SHIM_NAME)
    torch.manual_seed(7)
    sam = detector.SAM3Model(operations=torch.nn, image_model="SAM31", **shim.CONFIG)
    text = clip_model.CLIPTextModel(sam3_clip.SAM3_CLIP_CONFIG, torch.float32, "cpu", torch.nn)
    state = {**sam.state_dict(), **{PREFIX + key: value for key, value in text.state_dict().items()}}
    target = models / "checkpoints" / "tiny_sam3.1.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.half().contiguous() for key, value in state.items()}, target)
    print(f"sam3.1       {target.stat().st_size:>13,} bytes  {target}")


main(*(Path(one).resolve() for one in sys.argv[1:4]))
