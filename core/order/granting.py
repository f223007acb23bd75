"""`refund_order`: two people give a buyer money back, at any time, also after the order was settled.

The first asks, and the second says the same. A different request replaces the first. They need not know where the
order's money is: it comes from escrow, the order's proceeds, the merchant's other money or debt, or the platform.
"""

from __future__ import annotations

from datetime import datetime

from core.command import same_person
from core.money import format_minor
from core.order.refunding import refund_amount, refund_rest, refund_units
from core.order.refunds import OpenRefundRequest
from core.order.shares import refundable_minor, return_units
from core.order.state import OrderState
from core.order.units import units_of
from core.reasons import Refusal, refuse
from core.refund_messages import RefundOrder


def check_refund(state: OrderState, command: RefundOrder, now: datetime) -> Refusal | None:
    """Whether this much is left, and the sender has not asked for the same before."""
    if not command.reason:
        return refuse("reason_missing", field="reason")
    if state.being_paid:
        return refuse("too_early", "Its money is being moved; ask again.")
    if state.open_case is not None and state.open_case.dispute is not None:
        # What is won back is the exact reverse of what was taken: no other refund may come between.
        return refuse("case_open", "The payment channel decides about it first.")
    if command.bearer == "platform" and not earned(state):
        return refuse("too_early", "Until receipt and audit are settled the merchant's money is there.", "bearer")
    if (refusal := _check_scope(state, command)) is not None:
        return refusal
    asked = standing_request(state, now)
    if asked is not None and asked.wish == wish_of(command) and same_person(asked.by, command.actor.id):
        return refuse("needs_other_person", field="actor.id")
    return None


def earned(state: OrderState) -> bool:
    """The order is credited and stays so: if the platform bears the refund, the merchant keeps the money."""
    received = state.receipt.status == "confirmed" and state.audit == "approved" and not state.left_to_ship()
    return state.credited_at is not None or received


def _check_scope(state: OrderState, command: RefundOrder) -> Refusal | None:
    left = refundable_minor(state)
    if command.amount_minor is not None and command.amount_minor > left:
        return refuse("above_refundable", f"{format_minor(left, state.order.currency)} is left.", field="amount_minor")
    lines = {line.line_id: line for line in state.lines}
    for number, part in enumerate(command.lines or ()):
        if part.line_id not in lines:
            return refuse("unknown_line", part.line_id, field=f"lines.{number}.line_id")
        if part.quantity > lines[part.line_id].units_left:
            hint = f"{lines[part.line_id].units_left} of line {part.line_id} are left."
            return refuse("above_refundable", hint, field=f"lines.{number}.quantity")
    if left == 0 or (command.lines and not _worth(state, command)):
        return refuse("above_refundable", "Nothing of it is left.")
    return None


def _worth(state: OrderState, command: RefundOrder) -> int:
    return return_units(state, units_of(command.lines), command.bearer, with_freight=command.freight).amount_minor


def wish_of(command: RefundOrder) -> str:
    """What is asked for, without the sender and the reason."""
    return command.model_dump_json(include={"lines", "amount_minor", "freight", "bearer"})


def standing_request(state: OrderState, now: datetime) -> OpenRefundRequest | None:
    """Keep the first person's request until a second agrees."""
    asked = state.refund_request
    return asked if asked is not None and now < asked.at + state.policy.order.refund_request_within else None


def grant_refund(state: OrderState, command: RefundOrder, now: datetime) -> OrderState:
    """The second of two people who say the same does it."""
    asked = standing_request(state, now)
    if asked is None or asked.wish != wish_of(command) or same_person(asked.by, command.actor.id):
        request = OpenRefundRequest(wish=wish_of(command), by=command.actor.id, at=now, cause=command.command_id)
        state = state.changed(refund_request=request)
        return state.with_notice("operator", "refund_asked", now, by=command.actor.id, reason=command.reason)
    state, cause = state.changed(refund_request=None), f"operator-{asked.cause}"
    if command.lines is not None:
        units = units_of(command.lines)
        return refund_units(
            state, units, cause, command.reason, now, bearer=command.bearer, with_freight=command.freight
        )
    if command.amount_minor is not None:
        return refund_amount(state, command.amount_minor, cause, command.reason, now, bearer=command.bearer)
    return refund_rest(state, cause, command.reason, now, bearer=command.bearer)
