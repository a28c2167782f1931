"""Failures told apart by what ComfyUI says."""

import json
from pathlib import Path

import pytest

from videogen.failure import FailureClass, of_execution_error, of_refusal

TRANSCRIPTS = Path(__file__).parents[1] / "fixtures" / "transcripts"


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("torch.OutOfMemoryError", "Allocation on device 0 would exceed allowed memory", FailureClass.OUT_OF_MEMORY),
        ("torch.cuda.OutOfMemoryError", "", FailureClass.OUT_OF_MEMORY),
        ("RuntimeError", "CUDA out of memory. Tried to allocate 2 GiB", FailureClass.OUT_OF_MEMORY),
        ("torch.AcceleratorError", "CUDA error: an illegal memory access was encountered", FailureClass.CUDA_FAULT),
        ("RuntimeError", "CUDA error: device-side assert triggered", FailureClass.CUDA_FAULT),
        ("RuntimeError", "Could not detect model type of x.safetensors", FailureClass.NODE_ERROR),
        ("ValueError", "", FailureClass.NODE_ERROR),
    ],
)
def test_an_execution_error_has_one_class(kind: str, text: str, expected: FailureClass) -> None:
    """The class follows from the exception's name or its text, and the message names the node."""
    failure = of_execution_error({"node_type": "KSampler", "exception_type": kind, "exception_message": text})

    assert failure.kind is expected
    assert failure.message.startswith(f"KSampler: {kind}: ")


def test_recorded_refusals_are_read() -> None:
    """Every refusal of the recorded server gives a sentence; only a value that is not listed is a missing model."""
    recorded = json.loads((TRANSCRIPTS / "06-invalid-prompt.json").read_text())
    bodies = [one["response"]["body"] for one in recorded["exchanges"] if one["response"]["status"] == 400]
    failures = [of_refusal(body) for body in bodies]

    assert len(failures) > 5
    assert all(failure.message and "None" not in failure.message.split(":")[0] for failure in failures)
    assert any(one.message.startswith("NoSuchNode: Node 'Uni3C on SCAIL' not found") for one in failures)
    missing = [failure for failure in failures if failure.kind is FailureClass.MISSING_MODEL]
    assert missing
    assert all("not in" in failure.message for failure in missing)
