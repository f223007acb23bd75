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

-- What of an order waits for a person, by its state.
CREATE FUNCTION reviews_of(o orders) RETURNS SETOF review_queue
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT o.order_id, p.parcel ->> 'parcel_id', 'audit', o.merchant_id, o.currency, o.total_minor,
           ARRAY(SELECT jsonb_array_elements_text(p.parcel -> 'findings_of_review')),
           p.parcel -> 'verdict', p.parcel -> 'evidence_of_review', (p.parcel ->> 'audit_since')::TIMESTAMPTZ,
           o.state #>> '{policy,review_sla}'
    FROM jsonb_array_elements(o.state -> 'parcels') AS p (parcel)
    -- An order's audit is its worst parcel's.
    WHERE NOT o.closed AND o.audit IN ('rejected', 'in_review')
      AND p.parcel ->> 'audit' = 'in_review' AND NOT (p.parcel ->> 'ended')::BOOLEAN
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

CREATE FUNCTION keep_reviews() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    DELETE FROM review_queue q WHERE q.order_id = NEW.order_id;
    INSERT INTO review_queue SELECT * FROM reviews_of(NEW) AS r WHERE r.since IS NOT NULL AND r.parcel_id IS NOT NULL;
    RETURN NULL;
END $$;

-- Few orders ever wait for a person; the others do not call the function.
CREATE TRIGGER reviews_are_kept_at_first AFTER INSERT ON orders FOR EACH ROW
    WHEN (NEW.audit IN ('rejected', 'in_review') OR NEW.phase = 'screening_held'
          OR NEW.hold_reasons @> ARRAY['after_sale_arbitration'])
    EXECUTE FUNCTION keep_reviews();
CREATE TRIGGER reviews_are_kept AFTER UPDATE ON orders FOR EACH ROW
    WHEN (NEW.audit IN ('rejected', 'in_review') OR NEW.phase = 'screening_held'
          OR NEW.hold_reasons @> ARRAY['after_sale_arbitration']
          OR OLD.audit IN ('rejected', 'in_review') OR OLD.phase = 'screening_held'
          OR OLD.hold_reasons @> ARRAY['after_sale_arbitration'])
    EXECUTE FUNCTION keep_reviews();

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
