"""How policies are shown: values with their sources, differences, and who registered what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from commands.link import books
from core.policy_sources import Difference, PolicyValue
from core.texts import clock
from ledger.policies import ListedPolicy
from screens import counted, table

if TYPE_CHECKING:
    from rich.console import Console

SHORT_HASH = 12


def value_views(values: Iterable[PolicyValue], only: str | None) -> list[dict[str, Any]]:
    """The values whose keys begin with a prefix, for scripts."""
    return [value._asdict() for value in values if only is None or value.key.startswith(only)]


def difference_views(found: Iterable[Difference]) -> list[dict[str, Any]]:
    """The differences, for scripts."""
    return [
        {"key": one.key, "old": one.old and one.old._asdict(), "new": one.new and one.new._asdict()} for one in found
    ]


def listed(policies: Sequence[ListedPolicy]) -> list[dict[str, Any]]:
    """The names, for scripts."""
    return [one.model_dump(mode="json") for one in policies]


async def moves_view(name: str) -> list[dict[str, Any]]:
    """The history of a name, for scripts."""
    async with books() as register:
        return [move.model_dump(mode="json") for move in await register.policies.moves(name)]


def show_values(console: Console, view: dict[str, Any]) -> None:
    """Every value, and on request the changes of the name."""
    rows = [(value["key"], _shown(value["value"]), value["source"]) for value in view["values"]]
    console.print(table(f"Policy {view['name']} {view['content_hash'][:SHORT_HASH]}", ("key", "value", "source"), rows))
    if view["moves"]:
        moves = [
            (clock(one["moved_at"]), one["to_hash"][:SHORT_HASH], one["who"], one["why"], one["role"])
            for one in view["moves"]
        ]
        console.print(table("Moves", ("when", "to", "who", "why", "role"), moves))


def show_list(console: Console, views: list[dict[str, Any]]) -> None:
    """The names with what they point to."""
    rows = [
        (
            one["name"],
            one["content_hash"][:SHORT_HASH],
            clock(one["moved_at"]),
            one["who"],
            one["why"],
            str(one["texts"]),
            str(one["open_orders"]),
        )
        for one in views
    ]
    columns = ("name", "text", "since", "who", "why", "texts", "open orders")
    console.print(table("Policies", columns, rows, numbers=("texts", "open orders")))


def show_differences(console: Console, old: str, new: str, views: list[dict[str, Any]]) -> None:
    """What differs, side by side."""
    rows = [(one["key"], _side(one["old"]), _side(one["new"])) for one in views]
    console.print(table(f"From {old} to {new}", ("key", "old", "new"), rows))


def show_holidays(console: Console, view: dict[str, Any], tables: str) -> None:
    """The tables if they are only printed; else the number of days written, and the file."""
    if view["into"] is None:
        console.print(tables.rstrip())
    else:
        console.print(f"{view['into']}: {counted(len(view['closed_days']), 'run')} of closed days written")


def _side(value: dict[str, Any] | None) -> str:
    return f"{_shown(value['value'])} ({value['source']})" if value is not None else "none"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
