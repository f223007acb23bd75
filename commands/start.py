"""`start FILE|-`: starts the workflows of one order or of many, after each was checked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from temporalio.client import Client

import gateway
from commands.console import (
    Failed,
    JsonFlag,
    Malformed,
    command,
    error_view,
    language_of,
    print_answer,
    print_error,
    speaks_chinese,
)
from commands.headings import print_in
from commands.order_exports import orders_of, read_mapping
from commands.reading import Document, documents, read_message, read_text
from commands.service import temporal, why_idle
from commands.views import deadline_line, worded
from core.errors import DakuanError
from core.ids import order_workflow_id
from core.messages import Order
from screens import table

if TYPE_CHECKING:
    from rich.console import Console

AT_ONCE = 8
"""Orders that open at the same time."""
OPENS_WITHIN = 60.0
"""Seconds. While a payment channel is away, its orders stay opening."""


@dataclass(frozen=True)
class Outcome:
    """The result for one order of the file."""

    line: int
    order_id: str | None
    state: dict[str, Any] | None = None
    error: DakuanError | None = None

    def view(self) -> dict[str, Any]:
        """The result as JSON for scripts."""
        if self.error is not None:
            return {"line": self.line, "order_id": self.order_id, "error": error_view(self.error)}
        assert self.state is not None
        assert self.order_id is not None
        return {
            "line": self.line,
            "order_id": self.order_id,
            "workflow_id": order_workflow_id(self.order_id),
            "phase": self.state.get("phase"),
            "audit": self.state.get("audit"),
            "next_deadline": self.state.get("next_deadline"),
        }


@command
async def start(
    file: Annotated[str, typer.Argument(help="A JSON order, a JSON array or JSON lines; - reads stdin.")],
    mapping: Annotated[
        str | None,
        typer.Option(help="The file is a CSV export of orders: shopify, woocommerce, or a TOML file (docs/orders.md)."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Start orders.

    Each is checked first; if one is malformed, none starts. The same order gets the same answer again.
    """
    text = read_text(file)
    given = documents(text) if mapping is None else orders_of(file, text, read_mapping(mapping))
    found = [_checked(document) for document in given]
    ready = [order for order in found if isinstance(order, tuple)]
    outcomes = [outcome for outcome in found if isinstance(outcome, Outcome)]
    if ready:
        async with temporal() as client:
            outcomes += await _start_all(client, ready)
    _report(sorted(outcomes, key=lambda outcome: outcome.line))


def _checked(document: Document) -> tuple[int, Order] | Outcome:
    if document.wrong is not None:
        reasons = [{"field": "(whole)", "message": str(document.wrong)}]
        return Outcome(document.line, None, error=Malformed("invalid_order", reasons))
    try:
        return document.line, read_message(Order, document.value, "invalid_order")
    except Malformed as error:
        named = document.value.get("order_id") if isinstance(document.value, dict) else None
        return Outcome(document.line, named if isinstance(named, str) else None, error=error)


async def _start_all(client: Client, orders: list[tuple[int, Order]]) -> list[Outcome]:
    gate = asyncio.Semaphore(AT_ONCE)
    idle = await why_idle(client)

    async def one(line: int, order: Order) -> Outcome:
        async with gate:
            try:
                return Outcome(
                    line, order.order_id, state=await gateway.open_order(client, order, within=OPENS_WITHIN, idle=idle)
                )
            except DakuanError as error:
                return Outcome(line, order.order_id, error=error)

    return list(await asyncio.gather(*(one(line, order) for line, order in orders)))


def _report(outcomes: list[Outcome]) -> None:
    failed = any(outcome.error for outcome in outcomes)
    if len(outcomes) == 1:
        _report_one(outcomes[0])
    else:
        print_answer(
            {"orders": [outcome.view() for outcome in outcomes]}, lambda console: _show_many(console, outcomes)
        )
    if failed:
        raise Failed


def _report_one(outcome: Outcome) -> None:
    if outcome.error is not None:
        print_error(outcome.error, about=_about(outcome), line=outcome.line)
    else:
        print_answer(outcome.view(), lambda console: _show_many(console, [outcome]))


def _show_many(console: Console, outcomes: list[Outcome]) -> None:
    language = language_of(None)
    rows = [
        (
            outcome.order_id,
            worded("phase", outcome.state.get("phase"), language),
            deadline_line(outcome.state, language),
            f"order-{outcome.order_id}",
        )
        for outcome in outcomes
        if outcome.state is not None
    ]
    if rows:
        print_in(console, table("Orders", ("order", "phase", "next deadline", "workflow"), rows), language)
    for outcome in outcomes:
        if outcome.error is not None:
            print_error(outcome.error, about=_about(outcome))


def _about(outcome: Outcome) -> str:
    line, order = ("第 {} 行", "，订单 {}") if speaks_chinese() else ("line {}", ", order {}")
    return line.format(outcome.line) + (order.format(outcome.order_id[:64]) if outcome.order_id else "")
