"""`videogen failures`: under which conditions attempts break, and how often."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from videogen import breakage, breakdown, project
from videogen.breakage import CLASS, CONDITIONS, Tried
from videogen.cli.options import AsJson, OutputsFile, Stack, named_stack, read_outputs
from videogen.cli.records import ended
from videogen.console import Console, counted, table
from videogen.document import did_you_mean
from videogen.errors import Fault, InputError, VideogenError
from videogen.phase_document import Language
from videogen.store import Store

BY = "gpu,size,frames,workflow"


def failures(
    batch: Annotated[str | None, typer.Argument(help="The batch's name.  [default: every batch]")] = None,
    stack: Stack = None,
    file: OutputsFile = None,
    by: Annotated[str, typer.Option(help=f"Conditions, of: {', '.join([*CONDITIONS, CLASS])}.")] = BY,
    write: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a breakdown record for each way in which it broke.")
    ] = None,
    language: Annotated[str, typer.Option(help="Of the records: ja or en.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Show which conditions break how often, good attempts counted as well; write breakdown records."""
    console = Console(as_json)
    wanted = _conditions(by)
    if language not in get_args(Language):
        raise InputError.of("--language", f"`{language}` is no language of the records", "one of: en, ja")
    tried = ended(named_stack(stack, file), batch)
    counts = breakage.counts(tried, wanted)
    shown = table(
        *wanted, "attempts", "failed", "share", "suspicious", "what happened",
        numbers=("attempts", "failed", "share", "suspicious"),
    )  # fmt: skip
    for one in counts:
        what = ", ".join(f"{number}× {kind}" for kind, number in one.classes.items()) or "–"
        numbers = (str(one.attempts), str(one.failed), f"{one.share:.0%}", str(one.suspicious))
        shown.add_row(*(one.conditions[name] for name in wanted), *numbers, what)
    records = _written(console, tried, write, "ja" if language == "ja" else "en", stack, file) if write else []
    rows = [
        {
            **one.conditions,
            "attempts": one.attempts,
            "failed": one.failed,
            "share": round(one.share, 4),
            "suspicious": one.suspicious,
            "classes": one.classes,
        }
        for one in counts
    ]
    console.data({"by": wanted, "conditions": rows, "records": [str(path) for path in records]}, shown)
    bad = sum(1 for one in tried if one.failure)
    console.say(f"{bad} of {counted(len(tried), 'attempt')} failed")
    if write and not records:
        console.say("no record: nothing broke")
    for path in records:
        console.say(f"record: {project.shown(path.resolve())}")


def _conditions(by: str) -> list[str]:
    known = [*CONDITIONS, CLASS]
    words = [word.strip() for word in by.split(",") if word.strip()]
    if wrong := [word for word in words if word not in known]:
        raise InputError([Fault("--by", f"`{word}` is no condition", did_you_mean(word, known)) for word in wrong])
    return list(dict.fromkeys(words))


def _written(
    console: Console,
    tried: list[Tried],
    folder: Path,
    language: Language,
    stack: str | None,
    file: Path | None,
) -> list[Path]:
    patterns = breakage.patterns(tried)
    try:
        outputs = read_outputs(stack, file)
        store = Store(outputs.store, outputs.store_access)
    except VideogenError as error:
        console.warn(f"the workers' logs are not in the records: {error.message}")
        store = None

    def log_of(one: Tried) -> list[str]:
        try:
            return breakdown.log_tail(store, one) if store else []
        except VideogenError as error:
            console.warn(f"the log of {one.attempt.worker} is not in its record: {error.message}")
            return []

    return [breakdown.record(pattern, language, log_of).write(folder) for pattern in patterns]
