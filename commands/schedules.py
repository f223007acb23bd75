"""`schedules create|list|pause|resume|trigger|delete`: a merchant's automatic withdrawals, by a Temporal Schedule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

import gateway
from commands.console import JsonFlag, command, print_answer
from commands.group import plain_app
from commands.link import books
from commands.reading import duration_of, id_of, read_message
from commands.service import temporal
from core.errors import Refused
from core.messages import AutomaticWithdrawals
from core.money import format_minor, parse_amount
from core.reasons import SENTENCES
from core.texts import clock
from screens import counted, table

if TYPE_CHECKING:
    from temporalio.client import Client, ScheduleDescription, ScheduleHandle, ScheduleSpec

MOST_OFTEN = timedelta(minutes=1)
PREFIX = "auto-withdrawal-"
COLUMNS = ("merchant", "when", "account", "keeps", "at least", "state", "next", "last came to")

schedules = plain_app(name="schedules", help="Automatic withdrawals of merchants, by schedule.", no_args_is_help=True)

Merchant = Annotated[str, typer.Argument(help="The merchant's id.")]
InCurrency = Annotated[str, typer.Option(help="ISO 4217.")]


# --- what may be done with one ---------------------------------------------------------------------------


def spec_of(every: str | None, cron: str | None, timezone: str | None) -> ScheduleSpec:
    """When it is due: at an interval, or at the times of a cron expression in a time zone.

    Raises:
        Refused: `malformed`: both or neither is given, the interval is no length of time, or has a time zone.
    """
    from temporalio.client import ScheduleIntervalSpec, ScheduleSpec  # loaded when it is used: half a second

    if (every is None) == (cron is None):
        raise Refused("malformed", "Give either --every 1d or --cron '0 9 * * MON'.", "every")
    if every is not None:
        length = duration_of(every, "every")
        if length < MOST_OFTEN:
            raise Refused("malformed", "every: must be a minute at least", "every")
        if timezone is not None:
            raise Refused("malformed", "timezone: goes with --cron; an interval has none", "timezone")
        return ScheduleSpec(intervals=[ScheduleIntervalSpec(every=length)])
    return ScheduleSpec(cron_expressions=[str(cron)], time_zone_name=timezone)


@schedules.command("create")
@command
async def create(
    merchant: Merchant,
    every: Annotated[str | None, typer.Option(help="How often: 1d, 12h, 7d.")] = None,
    cron: Annotated[str | None, typer.Option(help="A cron expression instead: '0 9 * * MON'.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Of --cron, such as Asia/Shanghai; UTC unless given.")] = None,
    account: Annotated[
        str | None, typer.Option(help="The payout account; the default one of the moment unless given.")
    ] = None,
    keep_balance: Annotated[str, typer.Option(help="Keep this much, in major units.")] = "0",
    minimum: Annotated[str, typer.Option(help="Withdraw nothing below this, in major units.")] = "0",
    currency: InCurrency = "CNY",
    policy: Annotated[str | None, typer.Option(help="The policy with the limits; by default `default`.")] = None,
    paused: Annotated[bool, typer.Option("--paused", help="Create it paused.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Withdraw what is available by a schedule. Repeating this changes nothing."""
    from gateway.schedules import create_schedule, schedule_of

    fields = {
        "merchant_id": id_of(merchant, "merchant"),
        "currency": currency,
        "account_id": account,
        "keep_minor": _amount_or_zero(keep_balance, currency, "keep_balance"),
        "minimum_minor": _amount_or_zero(minimum, currency, "minimum") or 1,
        "policy": policy,
    }
    plan, spec = read_message(AutomaticWithdrawals, fields, "malformed"), spec_of(every, cron, timezone)
    async with books() as register:
        if account is not None and account not in {
            row.account_id for row in await register.accounts.of_merchant(merchant)
        }:
            raise Refused("unknown_account", f"{SENTENCES['unknown_account']} {account}", "account")
        if await register.policies.newest(policy) is None:
            raise Refused("unknown_policy", f"{SENTENCES['unknown_policy']} {policy or 'default'}", "policy")
    async with temporal() as client:
        await create_schedule(client, plan, spec, paused=paused)
        async with schedule_of(client, merchant, currency) as handle:
            view = await _view(client, await handle.describe())
    _print([view])


def _amount_or_zero(text: str, currency: str, field: str) -> int:
    return 0 if text.strip() in {"0", "0.0", "0.00"} else parse_amount(text, currency, field)


@schedules.command("list")
@command
async def list_schedules(
    merchant: Annotated[str | None, typer.Option(help="Of this merchant.")] = None, as_json: JsonFlag = False
) -> None:
    """List the scheduled automatic withdrawals. A new one appears after a moment."""
    async with temporal() as client:
        views = [await _view(client, known) for known in await _known(client)]
    _print([view for view in views if merchant in (None, view["merchant_id"])])


@schedules.command("pause")
@command
async def pause(
    merchant: Merchant,
    reason: Annotated[str, typer.Option(help="Why, for the next operator.")] = "paused by an operator",
    currency: InCurrency = "CNY",
    as_json: JsonFlag = False,
) -> None:
    """Withdraw nothing until it is resumed."""
    await _do(merchant, currency, lambda handle: handle.pause(note=reason[:500]))


@schedules.command("resume")
@command
async def resume(merchant: Merchant, currency: InCurrency = "CNY", as_json: JsonFlag = False) -> None:
    """Continue after a pause."""
    await _do(merchant, currency, lambda handle: handle.unpause(note="resumed"))


@schedules.command("trigger")
@command
async def trigger(merchant: Merchant, currency: InCurrency = "CNY", as_json: JsonFlag = False) -> None:
    """Withdraw now, without waiting for the next time."""
    await _do(merchant, currency, lambda handle: handle.trigger())


@schedules.command("delete")
@command
async def delete(merchant: Merchant, currency: InCurrency = "CNY", as_json: JsonFlag = False) -> None:
    """Delete this schedule. Withdrawals that were started go on."""
    from gateway.schedules import schedule_of

    async with temporal() as client, schedule_of(client, id_of(merchant, "merchant"), currency) as handle:
        await handle.delete()
    view = {"merchant_id": merchant, "currency": currency, "deleted": True}
    sentence = f"Nothing is withdrawn for {merchant} in {currency} by schedule any more."
    print_answer(view, lambda console: console.print(sentence))


async def _do(merchant: str, currency: str, act: Callable[[ScheduleHandle], Awaitable[None]]) -> None:
    from gateway.schedules import schedule_of

    async with temporal() as client, schedule_of(client, id_of(merchant, "merchant"), currency) as handle:
        await act(handle)
        view = await _view(client, await handle.describe())
    _print([view])


# --- what people and scripts get -------------------------------------------------------------------------


async def _known(client: Client) -> list[ScheduleDescription]:
    """All of them. Temporal's list lags behind: it has one that was deleted a moment ago, too."""
    from temporalio.service import RPCError, RPCStatusCode

    found = []
    ids = [listed.id async for listed in await client.list_schedules() if listed.id.startswith(PREFIX)]
    for id_ in ids:
        try:
            found.append(await client.get_schedule_handle(id_).describe())
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
    return found


async def _view(client: Client, known: ScheduleDescription) -> dict[str, Any]:
    memo, info = await known.memo(), known.info
    return {
        "schedule_id": known.id,
        **memo.get("plan", {}),
        "when": memo.get("times", ""),
        "paused": known.schedule.state.paused,
        "note": known.schedule.state.note,
        "next_at": next((at.astimezone(UTC).isoformat() for at in info.next_action_times), None),
        "last": await _last(client, known),
    }


async def _last(client: Client, known: ScheduleDescription) -> dict[str, Any] | None:
    """The last time: `{"due_at", "withdrawal_id"?, "amount_minor", "skipped"?}`; None before the first."""
    from temporalio.client import WorkflowExecutionStatus

    from gateway.schedules import latest_run

    workflow_id = latest_run(known)
    if workflow_id is None:
        return None
    view = {
        "due_at": known.info.recent_actions[-1].scheduled_at.astimezone(UTC).isoformat(),
        "workflow_id": workflow_id,
    }
    if await gateway.status_of(client, workflow_id) == WorkflowExecutionStatus.COMPLETED:
        view |= await client.get_workflow_handle(workflow_id).result()
    return view


def _print(views: list[dict[str, Any]]) -> None:
    rows = [_cells(view) for view in views]
    shown = table(counted(len(views), "schedule"), COLUMNS, rows, numbers=("keeps", "at least"))
    print_answer({"schedules": views}, lambda console: console.print(shown))


def _cells(view: dict[str, Any]) -> tuple[str, ...]:
    currency = view.get("currency", "")
    last = view["last"] or {}
    skipped = last.get("skipped")
    came_to = f"skipped: {skipped['code']}" if skipped else last.get("withdrawal_id", "")
    return (
        view.get("merchant_id", ""),
        view["when"],
        view.get("account_id") or "the default",
        format_minor(view.get("keep_minor", 0), currency),
        format_minor(view.get("minimum_minor", 0), currency),
        f"paused: {view['note']}" if view["paused"] else "running",
        clock(view["next_at"]),
        f"{clock(last['due_at'])} {came_to}" if last else "",
    )
