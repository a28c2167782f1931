"""What a batch takes and costs on each GPU that a phase may rent: time, memory, dollars, and what to cut.

Pure: jobs, sizes and what was seen go in, a forecast for each GPU comes out.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from videogen.batch import Job
from videogen.boundary import Observation as Seen
from videogen.budget import Budget
from videogen.dispatch import Waiting, waiting
from videogen.gpu import Gpu
from videogen.graph import Graph
from videogen.ladder import AS_ASKED, Step, ask_of, first, steps
from videogen.ledger_rows import HERE
from videogen.planner.estimate import (
    FITS,
    NONE,
    Estimate,
    Fit,
    Observation,
    Part,
    Seconds,
    estimate,
    estimate_here,
    learned,
    stay,
    total,
)
from videogen.planner.jobs import fed, works
from videogen.planner.rental import Bill, Terms, bill
from videogen.planner.schedule import Course, Timed, course
from videogen.planner.work import Clip, Work, work
from videogen.workflow import Workflow


@dataclass(frozen=True)
class Line:
    """One part of the sum over all jobs."""

    title: str
    why: str
    """Of one of its jobs."""
    times: int
    seconds: Seconds
    """All of them together."""


@dataclass(frozen=True)
class Forecast:
    """A batch on workers of one GPU."""

    gpu: Gpu
    dollars_per_hour: Decimal | None
    """Nothing for a GPU that is not rented: its bill means nothing then."""
    fit: Fit
    memory_gib: float
    """Of the GPU, for the job that needs most."""
    host_gib: float
    """Of the machine's own memory, for the job that needs most."""
    basis: str
    """`measured`, `scaled`, or `learned from 7`."""
    parts: tuple[Line, ...]
    work: Seconds
    """All jobs one after the other."""
    wall: Seconds
    """Until the last job is done, on all workers, from the first one's start on."""
    rented: Seconds
    """Until no worker is needed any more: post steps that are left then are done when the workers are gone."""
    bill: Bill
    videos: int
    finished_seconds: float
    """Of video; 0 where the graphs do not say it."""
    begins: tuple[str, ...]
    """Rungs on which jobs begin, since memory ended there before."""
    cut: tuple[str, ...]
    """The first rungs with which all jobs that are too large would fit; empty where all fit, or nothing helps."""
    unknown: tuple[str, ...]

    @property
    def batch(self) -> Seconds:
        """From `pulumi up` to the last finished job."""
        return self.bill.boot + self.wall

    @property
    def paid(self) -> Seconds:
        """From `pulumi up` to the end of the last job that needs a worker."""
        return self.bill.boot + self.rented

    @property
    def possible(self) -> bool:
        """Whether every job fits, at least with weights that come and go."""
        return self.fit != "too large"

    @property
    def dollars_a_video(self) -> Decimal | None:
        """Nothing without a price."""
        return None if self.dollars_per_hour is None else self.bill.dollars.likely / max(1, self.videos)

    @property
    def dollars_a_second(self) -> Decimal | None:
        """Of finished video; nothing without a price, or where nobody says how long the videos are."""
        if self.dollars_per_hour is None or not self.finished_seconds:
            return None
        return self.bill.dollars.likely / Decimal(str(self.finished_seconds))


Within = Literal["yes", "perhaps", "no"]
"""Even in the worst case; likely, not surely; not even likely."""


def within(found: Forecast, budget: Budget) -> Within:
    """Whether the workers are done with the batch in their paid time. The cap holds either way: it ends them."""
    most = budget.paid_minutes * 60
    if not budget.pays_work or found.paid.likely > most:
        return "no"
    return "yes" if found.paid.high <= most else "perhaps"


@dataclass(frozen=True)
class Known:
    """What this project has seen."""

    boundary: tuple[Seen, ...] = ()
    finished: tuple[Observation, ...] = ()


def forecasts(
    jobs: Sequence[Job],
    workflow: Workflow,
    gpus: Iterable[Gpu],
    sizes: Mapping[str, int],
    terms: Terms,
    prices: Mapping[Gpu, Decimal],
    known: Known | None = None,
    inputs: Mapping[str, Clip] | None = None,
) -> list[Forecast]:
    """The batch on each of the GPUs, in their order.

    `sizes` has the bytes of each model file by the name that the graphs use, `inputs` the shape of the batch's own
    videos by their names on a worker.
    """
    asked = works(jobs, inputs)
    return [
        _forecast(_Gpu(gpu, jobs, workflow, asked, sizes, known or Known(), inputs or {}), terms, prices.get(gpu))
        for gpu in gpus
    ]


def best(found: Sequence[Forecast]) -> tuple[Forecast | None, Forecast | None]:
    """The cheapest a finished second, and the fastest, of those on which the batch is possible."""
    possible = [one for one in found if one.possible]
    priced = [one for one in possible if one.dollars_per_hour is not None]
    cheapest = min(priced, key=lambda one: one.dollars_a_second or one.bill.dollars.likely, default=None)
    return cheapest, min(possible, key=lambda one: (one.batch.likely, one.batch.high), default=None)


@dataclass(frozen=True)
class _Placed:
    """One job on the GPU."""

    found: Estimate
    rung: str
    cut: str | None
    """The rung that makes it fit; nothing where it does."""


class _Gpu:
    """The jobs of a batch on one GPU. Jobs that ask the same are looked at once."""

    def __init__(
        self,
        gpu: Gpu,
        jobs: Sequence[Job],
        workflow: Workflow,
        asked: Mapping[str, Work],
        sizes: Mapping[str, int],
        known: Known,
        inputs: Mapping[str, Clip],
    ) -> None:
        self.gpu, self.jobs, self.asked = gpu, jobs, asked
        self._workflow, self._sizes, self._known, self._inputs = workflow, sizes, known, inputs
        self.warm = stay((asked[job.id] for job in jobs if not job.post), gpu, sizes)
        self._seen: dict[tuple[str, str, Work], _Placed] = {}
        self._cold: dict[tuple[str, str, Work], tuple[Part, ...]] = {}

    def placed(self, job: Job) -> _Placed:
        """The job where it would begin on this GPU."""
        key = job.workflow, job.step, self.asked[job.id]
        if key not in self._seen:
            self._seen[key] = self._place(job)
        return self._seen[key]

    def cold(self, job: Job) -> tuple[Part, ...]:
        """The job as a worker's first one, which has to load its models."""
        key = job.workflow, job.step, self.asked[job.id]
        if key not in self._cold:
            found = self.placed(job)
            loaded = estimate(self._work(job, self._step(job, found.rung)), self.gpu, self._sizes)
            self._cold[key] = (loaded.parts[0], *found.found.parts[1:])
        return self._cold[key]

    def here(self, job: Job) -> tuple[Part, ...]:
        """A post step."""
        parts = estimate_here(self.asked[job.id])
        found = Estimate(self.gpu, parts, "scaled", 0, "fits", ())
        mine = [replace(one, gpu=self.gpu) for one in self._known.finished if one.gpu == HERE]
        return learned(found, job.workflow, mine).parts

    def _place(self, job: Job) -> _Placed:
        ladder = self._ladder(job)
        ask = ask_of(job.workflow, self.asked[job.id])
        step = first(ask, self.gpu, ladder, self._known.boundary) if ask else ladder[0]
        found = self._estimate(job, step)
        cut = None
        if found.fit == "too large":
            lower = ladder[ladder.index(step) + 1 :]
            cut = next((one.rung for one in lower if self._estimate(job, one).fit != "too large"), None)
        return _Placed(learned(found, job.workflow, self._known.finished), step.rung, cut)

    def _estimate(self, job: Job, step: Step) -> Estimate:
        return estimate(self._work(job, step), self.gpu, self._sizes, warm=self.warm)

    def _work(self, job: Job, step: Step) -> Work:
        if step.rung == AS_ASKED:
            return self.asked[job.id]
        drawn = step.on(job, self._workflow.doing(job.step))
        return work(Graph(drawn.prompt), {**self._inputs, **fed(job, self.asked)})

    def _ladder(self, job: Job) -> list[Step]:
        return steps(job, self._workflow.doing(job.step), self.jobs)

    def _step(self, job: Job, rung: str) -> Step:
        return next(step for step in self._ladder(job) if step.rung == rung)


def _forecast(on: _Gpu, terms: Terms, price: Decimal | None) -> Forecast:
    placed = {job.id: on.placed(job) for job in on.jobs if not job.post}
    own = {job.id: on.here(job) if job.post else placed[job.id].found.parts for job in on.jobs}
    cold = {job.id: on.cold(job) for job in on.jobs if on.warm and not job.post and on.asked[job.id].models}
    likely, low, high = (_course(on.jobs, own, cold, terms.workers, which) for which in ("likely", "low", "high"))
    parts: dict[str, Line] = {}
    work = NONE
    for job in on.jobs:
        title = f"{job.step}: " if job.step else ""
        for part in cold[job.id] if job.id in likely.loading else own[job.id]:
            name = title + part.title
            line = parts.get(name, Line(name, part.why, 0, NONE))
            parts[name] = replace(line, times=line.times + 1, seconds=line.seconds + part.seconds)
            work += part.seconds
    rented = Seconds(likely.rented, low.rented, high.rented)
    finished = [clip.seconds for job in on.jobs if job.final and (clip := on.asked[job.id].clip)]
    found = [one.found for one in placed.values()]
    cuts = [one.cut for one in placed.values() if one.found.fit == "too large"]
    return Forecast(
        on.gpu,
        price,
        max((one.fit for one in found), key=FITS.index, default="fits"),
        max((one.memory_gib for one in found), default=0),
        max((one.host_gib for one in found), default=0),
        _basis(found),
        tuple(parts.values()),
        work,
        Seconds(likely.whole, low.whole, high.whole),
        rented,
        bill(terms, price or Decimal(0), rented),
        sum(job.final for job in on.jobs),
        sum(finished),
        tuple(dict.fromkeys(one.rung for one in placed.values() if one.rung)),
        tuple(dict.fromkeys(one for one in cuts if one)) if all(cuts) else (),
        tuple(dict.fromkeys(name for job in on.jobs for name in on.asked[job.id].unknown)),
    )


def _course(
    jobs: Sequence[Job],
    own: Mapping[str, tuple[Part, ...]],
    cold: Mapping[str, tuple[Part, ...]],
    workers: int,
    which: Literal["likely", "low", "high"],
) -> Course:
    def seconds(parts: tuple[Part, ...]) -> float:
        found: float = getattr(total(parts), which)
        return found

    def timed(job: str, waits: Waiting) -> Timed:
        mine = seconds(own[job])
        return Timed(waits, mine, seconds(cold[job]) - mine if job in cold else 0.0)

    return course([timed(job, waits) for job, waits in waiting(jobs, ()).items()], workers)


def _basis(found: Sequence[Estimate]) -> str:
    """Of most weight is what nobody measured."""
    counted = Counter({one.basis: one.learned_from for one in found})
    plain = [one for one in ("scaled", "measured") if one in counted]
    if "learned" not in counted:
        return plain[0] if plain else "scaled"
    said = f"learned from {counted['learned']}"
    return f"{plain[0]}, partly {said}" if plain else said
