"""`videogen plan`: what a batch would take and cost on each GPU, before anything is rented."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer
from rich.table import Table

from videogen import history, job_forecast, media, prepare, project, stack_terms
from videogen.cli.manifest_options import ManifestFile, manifest_path, phase_name, stack_setting, stack_settings
from videogen.cli.options import AsJson
from videogen.console import Console, counted, duration, table
from videogen.document import did_you_mean
from videogen.errors import InputError
from videogen.gpu import Gpu
from videogen.job_forecast import Forecast, Known
from videogen.manifest import Manifest
from videogen.planner.estimate import Seconds
from videogen.planner.rental import Dollars, Terms, assumed_boot
from videogen.planner.work import Clip, Frames
from videogen.prepare import PreparedBatch
from videogen.stack_terms import StackTerms
from videogen.traffic import AWS_S3, NO_EGRESS_COST


def plan(
    batch: Annotated[Path, typer.Argument(help="The batch file.")],
    phase: Annotated[str | None, typer.Option("--phase", "-p", help="a, b or c.  [default: the stack's, or a]")] = None,
    stack: Annotated[
        str | None,
        typer.Option("--stack", "-s", help="Stack whose file says GPUs, prices and terms.  [default: phase-<phase>]"),
    ] = None,
    gpu: Annotated[
        list[str] | None, typer.Option("--gpu", "-g", help="This GPU, also one that the stack does not rent.")
    ] = None,
    manifest: ManifestFile = None,
    parts: Annotated[bool, typer.Option("--parts", help="Show each part of the sums.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forecast a batch on each GPU of a phase: time, memory, dollars; what is cheapest, fastest, and what to cut."""
    console = Console(as_json)
    wanted = phase_name(phase or (stack_setting(stack, "phase") if stack else None) or "a")
    rents = stack or f"phase-{wanted}"
    project.read(project.root() / f"Pulumi.{rents}.yaml")
    rented = stack_terms.parse(stack_settings(rents), f"Pulumi.{rents}.yaml")
    models = project.read_manifest(manifest_path(manifest, rents))
    prepared = prepare.prepare(batch, wanted, models.as_if_pinned())
    here = models.select(wanted)
    sizes = {one.comfy_name: one.size or one.estimate or 0 for one in here.models}
    known = Known(tuple(history.boundary()), tuple(history.finished(sizes)))
    terms = rental(rented, here)
    prices = {offer.gpu: offer.dollars_per_hour for offer in rented.gpus}
    gpus = _gpus(gpu, prices, rents)
    inputs = _inputs(prepared)
    found = job_forecast.forecasts(prepared.jobs, prepared.workflow, gpus, sizes, terms, prices, known, inputs)
    console.data(_document(found, terms, rents, wanted), _summary(found))
    _say(console, found, terms, rented, rents)
    if parts and not as_json:
        for one in found:
            console.data(None, lines=["", f"{one.gpu}: {counted(one.videos, 'video')}"])
            console.data(None, _sum(one, terms))
    if not any(one.possible for one in found):
        raise typer.Exit(1)


def _gpus(named: list[str] | None, prices: dict[Gpu, Decimal], rents: str) -> list[Gpu]:
    known = get_args(Gpu)
    for one in named or ():
        if one not in known:
            raise InputError.of("--gpu", f"no GPU `{one}`", did_you_mean(one, known))
    found = cast("list[Gpu]", named) if named else list(prices)
    if not found:
        raise InputError.of(f"Pulumi.{rents}.yaml: videogen:gpus", "names no GPU", "--gpu H100-80GB, or another stack")
    return list(dict.fromkeys(found))


def rental(rented: StackTerms, models: Manifest) -> Terms:
    """Under which terms a stack rents workers that hold these models."""
    size = sum(one.size or one.estimate or 0 for one in models.models)
    kept = rented.volume_gb > 0
    boot, basis = history.boot(rented.cloud) or assumed_boot(size, kept=kept)
    deadline = rented.lease.boot * 60  # a worker that is not ready by then is ended
    boot = Seconds(*(min(one, deadline) for one in (boot.likely, boot.low, boot.high)))
    egress = None if rented.cloud == "local" else NO_EGRESS_COST if rented.store.endpoint else AWS_S3
    return Terms(max(1, rented.workers), rented.lease.idle, boot, basis, size, egress, kept)


def _inputs(prepared: PreparedBatch) -> dict[str, Clip]:
    """The batch's own videos by their names on a worker."""
    found: dict[str, Clip] = {}
    for file in dict.fromkeys(file for job in prepared.jobs for file in job.inputs):
        if file.name.endswith((".mp4", ".webm", ".mkv", ".mov")):
            seen = media.probe(prepared.files[file.sha256], "video")
            found[file.name] = Clip(Frames(seen.width, seen.height, seen.frames), seen.fps or 16)
    return found


def _summary(found: list[Forecast]) -> Table:
    numbers = ("$/h", "a video", "batch", "$ a video", "$ batch", "$ a second")
    shown = table("GPU", *numbers[:3], "from – to", *numbers[3:], "memory", "basis", "", numbers=numbers)
    cheapest, fastest = job_forecast.best(found)
    for one in found:
        dollars, videos, second, each = one.bill.dollars, max(1, one.videos), one.dollars_a_second, one.dollars_a_video
        priced = one.dollars_per_hour is not None
        marks = [word for word, best in (("cheapest", cheapest), ("fastest", fastest)) if one is best]
        marks += [f"begins at {rung}" for rung in one.begins]
        if not one.possible:
            marks.append(f"cut: {', '.join(one.cut)}" if one.cut else "no rung helps")
        shown.add_row(
            one.gpu,
            f"{one.dollars_per_hour:.2f}" if priced else "–",
            duration(one.work.likely / videos),
            duration(one.batch.likely),
            f"{duration(one.batch.low)} – {duration(one.batch.high)}",
            "–" if each is None else f"{each:.2f}",
            f"{dollars.likely:.2f}" if priced else "–",
            "–" if second is None else f"{second:.3f}",
            f"{one.fit} ({one.memory_gib:.0f} GiB)",
            one.basis,
            ", ".join(marks),
        )
    return shown


def _sum(one: Forecast, terms: Terms) -> Table:
    shown = table("part", "times", "seconds", "from – to", "what", numbers=("times", "seconds"))
    for line in one.parts:
        shown.add_row(line.title, str(line.times), *_range(line.seconds), line.why)
    shown.add_row("all jobs", "", *_range(one.work), "one after the other")
    shown.add_row("workers", str(terms.workers), *_range(one.wall), "side by side, until the last job is done")
    shown.add_row("boot", "", *_range(one.bill.boot), terms.boot_basis)
    shown.add_row("end", "", *_range(one.bill.tail), "until the workers are gone; at most their idle time")
    traffic = one.bill.traffic
    why = f"{terms.model_bytes / 1e9:.1f} GB of models to {counted(terms.workers, 'worker')}: ${traffic.high:.2f}"
    shown.add_row("traffic", "", "", "", f"{why} ({terms.egress.name})" if terms.egress else why)
    return shown


def _range(value: Seconds) -> tuple[str, str]:
    return f"{value.likely:,.0f}", f"{value.low:,.0f} – {value.high:,.0f}"


def _say(console: Console, found: list[Forecast], terms: Terms, rented: StackTerms, rents: str) -> None:
    first = found[0]
    seconds = f", {first.finished_seconds:.1f} s of video" if first.finished_seconds else ""
    console.say(
        f"{counted(first.videos, 'video')}{seconds} on {counted(terms.workers, 'worker')}; prices are the ceilings of "
        f"Pulumi.{rents}.yaml; boot {terms.boot_basis}"
    )
    traffic = first.bill.traffic.likely
    if first.possible and traffic * 2 > first.bill.dollars.likely:
        console.warn(
            f"${traffic:.2f} of it is what {AWS_S3.name} asks for {terms.model_bytes / 1e9:.0f} GB of models a worker"
        )
    for name in first.unknown:
        console.warn(f"the forecast leaves out `{name}`")
    cheapest, _ = job_forecast.best(found)
    if not any(one.possible for one in found):
        hint = next((f"the rung {one.cut[0]} on {one.gpu}" for one in found if one.cut), "a larger GPU")
        console.warn(f"no GPU holds every job; what would: {hint}")
    if cheapest is not None and rented.cap.run and cheapest.bill.dollars.high > rented.cap.run:
        worst = cheapest.bill.dollars.high
        console.warn(f"on {cheapest.gpu} it may come to ${worst:.2f}; the cap of a run is ${rented.cap.run}")


def _document(found: list[Forecast], terms: Terms, rents: str, phase: str) -> dict[str, Any]:
    cheapest, fastest = job_forecast.best(found)
    return {
        "phase": phase,
        "stack": rents,
        "workers": terms.workers,
        "boot_basis": terms.boot_basis,
        "model_bytes": terms.model_bytes,
        "cheapest": cheapest.gpu if cheapest else None,
        "fastest": fastest.gpu if fastest else None,
        "gpus": [
            {
                "gpu": one.gpu,
                "dollars_per_hour": one.dollars_per_hour,
                "fit": one.fit,
                "memory_gib": one.memory_gib,
                "machine_memory_gib": one.host_gib,
                "basis": one.basis,
                "videos": one.videos,
                "finished_seconds": one.finished_seconds,
                "jobs_seconds": _three(one.work),
                "batch_seconds": _three(one.batch),
                "dollars": _money(one.bill.dollars) if one.dollars_per_hour is not None else None,
                "dollars_a_video": one.dollars_a_video,
                "dollars_a_finished_second": one.dollars_a_second,
                "traffic_dollars": _money(one.bill.traffic),
                "boot_seconds": _three(one.bill.boot),
                "end_seconds": _three(one.bill.tail),
                "begins_at": one.begins,
                "cut": one.cut,
                "left_out": one.unknown,
                "parts": [
                    {"part": line.title, "what": line.why, "times": line.times, "seconds": _three(line.seconds)}
                    for line in one.parts
                ],
            }
            for one in found
        ],
    }


def _three(value: Seconds) -> dict[str, float]:
    return {"likely": round(value.likely, 1), "low": round(value.low, 1), "high": round(value.high, 1)}


def _money(value: Dollars) -> dict[str, Decimal]:
    return {"likely": value.likely, "low": value.low, "high": value.high}
