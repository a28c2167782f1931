"""The one way to the end of a worker's machine; what asks its cloud for that end belongs here."""

import logging

from videogen.termination import Termination

STILL_HERE_SECONDS = 3600.0

log = logging.getLogger(__name__)


def end_machine(why: str, code: int, termination: Termination, *, exits_bill: bool) -> int:
    """The exit code, but where an exit would start the container again only once somebody stops it.

    By now nothing of the worker runs or listens.
    """
    log.info("ended: %s", why, extra={"facts": {"ended": why, "code": code}})
    while exits_bill and not termination.came.is_set():
        log.warning("this machine costs until it is ended; it does nothing any more: %s", why)
        termination.came.wait(STILL_HERE_SECONDS)
    return code
