"""No machine after the first one without somebody who says that a cap bears it."""

import pytest

from tests.clouds.conftest import Quick
from videogen.clouds import Machine
from videogen.errors import NotReady, Stopped


def test_a_second_machine_is_asked_for_first(quick: Quick) -> None:
    """The first one is rented unasked; when it is not ready and no more money is left, it stays the only one."""
    asked: list[int] = []

    def not_ready(machine: Machine, _alive: object) -> str:
        raise NotReady(f"{machine.name} is not ready")

    def no_more() -> None:
        asked.append(len(quick.fake.alive()))
        raise Stopped("the cap of a run is reached")

    with pytest.raises(NotReady, match=r"(?s)is not ready.*the cap of a run is reached"):
        quick.renter.rent(quick.spec, not_ready, quick.cancelled, quick.said.append, no_more)

    assert asked == [0]
    assert [one.why for one in quick.receipts.values()] == ["not ready"]
    assert quick.fake.alive() == []
