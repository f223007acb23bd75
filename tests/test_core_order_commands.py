"""Who may send what, duplicates, counts, and what a refusal leaves behind."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
from order_driver import OrderDriver
from order_samples import DAY, PEOPLE, T0, WAYBILLS, a_parcel, a_policy, a_scan

from core.answers import Answer
from core.messages import ORDER_COMMANDS, Role
from core.order.commands import VERBS, receive, refusal_of
from core.order.opening import Screening
from core.reasons import SENTENCES, Refusal

BODIES: dict[str, dict[str, Any]] = {
    "report_shipment": {"parcels": [a_parcel()]},
    "decline_shipment": {"reason": "sold out"},
    "request_delay": {"ship_by": (T0 + 9 * DAY).isoformat(), "reason": "the factory is late"},
    "answer_delay": {"answer": "accept"},
    "correct_waybill": {"parcel_id": "p1", "carrier": "sandbox", "waybill": WAYBILLS[5], "reason": "typo"},
    "report_scan": {"carrier": "sandbox", "waybill": WAYBILLS[1], "scans": [], "provider": "x"},
    "report_ready": {},
    "report_delivery": {"reference": "mail-1", "sha256": "0" * 64},
    "confirm_handover": {"code": "KX7"},
    "confirm_receipt": {},
    "extend_receipt": {},
    "cancel_order": {"reason": "no"},
    "decide_audit": {"verdict": "approved", "reason": "seen"},
    "appeal_audit": {"statement": "it was sent"},
    "decide_screening": {"verdict": "allow", "reason": "seen"},
    "appeal_screening": {"statement": "it squirts water"},
    "resolve_refund": {"cause": "cancel", "outcome": "arrived", "reference": "r", "reason": "seen"},
    "refund_order": {"amount_minor": 100, "reason": "dented"},
    "shift_deadline": {"deadline": "ship_by", "by": "3d", "reason": "a holiday"},
    "place_hold": {"name": "a", "scope": "all", "reason": "odd"},
    "lift_hold": {"name": "a", "reason": "checked"},
    "open_after_sale": {"kind": "refund_only", "reason": "late"},
    "withdraw_after_sale": {},
    "report_chargeback": {"case_reference": "wx-d-1", "amount_minor": 500},
    "agree_after_sale": {},
    "refuse_after_sale": {"reason": "no"},
    "propose_amount": {"amount_minor": 1},
    "accept_amount": {"amount_minor": 1},
    "report_return": {"carrier": "sandbox", "waybill": WAYBILLS[6]},
    "confirm_return": {},
    "report_replacement": {"carrier": "sandbox", "waybill": WAYBILLS[7]},
    "confirm_replacement": {},
    "refuse_return": {"reason": "no"},
    "escalate": {},
    "open_claim_back": {"reason": "the carrier delivered it"},
    "accept_claim_back": {},
    "contest_claim_back": {"reason": "it never came"},
    "add_evidence": {"evidence": [{"kind": "text", "text": "it rattles"}]},
    "arbitrate": {"decision": "none", "reason": "seen"},
}
SENDERS = {
    "report_shipment": {"merchant"},
    "decline_shipment": {"merchant"},
    "request_delay": {"merchant"},
    "answer_delay": {"buyer", "operator"},
    "correct_waybill": {"merchant"},
    "report_scan": {"carrier"},
    "report_ready": {"merchant"},
    "report_delivery": {"merchant"},
    "confirm_handover": {"merchant", "carrier"},
    "confirm_receipt": {"buyer", "operator"},
    "extend_receipt": {"buyer"},
    "cancel_order": {"buyer", "operator"},
    "decide_audit": {"reviewer"},
    "appeal_audit": {"merchant"},
    "decide_screening": {"reviewer"},
    "appeal_screening": {"merchant"},
    "resolve_refund": {"operator", "reviewer"},
    "refund_order": {"operator", "reviewer"},
    "shift_deadline": {"operator"},
    "place_hold": {"operator"},
    "lift_hold": {"operator"},
    **{
        verb: {"buyer", "operator"}
        for verb in ("open_after_sale", "withdraw_after_sale", "accept_amount", "report_return", "escalate")
    },
    "report_replacement": {"merchant", "operator"},
    "confirm_replacement": {"buyer", "operator"},
    **{
        verb: {"merchant", "operator"}
        for verb in ("agree_after_sale", "refuse_after_sale", "propose_amount", "confirm_return", "refuse_return")
    },
    "add_evidence": {"buyer", "merchant", "operator"},
    "arbitrate": {"reviewer"},
    "report_chargeback": {"channel", "operator"},
    "open_claim_back": {"operator"},
    "accept_claim_back": {"buyer"},
    "contest_claim_back": {"buyer"},
}


def opened(**limits: Any) -> OrderDriver:
    return OrderDriver(policy=a_policy(**limits)).open()


def code(answer: Answer | Refusal) -> str:
    return answer.code if isinstance(answer, Refusal) else answer.outcome


def body_of(verb: str, driver: OrderDriver) -> dict[str, Any]:
    scans = {"scans": [a_scan("label", driver.now)]} if verb == "report_scan" else {}
    return {**BODIES[verb], **scans}


# --- who ------------------------------------------------------------------------------------------------------


def test_every_verb_has_its_senders() -> None:
    assert {model.verb: set(verb.roles) for model, verb in VERBS.items()} == SENDERS
    assert set(ORDER_COMMANDS) == set(SENDERS) == set(BODIES)


@pytest.mark.parametrize(("verb", "role"), list(itertools.product(sorted(BODIES), get_args(Role))))
def test_another_role_is_refused_and_the_right_one_is_not(verb: str, role: str) -> None:
    driver = opened()
    answer = driver.send(verb, role, **body_of(verb, driver))
    wrong = isinstance(answer, Refusal) and (answer.code, answer.field) == ("wrong_actor", "actor.role")
    assert wrong == (role not in SENDERS[verb])


@pytest.mark.parametrize(("verb", "role"), [("report_shipment", "merchant"), ("cancel_order", "buyer")])
def test_merchant_or_buyer_of_another_order_is_refused(verb: str, role: str) -> None:
    driver = opened()
    answer = driver.send(verb, role, actor={"role": role, "id": "somebody"}, **body_of(verb, driver))
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.field) == ("wrong_actor", "actor.id")


def test_refusals_say_why_in_a_sentence() -> None:
    answer = opened().confirm()
    assert isinstance(answer, Refusal)
    assert answer.message.startswith(SENTENCES["nothing_shipped"])


# --- the same again -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["update", "signal"])
def test_same_command_id_gets_the_first_answer_and_changes_nothing(channel: Any) -> None:
    driver = opened()
    first = driver.send("report_shipment", "merchant", command_id="x", parcels=[a_parcel()])
    assert isinstance(first, Answer)
    driver.advance(DAY).deliver()
    before = driver.state
    again = driver.arrive(driver.command("report_shipment", "merchant", command_id="x", parcels=[a_parcel()]), channel)
    assert again == first.model_copy(update={"outcome": "duplicate"})
    assert driver.state.model_copy(update={"inbox": before.inbox, "revision": before.revision}) == before
    assert driver.state.inbox.counted == before.inbox.counted
    assert driver.state.inbox.journal[-1].outcome == "duplicate"


@pytest.mark.parametrize("channel", ["update", "signal"])
def test_same_command_id_with_another_body_is_refused_and_does_nothing(channel: Any) -> None:
    """An operator who believes that money was stopped must learn that it was not."""
    driver = opened()
    driver.send("place_hold", "operator", command_id="x", name="one", scope="credit", reason="look")
    before = driver.state
    for verb, fields in (
        ("place_hold", {"name": "one", "scope": "all", "reason": "look"}),
        ("lift_hold", {"name": "one", "reason": "fine"}),
    ):
        again = driver.arrive(driver.command(verb, "operator", command_id="x", **fields), channel)
        assert code(again) == "command_id_used_with_different_content"
    assert driver.state.model_copy(update={"inbox": before.inbox, "revision": before.revision}) == before


def test_buyer_who_happens_to_use_a_merchants_id_is_heard() -> None:
    driver = opened()
    driver.send("report_shipment", "merchant", command_id="x", parcels=[a_parcel()])
    driver.advance(DAY).deliver()
    assert code(driver.send("confirm_receipt", "buyer", command_id="x")) == "accepted"
    assert driver.state.receipt.status == "confirmed"


def test_refused_update_leaves_nothing_behind_and_its_id_can_be_used_again() -> None:
    driver = opened()
    before = driver.state
    assert code(driver.send("confirm_receipt", "buyer", command_id="x")) == "nothing_shipped"
    assert driver.state == before
    driver.ship()
    assert code(driver.send("confirm_receipt", "buyer", command_id="x")) == "accepted"


def test_refused_signal_is_journaled_and_uses_up_its_id() -> None:
    driver = opened()
    first = driver.send("confirm_receipt", "buyer", command_id="x", channel="signal")
    assert code(first) == "nothing_shipped"
    entry = driver.state.inbox.journal[-1]
    assert (entry.channel, entry.outcome, entry.code) == ("signal", "refused", "nothing_shipped")
    assert entry.actor is not None
    assert entry.actor.id == PEOPLE["buyer"]
    driver.ship()
    assert driver.send("confirm_receipt", "buyer", command_id="x", channel="signal") == first
    before = driver.state
    assert driver.send("confirm_receipt", "buyer", command_id="x") == first
    assert driver.state == before
    assert driver.receipt == "not_due"


def test_unreadable_signal_stands_in_the_journal_and_uses_up_nothing() -> None:
    driver = opened()
    driver.junk("confirm_receipt", {"command_id": 7})
    driver.junk("no_such_verb", None)
    codes = [entry.code for entry in driver.state.inbox.journal]
    assert codes == ["malformed", "unknown_verb"]
    assert driver.state.inbox.counted == 0


# --- how many -------------------------------------------------------------------------------------------------


def noise(driver: OrderDriver, times: int, role: str = "merchant", **fields: Any) -> list[str]:
    """Commands that are refused, as signals, which count."""
    body = {"parcel_id": "p9", "carrier": "sandbox", "waybill": WAYBILLS[5], "reason": "x", **fields}
    return [code(driver.send("correct_waybill", role, channel="signal", **body)) for _ in range(times)]


def test_merchant_gets_180_of_200_commands_and_buyer_the_rest() -> None:
    driver = opened()
    assert set(noise(driver, 180)) == {"unknown_parcel"}
    assert noise(driver, 3) == ["too_many_commands"] * 3
    assert code(driver.ship()) == "too_many_commands"
    for _ in range(30):
        assert code(driver.send("confirm_receipt", "buyer", channel="signal")) == "nothing_shipped"
    assert driver.state.inbox.counted == 180
    assert code(driver.send("cancel_order", "buyer", reason="mine")) == "accepted"
    driver.check()


def test_parties_that_used_up_their_commands_lock_out_nobody_of_the_platform() -> None:
    driver = OrderDriver(policy=a_policy(commands_max=5, commands_reserved=2), screening=Screening(verdict="hold"))
    driver.open()
    noise(driver, 3)
    assert code(driver.hold()) == "accepted"
    assert code(driver.send("decide_screening", "reviewer", verdict="allow", reason="seen")) == "accepted"
    assert code(driver.lift()) == "accepted"
    driver.check()


def test_holds_can_be_lifted_whatever_operators_have_sent_before() -> None:
    driver = opened(commands_max=15, commands_reserved=5)
    names = [f"h{number}" for number in range(15)]
    assert {code(driver.hold(name)) for name in names} == {"accepted"}
    assert code(driver.hold("more")) == "too_many_commands"
    decision = {"verdict": "approved", "reason": "seen"}
    noise = [code(driver.send("decide_audit", "reviewer", channel="signal", **decision)) for _ in range(30)]
    assert set(noise) == {"not_in_review"}
    assert {code(driver.lift(name)) for name in names} == {"accepted"}
    assert driver.state.holds == ()
    assert code(driver.ship()) == "accepted"
    driver.check()


def test_refusals_beyond_the_count_are_journaled_and_not_remembered() -> None:
    driver = opened(commands_max=5, commands_reserved=2)
    body = {"parcel_id": "p9", "carrier": "sandbox", "waybill": WAYBILLS[5], "reason": "x"}
    for _ in range(3000):
        driver.arrive(driver.command("correct_waybill", "merchant", **body), "signal")
    driver.do_what_is_due()
    inbox = driver.state.inbox
    assert len(inbox.answers) == inbox.counted == 3
    assert inbox.seq == 3000
    assert (len(inbox.journal), inbox.dropped) == (500, {"unknown_parcel": 3, "too_many_commands": 2497})
    driver.check()


def test_strangers_do_not_use_up_what_is_kept_for_buyer_and_operator() -> None:
    driver = opened(commands_max=5, commands_reserved=2)
    stranger = {"actor": {"role": "buyer", "id": "stranger"}}
    for _ in range(20):
        driver.send("cancel_order", "buyer", channel="signal", reason="x", **stranger)
    assert driver.state.inbox.counted == 3
    assert code(driver.send("cancel_order", "buyer", reason="mine")) == "accepted"


def test_duplicates_and_refused_updates_are_not_counted() -> None:
    driver = opened()
    driver.send("report_shipment", "merchant", command_id="x", parcels=[a_parcel()])
    for _ in range(30):
        driver.send("report_shipment", "merchant", command_id="x", parcels=[a_parcel()])
        driver.ship(a_parcel(2))
    assert driver.state.inbox.counted == 1


# --- total ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("screening", ["allow", "hold", "refuse", "appealable"])
@pytest.mark.parametrize("start", ["new", "shipped", "confirmed", "credited", "cancelled"])
@pytest.mark.parametrize("verb", sorted(BODIES))
def test_every_command_is_answered_everywhere_and_the_validator_says_what_the_handler_says(
    verb: str, start: str, screening: Any
) -> None:
    appealable = screening == "appealable"
    said = Screening(verdict="refuse" if appealable else screening, appealable=appealable)
    driver = OrderDriver(screening=said).open()
    for step in {"new": (), "shipped": (1,), "confirmed": (1, 2), "credited": (1, 2, 3), "cancelled": (4,)}[start]:
        if step == 1:
            driver.ship()
        elif step == 2:
            driver.confirm()
        elif step == 3:
            driver.deliver()
        else:
            driver.send("cancel_order", "buyer", reason="no")
    role = min(SENDERS[verb])
    command = driver.command(verb, role, **body_of(verb, driver))
    expected = refusal_of(driver.state, command, driver.now)
    after, answer = receive(driver.state, command, driver.now, "update")
    assert (answer if isinstance(answer, Refusal) else None) == expected
    if isinstance(answer, Answer):
        assert (answer.phase, answer.audit, answer.receipt) == (after.phase, after.audit, after.receipt.status)
        assert after.revision == driver.state.revision + 1
