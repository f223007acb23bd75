-- The HTTP gateway: who may ask, and what was asked, so that no request is lost and none counts twice.

-- Keys of storefronts and of merchants' own systems. The key itself is shown once and kept nowhere.
CREATE TABLE api_keys (
    -- The visible part of a key, by which people name it.
    key_id      TEXT PRIMARY KEY,
    -- The first key of its line. A rotation makes a successor, which sees the requests of the keys before it.
    line        TEXT NOT NULL REFERENCES api_keys (key_id),
    name        TEXT NOT NULL,
    -- HMAC-SHA256 of the key with a pepper that is not in this database: who reads this table can forge no key.
    digest      BYTEA NOT NULL UNIQUE,
    -- Null: the storefront's, for orders of all merchants.
    merchant_id TEXT,
    scopes      TEXT[] NOT NULL,
    created_by  TEXT NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    -- Null: until it is revoked.
    expires_at  TIMESTAMPTZ,
    -- Null: it has not ended, or by the date that it was given.
    ended_by    TEXT,
    last_used   TIMESTAMPTZ,
    CONSTRAINT key_id_form CHECK (key_id ~ '^[A-Za-z0-9]{8}$'),
    CONSTRAINT key_name_form CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT keyed_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT key_digest_form CHECK (length(digest) = 32),
    CONSTRAINT key_has_scopes CHECK (cardinality(scopes) > 0)
);

CREATE INDEX api_keys_by_merchant ON api_keys (merchant_id, created_at, key_id);

-- Add a key, for the owner alone: a key may speak for a merchant.
CREATE FUNCTION add_api_key(
    p_key_id TEXT, p_name TEXT, p_digest BYTEA, p_merchant_id TEXT, p_scopes TEXT[],
    p_created_by TEXT, p_expires_at TIMESTAMPTZ, p_now TIMESTAMPTZ, p_line TEXT
) RETURNS VOID LANGUAGE sql SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO api_keys (key_id, line, name, digest, merchant_id, scopes, created_by, created_at, expires_at)
    VALUES (p_key_id, coalesce(p_line, p_key_id), p_name, p_digest, p_merchant_id, p_scopes, p_created_by, p_now,
            p_expires_at)
$$;

-- Let a key end, at once or later; false: it is not known, or ends earlier. A key never lives longer than it was given.
CREATE FUNCTION end_api_key(p_key_id TEXT, p_at TIMESTAMPTZ, p_by TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    UPDATE api_keys SET expires_at = p_at, ended_by = p_by
    WHERE key_id = p_key_id AND (expires_at IS NULL OR expires_at > p_at);
    RETURN FOUND;
END $$;

-- Add a key like an old one, which ends by then: both or neither. Not null: nothing is done, as this key took its place
-- before; or the old one itself, as its end is not the one that was seen: it was revoked. What changes an old key at one
-- moment waits for each other.
CREATE FUNCTION rotate_api_key(
    p_old TEXT, p_seen_ends TIMESTAMPTZ, p_old_ends TIMESTAMPTZ, p_key_id TEXT, p_digest BYTEA, p_by TEXT,
    p_expires_at TIMESTAMPTZ, p_now TIMESTAMPTZ
) RETURNS TEXT LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_old      api_keys;
    v_follower TEXT;
BEGIN
    SELECT * INTO v_old FROM api_keys k WHERE k.key_id = p_old FOR UPDATE;
    SELECT k.key_id INTO v_follower FROM api_keys k
    WHERE k.line = v_old.line AND k.created_at > v_old.created_at AND (k.expires_at IS NULL OR k.expires_at > p_now)
    ORDER BY k.created_at DESC LIMIT 1;
    IF FOUND THEN
        RETURN v_follower;
    ELSIF v_old.expires_at IS DISTINCT FROM p_seen_ends THEN
        RETURN p_old;
    END IF;
    PERFORM add_api_key(
        p_key_id, v_old.name, p_digest, v_old.merchant_id, v_old.scopes, p_by, p_expires_at, p_now, v_old.line);
    PERFORM end_api_key(p_old, p_old_ends, p_by);
    RETURN NULL;
END $$;

-- Note that a key is used, at most once a minute: a row that every request writes would grow the table for nothing.
CREATE FUNCTION note_key_used(p_key_id TEXT, p_now TIMESTAMPTZ) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    UPDATE api_keys SET last_used = p_now
    WHERE key_id = p_key_id AND (last_used IS NULL OR last_used < p_now - INTERVAL '1 minute')
$$;

-- Changing requests, written down before Temporal is called.
CREATE TABLE requests (
    -- The sender: the first key of its line.
    api_key         TEXT NOT NULL REFERENCES api_keys (key_id),
    idempotency_key TEXT NOT NULL,
    -- HMAC-SHA256 of the request with the pepper: the same key with another content is refused, and a row that no
    -- gateway wrote is never carried out. While the pepper is rotated, the one before it is right, too.
    digest          TEXT NOT NULL,
    what            TEXT NOT NULL,
    subject         TEXT NOT NULL,
    body            JSONB NOT NULL,
    received_at     TIMESTAMPTZ NOT NULL,
    -- The gateway that works on it has it until then; after that another gateway may go on.
    taken_until     TIMESTAMPTZ NOT NULL,
    -- Null: there is no answer yet.
    status          INT,
    answer          JSONB,
    answered_at     TIMESTAMPTZ,
    PRIMARY KEY (api_key, idempotency_key),
    CONSTRAINT idempotency_key_form CHECK (idempotency_key ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT an_answer_is_whole CHECK ((status IS NULL) = (answer IS NULL) AND (status IS NULL) = (answered_at IS NULL))
);

-- For the forwarder, and for the purge.
CREATE INDEX requests_unanswered ON requests (taken_until) WHERE status IS NULL;
CREATE INDEX requests_by_age ON requests (received_at);

-- Take a request: `taken` · `under_way` · `answered` (with the first answer) · `other` (another content). Its digests are
-- by each pepper that is valid, the newest first.
CREATE FUNCTION take_request(
    p_api_key TEXT, p_idempotency_key TEXT, p_digests TEXT[], p_what TEXT, p_subject TEXT, p_body JSONB,
    p_taken_until TIMESTAMPTZ, p_now TIMESTAMPTZ
) RETURNS TABLE (outcome TEXT, status INT, answer JSONB)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_known requests%ROWTYPE;
BEGIN
    INSERT INTO requests (api_key, idempotency_key, digest, what, subject, body, received_at, taken_until)
    VALUES (p_api_key, p_idempotency_key, p_digests[1], p_what, p_subject, p_body, p_now, p_taken_until)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN QUERY SELECT 'taken', NULL::INT, NULL::JSONB;
        RETURN;
    END IF;
    SELECT * INTO v_known FROM requests r
    WHERE r.api_key = p_api_key AND r.idempotency_key = p_idempotency_key FOR UPDATE;
    IF v_known.digest <> ALL (p_digests) THEN
        RETURN QUERY SELECT 'other', NULL::INT, NULL::JSONB;
    ELSIF v_known.status IS NOT NULL THEN
        RETURN QUERY SELECT 'answered', v_known.status, v_known.answer;
    ELSIF v_known.taken_until > p_now THEN
        RETURN QUERY SELECT 'under_way', NULL::INT, NULL::JSONB;
    ELSE
        UPDATE requests r SET taken_until = p_taken_until
        WHERE r.api_key = p_api_key AND r.idempotency_key = p_idempotency_key;
        RETURN QUERY SELECT 'taken', NULL::INT, NULL::JSONB;
    END IF;
END $$;

-- Keep the answer of a request. The first one stands.
CREATE FUNCTION answer_request(
    p_api_key TEXT, p_idempotency_key TEXT, p_status INT, p_answer JSONB, p_now TIMESTAMPTZ
) RETURNS VOID LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    UPDATE requests SET status = p_status, answer = p_answer, answered_at = p_now
    WHERE api_key = p_api_key AND idempotency_key = p_idempotency_key AND status IS NULL
$$;

-- Take the oldest requests that no gateway works on.
CREATE FUNCTION take_unanswered(p_at_most INT, p_taken_until TIMESTAMPTZ, p_now TIMESTAMPTZ)
RETURNS TABLE (api_key TEXT, idempotency_key TEXT, digest TEXT, what TEXT, subject TEXT, body JSONB)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    UPDATE requests r SET taken_until = p_taken_until
    FROM (
        SELECT u.api_key, u.idempotency_key FROM requests u
        WHERE u.status IS NULL AND u.taken_until <= p_now
        ORDER BY u.taken_until LIMIT p_at_most FOR UPDATE SKIP LOCKED
    ) AS mine
    WHERE r.api_key = mine.api_key AND r.idempotency_key = mine.idempotency_key
    RETURNING r.api_key, r.idempotency_key, r.digest, r.what, r.subject, r.body
$$;

-- Forget answered requests. The ids of orders, withdrawals and commands keep their promise in the workflows.
CREATE FUNCTION purge_requests(p_before TIMESTAMPTZ) RETURNS BIGINT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_gone BIGINT;
BEGIN
    DELETE FROM requests WHERE status IS NOT NULL AND received_at < least(p_before, now() - INTERVAL '30 days');
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END $$;
