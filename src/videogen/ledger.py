"""What was asked for and what became of it: batches → jobs → attempts → outputs, in SQLite.

Each transition is one transaction, and is written before the thing that it allows is done: a `submit` that is killed
at any moment leaves rows from which the next one goes on.

    job      open → done | failed                      (and back to open by `reopen`)
    attempt  leased → submitted → rendered → stored → done
             leased, submitted, rendered, stored → failed | lost
"""

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from videogen.batch import Job
from videogen.errors import DiskFull, VideogenError
from videogen.failure import Failure, FailureClass

SCHEMA = 1

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE batches (name TEXT PRIMARY KEY, created REAL NOT NULL) STRICT;
CREATE TABLE jobs (
  batch TEXT NOT NULL REFERENCES batches, id TEXT NOT NULL, workflow TEXT NOT NULL, label TEXT NOT NULL,
  parameters TEXT NOT NULL, state TEXT NOT NULL, budget_from INTEGER NOT NULL DEFAULT 0, changed REAL NOT NULL,
  PRIMARY KEY (batch, id)
) STRICT;
CREATE TABLE attempts (
  prompt_id TEXT PRIMARY KEY, batch TEXT NOT NULL, job TEXT NOT NULL, number INTEGER NOT NULL, worker TEXT NOT NULL,
  state TEXT NOT NULL, leased REAL NOT NULL, changed REAL NOT NULL, render_seconds REAL,
  kind TEXT, message TEXT, evidence TEXT,
  FOREIGN KEY (batch, job) REFERENCES jobs (batch, id), UNIQUE (batch, job, number)
) STRICT;
CREATE TABLE outputs (
  prompt_id TEXT NOT NULL REFERENCES attempts, name TEXT NOT NULL, path TEXT NOT NULL, key TEXT NOT NULL,
  size INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (prompt_id, name)
) STRICT;
"""

_JOBS = (
    "SELECT j.*, (SELECT count(*) FROM attempts a WHERE a.batch = j.batch AND a.job = j.id"
    " AND a.number > j.budget_from AND a.state IN ('failed', 'lost') AND a.kind IS NOT 'cancelled') AS ended"
    " FROM jobs j WHERE j.batch = ?"
)


class JobState(StrEnum):
    """Where a job stands."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"


class AttemptState(StrEnum):
    """Where an attempt stands."""

    LEASED = "leased"
    """A worker and a prompt id are chosen; the POST may or may not have been sent."""
    SUBMITTED = "submitted"
    """The worker took it."""
    RENDERED = "rendered"
    """Its files lie on this machine and passed the check."""
    STORED = "stored"
    """Its files are confirmed in the bucket."""
    DONE = "done"
    """Its record is, too."""
    FAILED = "failed"
    LOST = "lost"
    """Nobody knows its end: the worker went, or forgot it."""


IN_FLIGHT = (AttemptState.LEASED, AttemptState.SUBMITTED, AttemptState.RENDERED, AttemptState.STORED)


class IllegalTransition(RuntimeError):
    """A row was not in the state from which the transition starts: an error of this program."""


@dataclass(frozen=True)
class JobRow:
    """One job."""

    batch: str
    id: str
    workflow: str
    label: str
    parameters: dict[str, Any]
    state: JobState
    attempts: int
    """Ended attempts that count against the batch's limit."""
    changed: float
    """Unix time."""


@dataclass(frozen=True)
class AttemptRow:
    """One try at a job on one worker."""

    prompt_id: str
    batch: str
    job: str
    number: int
    worker: str
    state: AttemptState
    leased: float
    changed: float
    render_seconds: float | None
    """From ComfyUI's own clock; nothing until it is known."""
    failure: Failure | None


@dataclass(frozen=True)
class OutputRow:
    """One file of a job."""

    name: str
    """In the bucket, within the job's folder."""
    path: Path
    """On this machine."""
    key: str
    size: int
    sha256: str


class Ledger:
    """An open ledger. One process writes (see `ledger_lock`); others may read at the same time."""

    def __init__(self, path: Path, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self.path = path
        self._db = connection
        self._clock = clock

    @classmethod
    def open(cls, path: Path, clock: Callable[[], float] = time.time, *, read_only: bool = False) -> Self:
        """The ledger at `path`, made when there is none; raises `VideogenError` for any other file.

        With `read_only` nothing is made or changed, and one that another process writes can be read meanwhile.
        """
        try:
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            address = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
            db = sqlite3.connect(address, isolation_level=None, timeout=10, check_same_thread=False, uri=True)
        except (OSError, sqlite3.OperationalError) as error:
            raise _explained(path, error) from error
        db.row_factory = sqlite3.Row
        ledger = cls(path, db, clock)
        try:
            ledger._prepare(read_only)
        except BaseException:
            db.close()
            raise
        return ledger

    def close(self) -> None:
        """Gives the file free."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def id(self) -> str:
        """A UUID that is this ledger's for ever; client ids on workers come from it."""
        row = self._one("SELECT value FROM meta WHERE key = 'id'", ())
        return str(row["value"])

    # Reading

    def batches(self) -> list[str]:
        """Every batch, oldest first."""
        return [row["name"] for row in self._all("SELECT name FROM batches ORDER BY created, name", ())]

    def jobs(self, batch: str) -> list[JobRow]:
        """The batch's jobs in the order in which they were registered."""
        return [_job(row) for row in self._all(f"{_JOBS} ORDER BY j.rowid", (batch,))]

    def job(self, batch: str, job: str) -> JobRow:
        """One job; raises `KeyError`."""
        return _job(self._one(f"{_JOBS} AND j.id = ?", (batch, job)))

    def attempts(self, batch: str, job: str | None = None) -> list[AttemptRow]:
        """Attempts of a batch or of one job, oldest first."""
        rows = self._all(
            "SELECT * FROM attempts WHERE batch = ? AND (? IS NULL OR job = ?) ORDER BY rowid", (batch, job, job)
        )
        return [_attempt(row) for row in rows]

    def in_flight(self, batch: str) -> list[AttemptRow]:
        """Attempts that have not ended: what a killed `submit` left on its workers or half put away."""
        return [attempt for attempt in self.attempts(batch) if attempt.state in IN_FLIGHT]

    def outputs(self, prompt_id: str) -> list[OutputRow]:
        """The files of an attempt."""
        rows = self._all("SELECT * FROM outputs WHERE prompt_id = ? ORDER BY rowid", (prompt_id,))
        return [OutputRow(row["name"], Path(row["path"]), row["key"], row["size"], row["sha256"]) for row in rows]

    def done_outputs(self, batch: str, job: str) -> list[OutputRow]:
        """The files of a done job; nothing for any other."""
        done = [attempt for attempt in self.attempts(batch, job) if attempt.state is AttemptState.DONE]
        return self.outputs(done[-1].prompt_id) if done else []

    # Jobs

    def register(self, batch: str, jobs: Sequence[Job]) -> None:
        """Writes down jobs; those already known keep their state."""
        now = self._clock()
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO batches VALUES (?, ?)", (batch, now))
            for job in jobs:
                db.execute(
                    "INSERT OR IGNORE INTO jobs (batch, id, workflow, label, parameters, state, changed)"
                    " VALUES (?, ?, ?, ?, ?, 'open', ?)",
                    (batch, job.id, job.workflow, job.label, _json(job.parameters), now),
                )

    def reopen(self, batch: str, job: str) -> None:
        """Lets a failed or done job be rendered again, with all its attempts before it."""
        with self._transaction() as db:
            last = "(SELECT coalesce(max(number), 0) FROM attempts WHERE batch = ? AND job = ?)"
            changed = db.execute(
                f"UPDATE jobs SET state = 'open', changed = ?, budget_from = {last}"  # noqa: S608 -- constant text
                " WHERE batch = ? AND id = ? AND state IN ('failed', 'done')",
                (self._clock(), batch, job, batch, job),
            )
            _must_change(changed, f"job {job}", "reopen")

    def fail_untried(self, batch: str, job: str, failure: Failure) -> None:
        """The open job fails without a try of its own, for the reason that an equal job failed."""
        with self._transaction() as db:
            self._insert_attempt(db, batch, job, "", str(uuid.uuid4()), AttemptState.FAILED, failure)
            self._job_state(db, batch, job, JobState.FAILED)

    def adopt(self, batch: str, job: str, worker: str, prompt_id: str, outputs: Sequence[OutputRow]) -> None:
        """The open job is done: another ledger's run put it into the bucket."""
        with self._transaction() as db:
            self._insert_attempt(db, batch, job, worker, prompt_id, AttemptState.DONE, None)
            _insert_outputs(db, prompt_id, outputs)
            self._job_state(db, batch, job, JobState.DONE)

    # Attempts

    def lease(self, batch: str, job: str, worker: str) -> AttemptRow:
        """A new attempt with a prompt id of its own. Call it before anything is sent."""
        prompt_id = str(uuid.uuid4())
        with self._transaction() as db:
            self._insert_attempt(db, batch, job, worker, prompt_id, AttemptState.LEASED, None)
        return self.attempt(prompt_id)

    def attempt(self, prompt_id: str) -> AttemptRow:
        """The attempt as it stands now; raises `KeyError`."""
        return _attempt(self._one("SELECT * FROM attempts WHERE prompt_id = ?", (prompt_id,)))

    def submitted(self, prompt_id: str) -> None:
        """The worker took the prompt."""
        with self._transaction() as db:
            self._move(db, prompt_id, (AttemptState.LEASED,), AttemptState.SUBMITTED)

    def rendered(self, prompt_id: str, outputs: Sequence[OutputRow], render_seconds: float | None) -> None:
        """The attempt's files are here and are good; also when they were here before and had to be fetched again."""
        with self._transaction() as db:
            self._move(db, prompt_id, IN_FLIGHT, AttemptState.RENDERED)
            db.execute("DELETE FROM outputs WHERE prompt_id = ?", (prompt_id,))
            db.execute("UPDATE attempts SET render_seconds = ? WHERE prompt_id = ?", (render_seconds, prompt_id))
            _insert_outputs(db, prompt_id, outputs)

    def stored(self, prompt_id: str) -> None:
        """The attempt's files are confirmed in the bucket."""
        with self._transaction() as db:
            self._move(db, prompt_id, (AttemptState.RENDERED,), AttemptState.STORED)

    def done(self, prompt_id: str) -> None:
        """The record is confirmed in the bucket: the attempt and its job are done."""
        attempt = self.attempt(prompt_id)
        with self._transaction() as db:
            self._move(db, prompt_id, (AttemptState.STORED,), AttemptState.DONE)
            self._job_state(db, attempt.batch, attempt.job, JobState.DONE)

    def fail(self, prompt_id: str, failure: Failure, job_fails: bool) -> None:
        """The attempt failed, and with it its job when no other try is left."""
        self._end(prompt_id, AttemptState.FAILED, failure, job_fails)

    def lose(self, prompt_id: str, failure: Failure, job_fails: bool = False) -> None:
        """The attempt's end will never be known."""
        self._end(prompt_id, AttemptState.LOST, failure, job_fails)

    def _end(self, prompt_id: str, state: AttemptState, failure: Failure, job_fails: bool) -> None:
        attempt = self.attempt(prompt_id)
        with self._transaction() as db:
            self._move(db, prompt_id, IN_FLIGHT, state)
            db.execute(
                "UPDATE attempts SET kind = ?, message = ?, evidence = ? WHERE prompt_id = ?",
                (failure.kind, failure.message, _json(failure.evidence), prompt_id),
            )
            if job_fails:
                self._job_state(db, attempt.batch, attempt.job, JobState.FAILED)

    def _insert_attempt(
        self,
        db: sqlite3.Connection,
        batch: str,
        job: str,
        worker: str,
        prompt_id: str,
        state: AttemptState,
        failure: Failure | None,
    ) -> None:
        now = self._clock()
        db.execute(
            "INSERT INTO attempts"
            " (prompt_id, batch, job, number, worker, state, leased, changed, kind, message, evidence)"
            " SELECT ?, ?, ?, 1 + coalesce(max(number), 0), ?, ?, ?, ?, ?, ?, ? FROM attempts"
            " WHERE batch = ? AND job = ?",
            (
                *(prompt_id, batch, job, worker, state, now, now),
                *((failure.kind, failure.message, _json(failure.evidence)) if failure else (None, None, None)),
                *(batch, job),
            ),
        )

    def _move(
        self, db: sqlite3.Connection, prompt_id: str, before: tuple[AttemptState, ...], after: AttemptState
    ) -> None:
        marks = ", ".join("?" * len(before))
        changed = db.execute(
            f"UPDATE attempts SET state = ?, changed = ? WHERE prompt_id = ? AND state IN ({marks})",  # noqa: S608 -- marks
            (after, self._clock(), prompt_id, *before),
        )
        _must_change(changed, f"attempt {prompt_id}", after)

    def _job_state(self, db: sqlite3.Connection, batch: str, job: str, state: JobState) -> None:
        changed = db.execute(
            "UPDATE jobs SET state = ?, changed = ? WHERE batch = ? AND id = ? AND state = 'open'",
            (state, self._clock(), batch, job),
        )
        _must_change(changed, f"job {job}", state)

    # SQLite

    def _prepare(self, read_only: bool) -> None:
        with _explaining(self.path):
            version = self._version() if read_only else self._made()
        if version != SCHEMA:
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
        with self._transaction() as db:
            if self._version() == 0:
                for statement in _TABLES.split(";")[:-1]:
                    db.execute(statement)
                db.execute("INSERT INTO meta VALUES ('id', ?)", (str(uuid.uuid4()),))
                db.execute(f"PRAGMA user_version = {SCHEMA}")
            return self._version()

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
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

    def _all(self, query: str, values: tuple[object, ...]) -> list[sqlite3.Row]:
        with _explaining(self.path):
            return self._db.execute(query, values).fetchall()

    def _one(self, query: str, values: tuple[object, ...]) -> sqlite3.Row:
        with _explaining(self.path):
            row: sqlite3.Row | None = self._db.execute(query, values).fetchone()
        if row is None:
            raise KeyError(values)
        return row


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


def _insert_outputs(db: sqlite3.Connection, prompt_id: str, outputs: Sequence[OutputRow]) -> None:
    for output in outputs:
        db.execute(
            "INSERT INTO outputs VALUES (?, ?, ?, ?, ?, ?)",
            (prompt_id, output.name, str(output.path), output.key, output.size, output.sha256),
        )


def _must_change(cursor: sqlite3.Cursor, what: str, to: str) -> None:
    if cursor.rowcount != 1:
        raise IllegalTransition(f"{what} cannot become {to} from where it stands")


def _job(row: sqlite3.Row) -> JobRow:
    return JobRow(
        batch=row["batch"],
        id=row["id"],
        workflow=row["workflow"],
        label=row["label"],
        parameters=json.loads(row["parameters"]),
        state=JobState(row["state"]),
        attempts=row["ended"],
        changed=row["changed"],
    )


def _attempt(row: sqlite3.Row) -> AttemptRow:
    failure = None
    if row["kind"] is not None:
        failure = Failure(FailureClass(row["kind"]), row["message"], json.loads(row["evidence"]))
    return AttemptRow(
        prompt_id=row["prompt_id"],
        batch=row["batch"],
        job=row["job"],
        number=row["number"],
        worker=row["worker"],
        state=AttemptState(row["state"]),
        leased=row["leased"],
        changed=row["changed"],
        render_seconds=row["render_seconds"],
        failure=failure,
    )


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
