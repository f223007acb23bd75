"""Each page of the console with each kind of row that it can show: lists, forms, and those of `console_scenes`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from console_scenes import (
    DAY,
    MERCHANT,
    NOW,
    OPERATOR,
    REVIEWER,
    Scene,
    cursor,
    in_review,
    of_order,
    of_withdrawal,
    orders,
    reviews,
    withdrawals,
)
from made_rows import AT, both, made
from order_samples import PEOPLE

from core.aftersale.state import AfterSaleCase
from core.merchant_calendar import Coming
from core.merchants import MerchantStanding
from core.reconciliation.lines import Break
from core.reconciliation.texts import HELPS
from ledger.api_keys import ApiKey
from ledger.balances import Balance
from ledger.breaks import KnownBreak, Run
from ledger.cases import CaseRow
from ledger.endpoints import ParkedSubject, StoredAttempt, StoredEndpoint
from ledger.figures import Ageing, CarrierFigures, FalseHolds, KeptFigures, ProviderFigures, PushFigures, RuleFigures
from ledger.merchants import MerchantMove
from ledger.orders import OrderInHand, OrderRow
from ledger.payout_accounts import PayoutAccount
from ledger.people import Person
from ledger.safeguarding import Place, Safeguard
from ledger.withdrawals import WithdrawalRow
from storefront.console.offers import ACTIONS, Action

AS_FILES = re.compile(
    r"/(reviews|withdrawals|cases|money|money/breaks|quality|carriers|endpoints|merchants/m-7)(\?.*)?"
)
"""Pages that also come as CSV."""


def scenes() -> Iterator[Scene]:
    """All of them, and each list as a file, too."""
    for scene in _pages():
        yield scene
        if scene.sent is None and scene.status == 200 and AS_FILES.fullmatch(scene.path):
            yield scene._replace(path=f"{scene.path}{'&' if '?' in scene.path else '?'}format=csv")


def _pages() -> Iterator[Scene]:
    yield from _signing_in()
    yield from orders()
    yield from reviews()
    yield from withdrawals()
    yield from _merchants()
    yield from _endpoints()
    yield from _lists()
    yield from _figures()
    yield from _forms()


def _signing_in() -> Iterator[Scene]:
    yield Scene("/sign-in", {"people.of_issuer": both(Person, role="operator")}, local=True)
    yield Scene("/sign-in?again=1", {"people.of_issuer": []}, local=True)
    yield Scene("/sign-in")
    yield Scene("/sign-in?again=1", person=OPERATOR)
    yield Scene("/nothing", person=OPERATOR, status=404)


# --- merchants -----------------------------------------------------------------------------------------------


def _accounts() -> list[PayoutAccount]:
    return [
        made(PayoutAccount),
        made(PayoutAccount, full=False, cooling_until=NOW + DAY, is_default=True),
        made(PayoutAccount, full=False),
    ]


def _moves() -> list[MerchantMove]:
    """Each decision about a merchant, and its end."""
    values = {
        "frozen": "yes",
        "suspended": None,
        "settlement_delay": "3d",
        "commission_bps": "250",
        "auto_withdraw": "no",
        "grade": "A",
        "deposit CNY": "10000",
        "licence FOOD": "JY1",
    }
    return [made(MerchantMove, what=what, value=value) for what, value in values.items()]


def _of_merchant(full: bool) -> dict[str, Any]:
    driver = in_review()
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
        "endpoints.rows": both(StoredEndpoint) if full else [],
        "api_keys.list": both(ApiKey) if full else [],
        "merchants.moves": _moves() if full else [],
    }


def _merchants() -> Iterator[Scene]:
    for person in (OPERATOR, MERCHANT):
        for full in (True, False):
            yield Scene(f"/merchants/{PEOPLE['merchant']}", _of_merchant(full), person)
    yield Scene(f"/merchants/{PEOPLE['merchant']}?cursor={cursor()}&done=withdraw", _of_merchant(True), OPERATOR)
    form = f"/merchants/{PEOPLE['merchant']}/withdraw"
    yield Scene(form, _of_merchant(True), MERCHANT)
    yield Scene(form, _of_merchant(False), MERCHANT)
    yield Scene(form, _of_merchant(True), MERCHANT, {"account_id": "x1|CNY", "amount_minor": "much"}, status=422)


def _endpoints() -> Iterator[Scene]:
    mine = PEOPLE["merchant"]
    rows = [
        made(StoredEndpoint, merchant_id=mine),
        made(StoredEndpoint, full=False, description=""),
        made(StoredEndpoint, state="disabled", disabled_for="gone"),
    ]
    yield Scene("/endpoints", {"endpoints.rows": rows}, OPERATOR)
    yield Scene("/endpoints", {"endpoints.rows": []}, REVIEWER)
    said = ("queued", "failed", "")
    for row, word, person in zip(rows, said, (MERCHANT, OPERATOR, REVIEWER), strict=True):
        full = row is not rows[1]
        answers = {
            "endpoints.get": row,
            "endpoints.count_parked": 1,
            "endpoints.parked": both(ParkedSubject) if full else [],
            "endpoints.attempts": both(StoredAttempt) if full else [],
        }
        yield Scene(f"/endpoints/x1?said={word}", answers, person)
        yield Scene(
            "/endpoints/x1", {**answers, "endpoints.get": rows[2].model_copy(update={"merchant_id": mine})}, MERCHANT
        )
    yield Scene("/endpoints/x1", {"endpoints.get": rows[1]}, MERCHANT, status=404)
    for month, person in (("2026-11", MERCHANT), ("2026-02", OPERATOR), ("", OPERATOR), ("2025-01", OPERATOR)):
        yield Scene(f"/merchants/{mine}/statement?month={month}", {}, person)
    yield Scene("/merchants/m-other/statement", {}, MERCHANT, status=404)


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
    found = {**nothing, "withdrawals.row": made(WithdrawalRow)}
    yield Scene("/search?q=receipt", found, OPERATOR)
    yield from (Scene(f"/codes{code}", {}, MERCHANT) for code in ("", "/receipt"))
    yield Scene("/codes/none", {}, MERCHANT, status=404)
    yield Scene(f"/search?q={merchants}", {**nothing, "orders.rows": orders, "accounts.legal_name": "王芳"}, OPERATOR)
    cases = [
        made(CaseRow, case={**made(AfterSaleCase, due={"name": "answer_by", "at": at}).model_dump(mode="json")})
        for at in (AT, NOW + DAY)
    ]
    cases.append(made(CaseRow, case=made(AfterSaleCase, full=False, stage="disputed").model_dump(mode="json")))
    yield Scene("/cases", {"cases.open": cases * 20}, OPERATOR)
    yield Scene(f"/cases?stage=disputed&cursor={cursor()}", {"cases.open": []}, REVIEWER)


def _figures() -> Iterator[Scene]:
    ages = [made(Ageing, days=days, reason=reason) for days, reason in ((0, "receipt"), (30, "shipment"))]
    covered = [made(Safeguard, short_minor=0), made(Safeguard, full=False, short_minor=0, currency="JPY")]
    short = made(Safeguard, currency="USD", held=(made(Place, full=False, scope="channel"),))
    money = {
        "currencies": [one.model_dump(mode="json") for one in (*covered, short)],
        "ageing": [one.model_dump(mode="json") for one in ages],
    }
    rules = [one.model_dump(mode="json") for one in both(RuleFigures, decided=0)] + [
        made(RuleFigures, decided=4, false_minor_days={"CNY": 1, "USD": 2}).model_dump(mode="json")
    ]
    false = [made(FalseHolds).model_dump(mode="json")]
    breaks = [KnownBreak(found=one, first_seen_at=AT, last_seen_at=AT, resolved_at=None) for one in both(Break)]
    named = Break.model_validate({**breaks[0].found.model_dump(), "subject": "order/A1", "helps": HELPS["late"].en})
    many = [breaks[0], breaks[0].model_copy(update={"found": named})] * 30
    yield Scene("/money/breaks", {"breaks.known": many}, OPERATOR)
    yield Scene("/money/breaks?scope=rail", {"breaks.known": []}, REVIEWER)
    yield Scene("/money/breaks?scope=", {"breaks.known": breaks}, REVIEWER)
    runs = both(Run)
    of_money = {"withdrawals.rows": both(WithdrawalRow), "breaks.known": many, "breaks.last_runs": runs}
    yield Scene("/money", {**of_money, "figures.known": KeptFigures(taken_at=NOW, body=money)}, OPERATOR)
    nothing = KeptFigures(taken_at=NOW, body={"currencies": [], "ageing": [], "rules": []})
    yield Scene(
        "/money",
        {"withdrawals.rows": [], "breaks.known": [], "breaks.last_runs": [], "figures.known": nothing},
        OPERATOR,
    )
    yield Scene(
        "/quality", {"figures.known": KeptFigures(taken_at=NOW, body={"rules": rules, "false_holds": false})}, OPERATOR
    )
    yield Scene("/quality", {"figures.known": nothing}, REVIEWER)
    yield Scene("/quality", {"figures.known": None}, REVIEWER)
    yield Scene(
        "/carriers",
        {
            "figures.carriers": both(CarrierFigures),
            "figures.providers": both(ProviderFigures),
            "figures.pushes": both(PushFigures),
        },
        OPERATOR,
    )
    yield Scene("/carriers", {"figures.carriers": [], "figures.providers": [], "figures.pushes": []}, OPERATOR)


FILLED = {
    "by": "24h",
    "cause": "x",
    "name": "odd",
    "decision": "part",
    "fee_minor": "",
    "return_freight": "",
    "sha256": "a" * 64,
}
"""What a field takes that does not take everything; "": it is left empty."""
OF_KIND = {"time": "2026-12-01T09:30", "check": "yes"}
PEOPLE_OF = {"operator": OPERATOR, "reviewer": REVIEWER, "merchant": MERCHANT}


def filled_in(action: Action) -> dict[str, str]:
    """The fields of a form as a person fills them in."""
    found = {field.name: field.choices[0] if field.choices else OF_KIND.get(field.kind, "1") for field in action.fields}
    goods = {"lines.1": "1"} if "lines" in found else {}
    for name in ("lines", "amount_minor") if goods else ():
        found.pop(name, None)
    return {**found, **{name: text for name, text in FILLED.items() if name in found}, **goods}


def _forms() -> Iterator[Scene]:
    driver = in_review()
    known = {"order": of_order(driver, driver.state, []), "withdrawal": of_withdrawal(None, None)}
    for (kind, verb), action in ACTIONS.items():
        answers, person = known[kind], PEOPLE_OF[min(action.roles & PEOPLE_OF.keys())]
        place = f"/{kind}s/{'A1001' if kind == 'order' else 'w-1'}/do/{verb}"
        filled = filled_in(action)
        yield Scene(place, answers, person)
        yield Scene(place, answers, person, filled)
        yield Scene(f"{place}/send", answers, person, {**filled, "command_id": "c1"}, status=409)
        if any(field.required for field in action.fields):
            yield Scene(place, answers, person, {"amount_minor": "much"}, status=422)
    place = "/orders/A1001/do/report_shipment"
    wrong = {"parcel_id": "p9", "lines.1": "many", "weight_g": "heavy"}
    yield Scene(place, known["order"], MERCHANT, wrong, status=422)
    yield Scene(place, known["order"], MERCHANT, {**wrong, "change": "1"}, status=422)
    yield Scene(place, known["order"], OPERATOR, status=404)
    yield Scene("/orders/A1001/do/place_hold", known["order"], OPERATOR, {"review_at": "soon"}, status=422)
    freight = {"freight": "yes", "change": "1"}
    yield Scene("/orders/A1001/do/refund_order", known["order"], OPERATOR, freight, status=422)
    sf = {"parcel_id": "p9", "carrier": "sf", "waybill": "1", "lines.gone": "1"}
    yield Scene(place, known["order"], MERCHANT, sf)
    yield Scene(place, known["order"], MERCHANT, {**sf, "change": "1"})
    form, fields = f"/merchants/{PEOPLE['merchant']}/withdraw", {"account_id": "x1|CNY", "amount_minor": "10"}
    for amount in ("10", "20", "30"):
        yield Scene(form, _of_merchant(True), MERCHANT, {**fields, "amount_minor": amount})
    yield Scene(f"{form}/send", _of_merchant(True), MERCHANT, fields, status=422)
