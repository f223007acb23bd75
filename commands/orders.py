"""`orders`: a filtered list from PostgreSQL."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from commands.console import JsonFlag, command, language_of, print_answer, print_line, wants_json
from commands.headings import print_in
from commands.link import copies
from commands.reading import id_of
from commands.views import due_line, worded
from core.audit.normalising import normalise
from core.codes import likely_holds
from core.money import format_minor
from core.order.state import Phase
from core.parcels import AuditStage
from core.texts import Help, Language, clock, listed
from ledger.orders import OrderRow
from screens import counted, table

COLUMNS = ("order", "merchant", "total", "phase", "audit", "receipt", "waits for", "held by", "refunded", "opened")
AMOUNTS = ("total", "refunded")
SPARE = ("opened", "receipt", "audit")


@command
async def orders(
    merchant: Annotated[str | None, typer.Option(help="Of this merchant.")] = None,
    phase: Annotated[Phase | None, typer.Option(help="In this phase.")] = None,
    audit: Annotated[AuditStage | None, typer.Option(help="With this audit state.")] = None,
    held: Annotated[
        bool | None, typer.Option("--held/--not-held", help="Only orders that wait for staff, or only others.")
    ] = None,
    closed: Annotated[bool | None, typer.Option("--closed/--open", help="Closed, or still open.")] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="More than five minutes past a deadline.")] = False,
    hold: Annotated[
        str | None, typer.Option(help="Held for this reason, or waiting for it, such as audit_in_review.")
    ] = None,
    waybill: Annotated[str | None, typer.Option(help="With a parcel of this number, now or before.")] = None,
    payment: Annotated[str | None, typer.Option(help="Paid with the payment of this reference.")] = None,
    buyer: Annotated[str | None, typer.Option(help="Of this buyer.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many, the newest first.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """List orders, the newest first."""
    for given, name in ((merchant, "merchant"), (buyer, "buyer"), (hold, "hold")):
        if given is not None:
            id_of(given, name)
    async with copies() as register:
        rows = await register.orders.rows(
            merchant_id=merchant,
            buyer_id=buyer,
            phase=phase,
            audit=audit,
            held=held,
            hold_reason=hold,
            closed=closed,
            overdue=overdue or None,
            waybill=normalise(waybill)[0] if waybill is not None else None,
            payment=payment,
            limit=limit,
        )
    # An operator names a hold freely: one that no order has now is no mistake, and may be one.
    likely = likely_holds(hold) if hold is not None and not rows else []
    view: dict[str, Any] = {"orders": [row.model_dump(mode="json") for row in rows]}
    language = language_of(None)
    if likely:
        view["did_you_mean"] = likely
        if not wants_json():
            print_line(str(getattr(DID_YOU_MEAN, language)).format(hold, listed(likely, language)))
    title, cells = counted(len(rows), "order"), [_cells(row, language) for row in rows]
    print_answer(
        view, lambda console: print_in(console, table(title, COLUMNS, cells, numbers=AMOUNTS, spare=SPARE), language)
    )


DID_YOU_MEAN = Help("No order is held by {}. Did you mean {}?", "没有订单因 {} 扣留。是否指 {}？")


def _cells(row: OrderRow, language: Language) -> tuple[str, ...]:
    return (
        row.order_id,
        row.merchant_id,
        format_minor(row.total_minor, row.currency),
        worded("phase", row.phase, language),
        worded("audit", row.audit, language),
        worded("receipt", row.receipt, language),
        due_line(row.next_deadline_name, row.next_deadline_at, language),
        listed((worded("hold", hold, language) for hold in row.holds), language),
        format_minor(row.refunded_minor, row.currency) if row.refunded_minor else "",
        clock(row.opened_at),
    )
