"""The SQLite file of a ledger: its tables, how it is opened, and what its errors mean to a person."""

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from videogen.errors import DiskFull, VideogenError

SCHEMA = 2
OLDEST = 1
"""The oldest schema that is brought up to date when it is opened for writing, and read as it is otherwise."""

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE batches (name TEXT PRIMARY KEY, created REAL NOT NULL) STRICT;
CREATE TABLE jobs (
  batch TEXT NOT NULL REFERENCES batches, id TEXT NOT NULL, workflow TEXT NOT NULL, label TEXT NOT NULL,
  parameters TEXT NOT NULL, state TEXT NOT NULL, budget_from INTEGER NOT NULL DEFAULT 0, changed REAL NOT NULL,
  step TEXT, chain TEXT, final INTEGER, needs TEXT,
  PRIMARY KEY (batch, id)
) STRICT;
CREATE TABLE attempts (
  prompt_id TEXT PRIMARY KEY, batch TEXT NOT NULL, job TEXT NOT NULL, number INTEGER NOT NULL, worker TEXT NOT NULL,
  state TEXT NOT NULL, leased REAL NOT NULL, changed REAL NOT NULL, render_seconds REAL,
  kind TEXT, message TEXT, evidence TEXT, gpu TEXT, rung TEXT, work TEXT,
  FOREIGN KEY (batch, job) REFERENCES jobs (batch, id), UNIQUE (batch, job, number)
) STRICT;
CREATE TABLE outputs (
  prompt_id TEXT NOT NULL REFERENCES attempts, name TEXT NOT NULL, path TEXT NOT NULL, key TEXT NOT NULL,
  size INTEGER NOT NULL, sha256 TEXT NOT NULL, flaws TEXT, PRIMARY KEY (prompt_id, name)
) STRICT;
"""
_BOUNDARY = """
CREATE TABLE boundary (
  digest TEXT PRIMARY KEY, gpu TEXT NOT NULL, workflow TEXT NOT NULL, document TEXT NOT NULL, sent INTEGER NOT NULL
) STRICT;
"""
_SINCE_1 = """
ALTER TABLE attempts ADD COLUMN gpu TEXT;
ALTER TABLE attempts ADD COLUMN rung TEXT;
ALTER TABLE attempts ADD COLUMN work TEXT;
ALTER TABLE outputs ADD COLUMN flaws TEXT;
ALTER TABLE jobs ADD COLUMN step TEXT;
ALTER TABLE jobs ADD COLUMN chain TEXT;
ALTER TABLE jobs ADD COLUMN final INTEGER;
ALTER TABLE jobs ADD COLUMN needs TEXT;
"""


class LedgerFile:
    """An open file of the right schema. Every failure of disk and SQLite is a `VideogenError` with the file's name."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection

    @classmethod
    def open(cls, path: Path, *, read_only: bool) -> Self:
        """The file at `path`, made when there is none; with `read_only` nothing is made or changed."""
        try:
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            address = f"{path.absolute().as_uri()}?{_reading(path) if read_only else 'mode=rwc'}"
            db = sqlite3.connect(address, isolation_level=None, timeout=10, check_same_thread=False, uri=True)
        except (OSError, sqlite3.OperationalError) as error:
            raise _explained(path, error) from error
        db.row_factory = sqlite3.Row
        file = cls(path, db)
        try:
            file._prepare(read_only)
        except BaseException:
            db.close()
            raise
        return file

    def close(self) -> None:
        """Gives the file free."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and the writer's lock from the start."""
        with _explaining(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def all(self, query: str, values: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """Every row of a query."""
        with _explaining(self.path):
            return self._db.execute(query, values).fetchall()

    def one(self, query: str, values: tuple[object, ...] = ()) -> sqlite3.Row:
        """The first row of a query; raises `KeyError` with the values when there is none."""
        with _explaining(self.path):
            row: sqlite3.Row | None = self._db.execute(query, values).fetchone()
        if row is None:
            raise KeyError(values)
        return row

    def _prepare(self, read_only: bool) -> None:
        with _explaining(self.path):
            version = self._version() if read_only else self._made()
        if not OLDEST <= version <= SCHEMA:
            raise VideogenError(
                f"{self.path}: is a ledger of schema {version}, this program knows {SCHEMA}",
                "use the videogen that wrote it, or another ledger",
            )

    def _made(self) -> int:
        """The ledger's schema, after it was made where there was none."""
        # WAL lets `status` read while `submit` writes. NORMAL keeps every transaction when this process is killed.
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        with self.transaction() as db:
            before = self._version()
            if before in (0, OLDEST):
                for statement in ((_TABLES if before == 0 else _SINCE_1) + _BOUNDARY).split(";")[:-1]:
                    db.execute(statement)
                if before == 0:
                    db.execute("INSERT INTO meta VALUES ('id', ?)", (str(uuid.uuid4()),))
                db.execute(f"PRAGMA user_version = {SCHEMA}")
            return self._version()

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])


def _reading(path: Path) -> str:
    """How the file can be read by somebody who may not write.

    SQLite reads WAL with an index that lies beside the file. Where it may not make one and no writer's log lies there,
    nobody writes, and the file is read as it is.
    """
    log = path.with_name(path.name + "-wal")
    alone = not os.access(path.parent, os.W_OK) and not log.exists()
    return "mode=ro&immutable=1" if alone else "mode=ro"


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _explained(path, error) from error
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # an error of this program
    except sqlite3.DatabaseError as error:
        raise VideogenError(f"{path}: is not a ledger: {error}") from error


def _explained(path: Path, error: OSError | sqlite3.OperationalError) -> VideogenError:
    """What the system or SQLite says of a disk, a folder or a file that does not let it work."""
    said = str(error)
    if "disk is full" in said or "disk I/O error" in said:
        return DiskFull(f"{path}: cannot be written: {said}", "is its disk full? Free some space there, then go on")
    if "readonly" in said:
        return VideogenError(f"{path}: cannot be written: {said}", "may you write this file and into its folder?")
    if "unable to open" in said or isinstance(error, OSError):
        return VideogenError(f"{path}: cannot be opened: {said}", "may you write into its folder?")
    if "locked" in said:
        return VideogenError(f"{path}: {said}", "another process writes it: try again when it is done")
    return VideogenError(f"{path}: is not a ledger: {said}")
