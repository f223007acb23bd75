-- The console: who may sign in, and who is signed in.

-- People of the platform, and staff of merchants.
CREATE TABLE people (
    -- The id under which they act, in journals and approvals.
    person_id   TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    role        TEXT NOT NULL,
    -- For staff of a merchant: whose.
    merchant_id TEXT,
    added_by    TEXT NOT NULL,
    added_at    TIMESTAMPTZ NOT NULL,
    -- Null: they may sign in.
    ended_at    TIMESTAMPTZ,
    ended_by    TEXT,
    CONSTRAINT person_id_form CHECK (person_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT person_name_form CHECK (length(name) BETWEEN 1 AND 100),
    CONSTRAINT person_role_known CHECK (role IN ('operator', 'reviewer', 'merchant')),
    CONSTRAINT staff_of_a_merchant CHECK ((role = 'merchant') = (merchant_id IS NOT NULL)),
    CONSTRAINT persons_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$')
);

-- Two spellings of an id are one person: what takes two people counts them as one.
CREATE UNIQUE INDEX one_person_an_id ON people (person_of(person_id));

-- Who people are to providers of identities, for as long as each subject signs them in. A subject is one person's for ever;
-- a person has one that signs in, or more where an administrator asked for it.
CREATE TABLE subjects (
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    person_id TEXT NOT NULL REFERENCES people (person_id),
    linked_by TEXT NOT NULL,
    linked_at TIMESTAMPTZ NOT NULL,
    -- Null: it signs the person in, while they may sign in.
    ended_at  TIMESTAMPTZ,
    ended_by  TEXT,
    PRIMARY KEY (issuer, subject, linked_at),
    CONSTRAINT a_subject_ends_by_someone CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);

CREATE UNIQUE INDEX one_person_a_subject ON subjects (issuer, subject) WHERE ended_at IS NULL;
CREATE INDEX subjects_by_person ON subjects (person_id);

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

-- Whether a person may decide in one of these roles now. Who is not in the register is believed, as every caller is: people
-- act by keys and at the command line too. Who is, is not believed once their access has ended.
CREATE FUNCTION may_decide_as(p_name TEXT, p_roles TEXT[]) RETURNS BOOLEAN
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT coalesce(bool_and(p.ended_at IS NULL AND p.role = ANY (p_roles)), TRUE)
    FROM people p WHERE person_of(p.person_id) = person_of(p_name)
$$;

-- Whether a person of the platform may decide now.
CREATE FUNCTION may_decide(p_name TEXT) RETURNS BOOLEAN
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT may_decide_as(p_name, ARRAY['operator', 'reviewer'])
$$;

-- Whether a subject is another person's, or was: it is given to no one else. Until the caller's transaction ends, no one
-- else gets it.
CREATE FUNCTION is_anothers_subject(p_issuer TEXT, p_subject TEXT, p_person_id TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('subject/' || p_issuer || '/' || p_subject, 0));
    RETURN EXISTS (SELECT FROM subjects s
                   WHERE s.issuer = p_issuer AND s.subject = p_subject AND s.person_id <> p_person_id);
END $$;

-- Add a person, for the owner alone: two people can approve a withdrawal. False: the id or the subject is taken
-- by another.
CREATE FUNCTION add_person(
    p_person_id TEXT, p_name TEXT, p_role TEXT, p_merchant_id TEXT, p_issuer TEXT, p_subject TEXT, p_by TEXT,
    p_now TIMESTAMPTZ
) RETURNS BOOLEAN LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    IF is_anothers_subject(p_issuer, p_subject, p_person_id) THEN
        RETURN FALSE;
    END IF;
    INSERT INTO people (person_id, name, role, merchant_id, added_by, added_at)
    VALUES (p_person_id, p_name, p_role, p_merchant_id, p_by, p_now)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        INSERT INTO subjects (issuer, subject, person_id, linked_by, linked_at)
        VALUES (p_issuer, p_subject, p_person_id, p_by, p_now);
    END IF;
    RETURN EXISTS (
        SELECT FROM people p JOIN subjects s USING (person_id)
        WHERE p.person_id = p_person_id AND p.role = p_role AND p.merchant_id IS NOT DISTINCT FROM p_merchant_id
          AND p.ended_at IS NULL AND s.issuer = p_issuer AND s.subject = p_subject AND s.ended_at IS NULL
    );
END $$;

-- Let a person whose access has ended come back, for the owner alone: under the same id and a subject of theirs, so that what
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
    SELECT p.* INTO v_was FROM people p
    WHERE p.person_id = p_person_id
      AND EXISTS (SELECT FROM subjects s WHERE s.person_id = p_person_id AND s.issuer = p_issuer
                  AND s.subject = p_subject AND s.ended_at IS NULL) FOR UPDATE;
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

-- Give a person another subject, for the owner alone: the provider of identities knows them by a new one. The id, the role and
-- the merchant stay, so that no one changes sides by it, and whose access has ended still has to be let in. The subjects of
-- before sign them in no more, and their sessions end, unless `p_beside`. Answers `linked`, `same`, `unknown_person`, or
-- `anothers`: the subject is or was another person's.
CREATE FUNCTION link_subject(
    p_person_id TEXT, p_issuer TEXT, p_subject TEXT, p_beside BOOLEAN, p_by TEXT, p_now TIMESTAMPTZ
) RETURNS TEXT LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_replaced BOOLEAN := FALSE;
BEGIN
    IF is_anothers_subject(p_issuer, p_subject, p_person_id) THEN
        RETURN 'anothers';
    END IF;
    PERFORM FROM people p WHERE p.person_id = p_person_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown_person';
    END IF;
    IF NOT p_beside THEN
        UPDATE subjects s SET ended_at = greatest(p_now, s.linked_at), ended_by = p_by
        WHERE s.person_id = p_person_id AND s.ended_at IS NULL AND (s.issuer, s.subject) <> (p_issuer, p_subject);
        v_replaced := FOUND;
    END IF;
    IF v_replaced THEN
        -- Which subject opened a session is not kept.
        DELETE FROM sessions WHERE person_id = p_person_id;
    END IF;
    INSERT INTO subjects (issuer, subject, person_id, linked_by, linked_at)
    SELECT p_issuer, p_subject, p_person_id, p_by,
           greatest(p_now, max(s.linked_at) + INTERVAL '1 microsecond', max(s.ended_at))
    FROM subjects s WHERE s.issuer = p_issuer AND s.subject = p_subject
    ON CONFLICT (issuer, subject) WHERE ended_at IS NULL DO NOTHING;
    RETURN CASE WHEN FOUND OR v_replaced THEN 'linked' ELSE 'same' END;
END $$;

-- End a person's access and sessions; false: they are not known, or it has ended.
CREATE FUNCTION end_person(p_person_id TEXT, p_now TIMESTAMPTZ, p_by TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    DELETE FROM sessions WHERE person_id = p_person_id;
    UPDATE people SET ended_at = p_now, ended_by = p_by WHERE person_id = p_person_id AND ended_at IS NULL;
    RETURN FOUND;
END $$;

-- Open a session in place of another one, and forget those that have ended. False: the person may not sign in, or the subject
-- that signed them in (null: none is named) was replaced meanwhile.
CREATE FUNCTION open_session(
    p_digest BYTEA, p_replaces BYTEA, p_person_id TEXT, p_signed_in_at TIMESTAMPTZ, p_ends_at TIMESTAMPTZ,
    p_now TIMESTAMPTZ, p_issuer TEXT, p_subject TEXT
) RETURNS BOOLEAN LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    DELETE FROM sessions WHERE digest = p_replaces OR ends_at < p_now;
    INSERT INTO sessions (digest, person_id, signed_in_at, seen_at, ends_at)
    SELECT p_digest, p.person_id, p_signed_in_at, p_now, p_ends_at
    FROM people p WHERE p.person_id = p_person_id AND p.ended_at IS NULL
      AND (p_subject IS NULL OR EXISTS (SELECT FROM subjects s WHERE s.person_id = p_person_id AND s.issuer = p_issuer
                                        AND s.subject = p_subject AND s.ended_at IS NULL))
    -- Who ends the access or replaces the subject waits, and then finds this session.
    FOR SHARE OF p;
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
