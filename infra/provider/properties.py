"""The engine's property values as plain Python values, and back."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.rpc import UNKNOWN

Plain = dict[str, Any]


def plain(values: Mapping[str, PropertyValue]) -> Plain:
    """Strings, numbers, booleans, lists, dictionaries; what is not known yet stays `UNKNOWN`."""
    return {key: _plain(value) for key, value in values.items()}


def _plain(value: PropertyValue) -> Any:
    inner = value.value
    if isinstance(inner, Mapping):
        return {key: _plain(item) for key, item in inner.items()}
    if isinstance(inner, Sequence) and not isinstance(inner, str):
        return [_plain(item) for item in inner]
    if isinstance(inner, float) and inner.is_integer():
        return int(inner)  # the protocol has no integers
    return inner


def wrapped(values: Mapping[str, Any], secret: Collection[str]) -> dict[str, PropertyValue]:
    """Property values; those of the keys in `secret` are secrets."""
    return {key: _wrapped(value).with_secret(key in secret) for key, value in values.items()}


def _wrapped(value: Any) -> PropertyValue:
    if isinstance(value, Mapping):
        return PropertyValue({key: _wrapped(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return PropertyValue([_wrapped(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    return PropertyValue(value)


def is_unknown(value: Any) -> bool:
    """Whether a plain value, or a part of it, is not known yet: it comes from a resource that does not exist yet."""
    if isinstance(value, Mapping):
        return any(is_unknown(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(is_unknown(item) for item in value)
    return bool(value == UNKNOWN)
