"""`python -m tests.doubles.runpod --port 8200`: the fake RunPod as a program; ends on SIGTERM and SIGINT.

`FAKE_RUNPOD_KEY` and `FAKE_RUNPOD_CONTROL` give the account's key and the control's token.
"""

import argparse
import logging
import os
import signal
import threading
from typing import get_args

from tests.doubles.runpod import KEY, Clock, fake_runpod
from tests.doubles.runpod.server import PodKind

log = logging.getLogger(__name__)


def main() -> None:
    """Serves until it is told to end."""
    parser = argparse.ArgumentParser(prog="fake-runpod")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--quick", action="store_true", help="a clock that only /_control/advance moves")
    parser.add_argument("--provisioning", type=float, default=0.2, metavar="SECONDS")
    parser.add_argument("--starting", type=float, default=0.3, metavar="SECONDS")
    parser.add_argument("--pods", choices=get_args(PodKind), default="records")
    parser.add_argument("--image", default="", help="a tag, for containers")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with fake_runpod(
        clock=Clock.quick() if asked.quick else Clock(),
        key=os.environ.get("FAKE_RUNPOD_KEY", KEY),
        control_token=os.environ.get("FAKE_RUNPOD_CONTROL", ""),
        number=asked.port,
        provisioning=asked.provisioning,
        starting=asked.starting,
        pods=asked.pods,
        image=asked.image,
    ) as fake:
        log.info("RunPod: %s, control: %s", fake.url, fake.control_token)
        ended.wait()


if __name__ == "__main__":
    main()
