"""The door before moto: it weighs policies as AWS does, where moto would not."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from tests.doubles.aws import permissions
from tests.doubles.aws.server import REGION, AwsServer
from videogen.secret import Secret
from videogen.stack_outputs import StoreAccess

ALLOW = {
    "Effect": "Allow",
    "Action": ["s3:Get*", "sqs:SendMessage"],
    "Resource": ["arn:aws:s3:::bucket/x/*", "arn:aws:sqs:*:*:jobs"],
}


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("s3:GetObject", "arn:aws:s3:::bucket/x/y/z", True),
        ("S3:getobject", "arn:aws:s3:::bucket/x/y", True),
        ("s3:GetObject", "arn:aws:s3:::bucket/y", False),
        ("s3:GetObject", "arn:aws:s3:::buckets/x/y", False),
        ("s3:PutObject", "arn:aws:s3:::bucket/x/y", False),
        ("s3:GetObject", "arn:aws:s3:::bucket/x/no", False),
        ("sqs:SendMessage", "arn:aws:sqs:eu:1:jobs", True),
    ],
)
def test_one_allows_and_none_denies(action: str, resource: str, *, allowed: bool) -> None:
    """Actions match in any case, resources letter by letter; a denial wins."""
    deny = {"Effect": "Deny", "Action": "*", "Resource": "arn:aws:s3:::bucket/x/no"}

    assert permissions.allows([{"Statement": [ALLOW]}, {"Statement": [deny]}], action, resource) is allowed


def test_what_it_does_not_know_is_an_error() -> None:
    """A condition or a word that nobody weighs would be a hole."""
    for more in ({"Condition": {"StringLike": {"a": "b"}}}, {"NotResource": "*"}):
        with pytest.raises(ValueError, match="policy: unknown"):
            permissions.allows([{"Statement": [ALLOW | more]}], "s3:GetObject", "arn:aws:s3:::bucket/x/y")


@pytest.fixture(scope="module")
def server() -> Iterator[AwsServer]:
    """An account with a bucket and an object."""
    with AwsServer() as made:
        s3 = made.client("s3")
        s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="bucket", Key="x/y", Body=b"hello")
        yield made


def keys(server: AwsServer, name: str, policy: dict[str, Any]) -> StoreAccess:
    """A user that may do just that."""
    iam = server.client("iam")
    iam.create_user(UserName=name)
    document = json.dumps({"Version": "2012-10-17"} | policy)
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return StoreAccess(key=Secret(made["AccessKeyId"]), secret=Secret(made["SecretAccessKey"]))


def test_who_may_not_list_is_not_told_what_is_missing(server: AwsServer) -> None:
    """As S3: 403 for an object that is not there, unless its bucket may be listed."""
    listing = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::bucket"}
    blind, seeing = (
        server.client("s3", keys(server, name, {"Statement": statements}))
        for name, statements in (("blind", [ALLOW]), ("seeing", [ALLOW, listing]))
    )

    assert blind.get_object(Bucket="bucket", Key="x/y")["Body"].read() == b"hello"
    with pytest.raises(ClientError, match="403"):
        blind.head_object(Bucket="bucket", Key="x/z")
    with pytest.raises(ClientError, match="404"):
        seeing.head_object(Bucket="bucket", Key="x/z")


def test_a_bucket_may_refuse_whom_a_user_policy_allows(server: AwsServer) -> None:
    """Policies of buckets are weighed as well, conditions included: loopback stands for TLS."""
    his = server.client("s3", keys(server, "third", {"Statement": [ALLOW]}))
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::bucket/*"}
    clear = deny | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    owner = server.client("s3")

    owner.put_bucket_policy(Bucket="bucket", Policy=json.dumps({"Statement": [clear]}))
    assert his.get_object(Bucket="bucket", Key="x/y")
    owner.put_bucket_policy(Bucket="bucket", Policy=json.dumps({"Statement": [deny]}))
    with pytest.raises(ClientError, match="AccessDenied"):
        his.get_object(Bucket="bucket", Key="x/y")
    owner.delete_bucket_policy(Bucket="bucket")
    assert his.get_object(Bucket="bucket", Key="x/y")


def test_strangers_stay_outside(server: AwsServer) -> None:
    """A key that nobody made, and a request without a signature, may do nothing."""
    stranger = server.client("s3", StoreAccess(key=Secret("AKIANOBODY"), secret=Secret("x")))

    with pytest.raises(ClientError, match="AccessDenied"):
        stranger.get_object(Bucket="bucket", Key="x/y")
    assert httpx.get(f"{server.url}/bucket/x/y", trust_env=False).status_code == 403
