"""`videogen status`: what lives, what was asked for, what it cost."""

from decimal import Decimal
from typing import Any

import httpx

from videogen import project, receipts
from videogen.boot_report import WorkerStatus
from videogen.cli.options import AsJson, OutputsFile, Stack, named_stack, read_outputs
from videogen.clouds import local
from videogen.console import Console, counted, duration, table
from videogen.errors import InputError, StoreError
from videogen.ledger import Ledger
from videogen.ledger_rows import JobRow, JobState
from videogen.money import Receipt
from videogen.secret import Secret
from videogen.stack_outputs import StackOutputs, Worker
from videogen.store import Store

ANSWER_SECONDS = 5


def status(stack: Stack = None, file: OutputsFile = None, as_json: AsJson = False) -> None:
    """Show the workers that live, the jobs of every batch, and the receipts."""
    name = named_stack(stack, file)
    console = Console(as_json)
    outputs: StackOutputs | None = None
    try:
        outputs = read_outputs(stack, file)
    except InputError as error:
        if file:
            raise
        console.say(error.message)  # nothing is rented: jobs and receipts of this machine are worth a look all the same
    workers = [_worker(worker, outputs.tokens[worker.name]) for worker in outputs.workers] if outputs else []
    workers += _unknown_to_the_stack(name, {worker["name"] for worker in workers}, console)
    jobs = _jobs(name)
    paid = _receipts(name, outputs, console)
    total = sum((receipt.dollars for receipt in paid), Decimal(0))
    document = {
        "stack": name,
        "workers": workers,
        "batches": jobs,
        "receipts": [receipt.model_dump(mode="json") for receipt in paid],
        "dollars": str(total),
    }
    if as_json:
        console.data(document)
        return
    chains = [{"batch": batch["batch"], **one} for batch in jobs for one in batch["chains"]]
    for rows, shown in (
        (workers, _worker_table(workers)),
        (jobs, _job_table(jobs)),
        (chains, _chain_table(chains)),
        (paid, _receipt_table(paid)),
    ):
        if rows:
            console.data(document, shown)
            console.data(document, lines=[""])
    console.data(
        document,
        lines=[f"{counted(len(workers), 'worker')} live; {counted(len(paid), 'receipt')}, ${total:.2f} in all"],
    )


def _worker(worker: Worker, token: Secret) -> dict[str, Any]:
    found: dict[str, Any] = {"name": worker.name, "cloud": worker.cloud, "gpu": worker.gpu, "url": worker.url}
    try:
        headers = {"Authorization": f"Bearer {token.reveal()}"}
        answer = httpx.get(f"{worker.agent}/status", headers=headers, timeout=ANSWER_SECONDS, trust_env=False)
        answer.raise_for_status()
        said = WorkerStatus.model_validate_json(answer.text)
    except (httpx.HTTPError, ValueError) as error:
        return {**found, "state": "does not answer", "error": str(error)}
    return {
        **found,
        "state": said.state,
        "idle_seconds": said.idle_seconds,
        "lease_seconds_left": said.lease_seconds_left,
    }


def _unknown_to_the_stack(name: str, known: set[str], console: Console) -> list[dict[str, Any]]:
    """Workers of this machine that carry the stack's tag though the stack does not know them."""
    found = [machine for machine in local.here(name).machines(name) if machine.name not in known]
    for machine in found:
        console.warn(f"worker {machine.name} is there, but stack {name} does not know it: `pulumi destroy` ends it")
    return [
        {
            "name": one.name,
            "cloud": one.cloud,
            "gpu": one.gpu,
            "url": one.url,
            "state": f"{one.state}, unknown to the stack",
        }
        for one in found
    ]


def _jobs(name: str) -> list[dict[str, Any]]:
    path = project.ledger(name)
    if not path.exists():
        return []
    with Ledger.open(path, read_only=True) as ledger:
        found = []
        for batch in ledger.batches():
            rows = ledger.jobs(batch)
            counts = {str(state): sum(row.state is state for row in rows) for state in JobState}
            errors = {
                attempt.job: attempt.failure.message
                for attempt in ledger.attempts(batch)
                if attempt.failure is not None
            }
            failed = [
                {"job": row.id, "label": row.label, "error": errors.get(row.id)}
                for row in rows
                if row.state is JobState.FAILED
            ]
            found.append(
                {
                    "batch": batch,
                    **counts,
                    "in_flight": len(ledger.in_flight(batch)),
                    "failed_jobs": failed,
                    "chains": _chains(rows),
                }
            )
        return found


def _chains(rows: list[JobRow]) -> list[dict[str, Any]]:
    """One for each video that takes several jobs: its steps in order, with what is done of them."""
    found: dict[str, dict[str, list[JobRow]]] = {}
    for row in rows:
        if row.step:
            found.setdefault(row.group, {}).setdefault(row.step, []).append(row)
    return [
        {
            "label": group,
            "steps": [
                {"step": step, "of": len(jobs), **{str(s): sum(job.state is s for job in jobs) for s in JobState}}
                for step, jobs in steps.items()
            ],
        }
        for group, steps in found.items()
    ]


def _receipts(name: str, outputs: StackOutputs | None, console: Console) -> list[Receipt]:
    """Those in the bucket and those that this machine wrote, each once."""
    found = {receipt.machine: receipt for receipt in receipts.here(project.state(name))}
    if outputs:
        try:
            store = Store(outputs.store, outputs.store_access, patience_seconds=ANSWER_SECONDS)
            kept, faults = receipts.stored(store, name)
            found.update((receipt.machine, receipt) for receipt in kept)
            for fault in faults:
                console.warn(f"a receipt cannot be read: {fault}")
        except StoreError as error:
            console.warn(f"receipts in the bucket cannot be read: {error.message}")
    return sorted(found.values(), key=lambda receipt: receipt.started)


def _worker_table(workers: list[dict[str, Any]]) -> Any:
    shown = table("worker", "GPU", "state", "idle", "lease left", "ComfyUI", numbers=("idle", "lease left"))
    for worker in workers:
        times = [duration(worker[key]) if key in worker else "–" for key in ("idle_seconds", "lease_seconds_left")]
        shown.add_row(worker["name"], worker["gpu"], worker["state"], *times, worker["url"])
    return shown


def _job_table(jobs: list[dict[str, Any]]) -> Any:
    shown = table("batch", "done", "open", "failed", "in flight", numbers=("done", "open", "failed", "in flight"))
    for batch in jobs:
        shown.add_row(batch["batch"], *(str(batch[key]) for key in ("done", "open", "failed", "in_flight")))
    return shown


def _chain_table(chains: list[dict[str, Any]]) -> Any:
    shown = table("batch", "video", "steps done")
    for chain in chains:
        steps = [
            f"{one['step']} {one['done']}/{one['of']}" + (f" ({one['failed']} failed)" if one["failed"] else "")
            for one in chain["steps"]
        ]
        shown.add_row(chain["batch"], chain["label"], " · ".join(steps))
    return shown


def _receipt_table(paid: list[Receipt]) -> Any:
    shown = table("receipt of", "GPU", "time", "$", "why it ended", numbers=("time", "$"))
    for receipt in paid:
        shown.add_row(receipt.machine, receipt.gpu, duration(receipt.seconds), str(receipt.dollars), receipt.why)
    return shown
