"""The one way to the end of a worker's machine; what asks its cloud for that end belongs here."""

import logging
import os
import time
from collections.abc import Mapping

from videogen import pod_end, redaction, worker_environment
from videogen.errors import InputError
from videogen.life_signs import LifeSigns
from videogen.redaction import Redaction
from videogen.rent_record import LastWord
from videogen.status_board import process_started
from videogen.termination import Termination

STILL_HERE_SECONDS = 3600.0
"""Between two complaints where no cloud can be asked."""
ASK_SECONDS = 30.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 60.0

log = logging.getLogger(__name__)


def end_machine(
    why: str, code: int, termination: Termination, *, exits_bill: bool, environment: Mapping[str, str] = os.environ
) -> int:
    """The exit code, but where an exit would start the container again only once somebody stops it.

    By now nothing of the worker runs or listens. A pod says in the bucket why it ends, and asks its cloud for the end,
    again and again for as long as it lives; what the cloud refuses is said in the bucket, too, for whoever may end it.
    """
    log.info("ended: %s", why, extra={"facts": {"ended": why, "code": code}})
    if exits_bill and not termination.came.is_set():
        log.warning("this machine costs until it is ended; it does nothing any more: %s", why)
        if pod_end.is_pod(environment):
            _end_pod(why, code, termination, environment)
    while exits_bill and not termination.came.wait(STILL_HERE_SECONDS):
        log.warning("this machine costs until it is ended; it does nothing any more: %s", why)
    return code


def _end_pod(why: str, code: int, termination: Termination, environment: Mapping[str, str]) -> None:
    """Returns when somebody stops this container, which is what RunPod does when it ends the pod."""
    signs, word = _last_words(why, code, environment)
    if signs is not None:
        signs.say_last(word)
    told = signs is None
    pause = FIRST_PAUSE_SECONDS
    while not termination.came.is_set():
        refused = pod_end.end_own_pod(environment, ASK_SECONDS)
        if refused is None:
            log.info("RunPod took the end of this pod")
        else:
            log.error("RunPod does not end this pod, which costs: %s; `videogen sweep` ends it", refused)
            if signs is not None and not told:  # once: how long ago, says how long it has wanted to end
                refused = Redaction(redaction.of_environment(environment)).text(refused)
                told = signs.say_last(word.model_copy(update={"refused": f"end refused: {refused}"}))
        termination.came.wait(pause)
        pause = min(LONGEST_PAUSE_SECONDS, pause * 2)


def _last_words(why: str, code: int, environment: Mapping[str, str]) -> tuple[LifeSigns | None, LastWord]:
    """Whom to tell, and what; nobody where the environment does not say where the bucket is."""
    lived = time.monotonic() - process_started()
    hidden = redaction.of_environment(environment)
    try:
        settings = worker_environment.read(environment)
    except InputError:
        return None, LastWord(machine="", why=Redaction(hidden).text(why), code=code, lived_seconds=lived)
    why = Redaction((*hidden, *settings.secrets)).text(why)
    word = LastWord(machine=settings.worker, why=why, code=code, lived_seconds=lived)
    return LifeSigns(settings.store, settings.store_access, settings.worker), word
