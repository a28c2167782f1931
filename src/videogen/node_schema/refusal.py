"""What `POST /prompt` answers to a prompt, word for word as ComfyUI does.

The rules, their order and their texts are those seen in answers of real servers (0.8.0; where it differs, 0.27.0):
numeric text is converted, unknown inputs are ignored, one good output beside bad ones is accepted, a fault is told at
the node that has it while the nodes behind it only count as bad. File lists come from outside: what a folder holds is
known only on the worker.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from videogen.node_schema.schema import COMBO, Input, NodeSchema, Schemas
from videogen.node_schema.values import converted, fits, is_link, unwrapped

LONG_LIST = 20
"""Choices beyond this many are not repeated in an answer [code 0.8.0]."""

_ANNOTATIONS = (" [input]", " [output]", " [temp]")


@dataclass(frozen=True)
class Refusal:
    """HTTP 400 with this body."""

    body: dict[str, Any]


@dataclass(frozen=True)
class Accepted:
    """The prompt runs: `prompt` with its values converted, `outputs` the output nodes that will run.

    `node_errors` tells of parts that will not run; it is empty when all is well.
    """

    prompt: dict[str, Any]
    outputs: tuple[str, ...]
    node_errors: dict[str, Any]


class _InnerFault(Exception):
    """What looking at a node raised inside the server; `kind` is the name of the server's exception."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True)
class _Verdict:
    good: bool
    errors: list[dict[str, Any]]


def check(prompt: Mapping[str, Any], schemas: Schemas, options: Mapping[str, Sequence[str]]) -> Accepted | Refusal:
    """ComfyUI's answer to `prompt`.

    A node that is no object ends in an exception; the server answers it with HTTP 500.

    `options` maps a folder key (`diffusion_models`, …; `input`, `output`, `temp` for those directories, files in
    subfolders included) to its files; inputs that list a folder absent from it are not judged.
    """
    outputs: list[str] = []
    for node_id, node in prompt.items():
        if "class_type" not in node:
            name = node.get("_meta", {}).get("title")
            message = f"Node '{name or f'ID #{node_id}'}' has no class_type."
            message += " The workflow may be corrupted or a custom node is missing."
            return _unknown(node_id, None, name, message)
        schema = schemas.get(node["class_type"])
        if schema is None:
            name = node.get("_meta", {}).get("title", node["class_type"])
            message = f"Node '{name}' not found. The custom node may not be installed."
            return _unknown(node_id, node["class_type"], name, message)
        if schema.is_output:
            outputs.append(node_id)
    if not outputs:
        return _refused("prompt_no_outputs", "Prompt has no outputs")

    judge = _Judge(deepcopy(dict(prompt)), schemas, options)
    good: list[str] = []
    own_errors: list[str] = []
    node_errors: dict[str, Any] = {}
    for output in outputs:
        verdict = judge.judged(output)
        if verdict.good:
            good.append(output)
            continue
        own_errors += [f"{error['message']}: {error['details']}" for error in verdict.errors]
        for node_id, found in judge.verdicts.items():
            if not found.good and found.errors:
                entry = node_errors.setdefault(
                    node_id,
                    {
                        "errors": found.errors,
                        "dependent_outputs": [],
                        "class_type": judge.prompt[node_id]["class_type"] if node_id in judge.prompt else None,
                    },
                )
                entry["dependent_outputs"].append(output)
    if not good:
        text = "\n".join(own_errors)
        return _refused("prompt_outputs_failed_validation", "Prompt outputs failed validation", text, node_errors)
    return Accepted(judge.prompt, tuple(good), node_errors)


def _refused(kind: str, message: str, details: str = "", node_errors: dict[str, Any] | None = None) -> Refusal:
    error = {"type": kind, "message": message, "details": details, "extra_info": {}}
    return Refusal({"error": error, "node_errors": node_errors or {}})


def _unknown(node_id: str, class_type: str | None, name: str | None, message: str) -> Refusal:
    refusal = _refused("missing_node_type", message, f"Node ID '#{node_id}'")
    refusal.body["error"]["extra_info"] = {"node_id": node_id, "class_type": class_type, "node_title": name}
    return refusal


def _error(kind: str, message: str, details: str, item: Input, **extra: Any) -> dict[str, Any]:
    info = {"input_name": item.name, "input_config": [item.recorded, dict(item.config)], **extra}
    return {"type": kind, "message": message, "details": details, "extra_info": info}


class _Judge:
    """Walks from an output to all it depends on; each node is judged once a prompt."""

    def __init__(self, prompt: dict[str, Any], schemas: Schemas, options: Mapping[str, Sequence[str]]) -> None:
        self.prompt = prompt
        self.verdicts: dict[str, _Verdict] = {}
        self._schemas = schemas
        self._options = options
        self._open: list[str] = []

    def judged(self, node_id: str) -> _Verdict:
        if node_id in self.verdicts:
            return self.verdicts[node_id]
        if node_id in self._open:
            return self._in_a_circle(node_id)
        self._open.append(node_id)
        try:
            verdict = self._node(node_id)
        except _InnerFault as fault:
            info = {"exception_type": fault.kind, "traceback": []}
            message = "Exception when validating node"
            error = {"type": "exception_during_validation", "message": message, "details": str(fault)}
            verdict = _Verdict(good=False, errors=[{**error, "extra_info": info}])
        self._open.remove(node_id)
        self.verdicts[node_id] = verdict
        return verdict

    def _in_a_circle(self, node_id: str) -> _Verdict:
        way = [*self._open[self._open.index(node_id) :], node_id]
        nodes = list(dict.fromkeys(way))
        details = " -> ".join(f"{one} ({self.prompt[one]['class_type']})" for one in way)
        for one in nodes:
            error = {"type": "dependency_cycle", "message": "Dependency cycle detected", "details": details}
            info = {"node_id": one, "cycle_nodes": nodes}
            self.verdicts[one] = _Verdict(good=False, errors=[{**error, "extra_info": info}])
        return self.verdicts[node_id]

    def _node(self, node_id: str) -> _Verdict:
        node = self.prompt[node_id]
        if "inputs" not in node:
            raise _InnerFault("KeyError", "'inputs'")
        values = node["inputs"]
        schema = self._schemas[node["class_type"]]
        errors: list[dict[str, Any]] = []
        good = True
        for item in schema.active(values):
            if item.name not in values:
                if item.required:
                    missing = {"type": "required_input_missing", "message": "Required input is missing"}
                    errors.append({**missing, "details": item.name, "extra_info": {"input_name": item.name}})
            elif is_link(values[item.name]):
                error, upstream_good = self._link(item, values[item.name])
                errors += error
                good = good and upstream_good
            else:
                errors += self._value(item, values)
        errors += self._custom(schema, values)
        circle = self.verdicts.get(node_id, _Verdict(good=True, errors=[]))
        return _Verdict(circle.good and good and not errors, circle.errors + errors)

    def _link(self, item: Input, link: list[Any]) -> tuple[list[dict[str, Any]], bool]:
        if len(link) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return [_error("bad_linked_input", message, item.name, item, received_value=link)], True
        source, slot = link
        if source not in self.prompt:
            raise _InnerFault("KeyError", repr(source))
        outputs = self._schemas[self.prompt[source]["class_type"]].outputs
        if not isinstance(slot, int):
            raise _InnerFault("TypeError", f"tuple indices must be integers or slices, not {type(slot).__name__}")
        if not -len(outputs) <= slot < len(outputs):
            raise _InnerFault("IndexError", "tuple index out of range")
        received = outputs[slot]
        if not fits(received, item.type):
            wanted = item.recorded
            details = f"{item.name}, received_type({received}) mismatch input_type({wanted})"
            message = "Return type mismatch between linked nodes"
            return [
                _error("return_type_mismatch", message, details, item, received_type=received, linked_node=link)
            ], True
        if source in self.verdicts or source in self._open:
            return [], self.judged(source).good
        self._open.append(source)
        try:
            verdict = self._node(source)
        except _InnerFault as fault:
            extra = {"exception_message": str(fault), "exception_type": fault.kind, "traceback": []}
            message = "Exception when validating inner node"
            error = _error("exception_during_inner_validation", message, str(fault), item, **extra, linked_node=link)
            verdict = _Verdict(good=False, errors=[error])
        self._open.remove(source)
        self.verdicts[source] = verdict
        return [], verdict.good

    def _value(self, item: Input, values: dict[str, Any]) -> list[dict[str, Any]]:
        received = unwrapped(values[item.name])
        try:
            value = converted(item, received)
        except (ValueError, TypeError, OverflowError) as fault:
            message = f"Failed to convert an input value to a {item.type} value"
            details = f"{item.name}, {received}, {fault}"
            extra = {"received_value": received, "exception_message": str(fault)}
            return [_error("invalid_input_type", message, details, item, **extra)]
        values[item.name] = value
        if item.files is not None and item.files.complaint is not None:
            return []  # the node's own check decides
        for bound, kind, word in (
            ("min", "value_smaller_than_min", "smaller"),
            ("max", "value_bigger_than_max", "bigger"),
        ):
            limit = item.config.get(bound)
            if limit is not None and (value < limit if bound == "min" else value > limit):
                message = f"Value {value} {word} than {bound} of {limit}"
                return [_error(kind, message, item.name, item, received_value=value)]
        return self._choice(item, value) if item.type == COMBO else []

    def _choice(self, item: Input, value: Any) -> list[dict[str, Any]]:
        choices = listed(item, self._options)
        chosen = value if item.config.get("multiselect") and isinstance(value, list) else [value]
        if choices is None or all(choice in choices for choice in chosen):
            return []
        named = ", ".join(repr(choice) for choice in chosen if choice not in choices)
        long = len(choices) > LONG_LIST
        shown = f"(list of length {len(choices)})" if long else str(list(choices))
        error = _error("value_not_in_list", "Value not in list", f"{item.name}: {named} not in {shown}", item)
        config = None
        if not long:
            old_style = isinstance(item.recorded, list)
            config = (
                [list(choices), dict(item.config)]
                if old_style
                else [item.recorded, {**item.config, "options": list(choices)}]
            )
        error["extra_info"] |= {"input_config": config, "received_value": value}
        return [error]

    def _custom(self, schema: NodeSchema, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        errors = []
        for item in schema.inputs:
            value = values.get(item.name)
            if item.files is None or item.files.complaint is None or item.name not in values or is_link(value):
                continue
            if not isinstance(value, str):  # the node's own check takes it for a name
                raise _InnerFault("AttributeError", f"'{type(value).__name__}' object has no attribute 'endswith'")
            folder, name = annotated(value, item.files.folder)
            if folder in self._options and name not in self._options[folder]:
                details = f"{item.name} - {item.files.complaint}{value}"
                failed = {"type": "custom_validation_failed", "message": "Custom validation failed for node"}
                errors.append({**failed, "details": details, "extra_info": {"input_name": item.name}})
        return errors


def annotated(value: str, folder: str) -> tuple[str, str]:
    """(directory, file) of a name that may end in ` [output]`, ` [input]` or ` [temp]`; else it is in `folder`."""
    for annotation in _ANNOTATIONS:
        if value.endswith(annotation):
            return annotation[2:-1], value.removesuffix(annotation)
    return folder, value


def listed(item: Input, options: Mapping[str, Sequence[str]]) -> tuple[Any, ...] | None:
    """The choices of a combo with the worker's files put in; None where nobody knows them."""
    if item.files is None:
        return item.options
    files = options.get(item.files.folder)
    return None if files is None else (*files, *item.files.also)
