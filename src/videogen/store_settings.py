"""A store that the environment names, for machines and moments without a stack.

VIDEOGEN_STORE_ENDPOINT      address of the S3; empty for AWS itself
VIDEOGEN_STORE_REGION        [us-east-1]
VIDEOGEN_STORE_ADDRESSING    path or virtual [path; virtual for AWS]
VIDEOGEN_STORE_CHECKSUMS     content-md5 or none [content-md5]
VIDEOGEN_STORE_FLOOR_MBIT    megabits a second below which a boot fails [0, no floor]
VIDEOGEN_STORE_MODELS        bucket of models; its presence says that the store is meant
VIDEOGEN_STORE_OUTPUTS       bucket of outputs [the same]
VIDEOGEN_STORE_KEY, VIDEOGEN_STORE_SECRET    else AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
"""

from collections.abc import Mapping

from pydantic import ValidationError

from videogen.errors import Fault, InputError
from videogen.secret import Secret
from videogen.stack_outputs import Store, StoreAccess, StoreOutputs

_PREFIX = "VIDEOGEN_STORE_"


def from_environment(environment: Mapping[str, str]) -> StoreOutputs | None:
    """The store, or nothing where no bucket is named; raises `InputError` for what is wrong or missing."""
    given = {field: environment.get(_PREFIX + field.upper(), "") for field in Store.model_fields}
    if not given["models"]:
        return None
    defaults = {
        "region": "us-east-1",
        "addressing": "path" if given["endpoint"] else "virtual",
        "outputs": given["models"],
        "checksums": "content-md5",
        "floor_mbit": "0",
    }
    key = environment.get(_PREFIX + "KEY") or environment.get("AWS_ACCESS_KEY_ID", "")
    secret = environment.get(_PREFIX + "SECRET") or environment.get("AWS_SECRET_ACCESS_KEY", "")
    if not key or not secret:
        raise InputError.of(f"environment: {_PREFIX}KEY", "the store's keys are missing", f"and {_PREFIX}SECRET")
    try:
        place = Store.model_validate({name: value or defaults.get(name, "") for name, value in given.items()})
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise InputError(
            [Fault(f"environment: {_PREFIX}{str(one['loc'][0]).upper()}", one["msg"]) for one in found]
        ) from None
    return StoreOutputs(store=place, storeAccess=StoreAccess(key=Secret(key), secret=Secret(secret)))
