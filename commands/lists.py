"""`lists`: the lists that people open in Temporal's Web UI, each with its address, its query and its columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from commands.console import JsonFlag, command, print_answer
from config import load
from core.search_attributes import VIEW_COLUMNS, VIEWS, view_url


@command
async def lists(as_json: JsonFlag = False) -> None:
    """Print the lists of Temporal's Web UI, with the columns to be set there once."""
    settings = load()
    ui, namespace = settings.temporal_ui_url, settings.temporal_namespace
    found = [
        {
            "name": name,
            "query": query,
            "columns": list(VIEW_COLUMNS[name]),
            "url": view_url(ui, namespace, query) if ui is not None else None,
        }
        for name, query in VIEWS.items()
    ]
    print_answer({"lists": found}, lambda console: _show(found))


def _show(found: Sequence[dict[str, Any]]) -> None:
    """Plain lines: a table would break long addresses."""
    for one in found:
        print(f"{one['name']}\n  {one['url'] or one['query']}\n  columns: {', '.join(one['columns'])}\n")
    print("Save each under Saved Views. Add the columns once, at the head of the list: this browser keeps them.")
