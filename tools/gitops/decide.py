"""`make changed`: says what a merge has to do; for a pipeline's later jobs, too, as JSON lists in `$GITHUB_OUTPUT`."""

import json
import os
import sys
from pathlib import Path

from tools.gitops import checkout
from videogen.console import Console
from videogen.errors import InputError, VideogenError


def main() -> int:
    """The exit code."""
    console = Console()
    try:
        found = checkout.decided()
        told = {"lasting": found.lasting, "queues": found.queues}
        if file := os.environ.get("GITHUB_OUTPUT"):
            with Path(file).open("a", encoding="utf-8") as outputs:
                outputs.writelines(f"{name}={json.dumps(value)}\n" for name, value in told.items())
        for name in found.lasting:
            console.say(f"{name}: pulumi up, because of {', '.join(found.why[name])}")
        for name in found.queues:
            waiting = ", ".join(path.name for path in checkout.batches(name)) or "nothing waits any more"
            console.say(f"{name}: its queue is worked off: {waiting}")
        if not found.merges:
            console.say("nothing to do")
        if found.faults:
            raise InputError.of("batches/queue", "; ".join(found.faults))
    except VideogenError as error:
        console.error(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
