-- The stream of events: every change of an order, a withdrawal, an account, a merchant, in an order in which a reader can
-- go on. An event is written in the transaction that makes it true.

-- The last event of each subject. Its row is the lock under which the subject's events get their numbers. It stays when
-- the events are purged: a number that began again would be dropped by consumers as one that they have.
CREATE TABLE event_subjects (
    subject  TEXT COLLATE "C" PRIMARY KEY,
    seq      BIGINT NOT NULL,
    position BIGINT NOT NULL
) WITH (fillfactor = 70);

-- `position` orders events as it orders notices. It never goes back within a subject. `subject` is `order/{id}`, `withdrawal/{id}`, `account/{id}`, `merchant/{id}`, …
CREATE TABLE events (
    id          BIGINT GENERATED ALWAYS AS IDENTITY,
    position    BIGINT NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,
    seq         BIGINT NOT NULL,
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

-- What stays of data that is too long for an event; `cut` says so.
CREATE FUNCTION cut_data(p_data JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce((SELECT jsonb_object_agg(d.key, d.value) FROM jsonb_each(p_data) AS d
                     WHERE octet_length(d.value::TEXT) <= 200), '{}') || '{"cut": true}'
$$;

-- Add events of several subjects, each named once: `p_events` has `[{type, data}]` of each, at least one, in this order, which
-- are numbered by subject without gaps, but for those that a restore leaves. One with an `at` or a `merchant_id` of its own has these. `p_facts` are, where they
-- are not null, what each event of the subject says beside its data. `p_position` is that of this transaction. What would
-- make an event larger than 4 KB is left out: no event may stop the money that it reports.
--
-- One statement numbers all, and one writes all: their start is most of what an event costs.
CREATE FUNCTION add_events_of(
    p_position BIGINT, p_subjects TEXT[], p_merchant_ids TEXT[], p_at TIMESTAMPTZ[], p_facts JSONB[], p_events JSONB[]
) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_nestloop = on AS $$
DECLARE
    v_lasts     BIGINT[];
    v_positions BIGINT[];
    v_base      BIGINT := coalesce((SELECT max(c.base) FROM event_clock c), 0);
BEGIN
    -- Two transactions may reach these locks in another order than they began in: the position never goes back.
    IF cardinality(p_subjects) = 1 THEN -- mostly
        INSERT INTO event_subjects AS s (subject, seq, position)
        VALUES (p_subjects[1], v_base + jsonb_array_length(p_events[1]), p_position)
        ON CONFLICT (subject) DO UPDATE
        SET seq = greatest(s.seq, v_base) + excluded.seq - v_base, position = greatest(s.position, excluded.position)
        RETURNING ARRAY[s.seq], ARRAY[s.position] INTO v_lasts, v_positions;
    ELSE
        WITH numbered AS (
            INSERT INTO event_subjects AS s (subject, seq, position)
            SELECT g.subject, v_base + jsonb_array_length(g.events), p_position
            FROM unnest(p_subjects, p_events) AS g (subject, events) ORDER BY g.subject COLLATE "C"
            ON CONFLICT (subject) DO UPDATE
            SET seq = greatest(s.seq, v_base) + excluded.seq - v_base, position = greatest(s.position, excluded.position)
            RETURNING s.subject, s.seq, s.position
        )
        SELECT array_agg(k.seq ORDER BY g.n), array_agg(k.position ORDER BY g.n) INTO v_lasts, v_positions
        FROM numbered k JOIN unnest(p_subjects) WITH ORDINALITY AS g (subject, n) ON g.subject = k.subject;
    END IF;
    INSERT INTO events (position, subject, seq, merchant_id, type, at, data)
    SELECT e.position, e.subject, e.seq,
           CASE WHEN e.body ? 'merchant_id' THEN e.body ->> 'merchant_id' ELSE e.merchant_id END,
           coalesce(e.body ->> 'type', 'unnamed'), coalesce((e.body ->> 'at')::TIMESTAMPTZ, e.at, clock_timestamp()),
           CASE WHEN octet_length(e.data::TEXT) <= 3500 THEN e.data ELSE cut_data(e.data) END
    FROM (
        SELECT g.position, g.subject, g.last - jsonb_array_length(g.events) + l.n AS seq, g.merchant_id, g.at, l.body,
               CASE WHEN g.facts IS NULL THEN l.body -> 'data'
                    ELSE jsonb_strip_nulls(g.facts || (l.body -> 'data')) END AS data
        FROM unnest(p_subjects, v_positions, v_lasts, p_merchant_ids, p_at, p_facts, p_events) WITH ORDINALITY
            AS g (subject, position, last, merchant_id, at, facts, events, n)
        CROSS JOIN LATERAL jsonb_array_elements(g.events) WITH ORDINALITY AS l (body, n)
        ORDER BY g.n, l.n
    ) AS e;
END $$;

-- As `add_events_of`, of one subject. There may be none.
CREATE FUNCTION add_events(p_subject TEXT, p_merchant_id TEXT, p_at TIMESTAMPTZ, p_events JSONB) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    IF p_events <> '[]' THEN
        PERFORM add_events_of(event_position(), ARRAY[p_subject], ARRAY[p_merchant_id], ARRAY[p_at], NULL,
                              ARRAY[p_events]);
    END IF;
END $$;

-- After a restore into another server: go on behind the last event and notice. True where the clock was behind.
CREATE FUNCTION follow_event_clock() RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_next BIGINT := pg_snapshot_xmax(pg_current_snapshot())::TEXT::BIGINT;
    -- A proof and a comparison read up to a position, an endpoint was sent all up to one, and each goes on there: new events
    -- come after it, too.
    v_last BIGINT := greatest((SELECT max(e.position) FROM events e), (SELECT max(n.position) FROM notices n),
                              (SELECT max(p.position) - 1 FROM proven p), (SELECT max(c.position) - 1 FROM reconciled c),
                              (SELECT max(n.position) - 1 FROM endpoints n), (SELECT max(n.position) FROM news_noted n));
BEGIN
    IF v_last IS NULL OR v_last < v_next + coalesce((SELECT max(c.ahead) FROM event_clock c), 0) THEN
        RETURN FALSE;
    END IF;
    PERFORM set_event_clock(v_last - pg_snapshot_xmin(pg_current_snapshot())::TEXT::BIGINT + 1, 0);
    RETURN TRUE;
END $$;

-- Set how far the clock is ahead, and let the numbers of events begin beyond this; those that are further stay.
CREATE FUNCTION set_event_clock(p_ahead BIGINT, p_base BIGINT) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_base BIGINT := greatest((SELECT max(c.base) FROM event_clock c), p_base);
BEGIN
    LOCK TABLE event_clock IN EXCLUSIVE MODE;
    DELETE FROM event_clock;
    INSERT INTO event_clock (ahead, base) VALUES (p_ahead, v_base);
END $$;

-- After a restore to an earlier moment, while nothing else runs: events and notices were read that are lost. What comes
-- now has other numbers, and stands at other places: under the same ones a reader would drop it, or pass it over.
--
-- All three go on beyond the microseconds since 1970. No life of this database writes one each microsecond, so that none
-- that was lost had these, also where one backup is restored twice. A clock that was set back costs a smaller gap.
CREATE FUNCTION leave_lost_numbers() RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_notices TEXT := pg_get_serial_sequence('dakuan.notices', 'id');
    v_now     BIGINT := ceil(extract(epoch FROM clock_timestamp()))::BIGINT * 1000000;
    v_clock   RECORD;
BEGIN
    SELECT coalesce(max(c.ahead), 0) AS ahead, coalesce(max(c.base), 0) AS base INTO v_clock FROM event_clock c;
    PERFORM set_event_clock(greatest(v_clock.ahead + 1000000000000, v_now), greatest(v_clock.base + 1000000, v_now));
    PERFORM setval(v_notices, greatest(nextval(v_notices) + 1000000, v_now));
END $$;

-- A time as messages write it.
CREATE FUNCTION event_time(p_at TIMESTAMPTZ) RETURNS TEXT
LANGUAGE sql IMMUTABLE AS $$
    SELECT rtrim(rtrim(to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z'
$$;
