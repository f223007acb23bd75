"""Synthetic closed orders, written set by set without the posting function: long books in seconds.

Of a hundred orders ninety-two are settled, five refunded, three held for a reviewer (or settled, see `held_to`). Every
merchant has a paid withdrawal. The rows are those that the product writes, so every proof holds for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg

from ledger.pool import Connected

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
MERCHANTS = 200
HIGHEST = 9_999_999
"""The number of the last order: a name has seven digits."""
PADDINGS = "SELECT n, left(repeat(md5(n::TEXT), 94), 3000) AS text FROM generate_series(0, 499) AS s (n)"
"""Parts of a state that nothing here reads: views, policy, findings. 3,000 bytes, which the database makes small."""

# The kind of each order. Amounts depend on the number alone, so that a check can compute them.
_PLAN = f"""
    CREATE TEMPORARY TABLE plan AS
    SELECT i, 'S' || lpad(i::TEXT, 7, '0') AS id, 'order/S' || lpad(i::TEXT, 7, '0') AS path,
           'm-' || i % {MERCHANTS} AS merchant, 'merchant/m-' || i % {MERCHANTS} AS merchant_path,
           1000 + i % 9000 AS total, (1000 + i % 9000) * 5 / 100 AS commission,
           CASE WHEN i % 100 < 92 THEN 'settled' WHEN i % 100 < 97 THEN 'refunded'
                WHEN i <= $4::INT THEN 'held' ELSE 'settled' END AS kind,
           $2::TIMESTAMPTZ + i * INTERVAL '20 seconds' AS at
    FROM generate_series($3::INT, $3::INT + $1::INT - 1) AS s (i)
"""
_LEGS = """
    CREATE TEMPORARY TABLE legs AS
    SELECT p.i, l.n, l.leg, p.path || l.what AS reference, l.debit, l.credit, l.amount,
           p.at + l.n * INTERVAL '1 day' AS at
    FROM plan p CROSS JOIN LATERAL (VALUES
        ('settled', 1, 1, '/fund', 'psp/wechat', p.path || '/escrow', p.total),
        ('settled', 2, 1, '/credit', p.path || '/escrow', p.path || '/proceeds', p.total - p.commission),
        ('settled', 2, 2, '/credit', p.path || '/escrow', 'income/commission', p.commission),
        ('settled', 3, 1, '/settle', p.path || '/proceeds', p.merchant_path || '/available', p.total - p.commission),
        ('refunded', 1, 1, '/fund', 'psp/wechat', p.path || '/escrow', p.total),
        ('refunded', 2, 1, '/refund/cancel', p.path || '/escrow', p.path || '/refund_payable/cancel', p.total),
        ('refunded', 3, 1, '/refund/cancel/paid', p.path || '/refund_payable/cancel', 'psp/wechat', p.total),
        ('held', 1, 1, '/fund', 'psp/wechat', p.path || '/escrow', p.total)
    ) AS l (kind, n, leg, what, debit, credit, amount)
    WHERE l.kind = p.kind
    UNION ALL
    SELECT w.n, 4, l.leg, 'withdrawal/' || w.id || l.what, l.debit, l.credit, l.amount, w.at
    FROM wanted w CROSS JOIN LATERAL (VALUES
        (1, '/reserve', 'merchant/' || w.merchant || '/available', 'withdrawal/' || w.id || '/reserved', w.amount),
        (1, '/close', 'withdrawal/' || w.id || '/reserved', 'rail/sandbox/cash', w.amount)
    ) AS l (leg, what, debit, credit, amount)
"""
_WANTED = """
    CREATE TEMPORARY TABLE wanted AS
    SELECT row_number() OVER (ORDER BY merchant) AS n, merchant, 'acc-' || merchant AS account,
           'W' || merchant || CASE (SELECT min(i) FROM plan) WHEN 1 THEN '' ELSE '-' || (SELECT min(i) FROM plan) END
               AS id,
           sum(total - commission) / 2 AS amount, max(at) + INTERVAL '10 days' AS at
    FROM plan WHERE kind = 'settled' GROUP BY merchant
"""
_REGISTER = f"""
    INSERT INTO policies (content_hash, name, text) VALUES ('{"5" * 64}', 'settled', 'text') ON CONFLICT DO NOTHING;
    INSERT INTO payments (channel, payment, currency, paid_minor, claimed_minor)
    SELECT 'wechat', 'pay-' || id, 'CNY', total, total FROM plan;
    INSERT INTO orders (order_id, merchant_id, buyer_id, currency, total_minor, channel, payment, body, content_hash,
                        opened_by, policy_hash, opened_at, revision, phase, audit, receipt, hold_reasons, holds,
                        refunded_minor, closed, state, recorded_at, next_deadline_name, next_deadline_at)
    SELECT id, merchant, 'b-' || i % 5000, 'CNY', total, 'wechat', 'pay-' || id,
           jsonb_build_object('order_id', id, 'payment', jsonb_build_object('paid_at', at)), '{"c" * 64}', 'run',
           '{"5" * 64}', at, 9,
           CASE kind WHEN 'held' THEN 'shipped' ELSE kind END,
           CASE kind WHEN 'settled' THEN 'approved' WHEN 'held' THEN 'in_review' ELSE 'not_started' END,
           CASE kind WHEN 'settled' THEN 'confirmed' ELSE 'not_due' END,
           CASE kind WHEN 'held' THEN ARRAY['audit_in_review'] ELSE '{{}}' END,
           CASE kind WHEN 'held' THEN ARRAY['audit_in_review'] ELSE '{{}}' END,
           CASE kind WHEN 'refunded' THEN total ELSE 0 END, kind <> 'held',
           jsonb_build_object(
               'funded', TRUE, 'credited_minor', CASE kind WHEN 'settled' THEN total - commission ELSE 0 END,
               'refunds', CASE kind WHEN 'refunded' THEN jsonb_build_array(jsonb_build_object(
                   'cause', 'cancel', 'amount_minor', total, 'status', 'arrived')) ELSE '[]' END,
               'parcels', jsonb_build_array(jsonb_build_object(
                   'parcel_id', 'p1', 'audit', CASE kind WHEN 'held' THEN 'in_review' ELSE 'approved' END,
                   'ended', kind <> 'held', 'audit_since', at, 'verdict', NULL,
                   'findings_of_review', jsonb_build_array('destination_matches'))),
               'policy', jsonb_build_object('review_sla', '24h', 'screening_sla', '24h'),
               'padding', d.text),
           at + INTERVAL '4 days', CASE kind WHEN 'held' THEN 'review' END,
           CASE kind WHEN 'held' THEN at + INTERVAL '5 days' END
    FROM plan JOIN paddings d ON d.n = plan.i % 500;
    INSERT INTO waybill_claims (carrier, waybill, order_id, parcel_id, merchant_id, buyer_id, destination, claimed_at)
    SELECT 'yto', 'YT' || lpad(i::TEXT, 13, '0'), id, 'p1', merchant, 'b-' || i % 5000, 'd', at FROM plan;
    INSERT INTO notices (subject, seq, recipient, name, facts, at, position)
    SELECT path, n, 'buyer', 'settled', '{{}}', at, (SELECT event_position())
    FROM plan CROSS JOIN generate_series(1, 4) AS s (n);
    INSERT INTO merchants (merchant_id) SELECT DISTINCT merchant FROM plan ON CONFLICT DO NOTHING;
    INSERT INTO payout_accounts (account_id, merchant_id, version, is_default)
    SELECT account, merchant, 1, TRUE FROM wanted ON CONFLICT DO NOTHING;
    INSERT INTO payout_account_versions (account_id, version, kind, currency, holder, last4, rail, rail_token,
                                         created_at)
    SELECT account, 1, 'bank_card', 'CNY', 'holder', '4242', 'sandbox', 'tok', at FROM wanted ON CONFLICT DO NOTHING;
    INSERT INTO withdrawals (withdrawal_id, merchant_id, amount_minor, currency, account_id, account_version,
                             requested_by, body, content_hash, needs_approval, requested_at, revision, state_name,
                             closed, state, recorded_at)
    SELECT id, merchant, amount, 'CNY', account, 1, merchant, '{{}}', '{"c" * 64}', FALSE, at, 9, 'final', TRUE,
           '{{"booked": "pay", "attempts": []}}', at
    FROM wanted;
    INSERT INTO payout_attempts (key, withdrawal_id, attempt_no, request_hash, amount_minor, currency, account_id,
                                 account_version, holder, last4, rail, rail_token, terms, state, created_at, updated_at)
    SELECT md5(id), id, 1, 'h', amount, 'CNY', account, 1, 'holder', '4242', 'sandbox', 'tok', '{{}}', 'paid', at, at
    FROM wanted;
"""
_ACCOUNTS = """
    INSERT INTO accounts (path, currency, kind, guarded, balance_minor)
    SELECT e.path, 'CNY', account_kind(e.path), account_guarded(e.path),
           CASE WHEN account_guarded(e.path) THEN sum(e.delta) END
    FROM (SELECT credit AS path, amount AS delta FROM legs UNION ALL SELECT debit, -amount FROM legs) AS e
    GROUP BY e.path ORDER BY e.path COLLATE "C"
    ON CONFLICT (path, currency) DO UPDATE SET balance_minor = accounts.balance_minor + excluded.balance_minor;
    INSERT INTO movements (reference, currency, request_hash, occurred_at, recorded_at)
    SELECT reference, 'CNY', sha256(convert_to(reference, 'UTF8')), min(at), min(at) FROM legs
    GROUP BY i, n, reference ORDER BY i, n;
"""
_TRANSFERS = """
    INSERT INTO transfers (movement_id, leg, debit_account, credit_account, currency, amount_minor)
    SELECT m.id, l.leg, d.id, c.id, 'CNY', l.amount
    FROM legs l JOIN movements m ON m.reference = l.reference
    JOIN accounts d ON d.path = l.debit JOIN accounts c ON c.path = l.credit
    ORDER BY m.id, l.leg;
"""
_DONE = "DROP TABLE plan, wanted, legs, paddings"
_TABLES = "SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') FROM pg_tables WHERE schemaname = 'dakuan'"


async def add_settled_orders(
    owner: Connected,
    count: int,
    *,
    first: int = 1,
    since: datetime = SINCE,
    held_to: int = HIGHEST,
    analyze: bool = True,
    paddings: str = PADDINGS,
    beside: Sequence[str] = (),
) -> None:
    """Write `count` orders with their money, numbered from `first`, as the owner; with fresh statistics.

    Args:
        since: when the order of the number 0 was opened; each further one was opened 20 seconds later.
        held_to: the highest number of an order that may be held.
        paddings: a query for 500 texts `n text`, of which each state holds one.
        beside: further statements, which may read the tables `plan`, `wanted` and `legs`.
    """
    assert not isinstance(owner, asyncpg.Pool)
    async with owner.transaction():
        await owner.execute("SET LOCAL search_path = dakuan")
        await owner.execute(f"CREATE TEMPORARY TABLE paddings AS {paddings}")
        await owner.execute(_PLAN, count, since, first, held_to)
        await owner.execute(_WANTED)
        tables = "ANALYZE accounts, movements" if first == 1 else "SELECT"
        for script in (_LEGS, "ANALYZE plan, wanted, legs", _REGISTER, _ACCOUNTS, tables, _TRANSFERS):
            await owner.execute(script)
        for script in (*beside, _DONE):
            await owner.execute(script)
    if analyze:
        await vacuum(owner)


async def vacuum(owner: Connected) -> None:
    """Give each of our tables fresh statistics. The catalogue's, which nothing here changes, take twice as long."""
    assert not isinstance(owner, asyncpg.Pool)
    tables = await owner.fetchval(_TABLES)
    await owner.execute(f"VACUUM ANALYZE {tables}")
