"""The pipelines in .github/workflows/: what each may, what it may never, and that their filters say what the decision says."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.repo.test_agrees_with_itself import ROOT, tracked
from tools.gitops import checkout, waiting
from tools.gitops.changed import changed
from videogen import declared

FOLDER = ROOT / ".github/workflows"
PIPELINES: dict[str, dict[Any, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yml")}
OURS = [name for name in PIPELINES if name != "ci"]
WORKING = {"up", "queue", "destroy"}
"""Make targets that change what a stack has."""


def jobs(*names: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Jobs of pipelines, with an address."""
    for name in names or tuple(PIPELINES):
        for job, told in PIPELINES[name]["jobs"].items():
            yield f"{name}/{job}", told


def steps(*names: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Their steps."""
    for address, job in jobs(*names):
        for number, step in enumerate(job["steps"]):
            yield f"{address}/{number}", step


def triggers(name: str) -> dict[str, Any]:
    """What starts a pipeline; YAML reads the key `on` as true."""
    found: dict[str, Any] = PIPELINES[name][True]
    return found


def test_these_pipelines_stand() -> None:
    """A proof, a preview, a merge, a sweep, and a button."""
    assert set(PIPELINES) == {"ci", "preview", "merge", "sweep", "destroy"}


def test_actions_are_pinned_by_commit() -> None:
    """Each action is a whole commit, the same everywhere, with its version as a comment; there are four."""
    pins: dict[str, set[str]] = {}
    for path in FOLDER.glob("*.yml"):
        for line in re.findall(r"uses: (.*)", path.read_text()):
            found = re.fullmatch(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40} # v\d+\.\d+\.\d+)", line)
            assert found, f"{path.name}: {line}"
            pins.setdefault(found[1], set()).add(found[2])

    assert {name: len(found) for name, found in pins.items()} == dict.fromkeys(
        ("actions/checkout", "actions/setup-python", "actions/setup-go", "aws-actions/configure-aws-credentials"), 1
    )


def test_every_command_is_a_make_target() -> None:
    """A step is an action or one make target without words of its own: nothing is decided in YAML, nothing is injected."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for address, step in steps(*OURS):
        if "run" in step:
            found = re.fullmatch(r"make ([a-z-]+)", step["run"])
            assert found, address
            assert found[1] in targets, address
            assert not {"shell", "working-directory", "continue-on-error"} & set(step), address


def test_nothing_is_allowed_but_what_is_named() -> None:
    """No pipeline has rights as a whole, each job only those of its work: nobody writes code, one writes comments."""
    allowed: dict[str, dict[str, str]] = {}
    for name in OURS:
        assert PIPELINES[name]["permissions"] == {}, name
    for address, job in jobs(*OURS):
        allowed[address] = job["permissions"]
    to_aws = {"contents": "read", "id-token": "write"}

    assert allowed == {
        "preview/preview": to_aws | {"pull-requests": "write"},
        "merge/changed": {"contents": "read"},
        "merge/up": to_aws,
        "merge/queue": to_aws,
        "sweep/sweep": to_aws,
        "destroy/destroy": to_aws,
    }
    assert PIPELINES["ci"]["permissions"] == {"contents": "read"}


def test_no_checkout_leaves_its_token_behind() -> None:
    """Code that a later step runs finds no token in the checkout's configuration."""
    for address, step in steps():
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False, address


def test_secrets_are_in_the_environment_of_one_step() -> None:
    """A secret or the token stands only as a value in a step's `env`, and only beside a command of ours."""
    word = re.compile(r"\b(secrets\.|github\.token)")
    for name, told in PIPELINES.items():
        for _, job in jobs(name):
            for step in job["steps"]:
                if any(word.search(str(value)) for value in step.get("env", {}).values()):
                    assert step["run"].startswith("make "), step
        whole = {key: value for key, value in told.items() if key != "jobs"}
        rest = [{k: v for k, v in step.items() if k != "env"} for _, job in jobs(name) for step in job["steps"]]
        without = [{k: v for k, v in job.items() if k != "steps"} for _, job in jobs(name)]

        assert not word.search(str([whole, rest, without])), name


def test_no_key_of_aws_is_stored() -> None:
    """AWS is reached by a role whose name is no secret; no pipeline knows a key."""
    texts = "".join(path.read_text() for path in FOLDER.glob("*.yml"))
    for address, step in steps():
        if step.get("uses", "").startswith("aws-actions/"):
            given = step["with"]
            assert set(given) - {"role-duration-seconds"} == {"role-to-assume", "aws-region"}, address
            assert given["role-to-assume"] == "${{ vars.AWS_ROLE_ARN }}", address

    assert not re.search(r"AWS_(ACCESS|SECRET)|access-key", texts)


def test_nothing_of_an_event_reaches_a_shell() -> None:
    """Pipelines run for pull requests without the rights of the target, and no event's text is in a command."""
    for name in PIPELINES:
        assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(triggers(name)), name
    for address, step in steps():
        assert "${{" not in step.get("run", ""), address


def test_every_job_ends() -> None:
    """Each has a limit below the six hours of a hosted runner; the run of a queue leaves its destroy its time."""
    for address, job in jobs():
        assert 0 < job["timeout-minutes"] < 360, address
    queue = PIPELINES["merge"]["jobs"]["queue"]
    limits = [step["timeout-minutes"] for step in queue["steps"] if step.get("run") in ("make queue", "make destroy")]

    assert limits[0] > waiting.MINUTES
    assert sum(limits) < queue["timeout-minutes"]


def test_credentials_outlive_a_queue() -> None:
    """The role's session is as long as the job that ends with a destroy may take."""
    for _, step in steps("merge"):
        if "role-duration-seconds" in step.get("with", {}):
            assert step["with"]["role-duration-seconds"] >= PIPELINES["merge"]["jobs"]["queue"]["timeout-minutes"] * 60
            return
    pytest.fail("the queue has the usual hour")


def test_one_stack_has_one_worker_at_a_time() -> None:
    """Each job that changes a stack waits for every other one of that stack, and none is cancelled in the middle."""
    for name in OURS:
        for _, job in jobs(name):
            commands = {step.get("run", "").removeprefix("make ") for step in job["steps"]}
            if commands & WORKING:
                stack = job["env"]["STACK"]
                group = job.get("concurrency") or PIPELINES[name]["concurrency"]
                assert group == {"group": f"stack-{stack}", "cancel-in-progress": False}, name
    assert PIPELINES["sweep"]["concurrency"] == {"group": "sweep", "cancel-in-progress": False}


def test_a_queue_ends_with_a_destroy_whatever_happened() -> None:
    """After each run of a queue, also one that was cancelled or failed, everything of the stack is ended."""
    commands = [(step.get("run"), step.get("if")) for step in PIPELINES["merge"]["jobs"]["queue"]["steps"]]

    assert commands[-2:] == [("make queue", None), ("make destroy", "always()")]


def test_the_button_knows_every_stack_that_rents() -> None:
    """Its choice is the phases, and nothing that lasts."""
    choice = triggers("destroy")["workflow_dispatch"]["inputs"]["stack"]["options"]

    assert choice == [stack.name for stack in checkout.stacks() if stack.rents]


def test_secrets_come_from_guarded_environments() -> None:
    """What changes anything uses `production`, which a pull request cannot enter; a preview has its own."""
    for address, job in jobs(*OURS):
        commands = {step.get("run") for step in job["steps"]}
        wanted = None if "make changed" in commands else "preview" if "make preview" in commands else "production"
        assert job.get("environment") == wanted, address


def matches(pattern: str, path: str) -> bool:
    """As GitHub reads a filter: `**` crosses folders, `*` does not."""
    parts = (
        ".*" if part == "**" else "[^/]*" if part == "*" else re.escape(part) for part in re.split(r"(\*+)", pattern)
    )
    return re.fullmatch("".join(parts), path) is not None


def universe() -> list[str]:
    """Every path of the checkout, and paths that could be there."""
    known = [str(path.relative_to(ROOT)) for path in tracked("*")]
    stacks = [*declared.stacks(), "phase-z"]
    queued = [
        f"batches/queue/{stack}/{name}" for stack in stacks for name in ("a.yaml", "inputs/deep/x.png", ".hidden")
    ]
    beside = ["batches/queue/a.yaml", "batches/a.yaml", "batches/queue", "x/infra/a.py", "infra", "Pulumi.yaml.bak"]
    return [
        *known,
        *queued,
        *beside,
        "infra/a/b/c.py",
        "src/videogen/new.py",
        "src/other/a.py",
        "workflows/new/graph.json",
    ]


@pytest.mark.parametrize(("pipeline", "trigger"), [("preview", "pull_request"), ("merge", "push")])
def test_filters_match_what_the_decision_says(pipeline: str, trigger: str) -> None:
    """For every path, alone, the filter lets the pipeline start exactly when there is something for it to do."""
    filters = triggers(pipeline)[trigger]["paths"]
    stacks = checkout.stacks()
    wrong = []
    for path in universe():
        decision = changed([path], stacks)
        if any(matches(one, path) for one in filters) != (
            decision.merges if pipeline == "merge" else decision.previews
        ):
            wrong.append(path)

    assert wrong == []
    assert set(triggers(pipeline)[trigger]) == ({"branches", "paths"} if trigger == "push" else {"paths"})


def test_no_filter_is_idle() -> None:
    """Each pattern of a filter matches a path that could be there."""
    for pipeline, trigger in (("preview", "pull_request"), ("merge", "push")):
        for pattern in triggers(pipeline)[trigger]["paths"]:
            assert any(matches(pattern, path) for path in universe()), pattern
