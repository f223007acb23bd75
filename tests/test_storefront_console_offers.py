"""What a page offers a person: what the core would take from them now, no more and no less."""

from __future__ import annotations

from typing import Any

import pytest
from case_driver import case, delivered, say, send_back, stage
from order_driver import OrderDriver
from order_samples import PEOPLE
from order_walks import STARTS, a_driver, walks
from signing_keys import ROOT, public
from withdrawal_driver import LARGE, WithdrawalDriver, asked

from core.answers import Answer
from core.command import Actor
from core.sender_proofs import ProofNeeds
from storefront.console.offers import ACTIONS, Offer, offers_of_order, offers_of_withdrawal
from storefront.console.offers import PEOPLE as PEOPLE_OF_CONSOLE

STAGES: dict[str, tuple[set[str], set[str]]] = {
    "applied": (
        {"agree_after_sale", "refuse_after_sale", "propose_amount", "add_evidence"},
        {"agree_after_sale", "refuse_after_sale", "propose_amount"},
    ),
    "refused": ({"agree_after_sale", "add_evidence"}, set()),
    "awaiting_return": ({"add_evidence"}, set()),
    "inspecting": ({"confirm_return", "refuse_return", "add_evidence"}, {"confirm_return", "refuse_return"}),
    "arbitration": ({"agree_after_sale", "add_evidence"}, set()),
}
"""Stage of a case → what its merchant may do, and what the money waits for."""


def offers(driver: OrderDriver, role: str, who: str | None = None) -> tuple[Offer, ...]:
    actor = Actor.model_validate({"role": role, "id": who or PEOPLE.get(role, "ann")})
    return offers_of_order(driver.state, actor, driver.now)


def verbs(found: tuple[Offer, ...]) -> set[str]:
    return {offer.verb for offer in found}


def in_stage(name: str) -> OrderDriver:
    driver = delivered()
    case(driver, "return_and_refund" if name in {"awaiting_return", "inspecting"} else "refund_only")
    if name in {"refused", "arbitration"}:
        say(driver, "refuse_after_sale", "merchant", reason="It was whole")
    if name == "arbitration":
        say(driver, "escalate", "buyer")
    if name in {"awaiting_return", "inspecting"}:
        say(driver, "agree_after_sale", "merchant")
    if name == "inspecting":
        send_back(driver)
        driver.hear("return-1", "approved", first_physical_at=driver.now, delivered_at=driver.now)
    assert stage(driver) == name
    return driver


@pytest.mark.parametrize("name", STAGES)
def test_a_merchant_may_answer_a_case_as_its_stage_allows(name: str) -> None:
    found = offers(in_stage(name), "merchant")
    may, leads = STAGES[name]
    assert verbs(found) == may
    assert {offer.verb for offer in found if offer.leads} == leads
    assert not any(offer.for_party for offer in found)


def test_what_the_money_waits_for_comes_first() -> None:
    found = [offer.leads for offer in offers(in_stage("applied"), "merchant")]
    assert found == sorted(found, reverse=True)


def test_an_operator_may_act_in_the_place_of_a_party() -> None:
    found = {offer.verb: offer for offer in offers(in_stage("applied"), "operator", "ann")}
    assert found["agree_after_sale"].for_party
    assert not found["agree_after_sale"].leads
    assert not found["place_hold"].for_party


def test_another_merchant_is_offered_nothing() -> None:
    assert offers(in_stage("applied"), "merchant", "m-other") == ()


def test_the_amount_that_is_taken_is_the_one_that_was_offered() -> None:
    driver = in_stage("applied")
    say(driver, "propose_amount", "merchant", amount_minor=1_234)
    (found,) = [offer for offer in offers(driver, "operator", "ann") if offer.verb == "accept_amount"]
    assert found.query == "?amount_minor=12.34"


def test_the_end_of_a_chargeback_is_offered_by_its_name() -> None:
    driver = delivered()
    (found,) = [offer for offer in offers(driver, "operator", "ann") if offer.verb == "report_chargeback"]
    assert (found.preset, found.for_party) == ({}, False)
    driver.send("report_chargeback", "operator", case_reference="du-1", amount_minor=700)
    (found,) = [offer for offer in offers(driver, "operator", "ann") if offer.verb == "report_chargeback"]
    assert (found.preset, found.about) == ({"case_reference": "du-1"}, "du-1")


def test_a_parcel_that_is_reported_has_a_new_name() -> None:
    driver = OrderDriver().open()
    (found,) = [offer for offer in offers(driver, "merchant") if offer.verb == "report_shipment"]
    assert (found.preset, found.leads) == ({"parcel_id": "p1"}, True)


@pytest.mark.parametrize("role", ["operator", "reviewer", "merchant"])
def test_a_policy_that_asks_for_proofs_takes_no_button_away(role: str) -> None:
    """The gateway signs what a person sends."""
    plain = in_stage("arbitration")
    needs = ProofNeeds(roots=(public(ROOT),), required_of=("operator", "reviewer", "merchant"))
    policy = plain.state.policy.model_copy(update={"proofs": needs})
    proven = plain.state.changed(policy=policy)
    actor = Actor.model_validate({"role": role, "id": PEOPLE.get(role, "ann")})
    assert verbs(offers_of_order(proven, actor, plain.now)) == verbs(offers(plain, role))
    assert verbs(offers(plain, role))


def test_a_withdrawal_is_offered_to_those_who_may_approve_it() -> None:
    driver = WithdrawalDriver(asked(LARGE)).run()
    bob, requester = Actor(role="operator", id="bob"), driver.state.withdrawal.requested_by
    found = offers_of_withdrawal(driver.state, bob, driver.now)
    assert (found[0].verb, found[0].leads) == ("approve", True)
    assert "approve" not in verbs(offers_of_withdrawal(driver.state, requester, driver.now))
    driver.send("approve", "operator", "bob")
    assert "approve" not in verbs(offers_of_withdrawal(driver.state, bob, driver.now))


def test_on_random_ways_all_that_was_taken_was_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    missed, seen = [], set()
    send = OrderDriver.send

    def sending(self: OrderDriver, verb: str, role: str, *more: Any, **fields: Any) -> Any:
        before, now = self.state, self.now
        answer = send(self, verb, role, *more, **fields)
        action = ACTIONS.get(("order", verb))
        if (
            action is not None
            and role in action.roles & PEOPLE_OF_CONSOLE
            and isinstance(answer, Answer)
            and answer.outcome == "accepted"
        ):
            actor = next(line.actor for line in reversed(self.state.inbox.journal) if line.verb == verb)
            assert actor is not None
            seen.add((verb, role))
            if verb not in verbs(offers_of_order(before, actor, now)):
                missed.append((verb, role, before.phase))
        return answer

    monkeypatch.setattr(OrderDriver, "send", sending)
    for start in STARTS:
        a_driver(start, 1)
    for _ in walks(range(30), steps=20):
        pass
    assert missed == []
    assert len(seen) >= 12, seen
