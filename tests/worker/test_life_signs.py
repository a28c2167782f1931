"""A worker's words reach the bucket, or cost a line in the log, and never more than their time."""

import logging
import threading
import time

import pytest

from tests.doubles.s3_server import S3Server
from videogen.background import within
from videogen.life_signs import LifeSigns
from videogen.rent_record import Heartbeat, LastWord
from videogen.secret import Secret
from videogen.stack_outputs import StoreAccess
from videogen.store import heartbeat_key, last_word_key

BEAT = Heartbeat(machine="w1", state="ready", idle_seconds=1, lease_seconds_left=2)
WORD = LastWord(machine="w1", why="idle", code=0, lived_seconds=3)


def test_words(s3: S3Server) -> None:
    """The newest one counts, under the machine's name."""
    store = s3.store()
    signs = LifeSigns(s3.place, s3.access, "w1")

    assert signs.beat(BEAT)
    assert signs.beat(BEAT.model_copy(update={"state": "ending"}))
    assert signs.say_last(WORD)
    beat = Heartbeat.model_validate_json(store.get_bytes(store.outputs, heartbeat_key("w1")))
    assert beat.state == "ending"
    assert LastWord.model_validate_json(store.get_bytes(store.outputs, last_word_key("w1"))) == WORD


def test_refused(s3: S3Server, caplog: pytest.LogCaptureFixture) -> None:
    """Keys that may not write are a warning, without the keys."""
    s3.store()
    wrong = StoreAccess(key=Secret("k3y-k3y-k3y"), secret=Secret("s3cr3t-s3cr3t"))
    with caplog.at_level(logging.WARNING):
        assert not LifeSigns(s3.place, wrong, "w1").beat(BEAT)

    assert "heartbeats/w1.json is not in the bucket" in caplog.text
    assert "s3cr3t" not in caplog.text


def test_within() -> None:
    """Who waits, waits no longer than that, for something that never ends either."""
    never, began = threading.Event(), time.monotonic()

    assert within(5, lambda: None, "quick")
    assert not within(0.2, never.wait, "endless")
    assert 0.2 <= time.monotonic() - began < 2
    never.set()
