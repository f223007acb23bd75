-- Terms: the owner decides them and a worker's role only reads them. Safeguards that no caller can go below, policies by
-- the hash of their text, and the names that point to them. A stolen worker's role that could change them could pay out
-- at once, to an account of its own, under limits of its own.

CREATE FUNCTION refuse_change_of_history() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

-- --- safeguards ----------------------------------------------------------------------------------------------

-- Each value that a safeguard ever had, and who gave it. The newest counts.
CREATE TABLE safeguards (
    id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name   TEXT NOT NULL,
    value  INTERVAL NOT NULL,
    who    TEXT NOT NULL,
    why    TEXT NOT NULL,
    set_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT safeguard_known CHECK (name IN ('cooling', 'clock_skew', 'kept', 'deposit_kept')),
    CONSTRAINT safeguard_not_negative CHECK (value >= INTERVAL '0'),
    CONSTRAINT safeguards_have_a_reason CHECK (length(why) BETWEEN 1 AND 500)
);

CREATE TRIGGER safeguards_are_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON safeguards
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();

-- The value that holds now; the default while the owner has set none.
--   cooling     no money goes to a payout account before it was bound, or changed, for so long
--   clock_skew  how far a caller's clock may be ahead of this one
--   kept        pushes, callbacks and answers are not purged before they are so old
--   deposit_kept  the deposit of a merchant that leaves is kept for so long after its last order ended
CREATE FUNCTION safeguard(p_name TEXT) RETURNS INTERVAL
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT coalesce(
        (SELECT s.value FROM safeguards s WHERE s.name = p_name ORDER BY s.id DESC LIMIT 1),
        CASE p_name WHEN 'cooling' THEN INTERVAL '72 hours'
                    WHEN 'clock_skew' THEN INTERVAL '5 minutes'
                    WHEN 'kept' THEN INTERVAL '7 days'
                    WHEN 'deposit_kept' THEN INTERVAL '30 days' END)
$$;

-- Set a safeguard; false if it has this value already. Only the owner may call it.
CREATE FUNCTION set_safeguard(p_name TEXT, p_value INTERVAL, p_who TEXT, p_why TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('safeguard/' || p_name, 0));
    IF safeguard(p_name) = p_value THEN
        RETURN FALSE;
    END IF;
    INSERT INTO safeguards (name, value, who, why) VALUES (p_name, p_value, p_who, p_why);
    RETURN TRUE;
END $$;

-- The caller's time, limited to this clock plus the allowed skew. For checks that a later time would pass.
CREATE FUNCTION bounded_now(p_now TIMESTAMPTZ) RETURNS TIMESTAMPTZ
LANGUAGE sql VOLATILE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT least(p_now, clock_timestamp() + safeguard('clock_skew'))
$$;

-- --- people -------------------------------------------------------------------------------------------------

-- A person by any spelling: without the role, spaces and case do not count. What takes two people compares these. The
-- database takes a caller's word for who a person is, but not one person's word under two spellings.
CREATE FUNCTION person_of(p_name TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT lower(regexp_replace(regexp_replace(
        normalize(p_name, NFKC), '^\s*(operator|reviewer|merchant|buyer|storefront|channel|carrier|rail|system)[\s:/]+', '',
        'i'), '[^[:alnum:]_-]', '', 'g'))
$$;

-- The second of two people comes in a transaction of their own, after the first one's request was kept.
CREATE FUNCTION refuse_in_one_breath(p_request TEXT, p_asked_in XID8) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    IF p_asked_in = pg_current_xact_id() THEN
        RAISE EXCEPTION 'request % is refused: one transaction asks and agrees', p_request
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

-- --- policies ------------------------------------------------------------------------------------------------

CREATE TABLE policies (
    content_hash  TEXT PRIMARY KEY,
    name          TEXT NOT NULL,
    text          TEXT NOT NULL,
    registered_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE policy_names (
    name         TEXT PRIMARY KEY,
    content_hash TEXT NOT NULL REFERENCES policies (content_hash)
);

-- Each change of a name. `from_hash` is null for a new name. `role` is the database role that made the change.
CREATE TABLE policy_moves (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      TEXT NOT NULL,
    from_hash TEXT REFERENCES policies (content_hash),
    to_hash   TEXT NOT NULL REFERENCES policies (content_hash),
    who       TEXT NOT NULL,
    why       TEXT NOT NULL,
    role      TEXT NOT NULL DEFAULT session_user,
    moved_at  TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT a_move_leads_elsewhere CHECK (from_hash IS DISTINCT FROM to_hash),
    CONSTRAINT moves_have_a_reason CHECK (length(why) BETWEEN 1 AND 500)
);

-- The history of one name; whether a name ever pointed to a text.
CREATE INDEX policy_moves_by_name ON policy_moves (name, to_hash);

CREATE TRIGGER policy_moves_are_only_added_to BEFORE UPDATE OR DELETE OR TRUNCATE ON policy_moves
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();

-- Store a text under its hash; a stored text is never replaced.
CREATE FUNCTION keep_policy(p_name TEXT, p_content_hash TEXT, p_text TEXT) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    INSERT INTO policies (content_hash, name, text) VALUES (p_content_hash, p_name, p_text)
    ON CONFLICT (content_hash) DO NOTHING;
    IF NOT EXISTS (SELECT FROM policies p WHERE p.content_hash = p_content_hash AND p.text = p_text) THEN
        RAISE EXCEPTION 'policy % has another text under this hash', p_content_hash USING ERRCODE = 'unique_violation';
    END IF;
END $$;

-- Point a new name to a text. False: the name exists already.
CREATE FUNCTION name_policy(p_name TEXT, p_content_hash TEXT, p_who TEXT, p_why TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    INSERT INTO policy_names (name, content_hash) VALUES (p_name, p_content_hash) ON CONFLICT (name) DO NOTHING;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    INSERT INTO policy_moves (name, to_hash, who, why) VALUES (p_name, p_content_hash, p_who, p_why);
    RETURN TRUE;
END $$;

-- Register a text. A new name points to it from now on; a known name stays as it is, so that a worker that starts with
-- old files undoes nothing. True if the name points to this text.
CREATE FUNCTION register_policy(p_name TEXT, p_content_hash TEXT, p_text TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    PERFORM keep_policy(p_name, p_content_hash, p_text);
    PERFORM name_policy(p_name, p_content_hash, session_user, 'the first of this name');
    RETURN EXISTS (SELECT FROM policy_names n WHERE n.name = p_name AND n.content_hash = p_content_hash);
END $$;

-- Point a name to a text. Returns the hash it pointed to before: null for a new name, the same hash if nothing changed.
-- Only the owner may call it. The cooling of the default policy becomes the safeguard of all accounts.
CREATE FUNCTION move_policy(
    p_name TEXT, p_content_hash TEXT, p_text TEXT, p_cooling INTERVAL, p_who TEXT, p_why TEXT
) RETURNS TEXT
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_before TEXT;
BEGIN
    PERFORM keep_policy(p_name, p_content_hash, p_text);
    IF NOT name_policy(p_name, p_content_hash, p_who, p_why) THEN
        SELECT n.content_hash INTO v_before FROM policy_names n WHERE n.name = p_name FOR UPDATE;
    END IF;
    IF v_before <> p_content_hash THEN
        UPDATE policy_names SET content_hash = p_content_hash WHERE name = p_name;
        INSERT INTO policy_moves (name, from_hash, to_hash, who, why)
        VALUES (p_name, v_before, p_content_hash, p_who, p_why);
    END IF;
    IF p_name = 'default' THEN
        PERFORM set_safeguard('cooling', p_cooling, p_who, p_why);
    END IF;
    RETURN v_before;
END $$;
