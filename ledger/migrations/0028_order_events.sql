-- The events of an order: what changed between the state that the register has and the one that follows it.

-- A state is what a record keeps. These functions compare the one that the register has with the one that follows, so
-- that a record which comes twice, late or from a rescue tells each change once. They cast nothing: an odd state must
-- not stop the money whose record it is. They are PL/pgSQL, whose plans a session keeps: a set-returning function in SQL
-- is planned at every call, which took most of the time.

-- Why a state is another: the last line of its journal that took effect, unless the state before had it.
CREATE FUNCTION event_cause(p_old JSONB, p_new JSONB) RETURNS JSONB
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_line JSONB := p_new #> '{inbox,journal,-1}';
BEGIN
    IF v_line ->> 'outcome' IN ('accepted', 'noted') AND v_line -> 'seq' > coalesce(p_old #> '{inbox,seq}', '0') THEN
        RETURN jsonb_build_object('because', v_line -> 'verb', 'by', v_line #> '{actor,role}');
    END IF;
    RETURN '{}';
END $$;

-- The parcels of a state; those of an after-sale case stand in it, on their way back or to the buyer again.
CREATE FUNCTION parcels_in(p_state JSONB) RETURNS TABLE (key TEXT, n BIGINT, body JSONB)
LANGUAGE sql IMMUTABLE AS $$
    SELECT p.body ->> 'parcel_id', p.n, p.body
    FROM jsonb_path_query(p_state, '$.parcels[*]') WITH ORDINALITY AS p (body, n)
    UNION ALL
    SELECT concat_ws(' ', 'case', c.body ->> 'case_id', w.way), 1000 + c.n,
           c.body -> w.part || jsonb_build_object('way', w.way)
    FROM jsonb_path_query(p_state, '$.cases[*]') WITH ORDINALITY AS c (body, n)
    CROSS JOIN (VALUES ('parcel', 'back'), ('replacement', 'again')) AS w (part, way)
    WHERE jsonb_typeof(c.body -> w.part) = 'object'
$$;

CREATE FUNCTION parcel_events(p_old JSONB, p_new JSONB) RETURNS TABLE (type TEXT, data JSONB)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT t.type, jsonb_build_object('parcel_id', c.new -> 'parcel_id', 'way', c.new -> 'way') || t.facts
    FROM (
        SELECT n.n, n.body AS new, o.body AS old,
               coalesce(n.body #>> '{verdict,first_physical_at}', n.body ->> 'pushed_physical_at') AS moved_at,
               coalesce(o.body #>> '{verdict,first_physical_at}', o.body ->> 'pushed_physical_at') AS moved_before,
               CASE WHEN n.body #>> '{verdict,returned_at}' IS NULL THEN n.body #>> '{verdict,delivered_at}' END
                   AS delivered_at,
               CASE WHEN o.body #>> '{verdict,returned_at}' IS NULL THEN o.body #>> '{verdict,delivered_at}' END
                   AS delivered_before
        FROM parcels_in(p_new) AS n LEFT JOIN parcels_in(p_old) AS o USING (key)
        WHERE n.body IS DISTINCT FROM o.body
    ) AS c
    CROSS JOIN LATERAL (VALUES
        (1, 'parcel.reported', c.old IS NULL, jsonb_build_object(
            'carrier', c.new -> 'carrier', 'waybill', c.new -> 'waybill')),
        (2, 'parcel.corrected', c.old IS NOT NULL AND (c.new -> 'carrier', c.new -> 'waybill')
                                IS DISTINCT FROM (c.old -> 'carrier', c.old -> 'waybill'), jsonb_build_object(
            'carrier', c.new -> 'carrier', 'waybill', c.new -> 'waybill', 'previous', jsonb_build_object(
                'carrier', c.old -> 'carrier', 'waybill', c.old -> 'waybill'))),
        (3, 'parcel.picked_up', c.moved_at IS NOT NULL AND c.moved_before IS NULL, jsonb_build_object(
            'picked_up_at', c.moved_at)),
        (4, 'parcel.delivered', c.delivered_at IS NOT NULL AND c.delivered_before IS NULL, jsonb_build_object(
            'delivered_at', c.delivered_at)),
        (5, 'parcel.came_back', c.new #>> '{verdict,returned_at}' IS NOT NULL
                                AND c.old #>> '{verdict,returned_at}' IS NULL, jsonb_build_object(
            'returned_at', c.new #> '{verdict,returned_at}')),
        (6, 'audit.' || (c.new ->> 'audit'), c.new ->> 'audit' <> coalesce(c.old ->> 'audit', 'collecting'),
            jsonb_build_object('rules', c.new #> '{verdict,reasons}', 'previous', jsonb_build_object(
                'audit', c.old -> 'audit'))),
        (7, 'parcel.ended', c.new @> '{"ended": true}' AND NOT coalesce(c.old @> '{"ended": true}', FALSE), '{}'),
        (8, 'parcel.late_news', c.new -> 'late' IS NOT NULL AND c.new -> 'late' IS DISTINCT FROM c.old -> 'late',
            jsonb_build_object('what', c.new #> '{late,-1,what}'))
    ) AS t (n, type, happened, facts)
    WHERE t.happened
    ORDER BY c.n, t.n;
END $$;

CREATE FUNCTION receipt_events(p_old JSONB, p_new JSONB) RETURNS TABLE (type TEXT, data JSONB)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT t.type, t.facts
    FROM (VALUES
        (1, 'receipt.' || (p_new ->> 'status'), p_new ->> 'status' <> coalesce(p_old ->> 'status', 'not_due'),
            jsonb_build_object('by', p_new -> 'by', 'receipt_by', p_new -> 'deadline', 'previous', jsonb_build_object(
                'receipt', coalesce(p_old -> 'status', '"not_due"')))),
        (2, 'receipt.extended', p_new -> 'extensions' > coalesce(p_old -> 'extensions', '0'), jsonb_build_object(
            'receipt_by', p_new -> 'deadline', 'previous', jsonb_build_object('receipt_by', p_old -> 'deadline')))
    ) AS t (n, type, happened, facts)
    WHERE t.happened ORDER BY t.n;
END $$;

-- A clock that runs and now ends at another time. A clock that begins or ends comes with the event that does it.
CREATE FUNCTION deadline_events(p_old JSONB, p_new JSONB) RETURNS TABLE (type TEXT, data JSONB)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT 'deadline.changed', jsonb_build_object('deadline', t.name, 'old', t.old, 'new', t.new)
    FROM (
        SELECT 0 AS n, c.name, nullif(c.old, 'null') AS old, nullif(c.new, 'null') AS new
        FROM (VALUES ('ship_by', p_old -> 'ship_by', p_new -> 'ship_by'),
                     ('receipt_by', p_old #> '{receipt,deadline}', p_new #> '{receipt,deadline}'),
                     ('settle_at', p_old -> 'settle_not_before', p_new -> 'settle_not_before')) AS c (name, old, new)
        UNION ALL
        SELECT n.n, 'case_' || (n.body #>> '{due,name}'), o.body #> '{due,at}', n.body #> '{due,at}'
        FROM jsonb_path_query(p_new, '$.cases[*]') WITH ORDINALITY AS n (body, n)
        JOIN jsonb_path_query(p_old, '$.cases[*]') AS o (body) ON o.body -> 'case_id' = n.body -> 'case_id'
            AND o.body -> 'since' = n.body -> 'since' AND o.body #> '{due,name}' = n.body #> '{due,name}'
    ) AS t
    WHERE t.old <> t.new
    UNION ALL
    SELECT 'deadline.changed', jsonb_build_object('deadline', s.key, 'moved_by', s.value, 'previous',
        jsonb_build_object('moved_by', p_old -> 'shifts' -> s.key))
    FROM jsonb_each(CASE jsonb_typeof(p_new -> 'shifts') WHEN 'object' THEN p_new -> 'shifts' ELSE '{}' END) AS s
    WHERE s.key NOT IN ('ship_by', 'receipt_by') AND s.value IS DISTINCT FROM p_old -> 'shifts' -> s.key;
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

-- All that changed, the cause before its effect: parcels, receipt, cases, refunds, holds, clocks. The order itself last.
CREATE FUNCTION order_changes(p_old orders, p_new orders) RETURNS TABLE (type TEXT, data JSONB)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_first BOOLEAN := coalesce(p_old.revision, -1) < 0;
    -- A new order is opening, or waits for its shipment; `order.opened` says that.
    v_phase TEXT := CASE WHEN NOT v_first THEN p_old.phase WHEN p_new.phase = 'opening' THEN 'opening'
                         ELSE 'awaiting_shipment' END;
    o       JSONB := p_old.state || '{}';
    n       JSONB := p_new.state || '{}';
BEGIN
    IF v_first THEN
        RETURN QUERY SELECT 'order.opened', '{}'::JSONB;
    END IF;
    -- Most records change one part. Without these questions each would take all of them apart.
    IF n -> 'parcels' IS DISTINCT FROM o -> 'parcels' OR n -> 'cases' IS DISTINCT FROM o -> 'cases' THEN
        RETURN QUERY SELECT * FROM parcel_events(o, n);
    END IF;
    IF n -> 'receipt' IS DISTINCT FROM o -> 'receipt' THEN
        RETURN QUERY SELECT * FROM receipt_events(o -> 'receipt', n -> 'receipt');
    END IF;
    IF n -> 'cases' IS DISTINCT FROM o -> 'cases' THEN
        RETURN QUERY SELECT * FROM case_events(o -> 'cases', n -> 'cases');
    END IF;
    IF n -> 'refunds' IS DISTINCT FROM o -> 'refunds' OR n -> 'refund_request' IS DISTINCT FROM o -> 'refund_request' THEN
        RETURN QUERY SELECT * FROM refund_events(o, n);
    END IF;
    IF n -> 'holds' IS DISTINCT FROM o -> 'holds' THEN
        RETURN QUERY SELECT * FROM hold_events('order', o -> 'holds', n -> 'holds');
    END IF;
    IF (n -> 'ship_by', n -> 'receipt', n -> 'settle_not_before', n -> 'cases', n -> 'shifts')
       IS DISTINCT FROM (o -> 'ship_by', o -> 'receipt', o -> 'settle_not_before', o -> 'cases', o -> 'shifts') THEN
        RETURN QUERY SELECT * FROM deadline_events(o, n);
    END IF;
    RETURN QUERY
    SELECT t.type, t.facts
    FROM (VALUES
        (1, 'order.money_frozen', NOT coalesce(o #> '{freeze,asked_minor}' > '0', FALSE)
                                  AND coalesce(n #> '{freeze,asked_minor}' > '0', FALSE), jsonb_build_object(
            'frozen_minor', n #> '{freeze,asked_minor}')),
        (2, 'order.money_thawed', coalesce(o #> '{freeze,asked_minor}' > '0', FALSE)
                                  AND NOT coalesce(n #> '{freeze,asked_minor}' > '0', FALSE), '{}'),
        (3, 'order.' || p_new.phase, p_new.phase <> v_phase, jsonb_build_object(
            'credited_minor', CASE p_new.phase WHEN 'credited' THEN n -> 'credited_minor' END,
            'commission_minor', CASE p_new.phase WHEN 'credited' THEN n -> 'commission_minor' END,
            'settled_minor', CASE p_new.phase WHEN 'settled' THEN n -> 'settled_minor' END,
            'previous', jsonb_build_object('phase', CASE WHEN NOT v_first THEN v_phase END))),
        (4, 'order.closed', p_new.closed AND NOT coalesce(p_old.closed, FALSE), '{}'),
        (5, 'order.reopened', p_old.closed AND NOT p_new.closed, '{}')
    ) AS t (n, type, happened, facts)
    WHERE t.happened ORDER BY t.n;
END $$;

-- Every record runs this, the money's among them. The planner guesses a thousand elements for each array of a state, and
-- started two processes to compare two empty ones; and it planned anew at each call what a posting's settings make dear.
CREATE FUNCTION add_order_events() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp
SET max_parallel_workers_per_gather = 0 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_old orders := OLD;
    v_new orders := NEW;
    v_now JSONB := jsonb_build_object(
        'phase', NEW.phase, 'audit', NEW.audit, 'receipt', NEW.receipt,
        'amount_minor', NEW.total_minor, 'currency', NEW.currency,
        'next_deadline', NEW.next_deadline_name, 'next_deadline_at', event_time(NEW.next_deadline_at));
BEGIN
    -- Unpacked once: a stored state is unpacked wherever it is read.
    v_old.state := OLD.state || '{}';
    v_new.state := NEW.state || '{}';
    v_now := event_cause(v_old.state, v_new.state) || v_now;
    PERFORM add_events('order/' || NEW.order_id, NEW.merchant_id, NEW.recorded_at, jsonb_agg(jsonb_build_object(
        'type', c.type, 'data', jsonb_strip_nulls(v_now || c.data))))
    FROM order_changes(v_old, v_new) AS c;
    RETURN NULL;
END $$;

CREATE TRIGGER a_new_order_has_its_events AFTER INSERT ON orders
    FOR EACH ROW WHEN (NEW.revision >= 0) EXECUTE FUNCTION add_order_events();
CREATE TRIGGER an_order_has_its_events AFTER UPDATE OF revision, state, phase, audit, receipt, closed ON orders
    FOR EACH ROW WHEN (NEW.revision <> OLD.revision) EXECUTE FUNCTION add_order_events();
