-- Webhooks: where events are sent, how far each endpoint has come, what waits, and what failed.

CREATE TABLE endpoints (
    endpoint_id   TEXT PRIMARY KEY,
    -- Null: the platform's, for all events.
    merchant_id   TEXT,
    url           TEXT NOT NULL,
    description   TEXT NOT NULL,
    -- Empty: all. `order.*`: all that begin so.
    types         TEXT[] NOT NULL,
    -- `v1`: a secret that both sides have. `v1a`: a key of ours, whose public half the consumer has.
    signing       TEXT NOT NULL,
    state         TEXT NOT NULL,
    disabled_for  TEXT,
    -- Since then it has only failed.
    failing_since TIMESTAMPTZ,
    -- Its consumer asked for time until then.
    paused_until  TIMESTAMPTZ,
    -- When this URL last echoed a challenge. Null: nothing is sent there.
    echoed_at     TIMESTAMPTZ,
    -- The place in the stream up to which every event is delivered, or waits in `parked`.
    position      BIGINT NOT NULL,
    event         BIGINT NOT NULL,
    advanced_at  TIMESTAMPTZ,
    created_by    TEXT NOT NULL,
    created_at    TIMESTAMPTZ NOT NULL,
    -- What its creation asked for: the same again gets the same answer.
    digest        TEXT NOT NULL,
    -- The gateway that delivers has it until then. A change adds `!`: what it knows is never written, and none other begins
    -- before they have noticed.
    taken_by      TEXT,
    taken_until   TIMESTAMPTZ,
    CONSTRAINT endpoint_id_form CHECK (endpoint_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT endpoint_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT endpoint_url_form CHECK (length(url) BETWEEN 1 AND 2000),
    CONSTRAINT endpoint_description_form CHECK (length(description) <= 200),
    CONSTRAINT endpoint_types_are_few CHECK (cardinality(types) <= 50),
    CONSTRAINT endpoint_signing_known CHECK (signing IN ('v1', 'v1a')),
    CONSTRAINT endpoint_state_known CHECK (state IN ('active', 'failing', 'disabled')),
    CONSTRAINT disabled_for_known CHECK (disabled_for IN ('challenge', 'gone', 'failing', 'asked')),
    CONSTRAINT only_a_disabled_one_says_why CHECK ((state = 'disabled') = (disabled_for IS NOT NULL)),
    CONSTRAINT only_echoed_urls_are_sent_to CHECK (state = 'disabled' OR echoed_at IS NOT NULL)
    -- The cursor changes with every batch and is in no index: such an update stays within its page.
) WITH (fillfactor = 50);

CREATE INDEX endpoints_by_merchant ON endpoints (merchant_id, created_at, endpoint_id);
-- For the page of all.
CREATE INDEX endpoints_by_creation ON endpoints (created_at, endpoint_id);

-- The endpoints of merchants for which there may be something to send: gateways look at these alone, twice a second. One
-- that is missing has nothing before `news_noted`, nothing parked, or is disabled. The platform's endpoints are few, and
-- always looked at.
CREATE TABLE endpoints_with_news (
    -- No foreign key: noting news would fail where an endpoint is removed at that moment.
    endpoint_id TEXT PRIMARY KEY
);

-- The place in the stream up to which each event's endpoints were noted there. One row, or none before the first event.
CREATE TABLE news_noted (
    only_row BOOLEAN PRIMARY KEY DEFAULT TRUE,
    position BIGINT NOT NULL,
    event    BIGINT NOT NULL,
    CONSTRAINT news_are_noted_once CHECK (only_row)
);

-- Secrets, sealed as account numbers are, in a separate table that only a delivery reads. The highest number is the
-- newest; an older one signs beside it until `ends_at`.
CREATE TABLE endpoint_secrets (
    endpoint_id TEXT NOT NULL REFERENCES endpoints (endpoint_id) ON DELETE CASCADE,
    number      INT NOT NULL,
    -- The Idempotency-Key under which it was made: the same again makes no other.
    asked_as    TEXT NOT NULL,
    key_id      TEXT NOT NULL,
    nonce       BYTEA NOT NULL,
    ciphertext  BYTEA NOT NULL,
    ends_at     TIMESTAMPTZ,
    -- When the last of those before it ends, as its rotation was answered; null: it is the first.
    older_end_at TIMESTAMPTZ,
    PRIMARY KEY (endpoint_id, number),
    CONSTRAINT secret_nonce_is_ninety_six_bits CHECK (length(nonce) = 12),
    CONSTRAINT sealed_secret_holds_a_tag CHECK (length(ciphertext) > 16)
);

-- For the secrets that are not yet sealed with the newest key.
CREATE INDEX endpoint_secrets_by_key ON endpoint_secrets (key_id);

-- Subjects that wait: their event `seq` failed, and later ones wait behind it.
CREATE TABLE parked (
    endpoint_id TEXT NOT NULL REFERENCES endpoints (endpoint_id) ON DELETE CASCADE,
    subject     TEXT COLLATE "C" NOT NULL,
    seq         BIGINT NOT NULL,
    -- Of this event. 0: it was not tried yet.
    failures    INT NOT NULL,
    next_at     TIMESTAMPTZ NOT NULL,
    last_status INT,
    last_error  TEXT,
    PRIMARY KEY (endpoint_id, subject)
);

-- For what is due.
CREATE INDEX parked_by_time ON parked (endpoint_id, next_at, subject);

-- Posts that failed, and those that mended it: a row for each delivery would cost a hundred times a cursor.
CREATE TABLE attempts (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id TEXT NOT NULL REFERENCES endpoints (endpoint_id) ON DELETE CASCADE,
    event_id    TEXT NOT NULL,
    type        TEXT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    status      INT,
    took_ms     INT NOT NULL,
    answer      TEXT NOT NULL,
    error       TEXT NOT NULL,
    CONSTRAINT attempts_keep_the_beginning CHECK (length(answer) <= 2048 AND length(error) <= 2048)
);

CREATE INDEX attempts_by_endpoint ON attempts (endpoint_id, id);
CREATE INDEX attempts_by_age ON attempts (at);

-- --- endpoints -----------------------------------------------------------------------------------------------

-- Add an endpoint, from the end of the stream on. It is disabled until its URL has echoed a challenge. Answers `added`,
-- `same` for the same again, `other` for another under this id, `too_many`.
CREATE FUNCTION add_endpoint(
    p_endpoint_id TEXT, p_merchant_id TEXT, p_url TEXT, p_description TEXT, p_types TEXT[], p_signing TEXT,
    p_created_by TEXT, p_digest TEXT, p_asked_as TEXT, p_key_id TEXT, p_nonce BYTEA, p_ciphertext BYTEA,
    p_at_most INT, p_now TIMESTAMPTZ
) RETURNS TEXT LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_known TEXT := (SELECT n.digest FROM endpoints n WHERE n.endpoint_id = p_endpoint_id);
BEGIN
    IF v_known IS NOT NULL THEN
        RETURN CASE WHEN v_known = p_digest THEN 'same' ELSE 'other' END;
    END IF;
    IF (SELECT count(*) FROM endpoints n WHERE n.merchant_id IS NOT DISTINCT FROM p_merchant_id) >= p_at_most THEN
        RETURN 'too_many';
    END IF;
    INSERT INTO endpoints (endpoint_id, merchant_id, url, description, types, signing, state, disabled_for,
                           position, event, created_by, created_at, digest)
    VALUES (p_endpoint_id, p_merchant_id, p_url, p_description, p_types, p_signing, 'disabled', 'challenge',
            events_end(), 0, p_created_by, p_now, p_digest)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        -- Another call of the same moment was first.
        RETURN (SELECT CASE WHEN n.digest = p_digest THEN 'same' ELSE 'other' END
                FROM endpoints n WHERE n.endpoint_id = p_endpoint_id);
    END IF;
    INSERT INTO endpoint_secrets (endpoint_id, number, asked_as, key_id, nonce, ciphertext)
    VALUES (p_endpoint_id, 1, p_asked_as, p_key_id, p_nonce, p_ciphertext);
    RETURN 'added';
END $$;

-- Change what is given. Another URL has to echo a challenge first. False: there is no such endpoint.
CREATE FUNCTION change_endpoint(p_endpoint_id TEXT, p_url TEXT, p_description TEXT, p_types TEXT[]) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    UPDATE endpoints n
    SET url = coalesce(p_url, n.url), description = coalesce(p_description, n.description),
        types = coalesce(p_types, n.types), taken_by = taken_by || '!',
        state = CASE WHEN p_url <> n.url THEN 'disabled' ELSE n.state END,
        disabled_for = CASE WHEN p_url <> n.url THEN 'challenge' ELSE n.disabled_for END,
        echoed_at = CASE WHEN p_url <> n.url THEN NULL ELSE n.echoed_at END
    WHERE n.endpoint_id = p_endpoint_id;
    RETURN FOUND;
END $$;

-- Let gateways look for something to send to an endpoint. The caller holds its row, and has changed what there is.
CREATE FUNCTION look_at_endpoint(p_endpoint_id TEXT) RETURNS VOID
LANGUAGE sql SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO endpoints_with_news SELECT n.endpoint_id FROM endpoints n
    WHERE n.endpoint_id = p_endpoint_id AND n.merchant_id IS NOT NULL
    ON CONFLICT DO NOTHING
$$;

-- Deliver to an endpoint whose URL echoed a challenge. It goes on where it was, at once. False: the URL is another one
-- by now.
CREATE FUNCTION enable_endpoint(p_endpoint_id TEXT, p_url TEXT, p_now TIMESTAMPTZ) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    UPDATE endpoints n
    SET state = 'active', disabled_for = NULL, failing_since = NULL, echoed_at = p_now, taken_by = taken_by || '!',
        paused_until = NULL
    WHERE n.endpoint_id = p_endpoint_id AND n.url = p_url;
    IF FOUND THEN
        UPDATE parked SET next_at = p_now WHERE endpoint_id = p_endpoint_id AND next_at > p_now;
        PERFORM look_at_endpoint(p_endpoint_id);
        RETURN TRUE;
    END IF;
    RETURN FALSE;
END $$;

-- Note that an endpoint is disabled, as an event and for operators. The caller holds its row.
CREATE FUNCTION tell_of_disabled(p_endpoint_id TEXT, p_why TEXT, p_now TIMESTAMPTZ) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_subject  TEXT := 'endpoint/' || p_endpoint_id;
    v_last     INT := (SELECT coalesce(max(n.seq), 0) FROM notices n WHERE n.subject = v_subject);
    v_merchant TEXT;
    v_since    TEXT;
    v_host     TEXT;
BEGIN
    SELECT n.merchant_id, to_char(n.failing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
           substring(n.url FROM '^[a-z]+://([^/?]*)')
    INTO v_merchant, v_since, v_host FROM endpoints n WHERE n.endpoint_id = p_endpoint_id;
    PERFORM add_events(v_subject, v_merchant, p_now, jsonb_build_array(jsonb_build_object(
        'type', 'endpoint.disabled',
        'data', jsonb_strip_nulls(jsonb_build_object('host', v_host, 'why', p_why, 'failing_since', v_since)))));
    PERFORM add_notices(v_subject, jsonb_build_array(jsonb_build_object(
        'seq', v_last + 1, 'to', 'operator', 'name', 'endpoint_disabled', 'at', p_now,
        'facts', jsonb_strip_nulls(jsonb_build_object('host', v_host, 'why', p_why, 'failing_since', v_since)))));
END $$;

-- Send nothing there until someone enables it. What comes meanwhile waits. False: it is disabled, or not known.
CREATE FUNCTION disable_endpoint(p_endpoint_id TEXT, p_why TEXT, p_now TIMESTAMPTZ) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    UPDATE endpoints n SET state = 'disabled', disabled_for = p_why, taken_by = taken_by || '!'
    WHERE n.endpoint_id = p_endpoint_id AND n.state <> 'disabled';
    IF FOUND THEN
        PERFORM tell_of_disabled(p_endpoint_id, p_why, p_now);
        RETURN TRUE;
    END IF;
    RETURN FALSE;
END $$;

-- Remove an endpoint with its secrets and what waits. False: there is none.
CREATE FUNCTION remove_endpoint(p_endpoint_id TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    DELETE FROM endpoints WHERE endpoint_id = p_endpoint_id;
    RETURN FOUND;
END $$;

-- Add a secret; the one before it ends at this time, and older ones at theirs: a rotation promised until when each
-- signs. Answers the number of the secret, also where the same was asked before; null: another rotation was first.
CREATE FUNCTION rotate_endpoint(
    p_endpoint_id TEXT, p_number INT, p_asked_as TEXT, p_key_id TEXT, p_nonce BYTEA, p_ciphertext BYTEA,
    p_ends_at TIMESTAMPTZ
) RETURNS INT LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_number INT;
BEGIN
    PERFORM FROM endpoints n WHERE n.endpoint_id = p_endpoint_id FOR UPDATE;
    SELECT s.number INTO v_number FROM endpoint_secrets s
    WHERE s.endpoint_id = p_endpoint_id AND s.asked_as = p_asked_as;
    IF FOUND THEN
        RETURN v_number;
    END IF;
    SELECT max(s.number) INTO v_number FROM endpoint_secrets s WHERE s.endpoint_id = p_endpoint_id;
    IF v_number IS DISTINCT FROM p_number - 1 THEN
        RETURN NULL;
    END IF;
    UPDATE endpoint_secrets s SET ends_at = p_ends_at WHERE s.endpoint_id = p_endpoint_id AND s.number = v_number;
    DELETE FROM endpoint_secrets s WHERE s.endpoint_id = p_endpoint_id AND s.ends_at <= now();
    INSERT INTO endpoint_secrets (endpoint_id, number, asked_as, key_id, nonce, ciphertext, older_end_at)
    VALUES (p_endpoint_id, p_number, p_asked_as, p_key_id, p_nonce, p_ciphertext, p_ends_at);
    UPDATE endpoints n SET taken_by = taken_by || '!' WHERE n.endpoint_id = p_endpoint_id;
    RETURN p_number;
END $$;

-- Seal a secret with another key. False: it was sealed again meanwhile.
CREATE FUNCTION reseal_endpoint(
    p_endpoint_id TEXT, p_number INT, p_was BYTEA, p_key_id TEXT, p_nonce BYTEA, p_ciphertext BYTEA
) RETURNS BOOLEAN LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    UPDATE endpoint_secrets s SET key_id = p_key_id, nonce = p_nonce, ciphertext = p_ciphertext
    WHERE s.endpoint_id = p_endpoint_id AND s.number = p_number AND s.nonce = p_was;
    RETURN FOUND;
END $$;

-- --- delivery ------------------------------------------------------------------------------------------------

-- Note the endpoints of the merchants whose events are new. One gateway at a time does so; the others go on without.
-- Each event is looked at once, however many endpoints there are. True: the caller has the right to note what has none.
CREATE FUNCTION note_news() RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_from news_noted%ROWTYPE;
    v_to   RECORD;
BEGIN
    -- A row's lock would write something twice a second, also where nothing ever happens.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('news', 0)) THEN
        RETURN FALSE;
    END IF;
    SELECT * INTO v_from FROM news_noted;
    WITH seen AS MATERIALIZED (
        SELECT e.position, e.id, e.merchant_id FROM events e
        WHERE (e.position, e.id) > (coalesce(v_from.position, 0), coalesce(v_from.event, 0)) AND e.position < events_end()
        ORDER BY e.position, e.id LIMIT 20000
    ), noted AS (
        INSERT INTO endpoints_with_news SELECT n.endpoint_id FROM endpoints n
        WHERE n.merchant_id IN (SELECT s.merchant_id FROM seen s) AND n.state <> 'disabled'
        ON CONFLICT DO NOTHING
    )
    SELECT s.position, s.id INTO v_to FROM seen s ORDER BY s.position DESC, s.id DESC LIMIT 1;
    IF FOUND THEN
        INSERT INTO news_noted (position, event) VALUES (v_to.position, v_to.id)
        ON CONFLICT (only_row) DO UPDATE SET position = excluded.position, event = excluded.event;
    END IF;
    RETURN TRUE;
END $$;

-- Forget the endpoints that nothing is to be sent to. The caller has the right of `note_news`: an event that is not seen
-- here is noted later. Each row is held: what gives an endpoint something to send holds it, too.
CREATE FUNCTION forget_idle() RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_noted CONSTANT TEXT[] := ARRAY(SELECT w.endpoint_id FROM endpoints_with_news w);
    v_idle  TEXT[];
BEGIN
    v_idle := ARRAY(
        SELECT c.endpoint_id FROM endpoints c
        WHERE c.endpoint_id = ANY (v_noted) AND c.taken_by IS NULL
          AND (c.state = 'disabled'
               OR (NOT EXISTS (SELECT FROM events e WHERE e.merchant_id = c.merchant_id
                               AND (e.position, e.id) > (c.position, c.event) AND e.position < events_end())
                   AND NOT EXISTS (SELECT FROM parked p WHERE p.endpoint_id = c.endpoint_id)))
        FOR UPDATE SKIP LOCKED);
    DELETE FROM endpoints_with_news w
    WHERE w.endpoint_id = ANY (v_idle) OR NOT EXISTS (SELECT FROM endpoints c WHERE c.endpoint_id = w.endpoint_id);
END $$;

-- Take the endpoints that something is to be sent to and that no gateway works on, the longest untouched first.
-- A lease and not a lock: a transaction that stays open while a consumer is slow would hold back every reader of events.
-- At `p_parked_at_most` waiting subjects the cursor rests: an endpoint that is down for days keeps few rows.
CREATE FUNCTION take_endpoints(
    p_by TEXT, p_failing BOOLEAN, p_at_most INT, p_parked_at_most INT, p_until TIMESTAMPTZ, p_now TIMESTAMPTZ
) RETURNS SETOF TEXT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_notes CONSTANT BOOLEAN := note_news();
    v_noted CONSTANT TEXT[] := ARRAY(SELECT w.endpoint_id FROM endpoints_with_news w
                                     UNION ALL SELECT n.endpoint_id FROM endpoints n WHERE n.merchant_id IS NULL);
BEGIN
    RETURN QUERY
    UPDATE endpoints n SET taken_by = p_by, taken_until = p_until
    FROM (
        SELECT c.endpoint_id FROM endpoints c
        WHERE c.endpoint_id = ANY (v_noted)
          AND c.state = CASE WHEN p_failing THEN 'failing' ELSE 'active' END
          AND (c.taken_by IS NULL OR c.taken_until <= p_now)
          AND (c.paused_until IS NULL OR c.paused_until <= p_now)
          AND (EXISTS (SELECT FROM parked w WHERE w.endpoint_id = c.endpoint_id AND w.next_at <= p_now)
               OR (CASE WHEN c.merchant_id IS NULL
                   THEN EXISTS (SELECT FROM events e WHERE (e.position, e.id) > (c.position, c.event)
                                AND e.position < events_end())
                   ELSE EXISTS (SELECT FROM events e WHERE e.merchant_id = c.merchant_id
                                AND (e.position, e.id) > (c.position, c.event) AND e.position < events_end()) END
                   AND (SELECT count(*) FROM (SELECT FROM parked w WHERE w.endpoint_id = c.endpoint_id
                                              LIMIT p_parked_at_most) AS few) < p_parked_at_most))
        ORDER BY c.taken_until NULLS FIRST, c.endpoint_id LIMIT p_at_most FOR UPDATE SKIP LOCKED
    ) AS mine
    WHERE n.endpoint_id = mine.endpoint_id
    RETURNING n.endpoint_id;
    IF v_notes THEN
        PERFORM forget_idle();
    END IF;
END $$;

-- Move an endpoint's cursor. False: it was taken away meanwhile.
CREATE FUNCTION advance_endpoint(p_endpoint_id TEXT, p_by TEXT, p_position BIGINT, p_event BIGINT, p_now TIMESTAMPTZ)
RETURNS BOOLEAN LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    UPDATE endpoints n SET position = p_position, event = p_event, advanced_at = p_now
    WHERE n.endpoint_id = p_endpoint_id AND n.taken_by = p_by;
    RETURN FOUND;
END $$;

-- Give an endpoint back, also one that was changed meanwhile.
CREATE FUNCTION release_endpoint(p_endpoint_id TEXT, p_by TEXT, p_now TIMESTAMPTZ) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    UPDATE endpoints SET taken_by = NULL, taken_until = p_now WHERE endpoint_id = p_endpoint_id AND rtrim(taken_by, '!') = p_by
$$;

-- Keep an attempt.
CREATE FUNCTION note_attempt(
    p_endpoint_id TEXT, p_event_id TEXT, p_type TEXT, p_at TIMESTAMPTZ, p_status INT, p_took_ms INT, p_answer TEXT,
    p_error TEXT
) RETURNS VOID LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO attempts (endpoint_id, event_id, type, at, status, took_ms, answer, error)
    SELECT p_endpoint_id, p_event_id, p_type, p_at, p_status, p_took_ms, p_answer, p_error
    WHERE EXISTS (SELECT FROM endpoints n WHERE n.endpoint_id = p_endpoint_id)
$$;

-- Let a subject wait at an event, and note how the endpoint is. False: it was taken away meanwhile.
CREATE FUNCTION park_subject(
    p_endpoint_id TEXT, p_by TEXT, p_subject TEXT, p_seq BIGINT, p_failures INT, p_next_at TIMESTAMPTZ, p_status INT,
    p_error TEXT, p_state TEXT, p_failing_since TIMESTAMPTZ, p_disabled_for TEXT, p_paused_until TIMESTAMPTZ,
    p_now TIMESTAMPTZ
) RETURNS BOOLEAN LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_was TEXT;
BEGIN
    SELECT n.state INTO v_was FROM endpoints n
    WHERE n.endpoint_id = p_endpoint_id AND n.taken_by = p_by FOR UPDATE;
    IF v_was IS NULL THEN
        RETURN FALSE;
    END IF;
    INSERT INTO parked AS w (endpoint_id, subject, seq, failures, next_at, last_status, last_error)
    VALUES (p_endpoint_id, p_subject, p_seq, p_failures, p_next_at, p_status, p_error)
    ON CONFLICT (endpoint_id, subject) DO UPDATE
    SET seq = p_seq, failures = p_failures, next_at = p_next_at, last_status = p_status, last_error = p_error;
    UPDATE endpoints n
    SET state = p_state, failing_since = p_failing_since, disabled_for = p_disabled_for,
        paused_until = greatest(n.paused_until, p_paused_until)
    WHERE n.endpoint_id = p_endpoint_id
      AND ((n.state, n.failing_since) IS DISTINCT FROM (p_state, p_failing_since)
           OR n.paused_until IS DISTINCT FROM greatest(n.paused_until, p_paused_until));
    IF p_state = 'disabled' AND v_was <> 'disabled' THEN
        PERFORM tell_of_disabled(p_endpoint_id, p_disabled_for, p_now);
    END IF;
    RETURN TRUE;
END $$;

-- A subject has caught up with the cursor. False: the endpoint was taken away meanwhile.
CREATE FUNCTION unpark_subject(p_endpoint_id TEXT, p_by TEXT, p_subject TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    PERFORM FROM endpoints n WHERE n.endpoint_id = p_endpoint_id AND n.taken_by = p_by FOR UPDATE;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    DELETE FROM parked w WHERE w.endpoint_id = p_endpoint_id AND w.subject = p_subject;
    RETURN TRUE;
END $$;

-- An endpoint that only failed answers again: what waits for it is due at once. False: it was taken away meanwhile.
CREATE FUNCTION mend_endpoint(p_endpoint_id TEXT, p_by TEXT, p_now TIMESTAMPTZ) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    UPDATE endpoints n SET state = 'active', failing_since = NULL
    WHERE n.endpoint_id = p_endpoint_id AND n.taken_by = p_by AND n.state = 'failing';
    IF NOT FOUND THEN
        RETURN EXISTS (SELECT FROM endpoints n WHERE n.endpoint_id = p_endpoint_id AND n.taken_by = p_by);
    END IF;
    UPDATE parked SET next_at = p_now WHERE endpoint_id = p_endpoint_id AND next_at > p_now;
    RETURN TRUE;
END $$;

-- Send a subject again from this event on, in order; what waits further back stays there.
CREATE FUNCTION resend_subject(p_endpoint_id TEXT, p_subject TEXT, p_seq BIGINT, p_now TIMESTAMPTZ) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    UPDATE endpoints n SET taken_by = taken_by || '!' WHERE n.endpoint_id = p_endpoint_id;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    INSERT INTO parked AS w (endpoint_id, subject, seq, failures, next_at) VALUES (p_endpoint_id, p_subject, p_seq, 0, p_now)
    ON CONFLICT (endpoint_id, subject) DO UPDATE
    SET seq = least(w.seq, p_seq), next_at = p_now,
        failures = CASE WHEN p_seq < w.seq THEN 0 ELSE w.failures END;
    PERFORM look_at_endpoint(p_endpoint_id);
    RETURN TRUE;
END $$;

-- Send everything again from this place on, where it lies behind the cursor. What waits comes with it.
CREATE FUNCTION rewind_endpoint(p_endpoint_id TEXT, p_position BIGINT, p_event BIGINT, p_now TIMESTAMPTZ) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    UPDATE endpoints n
    SET taken_by = taken_by || '!',
        position = CASE WHEN (p_position, p_event) < (n.position, n.event) THEN p_position ELSE n.position END,
        event = CASE WHEN (p_position, p_event) < (n.position, n.event) THEN p_event ELSE n.event END
    WHERE n.endpoint_id = p_endpoint_id;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    -- What waits behind the new place would come twice. What waits before it is due.
    DELETE FROM parked w USING events e
    WHERE w.endpoint_id = p_endpoint_id AND e.subject = w.subject AND e.seq = w.seq
      AND (e.position, e.id) > (p_position, p_event);
    UPDATE parked SET next_at = p_now WHERE endpoint_id = p_endpoint_id AND next_at > p_now;
    PERFORM look_at_endpoint(p_endpoint_id);
    RETURN TRUE;
END $$;

-- Forget attempts that are older, and at least a week old.
CREATE FUNCTION purge_attempts(p_before TIMESTAMPTZ) RETURNS BIGINT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_gone BIGINT;
BEGIN
    DELETE FROM attempts WHERE at < least(p_before, now() - INTERVAL '7 days');
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END $$;
