-- Suspense: where the money of a payout stays for some days after two people said that it failed. It leaves from there
-- once: back to the merchant, or to the rail when the bank turns out to have paid after all.

-- Close (pay or void), suspense or bank return, and the record of what it makes true: both or neither. The withdrawal's
-- row is locked first, so that a void and a new attempt cannot both pass.
--
-- A close is asked for as if the money were reserved. Where it stands in suspense it leaves from there, whole: whoever
-- asks may not know yet that it was moved, and must not have to.
CREATE OR REPLACE FUNCTION post_for_withdrawal(
    p_withdrawal_id TEXT, p_reference TEXT, p_currency TEXT, p_occurred_at TIMESTAMPTZ, p_emptied TEXT,
    p_debits TEXT[], p_credits TEXT[], p_amounts BIGINT[], p_record JSONB
) RETURNS TABLE (outcome TEXT, account TEXT, short_by BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_base      TEXT := 'withdrawal/' || p_withdrawal_id;
    v_reserved  TEXT := v_base || '/reserved';
    v_debits    TEXT[] := p_debits;
    v_emptied   TEXT := p_emptied;
    v_sum       BIGINT := (SELECT coalesce(sum(a), 0) FROM unnest(p_amounts) AS a);
    v_suspended BIGINT;
    v_paid      BIGINT;
    v_back      BIGINT;
BEGIN
    PERFORM FROM withdrawals w WHERE w.withdrawal_id = p_withdrawal_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'withdrawal % is not registered', p_withdrawal_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF p_reference = v_base || '/close' THEN
        SELECT sum(t.amount_minor) INTO v_suspended
        FROM movements m JOIN transfers t ON t.movement_id = m.id
        WHERE m.reference = v_base || '/suspense';
        IF v_suspended IS NOT NULL THEN
            v_debits := array_replace(p_debits, v_reserved, 'suspense');
            v_emptied := NULL;
        END IF;
    END IF;
    IF NOT EXISTS (SELECT FROM movements m WHERE m.reference = p_reference) THEN
        IF v_suspended <> v_sum THEN
            -- Suspense is shared and stores no balance: nothing but this keeps a withdrawal to its own money.
            SELECT 'conflict', 'suspense', abs(v_suspended - v_sum) INTO outcome, account, short_by;
        ELSIF v_reserved = ANY (p_debits) THEN
            -- Given back only while no payout may still arrive.
            SELECT 'conflict', v_reserved, v_sum INTO outcome, account, short_by
            FROM payout_attempts a
            WHERE a.withdrawal_id = p_withdrawal_id AND a.state NOT IN ('failed', 'unsent')
              AND p_credits[1] LIKE 'merchant/%/available'
              AND NOT EXISTS (
                  SELECT FROM jsonb_to_recordset(p_record #> '{state,attempts}') AS r (key TEXT, outcome TEXT)
                  WHERE r.key = a.key AND r.outcome IN ('failed', 'unsent'));
        ELSE
            -- What a bank sends back was paid, and is never more than was paid.
            SELECT coalesce(sum(t.amount_minor), 0) INTO v_paid
            FROM movements m JOIN transfers t ON t.movement_id = m.id JOIN accounts a ON a.id = t.credit_account
            WHERE m.reference = v_base || '/close' AND a.path LIKE 'rail/%';
            SELECT coalesce(sum(t.amount_minor), 0) INTO v_back
            FROM movements m JOIN transfers t ON t.movement_id = m.id JOIN accounts a ON a.id = t.debit_account
            WHERE m.reference LIKE 'withdrawal/' || replace(p_withdrawal_id, '_', '\_') || '/return/%'
              AND a.path LIKE 'rail/%';
            SELECT coalesce(sum(l.amount), 0) INTO v_sum
            FROM unnest(p_debits, p_amounts) AS l (debit, amount) WHERE l.debit LIKE 'rail/%';
            IF v_back + v_sum > v_paid THEN
                SELECT 'conflict', l.debit, v_back + v_sum - v_paid INTO outcome, account, short_by
                FROM unnest(p_debits) AS l (debit) WHERE l.debit LIKE 'rail/%';
            END IF;
        END IF;
        IF outcome IS NOT NULL THEN
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    SELECT p.outcome, p.account, p.short_by INTO outcome, account, short_by
    FROM post(ARRAY[p_reference], ARRAY[p_currency], ARRAY[p_occurred_at], ARRAY[NULL::TEXT], ARRAY[v_emptied],
              array_fill(1, ARRAY[cardinality(p_debits)]), v_debits, p_credits, p_amounts) AS p;
    IF outcome IN ('posted', 'exists') AND p_record IS NOT NULL THEN
        PERFORM record_withdrawal(p_record);
    END IF;
    RETURN NEXT;
END $$;
