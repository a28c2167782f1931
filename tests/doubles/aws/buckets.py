"""Buckets and their settings, each a resource of its own, as in the real plugin."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, Literal

from tests.doubles.aws.kind import Aws, Document, Inputs, Plain, found


class BucketInputs(Inputs):
    """`aws:s3/bucket:Bucket`."""

    bucket: str
    tags: dict[str, str] = {}


class Bucket:
    """An empty bucket of one's own; one that is not empty cannot be deleted."""

    replacing = frozenset({"bucket"})
    computed = frozenset({"arn"})

    def create(self, aws: Aws, wanted: BucketInputs, /) -> tuple[str, Plain]:
        """Refused where the name is taken, also by ourselves."""
        aws.s3.create_bucket(Bucket=wanted.bucket, CreateBucketConfiguration={"LocationConstraint": aws.region})
        self.update(aws, wanted.bucket, wanted)
        return wanted.bucket, {}

    def read(self, aws: Aws, id_: str, /) -> Plain | None:
        """Name and tags."""
        if found(aws.s3.head_bucket, "404", Bucket=id_) is None:
            return None
        tags = found(aws.s3.get_bucket_tagging, "NoSuchTagSet", Bucket=id_) or {"TagSet": []}
        return {
            "bucket": id_,
            "tags": {one["Key"]: one["Value"] for one in tags["TagSet"]},
            "arn": f"arn:aws:s3:::{id_}",
        }

    def update(self, aws: Aws, id_: str, wanted: BucketInputs, /) -> None:
        """New tags."""
        pairs = [{"Key": key, "Value": value} for key, value in wanted.tags.items()]
        aws.s3.put_bucket_tagging(Bucket=id_, Tagging={"TagSet": pairs})

    def delete(self, aws: Aws, id_: str, /) -> None:
        """Refused where an object is in it."""
        found(aws.s3.delete_bucket, "NoSuchBucket", Bucket=id_)


class _Setting(ABC):
    """A setting of a bucket: its id is the bucket's name, to create it is to put it."""

    replacing = frozenset({"bucket"})
    computed: frozenset[str] = frozenset()

    def create(self, aws: Aws, wanted: Any, /) -> tuple[str, Plain]:
        """Puts it."""
        self.update(aws, wanted.bucket, wanted)
        return wanted.bucket, {}

    @abstractmethod
    def update(self, aws: Aws, id_: str, wanted: Any, /) -> None:
        """Puts it anew."""


class PublicAccessBlockInputs(Inputs):
    """`aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock`."""

    bucket: str
    block_public_acls: bool = False
    block_public_policy: bool = False
    ignore_public_acls: bool = False
    restrict_public_buckets: bool = False


class PublicAccessBlock(_Setting):
    """Who may open a bucket to the world: nobody."""

    def update(self, aws: Aws, id_: str, wanted: PublicAccessBlockInputs, /) -> None:
        """All four words."""
        words = wanted.model_dump(exclude={"bucket"}, by_alias=True)
        said = {key[0].upper() + key[1:]: value for key, value in words.items()}
        aws.s3.put_public_access_block(Bucket=id_, PublicAccessBlockConfiguration=said)

    def read(self, aws: Aws, id_: str, /) -> Plain | None:
        """All four words."""
        missing = ("NoSuchPublicAccessBlockConfiguration", "NoSuchBucket")
        said = found(aws.s3.get_public_access_block, *missing, Bucket=id_)
        words = said and said["PublicAccessBlockConfiguration"]
        return said and {"bucket": id_} | {key[0].lower() + key[1:]: value for key, value in words.items()}

    def delete(self, aws: Aws, id_: str, /) -> None:
        """Nothing is blocked any more."""
        found(aws.s3.delete_public_access_block, "NoSuchBucket", Bucket=id_)


class ByDefault(Inputs):
    """Which encryption."""

    sse_algorithm: Literal["AES256"]


class EncryptionRule(Inputs):
    """For whom: always for all."""

    apply_server_side_encryption_by_default: ByDefault


class EncryptionInputs(Inputs):
    """`aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration`."""

    bucket: str
    rules: Annotated[list[EncryptionRule], "one"]


class Encryption(_Setting):
    """How objects are encrypted."""

    def update(self, aws: Aws, id_: str, wanted: EncryptionInputs, /) -> None:
        """One rule."""
        (rule,) = wanted.rules
        said = {"SSEAlgorithm": rule.apply_server_side_encryption_by_default.sse_algorithm}
        configuration = {"Rules": [{"ApplyServerSideEncryptionByDefault": said}]}
        aws.s3.put_bucket_encryption(Bucket=id_, ServerSideEncryptionConfiguration=configuration)

    def read(self, aws: Aws, id_: str, /) -> Plain | None:
        """One rule."""
        missing = ("ServerSideEncryptionConfigurationNotFoundError", "NoSuchBucket")
        said = found(aws.s3.get_bucket_encryption, *missing, Bucket=id_)
        if said is None:
            return None
        (rule,) = said["ServerSideEncryptionConfiguration"]["Rules"]
        word = rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
        return {"bucket": id_, "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": word}}]}

    def delete(self, aws: Aws, id_: str, /) -> None:
        """Back to what AWS does by itself."""
        found(aws.s3.delete_bucket_encryption, "NoSuchBucket", Bucket=id_)


class BucketPolicyInputs(Inputs):
    """`aws:s3/bucketPolicy:BucketPolicy`."""

    bucket: str
    policy: Annotated[str, Document]


class BucketPolicy(_Setting):
    """What is true for whoever comes."""

    def update(self, aws: Aws, id_: str, wanted: BucketPolicyInputs, /) -> None:
        """The text."""
        aws.s3.put_bucket_policy(Bucket=id_, Policy=wanted.policy)

    def read(self, aws: Aws, id_: str, /) -> Plain | None:
        """The text."""
        said = found(aws.s3.get_bucket_policy, "NoSuchBucketPolicy", "NoSuchBucket", Bucket=id_)
        return said and {"bucket": id_, "policy": said["Policy"]}

    def delete(self, aws: Aws, id_: str, /) -> None:
        """No policy."""
        found(aws.s3.delete_bucket_policy, "NoSuchBucket", Bucket=id_)


class VersioningConfiguration(Inputs):
    """Whether."""

    status: Literal["Enabled", "Suspended"]


class VersioningInputs(Inputs):
    """`aws:s3/bucketVersioning:BucketVersioning`."""

    bucket: str
    versioning_configuration: VersioningConfiguration


class Versioning(_Setting):
    """Whether what is overwritten stays; it can be suspended, never taken back."""

    def update(self, aws: Aws, id_: str, wanted: VersioningInputs, /) -> None:
        """The status."""
        self._put(aws, id_, wanted.versioning_configuration.status)

    def read(self, aws: Aws, id_: str, /) -> Plain | None:
        """The status; nothing before it was first set."""
        said = found(aws.s3.get_bucket_versioning, "NoSuchBucket", Bucket=id_)
        status = said and said.get("Status")
        return status and {"bucket": id_, "versioningConfiguration": {"status": status}}

    def delete(self, aws: Aws, id_: str, /) -> None:
        """Suspended."""
        self._put(aws, id_, "Suspended")

    def _put(self, aws: Aws, id_: str, status: str) -> None:
        found(aws.s3.put_bucket_versioning, "NoSuchBucket", Bucket=id_, VersioningConfiguration={"Status": status})
