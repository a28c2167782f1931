"""What of a bucket goes by itself, and when."""

from typing import Any, Literal

from tests.doubles.aws.buckets import _Setting
from tests.doubles.aws.kind import Aws, Inputs, Plain, found


class Filter(Inputs):
    """Which objects."""

    prefix: str


class Abort(Inputs):
    """Uploads that nobody finishes."""

    days_after_initiation: int


class Expiration(Inputs):
    """Objects, or marks of deletion with nothing behind them."""

    days: int | None = None
    expired_object_delete_marker: Literal[True] | None = None


class Noncurrent(Inputs):
    """What was overwritten."""

    noncurrent_days: int


class Rule(Inputs):
    """One rule."""

    id: str
    status: Literal["Enabled", "Disabled"]
    filter: Filter
    abort_incomplete_multipart_upload: Abort | None = None
    expiration: Expiration | None = None
    noncurrent_version_expiration: Noncurrent | None = None


class LifecycleInputs(Inputs):
    """`aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration`."""

    bucket: str
    rules: list[Rule]


_AWS = {"id": "ID"}
_OURS = {"ID": "id"}


class Lifecycle(_Setting):
    """The rules of a bucket."""

    def update(self, aws: Aws, id_: str, wanted: LifecycleInputs, /) -> None:
        """All rules."""
        rules = _named(wanted.plain()["rules"], lambda key: _AWS.get(key, key[0].upper() + key[1:]))
        aws.s3.put_bucket_lifecycle_configuration(Bucket=id_, LifecycleConfiguration={"Rules": rules})

    def read(self, aws: Aws, id_: str, /) -> Plain | None:
        """All rules."""
        missing = ("NoSuchLifecycleConfiguration", "NoSuchBucket")
        said = found(aws.s3.get_bucket_lifecycle_configuration, *missing, Bucket=id_)
        if said is None:
            return None
        rules = _named(said["Rules"], lambda key: _OURS.get(key, key[0].lower() + key[1:]))
        for rule in rules:  # what S3 leaves out where it is empty
            rule.setdefault("filter", {}).setdefault("prefix", "")
        return {"bucket": id_, "rules": rules}

    def delete(self, aws: Aws, id_: str, /) -> None:
        """No rule."""
        found(aws.s3.delete_bucket_lifecycle, "NoSuchBucket", Bucket=id_)


def _named(value: Any, name: Any) -> Any:
    if isinstance(value, list):
        return [_named(item, name) for item in value]
    if isinstance(value, dict):
        return {name(key): _named(item, name) for key, item in value.items()}
    return value
