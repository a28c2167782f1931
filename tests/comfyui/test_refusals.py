"""What a real ComfyUI refuses is found before anything is sent, and nothing else is."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import httpx
import pytest

from tests.comfyui.conftest import Core
from tests.doubles import workshop
from videogen import node_schema, project
from videogen.graph import Prompt
from videogen.node_schema import Accepted, check

pytestmark = pytest.mark.timeout(300)

SLIPS: tuple[Any, ...] = (None, "abc", 1e9, -1e9, True, [], {}, ["999", 0])
"""What a hand may put in an input's place."""


def _slips(prompt: Prompt) -> Iterator[tuple[str, Prompt]]:
    for node_id, node in prompt.items():
        for name, value in node["inputs"].items():
            for slip in (*SLIPS, [node_id, 0], *([[value[0], 7]] if isinstance(value, list) else [])):
                changed = deepcopy(prompt)
                changed[node_id]["inputs"][name] = slip
                yield f"{node['class_type']}/{name} = {slip!r}", changed
            changed = deepcopy(prompt)
            del changed[node_id]["inputs"][name]
            yield f"{node['class_type']}/{name} is gone", changed


def _prompt(core: Core, name: str) -> Prompt:
    flow = project.read_workflow(name)
    values = workshop.plain_values(flow, "a")
    bound: Prompt = json.loads(json.dumps(flow.bind(values, project.read_manifest(core.manifest)).prompt))
    return bound


@pytest.mark.parametrize("name", ["wan22-i2v", "scail2-replace", "upscale-interpolate"])
def test_every_slip_has_the_same_verdict_here_and_there(name: str, core: Core) -> None:
    """Each input of each node gone, of another type, out of range, linked to nothing, to itself or to another thing."""
    if core.lacks(name):
        return  # there, one verdict hides all others
    with httpx.Client(base_url=core.worker.url, trust_env=False, timeout=60) as http:
        for kind in ("image", "video"):
            http.post("/upload/image", files={"image": (f"here.{kind}", b"")}).raise_for_status()
        schemas = node_schema.parse(http.get("/object_info").json())
        files = {**node_schema.model_files(schemas), "input": ["here.image", "here.video"]}
        apart = []
        for slip, changed in _slips(_prompt(core, name)):
            answer = http.post("/prompt", json={"prompt": changed, "client_id": "slips"})
            http.post("/queue", json={"clear": True})
            http.post("/interrupt", json={})
            taken = answer.status_code == 200 and not answer.json()["node_errors"]
            verdict = check(changed, schemas, files)
            if taken != (isinstance(verdict, Accepted) and not verdict.node_errors):
                apart.append(f"{slip}: {answer.text[:200]}")
    assert apart == []
