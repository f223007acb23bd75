"""Events that may happen to an order, by name.

The state machine, the walks and the sequences draw from them. An event is total: it may arrive at any time, and the
order refuses it where it makes no sense.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from order_driver import OrderDriver, verb_of
from order_samples import DAY, HOUR, SECOND, a_parcel, a_scan, a_verdict, failing

from core.order.deadlines import wake_at
from core.order.shares import refundable_minor
from core.order.steps import OrderStep
from core.reasons import Refusal

Event = Callable[[OrderDriver], object]


def happen(driver: OrderDriver, name: str) -> None:
    """Let an event happen. Once the order's workflow has ended only time passes, or people make it run again."""
    if not driver.state.closed or name in BESIDE:
        EVENTS[name](driver)
    elif name in REOPENING:
        driver.reopen()
        EVENTS[name](driver)


def play(driver: OrderDriver, names: Iterable[str]) -> OrderDriver:
    """Let events happen one after the other."""
    for name in names:
        happen(driver, name)
    return driver


# --- what an event does ------------------------------------------------------------------------------------


def _send(driver: OrderDriver, verb: str, role: str, channel: Any = "update", **fields: Any) -> None:
    driver.send(verb, role, channel=channel, **fields)


def _ship(driver: OrderDriver, *parcels: dict[str, Any], claim: str = "claimed", channel: Any = "update") -> None:
    for parcel in parcels:
        driver.register_says[parcel["waybill"]] = claim
    driver.send("report_shipment", "merchant", channel=channel, parcels=list(parcels))


def _ship_next(driver: OrderDriver, lines: dict[str, int] | None = None) -> None:
    _ship(driver, a_parcel(len(driver.state.parcels) + 1, lines))


def _correct(driver: OrderDriver, parcel_id: str, number: int) -> None:
    fields = {"parcel_id": parcel_id, "carrier": "sandbox", "waybill": a_parcel(number)["waybill"], "reason": "typo"}
    driver.send("correct_waybill", "merchant", **fields)


def _push(driver: OrderDriver, number: int, stage: str) -> None:
    scan, waybill = a_scan(stage, driver.now), a_parcel(number)["waybill"]
    driver.send("report_scan", "carrier", carrier="sandbox", waybill=waybill, scans=[scan], provider="sandbox")


def _resolve(driver: OrderDriver, person: str, outcome: str) -> None:
    cause = next((refund.cause for refund in driver.state.refunds if refund.status != "arrived"), "cancel")
    actor = {"role": "operator", "id": person}
    driver.send("resolve_refund", "operator", actor=actor, cause=cause, outcome=outcome, reference="x", reason="y")


def _refund(driver: OrderDriver, *people: str, **fields: Any) -> None:
    for person in people:
        driver.send("refund_order", "operator", actor={"role": "operator", "id": person}, reason="kind", **fields)


def _meddle(driver: OrderDriver, role: str, channel: Any) -> None:
    driver.send("confirm_receipt", role, channel=channel, actor={"role": role, "id": "stranger"})


def _repeat(driver: OrderDriver, which: int) -> None:
    """The id of a command that was answered, with another body: it is refused, and nothing else changes."""
    answers = list(driver.state.inbox.answers.items())
    if not answers:
        return
    key, _ = answers[which % len(answers)]
    role, actor_id, command_id = key.split("/")
    actor = {"role": role, "id": actor_id}
    before = driver.state
    again = driver.command("cancel_order", "buyer", actor=actor, command_id=command_id, reason="again")
    answer = driver.arrive(again, "signal")
    assert isinstance(answer, Refusal)
    assert answer.code == "command_id_used_with_different_content"
    untouched = driver.state.model_copy(update={"inbox": before.inbox, "revision": before.revision})
    assert untouched == before
    assert driver.state.inbox.answers == before.inbox.answers
    driver.do_what_is_due()


MOVED, DELIVERED, RETURNED = ("last_scan_at",), ("delivered_at",), ("delivered_at", "returned_at")


def _milestones(driver: OrderDriver, seen: tuple[str, ...]) -> dict[str, Any]:
    return {**dict.fromkeys(seen, driver.now), "first_physical_at": driver.now - HOUR} if seen else {}


def _hear(driver: OrderDriver, parcel_id: str, outcome: str, seen: tuple[str, ...] = (), weight: str = "weak") -> None:
    findings = (failing("speed_possible", weight),)
    driver.hear(parcel_id, outcome, "speed_possible", findings=findings, **_milestones(driver, seen))


def _hear_silence(driver: OrderDriver, parcel_id: str, outcome: str) -> None:
    driver.hear(parcel_id, outcome, "carrier_silent", carrier_answered=False)


def _next_look(driver: OrderDriver, parcel_id: str, answered: bool, seen: tuple[str, ...] = ()) -> None:
    fields = _milestones(driver, seen)
    driver.say[parcel_id] = a_verdict("pending", now=driver.now, carrier_answered=answered, **fields)


def _advance(driver: OrderDriver, by: timedelta) -> None:
    driver.advance(by)


def _to_deadline(driver: OrderDriver, early: timedelta) -> None:
    """To the next deadline, or just before it."""
    deadline = wake_at(driver.state, driver.now)
    if deadline is not None and deadline.at - early > driver.now:
        driver.until(deadline.at - early)


def _outage(driver: OrderDriver, by: timedelta) -> None:
    """No worker runs for a while. A command comes next, and only then the deadlines."""
    driver.outage(by).send("confirm_receipt", "buyer")


def _ledger(driver: OrderDriver, answer: str) -> None:
    if not driver.ledger_says:
        driver.ledger_says.append(answer)


def _interrupt(driver: OrderDriver, scope: str, stage: str) -> None:
    """A hold and a scan arrive while the next step is being carried out."""

    def during(step: OrderStep) -> None:
        driver.during = None
        answer = driver.arrive(driver.command("place_hold", "operator", scope=scope, name="late", reason="odd"))
        if verb_of(step) == "credit" and scope == "credit":
            assert isinstance(answer, Refusal)
        scan, waybill = a_scan(stage, driver.now), a_parcel(1)["waybill"]
        fields = {"carrier": "sandbox", "waybill": waybill, "scans": [scan], "provider": "sandbox"}
        driver.arrive(driver.command("report_scan", "carrier", **fields), "signal")

    driver.during = during


def _sent(driver: OrderDriver, lines: list[dict[str, Any]] | None) -> None:
    number = f"{len(driver.state.parcels):064x}"
    driver.send("report_delivery", "merchant", reference="mail", sha256=number, lines=lines)


def _ask_delay(driver: OrderDriver, by: timedelta) -> None:
    later = (driver.state.ship_by or driver.now) + by
    driver.send("request_delay", "merchant", ship_by=later.isoformat(), reason="the factory is late")


def _withdraw(driver: OrderDriver) -> None:
    """The merchant has all that is available paid out: what goes back from now on is owed."""
    driver.books.withdraw()


def _lose_report(driver: OrderDriver, then: str) -> None:
    """The report of the next movement that is not decided once is lost; this event happens before it is known again."""

    driver.loses_report = lambda: EVENTS[then](driver)


def _progress(driver: OrderDriver) -> None:
    """The usual next event."""
    state = driver.state
    if state.phase == "screening_held":
        driver.send("decide_screening", "reviewer", verdict="allow", reason="fine")
    elif state.phase == "awaiting_shipment" or (state.left_to_ship() and state.phase == "shipped"):
        _ship_next(driver)
    elif state.audit == "in_review":
        in_review = next(parcel for parcel in state.live_parcels if parcel.audit == "in_review")
        driver.decide("approved", in_review.parcel_id)
    elif state.phase == "shipped" and state.all_delivered_at is None:
        driver.deliver()
    elif state.phase == "shipped" and state.receipt.status != "confirmed":
        driver.confirm()
    elif state.holds:
        driver.lift(state.holds[0].name)
    elif not driver.channel_says("arrived") and not driver.buyer_pays():
        _to_deadline(driver, timedelta())


# --- the events --------------------------------------------------------------------------------------------

_LINE_1: list[dict[str, Any]] = [{"line_id": "1", "quantity": 1}]
_LINE_2: list[dict[str, Any]] = [{"line_id": "2", "quantity": 1}]
MERCHANT: dict[str, Event] = {
    "ship all": partial(_ship_next),
    "ship one of line 1": partial(_ship_next, lines={"1": 1}),
    "ship line 2": partial(_ship_next, lines={"2": 1}),
    "ship in two": lambda d: _ship(d, a_parcel(1, {"1": 1}), a_parcel(2)),
    "ship too much": partial(_ship_next, lines={"1": 5}),
    "ship a number in use": lambda d: _ship(d, a_parcel(9), claim="in_use", channel="signal"),
    "give up all": partial(_send, verb="decline_shipment", role="merchant", reason="sold out"),
    "give up line 2": lambda d: d.send("decline_shipment", "merchant", reason="sold out", lines=_LINE_2),
    "ask for a delay": lambda d: _ask_delay(d, 5 * DAY),
    "ask for a long delay": lambda d: _ask_delay(d, 50 * DAY),
    "ready": partial(_send, verb="report_ready", role="merchant"),
    "sent": lambda d: _sent(d, None),
    "sent line 2": lambda d: _sent(d, _LINE_2),
    "the code": partial(_send, verb="confirm_handover", role="merchant", code="open sesame"),
    "a wrong code": partial(_send, verb="confirm_handover", role="merchant", code="open barley"),
    "correct p1": partial(_correct, parcel_id="p1", number=4),
    "correct p1 again": partial(_correct, parcel_id="p1", number=1),
    "correct p2": partial(_correct, parcel_id="p2", number=5),
    "appeal": partial(_send, verb="appeal_audit", role="merchant", statement="it was sent"),
    "appeal goods": partial(_send, verb="appeal_screening", role="merchant", statement="it squirts water"),
    "appeal p1": partial(_send, verb="appeal_audit", role="merchant", statement="it was sent", parcel_id="p1"),
}
BUYER: dict[str, Event] = {
    "confirm": partial(_send, verb="confirm_receipt", role="buyer"),
    "confirm by signal": partial(_send, verb="confirm_receipt", role="buyer", channel="signal"),
    "extend": partial(_send, verb="extend_receipt", role="buyer"),
    "accept the delay": partial(_send, verb="answer_delay", role="buyer", answer="accept"),
    "refuse the delay": partial(_send, verb="answer_delay", role="buyer", answer="refuse", channel="signal"),
    "cancel": partial(_send, verb="cancel_order", role="buyer", reason="changed my mind"),
    "cancel without reason": partial(_send, verb="cancel_order", role="buyer", channel="signal", reason=""),
    "stranger as buyer": partial(_meddle, role="buyer", channel="signal"),
    "merchant confirms": partial(_meddle, role="merchant", channel="update"),
    "again, the first": partial(_repeat, which=0),
    "again, the last": partial(_repeat, which=-1),
    "junk": lambda d: d.junk("confirm_receipt", {"command_id": 5}),
}
PLATFORM: dict[str, Event] = {
    "approve": partial(OrderDriver.decide, verdict="approved"),
    "approve p1": partial(OrderDriver.decide, verdict="approved", parcel_id="p1"),
    "approve p2": partial(OrderDriver.decide, verdict="approved", parcel_id="p2"),
    "reject": partial(OrderDriver.decide, verdict="rejected"),
    "reject p1": partial(OrderDriver.decide, verdict="rejected", parcel_id="p1"),
    "allow goods": partial(_send, verb="decide_screening", role="reviewer", verdict="allow", reason="fine"),
    "refuse goods": partial(_send, verb="decide_screening", role="reviewer", verdict="refuse", reason="banned"),
    "operator confirms": partial(_send, verb="confirm_receipt", role="operator", reason="the buyer called"),
    "hold credit": partial(OrderDriver.hold, name="one", scope="credit"),
    "hold payout": partial(OrderDriver.hold, name="two", scope="payout"),
    "hold all": partial(OrderDriver.hold, name="three", scope="all"),
    **{
        f"{name} by {by}": partial(
            _send, verb="shift_deadline", role="operator", deadline=name, by=by, reason="a carrier is out"
        )
        for name in ("ship_by", "pickup_by", "receipt_by", "undelivered_by")
        for by in ("3d", "-3d")
    },
    **{
        f"lift {name}": partial(OrderDriver.lift, name=name)
        for name in ("one", "two", "three", "late", "ledger_disagrees", "review_overdue", "refund_stuck")
    },
    "refund one of line 1": lambda driver: _refund(driver, "o-1", "o-2", lines=[{"line_id": "1", "quantity": 1}]),
    "refund an amount": lambda driver: _refund(driver, "o-1", "o-2", amount_minor=777),
    "refund the rest": lambda driver: _refund(driver, "o-1", "o-2"),
    "o-1 asks for a refund": lambda driver: _refund(driver, "o-1", amount_minor=50),
    "platform refunds": lambda driver: _refund(driver, "o-1", "o-2", amount_minor=500, bearer="platform"),
    "o-1 says arrived": partial(_resolve, person="o-1", outcome="arrived"),
    "o-2 says arrived": partial(_resolve, person="o-2", outcome="arrived"),
    "o-2 says failed": partial(_resolve, person="o-2", outcome="failed"),
}


def _case(driver: OrderDriver, verb: str, role: str = "buyer", **fields: Any) -> None:
    driver.send(verb, role, **fields)


def _open(driver: OrderDriver, kind: str, reason: str = "damaged", **fields: Any) -> None:
    driver.send("open_after_sale", "buyer", kind=kind, reason=reason, **fields)


def _send_back(driver: OrderDriver, number: int, claim: str = "claimed") -> None:
    waybill = a_parcel(number)["waybill"]
    driver.register_says[waybill] = claim
    driver.send("report_return", "buyer", carrier="sandbox", waybill=waybill)


def _send_new(driver: OrderDriver, number: int) -> None:
    driver.send("report_replacement", "merchant", carrier="sandbox", waybill=a_parcel(number)["waybill"])


def _chargeback(driver: OrderDriver, reference: str, **fields: Any) -> None:
    driver.send("report_chargeback", "channel", case_reference=reference, **fields)


def _end_chargeback(driver: OrderDriver, outcome: str) -> None:
    """The one that is open; of none, a report that is refused."""
    case = driver.state.open_case
    reference = case.dispute.reference if case is not None and case.dispute is not None else "cb-9"
    driver.send("report_chargeback", "channel", case_reference=reference, outcome=outcome)


def _accept(driver: OrderDriver) -> None:
    """The last offer."""
    case = driver.state.open_case
    offered = case.offer.amount_minor if case is not None and case.offer is not None else 1
    driver.send("accept_amount", "buyer", amount_minor=offered)


def _rule(driver: OrderDriver, person: str, **fields: Any) -> None:
    driver.send("arbitrate", "reviewer", actor={"role": "reviewer", "id": person}, reason="seen", **fields)


def _resolve_claim(driver: OrderDriver, person: str, outcome: str) -> None:
    actor, cause = {"role": "operator", "id": person}, f"claim-{len(driver.state.cases)}"
    driver.send("resolve_refund", "operator", actor=actor, cause=cause, outcome=outcome, reference="x", reason="y")


def _back(driver: OrderDriver, outcome: str, seen: tuple[str, ...] = ()) -> None:
    for parcel in driver.state.awaited_by_case:
        _hear(driver, parcel.parcel_id, outcome, seen, weight="fatal")


def _back_next_look(driver: OrderDriver, answered: bool, seen: tuple[str, ...] = ()) -> None:
    for parcel in driver.state.awaited_by_case:
        _next_look(driver, parcel.parcel_id, answered, seen)


_PIECE = [{"kind": "photo", "reference": "https://shop.example/1.jpg"}]
CASES: dict[str, Event] = {
    "case: refund": partial(_open, kind="refund_only", reason="not_received"),
    "case: refund one of line 1": partial(_open, kind="refund_only", lines=_LINE_1),
    "case: refund line 2": partial(_open, kind="refund_only", lines=_LINE_2),
    "case: refund 500": partial(_open, kind="refund_only", amount_minor=500),
    "case: too much": partial(_open, kind="refund_only", amount_minor=99_999),
    "case: return": partial(_open, kind="return_and_refund", reason="changed_mind"),
    "case: return line 2": partial(_open, kind="return_and_refund", lines=_LINE_2),
    "case: exchange line 1": partial(_open, kind="exchange", reason="quality", lines=_LINE_1),
    "case: exchange all": partial(_open, kind="exchange", reason="wrong_item"),
    "case: withdraw": partial(_case, verb="withdraw_after_sale"),
    "case: agree": partial(_case, verb="agree_after_sale", role="merchant"),
    "case: agree, no return": partial(_case, verb="agree_after_sale", role="merchant", with_return=False),
    "case: agree, with return": partial(_case, verb="agree_after_sale", role="merchant", with_return=True),
    "case: refuse": partial(_case, verb="refuse_after_sale", role="merchant", reason="it left us whole"),
    "case: propose 300": partial(_case, verb="propose_amount", role="merchant", amount_minor=300),
    "case: accept": _accept,
    "case: send back": partial(_send_back, number=20),
    "case: send back, again": partial(_send_back, number=21),
    "case: send back the outbound number": partial(_send_back, number=1),
    "case: send back a number in use": partial(_send_back, number=22, claim="in_use"),
    "case: confirm return": partial(_case, verb="confirm_return", role="merchant"),
    "case: refuse return": partial(
        _case, verb="refuse_return", role="merchant", reason="another article", evidence=_PIECE
    ),
    "case: confirm return, with freight": partial(
        _case, verb="confirm_return", role="merchant", return_freight_minor=120
    ),
    "case: send new": partial(_send_new, number=23),
    "case: send new, again": partial(_send_new, number=24),
    "case: confirm new": partial(_case, verb="confirm_replacement"),
    "case: escalate": partial(_case, verb="escalate"),
    "case: evidence": partial(_case, verb="add_evidence", evidence=_PIECE),
    "case: all": partial(_case, verb="arbitrate", role="reviewer", decision="all", reason="seen"),
    "case: all, after return": partial(
        _case, verb="arbitrate", role="reviewer", decision="all", reason="seen", after_return=True
    ),
    "case: part": partial(_case, verb="arbitrate", role="reviewer", decision="part", amount_minor=700, reason="seen"),
    "case: none": partial(_case, verb="arbitrate", role="reviewer", decision="none", reason="seen"),
    "case: lift arbitration_overdue": partial(OrderDriver.lift, name="arbitration_overdue"),
    "chargeback: 700": partial(_chargeback, reference="cb-1", amount_minor=700),
    "chargeback: all": lambda driver: _chargeback(driver, "cb-2", amount_minor=max(1, refundable_minor(driver.state))),
    "chargeback: with a fee": partial(_chargeback, reference="cb-3", amount_minor=300, fee_minor=90),
    "chargeback: too much": partial(_chargeback, reference="cb-4", amount_minor=99_999),
    "chargeback: all that was paid": lambda driver: _chargeback(driver, "cb-5", amount_minor=driver.order.total_minor),
    "chargeback: won": partial(_end_chargeback, outcome="won"),
    "chargeback: lost": partial(_end_chargeback, outcome="lost"),
    "case: lift chargeback_overdue": partial(OrderDriver.lift, name="chargeback_overdue"),
    "back: moves": partial(_back, outcome="pending", seen=MOVED),
    "back: delivered": partial(_back, outcome="approved", seen=DELIVERED),
    "back: rejected, delivered": partial(_back, outcome="rejected", seen=DELIVERED),
    "back: returned": partial(_back, outcome="pending", seen=RETURNED),
    "back: scanned": partial(_push, number=20, stage="picked_up"),
    "back: next look: no trace": partial(_back_next_look, answered=True),
    "back: next look: delivered": partial(_back_next_look, answered=True, seen=DELIVERED),
}


def _carrier_events(parcel: str, number: int) -> dict[str, Event]:
    hear, look = partial(_hear, parcel_id=parcel), partial(_next_look, parcel_id=parcel)
    push = partial(_push, number=number)
    return {
        f"{parcel}: approved, delivered": partial(hear, outcome="approved", seen=DELIVERED),
        f"{parcel}: moves": partial(hear, outcome="pending", seen=MOVED),
        f"{parcel}: no trace": partial(hear, outcome="pending"),
        f"{parcel}: rejected": partial(hear, outcome="rejected", weight="fatal"),
        f"{parcel}: rejected, delivered": partial(hear, outcome="rejected", weight="fatal", seen=DELIVERED),
        f"{parcel}: to review": partial(hear, outcome="needs_review", weight="strong", seen=MOVED),
        f"{parcel}: to review, weak": partial(hear, outcome="needs_review", seen=DELIVERED),
        f"{parcel}: returns": partial(hear, outcome="rejected", weight="fatal", seen=RETURNED),
        f"{parcel}: silent to review": partial(_hear_silence, parcel_id=parcel, outcome="needs_review"),
        f"{parcel}: silent": partial(_hear_silence, parcel_id=parcel, outcome="pending"),
        f"{parcel}: next look: no trace": partial(look, answered=True),
        f"{parcel}: next look: silent": partial(look, answered=False),
        f"{parcel}: next look: delivered": partial(look, answered=True, seen=DELIVERED),
        f"{parcel}: next look: returned": partial(look, answered=True, seen=RETURNED),
        f"{parcel}: scanned label": partial(push, stage="label"),
        f"{parcel}: scanned picked up": partial(push, stage="picked_up"),
        f"{parcel}: scanned returned": partial(push, stage="returned"),
        f"{parcel}: scanned delivered": partial(push, stage="delivered"),
    }


CARRIER: dict[str, Event] = {
    **_carrier_events("p1", 1),
    **_carrier_events("p2", 2),
    "all delivered": OrderDriver.deliver,
}
CASES |= {
    "claim: open": partial(_case, verb="open_claim_back", role="operator", reason="the carrier delivered it"),
    "claim: open 500": partial(_case, verb="open_claim_back", role="operator", reason="in part", amount_minor=500),
    "claim: accept": partial(_case, verb="accept_claim_back"),
    "claim: contest": partial(_case, verb="contest_claim_back", reason="it never came", evidence=_PIECE),
    "claim: r-1 says all": partial(_rule, person="r-1", decision="all"),
    "claim: r-2 says all": partial(_rule, person="r-2", decision="all"),
    "claim: r-1 says a part": partial(_rule, person="r-1", decision="part", amount_minor=300),
    "claim: r-2 says a part": partial(_rule, person="r-2", decision="part", amount_minor=300),
    "claim: r-2 says none": partial(_rule, person="r-2", decision="none"),
    "claim: withdraw": partial(_case, verb="withdraw_after_sale", role="operator"),
    "claim: paid": lambda d: d.buyer_pays("arrived"),
    "claim: not paid": lambda d: d.buyer_pays("refused"),
    "claim: o-1 says arrived": partial(_resolve_claim, person="o-1", outcome="arrived"),
    "claim: o-2 says arrived": partial(_resolve_claim, person="o-2", outcome="arrived"),
    "claim: o-2 says failed": partial(_resolve_claim, person="o-2", outcome="failed"),
    "claim: lift claim_stuck": partial(OrderDriver.lift, name="claim_stuck"),
}
MONEY: dict[str, Event] = {
    "refund arrives": lambda d: d.channel_says("arrived"),
    "refund refused": lambda d: d.channel_says("refused"),
    "the merchant withdraws": _withdraw,
    "ledger: conflict": partial(_ledger, answer="conflict"),
    "ledger: insufficient": partial(_ledger, answer="insufficient_funds"),
    "meanwhile credit hold": partial(_interrupt, scope="credit", stage="returned"),
    "meanwhile all hold": partial(_interrupt, scope="all", stage="delivered"),
    **{
        f"report lost, then {event}": partial(_lose_report, then=event)
        for event in ("junk", "hold credit", "hold all", "p1: returns", "case: return", "cancel", "refund an amount")
    },
}
TIME: dict[str, Event] = {
    "a second": partial(_advance, by=SECOND),
    "an hour": partial(_advance, by=HOUR),
    "a day": partial(_advance, by=DAY),
    "five days": partial(_advance, by=5 * DAY),
    "a month": partial(_advance, by=31 * DAY),
    "to the deadline": partial(_to_deadline, early=timedelta()),
    "just before the deadline": partial(_to_deadline, early=SECOND),
    "an outage of a day": partial(_outage, by=DAY),
    "an outage of a month": partial(_outage, by=31 * DAY),
}
PROGRESS: dict[str, Event] = {"progress": _progress}
BESIDE = ("the merchant withdraws",)
"""What happens beside the order, also to a closed one."""
REOPENING = (
    *("refund one of line 1", "refund an amount", "refund the rest", "o-1 asks for a refund", "platform refunds"),
    *("case: refund", "case: refund line 2", "case: refund 500", "case: return", "case: exchange all"),
    *("claim: open", "claim: open 500", "p1: scanned delivered", "p1: scanned returned"),
)
"""What a closed order's workflow is started again for."""
EVENTS: dict[str, Event] = {**MERCHANT, **BUYER, **PLATFORM, **CARRIER, **MONEY, **TIME, **PROGRESS, **CASES}
