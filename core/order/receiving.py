"""Receipt: the buyer's confirmation, more time, silence, and calling the order off."""

from __future__ import annotations

from datetime import datetime

from core.messages import CancelOrder, ConfirmReceipt, ExtendReceipt
from core.order.refunding import refund_all
from core.order.state import OrderState, Receipt
from core.reasons import Refusal, refuse
from core.texts import clock


def check_confirmation(state: OrderState, command: ConfirmReceipt) -> Refusal | None:
    """Whether the buyer (or an operator, who must say why) may confirm now."""
    if state.receipt.status == "confirmed":
        return refuse("already_confirmed")
    if not state.live_parcels:
        return refuse("nothing_shipped")
    if not state.fully_shipped:
        return refuse("not_fully_shipped")
    if state.open_case is not None:
        return refuse("case_open", "Withdraw it first: withdraw_after_sale.")
    if command.actor.role == "operator" and not command.reason:
        return refuse("reason_missing", field="reason")
    return None


def confirm(state: OrderState, command: ConfirmReceipt, now: datetime) -> OrderState:
    """Receipt is confirmed. From now on no default refunds the order."""
    by = "buyer" if command.actor.role == "buyer" else "operator"
    receipt = Receipt(status="confirmed", by=by, at=now, extensions=state.receipt.extensions)
    return state.changed(receipt=receipt).with_notice("merchant", "receipt_confirmed", now, by=by)


def confirm_by_timeout(state: OrderState, now: datetime) -> OrderState:
    """Silence confirms what a carrier says was delivered."""
    receipt = Receipt(status="confirmed", by="timeout", at=now, extensions=state.receipt.extensions)
    state = state.changed(receipt=receipt)
    state = state.with_notice("buyer", "receipt_confirmed", now, by="timeout")
    return state.with_notice("merchant", "receipt_confirmed", now, by="timeout")


def check_extension(state: OrderState, now: datetime) -> Refusal | None:
    """Whether the receipt clock runs, is near its end, and may be extended once more."""
    limits, receipt = state.policy.order, state.receipt
    if receipt.status == "confirmed":
        return refuse("already_confirmed")
    if not state.live_parcels:
        return refuse("nothing_shipped")
    if receipt.status == "paused":
        return refuse("case_open", "The receipt clock stands.")
    if receipt.extensions >= limits.extensions_max:
        return refuse("too_many_extensions", f"At most {limits.extensions_max}.")
    if receipt.deadline is None:
        return refuse("too_early", "The receipt clock starts when the last parcel is delivered.")
    if receipt.deadline - now > limits.extension_opens:
        opens = receipt.deadline - limits.extension_opens
        return refuse("too_early", f"It can be extended from {clock(opens)}.")
    return None


def extend(state: OrderState, command: ExtendReceipt, now: datetime) -> OrderState:
    """The deadline moves by the policy's extension; the journal says old, new and why."""
    old = state.receipt.deadline
    assert old is not None
    new = old + state.policy.order.extension
    receipt = state.receipt.changed(deadline=new, extensions=state.receipt.extensions + 1)
    state = state.changed(receipt=receipt)
    return state.with_notice(
        "merchant", "receipt_extended", now, old=old.isoformat(), new=new.isoformat(), reason=command.reason or ""
    )


def follow_deliveries(state: OrderState, now: datetime) -> OrderState:
    """Start the receipt clock when the last parcel is delivered; stop it when that turns out to be wrong.

    The clock runs from the carrier's scan. If the delivery became known late, the buyer still has the reminder's time.
    """
    if state.phase != "shipped" or state.receipt.status == "confirmed":
        return state
    delivered, limits = state.all_delivered_at, state.policy.order
    if delivered is None:
        if state.receipt.status != "not_due":
            return state.changed(receipt=Receipt(extensions=state.receipt.extensions))
        return state
    if state.receipt.status != "not_due":
        return state
    deadline = max(delivered + limits.receipt_within, now + limits.receipt_reminder)
    receipt = Receipt(status="awaited", deadline=deadline, extensions=state.receipt.extensions)
    state = state.changed(receipt=receipt)
    return state.with_notice("buyer", "delivered", now, confirm_by=deadline.isoformat())


def check_cancel(state: OrderState, command: CancelOrder) -> Refusal | None:
    """Whether nothing has physically moved. A printed label does not stop the buyer from cancelling."""
    if not command.reason:
        return refuse("reason_missing", field="reason")
    if state.phase == "credited":
        return refuse("already_credited")
    if any(parcel.moved for parcel in state.live_parcels):
        return refuse("already_moving")
    if state.receipt.status == "confirmed":
        return refuse("already_confirmed")
    return None


def cancel(state: OrderState, command: CancelOrder, now: datetime) -> OrderState:
    """All money goes back."""
    return refund_all(state, "cancel", command.reason, "cancelled", now)
