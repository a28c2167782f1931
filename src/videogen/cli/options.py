"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

from videogen import stack
from videogen.errors import InputError
from videogen.stack_outputs import StackOutputs

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
    raise InputError.of(
        "--stack", "name a stack, or a file with --outputs (one of the two)", "videogen submit … --stack dev"
    )


def named_stack(name: str | None, file: Path | None) -> str:
    """The stack's name, without asking Pulumi when it is given."""
    return name if name and not file else read_outputs(name, file).stack
