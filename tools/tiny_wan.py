#!/usr/bin/env python3
"""Write tiny random stand-ins for the weight files of a Wan video workflow.

The files have the key names and the ranks that ComfyUI's loaders look for, but
few and narrow layers, so that a whole image-to-video graph runs on a CPU in
seconds.  What they generate is noise; what they prove is the plumbing: folder
layout, loader detection, node wiring, sampling, decoding, saving, events.

    tiny_wan.py MODELS_DIR [--text tiny|full|none] [--with lora,t2v,uni3c,scail,clip-vision,enlarge]

Only numpy is needed; --text also needs sentencepiece (for a throw-away tokenizer).

What ComfyUI reads from the shapes, and what it insists on:

  diffusion model   dim = head.modulation[-1] (a multiple of 128: heads = dim / 128),
                    ffn width, layer count, input channels and output channels are all
                    read from the file.  Text width 4096 and time width 256 are fixed.
                    A Wan 2.2 I2V expert is: 36 input channels and NO img_emb.* keys.
  VAE (2.1 layout)  dim = decoder.head.0.gamma[0]; 16 latent channels, multipliers
                    1,2,4,4 and two residual blocks per stage are fixed.
  UMT5-XXL          nothing is read: 24 layers, width 4096, 256384 tokens come from a JSON
                    file in ComfyUI.  'full' writes a file of the true shapes that is
                    almost all holes (a sparse file: a few MB on disk, 5.7 GB when read);
                    'tiny' writes a two-layer one, which loads only beside the shim that
                    this script also writes under custom_nodes/ (see --shim).
  CLIP vision H     nothing is read, as with UMT5; beside the shim a two-layer file is enough.
  upscaler, RIFE    widths are read, but for the upscaler's growth of 32 channels.  These two are no
                    noise: the one repeats each pixel, the other blends two frames, so that what comes
                    out can be compared with what went in.
  tokenizer         a sentencepiece model stored in the text encoder file as the uint8
                    tensor 'spiece_model'; any vocabulary will do.
"""

import argparse
import io
import itertools
import json
import os
import struct
import sys
from pathlib import Path

import numpy as np

SIZES = {"F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "U8": 1}


class Shapes(dict):
    """name -> (shape, fill), fill being a standard deviation, 'one', or 'pass': a convolution that changes nothing."""

    def linear(self, name, out, inp, bias=True, std=None):
        self[name + ".weight"] = ((out, inp), std or 0.5 / inp**0.5)
        if bias:
            self[name + ".bias"] = ((out,), 0.01)

    def conv(self, name, out, inp, *kernel):
        fan = inp * int(np.prod(kernel))
        self[name + ".weight"] = ((out, inp, *kernel), 0.7 / fan**0.5)
        self[name + ".bias"] = ((out,), 0.01)

    def ones(self, name, *shape):
        self[name] = (shape, "one")


def wan_dit(dim=128, ffn=256, layers=2, in_dim=36, out_dim=16, clip_image=False, text=4096):
    """Wan transformer.  in_dim 36 without clip_image is a Wan 2.2 I2V expert; 36 with it a
    Wan 2.1 I2V model; 16 without it a T2V model."""
    if dim % 128:
        raise ValueError("dim must be a multiple of 128")
    s = Shapes()
    s.conv("patch_embedding", dim, in_dim, 1, 2, 2)
    s.linear("text_embedding.0", dim, text)
    s.linear("text_embedding.2", dim, dim)
    s.linear("time_embedding.0", dim, 256)
    s.linear("time_embedding.2", dim, dim)
    s.linear("time_projection.1", dim * 6, dim)
    for i in range(layers):
        b = f"blocks.{i}."
        for attn in ("self_attn", "cross_attn"):
            for p in "qkvo":
                s.linear(f"{b}{attn}.{p}", dim, dim)
            s.ones(f"{b}{attn}.norm_q.weight", dim)
            s.ones(f"{b}{attn}.norm_k.weight", dim)
        if clip_image:
            s.linear(f"{b}cross_attn.k_img", dim, dim)
            s.linear(f"{b}cross_attn.v_img", dim, dim)
            s.ones(f"{b}cross_attn.norm_k_img.weight", dim)
        s.ones(f"{b}norm3.weight", dim)
        s[f"{b}norm3.bias"] = ((dim,), 0.01)
        s.linear(f"{b}ffn.0", ffn, dim)
        s.linear(f"{b}ffn.2", dim, ffn)
        s[f"{b}modulation"] = ((1, 6, dim), 0.1)
    s.linear("head.head", out_dim * 4, dim)
    s["head.modulation"] = ((1, 2, dim), 0.1)
    if clip_image:
        s.ones("img_emb.proj.0.weight", 1280)
        s["img_emb.proj.0.bias"] = ((1280,), 0.01)
        s.linear("img_emb.proj.1", 1280, 1280)
        s.linear("img_emb.proj.3", dim, 1280)
        s.ones("img_emb.proj.4.weight", dim)
        s["img_emb.proj.4.bias"] = ((dim,), 0.01)
    return s


def scail_dit(version=1, dim=128, ffn=256, layers=2):
    """SCAIL is a Wan 2.1 I2V transformer with 20 input channels and a second patch
    embedding for the pose latent; SCAIL-2 adds one for the 28-channel identity mask."""
    s = wan_dit(dim, ffn, layers, in_dim=20, clip_image=True)
    s.conv("patch_embedding_pose", dim, 20, 1, 2, 2)
    if version == 2:
        s.conv("patch_embedding_mask", dim, 28, 1, 2, 2)
    return s


def uni3c(model_dim=128, dim=192, ffn=256, layers=2, mid=32):
    """Uni3C control network; its residuals must have the width of the Wan model it serves.
    16 heads are fixed, so dim must be a multiple of 16 with dim / 16 >= 12 and even."""
    s = Shapes()
    s.conv("controlnet_patch_embedding", model_dim, 36, 1, 2, 2)
    s.conv("controlnet_mask_embedding.mask_proj.0", mid, 7, 4, 8, 8)
    s.ones("controlnet_mask_embedding.mask_proj.1.weight", mid)
    s["controlnet_mask_embedding.mask_proj.1.bias"] = ((mid,), 0.01)
    s.conv("controlnet_mask_embedding.mask_zero_proj", model_dim, mid, 1, 2, 2)
    if dim != model_dim:
        s.linear("proj_in", dim, model_dim)
    for i in range(layers):
        b = f"controlnet_blocks.{i}."
        for n in ("norm1", "norm2"):
            s.linear(f"{b}{n}.linear", dim * 3, model_dim)
            s.ones(f"{b}{n}.norm.weight", dim)
            s[f"{b}{n}.norm.bias"] = ((dim,), 0.01)
        for p in ("to_q", "to_k", "to_v", "to_out.0"):
            s.linear(f"{b}self_attn.{p}", dim, dim)
        s.ones(f"{b}self_attn.norm_q.weight", dim)
        s.ones(f"{b}self_attn.norm_k.weight", dim)
        s.linear(f"{b}ffn.0", ffn, dim)
        s.linear(f"{b}ffn.2", dim, ffn)
        s.linear(f"proj_out.{i}", model_dim, dim)
    return s


def wan_vae(dim=8, z=16, mult=(1, 2, 4, 4), blocks=2, temporal=(False, True, True)):
    """Wan 2.1 video VAE (also used by Wan 2.2 14B)."""
    s = Shapes()

    def residual(name, i, o):
        s.ones(f"{name}.residual.0.gamma", i, 1, 1, 1)
        s.conv(f"{name}.residual.2", o, i, 3, 3, 3)
        s.ones(f"{name}.residual.3.gamma", o, 1, 1, 1)
        s.conv(f"{name}.residual.6", o, o, 3, 3, 3)
        if i != o:
            s.conv(f"{name}.shortcut", o, i, 1, 1, 1)

    def middle(name, d):
        residual(f"{name}.0", d, d)
        s.ones(f"{name}.1.norm.gamma", d, 1, 1)
        s.conv(f"{name}.1.to_qkv", d * 3, d, 1, 1)
        s.conv(f"{name}.1.proj", d, d, 1, 1)
        residual(f"{name}.2", d, d)

    dims = [dim * m for m in (1, *mult)]
    s.conv("encoder.conv1", dims[0], 3, 3, 3, 3)
    n = 0
    for stage, (i, o) in enumerate(itertools.pairwise(dims)):
        for _ in range(blocks):
            residual(f"encoder.downsamples.{n}", i, o)
            i, n = o, n + 1
        if stage < len(mult) - 1:
            s.conv(f"encoder.downsamples.{n}.resample.1", o, o, 3, 3)
            if temporal[stage]:
                s.conv(f"encoder.downsamples.{n}.time_conv", o, o, 3, 1, 1)
            n += 1
    middle("encoder.middle", o)
    s.ones("encoder.head.0.gamma", o, 1, 1, 1)
    s.conv("encoder.head.2", z * 2, o, 3, 3, 3)
    s.conv("conv1", z * 2, z * 2, 1, 1, 1)
    s.conv("conv2", z, z, 1, 1, 1)

    dims = [dim * m for m in (mult[-1], *mult[::-1])]
    s.conv("decoder.conv1", dims[0], z, 3, 3, 3)
    middle("decoder.middle", dims[0])
    n = 0
    for stage, (i, o) in enumerate(itertools.pairwise(dims)):
        if stage:
            i //= 2
        for _ in range(blocks + 1):
            residual(f"decoder.upsamples.{n}", i, o)
            i, n = o, n + 1
        if stage < len(mult) - 1:
            s.conv(f"decoder.upsamples.{n}.resample.1", o // 2, o, 3, 3)
            if temporal[::-1][stage]:
                s.conv(f"decoder.upsamples.{n}.time_conv", o * 2, o, 3, 1, 1)
            n += 1
    s.ones("decoder.head.0.gamma", o, 1, 1, 1)
    s.conv("decoder.head.2", 3, o, 3, 3, 3)
    return s


def umt5(layers, heads, d_kv, d_ff, vocab, width=4096):
    """UMT5 encoder: every layer has its own relative position table."""
    s = Shapes()
    inner = heads * d_kv
    s["shared.weight"] = ((vocab, width), 1.0)
    for i in range(layers):
        b = f"encoder.block.{i}.layer."
        for p in "qkv":
            s.linear(f"{b}0.SelfAttention.{p}", inner, width, bias=False)
        s.linear(f"{b}0.SelfAttention.o", width, inner, bias=False)
        s[f"{b}0.SelfAttention.relative_attention_bias.weight"] = ((32, heads), 0.1)
        s.ones(f"{b}0.layer_norm.weight", width)
        s.linear(f"{b}1.DenseReluDense.wi_0", d_ff, width, bias=False)
        s.linear(f"{b}1.DenseReluDense.wi_1", d_ff, width, bias=False)
        s.linear(f"{b}1.DenseReluDense.wo", width, d_ff, bias=False)
        s.ones(f"{b}1.layer_norm.weight", width)
    s.ones("encoder.final_layer_norm.weight", width)
    return s


def clip_vision_h(hidden=1280, layers=32, mlp=5120):
    """CLIP ViT-H image tower.  As with UMT5 ComfyUI reads no size from the file."""
    s = Shapes()
    s["vision_model.embeddings.class_embedding"] = ((hidden,), 0.02)
    s["vision_model.embeddings.patch_embedding.weight"] = ((hidden, 3, 14, 14), 0.02)
    s["vision_model.embeddings.position_embedding.weight"] = ((257, hidden), 0.02)
    for n in ("pre_layrnorm", "post_layernorm"):
        s.ones(f"vision_model.{n}.weight", hidden)
        s[f"vision_model.{n}.bias"] = ((hidden,), 0.0)
    for i in range(layers):
        b = f"vision_model.encoder.layers.{i}."
        for p in "qkv":
            s.linear(f"{b}self_attn.{p}_proj", hidden, hidden)
        s.linear(f"{b}self_attn.out_proj", hidden, hidden)
        s.linear(f"{b}mlp.fc1", mlp, hidden)
        s.linear(f"{b}mlp.fc2", hidden, mlp)
        for n in ("layer_norm1", "layer_norm2"):
            s.ones(f"{b}{n}.weight", hidden)
            s[f"{b}{n}.bias"] = ((hidden,), 0.0)
    s.linear("visual_projection", 1024, hidden, bias=False)
    return s


def upscaler(width=8, growth=32, blocks=1):
    """Real-ESRGAN x4 that repeats each pixel: three channels pass, the dense blocks add nothing."""
    s = Shapes()

    def conv(name, out, inp, std):
        s[name + ".weight"] = ((out, inp, 3, 3), std)
        s[name + ".bias"] = ((out,), 0.0)

    conv("conv_first", width, 3, "pass")
    for i in range(blocks):
        for j in (1, 2, 3):
            for k in range(5):
                conv(f"body.{i}.rdb{j}.conv{k + 1}", growth if k < 4 else width, width + growth * k, 0.0)
    conv("conv_body", width, width, 0.0)
    for name in ("conv_up1", "conv_up2", "conv_hr"):
        conv(name, width, width, "pass")
    conv("conv_last", 3, width, "pass")
    return s


def rife(head=4, width=8):
    """RIFE 4.2x that sees no motion: a frame between two others is their mean."""
    s = Shapes()
    for name, shape in (
        ("cnn0", (16, 3, 3, 3)),
        ("cnn1", (16, 16, 3, 3)),
        ("cnn2", (16, 16, 3, 3)),
        ("cnn3", (16, head, 4, 4)),
    ):
        s[f"encode.{name}.weight"] = (shape, 0.1)
        s[f"encode.{name}.bias"] = ((head if name == "cnn3" else 16,), 0.0)
    for i in range(5):
        b = f"block{i}."
        s.conv(f"{b}conv0.0.0", width // 2, 2 * head + (20 if i else 7), 3, 3)
        s.conv(f"{b}conv0.1.0", width, width // 2, 3, 3)
        for k in range(8):
            s.conv(f"{b}convblock.{k}.conv", width, width, 3, 3)
            s.ones(f"{b}convblock.{k}.beta", 1, width, 1, 1)
        s[f"{b}lastconv.0.weight"] = ((width, 52, 4, 4), 0.0)
        s[f"{b}lastconv.0.bias"] = ((52,), 0.0)
    return s


def wan_lora(dim=128, ffn=256, layers=2, rank=4):
    """A low-rank adapter for wan_dit, in the key style of the 4-step distillation files."""
    s = Shapes()
    for i in range(layers):
        for name, out, inp in [(f"{a}.{p}", dim, dim) for a in ("self_attn", "cross_attn") for p in "qkvo"] + [
            ("ffn.0", ffn, dim),
            ("ffn.2", dim, ffn),
        ]:
            key = f"diffusion_model.blocks.{i}.{name}"
            s[key + ".lora_down.weight"] = ((rank, inp), 0.1)
            s[key + ".lora_up.weight"] = ((out, rank), 0.1)
            s[key + ".alpha"] = ((), "one")
    return s


def tokenizer_model(vocab=128):
    """A sentencepiece model trained on a few made-up lines: pad 0, end 1, unknown 2."""
    import sentencepiece

    letters = "abcdefghijklmnopqrstuvwxyz"
    lines = [a + b + c + " " + c + a for a in letters for b in letters for c in "aeiou"]
    lines += [
        "a slow camera move over a quiet lake at dawn, mist, soft light",
        "blurry, low quality, static, watermark",
    ] * 20
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=out,
        vocab_size=vocab,
        model_type="bpe",
        character_coverage=1.0,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        byte_fallback=False,
        minloglevel=2,
        hard_vocab_limit=False,
    )
    return out.getvalue()


def fill(rng, shape, std, dtype):
    if std == "one":
        a = np.ones(shape, np.float32)
    elif std == "pass":
        a = np.zeros(shape, np.float32)
        for i in range(min(3, shape[0], shape[1])):
            a[i, i, shape[2] // 2, shape[3] // 2] = 1
    else:
        a = rng.standard_normal(shape).astype(np.float32) * std
    return a.astype({"F32": np.float32, "F16": np.float16}[dtype]).tobytes()


def write(path, shapes, dtype="F16", seed=0, extra=None, metadata=None):
    """Write a safetensors file.  extra: name -> (dtype, shape, bytes)."""
    rng = np.random.default_rng(seed)
    header, blobs, at = ({"__metadata__": metadata} if metadata else {}), [], 0
    for name, (shape, std) in shapes.items():
        blobs.append(fill(rng, shape, std, dtype))
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(blobs[-1])]}
        at += len(blobs[-1])
    for name, (dt, shape, data) in (extra or {}).items():
        header[name] = {"dtype": dt, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        blobs.append(data)
        at += len(data)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        f.writelines(blobs)
    return path


def write_sparse(path, shapes, dtype, seed=0, rows=None, extra=None):
    """Write a file of the true shapes whose tensors are holes (zeros that take no disk),
    but for the norms (ones), the first rows of the named tensors, and extra."""
    rng = np.random.default_rng(seed)
    size, header, at = SIZES[dtype], {}, 0
    for name, (shape, _) in shapes.items():
        n = int(np.prod(shape)) * size
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + n]}
        at += n
    for name, (dt, shape, data) in (extra or {}).items():
        header[name] = {"dtype": dt, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    # one and +-0.5 .. +-1.75 in e4m3 and in float16, byte for byte
    one = {"F8_E4M3": b"\x38", "F16": b"\x00\x3c"}[dtype]
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        base = f.tell()
        f.truncate(base + at)
        for name, (shape, std) in shapes.items():
            start = base + header[name]["data_offsets"][0]
            if std == "one":
                f.seek(start)
                f.write(one * int(np.prod(shape)))
            elif rows and name in rows:
                n = rows[name] * shape[1]
                f.seek(start)
                if dtype == "F8_E4M3":
                    f.write(
                        (
                            rng.integers(0x28, 0x40, n).astype(np.uint8) | (rng.integers(0, 2, n).astype(np.uint8) << 7)
                        ).tobytes()
                    )
                else:
                    f.write(rng.standard_normal(n).astype(np.float16).tobytes())
        for name, (_, _, data) in (extra or {}).items():
            f.seek(base + header[name]["data_offsets"][0])
            f.write(data)
    return path


LORAS = (
    *(f"wan2.2_{kind}_4steps_{noise}_noise" for kind in ("i2v", "t2v") for noise in ("high", "low")),
    *("style_high_noise", "style_low_noise", "scail_2_dpo", "wan2.1_i2v_4steps"),
)
TINY_T5 = {"layers": 2, "heads": 2, "d_kv": 64, "d_ff": 64}

TINY_VISION = {"num_hidden_layers": 2, "intermediate_size": 64}

SHIM = '''"""Test shim: lets ComfyUI load the two-layer UMT5 and CLIP vision of tiny_wan.py (never for real use)."""
import json

import comfy.clip_vision
import comfy.sd
import comfy.sd1_clip
import comfy.text_encoders.t5
import comfy.text_encoders.wan

CONFIG = {config}
VISION = {vision}


class TinyUMT5(comfy.sd1_clip.SDClipModel):
    def __init__(self, device="cpu", layer="last", layer_idx=None, dtype=None, model_options={{}}):
        super().__init__(device=device, layer=layer, layer_idx=layer_idx, textmodel_json_config=dict(CONFIG), dtype=dtype,
                         special_tokens={{"end": 1, "pad": 0}}, model_class=comfy.text_encoders.t5.T5,
                         enable_attention_masks=True, zero_out_masked=True, model_options=model_options)


class TinyWan(comfy.sd1_clip.SD1ClipModel):
    def __init__(self, device="cpu", dtype=None, model_options={{}}, **kwargs):
        super().__init__(device=device, dtype=dtype, model_options=model_options, name="umt5xxl", clip_model=TinyUMT5, **kwargs)


def detect_tiny(state_dict, _detect=comfy.sd.detect_te_model):
    key = state_dict.get("encoder.block.0.layer.0.SelfAttention.k.weight")
    if key is not None and tuple(key.shape) == (128, 4096):
        return comfy.sd.TEModel.T5_XXL
    return _detect(state_dict)


class TinyVision(comfy.clip_vision.ClipVisionModel):
    def __init__(self, json_config):
        with open(json_config) as file:
            super().__init__({{**json.load(file), **VISION}})


comfy.clip_vision.ClipVisionModel = TinyVision
comfy.sd.detect_te_model = detect_tiny
comfy.text_encoders.wan.te = lambda **kwargs: TinyWan
NODE_CLASS_MAPPINGS = {{}}
'''


def shim_source(vocab):
    t = TINY_T5
    config = {
        "d_ff": t["d_ff"],
        "d_kv": t["d_kv"],
        "d_model": 4096,
        "dense_act_fn": "gelu_pytorch_tanh",
        "is_gated_act": True,
        "model_type": "umt5",
        "num_heads": t["heads"],
        "num_layers": t["layers"],
        "vocab_size": vocab,
    }
    return SHIM.format(config=json.dumps(config).replace("true", "True"), vision=json.dumps(TINY_VISION))


def generate(models, text="tiny", extras=(), seed=7, shim=None):
    """Write the files under a models folder and return {role: path}."""
    models = Path(models)
    out = {
        "high": write(models / "diffusion_models/tiny_wan2.2_i2v_high_noise.safetensors", wan_dit(), seed=seed),
        "low": write(models / "diffusion_models/tiny_wan2.2_i2v_low_noise.safetensors", wan_dit(), seed=seed + 1),
        "vae": write(models / "vae/tiny_wan_2.1_vae.safetensors", wan_vae(), seed=seed + 2),
    }
    if text != "none":
        spm = tokenizer_model()
        spiece = {"spiece_model": ("U8", (len(spm),), spm)}
        vocab = 256
        if text == "tiny":
            # the loader recognises T5-XXL by this key, so it is there though no such block is
            probe = np.zeros((1, 4096), np.float16).tobytes()
            spiece["encoder.block.23.layer.1.DenseReluDense.wi_1.weight"] = ("F16", (1, 4096), probe)
            out["text"] = write(
                models / "text_encoders/tiny_umt5.safetensors",
                umt5(vocab=vocab, **TINY_T5),
                seed=seed + 3,
                extra=spiece,
            )
            if shim:
                folder = Path(shim) / "tiny_umt5_shim"
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "__init__.py").write_text(shim_source(vocab))
                out["shim"] = folder
        else:
            out["text"] = write_sparse(
                models / "text_encoders/sparse_umt5_xxl_fp8.safetensors",
                umt5(24, 64, 64, 10240, 256384),
                "F8_E4M3",
                seed=seed + 3,
                rows={"shared.weight": vocab},
                extra=spiece,
            )
    if "uni3c" in extras:
        out["uni3c"] = write(models / "controlnet/tiny_uni3c.safetensors", uni3c(), seed=seed + 4)
        out["uni3c_patch"] = write(models / "model_patches/tiny_uni3c.safetensors", uni3c(), seed=seed + 4)
    if "scail" in extras:
        out["scail"] = write(models / "diffusion_models/tiny_scail_preview.safetensors", scail_dit(1), seed=seed + 5)
        out["scail2"] = write(models / "diffusion_models/tiny_scail_2.safetensors", scail_dit(2), seed=seed + 6)
    if "lora" in extras:
        for i, name in enumerate(LORAS):
            out["lora_" + name] = write(models / f"loras/tiny_{name}.safetensors", wan_lora(), seed=seed + 9 + i)
    if "t2v" in extras:
        for i, name in enumerate(("high", "low")):
            path = models / f"diffusion_models/tiny_wan2.2_t2v_{name}_noise.safetensors"
            out["t2v_" + name] = write(path, wan_dit(in_dim=16), seed=seed + 20 + i)
    if "clip-vision" in extras and shim:
        # as with UMT5: the loader recognises ViT-H by this key
        probe = {"vision_model.encoder.layers.30.layer_norm1.weight": ("F16", (1,), np.ones(1, np.float16).tobytes())}
        shapes = clip_vision_h(layers=TINY_VISION["num_hidden_layers"], mlp=TINY_VISION["intermediate_size"])
        path = models / "clip_vision/tiny_clip_vision_h.safetensors"
        out["clip_vision"] = write(path, shapes, seed=seed + 8, extra=probe)
    elif "clip-vision" in extras:
        out["clip_vision"] = write_sparse(
            models / "clip_vision/sparse_clip_vision_h.safetensors", clip_vision_h(), "F16", seed=seed + 8
        )
    if "enlarge" in extras:
        out["upscaler"] = write(models / "upscale_models/tiny_real_esrgan_x4.safetensors", upscaler(), seed=seed + 22)
        out["rife"] = write(models / "frame_interpolation/tiny_rife.safetensors", rife(), seed=seed + 23)
    return out


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("models", help="ComfyUI models folder to write into")
    p.add_argument("--text", choices=["tiny", "full", "none"], default="tiny")
    p.add_argument(
        "--with", dest="extras", default="", help="comma separated: lora, t2v, uni3c, scail, clip-vision, enlarge"
    )
    p.add_argument("--shim", help="custom_nodes folder to write the shim for '--text tiny' into")
    p.add_argument("--seed", type=int, default=7)
    a = p.parse_args(argv)
    for role, path in generate(a.models, a.text, a.extras.split(","), a.seed, a.shim).items():
        st = os.stat(path)
        print(f"{role:12} {st.st_size:>13,} bytes, {st.st_blocks * 512:>11,} on disk  {path}")


if __name__ == "__main__":
    sys.exit(main())
