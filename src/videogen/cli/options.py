"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from videogen import declared, stack
from videogen.errors import InputError
from videogen.stack_outputs import StackOutputs, StoreOutputs

Stack = Annotated[
    str | None, typer.Option("--stack", "-s", help="Pulumi stack whose outputs say where the workers are.")
]
OutputsFile = Annotated[
    Path | None,
    typer.Option("--outputs", metavar="FILE", help="The same outputs as a JSON file, for machines without Pulumi."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Data as JSON on stdout.")]


def read_outputs(name: str | None, file: Path | None) -> StackOutputs:
    """What the stack, or the file, says; raises `InputError` unless exactly one is named."""
    if name and not file:
        return stack.read(name)
    if file and not name:
        return stack.read_file(file)
    raise _one_of_both()


def read_store(name: str | None, file: Path | None) -> StoreOutputs:
    """The store of the stack, or of the file, also while nothing is rented; raises as `read_outputs` does."""
    if name and not file:
        return store_of_stack(name)
    if file and not name:
        return stack.read_store_file(file)
    raise _one_of_both()


def store_of_stack(name: str) -> StoreOutputs:
    """A stack's store: in its foundation also when the stack itself is down. Raises as `stack.read_store` does."""
    try:
        return stack.read_store(name)
    except InputError as error:
        try:
            foundation = declared.read(name).foundation_stack
        except InputError:
            raise error from None
        if foundation == declared.NONE:
            raise
        return stack.read_store(foundation)


def named_stack(name: str | None, file: Path | None) -> str:
    """The stack's name, without asking Pulumi when it is given."""
    found = name if name and not file else read_store(name, file).stack
    return found or read_outputs(name, file).stack


def _one_of_both() -> InputError:
    return InputError.of("--stack", "name a stack, or a file with --outputs (one of the two)", "--stack dev")
