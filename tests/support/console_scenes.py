"""Pages about one order, review or withdrawal, with each kind of row: what is asked for, what the register says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from case_driver import case, delivered
from made_rows import AT, both, made
from order_driver import OrderDriver
from order_samples import PEOPLE, a_scan, a_verdict
from withdrawal_driver import LARGE, WithdrawalDriver, asked

from core.aftersale.state import AfterSaleCase, Exhibit, Said
from core.answers import JournalEntry
from core.audit.findings import Finding
from core.audit.trace import Trace
from core.journal_notes import NOTES, OF_COMMANDS
from core.messages import Actor, Scan
from core.order.refunds import Refund
from core.order.state import OrderState
from core.order.texts import OF_CASES, REFUNDED
from core.parcels import Parcel
from core.reason_texts import REASONS
from core.texts import clock
from core.withdrawal.estimating import Standing
from core.withdrawal.payouts import Attempt
from core.withdrawal.state import Approval, WithdrawalState
from core.withdrawal.texts import ENDED, FAILURES
from ledger.balances import AccountBalance, Money, TransferRow
from ledger.claims import Claimant
from ledger.notices import StoredNotice
from ledger.orders import OrderRow, StoredOrder
from ledger.payout_accounts import AccountChange, PayoutAccount
from ledger.people import SignedIn
from ledger.provider_log import PolledTrace
from ledger.pushes import KeptPush
from ledger.register_part import Position
from ledger.reviews import Review
from ledger.withdrawals import StoredWithdrawal, WithdrawalRow
from storefront.api.paging import page_until

NOW = datetime.now(UTC)
NO_MONEY = Money(accounts=(), transfers=())
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Scene(NamedTuple):
    """One page, and what the register says."""

    path: str
    answers: Mapping[str, Any] = {}
    person: SignedIn | None = None
    sent: Mapping[str, str] | None = None
    """The fields of a form; None: the page is opened."""
    status: int = 200
    local: bool = False
    """On a local stack."""


def _person(role: Any, merchant_id: str | None = None) -> SignedIn:
    """Someone who signed in lately, also at the end of a run of tests that takes an hour."""
    return SignedIn(person_id="ann", name="Ann", role=role, merchant_id=merchant_id, signed_in_at=NOW + HOUR)


OPERATOR, REVIEWER, MERCHANT = _person("operator"), _person("reviewer"), _person("merchant", PEOPLE["merchant"])


# --- orders --------------------------------------------------------------------------------------------------


def stored(state: OrderState | None, driver: OrderDriver) -> StoredOrder:
    """An order as the register has it."""
    body = state.model_dump(mode="json") if state is not None else None
    return made(StoredOrder, order=driver.order, state=body, closed=False)


def in_review() -> OrderDriver:
    """One parcel that a person must look at, with scans far apart; another one that nothing is known of."""
    driver = OrderDriver().open()
    driver.ship()
    driver.hear("p1", "needs_review", "destination_matches", first_physical_at=driver.now)
    driver.hold()
    return driver


def _rich(driver: OrderDriver) -> OrderState:
    """Every part of an order at once."""
    (parcel,) = driver.state.parcels
    more = parcel.model_copy(
        update={
            "appeal": "It is ours",
            "ended": True,
            "findings_of_review": ("carrier_silent",),
            "pushed": (Scan.model_validate(a_scan("exception", AT)),),
            "decisions": made(Parcel).decisions,
        }
    )
    journal = driver.state.inbox.journal
    bare = made(Parcel, full=False, parcel_id="p2", carrier="sandbox", waybill="SF2", lines=parcel.lines)
    inbox = driver.state.inbox.model_copy(update={"dropped": {"place_hold": 1}, "journal": (*_noted(), *journal)})
    lines = [line.model_copy(update={"refunded_minor": at}) for at, line in enumerate(driver.state.lines)]
    return driver.state.model_copy(
        update={
            "parcels": (more, bare),
            "cases": _cases(),
            "refunds": (*both(Refund), *_refunded()),
            "inbox": inbox,
            "lines": tuple(lines),
        }
    )


def _noted() -> list[JournalEntry]:
    """What the system notes, in each of its forms, and what it notes beside a command."""
    sample = iter(("receipt_by", *[AT.isoformat()] * 2) * len(NOTES))
    forms = [form.format(*islice(sample, form.count("{}"))) for form in NOTES]
    found = [made(JournalEntry, full=False, channel="system", outcome="noted", message=said) for said in forms]
    found.append(made(JournalEntry, verb="open_after_sale", outcome="accepted", code=None, message="wrong_item"))
    moved = "ship_by moved by 3d: 春节"
    found.append(made(JournalEntry, verb="shift_deadline", outcome="accepted", code=None, message=moved))
    later = [form.format(clock(AT), clock(AT + DAY), "出差") for form in OF_COMMANDS]
    return found + [made(JournalEntry, verb="extend_receipt", outcome="accepted", code=None, message=m) for m in later]


def _refunded() -> list[Refund]:
    """Why the system itself gives money back, in each form."""
    forms = [*REFUNDED, *OF_CASES]
    return [made(Refund, reason=form.format("1", "not_received")) for form in forms]


def _cases() -> tuple[AfterSaleCase, ...]:
    """One with little, and one in which both sides spoke and gave evidence."""
    buyer, merchant = (Actor(role=role, id=PEOPLE[role]) for role in ("buyer", "merchant"))
    words = [made(Said, verb="add_evidence", by=buyer), made(Said, full=False, verb="refuse_after_sale", by=merchant)]
    exhibits = [made(Exhibit, by=buyer), made(Exhibit, by=merchant, what={"kind": "text", "text": "It was whole"})]
    return (*both(AfterSaleCase)[::-1], made(AfterSaleCase, said=words, evidence=exhibits))


def _scans() -> list[Scan]:
    """More than a line shows, with a gap of days, and a place that no one named."""
    at = [AT + HOUR * number for number in range(12)] + [AT + 9 * DAY]
    return [
        made(Scan, at=one, stage="in_transit", city=city) for one, city in zip(at, ["杭州", None] * 7, strict=False)
    ]


def of_order(driver: OrderDriver, state: OrderState | None, scans: list[Scan]) -> dict[str, Any]:
    waybill = driver.state.parcels[0].waybill if driver.state.parcels else "none"
    trace = made(Trace, waybill=waybill, answer="found", scans=scans, provider="kdniao")
    silent = made(Trace, full=False, waybill=waybill, answer="no_trace", scans=[])
    escrow = AccountBalance(path="order/A1001/escrow", currency="CNY", balance_minor=13_580)
    moved = made(TransferRow, reference="order/A1001/fund", debit="psp/wechat", credit="order/A1001/escrow")
    return {
        "orders.known": stored(state, driver),
        "orders.row": made(OrderRow),
        "balances.of_order": Money(accounts=(escrow,), transfers=(moved,)) if scans else NO_MONEY,
        "notices.read": [made(StoredNotice, to=to) for to in ("buyer", "merchant")],
        "claims.claimants": [Claimant(order_id=order, carrier="sandbox") for order in ("A1001", "A2")] if scans else [],
        "providers.polled": [
            PolledTrace(
                order_id="A1001",
                parcel_id="p1",
                provider=one.provider,
                answer=one.answer,
                asked_at=AT + 30 * DAY,
                trace=one,
            )
            for one in ((trace, silent) if scans else ())
        ],
        "pushes.of_number": [KeptPush("sandbox", trace)] if scans else [],
    }


def orders() -> Iterator[Scene]:
    driver, empty = in_review(), OrderDriver()
    rich = _rich(driver)
    place = "/orders/A1001"
    yield Scene(place, of_order(driver, None, []), OPERATOR)
    for person in (OPERATOR, REVIEWER, MERCHANT):
        yield Scene(f"{place}?done=place_hold", of_order(driver, rich, _scans()), person)
    yield Scene(f"{place}?later=place_hold", of_order(driver, driver.state, _scans()[:1]), OPERATOR)
    yield Scene(place, of_order(empty, empty.state, []), OPERATOR)
    right = (Finding("moved", "pass"), Finding("origin_matches", "pass"))
    innocent = driver.parcel().model_copy(
        update={"verdict": a_verdict("approved", findings=right), "findings_of_review": ()}
    )
    gone = made(Refund, amount_minor=driver.order.total_minor)
    bought = driver.state.model_copy(update={"parcels": (innocent,), "refunds": (gone,)})
    yield from (Scene(place, of_order(driver, bought, []), person) for person in (OPERATOR, MERCHANT))
    seen = innocent.model_copy(update={"verdict": a_verdict("approved", findings=right[1:])})
    yield Scene(place, of_order(driver, driver.state.model_copy(update={"parcels": (seen,)}), []), OPERATOR)
    ended = driver.state.model_copy(update={"closed": True, "phase": "settled", "holds": (), "parcels": ()})
    yield Scene(place, of_order(driver, ended, []), OPERATOR)


# --- reviews -------------------------------------------------------------------------------------------------


def _review(kind: Any, full: bool, **fields: Any) -> Review:
    parcel = "p1" if kind == "audit" else ""
    return made(Review, full=full, **{"kind": kind, "order_id": "A1001", "parcel_id": parcel, **fields})


def _waiting() -> list[Review]:
    """Each kind, claimed and free, overdue and not."""
    found = []
    for kind, evidence in (
        ("audit", {"destination_matches": {}}),
        ("screening", {"hits": [{"rule": "weapons", "rule_zh": "武器", "lines": ["1"]}]}),
        ("arbitration", {"kind": "refund_only", "reason": "damaged"}),
    ):
        found.append(_review(kind, True, evidence=evidence, verdict=None, claimed_at=NOW, reviewer="ann", since=AT))
        found.append(_review(kind, False, evidence=evidence, verdict=None, since=NOW, sla=DAY, order_id="A2"))
    return found


def reviews() -> Iterator[Scene]:
    rows = _waiting()
    yield Scene("/reviews", {"reviews.waiting": rows}, REVIEWER)
    yield Scene("/reviews?kind=audit&cursor=" + cursor(), {"reviews.waiting": rows * 20}, REVIEWER)
    yield Scene("/reviews", {"reviews.waiting": []}, REVIEWER)
    driver = in_review()
    rich = _rich(driver).model_copy(update={"screening_appeal": "It is a toy"})
    disputed = delivered()
    case(disputed)
    for state, scans in ((rich, _scans()), (driver.state, [])):
        answers = of_order(driver, state, scans)
        for waiting in (rows, rows[1::2]):
            mine = [one.model_copy(update={"order_id": "A1001"}) for one in waiting]
            for which, place in zip(mine, ("p1", "goods", "goods"), strict=False):
                yield Scene(f"/reviews/A1001/{place}", {**answers, "reviews.waiting": [which, rows[1]]}, REVIEWER)
    yield Scene("/reviews/A1001/p1", {**answers, "reviews.waiting": rows}, OPERATOR)
    bare = {**of_order(OrderDriver(), OrderDriver().state, []), "reviews.waiting": [rows[2]]}
    yield Scene("/reviews/A1001/goods", bare, REVIEWER)
    yield Scene("/reviews/A1001/p9", {**answers, "reviews.waiting": rows}, REVIEWER)
    yield Scene("/reviews/A1001/p9", {**answers, "reviews.waiting": []}, REVIEWER)


def cursor() -> str:
    rows = both(OrderRow)
    found: str = page_until(rows, 1, lambda row: Position(row.opened_at, row.order_id))["next_cursor"]
    return found


# --- withdrawals ---------------------------------------------------------------------------------------------


def of_withdrawal(state: WithdrawalState | None, account: PayoutAccount | None, **more: Any) -> dict[str, Any]:
    body = state.model_dump(mode="json") if state is not None else None
    found = made(StoredWithdrawal, withdrawal=asked(LARGE), state=body, state_name="in_approval", needs_approval=True)
    return {
        "withdrawals.known": found,
        "withdrawals.standing": made(Standing, full=False),
        "accounts.changes": [made(AccountChange)] if account is not None else [],
        "accounts.get": account,
        "balances.of_withdrawal": NO_MONEY,
        **more,
    }


def withdrawals() -> Iterator[Scene]:
    driver = WithdrawalDriver(asked(LARGE)).run()
    driver.send("approve", "operator", "bob")
    driver.send("approve", "operator", "bob")
    rich = driver.state.model_copy(
        update={
            "approvals": (made(Approval),),
            "attempts": tuple(both(Attempt)),
            "reason": "no",
            "phase": "unknown",
            "policy": driver.state.policy.model_copy(update={"fee_minor": 100, "daily_sum_max_minor": 1_000_000}),
        }
    )
    full = made(PayoutAccount, cooling_until=NOW + DAY)
    bare = made(PayoutAccount, full=False)
    fresh = WithdrawalDriver(asked(LARGE)).run().state
    reasons = [form.format("merchant") for form in ENDED] + [f"{failure} CODE_1" for failure in FAILURES]
    for reason in (*reasons, f"receivable_outstanding: {REASONS['receivable_outstanding'].en}"):
        ended = rich.model_copy(update={"phase": "failed", "reason": reason})
        because = [made(AccountChange, what="suspended", role="system", detail=reason)]
        held = full.model_copy(update={"suspended_for": reason})
        yield Scene("/withdrawals/w-1", of_withdrawal(ended, held, **{"accounts.changes": because}), OPERATOR)
    for state, account in ((rich, full), (fresh, bare), (driver.state, None), (None, None)):
        yield Scene("/withdrawals/w-1?done=approve", of_withdrawal(state, account), OPERATOR)
    yield Scene("/withdrawals/w-1", of_withdrawal(rich, full), MERCHANT)
    rows = both(WithdrawalRow)
    yield Scene("/withdrawals", {"withdrawals.rows": rows * 30}, OPERATOR)
    yield Scene("/withdrawals?state=all", {"withdrawals.rows": []}, MERCHANT)
    yield Scene("/withdrawals?state=all&merchant=m-7", {"withdrawals.rows": []}, OPERATOR)
