"""What a program of Dakuan writes to its log: one line a cause and minute, and no password.

A cause that lasts (a database that is away) fails hundreds of activities a minute. Each cause is written when it first
comes up, then once a minute with how often it came up since. Only what we did not foresee brings its traceback along.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from config import log_form
from core.addresses import hide_passwords
from core.errors import DakuanError

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
EVERY = 60.0
"""Seconds between two lines about one cause."""
CAUSES_KEPT = 1000
LOG_BYTES = 10 * 1024 * 1024
_QUIET = ("httpx2", "httpcore2")
"""They write every address that they ask at INFO, and an address may hold a key."""
_FORESEEN = (DakuanError, OSError, TimeoutError)


class OnceAMinute(logging.Filter):
    """Passes a cause's first record, and then one a minute, which says how many there were."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[Any, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it; records below WARNING are no causes."""
        if record.levelno < logging.WARNING:
            return True
        cause, now = cause_of(record), self._clock()
        last, left_out = self._seen.get(cause, (float("-inf"), 0))
        if now - last < EVERY:
            self._seen[cause] = (last, left_out + 1)
            return False
        if len(self._seen) >= CAUSES_KEPT:
            self._seen.clear()
        self._seen[cause] = (now, 0)
        record.left_out = left_out
        return True


def cause_of(record: logging.LogRecord) -> tuple[Any, ...]:
    """What makes two records one cause: the same error with the same sentence, or the same message."""
    error = record.exc_info[1] if record.exc_info else None
    if (told := getattr(record, "temporal_log", None)) is not None:
        # The SDK's core counts in its sentence how often it tried, and says in its fields when.
        return (record.name, record.levelno, re.sub(r"\d+", "", told.message))
    if error is None:
        return (record.name, record.levelno, record.getMessage())
    return (record.name, record.levelno, type(error).__name__, str(error))


class OneLine(logging.Formatter):
    """A record as one line, errors as a sentence; a defect with its traceback. Passwords are taken out of all."""

    def __init__(self) -> None:
        super().__init__(FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        record.exc_text = None
        error = record.exc_info[1] if record.exc_info else None
        shown = logging.makeLogRecord({**record.__dict__, "exc_info": None, "stack_info": None})
        if error is not None:
            shown.msg, shown.args = f"{_what(record)}: {_sentence(error)}", ()
        line = super().format(shown).replace("\n", " ")
        if left_out := getattr(record, "left_out", 0):
            line += f" (and {left_out} more in the last minute)"
        if error is not None and not _is_foreseen(record, error):
            line += "\n" + "".join(traceback.format_exception(error)).rstrip()
        return hide_passwords(line)


def _what(record: logging.LogRecord) -> str:
    """The message; of an activity its kind and workflow alone, without the thirty fields that the SDK puts behind."""
    about = getattr(record, "temporal_activity", None)
    said = record.getMessage().partition(" ({")[0]
    return f"{said} ({about.get('activity_type')} of {about.get('workflow_id')})" if isinstance(about, dict) else said


def _is_foreseen(record: logging.LogRecord, error: BaseException) -> bool:
    # What asyncpg's own pool says is a database that is away or read-only: it tries again by itself.
    theirs = record.name.startswith("asyncpg")
    return isinstance(error, _FORESEEN) or type(error).__module__.startswith("temporalio") or theirs


def _sentence(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


class PrivateFile(RotatingFileHandler):
    """A log that only its owner may read, the one that lay there before too."""

    def _open(self) -> Any:
        path = Path(self.baseFilename)
        stream = open(  # noqa: SIM115  # the handler closes it
            path, self.mode, encoding=self.encoding, opener=lambda name, flags: os.open(name, flags, 0o600)
        )
        path.chmod(0o600)
        return stream


class AsJson(OneLine):
    """A record as one line of JSON: time, level, logger, message, and a defect's traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line, _, trace = super().format(record).partition("\n")
        said = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": line.partition(f" {record.name} ")[2],
        }
        return json.dumps({**said, **({"traceback": trace} if trace else {})}, ensure_ascii=False)


def log_to(handler: logging.Handler) -> None:
    """Let everything that this process says go to one handler, in the form that DAKUAN_LOG names. What the SDK's core
    says comes here once `gateway.core_log` was told.
    """
    handler.setFormatter(AsJson() if log_form() == "json" else OneLine())
    handler.addFilter(OnceAMinute())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_to_file(file: Path) -> None:
    """The same, to a private file that is cut when it has grown."""
    log_to(PrivateFile(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8"))
