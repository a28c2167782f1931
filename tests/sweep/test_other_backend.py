"""What another Pulumi backend has rented with the same bucket is not left behind, only because this one's state lacks it."""

import pytest

from tests.sweep.conftest import Owner
from videogen.pulumi_stack import StackState


@pytest.mark.parametrize(("backend", "fate"), [("4567cdef", "lives"), ("0123abcd", "ended"), ("", "ended")])
def test_a_machine_of_another_backend_lives(owner: Owner, backend: str, fate: str) -> None:
    """An alarm names the other; one of this backend, or of an unknown one, is ended."""
    owner.state = StackState({}, frozenset(), "0123abcd")
    record = owner.rented("phase-c-1-stray", 30, known=False, named=True)
    written = owner.books.record(record.machine)
    assert written
    owner.books.open(written.model_copy(update={"backend": backend}))
    swept = owner.sweep()

    assert [found.fate for found in swept.findings] == [fate]
    alarms = ["another Pulumi backend (4567cdef)" in words for words in swept.alarms]
    assert alarms == ([True] if fate == "lives" else [])
