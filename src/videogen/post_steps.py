"""The post steps of chains, as workflows without a graph: what each takes, and within which limits."""

from videogen.definition import Definition, Output, Parameter, Target, Value
from videogen.graph import Graph
from videogen.workflow import Workflow

STITCH, VR180 = "stitch", "vr180"


def _parameter(
    post: str,
    name: str,
    about: str,
    kind: str,
    default: Value | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    multiple_of: int | None = None,
    choices: tuple[str, ...] = (),
) -> Parameter:
    return Parameter.model_validate(
        {
            "name": name,
            "about": about,
            "type": kind,
            "default": default,
            "minimum": minimum,
            "maximum": maximum,
            "multiple_of": multiple_of,
            "choices": choices,
            "sets": (Target(step=post, parameter=name),),
        }
    )


def _post(name: str, about: str, *parameters: Parameter) -> Workflow:
    outputs = (Output(title=name, kind="video"),)
    known = {"schema": 1, "name": name, "about": about, "parameters": parameters, "outputs": outputs}
    return Workflow(Definition.model_validate(known), Graph({}))


POSTS = {
    STITCH: _post(
        STITCH,
        "Segments become one video: what two of them have in common is shown once.",
        _parameter(STITCH, "video", "the segments, in order", "video"),
        _parameter(STITCH, "overlap", "frames in common; by default those of the drawing", "integer", 0, 0, 240),
        _parameter(STITCH, "blend", "the common frames", "choice", "cut", choices=("cut", "fade")),
        _parameter(STITCH, "colour", "share of a colour shift that is taken back", "number", 1.0, 0, 1),
        _parameter(STITCH, "length", "frames of the whole; 0 keeps all", "integer", 0, 0),
        _parameter(STITCH, "crf", "x264's quality; less is better and larger", "integer", 16, 0, 40),
    ),
    VR180: _post(
        VR180,
        "A flat video on a screen in a half sphere, one picture for each eye, with what players must know in the file.",
        _parameter(VR180, "video", "the flat video", "video"),
        _parameter(VR180, "fov", "degrees of the half sphere that its width fills", "number", 90.0, 20, 160),
        _parameter(VR180, "disparity", "degrees between both eyes' pictures; 0 is flat", "number", 1.0, 0, 4),
        _parameter(VR180, "height", "pixels of an eye; the video is twice as wide", "integer", 1920, 128, 4096, 16),
        _parameter(VR180, "crf", "x264's quality; less is better and larger", "integer", 18, 0, 40),
    ),
}
