"""The published schemas of the books say what is really written, and refuse what is not."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel

from videogen import project
from videogen.money import Cap, Receipt, cost
from videogen.rent_record import Heartbeat, LastWord, RentRecord

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RECEIPT = Receipt(
    machine="phase-c-1-0a1b2c3d", stack="phase-c", phase="c", cloud="runpod", id="x1y2z3", gpu="H100-80GB",
    place="EU-RO-1", started=NOW, ended=NOW, seconds=0, dollars_per_hour=Decimal("2.99"),
    dollars=cost(Decimal("2.99"), 0), why="destroyed", ended_by="pulumi", basis="at the latest",
)  # fmt: skip
RECORD = RentRecord(
    machine="phase-c-1-0a1b2c3d", cloud="runpod", owner="0123abcd", stack="phase-c", slot="1", phase="c",
    gpu="H100-80GB", dollars_per_hour=Decimal("4.40"), rented=NOW, lease_minutes=480, boot_minutes=20,
    cap=Cap(run=Decimal(85), month=Decimal(400)), unbilled=RECEIPT,
)  # fmt: skip
WRITTEN: dict[str, BaseModel] = {
    "receipt": RECEIPT,
    "rent-record": RECORD,
    "last-word": LastWord(machine="m", why="idle", code=0, lived_seconds=1.5),
    "heartbeat": Heartbeat(machine="m", state="ready", idle_seconds=0, lease_seconds_left=60.5),
}
KINDS: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "object": dict, "null": type(None)}


def wrong(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "") -> list[str]:
    """What in a value is not as the schema says, for the words of JSON Schema that ours use."""
    if "$ref" in schema:
        return wrong(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root, at)
    known = {"type", "const", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum", "format", "required"}
    known |= {"properties", "additionalProperties", "description", "default", "title", "$schema", "$defs", "anyOf"}
    assert schema.keys() <= known, f"the test does not know {schema.keys() - known}"
    if "anyOf" in schema:
        ways = [wrong(value, one, root, at) for one in schema["anyOf"]]
        return [] if [] in ways else [fault for way in ways for fault in way]
    if not isinstance(value, KINDS[schema["type"]]):
        return [f"{at}: is no {schema['type']}"]
    found = []
    found += [at] if "const" in schema and value != schema["const"] else []
    found += [at] if "enum" in schema and value not in schema["enum"] else []
    found += [at] if "pattern" in schema and not re.search(schema["pattern"], value) else []
    found += [at] if schema.get("format") == "date-time" and not datetime.fromisoformat(value).tzinfo else []
    found += [at] if value == schema.get("exclusiveMinimum") else []
    if "minimum" in schema or "maximum" in schema:
        found += [] if schema.get("minimum", value) <= value <= schema.get("maximum", value) else [at]
    if schema["type"] == "object":
        found += [f"{at}/{key}: missing" for key in schema.get("required", ()) if key not in value]
        for key, inner in value.items():
            one = schema["properties"].get(key)
            found += wrong(inner, one, root, f"{at}/{key}") if one else [f"{at}/{key}: unknown"]
    return found


def schema(name: str) -> dict[str, Any]:
    """A published one."""
    path = project.root() / "docs" / "reference" / f"{name}.schema.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize("name", WRITTEN)
def test_what_is_written_is_right(name: str) -> None:
    """Each kind of object is as its schema says, with and without what may be left out."""
    whole = json.loads(WRITTEN[name].model_dump_json(by_alias=True))
    least = json.loads(WRITTEN[name].model_dump_json(by_alias=True, exclude_defaults=True))

    assert wrong(whole, schema(name), schema(name)) == []
    assert wrong(least, schema(name), schema(name)) == []
    assert type(WRITTEN[name]).model_validate_json(json.dumps(least)) == WRITTEN[name]


@pytest.mark.parametrize(
    "change",
    [{"dollars": "-1"}, {"dollars": 1.5}, {"dollars": "1E+2"}, {"basis": "hearsay"}, {"schema": 2}, {"tip": "1"},
     {"seconds": -1}, {"ended": "2026-11-21T12:00:00"}, {"machine": None}],
    ids=str,
)  # fmt: skip
def test_what_is_not_right_is_refused(change: dict[str, Any]) -> None:
    """Other programs need not find out by themselves what is no receipt."""
    data = json.loads(RECEIPT.model_dump_json(by_alias=True)) | change

    assert wrong(data, schema("receipt"), schema("receipt"))
