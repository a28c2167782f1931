"""A small runner of GitHub Actions: the jobs of a workflow in their order, each in a checkout of its own, on this machine.

`run` lines are real: bash as GitHub starts it, with nothing in the environment but what the workflow gives and what
`machine` says the machine has. `uses` is played: a function by the action's name, which gets the step's inputs and may
add to the job's environment. Secrets are taken out of the log; those that were in it are in `Ran.leaked`.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from tests.doubles.actions_expression import condition, filled, spelled

Uses = Callable[[Mapping[str, Any], Path], Mapping[str, str]]
"""An action: its inputs, the job's folder → what it adds to the environment."""


@dataclass
class Ran:
    """How a workflow went."""

    results: dict[str, str] = field(default_factory=dict)
    """`queue (phase-c)` → success, failure, skipped, lost."""
    steps: list[str] = field(default_factory=list)
    """`job: make x`, those that were started, in order."""
    log: str = ""
    leaked: set[str] = field(default_factory=set)
    """Names of secrets that a step said."""
    summary: str = ""
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass
class Actions:
    """What a repository on GitHub has, and where its jobs run."""

    folder: Path
    machine: Mapping[str, str]
    variables: Mapping[str, str]
    secrets: Mapping[str, str]
    uses: Mapping[str, Uses]
    seconds: float = 240
    """The longest a step may take here, whatever it may take there."""
    lost: Callable[[str], bool] = lambda _said: False
    """Asked while a step runs, with what it has said: true is the end of its machine, after which no step follows."""
    _count: int = 0

    def run(self, workflow: Path, github: Mapping[str, Any], inputs: Mapping[str, str] | None = None) -> Ran:
        """Runs it for an event; `github` is the context of that name."""
        told = yaml.safe_load(workflow.read_text())
        ran = Ran()
        for name, job in told["jobs"].items():
            needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
            results = {need: self._together(ran, need) for need in needs}
            contexts: dict[str, Any] = {
                "github": {**github, "token": self.secrets.get("GITHUB_TOKEN", "")},
                "vars": self.variables,
                "inputs": inputs or {},
                "needs": {need: {"result": results[need], "outputs": ran.outputs.get(need, {})} for need in needs},
            }
            status = "success" if all(result == "success" for result in results.values()) else "failure"
            if not condition(job.get("if", True), contexts, status):
                ran.results[name] = "skipped"
                continue
            for matrix in _matrix(filled(job.get("strategy", {}).get("matrix", {}), contexts)):
                title = f"{name} ({', '.join(matrix.values())})" if matrix else name
                contexts |= {"matrix": matrix}
                ran.results[title] = _Job(self, ran, title, job, contexts).result()
        return ran

    def fresh(self) -> Path:
        """An empty folder for a job."""
        self._count += 1
        made = self.folder / f"job-{self._count}"
        made.mkdir(parents=True)
        return made

    @staticmethod
    def _together(ran: Ran, job: str) -> str:
        found = {result for title, result in ran.results.items() if title.split(" (")[0] == job}
        return "failure" if "failure" in found else found.pop()


@dataclass
class _Job:
    actions: Actions
    ran: Ran
    title: str
    told: Mapping[str, Any]
    contexts: dict[str, Any]
    status: str = "success"

    def result(self) -> str:
        """Runs every step that is due."""
        around = self.actions.fresh()
        self.files = {name: around / name.lower() for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in self.files.values():
            file.touch()
        self.work = around / "work"
        self.work.mkdir()
        self.contexts["steps"] = {}
        # As there: secrets are no context of a job's own environment here, for no workflow of ours wants them in it.
        self.environment = {
            name: spelled(value) for name, value in filled(self.told.get("env", {}), self.contexts).items()
        }
        for step in self.told["steps"]:
            if self.status == "lost":
                break
            if condition(step.get("if", True), self.contexts, self.status) and not self._step(step):
                self.status = "failure" if self.status != "lost" else self.status
        self.ran.summary += self.files["GITHUB_STEP_SUMMARY"].read_text()
        outputs = filled(self.told.get("outputs", {}), self.contexts)
        self.ran.outputs[self.title.split(" (")[0]] = outputs
        return self.status

    def _step(self, step: Mapping[str, Any]) -> bool:
        contexts = {**self.contexts, "secrets": self.actions.secrets}
        if "uses" in step:
            name = step["uses"].split("@")[0]
            self.environment |= self.actions.uses[name](filled(step.get("with", {}), contexts), self.work)
            return True
        own = {name: spelled(value) for name, value in filled(step.get("env", {}), contexts).items()}
        self.ran.steps.append(f"{self.title}: {step['run']}")
        limit = min(self.actions.seconds, step.get("timeout-minutes", 360) * 60)
        done = self._bash(step["run"], own, limit)
        if "id" in step:
            lines = self.files["GITHUB_OUTPUT"].read_text().splitlines()
            self.contexts["steps"][step["id"]] = {"outputs": dict(line.split("=", 1) for line in lines)}
        return done

    def _bash(self, command: str, own: Mapping[str, str], seconds: float) -> bool:
        github = {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": self.contexts["github"]["repository"]}
        log = self.work.parent / "log"
        with log.open("w") as said:
            process = subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command],
                cwd=self.work,
                env={
                    **self.actions.machine,
                    **github,
                    **{k: str(v) for k, v in self.files.items()},
                    **self.environment,
                    **own,
                },
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            deadline = time.monotonic() + seconds
            while process.poll() is None and not (killed := self.actions.lost(log.read_text())):
                assert time.monotonic() < deadline, f"{command}: {log.read_text()[-3000:]}"
                time.sleep(0.05)
        if process.poll() is None and killed:
            for group in _groups(process.pid):
                os.killpg(group, signal.SIGKILL)
            process.wait(10)
            self.status = "lost"
        self._keep(f"$ {command}\n{log.read_text()}")
        return process.returncode == 0

    def _keep(self, text: str) -> None:
        for name, value in self.actions.secrets.items():
            if value and value in text:
                self.ran.leaked.add(name)
                text = text.replace(value, "***")
        self.ran.log += text


def _groups(first: int) -> set[int]:
    """The process groups of a process and everything that it started: at a job's end all of them are killed."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,pgid="], capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in listed.splitlines()]
    found, groups = {first}, {first}
    for _ in rows:
        more = {pid for pid, parent, _ in rows if parent in found} - found
        if not more:
            break
        found |= more
    groups |= {group for pid, _, group in rows if pid in found}
    return groups


def _matrix(told: Mapping[str, list[str]]) -> Iterator[dict[str, str]]:
    names = list(told)
    for values in product(*(told[name] for name in names)):
        yield dict(zip(names, values, strict=True))
