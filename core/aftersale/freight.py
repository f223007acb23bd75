"""Freight of the way back: what the buyer paid to return the goods, given back by who bears it.

It is a refund of an amount, like the compensation for a late shipment: a channel sends back no more than was paid, so
it is limited to what is left of the order beside the case's own refund, and by the policy over all cases of an order.
"""

from __future__ import annotations

from core.aftersale.messages import CaseBearer
from core.aftersale.state import AfterSaleCase, CaseFacts
from core.reasons import Refusal, refuse

FREIGHT = "return_freight_minor"
"""The field of a command that gives it."""
NO_WAY_BACK = "Freight of a way back needs goods that come back."


def check_freight(
    case: AfterSaleCase,
    amount_minor: int | None,
    bearer: CaseBearer,
    facts: CaseFacts,
    award_minor: int | None,
) -> Refusal | None:
    """Whether this much freight of the way back may be given to the buyer. Goods do come back.

    Args:
        bearer: who pays for it; a buyer gets nothing from itself.
        award_minor: what the case gives apart from it; None: all that it is about.
    """
    if amount_minor is None:
        return None
    if bearer == "buyer":
        return refuse(
            "above_return_freight", "The buyer bears it; name merchant or platform in return_freight.", field=FREIGHT
        )
    most = max(0, facts.limits.return_freight_most_minor - facts.freight_given_minor)
    if amount_minor > most:
        return refuse("above_return_freight", f"At most {facts.shown(most)} more for this order.", field=FREIGHT)
    takes = facts.scope_minor if award_minor is None else award_minor
    left = max(0, facts.refundable_minor - (0 if case.kind == "exchange" and award_minor is None else takes))
    if amount_minor > left:
        hint = (
            f"Beside the case's own refund {facts.shown(left)} is left, and a channel sends back no more than was paid."
        )
        return refuse("above_refundable", hint, field=FREIGHT)
    return None


def with_freight(case: AfterSaleCase, amount_minor: int | None, bearer: CaseBearer | None) -> AfterSaleCase:
    """The case with who bears the way back, and with what the buyer gets for it; None changes nothing."""
    case = case.changed(return_freight=bearer or case.return_freight)
    return case if amount_minor is None else case.changed(return_freight_minor=amount_minor)
