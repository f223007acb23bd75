"""Every way that money moves for a withdrawal, a merchant, a channel, a payment or a payout account, or by people."""

from __future__ import annotations

from typing import Any

from ledger_samples import LIMITS, NOW, a_withdrawal, bound
from money_paths import AT, Ask, Caller, MoneyPath, adjusts, posted, posts
from order_paths import ANN, DEPOSIT, GOODWILL, HAS, OWES, PSP, PSP_FEE, SETTLED, fund, registered, requires

from core import movements
from core.account_drop.state import AccountDrop
from core.movements import Movement

RESERVED, CASH, SUSPENSE = "withdrawal/W1/reserved", "rail/sandbox/cash", "suspense"
FEE, RAIL_FEE = "income/withdrawal_fee", "expense/rail_fee"


# --- of a withdrawal -----------------------------------------------------------------------------------------


async def _bound(caller: Caller) -> str:
    await bound(caller.register)
    return "bound"


def reserves(amount_minor: int = 500) -> Ask:
    async def ask(caller: Caller) -> str:
        return (await caller.register.withdrawals.reserve(a_withdrawal(amount=amount_minor), LIMITS, now=NOW)).outcome

    return ask


def pay(amount: int = 480, fee: int = 20) -> Movement:
    return movements.pay("W1", rail="sandbox", amount_minor=amount, fee_minor=fee, **AT)


def void(amount: int = 500) -> Movement:
    return movements.void("W1", merchant_id="m-1", amount_minor=amount, **AT)


def suspense(amount: int = 500) -> Movement:
    return movements.move_to_suspense("W1", amount_minor=amount, **AT)


def back(amount: int, **amounts: int) -> Movement:
    return movements.bank_return(a_withdrawal(), k=1, rail="sandbox", amount_minor=amount, occurred_at=NOW, **amounts)


EARNED = (*SETTLED, _bound)
SET_ASIDE = (*EARNED, reserves())
SUSPENDED = (*SET_ASIDE, posts(suspense()))
PAID = (*SET_ASIDE, posts(pay()))
WITHDRAWALS: dict[str, MoneyPath] = {
    "reserve": MoneyPath(
        kind="reserve",
        reference="withdrawal/W1/reserve",
        before=EARNED,
        ask=reserves(),
        moves={HAS: -500, RESERVED: 500},
        otherwise=reserves(499),
        first="reserved",
        refused="refused",
    ),
    "pay": posted(SET_ASIDE, pay(), {RESERVED: -500, CASH: -480, FEE: 20}, pay(481, 19)),
    "pay out of suspense": posted(SUSPENDED, pay(), {SUSPENSE: -500, CASH: -480, FEE: 20}, pay(481, 19)),
    "void": posted(SET_ASIDE, void(), {RESERVED: -500, HAS: 500}, pay()),
    "void to a merchant who owes": posted(
        (*SET_ASIDE, adjusts((HAS, SUSPENSE, 450), (OWES, SUSPENSE, 200))),
        void(),
        {RESERVED: -500, OWES: -200, HAS: 300},
        pay(),
    ),
    "void out of suspense": posted(SUSPENDED, void(), {SUSPENSE: -500, HAS: 500}, pay()),
    "to suspense": posted(SET_ASIDE, suspense(), {RESERVED: -500, SUSPENSE: 500}, suspense(499)),
    "bank return": posted(PAID, back(300), {CASH: 300, HAS: 300}, back(301)),
    "bank return with the fee": posted(
        PAID,
        back(470, fee_back_minor=20, shortfall_minor=10),
        {CASH: 470, FEE: -20, RAIL_FEE: 10, HAS: 500},
        back(471, fee_back_minor=20, shortfall_minor=9),
    ),
    "bank return to a merchant who owes": posted(
        (*PAID, adjusts((HAS, SUSPENSE, 450), (OWES, SUSPENSE, 200))),
        back(300),
        {CASH: 300, OWES: -200, HAS: 100},
        back(301),
    ),
}


# --- of a merchant who owes, and of deposits -----------------------------------------------------------------

IN_DEBT = (adjusts((OWES, SUSPENSE, 500)),)


def paid_in(amount: int = 300, **by: Any) -> Movement:
    return movements.paid_in("m-1", "P1", amount_minor=amount, **by, **AT)


def pays_in(movement: Movement) -> Ask:
    async def ask(caller: Caller) -> str:
        return (await caller.register.receivables.pay_in(movement)).outcome

    return ask


def _pays_in(account: str, **by: Any) -> MoneyPath:
    return MoneyPath(
        kind="paid_in",
        reference="merchant/m-1/paid_in/P1",
        before=IN_DEBT,
        ask=pays_in(paid_in(**by)),
        moves={account: 300, OWES: -300},
        otherwise=pays_in(paid_in(299, **by)),
    )


def writes_off(person: str, amount_minor: int = 300) -> Ask:
    async def ask(caller: Caller) -> str:
        given: dict[str, Any] = {"amount_minor": amount_minor, "currency": "CNY", "reason": "gone", "now": NOW}
        return (await caller.register.receivables.write_off("R1", "m-1", person=person, **given)).outcome

    return ask


async def _deposit_back(caller: Caller) -> str:
    return (await caller.register.merchants.pay_deposit_back("m-1", "CNY", NOW)).outcome


MERCHANTS: dict[str, MoneyPath] = {
    "debt paid in through a channel": _pays_in(PSP, channel="wechat"),
    "debt paid in to a rail": _pays_in(CASH, rail="sandbox"),
    "debt written off": MoneyPath(
        kind="write_off",
        reference="merchant/m-1/write_off/R1",
        before=(*IN_DEBT, writes_off("ann")),
        ask=writes_off("bob"),
        moves={GOODWILL: 300, OWES: -300},
        otherwise=writes_off("bob", 299),
        first="written_off",
        again="already",
        refused="different",
    ),
    "deposit given back": MoneyPath(
        kind="deposit_back",
        reference="merchant/m-1/deposit_back/1",
        before=(*SETTLED, adjusts((HAS, DEPOSIT, 800)), requires(300)),
        ask=_deposit_back,
        moves={DEPOSIT: -500, HAS: 500},
        otherwise=None,
        first="paid_back",
        again="nothing",
    ),
}


# --- of a payment that no order claims whole -----------------------------------------------------------------


def returns(person: str, payment: str = "pay-A1") -> Ask:
    """A person who gives back what no order claims."""

    async def ask(caller: Caller) -> str:
        given: dict[str, Any] = {"person": person, "reason": "no order", "now": NOW}
        return (await caller.register.payments.return_rest("R1", "wechat", payment, **given)).outcome

    return ask


def closes(*, arrived: bool) -> Ask:
    """The channel's final word on it."""

    async def ask(caller: Caller) -> str:
        given: dict[str, Any] = {"reference": "x", "message": None, "now": NOW}
        return str(await caller.register.payments.close_return("R1", arrived=arrived, **given))

    return ask


PAID_MORE = (registered(paid=1200), posts(fund()))
AGREED = (*PAID_MORE, returns("ann"), returns("bob"))


def _closed(*, arrived: bool) -> MoneyPath:
    return MoneyPath(
        kind="rest_closed",
        reference="payment/R1/close",
        before=AGREED,
        ask=closes(arrived=arrived),
        moves={"payment/R1/owed": -200, PSP: -200},
        otherwise=closes(arrived=not arrived),
        first="True",
        again="False",
        refused="False",
    )


PAYMENTS: dict[str, MoneyPath] = {
    "rest to give back": MoneyPath(
        kind="rest",
        reference="payment/R1/rest",
        before=(*PAID_MORE, returns("ann")),
        ask=returns("bob"),
        moves={"payment/R1/owed": 200, PSP: 200},
        otherwise=returns("bob", "pay-9"),
        first="owed",
        again="already",
        refused="unknown_payment",
    ),
    "rest that arrived": _closed(arrived=True),
    "rest that the channel refused": _closed(arrived=False),
}


# --- of a channel, of a payout account, and by people --------------------------------------------------------


def settlement(net: int = 994, fee: int = 6) -> Movement:
    return movements.psp_settlement("wechat", "S1", rail="sandbox", net_minor=net, fee_minor=fee, **AT)


async def _drop(caller: Caller) -> str:
    """A penny drop that the rail has, for all that is known."""
    drop = AccountDrop(key="d1", account_id="acc-m-1", by=ANN, why="new")
    assert await caller.register.drops.open(drop, 42, NOW) is None
    assert await caller.register.drops.update("d1", "sending", when=["open"], now=NOW)
    return "sending"


def drops(state: Any) -> Ask:
    """The rail's answer to it."""

    async def ask(caller: Caller) -> str:
        return str(await caller.register.drops.update("d1", state, when=["sending", "accepted", "unknown"], now=NOW))

    return ask


def corrects(person: str, fee: int = 6) -> Ask:
    async def ask(caller: Caller) -> str:
        given: dict[str, Any] = {"person": person, "reason": "booked twice", "now": NOW, "legs": {1: 994, 2: fee}}
        return (await caller.register.corrections.correct("K1", "psp/wechat/settlement/S1", **given)).outcome

    return ask


ADJUSTED = (PSP, SUSPENSE, 70)
OTHERS: dict[str, MoneyPath] = {
    "settlement of the channel": posted(SETTLED, settlement(), {CASH: 994, PSP_FEE: 6, PSP: -1000}, settlement(993)),
    "penny drop": MoneyPath(
        kind="account_drop",
        reference="account/acc-m-1/1/drop/1",
        before=(_bound, _drop),
        ask=drops("paid"),
        moves={RAIL_FEE: 42, CASH: -42},
        otherwise=drops("failed"),
        first="True",
        again="False",
        refused="False",
    ),
    "correction": MoneyPath(
        kind="correction",
        reference="correction/K1",
        before=(*SETTLED, posts(settlement()), corrects("ann")),
        ask=corrects("bob"),
        moves={CASH: -994, PSP_FEE: -6, PSP: 1000},
        otherwise=corrects("bob", 5),
        first="corrected",
        again="already",
        refused="different",
    ),
    "adjustment by people": MoneyPath(
        kind="adjustment",
        reference="adjust/1",
        before=(),
        ask=adjusts(ADJUSTED),
        moves={PSP: 70, SUSPENSE: 70},
        otherwise=adjusts((PSP, SUSPENSE, 71)),
        of_owner=True,
    ),
}
OTHER_PATHS: dict[str, MoneyPath] = {**WITHDRAWALS, **MERCHANTS, **PAYMENTS, **OTHERS}
