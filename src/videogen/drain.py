"""The last jobs of a worker that ends in order."""

import logging
import time

from videogen.errors import WorkerError
from videogen.local_comfyui import LocalComfyui
from videogen.status_board import StatusBoard

FETCH_SECONDS = 3.0
"""A prompt that ended during the drain: its output is fetched meanwhile."""

log = logging.getLogger(__name__)


def drain(answering: LocalComfyui, board: StatusBoard, seconds: float) -> None:
    """Lets the prompts that run end, and be fetched, as long as allowed; those that wait are returned at once.

    One that is not done by then ends with ComfyUI, and so does one that a ComfyUI without a gateway still takes: its
    client sees a worker that is lost, and gives it to another one. An interrupt would look as if a person had
    cancelled it.
    """
    deadline = time.monotonic() + seconds
    try:
        mine, waiting = answering.prompts()
        answering.drop(waiting)
        while mine and not board.hurry.is_set() and time.monotonic() < deadline:
            board.hurry.wait(0.1)
            if not mine & answering.prompts()[0]:
                mine.clear()
                board.hurry.wait(min(FETCH_SECONDS, deadline - time.monotonic()))
    except WorkerError as error:
        log.warning("its queue is not known: %s", error)
        return
    log.info("returned: %d prompts that waited, %d that ran", len(waiting), len(mine))
