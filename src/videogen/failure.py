"""Why a job failed, in classes that each have one answer."""

from dataclasses import dataclass
from enum import StrEnum


class FailureClass(StrEnum):
    """What kind of failure it was."""

    BAD_GRAPH = "bad_graph"
    MISSING_MODEL = "missing_model"
    OUT_OF_MEMORY = "out_of_memory"
    CUDA_FAULT = "cuda_fault"
    NODE_ERROR = "node_error"
    LOST_WORKER = "lost_worker"
    STALLED = "stalled"
    BAD_OUTPUT = "bad_output"
    STORE = "store"
    CANCELLED = "cancelled"
    NEEDS_FAILED = "needs_failed"
    """A job that makes one of its inputs failed; it was not tried itself."""


@dataclass(frozen=True)
class Failure:
    """One failed attempt: its class, one line in words, and the evidence as ComfyUI gave it."""

    kind: FailureClass
    message: str
    evidence: dict[str, object]

    @property
    def retry(self) -> bool:
        """Whether the same job may succeed when it is tried again, here or elsewhere."""
        return self.kind in _RETRY

    @property
    def worker_is_unfit(self) -> bool:
        """Whether the worker, not the job, is to blame."""
        return self.kind in (FailureClass.CUDA_FAULT, FailureClass.LOST_WORKER)


_RETRY = frozenset(
    {
        FailureClass.CUDA_FAULT,
        FailureClass.LOST_WORKER,
        FailureClass.STALLED,
        FailureClass.BAD_OUTPUT,
        FailureClass.STORE,
        FailureClass.OUT_OF_MEMORY,
    }
)


def of_execution_error(event: dict[str, object]) -> Failure:
    """The failure behind ComfyUI's `execution_error`.

    GPU memory shows as a class name that ends in `OutOfMemoryError`, or only in the text
    (ComfyUI 0.8 to 0.38 with torch 2; older torch names another module).
    """
    kind = str(event.get("exception_type", ""))
    text = str(event.get("exception_message", "")).strip()
    node = str(event.get("node_type", "?"))
    message = f"{node}: {kind}: {text.splitlines()[0] if text else 'no message'}"
    lower = text.lower()
    if kind.endswith("OutOfMemoryError") or "out of memory" in lower or "allocation on device" in lower:
        return Failure(FailureClass.OUT_OF_MEMORY, message, event)
    if "cuda error" in lower or "illegal memory access" in lower or kind.endswith("AcceleratorError"):
        return Failure(FailureClass.CUDA_FAULT, message, event)
    return Failure(FailureClass.NODE_ERROR, message, event)


def of_refusal(body: dict[str, object]) -> Failure:
    """The failure behind HTTP 400 of `POST /prompt`: a missing model looks like a word that is not in a list."""
    lines: list[str] = []
    kinds: set[str] = set()
    node_errors = body.get("node_errors")
    for node in (node_errors if isinstance(node_errors, dict) else {}).values():
        for fault in node.get("errors", []):
            kinds.add(str(fault.get("type")))
            lines.append(f"{node.get('class_type')}: {fault.get('message')}: {fault.get('details')}")
    if not lines:
        error = body.get("error")
        lines.append(_told(error) if isinstance(error, dict) else str(error))
    model = kinds == {"value_not_in_list"}
    return Failure(FailureClass.MISSING_MODEL if model else FailureClass.BAD_GRAPH, "; ".join(lines), body)


def _told(error: dict[str, object]) -> str:
    """ComfyUI tells an unknown class by its node's title; the class stands beside it."""
    info = error.get("extra_info")
    unknown = info.get("class_type") if isinstance(info, dict) else None
    return f"{unknown}: {error.get('message')}" if unknown else str(error.get("message"))


def lost_worker(reason: str) -> Failure:
    """The failure of an attempt whose end nobody will know."""
    return Failure(FailureClass.LOST_WORKER, reason, {})


def needs_failed(label: str, job: str, why: str) -> Failure:
    """The failure of a job whose input nobody will make: `label` and `job` name the one that failed."""
    return Failure(FailureClass.NEEDS_FAILED, f"needs `{label}`, which failed: {why}", {"needs": job, "label": label})


class AttemptFailed(Exception):
    """An attempt ended badly; `reachable` says whether its worker still answers."""

    def __init__(self, failure: Failure, reachable: bool = True) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.reachable = reachable
