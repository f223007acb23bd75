-- The stream of events: every change of an order, a withdrawal, an account, a merchant, in an order in which a reader can
-- go on. An event is written in the transaction that makes it true.

-- The last event of each subject. Its row is the lock under which the subject's events get their numbers. It stays when
-- the events are purged: a number that began again would be dropped by consumers as one that they have.
CREATE TABLE event_subjects (
    subject  TEXT COLLATE "C" PRIMARY KEY,
    seq      INT NOT NULL,
    position BIGINT NOT NULL
) WITH (fillfactor = 70);

-- `position` orders events as it orders notices. It never goes back within a subject. `subject` is `order/{id}`, `withdrawal/{id}`, `account/{id}`, `merchant/{id}`, …
CREATE TABLE events (
    id          BIGINT GENERATED ALWAYS AS IDENTITY,
    position    BIGINT NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,
    seq         INT NOT NULL,
    merchant_id TEXT,
    type        TEXT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    data        JSONB NOT NULL,
    PRIMARY KEY (position, id),
    CONSTRAINT events_are_numbered_by_subject UNIQUE (subject, seq)
);

-- For readers of one merchant's events.
CREATE INDEX events_of_merchant ON events (merchant_id, position, id);
-- For the purge by age, and for readers that begin at a time.
CREATE INDEX events_by_recording ON events (recorded_at);

-- Add events `[{type, data}]` of one subject, in this order, numbered without gaps. One with an `at` or a `merchant_id` of
-- its own has these. What would make an event larger than 4 KB is left out, and `cut` says so: no event may stop the
-- money that it reports.
CREATE FUNCTION add_events(p_subject TEXT, p_merchant_id TEXT, p_at TIMESTAMPTZ, p_events JSONB) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_count    INT := coalesce(jsonb_array_length(p_events), 0);
    v_position BIGINT;
    v_last     INT;
BEGIN
    IF v_count = 0 THEN
        RETURN;
    END IF;
    v_position := event_position();
    -- Two transactions may reach this lock in another order than they began in: the position never goes back.
    INSERT INTO event_subjects AS s (subject, seq, position) VALUES (p_subject, v_count, v_position)
    ON CONFLICT (subject) DO UPDATE
    SET seq = s.seq + v_count, position = greatest(s.position, excluded.position)
    RETURNING s.seq, s.position INTO v_last, v_position;
    INSERT INTO events (position, subject, seq, merchant_id, type, at, data)
    SELECT v_position, p_subject, v_last - v_count + e.n,
           CASE WHEN e.body ? 'merchant_id' THEN e.body ->> 'merchant_id' ELSE p_merchant_id END,
           coalesce(e.body ->> 'type', 'unnamed'),
           coalesce((e.body ->> 'at')::TIMESTAMPTZ, p_at, clock_timestamp()),
           CASE WHEN octet_length((e.body -> 'data')::TEXT) <= 3500 THEN e.body -> 'data'
                ELSE coalesce((SELECT jsonb_object_agg(d.key, d.value) FROM jsonb_each(e.body -> 'data') AS d
                               WHERE octet_length(d.value::TEXT) <= 200), '{}') || '{"cut": true}' END
    FROM jsonb_array_elements(p_events) WITH ORDINALITY AS e (body, n)
    ORDER BY e.n;
END $$;

-- After a restore into another server: go on behind the last event and notice. True where the clock was behind.
CREATE FUNCTION follow_event_clock() RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_next BIGINT := pg_snapshot_xmax(pg_current_snapshot())::TEXT::BIGINT;
    -- A proof read up to a position, and the next one begins there: new events come after it, too.
    v_last BIGINT := greatest((SELECT max(e.position) FROM events e), (SELECT max(n.position) FROM notices n),
                              (SELECT max(p.position) - 1 FROM proven p));
BEGIN
    IF v_last IS NULL OR v_last < v_next + coalesce((SELECT max(c.ahead) FROM event_clock c), 0) THEN
        RETURN FALSE;
    END IF;
    LOCK TABLE event_clock IN EXCLUSIVE MODE;
    DELETE FROM event_clock;
    INSERT INTO event_clock (ahead) VALUES (v_last - pg_snapshot_xmin(pg_current_snapshot())::TEXT::BIGINT + 1);
    RETURN TRUE;
END $$;

-- A time as messages write it.
CREATE FUNCTION event_time(p_at TIMESTAMPTZ) RETURNS TEXT
LANGUAGE sql IMMUTABLE AS $$
    SELECT rtrim(rtrim(to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z'
$$;
