"""Every way that an order's money moves, from each place where it can stand."""

from __future__ import annotations

from typing import Any

from ledger_samples import ALL_TAKEN, NOW, POLICY_HASH, a_record, an_order, opened
from money_paths import AT, Ask, Caller, MoneyPath, adjusts, posted, posts

from core import movements
from core.messages import Actor, Order
from core.movements import LinePart, Movement, Taken
from core.reading import content_hash
from core.records import OrderRecord

ESCROW, PROCEEDS, FROZEN = (f"order/A1/{part}" for part in ("escrow", "proceeds", "frozen"))
HAS, DEPOSIT, OWES = (f"merchant/m-1/{part}" for part in ("available", "deposit", "receivable"))
PSP, COMMISSION, DISCOUNT = "psp/wechat", "income/commission", "expense/discount"
GOODWILL, PSP_FEE, OWED = "expense/goodwill", "expense/psp_fee", "order/A1/refund_payable/case-1"
ANN = Actor(role="operator", id="ann")
WITH_DISCOUNT: dict[str, Any] = {
    "discount_minor": 30,
    "discount_funded_by": "platform",
    "total_minor": 970,
    "paid": 970,
}


# --- what an order goes through ------------------------------------------------------------------------------


def registered(**fields: Any) -> Ask:
    """The order is registered; nothing was moved for it."""

    async def ask(caller: Caller) -> str:
        return await opened(caller.register, an_order("A1", **fields))

    return ask


def requires(amount_minor: int) -> Ask:
    """Its merchant must keep this deposit."""

    async def ask(caller: Caller) -> str:
        given: dict[str, Any] = {"by": ANN, "why": "new here", "now": NOW}
        await caller.register.merchants.require_deposit("m-1", amount_minor, "CNY", **given)
        return "required"

    return ask


def freezes(*, on: bool) -> Ask:
    """An operator freezes its merchant, or lets it go."""

    async def ask(caller: Caller) -> str:
        await caller.register.merchants.stop("m-1", "frozen", on=on, by=ANN, why="odd", now=NOW)
        return "stopped"

    return ask


def fund(amount: int = 1000, channel: str = "wechat") -> Movement:
    return movements.fund("A1", channel=channel, amount_minor=amount, **AT)


def credit(proceeds: int = 950, commission: int = 50, discount: int = 0) -> Movement:
    amounts: dict[str, Any] = {"proceeds_minor": proceeds, "commission_minor": commission, "discount_minor": discount}
    return movements.credit("A1", **amounts, **AT)


def settle(amount: int = 950) -> Movement:
    return movements.settle("A1", merchant_id="m-1", amount_minor=amount, **AT)


def refund(taken: Taken, cause: str = "case-1", lines: tuple[LinePart, ...] = ()) -> Movement:
    return movements.refund("A1", cause=cause, merchant_id="m-1", taken=taken, lines=lines, **AT)


def arrived(amount: int, cause: str = "case-1") -> Movement:
    return movements.refund_arrived("A1", cause=cause, channel="wechat", amount_minor=amount, **AT)


def covered(**amounts: Any) -> Movement:
    return movements.refund_covered("A1", cause="case-1", merchant_id="m-1", **amounts, **AT)


def freeze(amount: int, k: int = 1) -> Movement:
    return movements.freeze("A1", k=k, merchant_id="m-1", amount_minor=amount, **AT)


def release(k: int = 1, amount: int = 10_000) -> Movement:
    return movements.release("A1", k=k, merchant_id="m-1", amount_minor=amount, **AT)


def chargeback(taken: Taken) -> Movement:
    return movements.chargeback("A1", k=1, channel="wechat", merchant_id="m-1", taken=taken, **AT)


def fee(**amounts: Any) -> Movement:
    return movements.chargeback_fee("A1", k=1, channel="wechat", merchant_id="m-1", **amounts, **AT)


def above(**amounts: Any) -> Movement:
    return movements.chargeback_above("A1", k=1, channel="wechat", merchant_id="m-1", **amounts, **AT)


def claim_back(amount: int = 1000, **amounts: Any) -> Movement:
    given = {"k": 1, "channel": "wechat", "merchant_id": "m-1", "amount_minor": amount, **amounts, **AT}
    return movements.claim_back("A1", **given)


def claims(kept_minor: int = 0, revision: int = 1, paid_minor: int = 1000) -> OrderRecord:
    """The record of an order whose buyer paid it again, so much of it kept for the order."""
    state = {"freeze": {"number": 1, "asked_minor": kept_minor}} if revision > 1 or kept_minor else {}
    case = {"case_id": 1, "claim": {"amount_minor": paid_minor}}
    over: dict[str, Any] = {"phase": "refunded", "refunded_minor": paid_minor, "revision": revision}
    return a_record("A1", **over, state={"funded": True, "cases": [case], **state})


WON = movements.chargeback_won("A1", k=1, **AT)
ABOVE_WON = movements.chargeback_above_won("A1", k=1, **AT)
REGISTERED = (registered(),)
FUNDED = (*REGISTERED, posts(fund()))
CREDITED = (*FUNDED, posts(credit()))
SETTLED = (*CREDITED, posts(settle()))
SPENT = (*SETTLED, adjusts((HAS, "suspense", 950)))
FROZE = (*SETTLED, posts(freeze(950)))
IN_DEPOSIT = (*SETTLED, adjusts((HAS, DEPOSIT, 950)))
EVERYWHERE = (*SETTLED, posts(freeze(200)), adjusts((HAS, DEPOSIT, 300), (HAS, "suspense", 350)))
"""200 are frozen, 100 available, 300 in the deposit; 350 are gone."""
DISCOUNTED = (registered(**WITH_DISCOUNT), posts(fund(970)), posts(credit(920, 50, 30)))
"""The platform gives 30 of 1000."""
REFUNDED = (*FUNDED, posts(refund(Taken(place="escrow", merchant_minor=1000))), posts(arrived(1000)))
"""The buyer has all of it back."""
DISCOUNTED_BACK = (*DISCOUNTED[:2], posts(refund(Taken(place="escrow", merchant_minor=970))), posts(arrived(970)))
SETTLED_AND_BACK = (*SETTLED, posts(refund(ALL_TAKEN)), posts(arrived(1000)))
AND_MORE = (
    *SETTLED_AND_BACK,
    adjusts(("suspense", HAS, 600), number=2),
    posts(freeze(200)),
    adjusts((HAS, DEPOSIT, 300)),
)
"""Of other money 200 are frozen, 100 available, 300 in the deposit."""
PART = Taken(place="merchant", merchant_minor=285, commission_minor=15)
"""300 of a settled order of 1000."""


def of_proceeds(merchant: int, commission: int, discount: int = 0) -> Taken:
    amounts = {"merchant_minor": merchant, "commission_minor": commission, "discount_minor": discount}
    return Taken(place="proceeds", **amounts)


# --- until the settlement ------------------------------------------------------------------------------------


def opens(order: Order) -> Ask:
    """The opening of an order, which funds it in the same transaction."""

    async def ask(caller: Caller) -> str:
        found = await caller.register.orders.open(
            order,
            content_hash(order),
            opened_by="run-1",
            paid_minor_confirmed=order.payment.paid_minor,
            policy_hash=POLICY_HASH,
            now=NOW,
            fund=fund(order.total_minor),
            record=a_record(state={"funded": True}),
        )
        return found.outcome

    return ask


async def _policy(caller: Caller) -> str:
    await caller.register.policies.keep("default", POLICY_HASH, f"text of {POLICY_HASH}")
    return "kept"


OPENED = MoneyPath(
    kind="fund",
    reference="order/A1/fund",
    before=(_policy,),
    ask=opens(an_order()),
    moves={PSP: 1000, ESCROW: 1000},
    otherwise=opens(an_order(total=999)),
    first="registered",
    again="same_run",
    refused="different_content",
)
TO_MERCHANT: dict[str, MoneyPath] = {
    "fund with the opening": OPENED,
    "fund": posted(REGISTERED, fund(), {PSP: 1000, ESCROW: 1000}, fund(channel="alipay")),
    "credit": posted(FUNDED, credit(), {ESCROW: -1000, PROCEEDS: 950, COMMISSION: 50}, credit(951, 49)),
    "credit with a discount": posted(
        DISCOUNTED[:2],
        credit(920, 50, 30),
        {ESCROW: -970, PROCEEDS: 950, COMMISSION: 50, DISCOUNT: 30},
        credit(920, 50, 29),
    ),
    "settle": posted(CREDITED, settle(), {PROCEEDS: -950, HAS: 950}, settle(949)),
    "settle to a merchant who owes": posted(
        (*CREDITED, adjusts((OWES, "suspense", 300))), settle(), {PROCEEDS: -950, OWES: -300, HAS: 650}, settle(949)
    ),
    "settle into the deposit": posted(
        (*CREDITED, requires(400)), settle(), {PROCEEDS: -950, DEPOSIT: 400, HAS: 550}, settle(949)
    ),
}


# --- back to the buyer ---------------------------------------------------------------------------------------

ESCROW_400 = Taken(place="escrow", merchant_minor=400)
OTHER = refund(Taken(place="escrow", merchant_minor=399))
ONE_LINE = (LinePart(line_id="1", paid_minor=1000, amount_minor=400),)
REFUNDS: dict[str, MoneyPath] = {
    "refund from escrow": posted(FUNDED, refund(ESCROW_400), {ESCROW: -400, OWED: 400}, OTHER),
    "refund by line": posted(
        FUNDED, refund(ESCROW_400, lines=ONE_LINE), {ESCROW: -400, OWED: 400, "line 1": 400}, OTHER
    ),
    "refund from proceeds": posted(
        CREDITED, refund(of_proceeds(190, 10)), {PROCEEDS: -190, COMMISSION: -10, OWED: 200}, OTHER
    ),
    "refund from proceeds with the discount": posted(
        DISCOUNTED,
        refund(of_proceeds(190, 10, 6)),
        {PROCEEDS: -190, COMMISSION: -10, DISCOUNT: -6, OWED: 194},
        OTHER,
    ),
    "refund from available": posted(SETTLED, refund(PART), {HAS: -285, COMMISSION: -15, OWED: 300}, OTHER),
    "refund from the deposit": posted(IN_DEPOSIT, refund(PART), {DEPOSIT: -285, COMMISSION: -15, OWED: 300}, OTHER),
    "refund that is owed": posted(SPENT, refund(PART), {OWES: 285, COMMISSION: -15, OWED: 300}, OTHER),
    "refund from frozen": posted(FROZE, refund(PART), {FROZEN: -285, COMMISSION: -15, OWED: 300}, OTHER),
    "refund from everything": posted(
        EVERYWHERE,
        refund(ALL_TAKEN),
        {FROZEN: -200, HAS: -100, DEPOSIT: -300, OWES: 350, COMMISSION: -50, OWED: 1000},
        OTHER,
    ),
    "refund with the discount after the settlement": posted(
        (*DISCOUNTED, posts(settle())),
        refund(Taken(place="merchant", merchant_minor=190, commission_minor=10, discount_minor=6)),
        {HAS: -190, COMMISSION: -10, DISCOUNT: -6, OWED: 194},
        OTHER,
    ),
    "refund that the platform bears": posted(
        SETTLED, refund(Taken(place="merchant", goodwill_minor=300)), {GOODWILL: 300, OWED: 300}, OTHER
    ),
    "compensation for a late shipment": posted(
        CREDITED,
        refund(of_proceeds(50, 0), "late"),
        {PROCEEDS: -50, "order/A1/refund_payable/late": 50},
        refund(of_proceeds(51, 0), "late"),
    ),
    "compensation after the settlement": posted(
        SETTLED,
        refund(Taken(place="merchant", merchant_minor=50), "late"),
        {HAS: -50, "order/A1/refund_payable/late": 50},
        refund(Taken(place="merchant", merchant_minor=51), "late"),
    ),
    "refund arrived": posted((*FUNDED, posts(refund(ESCROW_400))), arrived(400), {OWED: -400, PSP: -400}, arrived(399)),
}


# --- frozen --------------------------------------------------------------------------------------------------

WON_FROZEN = (*FROZE, posts(chargeback(PART)), posts(WON))
"""Of 950 that were frozen a channel took 285, and gave it back: that is available."""
KEPT: dict[str, MoneyPath] = {
    "freeze": posted(SETTLED, freeze(600), {HAS: -600, FROZEN: 600}, freeze(601)),
    "freeze of what there is": posted(
        (*SETTLED, adjusts((HAS, "suspense", 600))), freeze(950), {HAS: -350, FROZEN: 350}, freeze(949)
    ),
    "freeze of what was won back": posted(WON_FROZEN, freeze(285, 2), {HAS: -285, FROZEN: 285}, freeze(284, 2)),
    "release": posted((*SETTLED, posts(freeze(600))), release(), {HAS: 600, FROZEN: -600}, release(amount=9_999)),
    "release to a merchant who owes": posted(
        (*FROZE, adjusts((OWES, "suspense", 300))),
        release(),
        {HAS: 650, OWES: -300, FROZEN: -950},
        release(amount=9_999),
    ),
    "release of what was won back": posted(
        (*WON_FROZEN, posts(freeze(285, 2))), release(2), {HAS: 950, FROZEN: -950}, release(2, 9_999)
    ),
    "release of what the buyer paid again": posted(
        (*REFUNDED, freezes(on=True), posts(claim_back(frozen=True), claims(1000)), freezes(on=False)),
        release(),
        {HAS: 1000, FROZEN: -1000},
        release(amount=9_999),
        claims(revision=2),
    ),
}
ORDER_PATHS: dict[str, MoneyPath] = {**TO_MERCHANT, **REFUNDS, **KEPT}
