-- Verdicts on parcels, with what they were made from. Traces go by age; a verdict stays.

-- `decided_by` null: the rules decided. Else a person, whose decision and reason stand here beside what the rules had
-- found. `traces` are those that the register had as the verdict was recorded; their texts were masked before they were
-- stored.
CREATE TABLE verdicts (
    order_id    TEXT NOT NULL,
    parcel_id   TEXT NOT NULL,
    n           INT NOT NULL,
    carrier     TEXT NOT NULL,
    waybill     TEXT NOT NULL,
    judged_at   TIMESTAMPTZ NOT NULL,
    rule_set    TEXT,
    outcome     TEXT NOT NULL,
    reasons     JSONB NOT NULL,
    findings    JSONB NOT NULL,
    traces      JSONB,
    decided_by  TEXT,
    decision    TEXT,
    recorded_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT verdicts_are_numbered_by_parcel PRIMARY KEY (order_id, parcel_id, n),
    CONSTRAINT a_decision_has_a_person CHECK ((decided_by IS NULL) = (decision IS NULL))
);

-- For the purge of the traces by age.
CREATE INDEX verdicts_with_traces ON verdicts (recorded_at) WHERE traces IS NOT NULL;

-- A time as a state has it; null where it is none. An odd state must not stop the money whose record it is.
CREATE FUNCTION time_or_null(p_text TEXT) RETURNS TIMESTAMPTZ LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN p_text::TIMESTAMPTZ;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

-- What a record of an order says of a parcel's audit and the record before did not: the rules' verdict, once it is one,
-- and each decision of a person.
CREATE FUNCTION new_verdicts(p_old JSONB, p_new JSONB) RETURNS TABLE (
    parcel_id TEXT, parcel JSONB, judged_at TEXT, outcome TEXT, decided_by TEXT, decision TEXT
)
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT c.new ->> 'parcel_id', c.new, v.judged_at, v.outcome, v.decided_by, v.decision
    FROM (
        SELECT n.n, n.body AS new, o.body AS old
        FROM jsonb_path_query(p_new, '$.parcels[*]') WITH ORDINALITY AS n (body, n)
        LEFT JOIN jsonb_path_query(p_old, '$.parcels[*]') AS o (body) ON o.body -> 'parcel_id' = n.body -> 'parcel_id'
        WHERE n.body IS DISTINCT FROM o.body
    ) AS c
    CROSS JOIN LATERAL (
        SELECT 1 AS n, c.new #>> '{verdict,judged_at}' AS judged_at, c.new #>> '{verdict,outcome}' AS outcome,
               NULL::TEXT AS decided_by, NULL::TEXT AS decision
        WHERE c.new #>> '{verdict,outcome}' <> 'pending'
          AND (c.new -> 'waybill', c.new #> '{verdict,outcome}', c.new #> '{verdict,reasons}')
              IS DISTINCT FROM (c.old -> 'waybill', c.old #> '{verdict,outcome}', c.old #> '{verdict,reasons}')
        UNION ALL
        SELECT 1 + d.n::INT, d.body ->> 'at', d.body ->> 'verdict', coalesce(d.body ->> 'reviewer', 'unknown'),
               coalesce(d.body ->> 'reason', '')
        FROM jsonb_path_query(c.new, '$.decisions[*]') WITH ORDINALITY AS d (body, n)
        WHERE NOT coalesce(c.old -> 'decisions', '[]') @> jsonb_build_array(d.body)
    ) AS v
    ORDER BY c.n, v.n;
END $$;

-- Keep what is new in a record of an order, whose state before was `p_old`.
CREATE FUNCTION keep_verdicts(p_order_id TEXT, p_recorded_at TIMESTAMPTZ, p_old JSONB, p_new JSONB) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp
SET max_parallel_workers_per_gather = 0 SET plan_cache_mode = force_generic_plan SET enable_nestloop = on AS $$
BEGIN
    INSERT INTO verdicts (order_id, parcel_id, n, carrier, waybill, judged_at, rule_set, outcome, reasons, findings,
                          traces, decided_by, decision)
    SELECT p_order_id, v.parcel_id,
           row_number() OVER (PARTITION BY v.parcel_id) + coalesce((SELECT max(k.n) FROM verdicts k
               WHERE k.order_id = p_order_id AND k.parcel_id = v.parcel_id), 0),
           coalesce(v.parcel ->> 'carrier', ''), coalesce(v.parcel ->> 'waybill', ''),
           coalesce(time_or_null(v.judged_at), p_recorded_at), v.parcel #>> '{verdict,rule_set}',
           coalesce(v.outcome, 'unknown'), coalesce(v.parcel #> '{verdict,reasons}', '[]'),
           coalesce(v.parcel #> '{verdict,findings}', '[]'), t.traces, v.decided_by, v.decision
    FROM new_verdicts(p_old, p_new) AS v
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(a.trace ORDER BY a.provider) AS traces
        FROM (
            SELECT p.provider, p.trace FROM polled_traces p
            WHERE p.order_id = p_order_id AND p.parcel_id = v.parcel_id
            UNION ALL
            SELECT p.provider, p.trace FROM pushed_traces p
            WHERE p.carrier = v.parcel ->> 'carrier' AND p.waybill = v.parcel ->> 'waybill'
        ) AS a
    ) AS t
    WHERE v.parcel_id IS NOT NULL;
END $$;

-- Forget the traces of verdicts that are older than this, 30 days at the least. Returns how many verdicts lost theirs.
CREATE FUNCTION purge_verdict_traces(p_before TIMESTAMPTZ) RETURNS BIGINT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_gone BIGINT;
BEGIN
    UPDATE verdicts SET traces = NULL
    WHERE traces IS NOT NULL AND recorded_at < least(p_before, now() - INTERVAL '30 days');
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END $$;

-- Remove events that are older than this, 30 days at the least, and not those that an endpoint still waits for, or the
-- next proof: without them it would not look at what changed.
CREATE FUNCTION purge_events(p_before TIMESTAMPTZ) RETURNS BIGINT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_gone BIGINT;
BEGIN
    WITH old AS MATERIALIZED (
        -- A merchant's endpoint waits for its own events: it rests at the last one, and would keep everyone's without end.
        -- Nor does one do so that is disabled and forgotten.
        SELECT e.position, e.id, e.subject, e.seq, EXISTS (
                   SELECT FROM endpoints n
                   WHERE (n.merchant_id = e.merchant_id OR n.merchant_id IS NULL) AND n.position <= e.position
                     AND n.echoed_at IS NOT NULL
                     AND (n.state <> 'disabled' OR e.recorded_at > clock_timestamp() - INTERVAL '1 year')) AS waits
        FROM events e
        WHERE e.recorded_at < least(p_before, now() - INTERVAL '30 days')
          AND NOT EXISTS (SELECT FROM proven p WHERE p.position <= e.position
                                                 AND e.recorded_at > clock_timestamp() - INTERVAL '1 year')
          AND NOT EXISTS (SELECT FROM parked w WHERE w.subject = e.subject AND w.seq <= e.seq)
    ), waiting AS (
        -- Of a subject nothing goes behind what stays.
        SELECT o.subject, min(o.seq) AS seq FROM old o WHERE o.waits GROUP BY o.subject
    )
    DELETE FROM events e USING old o LEFT JOIN waiting w USING (subject)
    WHERE e.position = o.position AND e.id = o.id AND (w.seq IS NULL OR o.seq < w.seq);
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END $$;
