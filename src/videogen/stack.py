"""The reading end of a stack's outputs: from Pulumi, or from a file that `pulumi stack output --json` wrote."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from videogen import document, project, pulumi_command
from videogen.document import AnySchema, Document
from videogen.errors import Fault, InputError, ToolMissing, VideogenError
from videogen.stack_outputs import SECRET, StackOutputs, StoreOutputs

_SECONDS = 60.0
_TO_FILE = "pulumi stack output --json --show-secrets"


def read(stack: str, seconds: float = _SECONDS) -> StackOutputs:
    """What Pulumi knows of a stack of this checkout.

    Raises `ToolMissing` without Pulumi; `InputError` for a stack that is not there, has no workers, or was written by
    another version; `VideogenError` when Pulumi fails or does not answer in time.
    """
    return _parse(_ask(stack, seconds), f"stack {stack}", stack)


def read_file(path: Path) -> StackOutputs:
    """What a file holds; raises `InputError` with every fault."""
    return _parse(project.read(path), project.shown(path), None)


def read_store(stack: str, seconds: float = _SECONDS) -> StoreOutputs:
    """The store of a stack, also of one that rents no workers; raises as `read` does."""
    return _store(_ask(stack, seconds), f"stack {stack}", stack)


def read_store_file(path: Path) -> StoreOutputs:
    """The store that a file names; raises `InputError`."""
    return _store(project.read(path), project.shown(path), None)


def _ask(stack: str, seconds: float) -> str:
    try:
        done = pulumi_command.ask(["stack", "output", "--json", "--show-secrets", "--stack", stack], seconds)
    except ToolMissing as error:
        raise ToolMissing(error.message, f"{error.hint}; or use --outputs FILE.json") from None
    if done.returncode != 0:
        said = pulumi_command.fault(done.stderr)
        if re.search(r"no stack named|no stack selected", said):
            raise InputError.of(f"stack {stack}", "there is none of that name", f"pulumi up --stack {stack}")
        raise VideogenError(f"pulumi cannot read stack {stack}: {said}", "`source tools/env.sh` sets what it needs")
    return done.stdout


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError.of(name, f"is not JSON: {error}", f"`{_TO_FILE}` writes it") from None


def _store(text: str, name: str, stack: str | None) -> StoreOutputs:
    found = _json(text, name)
    if not isinstance(found, dict) or "store" not in found:
        raise InputError.of(name, "has no store", f"pulumi up --stack {stack or '…'}")
    return _checked(StoreOutputs, found, name)


def _parse(text: str, name: str, stack: str | None) -> StackOutputs:
    found = _json(text, name)
    if not isinstance(found, dict) or not found.get("workers"):
        raise InputError.of(name, "nothing is rented", f"pulumi up --stack {stack or '…'}")
    return _checked(StackOutputs, found, name)


def _checked(schema: type[AnySchema], found: dict[str, Any], name: str) -> AnySchema:
    try:
        return schema.model_validate(found)
    except ValidationError as error:
        hint = "written by another version of video-gen? `pulumi up` writes it anew"
        faults = []
        for fault in document.faults(error, schema, Document(json.dumps(found), name)):
            path = fault.address.rpartition(": ")[2]
            hidden = path.split("/")[0] in SECRET  # the message may quote what was found there
            message = "is not what it should be" if hidden else fault.message
            faults.append(Fault(f"{name}: {path}", message, fault.hint or hint))
        raise InputError(faults) from None
