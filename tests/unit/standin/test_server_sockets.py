"""Who hears what on the socket, and what an interrupt does: as recorded from the real server."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.doubles.standin_process import StandinProcess, over, standin, ticks
from tests.doubles.transcript import read

STATUS = "status"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandinProcess]:
    with standin(tmp_path_factory.mktemp("comfyui")) as running:
        yield running


@pytest.fixture(autouse=True)
def _clean(server: StandinProcess) -> Iterator[None]:
    yield
    server.faults()
    server.http.post("/interrupt")
    server.idle()


def blurred(colour: int, nodes: int = 6) -> dict[str, Any]:
    """A chain of nodes without a sampler, as the recordings use it."""
    prompt: dict[str, Any] = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": colour}}
    }
    for node in range(2, nodes + 2):
        inputs = {"image": [str(node - 1), 0], "blur_radius": 15, "sigma": 5.0}
        prompt[str(node)] = {"class_type": "ImageBlur", "inputs": inputs}
    save = {"images": [str(nodes + 1), 0], "filename_prefix": "t/slow"}
    return prompt | {"save": {"class_type": "SaveImage", "inputs": save}}


def types(events: list[Any]) -> list[str]:
    return [event["type"] for event in events]


def recorded(socket: str) -> list[str]:
    """What one socket of the recording heard, by type."""
    events = read("11-websocket-rules")["websocket_events"]
    return [event["message"]["type"] for event in events if event["socket"] == socket and event["dir"] == "in"]


def is_status(remaining: int, times: int = 1) -> Any:
    seen = 0

    def until(event: dict[str, Any]) -> bool:
        nonlocal seen
        if event["type"] == STATUS and event["data"]["status"]["exec_info"]["queue_remaining"] == remaining:
            seen += 1
        return seen == times

    return until


def test_only_the_sender_hears_of_its_prompt_and_all_hear_of_a_nameless_one(server: StandinProcess) -> None:
    """Other clients hear the length of the queue; a prompt without client id tells everybody its progress only."""
    sender = uuid.uuid4().hex
    with server.socket(sender) as mine, server.socket(uuid.uuid4().hex) as other, server.socket(None) as nameless:
        server.post(blurred(1, nodes=1), client_id=sender)
        heard = mine.hear(over)
        server.post({**blurred(2, nodes=2)})
        others = other.hear(is_status(0, times=3))
        assert types(others) == recorded("other-client")
        assert types(nameless.hear(is_status(0, times=3))) == recorded("anonymous")
        assert types(heard)[-3:] == ["execution_success", "status", "executing"]
        assert "executing" not in types(mine.hear(is_status(0)))


def test_a_reconnect_hears_again_which_node_runs(server: StandinProcess) -> None:
    """After a reconnect the greeting, the running node and the features come; the run goes on from there."""
    server.faults({"name": "slow", "seconds": 0.15})
    client = uuid.uuid4().hex
    with server.socket(client) as first:
        server.post(blurred(3), client_id=client)
        first.hear(lambda event: event["type"] == "executing" and event["data"]["node"] == "3")
    with server.socket(client) as again:
        heard = again.hear(over)
        assert types(heard)[:3] == recorded("submitter-reconnected")[:3] == ["status", "executing", "feature_flags"]
        assert heard[1]["data"] == {"node": "3"}
        assert types(heard)[-3:] == ["execution_success", "status", "executing"]


def test_an_interrupt_ends_the_named_prompt_between_two_nodes(server: StandinProcess) -> None:
    """A wrong id does nothing; the right one ends the prompt as recorded, in events, history and job."""
    events = [event["message"] for event in read("09-interrupt")["websocket_events"] if event.get("dir") == "in"]
    wanted = next(event for event in events if event["type"] == "execution_interrupted")
    server.faults({"name": "slow", "seconds": 0.15})
    client = uuid.uuid4().hex
    with server.socket(client) as ear:
        prompt_id = server.post(blurred(4), client_id=client)["prompt_id"]
        ear.hear(lambda event: event["type"] == "executing" and event["data"]["node"] == "2")
        assert server.http.post("/interrupt", json={"prompt_id": "not-this-one"}).content == b""
        ear.hear(lambda event: event["type"] == "executing" and event["data"]["node"] == "3")
        assert server.http.post("/interrupt", json={"prompt_id": prompt_id}).status_code == 200
        heard = ear.hear(over)
        assert types(heard)[-3:] == ["execution_interrupted", "status", "executing"]
        assert heard[-3]["data"].keys() == wanted["data"].keys()
        assert heard[-3]["data"]["node_type"] == "ImageBlur"
    history = server.ended(prompt_id)
    assert history["status"]["status_str"] == "error"
    assert history["status"]["completed"] is False
    assert history["outputs"] == {}
    assert server.http.get(f"/api/jobs/{prompt_id}").json()["status"] == "failed"


def test_an_interrupt_without_a_body_ends_whatever_runs_and_spares_what_waits(server: StandinProcess) -> None:
    """The next prompt in the queue runs to its end."""
    server.faults({"name": "slow", "seconds": 0.3, "times": 1})
    first = server.post(blurred(5))["prompt_id"]
    second = server.post(blurred(6))["prompt_id"]
    for _ in ticks():
        if server.http.get("/queue").json()["queue_running"]:
            break
    server.http.post("/interrupt")
    assert server.ended(first)["status"]["messages"][-1][0] == "execution_interrupted"
    assert server.ended(second)["status"]["status_str"] == "success"


def test_a_refused_prompt_is_neither_queued_nor_run(server: StandinProcess) -> None:
    """A prompt id that is not a lower-case UUID is refused too, as in the imitated line."""
    before = server.stats()["prompts"]
    answer = server.http.post("/prompt", json={"prompt": blurred(7), "prompt_id": "NOT-A-UUID"})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_prompt_id"
    assert server.stats()["prompts"] == before
