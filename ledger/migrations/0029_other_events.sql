-- The events of withdrawals, accounts, merchants and reconciliation; and notices, which are events with a recipient.

-- --- what changed between two states of a withdrawal ---------------------------------------------------------

CREATE FUNCTION payout_events(p_old JSONB, p_new JSONB) RETURNS TABLE (type TEXT, data JSONB)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT 'payout.' || t.word, jsonb_build_object('attempt', c.new -> 'number', 'rail', c.new -> 'rail') || t.facts
    FROM (
        SELECT n.n, n.body AS new, o.body AS old
        FROM jsonb_path_query(p_new -> 'attempts', '$[*]') WITH ORDINALITY AS n (body, n)
        LEFT JOIN jsonb_path_query(p_old -> 'attempts', '$[*]') AS o (body) ON o.body -> 'number' = n.body -> 'number'
    ) AS c
    CROSS JOIN LATERAL (VALUES
        (1, 'opened', c.old IS NULL, '{}'::JSONB),
        (2, c.new ->> 'outcome', c.new ->> 'outcome' <> coalesce(c.old ->> 'outcome', 'open'), jsonb_build_object(
            'code', c.new #> '{failure,code}', 'previous', jsonb_build_object('outcome', c.old -> 'outcome')))
    ) AS t (n, word, happened, facts)
    WHERE t.happened
    UNION ALL
    SELECT 'payout.returned', jsonb_build_object('returned_minor', p_new #> '{returns_minor,-1}')
    WHERE p_new #> '{returns_minor,-1}' IS NOT NULL
      AND p_new -> 'returns_minor' IS DISTINCT FROM p_old -> 'returns_minor';
END $$;

CREATE FUNCTION withdrawal_changes(p_old withdrawals, p_new withdrawals) RETURNS TABLE (type TEXT, data JSONB)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_first BOOLEAN := coalesce(p_old.revision, -1) < 0;
    v_phase TEXT := CASE WHEN v_first THEN 'requested' ELSE p_old.state_name END;
    o       JSONB := p_old.state;
    n       JSONB := p_new.state;
BEGIN
    IF v_first THEN
        RETURN QUERY SELECT 'withdrawal.requested', '{}'::JSONB;
    END IF;
    RETURN QUERY SELECT * FROM payout_events(o, n);
    IF n -> 'holds' IS DISTINCT FROM o -> 'holds' THEN
        RETURN QUERY SELECT * FROM hold_events('withdrawal', o -> 'holds', n -> 'holds');
    END IF;
    RETURN QUERY
    SELECT 'deadline.changed', jsonb_build_object('deadline', c.name, 'old', o -> c.name, 'new', n -> c.name)
    FROM unnest(ARRAY['approve_by', 'not_before', 'suspense_until', 'watch_until']) AS c (name)
    WHERE nullif(o -> c.name, 'null') <> nullif(n -> c.name, 'null');
    RETURN QUERY
    SELECT t.type, t.facts
    FROM (VALUES
        (1, 'withdrawal.approval', n #> '{approvals,-1}' IS NOT NULL
                                   AND n -> 'approvals' IS DISTINCT FROM o -> 'approvals', jsonb_build_object(
            'approvals', jsonb_path_query_array(n, '$.approvals.size()') -> 0)),
        (2, 'withdrawal.' || p_new.state_name, p_new.state_name <> v_phase, jsonb_build_object(
            'previous', jsonb_build_object('phase', CASE WHEN NOT v_first THEN v_phase END))),
        (3, 'withdrawal.closed', p_new.closed AND NOT coalesce(p_old.closed, FALSE), '{}'),
        (4, 'withdrawal.reopened', p_old.closed AND NOT p_new.closed, '{}')
    ) AS t (n, type, happened, facts)
    WHERE t.happened ORDER BY t.n;
END $$;

-- No further processes, one plan a session: the planner guesses a thousand elements for each array of a state.
CREATE FUNCTION add_withdrawal_events() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp
SET max_parallel_workers_per_gather = 0 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_now JSONB := event_cause(OLD.state, NEW.state) || jsonb_build_object(
        'phase', NEW.state_name, 'amount_minor', NEW.amount_minor, 'currency', NEW.currency,
        'account_id', NEW.account_id,
        'next_deadline', NEW.next_deadline_name, 'next_deadline_at', event_time(NEW.next_deadline_at));
BEGIN
    PERFORM add_events('withdrawal/' || NEW.withdrawal_id, NEW.merchant_id, NEW.recorded_at,
        jsonb_agg(jsonb_build_object('type', c.type, 'data', jsonb_strip_nulls(v_now || c.data))))
    FROM withdrawal_changes(OLD, NEW) AS c;
    RETURN NULL;
END $$;

CREATE TRIGGER a_new_withdrawal_has_its_events AFTER INSERT ON withdrawals
    FOR EACH ROW WHEN (NEW.revision >= 0) EXECUTE FUNCTION add_withdrawal_events();
CREATE TRIGGER a_withdrawal_has_its_events AFTER UPDATE OF revision, state, state_name, closed ON withdrawals
    FOR EACH ROW WHEN (NEW.revision <> OLD.revision) EXECUTE FUNCTION add_withdrawal_events();

-- --- notices, accounts, merchants, reconciliation ------------------------------------------------------------

-- The merchant whose subject it is; null where it is none's.
CREATE FUNCTION merchant_of_subject(p_subject TEXT) RETURNS TEXT
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_id CONSTANT TEXT := split_part(p_subject, '/', 2);
BEGIN
    RETURN CASE split_part(p_subject, '/', 1)
        WHEN 'order' THEN (SELECT o.merchant_id FROM orders o WHERE o.order_id = v_id)
        WHEN 'withdrawal' THEN (SELECT w.merchant_id FROM withdrawals w WHERE w.withdrawal_id = v_id)
        WHEN 'merchant' THEN v_id END;
END $$;

-- A notice is an event with a recipient, at the notice's position. A merchant sees those to merchants only.
CREATE FUNCTION add_notice_events() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp
SET max_parallel_workers_per_gather = 0 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_notice    RECORD;
    v_last      INT := 0;
    v_position  BIGINT;
    v_subjects  TEXT[] := '{}';
    v_merchants TEXT[] := '{}';
    v_events    JSONB[] := '{}';
    v_of_one    JSONB[];
BEGIN
    FOR v_notice IN
        SELECT a.subject, a.position, a.merchant_id, jsonb_build_object(
            'type', 'notice.' || a.name, 'at', a.at, 'data', jsonb_build_object('to', a.recipient, 'facts', a.facts))
            || CASE WHEN a.recipient <> 'merchant' THEN '{"merchant_id": null}'::JSONB ELSE '{}' END AS event
        FROM added a ORDER BY a.subject, a.seq
    LOOP
        IF v_last = 0 OR v_subjects[v_last] <> v_notice.subject THEN
            IF v_last > 0 THEN
                v_events[v_last] := to_jsonb(v_of_one);
            END IF;
            v_last := v_last + 1;
            v_subjects[v_last] := v_notice.subject;
            v_merchants[v_last] := NULL;
            v_of_one := '{}';
        END IF;
        v_merchants[v_last] := coalesce(v_merchants[v_last], v_notice.merchant_id);
        v_of_one := array_append(v_of_one, v_notice.event); -- in place; a JSONB is copied whole at each
        v_position := v_notice.position; -- one transaction has one
    END LOOP;
    IF v_last > 0 THEN -- a notice that was there before is no event
        v_events[v_last] := to_jsonb(v_of_one);
        PERFORM add_events_of(v_position, v_subjects, v_merchants, NULL, NULL, v_events);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER notices_are_events AFTER INSERT ON notices REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION add_notice_events();

CREATE FUNCTION add_account_events() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    PERFORM add_events(
        coalesce('account/' || NEW.account_id, 'merchant/' || NEW.merchant_id), NEW.merchant_id, NEW.at,
        jsonb_build_array(jsonb_build_object(
            'type', CASE WHEN NEW.account_id IS NULL THEN 'merchant.' ELSE 'account.' END || NEW.what,
            'data', jsonb_strip_nulls(jsonb_build_object(
                'by', NEW.role, 'version', NEW.version, 'kind', v.kind, 'currency', v.currency, 'rail', v.rail,
                'cooling_until', event_time(v.cooling_until))))))
    FROM (SELECT) AS once
    LEFT JOIN payout_account_versions v ON v.account_id = NEW.account_id AND v.version = NEW.version;
    RETURN NULL;
END $$;

CREATE TRIGGER a_change_of_an_account_is_an_event AFTER INSERT ON payout_account_changes
    FOR EACH ROW EXECUTE FUNCTION add_account_events();

-- A penny drop's amount is left out: it is what the merchant must find out.
CREATE FUNCTION add_drop_events() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    PERFORM add_events(
        'account/' || NEW.account_id,
        (SELECT a.merchant_id FROM payout_accounts a WHERE a.account_id = NEW.account_id), NEW.updated_at,
        jsonb_build_array(jsonb_build_object('type', 'account.drop_' || NEW.state, 'data', jsonb_build_object(
            'version', NEW.version, 'drop_no', NEW.drop_no, 'previous', jsonb_build_object('drop', OLD.state)))));
    RETURN NULL;
END $$;

CREATE TRIGGER a_drop_has_its_events AFTER UPDATE OF state ON account_drops
    FOR EACH ROW WHEN (NEW.state <> OLD.state) EXECUTE FUNCTION add_drop_events();

-- What the platform decided about a merchant. `what` is the name of the thing that is now another.
CREATE FUNCTION add_merchant_event(
    p_merchant_id TEXT, p_type TEXT, p_role TEXT, p_at TIMESTAMPTZ, p_facts JSONB
) RETURNS VOID
LANGUAGE sql SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT add_events('merchant/' || p_merchant_id, p_merchant_id, p_at, jsonb_build_array(jsonb_build_object(
        'type', 'merchant.' || p_type, 'data', jsonb_strip_nulls(jsonb_build_object('by', p_role) || p_facts))))
$$;

CREATE FUNCTION add_merchant_events() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'merchant_moves' THEN
        PERFORM add_merchant_event(NEW.merchant_id, CASE
            WHEN NEW.what IN ('frozen', 'suspended', 'leaving')
            THEN CASE WHEN NEW.value IS NULL THEN 'no_longer_' ELSE '' END || NEW.what
            ELSE 'terms_changed' END, NEW.role, NEW.at, jsonb_build_object(
                'what', CASE WHEN NEW.what NOT IN ('frozen', 'suspended', 'leaving') THEN NEW.what END,
                'value', CASE WHEN NEW.what NOT IN ('frozen', 'suspended', 'leaving') THEN NEW.value END));
    ELSIF TG_TABLE_NAME = 'grade_moves' THEN
        PERFORM add_merchant_event(NEW.merchant_id, 'grade_changed', NEW.role, NEW.at, jsonb_build_object(
            'grade', NEW.grade));
    ELSIF TG_TABLE_NAME = 'licence_moves' THEN
        PERFORM add_merchant_event(NEW.merchant_id, 'licence_' || NEW.what, NEW.role, NEW.at, jsonb_build_object(
            'licence', NEW.licence, 'valid_until', event_time(NEW.valid_until)));
    ELSIF NEW.merchant_id IS NOT NULL THEN
        PERFORM add_merchant_event(NEW.merchant_id, 'deposit_required', NEW.role, NEW.at, jsonb_build_object(
            'currency', NEW.currency, 'required_minor', NEW.required_minor));
    ELSE
        PERFORM add_events('grade/' || NEW.grade, NULL, NEW.at, jsonb_build_array(jsonb_build_object(
            'type', 'grade.deposit_required', 'data', jsonb_strip_nulls(jsonb_build_object(
                'by', NEW.role, 'currency', NEW.currency, 'required_minor', NEW.required_minor)))));
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER a_decision_about_a_merchant_is_an_event AFTER INSERT ON merchant_moves
    FOR EACH ROW EXECUTE FUNCTION add_merchant_events();
CREATE TRIGGER a_grade_is_an_event AFTER INSERT ON grade_moves
    FOR EACH ROW EXECUTE FUNCTION add_merchant_events();
CREATE TRIGGER a_licence_is_an_event AFTER INSERT ON licence_moves
    FOR EACH ROW EXECUTE FUNCTION add_merchant_events();
CREATE TRIGGER a_required_deposit_is_an_event AFTER INSERT ON deposit_moves
    FOR EACH ROW EXECUTE FUNCTION add_merchant_events();

-- A break that is found, comes back, or is gone.
-- Once a statement: numbering thousands of events one by one makes as many versions of the row that holds the last number,
-- and each is looked for behind all those before it.
CREATE FUNCTION add_break_events() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp SET enable_nestloop = off AS $$
DECLARE
    v_changed reconciliation_breaks[];
    v_told    RECORD;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(ROW(a.*)::reconciliation_breaks) INTO v_changed FROM after a;
    ELSE
        SELECT array_agg(ROW(a.*)::reconciliation_breaks) INTO v_changed
        FROM after a JOIN before b USING (break_id) WHERE a.resolved_at IS DISTINCT FROM b.resolved_at;
    END IF;
    FOR v_told IN
        SELECT concat_ws('/', 'reconciliation', c.scope, c.name) AS subject,
               max(coalesce(c.resolved_at, c.last_seen_at)) AS at,
               jsonb_agg(jsonb_build_object(
                   'type', 'reconciliation.break_' || CASE WHEN c.resolved_at IS NULL THEN 'found' ELSE 'resolved' END,
                   'data', jsonb_strip_nulls(jsonb_build_object(
                       'scope', c.scope, 'name', c.name, 'break_id', c.break_id, 'reason', c.reason,
                       'kind', c.body -> 'kind', 'about', c.body -> 'subject', 'ours_minor', c.body -> 'ours_minor',
                       'theirs_minor', c.body -> 'theirs_minor', 'currency', coalesce(
                           nullif(c.body -> 'theirs_currency', 'null'), c.body -> 'ours_currency'))))
                   ORDER BY c.break_id) AS events
        FROM unnest(v_changed) AS c GROUP BY 1 ORDER BY 1
    LOOP
        PERFORM add_events(v_told.subject, NULL, v_told.at, v_told.events);
    END LOOP;
    RETURN NULL;
END $$;

CREATE TRIGGER a_new_break_is_an_event AFTER INSERT ON reconciliation_breaks
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION add_break_events();
CREATE TRIGGER a_break_that_comes_back_or_goes_is_an_event AFTER UPDATE ON reconciliation_breaks
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION add_break_events();
