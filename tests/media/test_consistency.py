"""Whether videos show one character: measured by colours and outlines, or by a model of the user's."""

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from onnx import TensorProto, helper, save_model
from PIL import Image
from typer.testing import CliRunner

from videogen import cli, likeness, project
from videogen.consistency import MOST_PICTURES, ColourAndStructure, Pictures, consistency, of_image
from videogen.embedding import Embedding
from videogen.errors import InputError
from videogen.likeness import ALIKE, Numbers
from videogen.media import look
from videogen.standin.render import Scene, render

INPUTS = project.root() / "batches" / "inputs"
ROBOT = INPUTS / "character.png"


def turned(degrees: int, target: Path) -> Path:
    """The character in other colours."""
    with Image.open(ROBOT) as image:
        hue, strength, value = image.convert("RGB").convert("HSV").split()
    hue = hue.point(lambda one: (one + round(degrees * 256 / 360)) % 256)
    Image.merge("HSV", (hue, strength, value)).convert("RGB").save(target)
    return target


def video(target: Path, image: Path, seed: int, strength: float = 1.0, prompt: str = "a dance") -> Path:
    """A render of a character."""
    render(Scene(image, INPUTS / "motion.mp4", prompt, seed, 96, 160, 12, 16, strength), target)
    return target


def signature(path: Path) -> Numbers:
    """Of a video, taken while it is looked at."""
    pictures = Pictures(ColourAndStructure())
    look(path, also=pictures.take)
    assert pictures.signature is not None
    return pictures.signature


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of the robot, which differ in seed, light and motion, and one of it in other colours."""
    folder = tmp_path_factory.mktemp("videos")
    video(folder / "a.mp4", ROBOT, 7)
    video(folder / "b.mp4", ROBOT, 42, 0.5, "rain in a neon street")
    video(folder / "c.mp4", ROBOT, 99, 1.5)
    video(folder / "other.mp4", turned(60, folder / "other.png"), 7)
    return folder


def test_one_character_is_alike_and_another_is_not(folder: Path) -> None:
    """Videos of one character are above the threshold, with each other and with its picture; another's are below."""
    videos = {name: signature(folder / f"{name}.mp4") for name in ("a", "b", "c", "other")}
    picture = of_image(ROBOT, ColourAndStructure())
    own = consistency({name: videos[name] for name in "abc"}, picture, ColourAndStructure())
    mixed = consistency(videos, picture, ColourAndStructure())

    assert own.unlike == ()
    assert min(*own.to_others.values(), *own.to_picture.values()) >= ALIKE
    assert mixed.to_picture["other"] < ALIKE < mixed.to_picture["a"]
    assert mixed.unlike == ("other",)
    assert consistency(videos, None, ColourAndStructure()).unlike == ("other",)
    assert mixed.least is not None
    assert "other" in mixed.least[:2]
    assert mixed.measure == "colour and structure"


def test_the_background_does_not_count(tmp_path: Path) -> None:
    """The character before other grounds is the same; another before its ground is not."""
    with Image.open(ROBOT) as image:
        robot = np.asarray(image.convert("RGB").resize((96, 96), Image.Resampling.BOX)).astype(int)
    with Image.open(turned(60, tmp_path / "x.png")) as image:
        other = np.asarray(image.resize((96, 96), Image.Resampling.BOX)).astype(int)
    ground = np.median(np.concatenate([robot[:, :4], robot[:, -4:]], axis=1), axis=1, keepdims=True)
    figure = np.abs(robot - ground).max(axis=2) > 22
    noise = np.random.default_rng(1).integers(-20, 20, robot.shape)

    def before(colour: tuple[int, int, int], who: np.ndarray = robot) -> Numbers:
        return likeness.signature(np.where(figure[..., None], who, np.array(colour) + noise).astype(np.uint8))

    assert likeness.alike(before((40, 60, 90)), before((150, 150, 150))) >= ALIKE
    assert likeness.alike(before((40, 60, 90)), before((120, 80, 40))) >= ALIKE
    assert likeness.alike(before((40, 60, 90)), before((40, 60, 90), other)) < ALIKE


def test_equal_pictures_are_wholly_alike() -> None:
    """A picture has everything in common with itself, also one of a single colour."""
    plain = np.full((96, 96, 3), 7, np.uint8)

    assert likeness.alike(likeness.signature(plain), likeness.signature(plain)) == pytest.approx(1)


def test_of_a_long_video_few_pictures_are_kept() -> None:
    """However long a video is, at most sixteen pictures of it are kept, from its beginning to its end."""

    class Counting(ColourAndStructure):
        def signature(self, picture: np.ndarray) -> Numbers:
            return np.array([float(picture[0, 0, 0])])

    pictures = Pictures(Counting())
    for brightness in range(200):
        pictures.take(av.VideoFrame.from_ndarray(np.full((96, 96, 3), brightness, np.uint8), format="rgb24"))

    assert len(pictures._kept) <= MOST_PICTURES
    assert pictures.signature is not None
    assert 80 < pictures.signature[0] < 120


def test_a_tiny_video_is_not_compared(tmp_path: Path) -> None:
    """A figure of a few pixels has no likeness: such a video has no signature, and is no stranger."""
    render(Scene(ROBOT, INPUTS / "motion.mp4", "a dance", 7, 64, 64, 5, 16), tmp_path / "tiny.mp4")
    said = CliRunner().invoke(cli.app, ["check", str(tmp_path / "tiny.mp4"), "--like", str(ROBOT), "--json"])

    assert json.loads(said.stdout)["consistency"]["unlike"] == []
    assert "1 video too small to compare" in said.stderr


def test_a_single_video_is_compared_with_nothing() -> None:
    """One video without a picture has no likeness and no warning."""
    found = consistency({"a": np.ones(52)}, None, ColourAndStructure())

    assert (found.to_others, found.to_picture, found.least, found.unlike) == ({}, {}, None, ())


def test_an_embedding_needs_its_package(tmp_path: Path) -> None:
    """Without onnxruntime it is said how to get it."""
    asks = f"""
import sys
from pathlib import Path
sys.modules["onnxruntime"] = None
from videogen.embedding import Embedding
from videogen.errors import ToolMissing
try:
    Embedding(Path({str(tmp_path)!r}))
except ToolMissing as error:
    sys.exit(f"{{error.message}}; {{error.hint}}")
"""
    ended = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, timeout=60, check=False)

    assert ended.stderr == "the package onnxruntime is not installed; pip install onnxruntime\n"


def test_a_file_that_is_no_model_is_told_as_one(tmp_path: Path) -> None:
    """An empty one, too, and one that is not there."""
    for data in (b"not a model", b""):
        (tmp_path / "no.onnx").write_bytes(data)
        with pytest.raises(InputError, match="is no ONNX model"):
            Embedding(tmp_path / "no.onnx")
    with pytest.raises(InputError, match="no such file"):
        Embedding(tmp_path / "none.onnx")


def test_an_embedding_compares_directions(tmp_path: Path) -> None:
    """A model that gives mean colours finds a red and a blue picture apart, a red and a darker red one alike."""
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("GlobalAveragePool", ["x"], ["y"])],
        "mean",
        [helper.make_tensor_value_info("x", kind, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("y", kind, [1, 3, 1, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    save_model(model, str(tmp_path / "mean.onnx"))
    embedding = Embedding(tmp_path / "mean.onnx")
    red, dark, blue = (
        embedding.signature(np.full((32, 32, 3), one, np.uint8))
        for one in ((250, 10, 10), (220, 10, 10), (10, 10, 250))
    )

    assert embedding.side == 32
    assert embedding.name == "embedding mean.onnx"
    assert embedding.alike(red, dark) > 0.95 > embedding.alike(red, blue)


def test_the_verb_judges_files(folder: Path, tmp_path: Path) -> None:
    """`videogen check` says verdict, likeness and measure; a broken video ends it with 1, a missing one with a hint."""
    good = [str(folder / f"{name}.mp4") for name in ("a", "b", "other")]
    said = CliRunner().invoke(cli.app, ["check", *good, "--like", str(ROBOT), "--json"])
    told = json.loads(said.stdout)

    assert said.exit_code == 0
    assert [one["flaws"] for one in told["videos"].values()] == [[], [], []]
    assert told["consistency"]["measure"] == "colour and structure"
    assert any(name.endswith("other.mp4") for name in told["consistency"]["unlike"])
    assert not any(name.endswith("a.mp4") for name in told["consistency"]["unlike"])
    (tmp_path / "half.mp4").write_bytes((folder / "a.mp4").read_bytes()[:4000])
    assert CliRunner().invoke(cli.app, ["check", str(tmp_path / "half.mp4")]).exit_code == 1
    assert "no such file" in str(CliRunner().invoke(cli.app, ["check", "absent.mp4"]).exception)
