"""What a worker says: sentences for people on stderr, the same as one JSON object a line on stdout."""

import json
import logging
import sys


def start() -> None:
    """Sets both up for the whole process."""
    people = logging.StreamHandler(sys.stderr)
    machines = logging.StreamHandler(sys.stdout)
    machines.setFormatter(_JsonLine())
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[people, machines])
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it says where it found its keys


class _JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", None) or {"message": record.getMessage()}
        return json.dumps({"time": round(record.created, 3), "level": record.levelname.lower(), **facts})
