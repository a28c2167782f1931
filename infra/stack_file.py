"""A stack file's configuration, with its lines."""

from collections.abc import Mapping
from typing import Any

import yaml

from videogen import document
from videogen.document import Document

PREFIX = "videogen:"


class StackFile(Document):
    """The configuration that Pulumi hands over, with the lines of the stack file for addresses.

    The values are Pulumi's own (`--config` goes before the file); a key that is not in the file has no line.
    """

    def __init__(self, text: str, name: str, config: Mapping[str, str]) -> None:
        super().__init__(text, name)
        written = (self.data or {}).get("config") or {}
        self.clear = {key.removeprefix(PREFIX) for key, value in written.items() if not _is_encrypted(value)}
        """Keys whose values anybody can read in the file."""
        self.data = {key.removeprefix(PREFIX): _value(text) for key, text in config.items() if key.startswith(PREFIX)}

    def address(self, path: document.Path) -> str:
        """`Pulumi.dev.yaml:12: videogen:gpus/0/gpu`."""
        if not path:
            return self.name
        key = f"{PREFIX}{path[0]}"
        where = f"{self.name}:{self.line(path)}" if self.line(path) > 1 else self.name
        return f"{where}: {document.spell((key, *path[1:]))}"

    def line(self, path: document.Path) -> int:
        """The line in the stack file."""
        return super().line(("config", f"{PREFIX}{path[0]}", *path[1:])) if path else 1


def _is_encrypted(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"secure"}


def _value(text: str) -> Any:
    """A configuration value: Pulumi hands numbers over as text, lists and mappings as JSON, which is YAML too."""
    try:
        return yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        return text
