"""Waybill numbers that an order claimed in the register and no longer needs."""

from __future__ import annotations

from collections.abc import Sequence

from core.messages import Command
from core.order.shipping import Claim, ClaimingCommand, WaybillToClaim, check_claims, claim_key, to_claim
from core.order.state import OrderState


def note_unused_claims(state: OrderState, command: Command, claims: Sequence[Claim]) -> OrderState:
    """The order after a command was refused although its numbers were claimed: the numbers are to be released.

    They were claimed all or none; if one was in use, none.
    """
    if not isinstance(command, ClaimingCommand) or not claims or check_claims(claims):
        return state
    unused = tuple((claim.parcel_id, claim.carrier, claim.waybill) for claim in to_claim(state, command))
    return state.changed(claims_unused=(*state.claims_unused, *unused))


def claims_to_release(state: OrderState) -> tuple[WaybillToClaim, ...]:
    """Numbers that may be used again: of parcels that ended before they moved, those that were corrected, and those
    whose command was refused."""
    if not (state.cases or state.claims_unused or any(parcel.ended or parcel.attempts for parcel in state.parcels)):
        return ()
    of_cases = state.case_parcels
    over = (parcel for case in state.cases if not case.open for parcel in case.parcels)
    ended = (p for p in (*(p for p in state.parcels if p.ended), *over) if not p.moved)
    unused = [WaybillToClaim(parcel_id=p.parcel_id, carrier=p.carrier, waybill=p.waybill) for p in ended]
    replaced = [
        WaybillToClaim(parcel_id=parcel.parcel_id, carrier=attempt.carrier, waybill=attempt.waybill)
        for parcel in (*state.parcels, *of_cases)
        for attempt in parcel.attempts
        if (attempt.carrier, attempt.waybill) != (parcel.carrier, parcel.waybill)
    ]
    by_key = {key_of(claim): claim for claim in (*unused, *replaced)}
    released = {key: claim for key, claim in by_key.items() if key not in state.claims_released}
    used = {claim_key(p.parcel_id, p.carrier, p.waybill) for p in (*state.parcels, *of_cases)}
    for parcel_id, carrier, waybill in state.claims_unused:
        claim = WaybillToClaim(parcel_id=parcel_id, carrier=carrier, waybill=waybill)
        if key_of(claim) not in used:
            released[key_of(claim)] = claim
    return tuple(released.values())


def standing_claims(state: OrderState) -> tuple[WaybillToClaim, ...]:
    """Numbers that the order's parcels stand for, those of its cases among them."""
    released = {*state.claims_released, *(key_of(claim) for claim in claims_to_release(state))}
    parcels = (*state.parcels, *state.case_parcels)
    claims = (WaybillToClaim(parcel_id=p.parcel_id, carrier=p.carrier, waybill=p.waybill) for p in parcels)
    return tuple(claim for claim in claims if key_of(claim) not in released)


def release_claims(state: OrderState) -> OrderState:
    """The order once the register has released what the step began with.

    A released number may have been claimed again for a refused command; it is released again.
    """
    gone = state.doing.claims if state.doing else tuple(key_of(claim) for claim in claims_to_release(state))
    released = tuple(dict.fromkeys((*state.claims_released, *gone)))
    unused = tuple(claim for claim in state.claims_unused if claim_key(*claim) not in gone)
    return state.changed(claims_released=released, claims_unused=unused, claims_unknown=False)


def key_of(claim: WaybillToClaim) -> str:
    """The key of a claim in the order's state."""
    return claim_key(claim.parcel_id, claim.carrier, claim.waybill)
