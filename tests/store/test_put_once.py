"""An object that may never be written over is not, whatever a store knows of conditions."""

import threading
from typing import Literal

import pytest

from tests.doubles.conditional_s3 import ConditionalS3
from tests.doubles.s3_server import S3Server


@pytest.mark.parametrize("conditions", ["obeyed", "refused"])
def test_first_one_stays(conditions: Literal["obeyed", "refused"]) -> None:
    """The second one is not stored, and hears so; a store that refuses conditions takes the first one without."""
    with ConditionalS3(conditions).serving() as store:
        assert store.put_once("outputs", "a", b"first")
        assert not store.put_once("outputs", "a", b"second")

        assert store.get_bytes("outputs", "a") == b"first"


def test_real_server(s3: S3Server) -> None:
    """So it is with rclone."""
    store = s3.store()

    assert store.put_once("outputs", "a", b"first")
    assert not store.put_once("outputs", "a", b"second")
    assert store.get_bytes("outputs", "a") == b"first"


def test_two_at_once() -> None:
    """Of two that both see nothing there, a store that obeys conditions lets one win."""
    won = []
    with ConditionalS3("obeyed", blind=2).serving() as store:
        both = [
            threading.Thread(target=lambda data=data: won.append(store.put_once("outputs", "a", data)))
            for data in (b"one", b"two")
        ]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(10)

    assert sorted(won) == [False, True]
