"""What a worker says: sentences for people on stderr, the same as one JSON object a line on stdout. Without secrets."""

import json
import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType

from videogen.redaction import Redaction

_log = logging.getLogger(__name__)


def start(redaction: Redaction) -> None:
    """Sets both up for the whole process, its uncaught errors included; call it again when more secrets are known."""
    people, machines = logging.StreamHandler(sys.stderr), logging.StreamHandler(sys.stdout)
    people.setFormatter(_Sentence(redaction))
    machines.setFormatter(_JsonLine(redaction))
    logging.basicConfig(level=logging.INFO, handlers=[people, machines], force=True)
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it says where it found its keys
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def hear(take: Callable[[str], None], redaction: Redaction) -> None:
    """From now on, each JSON line is also given to `take`, in whatever thread it is said."""
    handler = _Taker(take)
    handler.setFormatter(_JsonLine(redaction))
    logging.getLogger().addHandler(handler)


class _Sentence(logging.Formatter):
    def __init__(self, redaction: Redaction) -> None:
        super().__init__("%(message)s")
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        return self._redaction.text(super().format(record))


class _JsonLine(logging.Formatter):
    def __init__(self, redaction: Redaction) -> None:
        super().__init__("%(message)s")
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", None) or {"message": super().format(record)}
        document = {"time": round(record.created, 3), "level": record.levelname.lower(), **facts}
        return json.dumps(self._redaction.within(document))


class _Taker(logging.Handler):
    def __init__(self, take: Callable[[str], None]) -> None:
        super().__init__()
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        self._take(self.format(record))


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _log.critical("%s", error, exc_info=(kind, error, trace))


def _uncaught_in_thread(told: threading.ExceptHookArgs) -> None:
    error = told.exc_value or told.exc_type()
    _log.critical("%s", error, exc_info=(told.exc_type, error, told.exc_traceback))
