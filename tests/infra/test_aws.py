"""Stack `prod` on AWS with the real engine, from `up` to an end on purpose; the tests are stations of one life."""

import json
import subprocess
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.doubles.aws import permissions
from tests.doubles.aws.server import AwsServer
from tests.infra.conftest import Prod
from videogen import project, tag
from videogen.stack_outputs import Store, StoreAccess
from videogen.store import Store as StoreClient

MODELS, OUTPUTS = "videogen-models-123456789012", "videogen-outputs-123456789012"


@pytest.fixture(scope="module")
def outputs(prod: Prod) -> dict[str, Any]:
    """What `prod` exports after its first `up`, secrets in clear."""
    prod.run("up", "--yes", "--skip-preview")
    return prod.outputs()


def user(aws: AwsServer, role: str) -> str:
    """The name of an identity."""
    (found,) = [one["UserName"] for one in aws.client("iam").list_users()["Users"] if one["UserName"].endswith(role)]
    return str(found)


def refused(call: Callable[..., Any], **asked: Any) -> bool:
    """Whether AWS says that this identity may not do it."""
    try:
        call(**asked)
    except ClientError as error:
        return error.response["Error"]["Code"] in ("AccessDenied", "403")
    return False


def test_outputs_lead_to_what_was_made(aws: AwsServer, outputs: dict[str, Any]) -> None:
    """Buckets carry the account's number, queues the owner's tag; both identities have keys of their own."""
    store = Store.model_validate(outputs["store"])
    owner = tag.PREFIX + tag.owner(store)
    queues = [url.rpartition("/")[2] for url in aws.client("sqs").list_queues()["QueueUrls"]]

    assert (store.models, store.outputs) == (MODELS, OUTPUTS)
    assert sorted(queues) == [f"{owner}-dead", f"{owner}-jobs"]
    assert outputs["queue"]["url"].endswith(f"{owner}-jobs")
    assert outputs["storeAccess"] != outputs["workerAccess"]


def test_the_plugin_is_the_one_of_the_sdk() -> None:
    """The stack file says how to get the plugin in the version that the SDK asks for."""
    told = (project.root() / "Pulumi.prod.yaml").read_text()

    assert f"`pulumi plugin install resource aws v{version('pulumi-aws')}`" in told


def test_a_second_preview_changes_nothing(prod: Prod, outputs: dict[str, Any]) -> None:
    """What AWS has is what the program says, after a refresh of every resource."""
    prod.run("preview", "--expect-no-changes")


def test_keys_are_nowhere_in_clear(prod: Prod, outputs: dict[str, Any]) -> None:
    """Neither the state nor the outputs as everybody sees them hold half of a pair."""
    texts = [path.read_text() for path in prod.checkout.backend.rglob("*") if path.is_file()]
    texts.append(prod.run("stack", "output", "--json"))
    halves = [half for name in ("storeAccess", "workerAccess") for half in outputs[name].values()]

    assert len(set(halves)) == 4
    # The id of a key is its name in IAM: it stands in the state as the resource's own, as in every state of Pulumi.
    secrets = [outputs[name]["secret"] for name in ("storeAccess", "workerAccess")]
    assert not [text for text in texts for secret in secrets if secret in text]
    assert not [half for half in halves if half in texts[-1]]


@pytest.mark.parametrize("bucket", [MODELS, OUTPUTS])
def test_buckets_are_shut(aws: AwsServer, outputs: dict[str, Any], bucket: str) -> None:
    """No public access, encryption, and nobody is answered in clear."""
    s3 = aws.client("s3")
    shut = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    everything = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

    def may(arn: str, tls: str) -> bool:
        return permissions.allows([policy, everything], "s3:GetObject", arn, {"aws:SecureTransport": tls})

    assert set(shut.values()) == {True}
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert may(f"arn:aws:s3:::{bucket}/models/x", "true")
    assert not may(f"arn:aws:s3:::{bucket}/models/x", "false")
    assert not may(f"arn:aws:s3:::{bucket}", "false")


def test_what_goes_by_itself(aws: AwsServer, outputs: dict[str, Any]) -> None:
    """Logs, heartbeats and unfinished uploads go; videos, receipts and models have no rule; versions where they pay."""
    s3 = aws.client("s3")
    rules = {
        bucket: {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]}
        for bucket in (MODELS, OUTPUTS)
    }
    days = {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules[OUTPUTS].values() if has_days(rule)}

    assert days == {"logs/": 90, "last-words/": 90, "heartbeats/": 7}
    assert rules[OUTPUTS]["overwritten"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert list(rules[MODELS]) == ["unfinished-uploads"]
    assert s3.get_bucket_versioning(Bucket=OUTPUTS)["Status"] == "Enabled"
    assert "Status" not in s3.get_bucket_versioning(Bucket=MODELS)


def has_days(rule: dict[str, Any]) -> bool:
    """Whether objects of a rule expire by age."""
    return "Days" in rule.get("Expiration", {})


def test_a_job_that_nobody_finishes_is_put_aside(aws: AwsServer, outputs: dict[str, Any]) -> None:
    """After three tries it goes to the queue of the dead; both are encrypted and keep what they have for a fortnight."""
    sqs = aws.client("sqs")
    jobs, dead = (
        sqs.get_queue_attributes(QueueUrl=outputs["queue"][name], AttributeNames=["All"])["Attributes"]
        for name in ("url", "dead")
    )

    assert json.loads(jobs["RedrivePolicy"]) == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 3}
    assert {one["SqsManagedSseEnabled"] for one in (jobs, dead)} == {"true"}
    assert {one["MessageRetentionPeriod"] for one in (jobs, dead)} == {"1209600"}


def test_what_a_worker_may(aws: AwsServer, outputs: dict[str, Any]) -> None:
    """It reads models, writes what it made and said, takes jobs; everything else is refused by AWS itself."""
    access = StoreAccess.model_validate(outputs["workerAccess"])
    s3, sqs, iam = (aws.client(service, access) for service in ("s3", "sqs", "iam"))
    owner = aws.client("s3")
    for bucket, key in ((MODELS, "models/sha256/x"), (MODELS, "manifests/x.yaml"), (OUTPUTS, "receipts/x.json")):
        owner.put_object(Bucket=bucket, Key=key, Body=b"x")

    for key in ("models/sha256/x", "manifests/x.yaml"):
        assert s3.get_object(Bucket=MODELS, Key=key)["Body"].read() == b"x"
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket=MODELS, Key="models/sha256/y")  # missing, not forbidden
    for prefix in ("logs/", "heartbeats/", "last-words/", "outputs/"):
        s3.put_object(Bucket=OUTPUTS, Key=f"{prefix}x", Body=b"x")
        assert s3.head_object(Bucket=OUTPUTS, Key=f"{prefix}x")["ContentLength"] == 1
        assert refused(s3.delete_object, Bucket=OUTPUTS, Key=f"{prefix}x")
    for prefix in ("receipts/", "rented/", ""):
        assert refused(s3.get_object, Bucket=OUTPUTS, Key=f"{prefix}x.json")
        assert refused(s3.put_object, Bucket=OUTPUTS, Key=f"{prefix}x.json", Body=b"x")
    assert refused(s3.put_object, Bucket=MODELS, Key="models/sha256/x", Body=b"y")
    assert refused(s3.delete_object, Bucket=MODELS, Key="models/sha256/x")
    assert refused(s3.list_objects_v2, Bucket=OUTPUTS)
    assert sqs.receive_message(QueueUrl=outputs["queue"]["url"], WaitTimeSeconds=0)
    assert refused(sqs.send_message, QueueUrl=outputs["queue"]["url"], MessageBody="x")
    assert refused(sqs.receive_message, QueueUrl=outputs["queue"]["dead"])
    assert refused(iam.list_users)


def test_what_the_operator_may(aws: AwsServer, outputs: dict[str, Any]) -> None:
    """It mirrors and prunes models, submits, keeps receipts; nothing in the bucket of outputs can be deleted."""
    access = StoreAccess.model_validate(outputs["storeAccess"])
    s3, sqs, iam = (aws.client(service, access) for service in ("s3", "sqs", "iam"))

    place = Store.model_validate(outputs["store"] | {"endpoint": aws.url, "addressing": "path"})
    store = StoreClient(place, access)

    assert store.put_once(OUTPUTS, "receipts/y.json", b"y")
    assert not store.put_once(OUTPUTS, "receipts/y.json", b"z")
    s3.put_object(Bucket=MODELS, Key="models/sha256/y", Body=b"y")
    s3.delete_object(Bucket=MODELS, Key="models/sha256/y")
    assert s3.list_objects_v2(Bucket=OUTPUTS, Prefix="receipts/")["KeyCount"] >= 1
    assert refused(s3.delete_object, Bucket=OUTPUTS, Key="receipts/y.json")
    assert refused(s3.delete_bucket, Bucket=MODELS)
    assert refused(s3.put_bucket_versioning, Bucket=OUTPUTS, VersioningConfiguration={"Status": "Suspended"})
    assert refused(s3.delete_public_access_block, Bucket=OUTPUTS)
    sqs.send_message(QueueUrl=outputs["queue"]["url"], MessageBody="x")
    assert sqs.receive_message(QueueUrl=outputs["queue"]["url"], WaitTimeSeconds=0)["Messages"]
    assert refused(iam.create_access_key, UserName=user(aws, "worker"))


def test_models_are_mirrored_by_the_operator(aws: AwsServer, prod: Prod, outputs: dict[str, Any]) -> None:
    """`videogen models mirror --stack prod` fills the bucket with nothing but the keys that the stack exports."""
    environment = {name: value for name, value in prod.checkout.environment.items() if not name.startswith("AWS_")}
    words = ["videogen", "models", "mirror", "--stack", "prod", "--manifest", "models_manifest.dev.yaml"]
    done = subprocess.run(
        words,
        cwd=prod.checkout.folder,
        env=environment | {"AWS_ENDPOINT_URL": aws.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = aws.client("s3").list_objects_v2(Bucket=MODELS)["Contents"]

    assert done.returncode == 0, done.stderr
    assert len([one for one in found if one["Key"].startswith("models/sha256/") and one["Size"] > 1]) > 10
    assert len([one for one in found if one["Key"].startswith("manifests/") and one["Size"] > 1]) == 1


def test_what_somebody_changed_by_hand_is_put_right(aws: AwsServer, prod: Prod, outputs: dict[str, Any]) -> None:
    """A guard that is gone and a rule that is other than declared come back with the next `up`."""
    s3 = aws.client("s3")
    s3.delete_public_access_block(Bucket=MODELS)
    s3.put_bucket_versioning(Bucket=OUTPUTS, VersioningConfiguration={"Status": "Suspended"})
    prod.run("up", "--yes", "--skip-preview")

    assert set(s3.get_public_access_block(Bucket=MODELS)["PublicAccessBlockConfiguration"].values()) == {True}
    assert s3.get_bucket_versioning(Bucket=OUTPUTS)["Status"] == "Enabled"
    assert prod.outputs() == outputs


def test_destroy_refuses(aws: AwsServer, prod: Prod, outputs: dict[str, Any]) -> None:
    """Nothing at all is taken away, neither a bucket nor a key nor a job; it says what to type if it is meant."""
    said = prod.run("destroy", "--yes", "--skip-preview", code=1)

    assert "because it is protected" in said
    assert "pulumi state unprotect" in said
    assert " deleted (" not in said
    assert refused(
        aws.client("s3", StoreAccess.model_validate(outputs["workerAccess"])).list_objects_v2, Bucket=OUTPUTS
    )
    assert aws.client("sqs").receive_message(QueueUrl=outputs["queue"]["dead"]) is not None


def test_an_end_on_purpose_keeps_what_is_full(aws: AwsServer, prod: Prod, outputs: dict[str, Any]) -> None:
    """Unprotected, identities and queues go; a bucket with something in it stays, and its guards with it."""
    prod.run("state", "unprotect", "--all", "--yes")
    said = prod.run("destroy", "--yes", "--skip-preview", code=1)
    s3 = aws.client("s3")

    assert "BucketNotEmpty" in said
    assert aws.client("iam").list_users()["Users"] == []
    assert "QueueUrls" not in aws.client("sqs").list_queues()
    assert set(s3.get_public_access_block(Bucket=OUTPUTS)["PublicAccessBlockConfiguration"].values()) == {True}
    assert s3.get_bucket_policy(Bucket=OUTPUTS)["Policy"]


def test_an_empty_bucket_goes(aws: AwsServer, prod: Prod, outputs: dict[str, Any]) -> None:
    """When they are emptied by hand, nothing of the stack is left."""
    s3 = aws.client("s3")
    for bucket in (MODELS, OUTPUTS):
        empty(s3, bucket)
    prod.run("destroy", "--yes", "--skip-preview")

    assert s3.list_buckets()["Buckets"] == []


def empty(s3: Any, bucket: str) -> None:
    """Removes every version of every object."""
    page = s3.list_object_versions(Bucket=bucket)
    gone: Sequence[dict[str, Any]] = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
    for one in gone:
        s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
