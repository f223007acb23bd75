"""A merchant's money: what there is, when more becomes available, why it is held; for its own staff a withdrawal."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from core.answers import HoldView
from core.durations import parse_duration
from core.errors import BadInput, Refused
from core.merchant_calendar import calendar
from core.messages import Withdrawal
from core.money import format_minor
from core.order import views
from core.texts import spell
from ledger.merchants import MerchantMove
from ledger.orders import OrderInHand
from ledger.register_part import Position
from storefront.api.paging import cursor_in
from storefront.api.withdrawals import refuse_address
from storefront.bodies import message_of
from storefront.console.acting import carried_out
from storefront.console.filling import amount_in, detail_of
from storefront.console.lists import OF_LISTS, ROWS_OF_CSV, addresses, csv_of, decimal, wants_csv
from storefront.console.reading import id_in, state_of_open
from storefront.console.rendering import render, said_of
from storefront.console.visits import Visit, for_people, go, sign_in_for
from storefront.problems import HttpProblem, ProblemError, problem_in, problem_of
from wiring.estimating import estimate_now

ORDERS_SHOWN = 20
BARS = 14
"""Days of the calendar that are drawn."""
_FIELDS = ("account_id", "amount_minor")
"""What a person fills in to withdraw."""
Wrong = list[tuple[str, str]]
"""What is wrong with the form: the field, or "" for all of it, and why in the person's language."""


async def merchant_page(visit: Visit) -> Response:
    """One merchant."""
    merchant_id, register = _merchant(visit), visit.register
    most = ROWS_OF_CSV if wants_csv(visit) else ORDERS_SHOWN
    orders = await register.orders.open_of(merchant_id, after=cursor_in(visit.request), limit=most + 1)
    if wants_csv(visit):
        return csv_of(f"{merchant_id}-holds", _COLUMNS, (_cells(row, hold) for row in orders for hold in _holds(row)))
    days = calendar(await register.balances.coming(merchant_id))
    return render(
        visit,
        "merchant.html",
        merchant_id=merchant_id,
        name=await register.accounts.legal_name(merchant_id),
        standing=await register.merchants.standing(merchant_id),
        balances=await register.balances.of_merchant(merchant_id),
        days=days[:BARS],
        most_of={one.currency: max(day.amount_minor for day in days if day.currency == one.currency) for one in days},
        orders=orders,
        held=[(row, hold) for row in orders[:ORDERS_SHOWN] for hold in _holds(row)],
        accounts=await register.accounts.of_merchant(merchant_id),
        endpoints=await register.endpoints.rows(merchant_id, ORDERS_SHOWN),
        keys=await register.api_keys.list(merchant_id, limit=ORDERS_SHOWN),
        moves=[(one, *_decided(visit, one)) for one in await register.merchants.moves(merchant_id, limit=ORDERS_SHOWN)],
        is_own=visit.who.known.merchant_id == merchant_id,
        done=visit.given("done"),
        later=visit.given("later"),
        **addresses(visit, orders, lambda row: Position(row.opened_at, row.order_id), ORDERS_SHOWN),
    )


def _holds(row: OrderInHand) -> tuple[HoldView | None, ...]:
    """Why an order's money has not arrived; one line where nothing is recorded yet."""
    state = state_of_open(row)
    return (views.holds_of(state) if state is not None else ()) or (None,)


def _decided(visit: Visit, move: MerchantMove) -> tuple[str, str]:
    """What was decided about a merchant, and to which value it was set."""
    what, _, about = move.what.partition(" ")
    said = " ".join(filter(None, (visit.words.of("merchant_move", what), about if what == "licence" else "")))
    value = move.value
    if value is None:
        return said, visit.words("merchant.ended")
    if what == "deposit":
        return said, format_minor(int(value), about)
    if what == "commission_bps":
        return said, f"{Decimal(value) / 100:f} %"
    if what == "settlement_delay":
        return said, spell(parse_duration(value), visit.language)
    return said, visit.words.of("choice", value) if value in {"yes", "no"} else value


_COLUMNS = ("order", "phase", "total", "currency", "reason", "waits", "since", "expected", "who can act")


def _cells(row: OrderInHand, hold: HoldView | None) -> tuple[Any, ...]:
    order = (row.order_id, row.phase, decimal(row.total_minor, row.currency), row.currency)
    if hold is None:
        return (*order, "", "", "", "", "")
    waits = "" if hold.amount_minor is None else decimal(hold.amount_minor, row.currency)
    return (*order, hold.reason, waits, hold.since, hold.expected_release, hold.who_can_act)


def _merchant(visit: Visit) -> str:
    merchant_id = id_in(visit)
    if not visit.who.sees(merchant_id):
        raise ProblemError("not_found")
    return merchant_id


# --- withdraw ----------------------------------------------------------------------------------------------


async def withdraw_form(visit: Visit) -> Response:
    """Ask for a withdrawal."""
    merchant_id = _own(visit)
    if not visit.who.signed_in_lately(visit.now):
        return sign_in_for(f"/console/merchants/{merchant_id}/withdraw", again=True)
    return await _form(visit, merchant_id, {}, [])


async def withdraw_check(visit: Visit) -> Response:
    """What it would cost and what stands against it, before it is asked for."""
    merchant_id, given, asked, problems = await _asked(visit)
    if asked is None or given.get("change"):
        return await _form(visit, merchant_id, given, problems)
    try:
        found = await estimate_now(visit.service.settings, visit.register, asked)
    except Refused as refusal:
        return await _form(visit, merchant_id, given, _in_form(visit, problem_in(refusal)))
    against = [said_of(visit, problem_of(one.code, one.message)) for one in found.against]
    return render(
        visit,
        "withdraw_check.html",
        merchant_id=merchant_id,
        asked=asked,
        found=found,
        given=given,
        against=against,
    )


async def withdraw_send(visit: Visit) -> Response:
    """Ask for it, as the merchant."""
    merchant_id, given, asked, problems = await _asked(visit)
    if not visit.who.signed_in_lately(visit.now):
        return sign_in_for(f"/console/merchants/{merchant_id}/withdraw", again=True)
    if asked is None:
        return await _form(visit, merchant_id, given, problems)
    body = asked.model_dump(mode="json", exclude_unset=True)
    answer, problem = await carried_out(visit, asked.withdrawal_id, "withdrawal", asked.withdrawal_id, body)
    if problem is not None:
        return await _form(visit, merchant_id, given, _in_form(visit, problem))
    return go(f"/console/withdrawals/{asked.withdrawal_id}?{'done' if answer is not None else 'later'}=withdraw")


def _own(visit: Visit) -> str:
    merchant_id = id_in(visit)
    if visit.who.known.merchant_id != merchant_id:
        raise ProblemError("not_found")
    return merchant_id


async def _asked(visit: Visit) -> tuple[str, dict[str, str], Withdrawal | None, Wrong]:
    """The withdrawal that a form asks for, or why it is none."""
    merchant_id = _own(visit)
    given = {name: str(value).strip() for name, value in (await visit.form()).items()}
    account_id, _, currency = given.get("account_id", "").partition("|")
    given.setdefault("withdrawal_id", f"w-{secrets.token_hex(16)}")
    if not given.get("amount_minor"):
        return merchant_id, given, None, [("amount_minor", visit.words("act.required"))]
    try:
        amount = amount_in(visit, given["amount_minor"], currency)
        fields: dict[str, Any] = {"merchant_id": merchant_id, "account_id": account_id, "currency": currency}
        fields |= {"amount_minor": amount, "withdrawal_id": given["withdrawal_id"]}
        asked = message_of(Withdrawal, fields | {"requested_by": {"role": "merchant", "id": merchant_id}})
        refuse_address(asked)
    except BadInput as error:
        return merchant_id, given, None, [("amount_minor", str(error))]
    except (ProblemError, Refused) as error:
        problem = problem_in(error) if isinstance(error, Refused) else error.problem
        return merchant_id, given, None, _in_form(visit, problem)
    return merchant_id, given, asked, []


async def _form(visit: Visit, merchant_id: str, given: dict[str, str], problems: Wrong) -> Response:
    return render(
        visit,
        "withdraw.html",
        422 if problems else 200,
        merchant_id=merchant_id,
        accounts=await visit.register.accounts.of_merchant(merchant_id),
        balances=await visit.register.balances.of_merchant(merchant_id),
        given=given,
        problems=problems,
        wrong_by_field=dict(problems),
    )


def _in_form(visit: Visit, problem: HttpProblem) -> Wrong:
    """A problem at the fields of the form that it is about, or at none."""
    found = [(one["pointer"].strip("/"), detail_of(visit, one["detail"])) for one in problem.errors]
    if problem.code == "unreadable" and found:
        return [(name if name in _FIELDS else "", why) for name, why in found]
    about = next((name for name, _ in found if name in _FIELDS), "")
    return [(about, said_of(visit, problem))]


ROUTES = [
    Route("/merchants/{id}", for_people(merchant_page, asks=("done", "later", *OF_LISTS))),
    Route("/merchants/{id}/withdraw", for_people(withdraw_form)),
    Route("/merchants/{id}/withdraw", for_people(withdraw_check), methods=["POST"]),
    Route("/merchants/{id}/withdraw/send", for_people(withdraw_send), methods=["POST"]),
]
