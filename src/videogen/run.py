"""A batch on rented workers, from nothing to nothing: up, submit, destroy with receipts, whatever happens between."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from videogen import finished, places, project, pulumi_stack, receipts, stack, submit
from videogen.clouds import Cloud
from videogen.collect import RECORD, job_prefix
from videogen.errors import InputError, Interrupted, StoreError, VideogenError
from videogen.ledger import Ledger
from videogen.ledger_lock import exclusive
from videogen.money import Receipt
from videogen.places import Choose
from videogen.pulumi_stack import StackState
from videogen.receipts import Receipts
from videogen.rent import Renter
from videogen.rent_record import RentRecord
from videogen.renting import Renting
from videogen.run_order import ENVIRONMENT_LEFT, RunOrder, open_jobs
from videogen.secret import Secret
from videogen.stack_outputs import Worker
from videogen.stops import Stops
from videogen.store import Store
from videogen.submission import Listener, Result
from videogen.sweep import store_time
from videogen.watch import Watch

BY = "videogen run"
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run: str
    result: Result | None
    """Nothing: the batch was not submitted, or not to its end."""
    error: VideogenError | None
    """What ended it before its end."""
    unproven: VideogenError | None
    """Why it is not proven that nothing is left; the worst that can happen."""
    receipts: tuple[Receipt, ...]
    video_seconds: Decimal
    """Finished seconds of video, of this run's workers."""
    seconds: float
    log: Path
    """Everything that Pulumi said."""

    @property
    def dollars(self) -> Decimal:
        """What its machines cost."""
        return sum((receipt.dollars for receipt in self.receipts), Decimal(0))

    @property
    def exit_code(self) -> int:
        """That of the worst thing that happened."""
        if self.unproven:
            return self.unproven.exit_code
        if self.error:
            return self.error.exit_code
        return 1 if self.result and self.result.failed else 0


def run(order: RunOrder, choose: Choose, *, listener: Listener, say: Callable[[str], None], stops: Stops) -> Outcome:
    """Rents, renders, and ends everything that it rented; rents nothing when no job is open.

    Raises `VideogenError` before anything is rented: when another run works with the stack here, when the stack has
    workers that no run of this machine rented, or when its store is not known. Later errors are in the outcome.
    """
    state = project.state(order.stack)
    with exclusive(state / "run", f"run works with stack {order.stack}"):
        return _Run(order, choose, listener, say, stops, state).whole()


@dataclass
class _Run:
    order: RunOrder
    choose: Choose
    listener: Listener
    say: Callable[[str], None]
    stops: Stops
    state: Path
    names: set[str] = field(default_factory=set)
    """Of every worker that it used."""
    video_seconds: Decimal = Decimal(0)
    began: datetime | None = None
    """When it began to rent."""

    def whole(self) -> Outcome:
        began = time.monotonic()
        order = self.order
        self.store = places.store_of(order.stack, order.declared.cloud)
        self.cloud: Cloud = self.choose(order.declared.cloud, order.stack, self.store.store)
        log = self.state / "runs" / f"{order.id}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        left = self._left()
        environment = order.environment | {ENVIRONMENT_LEFT: " ".join(left.workers if left else ())}
        renting = Renting(order.stack, log, environment, self.stops, self.say, owed=bool(left))
        wanted = self._want_workers(open_jobs(order.plan, project.ledger(order.stack), self._in_bucket()))
        result: Result | None = None
        error: VideogenError | None = None
        unproven: VideogenError | None = None
        watched = threading.Event()
        try:
            result = self._rented(renting, watched) if wanted else self._submitted(self._client(), (), {})
        except VideogenError as caught:
            error = caught
        finally:
            if renting.owed:
                unproven = self._ended(renting)
            watched.set()
            if unproven:  # said here, too, for another error may be on its way
                self.say(f"{unproven.message}; {unproven.hint}" if unproven.hint else unproven.message)
        if result and result.open and order.bills:
            try:
                result = self._finished_here(result)
            except VideogenError as caught:
                error = caught
        paid = self._receipts()
        return Outcome(order.id, result, error, unproven, paid, self.video_seconds, time.monotonic() - began, log)

    def _left(self) -> StackState | None:
        """What an earlier run of this machine left in the state; raises for what is not ours to end."""
        order = self.order
        found = pulumi_stack.state(order.stack)
        if found is None:
            raise InputError.of(
                f"stack {order.stack}", "there is none of that name", f"tools/init_stack.sh {order.stack}"
            )
        if not found.workers:
            return None
        books = self._books()
        for name in found.workers:
            record = books.record(name)
            if record is None or not (self.state / "runs" / f"{record.run}.log").is_file():
                raise VideogenError(
                    f"stack {order.stack} has {name}, which no run of this machine rented, and a run would end it",
                    f"`videogen submit` uses what there is; `pulumi destroy --stack {order.stack}` ends it",
                )
        self.names |= set(found.workers)
        self.say(f"an earlier run left {', '.join(found.workers)}: this one goes on with what is there")
        return found

    def _rented(self, renting: Renting, watched: threading.Event) -> Result:
        """From `up` to the last job."""
        if self.stops.asked.is_set():
            raise self.stops.why()
        if self.order.bills:
            self._watch().start(watched)
        self.began = datetime.now(UTC)
        renting.up()
        outputs = stack.read(self.order.stack)
        if others := self._strangers(worker.name for worker in outputs.workers):
            raise VideogenError(
                f"stack {self.order.stack} has {', '.join(others)}, which another run has rented meanwhile",
                "wait for it to end; nothing of it was ended",
            )
        self.names |= {worker.name for worker in outputs.workers}
        store = Store(outputs.store, outputs.store_access)
        try:
            return self._submitted(store, outputs.workers, outputs.tokens, workers_only=self.order.bills)
        finally:
            self.video_seconds = self._video_seconds(store, self.began)

    def _want_workers(self, open_: list[str]) -> list[str]:
        """Those of the open jobs for which something must be rented: a store on this machine that is down, too."""
        posts = {job.id for job in self.order.plan.jobs if job.post}
        return open_ if self.store is places.NOWHERE else [job for job in open_ if job not in posts]

    def _finished_here(self, before: Result) -> Result:
        """The post steps that are left when all workers are gone, so that none of them is paid for waiting."""
        after = self._submitted(self._client(), (), {})
        if self.began:
            self.video_seconds = self._video_seconds(self._client(), self.began)
        return replace(after, before=before.before, seconds=before.seconds + after.seconds, lost=before.lost)

    def _submitted(
        self, store: Store, workers: Iterable[Worker], tokens: dict[str, Secret], *, workers_only: bool = False
    ) -> Result:
        with Ledger.open(project.ledger(self.order.stack)) as ledger:
            return asyncio.run(self._submit(store, tuple(workers), tokens, ledger, workers_only))

    async def _submit(
        self, store: Store, workers: tuple[Worker, ...], tokens: dict[str, Secret], ledger: Ledger, workers_only: bool
    ) -> Result:
        """The batch, until it is done or `stops` says that it is enough."""
        stop = asyncio.Event()
        work = asyncio.create_task(
            submit.submit(
                *(self.order.plan, workers, tokens, store, ledger),
                listener=self.listener,
                stop=stop,
                workers_only=workers_only,
            )
        )
        cancelled = False
        while not work.done():
            if self.stops.asked.is_set():
                stop.set()
            if self.stops.hurry.is_set() and not cancelled:
                cancelled = work.cancel()
            await asyncio.wait({work}, timeout=_LOOK_SECONDS)
        try:
            return work.result()
        except asyncio.CancelledError:
            raise self.stops.why() from None
        except Interrupted as error:
            why = self.stops.why()
            raise type(why)(f"{why.message}; {error.message}", "run the batch again to go on") from error

    def _ended(self, renting: Renting) -> VideogenError | None:
        """Ends everything, and proves it; what went wrong with that."""
        try:
            if others := self._strangers(self._in_state()):
                self.say(f"{', '.join(others)} belong to another run: stack {self.order.stack} is not destroyed")
            else:
                renting.destroy()
            self._prove()
        except VideogenError as error:
            return error
        return None

    def _in_state(self) -> Iterable[str]:
        """The workers that the state has; a state that cannot be read keeps nobody from what a run owes."""
        try:
            found = pulumi_stack.state(self.order.stack)
        except VideogenError as error:
            self.say(f"which workers stack {self.order.stack} has is not known: {error.message}")
            return ()
        return found.workers if found else ()

    def _strangers(self, names: Iterable[str]) -> list[str]:
        """Which of these workers another run has rented, or nobody knows who."""
        books, others = self._books(), list[str]()
        for name in names:
            try:
                record = books.record(name)
            except StoreError:  # what this run rents is written down on this machine, too
                others.append(name)
                continue
            if record is not None and not self._mine(record):
                others.append(name)
        return others

    def _mine(self, record: RentRecord) -> bool:
        """Whether this run has rented it, or goes on with it, or an earlier run of this machine has left it behind."""
        rented = record.run == self.order.id or record.machine in self.names
        return rented or (self.state / "runs" / f"{record.run}.log").is_file()

    def _prove(self) -> None:
        """Asks the cloud itself: what of this run lives on after a destroy is ended here, and its rent is closed."""
        order = self.order
        landlord = Renter(self.cloud, self._books(), by=BY)
        living = self.cloud.machines(order.stack)
        others = set(self._strangers(machine.name for machine in living))
        for machine in living:
            if machine.name in others:
                self.say(f"{machine.name} lives on, and this run has not rented it: it is left alone")
                continue
            self.say(f"{machine.name} lives on: it is ended")
            landlord.end(machine, "left behind by its run")
        if self.store is not places.NOWHERE and order.bills:
            for rent in self._books().open_rents():
                if rent.run == order.id and not landlord.closed(rent):
                    self.say(f"{rent.machine} is not there, its receipt is yet to come: `videogen sweep` writes it")

    def _watch(self) -> Watch:
        order = self.order
        ahead = store_time(self._client()) - datetime.now(UTC)  # this machine's clock may be wrong
        return Watch(
            order.id,
            order.stack,
            order.cap,
            order.declared.dearest * order.declared.workers,
            uses=self.names,
            cloud=self.cloud,
            books=self._books(),
            clock=lambda: datetime.now(UTC) + ahead,
            stops=self.stops,
            say=self.say,
        )

    def _client(self) -> Store:
        return places.client(self.store)

    def _books(self) -> Receipts:
        return Receipts(self.state, self._client())

    def _in_bucket(self) -> set[str]:
        """Jobs that the bucket has whole; none while the store is not up."""
        if self.store is places.NOWHERE:
            return set()
        store, prefix = self._client(), job_prefix(self.order.plan.batch, "").rstrip("/") + "/"
        keys = {one.key for one in store.list(store.outputs, prefix)}
        return {job.id for job in self.order.plan.jobs if job_prefix(self.order.plan.batch, job.id) + RECORD in keys}

    def _video_seconds(self, store: Store, began: datetime) -> Decimal:
        try:
            made, _ = finished.videos(store, self.names, began)
        except StoreError as error:
            self.say(f"how many seconds were finished is not known: {error.message}")
            return Decimal(0)
        return sum((video.seconds for video in made), Decimal(0))

    def _receipts(self) -> tuple[Receipt, ...]:
        """Those of this run's machines, in the bucket or only here."""
        found = {receipt.machine: receipt for receipt in receipts.here(self.state)}
        if self.order.bills:
            try:
                kept, _ = receipts.stored(self._client(), self.order.stack)
                found |= {receipt.machine: receipt for receipt in kept}
            except StoreError as error:
                self.say(f"receipts in the bucket cannot be read: {error.message}")
        mine = [one for one in found.values() if one.run == self.order.id or one.machine in self.names]
        return tuple(sorted(mine, key=lambda one: (one.started, one.machine)))
