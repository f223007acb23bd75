"""Two orders claim one number: the trace decides where it can, and a person where it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from audited_parcels import BEIJING, HONEST, a_parcel, a_trace, an_order, found, hour, scan, verdict_on

from core.audit.verdict import Rival, Verdict
from core.messages import Address

SHENZHEN = Address(country="CN", province="广东省", city="深圳市", district="南山区", phone_last4="0231")
HAIDIAN_TOO = BEIJING.model_copy(update={"phone_last4": "4410"})
TO_SHENZHEN = (
    *HONEST[:3],
    scan(30, "arrived", "深圳市"),
    scan(42, "delivered", "深圳市南山区"),
)
ON_ITS_WAY = HONEST[:5]


def rival(claimed: float = 4, ship_to: Address | None = SHENZHEN, paid: float = -1, **changes: Any) -> Rival:
    return Rival(merchant_id="m-2", claimed_at=hour(claimed), ship_to=ship_to, paid_at=hour(paid), **changes)


def judged(*scans: Any, rivals: tuple[Rival, ...] = (), in_person: bool = False, contact: Any = None) -> Verdict:
    order = an_order(buyer_confirmed_in_person=in_person)
    return verdict_on(traces=(a_trace(*scans, contact=contact),), order=order, parcel=a_parcel(rivals=rivals))


def finding(verdict: Verdict) -> Any:
    return next(one for one in verdict.findings if one.rule == "number_unclaimed")


@pytest.mark.parametrize("claimed", [4, 6])
def test_delivered_to_our_buyer_it_is_ours_whoever_claimed_first(claimed: float) -> None:
    verdict = judged(*HONEST, rivals=(rival(claimed),))
    assert verdict.outcome == "approved"
    assert finding(verdict).evidence["what"] == "ours"
    assert "reached the buyer of this one" in finding(verdict).message


@pytest.mark.parametrize("claimed", [4, 6])
def test_delivered_to_the_rivals_buyer_it_is_theirs_whoever_claimed_first(claimed: float) -> None:
    verdict = judged(*TO_SHENZHEN, rivals=(rival(claimed),))
    assert (verdict.outcome, verdict.reasons) == ("rejected", ("number_unclaimed",))
    assert "went to the buyer of another order" in verdict.sentences("en")[0]
    assert "另一订单" in verdict.sentences("zh")[0]


def test_while_the_trace_may_tell_nobody_is_asked() -> None:
    verdict = judged(*ON_ITS_WAY, rivals=(rival(),))
    assert (verdict.outcome, verdict.reasons) == ("pending", ("not_delivered",))
    assert found(verdict, "number_unclaimed") == ("unknown", "none")


@pytest.mark.parametrize(
    "against",
    [
        (rival(ship_to=HAIDIAN_TOO),),  # the same city, and no digits that decide
        (rival(ship_to=None),),  # nothing is known of the rival
        (rival(), rival(ship_to=HAIDIAN_TOO)),  # one of two is not contradicted
    ],
)
def test_what_fits_both_goes_to_a_person_for_the_later_claim(against: tuple[Rival, ...]) -> None:
    verdict = judged(*HONEST, rivals=against)
    assert (verdict.outcome, found(verdict, "number_unclaimed")) == ("needs_review", ("fail", "strong"))
    earlier = tuple(one.model_copy(update={"claimed_at": hour(6)}) for one in against)
    verdict = judged(*HONEST, rivals=earlier)
    assert (verdict.outcome, found(verdict, "number_unclaimed")) == ("approved", ("fail", "weak"))


def test_what_fits_neither_is_not_settled() -> None:
    verdict = judged(*HONEST[:3], scan(42, "delivered", "昆明市"), rivals=(rival(),))
    assert verdict.outcome == "needs_review"
    assert set(verdict.reasons) == {"number_unclaimed", "destination_matches"}


def test_the_buyers_digits_tell_two_buyers_of_one_city_apart() -> None:
    verdict = judged(*HONEST, rivals=(rival(ship_to=HAIDIAN_TOO),), contact="matched")
    assert (verdict.outcome, finding(verdict).evidence["what"]) == ("approved", "ours")
    same_digits = BEIJING.model_copy(update={"district": "朝阳区"})
    assert judged(*HONEST, rivals=(rival(ship_to=same_digits),), contact="matched").outcome == "needs_review"


def test_a_parcel_that_left_days_before_the_rivals_payment_is_not_theirs() -> None:
    late = rival(claimed=90, ship_to=HAIDIAN_TOO, paid=80)
    assert finding(judged(*HONEST, rivals=(late,))).evidence["what"] == "ours"


def test_the_buyers_own_word_neither_waits_for_the_trace_nor_settles_it() -> None:
    verdict = judged(*ON_ITS_WAY, rivals=(rival(),), in_person=True)
    assert (verdict.outcome, found(verdict, "number_unclaimed")) == ("needs_review", ("fail", "strong"))
    verdict = judged(*TO_SHENZHEN, rivals=(rival(),), in_person=True)
    assert verdict.outcome == "needs_review"


def test_a_forwarded_parcel_contradicts_nobody() -> None:
    forwarded = (*TO_SHENZHEN[:-1], scan(41, "in_transit", "北京市", "快件已转寄"), TO_SHENZHEN[-1])
    verdict = judged(*forwarded, rivals=(rival(),))
    assert (verdict.outcome, found(verdict, "number_unclaimed")) == ("needs_review", ("fail", "strong"))


def test_a_contest_whose_trace_never_ends_goes_to_a_person() -> None:
    verdict = verdict_on(*ON_ITS_WAY, parcel=a_parcel(rivals=(rival(),)), now=24 * 16)
    assert verdict.outcome == "needs_review"
