"""What AWS refuses is one clear error, what it is busy with is asked again; a bucket that was there is not ours."""

import json

import pytest

from tests.doubles.aws.server import REGION, AwsServer
from tests.infra.conftest import Prod

THEIRS = "their-models"
STORE = f'{{endpoint: "", region: {REGION}, models: {THEIRS}, outputs: our-outputs, existingModels: true}}'


@pytest.fixture(scope="module", autouse=True)
def _adopting(prod: Prod) -> None:
    """The stack file takes a bucket of models that should be there already."""
    prod.checkout.set("prod", "store", STORE)


def test_a_bucket_to_adopt_must_be_there(prod: Prod) -> None:
    """The preview says which is not, before anything is made."""
    said = prod.run("preview", code=1)

    assert f"couldn't find resource: {THEIRS}" in said


@pytest.fixture(scope="module")
def theirs(aws: AwsServer) -> dict[str, object]:
    """A bucket of somebody else, with an object and a rule, as it is before `up`."""
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=THEIRS, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=THEIRS, Key="models/sha256/x", Body=b"x")
    s3.put_bucket_tagging(Bucket=THEIRS, Tagging={"TagSet": [{"Key": "of", "Value": "them"}]})
    return seen(aws)


def seen(aws: AwsServer) -> dict[str, object]:
    """What can be told of that bucket."""
    s3 = aws.client("s3")
    return {
        "keys": [one["Key"] for one in s3.list_objects_v2(Bucket=THEIRS)["Contents"]],
        "tags": s3.get_bucket_tagging(Bucket=THEIRS)["TagSet"],
        "versioning": s3.get_bucket_versioning(Bucket=THEIRS).get("Status"),
    }


def test_an_operator_who_may_not(aws: AwsServer, prod: Prod, theirs: dict[str, object]) -> None:
    """The error names the resource, the action and AWS's word; the next `up` goes on from there."""
    aws.refuse("iam:CreateUser", "AccessDenied", status=403)
    said = prod.run("up", "--yes", "--skip-preview", code=1)
    aws.behave()

    assert "creating operator: CreateUser: AccessDenied" in said
    assert "Traceback" not in said


def test_a_busy_aws_is_asked_again(aws: AwsServer, prod: Prod, theirs: dict[str, object]) -> None:
    """Two refusals for being too quick cost a moment and no error; what was there from before is kept."""
    aws.refuse("sqs:SetQueueAttributes", "ThrottlingException", times=2)
    aws.refuse("iam:CreateUser", "Throttling", times=2)
    prod.run("up", "--yes", "--skip-preview")

    assert aws.seen().count("iam:CreateUser") >= 4
    assert len(aws.client("iam").list_users()["Users"]) == 2
    assert prod.outputs()["store"]["models"] == THEIRS


def test_an_adopted_bucket_outlives_the_stack(aws: AwsServer, prod: Prod, theirs: dict[str, object]) -> None:
    """Neither `up` nor an end on purpose touches it; workers may read it while the stack is up."""
    (worker,) = [
        one["UserName"] for one in aws.client("iam").list_users()["Users"] if one["UserName"].endswith("worker")
    ]
    policy = aws.client("iam").get_user_policy(UserName=worker, PolicyName="video-gen")["PolicyDocument"]
    prod.run("state", "unprotect", "--all", "--yes")
    prod.run("destroy", "--yes", "--skip-preview")

    assert f"arn:aws:s3:::{THEIRS}/models/*" in json.dumps(policy)
    assert seen(aws) == theirs
    assert [one["Name"] for one in aws.client("s3").list_buckets()["Buckets"]] == [THEIRS]
