-- Books that grow: what was proven is not read again, and no list reads more than its page.

-- Up to which seal all proofs held, and the position of the first event that the proof may not have seen.
CREATE TABLE proven (
    only_row  BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    seal      INTEGER NOT NULL REFERENCES seals (number),
    position  BIGINT NOT NULL,
    proven_at TIMESTAMPTZ NOT NULL
);

-- Called when every proof held in a snapshot that had this seal. It only goes forward: of two proofs at one time the
-- later one stands. A position beyond what is committed would hide events that no proof has seen, and no later proof
-- could be noted.
CREATE FUNCTION note_proven(p_seal INTEGER, p_position BIGINT) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO proven (seal, position, proven_at) VALUES (p_seal, least(p_position, events_end()), clock_timestamp())
    ON CONFLICT (only_row) DO UPDATE
    SET seal = excluded.seal, position = excluded.position, proven_at = excluded.proven_at
    WHERE proven.seal <= excluded.seal AND proven.position <= excluded.position
$$;

-- The few accounts without a stored balance, among millions that have one.
CREATE INDEX accounts_unguarded ON accounts (id) WHERE NOT guarded;
-- The last closing of a merchant's account.
CREATE INDEX closings_by_account ON closings (account_id, number DESC);

-- What waits for a person, one row each, in the order of the queue: read from the states, a page of it would read them all.
CREATE TABLE review_queue (
    order_id    TEXT NOT NULL REFERENCES orders (order_id),
    -- A parcel's id, '' where the goods are screened, `case-N` of a dispute.
    parcel_id   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    currency    TEXT NOT NULL,
    total_minor BIGINT NOT NULL,
    reasons     TEXT[] NOT NULL,
    verdict     JSONB,
    evidence    JSONB,
    since       TIMESTAMPTZ NOT NULL,
    sla         TEXT,
    PRIMARY KEY (order_id, parcel_id)
);
CREATE INDEX review_queue_in_order ON review_queue (since, (order_id || '/' || parcel_id));
CREATE INDEX review_queue_by_kind ON review_queue (kind, since, (order_id || '/' || parcel_id));

-- What of an order waits for a person, by its state. Paths and not functions of arrays: those raise where a state has none,
-- and nothing of the order could be recorded any more.
CREATE FUNCTION reviews_of(o orders) RETURNS SETOF review_queue
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT o.order_id, p.parcel ->> 'parcel_id', 'audit', o.merchant_id, o.currency, o.total_minor,
           ARRAY(SELECT f #>> '{}' FROM jsonb_path_query(p.parcel, '$.findings_of_review[*]') AS f),
           p.parcel -> 'verdict', p.parcel -> 'evidence_of_review', (p.parcel ->> 'audit_since')::TIMESTAMPTZ,
           o.state #>> '{policy,review_sla}'
    FROM jsonb_path_query(o.state, '$.parcels[*]') AS p (parcel)
    -- An order's audit is its worst parcel's.
    WHERE NOT o.closed AND o.audit IN ('rejected', 'in_review')
      AND p.parcel ->> 'audit' = 'in_review' AND p.parcel -> 'ended' = 'false'
    UNION ALL
    SELECT o.order_id, '', 'screening', o.merchant_id, o.currency, o.total_minor,
           ARRAY[coalesce(o.state ->> 'screening_reason', 'screening')], NULL,
           jsonb_build_object('hits', o.state -> 'screening_hits'), (o.state ->> 'screening_since')::TIMESTAMPTZ,
           o.state #>> '{policy,screening_sla}'
    WHERE o.phase = 'screening_held'
    UNION ALL
    SELECT o.order_id, 'case-' || (c.newest ->> 'case_id'), 'arbitration', o.merchant_id, o.currency, o.total_minor,
           ARRAY[c.newest ->> 'kind', c.newest ->> 'reason'], NULL, c.newest, (c.newest ->> 'since')::TIMESTAMPTZ,
           -- Until the end of the stage that runs; one that has none any more is overdue.
           coalesce(extract(EPOCH FROM (c.newest #>> '{due,at}')::TIMESTAMPTZ - (c.newest ->> 'since')::TIMESTAMPTZ), 0)
               ::BIGINT || 's'
    FROM (SELECT o.state #> '{cases,-1}' AS newest) AS c
    WHERE o.hold_reasons @> ARRAY['after_sale_arbitration']
$$;

CREATE FUNCTION keep_reviews(p_order_id TEXT) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp SET enable_nestloop = on AS $$
BEGIN
    DELETE FROM review_queue q WHERE q.order_id = p_order_id;
    INSERT INTO review_queue SELECT r.* FROM orders o CROSS JOIN LATERAL reviews_of(o) AS r
    WHERE o.order_id = p_order_id AND r.since IS NOT NULL AND r.parcel_id IS NOT NULL;
END $$;

-- --- what follows from a record of an order ------------------------------------------------------------------

-- Its events, its verdicts, and its place in the queue of reviews: for all orders of a statement at once, which reads each
-- stored state once. As a row's triggers, each would read it again, and each of their conditions is made anew from its
-- text in each statement.
--
-- No further processes, one plan a session: the planner guesses a thousand elements for each array of a state. The session
-- may make its plan for one order, and the owner change a million at once: a hash finds what each was.
CREATE FUNCTION follow_orders() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp
SET max_parallel_workers_per_gather = 0 SET plan_cache_mode = force_generic_plan
SET enable_hashjoin = on SET enable_nestloop = off AS $$
DECLARE
    v_order     RECORD;
    v_was       JSONB;
    v_is        JSONB;
    v_changes   JSONB[];
    v_subjects  TEXT[] := '{}';
    v_merchants TEXT[] := '{}';
    v_recorded  TIMESTAMPTZ[] := '{}';
    v_facts     JSONB[] := '{}';
    v_events    JSONB[] := '{}';
BEGIN
    FOR v_order IN
        SELECT n.order_id, n.merchant_id, n.recorded_at, n.phase, n.closed, n.state, o.state AS state_was,
               CASE WHEN o.revision >= 0 THEN o.phase END AS phase_was, o.closed AS closed_was,
               n.revision <> o.revision AS recorded,
               order_facts(n.phase, n.audit, n.receipt, n.total_minor, n.currency, n.next_deadline_name,
                           n.next_deadline_at) AS facts,
               ARRAY[n.audit, o.audit] && '{rejected,in_review}' OR 'screening_held' IN (n.phase, o.phase)
               OR 'after_sale_arbitration' = ANY (n.hold_reasons || o.hold_reasons) AS in_review
        FROM orders_after n JOIN orders_before o ON o.order_id = n.order_id
    LOOP
        IF v_order.in_review THEN -- few orders ever are
            PERFORM keep_reviews(v_order.order_id);
        END IF;
        CONTINUE WHEN NOT v_order.recorded;
        v_was := coalesce(v_order.state_was || '{}', empty_state()); -- unpacked once
        v_is := v_order.state;
        v_changes := order_changes(v_was, v_is, v_order.phase_was, v_order.phase, v_order.closed_was, v_order.closed);
        IF v_changes <> '{}' THEN
            v_subjects := v_subjects || ('order/' || v_order.order_id);
            v_merchants := v_merchants || v_order.merchant_id;
            v_recorded := v_recorded || v_order.recorded_at;
            v_facts := v_facts || (event_cause(v_was, v_is) || v_order.facts);
            v_events := v_events || to_jsonb(v_changes);
            IF v_is -> 'moves' IS DISTINCT FROM v_was -> 'moves' THEN
                PERFORM keep_moves(v_order.order_id, v_is -> 'moves');
            END IF;
        END IF;
        IF v_is @? '$.parcels[*] ? (exists (@.verdict.outcome) || exists (@.decisions[0]))' THEN
            IF v_is -> 'parcels' IS DISTINCT FROM v_was -> 'parcels' THEN
                PERFORM keep_verdicts(v_order.order_id, v_order.recorded_at, v_was, v_is);
            END IF;
        END IF;
    END LOOP;
    IF v_subjects <> '{}' THEN
        PERFORM add_events_of(event_position(), v_subjects, v_merchants, v_recorded, v_facts, v_events);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER orders_are_followed AFTER UPDATE ON orders
    REFERENCING OLD TABLE AS orders_before NEW TABLE AS orders_after
    FOR EACH STATEMENT EXECUTE FUNCTION follow_orders();

-- The same for an order that has a record from the beginning, as one that the owner brings from elsewhere.
CREATE FUNCTION follow_new_order() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    PERFORM keep_reviews(NEW.order_id);
    PERFORM add_events_of(
        event_position(), ARRAY['order/' || NEW.order_id], ARRAY[NEW.merchant_id], ARRAY[NEW.recorded_at],
        ARRAY[event_cause(empty_state(), NEW.state) || order_facts(NEW.phase, NEW.audit, NEW.receipt, NEW.total_minor, NEW.currency,
                                                          NEW.next_deadline_name, NEW.next_deadline_at)],
        ARRAY[to_jsonb(order_changes(empty_state(), NEW.state, NULL, NEW.phase, NULL, NEW.closed))]);
    PERFORM keep_verdicts(NEW.order_id, NEW.recorded_at, NULL, NEW.state);
    PERFORM keep_moves(NEW.order_id, NEW.state -> 'moves');
    RETURN NULL;
END $$;

CREATE TRIGGER a_new_order_is_followed AFTER INSERT ON orders
    FOR EACH ROW WHEN (NEW.revision >= 0) EXECUTE FUNCTION follow_new_order();

INSERT INTO review_queue
SELECT r.* FROM orders o CROSS JOIN LATERAL reviews_of(o) AS r
WHERE r.since IS NOT NULL AND (o.audit IN ('rejected', 'in_review') OR o.phase = 'screening_held'
                               OR o.hold_reasons @> ARRAY['after_sale_arbitration']);
DROP INDEX orders_in_review;

-- A merchant's held orders, and a merchant's closed ones, in the order of a list.
CREATE INDEX orders_held_by_merchant ON orders (merchant_id, opened_at DESC, order_id DESC) WHERE cardinality(holds) > 0;

CREATE INDEX orders_closed_by_merchant ON orders (merchant_id, opened_at DESC, order_id DESC) WHERE closed;

-- Orders of which several things are so, at most so many, in no order. In the order of a list, a reason that few have
-- would read all that wait, and a phase that few held orders are in would read all of that phase. Only bitmaps of the
-- indexes are left to the planner: it finds what they have in common before it reads a row. A null lets all through.
CREATE FUNCTION few_orders(
    p_merchant_id TEXT, p_buyer_id TEXT, p_phase TEXT, p_audit TEXT, p_held BOOLEAN, p_closed BOOLEAN, p_reason TEXT,
    p_most INTEGER
) RETURNS SETOF orders
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, dakuan, pg_temp
SET enable_seqscan = off SET enable_indexscan = off AS $$
BEGIN
    RETURN QUERY EXECUTE 'SELECT * FROM orders WHERE TRUE'
        || CASE WHEN p_merchant_id IS NULL THEN '' ELSE ' AND merchant_id = $1' END
        || CASE WHEN p_buyer_id IS NULL THEN '' ELSE ' AND buyer_id = $2' END
        || CASE WHEN p_phase IS NULL THEN '' ELSE ' AND phase = $3' END
        || CASE WHEN p_audit IS NULL THEN '' ELSE ' AND audit = $4' END
        || CASE WHEN p_held THEN ' AND cardinality(holds) > 0' WHEN NOT p_held THEN ' AND cardinality(holds) = 0'
                ELSE '' END
        || CASE WHEN p_closed THEN ' AND closed' WHEN NOT p_closed THEN ' AND NOT closed' ELSE '' END
        || CASE WHEN p_reason IS NULL THEN ''
                ELSE ' AND cardinality(hold_reasons) > 0 AND hold_reasons @> ARRAY[$5]' END
        || ' LIMIT $6'
    USING p_merchant_id, p_buyer_id, p_phase, p_audit, p_reason, p_most;
END $$;

-- What all accounts of one purpose hold, such as `order/*/escrow`.
CREATE FUNCTION purpose_of(p_path TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE WHEN account_guarded(p_path) THEN split_part(p_path, '/', 1) || '/*/' || split_part(p_path, '/', 3)
                ELSE p_path END
$$;

CREATE VIEW purpose_balances AS
WITH last AS MATERIALIZED (
    SELECT coalesce(max(number), 0) AS number, coalesce(max(last_movement), 0) AS movement FROM seals)
SELECT s.purpose, s.currency, s.kind, sum(s.balance_minor)::BIGINT AS balance_minor
FROM (
    SELECT p.purpose, p.currency, p.kind, p.balance_minor FROM purposes p JOIN last ON last.number = p.number
    UNION ALL
    SELECT purpose_of(e.path), e.currency, e.kind, e.delta_minor FROM entries e
    WHERE e.movement_id > (SELECT movement FROM last)
) AS s
GROUP BY s.purpose, s.currency, s.kind;
