"""A worker counts as ready only when it is proven, and a wait for one that cannot become ready is short."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.s3_server import S3Server
from tests.doubles.standin_process import standin
from tests.doubles.tiny_workflow import GRAPH, MANIFEST, WORKFLOW
from tests.doubles.worker_process import TOKEN, fill, manifest_text, settings, worker
from videogen import agent, graph, port, readiness, workflow
from videogen.boot_report import WorkerStatus
from videogen.errors import InputError, Interrupted, NotReady, ProcessError
from videogen.lease import LeaseTerms
from videogen.manifest import Manifest
from videogen.readiness import ReadyReport, Requirements, WantedFile
from videogen.secret import Secret
from videogen.status_board import StatusBoard

DIGEST = "d" * 64
NOTHING = Requirements(DIGEST, frozenset(), frozenset())
TERMS = LeaseTerms(total=10, idle=10, boot=1)


def wait(
    comfyui: str, agent_url: str, required: Requirements = NOTHING, seconds: float = 15, **more: Any
) -> ReadyReport:
    """Waits with the tests' token."""
    values: dict[str, Any] = {
        "token": TOKEN,
        "alive": lambda: True,
        "progress": lambda _: None,
        "cancelled": threading.Event(),
        **more,
    }
    token = values.pop("token")
    deadline = time.monotonic() + seconds
    return readiness.wait_until_ready(comfyui, agent_url, token, required, deadline=deadline, **values)


@contextmanager
def agent_of(board: StatusBoard) -> Iterator[str]:
    """The address of an agent that speaks for this board."""
    number = port.free(["agent"])["agent"]
    with agent.serving(board, number, TOKEN):
        yield f"http://127.0.0.1:{number}"


@pytest.fixture
def board() -> StatusBoard:
    """The board of a worker that boots."""
    return StatusBoard("w1", DIGEST, TERMS, time.monotonic())


def test_requirements() -> None:
    """A workflow needs its node classes, and each model's file where a loader of its graph names it."""
    drawn = graph.parse(json.dumps(GRAPH), "graph.json")
    flow = workflow.parse(WORKFLOW, "workflow.yaml", drawn)
    found = readiness.requirements([flow], Manifest.model_validate(MANIFEST), DIGEST)

    assert found == Requirements(
        DIGEST, frozenset({"Load", "Draw"}), frozenset({WantedFile("Load", "name", "v.safetensors")})
    )

    other = workflow.parse(WORKFLOW.replace("model: vae", "model: bare"), "workflow.yaml", drawn)
    gone = workflow.parse(WORKFLOW.replace("model: vae", "model: gone"), "workflow.yaml", drawn)
    with pytest.raises(InputError) as faults:
        readiness.requirements([other, gone], Manifest.model_validate(MANIFEST), DIGEST)
    assert len(faults.value.faults) == 2


def test_boot_to_proof(s3: S3Server, tmp_path: Path) -> None:
    """A real worker is waited for from its start, told step by step, and reported with each step's seconds."""
    digest = fill(s3, manifest_text())
    required = Requirements(
        digest,
        frozenset({"UNETLoader", "VAELoader", "SaveImage"}),
        frozenset({WantedFile("UNETLoader", "unet_name", "high.safetensors")}),
    )
    heard: list[str] = []
    with worker(settings(s3, tmp_path / "disk", digest), tmp_path / "w") as one:
        report = wait(one.url, one.agent, required, progress=heard.append, alive=lambda: one.process.poll() is None)

    assert report.worker == "w1"
    assert {"models", "ComfyUI answers"} <= {step.name for step in report.steps}
    assert all(step.seconds is not None for step in report.steps)
    assert 0 < report.seconds < 15
    assert heard[-1] == "ComfyUI is asked for nodes and models"
    assert len(heard) == len(dict.fromkeys(heard))


def test_failed_worker(s3: S3Server, tmp_path: Path) -> None:
    """A worker that fails is reported at once, with its own error and hint."""
    digest = fill(s3, manifest_text(), {"vae": None})
    began = time.monotonic()
    required = Requirements(digest, frozenset(), frozenset())
    with (
        worker(settings(s3, tmp_path / "disk", digest), tmp_path / "w") as one,
        pytest.raises(NotReady, match="w1: bucket models has no bytes of: vae") as found,
    ):
        wait(one.url, one.agent, required, alive=lambda: one.process.poll() is None)

    assert found.value.hint == "`videogen models mirror` brings them there"
    assert time.monotonic() - began < 10


def test_dead_worker(board: StatusBoard) -> None:
    """A worker that died is not waited for."""
    began = time.monotonic()
    with pytest.raises(NotReady, match="the worker died; the last of it: its agent does not answer yet"):
        wait("http://127.0.0.1:9", "http://127.0.0.1:9", alive=lambda: False)

    assert time.monotonic() - began < 2


def test_last_word_of_a_dying_worker(board: StatusBoard) -> None:
    """What a worker that is already dead to its starter still says is heard."""
    board.fail(ProcessError("it broke", "mend it"))
    with agent_of(board) as url, pytest.raises(NotReady, match="w1: it broke"):
        wait("http://127.0.0.1:9", url, alive=lambda: False)


def test_deadline(board: StatusBoard) -> None:
    """At the deadline the error says which step was under way."""
    with agent_of(board) as url, board.step("models") as say:
        say("1 of 9 GB")
        with pytest.raises(NotReady, match="not ready in time; the last of it: models 1 of 9 GB"):
            wait("http://127.0.0.1:9", url, seconds=0.3)


def test_cancelled(board: StatusBoard) -> None:
    """Whoever waits can be told to stop."""
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    with agent_of(board) as url, pytest.raises(Interrupted):
        wait("http://127.0.0.1:9", url, cancelled=cancelled)


def test_wrong_manifest(board: StatusBoard) -> None:
    """A worker with another manifest is unfit, ready or not."""
    with agent_of(board) as url, pytest.raises(NotReady, match=r"w1 has manifest dddddddddddd…, not eeeeeeeeeeee…"):
        wait("http://127.0.0.1:9", url, Requirements("e" * 64, frozenset(), frozenset()))


def test_wrong_token(board: StatusBoard) -> None:
    """An agent that does not know the token belongs to another worker."""
    with agent_of(board) as url, pytest.raises(NotReady, match="does not know the token"):
        wait("http://127.0.0.1:9", url, token=Secret("another"))


def test_ending_worker(board: StatusBoard) -> None:
    """A worker that was told to end does not become ready."""
    board.end("asked")
    with agent_of(board) as url, pytest.raises(NotReady, match="w1 ends before it was ready"):
        wait("http://127.0.0.1:9", url)


class _Gossip(BaseHTTPRequestHandler):
    """An agent that tells everybody that it is ready."""

    def do_GET(self) -> None:
        status = WorkerStatus(worker="w1", state="ready", manifest=DIGEST, steps=())
        self.send_response_only(200)
        self.end_headers()
        self.wfile.write(status.model_dump_json().encode())


def test_agent_that_talks_to_strangers() -> None:
    """An agent that answers without the token is none of ours."""
    with HTTPServer(("127.0.0.1", 0), _Gossip) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            with pytest.raises(NotReady, match="answers without the token: HTTP 200"):
                wait(url, url)
        finally:
            server.shutdown()


def test_no_agent(tmp_path: Path) -> None:
    """A server that has no status is waited for until the deadline: a gateway may come before its agent."""
    with standin(tmp_path) as server, pytest.raises(NotReady, match="not ready in time"):
        wait(server.url, server.url, seconds=0.3)


def test_lacking(board: StatusBoard, tmp_path: Path) -> None:
    """A ComfyUI without a node class or a model's file is unfit, and everything that it lacks is said."""
    board.ready()
    required = Requirements(
        DIGEST,
        frozenset({"VAELoader", "NoSuchNode"}),
        frozenset({WantedFile("VAELoader", "vae_name", "gone.safetensors")}),
    )
    with standin(tmp_path) as server, agent_of(board) as url, pytest.raises(NotReady) as found:
        wait(server.url, url, required)

    assert found.value.message == (
        f"{server.url} lacks: node class `NoSuchNode`; `gone.safetensors` for `vae_name` of `VAELoader`"
    )


def test_renew(board: StatusBoard) -> None:
    """A new lease reaches the worker, which keeps it; one that it cannot have yet, or that a stranger gives, does not."""
    kept: list[LeaseTerms] = []
    longer = LeaseTerms(total=100, idle=10, boot=1)
    with agent_of(board) as url:
        with pytest.raises(NotReady, match="409 Conflict"):
            readiness.renew(url, TOKEN, longer)
        board.keep_terms = kept.append
        readiness.renew(url, TOKEN, longer)
        left = board.status().lease_seconds_left
        with pytest.raises(NotReady):
            readiness.renew(url, Secret("another"), TERMS)

    assert 5900 < left <= 6000
    assert kept == [longer]
