"""`make queue STACK=…`: runs every batch that waits for a stack, one after the other, each from nothing to nothing.

What is in the bucket is not rendered again, and where nothing is open nothing is rented: `videogen run` sees to both.
"""

import subprocess
import sys
import time
from pathlib import Path

from tools.gitops import checkout, waiting
from videogen import project
from videogen.console import Console
from videogen.errors import InputError, Stopped, VideogenError


def main() -> int:
    """The worst exit code of the runs; after a cap, a signal or a fault in the stack no further one is begun."""
    console = Console()
    worst = 0
    try:
        (stack,) = sys.argv[1:] or [""]
        if stack not in {one.name for one in checkout.stacks() if one.rents}:
            raise InputError.of("STACK", f"{stack or 'nothing'} rents no workers on a cloud")
        ends = time.monotonic() + waiting.MINUTES * 60
        found = checkout.batches(stack)
        console.say(f"{stack}: in its queue {', '.join(path.name for path in found) or 'is nothing'}")
        for path in found:
            code = _run(path, stack, (ends - time.monotonic()) / 60, console)
            worst = max(worst, code)
            if code == Stopped.exit_code:
                break
    except VideogenError as error:
        console.error(error)
        return error.exit_code
    return worst


def _run(path: Path, stack: str, minutes: float, console: Console) -> int:
    """One run, that rents no longer than the minutes that are left."""
    if minutes < 1:
        raise Stopped(f"{path.name} and what comes after it wait: the pipeline's time is over", "run the job again")
    try:
        cap = waiting.ordered(path, stack, minutes).cap.run
    except InputError as error:  # the other batches are none the worse for it
        console.error(error)
        return error.exit_code
    words = ["videogen", "run", str(path), "--stack", stack, "--cap", str(cap), "--yes"]
    return subprocess.run(words, cwd=project.root(), stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
