"""Figures over all orders, numbers and pushes: counted now and then, and kept for the pages that show them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from core.fields import Message
from ledger.long_reads import long_reads
from ledger.register_part import M, RegisterPart


class KeptFigures(Message):
    """Figures as they were counted at one time."""

    taken_at: datetime
    body: Any


class Ageing(Message):
    """Escrow of open orders that waits for one reason, by how long ago the orders were opened (`days`: at least)."""

    currency: str
    reason: str
    days: int
    orders: int
    amount_minor: int


class RuleFigures(Message):
    """What one rule of the audit did: how often it objected, and what people made of it.

    `overturned`: a person approved what it objected to. `appeals`: rejections that a person looked at again,
    `appeals_won` those that were approved then. `shadow`: it objected without counting. `false_minor_days`: money that
    waited for nothing, by currency, in minor units times days.
    """

    rule: str
    fired: int
    decided: int
    overturned: int
    appeals: int
    appeals_won: int
    shadow: int
    false_minor_days: dict[str, int]


class FalseHolds(Message):
    """Parcels that the rules held or rejected and a person approved, in one currency: what waited, and how long."""

    currency: str
    parcels: int
    amount_minor: int
    minor_days: int
    """Minor units times days."""


class CarrierFigures(Message):
    """The last answers about a carrier's numbers, and how many of them knew no trace."""

    carrier: str
    answers: int
    without_trace: int
    last_at: datetime


class ProviderFigures(Message):
    """The last answers of a provider behind an interval: what they said, and how long they took.

    `throttled`: over a quota. `median_ms`, `slow_ms`: half of them were faster, 95 of a hundred.
    """

    provider: str
    answers: int
    no_trace: int
    throttled: int
    auth: int
    unavailable: int
    median_ms: int
    slow_ms: int
    last_at: datetime


class PushFigures(Message):
    """The last pushes of a provider, and how many of them were refused or could not be read."""

    provider: str
    pushes: int
    refused: int
    unreadable: int
    last_at: datetime


_AGEING = """
    SELECT o.currency, coalesce(o.hold_reasons[1], 'nothing') AS reason, b.days, count(*)::INT AS orders,
           sum(a.balance_minor)::BIGINT AS amount_minor
    FROM orders o
    JOIN accounts a ON a.path = 'order/' || o.order_id || '/escrow' AND a.currency = o.currency
    CROSS JOIN LATERAL (
        SELECT max(days) AS days FROM unnest(ARRAY[0, 1, 3, 7, 14, 30]) AS days
        WHERE days = 0 OR o.opened_at <= $1::TIMESTAMPTZ - make_interval(days => days)
    ) AS b
    WHERE NOT o.closed AND a.balance_minor > 0
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_JUDGED = """
    WITH judged AS (
        -- The rules' last verdict before each decision of a person, or the last one where no one decided.
        SELECT v.order_id, v.outcome, v.findings, v.reasons, d.outcome AS decision, o.currency, o.total_minor,
               greatest(extract(EPOCH FROM d.judged_at - v.judged_at), 0) / 86400 AS days
        FROM verdicts v JOIN orders o USING (order_id)
        LEFT JOIN LATERAL (
            SELECT k.n, k.outcome, k.judged_at FROM verdicts k
            WHERE k.order_id = v.order_id AND k.parcel_id = v.parcel_id AND k.n > v.n AND k.decided_by IS NOT NULL
            ORDER BY k.n LIMIT 1
        ) AS d ON TRUE
        WHERE v.recorded_at > $1::TIMESTAMPTZ AND v.decided_by IS NULL AND NOT EXISTS (
            SELECT FROM verdicts k WHERE k.order_id = v.order_id AND k.parcel_id = v.parcel_id
              AND k.n > v.n AND k.n < coalesce(d.n, 2147483647) AND k.decided_by IS NULL)
    )
"""
"""Verdicts are recorded as time passes: the index over ranges of pages finds the latest."""
_RULES = f"""
    {_JUDGED}, objections AS (
        SELECT r.rule, j.*, j.outcome IN ('needs_review', 'rejected') AND j.decision = 'approved' AS is_false
        FROM judged j CROSS JOIN LATERAL (
            SELECT f ->> 'rule' FROM jsonb_path_query(j.findings, '$[*] ? (@.outcome == "fail")') AS f
            UNION SELECT jsonb_array_elements_text(j.reasons) WHERE j.outcome IN ('needs_review', 'rejected')
        ) AS r (rule)
    ), waited AS (
        SELECT w.rule, jsonb_object_agg(w.currency, w.minor_days) AS false_minor_days
        FROM (SELECT rule, currency, sum(total_minor * days)::BIGINT AS minor_days
              FROM objections WHERE is_false GROUP BY rule, currency) AS w
        GROUP BY w.rule
    ), shadows AS (
        SELECT f ->> 'rule' AS rule, count(*)::INT AS shadow
        FROM orders o CROSS JOIN LATERAL
            jsonb_path_query(o.state, '$.parcels[*].verdict.shadow[*] ? (@.outcome == "fail")') AS f
        WHERE o.opened_at > $1::TIMESTAMPTZ GROUP BY 1
    ), counted AS (
        SELECT rule, count(*)::INT AS fired, count(decision)::INT AS decided,
               count(*) FILTER (WHERE decision = 'approved')::INT AS overturned,
               count(decision) FILTER (WHERE outcome = 'rejected')::INT AS appeals,
               count(*) FILTER (WHERE outcome = 'rejected' AND decision = 'approved')::INT AS appeals_won
        FROM objections GROUP BY rule
    )
    SELECT rule, coalesce(c.fired, 0) AS fired, coalesce(c.decided, 0) AS decided,
           coalesce(c.overturned, 0) AS overturned, coalesce(c.appeals, 0) AS appeals,
           coalesce(c.appeals_won, 0) AS appeals_won, coalesce(s.shadow, 0) AS shadow,
           coalesce(w.false_minor_days, '{{}}') AS false_minor_days
    FROM counted c FULL JOIN shadows s USING (rule) LEFT JOIN waited w USING (rule) ORDER BY fired DESC, rule
"""
_FALSE_HOLDS = f"""
    {_JUDGED}
    SELECT currency, count(*)::INT AS parcels, sum(total_minor)::BIGINT AS amount_minor,
           sum(total_minor * days)::BIGINT AS minor_days
    FROM judged WHERE outcome IN ('needs_review', 'rejected') AND decision = 'approved'
    GROUP BY currency ORDER BY currency
"""
LATEST = 2_000
"""Answers and pushes that are counted: the newest."""
_CARRIERS = """
    SELECT carrier, count(*)::INT AS answers, count(*) FILTER (WHERE no_trace)::INT AS without_trace,
           max(answered_at) AS last_at
    FROM (SELECT * FROM carrier_answers ORDER BY answered_at DESC LIMIT $1) AS a GROUP BY carrier ORDER BY carrier
"""
_PROVIDERS = """
    SELECT provider, count(*)::INT AS answers, count(*) FILTER (WHERE answer = 'no_trace')::INT AS no_trace,
           count(*) FILTER (WHERE answer = 'throttled')::INT AS throttled,
           count(*) FILTER (WHERE answer = 'auth')::INT AS auth,
           count(*) FILTER (WHERE answer = 'unavailable')::INT AS unavailable,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY took_ms) AS median_ms,
           percentile_disc(0.95) WITHIN GROUP (ORDER BY took_ms) AS slow_ms, max(asked_at) AS last_at
    FROM (SELECT * FROM carrier_looks ORDER BY asked_at DESC LIMIT $1) AS l
    WHERE answer IS NOT NULL GROUP BY provider ORDER BY provider
"""
_PUSHES = """
    SELECT vendor AS provider, count(*)::INT AS pushes,
           count(*) FILTER (WHERE outcome IN ('wrong_signature', 'too_large'))::INT AS refused,
           count(*) FILTER (WHERE outcome = 'unreadable')::INT AS unreadable, max(received_at) AS last_at
    FROM (SELECT * FROM pushes ORDER BY received_at DESC LIMIT $1) AS p GROUP BY vendor ORDER BY vendor
"""


class Figures(RegisterPart):
    """The register's figures. Those that read every row are counted apart from pages, and kept."""

    async def known(self, name: str) -> KeptFigures | None:
        """The figures of this name as they were counted last."""
        return await self._one(KeptFigures, "SELECT taken_at, body FROM figures WHERE name = $1", name)

    async def keep(self, name: str, body: Any, now: datetime) -> None:
        """Keep figures."""
        await self._call("SELECT keep_figures($1, $2, $3)", name, body, now)

    async def ageing(self, now: datetime) -> list[Ageing]:
        """Escrow by reason and age. It reads every open order."""
        return await self._long(Ageing, _AGEING, now)

    async def rules(self, now: datetime, within: timedelta) -> list[RuleFigures]:
        """What the audit's rules did within this time, by the verdicts that are kept. It reads every such verdict."""
        return await self._long(RuleFigures, _RULES, now - within)

    async def false_holds(self, now: datetime, within: timedelta) -> list[FalseHolds]:
        """Money that the rules let wait within this time until a person approved it. It reads every such verdict."""
        return await self._long(FalseHolds, _FALSE_HOLDS, now - within)

    async def carriers(self) -> list[CarrierFigures]:
        """The share of silence by carrier, of the latest answers."""
        return await self._all(CarrierFigures, _CARRIERS, LATEST)

    async def providers(self) -> list[ProviderFigures]:
        """How providers answer, of the latest numbers that they were asked about."""
        return await self._all(ProviderFigures, _PROVIDERS, LATEST)

    async def pushes(self) -> list[PushFigures]:
        """Pushes by provider, of the latest ones."""
        return await self._all(PushFigures, _PUSHES, LATEST)

    async def _long(self, model: type[M], query: str, *arguments: object) -> list[M]:
        async with long_reads(self._pool) as connection:
            return [model.model_validate(dict(row)) for row in await connection.fetch(query, *arguments)]
