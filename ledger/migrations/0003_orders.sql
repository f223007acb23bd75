-- Orders in the register, with their payments and notices.

CREATE TABLE payments (
    channel       TEXT NOT NULL,
    payment       TEXT NOT NULL,
    currency      TEXT NOT NULL,
    paid_minor    BIGINT NOT NULL,
    claimed_minor BIGINT NOT NULL DEFAULT 0,
    -- What no order claims, and goes back to the buyer.
    returned_minor BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (channel, payment),
    CONSTRAINT payment_not_over_claimed CHECK (
        claimed_minor >= 0 AND returned_minor >= 0 AND claimed_minor + returned_minor <= paid_minor)
);

-- Domains, which a session keeps: a CHECK is read from its text in each statement that writes, and asked of each new version
-- of a row. Without a bound inside it the pattern takes a tenth of the time.
CREATE DOMAIN order_key AS TEXT
    CONSTRAINT order_id_form CHECK (VALUE ~ '^[A-Za-z0-9_-]+$' AND length(VALUE) <= 64);
CREATE DOMAIN order_total AS BIGINT CONSTRAINT order_total_in_bounds CHECK (VALUE BETWEEN 1 AND 1000000000000000);

CREATE TABLE orders (
    order_id           order_key PRIMARY KEY,
    merchant_id        TEXT NOT NULL,
    buyer_id           TEXT NOT NULL,
    currency           TEXT NOT NULL,
    total_minor        order_total NOT NULL,
    channel            TEXT NOT NULL,
    payment            TEXT NOT NULL,
    body               JSONB NOT NULL,
    -- As the body has them, for the orders that share one.
    device_hash        TEXT,
    place_hash         TEXT,
    content_hash       TEXT NOT NULL,
    opened_by          TEXT NOT NULL,
    policy_hash        TEXT NOT NULL REFERENCES policies (content_hash),
    opened_at          TIMESTAMPTZ NOT NULL,
    revision           INT NOT NULL DEFAULT -1,
    phase              TEXT NOT NULL DEFAULT 'opening',
    audit              TEXT NOT NULL DEFAULT 'not_started',
    receipt            TEXT NOT NULL DEFAULT 'not_due',
    next_deadline_name TEXT,
    next_deadline_at   TIMESTAMPTZ,
    -- Why money is not here. `holds` are those for which a person of the platform must act; others pass by themselves.
    hold_reasons       TEXT[] NOT NULL DEFAULT '{}',
    holds              TEXT[] NOT NULL DEFAULT '{}',
    refunded_minor     BIGINT NOT NULL DEFAULT 0,
    closed             BOOLEAN NOT NULL DEFAULT FALSE,
    state              JSONB,
    recorded_at        TIMESTAMPTZ,
    -- Since when `state` is the rest that is kept of an order which ended long ago.
    emptied_at         TIMESTAMPTZ,
    FOREIGN KEY (channel, payment) REFERENCES payments (channel, payment),
    CONSTRAINT order_never_refunds_more_than_paid CHECK (refunded_minor BETWEEN 0 AND total_minor)
) WITH (fillfactor = 80);

-- A merchant's orders, newest first; also for the sum of a merchant's pending money.
CREATE INDEX orders_by_merchant ON orders (merchant_id, opened_at DESC, order_id DESC);
CREATE INDEX orders_by_buyer ON orders (buyer_id, opened_at DESC);
CREATE INDEX orders_by_opening ON orders (opened_at DESC);
-- The orders of a merchant that share a device or a place: looking at a busy merchant's whole day with each new order would
-- cost more from order to order.
CREATE INDEX orders_by_device ON orders (merchant_id, device_hash, opened_at) WHERE device_hash IS NOT NULL;
CREATE INDEX orders_by_place ON orders (merchant_id, place_hash, opened_at) WHERE place_hash IS NOT NULL;
-- For the lists: by phase or audit, held orders, open orders, reviews.
-- `closed` is looked at in the index, before a row is read.
CREATE INDEX orders_by_phase ON orders (phase, opened_at DESC, closed);
CREATE INDEX orders_by_audit ON orders (audit, opened_at DESC, closed);
CREATE INDEX orders_held ON orders (opened_at DESC) WHERE cardinality(holds) > 0;
CREATE INDEX orders_waiting ON orders (opened_at DESC) WHERE cardinality(hold_reasons) > 0;
-- How few of all orders wait. Without it the planner takes a third of them to do so, and reads every order there ever was.
CREATE STATISTICS orders_that_wait ON (cardinality(hold_reasons)) FROM orders;
-- The orders that wait for one reason, where few do. A reader also reads what is pending, so that little may be.
CREATE INDEX orders_by_hold_reason ON orders USING gin (hold_reasons) WITH (gin_pending_list_limit = 64)
    WHERE cardinality(hold_reasons) > 0;
-- With the phase, so that counting them by phase reads no index of all orders.
CREATE INDEX orders_open ON orders (opened_at DESC) INCLUDE (phase) WHERE NOT closed;
CREATE INDEX orders_open_by_merchant ON orders (merchant_id, opened_at DESC, order_id DESC) WHERE NOT closed;
CREATE INDEX orders_in_review ON orders (order_id) WHERE NOT closed AND audit IN ('rejected', 'in_review');
-- The orders of one payment.
CREATE INDEX orders_by_payment ON orders (payment, channel);

-- --- notices -------------------------------------------------------------------------------------------------

-- Readers of notices and events go by (position, id) and miss none. By id alone they would: a transaction draws its id
-- early and may commit late. A position is at least the number of its transaction, and a reader goes no further than the
-- oldest transaction that still runs.

-- How far the clock of positions is ahead of the server's transactions. No row: not at all. A restore into another
-- server begins to count transactions again; `follow_event_clock` moves the clock beyond all that was restored, and
-- `leave_lost_numbers` beyond all that was lost.
CREATE TABLE event_clock (
    ahead BIGINT NOT NULL,
    -- The events of each subject are numbered from beyond this.
    base  BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT event_clock_goes_forward CHECK (ahead > 0)
);

-- The position of what this transaction writes.
CREATE FUNCTION event_position() RETURNS BIGINT
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    RETURN pg_current_xact_id()::TEXT::BIGINT + coalesce((SELECT max(c.ahead) FROM event_clock c), 0);
END $$;

-- All before this position is committed: no transaction that still runs can add one.
CREATE FUNCTION events_end() RETURNS BIGINT
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT pg_snapshot_xmin(pg_current_snapshot())::TEXT::BIGINT + coalesce((SELECT max(c.ahead) FROM event_clock c), 0)
$$;

CREATE TABLE notices (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject     TEXT NOT NULL,
    seq         INT NOT NULL,
    recipient   TEXT NOT NULL,
    -- The merchant that it is for; null: it is for others.
    merchant_id TEXT,
    name        TEXT NOT NULL,
    facts       JSONB NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    position    BIGINT NOT NULL DEFAULT event_position(),
    CONSTRAINT a_notice_is_stored_once UNIQUE (subject, seq)
);

-- For readers of all notices, of one kind of recipient's, and of one merchant's: it must not read those of all others.
CREATE INDEX notices_in_order ON notices (position, id);
CREATE INDEX notices_by_recipient ON notices (recipient, position, id);
CREATE INDEX notices_of_merchant ON notices (merchant_id, position, id) WHERE merchant_id IS NOT NULL;

-- Add notices of several subjects, `order/{id}` or `withdrawal/{id}`: `p_notices` has an array of each. An existing notice
-- stays as it is.
CREATE FUNCTION add_notices_of(p_subjects TEXT[], p_notices JSONB[]) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_position BIGINT := event_position();
BEGIN
    INSERT INTO notices (subject, seq, recipient, merchant_id, name, facts, at, position)
    SELECT g.subject, (n ->> 'seq')::INT, n ->> 'to', CASE n ->> 'to' WHEN 'merchant' THEN merchant_of_subject(g.subject) END,
           n ->> 'name', n -> 'facts', (n ->> 'at')::TIMESTAMPTZ, v_position
    FROM unnest(p_subjects, p_notices) WITH ORDINALITY AS g (subject, notices, n_of)
    CROSS JOIN LATERAL jsonb_array_elements(g.notices) AS n
    ORDER BY g.n_of, (n ->> 'seq')::INT
    ON CONFLICT ON CONSTRAINT a_notice_is_stored_once DO NOTHING;
END $$;

-- As `add_notices_of`, of one subject.
CREATE FUNCTION add_notices(p_subject TEXT, p_notices JSONB) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    PERFORM add_notices_of(ARRAY[p_subject], ARRAY[p_notices]);
END $$;

-- The reasons for which a person of the platform must act; others pass by themselves.
CREATE FUNCTION reasons_to_act() RETURNS TEXT[] LANGUAGE sql IMMUTABLE AS $$
    SELECT '{screening,audit_in_review,refund_stuck,refund_failed}'::TEXT[]
$$;

-- For what a person must act on an order: the holds of its record, and such reasons. Most records have none.
CREATE FUNCTION holds_in(p_record JSONB) RETURNS TEXT[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN ARRAY(
        SELECT held.body ->> 'name' FROM jsonb_path_query(p_record, '$.state.holds[*]') AS held (body)
        WHERE held.body ->> 'name' IS NOT NULL
        UNION
        SELECT reason FROM jsonb_array_elements_text(p_record -> 'hold_reasons') AS reason
        WHERE reason = ANY (reasons_to_act())
        ORDER BY 1
    );
END $$;

-- What follows where these records close their orders. Nothing more is claimed for them: what no parcel stands for was
-- claimed by a try that was lost. And what is left of their payments, if anything, is noted.
CREATE FUNCTION end_orders(p_records JSONB[]) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    UPDATE waybill_claims c SET released_at = (r.body ->> 'recorded_at')::TIMESTAMPTZ
    FROM unnest(p_records) AS r (body)
    WHERE c.order_id = r.body ->> 'order_id' AND c.released_at IS NULL
      AND NOT EXISTS (
          SELECT FROM jsonb_path_query(r.body, '$.state.parcels[*]') AS p (body)
          WHERE (p.body ->> 'parcel_id', p.body ->> 'carrier', p.body ->> 'waybill') = (c.parcel_id, c.carrier, c.waybill))
      AND NOT EXISTS (
          SELECT FROM jsonb_path_query(r.body, '$.state.cases[*].parcel') AS p (body)
          WHERE (p.body ->> 'parcel_id', p.body ->> 'carrier', p.body ->> 'waybill') = (c.parcel_id, c.carrier, c.waybill));
    PERFORM note_rest_at_end(r.order_id, r.recorded_at)
    FROM (
        SELECT o.order_id, (g.body ->> 'recorded_at')::TIMESTAMPTZ AS recorded_at
        FROM unnest(p_records) AS g (body) JOIN orders o ON o.order_id = g.body ->> 'order_id'
        JOIN payments p ON p.channel = o.channel AND p.payment = o.payment
        WHERE p.paid_minor > p.claimed_minor + p.returned_minor ORDER BY o.order_id COLLATE "C"
    ) AS r;
END $$;

-- Keep the newest states of orders (OrderRecords, one of each order), each if it follows the one that the register has. A
-- lower revision never overwrites a higher one. Another revision than the record follows is of a try whose worker died
-- before it reported: the record's notices then have numbers that are taken, and it comes again with others. By record,
-- whether the register has it: true also where this very record was kept before.
--
-- One statement for all: the start of an update, its conditions and its triggers, is most of what a single one costs.
CREATE FUNCTION record_orders(p_records JSONB[]) RETURNS BOOLEAN[]
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
SET random_page_cost = 4 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_kept   BOOLEAN[] := array_fill(FALSE, ARRAY[cardinality(p_records)]);
    v_of     INT[]; -- those that this call kept, in the order of the orders
    v_same   BOOLEAN;
    v_n      INT;
    v_record JSONB;
    v_cases  BOOLEAN := FALSE;
    v_closed JSONB[] := '{}';
    -- Whom the records notify.
    v_subjects TEXT[] := '{}';
    v_notices  JSONB[] := '{}';
BEGIN
    WITH kept AS (
        UPDATE orders o
        SET revision = r.revision,
            phase = r.body ->> 'phase',
            audit = r.body ->> 'audit',
            receipt = r.body ->> 'receipt',
            next_deadline_name = r.body #>> '{next_deadline,name}',
            next_deadline_at = (r.body #>> '{next_deadline,at}')::TIMESTAMPTZ,
            hold_reasons = ARRAY(SELECT jsonb_array_elements_text(r.body -> 'hold_reasons')),
            holds = CASE WHEN coalesce(r.body #> '{state,holds}', '[]') = '[]'
                              AND NOT r.body -> 'hold_reasons' ?| reasons_to_act() THEN '{}' ELSE holds_in(r.body) END,
            refunded_minor = (r.body ->> 'refunded_minor')::BIGINT,
            closed = (r.body ->> 'closed')::BOOLEAN,
            state = r.body -> 'state',
            recorded_at = (r.body ->> 'recorded_at')::TIMESTAMPTZ,
            emptied_at = NULL
        FROM (
            -- In the order of the orders, whose rows are locked one by one.
            SELECT g.n, g.body, g.body ->> 'order_id' AS order_id, (g.body ->> 'revision')::INT AS revision,
                   (g.body #>> '{state,recorded_revision}')::INT AS follows
            FROM unnest(p_records) WITH ORDINALITY AS g (body, n) ORDER BY g.body ->> 'order_id' COLLATE "C"
        ) AS r
        WHERE o.order_id = r.order_id AND o.revision < r.revision AND o.revision = coalesce(r.follows, o.revision)
        RETURNING r.n, o.order_id
    )
    SELECT array_agg(k.n ORDER BY k.order_id COLLATE "C") INTO v_of FROM kept k;
    FOREACH v_n IN ARRAY coalesce(v_of, '{}') LOOP
        v_kept[v_n] := TRUE;
        v_record := p_records[v_n];
        IF v_record -> 'notices' <> '[]' THEN -- many records have none
            v_subjects := v_subjects || ('order/' || (v_record ->> 'order_id'));
            v_notices := v_notices || (v_record -> 'notices');
        END IF;
        IF v_record -> 'closed' = 'true' THEN
            v_closed := v_closed || v_record;
        END IF;
        v_cases := v_cases OR v_record #> '{state,cases,0}' IS NOT NULL;
    END LOOP;
    IF v_subjects <> '{}' THEN
        PERFORM add_notices_of(v_subjects, v_notices);
    END IF;
    IF v_cases THEN -- most orders have none
        PERFORM note_claim_payments(p_records[n]) FROM unnest(v_of) AS n;
    END IF;
    IF v_closed <> '{}' THEN
        PERFORM end_orders(v_closed);
    END IF;
    FOR v_n IN 1..cardinality(p_records) LOOP
        CONTINUE WHEN v_kept[v_n];
        v_record := p_records[v_n];
        SELECT o.revision = (v_record ->> 'revision')::INT AND o.state = v_record -> 'state' INTO v_same
        FROM orders o WHERE o.order_id = v_record ->> 'order_id';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'order % is not registered', v_record ->> 'order_id'
                USING ERRCODE = 'foreign_key_violation';
        END IF;
        v_kept[v_n] := coalesce(v_same, FALSE);
    END LOOP;
    RETURN v_kept;
END $$;

-- As `record_orders`, of one order.
CREATE FUNCTION record_order(p_record JSONB) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_kept BOOLEAN[] := record_orders(ARRAY[p_record]);
BEGIN
    RETURN v_kept[1];
END $$;

-- Refuse a movement that is no order's, or that a caller may not make.
CREATE FUNCTION refuse_unless_an_orders(p_reference TEXT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    IF p_reference NOT LIKE 'order/%' THEN
        RAISE EXCEPTION 'movement % is refused: it is no order''s', p_reference
            USING ERRCODE = 'insufficient_privilege';
    ELSIF p_reference LIKE 'order/%/chargeback/%/won' THEN
        -- It gives a merchant money of the channel's, as much as the chargeback took, which no caller may say.
        RAISE EXCEPTION 'movement % is refused: only the database makes it', p_reference
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

-- Refuse a refund's arrival, or a claim, on the word of one person: whose votes settled it are two people. A condition that
-- holds a query starts it each time, also where what stands before it says no; so each is asked inside its own.
CREATE FUNCTION refuse_one_persons_word(p_reference TEXT, p_record JSONB) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    IF p_reference LIKE 'order/%/refund/%/paid' OR p_reference LIKE 'order/%/refund/%/covered' THEN
        IF EXISTS (
            SELECT FROM jsonb_path_query(p_record, '$.state.refunds[*]') AS r (body)
            WHERE r.body ->> 'cause' = split_part(p_reference, '/', 4) AND jsonb_array_length(r.body -> 'votes') > 0
              AND (SELECT count(DISTINCT person_of(v ->> 0)) FROM jsonb_array_elements(r.body -> 'votes') AS v) < 2
        ) THEN
            RAISE EXCEPTION 'movement % is refused: one person says that it arrived', p_reference
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    ELSIF p_reference LIKE 'order/%/claim_back/%' THEN
        IF EXISTS (
            SELECT FROM jsonb_path_query(p_record, '$.state.cases[*]') AS c (body)
            CROSS JOIN LATERAL (VALUES
                ((SELECT array_agg(v ->> 0) FROM jsonb_path_query(c.body, '$.claim.votes[*]') AS v)),
                ((SELECT array_agg(p #>> '{}') FROM jsonb_path_query(c.body, '$.claim.ruled_by[*]') AS p))) AS w (people)
            WHERE c.body ->> 'case_id' = split_part(p_reference, '/', 4)
              AND (SELECT count(DISTINCT person_of(n)) FROM unnest(w.people) AS n) = 1
        ) THEN
            RAISE EXCEPTION 'movement % is refused: one person decided it', p_reference
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END IF;
END $$;

-- Post a movement and keep the order's record after it: both or neither. `held`: the order's merchant is frozen, and its
-- money may not become the merchant's now.
CREATE FUNCTION post_for_order(
    p_reference TEXT, p_currency TEXT, p_occurred_at TIMESTAMPTZ, p_emptied TEXT,
    p_debits TEXT[], p_credits TEXT[], p_amounts BIGINT[], p_record JSONB
) RETURNS TABLE (outcome TEXT, account TEXT, short_by BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
SET random_page_cost = 4 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_leg_of  INT[] := array_fill(1, ARRAY[cardinality(p_debits)]);
    v_written RECORD;
    v_lawful  BOOLEAN;
BEGIN
    IF p_reference NOT LIKE 'order/%' OR p_reference LIKE '%/won' THEN -- few are refused
        PERFORM refuse_unless_an_orders(p_reference);
    END IF;
    IF waits_for_merchant(p_reference, p_credits) AND is_held_by_merchant(p_reference) THEN
        outcome := 'held';
        RETURN NEXT;
        RETURN;
    END IF;
    v_written := write_movements(
        ARRAY[p_reference], ARRAY[p_currency], ARRAY[p_occurred_at], ARRAY[NULL::TEXT], ARRAY[p_emptied], v_leg_of, p_debits,
        p_credits, p_amounts);
    outcome := v_written.outcomes[1];
    account := v_written.accounts[1];
    short_by := v_written.shorts[1];
    IF outcome = 'posted' THEN
        v_lawful := refuse_unlawful_of(
            ARRAY[p_reference], ARRAY[p_currency], ARRAY[p_emptied], v_written.outcomes, v_leg_of, p_debits, p_credits,
            p_amounts, v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
        IF depends_on_others(p_reference) THEN
            PERFORM refuse_one_persons_word(p_reference, p_record);
        END IF;
    END IF;
    IF outcome IN ('posted', 'exists') AND p_record IS NOT NULL THEN
        PERFORM record_order(p_record);
    END IF;
    RETURN NEXT;
END $$;

-- As `post_for_order`, for movements of many orders at once, one of each. All are in one transaction: an error undoes them
-- all. The answers come in the order given. Where some are `held`, nothing is posted, and the others have no outcome: the
-- caller asks for those again.
--
-- An array waits for no lock for long: a session that holds one order must not stop the others. The caller then asks for
-- each alone.
CREATE FUNCTION post_for_orders(
    p_references TEXT[], p_currencies TEXT[], p_occurred_at TIMESTAMPTZ[], p_emptied TEXT[],
    p_leg_of INT[], p_debits TEXT[], p_credits TEXT[], p_amounts BIGINT[], p_records JSONB[]
) RETURNS TABLE (outcome TEXT, account TEXT, short_by BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
SET random_page_cost = 4 SET plan_cache_mode = force_generic_plan SET lock_timeout = '1s' AS $$
DECLARE
    v_all     TEXT := array_to_string(p_references, ' ');
    -- Whether any may depend on others of its order.
    v_others  BOOLEAN := strpos(v_all, '/refund/') > 0 OR strpos(v_all, '/chargeback/') > 0
                         OR strpos(v_all, '/claim_back/') > 0;
    v_held    BOOLEAN[];
    v_written RECORD;
    v_lawful  BOOLEAN;
BEGIN
    -- What begins with `order/` stands between these two. A query is started only where one may be refused.
    IF NOT ('order/' COLLATE "C" <= ALL (p_references) AND 'order0' COLLATE "C" > ALL (p_references))
       OR strpos(v_all, '/won') > 0 THEN
        PERFORM refuse_unless_an_orders(r) FROM unnest(p_references) AS r;
    END IF;
    v_held := held_by_merchants(p_references, p_leg_of, p_credits);
    IF TRUE = ANY (v_held) THEN
        RETURN QUERY SELECT CASE WHEN h THEN 'held' END, NULL::TEXT, NULL::BIGINT FROM unnest(v_held) AS h;
        RETURN;
    END IF;
    v_written := write_movements(
        p_references, p_currencies, p_occurred_at, array_fill(NULL::TEXT, ARRAY[cardinality(p_references)]), p_emptied,
        p_leg_of, p_debits, p_credits, p_amounts);
    IF v_others THEN
        -- Such a movement's check locks its order, and each record does: all of them now, in one order. Otherwise an array
        -- that checks a refund of one order and keeps a record of another could wait for one that does the reverse.
        PERFORM FROM orders o WHERE o.order_id = ANY (ARRAY(SELECT split_part(r, '/', 2) FROM unnest(p_references) AS r))
        ORDER BY o.order_id COLLATE "C" FOR NO KEY UPDATE;
    END IF;
    v_lawful := refuse_unlawful_of(
        p_references, p_currencies, p_emptied, v_written.outcomes, p_leg_of, p_debits, p_credits, p_amounts,
        v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
    IF v_others THEN
        PERFORM refuse_one_persons_word(r.reference, r.record)
        FROM unnest(p_references, p_records, v_written.outcomes) AS r (reference, record, outcome)
        WHERE r.outcome = 'posted' AND r.record IS NOT NULL AND depends_on_others(r.reference);
    END IF;
    IF num_nonnulls(VARIADIC p_records) > 0 THEN
        PERFORM record_orders(ARRAY(
            SELECT r.record FROM unnest(p_records, v_written.outcomes) AS r (record, outcome)
            WHERE r.outcome IN ('posted', 'exists') AND r.record IS NOT NULL));
    END IF;
    RETURN QUERY SELECT * FROM unnest(v_written.outcomes, v_written.accounts, v_written.shorts);
END $$;

-- Register an order: `registered` · `same_run` (a retry) · `taken_over` (its first run was lost before money moved) ·
-- `money_moved` · `over` · `different_content` · `payment_over_claimed`.
CREATE FUNCTION open_order(
    p_order JSONB, p_content_hash TEXT, p_opened_by TEXT, p_paid_minor BIGINT, p_policy_hash TEXT, p_now TIMESTAMPTZ
) RETURNS TEXT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_id      TEXT := p_order ->> 'order_id';
    v_channel TEXT := p_order #>> '{payment,channel}';
    v_payment TEXT := p_order #>> '{payment,reference}';
    v_total   BIGINT := (p_order ->> 'total_minor')::BIGINT;
    v_known   orders%ROWTYPE;
BEGIN
    -- An order lives under a text that its policy's name points to, or pointed to a moment ago: terms are the owner's.
    IF NOT EXISTS (SELECT FROM policy_moves m
                   WHERE m.name = coalesce(p_order ->> 'policy', 'default') AND m.to_hash = p_policy_hash) THEN
        RAISE EXCEPTION 'order % is refused: no policy % ever had the text %', v_id,
            coalesce(p_order ->> 'policy', 'default'), p_policy_hash USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- The payment's row is the lock under which its orders are registered one by one. A lower amount never replaces
    -- what the channel has confirmed as paid.
    INSERT INTO payments AS p (channel, payment, currency, paid_minor)
    VALUES (v_channel, v_payment, p_order ->> 'currency', p_paid_minor)
    ON CONFLICT (channel, payment) DO UPDATE
    SET paid_minor = CASE WHEN p.currency = excluded.currency THEN greatest(p.paid_minor, excluded.paid_minor)
                          ELSE p.paid_minor END;
    SELECT * INTO v_known FROM orders o WHERE o.order_id = v_id FOR UPDATE;
    IF FOUND THEN
        IF v_known.content_hash <> p_content_hash THEN RETURN 'different_content'; END IF;
        IF v_known.opened_by <> p_opened_by THEN
            IF v_known.closed THEN RETURN 'over'; END IF;
            IF EXISTS (SELECT FROM movements m WHERE m.reference = 'order/' || v_id || '/fund') THEN
                RETURN 'money_moved';
            END IF;
        END IF;
        -- Until a state is recorded, the order's policy is that of the last answer to its run.
        UPDATE orders SET opened_by = p_opened_by,
                          policy_hash = CASE WHEN revision < 0 THEN p_policy_hash ELSE policy_hash END
        WHERE order_id = v_id;
        RETURN CASE WHEN v_known.opened_by = p_opened_by THEN 'same_run' ELSE 'taken_over' END;
    END IF;
    UPDATE payments p SET claimed_minor = p.claimed_minor + v_total
    WHERE p.channel = v_channel AND p.payment = v_payment
      AND p.currency = p_order ->> 'currency' AND p.claimed_minor + p.returned_minor + v_total <= p.paid_minor;
    IF NOT FOUND THEN RETURN 'payment_over_claimed'; END IF;
    BEGIN
        INSERT INTO orders (order_id, merchant_id, buyer_id, currency, total_minor, channel, payment, body, device_hash,
                            place_hash, content_hash, opened_by, policy_hash, opened_at)
        VALUES (v_id, p_order ->> 'merchant_id', p_order ->> 'buyer_id', p_order ->> 'currency', v_total, v_channel,
                v_payment, p_order, p_order ->> 'device_hash', p_order ->> 'place_hash', p_content_hash, p_opened_by,
                p_policy_hash, p_now);
    EXCEPTION WHEN unique_violation THEN
        -- The same id with another payment, registered in the same moment.
        UPDATE payments p SET claimed_minor = p.claimed_minor - v_total
        WHERE p.channel = v_channel AND p.payment = v_payment;
        RETURN 'different_content';
    END;
    RETURN 'registered';
END $$;

-- Register an order, post its first movement and keep its record: a new order opens in one transaction. Any other is at
-- most registered, and its workflow goes on step by step. `recorded`: the register has a state of it, from this call or
-- from before; `refs`: all its movements. A new order of a merchant that is frozen, suspended or leaving is not registered: the
-- outcome is the reason code, unless the record holds the order by that name. `claimed_otherwise`: orders claim the payment of
-- this number under another reference. A refused order gives the payment no name.
CREATE FUNCTION open_and_fund_order(
    p_order JSONB, p_content_hash TEXT, p_opened_by TEXT, p_paid_minor BIGINT, p_policy_hash TEXT, p_now TIMESTAMPTZ,
    p_reference TEXT, p_currency TEXT, p_occurred_at TIMESTAMPTZ, p_emptied TEXT,
    p_debits TEXT[], p_credits TEXT[], p_amounts BIGINT[], p_record JSONB, p_number TEXT
) RETURNS TABLE (outcome TEXT, recorded BOOLEAN, refs TEXT[])
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_stop    TEXT;
    v_channel TEXT := p_order #>> '{payment,channel}';
    v_payment TEXT := p_order #>> '{payment,reference}';
BEGIN
    IF NOT EXISTS (SELECT FROM orders o WHERE o.order_id = p_order ->> 'order_id') THEN
        v_stop := coalesce(stop_of_merchant(p_order ->> 'merchant_id'),
                           'merchant_' || CASE WHEN merchant_value(p_order ->> 'merchant_id', 'leaving') IS NOT NULL
                                               THEN 'leaving' END);
        IF v_stop IS NOT NULL AND NOT coalesce(p_record #> '{state,holds}', '[]')
                                      @> jsonb_build_array(jsonb_build_object('name', v_stop)) THEN
            outcome := v_stop;
            recorded := FALSE;
            refs := '{}';
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    IF p_number IS NOT NULL AND name_payment(v_channel, p_number, v_payment) <> v_payment THEN
        outcome := 'claimed_otherwise';
    ELSE
        outcome := open_order(p_order, p_content_hash, p_opened_by, p_paid_minor, p_policy_hash, p_now);
        IF p_number IS NOT NULL AND outcome <> 'registered' THEN -- few are refused
            -- Until this transaction ends no one has read the name.
            DELETE FROM payment_numbers n
            WHERE n.channel = v_channel AND n.number = p_number
              AND NOT EXISTS (SELECT FROM orders o WHERE o.channel = v_channel AND o.payment = v_payment);
        END IF;
    END IF;
    IF outcome = 'registered' AND p_reference IS NOT NULL THEN
        PERFORM post_for_order(p_reference, p_currency, p_occurred_at, p_emptied, p_debits, p_credits, p_amounts,
                               p_record);
    END IF;
    recorded := EXISTS (SELECT FROM orders o WHERE o.order_id = p_order ->> 'order_id' AND o.state IS NOT NULL);
    refs := ARRAY(SELECT m.reference FROM movements m
                  WHERE m.reference >= 'order/' || (p_order ->> 'order_id') || '/'
                    AND m.reference < 'order/' || (p_order ->> 'order_id') || '0' ORDER BY m.id);
    RETURN NEXT;
END $$;

CREATE FUNCTION take_over_order(p_order_id TEXT, p_opened_by TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    UPDATE orders SET opened_by = p_opened_by WHERE order_id = p_order_id AND NOT closed;
    RETURN FOUND;
END $$;
