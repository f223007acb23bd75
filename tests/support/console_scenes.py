"""Each page of the console with each kind of row that it can show: what is asked for, and what the register says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from case_driver import case, delivered
from made_rows import AT, both, made
from order_driver import OrderDriver
from order_samples import PEOPLE, a_scan, a_verdict
from withdrawal_driver import LARGE, WithdrawalDriver, asked

from core.aftersale.state import AfterSaleCase, Exhibit, Said
from core.audit.trace import Trace
from core.merchant_calendar import Coming
from core.merchants import MerchantStanding
from core.messages import Actor, Scan
from core.order.state import OrderState, Refund
from core.parcels import Parcel
from core.reconciliation.lines import Break
from core.withdrawal.estimating import Standing
from core.withdrawal.payouts import Attempt
from core.withdrawal.state import Approval, WithdrawalState
from ledger.api_keys import ApiKey
from ledger.balances import AccountBalance, Balance, Money, TransferRow
from ledger.breaks import KnownBreak
from ledger.cases import CaseRow
from ledger.claims import Claimant
from ledger.figures import Ageing, CarrierFigures, KeptFigures, PushFigures, RuleFigures
from ledger.merchants import MerchantMove
from ledger.notices import StoredNotice
from ledger.orders import OrderInHand, OrderRow, StoredOrder
from ledger.payout_accounts import AccountChange, PayoutAccount
from ledger.people import Person, SignedIn
from ledger.provider_log import PolledTrace
from ledger.pushes import KeptPush
from ledger.register_part import Position
from ledger.reviews import Review
from ledger.safeguarding import Place, Safeguard
from ledger.withdrawals import StoredWithdrawal, WithdrawalRow
from storefront.api.paging import page_until
from storefront.console.offers import ACTIONS

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
    return SignedIn(person_id="ann", name="Ann", role=role, merchant_id=merchant_id, signed_in_at=NOW)


OPERATOR, REVIEWER, MERCHANT = _person("operator"), _person("reviewer"), _person("merchant", PEOPLE["merchant"])


def scenes() -> Iterator[Scene]:
    """All of them."""
    yield from _signing_in()
    yield from _orders()
    yield from _reviews()
    yield from _withdrawals()
    yield from _merchants()
    yield from _lists()
    yield from _figures()
    yield from _forms()


def _signing_in() -> Iterator[Scene]:
    yield Scene("/sign-in", {"people.of_issuer": both(Person, role="operator")}, local=True)
    yield Scene("/sign-in?again=1", {"people.of_issuer": []}, local=True)
    yield Scene("/sign-in")
    yield Scene("/sign-in?again=1", person=OPERATOR)
    yield Scene("/nothing", person=OPERATOR, status=404)


# --- orders --------------------------------------------------------------------------------------------------


def stored(state: OrderState | None, driver: OrderDriver) -> StoredOrder:
    """An order as the register has it."""
    body = state.model_dump(mode="json") if state is not None else None
    return made(StoredOrder, order=driver.order, state=body, closed=False)


def _in_review() -> OrderDriver:
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
    bare = made(Parcel, full=False, parcel_id="p2", carrier="sandbox", waybill="SF2", lines=parcel.lines)
    inbox = driver.state.inbox.model_copy(update={"dropped": {"place_hold": 1}})
    lines = [line.model_copy(update={"refunded_minor": at}) for at, line in enumerate(driver.state.lines)]
    return driver.state.model_copy(
        update={
            "parcels": (more, bare),
            "cases": _cases(),
            "refunds": tuple(both(Refund)),
            "inbox": inbox,
            "lines": tuple(lines),
        }
    )


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


def _of_order(driver: OrderDriver, state: OrderState | None, scans: list[Scan]) -> dict[str, Any]:
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


def _orders() -> Iterator[Scene]:
    driver, empty = _in_review(), OrderDriver()
    rich = _rich(driver)
    place = "/orders/A1001"
    yield Scene(place, _of_order(driver, None, []), OPERATOR)
    for person in (OPERATOR, REVIEWER, MERCHANT):
        yield Scene(f"{place}?done=place_hold", _of_order(driver, rich, _scans()), person)
    yield Scene(f"{place}?later=place_hold", _of_order(driver, driver.state, _scans()[:1]), OPERATOR)
    yield Scene(place, _of_order(empty, empty.state, []), OPERATOR)
    innocent = driver.parcel().model_copy(update={"verdict": a_verdict("approved"), "findings_of_review": ()})
    gone = made(Refund, amount_minor=driver.order.total_minor)
    bought = driver.state.model_copy(update={"parcels": (innocent,), "refunds": (gone,)})
    yield Scene(place, _of_order(driver, bought, []), OPERATOR)
    ended = driver.state.model_copy(update={"closed": True, "phase": "settled", "holds": (), "parcels": ()})
    yield Scene(place, _of_order(driver, ended, []), OPERATOR)


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


def _reviews() -> Iterator[Scene]:
    rows = _waiting()
    yield Scene("/reviews", {"reviews.waiting": rows}, REVIEWER)
    yield Scene("/reviews?kind=audit&cursor=" + _cursor(), {"reviews.waiting": rows * 20}, REVIEWER)
    yield Scene("/reviews", {"reviews.waiting": []}, REVIEWER)
    driver = _in_review()
    rich = _rich(driver).model_copy(update={"screening_appeal": "It is a toy"})
    disputed = delivered()
    case(disputed)
    for state, scans in ((rich, _scans()), (driver.state, [])):
        answers = _of_order(driver, state, scans)
        for waiting in (rows, rows[1::2]):
            mine = [one.model_copy(update={"order_id": "A1001"}) for one in waiting]
            for which, place in zip(mine, ("p1", "goods", "goods"), strict=False):
                yield Scene(f"/reviews/A1001/{place}", {**answers, "reviews.waiting": [which, rows[1]]}, REVIEWER)
    bare = {**_of_order(OrderDriver(), OrderDriver().state, []), "reviews.waiting": [rows[2]]}
    yield Scene("/reviews/A1001/goods", bare, REVIEWER)
    yield Scene("/reviews/A1001/p9", {**answers, "reviews.waiting": rows}, REVIEWER)
    yield Scene("/reviews/A1001/p9", {**answers, "reviews.waiting": []}, REVIEWER)


def _cursor() -> str:
    rows = both(OrderRow)
    found: str = page_until(rows, 1, lambda row: Position(row.opened_at, row.order_id))["next_cursor"]
    return found


# --- withdrawals ---------------------------------------------------------------------------------------------


def _of_withdrawal(state: WithdrawalState | None, account: PayoutAccount | None, **more: Any) -> dict[str, Any]:
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


def _withdrawals() -> Iterator[Scene]:
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
    for state, account in ((rich, full), (fresh, bare), (driver.state, None), (None, None)):
        yield Scene("/withdrawals/w-1?done=approve", _of_withdrawal(state, account), OPERATOR)
    yield Scene("/withdrawals/w-1", _of_withdrawal(rich, full), MERCHANT)
    rows = both(WithdrawalRow)
    yield Scene("/withdrawals", {"withdrawals.rows": rows * 30}, OPERATOR)
    yield Scene("/withdrawals?state=all", {"withdrawals.rows": []}, MERCHANT)


# --- merchants -----------------------------------------------------------------------------------------------


def _accounts() -> list[PayoutAccount]:
    return [
        made(PayoutAccount),
        made(PayoutAccount, full=False, cooling_until=NOW + DAY, is_default=True),
        made(PayoutAccount, full=False),
    ]


def _of_merchant(full: bool) -> dict[str, Any]:
    driver = _in_review()
    body, state = driver.order.model_dump(mode="json"), driver.state.model_dump(mode="json")
    rows = [made(OrderInHand, body=body, state=one) for one in (state, None)] * 15
    coming = [made(Coming, full=False), made(Coming, full=False, settle_at=AT)]
    return {
        "orders.open_of": rows if full else [],
        "balances.coming": coming if full else [],
        "accounts.legal_name": "王芳" if full else None,
        "merchants.standing": made(MerchantStanding, full=full),
        "balances.of_merchant": [made(Balance), made(Balance, receivable_minor=0, frozen_minor=0)] if full else [],
        "accounts.of_merchant": _accounts() if full else [],
        "api_keys.list": both(ApiKey) if full else [],
        "merchants.moves": both(MerchantMove) if full else [],
    }


def _merchants() -> Iterator[Scene]:
    for person in (OPERATOR, MERCHANT):
        for full in (True, False):
            yield Scene(f"/merchants/{PEOPLE['merchant']}", _of_merchant(full), person)
    yield Scene(f"/merchants/{PEOPLE['merchant']}?cursor={_cursor()}&done=withdraw", _of_merchant(True), OPERATOR)
    form = f"/merchants/{PEOPLE['merchant']}/withdraw"
    yield Scene(form, _of_merchant(True), MERCHANT)
    yield Scene(form, _of_merchant(False), MERCHANT)
    yield Scene(form, _of_merchant(True), MERCHANT, {"account_id": "x1|CNY", "amount_minor": "much"}, status=422)


# --- lists, figures, forms -----------------------------------------------------------------------------------


def _lists() -> Iterator[Scene]:
    orders, merchants = [made(OrderRow, hold_reasons=["receipt", "audit_in_review"]), made(OrderRow, full=False)], "m-7"
    nothing: dict[str, Any] = {
        "orders.row": None,
        "withdrawals.row": None,
        "claims.claimants": [],
        "orders.paid_with": [],
        "orders.rows": [],
        "accounts.legal_name": None,
    }
    yield Scene("/", {"orders.rows": orders}, OPERATOR)
    yield Scene("/", {"orders.rows": []}, MERCHANT)
    yield Scene("/search?q=none", nothing, OPERATOR)
    yield Scene("/search?q=x1", {**nothing, "orders.row": orders[0], "withdrawals.row": made(WithdrawalRow)}, OPERATOR)
    yield Scene(f"/search?q={merchants}", {**nothing, "orders.rows": orders, "accounts.legal_name": "王芳"}, OPERATOR)
    cases = [
        made(CaseRow, case={**made(AfterSaleCase, due={"name": "answer_by", "at": at}).model_dump(mode="json")})
        for at in (AT, NOW + DAY)
    ]
    cases.append(made(CaseRow, case=made(AfterSaleCase, full=False, stage="disputed").model_dump(mode="json")))
    yield Scene("/cases", {"cases.open": cases * 20}, OPERATOR)
    yield Scene(f"/cases?stage=disputed&cursor={_cursor()}", {"cases.open": []}, REVIEWER)


def _figures() -> Iterator[Scene]:
    ages = [made(Ageing, days=days, reason=reason) for days, reason in ((0, "receipt"), (30, "shipment"))]
    covered = both(Safeguard, short_minor=0)
    short = made(Safeguard, currency="USD", held=(made(Place, full=False, scope="channel"),))
    money = {
        "currencies": [one.model_dump(mode="json") for one in (*covered, short)],
        "ageing": [one.model_dump(mode="json") for one in ages],
    }
    rules = [one.model_dump(mode="json") for one in both(RuleFigures, decided=0)] + [
        made(RuleFigures, decided=4).model_dump(mode="json")
    ]
    breaks = [KnownBreak(found=one, first_seen_at=AT, last_seen_at=AT, resolved_at=None) for one in both(Break)]
    of_money = {"withdrawals.rows": both(WithdrawalRow), "breaks.known": breaks, "breaks.last_runs": []}
    yield Scene("/money", {**of_money, "figures.known": KeptFigures(taken_at=NOW, body=money)}, OPERATOR)
    nothing = KeptFigures(taken_at=NOW, body={"currencies": [], "ageing": [], "rules": []})
    yield Scene(
        "/money",
        {"withdrawals.rows": [], "breaks.known": [], "breaks.last_runs": [], "figures.known": nothing},
        OPERATOR,
    )
    yield Scene("/quality", {"figures.known": KeptFigures(taken_at=NOW, body={"rules": rules})}, OPERATOR)
    yield Scene("/quality", {"figures.known": nothing}, REVIEWER)
    yield Scene("/quality", {"figures.known": None}, REVIEWER)
    yield Scene("/carriers", {"figures.carriers": both(CarrierFigures), "figures.pushes": both(PushFigures)}, OPERATOR)
    yield Scene("/carriers", {"figures.carriers": [], "figures.pushes": []}, OPERATOR)


def _forms() -> Iterator[Scene]:
    driver = _in_review()
    of_order, of_withdrawal = _of_order(driver, driver.state, []), _of_withdrawal(None, None)
    for (kind, verb), action in ACTIONS.items():
        answers = of_order if kind == "order" else of_withdrawal
        place = f"/{kind}s/{'A1001' if kind == 'order' else 'w-1'}/do/{verb}"
        filled = {field.name: field.choices[0] if field.choices else "1" for field in action.fields}
        filled |= {"by": "24h", "cause": "x", "name": "odd", "decision": "part"}
        yield Scene(place, answers, OPERATOR)
        yield Scene(place, answers, OPERATOR, filled)
        yield Scene(place, answers, OPERATOR, {**filled, "change": "1"})
        yield Scene(f"{place}/send", answers, OPERATOR, {**filled, "command_id": "c1"}, status=409)
        if any(field.required for field in action.fields):
            yield Scene(place, answers, OPERATOR, {"amount_minor": "much"}, status=422)
    form, fields = f"/merchants/{PEOPLE['merchant']}/withdraw", {"account_id": "x1|CNY", "amount_minor": "10"}
    for amount in ("10", "20", "30"):
        yield Scene(form, _of_merchant(True), MERCHANT, {**fields, "amount_minor": amount})
    yield Scene(f"{form}/send", _of_merchant(True), MERCHANT, fields, status=422)
