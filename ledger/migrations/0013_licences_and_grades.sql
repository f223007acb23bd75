-- What the platform knows of merchants: licences, which let them sell goods that need one, and grades. Only added to.

-- The last word on a licence counts.
CREATE TABLE licence_moves (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    licence     TEXT NOT NULL,
    what        TEXT NOT NULL,
    -- The certificate's own number.
    number      TEXT,
    -- Null: it ends when it is withdrawn.
    valid_until TIMESTAMPTZ,
    role        TEXT NOT NULL,
    who         TEXT NOT NULL,
    why         TEXT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    CONSTRAINT licence_move_known CHECK (what IN ('noted', 'withdrawn')),
    CONSTRAINT licensed_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT licence_form CHECK (licence ~ '^[a-z][a-z0-9_]{0,39}$'),
    CONSTRAINT a_noted_licence_has_a_number CHECK ((what = 'noted') = (number IS NOT NULL)),
    CONSTRAINT licence_moves_have_a_reason CHECK (length(why) BETWEEN 1 AND 500),
    CONSTRAINT people_of_the_platform_note_licences CHECK (role IN ('operator', 'reviewer'))
);

-- The last word on each licence of a merchant.
CREATE INDEX licence_moves_by_merchant ON licence_moves (merchant_id, licence, id);

CREATE TRIGGER licence_moves_are_only_added_to
    BEFORE UPDATE OR DELETE OR TRUNCATE ON licence_moves
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();

-- The licences that merchants have, with their last word; those that were withdrawn are not among them.
CREATE VIEW licences AS
SELECT m.merchant_id, m.licence, m.number, m.valid_until, m.role, m.who, m.why, m.at
FROM licence_moves m
WHERE m.what = 'noted' AND NOT EXISTS (
    SELECT FROM licence_moves l WHERE l.merchant_id = m.merchant_id AND l.licence = m.licence AND l.id > m.id
);

-- Note a licence, or withdraw it. False: it is so already, and nothing is added. The lock makes two at once one by one.
CREATE FUNCTION move_licence(
    p_merchant_id TEXT, p_licence TEXT, p_what TEXT, p_number TEXT, p_valid_until TIMESTAMPTZ,
    p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_last licence_moves%ROWTYPE;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('licence/' || p_merchant_id || '/' || p_licence, 0));
    SELECT * INTO v_last FROM licence_moves l
    WHERE l.merchant_id = p_merchant_id AND l.licence = p_licence ORDER BY l.id DESC LIMIT 1;
    IF coalesce(v_last.what, 'withdrawn') = p_what AND v_last.number IS NOT DISTINCT FROM p_number
       AND v_last.valid_until IS NOT DISTINCT FROM p_valid_until THEN
        RETURN FALSE;
    END IF;
    INSERT INTO licence_moves (merchant_id, licence, what, number, valid_until, role, who, why, at)
    VALUES (p_merchant_id, p_licence, p_what, p_number, p_valid_until, p_role, p_who, p_why, p_now);
    RETURN TRUE;
END $$;

-- --- grades --------------------------------------------------------------------------------------------------

-- Grades of merchants, by which a policy may have other terms. Only added to; the last one counts, null is none.
CREATE TABLE grade_moves (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    grade       TEXT,
    role        TEXT NOT NULL,
    who         TEXT NOT NULL,
    why         TEXT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT graded_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT grade_form CHECK (grade ~ '^[a-z0-9_-]{1,40}$'),
    CONSTRAINT grade_moves_have_a_reason CHECK (length(why) BETWEEN 1 AND 500),
    CONSTRAINT operators_grade_merchants CHECK (role = 'operator')
);

-- A merchant's last grade.
CREATE INDEX grade_moves_by_merchant ON grade_moves (merchant_id, id);

CREATE TRIGGER grade_moves_are_only_added_to
    BEFORE UPDATE OR DELETE OR TRUNCATE ON grade_moves
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();

-- Give a merchant a grade, or none: that changes terms, and is for the owner alone. False: it has that one already. The lock makes two at once one by one.
CREATE FUNCTION move_grade(
    p_merchant_id TEXT, p_grade TEXT, p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_last TEXT;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('grade/' || p_merchant_id, 0));
    SELECT g.grade INTO v_last FROM grade_moves g WHERE g.merchant_id = p_merchant_id ORDER BY g.id DESC LIMIT 1;
    IF v_last IS NOT DISTINCT FROM p_grade THEN
        RETURN FALSE;
    END IF;
    INSERT INTO grade_moves (merchant_id, grade, role, who, why, at)
    VALUES (p_merchant_id, p_grade, p_role, p_who, p_why, p_now);
    RETURN TRUE;
END $$;
