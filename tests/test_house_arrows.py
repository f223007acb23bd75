"""The arrows between the rooms hold, and the check that says so would notice if they did not."""

from __future__ import annotations

from graphlib import TopologicalSorter

import pytest
from arrows import ARROWS, EVERYONES, ROOT, Source, imports, parsed, sources, violations

ALL = sources()


def test_no_file_crosses_an_arrow() -> None:
    assert [found for source in ALL for found in violations(source)] == []


def test_every_room_is_read() -> None:
    rooms = {source.room for source in ALL}
    assert {"core", "ledger", "activities", "workflows", "gateway", "worker", "starter", "commands", "local"} <= rooms
    assert rooms <= ARROWS.keys()


def test_the_arrows_have_no_way_back() -> None:
    others = {room: allowed - {room} for room, allowed in ARROWS.items()}
    floors = list(TopologicalSorter(others).static_order())  # a circle would raise
    assert floors.index("core") < floors.index("config") < floors.index("ledger") < floors.index("activities")


def test_each_arrow_is_walked() -> None:
    """An arrow that no file needs would let the next file in by mistake. `core` and `config` are for every room."""
    walked: dict[str, set[str]] = {}
    for source in ALL:
        targets = {module.partition(".")[0] for _, module in imports(parsed(source))}
        walked.setdefault(source.room, set()).update(targets)
    drawn = {room: allowed - {room, *EVERYONES} for room, allowed in ARROWS.items() if room not in {"bench", "tests"}}
    assert {room: left for room, allowed in drawn.items() if (left := allowed - walked[room])} == {}


def test_the_package_of_workflows_is_empty() -> None:
    """Two re-exports there make the SDK's sandbox load everything again for each workflow."""
    assert (ROOT / "workflows" / "__init__.py").read_text(encoding="utf-8") == ""


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("core/order/state.py", "import ledger.book", "core may not import ledger"),
        ("core/order/state.py", "from activities import money", "core may not import activities"),
        ("core/order/state.py", "def f():\n    import config", "core may not import config"),
        ("core/money.py", "from temporalio import workflow", "temporalio is not for core"),
        ("core/money.py", "import httpx2", "httpx2 is not for core"),
        ("core/money.py", "import random", "may not import the standard library's random"),
        ("core/money.py", "from time import monotonic", "may not import the standard library's time.monotonic"),
        ("core/money.py", "import os", "may not import the standard library's os"),
        ("core/money.py", "from pathlib import Path", "may not import the standard library's pathlib.Path"),
        ("core/money.py", "import numpy", "may not import the library numpy"),
        ("core/money.py", "at = datetime.now(UTC)", "may not call now"),
        ("core/money.py", "text = open('x').read()", "may not call open"),
        ("core/money.py", "from . import errors", "a relative import"),
        ("ledger/book.py", "from activities.requests import OpenRequest", "ledger may not import activities"),
        ("activities/money.py", "from gateway import connect", "activities may not import gateway"),
        ("activities/money.py", "import asyncpg", "asyncpg is not for activities"),
        ("wiring/database.py", "import asyncpg", "asyncpg is not for wiring"),
        ("workflows/order.py", "from ledger.book import Book", "workflows may not import ledger"),
        ("workflows/order.py", "with passed():\n    import starter", "workflows may not import starter"),
        ("commands/show.py", "from workflows.order import OrderWorkflow", "commands may not import workflows"),
        ("commands/show.py", "import asyncpg.pool", "asyncpg is not for commands"),
        (
            "commands/show.py",
            "if TYPE_CHECKING:\n    from activities import money",
            "commands may not import activities",
        ),
        ("commands/show.py", "import os\nhome = os.environ['HOME']", "only config reads the environment"),
        ("activities/http.py", "import os\nenv = {**os.environ}", "only config reads the environment"),
        ("bench/order_bodies.py", "import os\nx = os.environ.get('X')", "only config reads the environment"),
        ("gateway.py", "from os import getenv", "only config reads the environment"),
        ("gateway.py", "import commands.show", "gateway may not import commands"),
        ("local/postgres.py", "from ledger.migrate import migrate", "local may not import ledger"),
        ("starter.py", "from gateway import connect", "starter may not import gateway"),
        ("worker.py", "rows = 'SELECT 1'", "SQL stands only in ledger"),
        ("commands/show.py", "q = f'''\n  SELECT *\n  FROM {t} WHERE x'''", "SQL stands only in ledger"),
        ("activities/money.py", "q = 'INSERT INTO t VALUES (1)'", "SQL stands only in ledger"),
        ("activities/money.py", "q = 'update orders set phase = 1'", "SQL stands only in ledger"),
        ("drawer/helpers.py", "", "no arrows are drawn for the room drawer"),
    ],
)
def test_a_planted_violation_is_found(path: str, text: str, said: str) -> None:
    found = violations(Source(path, text))
    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("core/order/state.py", "from core.money import spread\nfrom pydantic import BaseModel\nimport datetime"),
        ("core/audit/waybills.py", "from importlib import resources"),
        ("ledger/book.py", "import asyncpg\nQ = 'SELECT 1'"),
        ("commands/show.py", '"""SELECT the order FROM the list."""\nprint("Select one from the list.")'),
        ("config/__init__.py", "import os\nx = os.environ"),
        ("bench/order_bodies.py", "import os\nenv = {**os.environ, 'DAKUAN_HOME': 'x'}"),
        ("tests/test_x.py", "from ledger.book import Book\nimport starter"),
    ],
)
def test_what_is_allowed_is_not_complained_of(path: str, text: str) -> None:
    assert violations(Source(path, text)) == []


def test_tests_name_their_helpers_without_a_folder() -> None:
    """`order_driver` and `tests.order_driver` would be two modules, each with its own fixtures and classes."""
    found = [source.path for source in ALL for _, module in imports(parsed(source)) if module.startswith("tests.")]
    assert found == []
