"""Receipts: kept on this machine first, then put into the bucket; the first one of a machine counts, for ever."""

from pathlib import Path

from pydantic import ValidationError

from videogen.disk import written
from videogen.errors import StoreError
from videogen.money import Receipt
from videogen.store import Store, receipt_key

FOLDER = "receipts"
"""In a stack's folder: every receipt that this machine wrote; `<machine>.sent` beside those that are in the bucket."""


def here(state: Path) -> list[Receipt]:
    """The receipts that this machine wrote, oldest first, in the bucket or not; `state` is the stack's folder."""
    return sorted((parse(path.read_bytes()) for path in (state / FOLDER).glob("*.json")), key=lambda one: one.ended)


def stored(store: Store, stack: str) -> list[Receipt]:
    """The stack's receipts in the bucket, oldest first."""
    keys = [found.key for found in store.list(store.outputs, receipt_key("").removesuffix(".json"))]
    found = [parse(store.get_bytes(store.outputs, key)) for key in keys]
    return sorted((one for one in found if one.stack == stack), key=lambda one: one.ended)


class Receipts:
    """Writes the receipts of one stack; `state` is the stack's folder."""

    def __init__(self, state: Path, store: Store) -> None:
        self._folder = state / FOLDER
        self._store = store

    def keep(self, receipt: Receipt) -> bool:
        """Writes a receipt, unless its machine has one; says whether it is in the bucket now.

        A store that does not answer is no reason to fail: the receipt waits for the next `send`.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{receipt.machine}.json"
        if not path.exists():
            with written(path) as file:
                file.write(receipt.model_dump_json(by_alias=True, indent=2).encode() + b"\n")
        if not _mark(path).exists() and not self._send(path):
            return False
        self.send()
        return True

    def waits(self, machine: str) -> Path | None:
        """A machine's receipt, if it is not in the bucket yet."""
        path = self._folder / f"{machine}.json"
        return path if path in self.waiting() else None

    def waiting(self) -> tuple[Path, ...]:
        """Receipts that are not in the bucket yet."""
        return tuple(path for path in sorted(self._folder.glob("*.json")) if not _mark(path).exists())

    def send(self) -> tuple[Path, ...]:
        """Puts what waits into the bucket; returns what still waits because the store failed."""
        for path in self.waiting():
            if not self._send(path):
                break
        return self.waiting()

    def _send(self, path: Path) -> bool:
        key = receipt_key(path.stem)
        try:
            if self._store.head(self._store.outputs, key) is None:
                self._store.put_bytes(self._store.outputs, key, path.read_bytes(), "application/json")
        except StoreError:
            return False
        _mark(path).touch()
        return True


def _mark(path: Path) -> Path:
    return path.with_suffix(".sent")


def parse(data: bytes) -> Receipt:
    """The receipt in an object of the bucket; raises `StoreError` when it is none."""
    try:
        return Receipt.model_validate_json(data)
    except ValidationError as error:
        raise StoreError(f"not a receipt: {error}") from error
