"""`make destroy STACK=…`: ends everything of a stack that rents, insists, and takes a dead Pulumi's lock away."""

import os
import sys
from pathlib import Path

from tools.gitops import checkout
from videogen import project, pulumi_stack
from videogen.console import Console
from videogen.errors import InputError, VideogenError
from videogen.renting import Renting
from videogen.stops import Stops

_HOSTED = "runner@"
"""Who works on a hosted machine of GitHub's."""


def main() -> int:
    """The exit code: 0 only when Pulumi says that everything is gone."""
    console = Console()
    try:
        (stack,) = sys.argv[1:] or [""]
        if stack not in {one.name for one in checkout.stacks() if one.rents}:
            raise InputError.of("STACK", f"{stack or 'nothing'} rents no workers on a cloud, and what lasts stays")
        if pulumi_stack.state(stack) is None:
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


def _destroy(stack: str, log: Path, console: Console) -> None:
    try:
        Renting(stack, log, {}, Stops(), console.say, pauses=()).destroy()
    except VideogenError:
        holder = pulumi_stack.locked_by(log.read_text(encoding="utf-8", errors="replace"))
        if holder and _is_dead(holder):
            console.say(f"the lock of {holder} is taken away: its pipeline is over")
            pulumi_stack.unlock(stack)
        Renting(stack, log, {}, Stops(), console.say).destroy()


def _is_dead(holder: str) -> bool:
    """Whether a lock was left by another pipeline: this one would not have begun while that one works with the stack.

    A lock of anybody else's stays, for its holder may live.
    """
    return os.environ.get("GITHUB_ACTIONS") == "true" and holder.startswith(_HOSTED)


if __name__ == "__main__":
    sys.exit(main())
