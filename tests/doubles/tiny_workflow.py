"""A workflow of two nodes, its definition and its manifest."""

GRAPH = {
    "1": {"class_type": "Load", "inputs": {"image": "x", "name": "x"}, "_meta": {"title": "Load"}},
    "2": {"class_type": "Draw", "inputs": {"seed": 0, "steps": 6, "on": ["1", 0]}, "_meta": {"title": "Draw"}},
}
WORKFLOW = """
schema: 1
name: draw
about: draws
parameters:
  - {name: character, about: who, type: image, sets: [{title: Load, input: image}]}
  - {name: seed, about: noise, type: integer, minimum: 0, default: 1, sets: [{title: Draw, input: seed}]}
  - {name: steps, about: steps, type: integer, default: {a: 6, b: 8, c: 8}, sets: [{title: Draw, input: steps}]}
models: [{title: Load, input: name, model: vae}]
outputs: [{title: Draw, kind: video}]
"""
MANIFEST = {
    "schema": 1,
    "models": [
        {"name": "vae", "role": "VAE", "file": "vae/v.safetensors", "comfy_folder": "vae", "size": 1, "sha256": "a" * 64, "source": "bring-your-own", "license": "x"},
        {"name": "bare", "role": "VAE", "file": "vae/w.safetensors", "comfy_folder": "vae", "source": "bring-your-own", "license": "x", "aliases": ["old"]},
    ],
}  # fmt: skip
