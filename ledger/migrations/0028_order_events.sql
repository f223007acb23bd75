-- The events of an order: what changed between the state that the register has and the one that follows it.

-- A state is what a record keeps. These functions compare the one that the register has with the one that follows, so
-- that a record which comes twice, late or from a rescue tells each change once. They cast nothing: an odd state must
-- not stop the money whose record it is.
--
-- Every record runs them, and changes one part or two. What changes often is compared by plain PL/pgSQL, whose expressions
-- start once a transaction; a query starts each time, which took most of the time. They look where their caller looks:
-- a path of their own would be set at each call. An event is `{type, data}`.

-- Why a state is another: the last line of its journal that took effect, unless the state before had it.
CREATE FUNCTION event_cause(p_old JSONB, p_new JSONB) RETURNS JSONB
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_line JSONB := p_new #> '{inbox,journal,-1}';
BEGIN
    IF v_line ->> 'outcome' IN ('accepted', 'noted') AND v_line -> 'seq' > coalesce(p_old #> '{inbox,seq}', '0') THEN
        RETURN jsonb_build_object('because', v_line -> 'verb', 'by', v_line #> '{actor,role}');
    END IF;
    RETURN '{}';
END $$;

CREATE FUNCTION event_of(p_type TEXT, p_data JSONB) RETURNS JSONB LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('type', p_type, 'data', p_data)
$$;

-- The parcels of a state, as an array; those of an after-sale case stand in it, on their way back or to the buyer again,
-- and say which case that is.
CREATE FUNCTION parcels_in(p_state JSONB) RETURNS JSONB
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_parcels JSONB := coalesce(jsonb_path_query_array(p_state, '$.parcels[*]'), '[]');
BEGIN
    IF p_state #> '{cases,0}' IS NULL THEN
        RETURN v_parcels;
    END IF;
    RETURN v_parcels || coalesce((
        SELECT jsonb_agg(c.body -> w.part || jsonb_build_object('way', w.way, 'case_id', c.body -> 'case_id')
                         ORDER BY c.n, w.part)
        FROM jsonb_path_query(p_state, '$.cases[*]') WITH ORDINALITY AS c (body, n)
        CROSS JOIN (VALUES ('parcel', 'back'), ('replacement', 'again')) AS w (part, way)
        WHERE jsonb_typeof(c.body -> w.part) = 'object'), '[]');
END $$;

-- The parcel that this one was before; null where it is new. Mostly it stands in the same place.
CREATE FUNCTION earlier_parcel(p_parcels JSONB, p_parcel JSONB) RETURNS JSONB LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_parcel ? 'way' THEN jsonb_path_query_first(
               p_parcels, '$[*] ? (@.case_id == $is.case_id && @.way == $is.way)', jsonb_build_object('is', p_parcel))
           ELSE jsonb_path_query_first(
               p_parcels, '$[*] ? (@.parcel_id == $is.parcel_id && !exists (@.way))', jsonb_build_object('is', p_parcel))
           END
$$;

-- What a new verdict, or a scan that was pushed, says of a parcel.
CREATE FUNCTION journey_events(p_which JSONB, p_old JSONB, p_new JSONB) RETURNS JSONB[]
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_was    JSONB := p_old -> 'verdict';
    v_is     JSONB := p_new -> 'verdict';
    v_moved  TEXT := coalesce(v_is ->> 'first_physical_at', p_new ->> 'pushed_physical_at');
    v_events JSONB[] := '{}';
BEGIN
    IF v_moved IS NOT NULL AND coalesce(v_was ->> 'first_physical_at', p_old ->> 'pushed_physical_at') IS NULL THEN
        v_events := v_events || event_of('parcel.picked_up', p_which || jsonb_build_object('picked_up_at', v_moved));
    END IF;
    IF v_is ->> 'returned_at' IS NULL THEN
        IF v_is ->> 'delivered_at' IS NOT NULL
           AND (v_was ->> 'delivered_at' IS NULL OR v_was ->> 'returned_at' IS NOT NULL) THEN
            v_events := v_events || event_of('parcel.delivered', p_which || jsonb_build_object(
                'delivered_at', v_is -> 'delivered_at'));
        END IF;
    ELSIF v_was ->> 'returned_at' IS NULL THEN
        v_events := v_events || event_of('parcel.came_back', p_which || jsonb_build_object(
            'returned_at', v_is -> 'returned_at'));
    END IF;
    RETURN v_events;
END $$;

CREATE FUNCTION parcel_events(p_old JSONB, p_new JSONB) RETURNS JSONB[]
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_earlier JSONB := p_old -> 'parcels';
    v_parcels JSONB := p_new -> 'parcels';
    v_was     JSONB;
    v_is      JSONB;
    v_which   JSONB;
    v_events  JSONB[] := '{}';
BEGIN
    IF p_old ? 'cases' OR p_new ? 'cases' OR jsonb_typeof(v_earlier) IS DISTINCT FROM 'array'
       OR jsonb_typeof(v_parcels) IS DISTINCT FROM 'array' THEN
        v_earlier := parcels_in(p_old);
        v_parcels := parcels_in(p_new);
    END IF;
    FOR i IN 0 .. jsonb_array_length(v_parcels) - 1 LOOP
        v_is := v_parcels -> i;
        v_was := v_earlier -> i;
        IF v_earlier <> '[]' AND (v_was -> 'parcel_id' IS DISTINCT FROM v_is -> 'parcel_id' OR v_is ? 'way') THEN
            v_was := earlier_parcel(v_earlier, v_is);
        END IF;
        CONTINUE WHEN v_is IS NOT DISTINCT FROM v_was;
        v_which := jsonb_build_object('parcel_id', v_is -> 'parcel_id', 'way', v_is -> 'way');
        IF v_was IS NULL THEN
            v_events := v_events || event_of('parcel.reported', v_which || jsonb_build_object(
                'carrier', v_is -> 'carrier', 'waybill', v_is -> 'waybill'));
        ELSIF (v_is -> 'carrier', v_is -> 'waybill') IS DISTINCT FROM (v_was -> 'carrier', v_was -> 'waybill') THEN
            v_events := v_events || event_of('parcel.corrected', v_which || jsonb_build_object(
                'carrier', v_is -> 'carrier', 'waybill', v_is -> 'waybill', 'previous', jsonb_build_object(
                    'carrier', v_was -> 'carrier', 'waybill', v_was -> 'waybill')));
        END IF;
        IF v_is -> 'verdict' <> coalesce(v_was -> 'verdict', 'null')
           OR v_is -> 'pushed_physical_at' <> coalesce(v_was -> 'pushed_physical_at', 'null') THEN
            v_events := v_events || journey_events(v_which, v_was, v_is);
        END IF;
        IF v_is ->> 'audit' <> coalesce(v_was ->> 'audit', 'collecting') THEN
            v_events := v_events || event_of('audit.' || (v_is ->> 'audit'), v_which || jsonb_build_object(
                'rules', v_is #> '{verdict,reasons}', 'previous', jsonb_build_object('audit', v_was -> 'audit')));
        END IF;
        IF v_is -> 'ended' = 'true' AND v_was -> 'ended' IS DISTINCT FROM 'true' THEN
            v_events := v_events || event_of('parcel.ended', v_which);
        END IF;
        IF v_is -> 'late' <> coalesce(v_was -> 'late', '0') THEN -- it is left out where there is none
            v_events := v_events || event_of('parcel.late_news', v_which || jsonb_build_object(
                'what', v_is #> '{late,-1,what}'));
        END IF;
    END LOOP;
    RETURN v_events;
END $$;

-- A clock that runs and now ends at another time. A clock that begins or ends comes with the event that does it.
CREATE FUNCTION clock_events(p_name TEXT, p_old JSONB, p_new JSONB) RETURNS JSONB[] LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN nullif(p_old, 'null') <> nullif(p_new, 'null') THEN
        ARRAY[event_of('deadline.changed', jsonb_build_object('deadline', p_name, 'old', p_old, 'new', p_new))] END
$$;

-- The clocks of cases, and those that a shift moved.
CREATE FUNCTION deadline_events(p_old JSONB, p_new JSONB) RETURNS JSONB[]
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ARRAY(
        SELECT event_of('deadline.changed', jsonb_build_object('deadline', t.name, 'old', t.old, 'new', t.new))
        FROM (
            SELECT 'case_' || (n.body #>> '{due,name}') AS name, o.body #> '{due,at}' AS old, n.body #> '{due,at}' AS new
            FROM jsonb_path_query(p_new, '$.cases[*]') WITH ORDINALITY AS n (body, n)
            JOIN jsonb_path_query(p_old, '$.cases[*]') AS o (body) ON o.body -> 'case_id' = n.body -> 'case_id'
                AND o.body -> 'since' = n.body -> 'since' AND o.body #> '{due,name}' = n.body #> '{due,name}'
            ORDER BY n.n
        ) AS t
        WHERE t.old <> t.new
        UNION ALL
        SELECT event_of('deadline.changed', jsonb_build_object('deadline', s.key, 'moved_by', s.value, 'previous',
            jsonb_build_object('moved_by', p_old -> 'shifts' -> s.key)))
        FROM jsonb_each(CASE jsonb_typeof(p_new -> 'shifts') WHEN 'object' THEN p_new -> 'shifts' ELSE '{}' END) AS s
        WHERE s.key NOT IN ('ship_by', 'receipt_by') AND s.value IS DISTINCT FROM p_old -> 'shifts' -> s.key);
END $$;

-- `p_kind` is `order` or `withdrawal`.
CREATE FUNCTION hold_events(p_kind TEXT, p_old JSONB, p_new JSONB) RETURNS TABLE (type TEXT, data JSONB)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT p_kind || CASE WHEN h.held THEN '.held' ELSE '.released' END, jsonb_build_object(
        'hold', h.body -> 'name', 'about', nullif(h.body -> 'subject', '""'), 'scope', h.body -> 'scope',
        'owner', h.body -> 'owner', 'since', h.body -> 'since', 'review_at', h.body -> 'review_at')
    FROM (
        SELECT n.body, TRUE AS held, o.body AS other
        FROM jsonb_path_query(p_new, '$[*]') AS n (body)
        LEFT JOIN jsonb_path_query(p_old, '$[*]') AS o (body)
            ON o.body -> 'name' = n.body -> 'name' AND o.body -> 'subject' = n.body -> 'subject'
        UNION ALL
        SELECT o.body, FALSE, n.body
        FROM jsonb_path_query(p_old, '$[*]') AS o (body)
        LEFT JOIN jsonb_path_query(p_new, '$[*]') AS n (body)
            ON n.body -> 'name' = o.body -> 'name' AND n.body -> 'subject' = o.body -> 'subject'
    ) AS h
    WHERE h.other IS NULL;
END $$;

CREATE FUNCTION case_events(p_old JSONB, p_new JSONB) RETURNS TABLE (type TEXT, data JSONB)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT CASE WHEN c.new ->> 'kind' = 'chargeback' THEN 'chargeback.' ELSE 'case.' END || t.word,
           jsonb_build_object(
               'case_id', c.new -> 'case_id', 'kind', c.new -> 'kind', 'reason', c.new -> 'reason',
               'stage', c.new -> 'stage', 'until', c.new #> '{due,at}', 'case_minor', c.new -> 'amount_minor',
               'closed_as', c.new -> 'closed_as', 'previous', jsonb_build_object('stage', c.old -> 'stage'))
    FROM (
        SELECT n.n, n.body AS new, o.body AS old
        FROM jsonb_path_query(p_new, '$[*]') WITH ORDINALITY AS n (body, n)
        LEFT JOIN jsonb_path_query(p_old, '$[*]') AS o (body) ON o.body -> 'case_id' = n.body -> 'case_id'
    ) AS c
    CROSS JOIN LATERAL (VALUES
        (1, 'opened', c.old IS NULL),
        (2, c.new ->> 'stage', (c.old IS NULL AND c.new ->> 'stage' NOT IN ('applied', 'disputed', 'claimed'))
                               OR (c.old -> 'stage', c.old -> 'since') <> (c.new -> 'stage', c.new -> 'since'))
    ) AS t (n, word, happened)
    WHERE t.happened
    ORDER BY c.n, t.n;
END $$;

CREATE FUNCTION refund_events(p_old JSONB, p_new JSONB) RETURNS TABLE (type TEXT, data JSONB)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT 'refund.' || (n.body ->> 'status'), jsonb_build_object(
        'cause', n.body -> 'cause', 'refund_minor', n.body -> 'amount_minor', 'source', n.body -> 'source',
        'bearer', n.body -> 'bearer', 'previous', jsonb_build_object('status', o.body -> 'status'))
    FROM jsonb_path_query(p_new -> 'refunds', '$[*]') WITH ORDINALITY AS n (body, n)
    LEFT JOIN jsonb_path_query(p_old -> 'refunds', '$[*]') AS o (body) ON o.body -> 'cause' = n.body -> 'cause'
    WHERE n.body -> 'status' IS DISTINCT FROM o.body -> 'status'
    UNION ALL
    SELECT 'refund.' || t.word, jsonb_build_object('cause', t.body -> 'cause')
    FROM (VALUES
        ('requested', p_new -> 'refund_request', p_old -> 'refund_request'),
        ('request_ended', p_old -> 'refund_request', p_new -> 'refund_request')) AS t (word, body, other)
    WHERE jsonb_typeof(t.body) = 'object' AND t.body -> 'cause' IS DISTINCT FROM t.other -> 'cause';
END $$;

-- What changes seldom: cases, refunds, holds, clocks, money that is frozen.
CREATE FUNCTION seldom_changes(p_old JSONB, p_new JSONB) RETURNS JSONB[]
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_was    BOOLEAN := coalesce(p_old #> '{freeze,asked_minor}' > '0', FALSE);
    v_is     BOOLEAN := coalesce(p_new #> '{freeze,asked_minor}' > '0', FALSE);
    v_events JSONB[] := ARRAY(
        SELECT event_of(c.type, c.data) FROM case_events(p_old -> 'cases', p_new -> 'cases') AS c);
BEGIN
    IF p_new -> 'refunds' IS DISTINCT FROM p_old -> 'refunds'
       OR p_new -> 'refund_request' IS DISTINCT FROM p_old -> 'refund_request' THEN
        v_events := v_events || ARRAY(SELECT event_of(c.type, c.data) FROM refund_events(p_old, p_new) AS c);
    END IF;
    IF p_new -> 'holds' IS DISTINCT FROM p_old -> 'holds' THEN
        v_events := v_events || ARRAY(
            SELECT event_of(c.type, c.data) FROM hold_events('order', p_old -> 'holds', p_new -> 'holds') AS c);
    END IF;
    v_events := v_events || clock_events('ship_by', p_old -> 'ship_by', p_new -> 'ship_by')
        || clock_events('receipt_by', p_old #> '{receipt,deadline}', p_new #> '{receipt,deadline}')
        || clock_events('settle_at', p_old -> 'settle_not_before', p_new -> 'settle_not_before')
        || deadline_events(p_old, p_new);
    IF v_is AND NOT v_was THEN
        v_events := v_events || event_of('order.money_frozen', jsonb_build_object(
            'frozen_minor', p_new #> '{freeze,asked_minor}'));
    ELSIF v_was AND NOT v_is THEN
        v_events := v_events || event_of('order.money_thawed', '{}');
    END IF;
    RETURN v_events;
END $$;

-- All that changed, the cause before its effect: parcels, receipt, cases, refunds, holds, clocks. The order itself last.
-- `p_phase_was` is null where the register has no record of it yet.
CREATE FUNCTION order_changes(
    p_old JSONB, p_new JSONB, p_phase_was TEXT, p_phase TEXT, p_closed_was BOOLEAN, p_closed BOOLEAN
) RETURNS JSONB[]
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_events JSONB[] := '{}';
    v_was    JSONB := p_old -> 'receipt';
    v_is     JSONB := p_new -> 'receipt';
    v_seldom BOOLEAN := (p_new -> 'cases', p_new -> 'refunds', p_new -> 'refund_request', p_new -> 'holds',
                         p_new -> 'shifts', p_new -> 'freeze')
        IS DISTINCT FROM (p_old -> 'cases', p_old -> 'refunds', p_old -> 'refund_request', p_old -> 'holds',
                          p_old -> 'shifts', p_old -> 'freeze')
        OR p_new -> 'ship_by' <> p_old -> 'ship_by' OR p_new -> 'settle_not_before' <> p_old -> 'settle_not_before';
BEGIN
    IF p_phase_was IS NULL THEN
        v_events := ARRAY[event_of('order.opened', '{}')];
    END IF;
    -- A case may have parcels, too.
    IF v_seldom OR p_new -> 'parcels' IS DISTINCT FROM p_old -> 'parcels' THEN
        v_events := v_events || parcel_events(p_old, p_new);
    END IF;
    IF v_is IS DISTINCT FROM v_was THEN
        IF v_is ->> 'status' <> coalesce(v_was ->> 'status', 'not_due') THEN
            v_events := v_events || event_of('receipt.' || (v_is ->> 'status'), jsonb_build_object(
                'by', v_is -> 'by', 'receipt_by', v_is -> 'deadline', 'previous', jsonb_build_object(
                    'receipt', coalesce(v_was -> 'status', '"not_due"'))));
        END IF;
        IF v_is -> 'extensions' > coalesce(v_was -> 'extensions', '0') THEN
            v_events := v_events || event_of('receipt.extended', jsonb_build_object(
                'receipt_by', v_is -> 'deadline', 'previous', jsonb_build_object('receipt_by', v_was -> 'deadline')));
        END IF;
        v_seldom := v_seldom OR v_is ->> 'deadline' <> v_was ->> 'deadline';
    END IF;
    IF v_seldom THEN
        v_events := v_events || seldom_changes(p_old, p_new);
    END IF;
    IF p_phase <> coalesce(p_phase_was, CASE p_phase WHEN 'opening' THEN p_phase ELSE 'awaiting_shipment' END) THEN
        -- A new order is opening, or waits for its shipment; `order.opened` says that.
        v_events := v_events || event_of('order.' || p_phase, jsonb_build_object(
            'credited_minor', CASE p_phase WHEN 'credited' THEN p_new -> 'credited_minor' END,
            'commission_minor', CASE p_phase WHEN 'credited' THEN p_new -> 'commission_minor' END,
            'settled_minor', CASE p_phase WHEN 'settled' THEN p_new -> 'settled_minor' END,
            'previous', jsonb_build_object('phase', p_phase_was)));
    END IF;
    IF p_closed AND p_closed_was IS NOT TRUE THEN
        v_events := v_events || event_of('order.closed', '{}');
    ELSIF p_closed_was AND NOT p_closed THEN
        v_events := v_events || event_of('order.reopened', '{}');
    END IF;
    RETURN v_events;
END $$;

-- What the register compares with before it has a record of an order: a state with nothing in it.
CREATE FUNCTION empty_state() RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
    SELECT '{"parcels": [], "holds": [], "refunds": [], "refund_request": null}'::JSONB
$$;

-- What is so of an order after a record, which each of its events says.
CREATE FUNCTION order_facts(
    p_phase TEXT, p_audit TEXT, p_receipt TEXT, p_total_minor BIGINT, p_currency TEXT, p_deadline TEXT, p_at TIMESTAMPTZ
) RETURNS JSONB LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('phase', p_phase, 'audit', p_audit, 'receipt', p_receipt, 'amount_minor', p_total_minor,
                              'currency', p_currency, 'next_deadline', p_deadline, 'next_deadline_at', event_time(p_at))
$$;
