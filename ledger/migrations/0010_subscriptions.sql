-- Numbers that providers were asked to push, look-ups by number alone, and how what was remembered is purged.

-- One row a number and provider: a retry does not subscribe twice. No outcome: somebody is at it, or died at it.
CREATE TABLE carrier_subscriptions (
    provider TEXT NOT NULL,
    carrier  TEXT NOT NULL,
    waybill  TEXT NOT NULL,
    asked_at TIMESTAMPTZ NOT NULL,
    tries    INT NOT NULL DEFAULT 1,
    outcome  TEXT,
    detail   TEXT NOT NULL DEFAULT '',
    CONSTRAINT one_subscription_a_number PRIMARY KEY (provider, carrier, waybill)
);

-- Take the right to subscribe a number; false where that is done or refused for good, or was tried within p_again.
CREATE FUNCTION take_subscription(
    p_provider TEXT, p_carrier TEXT, p_waybill TEXT, p_again INTERVAL, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    INSERT INTO carrier_subscriptions AS s (provider, carrier, waybill, asked_at)
    VALUES (p_provider, p_carrier, p_waybill, p_now)
    ON CONFLICT ON CONSTRAINT one_subscription_a_number
    DO UPDATE SET asked_at = excluded.asked_at, tries = s.tries + 1, outcome = NULL
    WHERE (s.outcome IS NULL OR s.outcome IN ('unavailable', 'auth')) AND s.asked_at <= excluded.asked_at - p_again;
    RETURN FOUND;
END $$;

CREATE FUNCTION finish_subscription(
    p_provider TEXT, p_carrier TEXT, p_waybill TEXT, p_outcome TEXT, p_detail TEXT
) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    UPDATE carrier_subscriptions s SET outcome = p_outcome, detail = p_detail
    WHERE s.provider = p_provider AND s.carrier = p_carrier AND s.waybill = p_waybill
$$;

-- What was pushed of a number under whatever carrier, and who uses it: a merchant may have named the wrong one.
CREATE INDEX pushed_traces_by_number ON pushed_traces (waybill);
CREATE INDEX live_claims_by_number_alone ON waybill_claims (waybill) WHERE released_at IS NULL;

-- Purging goes by age.
CREATE INDEX pushes_by_age ON pushes (received_at);
CREATE INDEX carrier_looks_by_age ON carrier_looks (asked_at);
CREATE INDEX carrier_answers_by_age ON carrier_answers (answered_at);

CREATE FUNCTION number_in_use(p_waybill TEXT) RETURNS BOOLEAN
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT EXISTS (SELECT FROM waybill_claims c JOIN orders o ON o.order_id = c.order_id
                   WHERE c.waybill = p_waybill AND c.released_at IS NULL AND NOT o.closed)
$$;

-- Purge what is old, at most p_limit rows of each kind; how many rows of each went. Nothing of the last week goes,
-- whatever is asked, and no pushed trace of a number that an open order uses.
--
-- p_details_before: looks (answers, phone digits), the bodies of pushes. p_before: all else that is known of a number.
CREATE FUNCTION purge_logistics(p_details_before TIMESTAMPTZ, p_before TIMESTAMPTZ, p_limit INT)
RETURNS TABLE (push_bodies BIGINT, looks BIGINT, answers BIGINT, pushes BIGINT, traces BIGINT, subscriptions BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_details TIMESTAMPTZ := LEAST(p_details_before, now() - INTERVAL '7 days');
    v_all TIMESTAMPTZ := LEAST(p_before, now() - INTERVAL '7 days');
BEGIN
    RETURN QUERY
    WITH gone AS (
        DELETE FROM pushes p WHERE p.id IN (SELECT o.id FROM pushes o WHERE o.received_at < v_all LIMIT p_limit)
        RETURNING p.id
    ), emptied AS (
        UPDATE pushes p SET body = '', headers = '{}'
        WHERE p.id IN (SELECT o.id FROM pushes o WHERE o.received_at < v_details AND o.received_at >= v_all
                       AND length(o.body) > 0 LIMIT p_limit)
        RETURNING p.id
    ), unlooked AS (
        DELETE FROM carrier_looks l
        WHERE l.ctid IN (SELECT o.ctid FROM carrier_looks o WHERE o.asked_at < v_details LIMIT p_limit)
        RETURNING l.waybill
    ), unanswered AS (
        DELETE FROM carrier_answers a
        WHERE a.ctid IN (SELECT o.ctid FROM carrier_answers o WHERE o.answered_at < v_details LIMIT p_limit)
        RETURNING a.waybill
    ), untraced AS (
        DELETE FROM pushed_traces t
        WHERE t.ctid IN (SELECT o.ctid FROM pushed_traces o WHERE o.received_at < v_all
                         AND NOT number_in_use(o.waybill) LIMIT p_limit)
        RETURNING t.waybill
    ), unsubscribed AS (
        DELETE FROM carrier_subscriptions s
        WHERE s.ctid IN (SELECT o.ctid FROM carrier_subscriptions o WHERE o.asked_at < v_all
                         AND NOT number_in_use(o.waybill) LIMIT p_limit)
        RETURNING s.waybill
    )
    SELECT (SELECT count(*) FROM emptied), (SELECT count(*) FROM unlooked), (SELECT count(*) FROM unanswered),
           (SELECT count(*) FROM gone), (SELECT count(*) FROM untraced), (SELECT count(*) FROM unsubscribed);
END $$;
