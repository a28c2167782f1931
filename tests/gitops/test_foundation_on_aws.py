"""A merge brings a foundation up on AWS, with credentials that are lent for the job and stored nowhere."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.aws.server import BIN, AwsServer
from tests.doubles.github_api import github
from tests.doubles.runpod import fake_runpod
from tests.doubles.s3_server import S3Server
from tests.gitops.conftest import ROOT, Hosted

ROLE = "arn:aws:iam::123456789012:role/video-gen"
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def lent() -> list[Mapping[str, Any]]:
    """What was asked for, each time that credentials were lent."""
    return []


@pytest.fixture
def hosted(tmp_path: Path, lent: list[Mapping[str, Any]]) -> Iterator[tuple[Hosted, AwsServer]]:
    """A repository whose machines reach an AWS, and have no key to it."""
    with AwsServer() as aws, fake_runpod() as runpod, github() as api:
        made = Hosted(tmp_path, S3Server(tmp_path), runpod, api)
        keys = {name: value for name, value in aws.environment.items() if name.startswith(("AWS_ACCESS", "AWS_SECRET"))}

        def lend(inputs: Mapping[str, Any], _folder: Path) -> Mapping[str, str]:
            lent.append(inputs)
            return keys

        reached = {name: value for name, value in aws.environment.items() if name not in keys}
        made.actions.machine = {**made.actions.machine, **reached, "PATH": f"{BIN}:{made.actions.machine['PATH']}"}
        made.actions.uses = {**made.actions.uses, "aws-actions/configure-aws-credentials": lend}
        made.actions.variables = {**made.actions.variables, "AWS_ROLE_ARN": ROLE, "AWS_REGION": "eu-central-1"}
        yield made, aws


def test_a_merge_brings_it_up(hosted: tuple[Hosted, AwsServer], lent: list[Mapping[str, Any]]) -> None:
    """`prod` as it is committed: a pull request shows each resource, the merge makes the buckets; both by the role."""
    made, aws = hosted
    text = (ROOT / "Pulumi.prod.yaml").read_text()
    merged = made.merged({"Pulumi.prod.yaml": text})
    proposed = made.proposed({"Pulumi.prod.yaml": text.replace("month: 10}", "month: 11}"), "infra/x.md": ""})
    (comment,) = made.api.comments

    assert merged.results == {"changed": "success", "up (prod)": "success", "queue": "skipped"}, merged.log
    assert proposed.results == {"preview": "success"}, proposed.log
    assert [inputs["role-to-assume"] for inputs in lent] == [ROLE, ROLE]
    assert len(aws.client("s3").list_buckets()["Buckets"]) == 2
    assert "#### `prod`, what lasts\n\nWhy: `Pulumi.prod.yaml`, `infra/x.md`." in comment["body"]
    assert "`pulumi up` at the merge: nothing changes." in comment["body"], comment["body"]
    assert (merged.leaked, proposed.leaked) == (set(), set())
