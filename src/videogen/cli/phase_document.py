"""`videogen workflow document`: a phase's workflow definitions as a page for people."""

from typing import Annotated, get_args

import typer

from videogen import phase_document
from videogen.cli.options import AsJson
from videogen.console import Console
from videogen.document import did_you_mean
from videogen.errors import InputError
from videogen.manifest import PhaseName


def document(
    phase: Annotated[str, typer.Option(help="a, b or c.")] = "b",
    language: Annotated[str, typer.Option(help="ja or en.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Print a phase's workflow definition document in Markdown, made from workflows/."""
    for option, given, known in (
        ("--phase", phase, get_args(PhaseName)),
        ("--language", language, get_args(phase_document.Language)),
    ):
        if given not in known:
            raise InputError.of(option, f"`{given}` is not one of the words allowed here", did_you_mean(given, known))
    name = next(one for one in get_args(PhaseName) if one == phase)
    text = phase_document.document(name, "ja" if language == "ja" else "en")
    Console(as_json).data({"phase": phase, "language": language, "markdown": text}, lines=[text.rstrip("\n")])
