"""Automatic withdrawals: an order whose policy says so asks for its own proceeds when they are available."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from temporalio import activity

from activities.requests import StartWithdrawalRequest
from core.messages import Actor, Withdrawal, automatic_withdrawal_id
from ledger.register import Register

StartWithdrawal = Callable[[Withdrawal], Awaitable[object]]


class PayoutActivities:
    """Starts withdrawals through the client: a child would not outlive its order, nor follow its own clock."""

    def __init__(self, register: Register, start: StartWithdrawal) -> None:
        self._register = register
        self._start = start

    @activity.defn
    async def start_withdrawal(self, request: StartWithdrawalRequest) -> str | None:
        """Ask for the lesser of the order's proceeds and what is available, to the merchant's default account.

        Returns:
            The withdrawal's id, or None where there is no default account or nothing is available: the money
            stays available, and the merchant can ask for it. Starting twice starts once: the id is the order's.

        Raises:
            Unavailable: the database or Temporal did not answer; a retry helps.
        """
        account = await self._register.default_account(request.merchant_id, request.currency)
        available = await self._register.available(request.merchant_id, request.currency)
        amount = min(request.proceeds_minor, available)
        if account is None or amount <= 0:
            return None
        withdrawal = Withdrawal(
            withdrawal_id=automatic_withdrawal_id(request.order_id),
            merchant_id=request.merchant_id,
            amount_minor=amount,
            currency=request.currency,
            account_id=account.account_id,
            requested_by=Actor(role="system", id=f"order-{request.order_id}"[:64]),
        )
        await self._start(withdrawal)
        return withdrawal.withdrawal_id
