-- What is remembered of the providers of traces: when each number was asked for, what was answered, what was pushed.

-- One row a number and provider: the guard of the vendor's shortest interval, and the last answer for looks within it.
CREATE TABLE carrier_looks (
    provider    TEXT NOT NULL,
    carrier     TEXT NOT NULL,
    waybill     TEXT NOT NULL,
    asked_at    TIMESTAMPTZ NOT NULL,
    -- With which digits it was asked; the answer is not another buyer's to see.
    phone_last4 TEXT NOT NULL DEFAULT '',
    trace       JSONB,
    CONSTRAINT one_look_a_number PRIMARY KEY (provider, carrier, waybill)
);

-- Take the right to ask for a number; false within the interval after the last time. Of many at once one gets it.
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

-- Keep what was answered, for looks within the interval.
CREATE FUNCTION keep_answer(p_provider TEXT, p_carrier TEXT, p_waybill TEXT, p_phone_last4 TEXT, p_trace JSONB)
RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    UPDATE carrier_looks l SET trace = p_trace
    WHERE l.provider = p_provider AND l.carrier = p_carrier AND l.waybill = p_waybill AND l.phone_last4 = p_phone_last4
$$;

-- The last answer about each number, by the machine's clock: an outage shows in many of a carrier at once.
CREATE TABLE carrier_answers (
    carrier     TEXT NOT NULL,
    waybill     TEXT NOT NULL,
    answered_at TIMESTAMPTZ NOT NULL,
    no_trace    BOOLEAN NOT NULL,
    CONSTRAINT one_answer_a_number PRIMARY KEY (carrier, waybill)
) WITH (fillfactor = 80);

-- The newest answers of one carrier.
CREATE INDEX carrier_answers_by_time ON carrier_answers (carrier, answered_at DESC);

-- Note an answer (p_no_trace null: none to note), and tell of the others' since a time, of the newest p_most numbers.
CREATE FUNCTION note_answer(
    p_carrier TEXT, p_waybill TEXT, p_no_trace BOOLEAN, p_now TIMESTAMPTZ, p_window INTERVAL, p_most INT
) RETURNS TABLE (answers BIGINT, without_trace BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
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

-- Every push as it came, before anything is made of it. The same bytes again are the same push.
CREATE TABLE pushes (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vendor      TEXT NOT NULL,
    digest      TEXT NOT NULL,
    body        BYTEA NOT NULL,
    headers     JSONB NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    -- Null until it is known what became of it: a push that broke off is taken up again when it comes again.
    outcome     TEXT,
    detail      TEXT NOT NULL DEFAULT '',
    repeats     INT NOT NULL DEFAULT 0,
    CONSTRAINT a_push_is_journaled_once UNIQUE (vendor, digest)
);

CREATE FUNCTION journal_push(
    p_vendor TEXT, p_digest TEXT, p_body BYTEA, p_headers JSONB, p_now TIMESTAMPTZ
) RETURNS TABLE (id BIGINT, outcome TEXT)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO pushes AS p (vendor, digest, body, headers, received_at)
    VALUES (p_vendor, p_digest, p_body, p_headers, p_now)
    ON CONFLICT ON CONSTRAINT a_push_is_journaled_once DO UPDATE SET repeats = p.repeats + 1
    RETURNING p.id, p.outcome
$$;

CREATE FUNCTION finish_push(p_id BIGINT, p_outcome TEXT, p_detail TEXT) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    UPDATE pushes p SET outcome = p_outcome, detail = p_detail WHERE p.id = p_id AND p.outcome IS NULL
$$;

-- What was pushed of a number, masked, whether an order knows the number by now or not. `carrier` is the one that was
-- asked for; the trace may tell of another.
CREATE TABLE pushed_traces (
    carrier     TEXT NOT NULL,
    waybill     TEXT NOT NULL,
    provider    TEXT NOT NULL,
    scans       INT NOT NULL,
    trace       JSONB NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT one_pushed_trace_a_number PRIMARY KEY (carrier, waybill, provider)
);

-- Keep a pushed trace. Each push holds the whole history, so that a shorter one came late, and changes nothing.
CREATE FUNCTION keep_pushed(
    p_carrier TEXT, p_waybill TEXT, p_provider TEXT, p_trace JSONB, p_replaces BOOLEAN, p_now TIMESTAMPTZ
) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO pushed_traces AS k (carrier, waybill, provider, scans, trace, received_at)
    VALUES (p_carrier, p_waybill, p_provider, jsonb_array_length(p_trace -> 'scans'), p_trace, p_now)
    ON CONFLICT ON CONSTRAINT one_pushed_trace_a_number
    DO UPDATE SET scans = excluded.scans, trace = excluded.trace, received_at = excluded.received_at
    WHERE p_replaces OR excluded.scans >= k.scans
$$;
