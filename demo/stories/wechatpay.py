"""WeChat Pay: the real adapters, signatures and callbacks, against the stand-in that speaks its protocol."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import WorkflowHandle

from demo.stage import StagedOrder
from demo.stories.orders import happy
from demo.stories.outcomes import Chapter, Outcome, ending, given_back, money
from demo.waiting import until
from ledger.payout_accounts import Binding

WECHATPAY = Chapter()


async def _withdraw_all(play: StagedOrder, rail: str) -> WorkflowHandle[Any, Any]:
    """Live through a happy order, bind an account with this rail, and ask for all that is available."""
    account = f"a-{play.name}"
    await play.stage.register.accounts.bind(
        Binding(
            account_id=account,
            merchant_id=play.order.merchant_id,
            kind="wallet" if rail == "wechatpay_transfer" else "company_account",
            currency=play.order.currency,
            rail=rail,
            holder="李伟",
            last4="4242",
            rail_token=f"payee-{account}",
        ),
        now=datetime.now(UTC),
    )
    await happy(play)
    available = await play.stage.register.withdrawals.available(play.order.merchant_id, play.order.currency)
    return await play.withdraw(available, account)


async def _until(handle: WorkflowHandle[Any, Any], so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The withdrawal's state once it fits."""

    async def state() -> dict[str, Any]:
        return dict(await handle.query("withdrawal"))

    return await until(state, so)


async def _come_to(handle: WorkflowHandle[Any, Any], *phases: str) -> str:
    return str((await _until(handle, lambda state: state["phase"] in phases))["phase"])


async def _called_back(play: StagedOrder, about: str, key: str) -> str:
    """WeChat Pay calls back about a number in its present state; returns the callback's outcome."""
    assert play.stage.take_callback is not None
    body, headers = await play.stage.world.wechatpay_callback(about, key)
    return str((await play.stage.take_callback("wechatpay", body, headers)).outcome)


async def _left(play: StagedOrder) -> str:
    """The number of payouts, and the merchant's remaining money."""
    left = await play.stage.register.withdrawals.available(play.order.merchant_id, play.order.currency)
    effects = await play.stage.world.payout_effects(f"payee-a-{play.name}")
    return f"paid {effects} times, {money(play.order, left)} left"


@WECHATPAY.story("withdrawal to a WeChat wallet: an answer with a wrong signature is unknown, then paid once")
async def wallet(play: StagedOrder) -> Outcome:
    await play.stage.world.fault("bank", verb="payout", match=f"payee-a-{play.name}", kind="wrong_signature")
    handle = await _withdraw_all(play, "wechatpay_transfer")
    first = await _come_to(handle, "unknown", "final")
    await play.skip(handle, timedelta(minutes=2))
    last = await _come_to(handle, "final")
    return (
        f"unknown, then final, paid 1 times, {money(play.order, 0)} left",
        f"{first}, then {last}, {await _left(play)}",
    )


@WECHATPAY.story("withdrawal to a sub-merchant's bank: paid by callback, returned by callback, each reported once")
async def bank_return(play: StagedOrder) -> Outcome:
    handle = await _withdraw_all(play, "wechatpay_withdraw")
    state = await _until(handle, lambda state: state["phase"] == "submitted")
    earned, key = state["net_minor"], state["attempts"][0]["key"]
    outcomes = [await _called_back(play, "withdraw", key) for _ in range(2)]
    first = await _come_to(handle, "paid")
    await play.skip(handle, timedelta(days=3))
    await play.stage.world.return_payout(key)
    outcomes += [await _called_back(play, "withdraw", key) for _ in range(2)]
    await _until(handle, lambda state: bool(state["returns_minor"]))
    last = await _come_to(handle, "returned")
    return (
        f"reported, repeated, reported, repeated; paid, then returned, paid 1 times, {money(play.order, earned)} left",
        f"{', '.join(outcomes)}; {first}, then {last}, {await _left(play)}",
    )


@WECHATPAY.story("order paid through WeChat Pay, cancelled: refunded once, though the answer was lost")
async def refund(play: StagedOrder) -> Outcome:
    payment = play.order.payment.model_copy(update={"channel": "wechatpay"})
    play.order = play.order.model_copy(update={"payment": payment})
    await play.stage.world.add_payment(payment.reference, payment.paid_minor, play.order.currency)
    await play.stage.world.fault("channel", verb="refund", match=payment.reference, kind="cut")
    await play.start()
    await play.send("cancel_order", "buyer", reason="ordered twice")
    await play.days(0.1)
    came_to = await ending(play)
    effects = await play.stage.world.refund_effects(payment.reference)
    return f"{given_back(play, 'cancelled')}, once", f"{came_to}, {'once' if effects == 1 else f'{effects} times'}"
