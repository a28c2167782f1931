"""The two small judgements that server and pre-flight share: does a value convert, does a link's type fit."""

from typing import Any

from videogen.node_schema.schema import Input


def is_link(value: Any) -> bool:
    """Whether ComfyUI takes the value for a link: any list is one, well-formed or not."""
    return isinstance(value, list)


def unwrapped(value: Any) -> Any:
    """The value itself where it was wrapped as `{"__value__": …}`, the way to write a list that is no link."""
    return value["__value__"] if isinstance(value, dict) and "__value__" in value else value


def converted(item: Input, value: Any) -> Any:
    """The value as ComfyUI hands it to the node: numbers in text become numbers, anything becomes a bool or a text.

    Raises `ValueError` or `TypeError` where Python's own conversion does; their texts are part of the refusal.
    """
    match item.type:
        case "INT":
            return int(value)
        case "FLOAT":
            return float(value)
        case "STRING":
            return str(value)
        case "BOOLEAN":
            return bool(value)
        case _:
            return value


def fits(received: str, wanted: str) -> bool:
    """Whether an output of type `received` may be linked to an input of type `wanted`; unions are comma lists."""
    if received == wanted or received.startswith("COMFY_MATCHTYPE") or wanted.startswith("COMFY_MATCHTYPE"):
        return True
    gives, takes = ({part.strip() for part in union.split(",")} for union in (received, wanted))
    return "*" in gives | takes or bool(gives & takes)
