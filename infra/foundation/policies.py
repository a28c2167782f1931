"""Who may do what on AWS, and how long what is kept: as data, in the words of AWS, written once."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulumi_aws.s3 import BucketLifecycleConfigurationRuleArgsDict as Rule

POLICY_VERSION = "2012-10-17"

OPERATOR_MODELS = (
    "s3:GetObject",
    "s3:PutObject",
    "s3:DeleteObject",  # `videogen models prune`
    "s3:AbortMultipartUpload",
)
OPERATOR_OUTPUTS = ("s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload")
"""Nothing in the bucket of outputs is ever deleted by us: receipts and videos outlive their run."""

WORKER_READS = ("models/*", "manifests/*")
WORKER_WRITES = ("logs/*", "heartbeats/*", "last-words/*", "outputs/*")
WORKER_OUTPUTS = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:GetObject")  # HEAD of what was written: is it there?

OPERATOR_QUEUE = (
    "sqs:SendMessage",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
)
WORKER_QUEUE = tuple(action for action in OPERATOR_QUEUE if action != "sqs:SendMessage")


def operator(models: str, outputs: str, queue: str, dead: str) -> dict[str, Any]:
    """For whoever mirrors, submits, and keeps receipts; takes the buckets' names and the queues' ARNs."""
    return _policy(
        # Without it a missing object would be "forbidden" instead of "not there".
        _allow(["s3:ListBucket"], [_arn(models), _arn(outputs)]),
        _allow(OPERATOR_MODELS, [f"{_arn(models)}/*"]),
        _allow(OPERATOR_OUTPUTS, [f"{_arn(outputs)}/*"]),
        _allow(OPERATOR_QUEUE, [queue, dead]),
    )


def worker(models: str, outputs: str, queue: str) -> dict[str, Any]:
    """For every worker: reads models, writes what it made and said, takes jobs; no list of outputs, no receipt."""
    return _policy(
        _allow(["s3:ListBucket"], [_arn(models)]),
        _allow(["s3:GetObject"], [f"{_arn(models)}/{prefix}" for prefix in WORKER_READS]),
        _allow(WORKER_OUTPUTS, [f"{_arn(outputs)}/{prefix}" for prefix in WORKER_WRITES]),
        _allow(WORKER_QUEUE, [queue]),
    )


def tls_only(bucket: str) -> dict[str, Any]:
    """The policy of a bucket that answers nobody in clear."""
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [_arn(bucket), f"{_arn(bucket)}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return _policy(deny)


def redrive(dead: str) -> dict[str, Any]:
    """A job that three workers have taken and not finished goes to the queue of the dead, for a person to look at."""
    return {"deadLetterTargetArn": dead, "maxReceiveCount": 3}


def models_rules() -> "list[Rule]":
    """Parts of an upload that was given up cost like objects, and no list shows them."""
    return [_unfinished()]


def outputs_rules() -> "list[Rule]":
    """What a worker said goes after a season; videos and receipts stay; what was overwritten, for a month.

    A heartbeat is overwritten each minute, so its old versions go at once.
    """
    return [
        _unfinished(),
        _gone_after("logs", 90),
        _gone_after("last-words", 90),
        _gone_after("heartbeats", 7) | {"noncurrent_version_expiration": {"noncurrent_days": 1}},
        {
            "id": "overwritten",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "noncurrent_version_expiration": {"noncurrent_days": 30},
            "expiration": {"expired_object_delete_marker": True},
        },
    ]


def _unfinished() -> "Rule":
    return {
        "id": "unfinished-uploads",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "abort_incomplete_multipart_upload": {"days_after_initiation": 2},
    }


def _gone_after(prefix: str, days: int) -> "Rule":
    return {"id": prefix, "status": "Enabled", "filter": {"prefix": f"{prefix}/"}, "expiration": {"days": days}}


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": POLICY_VERSION, "Statement": list(statements)}


def _allow(actions: tuple[str, ...] | list[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources}


def _arn(bucket: str) -> str:
    return f"arn:aws:s3:::{bucket}"
