-- Inbound messages: pushes of tracking providers, callbacks of rails and channels. Each is stored as it came, before it
-- is read.

-- --- pushes --------------------------------------------------------------------------------------------------

-- Every push as it came. The same bytes are the same push.
CREATE TABLE pushes (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    vendor      TEXT NOT NULL,
    digest      TEXT NOT NULL,
    body        BYTEA NOT NULL,
    headers     JSONB NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    -- Null until it was handled: an interrupted push is handled when the vendor sends it again.
    outcome     TEXT,
    detail      TEXT NOT NULL DEFAULT '',
    repeats     INT NOT NULL DEFAULT 0,
    CONSTRAINT a_push_is_journaled_once UNIQUE (vendor, digest)
);

-- For purging by age.
CREATE INDEX pushes_by_age ON pushes (received_at);

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

-- --- callbacks -----------------------------------------------------------------------------------------------

-- The same bytes under the same signature are the same callback. The raw body is kept for some weeks only (purge_callbacks);
-- what became of it stays.
CREATE TABLE callbacks (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider    TEXT NOT NULL,
    digest      TEXT NOT NULL,
    body        BYTEA,
    headers     JSONB NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    -- Null until it was handled: an interrupted callback is handled when the provider sends it again.
    outcome     TEXT,
    detail      TEXT NOT NULL DEFAULT '',
    about       TEXT,
    key         TEXT,
    event_id    TEXT,
    repeats     INT NOT NULL DEFAULT 0,
    CONSTRAINT a_callback_is_journaled_once UNIQUE (provider, digest)
);

-- For finding an event that was passed on before, even if it has a new signature.
CREATE INDEX callbacks_by_event ON callbacks (provider, event_id) WHERE event_id IS NOT NULL;
-- For the callbacks about a payout or a refund.
CREATE INDEX callbacks_by_key ON callbacks (key) WHERE key IS NOT NULL;
-- For purging by age.
CREATE INDEX callbacks_by_age ON callbacks (received_at) WHERE body IS NOT NULL;

CREATE FUNCTION journal_callback(
    p_provider TEXT, p_digest TEXT, p_body BYTEA, p_headers JSONB, p_now TIMESTAMPTZ
) RETURNS TABLE (id BIGINT, outcome TEXT, detail TEXT)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO callbacks AS c (provider, digest, body, headers, received_at)
    VALUES (p_provider, p_digest, p_body, p_headers, p_now)
    ON CONFLICT ON CONSTRAINT a_callback_is_journaled_once DO UPDATE SET repeats = c.repeats + 1
    RETURNING c.id, c.outcome, c.detail
$$;

-- Note a callback's outcome; the first one stays. The body of a callback that only repeats a known event is not kept.
CREATE FUNCTION finish_callback(
    p_id BIGINT, p_outcome TEXT, p_detail TEXT, p_about TEXT, p_key TEXT, p_event_id TEXT
) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    UPDATE callbacks c
    SET outcome = p_outcome, detail = p_detail, about = p_about, key = p_key, event_id = p_event_id,
        body = CASE WHEN p_outcome <> 'repeated' THEN c.body END
    WHERE c.id = p_id AND c.outcome IS NULL
$$;

-- Delete the raw bodies that came before a time, and remove callbacks that came from no provider; returns both counts.
-- Nothing younger than the safeguard `kept` is purged.
CREATE FUNCTION purge_callbacks(p_before TIMESTAMPTZ) RETURNS TABLE (emptied BIGINT, removed BIGINT)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    WITH gone AS (
        DELETE FROM callbacks c
        WHERE c.received_at < least(p_before, now() - safeguard('kept')) AND c.outcome IN ('wrong_signature', 'too_large')
        RETURNING 1
    ), empty AS (
        UPDATE callbacks c SET body = NULL, headers = '{}'
        WHERE c.received_at < least(p_before, now() - safeguard('kept')) AND c.body IS NOT NULL
          AND c.outcome IS DISTINCT FROM 'wrong_signature' AND c.outcome IS DISTINCT FROM 'too_large'
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM empty), (SELECT count(*) FROM gone)
$$;
