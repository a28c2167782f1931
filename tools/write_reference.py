"""Writes docs/reference/, the phase documents and the index of docs/decisions/ from the code; a test compares them.

write_reference.py [FOLDER]    into FOLDER instead of docs/
"""

import ast
import inspect
import itertools
import json
import re
import sys
import types
import typing
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from infra import settings
from videogen import (
    batch,
    character,
    cli,
    errors,
    manifest,
    money,
    phase,
    phase_document,
    project,
    rent_record,
)
from videogen.definition import Definition
from videogen.document import schemas_in

NOTE = "<!-- Made by `make reference`; change the code instead. -->\n"


def pages() -> Iterator[tuple[str, str]]:
    """Path under docs/ → text."""
    yield "reference/command-line.md", "\n".join(command_line())
    yield "reference/files.md", "\n".join(files())
    yield "decisions/README.md", "\n".join(decisions())
    for schema in (money.Receipt, rent_record.RentRecord, rent_record.LastWord, rent_record.Heartbeat):
        yield f"reference/{re.sub('(?<!^)(?=[A-Z])', '-', schema.__name__).lower()}.schema.json", json_schema(schema)
    for name in typing.get_args(manifest.PhaseName):
        yield f"guides/phase-{name}.md", phase_document.document(name, "en")
        yield f"ja/phase-{name}.md", phase_document.document(name, "ja")


def json_schema(schema: type[BaseModel]) -> str:
    """What an object of the outputs bucket holds, for programs that are not this one."""
    made = schema.model_json_schema(by_alias=True, mode="serialization")
    said = attribute_docs(schema)
    for name, field in schema.model_fields.items():
        one = made["properties"][field.alias or name]
        one.pop("title", None)
        if name in said:
            one["description"] = " ".join(said[name].split())
        if field.annotation is Decimal:
            one["pattern"] = r"^[0-9]+(\.[0-9]+)?$"  # exact, as a number in JSON is not
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **made}, indent=2)


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
        ("workflows/*/workflow.yaml", Definition),
        ("characters/*.yaml", character.Character),
        ("workflows/phases/*.yaml", phase.Phase),
        ("models_manifest.yaml", manifest.Manifest),
        ("Pulumi.*.yaml", settings.Settings),
        ("money.yaml", money.Rates),
    ):
        yield f"\n## {name}"
        for one in dict.fromkeys(every_schema(schema)):
            yield f"\n### {one.__name__}\n\n{(one.__doc__ or '').strip()}\n"
            yield "| Key | Value | Default | |\n|---|---|---|---|"
            said = attribute_docs(one)
            for name_in_code, field in one.model_fields.items():
                key = field.alias or name_in_code
                required = field.default is PydanticUndefined and field.default_factory is None
                about = " ".join(said.get(name_in_code, "").split())
                default = "required" if required else shown(field.default)
                yield f"| `{key}` | {words(field.annotation)} | {default} | {about} |"


PLAIN = {str: "text", int: "integer", float: "number", bool: "true or false", Decimal: "dollars", type(None): "none"}


def words(annotation: Any) -> str:
    """An annotation in words."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return words(inner[0])
    if origin is typing.Literal:
        return " or ".join(f"`{word}`" for word in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(words(one) for one in inner))
    if origin is tuple:
        return f"list of {words(inner[0])}"
    if origin is dict:
        return f"{words(inner[0])} → {words(inner[1])}"
    return PLAIN.get(annotation) or f"[{annotation.__name__}](#{annotation.__name__.lower()})"


def shown(default: Any) -> str:
    """A default as it would stand in the file."""
    if isinstance(default, BaseModel):
        return "all its defaults"
    if default is None:
        return "none"
    return f"`{json.dumps(default)}`" if not isinstance(default, tuple) else f"`{json.dumps(list(default))}`"


def attribute_docs(schema: type[BaseModel]) -> dict[str, str]:
    """Field → the text that stands below it in the code."""
    body = ast.parse(inspect.getsource(schema)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for before, after in itertools.pairwise(body.body):
        text = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else None
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(text, str):
            found[before.target.id] = text
    return found


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
        (folder / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8")


main(Path(sys.argv[1]) if len(sys.argv) > 1 else project.root() / "docs")
