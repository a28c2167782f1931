"""What is wrong with an output, as values that a ledger and a record keep."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["broken", "suspicious"]


@dataclass(frozen=True)
class Flaw:
    """One thing that is wrong with a video, or that somebody should look at."""

    kind: str
    """`black`, `frozen`, `flicker`, …: the same word for the same fault, for counting."""
    severity: Severity
    """`broken`: it is not worth keeping. `suspicious`: it is kept, and this is said."""
    message: str
    """What was seen, with numbers, after the video's name."""
    at: float | None = None
    """Second at which it begins, where it has one."""

    def __str__(self) -> str:
        return self.message if self.at is None else f"{self.message} (at {self.at:.1f} s)"
