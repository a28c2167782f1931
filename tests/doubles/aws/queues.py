"""Queues."""

from typing import Annotated

from pydantic import Field

from tests.doubles.aws.kind import Aws, Document, Inputs, Plain, found

_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


class QueueInputs(Inputs):
    """`aws:sqs/queue:Queue`."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")
    message_retention_seconds: Annotated[int, Field(ge=60, le=1_209_600)] = 345_600
    receive_wait_time_seconds: Annotated[int, Field(ge=0, le=20)] = 0
    visibility_timeout_seconds: Annotated[int, Field(ge=0, le=43_200)] = 30
    sqs_managed_sse_enabled: bool = True
    redrive_policy: Annotated[str, Document] | None = None
    tags: dict[str, str] = {}

    @property
    def attributes(self) -> dict[str, str]:
        """As SQS takes them."""
        return {
            "MessageRetentionPeriod": str(self.message_retention_seconds),
            "ReceiveMessageWaitTimeSeconds": str(self.receive_wait_time_seconds),
            "VisibilityTimeout": str(self.visibility_timeout_seconds),
            "SqsManagedSseEnabled": str(self.sqs_managed_sse_enabled).lower(),
            **({"RedrivePolicy": self.redrive_policy} if self.redrive_policy else {}),
        }


class Queue:
    """A queue; its id is its URL."""

    replacing = frozenset({"name"})
    computed = frozenset({"arn", "url"})

    def create(self, aws: Aws, wanted: QueueInputs, /) -> tuple[str, Plain]:
        """A queue that may be there already, if it is the same."""
        made = aws.sqs.create_queue(QueueName=wanted.name, Attributes=wanted.attributes, tags=wanted.tags)
        return made["QueueUrl"], {}

    def read(self, aws: Aws, id_: str, /) -> Plain | None:
        """Its attributes."""
        said = found(aws.sqs.get_queue_attributes, *_MISSING, QueueUrl=id_, AttributeNames=["All"])
        if said is None:
            return None
        its = said["Attributes"]
        return {
            "name": its["QueueArn"].rpartition(":")[2],
            "messageRetentionSeconds": int(its["MessageRetentionPeriod"]),
            "receiveWaitTimeSeconds": int(its["ReceiveMessageWaitTimeSeconds"]),
            "visibilityTimeoutSeconds": int(its["VisibilityTimeout"]),
            "sqsManagedSseEnabled": its["SqsManagedSseEnabled"].lower() == "true",
            **({"redrivePolicy": its["RedrivePolicy"]} if "RedrivePolicy" in its else {}),
            "tags": aws.sqs.list_queue_tags(QueueUrl=id_).get("Tags", {}),
            "arn": its["QueueArn"],
            "url": id_,
        }

    def update(self, aws: Aws, id_: str, wanted: QueueInputs, /) -> None:
        """Attributes and tags."""
        aws.sqs.set_queue_attributes(QueueUrl=id_, Attributes=wanted.attributes)
        old = aws.sqs.list_queue_tags(QueueUrl=id_).get("Tags", {})
        if gone := sorted(old.keys() - wanted.tags.keys()):
            aws.sqs.untag_queue(QueueUrl=id_, TagKeys=gone)
        if wanted.tags:
            aws.sqs.tag_queue(QueueUrl=id_, Tags=wanted.tags)

    def delete(self, aws: Aws, id_: str, /) -> None:
        """With all that is in it."""
        found(aws.sqs.delete_queue, *_MISSING, QueueUrl=id_)
