"""Writes docs/reference/ and the index of docs/decisions/ from the code; a test compares them.

write_reference.py [FOLDER]    into FOLDER instead of docs/
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from videogen import batch, cli, errors, manifest, phase, project, workflow
from videogen.document import schemas_in

NOTE = "<!-- Made by `make reference`; change the code instead. -->\n"


def pages() -> Iterator[tuple[str, str]]:
    """Path under docs/ → text."""
    yield "reference/command-line.md", "\n".join(command_line())
    yield "reference/files.md", "\n".join(files())
    yield "decisions/README.md", "\n".join(decisions())


def command_line() -> Iterator[str]:
    """Every verb with its options."""
    yield f"# Command line\n\n{NOTE}"
    yield "| Exit code | Means |\n|---|---|"
    for code, kind in ((0, None), (1, errors.VideogenError), (2, errors.InputError), (3, errors.Stopped)):
        yield f"| {code} | {(kind.__doc__ or '').splitlines()[0] if kind else 'Done.'} |"
    yield from verbs(typer.main.get_command(cli.app), ["videogen"])


def verbs(command: Any, words: list[str]) -> Iterator[str]:
    """A verb and those under it."""
    if not getattr(command, "commands", None):
        arguments = [param.name.upper() for param in command.params if param.param_type_name == "argument"]
        usage = " ".join([*words, *arguments])
        yield f"\n## `{usage}`\n\n{(command.help or '').strip()}\n"
        options = [param for param in command.params if param.param_type_name == "option"]
        if options:
            yield "| Option | |\n|---|---|"
        for option in options:
            names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
            yield f"| {names} | {option.help or ''} |"
    for name, inner in getattr(command, "commands", {}).items():
        yield from verbs(inner, [*words, name])


def files() -> Iterator[str]:
    """Every file that people write, key by key."""
    yield f"# Files\n\n{NOTE}\nUnknown keys are errors."
    for name, schema in (
        ("batches/*.yaml", batch.Batch),
        ("workflows/*/workflow.yaml", workflow.Definition),
        ("workflows/phases/*.yaml", phase.Phase),
        ("models_manifest.yaml", manifest.Manifest),
    ):
        yield f"\n## {name}"
        for one in dict.fromkeys(every_schema(schema)):
            yield f"\n### {one.__name__}\n\n{(one.__doc__ or '').strip()}\n\n| Key | Type | Default |\n|---|---|---|"
            for key, field in one.model_fields.items():
                required = field.default is PydanticUndefined and field.default_factory is None
                default = "required" if required else f"`{field.default}`"
                kind = str(field.annotation).replace("|", "or")
                yield f"| `{field.alias or key}` | {kind_in_words(kind)} | {default} |"


def kind_in_words(kind: str) -> str:
    """An annotation without module names."""
    kind = re.sub(r"typing\.Annotated\[(.*?), .*\]", r"\1", kind) if kind.startswith("typing.Annotated") else kind
    for noise in ("<class '", "'>", "typing.", "videogen.", "manifest.", "workflow.", "batch.", "phase.", "document."):
        kind = kind.replace(noise, "")
    return f"`{kind}`" if len(kind) < 70 else "one of several forms"


def every_schema(schema: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A schema and those inside it, outermost first."""
    yield schema
    for field in schema.model_fields.values():
        for inner in schemas_in(field.annotation):
            yield from every_schema(inner)


def decisions() -> Iterator[str]:
    """The index of all decisions."""
    yield f"# Decisions\n\n{NOTE}"
    for page in sorted((project.root() / "docs" / "decisions").glob("[0-9]*.md")):
        yield f"- [{page.read_text(encoding='utf-8').splitlines()[0].removeprefix('# ')}]({page.name})"


def main(folder: Path) -> None:
    """Writes every page."""
    for name, text in pages():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n", encoding="utf-8")


main(Path(sys.argv[1]) if len(sys.argv) > 1 else project.root() / "docs")
