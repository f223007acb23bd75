-- What the platform decides about merchants: frozen, suspended, leaving, their terms, their deposits. Rows are only
-- added. The last one counts, and each says who, why and when.

CREATE TABLE merchant_moves (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    what        TEXT NOT NULL,
    -- Null: no longer so.
    value       TEXT,
    role        TEXT NOT NULL,
    who         TEXT NOT NULL,
    why         TEXT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT moved_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT merchant_move_known CHECK (
        (what IN ('frozen', 'suspended', 'leaving') AND coalesce(value, 'yes') = 'yes')
        OR (what = 'settlement_delay' AND coalesce(value, '0s') ~ '^[0-9]{1,9}[smhd]$')
        OR (what = 'commission_bps' AND coalesce(value::INT, 0) BETWEEN 0 AND 10000)
        OR (what = 'auto_withdraw' AND coalesce(value, 'yes') IN ('yes', 'no'))),
    CONSTRAINT merchant_moves_have_a_reason CHECK (length(why) BETWEEN 1 AND 500),
    CONSTRAINT operators_move_merchants CHECK (role = 'operator')
);

-- The last word on each thing about a merchant.
CREATE INDEX merchant_moves_by_merchant ON merchant_moves (merchant_id, what, id);
-- The merchants that leave, or once did.
CREATE INDEX merchant_moves_of_leaving ON merchant_moves (merchant_id) WHERE what = 'leaving';

CREATE TRIGGER merchant_moves_are_only_added_to
    BEFORE UPDATE OR DELETE OR TRUNCATE ON merchant_moves
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();

-- What each merchant, or each merchant of a grade, must leave with the platform. A merchant's own word comes first; null
-- is none of its own.
CREATE TABLE deposit_moves (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id    TEXT,
    grade          TEXT,
    currency       TEXT NOT NULL,
    required_minor BIGINT,
    role           TEXT NOT NULL,
    who            TEXT NOT NULL,
    why            TEXT NOT NULL,
    at             TIMESTAMPTZ NOT NULL,
    recorded_at    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT a_deposit_is_a_merchants_or_a_grades CHECK (num_nonnulls(merchant_id, grade) = 1),
    CONSTRAINT deposit_of_a_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT deposit_of_a_grade_form CHECK (grade ~ '^[a-z0-9_-]{1,40}$'),
    CONSTRAINT deposit_currency_is_iso4217 CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT deposit_in_bounds CHECK (required_minor BETWEEN 0 AND 1000000000000000),
    CONSTRAINT deposit_moves_have_a_reason CHECK (length(why) BETWEEN 1 AND 500),
    CONSTRAINT operators_ask_for_deposits CHECK (role = 'operator')
);

CREATE INDEX deposit_moves_by_merchant ON deposit_moves (merchant_id, currency, id) WHERE merchant_id IS NOT NULL;
CREATE INDEX deposit_moves_by_grade ON deposit_moves (grade, currency, id) WHERE grade IS NOT NULL;

CREATE TRIGGER deposit_moves_are_only_added_to
    BEFORE UPDATE OR DELETE OR TRUNCATE ON deposit_moves
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();

-- --- what holds now ------------------------------------------------------------------------------------------

-- The last word on one thing about a merchant; null where there is none.
CREATE FUNCTION merchant_value(p_merchant_id TEXT, p_what TEXT) RETURNS TEXT
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT m.value FROM merchant_moves m
    WHERE m.merchant_id = p_merchant_id AND m.what = p_what ORDER BY m.id DESC LIMIT 1
$$;

-- The reason code for which a merchant gets no new order and no payout; null where there is none.
CREATE FUNCTION merchant_stop(p_merchant_id TEXT) RETURNS TEXT
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT CASE WHEN merchant_value(p_merchant_id, 'frozen') IS NOT NULL THEN 'merchant_frozen'
                WHEN merchant_value(p_merchant_id, 'suspended') IS NOT NULL THEN 'merchant_suspended' END
$$;

-- What a merchant must leave with the platform. One that leaves tops nothing up any more.
CREATE FUNCTION deposit_required(p_merchant_id TEXT, p_currency TEXT) RETURNS BIGINT
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT CASE WHEN merchant_value(p_merchant_id, 'leaving') IS NOT NULL THEN 0 ELSE coalesce(
        (SELECT d.required_minor FROM deposit_moves d
         WHERE d.merchant_id = p_merchant_id AND d.currency = p_currency ORDER BY d.id DESC LIMIT 1),
        (SELECT d.required_minor FROM deposit_moves d
         WHERE d.grade = (SELECT g.grade FROM grade_moves g
                          WHERE g.merchant_id = p_merchant_id ORDER BY g.id DESC LIMIT 1)
           AND d.currency = p_currency ORDER BY d.id DESC LIMIT 1),
        0) END
$$;

-- Whether a movement makes an order's money its merchant's by a decision of the platform: while the merchant is frozen,
-- it waits. What others have done is booked all the same: a bank sends a payout back, a channel gives back what it took.
-- What a withdrawal gives back stays within the merchant's money, and no payout of a frozen merchant is opened. What a
-- buyer pays again is booked too, to what is frozen for the order: `p_credits` are the movement's.
CREATE FUNCTION waits_for_merchant(p_reference TEXT, p_credits TEXT[]) RETURNS BOOLEAN LANGUAGE sql STABLE AS $$
    SELECT p_reference LIKE 'order/%' AND CASE split_part(p_reference, '/', 3)
        WHEN 'credit' THEN TRUE WHEN 'settle' THEN TRUE WHEN 'release' THEN TRUE
        WHEN 'claim_back' THEN array_to_string(p_credits, ' ') LIKE '%/available%' ELSE FALSE END
$$;

-- Whether what a buyer paid again stands in the books as frozen for the order. A worker may die after it has booked that,
-- and ask as the first time: it learns that the money is held, and not that the books have another movement.
CREATE FUNCTION is_kept_frozen(p_reference TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    RETURN p_reference LIKE 'order/%/claim\_back/%' AND EXISTS (
        SELECT FROM movements m JOIN transfers t ON t.movement_id = m.id
        JOIN accounts a ON a.id = t.credit_account AND a.path LIKE 'order/%/frozen'
        WHERE m.reference = p_reference);
END $$;

-- Whether an order's money may not become its merchant's now. The lock is held until the transaction ends: after a
-- freeze has returned, no posting that was checked before it can follow.
CREATE FUNCTION is_held_by_merchant(p_reference TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_merchant TEXT := (SELECT o.merchant_id FROM orders o WHERE o.order_id = split_part(p_reference, '/', 2));
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('merchant/' || v_merchant, 0));
    IF EXISTS (SELECT FROM movements m WHERE m.reference = p_reference) THEN
        RETURN is_kept_frozen(p_reference);
    END IF;
    RETURN merchant_value(v_merchant, 'frozen') IS NOT NULL;
END $$;

-- The same for each of many orders' movements; false for those that do not wait. The locks are taken in the order of
-- their keys, so that two arrays never wait for each other.
CREATE FUNCTION held_by_merchants(p_references TEXT[], p_leg_of INT[], p_credits TEXT[]) RETURNS BOOLEAN[]
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_merchants TEXT[];
    v_locks     INT;
    v_ever      BOOLEAN;
BEGIN
    SELECT array_agg(k.merchant_id), count(pg_advisory_xact_lock_shared(k.key)) INTO v_merchants, v_locks FROM (
        SELECT DISTINCT hashtextextended('merchant/' || o.merchant_id, 0) AS key, o.merchant_id
        FROM unnest(p_references) WITH ORDINALITY AS r (reference, n)
        CROSS JOIN LATERAL (
            SELECT n.merchant_id FROM orders n
            WHERE n.order_id = split_part(r.reference, '/', 2)
              AND waits_for_merchant(r.reference, CASE WHEN r.reference LIKE 'order/%/claim\_back/%' THEN ARRAY(
                  SELECT g.credit FROM unnest(p_leg_of, p_credits) AS g (leg_of, credit) WHERE g.leg_of = r.n) END)
            OFFSET 0
        ) AS o
        ORDER BY 1
    ) AS k;
    IF v_merchants IS NOT NULL THEN -- first whether any of them ever was: few are
        SELECT TRUE INTO v_ever FROM merchant_moves f WHERE f.merchant_id = ANY (v_merchants) AND f.what = 'frozen';
    END IF;
    IF v_ever IS NULL THEN
        RETURN array_fill(FALSE, ARRAY[cardinality(p_references)]);
    END IF;
    -- No EXISTS: for many references the planner would make a table of all movements.
    RETURN (
        SELECT array_agg(
            waits_for_merchant(r.reference, CASE WHEN r.reference LIKE 'order/%/claim\_back/%' THEN ARRAY(
                SELECT g.credit FROM unnest(p_leg_of, p_credits) AS g (leg_of, credit) WHERE g.leg_of = r.n) END)
            AND CASE WHEN (SELECT m.id FROM movements m WHERE m.reference = r.reference) IS NOT NULL
                THEN is_kept_frozen(r.reference)
                ELSE merchant_value(
                    (SELECT o.merchant_id FROM orders o WHERE o.order_id = split_part(r.reference, '/', 2)),
                    'frozen') IS NOT NULL END ORDER BY r.n)
        FROM unnest(p_references) WITH ORDINALITY AS r (reference, n));
END $$;

-- The same for what a merchant asks for: the reason code, under the lock.
CREATE FUNCTION stop_of_merchant(p_merchant_id TEXT) RETURNS TEXT
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('merchant/' || p_merchant_id, 0));
    RETURN merchant_stop(p_merchant_id);
END $$;

-- The holds of an order's record that say that its merchant is stopped, while it is not. Letting a merchant go lifts
-- them for the orders whose record has them. The lock is held until the transaction ends: either the record is found
-- then, or this knows that the merchant was let go.
CREATE FUNCTION holds_to_let_go(p_record JSONB) RETURNS TEXT[]
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_stops    TEXT[];
    v_merchant TEXT;
BEGIN
    IF p_record #> '{state,holds,0}' IS NULL THEN
        RETURN '{}';
    END IF;
    v_stops := ARRAY(SELECT h.body ->> 'name' FROM jsonb_path_query(p_record, '$.state.holds[*]') AS h (body)
                     WHERE h.body ->> 'name' IN ('merchant_frozen', 'merchant_suspended'));
    IF v_stops = '{}' THEN
        RETURN v_stops;
    END IF;
    v_merchant := (SELECT o.merchant_id FROM orders o WHERE o.order_id = p_record ->> 'order_id');
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('merchant/' || v_merchant, 0));
    RETURN ARRAY(SELECT s FROM unnest(v_stops) AS s
                 WHERE merchant_value(v_merchant, substr(s, length('merchant_') + 1)) IS NULL);
END $$;

-- --- changes -------------------------------------------------------------------------------------------------

-- Notify merchant and operators. The caller holds the merchant's lock, so that no two notices get one number.
CREATE FUNCTION tell_of_merchant(p_merchant_id TEXT, p_name TEXT, p_facts JSONB, p_at TIMESTAMPTZ) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_subject TEXT := 'merchant/' || p_merchant_id;
    v_last    INT := (SELECT coalesce(max(n.seq), 0) FROM notices n WHERE n.subject = v_subject);
BEGIN
    PERFORM add_notices(v_subject, jsonb_build_array(
        jsonb_build_object('seq', v_last + 1, 'to', 'merchant', 'name', p_name, 'facts', p_facts, 'at', p_at),
        jsonb_build_object('seq', v_last + 2, 'to', 'operator', 'name', p_name, 'facts', p_facts, 'at', p_at)));
END $$;

-- Add a decision about a merchant. False: nothing changes, and nothing is added.
CREATE FUNCTION move_merchant(
    p_merchant_id TEXT, p_what TEXT, p_value TEXT, p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('merchant/' || p_merchant_id, 0));
    IF merchant_value(p_merchant_id, p_what) IS NOT DISTINCT FROM p_value THEN
        RETURN FALSE;
    END IF;
    INSERT INTO merchant_moves (merchant_id, what, value, role, who, why, at)
    VALUES (p_merchant_id, p_what, p_value, p_role, p_who, p_why, p_now);
    PERFORM tell_of_merchant(p_merchant_id, 'merchant_changed', jsonb_build_object(
        'what', p_what, 'value', coalesce(p_value, ''), 'reason', p_why), p_now);
    RETURN TRUE;
END $$;

-- Freeze or suspend a merchant, note that it leaves, or the reverse. Only these: terms are the owner's.
CREATE FUNCTION stop_merchant(
    p_merchant_id TEXT, p_what TEXT, p_value TEXT, p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    IF p_what NOT IN ('frozen', 'suspended', 'leaving') THEN
        RAISE EXCEPTION '% of a merchant is the owner''s to decide', p_what USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN move_merchant(p_merchant_id, p_what, p_value, p_role, p_who, p_why, p_now);
END $$;

-- Ask a merchant, or every merchant of a grade, for a deposit. Only the owner may call it. False: it is so already.
CREATE FUNCTION require_deposit(
    p_merchant_id TEXT, p_grade TEXT, p_currency TEXT, p_required BIGINT,
    p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_last BIGINT;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(
        coalesce('merchant/' || p_merchant_id, 'deposit_of_grade/' || p_grade), 0));
    SELECT d.required_minor INTO v_last FROM deposit_moves d
    WHERE (d.merchant_id = p_merchant_id OR d.grade = p_grade) AND d.currency = p_currency
    ORDER BY d.id DESC LIMIT 1;
    IF v_last IS NOT DISTINCT FROM p_required THEN
        RETURN FALSE;
    END IF;
    INSERT INTO deposit_moves (merchant_id, grade, currency, required_minor, role, who, why, at)
    VALUES (p_merchant_id, p_grade, p_currency, p_required, p_role, p_who, p_why, p_now);
    IF p_merchant_id IS NOT NULL THEN
        PERFORM tell_of_merchant(p_merchant_id, 'merchant_changed', jsonb_build_object(
            'what', 'deposit', 'value', coalesce(p_required || ' ' || p_currency, ''), 'reason', p_why), p_now);
    END IF;
    RETURN TRUE;
END $$;

-- Give back what a deposit holds beyond what is required. From a merchant that leaves: all of it, once no order of it is
-- open and the safeguard's time has passed since the last one ended. Answers `paid_back`, `nothing`, `merchant_frozen`,
-- `orders_open`, or `too_early` with the time from which on it may be given back.
CREATE FUNCTION pay_deposit_back(p_merchant_id TEXT, p_currency TEXT, p_now TIMESTAMPTZ)
RETURNS TABLE (outcome TEXT, amount_minor BIGINT, ready_at TIMESTAMPTZ)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_base    TEXT := 'merchant/' || p_merchant_id;
    v_leaving TIMESTAMPTZ;
    v_number  BIGINT;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(v_base, 0));
    -- A refund may take from the deposit meanwhile. In id order, as `post` locks them.
    PERFORM FROM accounts a
    WHERE a.path IN (v_base || '/available', v_base || '/deposit', v_base || '/receivable') AND a.currency = p_currency
    ORDER BY a.id FOR NO KEY UPDATE;
    SELECT a.balance_minor - deposit_required(p_merchant_id, p_currency) INTO amount_minor FROM accounts a
    WHERE a.path = v_base || '/deposit' AND a.currency = p_currency;
    IF coalesce(amount_minor, 0) <= 0 THEN
        RETURN QUERY SELECT 'nothing', 0::BIGINT, NULL::TIMESTAMPTZ;
        RETURN;
    END IF;
    SELECT m.at INTO v_leaving FROM merchant_moves m
    WHERE m.merchant_id = p_merchant_id AND m.what = 'leaving' ORDER BY m.id DESC LIMIT 1;
    IF merchant_value(p_merchant_id, 'leaving') IS NOT NULL THEN
        SELECT greatest(v_leaving, max(o.recorded_at)) + safeguard('deposit_kept') INTO ready_at
        FROM orders o WHERE o.merchant_id = p_merchant_id;
        outcome := CASE
            WHEN EXISTS (SELECT FROM orders o WHERE o.merchant_id = p_merchant_id AND NOT o.closed) THEN 'orders_open'
            WHEN ready_at > bounded_now(p_now) THEN 'too_early' END;
    END IF;
    IF merchant_value(p_merchant_id, 'frozen') IS NOT NULL THEN
        outcome := 'merchant_frozen';
    END IF;
    IF outcome IS NULL THEN
        SELECT count(*) + 1 INTO v_number FROM movements m
        WHERE m.reference >= v_base || '/deposit_back/' AND m.reference < v_base || '/deposit_back0';
        SELECT CASE p.outcome WHEN 'posted' THEN 'paid_back' ELSE p.outcome END INTO outcome
        FROM post(ARRAY[v_base || '/deposit_back/' || v_number], ARRAY[p_currency], ARRAY[p_now], ARRAY[NULL::TEXT],
                  ARRAY[NULL::TEXT], ARRAY[1], ARRAY[v_base || '/deposit'], ARRAY[v_base || '/available'],
                  ARRAY[pay_deposit_back.amount_minor]) AS p;
        IF outcome = 'paid_back' THEN
            PERFORM tell_of_merchant(p_merchant_id, 'deposit_paid_back', jsonb_build_object(
                'amount_minor', pay_deposit_back.amount_minor::TEXT, 'currency', p_currency), p_now);
        END IF;
    END IF;
    RETURN NEXT;
END $$;

-- Call merchant and operators for a debt whose oldest part is overdue. Once for each part that is the oldest: false means
-- that they were called for it.
CREATE FUNCTION call_for_debt(
    p_merchant_id TEXT, p_currency TEXT, p_owed BIGINT, p_since TIMESTAMPTZ, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_since TEXT := to_char(p_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('merchant/' || p_merchant_id, 0));
    IF EXISTS (SELECT FROM notices n WHERE n.subject = 'merchant/' || p_merchant_id AND n.name = 'receivable_overdue'
               AND n.facts ->> 'currency' = p_currency AND n.facts ->> 'since' = v_since) THEN
        RETURN FALSE;
    END IF;
    PERFORM tell_of_merchant(p_merchant_id, 'receivable_overdue', jsonb_build_object(
        'amount_minor', p_owed::TEXT, 'currency', p_currency, 'since', v_since), p_now);
    RETURN TRUE;
END $$;
