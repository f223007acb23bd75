"""Every way that a channel takes an order's money, gives it back or brings it again, from each place it stands in."""

from __future__ import annotations

from ledger_samples import ALL_TAKEN
from money_paths import MoneyPath, adjusts, posted, posts
from order_paths import (
    ABOVE_WON,
    AND_MORE,
    COMMISSION,
    CREDITED,
    DEPOSIT,
    DISCOUNT,
    DISCOUNTED,
    DISCOUNTED_BACK,
    ESCROW,
    EVERYWHERE,
    FROZE,
    FROZEN,
    FUNDED,
    GOODWILL,
    HAS,
    IN_DEPOSIT,
    OWED,
    OWES,
    PART,
    PROCEEDS,
    PSP,
    PSP_FEE,
    REFUNDED,
    SETTLED,
    SETTLED_AND_BACK,
    SPENT,
    WON,
    above,
    arrived,
    chargeback,
    claim_back,
    claims,
    covered,
    fee,
    freezes,
    of_proceeds,
    refund,
)

from core.movements import Taken

OTHER_TAKEN = chargeback(Taken(place="escrow", merchant_minor=1))
ALL_OF_ESCROW = Taken(place="escrow", merchant_minor=1000)
BORNE = Taken(place="merchant", goodwill_minor=1000)
CHANNEL_PATHS: dict[str, MoneyPath] = {
    "chargeback from escrow": posted(FUNDED, chargeback(ALL_OF_ESCROW), {ESCROW: -1000, PSP: -1000}, OTHER_TAKEN),
    "chargeback from proceeds": posted(
        CREDITED, chargeback(of_proceeds(950, 50)), {PROCEEDS: -950, COMMISSION: -50, PSP: -1000}, OTHER_TAKEN
    ),
    "chargeback with the discount": posted(
        DISCOUNTED,
        chargeback(of_proceeds(190, 10, 6)),
        {PROCEEDS: -190, COMMISSION: -10, DISCOUNT: -6, PSP: -194},
        OTHER_TAKEN,
    ),
    "chargeback from available": posted(
        SETTLED, chargeback(ALL_TAKEN), {HAS: -950, COMMISSION: -50, PSP: -1000}, OTHER_TAKEN
    ),
    "chargeback from frozen": posted(FROZE, chargeback(PART), {FROZEN: -285, COMMISSION: -15, PSP: -300}, OTHER_TAKEN),
    "chargeback that is owed": posted(
        SPENT, chargeback(ALL_TAKEN), {OWES: 950, COMMISSION: -50, PSP: -1000}, OTHER_TAKEN
    ),
    "chargeback from everything": posted(
        EVERYWHERE,
        chargeback(ALL_TAKEN),
        {FROZEN: -200, HAS: -100, DEPOSIT: -300, OWES: 350, COMMISSION: -50, PSP: -1000},
        OTHER_TAKEN,
    ),
    "chargeback that the platform bears": posted(SETTLED, chargeback(BORNE), {GOODWILL: 1000, PSP: -1000}, OTHER_TAKEN),
    "chargeback after a refund of a part": posted(
        (*SETTLED, posts(refund(PART)), posts(arrived(300))),
        chargeback(Taken(place="merchant", merchant_minor=665, commission_minor=35)),
        {HAS: -665, COMMISSION: -35, PSP: -700},
        OTHER_TAKEN,
    ),
    "fee that the platform bears": posted(
        (*FUNDED, posts(chargeback(ALL_OF_ESCROW))),
        fee(platform_minor=20),
        {PSP_FEE: 20, PSP: -20},
        fee(platform_minor=21),
    ),
    "fee that the merchant bears": posted(
        (*SETTLED, posts(chargeback(PART))), fee(merchant_minor=20), {HAS: -20, PSP: -20}, fee(merchant_minor=21)
    ),
    "fee that is owed": posted(
        (*SETTLED, posts(chargeback(ALL_TAKEN))), fee(merchant_minor=20), {OWES: 20, PSP: -20}, fee(merchant_minor=21)
    ),
    "fee from frozen": posted(
        (*FROZE, posts(chargeback(PART))), fee(merchant_minor=20), {FROZEN: -20, PSP: -20}, fee(merchant_minor=21)
    ),
    "fee from the deposit": posted(
        (*IN_DEPOSIT, posts(chargeback(PART))),
        fee(merchant_minor=20),
        {DEPOSIT: -20, PSP: -20},
        fee(merchant_minor=21),
    ),
    "taken above, borne by the platform": posted(
        REFUNDED, above(platform_minor=1000), {GOODWILL: 1000, PSP: -1000}, above(platform_minor=999)
    ),
    "taken above, borne by the merchant": posted(
        SETTLED_AND_BACK, above(merchant_minor=1000), {OWES: 1000, PSP: -1000}, above(merchant_minor=999)
    ),
    "taken above, from everything": posted(
        AND_MORE,
        above(merchant_minor=1000),
        {FROZEN: -200, HAS: -100, DEPOSIT: -300, OWES: 400, PSP: -1000},
        above(merchant_minor=999),
    ),
    "won, back into escrow": posted((*FUNDED, posts(chargeback(ALL_OF_ESCROW))), WON, {ESCROW: 1000, PSP: 1000}, None),
    "won, back into proceeds": posted(
        (*CREDITED, posts(chargeback(of_proceeds(950, 50)))), WON, {PROCEEDS: 950, COMMISSION: 50, PSP: 1000}, None
    ),
    "won with the discount": posted(
        (*DISCOUNTED, posts(chargeback(of_proceeds(190, 10, 6)))),
        WON,
        {PROCEEDS: 190, COMMISSION: 10, DISCOUNT: 6, PSP: 194},
        None,
    ),
    "won, back to the merchant": posted(
        (*SETTLED, posts(chargeback(ALL_TAKEN))), WON, {HAS: 950, COMMISSION: 50, PSP: 1000}, None
    ),
    "won, of frozen money": posted((*FROZE, posts(chargeback(PART))), WON, {HAS: 285, COMMISSION: 15, PSP: 300}, None),
    "won, of a debt": posted(
        (*SPENT, posts(chargeback(ALL_TAKEN))), WON, {OWES: -950, COMMISSION: 50, PSP: 1000}, None
    ),
    "won, of everything": posted(
        (*EVERYWHERE, posts(chargeback(ALL_TAKEN))),
        WON,
        {HAS: 300, DEPOSIT: 300, OWES: -350, COMMISSION: 50, PSP: 1000},
        None,
    ),
    "won, borne by the platform": posted((*SETTLED, posts(chargeback(BORNE))), WON, {GOODWILL: -1000, PSP: 1000}, None),
    "above won, borne by the platform": posted(
        (*REFUNDED, posts(above(platform_minor=1000))), ABOVE_WON, {GOODWILL: -1000, PSP: 1000}, None
    ),
    "above won, borne by the merchant": posted(
        (*SETTLED_AND_BACK, posts(above(merchant_minor=1000))), ABOVE_WON, {OWES: -1000, PSP: 1000}, None
    ),
    "above won, of everything": posted(
        (*AND_MORE, posts(above(merchant_minor=1000))),
        ABOVE_WON,
        {HAS: 300, DEPOSIT: 300, OWES: -400, PSP: 1000},
        None,
    ),
    "refund covered, borne by the platform": posted(
        (*FUNDED, posts(refund(ALL_OF_ESCROW)), posts(above(platform_minor=1000))),
        covered(platform_minor=1000),
        {OWED: -1000, GOODWILL: -1000},
        covered(merchant_minor=1000),
    ),
    "refund covered, borne by the merchant": posted(
        (
            *(*SETTLED, posts(refund(ALL_TAKEN)), adjusts(("suspense", HAS, 600), number=2)),
            posts(above(merchant_minor=1000)),
        ),
        covered(merchant_minor=1000),
        {OWED: -1000, HAS: 600, OWES: -400},
        covered(platform_minor=1000),
    ),
    "paid again by the buyer": posted(REFUNDED, claim_back(), {PSP: 1000, HAS: 1000}, claim_back(999), claims()),
    "paid again, with commission": posted(
        REFUNDED,
        claim_back(commission_minor=50, goodwill_minor=40),
        {PSP: 1000, HAS: 910, COMMISSION: 50, GOODWILL: -40},
        claim_back(commission_minor=51, goodwill_minor=40),
        claims(),
    ),
    "paid again, with the discount": posted(
        DISCOUNTED_BACK,
        claim_back(970, discount_minor=30),
        {PSP: 970, HAS: 1000, DISCOUNT: 30},
        claim_back(970, discount_minor=29),
        claims(paid_minor=970),
    ),
    "paid again, with the discount, kept frozen": posted(
        (*DISCOUNTED_BACK, freezes(on=True)),
        claim_back(970, discount_minor=30, frozen=True),
        {PSP: 970, FROZEN: 1000, DISCOUNT: 30},
        claim_back(970, discount_minor=29, frozen=True),
        claims(1000, paid_minor=970),
    ),
    "paid again, kept frozen": posted(
        (*REFUNDED, freezes(on=True)),
        claim_back(frozen=True),
        {PSP: 1000, FROZEN: 1000},
        claim_back(999, frozen=True),
        claims(1000),
    ),
}
