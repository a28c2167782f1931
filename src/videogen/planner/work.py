"""What a graph asks of a GPU: passes of diffusion models over so many tokens, frames through the VAE and afterwards.

Read from the bound graph itself, so that an imported workflow is planned like ours. Sizes are followed along the links
from the node that names them; a node class that is not known here is named in `unknown` and counts as no work.

Tokens: Wan's VAE makes one latent of 8×8 pixels and four frames, the model one token of 2×2 latents (`token_count`).
SCAIL's pose video enters at half size, a quarter of the tokens more, and its reference image as one latent frame more
(ComfyUI 0.38, `WanSCAILToVideo`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

from videogen.graph import Graph, Prompt, title

_Found = TypeVar("_Found")

LATENT_SOURCES = frozenset({"WanImageToVideo", "WanSCAILToVideo", "EmptyHunyuanLatentVideo"})
"""Node classes that name width, height and length of what is sampled."""
SAMPLERS = frozenset({"KSampler", "KSamplerAdvanced"})
LOADERS = {"UNETLoader": "unet_name", "CheckpointLoaderSimple": "ckpt_name"}
MODEL_PATCHES = frozenset({"LoraLoaderModelOnly", "ModelSamplingSD3", "WanUni3CControlnetApply"})
"""Node classes that hand a model on."""

FrameWork = Literal[
    "encode", "decode", "upscale", "upscale, compact", "resize", "track", "interpolate", "video", "stitch", "vr180"
]

_KINDS: Mapping[str, FrameWork] = {
    "VAEDecode": "decode",
    "VAEDecodeTiled": "decode",
    "VAEEncode": "encode",
    "ImageUpscaleWithModel": "upscale",
    "FrameInterpolate": "interpolate",
    "SaveVideo": "video",
    "SAM3_VideoTrack": "track",
}
_SHAPED = frozenset({"ImageScale", "ImageFromBatch", "GetVideoComponents", "LoadImage", "LoadVideo", "CreateVideo"})
"""Node classes that change or name the shape of frames; of these only a scaling by Lanczos costs something."""
_FREE = frozenset(
    {"CLIPTextEncode", "CLIPLoader", "VAELoader", "CLIPVisionLoader", "CLIPVisionEncode", "ModelPatchLoader"}
    | {"UpscaleModelLoader", "FrameInterpolationModelLoader", "ImageConcat", "ImageStitch", "ColorTransfer"}
    | {"SCAIL2ColoredMask"}
)
_COMPACT = ("compact", "general", "animevideo", "srvgg")
"""Words in the names of upscaling models that are compact networks, thirty times as quick as the others."""
_FRAME_INPUTS = frozenset({"start_image", "pose_video", "reference_image"})


@dataclass(frozen=True)
class Frames:
    """The shape of a row of images."""

    width: int
    height: int
    count: int

    @property
    def megapixels(self) -> float:
        """All frames together."""
        return self.width * self.height * self.count / 1e6


@dataclass(frozen=True)
class Clip:
    """A video: its frames, and how many are shown a second."""

    frames: Frames
    fps: float

    @property
    def seconds(self) -> float:
        """How long it runs."""
        return self.frames.count / self.fps


@dataclass(frozen=True)
class Sampling:
    """One sampler node: `steps` × `passes` forward passes of one model over `tokens`."""

    title: str
    model: str
    """File of the diffusion model."""
    weight_dtype: str
    """How its weights are asked for; `default`: as they are in the file."""
    frames: Frames
    tokens: int
    steps: int
    passes: int
    """A step: 2 where cfg is not 1, since the negative prompt then needs a pass of its own."""
    patches: tuple[str, ...]
    """Files that are held beside the model: LoRAs, control networks."""


@dataclass(frozen=True)
class Passage:
    """Frames that go through the VAE, an upscaler, an interpolation or the video encoder."""

    title: str
    kind: FrameWork
    frames: Frames


@dataclass(frozen=True)
class Work:
    """Everything that one prompt asks for, in the order of the graph."""

    samplings: tuple[Sampling, ...] = ()
    passages: tuple[Passage, ...] = ()
    unknown: tuple[str, ...] = ()
    """Titles of nodes whose work or shape is not known here."""
    models: tuple[str, ...] = field(default=())
    """Every file that the graph loads."""
    clip: Clip | None = None
    """The video that comes out, where the graph says its shape."""

    @property
    def shape(self) -> Frames | None:
        """The most that is on the GPU at once: what is sampled, else what passes through."""
        if self.samplings:
            return max(self.samplings, key=lambda one: one.tokens).frames
        return max((one.frames for one in self.passages), key=lambda one: one.megapixels, default=None)

    @property
    def precision(self) -> str:
        """Of the weights that sample: as they are asked for, else as the file's name says; `default` without any."""
        found = max(self.samplings, key=lambda one: one.tokens, default=None)
        if found is None or found.weight_dtype != "default":
            return found.weight_dtype if found else "default"
        return next((word for word in _PRECISIONS if word in found.model.lower()), "default")

    def document(self) -> str:
        """As JSON, for a ledger."""
        return _WORK.dump_json(self).decode()

    @classmethod
    def of(cls, document: str) -> "Work":
        """What `document` wrote; raises `ValueError` for what another version wrote."""
        return _WORK.validate_json(document)


_PRECISIONS = ("fp8", "fp16", "bf16", "int8", "q8_0", "q6_k", "q5_k", "q4_k", "fp32")
_WORK = TypeAdapter(Work)


def token_count(frames: Frames) -> int:
    """Tokens of a video of these frames."""
    return (frames.width // 16) * (frames.height // 16) * ((frames.count - 1) // 4 + 1)


def work(graph: Graph, inputs: Mapping[str, Clip] | None = None) -> Work:
    """What the graph asks for; its parameters must be bound.

    `inputs` has the shape of video files by the names under which the graph loads them. Of one that it lacks no more
    frames are counted than the longest video has that the graph itself makes.
    """
    return _Reader(graph.prompt, inputs or {}).work()


class _Reader:
    def __init__(self, nodes: Prompt, inputs: Mapping[str, Clip]) -> None:
        self._nodes = nodes
        self._inputs = inputs
        self._unknown: dict[str, None] = {}

    def work(self) -> Work:
        samplings = tuple(self._each(self._samplings, self._of(SAMPLERS)))
        passages = tuple(self._each(self._passages, self._nodes.values()))
        known = LATENT_SOURCES | SAMPLERS | set(LOADERS) | MODEL_PATCHES | _KINDS.keys() | _SHAPED | _FREE
        for node in self._nodes.values():
            if node["class_type"] not in known:
                self._unknown[title(node)] = None
        clip = next(self._each(self._clips, reversed(list(self._of(frozenset({"SaveVideo"}))))), None)
        return Work(samplings, passages, tuple(self._unknown), tuple(self._files()), clip)

    def _each(
        self, read: Callable[[dict[str, Any]], Iterator[_Found]], nodes: Iterable[dict[str, Any]]
    ) -> Iterator[_Found]:
        """What is read from each node; one whose numbers come from other nodes is unknown."""
        for node in nodes:
            try:
                yield from tuple(read(node))
            except (KeyError, TypeError, ValueError, RecursionError):
                self._unknown[title(node)] = None

    def _of(self, classes: frozenset[str]) -> Iterator[dict[str, Any]]:
        return (node for node in self._nodes.values() if node["class_type"] in classes)

    def _samplings(self, node: dict[str, Any]) -> Iterator[Sampling]:
        inputs, frames = node["inputs"], self._latent(node)
        if frames is None:
            self._unknown[title(node)] = None
            return
        steps = int(inputs["steps"])
        if node["class_type"] == "KSamplerAdvanced":
            steps = max(0, min(steps, int(inputs["end_at_step"])) - int(inputs["start_at_step"]))
        model, dtype, patches = self._model(inputs["model"])
        yield Sampling(
            title(node),
            model,
            dtype,
            frames,
            self._tokens(node, frames),
            steps,
            1 if float(inputs["cfg"]) == 1 else 2,
            patches,
        )

    def _tokens(self, sampler: dict[str, Any], frames: Frames) -> int:
        tokens = token_count(frames)
        source = self._node(sampler["inputs"].get("positive"))
        if source is None or source["class_type"] != "WanSCAILToVideo":
            return tokens
        a_frame = (frames.width // 16) * (frames.height // 16)
        pose = tokens // 4 if "pose_video" in source["inputs"] else 0
        return tokens + pose + (a_frame if "reference_image" in source["inputs"] else 0)

    def _model(self, link: object) -> tuple[str, str, tuple[str, ...]]:
        patches: list[str] = []
        for _ in self._nodes:  # a graph may be a circle
            if (node := self._node(link)) is None:
                break
            inputs = node["inputs"]
            if name := LOADERS.get(node["class_type"]):
                return str(inputs[name]), str(inputs.get("weight_dtype", "default")), tuple(patches)
            if "lora_name" in inputs:
                patches.append(str(inputs["lora_name"]))
            if (patch := self._node(inputs.get("model_patch"))) is not None:
                patches.append(str(patch["inputs"].get("name", "")))
            link = inputs.get("model")
        return "", "default", tuple(patches)

    def _latent(self, node: dict[str, Any]) -> Frames | None:
        """The shape of what a sampler samples."""
        source = self._node(node["inputs"].get("latent_image"))
        for _ in self._nodes:
            if source is not None and source["class_type"] in SAMPLERS:
                source = self._node(source["inputs"].get("latent_image"))
        if source is None or source["class_type"] not in LATENT_SOURCES:
            return None
        values = source["inputs"]
        return Frames(int(values["width"]), int(values["height"]), int(values["length"]))

    def _passages(self, node: dict[str, Any]) -> Iterator[Passage]:
        kind, inputs = _KINDS.get(node["class_type"]), node["inputs"]
        if node["class_type"] in LATENT_SOURCES and inputs.keys() & _FRAME_INPUTS:
            frames = Frames(int(inputs["width"]), int(inputs["height"]), int(inputs["length"]))
            yield Passage(title(node), "encode", frames)
        if node["class_type"] == "WanUni3CControlnetApply" and (shape := self._shape(inputs.get("render_video"))):
            yield Passage(title(node), "encode", shape)
        lanczos = node["class_type"] == "ImageScale" and inputs.get("upscale_method") == "lanczos"
        if lanczos and (before := self._shape(inputs.get("image"))) is not None:
            yield Passage(title(node), "resize", before)
        if kind is None:
            return
        shape = self._shape([self._id(node), 0])
        if shape is None:
            self._unknown[title(node)] = None
        elif kind == "upscale":
            before = self._shape(inputs.get("image"))
            compact = any(word in self._upscaler(inputs) for word in _COMPACT)
            yield Passage(title(node), "upscale, compact" if compact else kind, before or shape)
        else:
            yield Passage(title(node), kind, shape)

    def _shape(self, link: object) -> Frames | None:
        """The shape of the images that come out of a link, as far as the graph says it."""
        node = self._node(link)
        if node is None:
            return None
        inputs, kind = node["inputs"], node["class_type"]
        match kind:
            case "VAEDecode" | "VAEDecodeTiled":
                sampler = self._node(inputs.get("samples"))
                if sampler is None:
                    return None
                if sampler["class_type"] in LATENT_SOURCES:
                    values = sampler["inputs"]
                    return Frames(int(values["width"]), int(values["height"]), int(values["length"]))
                return self._latent(sampler) if sampler["class_type"] in SAMPLERS else None
            case "GetVideoComponents":
                return self._shape(inputs.get("video"))
            case "LoadVideo":
                known = self._inputs.get(str(inputs.get("file")))
                return known.frames if known else None
            case "SAM3_VideoTrack":
                return self._shape(inputs.get("images"))
            case "ImageUpscaleWithModel":
                before = self._shape(inputs.get("image"))
                name = self._upscaler(inputs)
                times = 2 if name.startswith("2x") or "x2" in name else 4
                return before and Frames(before.width * times, before.height * times, before.count)
            case "ImageScale":
                before = self._shape(inputs.get("image"))
                count = before.count if before else self._longest()
                return Frames(int(inputs["width"]), int(inputs["height"]), count)
            case "FrameInterpolate":
                before = self._shape(inputs.get("images"))
                times = int(inputs.get("multiplier", 2))
                return before and Frames(before.width, before.height, (before.count - 1) * times + 1)
            case "ImageFromBatch":
                before = self._shape(inputs.get("image"))
                return before and Frames(before.width, before.height, min(before.count, int(inputs["length"])))
            case "VAEEncode":
                return self._shape(inputs.get("pixels"))
            case "CreateVideo":
                return self._shape(inputs.get("images"))
            case "SaveVideo":
                return self._shape(inputs.get("video"))
        return None

    def _upscaler(self, inputs: Mapping[str, Any]) -> str:
        node = self._node(inputs.get("upscale_model"))
        return str(node["inputs"].get("model_name", "")).lower() if node else ""

    def _clips(self, node: dict[str, Any]) -> Iterator[Clip]:
        made, frames = self._node(node["inputs"].get("video")), self._shape(node["inputs"].get("video"))
        if made is not None and frames is not None and (fps := self._fps(made["inputs"].get("fps"))):
            yield Clip(frames, fps)

    def _fps(self, value: object) -> float:
        """A number, or that of a video which is loaded; 0 where nobody says it."""
        if isinstance(value, int | float):
            return float(value)
        loader = self._node(value)
        if loader is not None and loader["class_type"] == "GetVideoComponents":
            loader = self._node(loader["inputs"].get("video"))
        known = self._inputs.get(str(loader["inputs"].get("file"))) if loader else None
        return known.fps if known else 0.0

    def _longest(self) -> int:
        """Frames of an input file, of which the graph says nothing: no more than the longest video made are used."""
        return max((int(node["inputs"]["length"]) for node in self._of(LATENT_SOURCES)), default=1)

    def _files(self) -> Iterator[str]:
        for node in self._nodes.values():
            if node["class_type"].endswith(("Loader", "LoaderSimple", "LoaderModelOnly")):
                names = (value for key, value in node["inputs"].items() if key == "name" or key.endswith("_name"))
                yield from (value for value in names if isinstance(value, str))

    def _node(self, link: object) -> dict[str, Any] | None:
        return self._nodes.get(link[0]) if isinstance(link, list) and link and isinstance(link[0], str) else None

    def _id(self, wanted: dict[str, Any]) -> str:
        return next(node_id for node_id, node in self._nodes.items() if node is wanted)
