"""What cannot be is said before anything is made: one clear error, no traceback."""

import pytest

from tests.infra.conftest import Checkout


def test_every_fault_of_a_stack_file_at_once(checkout: Checkout) -> None:
    """Each fault has file, line, key and cure; they are counted, and no resource is declared."""
    checkout.set("dev", "workers", "9")
    checkout.set("dev", "phase", "aa")
    checkout.set("dev", "lease", "{total: 480, idl: 120, boot: 10}")
    done = checkout.pulumi("preview")

    assert done.returncode != 0
    assert "Pulumi.dev.yaml:11: videogen:workers: should be less than or equal to 4, got 9" in done.stdout
    assert "Pulumi.dev.yaml:7: videogen:phase: 'aa' is not one of the words allowed here" in done.stdout
    assert "hint: did you mean `idle`?" in done.stdout
    assert "4 errors" in done.stdout
    assert "Traceback" not in done.stdout
    assert "LocalStore" not in done.stdout


@pytest.mark.parametrize(
    ("stack", "missing"),
    [
        ("prod", "a foundation on aws"),
        ("phase-c", "the foundation of stack prod or workers on runpod"),
    ],
)
def test_stacks_of_a_later_version_say_so(checkout: Checkout, stack: str, missing: str) -> None:
    """A cloud stack is well written, and its preview says what this version cannot make."""
    checkout.init(stack)
    done = checkout.pulumi("preview", stack=stack)

    assert done.returncode != 0
    assert f"error: Pulumi.{stack}.yaml: this version cannot make {missing} yet" in done.stdout
    assert "Traceback" not in done.stdout
    assert done.stdout.partition("Diagnostics:")[2].count("error:") == 1
