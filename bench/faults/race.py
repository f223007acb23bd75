"""The race: many requests for one balance at the same moment, in rounds. Money must never be reserved twice."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from core.messages import Actor, Withdrawal
from core.movements import Leg, adjustment
from core.withdrawal.policy import WithdrawalPolicy
from ledger.adjusting import post_adjustments
from ledger.migrate import migrate
from ledger.payout_accounts import Binding
from ledger.pool import open_pool
from ledger.proofs import prove
from ledger.register import Register
from ledger.safeguards import set_safeguard
from local.postgres import Postgres

REQUESTS = 200
ROUNDS = 50
CONNECTIONS = 24
_POLICY = WithdrawalPolicy(daily_count_max=100_000)


@dataclass
class Raced:
    """The results of the rounds. `over_reserved`: rounds that reserved more than the balance."""

    rounds: int = 0
    requests: int = 0
    reserved: int = 0
    over_reserved: int = 0
    wrongly_refused: int = 0
    """Requests refused as unaffordable although their amount was left at the end."""
    broken_proofs: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        return not (self.over_reserved or self.wrongly_refused or self.broken_proofs)


async def race(seed: int) -> Raced:
    """Race on a PostgreSQL of its own, which is deleted afterwards."""
    home = await asyncio.to_thread(_new_home)
    server = Postgres(home)
    try:
        await asyncio.to_thread(server.start)
        await migrate(server.owner_dsn)
        await set_safeguard(server.owner_dsn, "cooling", timedelta(0), who="bench", why="new accounts are paid")
        pool = await open_pool(server.worker_dsn, size=CONNECTIONS)
        try:
            return await race_on(pool, server.owner_dsn, seed, ROUNDS, REQUESTS)
        finally:
            await pool.close()
    finally:
        await asyncio.to_thread(server.remove)
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


def _new_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="dakuan-"))
    home.chmod(0o711)  # under root, PostgreSQL's own user has its data in there
    return home


async def race_on(pool: asyncpg.Pool[Any], owner_dsn: str, seed: int, rounds: int, requests: int) -> Raced:
    """Race in a database."""
    chance, found, began = random.Random(f"{seed}/race"), Raced(), time.perf_counter()
    for number in range(1, rounds + 1):
        await _round(pool, owner_dsn, chance, number, requests, found)
    found.seconds = time.perf_counter() - began
    found.broken_proofs = [proof.name for proof in await prove(pool) if not proof.holds]
    return found


async def _round(
    pool: asyncpg.Pool[Any], owner_dsn: str, chance: random.Random, number: int, requests: int, found: Raced
) -> None:
    """One merchant with a third of the requested money; each request is sent twice, as storefronts do."""
    merchant, amounts = f"race-{number}", [chance.randint(100, 10_000) for _ in range(requests)]
    balance = sum(amounts) // 3
    register, now = Register(pool), datetime.now(UTC)
    legs = [Leg("psp/race", f"merchant/{merchant}/available", balance)]
    await post_adjustments(owner_dsn, [adjustment(f"race/{number}", "CNY", now, legs)])
    await register.accounts.bind(
        Binding(
            account_id=f"acc-{merchant}",
            merchant_id=merchant,
            currency="CNY",
            holder="Li Wei",
            last4="4242",
            rail="sandbox",
            rail_token=f"tok-{merchant}",
        ),
        now=now,
    )
    asked = [_asked(merchant, index, amount) for index, amount in enumerate(amounts)]
    twice = [*asked, *asked[: requests // 10]]
    chance.shuffle(twice)
    answers = await asyncio.gather(*(register.withdrawals.reserve(one, _POLICY, now=now) for one in twice))
    taken = {one.withdrawal_id: one.amount_minor for one, got in zip(twice, answers, strict=True) if not got.refusal}
    left = await register.withdrawals.available(merchant, "CNY")
    codes = Counter(got.refusal.code if got.refusal else got.outcome for got in answers)
    found.rounds += 1
    found.requests += len(twice)
    found.reserved += len(taken)
    found.over_reserved += sum(taken.values()) + left != balance or left < 0 or codes["reserved"] != len(taken)
    refused = [one.amount_minor for one in asked if one.withdrawal_id not in taken]
    found.wrongly_refused += sum(amount <= left for amount in refused)


def _asked(merchant: str, index: int, amount_minor: int) -> Withdrawal:
    return Withdrawal(
        withdrawal_id=f"w-{merchant}-{index}",
        merchant_id=merchant,
        amount_minor=amount_minor,
        currency="CNY",
        account_id=f"acc-{merchant}",
        requested_by=Actor(role="merchant", id=merchant),
    )
