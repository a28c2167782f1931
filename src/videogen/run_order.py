"""What a run shall do and what it may cost, found out before anything is rented."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from videogen import declared, project
from videogen.budget import Budget
from videogen.declared import Declared
from videogen.errors import InputError
from videogen.forecast import traffic
from videogen.gpu import rentable
from videogen.lease import LeaseTerms
from videogen.ledger import Ledger
from videogen.ledger_rows import JobState
from videogen.manifest import Manifest
from videogen.money import CENT, Cap, worst_case
from videogen.planned import planned
from videogen.submission import Plan

ENVIRONMENT_RUN = "VIDEOGEN_RUN"
ENVIRONMENT_BATCH = "VIDEOGEN_BATCH"
ENVIRONMENT_CAP = "VIDEOGEN_RUN_CAP"
"""Dollars; a stack's own cap of a run is never raised by it."""
ENVIRONMENT_MINUTES = "VIDEOGEN_RUN_MINUTES"
"""A lease no longer than this; a stack's own one is never made longer by it."""
ENVIRONMENT_LEFT = "VIDEOGEN_RUN_LEFT"
"""Names of the workers that an earlier run left and this one goes on with; it may change no other's."""


@dataclass(frozen=True)
class RunOrder:
    """One run of a batch on a stack, from plan to receipt."""

    id: str
    stack: str
    declared: Declared
    plan: Plan
    cap: Cap
    """The stack's, that of a run as the user lowered it."""
    lease: LeaseTerms | None
    """The stack's, shortened to what the cap pays: so the cap holds even when nobody is left to watch it."""
    traffic: Decimal
    """What the models of all workers cost on their way to them, in dollars."""

    @property
    def bills(self) -> bool:
        """Whether anything of it can cost money."""
        return self.declared.dearest > 0

    @property
    def worst(self) -> Decimal:
        """The most that it can cost, each worker in its first machine, with the models once to each."""
        minutes = self.lease.total if self.lease else 0
        return worst_case(self.declared.workers, self.declared.dearest, minutes) + self.traffic

    @property
    def environment(self) -> dict[str, str]:
        """What Pulumi's program and plugin are told of the run."""
        told = {ENVIRONMENT_RUN: self.id, ENVIRONMENT_BATCH: self.plan.batch}
        if self.bills and self.lease:
            told |= {ENVIRONMENT_CAP: str(self.cap.run), ENVIRONMENT_MINUTES: f"{self.lease.total:g}"}
        return told


def order(
    batch: Path, stack: str, *, cap: Decimal | None, again: bool, retry_failed: bool, folder: Path | None
) -> RunOrder:
    """The run of a batch file on a stack; `cap` lowers what the stack allows it to cost, in dollars.

    Raises `InputError` with every fault of the batch, for a stack that rents nothing, and for a cap that pays no work.
    """
    wanted = declared.read(stack)
    if wanted.phase is None:
        raise InputError.of(
            f"stack {stack}", "rents nothing: it has no phase", "one of: dev, phase-a, phase-b, phase-c"
        )
    manifest = project.read_manifest(project.root() / wanted.manifest)
    gpus = [offer.gpu for offer in rentable(wanted.cloud, wanted.gpus)]
    plan = planned(batch, wanted.phase, manifest, gpus, again=again, retry_failed=retry_failed, folder=folder).plan
    allowed = wanted.cap if cap is None else Cap(run=min(cap, wanted.cap.run), month=wanted.cap.month)
    traffic = _traffic(stack, wanted, manifest) if wanted.dearest else Decimal(0)
    lease = _paid(wanted, allowed, traffic) if wanted.lease and wanted.dearest else wanted.lease
    now = datetime.now(UTC)
    return RunOrder(f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}", stack, wanted, plan, allowed, lease, traffic)


def _traffic(stack: str, wanted: Declared, manifest: Manifest) -> Decimal:
    """As the forecast reckons it, which `pulumi up` holds against the cap together with the rent."""
    assert wanted.phase
    models = manifest.select(wanted.phase).models
    size = sum(model.expected_bytes for model in models)
    return traffic(wanted.cloud, wanted.workers, size, declared.store_endpoint(stack))


def _paid(wanted: Declared, cap: Cap, traffic: Decimal) -> LeaseTerms:
    """The lease, no longer than the cap pays for rent when every worker costs what it may at most."""
    assert wanted.lease
    budget = Budget(cap, wanted.workers, wanted.dearest, wanted.lease, traffic)
    if budget.pays_work:
        return budget.terms
    rent = f"{wanted.workers} workers at up to ${wanted.dearest}/h for {budget.paid_minutes:g} minutes"
    said = f"${budget.rent.quantize(CENT)} of rent pays {rent}, a boot may take {wanted.lease.boot:g}"
    raise InputError.of("--cap", said, "a higher cap, or a smaller stack")


def open_jobs(plan: Plan, ledger: Path, in_bucket: Iterable[str]) -> list[str]:
    """The jobs that are to be done: neither done nor failed here, and not whole in the bucket."""
    ids = [job.id for job in plan.jobs]
    if plan.again or not ledger.exists():
        return ids if plan.again else [job for job in ids if job not in set(in_bucket)]
    settled = {JobState.DONE} | (set() if plan.retry_failed else {JobState.FAILED})
    with Ledger.open(ledger, read_only=True) as found:
        rows = {row.id: row for row in found.jobs(plan.batch)}
        tried = {attempt.job for attempt in found.attempts(plan.batch)}
    adopted = {job for job in in_bucket if job not in tried}
    return [job for job in ids if job not in adopted and (job not in rows or rows[job].state not in settled)]
