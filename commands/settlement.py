"""`settlement CHANNEL`: books what a payment channel sent on to a rail, and the fee it kept.

Exit code 0 when all stand in the books, 1 when one cannot be booked, 2 when a file cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.console import Failed, JsonFlag, command, print_answer
from commands.known_names import refuse_unknown
from commands.link import books
from commands.reading import id_of
from commands.statement_files import parse_fee, read_rows, refuse_file
from config import load
from core.errors import BadInput
from core.fields import AmountMinor, AmountOrZero, Currency, Id, Message, Time
from core.money import format_minor, parse_amount
from core.movements import Movement, psp_settlement
from core.reconciliation.lines import Comparison
from core.steps import Posted
from ledger.book import Book, NotPosted
from ledger.register import Register
from screens import table
from wiring.rail_choice import rail_named

if TYPE_CHECKING:
    from rich.console import Console

NEEDED = ("settlement_id", "gross", "fee", "net", "currency", "settled_at")


class Settlement(Message):
    """One settlement as its channel reports it: `gross_minor` left the channel, and all but the fee arrives."""

    settlement_id: Id
    gross_minor: AmountMinor
    fee_minor: AmountOrZero
    currency: Currency
    settled_at: Time

    @property
    def net_minor(self) -> int:
        return self.gross_minor - self.fee_minor


@command
async def settlement(
    channel: Annotated[str, typer.Argument(help="The payment channel, such as wechat.")],
    file: Annotated[
        str | None, typer.Option(help="CSV of settlements (docs/reconciliation.md); else its own statement is fetched.")
    ] = None,
    rail: Annotated[
        str | None, typer.Option(help="The rail where the money arrives; by default sandbox on a local stack.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="Fetch this many days, today the last.")] = 3,
    as_json: JsonFlag = False,
) -> None:
    """Book what a channel settled: its fee is an expense, the rest is with the rail. Repeating it changes nothing."""
    id_of(channel, "channel")
    settlements = _read(file) if file is not None else None  # errors of the file are reported before anything else
    settings = load()
    rail = rail_named(settings, rail)
    async with books() as register:
        await refuse_unknown(settings, register, "channel", channel)
        await refuse_unknown(settings, register, "rail", rail)
        found = settlements if settlements is not None else await _fetched(register, channel, days)
        posted = await Book(register.pool).post_all([_movement(channel, rail, one) for one in found])
    views = [_view(one, answer) for one, answer in zip(found, posted, strict=True)]
    ok = all(answer.moved for answer in posted)
    print_answer({"ok": ok, "settlements": views}, lambda console: _show(console, views))
    if not ok:
        raise Failed


def _read(file: str) -> list[Settlement]:
    def row(fields: Mapping[str, str]) -> Settlement:
        currency = fields["currency"]
        gross = parse_amount(fields["gross"], currency, "gross")
        fee = parse_fee(fields["fee"], currency)
        net = parse_amount(fields["net"], currency, "net")
        if gross - fee != net:
            raise BadInput(f"net: gross less fee is {format_minor(gross - fee, currency)}, not {fields['net']}")
        given = {name: fields[name] for name in ("settlement_id", "currency", "settled_at")}
        return Settlement.model_validate({**given, "gross_minor": gross, "fee_minor": fee})

    try:
        return read_rows(file, NEEDED, (), row)
    except BadInput as error:
        refuse_file(error)


async def _fetched(register: Register, channel: str, days: int) -> list[Settlement]:
    """The settlements of the channel's statement, and of earlier statements."""
    from wiring.desks import reconciliation_desk  # loaded when it runs: vendors, HTTP and keys

    asked = Comparison(scope="channel", name=channel, now=datetime.now(UTC), days=days)
    async with reconciliation_desk(load(), register) as desk:
        fetched = await desk.fetch_statements(asked)
    if not fetched.offered:
        raise BadInput(f"{channel} offers no statements over its API: give its settlements with --file")
    return [
        Settlement(
            settlement_id=line.key or line.line_id,
            gross_minor=line.amount_minor,
            fee_minor=line.fee_minor,
            currency=line.currency,
            settled_at=line.at,
        )
        for line in await register.statements.lines("channel", channel)
        if line.kind == "settlement"
    ]


def _movement(channel: str, rail: str, one: Settlement) -> Movement:
    return psp_settlement(
        channel,
        one.settlement_id,
        rail=rail,
        net_minor=one.net_minor,
        fee_minor=one.fee_minor,
        currency=one.currency,
        occurred_at=one.settled_at,
    )


def _view(one: Settlement, answer: Posted | NotPosted) -> dict[str, Any]:
    view = {**one.model_dump(mode="json"), "net_minor": one.net_minor, "outcome": answer.outcome}
    if isinstance(answer, NotPosted):
        return {**view, "detail": answer.detail}
    return {**view, "short_by_minor": answer.short_by_minor} if answer.short_by_minor else view


def _show(console: Console, views: Sequence[Mapping[str, Any]]) -> None:
    amounts = ("gross", "fee", "net")
    rows = [
        (
            view["settlement_id"],
            *(format_minor(view[f"{name}_minor"], view["currency"]) for name in amounts),
            view["outcome"],
        )
        for view in views
    ]
    console.print(table("Settlements", ("settlement", *amounts, "outcome"), rows, numbers=amounts))
    if any(view["outcome"] == "conflict" for view in views):
        console.print("conflict: booked before with other figures or another rail; nothing was changed")
    for view in views:
        if view["outcome"] == "not_posted":
            console.print(f"{view['settlement_id']}: {view['detail']}; nothing was booked")
        if view["outcome"] == "insufficient_funds":
            short = format_minor(view["short_by_minor"], view["currency"])
            console.print(f"{view['settlement_id']}: the channel holds {short} less than this; nothing was booked")
