"""A character: what makes all videos of one person or thing look alike, as a preset for batches.

`characters/<name>.yaml` is this schema. Its paths are relative to the file.
"""

from typing import Annotated, Literal

from pydantic import Field

from videogen.definition import Value
from videogen.document import NAME, Schema
from videogen.workflow import Workflow


class Uni3c(Schema):
    """How Uni3C holds the structure of this character."""

    strength: Annotated[float, Field(ge=0, le=10)] | None = None
    """The workflows' parameter `uni3c_strength`."""
    start: Annotated[float, Field(ge=0, le=1)] | None = None
    """`uni3c_start`: the share of the steps at which it begins."""
    end: Annotated[float, Field(ge=0, le=1)] | None = None
    """`uni3c_end`."""


class Lora(Schema):
    """The character's style."""

    models: Annotated[dict[str, str], Field(min_length=1)]
    """Optional slot of the workflows → the manifest's entry."""
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The workflows' parameter `lora_strength`."""


class Character(Schema):
    """What a character's file says."""

    version: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=NAME)]
    about: str = ""
    images: Annotated[dict[str, str], Field(min_length=1)]
    """Parameter of the workflows → the reference image that it takes."""
    prompt: str | None = None
    negative: str | None = None
    uni3c: Uni3c = Uni3c()
    lora: Lora | None = None
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] | None = None
    """Each makes a job, where the batch names no seed."""

    @property
    def values(self) -> dict[str, Value]:
        """Every parameter that the file speaks of, with its value."""
        said: dict[str, Value | None] = {
            **self.images,
            "prompt": self.prompt,
            "negative": self.negative,
            "uni3c_strength": self.uni3c.strength,
            "uni3c_start": self.uni3c.start,
            "uni3c_end": self.uni3c.end,
            "lora_strength": self.lora.strength if self.lora else None,
        }
        return {name: value for name, value in said.items() if value is not None}

    def place(self, parameter: str) -> tuple[str, ...]:
        """Where in the file a parameter's value stands."""
        if parameter in self.images:
            return "images", parameter
        part, _, key = parameter.partition("_")
        return (part, key) if key else (part,)

    def values_for(self, workflow: Workflow) -> dict[str, Value]:
        """What of it the workflow has parameters for."""
        return {name: value for name, value in self.values.items() if name in workflow.parameter_names}

    def unused(self, workflow: Workflow) -> list[str]:
        """What the file says and the workflow has no parameter or slot for."""
        loras = [slot for slot in (self.lora.models if self.lora else {}) if slot not in workflow.slots]
        return [name for name in self.values if name not in workflow.parameter_names] + loras
