"""Each fault that the stand-in can be told to have is seen from outside as a client would see it."""

import json
import subprocess
import time
import uuid
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.error import FFmpegError
from PIL import Image

from tests.doubles.standin_process import DEADLINE, StandinProcess, command, environment, over, standin
from tests.doubles.transcript import FOLDER
from videogen.standin.faults import NAMES, parse_faults

CHAIN: dict[str, Any] = json.loads((FOLDER / "tiny-scail-uni3c-wan22.api.json").read_text(encoding="utf-8"))
MODELS = {
    "diffusion_models": ("tiny_scail_preview", "tiny_wan2.2_i2v_high_noise", "tiny_wan2.2_i2v_low_noise"),
    "model_patches": ("tiny_uni3c",),
    "vae": ("tiny_wan_2.1_vae",),
    "text_encoders": ("tiny_umt5",),
    "clip_vision": ("sparse_clip_vision_h",),
}


def chain(seed: int) -> dict[str, Any]:
    """The whole chain with other seeds, so that no sampler is answered from the cache."""
    prompt: dict[str, Any] = deepcopy(CHAIN)
    prompt["23"]["inputs"]["seed"] = prompt["36"]["inputs"]["noise_seed"] = seed
    return prompt


def prepare(base: Path) -> None:
    for folder, names in MODELS.items():
        (base / "models" / folder).mkdir(parents=True)
        for name in names:
            (base / "models" / folder / f"{name}.safetensors").write_bytes(b"weights")
    (base / "input").mkdir()
    picture = Image.new("RGB", (64, 64), "orange")
    picture.paste("navy", (24, 12, 40, 56))
    picture.save(base / "input" / "example.png")
    for name in ("tiny_driving.mp4", "tiny_render.mp4"):
        with av.open(str(base / "input" / name), "w") as container:
            stream = container.add_stream("libx264", rate=16)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            for number in range(9):
                pixels = np.zeros((64, 64, 3), np.uint8)
                pixels[20:44, number * 4 : number * 4 + 16] = 255
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandinProcess]:
    base = tmp_path_factory.mktemp("comfyui")
    prepare(base)
    with standin(base) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_fault_is_left(server: StandinProcess) -> Iterator[None]:
    yield
    server.faults()


def video(server: StandinProcess, history: Any) -> bytes:
    (file,) = history["outputs"]["40"]["images"]
    return server.http.get("/view", params=file).content


def frames(data: bytes, tmp_path: Path) -> list[Any]:
    file = tmp_path / "video.mp4"
    file.write_bytes(data)
    with av.open(str(file)) as container:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]


def render(server: StandinProcess, seed: int) -> Any:
    answer = server.post(chain(seed), client_id=uuid.uuid4().hex)
    assert "prompt_id" in answer, answer
    return server.ended(answer["prompt_id"])


def test_without_a_fault_the_chain_renders_a_moving_video_once(server: StandinProcess, tmp_path: Path) -> None:
    """Size, length and rate are the graph's; the same prompt again is answered from the cache, with its outputs."""
    before = server.stats()
    history = render(server, 1)
    made = frames(video(server, history), tmp_path)
    assert [len(made), *made[0].shape] == [9, 64, 64, 3]
    assert np.abs(made[0] - made[-1]).mean() > 1
    again = render(server, 1)
    assert again["outputs"] == history["outputs"]
    assert again["status"]["messages"][1][1]["nodes"] == list(CHAIN)
    after = server.stats()
    assert [after[key] - before[key] for key in ("prompts", "renders", "cached")] == [2, 1, 1]


def test_another_file_name_costs_a_copy_and_no_render(server: StandinProcess) -> None:
    """What was rendered is kept like ComfyUI's latents."""
    render(server, 2)
    before = server.stats()["renders"]
    renamed = chain(2)
    renamed["40"] = {**renamed["40"], "inputs": {**renamed["40"]["inputs"], "filename_prefix": "video/other"}}
    history = server.ended(server.post(renamed)["prompt_id"])
    assert history["outputs"]["40"]["images"][0]["filename"] == "other_00001_.mp4"
    assert server.stats()["renders"] == before


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("out_of_memory", "torch.OutOfMemoryError", "out of memory"),
        ("cuda_fault", "torch.AcceleratorError", "illegal memory access"),
    ],
)
def test_a_gpu_fault_fails_the_prompt_at_its_sampler_and_the_next_one_works(
    server: StandinProcess, name: str, kind: str, words: str
) -> None:
    """`execution_error` comes on the socket and stays in history; `times` counts prompts."""
    server.faults({"name": name, "times": 1})
    client = uuid.uuid4().hex
    with server.socket(client) as ear:
        prompt_id = server.post(chain(10 + len(name)), client_id=client)["prompt_id"]
        error = next(event["data"] for event in ear.hear(over) if event["type"] == "execution_error")
    assert error["exception_type"] == kind
    assert words in error["exception_message"]
    assert (error["node_id"], error["node_type"]) == ("37", "KSamplerAdvanced")
    assert server.ended(prompt_id)["status"]["messages"][-1] == ["execution_error", error]
    assert render(server, 10 + len(name))["status"]["completed"] is True


def test_silent_accepts_everything_and_never_says_a_word(server: StandinProcess) -> None:
    """No event, no history, a prompt that runs for ever; an interrupt frees the server."""
    server.faults({"name": "silent", "times": 1})
    client = uuid.uuid4().hex
    with server.socket(client) as ear:
        prompt_id = server.post(chain(30), client_id=client)["prompt_id"]
        assert ear.silence(0.4) == []
    assert server.http.get(f"/history/{prompt_id}").json() == {}
    assert server.http.get("/queue").json()["queue_running"][0][1] == prompt_id
    server.http.post("/interrupt", json={"prompt_id": prompt_id})
    assert server.ended(prompt_id)["status"]["completed"] is False


def test_slow_spends_its_seconds_on_every_sampler_step(server: StandinProcess) -> None:
    """Two samplers of two steps and one of one step take five times the seconds; steps are told one by one."""
    server.faults({"name": "slow", "seconds": 0.1})
    client = uuid.uuid4().hex
    with server.socket(client) as ear:
        begin = time.monotonic()
        server.post(chain(40), client_id=client)
        heard = ear.hear(over)
    assert time.monotonic() - begin > 0.5
    steps = [event["data"] for event in heard if event["type"] == "progress"]
    assert [(step["node"], step["value"], step["max"]) for step in steps] == [
        ("23", 1, 2), ("23", 2, 2), ("36", 1, 1), ("37", 1, 2), ("37", 2, 2)
    ]  # fmt: skip


def test_an_interrupt_reaches_a_sampler_between_two_steps(server: StandinProcess) -> None:
    """The half-drawn video is dropped, and the prompt renders when it is posted again."""
    server.faults({"name": "slow", "seconds": 0.3, "times": 1})
    client = uuid.uuid4().hex
    with server.socket(client) as ear:
        prompt_id = server.post(chain(41), client_id=client)["prompt_id"]
        ear.hear(lambda event: event["type"] == "progress" and event["data"]["node"] == "37")
        server.http.post("/interrupt", json={"prompt_id": prompt_id})
        heard = ear.hear(over)
    (message,) = [event["data"] for event in heard if event["type"] == "execution_interrupted"]
    assert message["node_id"] == "37"
    assert render(server, 41)["status"]["completed"] is True


@pytest.mark.parametrize("name", ["black", "frozen"])
def test_a_spoiled_video_keeps_its_shape(server: StandinProcess, tmp_path: Path, name: str) -> None:
    """Length and size are right, so only a look at the pixels finds the fault."""
    server.faults({"name": name, "times": 1})
    made = frames(video(server, render(server, 50 + len(name))), tmp_path)
    assert [len(made), *made[0].shape] == [9, 64, 64, 3]
    assert max(np.abs(frame - made[0]).mean() for frame in made) < 2
    assert (made[0].mean() < 3) == (name == "black")


def test_a_truncated_video_does_not_decode_to_its_length(server: StandinProcess, tmp_path: Path) -> None:
    """History says that all is well; the file is too short."""
    server.faults({"name": "truncated", "times": 1})
    data = video(server, render(server, 60))
    try:
        length = len(frames(data, tmp_path))
    except FFmpegError:
        length = 0
    assert length < 9


def test_a_missing_video_is_announced_and_not_there(server: StandinProcess) -> None:
    """`/view` answers 404 for what history names."""
    server.faults({"name": "missing", "times": 1})
    (file,) = render(server, 61)["outputs"]["40"]["images"]
    assert server.http.get("/view", params=file).status_code == 404


def test_instant_renders_once_for_each_shape(server: StandinProcess, tmp_path: Path) -> None:
    """Different prompts of one size, length and rate give copies of one good video."""
    server.faults({"name": "instant"})
    render(server, 70)
    before = server.stats()["renders"]
    videos = [video(server, render(server, seed)) for seed in (71, 72, 73)]
    assert server.stats()["renders"] == before
    assert len(set(videos)) == 1
    assert len(frames(videos[0], tmp_path)) == 9


def test_a_crash_drops_the_socket_and_leaves_no_history(tmp_path: Path) -> None:
    """The process ends in the middle of the prompt; started again it knows nothing of it."""
    prepare(tmp_path)
    with standin(tmp_path, faults=[{"name": "crash"}]) as server:
        prompt_id = server.post(chain(80))["prompt_id"]
        assert server.process.wait(DEADLINE) == 70
    with standin(tmp_path) as server:
        assert server.http.get(f"/history/{prompt_id}").json() == {}


def test_a_slow_start_listens_late(tmp_path: Path) -> None:
    """The environment may also name a file that holds the faults."""
    file = tmp_path / "faults.json"
    file.write_text(json.dumps({"faults": [{"name": "slow_start", "seconds": 1.2}]}))
    begin = time.monotonic()
    own = {**environment(), "STANDIN_FAULTS": str(file)}
    process = subprocess.Popen(command(tmp_path), stderr=subprocess.PIPE, text=True, env=own)
    with process:
        assert process.stderr is not None
        assert any("go to:" in line for line in process.stderr)
        assert time.monotonic() - begin > 1.2
        process.terminate()
        assert process.wait(DEADLINE) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        "none",
        [{"name": "fire"}],
        [{"name": "slow", "second": 1}],
        [{"name": "slow", "seconds": -1}],
        [{"name": "black", "times": 0}],
    ],
)
def test_a_wrong_fault_is_refused_whole(server: StandinProcess, wrong: Any) -> None:
    """Nothing changes, and the answer says where the mistake is."""
    server.faults({"name": "black"})
    answer = server.http.post("/standin/faults", json=wrong)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("faults")
    assert [fault["name"] for fault in server.http.get("/standin/faults").json()] == ["black"]


def test_every_fault_of_the_table_has_a_name_that_is_taken() -> None:
    """The names in the module's table are exactly those that it takes."""
    import videogen.standin.faults as module

    table = {line.split("`")[1] for line in (module.__doc__ or "").splitlines() if line.startswith("| `")}
    assert table == NAMES
    assert [fault.name for fault in parse_faults([{"name": name} for name in sorted(NAMES)])] == sorted(NAMES)
