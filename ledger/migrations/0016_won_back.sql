-- Chargebacks that were won: the exact reverse of what the channel took, which only the database knows.

-- Post the reverse of a chargeback, linked to it, and take what it gave of each line off again, a JSON array of
-- `{line_id, amount_minor}`; keep the order's record. What was frozen or became owed is available money again, and
-- repays a receivable first. A retry finds the first posting.
CREATE FUNCTION post_chargeback_won(
    p_reference TEXT, p_currency TEXT, p_occurred_at TIMESTAMPTZ, p_record JSONB, p_lines JSONB
) RETURNS TABLE (outcome TEXT, account TEXT, short_by BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_leg_of  INT[];
    v_written RECORD;
    v_order   TEXT := split_part(p_reference, '/', 2);
    v_taken   TEXT := left(p_reference, -4);
    v_debits  TEXT[];
    v_credits TEXT[];
    v_amounts BIGINT[];
BEGIN
    IF p_reference !~ '^order/[^/]+/chargeback/[^/]+(/above)?/won$' THEN
        RAISE EXCEPTION 'movement % is refused: it is no chargeback that was won', p_reference
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT array_agg(b.debit ORDER BY b.debit, b.credit), array_agg(b.credit ORDER BY b.debit, b.credit),
           array_agg(b.amount ORDER BY b.debit, b.credit)
    INTO v_debits, v_credits, v_amounts
    FROM (
        SELECT c.path AS debit, sum(t.amount_minor)::BIGINT AS amount,
               CASE WHEN d.path LIKE 'order/%/frozen' OR d.path LIKE 'merchant/%/receivable'
                    THEN 'merchant/' || o.merchant_id || '/available' ELSE d.path END AS credit
        FROM movements m JOIN transfers t ON t.movement_id = m.id
        JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
        JOIN orders o ON o.order_id = v_order
        WHERE m.reference = v_taken AND m.currency = p_currency
        GROUP BY 1, 3
    ) AS b;
    IF v_debits IS NULL THEN
        RAISE EXCEPTION 'movement % is refused: there is no %', p_reference, v_taken
            USING ERRCODE = 'insufficient_privilege';
    ELSIF p_reference LIKE 'order/%/above/won' AND p_lines <> '[]' THEN
        -- What was above what was left took nothing of a line.
        RAISE EXCEPTION 'movement % is refused: it gives no line back', p_reference
            USING ERRCODE = 'insufficient_privilege';
    ELSIF (SELECT coalesce(sum(l.amount_minor), 0) FROM jsonb_to_recordset(p_lines) AS l (amount_minor BIGINT))
          > (SELECT sum(a) FROM unnest(v_debits, v_amounts) AS u (path, a) WHERE u.path LIKE 'psp/%') THEN
        RAISE EXCEPTION 'movement % is refused: its lines give back more than was taken', p_reference
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    v_leg_of := array_fill(1, ARRAY[cardinality(v_debits)]);
    v_written := write_movements(
        ARRAY[p_reference], ARRAY[p_currency], ARRAY[p_occurred_at], ARRAY[v_taken], ARRAY[NULL::TEXT], v_leg_of, v_debits,
        v_credits, v_amounts);
    outcome := v_written.outcomes[1];
    account := v_written.accounts[1];
    short_by := v_written.shorts[1];
    IF outcome = 'posted' THEN
        PERFORM refuse_unlawful_of(
            ARRAY[p_reference], ARRAY[p_currency], ARRAY[NULL::TEXT], v_written.outcomes, v_leg_of, v_debits, v_credits,
            v_amounts, v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
        -- The constraint refuses a line that gave less than that.
        UPDATE refunded_lines r SET refunded_minor = r.refunded_minor - l.amount_minor
        FROM jsonb_to_recordset(p_lines) AS l (line_id TEXT, amount_minor BIGINT)
        WHERE r.order_id = v_order AND r.line_id = l.line_id;
    END IF;
    IF outcome IN ('posted', 'exists') AND p_record IS NOT NULL THEN
        PERFORM record_order(p_record);
    END IF;
    RETURN NEXT;
END $$;
