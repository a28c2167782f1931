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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from videogen.batch import Job
from videogen.failure import Failure, FailureClass
from videogen.flaw import Flaw
from videogen.ledger_file import LedgerFile
from videogen.ledger_rows import IN_FLIGHT, AttemptRow, AttemptState, JobRow, JobState, OutputRow

_JOBS = (
    "SELECT j.*, (SELECT count(*) FROM attempts a WHERE a.batch = j.batch AND a.job = j.id"
    " AND a.number > j.budget_from AND a.state IN ('failed', 'lost') AND a.kind IS NOT 'cancelled'"
    " AND json_extract(a.evidence, '$.next') IS NULL) AS ended"
    " FROM jobs j WHERE j.batch = ?"
)


class IllegalTransition(RuntimeError):
    """A row was not in the state from which the transition starts: an error of this program."""


class Ledger:
    """An open ledger. One process writes (see `ledger_lock`); others may read at the same time."""

    def __init__(self, file: LedgerFile, clock: Callable[[], float]) -> None:
        self.path = file.path
        self._file = file
        self._clock = clock

    @classmethod
    def open(cls, path: Path, clock: Callable[[], float] = time.time, *, read_only: bool = False) -> Self:
        """The ledger at `path`, made when there is none; raises `VideogenError` for any other file.

        With `read_only` nothing is made or changed, and one that another process writes can be read meanwhile.
        """
        return cls(LedgerFile.open(path, read_only=read_only), clock)

    def close(self) -> None:
        """Gives the file free."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def file(self) -> LedgerFile:
        """The open file, for tables that are not about jobs."""
        return self._file

    @property
    def id(self) -> str:
        """A UUID that is this ledger's for ever; client ids on workers come from it."""
        row = self._file.one("SELECT value FROM meta WHERE key = 'id'")
        return str(row["value"])

    # Reading

    def batches(self) -> list[str]:
        """Every batch, oldest first."""
        return [row["name"] for row in self._file.all("SELECT name FROM batches ORDER BY created, name")]

    def jobs(self, batch: str) -> list[JobRow]:
        """The batch's jobs in the order in which they were registered."""
        return [_job(row) for row in self._file.all(f"{_JOBS} ORDER BY j.rowid", (batch,))]

    def job(self, batch: str, job: str) -> JobRow:
        """One job; raises `KeyError`."""
        return _job(self._file.one(f"{_JOBS} AND j.id = ?", (batch, job)))

    def attempts(self, batch: str, job: str | None = None) -> list[AttemptRow]:
        """Attempts of a batch or of one job, oldest first."""
        rows = self._file.all(
            "SELECT * FROM attempts WHERE batch = ? AND (? IS NULL OR job = ?) ORDER BY rowid", (batch, job, job)
        )
        return [_attempt(row) for row in rows]

    def in_flight(self, batch: str) -> list[AttemptRow]:
        """Attempts that have not ended: what a killed `submit` left on its workers or half put away."""
        return [attempt for attempt in self.attempts(batch) if attempt.state in IN_FLIGHT]

    def outputs(self, prompt_id: str) -> list[OutputRow]:
        """The files of an attempt."""
        rows = self._file.all("SELECT * FROM outputs WHERE prompt_id = ? ORDER BY rowid", (prompt_id,))
        return [_output(row) for row in rows]

    def done_outputs(self, batch: str, job: str) -> list[OutputRow]:
        """The files of a done job; nothing for any other."""
        done = [attempt for attempt in self.attempts(batch, job) if attempt.state is AttemptState.DONE]
        return self.outputs(done[-1].prompt_id) if done else []

    # Jobs

    def register(self, batch: str, jobs: Sequence[Job]) -> None:
        """Writes down jobs; those already known keep their state."""
        now = self._clock()
        with self._file.transaction() as db:
            db.execute("INSERT OR IGNORE INTO batches VALUES (?, ?)", (batch, now))
            for job in jobs:
                db.execute(
                    "INSERT OR IGNORE INTO jobs"
                    " (batch, id, workflow, label, parameters, state, changed, step, chain, final, needs)"
                    " VALUES (?, ?, ?, ?, ?, 'open', ?, ?, ?, ?, ?)",
                    (
                        *(batch, job.id, job.workflow, job.label, _json(job.parameters), now),
                        *(job.step, job.group, job.final, json.dumps([need.job for need in job.needs])),
                    ),
                )

    def reopen(self, batch: str, job: str) -> None:
        """Lets a failed or done job be rendered again, with all its attempts before it."""
        with self._file.transaction() as db:
            last = "(SELECT coalesce(max(number), 0) FROM attempts WHERE batch = ? AND job = ?)"
            changed = db.execute(
                f"UPDATE jobs SET state = 'open', changed = ?, budget_from = {last}"  # noqa: S608 -- constant text
                " WHERE batch = ? AND id = ? AND state IN ('failed', 'done')",
                (self._clock(), batch, job, batch, job),
            )
            _must_change(changed, f"job {job}", "reopen")

    def fail_untried(self, batch: str, job: str, failure: Failure) -> None:
        """The open job fails without a try of its own, for the reason that an equal job failed."""
        with self._file.transaction() as db:
            self._insert_attempt(db, batch, job, "", str(uuid.uuid4()), AttemptState.FAILED, failure)
            self._job_state(db, batch, job, JobState.FAILED)

    def adopt(
        self,
        batch: str,
        job: str,
        worker: str,
        prompt_id: str,
        outputs: Sequence[OutputRow],
        gpu: str = "",
        rung: str = "",
    ) -> None:
        """The open job is done: another ledger's run put it into the bucket."""
        with self._file.transaction() as db:
            self._insert_attempt(db, batch, job, worker, prompt_id, AttemptState.DONE, None, gpu, rung)
            _insert_outputs(db, prompt_id, outputs)
            self._job_state(db, batch, job, JobState.DONE)

    # Attempts

    def lease(self, batch: str, job: str, worker: str, gpu: str = "", rung: str = "", work: str = "") -> AttemptRow:
        """A new attempt with a prompt id of its own. Call it before anything is sent."""
        prompt_id = str(uuid.uuid4())
        with self._file.transaction() as db:
            self._insert_attempt(db, batch, job, worker, prompt_id, AttemptState.LEASED, None, gpu, rung, work)
        return self.attempt(prompt_id)

    def attempt(self, prompt_id: str) -> AttemptRow:
        """The attempt as it stands now; raises `KeyError`."""
        return _attempt(self._file.one("SELECT * FROM attempts WHERE prompt_id = ?", (prompt_id,)))

    def submitted(self, prompt_id: str) -> None:
        """The worker took the prompt."""
        with self._file.transaction() as db:
            self._move(db, prompt_id, (AttemptState.LEASED,), AttemptState.SUBMITTED)

    def rendered(self, prompt_id: str, outputs: Sequence[OutputRow], render_seconds: float | None) -> None:
        """The attempt's files are here and are good; also when they were here before and had to be fetched again."""
        with self._file.transaction() as db:
            self._move(db, prompt_id, IN_FLIGHT, AttemptState.RENDERED)
            db.execute("DELETE FROM outputs WHERE prompt_id = ?", (prompt_id,))
            db.execute("UPDATE attempts SET render_seconds = ? WHERE prompt_id = ?", (render_seconds, prompt_id))
            _insert_outputs(db, prompt_id, outputs)

    def stored(self, prompt_id: str) -> None:
        """The attempt's files are confirmed in the bucket."""
        with self._file.transaction() as db:
            self._move(db, prompt_id, (AttemptState.RENDERED,), AttemptState.STORED)

    def done(self, prompt_id: str) -> None:
        """The record is confirmed in the bucket: the attempt and its job are done."""
        attempt = self.attempt(prompt_id)
        with self._file.transaction() as db:
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
        with self._file.transaction() as db:
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
        gpu: str = "",
        rung: str = "",
        work: str = "",
    ) -> None:
        now = self._clock()
        db.execute(
            "INSERT INTO attempts"
            " (prompt_id, batch, job, number, worker, state, leased, changed, kind, message, evidence, gpu, rung, work)"
            " SELECT ?, ?, ?, 1 + coalesce(max(number), 0), ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM attempts"
            " WHERE batch = ? AND job = ?",
            (
                *(prompt_id, batch, job, worker, state, now, now),
                *((failure.kind, failure.message, _json(failure.evidence)) if failure else (None, None, None)),
                *(gpu, rung, work, batch, job),
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


def _insert_outputs(db: sqlite3.Connection, prompt_id: str, outputs: Sequence[OutputRow]) -> None:
    for output in outputs:
        db.execute(
            "INSERT INTO outputs (prompt_id, name, path, key, size, sha256, flaws) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(prompt_id, output.name, str(output.path), output.key, output.size, output.sha256),
                json.dumps([asdict(flaw) for flaw in output.flaws], ensure_ascii=False),
            ),
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
        step=_since_2(row, "step") or "",
        group=_since_2(row, "chain") or row["label"],
        final=_since_2(row, "final") != 0,
        needs=tuple(json.loads(_since_2(row, "needs") or "[]")),
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
        gpu=_since_2(row, "gpu") or "",
        rung=_since_2(row, "rung") or "",
        work=_since_2(row, "work") or "",
    )


def _output(row: sqlite3.Row) -> OutputRow:
    flaws = tuple(Flaw(**one) for one in json.loads(_since_2(row, "flaws") or "[]"))
    return OutputRow(row["name"], Path(row["path"]), row["key"], row["size"], row["sha256"], flaws)


def _since_2(row: sqlite3.Row, column: str) -> Any:
    """A column that a ledger of schema 1 lacks, which a reader does not bring up to date."""
    return dict(row).get(column)


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
