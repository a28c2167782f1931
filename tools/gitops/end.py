"""`make destroy STACK=…`: ends everything of a stack that rents, insists, and takes a dead Pulumi's lock away."""

import os
import signal
import sys
import time
from pathlib import Path

from tools.gitops import checkout
from videogen import declared, places, project, pulumi_stack
from videogen.clouds.choose import choose
from videogen.console import Console
from videogen.errors import InputError, VideogenError
from videogen.renting import UP_ENDS_SECONDS, Renting
from videogen.stops import Stops

_HOSTED = "runner@"
"""Who works on a hosted machine of GitHub's."""
_LOOK_SECONDS = 0.2


def main() -> int:
    """The exit code: 0 only when Pulumi says that everything is gone."""
    console = Console()
    try:
        (stack,) = sys.argv[1:] or [""]
        if stack not in {one.name for one in checkout.stacks() if one.rents}:
            raise InputError.of("STACK", f"{stack or 'nothing'} rents no workers on a cloud, and what lasts stays")
        if pulumi_stack.state(stack) is None:
            _nothing_lives(stack)
            console.say(f"there is no stack {stack}: nothing was ever rented there")
            return 0
        log = project.state(stack) / "destroy.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        _destroy(stack, log, console)
    except VideogenError as error:
        console.error(error)
        return error.exit_code
    return 0


def _nothing_lives(stack: str) -> None:
    """Raises `VideogenError` when machines of a stack live that the Pulumi here does not know, or may live."""
    if faults := places.anybodys(declared.read(stack).cloud, stack, choose, only=stack):
        raise VideogenError(
            "\n".join((f"the Pulumi here knows no stack {stack}", *faults)),
            "is PULUMI_BACKEND_URL that of whoever rented? Else end them at https://console.runpod.io/pods",
        )


def _destroy(stack: str, log: Path, console: Console) -> None:
    try:
        Renting(stack, log, {}, Stops(), console.say, pauses=()).destroy()
    except VideogenError:
        said = log.read_text(encoding="utf-8", errors="replace")
        holder = pulumi_stack.locked_by(said)
        if pulumi_stack.living_here(said):
            console.say(f"{holder} works with the stack: it is asked to stop …")
            _stop(said)
        elif holder and _is_dead(holder):
            console.say(f"the lock of {holder} is taken away: its pipeline is over")
            pulumi_stack.unlock(stack)
        Renting(stack, log, {}, Stops(), console.say).destroy()


def _stop(said: str) -> None:
    """Asks the Pulumi that holds the lock to stop, as one Ctrl-C does, and waits; raises `VideogenError`."""
    holder = pulumi_stack.locked_by(said)
    deadline = time.monotonic() + UP_ENDS_SECONDS
    pid = pulumi_stack.living_here(said)
    try:
        if pid:
            os.kill(pid, signal.SIGINT)
    except ProcessLookupError:
        return
    except OSError as error:
        raise VideogenError(f"{holder} cannot be asked to stop: {error}", "end it, then again") from None
    while pulumi_stack.living_here(said):
        if time.monotonic() > deadline:
            raise VideogenError(f"{holder} does not stop within {UP_ENDS_SECONDS:g} s", "end it, then again")
        time.sleep(_LOOK_SECONDS)


def _is_dead(holder: str) -> bool:
    """Whether a lock was left by another pipeline: this one would not have begun while that one works with the stack.

    A lock of anybody else's stays, for its holder may live.
    """
    return os.environ.get("GITHUB_ACTIONS") == "true" and holder.startswith(_HOSTED)


if __name__ == "__main__":
    sys.exit(main())
