"""`reconcile`: our books against the statements of rails and channels, and against the register, break by break.

Exit code 0 when all agree, 1 when there are breaks or a statement could not be had, 2 when a file cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import gateway
from commands.console import Failed, JsonFlag, command, print_answer, print_line
from commands.days import DAY, day_of
from commands.known_names import refuse_unknown
from commands.link import books
from commands.reading import id_of
from commands.service import temporal
from commands.statement_files import read_statement, refuse_file
from config import load
from core.errors import BadInput, Unavailable, UnreadableAnswer
from core.order.dividing import reports_of
from core.reasons import Refusal, refuse
from core.reconciliation.breaks import by_reason
from core.reconciliation.lines import KINDS, Break, Comparison, Covered, Scope, Statement
from core.reconciliation.reporting import ChargebackFound, chargeback_in, reports, withdrawal_in
from core.texts import clock
from inbound.chargebacks import orders_charged, send_reports
from screens import counted, table

if TYPE_CHECKING:
    from rich.console import Console
    from temporalio.client import Client

    from ledger.register import Register

EVERY: Mapping[str, timedelta] = {"daily": timedelta(days=1), "hourly": timedelta(hours=1)}
AFTER_MIDNIGHT = timedelta(hours=1)
"""In UTC. The other side has closed its day by then."""
COLUMNS = ("reason", "where", "what", "key", "about", "ours", "theirs", "since", "what to do")


@command
async def reconcile(
    rail: Annotated[str | None, typer.Option(help="Only this rail, such as sandbox.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only this payment channel, such as wechat.")] = None,
    statement: Annotated[
        str | None, typer.Option(help="Its statement as a CSV file (docs/reconciliation.md); `-` is stdin.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--from", parser=day_of, metavar=DAY, help="First day that the file has whole."),
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", parser=day_of, metavar=DAY, help="Last day that the file has whole.")
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=366, help="Fetch the statements of this many days, today the last.")
    ] = 3,
    whole: Annotated[
        bool, typer.Option("--all", help="Compare from the beginning, not from where the last comparison ended.")
    ] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Report what only a statement has.")] = False,
    schedule: Annotated[
        Literal["daily", "hourly"] | None, typer.Option(help="Repeat this, by Temporal Schedules.")
    ] = None,
    unschedule: Annotated[bool, typer.Option("--unschedule", help="Stop repeating it.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare the books with statements and with the register. Exit code 1 where they differ."""
    only = _only(rail, channel)
    if statement is not None and only is None:
        raise typer.BadParameter("--statement needs --rail or --channel: say whose it is")
    if schedule is not None and unschedule:
        raise typer.BadParameter("either --schedule or --unschedule")
    async with books() as register:
        if only is not None:
            await refuse_unknown(load(), register, *only)
        wanted = await _wanted(register, only)
        if schedule is not None or unschedule:
            await _schedule(wanted, EVERY[schedule] if schedule else None)
            return
        now, loaded = datetime.now(UTC), None
        if statement is not None and only is not None:
            loaded = await _load(register, *only, statement, since, until, now)
        views = [
            await _compared(
                register, Comparison(scope=scope, name=name, now=now, days=days, whole=whole), fetch=statement is None
            )
            for scope, name in wanted
        ]
        found = [Break.model_validate(one) for view in views for one in view["breaks"]]
        reported = await _apply(register, found) if apply else []
    ok = not found and not any(view["not_fetched"] for view in views)
    answer = {"ok": ok, "by_reason": by_reason(found), "comparisons": views, "told": reported}
    if loaded is not None:
        answer["statement"] = loaded
    print_answer(answer, lambda console: _show(console, views, found, reported, loaded))
    if not ok:
        raise Failed


def _only(rail: str | None, channel: str | None) -> tuple[Scope, str] | None:
    if rail is not None and channel is not None:
        raise typer.BadParameter("either --rail or --channel")
    if rail is not None:
        return "rail", id_of(rail, "rail")
    return ("channel", id_of(channel, "channel")) if channel is not None else None


async def _wanted(register: Register, only: tuple[Scope, str] | None) -> list[tuple[Scope, str]]:
    return [only] if only is not None else await register.breaks.comparisons()


async def _load(
    register: Register,
    scope: Scope,
    name: str,
    file: str,
    since: datetime | None,
    until: datetime | None,
    now: datetime,
) -> dict[str, Any]:
    try:
        read = read_statement(file, scope)
        lines = read.lines
        first = since or (datetime.combine(min(line.at for line in lines).date(), time(), UTC) if lines else None)
        last = until or (datetime.combine(max(line.at for line in lines).date(), time(), UTC) if lines else None)
        covered = None
        if first is not None and last is not None:
            end = min(last + timedelta(days=1), now)
            if last < first:
                raise BadInput("--to: it lies before --from")
            covered = Covered(since=first, until=end) if first < end else None
        if read.covered is not None and since is None and until is None:
            covered = read.covered
        await register.statements.load(scope, name, Statement(lines=lines, covered=covered), now)
    except BadInput as error:
        refuse_file(error)
    return {"format": read.format, "lines": len(read.lines), "left_out": dict(read.left_out)}


async def _compared(register: Register, asked: Comparison, *, fetch: bool) -> dict[str, Any]:
    """One comparison, with the reason if its statement could not be fetched."""
    from wiring.desks import reconciliation_desk  # loaded when it runs: vendors, HTTP and keys

    not_fetched: str | None = None
    async with reconciliation_desk(load(), register, fetching=fetch) as desk:
        if fetch:
            try:
                fetched = await desk.fetch_statements(asked)
                has_statements = fetched.offered or asked.scope in {"withdrawals", "orders"}
                note = None if has_statements else "it offers no statements over its API: give one with --statement"
            except (Unavailable, UnreadableAnswer, BadInput) as error:
                not_fetched = note = str(error)
        else:
            note = None
        found, ours, theirs = await desk.compare_all(asked)
    return {
        "scope": asked.scope,
        "name": asked.name,
        "ours": ours,
        "theirs": theirs,
        "not_fetched": not_fetched,
        "note": note,
        "by_reason": by_reason(found),
        "breaks": [{**one.model_dump(mode="json"), "break_id": one.break_id} for one in found],
    }


async def _apply(register: Register, found: Sequence[Break]) -> list[dict[str, str]]:
    """Report to each withdrawal what it missed, and to orders the chargebacks of their payment; returns the reports."""
    reported = []
    heard = [(one, withdrawal) for one in found if (withdrawal := withdrawal_in(one)) is not None]
    # One key may stand in several comparisons, and what our own books differ in stands in no statement.
    stated = [one for one in found if one.scope in KINDS]
    lines = {one.break_id: await register.statements.lines(one.scope, one.name, one.key) for one in stated}
    taken = [(one, news) for one in stated if (news := chargeback_in(one, lines[one.break_id])) is not None]
    opened = {(one.name, one.key) for one, _ in taken if one.kind == "chargeback"}  # with its fee
    taken = [(one, news) for one, news in taken if one.kind != "chargeback_fee" or (one.name, one.key) not in opened]
    if not heard and not taken:
        return []
    async with temporal() as client:
        for one, withdrawal in heard:
            counted = {event["event_id"] for event in await register.payouts.events(withdrawal)}
            for report in reports(one, lines[one.break_id], counted):
                await gateway.report_payout(client, withdrawal, report)
                reported.append({"withdrawal_id": withdrawal, "key": one.key, "outcome": report.outcome})
        for one, news in taken:
            reported += await _report_chargeback(register, client, one, news)
    return reported


async def _report_chargeback(
    register: Register, client: Client, found: Break, news: ChargebackFound
) -> list[dict[str, str]]:
    """Each order of the payment gets its part; its answer, or the code of its refusal."""
    orders = await orders_charged(register, news.payments, found.key, found.name)
    divided = reports_of(news.report, orders) if orders else refuse("unknown_payment")
    if not isinstance(divided, Refusal) and any(order.currency != found.theirs_currency for order in orders):
        divided = refuse("wrong_currency")
    if isinstance(divided, Refusal):
        return [{"key": found.key, "outcome": divided.code}]
    answers = await send_reports(register, divided, partial(gateway.report_chargeback, client))
    return [
        {
            "order_id": one.order_id,
            "key": found.key,
            "outcome": one.refused.code if one.refused is not None else f"{found.kind} {one.answer['outcome']}",
        }
        for one in answers
    ]


async def _schedule(wanted: Sequence[tuple[Scope, str]], every: timedelta | None) -> None:
    rows = []
    async with temporal() as client:
        for scope, name in wanted:
            if every is None:
                done = await gateway.unschedule_reconciliation(client, scope, name)
                rows.append((f"{scope}/{name}", "scheduled no more" if done else "was not scheduled"))
                continue
            offset = AFTER_MIDNIGHT if every > AFTER_MIDNIGHT else timedelta()
            new = await gateway.schedule_reconciliation(client, scope, name, every, offset)
            rows.append((f"{scope}/{name}", "scheduled" if new else "scheduled again"))
    view = {"schedules": [{"comparison": comparison, "outcome": outcome} for comparison, outcome in rows]}
    print_answer(view, lambda console: console.print(table("Schedules", ("comparison", ""), rows)))


def _show(
    console: Console,
    views: Sequence[Mapping[str, Any]],
    found: Sequence[Break],
    reported: Sequence[Mapping[str, str]],
    loaded: Mapping[str, Any] | None = None,
) -> None:
    if loaded is not None:
        left_out = "; ".join(f"{count} of {what}" for what, count in loaded["left_out"].items())
        console.print(
            f"Read as {loaded['format']}: {loaded['lines']} lines{f'; left out: {left_out}' if left_out else ''}"
        )
    rows = [(f"{v['scope']}/{v['name']}", str(v["ours"]), str(v["theirs"]), str(len(v["breaks"]))) for v in views]
    numbers = ("ours", "theirs", "breaks")
    console.print(table("Compared", ("comparison", *numbers), rows, numbers=numbers))
    for view in views:
        if view["note"]:
            print_line(f"{view['scope']}/{view['name']}: no statement: {view['note']}")
    if found:
        cells = [
            (
                one.reason,
                f"{one.scope}/{one.name}",
                one.kind,
                one.key,
                one.subject,
                *one.figures,
                clock(one.since),
                one.helps,
            )
            for one in sorted(found, key=lambda one: (one.reason, one.scope, one.name))
        ]
        console.print(table(counted(len(found), "break"), COLUMNS, cells, numbers=("ours", "theirs")))
    else:
        console.print("No breaks.")
    for report in reported:
        console.print(_said(report))


def _said(report: Mapping[str, str]) -> str:
    if "withdrawal_id" in report:
        return f"Reported to withdrawal {report['withdrawal_id']}: payout {report['key']} {report['outcome']}"
    whom = f"order {report['order_id']}" if "order_id" in report else "no order"
    return f"Reported to {whom}: dispute {report['key']} {report['outcome']}"
