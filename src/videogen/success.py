"""How often a batch succeeds, GPU against GPU."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from videogen.breakage import CONDITIONS, Tried


@dataclass(frozen=True)
class Success:
    """One batch on one GPU."""

    batch: str
    gpu: str
    jobs: int
    """Tried on it."""
    done: int
    """Of these, with a video from it."""
    attempts: int
    good: int
    first: int
    """Jobs whose first attempt there made the video."""
    suspicious: int
    """Videos that were kept although their check found something."""
    seconds: float | None
    """Median of the rendering, by ComfyUI's clock."""
    failures: dict[str, int]
    """Class → how many."""

    @property
    def rate(self) -> float:
        """Good attempts of all, 0 to 1."""
        return self.good / self.attempts

    @property
    def margin(self) -> float:
        """Half the width of the 95 % interval around the rate (Wilson): how much of a difference may be chance."""
        z, n, p = 1.96, self.attempts, self.rate
        return float(z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5)


def success(tried: Sequence[Tried]) -> list[Success]:
    """A row for each batch and GPU, in the order of the batches, the best GPU first."""
    groups: dict[tuple[str, str], list[Tried]] = {}
    for one in tried:
        groups.setdefault((one.job.batch, CONDITIONS["gpu"](one)), []).append(one)
    rows = [_row(batch, gpu, group) for (batch, gpu), group in groups.items()]
    order = list(dict.fromkeys(one.job.batch for one in tried))
    return sorted(rows, key=lambda row: (order.index(row.batch), -row.rate, row.gpu))


def _row(batch: str, gpu: str, group: Sequence[Tried]) -> Success:
    good = [one for one in group if one.failure is None]
    firsts = {one.job.id: one for one in sorted(group, key=lambda one: -one.attempt.number)}
    seconds = [one.attempt.render_seconds for one in good if one.attempt.render_seconds is not None]
    return Success(
        batch=batch,
        gpu=gpu,
        jobs=len(firsts),
        done=len({one.job.id for one in good}),
        attempts=len(group),
        good=len(good),
        first=sum(one.failure is None for one in firsts.values()),
        suspicious=sum(any(flaw.severity == "suspicious" for flaw in one.flaws) for one in good),
        seconds=statistics.median(seconds) if seconds else None,
        failures={str(kind): n for kind, n in Counter(one.failure.kind for one in group if one.failure).most_common()},
    )
