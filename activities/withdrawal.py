"""The activities of a withdrawal: reserve, open an attempt, pay once, query, close, book a bank return.

Each may be repeated: the database's keys make a repeat harmless. An instruction is sent only by the try that moved its
row from `open` to `sending`. A try that finds the row moved queries the payout instead.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity

from activities.by_name import ByName
from activities.rails.base import Payee, PayoutInstruction, Rail
from core.errors import Misconfigured, NotSent
from core.fields import Message
from core.messages import Resumption, Withdrawal
from core.payout_accounts import masked
from core.policy import parse_policy
from core.reasons import Refusal, refuse
from core.records import WithdrawalRecord
from core.steps import KeepRecord, Step
from core.votes import Voters
from core.withdrawal.payouts import PayoutResult
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.recovering import Follow, Overtaken, judge_register, resume
from core.withdrawal.state import WithdrawalState
from core.withdrawal.steps import (
    AttemptOpened,
    CheckStanding,
    Disagrees,
    OpenAttempt,
    Pay,
    Query,
    Reserve,
    StepAnswer,
    SuspendAccount,
)
from core.withdrawal.voting import said_by
from ledger.payouts import AttemptState, PayoutAttempt
from ledger.register import Register
from ledger.vault import Vault

Recheck = Callable[[str], Awaitable[object]]
"""Makes the withdrawal of this id check again whether it may still be paid."""

LEASE = timedelta(seconds=3)
"""From taking the row to the first byte on the wire: a worker that was frozen for longer must not pay afterwards."""


class OpenedWithdrawal(Message):
    """The withdrawal's policy, or the state it resumes from, or why it may not begin."""

    policy: WithdrawalPolicy | None = None
    state: WithdrawalState | None = None
    refusal: Refusal | None = None
    stored_phase: str | None = None
    """Of what the register has under the id of a refused request."""


class WithdrawalActivities:
    """Carries out a withdrawal's steps against the register, the book and the rails (`*`: any other rail).

    `recheck` notifies waiting withdrawals that their account has changed; without it they see that at their own next
    check. `vault` opens an account number at the moment of its payout.
    """

    def __init__(
        self,
        register: Register,
        rails: ByName[Rail],
        recheck: Recheck | None = None,
        vault: Vault | None = None,
    ) -> None:
        self._register = register
        self._rails = rails
        self._recheck = recheck
        self._vault = vault or Vault({})

    @activity.defn
    async def open_withdrawal(self, withdrawal: Withdrawal) -> OpenedWithdrawal:
        """The policy or, if this withdrawal was reserved before, the state it resumes from.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        known = await self._register.withdrawals.known(withdrawal.withdrawal_id)
        if known is not None and known.withdrawal != withdrawal:
            refusal = refuse("withdrawal_exists_with_different_content", field="withdrawal_id")
            return OpenedWithdrawal(refusal=refusal, stored_phase=known.state_name)
        if known is not None and known.state is not None:
            return OpenedWithdrawal(state=resume(known.state, known.revision))
        stored = await self._register.policies.newest(withdrawal.policy)
        if stored is None:
            return OpenedWithdrawal(refusal=refuse("unknown_policy", withdrawal.policy or "default", field="policy"))
        policy = parse_policy(stored.text).withdrawal.in_currency(withdrawal.currency)
        if isinstance(policy, Refusal):
            return OpenedWithdrawal(refusal=policy)
        if (obstacle := await self._obstacle(withdrawal)) is not None:
            return OpenedWithdrawal(refusal=obstacle)
        if (await self._register.merchants.standing(withdrawal.merchant_id)).leaving:
            policy = policy.model_copy(update={"minimum_minor": 1})
        return OpenedWithdrawal(policy=policy)

    async def _obstacle(self, withdrawal: Withdrawal) -> Refusal | None:
        """Why the account's rail can never pay this: the money would stay reserved. A missing account is refused by the
        reservation.
        """
        account = await self._register.accounts.get(withdrawal.account_id)
        if account is None or account.merchant_id != withdrawal.merchant_id:
            return None
        rail = self._rail(account.rail)
        if rail is None:
            return refuse("rail_cannot_pay", f"No rail {account.rail} is set up.", field="account_id")
        return rail.terms.obstacle(account.rail, withdrawal.currency, account.kind)

    @activity.defn
    async def resume_withdrawal(self, asked: Resumption) -> OpenedWithdrawal:
        """The state from the register, even if the workflow was lost; or that nothing was ever reserved.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        known = await self._register.withdrawals.known(asked.withdrawal_id)
        if known is None or known.state is None:
            return OpenedWithdrawal(refusal=refuse("unknown_withdrawal", field="withdrawal_id"))
        return OpenedWithdrawal(state=resume(known.state, known.revision))

    @classmethod
    def by_step(cls, step: Step) -> Callable[..., Any]:
        """The activity of a step: one verb at every level."""
        return _BY_STEP[type(step)]

    @property
    def all(self) -> list[Callable[..., Any]]:
        """All activities, for a worker."""
        openings = [self.open_withdrawal, self.resume_withdrawal, self.follow_withdrawal]
        return [*openings, *(getattr(self, method.__name__) for method in _BY_STEP.values())]

    # --- the ledger's part -----------------------------------------------------------------------------

    @activity.defn
    async def reserve(self, step: Reserve) -> StepAnswer:
        """Check, write the row and post, in one transaction under the merchant's lock."""
        answer = await self._register.withdrawals.reserve(step.withdrawal, step.policy, now=step.at, record=step.record)
        if answer.outcome == "exists":
            return await self._look_ahead(step.record)
        return StepAnswer(refusal=answer.refusal)

    async def _look_ahead(self, record: WithdrawalRecord) -> StepAnswer:
        """Where the register may have been ahead of the run that wrote this record."""
        assert record.follows is not None
        return await self.follow_withdrawal(
            Follow(withdrawal_id=record.withdrawal_id, recorded_revision=record.follows, record=record)
        )

    @activity.defn
    async def follow_withdrawal(self, step: Follow) -> StepAnswer:
        """The state to go on from, where the register is ahead; and who of the voters has left.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        newer = await self._register.withdrawals.newer(step.withdrawal_id, step.recorded_revision)
        overtaken = judge_register(step, newer.revision, newer.state) if newer else None
        return StepAnswer(overtaken=overtaken, left=await self._left(step.voters, overtaken))

    async def _left(self, voters: Voters | None, overtaken: Overtaken | None) -> tuple[str, ...]:
        """Who of the voters has left, also of those whose words only the newer state has."""
        if voters is None:
            return ()
        newer = said_by(overtaken.state) if overtaken is not None else ()
        asked = voters.model_copy(update={"people": (*voters.people, *newer)})
        return tuple(await self._register.people.left(asked))

    @activity.defn
    async def open_attempt(self, step: OpenAttempt) -> StepAnswer:
        """Write the intent before anything is sent. An existing row wins."""
        withdrawal_id = step.withdrawal.withdrawal_id
        known = await self._register.withdrawals.known(withdrawal_id)
        if known is not None and known.revision not in (step.record.follows, step.record.revision):
            return await self._look_ahead(step.record)
        version = known.account_version if known else None
        account = await self._register.accounts.get(step.withdrawal.account_id, version)
        if account is None:
            return StepAnswer(refusal=refuse("unknown_account", step.withdrawal.account_id))
        rail = self._rail(account.rail)
        if rail is None or not rail.key_pattern.fullmatch(step.key):
            return StepAnswer(disagrees=Disagrees(message=f"no rail {account.rail} that takes the key {step.key}"))
        opened = await self._register.payouts.open(step, rail.terms)
        return StepAnswer(refusal=opened) if isinstance(opened, Refusal) else StepAnswer(opened=_as_opened(opened))

    @activity.defn
    async def suspend_account(self, step: SuspendAccount) -> StepAnswer:
        """Send no more money to this account until its merchant has changed it."""
        await self._register.accounts.suspend(step.account_id, step.reason, step.at)
        if self._recheck is not None:
            for withdrawal_id in await self._register.withdrawals.waiting(step.merchant_id, step.account_id):
                await self._recheck(withdrawal_id)
        return StepAnswer()

    @activity.defn
    async def check_standing(self, step: CheckStanding) -> StepAnswer:
        """Check that it may still be paid: the account is not suspended, and the merchant owes nothing."""
        return StepAnswer(
            refusal=await self._register.withdrawals.obstacle(step.merchant_id, step.account_id, step.currency)
        )

    @activity.defn
    async def record_withdrawal(self, step: KeepRecord) -> StepAnswer:
        """Keep the register's row and the notices; a record that follows another revision changes nothing."""
        assert isinstance(step.record, WithdrawalRecord)
        kept = await self._register.withdrawals.record(step.record)
        return StepAnswer() if kept else await self._look_ahead(step.record)

    # --- the rail's part -------------------------------------------------------------------------------

    @activity.defn
    async def pay(self, step: Pay) -> PayoutResult:
        """Send the instruction once; if an earlier try may have sent it, query it instead.

        Raises:
            NotSent: the rail cannot be reached, and the row is as before; a retry soon is safe.
            Unavailable: the database did not answer, or this worker cannot open the account's number. Nothing was sent
                by this try; a retry helps.
        """
        clock = _Clock()
        row = await self._row(step)
        take_from: AttemptState = "unknown" if step.resend else "open"
        if step.ask_first and row.state == "open" and (found := await self._look(row)).outcome != "not_found":
            # It was sent, and the register lost that; or there is no answer, and it may have been sent.
            await self._move(step, "sending", "open", LEASE, clock)
            return found
        if clock.now() >= step.send_by:
            # Moving the row decides: no other try can send the instruction after this.
            if step.resend or await self._move(step, "unsent", take_from, None, clock):
                return PayoutResult(outcome="not_sent")
            # The row was moved before: by a try whose report was lost, or by one that sent the instruction.
            row = await self._row(step)
            return PayoutResult(outcome="not_sent") if row.state == "unsent" else await self._look(row)
        # Open the number before the row is taken: a worker without the key must not mark the payout as sent.
        instruction = await self._with_number(row)
        if not await self._move(step, "sending", take_from, LEASE, clock):
            return await self._look(row)
        if clock.since_moved() >= LEASE or clock.now() >= step.send_by:
            return PayoutResult(outcome="unknown", message="the lease ran out before it was sent")
        result = _discreet(await self._rail_of(row).pay(instruction), row)
        if result.outcome == "not_sent":
            await self._give_back(step, take_from, result, clock)
        return result

    async def _give_back(self, step: Pay, to: AttemptState, result: PayoutResult, clock: _Clock) -> None:
        """Nothing was sent: reset the row; a first instruction is tried again soon.

        If the worker dies before this, the payout counts as possibly sent and is queried. A resend is not tried again:
        the payout is queried, because the first instruction may have had its effect.
        """
        if await self._move(step, to, "sending", None, clock) and not step.resend:
            raise NotSent(result.message or "")

    @activity.defn
    async def query(self, step: Query) -> PayoutResult:
        """Query the rail for its outcome.

        Raises:
            Unavailable: the database did not answer; a retry helps.
        """
        return await self._look(await self._row(step))

    async def _look(self, row: PayoutAttempt) -> PayoutResult:
        return _discreet(await self._rail_of(row).query(_instruction(row)), row)

    async def _with_number(self, row: PayoutAttempt) -> PayoutInstruction:
        """The instruction with the account's number. It is always the same: an account's version is fixed."""
        account = await self._register.accounts.get(row.account_id, row.account_version)
        sealed = await self._register.accounts.sealed_number(row.account_id, row.account_version)
        known = {
            "kind": account.kind if account else None,
            "number": sealed.open(self._vault) if sealed else None,
            "bank_name": account.bank_name if account else None,
            "bank_code": account.bank_code if account else None,
        }
        instruction = _instruction(row)
        return instruction.model_copy(update={"account": instruction.account.model_copy(update=known)})

    async def _row(self, step: Pay | Query) -> PayoutAttempt:
        row = await self._register.payouts.get(step.key)
        if row is None:
            raise Misconfigured(f"the register has no payout with the key {step.key}: another database?")
        return row

    async def _move(
        self, step: Pay, to: AttemptState, take_from: AttemptState, lease: timedelta | None, clock: _Clock
    ) -> bool:
        clock.moving()
        until = clock.now() + lease if lease else None
        return await self._register.payouts.update(step.key, to, when=[take_from], lease_until=until, now=clock.now())

    def _rail(self, name: str) -> Rail | None:
        return self._rails.of(name)

    def _rail_of(self, row: PayoutAttempt) -> Rail:
        rail = self._rail(row.rail)
        if rail is None:
            raise Misconfigured(f"no rail {row.rail} is configured, and payout {row.key} is on it")
        return rail


class _Clock:
    """The server's time, which follows a skipped clock, plus the time since the activity began.

    `monotonic` runs on while a process is stopped, so a frozen worker sees how long it slept.
    """

    def __init__(self) -> None:
        self._started_at = activity.info().started_time
        self._began = self._moved = time.monotonic()

    def now(self) -> datetime:
        return self._started_at + timedelta(seconds=time.monotonic() - self._began)

    def moving(self) -> None:
        """Call it before the row is taken: the lease runs from here."""
        self._moved = time.monotonic()

    def since_moved(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self._moved)


def _as_opened(row: PayoutAttempt) -> AttemptOpened:
    return AttemptOpened(
        key=row.key,
        rail=row.rail,
        terms=row.terms,
        account_version=row.account_version,
        account_last4=row.last4,
        opened_at=row.created_at,
    )


def _instruction(row: PayoutAttempt) -> PayoutInstruction:
    """Build the instruction from the row alone, so that a resend is identical."""
    account = Payee(token=row.rail_token, last4=row.last4, holder=row.holder)
    return PayoutInstruction(key=row.key, amount_minor=row.amount_minor, currency=row.currency, account=account)


def _discreet(result: PayoutResult, row: PayoutAttempt) -> PayoutResult:
    """Mask a rail's answer: it may repeat the account's number, and answers are kept in histories."""
    if result.message is None:
        return result
    return result.model_copy(update={"message": masked(result.message, row.last4)})


_BY_STEP: dict[type[Step], Callable[..., Any]] = {
    Reserve: WithdrawalActivities.reserve,
    OpenAttempt: WithdrawalActivities.open_attempt,
    SuspendAccount: WithdrawalActivities.suspend_account,
    CheckStanding: WithdrawalActivities.check_standing,
    KeepRecord: WithdrawalActivities.record_withdrawal,
    Pay: WithdrawalActivities.pay,
    Query: WithdrawalActivities.query,
}
