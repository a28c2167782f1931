"""Which ComfyUI a local worker runs."""

from pydantic import Field

from videogen.document import Schema


class ComfyuiSource(Schema):
    """A ComfyUI of this machine instead of the stand-in; empty where nothing is said. Only the local cloud can."""

    folder: str = ""
    python: str = ""
    custom_nodes: str = Field("", alias="customNodes")
    arguments: str = ""
