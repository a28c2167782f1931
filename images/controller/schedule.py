"""What the controller does by itself, as a person wrote it: `schedule.yaml`."""

from typing import Annotated, Literal

import typer
from pydantic import Field
from typer.core import TyperGroup

from videogen import cli
from videogen.document import Document, Schema, did_you_mean
from videogen.errors import Fault, InputError

Minutes = Annotated[float, Field(gt=0, le=7 * 24 * 60)]


class Entry(Schema):
    """One verb, done again and again."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    run: Annotated[tuple[str, ...], Field(min_length=1)]
    """The words after `videogen`."""
    every: Minutes
    """From one start to the next."""
    deadline: Minutes


class Schedule(Schema):
    """Everything that is done so."""

    version: Literal[1] = Field(alias="schema")
    entries: tuple[Entry, ...]


def parse(text: str, name: str) -> Schedule:
    """The schedule; raises `InputError` with every fault, verbs that videogen does not have among them."""
    document = Document(text, name)
    found = document.load(Schedule)
    faults: list[Fault] = []
    seen: set[str] = set()
    for number, entry in enumerate(found.entries):
        if entry.name in seen:
            faults.append(document.fault(("entries", number, "name"), f"`{entry.name}` is there already"))
        seen.add(entry.name)
        if fault := _verb_fault(document, number, entry.run):
            faults.append(fault)
    if faults:
        raise InputError(faults)
    return found


def _verb_fault(document: Document, number: int, words: tuple[str, ...]) -> Fault | None:
    here = typer.main.get_command(cli.app)
    for position, word in enumerate(words):
        if not isinstance(here, TyperGroup):
            return None
        if word not in here.commands:
            path = ("entries", number, "run", position)
            return document.fault(path, f"videogen has no verb `{word}` here", did_you_mean(word, here.commands))
        here = here.commands[word]
    if isinstance(here, TyperGroup):
        message = f"`videogen {' '.join(words)}` needs one more word"
        return document.fault(("entries", number, "run"), message, did_you_mean("", here.commands))
    return None
