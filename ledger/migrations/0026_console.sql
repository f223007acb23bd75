-- The console: who may sign in, and who is signed in.

-- People of the platform, and staff of merchants. A person is who the provider of identities says: issuer and subject.
CREATE TABLE people (
    -- The id under which they act, in journals and approvals.
    person_id   TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    role        TEXT NOT NULL,
    -- For staff of a merchant: whose.
    merchant_id TEXT,
    issuer      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    added_by    TEXT NOT NULL,
    added_at    TIMESTAMPTZ NOT NULL,
    -- Null: they may sign in.
    ended_at    TIMESTAMPTZ,
    ended_by    TEXT,
    CONSTRAINT one_person_a_subject UNIQUE (issuer, subject),
    CONSTRAINT person_id_form CHECK (person_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT person_name_form CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT person_role_known CHECK (role IN ('operator', 'reviewer', 'merchant')),
    CONSTRAINT staff_of_a_merchant CHECK ((role = 'merchant') = (merchant_id IS NOT NULL)),
    CONSTRAINT persons_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$')
);

-- The periods of people who came back, each as it had ended. Journals name people by their ids, which never change.
CREATE TABLE earlier_periods (
    person_id   TEXT NOT NULL REFERENCES people (person_id),
    period      INT NOT NULL,
    name        TEXT NOT NULL,
    role        TEXT NOT NULL,
    merchant_id TEXT,
    added_by    TEXT NOT NULL,
    added_at    TIMESTAMPTZ NOT NULL,
    ended_at    TIMESTAMPTZ NOT NULL,
    ended_by    TEXT NOT NULL,
    PRIMARY KEY (person_id, period)
);

-- Sessions of the console. A browser has the session's id; this table has only its hash.
CREATE TABLE sessions (
    -- HMAC-SHA256 of the id with the pepper, which is not in this database: who writes a row here can make no cookie.
    digest       BYTEA PRIMARY KEY,
    person_id    TEXT NOT NULL REFERENCES people (person_id),
    -- When the person last proved who they are; what moves money asks for a recent proof.
    signed_in_at TIMESTAMPTZ NOT NULL,
    seen_at      TIMESTAMPTZ NOT NULL,
    ends_at      TIMESTAMPTZ NOT NULL,
    CONSTRAINT session_digest_form CHECK (length(digest) = 32),
    CONSTRAINT a_session_ends CHECK (ends_at > signed_in_at AND ends_at <= signed_in_at + INTERVAL '1 day')
);

CREATE INDEX sessions_by_end ON sessions (ends_at);
CREATE INDEX sessions_by_person ON sessions (person_id);

-- Add a person, for the owner alone: two people can approve a withdrawal. False: the id or the subject is taken
-- by another.
CREATE FUNCTION add_person(
    p_person_id TEXT, p_name TEXT, p_role TEXT, p_merchant_id TEXT, p_issuer TEXT, p_subject TEXT, p_by TEXT,
    p_now TIMESTAMPTZ
) RETURNS BOOLEAN LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    INSERT INTO people (person_id, name, role, merchant_id, issuer, subject, added_by, added_at)
    VALUES (p_person_id, p_name, p_role, p_merchant_id, p_issuer, p_subject, p_by, p_now)
    ON CONFLICT DO NOTHING;
    RETURN EXISTS (
        SELECT FROM people WHERE person_id = p_person_id AND role = p_role AND issuer = p_issuer AND subject = p_subject
        AND merchant_id IS NOT DISTINCT FROM p_merchant_id AND ended_at IS NULL
    );
END $$;

-- Let a person whose access has ended come back, for the owner alone: under the same id and the same subject, so that what
-- takes two people goes on to count one. Role and merchant may be others; but staff of a merchant act under the merchant's
-- id, so that one of them, come back as an operator, could approve what they asked for. False: no such person's access has
-- ended, or they were on the other side.
CREATE FUNCTION readmit_person(
    p_person_id TEXT, p_name TEXT, p_role TEXT, p_merchant_id TEXT, p_issuer TEXT, p_subject TEXT, p_by TEXT,
    p_now TIMESTAMPTZ
) RETURNS BOOLEAN LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_was people;
BEGIN
    SELECT * INTO v_was FROM people
    WHERE person_id = p_person_id AND issuer = p_issuer AND subject = p_subject FOR UPDATE;
    IF v_was.ended_at IS NULL THEN
        -- There is none, or the same again.
        RETURN coalesce((v_was.role, v_was.merchant_id) IS NOT DISTINCT FROM (p_role, p_merchant_id), FALSE)
               AND EXISTS (SELECT FROM earlier_periods WHERE person_id = p_person_id);
    END IF;
    IF (v_was.merchant_id IS NULL) <> (p_merchant_id IS NULL) THEN
        RETURN FALSE;
    END IF;
    INSERT INTO earlier_periods (person_id, period, name, role, merchant_id, added_by, added_at, ended_at, ended_by)
    SELECT p_person_id, count(*) + 1, v_was.name, v_was.role, v_was.merchant_id, v_was.added_by, v_was.added_at,
           v_was.ended_at, v_was.ended_by
    FROM earlier_periods WHERE person_id = p_person_id;
    -- A session that was opened while the access ended counts no more.
    DELETE FROM sessions WHERE person_id = p_person_id;
    UPDATE people
    SET name = p_name, role = p_role, merchant_id = p_merchant_id, added_by = p_by,
        added_at = greatest(p_now, v_was.ended_at), ended_at = NULL, ended_by = NULL
    WHERE person_id = p_person_id;
    RETURN TRUE;
END $$;

-- End a person's access and sessions; false: they are not known, or it has ended.
CREATE FUNCTION end_person(p_person_id TEXT, p_now TIMESTAMPTZ, p_by TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    DELETE FROM sessions WHERE person_id = p_person_id;
    UPDATE people SET ended_at = p_now, ended_by = p_by WHERE person_id = p_person_id AND ended_at IS NULL;
    RETURN FOUND;
END $$;

-- Open a session in place of another one, and forget those that have ended. False: the person may not sign in.
CREATE FUNCTION open_session(
    p_digest BYTEA, p_replaces BYTEA, p_person_id TEXT, p_signed_in_at TIMESTAMPTZ, p_ends_at TIMESTAMPTZ,
    p_now TIMESTAMPTZ
) RETURNS BOOLEAN LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    DELETE FROM sessions WHERE digest = p_replaces OR ends_at < p_now;
    INSERT INTO sessions (digest, person_id, signed_in_at, seen_at, ends_at)
    SELECT p_digest, p.person_id, p_signed_in_at, p_now, p_ends_at
    FROM people p WHERE p.person_id = p_person_id AND p.ended_at IS NULL;
    RETURN FOUND;
END $$;

-- Note that a session is used, at most once a minute.
CREATE FUNCTION note_session_used(p_digest BYTEA, p_now TIMESTAMPTZ) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    UPDATE sessions SET seen_at = p_now WHERE digest = p_digest AND seen_at < p_now - INTERVAL '1 minute'
$$;

-- End a session: sign out.
CREATE FUNCTION end_session(p_digest BYTEA) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    DELETE FROM sessions WHERE digest = p_digest
$$;

-- A request is an API key's or a person's: `person:` and the person's id, which no key's visible part can be.
ALTER TABLE requests DROP CONSTRAINT requests_api_key_fkey;
ALTER TABLE requests ADD CONSTRAINT sender_form CHECK (api_key ~ '^([A-Za-z0-9]{8}|person:[A-Za-z0-9_-]{1,64})$');

-- Figures over all orders and accounts, as they were counted last: a page that counted them itself would read every row.
CREATE TABLE figures (
    name     TEXT PRIMARY KEY,
    taken_at TIMESTAMPTZ NOT NULL,
    body     JSONB NOT NULL
);

-- Keep figures; older ones never replace newer ones.
CREATE FUNCTION keep_figures(p_name TEXT, p_body JSONB, p_now TIMESTAMPTZ) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO figures (name, taken_at, body) VALUES (p_name, p_now, p_body)
    ON CONFLICT (name) DO UPDATE SET taken_at = EXCLUDED.taken_at, body = EXCLUDED.body
    WHERE figures.taken_at < EXCLUDED.taken_at
$$;
