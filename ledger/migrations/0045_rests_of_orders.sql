-- What the register keeps of an order that ended long ago: its money, its commands, its parcels and cases. The journal and
-- the findings of the audit go; `verdicts` has the findings of each verdict. The rest is a state like any other, from
-- which the order can go on: with a late scan, a chargeback, a refund, or from a rescue.

-- For the next ones to empty, the oldest first.
CREATE INDEX orders_with_whole_states ON orders (recorded_at) WHERE closed AND emptied_at IS NULL;

CREATE FUNCTION rest_of_parcel(p_parcel JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
    SELECT p_parcel || '{"evidence_of_review": {}}' || CASE jsonb_typeof(p_parcel -> 'verdict')
        WHEN 'object' THEN jsonb_build_object('verdict', p_parcel -> 'verdict' || '{"findings": []}') ELSE '{}' END
$$;

CREATE FUNCTION rest_of_parcels(p_body JSONB, p_parts TEXT[]) RETURNS JSONB
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT coalesce(jsonb_object_agg(p.part, rest_of_parcel(p_body -> p.part)), '{}')
    FROM unnest(p_parts) AS p (part) WHERE jsonb_typeof(p_body -> p.part) = 'object'
$$;

-- An inbox without its journal, whose lines are counted. Answers stay: a command that comes again is still the same.
CREATE FUNCTION rest_of_inbox(p_inbox JSONB) RETURNS JSONB LANGUAGE sql IMMUTABLE AS $$
    SELECT p_inbox || '{"journal": [], "weight": 0, "unheard": []}' || jsonb_build_object(
        'dropped', coalesce(p_inbox -> 'dropped', '{}') || jsonb_build_object('emptied',
            coalesce((p_inbox #>> '{dropped,emptied}')::INT, 0)
            + coalesce(jsonb_array_length(p_inbox -> 'journal'), 0)))
$$;

CREATE FUNCTION rest_of_state(p_state JSONB) RETURNS JSONB
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT p_state
        || CASE jsonb_typeof(p_state -> 'inbox') WHEN 'object' THEN
               jsonb_build_object('inbox', rest_of_inbox(p_state -> 'inbox')) ELSE '{}' END
        || CASE WHEN p_state @? '$.parcels[0]' THEN jsonb_build_object('parcels', (
               SELECT jsonb_agg(rest_of_parcel(p.body) ORDER BY p.n)
               FROM jsonb_path_query(p_state, '$.parcels[*]') WITH ORDINALITY AS p (body, n))) ELSE '{}' END
        || CASE WHEN p_state @? '$.cases[0]' THEN jsonb_build_object('cases', (
               SELECT jsonb_agg(c.body || rest_of_parcels(c.body, '{parcel,replacement}') ORDER BY c.n)
               FROM jsonb_path_query(p_state, '$.cases[*]') WITH ORDINALITY AS c (body, n))) ELSE '{}' END
$$;

-- Whether nothing of an order is open: it is closed, no money stands on its accounts, its payment is used up, its
-- merchant owes nothing, and no difference with the other side names it.
CREATE FUNCTION may_be_emptied(o orders) RETURNS BOOLEAN
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT o.closed AND o.revision >= 0 AND o.holds = '{}' AND o.hold_reasons = '{}'
       AND NOT EXISTS (SELECT FROM accounts a WHERE a.path >= 'order/' || o.order_id || '/'
                       AND a.path < 'order/' || o.order_id || '0' AND a.balance_minor <> 0)
       AND NOT EXISTS (SELECT FROM accounts a WHERE a.path = 'merchant/' || o.merchant_id || '/receivable'
                       AND a.balance_minor <> 0)
       AND NOT EXISTS (SELECT FROM payments p WHERE p.channel = o.channel AND p.payment = o.payment
                       AND p.claimed_minor + p.returned_minor <> p.paid_minor)
       AND NOT EXISTS (SELECT FROM rest_returns r WHERE r.channel = o.channel AND r.payment = o.payment
                       AND r.closed_at IS NULL)
       AND NOT EXISTS (SELECT FROM reconciliation_breaks b WHERE b.resolved_at IS NULL
                       AND b.body ->> 'subject' = 'order/' || o.order_id)
$$;

-- Empty the states of orders that ended before this, 30 days ago at the least, at most p_limit of them; returns their
-- ids. Where p_apply is false they stay, and are only named.
CREATE FUNCTION empty_orders(p_ended_before TIMESTAMPTZ, p_limit INT, p_apply BOOLEAN) RETURNS SETOF TEXT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_before TIMESTAMPTZ := least(p_ended_before, clock_timestamp() - INTERVAL '30 days');
BEGIN
    IF NOT p_apply THEN
        RETURN QUERY SELECT o.order_id::TEXT FROM orders o
        WHERE o.closed AND o.emptied_at IS NULL AND o.recorded_at < v_before AND may_be_emptied(o)
        ORDER BY o.recorded_at LIMIT p_limit;
        RETURN;
    END IF;
    -- An order that is being recorded now is not waited for: it is not over.
    RETURN QUERY
    WITH chosen AS MATERIALIZED (
        SELECT o.order_id FROM orders o
        WHERE o.closed AND o.emptied_at IS NULL AND o.recorded_at < v_before AND may_be_emptied(o)
        ORDER BY o.recorded_at LIMIT p_limit FOR UPDATE OF o SKIP LOCKED
    )
    UPDATE orders o SET state = rest_of_state(o.state), emptied_at = clock_timestamp()
    FROM chosen c WHERE o.order_id = c.order_id
    RETURNING o.order_id::TEXT;
END $$;
