"""Logs: one line a cause and minute, tracebacks of defects alone, no password, readable by their owner only."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from asyncpg import TargetServerAttributeNotMatched
from temporalio.runtime import Runtime

from core.errors import Unavailable
from gateway.core_log import CORE_LOG, log_core
from logs import OnceAMinute, OneLine, PrivateFile, log_to

SECRET = "unmistakable"


@pytest.fixture
def root() -> Iterator[io.StringIO]:
    """What a process writes that has set up its log."""
    kept, level = list(logging.root.handlers), logging.root.level
    written = io.StringIO()
    log_to(logging.StreamHandler(written))
    yield written
    logging.root.handlers[:] = kept
    logging.root.setLevel(level)


def fail(logger: logging.Logger, error: Exception) -> None:
    try:
        raise error
    except Exception:
        logger.warning("Completing activity as failed (%s)", {"activity_id": "7"}, exc_info=True)


def test_a_cause_that_lasts_is_one_line_a_minute(root: io.StringIO) -> None:
    logger = logging.getLogger("temporalio.activity")
    for _ in range(500):
        fail(logger, Unavailable("PostgreSQL at 127.0.0.1:5432/dakuan: refused"))
    [line] = root.getvalue().splitlines()
    assert "127.0.0.1:5432" in line
    assert "Traceback" not in line
    fail(logger, Unavailable("the bank does not answer"))
    assert len(root.getvalue().splitlines()) == 2


def test_the_next_minute_says_how_many_there_were() -> None:
    now = [0.0]
    once = OnceAMinute(lambda: now[0])
    record = logging.LogRecord("x", logging.WARNING, "", 0, "away", (), None)
    assert [once.filter(record) for _ in range(3)] == [True, False, False]
    now[0] = 61
    assert once.filter(record)
    assert OneLine().format(record).endswith("away (and 2 more in the last minute)")


def test_what_is_no_trouble_is_written_each_time(root: io.StringIO) -> None:
    for _ in range(3):
        logging.getLogger("dakuan").info("polling")
    assert len(root.getvalue().splitlines()) == 3


def test_a_defect_keeps_its_traceback(root: io.StringIO) -> None:
    fail(logging.getLogger("x"), KeyError("phase"))
    assert "Traceback" in root.getvalue()


def test_a_database_that_asyncpgs_pool_waits_for_is_no_defect(root: io.StringIO) -> None:
    fail(logging.getLogger("asyncpg.pool"), TargetServerAttributeNotMatched("None of the hosts is the primary"))
    assert root.getvalue().count("\n") == 1, root.getvalue()


def test_no_password_is_written(root: io.StringIO) -> None:
    logging.getLogger("x").info("connecting to %s", f"postgresql://u:{SECRET}@h/d")
    fail(logging.getLogger("x"), ValueError(f"postgresql://u:{SECRET}@h/d?password={SECRET}"))
    logging.getLogger("httpx2").info("HTTP Request: GET https://h/x?key=%s", SECRET)
    assert "***" in root.getvalue()
    assert SECRET not in root.getvalue()


def test_a_log_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "worker.log"
    file.write_text("before\n")
    file.chmod(0o644)
    handler = PrivateFile(file, maxBytes=200, backupCount=1, encoding="utf-8")
    for _ in range(10):
        handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "a line of some length, to let it turn", (), None))
    handler.close()
    assert {one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {0o600}


def test_a_record_as_json_is_one_line_without_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAKUAN_LOG", "json")
    kept, level = list(logging.root.handlers), logging.root.level
    written = io.StringIO()
    try:
        log_to(logging.StreamHandler(written))
        logging.getLogger("dakuan.x").info("at postgresql://me:%s@db/dakuan\nsecond line", SECRET)
        fail(logging.getLogger("dakuan.y"), ValueError("a defect"))
    finally:
        logging.root.handlers[:] = kept
        logging.root.setLevel(level)
    first, second = (json.loads(line) for line in written.getvalue().splitlines())
    assert (first["level"], first["logger"]) == ("INFO", "dakuan.x")
    assert first["message"] == "at postgresql://***@db/dakuan second line"
    assert SECRET not in written.getvalue()
    assert "ValueError: a defect" in second["message"]
    assert "Traceback" in second["traceback"]


class CoreEntry(NamedTuple):
    """What the SDK's core hands over."""

    message: str
    fields: dict[str, str]
    target: str = "temporalio_client::retry"
    level: int = logging.WARNING
    time: float = 1_795_900_000.0


def test_what_the_core_of_the_sdk_says_is_a_record_as_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAKUAN_LOG", "json")
    made: list[Runtime] = []
    monkeypatch.setattr(Runtime, "set_default", lambda runtime, **_: made.append(runtime))
    log_core.cache_clear()
    kept, level = list(logging.root.handlers), logging.root.level
    written = io.StringIO()
    try:
        log_to(logging.StreamHandler(written))
        log_core()
        log_core()
        assert CORE_LOG.forwarding is not None
        for tries in range(5, 9):
            said = CoreEntry(f"gRPC call poll_workflow_task_queue retried {tries} times", {"error": f"away {tries}"})
            CORE_LOG.forwarding._on_logs([cast(Any, said)])
    finally:
        logging.root.handlers[:] = kept
        logging.root.setLevel(level)
        log_core.cache_clear()
    assert len(made) == 1, "clients without a runtime of their own would write past the log"
    [line] = (json.loads(line) for line in written.getvalue().splitlines())
    assert (line["level"], line["logger"]) == ("WARNING", "temporalio.core")
    assert "retried 5 times" in line["message"]
    assert "away 5" in line["message"]
