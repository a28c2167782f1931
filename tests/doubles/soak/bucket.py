"""A bucket in memory whose clock is the drill's, and clients of it that die with their program."""

import copy
import threading
from collections.abc import Callable, Iterator
from datetime import datetime

from typing_extensions import override

from tests.doubles.soak.mortal import Life
from videogen import stack_outputs
from videogen.errors import ObjectMissing, StoreError
from videogen.secret import Secret
from videogen.store import Store, StoredObject

PLACE = stack_outputs.Store(endpoint="http://127.0.0.1:1", region="us-east-1", models="models", outputs="outputs")
ACCESS = stack_outputs.StoreAccess(key=Secret("the-key"), secret=Secret("the-secret"))


class Bucket:
    """Keys → bytes, and when they were put; `down`: so many requests fail."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock, self.down = clock, 0
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.lock = threading.Lock()

    def require_up(self) -> None:
        """Raises `StoreError` while it is down."""
        with self.lock:
            if self.down:
                self.down -= 1
                raise StoreError("the store does not answer")

    def put(self, key: str, data: bytes) -> None:
        """Now."""
        with self.lock:
            self.objects[key] = data, self.clock().replace(microsecond=0)


class Client(Store):
    """`videogen.store.Store` as far as the books go."""

    def __init__(self, shared: Bucket) -> None:
        super().__init__(PLACE, ACCESS)
        self._shared, self._life = shared, Life()

    def of(self, life: Life) -> "Client":
        """The same in the hands of another program: a new one takes long to make."""
        other = copy.copy(self)
        other._life = life
        return other

    @override
    def head(self, bucket: str, key: str, *, stop: threading.Event | None = None) -> StoredObject | None:
        """As there."""
        self._asked()
        found = self._shared.objects.get(key)
        return _stored(bucket, key, found) if found else None

    def get_bytes(self, bucket: str, key: str) -> bytes:
        """As there."""
        self._asked()
        if key not in self._shared.objects:
            raise ObjectMissing(f"no {bucket}/{key}")
        return self._shared.objects[key][0]

    @override
    def put_bytes(self, bucket: str, key: str, data: bytes, content_type: str = "") -> StoredObject:
        """As there."""
        self._asked()
        self._shared.put(key, data)
        return _stored(bucket, key, self._shared.objects[key])

    @override
    def put_once(self, bucket: str, key: str, data: bytes, content_type: str = "") -> bool:
        """As there."""
        self._asked()
        if key in self._shared.objects:
            return False
        self._shared.put(key, data)
        return True

    def list(self, bucket: str, prefix: str) -> Iterator[StoredObject]:
        """As there."""
        self._asked()
        for key in sorted(self._shared.objects):
            if key.startswith(prefix):
                yield _stored(bucket, key, self._shared.objects[key])

    def _asked(self) -> None:
        self._life.act()
        self._shared.require_up()


def _stored(bucket: str, key: str, found: tuple[bytes, datetime]) -> StoredObject:
    return StoredObject(bucket, key, len(found[0]), "", found[1])
