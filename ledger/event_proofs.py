"""The queries of the proofs about events: they say what the register says, and none is missing."""

from __future__ import annotations

LAST_EVENTS = """
    SELECT r.subject, r.phase, r.audit, r.receipt, s.seq, e.data ->> 'phase' AS told_phase,
           e.data ->> 'audit' AS told_audit, e.data ->> 'receipt' AS told_receipt
    FROM (
        SELECT 'order/' || order_id AS subject, phase, audit, receipt FROM orders WHERE revision >= 0
        UNION ALL
        SELECT 'withdrawal/' || withdrawal_id, state_name, NULL, NULL FROM withdrawals WHERE revision >= 0
    ) AS r
    LEFT JOIN event_subjects s ON s.subject = r.subject
    -- Old events are purged; the numbers of their subjects stay.
    LEFT JOIN (
        SELECT DISTINCT ON (subject) subject, data FROM events
        WHERE type NOT LIKE 'notice.%' ORDER BY subject, seq DESC
    ) AS e ON e.subject = r.subject
    WHERE s.seq IS NULL OR e.data ->> 'phase' <> r.phase OR e.data ->> 'audit' <> r.audit
       OR e.data ->> 'receipt' <> r.receipt
    ORDER BY r.subject
"""

GAPS = """
    SELECT e.subject, e.first, e.last, e.there, s.seq
    FROM (
        SELECT subject, min(first) AS first, max(last) AS last, sum(there)::BIGINT AS there, max(position) AS position,
               bool_or(there <> last - first + 1 OR NOT begins AND (first - 1) % 1000000 <> 0) AS has_gap
        FROM (
            -- After a restore the numbers go on beyond a multiple of a million.
            SELECT subject, min(seq) AS first, max(seq) AS last, count(*) AS there, max(position) AS position,
                   row_number() OVER (PARTITION BY subject ORDER BY (seq - 1) / 1000000) = 1 AS begins
            FROM events GROUP BY subject, (seq - 1) / 1000000
        ) AS part GROUP BY subject
    ) AS e
    LEFT JOIN event_subjects s ON s.subject = e.subject
    WHERE e.has_gap OR s.seq IS DISTINCT FROM e.last OR s.position IS DISTINCT FROM e.position
    ORDER BY e.subject
"""
