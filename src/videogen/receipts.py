"""The books: what was rented, and what it cost, on this machine first and then in the bucket.

A record is written before a machine is created, a receipt when it is proven gone. A record without a receipt is an open
rent: a machine may live. The first receipt of a machine counts, for ever.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from videogen import spending
from videogen.disk import written
from videogen.document import Schema
from videogen.errors import Fault, ObjectMissing, StoreError
from videogen.lease import LeaseTerms
from videogen.money import Cap, Receipt
from videogen.rent_record import Heartbeat, LastWord, RentRecord
from videogen.spending import Spent
from videogen.store import Store, heartbeat_key, last_word_key, receipt_key, rent_record_key

FOLDER = "receipts"
"""In a stack's folder: every receipt that this machine wrote; `<machine>.sent` beside those that are in the bucket."""
RENTED = "rented"
"""In a stack's folder: the record of every machine that this machine rented."""
_AT_ONCE = 16
"""Objects that are read at the same time."""

AnySchema = TypeVar("AnySchema", bound=Schema)


def here(state: Path) -> list[Receipt]:
    """The receipts that this machine wrote, oldest first, in the bucket or not; `state` is the stack's folder."""
    return sorted((parse(path.read_bytes()) for path in (state / FOLDER).glob("*.json")), key=lambda one: one.ended)


def stored(store: Store, stack: str | None = None) -> tuple[list[Receipt], tuple[Fault, ...]]:
    """The receipts in the bucket, oldest first, and a fault for each object that is none; no stack named: of all."""
    found, faults = _read_all(store, _names(store, receipt_key).values(), Receipt, {})
    return sorted((one for one in found if stack in (None, one.stack)), key=lambda one: one.ended), faults


class Receipts:
    """Writes the books of one stack, whose folder is `state`, and reads those of all stacks of the bucket."""

    def __init__(self, state: Path, store: Store) -> None:
        self._folder, self._rented = state / FOLDER, state / RENTED
        self._store = store
        self._read: dict[str, Receipt] = {}
        """Receipts of the bucket by their keys: they never change."""

    def open(self, record: RentRecord) -> None:
        """Writes down that a machine is about to be created.

        Raises `StoreError` when the record is not in the bucket; then nothing may be rented that costs anything. It is
        on this machine then all the same, and so is the open rent.
        """
        data = _json(record)
        self._rented.mkdir(parents=True, exist_ok=True)
        with written(self._rented / f"{record.machine}.json") as file:
            file.write(data)
        key = rent_record_key(record.machine)
        self._store.put_bytes(self._store.outputs, key, data, "application/json")

    def renewed(self, machine: str, lease: LeaseTerms, cap: Cap) -> RentRecord:
        """Writes down what holds for a machine from now on; raises `StoreError`."""
        terms = {"lease_minutes": lease.total, "boot_minutes": lease.boot, "cap": cap}
        record = self._get(rent_record_key(machine), RentRecord).model_copy(update=terms)
        self.open(RentRecord.model_validate(record.model_dump(by_alias=True)))
        return record

    def record(self, machine: str) -> RentRecord | None:
        """What was written down before a machine was created; nothing when nobody did.

        The bucket knows of renewals; while it does not answer, this machine's own copy counts. Raises `StoreError` when
        there is no such copy either.
        """
        try:
            return self._get(rent_record_key(machine), RentRecord)
        except StoreError as error:
            path = self._rented / f"{machine}.json"
            if path.exists():
                return _parse(path.read_bytes(), RentRecord, str(path))
            if isinstance(error, ObjectMissing):
                return None
            raise

    def open_rents(self) -> list[RentRecord]:
        """Every record without a receipt, in the bucket or on this machine, oldest first.

        Raises `StoreError` when the bucket cannot be listed, or holds a record that cannot be read.
        """
        rents, faults = self._open_rents(set(_names(self._store, receipt_key)))
        if faults:
            raise StoreError("\n".join(map(str, faults)))
        return rents

    def keep(self, receipt: Receipt) -> bool:
        """Writes a receipt, unless its machine has one; says whether it is in the bucket now.

        A store that does not answer is no reason to fail: the receipt waits for the next `send`.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{receipt.machine}.json"
        if not path.exists():
            with written(path) as file:
                file.write(_json(receipt))
        if not _mark(path).exists() and not self._send(path):
            return False
        self.send()
        return True

    def receipt(self, machine: str) -> bool:
        """Whether a machine has one, in the bucket or on this machine; raises `StoreError`."""
        here = (self._folder / f"{machine}.json").exists()
        return here or self._store.head(self._store.outputs, receipt_key(machine)) is not None

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

    def last_word(self, machine: str) -> tuple[LastWord, datetime] | None:
        """Why a worker ended itself, and when by the store's clock; nothing when it did not say.

        Raises `StoreError`.
        """
        key = last_word_key(machine)
        found = self._store.head(self._store.outputs, key)
        if found is None or found.modified is None:
            return None
        return self._get(key, LastWord), found.modified

    def heartbeat(self, machine: str) -> datetime | None:
        """When a worker last said that it lives, by the store's clock; nothing when never. Raises `StoreError`."""
        found = self._store.head(self._store.outputs, heartbeat_key(machine))
        return found.modified if found else None

    def cloud_id(self, machine: str) -> str:
        """The cloud's own name for a machine, as its worker says it; empty where it does not. Raises `StoreError`."""
        try:
            return self._get(heartbeat_key(machine), Heartbeat).id
        except ObjectMissing:
            return ""

    def month(self, now: datetime, month: str | None = None) -> Spent:
        """What a month, such as `2026-11`, has cost by `now` in all stacks; none named: the one that is now.

        Receipts that only this machine has yet count too. Raises `StoreError` when the bucket cannot be listed.
        """
        names = _names(self._store, receipt_key)
        receipts, unread = _read_all(self._store, names.values(), Receipt, self._read)
        read = {receipt.machine for receipt in receipts}
        waiting = [path for path in self.waiting() if path.stem not in read]
        receipts += [_parse(path.read_bytes(), Receipt, str(path)) for path in waiting]
        rents, faults = self._open_rents(set(names))
        return spending.spent(receipts, rents, (*unread, *faults), now, month)

    def _open_rents(self, closed: set[str]) -> tuple[list[RentRecord], tuple[Fault, ...]]:
        closed = closed | {path.stem for path in self._folder.glob("*.json")}
        names = _names(self._store, rent_record_key)
        found, faults = _read_all(
            self._store, (key for machine, key in names.items() if machine not in closed), RentRecord, {}
        )
        only_here = [path for path in self._rented.glob("*.json") if path.stem not in closed | set(names)]
        found += [_parse(path.read_bytes(), RentRecord, str(path)) for path in only_here]
        return sorted(found, key=lambda one: (one.rented, one.machine)), faults

    def _get(self, key: str, schema: type[AnySchema]) -> AnySchema:
        return _get(self._store, key, schema)

    def _send(self, path: Path) -> bool:
        try:
            self._store.put_once(self._store.outputs, receipt_key(path.stem), path.read_bytes(), "application/json")
        except StoreError:
            return False
        _mark(path).touch()
        return True


def parse(data: bytes) -> Receipt:
    """The receipt in an object of the bucket; raises `StoreError` when it is none."""
    return _parse(data, Receipt, "an object")


def _names(store: Store, key_of: Callable[[str], str]) -> dict[str, str]:
    """Machine → key of everything in the bucket that is called like that."""
    prefix, suffix = key_of("\n").split("\n")
    keys = (found.key for found in store.list(store.outputs, prefix))
    return {key.removeprefix(prefix).removesuffix(suffix): key for key in keys if key.endswith(suffix)}


def _read_all(
    store: Store, keys: Iterable[str], schema: type[AnySchema], known: dict[str, AnySchema]
) -> tuple[list[AnySchema], tuple[Fault, ...]]:
    """What stands in the objects; what is `known` is not read again, and what is read is known then."""
    wanted = list(keys)
    guard = threading.Lock()
    faults: list[Fault] = []

    def read(key: str) -> None:
        try:
            found = _get(store, key, schema)
        except (_Garbage, ObjectMissing) as error:
            with guard:
                faults.append(Fault(f"{store.outputs}/{key}", error.message, error.hint))
        else:
            with guard:
                known[key] = found

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(read, [key for key in wanted if key not in known]))
    return [known[key] for key in wanted if key in known], tuple(sorted(faults))


class _Garbage(StoreError):
    """An object that is not what its key says."""


def _get(store: Store, key: str, schema: type[AnySchema]) -> AnySchema:
    return _parse(store.get_bytes(store.outputs, key), schema, f"{store.outputs}/{key}")


def _parse(data: bytes, schema: type[AnySchema], name: str) -> AnySchema:
    try:
        return schema.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/".join(map(str, first["loc"]))
        message = f"{name} is not a {schema.__name__}: {where}: {first['msg']}" if where else f"{name}: {first['msg']}"
        raise _Garbage(message, "what was meant, its machine's log and the cloud's bill say") from error


def _json(document: Schema) -> bytes:
    return document.model_dump_json(by_alias=True, indent=2).encode() + b"\n"


def _mark(path: Path) -> Path:
    return path.with_suffix(".sent")
