"""The stand-in plugin, asked as the engine asks, against a server: strict, and true to what AWS has."""

import asyncio
import importlib
import inspect
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.provider.experimental import provider as wire
from pulumi.runtime.rpc import UNKNOWN

from infra.provider.properties import Plain, plain, wrapped
from tests.doubles.aws.plugin import KINDS, StandIn
from tests.doubles.aws.server import REGION, AwsServer
from videogen.errors import CloudError

POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
BUCKET, QUEUE, USER = "aws:s3/bucket:Bucket", "aws:sqs/queue:Queue", "aws:iam/user:User"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
NEEDED = {"s3": (BUCKET, {"bucket": "a-bucket"}), "iam": (USER, {"name": "somebody"})}
SAMPLES: dict[str, tuple[Plain, Plain]] = {
    BUCKET: ({"bucket": "another", "tags": {"a": "b"}}, {"tags": {"a": "c"}}),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": (
        {"bucket": "a-bucket", "blockPublicAcls": True},
        {"blockPublicPolicy": True},
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        {"bucket": "a-bucket", "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]},
        {},
    ),
    "aws:s3/bucketPolicy:BucketPolicy": (
        {"bucket": "a-bucket", "policy": POLICY},
        {"policy": POLICY.replace("s3:*", "s3:GetObject")},
    ),
    "aws:s3/bucketVersioning:BucketVersioning": (
        {"bucket": "a-bucket", "versioningConfiguration": {"status": "Enabled"}},
        {"versioningConfiguration": {"status": "Suspended"}},
    ),
    LIFECYCLE: (
        {
            "bucket": "a-bucket",
            "rules": [
                {"id": "logs", "status": "Enabled", "filter": {"prefix": "logs/"}, "expiration": {"days": 3}},
                {
                    "id": "rest",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "expiration": {"expiredObjectDeleteMarker": True},
                    "noncurrentVersionExpiration": {"noncurrentDays": 2},
                },
            ],
        },
        {"rules": [{"id": "logs", "status": "Disabled", "filter": {"prefix": "logs/"}, "expiration": {"days": 3}}]},
    ),
    QUEUE: ({"name": "jobs", "visibilityTimeoutSeconds": 60, "tags": {"a": "b"}}, {"visibilityTimeoutSeconds": 90}),
    USER: ({"name": "another", "path": "/x/", "tags": {"a": "b"}}, {"tags": {"a": "c"}}),
    "aws:iam/userPolicy:UserPolicy": (
        {"name": "p", "user": "somebody", "policy": POLICY},
        {"policy": POLICY.replace("s3:*", "s3:GetObject")},
    ),
    "aws:iam/accessKey:AccessKey": ({"user": "somebody"}, {}),
}


class Engine:
    """Asks the plugin as the engine does, one resource at a time."""

    def __init__(self) -> None:
        self.plugin = StandIn()
        asked = wire.ConfigureRequest({}, wrapped({"region": REGION}, ()), accept_secrets=True, accept_resources=False)
        asyncio.run(self.plugin.configure(asked))

    def urn(self, kind: str) -> str:
        """The name of a resource that has a parent."""
        return f"urn:pulumi:prod::videogen::aws:s3/bucket:Bucket${kind}::some"

    def failures(self, kind: str, inputs: Plain) -> dict[str, str]:
        """What check finds."""
        request = wire.CheckRequest(self.urn(kind), {}, wrapped(inputs, ()), b"")
        said = asyncio.run(self.plugin.check(request)).failures or []
        return {one.property: one.reason for one in said}

    def create(self, kind: str, inputs: Plain, *, preview: bool = False) -> tuple[str, Plain]:
        """Id and state."""
        request = wire.CreateRequest(self.urn(kind), wrapped(inputs, ()), 0, preview)
        said = asyncio.run(self.plugin.create(request))
        return said.resource_id or "", plain(said.properties or {})

    def read(self, kind: str, id_: str, state: Plain) -> Plain:
        """The state after a refresh; empty when it is gone."""
        request = wire.ReadRequest(self.urn(kind), id_, wrapped(state, ()), {})
        return plain(asyncio.run(self.plugin.read(request)).properties)

    def diff(self, kind: str, id_: str, state: Plain, inputs: Plain) -> tuple[list[str], list[str]]:
        """What differs, and which of it needs a new resource."""
        request = wire.DiffRequest(self.urn(kind), id_, wrapped(state, ()), wrapped(inputs, ()), [])
        said = asyncio.run(self.plugin.diff(request))
        return list(said.diffs or ()), list(said.replaces or ())

    def update(self, kind: str, id_: str, state: Plain, inputs: Plain) -> Plain:
        """The state after a change."""
        request = wire.UpdateRequest(self.urn(kind), id_, wrapped(state, ()), wrapped(inputs, ()), 0, [], preview=False)
        return plain(asyncio.run(self.plugin.update(request)).properties or {})

    def delete(self, kind: str, id_: str, state: Plain) -> None:
        """Ends it."""
        asyncio.run(self.plugin.delete(wire.DeleteRequest(self.urn(kind), id_, wrapped(state, ()), 0)))


@pytest.fixture(scope="module")
def server() -> Iterator[AwsServer]:
    """An account."""
    with AwsServer() as made:
        yield made


@pytest.fixture
def engine(server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A plugin that the environment leads to the account."""
    for name, value in (server.environment | {"AWS_MAX_ATTEMPTS": "2"}).items():
        monkeypatch.setenv(name, value)
    return Engine()


@pytest.mark.filterwarnings("ignore:.*has been deprecated in favor of:DeprecationWarning")  # of the SDK, about itself
@pytest.mark.parametrize("kind", KINDS)
def test_properties_are_those_of_the_sdk(kind: str) -> None:
    """Nothing is taken that the real plugin's SDK does not know."""
    module, name = kind.removeprefix("aws:").partition("/")[0], kind.rpartition(":")[2]
    resource = getattr(importlib.import_module(f"pulumi_aws.{module}"), name)
    arguments = resource._internal_init  # `__init__` takes two forms and names neither

    assert set(KINDS[kind][0].model_fields) <= inspect.signature(arguments).parameters.keys()


def test_what_it_does_not_carry_out_is_refused(engine: Engine) -> None:
    """An unknown property, a wrong type, a malformed policy and an unknown resource are errors, not silence."""
    rule = {"id": "x", "status": "Enabled", "filter": {"prefix": "", "tag": {"key": "a", "value": "b"}}}

    assert engine.failures(BUCKET, {"bucket": "b", "forceDestroy": True}).keys() == {"forceDestroy"}
    assert engine.failures(QUEUE, {"name": "q", "visibilityTimeoutSeconds": "60"}).keys() == {
        "visibilityTimeoutSeconds"
    }
    assert engine.failures(QUEUE, {"name": "with.dots"}).keys() == {"name"}
    assert engine.failures(QUEUE, {"name": "q", "redrivePolicy": "{}"}).keys() == {"redrivePolicy"}
    assert engine.failures(LIFECYCLE, {"bucket": "b", "rules": [rule]}).keys() == {"rules"}
    assert engine.failures(USER, {}).keys() == {"name"}
    assert engine.failures(USER, {"name": UNKNOWN}) == {}
    with pytest.raises(CloudError, match="has no aws:ec2/instance:Instance"):
        engine.failures("aws:ec2/instance:Instance", {})


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_life(server: AwsServer, engine: Engine, kind: str) -> None:
    """What was made is as wanted; a change arrives; what is gone reads as gone, and deleting it again is fine."""
    needed = NEEDED.get(kind.removeprefix("aws:").partition("/")[0])
    made = engine.create(*needed) if needed and kind != needed[0] else None
    wanted, change = SAMPLES[kind]

    assert engine.failures(kind, wanted) == {}
    id_, state = engine.create(kind, wanted)
    assert state.items() >= wanted.items()
    assert KINDS[kind][1].computed <= state.keys()
    assert engine.read(kind, id_, state) == state
    assert engine.diff(kind, id_, state, wanted) == ([], [])
    if change:
        assert engine.diff(kind, id_, state, wanted | change) == (sorted(change), [])
        state = engine.update(kind, id_, state, wanted | change)
        assert engine.diff(kind, id_, engine.read(kind, id_, state), wanted | change) == ([], [])
    for name in KINDS[kind][1].replacing:
        assert engine.diff(kind, id_, state, wanted | change | {name: "another-one"}) == ([name], [name])
    engine.delete(kind, id_, state)
    if kind != "aws:s3/bucketVersioning:BucketVersioning":  # which can only be suspended
        assert engine.read(kind, id_, state) == {}
    engine.delete(kind, id_, state)
    if made and needed:
        engine.delete(needed[0], *made)


def test_what_is_not_said_is_as_aws_has_it(engine: Engine) -> None:
    """A property that leaves the program goes back to AWS's own value."""
    id_, state = engine.create(QUEUE, {"name": "waiting", "receiveWaitTimeSeconds": 20, "tags": {"a": "b"}})
    changed, _ = engine.diff(QUEUE, id_, state, {"name": "waiting"})
    state = engine.update(QUEUE, id_, state, {"name": "waiting"})
    engine.delete(QUEUE, id_, state)

    assert changed == ["receiveWaitTimeSeconds", "tags"]
    assert (state["receiveWaitTimeSeconds"], state["tags"]) == (0, {})


def test_a_change_by_hand_is_seen(server: AwsServer, engine: Engine) -> None:
    """A refresh brings what AWS has now, and the diff says what should be put right."""
    wanted = {"name": "drifting", "visibilityTimeoutSeconds": 60}
    id_, state = engine.create(QUEUE, wanted)
    server.client("sqs").set_queue_attributes(QueueUrl=id_, Attributes={"VisibilityTimeout": "5"})
    state = engine.read(QUEUE, id_, state)
    engine.delete(QUEUE, id_, state)

    assert engine.diff(QUEUE, id_, state, wanted) == (["visibilityTimeoutSeconds"], [])


def test_a_secret_is_told_once(engine: Engine) -> None:
    """AWS never tells it again; the state keeps it through a refresh."""
    user, _ = engine.create(USER, {"name": "keyholder"})
    id_, state = engine.create("aws:iam/accessKey:AccessKey", {"user": user})
    kept = engine.read("aws:iam/accessKey:AccessKey", id_, state)
    engine.delete("aws:iam/accessKey:AccessKey", id_, state)
    engine.delete(USER, user, {})

    assert kept["secret"] == state["secret"]


def test_a_preview_makes_nothing(server: AwsServer, engine: Engine) -> None:
    """It tells what is known already."""
    id_, state = engine.create(QUEUE, {"name": "never"}, preview=True)

    assert (id_, state["name"], state["url"]) == ("", "never", UNKNOWN)
    assert "QueueUrls" not in server.client("sqs").list_queues(QueueNamePrefix="never")


def test_busy_and_forbidden(server: AwsServer, engine: Engine) -> None:
    """One refusal for being too quick is asked again; more than the SDK's patience, or a no, is one clear error."""
    server.refuse("sqs:CreateQueue", "ThrottlingException", times=1)
    id_, state = engine.create(QUEUE, {"name": "patient"})
    engine.delete(QUEUE, id_, state)
    for code in ("ThrottlingException", "AccessDenied"):
        server.refuse("sqs:CreateQueue", code)
        with pytest.raises(CloudError, match=f"creating some: CreateQueue: {code}: as the test asked for"):
            engine.create(QUEUE, {"name": "refused"})
    server.behave()


def call(engine: Engine, token: str, **asked: Any) -> wire.InvokeResponse:
    """The answer of a function."""
    return asyncio.run(engine.plugin.invoke(wire.InvokeRequest(token, wrapped(asked, ()))))


def test_functions(server: AwsServer, engine: Engine) -> None:
    """Whose account it is, and whether a bucket is there."""
    said = call(engine, "aws:index/getCallerIdentity:getCallerIdentity")
    missing = call(engine, "aws:s3/getBucket:getBucket", bucket="no-such")

    assert plain(said.return_value or {})["accountId"] == "123456789012"
    assert [one.reason for one in missing.failures] == ["couldn't find resource: no-such"]
    with pytest.raises(CloudError, match="has no function"):
        call(engine, "aws:ec2/getAmi:getAmi")
