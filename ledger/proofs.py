"""Proofs: what must be true of the books at any moment, one query each.

A query looks for counterexamples to its sentence; the proof holds if it finds none. Register and ledger are written in
one transaction, so proofs may run while work goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from core.fields import Message
from ledger.chargeback_proofs import CHARGED_MORE_THAN_PAID, OTHERWISE_THAN_TAKEN
from ledger.claim_back_proofs import CLAIMED_MORE_THAN_ARRIVED
from ledger.decision_proofs import CORRECTIONS, RESTS
from ledger.event_proofs import GAPS, LAST_EVENTS
from ledger.long_reads import LongReads, long_reads
from ledger.merchant_day_proofs import (
    OTHER_DAYS,
    OTHER_DAYS_THAN_BALANCES,
    OTHER_TRANSFERS,
    OTHER_TRANSFERS_OF_THE_PART,
)
from ledger.merchant_proofs import AVAILABLE_BEFORE_THE_DEPOSIT, DISPUTED_DEBT_WRITTEN_OFF, MOVED_WHILE_FROZEN
from ledger.pool import Connected
from ledger.proof_scope import (
    BALANCE_OF_THE_PART,
    LEGS_OF_SEVERAL_KINDS,
    UNKNOWN_ENDS,
    UNKNOWN_ENDS_OF_THE_PART,
)
from ledger.refund_proofs import GIVEN_BACK_MORE, OWED_AFTER_ARRIVAL, REFUNDED_OTHERWISE
from ledger.statement_proof import AGAINST as AGAINST_STATEMENTS
from ledger.withdrawal_proofs import COOLED_OFF, PAYOUTS, RESERVED, SUSPENSE

EVIDENCE_MAX = 20


class Proof(Message):
    """One proof: whether it holds, and the first counterexamples."""

    name: str
    sentence: str
    holds: bool
    evidence: tuple[dict[str, Any], ...] = ()


class ProofClaim(NamedTuple):
    """A sentence, and the query for what speaks against it.

    `reads` says which rows decide it: those of a subject, those of an account, those that a statement may be about
    (`ledger.statement_proof`), or all; then `why_all` says why.
    `of_part` is another form of the query for a part of the books; None: the same text.
    """

    name: str
    sentence: str
    against: str
    reads: Literal["subjects", "accounts", "statements", "all"] = "subjects"
    of_part: str | None = None
    why_all: str = ""


CLAIMS = (
    ProofClaim(
        "balances",
        "Each stored balance is the sum of its transfers, and not below zero.",
        """
        SELECT path, currency, balance_minor, sum_minor
        FROM (
            SELECT path, currency, max(stored_minor) AS balance_minor,
                   coalesce(sum(delta_minor), 0)::BIGINT AS sum_minor, bool_or(stored) AS stored
            FROM (
                SELECT account_id, path, currency, delta_minor, NULL::BIGINT AS stored_minor, FALSE AS stored
                FROM entries
                UNION ALL
                SELECT id, path, currency, NULL, balance_minor, TRUE FROM accounts WHERE guarded
            ) AS e GROUP BY account_id, path, currency
        ) AS b
        WHERE stored AND (balance_minor IS DISTINCT FROM sum_minor OR balance_minor < 0)
        ORDER BY path
        """,
        reads="accounts",
    ),
    ProofClaim(
        "escrow",
        "What was funded was credited or refunded, or is still held; nothing is held after the credit or the end.",
        """
        SELECT h.*, o.total_minor, o.closed
        FROM (
            SELECT path, split_part(path, '/', 2) AS order_id, sum(delta_minor)::BIGINT AS held_minor,
                   coalesce(sum(delta_minor) FILTER (WHERE reference LIKE 'order/%/fund'), 0)::BIGINT AS funded_minor,
                   bool_or(reference LIKE 'order/%/credit') AS credited,
                   bool_or(reference NOT LIKE 'order/' || split_part(path, '/', 2) || '/fund'
                           AND reference NOT LIKE 'order/' || split_part(path, '/', 2) || '/credit'
                           AND reference NOT LIKE 'order/' || split_part(path, '/', 2) || '/refund/%'
                           AND reference NOT LIKE 'order/' || split_part(path, '/', 2) || '/chargeback/%') AS strange
            FROM entries WHERE path LIKE 'order/%/escrow' GROUP BY path, currency
        ) AS h
        LEFT JOIN orders o ON o.order_id = h.order_id
        WHERE h.strange OR (h.held_minor <> 0 AND (h.credited OR o.closed)) OR h.funded_minor <> o.total_minor
        ORDER BY h.path
        """,
    ),
    ProofClaim(
        "proceeds",
        "A settled order has no proceeds left.",
        """
        SELECT a.path, a.balance_minor, m.reference, o.phase
        FROM accounts a
        LEFT JOIN movements m ON m.reference = 'order/' || split_part(a.path, '/', 2) || '/settle'
        LEFT JOIN orders o ON o.order_id = split_part(a.path, '/', 2)
        WHERE a.path LIKE 'order/%/proceeds' AND a.balance_minor <> 0
          AND (m.id IS NOT NULL OR o.phase = 'settled' OR o.closed)
        ORDER BY a.path
        """,
    ),
    ProofClaim(
        "reserved",
        "What is reserved is the amount of each withdrawal that is not closed or in suspense, and nothing else.",
        RESERVED,
    ),
    ProofClaim(
        "suspense",
        "A withdrawal goes to suspense whole, and leaves it once, whole, when it is closed.",
        SUSPENSE,
    ),
    ProofClaim(
        "refunds",
        "An order's refunded figure is what its refunds and chargebacks moved, at most what was paid; once it is closed"
        " they arrived.",
        REFUNDED_OTHERWISE,
    ),
    ProofClaim(
        "refunds_arrive_whole",
        "Nothing is owed for a refund any more once it has arrived.",
        OWED_AFTER_ARRIVAL,
    ),
    ProofClaim(
        "credit_earned",
        "An order is credited once at most, and only with an approved audit and a confirmed receipt.",
        """
        SELECT c.order_id, c.credits, o.audit, o.receipt
        FROM (
            SELECT split_part(path, '/', 2) AS order_id, count(DISTINCT movement_id) AS credits
            FROM entries
            WHERE path LIKE 'order/%/proceeds' AND delta_minor > 0 AND reference NOT LIKE 'order/%/chargeback/%/won'
            GROUP BY 1
        ) AS c
        LEFT JOIN orders o ON o.order_id = c.order_id AND o.revision >= 0
        WHERE c.credits > 1 OR o.audit <> 'approved' OR o.receipt <> 'confirmed'
        ORDER BY c.order_id
        """,
    ),
    ProofClaim(
        "register_agrees",
        "The register says funded, credited, settled or refunded exactly where the books do.",
        """
        SELECT o.order_id, o.phase, f.id IS NOT NULL AS funded, c.id IS NOT NULL AS credited,
               s.id IS NOT NULL AS settled, o.refunded_minor, o.total_minor, o.closed
        FROM orders o
        LEFT JOIN movements f ON f.reference = 'order/' || o.order_id || '/fund'
        LEFT JOIN movements c ON c.reference = 'order/' || o.order_id || '/credit'
        LEFT JOIN movements s ON s.reference = 'order/' || o.order_id || '/settle'
        WHERE o.revision >= 0 AND (
            (o.phase IN ('credited', 'settled') AND c.id IS NULL)
            -- All that an order brought in may be refunded before it is settled.
            OR (c.id IS NOT NULL AND o.phase NOT IN ('credited', 'settled', 'refunded'))
            OR (o.phase = 'settled') <> (s.id IS NOT NULL)
            OR (o.phase IN ('refused', 'cancelled', 'refunded') AND o.closed AND f.id IS NOT NULL
                AND o.refunded_minor <> o.total_minor)
            OR (o.state ? 'funded' AND (o.state ->> 'funded')::BOOLEAN <> (f.id IS NOT NULL)))
        ORDER BY o.order_id
        """,
    ),
    ProofClaim(
        "given_back",
        "An order gives back at most the commission and the discount that it took, no line gives more than was paid,"
        " and the platform gives no more discount than the order names.",
        GIVEN_BACK_MORE,
    ),
    ProofClaim(
        "moves_something",
        "Each movement moves money, but the credit and the settlement of an order with nothing left.",
        """
        SELECT m.reference, m.currency, m.occurred_at FROM movements m
        WHERE NOT EXISTS (SELECT FROM transfers t WHERE t.movement_id = m.id)
          AND split_part(m.reference, '/', 1) IN ('order', 'withdrawal', 'psp', 'account', 'merchant')
          AND m.reference NOT LIKE 'order/%/credit' AND m.reference NOT LIKE 'order/%/settle'
        ORDER BY m.reference
        """,
    ),
    ProofClaim(
        "payments",
        "The parts of a payment that orders claim, and what went back of it, never sum to more than was paid.",
        """
        SELECT p.channel, p.payment, p.paid_minor, p.claimed_minor, coalesce(o.parts_minor, 0)::BIGINT AS parts_minor,
               p.returned_minor
        FROM payments p
        LEFT JOIN (
            SELECT channel, payment, sum(total_minor) AS parts_minor, array_agg(DISTINCT currency) AS currencies
            FROM orders GROUP BY channel, payment
        ) AS o USING (channel, payment)
        WHERE coalesce(o.parts_minor, 0) + p.returned_minor > p.paid_minor
           OR coalesce(o.parts_minor, 0) <> p.claimed_minor OR o.currencies <> ARRAY[p.currency]
        ORDER BY p.channel, p.payment
        """,
    ),
    ProofClaim(
        "payouts",
        "A withdrawal is closed once, with what was sent; at most what was paid comes back, at most the fee that was"
        " taken is given back; what is over is closed.",
        PAYOUTS,
    ),
    ProofClaim(
        "books_balance",
        "In each currency, assets are liabilities and net income.",
        """
        SELECT currency, sum(amount) FILTER (WHERE kind = 'asset') AS assets_minor,
               sum(amount) FILTER (WHERE kind = 'liability') AS liabilities_minor,
               sum(amount) FILTER (WHERE kind = 'income') AS income_minor,
               sum(amount) FILTER (WHERE kind = 'expense') AS expense_minor
        FROM (
            SELECT a.currency, a.kind, coalesce(a.balance_minor, s.sum_minor, 0)::BIGINT AS amount
            FROM accounts a
            LEFT JOIN (SELECT account_id, sum(delta_minor) AS sum_minor FROM entries GROUP BY account_id) AS s
                ON s.account_id = a.id
        ) AS b
        GROUP BY currency
        HAVING sum(CASE WHEN kind IN ('asset', 'expense') THEN amount ELSE -amount END) <> 0
        ORDER BY currency
        """,
        reads="accounts",
        of_part=BALANCE_OF_THE_PART,
    ),
    ProofClaim(
        "has_or_owes",
        "No merchant has available money while owing.",
        """
        SELECT a.path, a.currency, a.balance_minor AS available_minor, r.balance_minor AS receivable_minor
        FROM accounts a
        JOIN accounts r ON r.path = left(a.path, -9) || 'receivable' AND r.currency = a.currency
        WHERE a.path LIKE 'merchant/%/available' AND a.balance_minor > 0 AND r.balance_minor > 0
        ORDER BY a.path
        """,
    ),
    ProofClaim(
        "frozen",
        "Money is frozen only for an order that says so in the register, which is open then.",
        """
        SELECT a.path, a.currency, a.balance_minor, o.phase, o.closed, o.state -> 'freeze' AS freeze
        FROM accounts a LEFT JOIN orders o ON o.order_id = split_part(a.path, '/', 2)
        WHERE a.path LIKE 'order/%/frozen' AND a.balance_minor > 0
          AND (o.order_id IS NULL OR o.closed
               OR (o.revision >= 0 AND coalesce((o.state #>> '{freeze,asked_minor}')::BIGINT, 0) = 0))
        ORDER BY a.path
        """,
    ),
    ProofClaim(
        "won_back",
        "What was won back is the reverse of the chargeback that it is linked to, place by place.",
        OTHERWISE_THAN_TAKEN,
    ),
    ProofClaim(
        "charged_back",
        "Channels keep no more of an order by chargebacks than was paid for it, and cover no more refunds than they"
        " took above what was left.",
        CHARGED_MORE_THAN_PAID,
    ),
    ProofClaim(
        "claimed_back",
        "Buyers paid again what the register says, and no more of an order than had gone back to them.",
        CLAIMED_MORE_THAN_ARRIVED,
    ),
    ProofClaim(
        "orphaned_escrow",
        "No money is held for an order that is closed or that the register does not know.",
        """
        SELECT a.path, a.currency, a.balance_minor, o.phase
        FROM accounts a LEFT JOIN orders o ON o.order_id = split_part(a.path, '/', 2)
        WHERE a.path LIKE 'order/%/escrow' AND a.balance_minor > 0 AND (o.order_id IS NULL OR o.closed)
        ORDER BY a.path
        """,
    ),
    ProofClaim(
        "chart",
        "Each movement has legs of one kind, between its own subject's accounts, in its currency.",
        f"""
        SELECT reference, leg, debit, credit, amount_minor, currency, fault FROM movement_faults
        UNION ALL {LEGS_OF_SEVERAL_KINDS} UNION ALL {UNKNOWN_ENDS} ORDER BY reference, leg
        """,
        of_part=f"{LEGS_OF_SEVERAL_KINDS} UNION ALL {UNKNOWN_ENDS_OF_THE_PART} ORDER BY reference, leg",
    ),
    ProofClaim(
        "rests",
        "What goes back of a payment is two people's, stands in the books, and is owed until it is closed.",
        RESTS,
    ),
    ProofClaim(
        "written_off",
        "No debt was written off that a channel, or a refund that it refused, could still give back.",
        DISPUTED_DEBT_WRITTEN_OFF,
        reads="all",
        why_all="debts are written off by two people, so such movements are few",
    ),
    ProofClaim(
        "corrections",
        "Each correction is two people's, is linked to a movement, and takes back no more than that moved; that of a"
        " correction is final.",
        CORRECTIONS,
        reads="all",
        why_all="corrections are two people's, so they are few",
    ),
    ProofClaim(
        "policies",
        "Each policy's name points to the text that it was last moved to, and no move is missing.",
        """
        SELECT m.name, m.to_hash, n.content_hash AS points_to, m.from_hash, m.before AS pointed_to, m.who, m.moved_at
        FROM (
            SELECT name, from_hash, to_hash, who, moved_at, lag(to_hash) OVER moves AS before,
                   lead(id) OVER moves IS NULL AS last
            FROM policy_moves WINDOW moves AS (PARTITION BY name ORDER BY id)
        ) AS m
        LEFT JOIN policy_names n ON n.name = m.name
        WHERE m.from_hash IS DISTINCT FROM m.before OR (m.last AND n.content_hash IS DISTINCT FROM m.to_hash)
        UNION ALL
        SELECT n.name, NULL, n.content_hash, NULL, NULL, NULL, NULL
        FROM policy_names n WHERE NOT EXISTS (SELECT FROM policy_moves m WHERE m.name = n.name)
        ORDER BY name
        """,
        reads="all",
        why_all="policies are moved by an owner, so their moves are few",
    ),
    ProofClaim(
        "cooling",
        "No withdrawal was asked for before the account that it goes to had cooled off.",
        COOLED_OFF,
    ),
    ProofClaim(
        "frozen_merchants",
        "Nothing of a frozen merchant was credited, settled, released, given back of its deposit, made available by a"
        " buyer who paid again, or set aside for a payout.",
        MOVED_WHILE_FROZEN,
    ),
    ProofClaim(
        "deposits",
        "No settlement made money available to a merchant whose deposit was not full.",
        AVAILABLE_BEFORE_THE_DEPOSIT,
        reads="accounts",
    ),
    ProofClaim(
        "merchant_transfers",
        "Merchants are shown the transfers that changed what they have, as the books have them.",
        OTHER_TRANSFERS,
        of_part=OTHER_TRANSFERS_OF_THE_PART,
    ),
    ProofClaim(
        "merchant_days",
        "What a merchant had after each day is the sum of the merchant's transfers.",
        OTHER_DAYS,
        of_part=OTHER_DAYS_THAN_BALANCES,
    ),
    ProofClaim(
        "last_events",
        "The last event of each order and withdrawal says what the register says of it.",
        LAST_EVENTS,
    ),
    ProofClaim("events", "The events of each subject are numbered without gaps, up to its last number.", GAPS),
    ProofClaim(
        "statements",
        "Where a statement is loaded, what both sides have of a payout, refund or settlement is the same money, and"
        " each load's sum is that of its lines.",
        AGAINST_STATEMENTS,
        reads="statements",
    ),
)


async def prove(connection: Connected) -> list[Proof]:
    """Look for counterexamples to each proof over the whole books, sealed or not, all in one snapshot.

    Raises:
        Unavailable: the database does not answer; a retry helps.
    """
    async with long_reads(connection) as reads:
        return [await look_for(claim, reads.of_all()) for claim in CLAIMS]


async def look_for(claim: ProofClaim, reads: LongReads) -> Proof:
    """One proof over the whole books."""
    rows = await reads.fetch(f"SELECT * FROM ({claim.against}) AS against LIMIT {EVIDENCE_MAX}")
    return proof_of(claim, [dict(row) for row in rows])


def proof_of(claim: ProofClaim, evidence: Sequence[dict[str, Any]]) -> Proof:
    """The proof, which holds if nothing speaks against it."""
    found = tuple(evidence[:EVIDENCE_MAX])
    return Proof(name=claim.name, sentence=claim.sentence, holds=not found, evidence=found)
