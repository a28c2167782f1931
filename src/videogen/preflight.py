"""What a worker's ComfyUI lacks for a batch, found before anything is sent to it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from videogen import node_schema
from videogen.batch import Job
from videogen.errors import Fault, InputError
from videogen.failure import of_refusal
from videogen.graph import title


def preflight(jobs: Sequence[Job], object_info: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `InputError` with every node class, model and value that a worker lacks.

    `object_info` maps each worker's name to what its ComfyUI says of itself.
    """
    found: dict[Fault, None] = {}
    for worker, info in object_info.items():
        wanted = {node["class_type"] for job in jobs for node in job.prompt.values()}
        schemas = node_schema.parse({name: info[name] for name in wanted if name in info}, f"object_info of {worker}")
        options = node_schema.model_files(schemas)
        for job in jobs:
            found.update(dict.fromkeys(_faults(worker, job, schemas, options)))
    if found:
        raise InputError(list(found))


def _faults(
    worker: str, job: Job, schemas: node_schema.Schemas, options: Mapping[str, Sequence[str]]
) -> Iterator[Fault]:
    unknown = False
    for node in job.prompt.values():
        if node["class_type"] not in schemas:
            unknown = True
            address = f"worker {worker}: {job.workflow}: {title(node)}"
            message = f"its ComfyUI has no node class `{node['class_type']}`"
            yield Fault(address, message, "another workflow, or an image whose ComfyUI and node packs have it")
    if unknown:
        return
    answer = node_schema.check(job.prompt, schemas, options)
    errors = answer.body["node_errors"] if isinstance(answer, node_schema.Refusal) else answer.node_errors
    for node_id, error in errors.items():
        address = f"worker {worker}: {job.workflow}: {title(job.prompt[node_id])}"
        for one in error["errors"]:
            lacks = one["type"] == "value_not_in_list" and one["extra_info"].get("input_name")
            name = job.prompt[node_id]["inputs"].get(lacks) if lacks else None
            if isinstance(name, str):
                yield Fault(f"{address}/{lacks}", f"its ComfyUI does not list `{name}`", "was the model synced there?")
            else:
                yield Fault(address, f"{one['message']}: {one['details']}")
    if isinstance(answer, node_schema.Refusal) and not errors:
        yield Fault(f"worker {worker}: {job.workflow}", of_refusal(answer.body).message)
