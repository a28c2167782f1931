"""Files that people write: YAML text in, a closed and frozen schema out, or every fault with its line.

The file's own path of keys is the address of a fault, so that a message reads as a way into the user's file.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from videogen.errors import Fault, InputError

Path = tuple[str | int, ...]

MOST_VALUES = 100_000
"""A file that a person wrote has fewer; a few lines of aliases can have billions."""

NAME = r"^[a-z0-9][a-z0-9-]*$"
"""Pattern of what names a file or a folder."""

_MADE_OF = re.compile(r"\^\[([a-z0-9_.-]+)\]\[([a-z0-9_.-]+)\]\*\$")
"""Patterns that can be said in words: the first character, and all others."""
_CHARACTERS = (
    ("a-z", "a small letter", "small letters"),
    ("0-9", "a digit", "digits"),
    (".", "a dot", "dots"),
    ("_", "an underscore", "underscores"),
)
_MOST_ROUNDS = 3
"""Of taking out what is wrong: what is left may be wrong in another way."""
_KEY_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")
_NO_SUCH_VALUE = (ValueError, LookupError, AttributeError)
"""What PyYAML lets through for `2024-13-45`, `!!bool x`, `!!int ''` and `!!timestamp x`."""


class Schema(BaseModel):
    """Base of everything that is read from a file: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


AnySchema = TypeVar("AnySchema", bound=Schema)


class _Loader(yaml.SafeLoader):
    """YAML's own loader, whose every complaint about a value has a line."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except _NO_SUCH_VALUE as error:
            kind = node.tag.removeprefix("tag:yaml.org,2002:")
            message = f"{_clip(node.value)} is no {kind} ({error}); put quotes round it if it is text"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark) from error


class Document:
    """A YAML text that knows the line of each of its keys.

    Raises `InputError` for text that is not YAML, for keys that stand twice and for keys that are no text.
    """

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self._lines: dict[Path, int] = {}
        self._values = 0
        text = text.removeprefix("\ufeff")
        try:
            loader = _Loader(text)
            root = loader.get_single_node()
            found = list(self._walk(root, ())) if root else []
            if found:
                raise InputError(found)
            self.data: Any = loader.construct_document(root) if root else None
            self._json = json.dumps(self.data, default=str)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            hint = "spaces in place of the tab" if "'\\t'" in str(error.problem) else None
            raise InputError.of(f"{name}:{line}", f"is not YAML: {error.problem or error}", hint) from error
        except yaml.reader.ReaderError as error:
            line = text[: error.position].count("\n") + 1
            raise InputError.of(f"{name}:{line}", f"is not YAML: a character is not allowed: {error.reason}") from error
        except RecursionError:
            raise InputError.of(name, "is nested too deeply") from None
        except (ValueError, OverflowError) as error:  # a number of thousands of digits, a character beyond all
            raise InputError.of(name, f"is not YAML: {error}", "put quotes round it if it is text") from error

    def _walk(self, node: yaml.Node, path: Path) -> Iterator[Fault]:
        self._values += 1
        if self._values > MOST_VALUES:
            raise InputError.of(self.name, f"holds more than {MOST_VALUES:,} values", "are its aliases (*) meant?")
        self._lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                at = f"{self.name}:{key.start_mark.line + 1}"
                if not isinstance(key, yaml.ScalarNode):
                    yield Fault(at, "a key must be text")
                    continue
                here = (*path, key.value)
                if key.tag not in _KEY_TAGS:
                    yield Fault(f"{at}: {spell(here)}", "a key must be text", "put quotes round it")
                if key.value in seen:
                    yield Fault(f"{at}: {spell(here)}", "stands twice")
                seen.add(key.value)
                self._lines[here] = key.start_mark.line + 1
                yield from self._walk(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                yield from self._walk(value, (*path, index))

    def address(self, path: Path) -> str:
        """`file:line: a/b/0/c`."""
        return f"{self.name}:{self.line(path)}: {spell(path)}" if path else f"{self.name}:{self.line(path)}"

    def line(self, path: Path) -> int:
        """The line of a key, or of the nearest one above it that exists."""
        while path not in self._lines and path:
            path = path[:-1]
        return self._lines.get(path, 1)

    def load(self, schema: type[AnySchema]) -> AnySchema:
        """The document as `schema`; raises `InputError` with every fault."""
        try:
            return schema.model_validate_json(self._json, strict=True)  # strict: YAML's `no` is not the number 0
        except ValidationError as error:
            raise InputError(faults(error, schema, self)) from None

    def sound(self, schema: type[AnySchema], instead: Mapping[str, Any]) -> AnySchema | None:
        """As much of the document as `schema` takes, to look for more faults in it; nothing where too little is left.

        `instead` has values for required keys that are missing or wrong.
        """
        data = json.loads(self._json)
        if not isinstance(data, dict):
            return None
        for _ in range(_MOST_ROUNDS):
            try:
                return schema.model_validate_json(json.dumps(data), strict=True)
            except ValidationError as error:
                for detail in error.errors(include_url=False):
                    _drop(data, _path_in_file(detail["loc"], data, detail["type"] == "missing"))
                data = {**instead, **data}
        return None

    def fault(self, path: Path, message: str, hint: str | None = None) -> Fault:
        """A fault at a path of this document, for checks beyond the schema's."""
        return Fault(self.address(path), message, hint)


def load(schema: type[AnySchema], text: str, name: str) -> AnySchema:
    """The YAML `text` of file `name` as `schema`; raises `InputError` with every fault."""
    return Document(text, name).load(schema)


def spell(path: Path) -> str:
    """`models/3/sha256`."""
    return "/".join(str(part) for part in path)


def did_you_mean(word: object, allowed: Iterable[object], listed: Callable[[str], bool] | None = None) -> str | None:
    """A hint with the nearest right word, or the whole list when it is short, or nothing.

    In the list are only words for which `listed` is true.
    """
    words = sorted({str(item) for item in allowed})
    near = difflib.get_close_matches(str(word), words, n=1, cutoff=0.6)
    if near:
        return f"did you mean `{near[0]}`?"
    words = list(filter(listed, words)) if listed else words
    return f"one of: {', '.join(words)}" if 0 < len(words) <= 12 else None


def faults(error: ValidationError, schema: type[BaseModel], document: Document) -> list[Fault]:
    """Pydantic's errors as addresses and plain sentences, in the order of the file."""
    details = [detail for detail in error.errors(include_url=False) if not _says_twice(detail)]
    paths = [_path_in_file(detail["loc"], document.data, detail["type"] == "missing") for detail in details]
    in_order = sorted(zip(paths, details, strict=True), key=lambda pair: document.line(pair[0]))
    return [_fault(path, detail, schema, document) for path, detail in in_order]


def _drop(data: Any, path: Path) -> None:
    """Takes out of `data` what lies at a path; of a list the whole, since its items' places would move."""
    for depth, part in enumerate(path):
        if not isinstance(data, dict) or part not in data:
            return
        if depth == len(path) - 1 or not isinstance(data[part], dict):
            del data[part]
            return
        data = data[part]


def _says_twice(detail: ErrorDetails) -> bool:
    """Pydantic calls a list too short when its items are wrong; those have faults of their own."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _fault(path: Path, detail: ErrorDetails, schema: type[BaseModel], document: Document) -> Fault:
    given = detail["input"]
    match detail["type"]:
        case "missing":
            return document.fault(path, "is required")
        case "extra_forbidden":
            return document.fault(path, "unknown key", did_you_mean(path[-1], _keys_at(schema, detail["loc"][:-1])))
        case "literal_error" | "enum":
            expected = detail.get("ctx", {}).get("expected", "")
            words = [word.strip("' ") for word in str(expected).replace(" or ", ",").split(",")]
            return document.fault(path, f"{given!r} is not one of the words allowed here", did_you_mean(given, words))
        case "value_error":
            return document.fault(path, str(detail["msg"]).removeprefix("Value error, "))
        case "string_pattern_mismatch" if made := _MADE_OF.fullmatch(str(detail["ctx"]["pattern"])):
            first, rest = made.groups()
            all_, start = _listed(rest, "and", plural=True), _listed(first, "or", plural=False)
            near = re.sub(f"^[^{first}]+", "", re.sub(f"[^{rest}]+", _joint(rest), str(given).lower())).rstrip("-_.")
            message = f"should be {all_}, beginning with {start}, got {_clip(given)}"
            return document.fault(path, message, f"`{near}`" if near else None)
        case "too_short":
            return document.fault(path, f"needs at least {detail['ctx']['min_length']} item")
        case _:
            message = detail["msg"].replace("Input should", "should").replace("String should", "should")
            message = message[:1].lower() + message[1:]
            return document.fault(path, f"{message}, got {_clip(given)}")


def _listed(characters: str, last: str, *, plural: bool) -> str:
    """`small letters, digits and hyphens`, of what stands between the brackets of a pattern."""
    words = [many if plural else one for sign, one, many in _CHARACTERS if sign in characters]
    words += ["hyphens" if plural else "a hyphen"] if characters.endswith("-") else []
    return f" {last} ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)


def _joint(characters: str) -> str:
    return "-" if characters.endswith("-") else "_"


def _clip(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _path_in_file(loc: tuple[int | str, ...], data: Any, missing: bool) -> Path:
    """Pydantic's location without the names of union members, which no user's file contains."""
    path: list[str | int] = []
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if in_list or (isinstance(data, dict) and part in data):
            path.append(part)
            data = data[part]
        elif last and missing:
            path.append(part)
    return tuple(path)


def _keys_at(schema: Any, loc: tuple[int | str, ...]) -> set[str]:
    """The keys that the schema allows at a location."""
    found = list(schemas_in(schema))
    for part in loc:
        inner = [field for model in found for name, field in _fields(model).items() if part in (name, model.__name__)]
        found = [model for annotation in inner for model in schemas_in(annotation)] or found
    return {name for model in found for name in _fields(model)}


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def schemas_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The schemas inside an annotation: of a list's items, of a mapping's values, of a union's members."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not Literal:
        for inner in get_args(annotation):
            yield from schemas_in(inner)
