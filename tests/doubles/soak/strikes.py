"""What can go wrong, each with its name; one of them at random is one fault."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from videogen.receipts import Receipts

if TYPE_CHECKING:
    from tests.doubles.soak.drill import Drill

Strike = Callable[["Drill"], None]

H100, L40S = "NVIDIA H100 80GB HBM3", "NVIDIA L40S"


def _fault(drill: Drill, kind: str, few: int, **scope: Any) -> None:
    """A fault of the cloud, at most so many times."""
    drill.fake.fault(kind, times=drill.random.randint(1, few), **scope)


def _soon(drill: Drill, kind: str, **more: Any) -> None:
    """What comes over the next pod or the one after it, some time after it runs."""
    drill.fake.fault(kind, times=1, seconds=drill.random.uniform(1, 3000), **more)


def _price_change(drill: Drill) -> None:
    _soon(drill, "price-change", dollars=drill.random.choice(("0.50", "9.99")))


def _late_bill(drill: Drill) -> None:
    _fault(drill, "late-bill", 40, seconds=drill.random.choice((600, 7200)))


def _catalog_price(drill: Drill) -> None:
    drill.fake.price(drill.random.choice((H100, L40S)), drill.random.choice(("0.86", "2.15", "3.99", "4.60")))


def _no_stock(drill: Drill) -> None:
    for gpu in drill.random.sample(sorted(drill.fake.catalog.gpus), 5):
        drill.fake.stock(gpu, 0)


def _killed(drill: Drill) -> None:
    drill.random.choice(drill.operators).killed_after = drill.random.randrange(60)


def _interrupted(drill: Drill) -> None:
    drill.random.choice(drill.operators).stopped_after = drill.random.randrange(20)


def _agent_dead(drill: Drill) -> None:
    drill.next_agent_dead += 1


def _agents_die(drill: Drill) -> None:
    for worker in drill.workers.values():
        worker.agent_dead = True


def _clocks_wrong(drill: Drill) -> None:
    for worker in drill.workers.values():
        worker.skew += drill.random.choice((-3600, 3600))


def _store_down(drill: Drill) -> None:
    drill.bucket.down = drill.random.randint(1, 30)


def _state_lost(drill: Drill) -> None:
    drill.random.choice(drill.operators).state.clear()


def _disk_lost(drill: Drill) -> None:
    """What this machine alone has of the books, but for receipts that wait for the bucket."""
    operator = drill.random.choice(drill.operators)
    books = drill.folder / operator.name
    if books.exists() and not Receipts(books, drill.hands(operator.name).store).waiting():
        books.rename(drill.folder / f"{operator.name}-lost-{len(drill.struck)}-{drill.clock().timestamp()}")


def _state_unreadable(drill: Drill) -> None:
    drill.unreadable = drill.random.randint(1, 5)


def _somebody_else(drill: Drill) -> None:
    """The second operator works with the same stack at the same time."""
    operator, stack = drill.random.choice(drill.operators), drill.random.choice(("phase-a", "phase-c"))
    drill.meanwhile.append(lambda: operator.works(stack))


def _month_full(drill: Drill) -> None:
    drill.random.choice(drill.operators).month = Decimal(drill.random.randint(1, 40))


def _stranger(drill: Drill) -> None:
    name = f"videogen-{drill.random.randrange(16**8):08x}-phase-c-1-x"
    drill.fake.plant(name, env={"VIDEOGEN_WORKER": "phase-c-1-y"})


STRIKES: list[tuple[str, Strike]] = [
    ("no capacity", partial(_fault, kind="no-capacity", few=6)),
    ("no stock", _no_stock),
    ("dearer", partial(_fault, kind="dearer", few=2, dollars="9.99")),
    ("another price", _catalog_price),
    ("402", partial(_fault, kind="refuse", few=1, status=402)),
    ("403", partial(_fault, kind="refuse", few=2, status=403)),
    ("429", partial(_fault, kind="refuse", few=3, status=429, retry_after=7)),
    ("500, nothing made", partial(_fault, kind="refuse", few=2, status=500)),
    ("500, made", partial(_fault, kind="refuse", few=2, status=500, done=True)),
    ("silence, nothing made", partial(_fault, kind="drop", few=2)),
    ("silence, made", partial(_fault, kind="drop", few=2, done=True)),
    ("held, made", partial(_fault, kind="hold", few=1, done=True, seconds=0.02)),
    ("stuck", partial(_fault, kind="stuck", few=2)),
    ("gone", partial(_soon, kind="gone")),
    ("exited", partial(_soon, kind="exit")),
    ("price change", _price_change),
    ("empty list", partial(_fault, kind="empty-list", few=8)),
    ("half a list", partial(_fault, kind="half-list", few=4)),
    ("missing in lists", partial(_fault, kind="missing", few=10)),
    ("no list", partial(_fault, kind="refuse", few=15, on="list", status=503)),
    ("no answer of one", partial(_fault, kind="drop", few=8, on="get")),
    ("delete lives on", partial(_fault, kind="lives-on", few=2)),
    ("delete lives on for a while", partial(_fault, kind="lives-on", few=2, reads=4)),
    ("delete 404", partial(_fault, kind="refuse", few=4, on="delete", status=404)),
    ("delete 500", partial(_fault, kind="refuse", few=4, on="delete", status=500)),
    ("delete done, 500", partial(_fault, kind="refuse", few=4, on="delete", status=500, done=True)),
    ("delete done, silence", partial(_fault, kind="drop", few=2, on="delete", done=True)),
    ("own key refused", partial(_fault, kind="refuse", few=30, on="any", key="pod", status=403)),
    ("own end done, silence", partial(_fault, kind="drop", few=1, on="action", done=True)),
    ("all away", partial(_fault, kind="refuse", few=20, on="any", status=503)),
    ("key refused", partial(_fault, kind="refuse", few=5, on="any", status=401)),
    ("no catalog", partial(_fault, kind="refuse", few=12, on="catalog", status=503)),
    ("no bill", partial(_fault, kind="refuse", few=15, on="billing", status=503)),
    ("late bill", _late_bill),
    ("killed", _killed),
    ("killed", _killed),
    ("killed", _killed),
    ("ctrl-c", _interrupted),
    ("no agent", _agent_dead),
    ("agents die", _agents_die),
    ("clocks wrong", _clocks_wrong),
    ("store down", _store_down),
    ("state lost", _state_lost),
    ("disk lost", _disk_lost),
    ("state unreadable", _state_unreadable),
    ("second operator", _somebody_else),
    ("second operator", _somebody_else),
    ("month full", _month_full),
    ("stranger", _stranger),
]
