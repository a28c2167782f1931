"""The version, where ComfyUI says it, too."""

__version__ = "0.38.1+standin"
