"""What is known of the GPUs' boundary: kept in the ledger, shared through the bucket."""

from collections.abc import Container, Iterable, Iterator

from pydantic import ValidationError

from videogen.boundary import PREFIX, Observation, prefix_of
from videogen.ledger_file import LedgerFile
from videogen.store import Store


class BoundaryStore:
    """The observations in one ledger."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def known(self, gpu: str = "", workflow: str = "") -> list[Observation]:
        """All observations, or those of a GPU or a workflow, in the order in which they came.

        Those that another version wrote, here or in the bucket, are left.
        """
        if not self._file.all("SELECT 1 FROM sqlite_master WHERE name = 'boundary'"):
            return []  # a ledger of an older program that is only read
        rows = self._file.all(
            "SELECT document FROM boundary WHERE (? = '' OR gpu = ?) AND (? = '' OR workflow = ?) ORDER BY rowid",
            (gpu, gpu, workflow, workflow),
        )
        return [one for row in rows if (one := _parsed(row["document"]))]

    def add(self, observations: Iterable[Observation], *, sent: bool = False) -> None:
        """Writes down what was seen; what is known already stays as it is."""
        with self._file.transaction() as db:
            for one in observations:
                db.execute(
                    "INSERT OR IGNORE INTO boundary VALUES (?, ?, ?, ?, ?)",
                    (one.digest, one.gpu, one.workflow, one.model_dump_json(by_alias=True), int(sent)),
                )

    def forget(self, digests: Iterable[str]) -> None:
        """Takes these out of the ledger; the bucket keeps what was sent there."""
        with self._file.transaction() as db:
            db.executemany("DELETE FROM boundary WHERE digest = ?", [(digest,) for digest in digests])

    def send(self, store: Store) -> None:
        """Puts into the bucket what is not there. Raises `StoreError`; what did not go waits for the next time."""
        for row in self._file.all("SELECT digest, gpu, document FROM boundary WHERE NOT sent"):
            key = f"{prefix_of(row['gpu'])}{row['digest']}.json"
            if store.head(store.outputs, key) is None:
                store.put_bytes(store.outputs, key, row["document"].encode(), "application/json")
            with self._file.transaction() as db:
                db.execute("UPDATE boundary SET sent = 1 WHERE digest = ?", (row["digest"],))

    def take(self, store: Store, gpus: Iterable[str]) -> None:
        """Takes from the bucket what others saw of these GPUs. Objects that another version wrote are left.

        Raises `StoreError`.
        """
        here = {row["digest"] for row in self._file.all("SELECT digest FROM boundary")}
        for gpu in dict.fromkeys(gpus):
            self.add(observations(store, gpu, here), sent=True)


def observations(store: Store, gpu: str | None, known: Container[str] = ()) -> Iterator[Observation]:
    """What the bucket holds of a GPU, or of all, but for the digests in `known`. Raises `StoreError`."""
    for found in store.list(store.outputs, prefix_of(gpu) if gpu else PREFIX):
        if found.key.rpartition("/")[2].removesuffix(".json") not in known:
            one = _parsed(store.get_bytes(store.outputs, found.key))
            if one is not None:
                yield one


def _parsed(document: str | bytes) -> Observation | None:
    try:
        return Observation.model_validate_json(document)
    except ValidationError:
        return None
