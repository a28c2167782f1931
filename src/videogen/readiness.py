"""Proof that a worker is ready for the workflows of its stack, and the report of its boot.

Nothing is taken on trust: the agent must know the token and refuse to talk without it, the disk must hold our manifest,
and ComfyUI itself must list every node class and model file that the workflows use.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from videogen import node_schema
from videogen.boot_report import BootStep, WorkerStatus
from videogen.errors import Fault, InputError, Interrupted, NotReady
from videogen.lease import LeaseTerms
from videogen.manifest import Manifest, require
from videogen.secret import Secret
from videogen.workflow import Workflow, is_missing

_LOOK_SECONDS = 0.1
_TELL_SECONDS = 1.0
_ANSWER_SECONDS = 30.0
"""ComfyUI answers from the thread that also loads models."""


class WantedFile(NamedTuple):
    """An input of a node class that must offer a model's file."""

    node: str
    input: str
    file: str


@dataclass(frozen=True)
class Requirements:
    """What a worker must have; `manifest` is a digest."""

    manifest: str
    nodes: frozenset[str]
    files: frozenset[WantedFile]


@dataclass(frozen=True)
class ReadyReport:
    """A proven worker: its own steps, and how long the proof took in all, in seconds of the one who waited."""

    worker: str
    steps: tuple[BootStep, ...]
    seconds: float


def requirements(workflows: Iterable[Workflow], manifest: Manifest, digest: str) -> Requirements:
    """What these workflows need; raises `InputError` with every model that the manifest lacks or does not pin."""
    nodes: set[str] = set()
    files: set[WantedFile] = set()
    faults: list[Fault] = []
    for one in (part for workflow in workflows for part in workflow.parts):
        nodes |= one.graph.classes
        for index, slot in enumerate(one.definition.models):
            if slot.optional and is_missing(slot.model, manifest):
                continue
            try:
                model = require(manifest, slot.model, f"workflows/{one.name}/workflow.yaml: models/{index}/model")
            except InputError as error:
                faults += error.faults
            else:
                files.add(WantedFile(one.graph.node(slot.title)["class_type"], slot.input, model.comfy_name))
    if faults:
        raise InputError(faults)
    return Requirements(digest, frozenset(nodes), frozenset(files))


def wait_until_ready(
    worker_url: str,
    agent_url: str,
    token: Secret,
    required: Requirements,
    *,
    deadline: float,
    alive: Callable[[], bool],
    progress: Callable[[str], None],
    cancelled: threading.Event,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] | None = None,
) -> ReadyReport:
    """Returns when the worker is proven ready; `deadline` is on `clock`, `progress` gets a sentence
    for each new step, and at most one a second within a step.

    Raises `NotReady`: at once with the worker's own reason when it failed, died or is unfit, else at the deadline.
    Raises `Interrupted` when `cancelled` is set.
    """
    with httpx.Client(headers={"Authorization": f"Bearer {token.reveal()}"}, trust_env=False) as http:
        wait = _Wait(http, deadline, alive, progress, cancelled, clock, sleep or cancelled.wait)
        began = clock()
        status = wait.agent_is_ready(agent_url.rstrip("/"), required.manifest)
        wait.agent_refuses_strangers(agent_url.rstrip("/"))
        wait.comfyui_has(worker_url.rstrip("/"), required)
        return ReadyReport(status.worker, status.steps, clock() - began)


def renew(agent_url: str, token: Secret, terms: LeaseTerms) -> None:
    """Changes what a living worker is granted, from its start on; raises `NotReady` when it does not take it."""
    url = f"{agent_url.rstrip('/')}/lease"
    headers = {"Authorization": f"Bearer {token.reveal()}"}
    try:
        answer = httpx.put(url, content=terms.model_dump_json(), headers=headers, timeout=10, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise NotReady(f"{url}: the worker does not take the new lease: {error}") from error


@dataclass
class _Wait:
    http: httpx.Client
    deadline: float
    alive: Callable[[], bool]
    progress: Callable[[str], None]
    cancelled: threading.Event
    clock: Callable[[], float]
    sleep: Callable[[float], object]
    said: str = "its agent does not answer yet"
    heading: str = ""
    told: float = 0.0

    def agent_is_ready(self, agent: str, manifest: str) -> WorkerStatus:
        """The status with which the agent says so."""
        while True:
            lives = self.alive()  # before the question, so that the last word of one who dies in between is heard
            status = self._status(agent)
            if status is not None:
                self._judge(status, manifest)
                self._tell(_sentence(status), heading=_steps(status))
                if status.state == "ready":
                    return status
            elif not lives:
                raise NotReady(f"the worker died; the last of it: {self.said}")
            self._pause()

    def agent_refuses_strangers(self, agent: str) -> None:
        """An agent that talks to everybody is no agent of ours."""
        answer = self._until_answered(f"{agent}/status", {"Authorization": ""})
        if answer.status_code != httpx.codes.UNAUTHORIZED:
            raise NotReady(f"{agent} answers without the token: HTTP {answer.status_code}", "is it our image?")

    def comfyui_has(self, comfyui: str, required: Requirements) -> None:
        """ComfyUI answers, and has what is required."""
        self._tell("ComfyUI is asked for nodes and models", heading="proof")
        document: dict[str, Any] = {}
        for node in sorted(required.nodes):
            document |= self._json(self._until_answered(f"{comfyui}/object_info/{quote(node, safe='')}"))
        if lacking := list(_lacking(document, required)):
            hint = "an image whose ComfyUI has these nodes, or a stack with other workflows"
            raise NotReady(f"{comfyui} lacks: {'; '.join(lacking)}", hint)

    def _status(self, agent: str) -> WorkerStatus | None:
        try:
            answer = self.http.get(f"{agent}/status", timeout=self._timeout())
        except httpx.TransportError:
            return None
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise NotReady(f"{agent} does not know the token", "another worker answers there, or an earlier one")
        if answer.status_code != httpx.codes.OK:
            return None  # a gateway whose agent is not there yet
        try:
            return WorkerStatus.model_validate_json(answer.content)
        except ValidationError as error:
            faults = error.error_count()
            raise NotReady(f"{agent} is no agent of this version: {faults} faults in its answer") from error

    def _judge(self, status: WorkerStatus, manifest: str) -> None:
        if status.manifest != manifest:
            raise NotReady(f"{status.worker} has manifest {status.manifest[:12]}…, not {manifest[:12]}…")
        if status.state == "failed":
            raise NotReady(f"{status.worker}: {status.error}", status.hint)
        if status.state == "ending":
            raise NotReady(f"{status.worker} ends before it was ready")

    def _until_answered(self, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        while True:
            try:
                answer = self.http.get(url, headers=headers, timeout=self._timeout())
            except httpx.TransportError as error:
                self.said = f"{url}: {error}"
            else:
                if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    return answer
                self.said = f"{url}: HTTP {answer.status_code}"
            if not self.alive():
                raise NotReady(f"the worker died; the last of it: {self.said}")
            self._pause()

    def _json(self, answer: httpx.Response) -> Mapping[str, Any]:
        try:
            found = answer.raise_for_status().json()
        except (httpx.HTTPStatusError, ValueError) as error:
            raise NotReady(f"{answer.url}: not an answer of ComfyUI: {error}") from error
        return found if isinstance(found, dict) else {}

    def _tell(self, sentence: str, heading: str) -> None:
        now = self.clock()
        if heading != self.heading or (sentence != self.said and now - self.told >= _TELL_SECONDS):
            self.said, self.heading, self.told = sentence, heading, now
            self.progress(sentence)

    def _timeout(self) -> float:
        return max(0.1, min(_ANSWER_SECONDS, self.deadline - self.clock()))

    def _pause(self) -> None:
        if self.cancelled.is_set():
            raise Interrupted("stopped while the worker booted")
        if self.clock() >= self.deadline:
            raise NotReady(f"not ready in time; the last of it: {self.said}", "a longer `boot` in the stack's lease?")
        self.sleep(_LOOK_SECONDS)


def _sentence(status: WorkerStatus) -> str:
    """What the worker does now."""
    if status.state == "ready":
        return "the worker says that it is ready"
    return "; ".join(f"{step.name} {step.detail}".rstrip() for step in _under_way(status))


def _steps(status: WorkerStatus) -> str:
    return "; ".join(step.name for step in _under_way(status))


def _under_way(status: WorkerStatus) -> Sequence[BootStep]:
    """What is not finished, or what was finished last."""
    return [step for step in status.steps if step.seconds is None] or status.steps[-1:]


def _lacking(document: Mapping[str, Any], required: Requirements) -> Iterator[str]:
    """Node classes and model files that are not in `/object_info`, as words."""
    for node in sorted(required.nodes - document.keys()):
        yield f"node class `{node}`"
    try:
        schemas = node_schema.parse({node: document[node] for node in required.nodes & document.keys()})
    except InputError as error:
        raise NotReady(f"its `/object_info` cannot be read: {error}") from error
    for wanted in sorted(required.files):
        if schema := schemas.get(wanted.node):
            offered = next((item.options for item in schema.inputs if item.name == wanted.input), None)
            if wanted.file not in (offered or ()):
                yield f"`{wanted.file}` for `{wanted.input}` of `{wanted.node}`"
