"""A `pulumi` that does what files in its folder say: it locks as Pulumi does, and runs a program for `up` and `destroy`.

`install(folder)` makes `folder/bin/pulumi`. Each verb (`up`, `destroy`) does what `folder/<verb>` says, in lines:

    sleep 3          works so long; SIGINT ends it with code 1 and the words "update canceled", once
    fail 2           the next 2 calls of the verb fail
    run PROGRAM …    runs a program with Pulumi's environment and fails as it does

A file `deaf` makes it ignore SIGINT. `stack export` prints `state.json`, without which there is no such stack, `stack
output` prints `outputs.json`; `cancel` removes the lock. Every call is a line of `calls`.
"""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

EMPTY: dict[str, dict[str, list[str]]] = {"deployment": {"resources": []}}


def install(folder: Path) -> Path:
    """Makes the program in a new folder; the folder to put on PATH."""
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "pulumi"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
                       f"from tests.doubles.pulumi_double import main\nsys.exit(main({str(folder)!r}))\n")  # fmt: skip
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (folder / "state.json").write_text(json.dumps(EMPTY))
    return folder / "bin"


def locked(folder: Path, pid: int, host: str = "") -> None:
    """Leaves the lock of a process."""
    (folder / "lock").write_text(f"me@{host or socket.gethostname()} (pid {pid})")


def calls(folder: Path) -> list[str]:
    """The verbs that were called."""
    return (folder / "calls").read_text().split("\n")[:-1] if (folder / "calls").exists() else []


def main(home: str) -> int:
    """One call; its exit code."""
    folder, words = Path(home), sys.argv[1:]
    verb = " ".join(word for word in words[:2] if not word.startswith("-"))
    with (folder / "calls").open("a") as log:
        log.write(f"{verb}\n")
    if verb == "stack export" and not (folder / "state.json").exists():
        sys.stderr.write("error: no stack named 'organization/videogen/gone' found\n")
        return 255
    if verb in ("stack export", "stack output"):
        sys.stdout.write((folder / ("state.json" if verb == "stack export" else "outputs.json")).read_text())
        return 0
    if verb == "cancel":
        (folder / "lock").unlink(missing_ok=True)
        return 0
    return _update(folder, verb)


def _update(folder: Path, verb: str) -> int:
    lock = folder / "lock"
    try:
        with lock.open("x") as file:
            file.write(f"me@{socket.gethostname()} (pid {os.getpid()})")
    except FileExistsError:
        sys.stderr.write(
            "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete "
            f"the lock file with `pulumi cancel`.\n  file:///x.json: created by {lock.read_text()} at 2026-11-21T15:46Z\n"
        )
        return 1
    signal.signal(signal.SIGINT, signal.SIG_IGN if (folder / "deaf").exists() else signal.default_int_handler)
    try:
        return _carried_out(folder / verb)
    except KeyboardInterrupt:
        sys.stdout.write("error: update canceled\n")
        return 1
    finally:
        lock.unlink(missing_ok=True)


def _carried_out(orders: Path) -> int:
    for line in orders.read_text().splitlines() if orders.exists() else []:
        word, _, rest = line.partition(" ")
        sys.stdout.write(f" +  videogen:index:GpuWorker worker-1 {word}ing {rest}\n")
        sys.stdout.flush()
        if word == "sleep":
            time.sleep(float(rest))
        elif word == "fail" and int(rest):
            orders.write_text(f"fail {int(rest) - 1}\n")
            return 1
        elif word == "run" and (code := subprocess.run(rest.split(), check=False).returncode):
            return code
    return 0
