"""How a withdrawal begins: what the request alone decides, and what follows the reservation."""

from __future__ import annotations

from datetime import datetime

from core.ids import withdrawal_workflow_id
from core.messages import Withdrawal
from core.money import format_minor
from core.proving import unproven
from core.reasons import Refusal, refuse
from core.sender_proofs import START
from core.withdrawal.outcomes import ask_approval, go_on
from core.withdrawal.payouts import seed_of
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.state import WithdrawalState

REQUESTERS: frozenset[str] = frozenset({"merchant", "operator", "storefront", "system"})


def begin(withdrawal: Withdrawal, policy: WithdrawalPolicy, now: datetime) -> WithdrawalState:
    """The first state: requested, or refused by what the request itself says."""
    asked = withdrawal.model_copy(update={"proof": None})
    seed = seed_of(withdrawal.withdrawal_id)
    state = WithdrawalState(withdrawal=asked, policy=policy, seed=seed, opened_at=now, phase_since=now)
    refusal = check_request(withdrawal, policy) or _unproven(withdrawal, policy, now)
    return refuse_request(state, refusal, now) if refusal else state


def _unproven(withdrawal: Withdrawal, policy: WithdrawalPolicy, now: datetime) -> Refusal | None:
    workflow_id = withdrawal_workflow_id(withdrawal.withdrawal_id)
    asker, proof = withdrawal.requested_by, withdrawal.proof
    return unproven(withdrawal, proof, START, asker, workflow_id, policy.proofs, now)


def check_request(withdrawal: Withdrawal, policy: WithdrawalPolicy) -> Refusal | None:
    """Why the request itself is refused: sender, currency, amount; None where it is not.

    The ledger checks the balance.
    """
    requester = withdrawal.requested_by
    own = requester.role != "merchant" or requester.id == withdrawal.merchant_id
    if requester.role not in REQUESTERS or not own:
        return refuse("wrong_actor", field="requested_by")
    if withdrawal.policy is not None and requester.role == "merchant":
        return refuse("wrong_actor", "A merchant does not choose the policy.", field="policy")
    if withdrawal.leaving and requester.role != "operator":
        return refuse("wrong_actor", "Only an operator says that a merchant leaves.", field="leaving")
    if policy.currencies and withdrawal.currency not in policy.currencies:
        return refuse("wrong_currency", f"Allowed: {', '.join(policy.currencies)}.", field="currency")
    amount, currency = withdrawal.amount_minor, withdrawal.currency
    least = max(policy.least(withdrawal), policy.fee(amount) + 1)
    if amount < least:
        return refuse("below_minimum", f"At least {format_minor(least, currency)}.", field="amount_minor")
    if amount > policy.maximum_minor:
        most = format_minor(policy.maximum_minor, currency)
        return refuse("above_maximum", f"At most {most}.", field="amount_minor")
    return None


def refuse_request(state: WithdrawalState, refusal: Refusal, now: datetime) -> WithdrawalState:
    """The withdrawal is refused before it exists: nothing is reserved, and it has no row."""
    return state.enter("refused", now, refusal.message).changed(refusal=refusal)


def apply_reservation(state: WithdrawalState, now: datetime) -> WithdrawalState:
    """The money is set aside: a large amount waits for two people, everything else goes on."""
    state = state.changed(reserved=True)
    if state.phase != "requested":
        return state  # cancelled while the reservation was being made
    if state.policy.needs_approval(state.withdrawal.amount_minor):
        return ask_approval(state, now)
    return go_on(state.enter("approved", now), now)
