-- Reconciliation: the statements of rails and channels, and where they differ from our data.

-- The loads that brought something new. Two people withdraw a load that was a mistake; its lines are then kept here.
CREATE TABLE statement_loads (
    load_no      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope        TEXT NOT NULL,
    name         TEXT NOT NULL,
    loaded_at    TIMESTAMPTZ NOT NULL,
    lines        INT NOT NULL,
    asked_by     TEXT,
    asked_at     TIMESTAMPTZ,
    asked_in     XID8,
    reason       TEXT,
    withdrawn_by TEXT,
    withdrawn_at TIMESTAMPTZ,
    told         JSONB,
    CONSTRAINT a_load_is_withdrawn_by_two_people CHECK (
        withdrawn_by IS NULL OR (asked_by IS NOT NULL AND person_of(asked_by) <> person_of(withdrawn_by)))
);

-- A line is stored as the statement has it. Its id is the other side's own and is never used twice.
CREATE TABLE statement_lines (
    scope        TEXT NOT NULL,
    name         TEXT NOT NULL,
    line_id      TEXT COLLATE "C" NOT NULL,
    kind         TEXT NOT NULL,
    key          TEXT COLLATE "C",
    amount_minor BIGINT NOT NULL,
    fee_minor    BIGINT NOT NULL DEFAULT 0,
    currency     TEXT COLLATE "C" NOT NULL,
    at           TIMESTAMPTZ NOT NULL,
    reference    TEXT,
    event_id     TEXT,
    loaded_at    TIMESTAMPTZ NOT NULL,
    load_no      BIGINT REFERENCES statement_loads,
    CONSTRAINT a_line_is_stored_once PRIMARY KEY (scope, name, line_id),
    CONSTRAINT statement_scope_known CHECK (scope IN ('rail', 'channel')),
    CONSTRAINT statement_kind_known CHECK (
        (scope = 'rail' AND kind IN ('payout', 'return', 'funding'))
        OR (scope = 'channel' AND kind IN
            ('payment', 'refund', 'settlement', 'chargeback', 'chargeback_fee', 'chargeback_won'))),
    CONSTRAINT statement_amount_in_bounds CHECK (amount_minor BETWEEN 1 AND 1000000000000000),
    CONSTRAINT statement_fee_in_bounds CHECK (fee_minor BETWEEN 0 AND amount_minor)
);

-- For the lines of one load.
CREATE INDEX statement_lines_by_load ON statement_lines (load_no);

-- For the lines about one payout, refund, payment or settlement.
CREATE INDEX statement_lines_by_key ON statement_lines (scope, name, key);

-- Periods that statements cover completely: only there a missing line means something.
CREATE TABLE statement_periods (
    scope     TEXT NOT NULL,
    name      TEXT NOT NULL,
    since     TIMESTAMPTZ NOT NULL,
    until     TIMESTAMPTZ NOT NULL,
    loaded_at TIMESTAMPTZ NOT NULL,
    load_no   BIGINT REFERENCES statement_loads,
    PRIMARY KEY (scope, name, since, until),
    CONSTRAINT a_period_has_a_length CHECK (since < until)
);

-- Every break that was found. It is open until a later run no longer finds it.
CREATE TABLE reconciliation_breaks (
    break_id      TEXT COLLATE "C" PRIMARY KEY,
    scope         TEXT NOT NULL,
    name          TEXT NOT NULL,
    reason        TEXT NOT NULL,
    body          JSONB NOT NULL,
    first_seen_at TIMESTAMPTZ NOT NULL,
    last_seen_at  TIMESTAMPTZ NOT NULL,
    resolved_at   TIMESTAMPTZ
);

-- For the list of open breaks.
CREATE INDEX open_breaks ON reconciliation_breaks (scope, name) WHERE resolved_at IS NULL;

-- The last run of each comparison.
CREATE TABLE reconciliation_runs (
    scope  TEXT NOT NULL,
    name   TEXT NOT NULL,
    ran_at TIMESTAMPTZ NOT NULL,
    ours   INT NOT NULL,
    theirs INT NOT NULL,
    breaks INT NOT NULL,
    PRIMARY KEY (scope, name)
);

-- The distinct lines of a statement.
CREATE FUNCTION told_lines(p_lines JSONB) RETURNS TABLE (
    line_id TEXT, kind TEXT, key TEXT, amount_minor BIGINT, fee_minor BIGINT, currency TEXT, at TIMESTAMPTZ,
    reference TEXT, event_id TEXT
) LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT DISTINCT r.line_id, r.kind, r.key, r.amount_minor, coalesce(r.fee_minor, 0), r.currency, r.at, r.reference,
                    r.event_id
    FROM jsonb_to_recordset(p_lines) AS r (
        line_id TEXT, kind TEXT, key TEXT, amount_minor BIGINT, fee_minor BIGINT, currency TEXT, at TIMESTAMPTZ,
        reference TEXT, event_id TEXT)
$$;

-- Store a statement, all of it or nothing. `added` counts the new lines. If lines with a known id have other content,
-- `different` has their ids and nothing is stored.
CREATE FUNCTION load_statement(
    p_scope TEXT, p_name TEXT, p_lines JSONB, p_since TIMESTAMPTZ, p_until TIMESTAMPTZ, p_now TIMESTAMPTZ
) RETURNS TABLE (added INT, different TEXT[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_load BIGINT;
    v_new  INT;
BEGIN
    -- One statement at a time for a rail or channel.
    PERFORM pg_advisory_xact_lock(hashtextextended('statement/' || p_scope || '/' || p_name, 0));
    SELECT array_agg(DISTINCT d.line_id ORDER BY d.line_id) INTO different
    FROM (
        SELECT t.line_id FROM told_lines(p_lines) AS t GROUP BY t.line_id HAVING count(*) > 1
        UNION
        SELECT t.line_id FROM told_lines(p_lines) AS t JOIN statement_lines s
            ON s.scope = p_scope AND s.name = p_name AND s.line_id = t.line_id
        WHERE (s.kind, s.key, s.amount_minor, s.fee_minor, s.currency, s.at, s.reference, s.event_id)
            IS DISTINCT FROM
              (t.kind, t.key, t.amount_minor, t.fee_minor, t.currency, t.at, t.reference, t.event_id)
    ) AS d;
    added := 0;
    IF different IS NULL THEN
        INSERT INTO statement_loads (scope, name, loaded_at, lines) VALUES (p_scope, p_name, p_now, 0)
        RETURNING load_no INTO v_load;
        INSERT INTO statement_lines (scope, name, line_id, kind, key, amount_minor, fee_minor, currency, at, reference,
                                     event_id, loaded_at, load_no)
        SELECT p_scope, p_name, t.line_id, t.kind, t.key, t.amount_minor, t.fee_minor, t.currency, t.at, t.reference,
               t.event_id, p_now, v_load
        FROM told_lines(p_lines) AS t
        ON CONFLICT ON CONSTRAINT a_line_is_stored_once DO NOTHING;
        GET DIAGNOSTICS added = ROW_COUNT;
        v_new := added;
        IF p_since < p_until THEN
            INSERT INTO statement_periods (scope, name, since, until, loaded_at, load_no)
            VALUES (p_scope, p_name, p_since, p_until, p_now, v_load)
            ON CONFLICT DO NOTHING;
            v_new := v_new + FOUND::INT;
        END IF;
        IF v_new = 0 THEN
            DELETE FROM statement_loads l WHERE l.load_no = v_load;
        ELSE
            UPDATE statement_loads l
            SET lines = added,
                moved = (SELECT coalesce(jsonb_object_agg(s.currency, s.minor), '{}')
                         FROM (SELECT n.currency, sum(stated_cash(n.kind, n.amount_minor)) AS minor
                               FROM statement_lines n WHERE n.load_no = v_load GROUP BY n.currency) AS s)
            WHERE l.load_no = v_load;
        END IF;
    END IF;
    RETURN NEXT;
END $$;

-- Withdraw a load: the first person asks, a second one confirms. Answers `asked`, `withdrawn`, `same_person`, `already`,
-- `access_ended` or `unknown`. A first word does not count once its person's access has ended. Movements that were booked because of its lines stay booked; the next run of the comparison reports
-- them.
CREATE FUNCTION withdraw_load(p_load BIGINT, p_by TEXT, p_reason TEXT, p_now TIMESTAMPTZ) RETURNS TEXT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_load statement_loads%ROWTYPE;
BEGIN
    SELECT * INTO v_load FROM statement_loads l WHERE l.load_no = p_load FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    ELSIF v_load.withdrawn_at IS NOT NULL THEN
        RETURN 'already';
    ELSIF NOT may_decide(p_by) THEN
        RETURN 'access_ended';
    ELSIF v_load.asked_by IS NULL OR NOT may_decide(v_load.asked_by) THEN
        UPDATE statement_loads l
        SET asked_by = p_by, asked_at = p_now, asked_in = pg_current_xact_id(), reason = p_reason
        WHERE l.load_no = p_load;
        RETURN 'asked';
    ELSIF person_of(v_load.asked_by) = person_of(p_by) THEN
        RETURN 'same_person';
    END IF;
    PERFORM refuse_in_one_breath('load ' || p_load, v_load.asked_in);
    UPDATE statement_loads l
    SET withdrawn_by = p_by, withdrawn_at = p_now,
        told = (SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.line_id), '[]')
                FROM statement_lines s WHERE s.load_no = p_load)
    WHERE l.load_no = p_load;
    DELETE FROM statement_lines s WHERE s.load_no = p_load;
    DELETE FROM statement_periods s WHERE s.load_no = p_load;
    -- The next run finds the breaks that remain.
    UPDATE reconciliation_breaks b SET resolved_at = p_now
    WHERE b.scope = v_load.scope AND b.name = v_load.name AND b.resolved_at IS NULL;
    RETURN 'withdrawn';
END $$;

-- Book what a channel settled, at most what it holds by the books. Its account is summed once a call and currency,
-- under a lock; each settlement leaves less for those after it. Arguments and answers are those of `post`. A settlement
-- that takes more than is held is left out, and does not stop the others.
CREATE FUNCTION post_settlements(
    p_channel TEXT, p_references TEXT[], p_currencies TEXT[], p_occurred_at TIMESTAMPTZ[],
    p_leg_of INT[], p_debits TEXT[], p_credits TEXT[], p_amounts BIGINT[]
) RETURNS TABLE (outcome TEXT, account TEXT, short_by BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
SET random_page_cost = 4 AS $$
DECLARE
    v_path     TEXT := 'psp/' || p_channel;
    v_count    INT := cardinality(p_references);
    v_outcomes TEXT[] := array_fill(NULL::TEXT, ARRAY[v_count]);
    v_accounts TEXT[] := array_fill(NULL::TEXT, ARRAY[v_count]);
    v_shorts   BIGINT[] := array_fill(NULL::BIGINT, ARRAY[v_count]);
    -- The rest that each currency holds; which settlements go to `post`, and the position of each there.
    v_held     JSONB := '{}';
    v_indexes  INT[] := '{}';
    v_at       INT[] := array_fill(NULL::INT, ARRAY[v_count]);
    v_seen     TEXT[] := '{}';
    v_takes    BIGINT;
    v_left     BIGINT;
    v_currency TEXT;
    v_row      RECORD;
    v_given    RECORD;
    v_written  RECORD;
BEGIN
    FOR v_row IN SELECT r.reference FROM unnest(p_references) AS r (reference)
                 WHERE starts_with(r.reference, v_path || '/settlement/') IS NOT TRUE LOOP
        RAISE EXCEPTION 'movement % is refused: it is no settlement of this channel', v_row.reference
            USING ERRCODE = 'insufficient_privilege';
    END LOOP;
    -- In one order, so that two calls cannot deadlock.
    FOR v_currency IN SELECT DISTINCT c.code COLLATE "C" AS code FROM unnest(p_currencies) AS c (code) ORDER BY code LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended('settlement/' || p_channel || '/' || v_currency, 0));
        -- What it held at the last seal, and all that was booked since. Asked for by account, its transfers are as many as
        -- there are payments.
        SELECT coalesce((SELECT c.balance_minor FROM closings c WHERE c.account_id = a.id ORDER BY c.number DESC LIMIT 1), 0)
               + coalesce((SELECT sum(CASE a.id WHEN t.debit_account THEN t.amount_minor
                                                WHEN t.credit_account THEN -t.amount_minor END)
                           FROM transfers t WHERE t.movement_id > l.movement), 0)
        INTO v_left
        FROM accounts a
        CROSS JOIN (SELECT coalesce(max(s.last_movement), 0) AS movement FROM seals s) AS l
        WHERE a.path = v_path AND a.currency = v_currency;
        v_held := v_held || jsonb_build_object(v_currency, coalesce(v_left, 0));
    END LOOP;

    FOR v_row IN
        SELECT r.n, r.reference, r.currency, EXISTS (SELECT FROM movements m WHERE m.reference = r.reference) AS stands,
               (SELECT coalesce(sum(l.amount), 0) FROM unnest(p_leg_of, p_amounts) AS l (of, amount)
                WHERE l.of = r.n) AS taken
        FROM unnest(p_references, p_currencies) WITH ORDINALITY AS r (reference, currency, n)
        ORDER BY r.n
    LOOP
        -- A reference that is in the books, or earlier in this array, takes nothing more: `post` answers `exists` or
        -- `conflict`.
        v_takes := CASE WHEN v_row.stands OR v_row.reference = ANY (v_seen) THEN 0 ELSE v_row.taken END;
        v_left := (v_held ->> v_row.currency)::BIGINT - v_takes;
        IF v_takes > 0 AND v_left < 0 THEN
            v_outcomes[v_row.n] := 'insufficient_funds';
            v_accounts[v_row.n] := v_path;
            v_shorts[v_row.n] := -v_left;
        ELSE
            v_held := v_held || jsonb_build_object(v_row.currency, v_left);
            v_indexes := array_append(v_indexes, v_row.n::INT);
            v_at[v_row.n] := cardinality(v_indexes);
            v_seen := array_append(v_seen, v_row.reference);
        END IF;
    END LOOP;

    SELECT * INTO v_given FROM (
        SELECT array_agg(p_references[i.i] ORDER BY i.n) AS refs, array_agg(p_currencies[i.i] ORDER BY i.n) AS codes,
               array_agg(p_occurred_at[i.i] ORDER BY i.n) AS times, array_fill(NULL::TEXT, ARRAY[count(*)::INT]) AS none
        FROM unnest(v_indexes) WITH ORDINALITY AS i (i, n)
    ) AS m CROSS JOIN (
        SELECT coalesce(array_agg(v_at[l.of] ORDER BY l.n), '{}') AS leg_of,
               array_agg(l.debit ORDER BY l.n) AS debits, array_agg(l.credit ORDER BY l.n) AS credits,
               array_agg(l.amount ORDER BY l.n) AS amounts
        FROM unnest(p_leg_of, p_debits, p_credits, p_amounts) WITH ORDINALITY AS l (of, debit, credit, amount, n)
        WHERE v_at[l.of] IS NOT NULL
    ) AS g;
    IF v_given.refs IS NOT NULL THEN
        v_written := write_movements(
            v_given.refs, v_given.codes, v_given.times, v_given.none, v_given.none, v_given.leg_of, v_given.debits,
            v_given.credits, v_given.amounts);
        FOR v_n IN 1..cardinality(v_indexes) LOOP
            v_outcomes[v_indexes[v_n]] := v_written.outcomes[v_n];
            v_accounts[v_indexes[v_n]] := v_written.accounts[v_n];
            v_shorts[v_indexes[v_n]] := v_written.shorts[v_n];
        END LOOP;
        PERFORM refuse_unlawful_of(
            v_given.refs, v_given.codes, v_given.none, v_written.outcomes, v_given.leg_of, v_given.debits, v_given.credits,
            v_given.amounts, v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
    END IF;
    RETURN QUERY SELECT * FROM unnest(v_outcomes, v_accounts, v_shorts);
END $$;

-- Keep what a run of a comparison found; returns the ids of the breaks that are new or back. A run older than the last
-- one changes nothing.
CREATE FUNCTION record_breaks(
    p_scope TEXT, p_name TEXT, p_breaks JSONB, p_ours INT, p_theirs INT, p_now TIMESTAMPTZ
) RETURNS TEXT[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_subject TEXT := 'reconciliation/' || p_scope || '/' || p_name;
    v_seq     INT;
    v_new     TEXT[];
    v_notices JSONB;
    -- A run from the future would silence all that come after it.
    v_now     TIMESTAMPTZ := bounded_now(p_now);
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(v_subject, 0));
    IF EXISTS (SELECT FROM reconciliation_runs r WHERE r.scope = p_scope AND r.name = p_name AND r.ran_at > v_now) THEN
        RETURN '{}';
    END IF;
    INSERT INTO reconciliation_runs (scope, name, ran_at, ours, theirs, breaks)
    VALUES (p_scope, p_name, v_now, p_ours, p_theirs, jsonb_array_length(p_breaks))
    ON CONFLICT (scope, name) DO UPDATE
    SET ran_at = excluded.ran_at, ours = excluded.ours, theirs = excluded.theirs, breaks = excluded.breaks;

    SELECT coalesce(max(n.seq), 0) INTO v_seq FROM notices n WHERE n.subject = v_subject;
    SELECT coalesce(array_agg(f.id ORDER BY f.n), '{}'), jsonb_agg(jsonb_build_object(
        'seq', v_seq + f.n, 'to', 'operator', 'name', 'break_found', 'at', v_now,
        'facts', jsonb_strip_nulls(jsonb_build_object(
            'reason', f.body ->> 'reason', 'kind', f.body ->> 'kind', 'key', f.body ->> 'key',
            'about', f.body ->> 'subject', 'ours_minor', f.body ->> 'ours_minor',
            'theirs_minor', f.body ->> 'theirs_minor',
            'currency', coalesce(f.body ->> 'theirs_currency', f.body ->> 'ours_currency')))) ORDER BY f.n)
    INTO v_new, v_notices
    FROM (SELECT k.body, k.body ->> 'break_id' AS id, row_number() OVER (ORDER BY k.body ->> 'break_id') AS n
          FROM jsonb_array_elements(p_breaks) AS k (body)
          WHERE NOT EXISTS (SELECT FROM reconciliation_breaks b
                            WHERE b.break_id = k.body ->> 'break_id' AND b.resolved_at IS NULL)) AS f;
    INSERT INTO reconciliation_breaks (break_id, scope, name, reason, body, first_seen_at, last_seen_at)
    SELECT f.body ->> 'break_id', p_scope, p_name, f.body ->> 'reason', f.body, v_now, v_now
    FROM jsonb_array_elements(p_breaks) AS f (body)
    ON CONFLICT (break_id) DO UPDATE
    SET body = excluded.body, last_seen_at = excluded.last_seen_at, resolved_at = NULL;
    -- NOT IN is a look into a hash. After an outage there are tens of thousands, and an anti-join may compare each with all.
    UPDATE reconciliation_breaks b SET resolved_at = v_now
    WHERE b.scope = p_scope AND b.name = p_name AND b.resolved_at IS NULL
      AND b.break_id NOT IN (SELECT f.body ->> 'break_id' FROM jsonb_array_elements(p_breaks) AS f (body));
    IF v_notices IS NOT NULL THEN
        PERFORM add_notices(v_subject, v_notices);
    END IF;
    RETURN v_new;
END $$;
