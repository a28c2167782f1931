"""What `workflow.yaml` says of the graph beside it, or of a chain of other workflows: its schema."""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from videogen.document import NAME, Schema, did_you_mean
from videogen.manifest import PhaseName

Value = bool | int | float | str

StageName = Literal["scail", "uni3c", "wan"]
STAGES: tuple[StageName, ...] = get_args(StageName)
"""In their order, which never changes."""


class Target(Schema):
    """One input of one node, by the node's title; in a chain, one parameter of one step."""

    title: str = ""
    input: str = ""
    step: str = ""
    parameter: str = ""

    @model_validator(mode="after")
    def _names_one_thing(self) -> "Target":
        node, step = bool(self.title and self.input), bool(self.step and self.parameter)
        if node == step or (bool(self.title or self.input) and bool(self.step or self.parameter)):
            raise ValueError("names `title` and `input` of a node, or `step` and `parameter` in a chain")
        return self


class Parameter(Schema):
    """Something that a batch may set."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    about: str
    type: Literal["text", "integer", "number", "choice", "image", "video"]
    minimum: float | None = None
    maximum: float | None = None
    multiple_of: int | None = None
    plus: int = 0
    """With `multiple_of`: the value is n × multiple_of + plus (Wan's lengths are 4n + 1)."""
    choices: tuple[str, ...] = ()
    default: Value | dict[PhaseName, Value] | None = None
    sets: tuple[Target, ...] = ()
    """At least one, unless a chain's `repeat` counts by it."""

    @model_validator(mode="after")
    def _fits(self) -> "Parameter":
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("`choices` belongs to type `choice`, which needs it")
        return self

    @property
    def is_file(self) -> bool:
        """The value is a path of an input file."""
        return self.type in ("image", "video")

    def default_for(self, phase: PhaseName) -> Value | None:
        """The value where a batch says nothing; nothing means that the batch must say it."""
        return self.default.get(phase) if isinstance(self.default, dict) else self.default

    def wrong_defaults(self) -> Iterator[tuple[str, str | None]]:
        """What is wrong with the default of any phase, as `fault` says it."""
        for value in self.default.values() if isinstance(self.default, dict) else [self.default]:
            if value is not None and (wrong := self.fault(value)):
                yield wrong

    def at_least(self, value: int) -> int:
        """The smallest allowed whole number that is not below `value`."""
        value = max(value, int(self.minimum or value))
        step = self.multiple_of or 1
        return value + (self.plus - value) % step

    def fault(self, value: object) -> tuple[str, str | None] | None:
        """What is wrong with a value, and a hint; nothing when it may be used."""
        if self.type in ("text", "image", "video"):
            return None if isinstance(value, str) else (f"should be text, got {value!r}", None)
        if self.type == "choice":
            return None if value in self.choices else (f"{value!r} is not a choice", did_you_mean(value, self.choices))
        if isinstance(value, bool) or not isinstance(value, int if self.type == "integer" else int | float):
            return f"should be {'an' if self.type == 'integer' else 'a'} {self.type}, got {value!r}", None
        assert isinstance(value, int | float)
        if self.minimum is not None and value < self.minimum:
            return f"{value:g} is below {self.minimum:g}", f"nearest: {self.minimum:g}"
        if self.maximum is not None and value > self.maximum:
            return f"{value:g} is above {self.maximum:g}", f"nearest: {self.maximum:.20g}"
        if self.multiple_of and (value - self.plus) % self.multiple_of:
            plus = f" plus {self.plus}" if self.plus else ""
            nearest = round((value - self.plus) / self.multiple_of) * self.multiple_of + self.plus
            return f"{value:g} is not a multiple of {self.multiple_of}{plus}", f"nearest: {nearest}"
        return None


class ModelSlot(Schema):
    """Where the graph loads a model: which input of which node takes the file of which manifest entry."""

    title: str
    input: str
    model: str
    """The slot's name: a batch or a character may put another entry into it."""
    optional: bool = False
    """Without a model the job is valid, too: the node is taken out of the graph and its links are bridged."""
    strength: str | None = None
    """With `optional`: the parameter whose value 0 takes the node out as well."""
    bridges: tuple[str, ...] = ()
    """With `optional`: the node's linked inputs in the order of its outputs.  [default: as they stand in the graph]"""


class Stage(Schema):
    """One stage of the chain and the node that carries it."""

    stage: StageName
    title: str


class Rule(Schema):
    """A parameter whose value is less than another's."""

    less: str
    than: str
    why: str


class Output(Schema):
    """A node whose files are the job's outputs."""

    title: str
    kind: Literal["video", "image"]


class Join(Schema):
    """A link that exists only where a segment goes on from the one before."""

    title: str
    input: str
    source: Annotated[str, Field(alias="from")]
    """The title of the node that feeds it."""
    output: Annotated[int, Field(ge=0)] = 0


class SegmentRule(Schema):
    """How a long video is drawn with this workflow, piece by piece, each from the last frames of the one before."""

    length: str = "length"
    """The parameter with the frames of a segment."""
    overlap: Annotated[int, Field(ge=1)]
    """Frames that a segment has in common with the one before."""
    previous: str
    """The parameter, a video, that takes the segment before. Only a segment that goes on needs it."""
    joins: Annotated[tuple[Join, ...], Field(min_length=1)]
    """What the graph links only where a segment goes on; else the nodes that feed these links are taken out."""
    start: str | None = None
    """The parameter that is told at which frame of the whole video the segment begins, from 0."""
    tail: str | None = None
    """The parameter that is told at which frame of the segment before the common ones begin."""
    colour_match: bool = True
    """Whether `stitch` draws each segment's colours to those of the frames before it."""


class Factor(Schema):
    """A value in proportion to what it was; rounded to what the parameter allows."""

    times: Annotated[float, Field(gt=0)]


class Rung(Schema):
    """One step of the shrink ladder: what is tried when memory ended."""

    rung: Annotated[str, Field(pattern=NAME)]
    why: str
    values: Annotated[dict[str, Value | Factor], Field(alias="set")] = {}
    """Parameter → its value on this rung, or a factor on the one that the job asked for."""
    flags: tuple[str, ...] = ()
    """ComfyUI's flags that the rung needs."""


class Repeat(Schema):
    """A step that is done once a segment."""

    over: Literal["segments"]
    frames: str | None = None
    """The chain's parameter with the frames of the whole video; not for a step that follows a repeated one."""
    previous: bool = False
    """Each job is fed by the one before."""


class ChainStep(Schema):
    """One step of a chain: jobs for ComfyUI, or a post step that is done on the machine that submits."""

    step: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    workflow: str | None = None
    """A folder of workflows/."""
    post: Literal["stitch", "vr180"] | None = None
    feeds: dict[str, str] = {}
    """Parameter of this step → the earlier step whose video it takes."""
    repeat: Repeat | None = None
    values: Annotated[dict[str, Value], Field(alias="set")] = {}
    """Values of this step's parameters, over its defaults and under what the batch says."""

    @model_validator(mode="after")
    def _does_one_thing(self) -> "ChainStep":
        if bool(self.workflow) == bool(self.post):
            raise ValueError("a step is either a `workflow` or a `post`")
        return self


class Definition(Schema):
    """What `workflow.yaml` says: of a graph beside it, or of a chain of other workflows."""

    version: Literal[1] = Field(alias="schema")
    name: Annotated[str, Field(pattern=NAME)]
    about: str
    parameters: tuple[Parameter, ...]
    models: tuple[ModelSlot, ...] = ()
    order: tuple[Stage, ...] = ()
    rules: tuple[Rule, ...] = ()
    """Between parameters of one job."""
    outputs: tuple[Output, ...] = ()
    """At least one, unless it is a chain."""
    segments: SegmentRule | None = None
    ladder: tuple[Rung, ...] = ()
    """From the least loss to the greatest."""
    chain: tuple[ChainStep, ...] = ()
    """The steps, in order; each takes what earlier ones made. The last one's video is the result."""
    stall_minutes: Annotated[float, Field(gt=0)] = 10
    """How long ComfyUI may be silent within one job before the job counts as stalled."""
