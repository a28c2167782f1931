"""What a worker says of itself in the bucket: that it lives, and at last why it ends itself.

Whoever reads it believes the store's clock and not the worker's. A store that does not answer costs a line in the log.
"""

import logging

from videogen import stack_outputs
from videogen.background import within
from videogen.document import Schema
from videogen.errors import StoreError
from videogen.rent_record import Heartbeat, LastWord

log = logging.getLogger(__name__)

BEAT_SECONDS = 60.0
_PATIENCE_SECONDS = 10.0
LONGEST_SECONDS = 20.0
"""For one object, come what may."""


class LifeSigns:
    """Of one machine; may be used from many threads."""

    def __init__(self, place: stack_outputs.Store, access: stack_outputs.StoreAccess, machine: str) -> None:
        self._place, self._access, self._machine = place, access, machine

    def beat(self, heartbeat: Heartbeat) -> bool:
        """Says that it lives; whether that is in the bucket."""
        from videogen.store import heartbeat_key

        return self._put(heartbeat_key(self._machine), heartbeat)

    def say_last(self, word: LastWord) -> bool:
        """Says why it ends; whether that is in the bucket."""
        from videogen.store import last_word_key

        return self._put(last_word_key(self._machine), word)

    def _put(self, key: str, said: Schema) -> bool:
        done: list[bool] = []

        def put() -> None:
            done.append(self._try(key, said.model_dump_json(by_alias=True).encode() + b"\n"))

        if not within(LONGEST_SECONDS, put, f"put {key}"):
            log.warning("%s is not in the bucket: no answer within %g s", key, LONGEST_SECONDS)
        return done == [True]

    def _try(self, key: str, data: bytes) -> bool:
        from videogen.store import Store  # its import takes a third of a second, which a boot has not

        try:
            store = Store(self._place, self._access, patience_seconds=_PATIENCE_SECONDS)
            store.put_bytes(store.outputs, key, data, "application/json")
        except StoreError as error:
            log.warning("%s is not in the bucket: %s", key, error)
            return False
        return True
