-- What a merchant owes: paid in, or given up.

-- Debts that are given up: one person asks, another one does it.
CREATE TABLE write_offs (
    request_id   TEXT PRIMARY KEY,
    merchant_id  TEXT NOT NULL,
    currency     TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    reason       TEXT NOT NULL,
    asked_by     TEXT NOT NULL,
    asked_at     TIMESTAMPTZ NOT NULL,
    asked_in     XID8 NOT NULL DEFAULT pg_current_xact_id(),
    done_by      TEXT,
    done_at      TIMESTAMPTZ,
    CONSTRAINT write_off_request_form CHECK (request_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT write_off_amount_in_bounds CHECK (amount_minor BETWEEN 1 AND 1000000000000000),
    CONSTRAINT a_debt_is_given_up_by_two_people CHECK (person_of(done_by) <> person_of(asked_by))
);

-- What a merchant paid in, at most what is owed: more is `insufficient_funds`, and nothing is posted.
CREATE FUNCTION post_paid_in(
    p_reference TEXT, p_currency TEXT, p_occurred_at TIMESTAMPTZ, p_debits TEXT[], p_credits TEXT[], p_amounts BIGINT[]
) RETURNS TABLE (outcome TEXT, account TEXT, short_by BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_leg_of  INT[] := array_fill(1, ARRAY[cardinality(p_debits)]);
    v_written RECORD;
BEGIN
    IF p_reference !~ '^merchant/[^/]+/paid_in/[^/]+$' THEN
        RAISE EXCEPTION 'movement % is refused: it is no payment of a merchant', p_reference
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    v_written := write_movements(
        ARRAY[p_reference], ARRAY[p_currency], ARRAY[p_occurred_at], ARRAY[NULL::TEXT], ARRAY[NULL::TEXT], v_leg_of,
        p_debits, p_credits, p_amounts);
    outcome := v_written.outcomes[1];
    account := v_written.accounts[1];
    short_by := v_written.shorts[1];
    IF outcome = 'posted' THEN
        PERFORM refuse_unlawful_of(
            ARRAY[p_reference], ARRAY[p_currency], ARRAY[NULL::TEXT], v_written.outcomes, v_leg_of, p_debits, p_credits,
            p_amounts, v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
    END IF;
    RETURN NEXT;
END $$;

-- What a merchant owes for chargebacks that may still come back: from their channels, where the register does not say that
-- one is lost; and, of what one took above what was left, from the refunds of its order that are owed still. A channel may
-- refuse those, and the buyer then has them by the chargeback.
CREATE FUNCTION disputed_debt(p_merchant TEXT, p_currency TEXT) RETURNS BIGINT
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT coalesce(sum(CASE WHEN coalesce(o.state -> 'cases', '[]') @> jsonb_build_array(jsonb_build_object(
                                -- A cast of another word would stop every write-off of this merchant.
                                'case_id', CASE WHEN split_part(m.reference, '/', 4) ~ '^[0-9]{1,9}$'
                                                THEN split_part(m.reference, '/', 4)::INT END, 'stage', 'lost'))
                             THEN least(t.amount_minor, r.owed_minor) ELSE t.amount_minor END), 0)::BIGINT
    FROM accounts a JOIN transfers t ON t.debit_account = a.id JOIN movements m ON m.id = t.movement_id
    LEFT JOIN orders o ON o.order_id = split_part(m.reference, '/', 2)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(p.balance_minor), 0) AS owed_minor FROM accounts p
        WHERE p.path >= 'order/' || split_part(m.reference, '/', 2) || '/refund_payable/'
          AND p.path < 'order/' || split_part(m.reference, '/', 2) || '/refund_payable0'
          AND split_part(m.reference, '/', 5) = 'above'
    ) AS r
    WHERE a.path = 'merchant/' || p_merchant || '/receivable' AND a.currency = p_currency
      AND m.reference LIKE 'order/%/chargeback/%' AND split_part(m.reference, '/', 5) <> 'fee'
      AND NOT EXISTS (SELECT FROM movements w WHERE w.reference = m.reference || '/won')
$$;

-- Give a debt up. Answers `asked`, `written_off`, `same_person`, `already`, `different` (the request stands for another
-- debt), `access_ended`, `insufficient_funds` where less is owed, by so much, or `disputed`: so much of it may still come back from a
-- channel. What is given up before that would be paid out to the merchant when the dispute is won.
CREATE FUNCTION write_off(
    p_request TEXT, p_merchant TEXT, p_currency TEXT, p_amount BIGINT, p_by TEXT, p_reason TEXT, p_now TIMESTAMPTZ
) RETURNS TABLE (outcome TEXT, short_by BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_path    TEXT := 'merchant/' || p_merchant || '/receivable';
    v_request write_offs%ROWTYPE;
    v_owed    BIGINT;
BEGIN
    -- Two who ask for it first at the same moment both find no request: one asks, the other must meet the first's.
    PERFORM pg_advisory_xact_lock(hashtextextended('write_off/' || p_request, 0));
    SELECT a.balance_minor INTO v_owed FROM accounts a WHERE a.path = v_path AND a.currency = p_currency
    FOR NO KEY UPDATE;
    SELECT * INTO v_request FROM write_offs w WHERE w.request_id = p_request FOR UPDATE;
    IF FOUND AND (v_request.merchant_id, v_request.currency, v_request.amount_minor)
                 IS DISTINCT FROM (p_merchant, p_currency, p_amount) THEN
        RETURN QUERY SELECT 'different', NULL::BIGINT;
    ELSIF v_request.done_at IS NOT NULL THEN
        RETURN QUERY SELECT 'already', NULL::BIGINT;
    ELSIF p_amount > coalesce(v_owed, 0) THEN
        RETURN QUERY SELECT 'insufficient_funds', p_amount - coalesce(v_owed, 0);
    ELSIF p_amount > v_owed - disputed_debt(p_merchant, p_currency) THEN
        RETURN QUERY SELECT 'disputed', least(p_amount, p_amount - v_owed + disputed_debt(p_merchant, p_currency));
    ELSIF NOT may_decide(p_by) THEN
        RETURN QUERY SELECT 'access_ended', NULL::BIGINT;
    ELSIF v_request.request_id IS NULL OR NOT may_decide(v_request.asked_by) THEN
        INSERT INTO write_offs (request_id, merchant_id, currency, amount_minor, reason, asked_by, asked_at)
        VALUES (p_request, p_merchant, p_currency, p_amount, p_reason, p_by, p_now)
        ON CONFLICT (request_id) DO UPDATE
        SET reason = EXCLUDED.reason, asked_by = EXCLUDED.asked_by, asked_at = EXCLUDED.asked_at, asked_in = EXCLUDED.asked_in;
        RETURN QUERY SELECT 'asked', NULL::BIGINT;
    ELSIF person_of(v_request.asked_by) = person_of(p_by) THEN
        RETURN QUERY SELECT 'same_person', NULL::BIGINT;
    ELSE
        PERFORM refuse_in_one_breath(p_request, v_request.asked_in);
        SELECT p.outcome, p.short_by INTO outcome, short_by
        FROM post(ARRAY['merchant/' || p_merchant || '/write_off/' || p_request], ARRAY[p_currency], ARRAY[p_now],
                  ARRAY[NULL::TEXT], ARRAY[NULL::TEXT], ARRAY[1], ARRAY['expense/goodwill'], ARRAY[v_path],
                  ARRAY[p_amount]) AS p;
        IF outcome = 'posted' THEN
            UPDATE write_offs w SET done_by = p_by, done_at = p_now WHERE w.request_id = p_request;
            outcome := 'written_off';
        END IF;
        RETURN NEXT;
    END IF;
END $$;
