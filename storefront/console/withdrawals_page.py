"""The withdrawals desk: what waits for a word, and each with its account's history, its limits and its approvals."""

from __future__ import annotations

from typing import Any, get_args

from starlette.responses import Response
from starlette.routing import Route

from core.errors import Refused
from core.ids import withdrawal_workflow_id
from core.withdrawal import views
from core.withdrawal.deadlines import next_deadline
from core.withdrawal.state import PEOPLE_NEEDED, Phase, WithdrawalState
from core.withdrawal.texts import withdrawal_reason
from ledger.payout_accounts import AccountChange
from ledger.register_part import Position
from ledger.withdrawals import StoredWithdrawal, WithdrawalRow
from storefront.api.paging import cursor_in
from storefront.console.lists import OF_LISTS, ROWS, addresses, csv_of, decimal, limit_of, wants_csv
from storefront.console.names import account_name, movement_name
from storefront.console.offers import offers_of_withdrawal
from storefront.console.reading import ID, known_withdrawal, state_of_withdrawal
from storefront.console.rendering import render, said_of
from storefront.console.visits import Visit, for_people
from storefront.problems import problem_of

STATES = frozenset({"in_approval", "unknown", "in_suspense", "submitted", "paid", "returned", "failed", "rejected"})
"""Those that a tab leads to; others by their address."""
PHASES: tuple[str, ...] = get_args(Phase)
CHOICES = ("open", *PHASES, "all")
CHANGES_SHOWN = 10


async def withdrawals_page(visit: Visit) -> Response:
    """Withdrawals by state: those that wait for an approval unless the address says otherwise."""
    shown_first = "in_approval" if visit.who.is_staff else "all"
    state, merchant = visit.chosen("state", CHOICES) or shown_first, _merchant(visit)
    if not visit.who.is_staff:
        merchant = ""  # they see their own alone
    rows = await visit.lists.withdrawals.rows(
        merchant_id=visit.who.known.merchant_id or merchant or None,
        state_name=state if state in PHASES else None,
        closed=False if state == "open" else None,
        after=cursor_in(visit.request),
        limit=limit_of(visit),
    )
    if wants_csv(visit):
        return csv_of("withdrawals", _COLUMNS, (_cells(row) for row in rows))
    links = addresses(visit, rows, lambda row: Position(row.requested_at, row.withdrawal_id))
    return render(
        visit,
        "withdrawals.html",
        rows=rows[:ROWS],
        states=tuple(one for one in CHOICES if one in {"open", "all", state, *STATES}),
        state=state,
        merchant=merchant,
        **links,
    )


def _merchant(visit: Visit) -> str:
    """Whose withdrawals the address asks for; "" where it names no merchant.

    Raises:
        Refused: `malformed`; without this filter the page would show everyone's.
    """
    given = visit.given("merchant")
    if given and not ID.fullmatch(given):
        raise Refused("malformed", f"merchant: {given[:40]!r} is not 1 to 64 of A-Z a-z 0-9 _ -", "merchant")
    return given


_COLUMNS = (
    "withdrawal",
    "merchant",
    "amount",
    "currency",
    "state",
    "account",
    "last4",
    "asked by",
    "asked at",
    "deadline",
    "until",
)


def _cells(row: WithdrawalRow) -> tuple[Any, ...]:
    amount = decimal(row.amount_minor, row.currency)
    account = (row.state_name, row.account_id, row.last4)
    asked, due = (row.requested_by, row.requested_at), (row.next_deadline_name, row.next_deadline_at)
    return (row.withdrawal_id, row.merchant_id, amount, row.currency, *account, *asked, *due)


async def withdrawal_page(visit: Visit) -> Response:
    """One withdrawal."""
    known = await known_withdrawal(visit)
    withdrawal_id, state = known.withdrawal.withdrawal_id, state_of_withdrawal(known)
    settings = visit.service.settings
    workflow = f"{settings.temporal_ui_url}/namespaces/{settings.temporal_namespace}/workflows/"
    shown = settings.temporal_ui_url and visit.who.is_staff
    return render(
        visit,
        "withdrawal.html",
        asked=known.withdrawal,
        phase=known.state_name,
        needs_approval=known.needs_approval,
        state=state,
        reason=_reason(visit, state) if state is not None else "",
        due=next_deadline(state) if state is not None else None,
        holds=views.holds_of(state) if state is not None else (),
        offers=offers_of_withdrawal(state, visit.who.actor, visit.now) if state is not None else (),
        people_needed=PEOPLE_NEEDED,
        money=await visit.register.balances.of_withdrawal(withdrawal_id),
        account_name=lambda path: account_name(visit, path),
        movement_name=lambda row: movement_name(visit, row),
        workflow=f"{workflow}{withdrawal_workflow_id(withdrawal_id)}" if shown else None,
        done=visit.given("done"),
        later=visit.given("later"),
        **await _surroundings(visit, known, state),
    )


async def _surroundings(visit: Visit, known: StoredWithdrawal, state: WithdrawalState | None) -> dict[str, Any]:
    """The account that is paid to, how it changed, and what the day's limits leave."""
    asked, register = known.withdrawal, visit.register
    changes = await register.accounts.changes(asked.merchant_id, asked.account_id)
    shown = changes[::-1][:CHANGES_SHOWN]
    standing = None
    if state is not None:
        where = (asked.merchant_id, asked.account_id, asked.currency)
        standing = await register.withdrawals.standing(*where, state.policy, visit.now)
    account = await register.accounts.get(asked.account_id, known.account_version)
    latest = next((one for one in reversed(changes) if one.what == "suspended"), None)
    return {
        "account": account,
        "suspended_for": _words(visit, account.suspended_for or "", latest) if account is not None else "",
        "changes": [(one, *(_words(visit, said, one) for said in (one.detail, one.why))) for one in shown],
        "standing": standing,
        "limits": state.policy if state is not None else None,
    }


def _reason(visit: Visit, state: WithdrawalState) -> str:
    """Why it ended."""
    if state.refusal is not None:
        return said_of(visit, problem_of(state.refusal.code, state.refusal.message))
    return withdrawal_reason(state.reason or "", visit.language, of_rail=state.phase == "failed")


def _words(visit: Visit, said: str, change: AccountChange | None) -> str:
    """What a change of an account says: the system's in the person's language, people's as they wrote it."""
    return withdrawal_reason(said, visit.language, of_rail=change is not None and change.role == "system")


ROUTES = [
    Route("/withdrawals", for_people(withdrawals_page, asks=("state", "merchant", *OF_LISTS))),
    Route("/withdrawals/{id}", for_people(withdrawal_page, asks=("done", "later"))),
]
