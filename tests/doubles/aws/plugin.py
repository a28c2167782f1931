"""A stand-in for the plugin `pulumi-resource-aws`: the few types that are in use, against a server that speaks AWS.

Started by the engine, which finds it on PATH. Where the server is, the environment says, as to the real one.
"""

import asyncio
import json
import sys
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pulumi.provider.experimental import provider as wire
from pulumi.runtime.rpc import UNKNOWN
from pydantic import ValidationError

from infra.provider.properties import is_unknown, plain, wrapped
from infra.provider.server import serve
from tests.doubles.aws import buckets, identities, lifecycle, queues
from tests.doubles.aws.kind import Aws, Inputs, Kind, Plain, found
from videogen.errors import CloudError

KINDS: dict[str, tuple[type[Inputs], Kind[Any]]] = {
    "aws:s3/bucket:Bucket": (buckets.BucketInputs, buckets.Bucket()),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": (
        buckets.PublicAccessBlockInputs,
        buckets.PublicAccessBlock(),
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        buckets.EncryptionInputs,
        buckets.Encryption(),
    ),
    "aws:s3/bucketPolicy:BucketPolicy": (buckets.BucketPolicyInputs, buckets.BucketPolicy()),
    "aws:s3/bucketVersioning:BucketVersioning": (buckets.VersioningInputs, buckets.Versioning()),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": (
        lifecycle.LifecycleInputs,
        lifecycle.Lifecycle(),
    ),
    "aws:sqs/queue:Queue": (queues.QueueInputs, queues.Queue()),
    "aws:iam/user:User": (identities.UserInputs, identities.User()),
    "aws:iam/userPolicy:UserPolicy": (identities.UserPolicyInputs, identities.UserPolicy()),
    "aws:iam/accessKey:AccessKey": (identities.AccessKeyInputs, identities.AccessKey()),
}

CONFIGURATION = {"region", "version", "skipCredentialsValidation", "skipRegionValidation"}
"""What may be said of the account; the last two are what the SDK says by itself."""

_SECRET = {"secret"}


class StandIn(wire.Provider):
    """Answers the engine."""

    def __init__(self) -> None:
        self.aws = Aws("")

    async def check_config(self, request: wire.CheckRequest) -> wire.CheckResponse:
        """The region, and nothing else."""
        known = plain(request.new_inputs)
        failures = [wire.CheckFailure(key, "is unknown to the stand-in") for key in known.keys() - CONFIGURATION]
        return wire.CheckResponse(request.new_inputs, failures)

    async def diff_config(self, request: wire.DiffRequest) -> wire.DiffResponse:
        """Another region is another provider."""
        changed = plain(request.old_state).get("region") != plain(request.new_inputs).get("region")
        return wire.DiffResponse(changes=changed, replaces=["region"] if changed else [])

    async def configure(self, request: wire.ConfigureRequest) -> wire.ConfigureResponse:
        """Remembers the region."""
        self.aws = Aws(str(plain(request.args)["region"]))
        return wire.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def check(self, request: wire.CheckRequest) -> wire.CheckResponse:
        """Every property that is unknown or of a wrong type, as far as they are known."""
        schema, _ = _kind(request.type)
        known = {key: value for key, value in plain(request.new_inputs).items() if not is_unknown(value)}
        unknown = request.new_inputs.keys() - known.keys()
        failures = [
            wire.CheckFailure(key, reason) for key, reason in faults(schema, known).items() if key not in unknown
        ]
        return wire.CheckResponse(request.new_inputs, failures)

    async def diff(self, request: wire.DiffRequest) -> wire.DiffResponse:
        """What AWS has, compared with what is wanted; what is not said should be as AWS has it by itself."""
        schema, kind = _kind(request.type)
        state, inputs = plain(request.old_state), plain(request.new_inputs)
        for name, field in schema.model_fields.items():
            inputs.setdefault(field.alias or name, field.get_default(call_default_factory=True))
        changed = sorted(key for key, value in inputs.items() if is_unknown(value) or not _same(value, state.get(key)))
        replaces = [key for key in changed if key in kind.replacing]
        kinds = wire.PropertyDiffKind
        detail = {
            key: wire.PropertyDiff(kinds.UPDATE_REPLACE if key in replaces else kinds.UPDATE, input_diff=True)
            for key in changed
        }
        return wire.DiffResponse(
            changes=bool(changed), replaces=replaces, diffs=changed, detailed_diff=detail, delete_before_replace=False
        )

    async def create(self, request: wire.CreateRequest) -> wire.CreateResponse:
        """The resource; in a preview what is known of it."""
        schema, kind = _kind(request.type)
        inputs = plain(request.properties)
        if request.preview:
            return wire.CreateResponse("", wrapped(inputs | dict.fromkeys(kind.computed, UNKNOWN), _SECRET))
        wanted = schema.model_validate(inputs)
        id_, told = await _call(request.urn, "creating", kind.create, self.aws, wanted)
        state = await _call(request.urn, "reading", kind.read, self.aws, id_)
        return wire.CreateResponse(id_, wrapped(state | told, _SECRET))

    async def read(self, request: wire.ReadRequest) -> wire.ReadResponse:
        """The resource as AWS has it; a document keeps its spelling."""
        state = plain(request.properties)
        seen = await _call(request.urn, "reading", _kind(request.type)[1].read, self.aws, request.resource_id)
        if seen is None:
            return wire.ReadResponse()
        kept = {key: value for key, value in state.items() if key not in seen or _same(value, seen[key])}
        kept = {key: value for key, value in kept.items() if key in seen or key in _SECRET}
        return wire.ReadResponse(request.resource_id, wrapped(seen | kept, _SECRET), request.inputs)

    async def update(self, request: wire.UpdateRequest) -> wire.UpdateResponse:
        """The resource after a change in place."""
        schema, kind = _kind(request.type)
        state, inputs = plain(request.olds), plain(request.news)
        if request.preview:
            return wire.UpdateResponse(wrapped(state | inputs, _SECRET))
        id_ = request.resource_id
        await _call(request.urn, "updating", kind.update, self.aws, id_, schema.model_validate(inputs))
        seen = await _call(request.urn, "reading", kind.read, self.aws, id_)
        told = {key: value for key, value in state.items() if key in _SECRET}
        return wire.UpdateResponse(wrapped(seen | told, _SECRET))

    async def delete(self, request: wire.DeleteRequest) -> None:
        """Ends the resource."""
        await _call(request.urn, "deleting", _kind(request.type)[1].delete, self.aws, request.resource_id)

    async def invoke(self, request: wire.InvokeRequest) -> wire.InvokeResponse:
        """Whose account it is; whether a bucket is there."""
        asked = plain(request.args)
        match request.tok:
            case "aws:index/getCallerIdentity:getCallerIdentity":
                said = await _call(request.tok, "reading", self.aws.sts.get_caller_identity)
                found_ = {
                    "accountId": said["Account"],
                    "arn": said["Arn"],
                    "userId": said["UserId"],
                    "id": said["Account"],
                }
                return wire.InvokeResponse(wrapped(found_, ()))
            case "aws:s3/getBucket:getBucket":
                name = asked["bucket"]
                there = await _call(request.tok, "reading", found, self.aws.s3.head_bucket, "404", Bucket=name)
                if there is None:
                    return wire.InvokeResponse(
                        failures=[wire.CheckFailure("bucket", f"couldn't find resource: {name}")]
                    )
                return wire.InvokeResponse(wrapped({"bucket": name, "id": name, "arn": f"arn:aws:s3:::{name}"}, ()))
        raise CloudError(f"the stand-in has no function {request.tok}")

    async def cancel(self) -> None:
        """Nothing here takes long."""


def _kind(type_: str) -> tuple[type[Inputs], Kind[Any]]:
    """The last of a chain of types, such as `parent$child`."""
    name = type_.rpartition("$")[2]
    if name not in KINDS:
        raise CloudError(f"the stand-in has no {name}")
    return KINDS[name]


def faults(schema: type[Inputs], known: Plain) -> dict[str, str]:
    """Property → what is wrong with it."""
    try:
        schema.model_validate(known)
    except ValidationError as error:
        said = error.errors(include_url=False, include_input=False)
        return {str(one["loc"][0]): f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in said}
    return {}


def _same(one: Any, other: Any) -> bool:
    """Two documents are the same however they are spelt; what is empty is the same as what is not there."""
    return bool(_parsed(one) == _parsed(other))


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value or None


async def _call(urn: str, doing: str, call: Any, *about: Any, **more: Any) -> Any:
    name = urn.rpartition("::")[2]
    try:
        return await asyncio.to_thread(call, *about, **more)
    except ClientError as error:
        its = error.response["Error"]
        raise CloudError(f"{doing} {name}: {error.operation_name}: {its['Code']}: {its['Message']}") from None
    except BotoCoreError as error:
        raise CloudError(f"{doing} {name}: {error}") from None


if __name__ == "__main__":
    asyncio.run(serve(StandIn(), sys.argv[1], "pulumi-aws"))
