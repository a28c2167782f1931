"""`videogen cost`: what a month has cost, by what, and what costs money now."""

import os
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import Annotated, Any

import typer
from rich.table import Table

from videogen import finished, living, project, stack, store_settings
from videogen.cli.options import AsJson, OutputsFile, Stack, store_of_stack
from videogen.clouds import Cloud
from videogen.clouds.choose import choose
from videogen.console import Console, counted, duration, table
from videogen.document import did_you_mean, load
from videogen.errors import Fault, InputError
from videogen.living import Living
from videogen.money import CENT, Rates
from videogen.receipts import Receipts
from videogen.spending import KEYS, Key, Share, Spent, shares
from videogen.stack_outputs import StoreOutputs
from videogen.store import Store

RATES = "money.yaml"
PATIENCE_SECONDS = 10.0
SLACK = timedelta(days=1)
"""Between the clock that a rent was written by and the store's, by which videos are found."""
TITLES = {"phase": "phase", "batch": "batch", "gpu": "GPU", "stack": "stack"}


def cost(
    name: Stack = None,
    file: OutputsFile = None,
    month: Annotated[str | None, typer.Option(metavar="YYYY-MM", help="Calendar month, UTC.  [default: now]")] = None,
    by: Annotated[str, typer.Option(help=f"Tell it by these, separated by commas: {', '.join(KEYS)}.")] = ",".join(
        KEYS[:3]
    ),
    yen: Annotated[float | None, typer.Option(min=0.01, help=f"Yen for a dollar.  [default: as {RATES} says]")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a month has cost in all stacks of a bucket, what costs money now, and dollars a second of video.

    The sums come from the receipts in the bucket, and from what is rented still, at the most that was accepted. The
    exit code is 1 when something could not be found out; what is known is shown all the same.
    """
    console = Console(as_json)
    keys = _keys(by)
    now = datetime.now(UTC)
    if month is not None and not re.fullmatch(r"2[0-9]{3}-(0[1-9]|1[0-2])", month):
        raise InputError.of(f"--month {month}", "is no month", f"such as {now:%Y-%m}")
    rate = Decimal(str(yen)) if yen is not None else _rate()
    place = _place(name, file)
    store = Store(place.store, place.store_access, patience_seconds=PATIENCE_SECONDS)
    used = name or place.stack
    spent = Receipts(project.state(used), store).month(now, month)
    began = {one.machine: one.started for one in spent.receipts} | {one.machine: one.rented for one in spent.open_rents}
    videos, unread = finished.videos(store, began, min(began.values(), default=now) - SLACK)
    found = living.living(spent, _clouds(spent, used, place)) if spent.is_now else Living((), (), ())
    parts, (whole, *_) = shares(spent, videos, keys), (*shares(spent, videos, ()), _NOTHING)
    faults = (*spent.faults, *unread)
    if as_json:
        console.data(_document(spent, found, parts, whole, keys, rate, faults))
    else:
        _show(console, spent, found, parts, whole, keys, rate)
    for fault in faults:
        console.warn(f"{fault}; it is not in the sum")
    for said in found.unknown:
        console.warn(said)
    if faults or found.unknown:
        raise typer.Exit(1)


_NOTHING = Share((), 0, 0, Decimal(0), Decimal(0))


def _keys(by: str) -> tuple[Key, ...]:
    words = [word.strip() for word in by.split(",") if word.strip()]
    wrong = [word for word in words if word not in KEYS]
    if wrong or not words:
        at = f"--by {by}"
        raise InputError(
            [Fault(at, f"`{word}` is none of {', '.join(KEYS)}", did_you_mean(word, KEYS)) for word in wrong or [by]]
        )
    return tuple(key for key in KEYS if key in words)


def _rate() -> Decimal | None:
    """As the checkout's file says; nothing without one: then there are only dollars."""
    path = project.root() / RATES
    return load(Rates, project.read(path), RATES).yen_per_dollar if path.exists() else None


def _place(name: str | None, file: Any) -> StoreOutputs:
    if name and file:
        raise InputError.of("--stack", "name a stack, or a file with --outputs (one of the two)")
    if name:
        return store_of_stack(name)
    if file:
        return stack.read_store_file(file)
    if found := store_settings.from_environment(os.environ):
        return found
    raise InputError.of("--stack", "whose bucket has the receipts?", "--stack dev, --outputs FILE, VIDEOGEN_STORE_…")


def _clouds(spent: Spent, used: str, place: StoreOutputs) -> dict[str, Callable[[], Cloud]]:
    """Those of this month, and RunPod wherever there is a key: it may hold what no book knows."""
    names = {(one.cloud, one.stack) for one in spent.open_rents} | {(one.cloud, one.stack) for one in spent.receipts}
    names |= {("runpod", used)} if os.environ.get("RUNPOD_API_KEY") else set()
    return {living.place(*one): partial(choose, *one, place.store) for one in sorted(names)}


def _document(
    spent: Spent,
    found: Living,
    parts: tuple[Share, ...],
    whole: Share,
    keys: tuple[Key, ...],
    rate: Decimal | None,
    faults: tuple[Fault, ...],
) -> dict[str, Any]:
    return {
        "month": spent.month,
        "dollars": str(spent.dollars),
        "yen": _yen(spent.dollars, rate),
        "yen_per_dollar": None if rate is None else str(rate),
        "ended": str(spent.ended),
        "rented": str(spent.living),
        "outside_the_books": str(found.outside),
        "receipts": [one.model_dump(mode="json", by_alias=True) for one in spent.receipts],
        "video_seconds": str(whole.video_seconds),
        "dollars_per_second": _text(whole.dollars_per_second),
        "by": [
            {
                **dict(zip(keys, share.of, strict=True)),
                "machines": share.machines,
                "machine_seconds": share.machine_seconds,
                "dollars": str(share.dollars),
                "yen": _yen(share.dollars, rate),
                "video_seconds": str(share.video_seconds),
                "dollars_per_second": _text(share.dollars_per_second),
            }
            for share in parts
        ],
        "lives": [asdict(one) for one in found.machines],
        "dollars_per_hour": str(found.dollars_per_hour),
        "lasts": [asdict(one) for one in found.volumes],
        "dollars_per_month": str(found.dollars_per_month),
        "faults": [str(fault) for fault in faults],
        "unknown": list(found.unknown),
    }


def _show(
    console: Console,
    spent: Spent,
    found: Living,
    parts: tuple[Share, ...],
    whole: Share,
    keys: tuple[Key, ...],
    rate: Decimal | None,
) -> None:
    sums = [
        f"{spent.month}{' to date' if spent.is_now else ''}: {_money(spent.dollars, rate)}",
        f"{counted(len(spent.receipts), 'receipt')}: ${_cents(spent.ended)}",
    ]
    if spent.open_rents:
        sums.append(f"{counted(len(spent.open_rents), 'machine')} not proven gone: up to ${_cents(spent.living)}")
    if found.outside:
        sums.append(f"and outside the books: ${_cents(found.outside)}, not in this sum; `videogen sweep` looks at it")
    if whole.dollars_per_second is not None:
        made = duration(float(whole.video_seconds))
        sums.append(f"{made} of finished video: {_money(whole.dollars_per_second, rate, 4)} a second")
    if not spent.is_now:
        sums.append("what lives and what lasts is shown with the month that is now")
    else:
        known = "; what else lives is unknown" if found.unknown else ""
        sums.append(f"{counted(len(found.machines), 'machine')} rented now: ${found.dollars_per_hour}/h{known}")
    if found.volumes:
        sums.append(f"{counted(len(found.volumes), 'volume')}: ${_cents(found.dollars_per_month)} a month")
    for rows in (_parts(parts, keys, rate), _lives(found), _lasts(found)):
        if rows.row_count:
            console.data(None, rows, [""])
    console.data(None, lines=sums)


def _parts(parts: tuple[Share, ...], keys: tuple[Key, ...], rate: Decimal | None) -> Table:
    numbers = ("workers", "time", "$", "¥", "video", "$ a second")
    shown = table(*(TITLES[key] for key in keys), *numbers, numbers=numbers)
    for one in parts:
        video = duration(float(one.video_seconds)) if one.video_seconds else "–"
        shown.add_row(
            *(word or "–" for word in one.of),
            str(one.machines),
            duration(one.machine_seconds),
            _cents(one.dollars),
            "–" if rate is None else f"{_yen(one.dollars, rate):,}",
            video,
            _text(one.dollars_per_second) or "–",
        )
    return shown


def _lives(found: Living) -> Table:
    shown = table("lives now", "stack", "GPU", "since (UTC)", "state", "$/h", "$ so far", numbers=("$/h", "$ so far"))
    for one in found.machines:
        state = one.state if one.in_books else f"{one.state}, not in the books"
        since = one.since.astimezone(UTC).strftime("%d %b %H:%M")
        shown.add_row(one.machine, one.stack, one.gpu, since, state, str(one.dollars_per_hour), _cents(one.dollars))
    return shown


def _lasts(found: Living) -> Table:
    shown = table("lasts", "cloud", "size", "place", "$ a month", numbers=("size", "$ a month"))
    for one in found.volumes:
        shown.add_row(one.name, one.cloud, f"{one.size_gb} GB", one.place, _cents(one.dollars_per_month))
    return shown


def _money(dollars: Decimal, rate: Decimal | None, places: int = 2) -> str:
    """`$12.34 (¥1,913)`."""
    shown = f"${dollars.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)}"
    if rate is None:
        return shown
    yen = (dollars * rate).quantize(CENT if places > 2 else Decimal(1), ROUND_HALF_UP)
    return f"{shown} (¥{yen:,})"


def _yen(dollars: Decimal, rate: Decimal | None) -> int | None:
    return None if rate is None else int((dollars * rate).quantize(Decimal(1), ROUND_HALF_UP))


def _cents(dollars: Decimal) -> str:
    return str(dollars.quantize(CENT, ROUND_HALF_UP))


def _text(dollars: Decimal | None) -> str | None:
    return None if dollars is None else str(dollars)
