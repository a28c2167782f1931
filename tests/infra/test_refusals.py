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


def test_a_key_that_is_mistyped(checkout: Checkout) -> None:
    """The key has its line and the right one; Pulumi's own word on what is missing does not come first."""
    path = checkout.folder / "Pulumi.dev.yaml"
    text = path.read_text()
    path.write_text(text.replace("videogen:workers:", "videogen:worker:"))
    done = checkout.pulumi("preview")
    path.write_text(text)

    assert done.returncode != 0
    assert "Pulumi.dev.yaml:11: videogen:worker: unknown key\nhint: did you mean `workers`?" in _unindented(done.stdout)
    assert "missing configuration" not in done.stdout


def _unindented(text: str) -> str:
    return "\n".join(line.strip() for line in text.splitlines())


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
