"""The queries of the proofs about decisions of two people: corrections, and returns of unclaimed money."""

from __future__ import annotations

CORRECTIONS = """
    SELECT m.reference, m.linked_to, k.asked_by, k.done_by, NULL::TEXT AS leg, NULL::BIGINT AS moved_minor,
           NULL::BIGINT AS corrected_minor
    FROM movements m LEFT JOIN corrections k ON 'correction/' || k.request_id = m.reference
    WHERE m.reference LIKE 'correction/%'
      AND (k.done_by IS NULL OR person_of(k.done_by) = person_of(k.asked_by)
           OR m.linked_to IS DISTINCT FROM k.reference
           -- A correction of a correction is final.
           OR EXISTS (SELECT FROM movements l JOIN movements n ON n.reference = l.linked_to
                      WHERE l.reference = m.linked_to AND n.reference LIKE 'correction/%'
                        AND l.reference LIKE 'correction/%'))
    UNION ALL
    SELECT 'correction/' || k.request_id, k.reference, k.asked_by, k.done_by, NULL, NULL, NULL
    FROM corrections k LEFT JOIN movements m ON m.reference = 'correction/' || k.request_id
    WHERE k.done_at IS NOT NULL AND m.id IS NULL
    UNION ALL
    -- What moved from one side to the other, and back. All that is one merchant's is one side.
    SELECT 'correction/…', b.reference, NULL, NULL, b.side || ' to ' || b.other, b.moved_minor, b.corrected_minor
    FROM (
        SELECT s.reference, s.debit AS side, s.credit AS other,
               coalesce(sum(s.amount_minor) FILTER (WHERE NOT s.back), 0)::BIGINT AS moved_minor,
               coalesce(sum(s.amount_minor) FILTER (WHERE s.back), 0)::BIGINT AS corrected_minor
        FROM (
            SELECT l.linked_to AS reference, FALSE AS back, t.amount_minor,
                   regexp_replace(d.path, '^(merchant/[^/]+)/.*', '\\1') AS debit,
                   regexp_replace(c.path, '^(merchant/[^/]+)/.*', '\\1') AS credit
            FROM (SELECT DISTINCT linked_to FROM movements WHERE reference LIKE 'correction/%') AS l
            JOIN movements m ON m.reference = l.linked_to JOIN transfers t ON t.movement_id = m.id
            JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
            UNION ALL
            SELECT m.linked_to, TRUE, t.amount_minor, regexp_replace(c.path, '^(merchant/[^/]+)/.*', '\\1'),
                   regexp_replace(d.path, '^(merchant/[^/]+)/.*', '\\1')
            FROM movements m JOIN transfers t ON t.movement_id = m.id
            JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
            WHERE m.reference LIKE 'correction/%'
        ) AS s GROUP BY 1, 2, 3
    ) AS b WHERE b.corrected_minor > b.moved_minor
    ORDER BY 1, 2
"""

RESTS = """
    SELECT coalesce(r.return_id, m.return_id) AS return_id, r.state, r.amount_minor, m.owed_minor, m.closed_minor,
           r.asked_by, r.done_by
    FROM rest_returns r
    FULL JOIN (
        SELECT split_part(reference, '/', 2) AS return_id, min(currency) AS currency,
               coalesce(sum(delta_minor) FILTER (WHERE reference LIKE '%/rest'), 0)::BIGINT AS owed_minor,
               coalesce(-sum(delta_minor) FILTER (WHERE reference LIKE '%/close'), 0)::BIGINT AS closed_minor
        FROM entries WHERE reference LIKE 'payment/%' AND path LIKE 'payment/%' GROUP BY 1
    ) AS m ON m.return_id = r.return_id AND m.currency = r.currency
    WHERE r.return_id IS NULL OR person_of(r.done_by) = person_of(r.asked_by)
       OR coalesce(m.owed_minor, 0) <> CASE WHEN r.state IN ('asked', 'claimed') THEN 0 ELSE r.amount_minor END
       OR coalesce(m.closed_minor, 0) <> CASE WHEN r.state IN ('arrived', 'refused') THEN r.amount_minor ELSE 0 END
    UNION ALL
    SELECT p.channel || ' ' || p.payment, 'of a payment', p.returned_minor, sum(r.amount_minor)::BIGINT, NULL, NULL,
           NULL
    FROM payments p LEFT JOIN rest_returns r ON r.channel = p.channel AND r.payment = p.payment
        AND r.state IN ('owed', 'arrived')
    GROUP BY p.channel, p.payment, p.returned_minor HAVING p.returned_minor <> coalesce(sum(r.amount_minor), 0)
    ORDER BY 1
"""
