"""Names the flags that depend on ComfyUI's version, as the worker looks for them; the stand-in takes them all."""

FLAGS = ("--offline", "--database-url")
