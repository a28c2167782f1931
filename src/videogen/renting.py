"""`pulumi up` and `pulumi destroy` for a run: told line by line, stopped in order, and a destroy that insists."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from videogen import pulumi_stack
from videogen.errors import VideogenError
from videogen.pulumi_stack import Update
from videogen.stops import Stops

UP_ENDS_SECONDS = 180.0
"""How long an `up` that was asked to stop may take to end what it has just rented, before it is killed."""
AGAIN_SECONDS = (2.0, 10.0, 30.0)
"""Between one destroy that failed and the next."""
_LOOK_SECONDS = 0.1
_STEP = re.compile(r"^ (?:\S{1,3}) +[\w:/]+:(\w+) (\S+) (.+)$")
_NOISE = re.compile(
    r"^(@ |Updating|Destroying|Resources:|Duration:|Diagnostics:|    [-+~] ?\d|  pulumi:pulumi:Stack"
    r"|The resources in|If you want)"
)

Say = Callable[[str], None]


class StackBusy(VideogenError):
    """Somebody else works with the stack; nothing of it was touched."""


class LeftBehind(VideogenError):
    """The user did not wait for the end of a destroy, which goes on by itself."""


def told(line: str) -> str | None:
    """A line of Pulumi's as a person wants it; nothing for those that say nothing."""
    if step := _STEP.match(line):
        kind, name, doing = step.groups()
        return None if kind == "Stack" else f"{name}: {doing.strip()}"
    return None if not line.strip() or _NOISE.match(line) else line.strip()


@dataclass
class Renting:
    """One stack in the name of one run; `environment` is what Pulumi's plugin is told of the run."""

    stack: str
    log: Path
    environment: Mapping[str, str]
    stops: Stops
    say: Say
    pauses: tuple[float, ...] = AGAIN_SECONDS
    up_ends: float = UP_ENDS_SECONDS
    owed: bool = False
    """Whether something may be rented, so that a destroy is owed."""
    left: Update | None = field(default=None, init=False)
    """A destroy that goes on by itself."""
    _last: str | None = field(default=None, init=False)
    _answered: bool = field(default=False, init=False)
    _before: bool = field(default=False, init=False)

    def up(self) -> None:
        """Rents; returns when every worker is proven ready.

        Raises what `stops` says when it was asked to stop, `StackBusy` when somebody else holds the stack, and
        `VideogenError` when Pulumi fails.
        """
        self._before, self.owed = self.owed, True
        update = self._started("up")
        deadline: float | None = None
        while update.code() is None:
            self._tell(update)
            if self.stops.asked.is_set() and deadline is None:
                deadline = time.monotonic() + self.up_ends
                self.say("stopping: Pulumi ends what it has just rented …")
                update.interrupt()
            elif self.stops.hurry.is_set() and not self._answered:
                self._answered = True
                self.say("what was rented is being ended; nothing is quicker")
            elif deadline is not None and time.monotonic() > deadline:
                self.say(f"it did not within {self.up_ends:g} s: killed; the destroy that follows ends what is left")
                update.kill()
            update.wait(_LOOK_SECONDS)
        self._tell(update)
        if self.stops.asked.is_set():
            raise self.stops.why()
        if update.code() != 0:
            if self._unlocked(update):
                self.up()
                return
            raise VideogenError(f"{update.command} failed", f"its words are above, and in {self.log}")

    def destroy(self) -> None:
        """Ends everything of the stack, again and again.

        Signals do not stop it: the first one is answered, after the second one it goes on by itself and `LeftBehind`
        is raised. Raises `VideogenError` when it fails at last.
        """
        signals, self._answered = self.stops.signals, False
        for pause in (*self.pauses, None):
            update = self._started("destroy")
            while update.code() is None:
                self._tell(update)
                self._answer(update, signals)
                update.wait(_LOOK_SECONDS)
            self._tell(update)
            if update.code() == 0:
                return
            if pulumi_stack.left_locked(update.said()):
                pulumi_stack.unlock(self.stack)
            elif pause is None:
                raise VideogenError(f"{update.command} failed {len(self.pauses) + 1} times", self._cure())
            else:
                self.say(f"{update.command} failed; again in {pause:g} s …")
                time.sleep(pause)
        raise VideogenError(f"stack {self.stack} stays locked", self._cure())

    def _started(self, verb: Literal["up", "destroy"]) -> Update:
        update = Update(verb, self.stack, self.log, self.environment)
        self._last = None
        self.say(f"$ {update.command}")
        return update

    def _unlocked(self, update: Update) -> bool:
        """Whether only the lock of a dead Pulumi was in the way, and is gone; raises `StackBusy` for a living one's."""
        holder = pulumi_stack.locked_by(update.said())
        if holder is None:
            return False
        if pulumi_stack.left_locked(update.said()):
            self.say(f"the lock of {holder}, who is dead, is taken away")
            pulumi_stack.unlock(self.stack)
            self.owed = self._before
            return True
        self.owed = self._before
        raise StackBusy(f"stack {self.stack} is in use by {holder}", "wait for it to end")

    def _answer(self, update: Update, signals: int) -> None:
        """Says once that a destroy is not stopped; raises `LeftBehind` after the second signal."""
        came = self.stops.signals - signals
        if came >= 2:
            self.left = update
            words = f"{update.command} goes on by itself; its words go to {self.log}"
            raise LeftBehind(f"not proven gone: {words}", self._cure())
        if came == 1 and not self._answered:
            self._answered = True
            self.say("everything is being ended; nothing is quicker. Once more, and it goes on without you watching")

    def _cure(self) -> str:
        return (
            f"machines may live and cost until their lease ends them: `pulumi destroy --yes --stack {self.stack}`, "
            f"then `videogen sweep --stack {self.stack}`"
        )

    def _tell(self, update: Update) -> None:
        for line in update.news():
            words = told(line)
            if words is not None and words != self._last:
                self._last = words
                self.say(f"  {words}")
