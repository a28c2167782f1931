"""The stand-in answers recorded requests as the real server did."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from PIL import Image

from tests.doubles.standin_process import StandinProcess, over, standin
from tests.doubles.transcript import differences, read, scrubbed

MODELS = {
    "diffusion_models": ("broken_not_a_model.safetensors", "broken_truncated.safetensors"),
    "vae": ("broken_not_a_vae.safetensors",),
}
TINY = {
    "diffusion_models": ("tiny_wan2.2_i2v_high_noise.safetensors", "tiny_wan2.2_i2v_low_noise.safetensors"),
    "vae": ("tiny_wan_2.1_vae.safetensors",),
    "text_encoders": ("tiny_umt5.safetensors",),
}
WITHOUT = {"SaveWEBM"}
"""Classes of the transcripts that the stand-in cannot run."""


def put_models(base: Path, models: dict[str, tuple[str, ...]]) -> None:
    for folder, names in models.items():
        (base / "models" / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            (base / "models" / folder / name).write_bytes(b"weights")


def picture(colour: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandinProcess]:
    put_models(tmp_path, MODELS)
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "example.png").write_bytes(picture("teal"))
    with standin(tmp_path) as running:
        yield running


def ask(server: StandinProcess, request: dict[str, Any], ids: dict[str, str]) -> httpx.Response:
    """Send a recorded request, with prompt ids of this run put in."""
    path = request["path"]
    for recorded, real in ids.items():
        path = path.replace(recorded, real)
    more: dict[str, Any] = {"headers": request.get("headers", {})}
    if "json" in request:
        more["json"] = here(request["json"], ids)
    if "body" in request:
        more["content"] = request["body"]
    if "multipart" in request:
        # Contents were recorded by their length only: equal lengths stand for equal contents.
        parts = request["multipart"]
        more["files"] = {
            # The recording client quoted the names of files.
            part["name"]: (quote(part["filename"], safe=""), picture(f"#{part['bytes']:06}"), part["content_type"])
            for part in parts
            if "filename" in part
        } or {"nothing": (None, b"")}
        more["data"] = {part["name"]: part["value"] for part in parts if "value" in part}
    return server.http.request(request["method"], path, **more)


def here(body: Any, ids: dict[str, str]) -> Any:
    if isinstance(body, dict):
        nodes = {key: value for key, value in body.items() if not _left_out(value)}
        return {key: here(value, ids) for key, value in nodes.items()}
    if isinstance(body, list):
        return [here(value, ids) for value in body]
    return ids.get(body, body) if isinstance(body, str) else body


def _left_out(node: Any) -> bool:
    return isinstance(node, dict) and node.get("class_type") in WITHOUT


def told(recorded: dict[str, Any], answer: httpx.Response) -> list[str]:
    """Differences of status, content type and body."""
    wanted = recorded["body"]
    found = [] if recorded["status"] == answer.status_code else [f"status {recorded['status']} → {answer.status_code}"]
    kind = recorded.get("headers", {}).get("content-type")
    if wanted not in ("", None) and kind != answer.headers.get("content-type"):
        found.append(f"content-type {kind} → {answer.headers.get('content-type')}")
    if isinstance(wanted, dict) and "binary_bytes" in wanted:
        # The pixels are the stand-in's own; the format is not.
        if bytes.fromhex(wanted["first_16_hex"])[:3] != answer.content[:3]:
            found.append(f"first bytes {wanted['first_16_hex']} → {answer.content[:16].hex()}")
    elif isinstance(wanted, str):
        found += [] if wanted == answer.text else [f"text {wanted!r} → {answer.text!r}"]
    elif wanted == ["system", "devices"]:
        found += differences(wanted, list(answer.json()))
    else:
        found += differences(scrubbed(wanted), scrubbed(answer.json()))
    return found


def temporary(body: Any) -> list[str]:
    """The random parts of names of previews."""
    return re.findall(r"ComfyUI_temp_[a-z]{5}_", json.dumps(body))


def replay(server: StandinProcess, name: str, skip: tuple[str, ...] = ()) -> list[str]:
    """All differences of a transcript, told with the request they belong to."""
    ids: dict[str, str] = {}
    found = []
    last = 0.0
    for exchange in read(name)["exchanges"]:
        request, recorded = exchange["request"], exchange["response"]
        if exchange.get("t_ms", 0) - last > 300:  # the recorder waited for the end of what ran
            server.idle()
        last = exchange.get("t_ms", 0)
        answer = ask(server, request, ids)
        if request["path"].startswith(skip):
            continue
        if recorded["status"] == 200 and "prompt_id" in (recorded["body"] or ()):
            ids[recorded["body"]["prompt_id"]] = answer.json()["prompt_id"]
        ids |= dict(zip(temporary(recorded["body"]), temporary(answer.text), strict=False))
        found += [f"{request['method']} {request['path']}: {line}" for line in told(recorded, answer)]
    return found


ONLY_REAL = ("/users", "/settings", "/extensions")
RICHER = ("/system_stats", "/models", "/object_info/E", "/object_info/S", "/object_info/C", "/internal/folder_paths")
"""Where the imitated line of ComfyUI says more, or other things, than the recorded one."""


@pytest.mark.parametrize(
    ("name", "skip"),
    [
        ("01-system-and-info", (*ONLY_REAL, *RICHER)),
        ("02-image-success", ()),
        ("04-cached-rerun", ()),
        ("05-upload-image", ()),
        ("06-invalid-prompt", ()),
        ("12-origin-checks", ()),
        ("13-wan-i2v-success", ()),
    ],
)
def test_answers_are_those_of_the_real_server(server: StandinProcess, name: str, skip: tuple[str, ...]) -> None:
    """Each recorded request gets the recorded answer, but for times, ids and pixels."""
    if name.startswith("13"):
        put_models(server.base, TINY)
    if name == "12-origin-checks":  # the recorded Origin names the recorded port
        port = server.url.rpartition(":")[2]
        same = server.http.get("/system_stats", headers={"Origin": f"http://127.0.0.1:{port}"})
        assert same.status_code == 200
        skip = ("/system_stats",) if port != "8188" else ()
        foreign = server.http.get("/system_stats", headers={"Origin": "http://evil.example"})
        assert (foreign.status_code, foreign.content) == (403, b"")
        assert server.http.get("/system_stats", headers={"Host": "public.example"}).status_code == 200
    assert replay(server, name, skip) == []


def test_queue_operations_are_those_of_the_real_server(server: StandinProcess) -> None:
    """Front, delete, clear, own ids, interrupt and history upkeep answer as recorded, behind a slow prompt."""
    server.faults({"name": "slow", "seconds": 0.6})
    skip = ("/system_stats", "/history?max_items")  # the latter shows what earlier recordings left
    assert replay(server, "10-queue-ops", skip) == []


def test_what_the_server_says_of_itself_has_every_recorded_key(server: StandinProcess) -> None:
    """Where the newer line says more, nothing that was recorded is missing."""
    recorded = {
        exchange["request"]["path"]: exchange["response"]["body"]
        for exchange in read("01-system-and-info")["exchanges"]
    }
    stats = server.http.get("/system_stats").json()
    assert recorded["/system_stats"]["system"].keys() <= stats["system"].keys()
    assert recorded["/system_stats"]["devices"][0].keys() == stats["devices"][0].keys()
    assert stats["system"]["standin"] is True
    assert stats["system"]["comfyui_version"].endswith("+standin")
    assert set(recorded["/models"]) <= set(server.http.get("/models").json())
    paths = server.http.get("/internal/folder_paths").json()
    moved = {
        name: [path.replace("/opt/ComfyUI", str(server.base)) for path in listed]
        for name, listed in recorded["/internal/folder_paths"].items()
    }
    assert {name: paths[name] for name in moved} == moved


def test_extra_model_paths_are_read_as_recorded(tmp_path: Path) -> None:
    """A group that is the default comes first in each of its folders, and its files are listed."""
    recorded = read("18-extra-model-paths")
    store, base = tmp_path / "store", tmp_path / "base"
    bodies = {exchange["request"]["path"]: exchange["response"]["body"] for exchange in recorded["exchanges"]}
    for name in bodies["/models/diffusion_models"]:
        (store / "diffusion_models").mkdir(parents=True, exist_ok=True)
        (store / "diffusion_models" / name).touch()
    config = tmp_path / "extra.yaml"
    config.write_text(recorded["yaml"].replace("/srv/models", str(store)))
    with standin(base, "--extra-model-paths-config", str(config)) as server:
        paths = server.http.get("/internal/folder_paths").json()
        for name, listed in bodies["/internal/folder_paths"].items():
            moved = [path.replace("/srv/models", str(store)).replace("/opt/ComfyUI", str(base)) for path in listed]
            assert paths[name] == moved, name
        assert server.http.get("/models/diffusion_models").json() == bodies["/models/diffusion_models"]
        listed = server.http.get("/object_info/UNETLoader").json()["UNETLoader"]["input"]["required"]["unet_name"][0]
        assert listed == bodies["/models/diffusion_models"]
        placed = server.http.get("/experiment/models/diffusion_models").json()
        assert [row.keys() for row in placed] == [row.keys() for row in bodies["/experiment/models/diffusion_models"]]


EVENTS = ["02-image-success", "03-video-success", "04-cached-rerun", "13-wan-i2v-success"]


@pytest.mark.parametrize("name", EVENTS)
def test_events_come_in_the_recorded_order(server: StandinProcess, name: str) -> None:
    """A client hears the recorded events in the recorded order, with every field but times and ids."""
    transcript = read(name)
    recorded = [event["message"] for event in transcript["websocket_events"] if event.get("dir") == "in"]
    posts = [
        exchange["request"]["json"] for exchange in transcript["exchanges"] if exchange["request"]["path"] == "/prompt"
    ]
    put_models(server.base, TINY)
    heard = []
    with server.socket(posts[0]["client_id"]) as ear:
        heard += ear.hear(lambda event: event["type"] == "feature_flags")
        for post in posts:
            assert server.http.post("/prompt", json=here(post, {})).status_code == 200
            heard += ear.hear(over)
    left_out = [node for node, value in posts[0]["prompt"].items() if value["class_type"] in WITHOUT]
    assert differences(scrubbed(_visible(recorded, left_out)), scrubbed(_visible(heard, []))) == []


def _visible(events: list[Any], left_out: list[str]) -> list[Any]:
    """The events without those of nodes that were left out of the posted graph."""
    visible: list[Any] = []
    for event in events:
        data = event["data"]
        if data.get("node") in left_out and event["type"] != "status":
            continue
        if event["type"] == "progress_state":
            nodes = {node: state for node, state in data["nodes"].items() if node not in left_out}
            if (
                left_out
                and visible
                and visible[-1]["type"] == "progress_state"
                and visible[-1]["data"]["nodes"] == nodes
            ):
                continue
            visible.append({**event, "data": {**data, "nodes": nodes}})
        else:
            visible.append(event)
    return visible
