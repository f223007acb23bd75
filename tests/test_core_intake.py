"""Signals of collusion at intake: counted against limits of the policy, which are off, and never a refusal."""

from __future__ import annotations

import pytest
from order_samples import T0, an_order
from pydantic import ValidationError

from core.intake import SIGNALS, Alike, IntakePolicy, hold_for, signals_of
from core.messages import Order
from core.order.texts import cause_zh
from core.policy import parse_policy
from core.reading import content_hash

DIGEST = "0" * 64


def alike(**counts: int) -> Alike:
    return Alike(**counts)


def test_nothing_is_looked_for_by_default() -> None:
    many = alike(pair=1000, device=1000, place=1000)
    order = an_order().model_copy(update={"device_hash": DIGEST, "place_hash": DIGEST})
    assert signals_of(order, IntakePolicy(), many) == ()
    assert not IntakePolicy().counts


@pytest.mark.parametrize("what", ["pair", "device", "place"])
def test_one_more_than_the_limit_is_a_signal(what: str) -> None:
    order = an_order().model_copy(update={"device_hash": DIGEST, "place_hash": DIGEST})
    policy = IntakePolicy.model_validate({f"{what}_max": 3})
    assert policy.counts
    assert signals_of(order, policy, alike(**{what: 2})) == ()
    assert signals_of(order, policy, alike(**{what: 3})) == (what,)


def test_without_a_hash_nothing_is_shared() -> None:
    policy = IntakePolicy(device_max=1, place_max=1)
    assert signals_of(an_order(), policy, alike(device=5, place=5)) == ()


@pytest.mark.parametrize(
    ("total", "seen"), [(9_799, False), (9_800, True), (9_999, True), (10_000, False), (10_001, False)]
)
def test_only_amounts_just_under_a_threshold_are_a_signal(total: int, seen: bool) -> None:
    policy = IntakePolicy(thresholds_minor=(10_000,), just_under_bps=200)
    order = an_order().model_copy(update={"total_minor": total})
    assert signals_of(order, policy, Alike()) == (("just_under",) if seen else ())
    assert signals_of(order.model_copy(update={"currency": "USD"}), policy, Alike()) == ()


def test_the_hold_says_what_was_seen_in_both_languages_and_when_a_person_looks() -> None:
    hold = hold_for(("pair", "just_under"), IntakePolicy(), T0)
    assert (hold.scope, hold.owner) == ("credit", "operator")
    assert hold.review_at == T0 + IntakePolicy().review_within
    assert hold.reason == "the same buyer and merchant often, an amount just under a threshold"
    assert cause_zh(hold) == "疑似异常交易：同一买家与商家交易频繁、金额略低于阈值。"
    assert set(SIGNALS) == {"pair", "device", "place", "just_under"}


def test_a_hash_is_a_digest_and_an_order_without_one_is_as_it_was() -> None:
    body = an_order().model_dump(mode="json")
    assert not {"device_hash", "place_hash"} & body.keys()
    assert content_hash(Order.model_validate(body)) == content_hash(an_order())
    with pytest.raises(ValidationError, match="device_hash"):
        Order.model_validate({**body, "device_hash": "my phone"})
    assert Order.model_validate({**body, "place_hash": DIGEST}).place_hash == DIGEST


def test_the_limits_are_read_from_a_policy() -> None:
    policy = parse_policy('name = "x"\n[intake]\npair_max = 5\nwithin = "7d"\nthresholds_minor = [500000]\n')
    assert (policy.intake.pair_max, policy.intake.thresholds_minor) == (5, (500_000,))
