"""A bucket on AWS that nobody deletes by mistake and no stranger reads."""

import json
from collections.abc import Mapping, Sequence

import pulumi
from pulumi import ResourceOptions
from pulumi_aws import s3

from infra.foundation import policies


def bucket(
    name: str,
    called: pulumi.Input[str],
    rules: Sequence[s3.BucketLifecycleConfigurationRuleArgsDict],
    tags: Mapping[str, str],
    provider: pulumi.ProviderResource,
    *,
    versions: bool,
) -> pulumi.Output[str]:
    """The name of a protected bucket: private, encrypted, TLS only; `versions` keeps what was overwritten for a while.

    What guards a bucket is never taken away before it: a destroy leaves it to go with the bucket (`retain_on_delete`).
    """
    made = s3.Bucket(name, bucket=called, tags=tags, opts=ResourceOptions(provider=provider, protect=True))
    guard = ResourceOptions(provider=provider, parent=made, protect=True, retain_on_delete=True)
    shut = s3.BucketPublicAccessBlock(
        name,
        bucket=made.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=guard,
    )
    s3.BucketServerSideEncryptionConfiguration(
        name,
        bucket=made.bucket,
        rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
        opts=guard,
    )
    s3.BucketPolicy(
        name,
        bucket=made.bucket,
        policy=made.bucket.apply(lambda it: json.dumps(policies.tls_only(it))),
        opts=ResourceOptions.merge(guard, ResourceOptions(depends_on=[shut])),  # S3 refuses two such changes at once
    )
    before: list[pulumi.Resource] = []
    if versions:
        status = s3.BucketVersioning(
            name, bucket=made.bucket, versioning_configuration={"status": "Enabled"}, opts=guard
        )
        before.append(status)  # rules about versions want them switched on
    rules_after = ResourceOptions.merge(guard, ResourceOptions(depends_on=before))
    s3.BucketLifecycleConfiguration(name, bucket=made.bucket, rules=rules, opts=rules_after)
    return made.bucket
