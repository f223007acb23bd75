-- Money that is taken back: what each line of an order gave, and the functions that post it.

-- What went back of each line, by refunds and chargebacks that say so. The constraint is the fence: where two are decided
-- at once, the second waits for the row and then finds what the first left.
CREATE TABLE refunded_lines (
    order_id       TEXT NOT NULL REFERENCES orders (order_id),
    line_id        TEXT NOT NULL,
    paid_minor     BIGINT NOT NULL,
    refunded_minor BIGINT NOT NULL,
    PRIMARY KEY (order_id, line_id),
    CONSTRAINT a_line_gives_back_no_more_than_was_paid CHECK (refunded_minor BETWEEN 0 AND paid_minor)
);

-- What buyers paid for claims, by the channel's number of that payment: a channel may take it back, and names no order.
CREATE TABLE claim_payments (
    order_id TEXT NOT NULL REFERENCES orders (order_id),
    case_id  INT NOT NULL,
    channel  TEXT NOT NULL,
    payment  TEXT NOT NULL,
    PRIMARY KEY (order_id, case_id)
);

CREATE INDEX claim_payments_by_payment ON claim_payments (payment, channel);

-- Note with which payments the buyer paid the claims of an order, as its record names them: before they are booked, so
-- that a channel that takes such a payment back at once finds the order. A claim that people settle may have none.
CREATE FUNCTION note_claim_payments(p_record JSONB) RETURNS VOID
LANGUAGE sql SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO claim_payments (order_id, case_id, channel, payment)
    SELECT o.order_id, (c.body ->> 'case_id')::INT, o.channel, c.body #>> '{claim,reference}'
    FROM orders o CROSS JOIN LATERAL jsonb_path_query(p_record, '$.state.cases[*]') AS c (body)
    WHERE o.order_id = p_record ->> 'order_id' AND c.body #>> '{claim,status}' IN ('confirmed', 'booked')
      AND c.body #>> '{claim,reference}' IS NOT NULL
    ON CONFLICT (order_id, case_id) DO NOTHING
$$;

-- Add what a refund takes of each line, a JSON array of `{line_id, paid_minor, amount_minor}`.
CREATE FUNCTION add_refunded_lines(p_order_id TEXT, p_lines JSONB, p_total BIGINT) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    -- The price bounds what a caller may say was paid.
    IF EXISTS (
        SELECT FROM jsonb_to_recordset(p_lines) AS l (line_id TEXT, paid_minor BIGINT, amount_minor BIGINT)
        LEFT JOIN LATERAL (
            SELECT b.unit_price_minor * b.quantity AS price_minor FROM orders o
            CROSS JOIN LATERAL jsonb_to_recordset(o.body -> 'lines')
                AS b (line_id TEXT, unit_price_minor BIGINT, quantity BIGINT)
            WHERE o.order_id = p_order_id AND b.line_id = l.line_id
        ) AS p ON TRUE
        WHERE p.price_minor IS NULL OR l.paid_minor > p.price_minor OR l.amount_minor <= 0
    ) OR (SELECT sum(l.amount_minor) FROM jsonb_to_recordset(p_lines) AS l (amount_minor BIGINT)) > p_total THEN
        RAISE EXCEPTION 'order % has no such lines to refund', p_order_id USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO refunded_lines AS r (order_id, line_id, paid_minor, refunded_minor)
    SELECT p_order_id, l.line_id, l.paid_minor, l.amount_minor
    FROM jsonb_to_recordset(p_lines) AS l (line_id TEXT, paid_minor BIGINT, amount_minor BIGINT)
    ORDER BY l.line_id
    ON CONFLICT (order_id, line_id) DO UPDATE SET refunded_minor = r.refunded_minor + excluded.refunded_minor;
END $$;

-- As `post_for_order`, for a refund or a chargeback with what it takes of each line: all in one transaction. A line that
-- would give more than was paid for it answers `conflict`, with how much that would be, and nothing is posted.
CREATE FUNCTION post_refund(
    p_reference TEXT, p_currency TEXT, p_occurred_at TIMESTAMPTZ, p_emptied TEXT,
    p_debits TEXT[], p_credits TEXT[], p_amounts BIGINT[], p_record JSONB, p_lines JSONB
) RETURNS TABLE (outcome TEXT, account TEXT, short_by BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_order TEXT := split_part(p_reference, '/', 2);
    v_rule  TEXT;
BEGIN
    BEGIN
        SELECT p.outcome, p.account, p.short_by INTO outcome, account, short_by
        FROM post_for_order(p_reference, p_currency, p_occurred_at, p_emptied, p_debits, p_credits, p_amounts,
                            NULL) AS p;
        IF outcome = 'posted' THEN
            PERFORM add_refunded_lines(v_order, p_lines, (SELECT sum(a) FROM unnest(p_amounts) AS a)::BIGINT);
        END IF;
    EXCEPTION WHEN check_violation THEN
        GET STACKED DIAGNOSTICS v_rule = CONSTRAINT_NAME;
        IF v_rule <> 'a_line_gives_back_no_more_than_was_paid' THEN
            RAISE;
        END IF;
        outcome := 'conflict';
        account := 'order/' || v_order || '/lines';
        SELECT sum(greatest(0, coalesce(r.refunded_minor, 0) + l.amount_minor - coalesce(r.paid_minor, l.paid_minor)))
        INTO short_by
        FROM jsonb_to_recordset(p_lines) AS l (line_id TEXT, paid_minor BIGINT, amount_minor BIGINT)
        LEFT JOIN refunded_lines r ON r.order_id = v_order AND r.line_id = l.line_id;
    END;
    IF outcome IN ('posted', 'exists') AND p_record IS NOT NULL THEN
        PERFORM record_order(p_record);
    END IF;
    RETURN NEXT;
END $$;
