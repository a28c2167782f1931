"""Prompts are judged as a real ComfyUI judged them, and also by stricter rules of our own."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.transcript import differences, read, scrubbed
from videogen.errors import InputError
from videogen.node_schema import FILE_LISTS, Accepted, Refusal, Schemas, check, merge, parse, strict_findings

RECORDED = Path(__file__).resolve().parents[2] / "images" / "comfyui" / "node_schemas"
OPTIONS = {
    "diffusion_models": ["broken_not_a_model.safetensors", "broken_truncated.safetensors"],
    "input": ["here.png", "job/deep.png", "walk.mp4"],
    "vae": ["vae.safetensors"],
}


def load(name: str) -> Schemas:
    return parse(json.loads((RECORDED / name).read_text(encoding="utf-8")), name)


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return merge(load("core-0.27.json"), load("native-0.38.json"))


PROMPTS = [
    exchange for exchange in read("06-invalid-prompt")["exchanges"] if "prompt" in exchange["request"].get("json", ())
]
REFUSALS = [exchange for exchange in PROMPTS if exchange["response"]["status"] != 500]


@pytest.mark.parametrize("exchange", REFUSALS, ids=lambda exchange: str(exchange["t_ms"]))
def test_a_prompt_gets_the_recorded_answer(schemas: Schemas, exchange: Any) -> None:
    """Types, messages, details and extra_info are the real server's, word for word."""
    answer = check(exchange["request"]["json"]["prompt"], schemas, OPTIONS)
    recorded = exchange["response"]
    if recorded["status"] == 200:
        assert isinstance(answer, Accepted)
        told: Any = {"node_errors": answer.node_errors}
        recorded = {"body": {"node_errors": recorded["body"]["node_errors"]}}
    else:
        assert isinstance(answer, Refusal)
        told = answer.body
    # JSON, as a client sees it: our values may hold tuples.
    assert differences(scrubbed(recorded["body"]), scrubbed(json.loads(json.dumps(told)))) == []


def test_what_the_server_stumbles_over_is_no_answer(schemas: Schemas) -> None:
    """A node that is no object ends in an exception, as it does there: HTTP 500, without a reason."""
    (stumbled,) = [exchange for exchange in PROMPTS if exchange not in REFUSALS]
    with pytest.raises(AttributeError):
        check(stumbled["request"]["json"]["prompt"], schemas, OPTIONS)


def image(**values: Any) -> dict[str, Any]:
    inputs = {"width": 64, "height": 64, "batch_size": 1, "color": 0, **values}
    return {
        "1": {"class_type": "EmptyImage", "inputs": inputs, "_meta": {"title": "Canvas"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }


def test_values_are_converted_and_the_given_prompt_stays_as_it_was(schemas: Schemas) -> None:
    """Numbers in text become numbers, an integer at a FLOAT becomes a float."""
    prompt = image(width="96")
    answer = check(prompt, schemas, {})
    assert isinstance(answer, Accepted)
    assert answer.prompt["1"]["inputs"]["width"] == 96
    assert answer.outputs == ("2",)
    assert prompt["1"]["inputs"]["width"] == "96"


def test_a_file_list_that_nobody_knows_is_not_judged(schemas: Schemas) -> None:
    """Without the worker's folder any name passes; with it an absent one is refused."""
    prompt = {
        "1": {"class_type": "VAELoader", "inputs": {"vae_name": "mine.safetensors"}},
        "2": {"class_type": "EmptyImage", "inputs": image()["1"]["inputs"]},
        "3": {"class_type": "VAEEncode", "inputs": {"pixels": ["2", 0], "vae": ["1", 0]}},
        "4": {"class_type": "SaveLatent", "inputs": {"samples": ["3", 0], "filename_prefix": "x"}},
    }
    assert isinstance(check(prompt, schemas, {}), Accepted)
    answer = check(prompt, schemas, OPTIONS)
    assert isinstance(answer, Refusal)
    details = answer.body["node_errors"]["1"]["errors"][0]["details"]
    assert details == "vae_name: 'mine.safetensors' not in ['vae.safetensors', 'pixel_space']"


@pytest.mark.parametrize(
    ("name", "good"),
    [("here.png", True), ("job/deep.png", True), ("here.png [input]", True), ("gone.png", False), ("a [output]", True)],
)
def test_a_loaded_image_may_lie_in_a_subfolder_or_carry_its_directory(schemas: Schemas, name: str, good: bool) -> None:
    """Names of other directories are not judged where those are not known."""
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    assert isinstance(check(prompt, schemas, OPTIONS), Accepted if good else Refusal)


def test_long_lists_are_not_repeated_in_an_answer(schemas: Schemas) -> None:
    """Only their length is told, and the configuration is left out."""
    prompt = {
        "1": {"class_type": "UNETLoader", "inputs": {"unet_name": "x", "weight_dtype": "default"}},
        "2": {"class_type": "ModelSave", "inputs": {"model": ["1", 0], "filename_prefix": "x"}},
    }
    answer = check(prompt, schemas, {"diffusion_models": [f"{number}.sft" for number in range(21)]})
    assert isinstance(answer, Refusal)
    (error,) = answer.body["node_errors"]["1"]["errors"]
    assert error["details"] == "unet_name: 'x' not in (list of length 21)"
    assert error["extra_info"]["input_config"] is None


def video(**values: Any) -> dict[str, Any]:
    save = {"video": ["2", 0], "filename_prefix": "v", "format": "auto", **values}
    return image() | {
        "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 16}},
        "3": {"class_type": "SaveVideo", "inputs": save},
    }


def test_a_dynamic_choice_brings_its_own_inputs(schemas: Schemas) -> None:
    """Both spellings of 0.38 pass, the dotted one and the old pair; a wrong dotted value does not."""
    assert isinstance(check(video(codec="auto"), schemas, {}), Accepted)
    dotted = {"format": "mp4", "format.codec": "h264"}
    assert isinstance(check(video(**dotted), schemas, {}), Accepted)
    assert strict_findings(video(**dotted), schemas) == []
    assert isinstance(check(video(**{**dotted, "format.codec": "h999"}), schemas, {}), Refusal)
    (finding,) = strict_findings(video(**{**dotted, "format.kodec": "h264"}), schemas)
    assert finding.hint == "did you mean `format.codec`?"


def test_a_growing_input_takes_as_many_links_as_it_may(schemas: Schemas) -> None:
    """The first is required, the next ones are known by name."""
    grown = image() | {
        "2": {"class_type": "BatchImagesNode", "inputs": {"images.image0": ["1", 0], "images.image1": ["1", 0]}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    assert isinstance(check(grown, schemas, {}), Accepted)
    assert strict_findings(grown, schemas) == []
    del grown["2"]["inputs"]["images.image0"]
    assert isinstance(check(grown, schemas, {}), Refusal)


def test_later_classes_replace_earlier_ones(schemas: Schemas) -> None:
    """0.38's `SaveVideo` counts, not 0.27's; classes of either are there; notes of the envelope are no class."""
    assert [item.name for item in schemas["SaveVideo"].inputs] == ["video", "filename_prefix", "format", "codec"]
    assert schemas["WanUni3CControlnetApply"].outputs == ("MODEL",)
    assert schemas["KSampler"].inputs[0].name == "model"
    assert not [name for name in schemas if name.startswith("_")]


def test_every_file_list_names_an_input_of_a_recorded_class(schemas: Schemas) -> None:
    """No entry of the table is out of date."""
    known = {(name, item.name) for name, schema in schemas.items() for item in schema.inputs}
    assert set(FILE_LISTS) <= known


@pytest.mark.parametrize("broken", [{"X": 1}, {"X": {"output": []}}, {"X": {"input": {"required": {"a": []}}}}])
def test_a_document_that_is_no_object_info_is_refused_by_name(broken: Any) -> None:
    """The fault names the document and the class."""
    with pytest.raises(InputError, match="recording: X"):
        parse(broken, "recording")


FINDINGS: list[tuple[str, Any, str, str | None]] = [
    (
        "class",
        {"1": {"class_type": "EmptyImag", "inputs": {}}},
        "no node class `EmptyImag`",
        "did you mean `EmptyImage`?",
    ),
    ("no class", {"1": {"inputs": {}}}, "has no class_type", "export the graph in API format"),
    ("no inputs", {"1": {"class_type": "EmptyImage"}}, "has no inputs", "export the graph in API format"),
    (
        "unknown input",
        image(widht=1),
        "`EmptyImage` has no such input; ComfyUI would ignore it",
        "did you mean `width`?",
    ),
    ("number", image(width="wide"), "'wide' is not INT", None),
    ("range", image(width=0), "0 is outside 1 … 16384", "nearest: 1"),
    ("link target", image(width=["9", 0]), "is linked to node '9', which is not there", None),
    ("link slot", image(width=["1", 3]), "`EmptyImage` has no output 3", "it has 1"),
    ("link type", image(width=["1", 0]), "takes INT, but output 0 of `EmptyImage` is IMAGE", None),
    (
        "link form",
        image(width=["1"]),
        "a link is [node id, output number]",
        'a plain list is written {"__value__": […]}',
    ),
    ("socket", video(video="x.mp4"), "takes a link to VIDEO, not a value", None),
    ("choice", video(format="mp5"), "'mp5' is none of its choices", "did you mean `mp4`?"),
]


@pytest.mark.parametrize(("prompt", "message", "hint"), [row[1:] for row in FINDINGS], ids=[row[0] for row in FINDINGS])
def test_pre_flight_finds_what_the_server_might_not(
    schemas: Schemas, prompt: Any, message: str, hint: str | None
) -> None:
    """Each finding has its own words, and a hint where a cure is known."""
    (finding,) = strict_findings(prompt, schemas)
    assert (finding.message, finding.hint) == (message, hint)


def test_a_finding_says_where_it_is(schemas: Schemas) -> None:
    """Node id, title, class and input."""
    (finding,) = strict_findings(image(color=-1), schemas)
    assert (finding.node_id, finding.title, finding.class_type, finding.input) == ("1", "Canvas", "EmptyImage", "color")
    assert str(finding) == "Canvas/color: -1 is outside 0 … 16777215"
    missing = image()
    del missing["1"]["inputs"]["width"]
    assert [str(finding) for finding in strict_findings(missing, schemas)] == [
        "Canvas/width: required input is missing"
    ]


def test_a_length_off_the_grid_is_found_though_comfyui_is_silent(schemas: Schemas) -> None:
    """Wan takes 4n+1 frames; the server only cuts."""
    inputs = {
        "positive": ["9", 0], "negative": ["9", 0], "vae": ["9", 0],
        "width": 832, "height": 480, "length": 80, "batch_size": 1,
    }  # fmt: skip
    prompt = {"1": {"class_type": "WanImageToVideo", "inputs": inputs}}
    found = [finding for finding in strict_findings(prompt, schemas) if finding.input == "length"]
    assert [finding.hint for finding in found] == ["nearest below: 77"]


def test_file_names_are_judged_where_the_files_are_known(schemas: Schemas) -> None:
    """With the folder's files a wrong name is found, with the near one as hint."""
    inputs = {"unet_name": "broken_truncatd.safetensors", "weight_dtype": "default"}
    prompt = {"1": {"class_type": "UNETLoader", "inputs": inputs}}
    assert strict_findings(prompt, schemas) == []
    (finding,) = strict_findings(prompt, schemas, OPTIONS)
    assert finding.hint == "did you mean `broken_truncated.safetensors`?"


def test_the_chain_on_tiny_weights_has_no_finding(schemas: Schemas) -> None:
    """A graph that ran on a real server is clean by the strict rules too."""
    prompt = read("tiny-scail-uni3c-wan22.api")
    assert strict_findings(prompt, schemas) == []
    assert isinstance(check(prompt, schemas, {}), Accepted)
