"""Who is notified of a case: both sides, and people of the platform where one of them must act."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from core.aftersale.state import AfterSaleCase, Side
from core.aftersale.texts import CASE_NOTICES
from core.aftersale.views import facts_for_notice
from core.ids import charge_key
from core.order.state import OrderState


def notify_case(state: OrderState, case: AfterSaleCase, now: datetime, name: str | None = None) -> OrderState:
    """Notify of the case's stage, or of what this name says."""
    name = name or f"after_sale_{case.stage}"
    return inform_of_case(state, CASE_NOTICES[name], name, case, now)


def inform_of_case(
    state: OrderState, readers: Iterable[Side], name: str, case: AfterSaleCase, now: datetime
) -> OrderState:
    """One notice of the case for each of these readers."""
    facts = facts_for_notice(case) | _to_be_paid(state, case)
    for reader in readers:
        state = state.with_notice(reader, name, now, **facts)
    return state


def _to_be_paid(state: OrderState, case: AfterSaleCase) -> dict[str, str]:
    """What the buyer is asked to pay, and under which key: some channels take money only from the payer's own hand."""
    if case.claim is None or case.stage != "charging":
        return {}
    key, amount = charge_key(state.order.order_id, case.case_id), str(case.claim.amount_minor)
    return {"payment_key": key, "amount_minor": amount, "currency": state.order.currency}
