"""The controller's own program: tells the command line what this machine has, and keeps to the schedule until SIGTERM.

Each entry has a thread, so that a slow one delays no other. What it says is logged line by line.

Exit codes: 0 asked to end; 2 the schedule or the environment is wrong.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import schedule
from schedule import Entry

from videogen import manifest, project, store_settings
from videogen.errors import InputError
from videogen.stack_outputs import StackOutputs

SCHEDULE = Path(__file__).with_name("schedule.yaml")
OUTPUTS = Path("/run/video-gen/master.json")
LOOK_SECONDS = 0.1
GRACE_SECONDS = 8.0
"""Docker kills 10 seconds after it asked."""
LAST_WORDS_SECONDS = 2.0

log = logging.getLogger("controller")


def main() -> int:
    """Runs until it is stopped; the exit code."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        write_outputs(os.environ, OUTPUTS)
        entries = schedule.parse(project.read(SCHEDULE), project.shown(SCHEDULE)).entries
    except InputError as error:
        log.error("error: %s", error)
        return error.exit_code
    log.info("schedule: %s", ", ".join(f"{one.name} every {one.every:g} minutes" for one in entries) or "empty")
    threads = [threading.Thread(target=keep, args=(one, stop), name=one.name) for one in entries]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join(GRACE_SECONDS + LAST_WORDS_SECONDS)
    return 0


def write_outputs(environment: Mapping[str, str], file: Path) -> None:
    """Writes what a stack would say of this machine's ComfyUI and store, for `--outputs`; raises `InputError`."""
    found = store_settings.from_environment(environment)
    if found is None:
        raise InputError.of("environment: VIDEOGEN_STORE_MODELS", "is missing", "the compose file sets it")
    text = project.read(project.root() / environment.get("VIDEOGEN_MANIFEST", "models_manifest.yaml"))
    document = {
        "stack": "master",
        "phase": environment.get("VIDEOGEN_PHASE", "a"),
        "manifest": manifest.digest(text),
        "workflows": project.workflow_names(),
        "store": found.store.model_dump(),
        "storeAccess": {"key": found.store_access.key.reveal(), "secret": found.store_access.secret.reveal()},
        "workers": [
            {
                "name": "comfyui",
                "cloud": "local",
                "gpu": "this machine",
                "url": "http://comfyui:8080",
                "agent": "http://comfyui:8080/videogen",
                "dollars_per_hour": "0",
            }
        ],
        "tokens": {"comfyui": environment.get("VIDEOGEN_TOKEN", "")},
    }
    StackOutputs.model_validate_json(json.dumps(document))
    with open(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        json.dump(document, stream)


def keep(entry: Entry, stop: threading.Event) -> None:
    """Does an entry at once and then in its turn, until `stop` is set."""
    while not stop.is_set():
        began = time.monotonic()
        run(entry, stop)
        stop.wait(max(0.0, entry.every * 60 - (time.monotonic() - began)))


def run(entry: Entry, stop: threading.Event) -> None:
    """Does an entry once; it is ended, with all that it started, at its deadline or when `stop` is set."""
    log.info("%s: videogen %s", entry.name, " ".join(entry.run))
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "videogen.cli", *entry.run],
            cwd=project.root(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        log.error("%s: cannot start: %s", entry.name, error)
        return
    assert process.stdout
    listener = threading.Thread(target=tell, args=(entry.name, process.stdout), daemon=True)
    listener.start()
    late = began + entry.deadline * 60
    while process.poll() is None and time.monotonic() < late and not stop.is_set():
        stop.wait(LOOK_SECONDS)
    in_time = process.poll() is not None
    code = end(process)
    listener.join(LAST_WORDS_SECONDS)
    seconds = f"{time.monotonic() - began:.1f} s"
    if in_time and code == 0:
        log.info("%s: done in %s", entry.name, seconds)
    elif in_time:
        log.warning("%s: failed with code %d after %s; again in its turn", entry.name, code, seconds)
    else:
        why = "the controller ends" if stop.is_set() else f"its deadline is {entry.deadline:g} minutes"
        log.warning("%s: ended after %s: %s", entry.name, seconds, why)


def tell(name: str, said: IO[str]) -> None:
    """Logs line by line."""
    with said:
        for line in said:
            if line.strip():
                log.info("%s | %s", name, line.rstrip())


def end(process: "subprocess.Popen[str]") -> int:
    """SIGTERM to all of its group, SIGKILL to what is left of it then; its exit code."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(GRACE_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return process.wait(GRACE_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
