-- The log of tracking providers: when each number was queried, the answers, the pushed traces, the subscriptions, and
-- how all of it is purged.

-- --- queries -------------------------------------------------------------------------------------------------

-- One row a number and provider: it guards the vendor's shortest interval, and holds the last answer for queries within
-- it.
CREATE TABLE carrier_looks (
    provider    TEXT NOT NULL,
    carrier     TEXT NOT NULL,
    waybill     TEXT NOT NULL,
    asked_at    TIMESTAMPTZ NOT NULL,
    -- The phone digits of the query: the answer must not be shown for another buyer's digits.
    phone_last4 TEXT NOT NULL DEFAULT '',
    trace       JSONB,
    -- What the last query brought, also where that says nothing of the parcel (throttled, auth, unavailable), and how
    -- long it took: the quality of a provider.
    answer      TEXT,
    took_ms     INT,
    CONSTRAINT one_look_a_number PRIMARY KEY (provider, carrier, waybill)
);

CREATE INDEX carrier_looks_by_age ON carrier_looks (asked_at);

-- Take the right to query a number; false within the interval. Of several concurrent callers one gets it.
CREATE FUNCTION take_look(
    p_provider TEXT, p_carrier TEXT, p_waybill TEXT, p_phone_last4 TEXT, p_interval INTERVAL, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    INSERT INTO carrier_looks AS l (provider, carrier, waybill, asked_at, phone_last4)
    VALUES (p_provider, p_carrier, p_waybill, p_now, p_phone_last4)
    ON CONFLICT ON CONSTRAINT one_look_a_number
    DO UPDATE SET asked_at = excluded.asked_at,
                  trace = CASE WHEN l.phone_last4 = excluded.phone_last4 THEN l.trace END,
                  phone_last4 = excluded.phone_last4
    WHERE l.asked_at <= excluded.asked_at - p_interval;
    RETURN FOUND;
END $$;

-- Keep an answer, for queries within the interval. p_trace null: it says nothing of the parcel.
CREATE FUNCTION keep_answer(
    p_provider TEXT, p_carrier TEXT, p_waybill TEXT, p_phone_last4 TEXT, p_answer TEXT, p_took_ms INT, p_trace JSONB
) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    UPDATE carrier_looks l SET trace = coalesce(p_trace, l.trace), answer = p_answer, took_ms = p_took_ms
    WHERE l.provider = p_provider AND l.carrier = p_carrier AND l.waybill = p_waybill AND l.phone_last4 = p_phone_last4
$$;

-- What each provider said of a parcel when its audit last asked, masked: for the person who decides. An answer without
-- scans replaces no scans of the same number; `answer` and `asked_at` are those of the last query.
CREATE TABLE polled_traces (
    order_id  TEXT NOT NULL,
    parcel_id TEXT NOT NULL,
    provider  TEXT NOT NULL,
    answer    TEXT NOT NULL,
    asked_at  TIMESTAMPTZ NOT NULL,
    trace     JSONB NOT NULL,
    kept_at   TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT one_polled_trace_a_provider PRIMARY KEY (order_id, parcel_id, provider)
) WITH (fillfactor = 80);

CREATE INDEX polled_traces_by_age ON polled_traces (kept_at);

-- --- answers -------------------------------------------------------------------------------------------------

-- The last answer about each number, by the machine's clock: an outage shows as many `no trace` answers of one carrier
-- at once.
CREATE TABLE carrier_answers (
    carrier     TEXT NOT NULL,
    waybill     TEXT NOT NULL,
    answered_at TIMESTAMPTZ NOT NULL,
    no_trace    BOOLEAN NOT NULL,
    CONSTRAINT one_answer_a_number PRIMARY KEY (carrier, waybill)
) WITH (fillfactor = 80);

-- For the newest answers of one carrier.
CREATE INDEX carrier_answers_by_time ON carrier_answers (carrier, answered_at DESC);

CREATE INDEX carrier_answers_by_age ON carrier_answers (answered_at);

-- --- looks ---------------------------------------------------------------------------------------------------

-- Keep what the providers said of a parcel at one look, and whether its number had a trace (p_no_trace null: nothing to
-- note). Returns counts over the carrier's other numbers since a time, at most the newest p_most of them.
CREATE FUNCTION keep_look(
    p_order_id TEXT, p_parcel_id TEXT, p_carrier TEXT, p_waybill TEXT, p_traces JSONB, p_no_trace BOOLEAN,
    p_now TIMESTAMPTZ, p_window INTERVAL, p_most INT
) RETURNS TABLE (answers BIGINT, without_trace BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    -- Traces before answers, as in purge_logistics: the other way round, the two could wait for each other.
    INSERT INTO polled_traces AS k (order_id, parcel_id, provider, answer, asked_at, trace)
    SELECT DISTINCT ON (t ->> 'provider') p_order_id, p_parcel_id, t ->> 'provider', t ->> 'answer',
           (t ->> 'fetched_at')::TIMESTAMPTZ, t
    FROM jsonb_array_elements(p_traces) AS t
    ORDER BY t ->> 'provider', jsonb_array_length(t -> 'scans') DESC
    ON CONFLICT ON CONSTRAINT one_polled_trace_a_provider
    DO UPDATE SET answer = excluded.answer, asked_at = excluded.asked_at, kept_at = now(),
                  trace = CASE WHEN excluded.trace -> 'scans' = '[]' AND excluded.trace -> 'waybill' = k.trace -> 'waybill'
                               THEN k.trace ELSE excluded.trace END;
    IF p_no_trace IS NOT NULL THEN
        INSERT INTO carrier_answers AS a (carrier, waybill, answered_at, no_trace)
        VALUES (p_carrier, p_waybill, p_now, p_no_trace)
        ON CONFLICT ON CONSTRAINT one_answer_a_number
        DO UPDATE SET answered_at = excluded.answered_at, no_trace = excluded.no_trace;
    END IF;
    RETURN QUERY
    SELECT count(*), count(*) FILTER (WHERE newest.no_trace)
    FROM (SELECT a.no_trace FROM carrier_answers a
          WHERE a.carrier = p_carrier AND a.answered_at > p_now - p_window AND a.waybill <> p_waybill
          ORDER BY a.answered_at DESC LIMIT p_most) AS newest;
END $$;

-- --- pushed traces -------------------------------------------------------------------------------------------

-- The traces that were pushed, masked; an order need not use the number yet. `carrier` is the one that was asked for;
-- the trace may name another.
CREATE TABLE pushed_traces (
    carrier     TEXT NOT NULL,
    waybill     TEXT NOT NULL,
    provider    TEXT NOT NULL,
    scans       INT NOT NULL,
    trace       JSONB NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT one_pushed_trace_a_number PRIMARY KEY (carrier, waybill, provider)
);

-- For the traces of a number under any carrier: a merchant may have named the wrong one.
CREATE INDEX pushed_traces_by_number ON pushed_traces (waybill);

-- The time of a trace's newest scan.
CREATE FUNCTION newest_scan(p_trace JSONB) RETURNS TIMESTAMPTZ
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT coalesce(max((s ->> 'at')::TIMESTAMPTZ), '-infinity') FROM jsonb_array_elements(p_trace -> 'scans') AS s
$$;

-- Keep a pushed trace. Each push holds the whole history: one that is shorter, or whose newest scan is older, came late
-- and changes nothing.
CREATE FUNCTION keep_pushed(
    p_carrier TEXT, p_waybill TEXT, p_provider TEXT, p_trace JSONB, p_replaces BOOLEAN, p_now TIMESTAMPTZ
) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO pushed_traces AS k (carrier, waybill, provider, scans, trace, received_at)
    VALUES (p_carrier, p_waybill, p_provider, jsonb_array_length(p_trace -> 'scans'), p_trace, p_now)
    ON CONFLICT ON CONSTRAINT one_pushed_trace_a_number
    DO UPDATE SET scans = excluded.scans, trace = excluded.trace, received_at = excluded.received_at
    WHERE p_replaces
       OR (excluded.scans >= k.scans AND newest_scan(excluded.trace) >= newest_scan(k.trace))
$$;

-- --- subscriptions -------------------------------------------------------------------------------------------

-- One row a number and provider: a retry does not subscribe twice. No outcome: a worker is subscribing it, or died in
-- between.
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

-- Take the right to subscribe a number; false if it is subscribed or finally refused, or was tried within p_again.
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

-- --- purging -------------------------------------------------------------------------------------------------

CREATE FUNCTION number_in_use(p_waybill TEXT) RETURNS BOOLEAN
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT EXISTS (SELECT FROM waybill_claims c JOIN orders o ON o.order_id = c.order_id
                   WHERE c.waybill = p_waybill AND c.released_at IS NULL AND NOT o.closed)
$$;

-- Purge old rows, at most p_limit of each kind; returns the count of each. Nothing younger than the safeguard `kept` is
-- purged, nor the pushed trace of a number that an open order uses.
--
-- p_details_before: queries (answers, phone digits), the bodies of pushes. p_before: everything else about a number.
CREATE FUNCTION purge_logistics(p_details_before TIMESTAMPTZ, p_before TIMESTAMPTZ, p_limit INT)
RETURNS TABLE (push_bodies BIGINT, looks BIGINT, answers BIGINT, pushes BIGINT, traces BIGINT, subscriptions BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
#variable_conflict use_column
DECLARE
    v_details TIMESTAMPTZ := LEAST(p_details_before, now() - safeguard('kept'));
    v_all TIMESTAMPTZ := LEAST(p_before, now() - safeguard('kept'));
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
    ), unpolled AS (
        DELETE FROM polled_traces p
        WHERE p.ctid IN (SELECT k.ctid FROM polled_traces k WHERE k.kept_at < v_details
                         AND NOT EXISTS (SELECT FROM orders o WHERE o.order_id = k.order_id AND NOT o.closed)
                         LIMIT p_limit)
        RETURNING p.order_id
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
    SELECT (SELECT count(*) FROM emptied), (SELECT count(*) FROM unlooked) + (SELECT count(*) FROM unpolled),
           (SELECT count(*) FROM unanswered),
           (SELECT count(*) FROM gone), (SELECT count(*) FROM untraced), (SELECT count(*) FROM unsubscribed);
END $$;
