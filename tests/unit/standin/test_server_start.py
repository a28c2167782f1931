"""The stand-in starts and stops like the real server: its flags, its aborts, its limits, its end."""

import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.standin_process import DEADLINE, StandinProcess, command, environment, standin, ticks


def refused(base: Path, *flags: str, faults: Any = None) -> tuple[int, str]:
    """Code and last line of a stand-in that should not start."""
    asked = command(base, *flags)
    done = subprocess.run(asked, capture_output=True, text=True, env=environment(faults), timeout=DEADLINE, check=False)
    return done.returncode, done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("group:\n  loras: [a, b]\n", "AttributeError: 'list' object has no attribute 'split'"),
        ("group:\n  loras:\n", "AttributeError: 'NoneType' object has no attribute 'split'"),
        ("", "TypeError: 'NoneType' object is not iterable"),
        ("5", "TypeError: 'int' object is not iterable"),
        (None, "FileNotFoundError: [Errno 2] No such file or directory"),
    ],
)
def test_a_bad_extra_model_paths_file_aborts_the_start(tmp_path: Path, text: str | None, error: str) -> None:
    """With the exception of the real server, and before anything listens."""
    file = tmp_path / "extra.yaml"
    if text is not None:
        file.write_text(text)
    code, line = refused(tmp_path, "--extra-model-paths-config", str(file))
    assert code == 1
    assert line.startswith(error)


def test_extra_paths_keep_the_odd_ways_of_the_real_reader(tmp_path: Path) -> None:
    """Old names, unknown names, blocks of lines, comments inside them, a relative base, a group without body."""
    file = tmp_path / "extra.yaml"
    file.write_text(
        "empty:\nmine:\n  base_path: store\n  is_default: true\n  unet: a\n  lora_s: x\n"
        "  vae: |\n    first\n    second # no comment\nplain:\n  clip: /elsewhere\n"
    )
    with standin(tmp_path / "base", "--extra-model-paths-config", str(file)) as server:
        paths = server.http.get("/internal/folder_paths").json()
    store = f"{tmp_path}/store"
    assert paths["diffusion_models"][0] == f"{store}/a"
    assert paths["vae"][:2] == [f"{store}/second # no comment", f"{store}/first"]
    assert paths["lora_s"] == [f"{store}/x"]
    assert paths["text_encoders"][-2:] == ["/elsewhere", str(tmp_path / "base/output/clip")]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--listen", "0.0.0.0"), "listens on loopback only"),
        (("--listen",), "listens on loopback only"),
        (("--no-such-flag",), "unrecognized arguments: --no-such-flag"),
    ],
)
def test_a_wrong_command_line_ends_with_code_two(tmp_path: Path, flags: tuple[str, ...], words: str) -> None:
    """An unknown flag is no flag of ComfyUI, and without authentication nothing but loopback is served."""
    code, line = refused(tmp_path, *flags)
    assert code == 2
    assert words in line


def test_a_taken_port_is_an_error(tmp_path: Path) -> None:
    """The second server on a port does not start."""
    with standin(tmp_path) as server:
        code, line = refused(tmp_path, "--port", server.url.rpartition(":")[2])
    assert code == 1
    assert "address already in use" in line


def test_a_wrong_fault_in_the_environment_is_an_error(tmp_path: Path) -> None:
    """A misspelt fault must not make a test pass."""
    code, line = refused(tmp_path, faults=[{"name": "fire"}])
    assert code == 1
    assert "`name` should be one of" in line


def test_comfyui_flags_are_taken_and_directories_are_used(tmp_path: Path) -> None:
    """The flags of an entrypoint work; the temp flag names the parent of the directory that is emptied."""
    (tmp_path / "t" / "temp").mkdir(parents=True)
    (tmp_path / "t" / "temp" / "old.png").touch()
    flags = [
        "--cpu", "--disable-auto-launch", "--disable-api-nodes", "--offline", "--disable-all-custom-nodes",
        "--database-url", "sqlite:///:memory:", "--reserve-vram", "1.5", "--preview-method", "none", "--cache-none",
        *(part for name in ("input", "output", "temp", "user") for part in (f"--{name}-directory", str(tmp_path / name[0]))),
    ]  # fmt: skip
    with standin(tmp_path / "base", *flags) as server:
        server.http.post("/upload/image", files={"image": ("a.png", b"x")}).raise_for_status()
        assert server.http.get("/system_stats").json()["system"]["argv"][-8:] == flags[-8:]
        assert (tmp_path / "i" / "a.png").read_bytes() == b"x"
        assert list((tmp_path / "t" / "temp").iterdir()) == []
        assert (tmp_path / "o").is_dir()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandinProcess]:
    with standin(tmp_path_factory.mktemp("comfyui"), "--max-upload-size", "0.01") as running:
        yield running


def test_an_upload_beyond_the_limit_is_refused(server: StandinProcess) -> None:
    """HTTP 413, and nothing is kept."""
    assert server.http.get("/features").json()["max_upload_size"] == round(0.01 * 1024 * 1024)
    answer = server.http.post("/upload/image", files={"image": ("big.bin", b"x" * 20_000)})
    assert answer.status_code == 413
    assert not (server.base / "input" / "big.bin").exists()


@pytest.mark.parametrize("name", ["../out.png", "../../out.png"])
def test_an_upload_cannot_leave_its_directory(server: StandinProcess, name: str) -> None:
    """A raw traversal in a file's name is a 400."""
    answer = server.http.post("/upload/image", files={"image": (name, b"x")})
    assert answer.status_code == 400


def test_a_page_is_sent_to_keep_and_not_to_show(server: StandinProcess) -> None:
    """What a browser would run comes as bytes."""
    (server.base / "output" / "page.html").write_text("<script>1</script>")
    answer = server.http.get("/view", params={"filename": "page.html"})
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_every_route_is_also_under_api(server: StandinProcess) -> None:
    """The two forms answer alike."""
    for path in ("/features", "/models", "/queue", "/history", "/object_info/KSampler", "/internal/folder_paths"):
        assert server.http.get(f"/api{path}").json() == server.http.get(path).json()


def test_a_file_that_is_no_image_fails_at_its_loader(server: StandinProcess) -> None:
    """The upload passes, as at the real server; the prompt fails at the node that opens it."""
    server.http.post("/upload/image", files={"image": ("noise.png", b"not an image")}).raise_for_status()
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "noise.png"}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    event, error = server.ended(server.post(prompt)["prompt_id"])["status"]["messages"][-1]
    assert (event, error["node_type"]) == ("execution_error", "LoadImage")
    assert error["exception_type"] == "PIL.UnidentifiedImageError"


def test_what_cannot_be_drawn_is_said(server: StandinProcess) -> None:
    """An output node that the stand-in does not know fails the prompt with its name."""
    saved = {"images": ["1", 0], "filename_prefix": "x", "codec": "vp9", "fps": 24, "crf": 32}
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 1}},
        "2": {"class_type": "SaveWEBM", "inputs": saved},
    }
    _, error = server.ended(server.post(prompt)["prompt_id"])["status"]["messages"][-1]
    assert "cannot run SaveWEBM" in error["exception_message"]


def test_a_prefix_cannot_leave_the_output_directory(server: StandinProcess) -> None:
    """The prompt fails and nothing is written outside."""
    prompt = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 1}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "../../escape"}},
    }
    _, error = server.ended(server.post(prompt)["prompt_id"])["status"]["messages"][-1]
    assert "outside the output folder" in error["exception_message"]


def test_it_stops_at_once_in_the_middle_of_a_slow_prompt(tmp_path: Path) -> None:
    """SIGTERM ends it with code 0, sockets and all."""
    with standin(tmp_path, faults=[{"name": "slow", "seconds": 30}]) as server:
        prompt = {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 1}},
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        }
        with server.socket(uuid.uuid4().hex):
            server.post(prompt)
            for _ in ticks():
                if server.http.get("/queue").json()["queue_running"]:
                    break
            begin = time.monotonic()
            server.process.terminate()
            assert server.process.wait(DEADLINE) == 0
            assert time.monotonic() - begin < 20
