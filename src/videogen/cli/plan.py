"""`videogen plan`: what a batch would take and cost on each GPU, before anything is rented."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer
from rich.table import Table

from videogen import declared, history, job_forecast, prepare, project, stack_terms
from videogen.cli.manifest_options import ManifestFile, manifest_path, phase_name, stack_setting, stack_settings
from videogen.cli.options import AsJson
from videogen.clips import clips
from videogen.console import Console, counted, duration, table
from videogen.document import did_you_mean
from videogen.errors import InputError
from videogen.forecast import store_price
from videogen.gpu import Gpu, rentable
from videogen.job_forecast import Forecast, Known
from videogen.lint import Offers
from videogen.manifest import Manifest
from videogen.planner.estimate import Seconds
from videogen.planner.rental import Dollars, Terms, assumed_boot
from videogen.stack_terms import StackTerms

_WIDE = 145
"""Columns of a terminal in which no line of the whole table breaks."""
_LESS = Decimal("0.9")
"""A stack with one worker is worth a word when the bill is less than this share."""


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
    sizes = {one.comfy_name: one.expected_bytes for one in here.models}
    known = Known(tuple(history.boundary()), tuple(history.finished(sizes)))
    offers = Offers(f"Pulumi.{rents}.yaml", rented, rental(rented, here, declared.store_endpoint(rents)))
    prices = {offer.gpu: offer.dollars_per_hour for offer in rentable(rented.cloud, rented.gpus)}
    gpus = _gpus(gpu, prices, offers)
    inputs = clips(prepared.jobs, prepared.files)

    def on(gpus: Iterable[Gpu], terms: Terms) -> list[Forecast]:
        return job_forecast.forecasts(prepared.jobs, prepared.workflow, gpus, sizes, terms, prices, known, inputs)

    terms = offers.terms
    found = on(gpus, terms)
    cheapest, _ = job_forecast.best(found)
    alone = on([cheapest.gpu], replace(terms, workers=1))[0] if cheapest and terms.workers > 1 else None
    first, *others = _summary(found, narrow=console.out.width < _WIDE)
    console.data(_document(found, alone, offers, rents, wanted), first)
    for other in others if not as_json else ():
        console.data(None, lines=[""])
        console.data(None, other)
    if seeds := prepared.seeds_said(wanted):
        console.say(seeds)
    _say(console, found, alone, offers)
    if parts and not as_json:
        for one in found:
            console.data(None, lines=["", f"{one.gpu}: {counted(one.videos, 'video')}"])
            console.data(None, _sum(one, terms))
    if not any(one.possible for one in found):
        raise typer.Exit(1)


def _gpus(named: list[str] | None, prices: Mapping[Gpu, Decimal], offers: Offers) -> list[Gpu]:
    known = get_args(Gpu)
    for one in named or ():
        if one not in known:
            raise InputError.of("--gpu", f"no GPU `{one}`", did_you_mean(one, known))
    found = cast("list[Gpu]", named) if named else list(prices)
    if not found:
        cloud = offers.rented.cloud
        message = f"names no GPU that {cloud} rents out" if offers.rented.gpus else "names no GPU"
        raise InputError.of(f"{offers.address}: videogen:gpus", message, "--gpu H100-80GB, or another stack")
    return list(dict.fromkeys(found))


def rental(rented: StackTerms, models: Manifest, store_endpoint: str | None) -> Terms:
    """Under which terms a stack rents workers that hold these models; `store_endpoint` as in `forecast.store_price`."""
    size = sum(one.expected_bytes for one in models.models)
    kept = rented.volume_gb > 0
    boot, basis = history.boot(rented.cloud) or assumed_boot(size, kept=kept)
    deadline = rented.lease.boot * 60  # a worker that is not ready by then is ended
    boot = Seconds(*(min(one, deadline) for one in (boot.likely, boot.low, boot.high)))
    egress = store_price(rented.cloud, store_endpoint)
    return Terms(max(1, rented.workers), rented.lease.idle, boot, basis, size, egress, kept)


def _summary(found: list[Forecast], *, narrow: bool) -> list[Table]:
    """One table; where the terminal is too `narrow` for it, one for times and one for money."""
    numbers = ("$/h", "a video", "batch", "$ batch", "$ a video", "$ a second")
    times, sums = ("a video", "batch", "from – to"), ("$/h", "$ batch", "$ from – to", "$ a video", "$ a second")
    rows, tables = list(_rows(found)), []
    wide = (("GPU", "$/h", *times, *sums[1:], "memory", "basis", ""),)
    for columns in (("GPU", *times, "memory", "basis"), ("GPU", *sums, "")) if narrow else wide:
        shown = table(*columns, numbers=numbers)
        for row in rows:
            shown.add_row(*(row[column] for column in columns))
        tables.append(shown)
    return tables


def _rows(found: list[Forecast]) -> Iterator[dict[str, str]]:
    cheapest, fastest = job_forecast.best(found)
    for one in found:
        dollars, videos, second, each = one.bill.dollars, max(1, one.videos), one.dollars_a_second, one.dollars_a_video
        priced = one.dollars_per_hour is not None
        marks = [word for word, best in (("cheapest", cheapest), ("fastest", fastest)) if one is best]
        marks += [f"begins at {rung}" for rung in one.begins]
        if not one.possible:
            marks.append(f"cut: {', '.join(one.cut)}" if one.cut else "no rung helps")
        yield {
            "GPU": one.gpu,
            "$/h": f"{one.dollars_per_hour:.2f}" if priced else "–",
            "a video": duration(one.work.likely / videos),
            "batch": duration(one.batch.likely),
            "from – to": f"{duration(one.batch.low)} – {duration(one.batch.high)}",
            "$ batch": f"{dollars.likely:.2f}" if priced else "–",
            "$ from – to": f"{dollars.low:.2f} – {dollars.high:.2f}" if priced else "–",
            "$ a video": "–" if each is None else f"{each:.2f}",
            "$ a second": "–" if second is None else f"{second:.3f}",
            "memory": f"{one.fit} ({max(1, one.memory_gib):.0f} GiB)",
            "basis": one.basis,
            "": ", ".join(marks),
        }


def _sum(one: Forecast, terms: Terms) -> Table:
    shown = table("part", "times", "seconds", "from – to", "what", numbers=("times", "seconds"))
    for line in one.parts:
        shown.add_row(line.title, str(line.times), *_range(line.seconds), line.why)
    shown.add_row("all jobs", "", *_range(one.work), "one after the other")
    shown.add_row("workers", str(terms.workers), *_range(one.rented), "side by side, until none is needed")
    shown.add_row("batch", "", *_range(one.wall), "until the last job is done, post steps included")
    shown.add_row("boot", "", *_range(one.bill.boot), terms.boot_basis)
    shown.add_row("end", "", *_range(one.bill.tail), "until the workers are gone; at most their idle time")
    traffic = one.bill.traffic
    why = f"{terms.model_bytes / 1e9:.1f} GB of models to {counted(terms.workers, 'worker')}: ${traffic.high:.2f}"
    shown.add_row("traffic", "", "", "", f"{why} ({terms.egress.name})" if terms.egress else why)
    return shown


def _range(value: Seconds) -> tuple[str, str]:
    return f"{value.likely:,.0f}", f"{value.low:,.0f} – {value.high:,.0f}"


def _say(console: Console, found: list[Forecast], alone: Forecast | None, offers: Offers) -> None:
    first, terms = found[0], offers.terms
    seconds = f", {first.finished_seconds:.1f} s of video" if first.finished_seconds else ""
    console.say(
        f"{counted(first.videos, 'video')}{seconds} on {counted(terms.workers, 'worker')}; prices are the ceilings of "
        f"{offers.address}; boot {terms.boot_basis}"
    )
    if any("scaled" in one.basis for one in found):
        console.say(
            "measured: on that GPU; scaled: one H200's times by published throughput; learned: from jobs done here"
        )
    named = {one.gpu for one in found}
    rented = rentable(offers.rented.cloud, offers.rented.gpus)
    left_out = [one.gpu for one in offers.rented.gpus if one not in rented and one.gpu not in named]
    if left_out:
        console.say(f"left out: {', '.join(left_out)}, which {offers.rented.cloud} does not rent out")
    traffic = first.bill.traffic.likely
    if traffic * 2 > first.bill.dollars.likely and first.dollars_per_hour is not None and terms.egress:
        each = f"{terms.model_bytes / 1e9:.0f} GB of models a worker"
        console.warn(f"${traffic:.2f} of it is what {terms.egress.name} asks for {each}")
        console.say("hint: a store without egress cost, or a volume that keeps them")
    for name in first.unknown:
        console.warn(f"the forecast leaves out `{name}`")
    cheapest, fastest = job_forecast.best(found)
    if not any(one.possible for one in found):
        hint = next((f"the rung {one.cut[0]} on {one.gpu}" for one in found if one.cut), "a larger GPU")
        console.warn(f"no GPU holds every job; what would: {hint}")
    if alone is not None and cheapest is not None and alone.bill.dollars.likely < cheapest.bill.dollars.likely * _LESS:
        one, more = (f"${each.bill.dollars.likely:.2f} in {duration(each.batch.likely)}" for each in (alone, cheapest))
        console.say(f"hint: with 1 worker on {alone.gpu} it is {one}, with {terms.workers} it is {more}")
    _money(console, [one for one in dict.fromkeys((cheapest, fastest)) if one is not None], offers)


def _money(console: Console, found: list[Forecast], offers: Offers) -> None:
    """What the cap bears, in the worst case, and whether the batch is done by then."""
    budget = offers.budget
    if not budget.dollars_per_hour:
        return
    workers, cap = counted(budget.workers, "worker"), f"the cap of a run, ${budget.cap.run},"
    rent = f"{workers} for {budget.lease.total:g} minutes at ${budget.dollars_per_hour:.2f}/h"
    rent += f" and ${budget.traffic} of traffic"
    if budget.worst <= budget.cap.run:
        console.say(f"at worst ${budget.worst}: {rent}; {cap} bears it")
    elif budget.pays_work:
        console.warn(f"at worst ${budget.worst}: {rent}; {cap} pays {budget.paid_minutes:g} minutes")
        console.say("hint: `pulumi up` refuses that; `videogen run` shortens the lease")
    else:
        console.warn(f"{cap} pays {workers} for {budget.paid_minutes:g} minutes, a boot may take {budget.lease.boot:g}")
    for one in found:
        fits, dollars = job_forecast.within(one, budget), one.bill.dollars
        if fits == "yes":
            continue
        word = "may not be" if fits == "perhaps" else "is not"
        figures = f"about {duration(one.paid.likely)}, at worst {duration(one.paid.high)}"
        sums = (
            f"${dollars.likely:.2f}, at worst ${dollars.high:.2f}" if one.dollars_per_hour is not None else "no price"
        )
        console.warn(f"on {one.gpu} it {word} done within {budget.paid_minutes:g} minutes: {figures} ({sums})")


def _document(found: list[Forecast], alone: Forecast | None, offers: Offers, rents: str, phase: str) -> dict[str, Any]:
    terms, budget = offers.terms, offers.budget
    cheapest, fastest = job_forecast.best(found)
    return {
        "phase": phase,
        "stack": rents,
        "workers": terms.workers,
        "boot_basis": terms.boot_basis,
        "model_bytes": terms.model_bytes,
        "cheapest": cheapest.gpu if cheapest else None,
        "fastest": fastest.gpu if fastest else None,
        "cap_dollars": budget.cap.run,
        "worst_dollars": budget.worst,
        "paid_minutes": budget.paid_minutes,
        "with_one_worker": _alone(alone) if alone else None,
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
                "paid_seconds": _three(one.paid),
                "dollars": _money_of(one.bill.dollars) if one.dollars_per_hour is not None else None,
                "done_in_paid_time": job_forecast.within(one, budget),
                "dollars_a_video": one.dollars_a_video,
                "dollars_a_finished_second": one.dollars_a_second,
                "traffic_dollars": _money_of(one.bill.traffic),
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


def _alone(one: Forecast) -> dict[str, Any]:
    return {"gpu": one.gpu, "batch_seconds": _three(one.batch), "dollars": _money_of(one.bill.dollars)}


def _three(value: Seconds) -> dict[str, float]:
    return {"likely": round(value.likely, 1), "low": round(value.low, 1), "high": round(value.high, 1)}


def _money_of(value: Dollars) -> dict[str, Decimal]:
    return {"likely": value.likely, "low": value.low, "high": value.high}
