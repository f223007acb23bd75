"""The current schema: the result of all migrations as one SQL text.

It is written from the catalogue of a migrated database, so it cannot differ from the migrations.
`make schema` writes `ledger/schema.sql`; a test applies that file to an empty database and compares both ways. The
reasons for tables and rules stand in the comments of the migrations; only comments inside functions survive here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from importlib.resources import files
from typing import Any

import asyncpg

from ledger.catalogue import (
    COLUMNS,
    CONSTRAINTS,
    DOMAINS,
    FUNCTIONS,
    GRANTS,
    INDEXES,
    STATISTICS,
    TABLES,
    TRIGGERS,
    VIEWS,
)
from ledger.pool import SCHEMA

WIDTH = 120
NOT_OURS = "schema_migrations"
"""Made by `migrate` itself, before the first migration."""
_HEAD = """\
-- What the migrations come to: written by `make schema`, never by hand. The reasons stand in ledger/migrations.

-- Functions may name what is only made below.
SET check_function_bodies = off;
"""
_FUNCTION = re.compile(r"CREATE OR REPLACE FUNCTION (?:dakuan\.)?(\w+)\((.*)\)\n")
_CALL = re.compile(r"(\w+)\(")
"""In a table's text: what its constraints call must be there before the table."""


def written() -> str:
    """The text of `ledger/schema.sql`."""
    return (files("ledger") / "schema.sql").read_text(encoding="utf-8")


async def schema_of(owner_dsn: str, worker: str) -> str:
    """The schema of a migrated database as SQL, the same text for the same catalogue; grants as the worker's."""
    connection = await asyncpg.connect(owner_dsn, server_settings={"search_path": SCHEMA})
    try:
        tables = await _tables(connection)
        functions = [_function(row["text"]) for row in await connection.fetch(FUNCTIONS)]
        called = set(_CALL.findall("\n".join(tables)))
        named = [text for text in functions if _name_of(text) in called]
        parts = [
            _HEAD,
            *_lines(await connection.fetch(DOMAINS)),
            *named,
            *tables,
            *[text for text in functions if text not in named],
            *[f"CREATE VIEW {row['name']} AS\n{row['text']}" for row in await connection.fetch(VIEWS)],
            *_lines(await connection.fetch(TRIGGERS)),
            *_lines(await connection.fetch(GRANTS, worker)),
        ]
    finally:
        await connection.close()
    return "\n".join(part.rstrip() + "\n" for part in parts)


async def _tables(connection: asyncpg.Connection[Any]) -> list[str]:
    """Each table with its constraints, indexes and statistics, after the tables it refers to."""
    columns, constraints, indexes = defaultdict(list), defaultdict(list), defaultdict(list)
    refers: dict[str, set[str]] = {}
    for row in await connection.fetch(COLUMNS):
        columns[row["table"]].append(row["text"])
    for row in await connection.fetch(CONSTRAINTS):
        constraints[row["table"]].append(f"CONSTRAINT {row['name']} {row['text']}")
        if row["refers"] not in {None, row["table"]}:
            refers.setdefault(row["table"], set()).add(row["refers"])
    for row in await connection.fetch(INDEXES):
        indexes[row["table"]].append(f"{row['text']};")
    for row in await connection.fetch(STATISTICS):
        indexes[row["table"]].append(f"{row['text']};")
    found = {row["name"]: row for row in await connection.fetch(TABLES, NOT_OURS)}
    return [
        "\n".join(
            [f"CREATE TABLE {name} (", *_listed([*columns[name], *constraints[name]]), f"){_options(found[name])};"]
            + indexes[name]
        )
        for name in _ordered(found, refers)
    ]


def _ordered(names: Iterable[str], refers: dict[str, set[str]]) -> Iterator[str]:
    """Sorted by name, except where a reference demands another order."""
    sorter = TopologicalSorter({name: refers.get(name, set()) for name in names})
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        yield from ready
        sorter.done(*ready)


def _listed(items: list[str]) -> list[str]:
    return [f"    {item}{',' if n < len(items) else ''}" for n, item in enumerate(items, 1)]


def _options(row: asyncpg.Record) -> str:
    return f" WITH ({', '.join(row['options'])})" if row["options"] else ""


def _function(text: str) -> str:
    """The definition without our schema's name; parameters that do not fit stand one a line."""
    head = _FUNCTION.match(text)
    assert head is not None
    name, parameters = head.groups()
    opening = f"CREATE FUNCTION {name}({parameters})"
    if len(opening) > WIDTH:
        opening = f"CREATE FUNCTION {name}(\n    {parameters.replace(', p_', f',{chr(10)}    p_')}\n)"
    return f"{opening}\n{text[head.end() :].rstrip()};"


def _name_of(function: str) -> str:
    return function.removeprefix("CREATE FUNCTION ").partition("(")[0]


def _lines(rows: Iterable[asyncpg.Record]) -> list[str]:
    return ["\n".join(row["text"] + ";" for row in rows)]
