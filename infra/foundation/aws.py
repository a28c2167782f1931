"""The foundation on AWS: two buckets, a queue of jobs and one of the dead, and two identities with keys."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pulumi_aws
from pulumi import InvokeOptions, Output, ResourceOptions
from pulumi_aws import iam, s3, sqs

from infra.foundation import policies
from infra.foundation.aws_bucket import bucket
from infra.foundation.outputs import FoundationOutputs, Texts, keys
from infra.settings import StackSettings
from infra.wanted_store import ACCOUNT, WantedStore
from videogen import tag
from videogen.stack_outputs import Store

_FORTNIGHT = 14 * 24 * 3600
"""The longest that SQS keeps a message."""


def aws(stack: StackSettings) -> FoundationOutputs:
    """Declares what is missing; the account is the one whose keys are in the environment."""
    place = stack.store
    provider = pulumi_aws.Provider("aws", region=place.region)
    store = _account(place, provider).apply(lambda account: place.at(account).model_dump())
    prefix = store.apply(lambda it: tag.PREFIX + tag.owner(Store.model_validate(it)))
    tags = {"project": "video-gen", "stack": stack.stack}

    models: Output[str]
    if place.existing_models:
        found = s3.get_bucket_output(bucket=store.apply(lambda it: it["models"]), opts=InvokeOptions(provider=provider))
        models = found.bucket
    else:
        models = bucket(
            "models",
            store.apply(lambda it: it["models"]),
            policies.models_rules(),
            tags,
            provider,
            versions=False,  # an object's name is the hash of its bytes: it never changes
        )
    outputs = bucket(
        "outputs", store.apply(lambda it: it["outputs"]), policies.outputs_rules(), tags, provider, versions=True
    )

    here = ResourceOptions(provider=provider, protect=True)
    dead = sqs.Queue(
        "dead",
        name=prefix.apply(lambda it: f"{it}-dead"),
        message_retention_seconds=_FORTNIGHT,
        sqs_managed_sse_enabled=True,
        tags=tags,
        opts=here,
    )
    jobs = sqs.Queue(
        "jobs",
        name=prefix.apply(lambda it: f"{it}-jobs"),
        message_retention_seconds=_FORTNIGHT,
        receive_wait_time_seconds=20,
        visibility_timeout_seconds=900,
        redrive_policy=dead.arn.apply(lambda arn: json.dumps(policies.redrive(arn))),
        sqs_managed_sse_enabled=True,
        tags=tags,
        opts=here,
    )

    def identity(role: str, policy: Callable[..., dict[str, Any]], *about: Output[str]) -> Texts:
        name = prefix.apply(lambda it: f"{it}-{role}")
        allowed = Output.all(*about).apply(lambda given: json.dumps(policy(*given)))
        return _identity(role, name, allowed, tags, here)

    return FoundationOutputs(
        store=Output.all(store, models, outputs).apply(lambda known: known[0]),  # once the buckets are there
        store_access=identity("operator", policies.operator, models, outputs, jobs.arn, dead.arn),
        worker_access=identity("worker", policies.worker, models, outputs, jobs.arn),
        queue=Output.all(url=jobs.url, dead=dead.url).apply(dict),
    )


def _account(place: WantedStore, provider: pulumi_aws.Provider) -> Output[str]:
    """The number of the account, where a bucket's name wants it."""
    if ACCOUNT not in place.models + place.outputs:
        return Output.from_input("")
    return pulumi_aws.get_caller_identity_output(opts=InvokeOptions(provider=provider)).account_id


def _identity(
    role: str, name: Output[str], policy: Output[str], tags: Mapping[str, str], opts: ResourceOptions
) -> Texts:
    """Keys of a user that may do just that. `pulumi up --replace URN` of the key makes a new pair."""
    user = iam.User(role, name=name, path="/video-gen/", tags=tags, opts=opts)
    iam.UserPolicy(role, name="video-gen", user=user.name, policy=policy, opts=opts)
    pair = iam.AccessKey(role, user=user.name, opts=opts)
    return keys(pair.id, pair.secret)
