"""Whether policies of AWS allow a request; refuses to guess what it does not know."""

import re
from collections.abc import Iterable, Mapping
from typing import Any


def allows(
    policies: Iterable[Mapping[str, Any]], action: str, resource: str, context: Mapping[str, str] | None = None
) -> bool:
    """Allowed by one statement, denied by none. Raises `ValueError` for a word of the language it does not know."""
    effects = {
        statement["Effect"]
        for policy in policies
        for statement in policy["Statement"]
        if _matches(statement, action, resource, context or {})
    }
    return "Allow" in effects and "Deny" not in effects


def _matches(statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]) -> bool:
    if unknown := statement.keys() - {"Effect", "Action", "Resource", "Condition", "Principal", "Sid"}:
        raise ValueError(f"policy: unknown words {sorted(unknown)}")
    return (
        any(_like(pattern.lower(), action.lower()) for pattern in _listed(statement["Action"]))
        and any(_like(pattern, resource) for pattern in _listed(statement["Resource"]))
        and all(
            _holds(operator, wanted, context)
            for operator, conditions in statement.get("Condition", {}).items()
            for wanted in conditions.items()
        )
    )


def _holds(operator: str, wanted: tuple[str, Any], context: Mapping[str, str]) -> bool:
    if operator != "Bool":
        raise ValueError(f"policy: unknown condition {operator}")
    return context.get(wanted[0]) in _listed(wanted[1])


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _like(pattern: str, text: str) -> bool:
    words = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    return re.fullmatch(words, text, re.DOTALL) is not None
