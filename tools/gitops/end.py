"""`make destroy STACK=…`: ends everything of a stack that rents, insists, and takes a dead Pulumi's lock away."""

import sys

from tools.gitops import checkout
from videogen import project, pulumi_stack
from videogen.console import Console
from videogen.errors import InputError, VideogenError
from videogen.renting import Renting
from videogen.stops import Stops


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
        _free(stack, log, console)
        Renting(stack, log, {}, Stops(), console.say).destroy()
    except VideogenError as error:
        console.error(error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
