"""Whose words about an order count: a refund, what became of a stuck one, and what a buyer must pay again."""

from __future__ import annotations

from collections.abc import Collection

from core.aftersale.messages import Arbitrate
from core.messages import Command, ResolveRefund
from core.order.claiming import stuck_claim
from core.order.state import OrderState
from core.refund_messages import RefundOrder
from core.votes import Voters, has_left

ROLES = {ResolveRefund: ("operator", "reviewer"), RefundOrder: ("operator", "reviewer"), Arbitrate: ("reviewer",)}
"""The commands by which two people decide, and the roles of those who may."""


def voters_of(state: OrderState, command: Command) -> Voters | None:
    """Whose words this command would count; None where it is no one's but its sender's to decide."""
    roles = ROLES.get(type(command))
    if roles is None or (isinstance(command, Arbitrate) and not _claims(state)):
        return None
    return Voters(people=tuple(dict.fromkeys((*said_by(state, command), command.actor.id))), roles=roles)


def said_by(state: OrderState, command: Command) -> tuple[str, ...]:
    """Whose words stand in what this command is about, and wait for another's."""
    if isinstance(command, RefundOrder):
        return (state.refund_request.by,) if state.refund_request is not None else ()
    if isinstance(command, ResolveRefund):
        refund, case = state.refund(command.cause), stuck_claim(state, command.cause)
        claim = case.claim if case is not None else None
        votes = claim.votes if claim is not None else refund.votes if refund is not None else ()
        return tuple(person for person, _ in votes)
    ruling = state.open_case.claim.ruling if state.open_case is not None and state.open_case.claim is not None else None
    return (ruling.by,) if isinstance(command, Arbitrate) and ruling is not None else ()


def without_words_of(state: OrderState, command: Command, left: Collection[str]) -> OrderState:
    """The order as if these people had said nothing of it. What their words have brought about stays."""
    if not any(has_left(person, left) for person in said_by(state, command)):
        return state
    if isinstance(command, RefundOrder):
        return state.changed(refund_request=None)
    case = stuck_claim(state, command.cause) if isinstance(command, ResolveRefund) else state.open_case
    if case is not None and case.claim is not None:
        claim = case.claim
        votes = tuple(vote for vote in claim.votes if not has_left(vote[0], left))
        ruling = None if claim.ruling is not None and has_left(claim.ruling.by, left) else claim.ruling
        return state.with_case(case.changed(claim=claim.changed(votes=votes, ruling=ruling)))
    assert isinstance(command, ResolveRefund)
    refund = state.refund(command.cause)
    assert refund is not None
    return state.with_refund(refund.changed(votes=tuple(vote for vote in refund.votes if not has_left(vote[0], left))))


def _claims(state: OrderState) -> bool:
    return state.open_case is not None and state.open_case.claim is not None
