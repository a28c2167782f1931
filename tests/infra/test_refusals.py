"""What cannot be is said before anything is made: one clear error, no traceback."""

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


def test_a_phase_asks_for_what_only_its_user_has(checkout: Checkout) -> None:
    """Image and account key are asked for at once, with the way to each, before any resource is declared."""
    checkout.init("phase-c")
    done = checkout.pulumi("preview", stack="phase-c")
    said = _unindented(done.stdout)

    assert done.returncode != 0
    assert (
        "error: Pulumi.phase-c.yaml: videogen:image: none: a rented worker needs an image\nhint: `make publish" in said
    )
    assert "environment: RUNPOD_API_KEY: is missing: nothing can be rented on runpod\nhint: " in said
    assert "2 errors" in said
    assert "Traceback" not in said
    assert said.partition("Diagnostics:")[2].count("error:") == 1
