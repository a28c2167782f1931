"""`make preview`: asks Pulumi and the forecast what a change will do, and writes the comment for its pull request.

Without secrets, as for a change that comes from a fork (`HAS_SECRETS=false`), Pulumi and the bucket are not asked; the
forecast needs neither. Exit code 1: something of it would fail, and the comment says what.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from infra import configuration
from infra.settings import StackSettings
from tools.gitops import checkout, waiting
from tools.gitops.words import BatchPreview, StackPreview, comment
from videogen import declared, project, redaction
from videogen.console import Console
from videogen.declared import NONE
from videogen.errors import InputError, VideogenError
from videogen.forecast import Forecast, Plan, forecast
from videogen.redaction import Redaction

_SECONDS = 300.0
_QUIET = ("same", "read", "refresh")
_KEYS_OF_THE_MERGE = {"RUNPOD_API_KEY": "the merge has it, whoever previews"}
_NO_SECRETS = "Pulumi was not asked: this run has no secrets, as for a change from a fork. The merge will ask it."


def main() -> int:
    """The exit code."""
    console = Console()
    asking = os.environ.get("HAS_SECRETS", "true") == "true"
    try:
        found = checkout.decided()
        stacks = [
            _stack(name, name in found.renting, found.why[name], asking=asking)
            for name in (*found.lasting, *found.renting)
        ]
        batches = [
            _batch(path, name, changed=path in _absolute(found.why[name]), asking=asking)
            for name in found.queues
            for path in checkout.batches(name)
        ]
    except VideogenError as error:
        console.error(error)
        return error.exit_code
    text = Redaction(redaction.of_environment(os.environ)).text(comment(stacks, batches, found.faults))
    for name in ("COMMENT", "GITHUB_STEP_SUMMARY"):
        if file := os.environ.get(name):
            with Path(file).open("a" if name == "GITHUB_STEP_SUMMARY" else "w", encoding="utf-8") as written:
                written.write(text)
    console.say(text)
    return 1 if found.faults or any(one.fault for one in (*stacks, *batches)) else 0


def _absolute(paths: tuple[str, ...]) -> set[Path]:
    return {project.root() / path for path in paths}


def _stack(name: str, rents: bool, why: tuple[str, ...], *, asking: bool) -> StackPreview:
    try:
        said = _expected(name).words() if rents else ()
    except VideogenError as error:
        return StackPreview(name, rents, why, fault=error.message)
    if not asking:
        return StackPreview(name, rents, why, said=said, unknown=_NO_SECRETS)
    done = subprocess.run(
        ["pulumi", "preview", "--json", "--non-interactive", "--stack", name],
        cwd=project.root(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if "no stack named" in done.stderr:
        unknown = "Pulumi was not asked: there is no stack of that name yet. It is made when it is first brought up."
        return StackPreview(name, rents, why, said=said, unknown=unknown)
    return _read(StackPreview(name, rents, why, said=said), done)


def _read(seen: StackPreview, done: "subprocess.CompletedProcess[str]") -> StackPreview:
    """What Pulumi answered."""
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return StackPreview(seen.name, seen.rents, seen.why, fault=done.stderr or "pulumi says nothing")
    notes = [(one["severity"], one["message"].strip()) for one in told.get("diagnostics") or ()]
    words = tuple(text for severity, text in notes if severity in ("info", "warning"))
    faults = [text for severity, text in notes if severity == "error"]
    fault = "\n".join(faults or ([done.stderr] if done.returncode else [])) or None
    return StackPreview(seen.name, seen.rents, seen.why, tuple(_steps(told)), words or seen.said, fault)


def _steps(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for step in told.get("steps") or ():
        kind, name = step["urn"].split("::")[-2:]
        if step["op"] not in _QUIET and not kind.startswith("pulumi:"):
            yield step["op"], f"{kind.rsplit('$', 1)[-1]} {name}"


def _expected(stack: str) -> Forecast:
    """The forecast of a phase from its file alone; the month is not known here. Raises `InputError`."""
    wanted = _declared(stack).settings
    if wanted.phase is None or wanted.cloud is None or wanted.lease is None:
        raise InputError.of(f"stack {stack}", "rents nothing")
    models = project.read_manifest(project.root() / wanted.manifest).select(wanted.phase).models
    plan = Plan(
        phase=wanted.phase,
        workflows=wanted.workflows,
        cloud=wanted.cloud,
        workers=wanted.workers,
        gpus=wanted.gpus,
        places=wanted.places,
        lease_minutes=wanted.lease.total,
        cap=wanted.cap,
        model_bytes=sum(model.expected_bytes for model in models),
        store_endpoint=declared.store_endpoint(stack),
    )
    return forecast(plan, None)


def _declared(stack: str) -> StackSettings:
    return configuration.read(stack, project.root(), _clear(stack), {})


def _clear(stack: str) -> dict[str, str]:
    """A stack's file as Pulumi hands it over; what is encrypted in it counts as not there."""
    written: dict[str, Any] = yaml.safe_load(project.read(project.root() / f"Pulumi.{stack}.yaml"))["config"]
    hidden = {key for key, value in written.items() if isinstance(value, dict) and value.keys() == {"secure"}}
    return {key: NONE if key in hidden else _spelled(value) for key, value in written.items()}


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _batch(path: Path, stack: str, *, changed: bool, asking: bool) -> BatchPreview:
    shown = project.shown(path)
    try:
        configuration.require_possible(_declared(stack), _KEYS_OF_THE_MERGE)
        found = waiting.look(path, stack, ask=asking)
    except InputError as error:
        return BatchPreview(shown, stack, changed=changed, fault=error.message)
    jobs, worst = len(found.order.plan.jobs), found.order.worst
    return BatchPreview(shown, stack, jobs, found.open_jobs, worst, changed, doubt=found.doubt)


if __name__ == "__main__":
    sys.exit(main())
