"""A small real stand-in for ComfyUI: same protocol, same refusals, real videos, no model."""
