"""`videogen sweep`: ends what has no right to live, on every cloud."""

from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from videogen import declared, places, stack
from videogen.cli.options import AsJson
from videogen.clouds.choose import choose
from videogen.console import Console, counted, table
from videogen.errors import InputError
from videogen.money import CENT
from videogen.sweep import Finding, Swept, sweep

ENDED = ("ended", "closed")
LEFT = ("not ended", "to be ended", "to be closed", "open")


def sweep_verb(
    stacks: Annotated[
        list[str] | None, typer.Option("--stack", "-s", help="Stack to look after; again for more.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every stack that has a file in this checkout.")] = False,
    clouds: Annotated[
        list[str] | None, typer.Option("--cloud", help="Look there too, though no stack names it: runpod, local.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--outputs", metavar="FILE", help="Outputs that lead to the store, for machines without Pulumi."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be ended; end nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """End every machine that has no right to live, and prove that all others are known. For any machine and schedule.

    The exit code is 0 only when everything is known and right; an empty or failed list is neither.
    """
    if bool(stacks) == every:
        raise InputError.of("--stack", "name stacks, or --all (one of the two)", "videogen sweep --all")
    console = Console(as_json)
    names = declared.stacks() if every else tuple(stacks or ())
    store = stack.read_store_file(file) if file else None
    where = places.places(names, tuple(clouds or ()), store, choose, every=every)
    swept = {place.name: sweep(place, names, places.state_of, dry_run=dry_run) for place, names in where.found}
    findings = [finding for one in swept.values() for finding in one.findings]
    alarms = [*where.alarms, *(alarm for one in swept.values() for alarm in one.alarms)]
    left = [finding for finding in findings if finding.fate in LEFT[:3]]
    console.data(
        {
            "dry_run": dry_run,
            "right": not alarms and not left,
            "findings": [asdict(finding) for finding in findings],
            "volumes": [asdict(volume) for one in swept.values() for volume in one.volumes],
            "strangers": [said for one in swept.values() for said in one.strangers],
            "alarms": alarms,
            "left_out": where.left_out,
        },
        _table(findings) if findings else None,
    )
    _say(console, swept, findings, where.left_out)
    for alarm in alarms:
        console.warn(alarm)
    if alarms or left:
        raise typer.Exit(1)


def _say(console: Console, swept: dict[str, Swept], findings: list[Finding], left_out: list[str]) -> None:
    for said in left_out:
        console.say(said)
    for place, one in swept.items():
        for volume in one.volumes:
            where = f"{volume.size_gb} GB in {volume.place}, ${volume.dollars_per_month} a month"
            console.say(f"{place}: volume {volume.name} ({where}): no stack here declares it")
        for stranger in one.strangers:
            console.say(f"{place}: not ours, left alone: {stranger}")
    ended = sum(finding.fate in ENDED for finding in findings)
    living = [finding for finding in findings if finding.fate not in ENDED]
    hourly = sum((finding.dollars_per_hour for finding in living), Decimal(0))
    console.say(
        f"{counted(len(swept), 'place')}: {ended} ended or closed, {len(living)} live at ${hourly.quantize(CENT)}/h"
    )


def _table(findings: list[Finding]) -> Table:
    shown = table("machine", "place", "GPU", "what", "why", "$ so far", "$/h", numbers=("$ so far", "$/h"))
    for one in findings:
        dollars = str(one.dollars.quantize(CENT))
        shown.add_row(one.machine, one.place, one.gpu, one.fate, one.why, dollars, str(one.dollars_per_hour))
    return shown
