"""The expressions of GitHub Actions, as far as our workflows use them; what is not known here is an error."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_TOKEN = re.compile(r"\s*('(?:[^']|'')*'|\|\||&&|==|!=|!|\(|\)|,|[A-Za-z_][\w.-]*)")
_STATUS = ("always", "cancelled", "failure", "success")


class Expression:
    """One expression over contexts such as `{"github": {…}, "vars": {…}}`; a name that is missing is nothing."""

    def __init__(self, text: str, contexts: Mapping[str, Any], status: str = "success") -> None:
        self._contexts, self._status = contexts, status
        self._tokens: list[str] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            assert found, f"what is {text[at:]!r}?"
            self._tokens.append(found[1])
            at = found.end()

    def value(self) -> Any:
        """What it is."""
        found = self._either()
        assert not self._tokens, self._tokens
        return found

    def _either(self) -> Any:
        left = self._both()
        while self._take("||"):
            right = self._both()
            left = left or right
        return left

    def _both(self) -> Any:
        left = self._equal()
        while self._take("&&"):
            right = self._equal()
            left = left and right
        return left

    def _equal(self) -> Any:
        left = self._one()
        for sign, same in (("==", True), ("!=", False)):
            if self._take(sign):
                return (_loose(left) == _loose(self._one())) is same
        return left

    def _one(self) -> Any:
        if self._take("!"):
            return not self._one()
        if self._take("("):
            found = self._either()
            assert self._take(")")
            return found
        token = self._tokens.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token in ("true", "false"):
            return token == "true"
        if self._take("("):
            return self._call(token)
        return self._name(token.split("."))

    def _call(self, name: str) -> Any:
        if name in _STATUS:
            assert self._take(")")
            return name in ("always", self._status)
        assert name == "fromJSON", f"no function {name} here"
        argument = self._either()
        assert self._take(")")
        return json.loads(argument)

    def _name(self, path: Sequence[str]) -> Any:
        assert path[0] in self._contexts, f"no context {path[0]} here"
        found: Any = self._contexts
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return "" if found is None else found

    def _take(self, token: str) -> bool:
        if self._tokens[:1] == [token]:
            del self._tokens[0]
            return True
        return False


def filled(value: Any, contexts: Mapping[str, Any]) -> Any:
    """A value of a workflow with each `${{ … }}` in it worked out; a lone one keeps its type."""
    if isinstance(value, Mapping):
        return {key: filled(inner, contexts) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, contexts) for inner in value]
    if not isinstance(value, str):
        return value
    if alone := re.fullmatch(r"\$\{\{(.*?)\}\}", value):
        return Expression(alone[1], contexts).value()
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: spelled(Expression(found[1], contexts).value()), value)


def spelled(value: Any) -> str:
    """A value as a variable of the environment has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def condition(text: str | bool, contexts: Mapping[str, Any], status: str) -> bool:
    """Whether a job or step runs; without a word about success it wants one."""
    words = re.sub(r"^\$\{\{(.*)\}\}$", r"\1", spelled(text).strip())
    aware = any(f"{name}(" in words for name in _STATUS)
    return (aware or status == "success") and bool(Expression(words, contexts, status).value())


def _loose(value: Any) -> Any:
    return "" if value is None else value
