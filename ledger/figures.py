"""Figures over all orders, numbers and pushes: counted now and then, and kept for the pages that show them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from core.fields import Message
from ledger.long_reads import long_reads
from ledger.register_part import RegisterPart


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

    `overturned`: a person approved what it objected to. `shadow`: it objected without counting.
    """

    rule: str
    fired: int
    decided: int
    overturned: int
    appeals: int
    appeals_won: int
    shadow: int


class CarrierFigures(Message):
    """The last answers about a carrier's numbers, and how many of them knew no trace."""

    carrier: str
    answers: int
    without_trace: int
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
_RULES = """
    WITH parcels AS (
        SELECT p.parcel, p.parcel #>> '{decisions,-1,verdict}' AS decision,
               p.parcel ->> 'appeal' IS NOT NULL AS appealed
        FROM orders o CROSS JOIN LATERAL jsonb_array_elements(o.state -> 'parcels') AS p (parcel)
        WHERE o.opened_at > $1::TIMESTAMPTZ AND o.state IS NOT NULL
    ), objections AS (
        SELECT r.rule, p.decision, p.appealed, FALSE AS shadow
        FROM parcels p CROSS JOIN LATERAL (
            SELECT f ->> 'rule' FROM jsonb_path_query(p.parcel, '$.verdict.findings[*] ? (@.outcome == "fail")') AS f
            UNION SELECT jsonb_array_elements_text(p.parcel -> 'findings_of_review')
        ) AS r (rule)
        UNION ALL
        SELECT f ->> 'rule', NULL, FALSE, TRUE
        FROM parcels p CROSS JOIN LATERAL
            jsonb_path_query(p.parcel, '$.verdict.shadow[*] ? (@.outcome == "fail")') AS f
    )
    SELECT rule, count(*) FILTER (WHERE NOT shadow)::INT AS fired,
           count(*) FILTER (WHERE decision IS NOT NULL)::INT AS decided,
           count(*) FILTER (WHERE decision = 'approved')::INT AS overturned,
           count(*) FILTER (WHERE appealed)::INT AS appeals,
           count(*) FILTER (WHERE appealed AND decision = 'approved')::INT AS appeals_won,
           count(*) FILTER (WHERE shadow)::INT AS shadow
    FROM objections GROUP BY rule ORDER BY fired DESC, rule
"""
LATEST = 2_000
"""Answers and pushes that are counted: the newest."""
_CARRIERS = """
    SELECT carrier, count(*)::INT AS answers, count(*) FILTER (WHERE no_trace)::INT AS without_trace,
           max(answered_at) AS last_at
    FROM (SELECT * FROM carrier_answers ORDER BY answered_at DESC LIMIT $1) AS a GROUP BY carrier ORDER BY carrier
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
        """What the audit's rules did for orders opened within this time. It reads every such order."""
        return await self._long(RuleFigures, _RULES, now - within)

    async def carriers(self) -> list[CarrierFigures]:
        """The share of silence by carrier, of the latest answers."""
        return await self._all(CarrierFigures, _CARRIERS, LATEST)

    async def pushes(self) -> list[PushFigures]:
        """Pushes by provider, of the latest ones."""
        return await self._all(PushFigures, _PUSHES, LATEST)

    async def _long(self, model: Any, query: str, *arguments: object) -> list[Any]:
        async with long_reads(self._pool) as connection:
            return [model.model_validate(dict(row)) for row in await connection.fetch(query, *arguments)]
