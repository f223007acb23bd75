"""Automatic withdrawals: of an order's own proceeds once they are available, of a merchant's balance by schedule."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from temporalio import activity

from activities.requests import ScheduledWithdrawalRequest, StartWithdrawalRequest
from core.ids import automatic_withdrawal_id, scheduled_withdrawal_id
from core.messages import Actor, Withdrawal
from core.money import format_minor
from core.order.steps import StartedWithdrawal
from core.policy import parse_policy
from core.reasons import Refusal, refuse
from core.withdrawal.estimating import affordable, estimate
from core.withdrawal.policy import WithdrawalPolicy
from ledger.register import Register

StartWithdrawal = Callable[[Withdrawal], Awaitable[object]]


class PayoutActivities:
    """Starts withdrawals through the client: a child workflow would end with its order and share its clock."""

    def __init__(self, register: Register, start: StartWithdrawal) -> None:
        self._register = register
        self._start = start

    @activity.defn
    async def start_withdrawal(self, request: StartWithdrawalRequest) -> StartedWithdrawal:
        """Ask for the lesser of the order's proceeds and what is available, to the merchant's default account.

        If something prevents it, nothing is started and the answer says what. A repeat starts nothing new: the id is
        made from the order's.

        Raises:
            Unavailable: the database or Temporal did not answer; a retry helps.
        """
        withdrawal = Withdrawal(
            withdrawal_id=automatic_withdrawal_id(request.order_id),
            merchant_id=request.merchant_id,
            amount_minor=1,
            currency=request.currency,
            account_id="default",
            requested_by=Actor(role="system", id=f"order-{request.order_id}"[:64]),
            policy=request.policy,
        )
        now = activity.info().started_time
        return await self._begin(withdrawal, None, now, most_minor=request.proceeds_minor)

    @activity.defn
    async def start_scheduled_withdrawal(self, request: ScheduledWithdrawalRequest) -> StartedWithdrawal:
        """Ask for the available money less what the plan keeps, and at most the policy's limit.

        The id is made from the nominal time, so a retry starts nothing new.

        Raises:
            Unavailable: the database or Temporal did not answer; a retry helps.
        """
        plan = request.plan
        withdrawal = Withdrawal(
            withdrawal_id=scheduled_withdrawal_id(plan.merchant_id, plan.currency, request.due_at),
            merchant_id=plan.merchant_id,
            amount_minor=1,
            currency=plan.currency,
            account_id=plan.account_id or "default",
            requested_by=Actor(role="system", id="schedule"),
            policy=plan.policy,
        )
        return await self._begin(
            withdrawal, plan.account_id, request.now, keep_minor=plan.keep_minor, least_minor=plan.minimum_minor
        )

    async def _begin(
        self,
        draft: Withdrawal,
        account_id: str | None,
        now: datetime,
        *,
        most_minor: int | None = None,
        keep_minor: int = 0,
        least_minor: int = 1,
    ) -> StartedWithdrawal:
        """Complete the draft with account and amount, and start it; a withdrawal that is already reserved goes on."""
        known = await self._register.withdrawals.known(draft.withdrawal_id)
        if known is not None:
            await self._start(known.withdrawal)
            return StartedWithdrawal(withdrawal_id=draft.withdrawal_id, amount_minor=known.withdrawal.amount_minor)
        policy = await self._policy(draft.policy, draft.currency)
        if isinstance(policy, Refusal):
            return StartedWithdrawal(skipped=policy)
        account = account_id or await self._default_account(draft)
        if isinstance(account, Refusal):
            return StartedWithdrawal(skipped=account)
        standing = await self._register.withdrawals.standing(draft.merchant_id, account, draft.currency, policy, now)
        amount = affordable(policy, standing, keep_minor)
        amount = amount if most_minor is None else min(amount, most_minor)
        if amount <= 0:
            return StartedWithdrawal(skipped=refuse("nothing_available"))
        if amount < least_minor:
            least = format_minor(least_minor, draft.currency)
            return StartedWithdrawal(skipped=refuse("below_minimum", f"The schedule withdraws at least {least}."))
        withdrawal = draft.model_copy(update={"amount_minor": amount, "account_id": account})
        against = estimate(withdrawal, policy, standing, None, now).against
        if against:
            return StartedWithdrawal(skipped=against[0])
        await self._start(withdrawal)
        return StartedWithdrawal(withdrawal_id=withdrawal.withdrawal_id, amount_minor=amount)

    async def _policy(self, name: str | None, currency: str) -> WithdrawalPolicy | Refusal:
        stored = await self._register.policies.newest(name)
        if stored is None:
            return refuse("unknown_policy", name or "default", field="policy")
        return parse_policy(stored.text).withdrawal.in_currency(currency)

    async def _default_account(self, draft: Withdrawal) -> str | Refusal:
        """The account for automatic withdrawals. A suspended one is named, so that the merchant learns of it."""
        for account in await self._register.accounts.of_merchant(draft.merchant_id):
            if account.is_default and account.currency == draft.currency:
                return account.account_id
        return refuse("unknown_account", f"There is no default account in {draft.currency}.", field="account_id")
