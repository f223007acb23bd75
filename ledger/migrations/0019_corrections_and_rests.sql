-- What two people decide: corrections, which take a movement back whole or in part, and the return of what no order claims
-- of a payment.

CREATE TABLE corrections (
    request_id TEXT PRIMARY KEY,
    reference  TEXT COLLATE "C" NOT NULL,
    -- What each leg of the movement gives back: `[{leg, amount_minor}]`, by leg.
    legs       JSONB NOT NULL,
    reason     TEXT NOT NULL,
    asked_by   TEXT NOT NULL,
    asked_at   TIMESTAMPTZ NOT NULL,
    asked_in   XID8 NOT NULL DEFAULT pg_current_xact_id(),
    done_by    TEXT,
    done_at    TIMESTAMPTZ,
    CONSTRAINT corrects_a_movement FOREIGN KEY (reference) REFERENCES movements (reference),
    CONSTRAINT correction_request_form CHECK (request_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT a_movement_is_corrected_by_two_people CHECK (person_of(done_by) <> person_of(asked_by))
);
CREATE INDEX corrections_by_movement ON corrections (reference);

-- For the corrections of a movement.
CREATE INDEX movements_by_link ON movements (linked_to) WHERE linked_to IS NOT NULL;

-- Movements that the register does not answer for. The state of an order or a withdrawal says where its money is. A
-- correction that it does not know would make that state wrong.
CREATE FUNCTION may_be_corrected(p_reference TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE AS $$
    SELECT p_reference LIKE 'psp/%/settlement/%' OR p_reference LIKE 'merchant/%/paid_in/%'
        OR p_reference LIKE 'merchant/%/write_off/%'
        OR split_part(p_reference, '/', 1) NOT IN ('order', 'withdrawal', 'psp', 'account', 'merchant', 'payment')
$$;

-- The transfers of a movement in the order of their legs, with what corrections have taken back of each.
CREATE FUNCTION correctable_legs(p_reference TEXT) RETURNS TABLE (
    leg INT, debit TEXT, credit TEXT, currency TEXT, amount_minor BIGINT, corrected_minor BIGINT
) LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT t.leg, d.path, c.path, t.currency, t.amount_minor,
           coalesce((SELECT sum(l.amount_minor) FROM corrections k
                     CROSS JOIN LATERAL jsonb_to_recordset(k.legs) AS l (leg INT, amount_minor BIGINT)
                     WHERE k.reference = p_reference AND k.done_at IS NOT NULL AND l.leg = t.leg), 0)::BIGINT
    FROM movements m JOIN transfers t ON t.movement_id = m.id
    JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
    WHERE m.reference = p_reference
    ORDER BY t.leg
$$;

-- A debt is first taken from the merchant's money, as everywhere: available money, then the deposit. The accounts are
-- locked in id order, as `post` locks them.
CREATE FUNCTION split_owed(p_debit TEXT, p_currency TEXT, p_amount BIGINT) RETURNS TABLE (debit TEXT, amount_minor BIGINT)
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_left BIGINT := p_amount;
    v_has  RECORD;
BEGIN
    IF p_debit NOT LIKE 'merchant/%/receivable' THEN
        RETURN QUERY SELECT p_debit, p_amount;
        RETURN;
    END IF;
    PERFORM FROM accounts a
    WHERE a.path IN ('merchant/' || split_part(p_debit, '/', 2) || '/available',
                     'merchant/' || split_part(p_debit, '/', 2) || '/deposit', p_debit)
      AND a.currency = p_currency
    ORDER BY a.id FOR NO KEY UPDATE;
    FOR v_has IN
        SELECT a.path, a.balance_minor FROM accounts a
        WHERE a.path IN ('merchant/' || split_part(p_debit, '/', 2) || '/available',
                         'merchant/' || split_part(p_debit, '/', 2) || '/deposit')
          AND a.currency = p_currency AND a.balance_minor > 0
        ORDER BY a.path
    LOOP
        debit := v_has.path;
        amount_minor := least(v_left, v_has.balance_minor);
        v_left := v_left - amount_minor;
        IF amount_minor > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
    IF v_left > 0 THEN
        RETURN QUERY SELECT p_debit, v_left;
    END IF;
END $$;

-- Correct a movement: the first person asks, a second one does it. Without legs all that is left of it is taken back.
-- A correction may be taken back as well, and that is final: else two people could hide a movement among its
-- corrections. While a merchant is frozen, no correction makes money available to it.
-- Answers `asked`, `corrected`, `already`, `same_person`, `access_ended`, `different` (the request stands for another one),
-- `unknown_movement`, `not_correctable`, `no_such_leg`, `above_movement` (`account` is the leg), `insufficient_funds`, or
-- `merchant_frozen` (`account` is the merchant).
CREATE FUNCTION correct_movement(
    p_request TEXT, p_reference TEXT, p_legs JSONB, p_by TEXT, p_reason TEXT, p_now TIMESTAMPTZ
) RETURNS TABLE (outcome TEXT, account TEXT, short_by BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_request  corrections%ROWTYPE;
    v_legs     JSONB;
    v_currency TEXT;
    v_linked   TEXT;
    v_debits   TEXT[];
    v_credits  TEXT[];
    v_amounts  BIGINT[];
BEGIN
    -- One correction of a movement at a time.
    PERFORM pg_advisory_xact_lock(hashtextextended('correction/' || p_reference, 0));
    SELECT m.currency, m.linked_to INTO v_currency, v_linked FROM movements m WHERE m.reference = p_reference;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'unknown_movement', NULL::TEXT, NULL::BIGINT;
        RETURN;
    ELSIF NOT may_be_corrected(p_reference) OR (p_reference LIKE 'correction/%' AND v_linked LIKE 'correction/%') THEN
        RETURN QUERY SELECT 'not_correctable', NULL::TEXT, NULL::BIGINT;
        RETURN;
    END IF;
    SELECT * INTO v_request FROM corrections k WHERE k.request_id = p_request FOR UPDATE;
    v_legs := coalesce(p_legs, v_request.legs,
                       (SELECT jsonb_agg(jsonb_build_object('leg', l.leg, 'amount_minor', l.amount_minor - l.corrected_minor)
                                         ORDER BY l.leg)
                        FROM correctable_legs(p_reference) AS l WHERE l.amount_minor > l.corrected_minor), '[]');
    IF v_request.request_id IS NOT NULL AND (v_request.reference, v_request.legs) IS DISTINCT FROM (p_reference, v_legs) THEN
        RETURN QUERY SELECT 'different', NULL::TEXT, NULL::BIGINT;
        RETURN;
    ELSIF v_request.done_at IS NOT NULL THEN
        RETURN QUERY SELECT 'already', NULL::TEXT, NULL::BIGINT;
        RETURN;
    END IF;
    SELECT CASE WHEN c.leg IS NULL THEN 'no_such_leg' ELSE 'above_movement' END, w.leg::TEXT,
           w.amount_minor - (c.amount_minor - c.corrected_minor)
    INTO outcome, account, short_by
    FROM (SELECT g.leg, sum(g.amount_minor)::BIGINT AS amount_minor, min(g.amount_minor) AS least
          FROM jsonb_to_recordset(v_legs) AS g (leg INT, amount_minor BIGINT) GROUP BY g.leg) AS w
    LEFT JOIN correctable_legs(p_reference) AS c ON c.leg = w.leg
    WHERE c.leg IS NULL OR w.amount_minor > c.amount_minor - c.corrected_minor OR w.least < 1
    ORDER BY w.leg LIMIT 1;
    IF FOUND THEN
        RETURN NEXT;
        RETURN;
    ELSIF v_legs = '[]' THEN
        RETURN QUERY SELECT 'above_movement', NULL::TEXT, NULL::BIGINT;
        RETURN;
    ELSIF NOT may_decide(p_by) THEN
        RETURN QUERY SELECT 'access_ended', NULL::TEXT, NULL::BIGINT;
        RETURN;
    ELSIF v_request.request_id IS NULL OR NOT may_decide(v_request.asked_by) THEN
        INSERT INTO corrections (request_id, reference, legs, reason, asked_by, asked_at)
        VALUES (p_request, p_reference, v_legs, p_reason, p_by, p_now)
        ON CONFLICT (request_id) DO UPDATE
        SET reason = EXCLUDED.reason, asked_by = EXCLUDED.asked_by, asked_at = EXCLUDED.asked_at, asked_in = EXCLUDED.asked_in;
        RETURN QUERY SELECT 'asked', NULL::TEXT, NULL::BIGINT;
        RETURN;
    ELSIF person_of(v_request.asked_by) = person_of(p_by) THEN
        RETURN QUERY SELECT 'same_person', NULL::TEXT, NULL::BIGINT;
        RETURN;
    END IF;
    PERFORM refuse_in_one_breath(p_request, v_request.asked_in);
    SELECT g.merchant INTO account
    FROM (SELECT DISTINCT split_part(c.debit, '/', 2) AS merchant FROM correctable_legs(p_reference) AS c
          WHERE c.debit LIKE 'merchant/%/available' ORDER BY 1) AS g
    WHERE stop_of_merchant(g.merchant) = 'merchant_frozen' LIMIT 1;
    IF FOUND THEN
        RETURN QUERY SELECT 'merchant_frozen', account, NULL::BIGINT;
        RETURN;
    END IF;
    SELECT array_agg(s.debit ORDER BY w.leg), array_agg(c.debit ORDER BY w.leg), array_agg(s.amount_minor ORDER BY w.leg)
    INTO v_debits, v_credits, v_amounts
    FROM jsonb_to_recordset(v_legs) AS w (leg INT, amount_minor BIGINT)
    JOIN correctable_legs(p_reference) AS c ON c.leg = w.leg
    CROSS JOIN LATERAL split_owed(c.credit, v_currency, w.amount_minor) AS s;
    SELECT p.outcome, p.account, p.short_by INTO outcome, account, short_by
    FROM post(ARRAY['correction/' || p_request], ARRAY[v_currency], ARRAY[p_now], ARRAY[p_reference], ARRAY[NULL::TEXT],
              array_fill(1, ARRAY[cardinality(v_debits)]), v_debits, v_credits, v_amounts) AS p;
    IF outcome = 'posted' THEN
        UPDATE corrections k SET done_by = p_by, done_at = p_now WHERE k.request_id = p_request;
        outcome := 'corrected';
    END IF;
    RETURN NEXT;
END $$;

-- What channels sent to rails, less what was corrected of it: what left the channel, and what came to the rail.
CREATE VIEW booked_settlements AS
SELECT m.id, m.reference, m.currency, m.occurred_at, split_part(m.reference, '/', 2) AS channel,
       split_part(m.reference, '/', 4) AS settlement,
       max(CASE WHEN d.path LIKE 'rail/%' THEN d.path WHEN c.path LIKE 'rail/%' THEN c.path END) AS cash,
       coalesce(sum(CASE WHEN c.path LIKE 'psp/%' THEN t.amount_minor WHEN d.path LIKE 'psp/%' THEN -t.amount_minor END),
                0)::BIGINT AS gross_minor,
       coalesce(sum(CASE WHEN d.path LIKE 'rail/%' THEN t.amount_minor WHEN c.path LIKE 'rail/%' THEN -t.amount_minor END),
                0)::BIGINT AS net_minor
FROM movements m
CROSS JOIN LATERAL (
    SELECT m.id UNION ALL SELECT k.id FROM movements k WHERE k.linked_to = m.reference
    -- What corrects a correction puts it back; that is final.
    UNION ALL SELECT l.id FROM movements k JOIN movements l ON l.linked_to = k.reference WHERE k.linked_to = m.reference
) AS x (id)
JOIN transfers t ON t.movement_id = x.id
JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
WHERE m.reference > 'psp/' AND m.reference < 'psp0' AND m.reference LIKE 'psp/%/settlement/%'
GROUP BY m.id, m.reference;

-- What of a payment no order claims, and two people give back to the buyer. `asked` by the first · `owed`: the second has
-- said the same, and the channel is asked · `arrived` with the buyer · `refused` by the channel: it is unclaimed again ·
-- `claimed`: an order took a part of it before the second agreed, and what is left was asked for anew.
CREATE TABLE rest_returns (
    return_id    TEXT PRIMARY KEY,
    channel      TEXT NOT NULL,
    payment      TEXT NOT NULL,
    currency     TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    reason       TEXT NOT NULL,
    asked_by     TEXT NOT NULL,
    asked_at     TIMESTAMPTZ NOT NULL,
    asked_in     XID8 NOT NULL DEFAULT pg_current_xact_id(),
    done_by      TEXT,
    done_at      TIMESTAMPTZ,
    state        TEXT NOT NULL DEFAULT 'asked',
    closed_at    TIMESTAMPTZ,
    reference    TEXT,
    message      TEXT NOT NULL DEFAULT '',
    CONSTRAINT rest_return_of_a_payment FOREIGN KEY (channel, payment) REFERENCES payments (channel, payment),
    CONSTRAINT rest_return_form CHECK (return_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT rest_return_amount_in_bounds CHECK (amount_minor BETWEEN 1 AND 1000000000000000),
    CONSTRAINT rest_return_state_known CHECK (state IN ('asked', 'owed', 'arrived', 'refused', 'claimed')),
    CONSTRAINT a_rest_is_returned_by_two_people CHECK (person_of(done_by) <> person_of(asked_by)),
    CONSTRAINT a_rest_moves_once_two_agree CHECK ((state IN ('asked', 'claimed')) = (done_by IS NULL))
);
CREATE INDEX rest_returns_by_payment ON rest_returns (channel, payment);

-- For the list of what no order claims.
CREATE INDEX payments_with_a_rest ON payments (channel, payment) WHERE paid_minor > claimed_minor + returned_minor;

-- Post a movement of a return. Its notice is true only if the books have it: anything else undoes all of it.
CREATE FUNCTION post_rest(
    p_return TEXT, p_step TEXT, p_currency TEXT, p_now TIMESTAMPTZ, p_emptied TEXT, p_debit TEXT, p_credit TEXT,
    p_amount BIGINT
) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_outcome TEXT;
BEGIN
    SELECT p.outcome INTO v_outcome
    FROM post(ARRAY['payment/' || p_return || '/' || p_step], ARRAY[p_currency], ARRAY[p_now], ARRAY[NULL::TEXT],
              ARRAY[p_emptied], ARRAY[1], ARRAY[p_debit], ARRAY[p_credit], ARRAY[p_amount]) AS p;
    IF v_outcome <> 'posted' THEN
        RAISE EXCEPTION 'return % is refused: the books answer %', p_return, v_outcome
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END $$;

-- Give back the rest of a payment, all of it: the first person asks, a second one does it. Answers `asked`, `owed`,
-- `already`, `same_person`, `access_ended`, `different` (the id stands for another payment), `unknown_payment`, `nothing_left`, or
-- `claimed`: an order has taken a part of it since it was asked for.
CREATE FUNCTION return_rest(
    p_return TEXT, p_channel TEXT, p_payment TEXT, p_by TEXT, p_reason TEXT, p_now TIMESTAMPTZ
) RETURNS TABLE (outcome TEXT, amount_minor BIGINT, currency TEXT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_payment payments%ROWTYPE;
    v_return  rest_returns%ROWTYPE;
    v_rest    BIGINT;
BEGIN
    -- The payment's row is the lock under which orders claim their parts.
    SELECT * INTO v_payment FROM payments p WHERE p.channel = p_channel AND p.payment = p_payment FOR UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'unknown_payment', NULL::BIGINT, NULL::TEXT;
        RETURN;
    END IF;
    v_rest := v_payment.paid_minor - v_payment.claimed_minor - v_payment.returned_minor;
    currency := v_payment.currency;
    SELECT * INTO v_return FROM rest_returns r WHERE r.return_id = p_return;
    amount_minor := coalesce(v_return.amount_minor, v_rest);
    outcome := CASE
        WHEN (v_return.channel, v_return.payment) IS DISTINCT FROM (p_channel, p_payment)
             AND v_return.return_id IS NOT NULL THEN 'different'
        WHEN v_return.state = 'claimed' THEN 'claimed'
        WHEN v_return.state <> 'asked' THEN 'already'
        WHEN NOT may_decide(p_by) THEN 'access_ended'
        WHEN v_return.return_id IS NOT NULL AND v_return.amount_minor <= v_rest AND NOT may_decide(v_return.asked_by)
             THEN 'asked'
        WHEN person_of(v_return.asked_by) = person_of(p_by) THEN 'same_person'
        WHEN v_rest = 0 AND v_return.return_id IS NULL THEN 'nothing_left'
        WHEN v_return.return_id IS NULL THEN 'asked'
        WHEN v_return.amount_minor > v_rest THEN 'claimed'
        ELSE 'owed' END;
    IF outcome = 'asked' THEN
        UPDATE rest_returns r SET state = 'claimed', closed_at = p_now
        WHERE r.channel = p_channel AND r.payment = p_payment AND r.state = 'asked' AND r.amount_minor > v_rest;
        INSERT INTO rest_returns (return_id, channel, payment, currency, amount_minor, reason, asked_by, asked_at)
        VALUES (p_return, p_channel, p_payment, v_payment.currency, v_rest, p_reason, p_by, p_now)
        ON CONFLICT (return_id) DO UPDATE
        SET reason = EXCLUDED.reason, asked_by = EXCLUDED.asked_by, asked_at = EXCLUDED.asked_at, asked_in = EXCLUDED.asked_in;
    ELSIF outcome = 'owed' THEN
        PERFORM refuse_in_one_breath(p_return, v_return.asked_in);
        UPDATE rest_returns r SET state = 'owed', done_by = p_by, done_at = p_now WHERE r.return_id = p_return;
        UPDATE payments p SET returned_minor = p.returned_minor + v_return.amount_minor
        WHERE p.channel = p_channel AND p.payment = p_payment;
        PERFORM post_rest(p_return, 'rest', v_payment.currency, p_now, NULL, 'psp/' || p_channel,
                          'payment/' || p_return || '/owed', v_return.amount_minor);
    END IF;
    RETURN NEXT;
END $$;

-- Close a return with the channel's final word, once: the buyer has it, or it is unclaimed again, of which an operator gets
-- a notice. Answers whether this call closed it.
CREATE FUNCTION close_rest_return(
    p_return TEXT, p_arrived BOOLEAN, p_reference TEXT, p_message TEXT, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_return rest_returns%ROWTYPE;
BEGIN
    SELECT * INTO v_return FROM rest_returns r WHERE r.return_id = p_return;
    -- In the order in which `return_rest` locks them.
    PERFORM FROM payments p WHERE p.channel = v_return.channel AND p.payment = v_return.payment FOR UPDATE;
    UPDATE rest_returns r
    SET state = CASE WHEN p_arrived THEN 'arrived' ELSE 'refused' END, closed_at = p_now, reference = p_reference,
        message = coalesce(p_message, '')
    WHERE r.return_id = p_return AND r.state = 'owed';
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    PERFORM post_rest(p_return, 'close', v_return.currency, p_now, 'payment/' || p_return || '/owed',
                      'payment/' || p_return || '/owed', 'psp/' || v_return.channel, v_return.amount_minor);
    IF NOT p_arrived THEN
        UPDATE payments p SET returned_minor = p.returned_minor - v_return.amount_minor
        WHERE p.channel = v_return.channel AND p.payment = v_return.payment;
        PERFORM add_notices('payment/' || p_return, jsonb_build_array(jsonb_build_object(
            'seq', 1, 'to', 'operator', 'name', 'rest_refused', 'at', p_now,
            'facts', jsonb_build_object('return_id', p_return, 'channel', v_return.channel, 'payment', v_return.payment,
                                        'amount_minor', v_return.amount_minor::TEXT, 'currency', v_return.currency,
                                        'message', coalesce(p_message, '')))));
    END IF;
    RETURN TRUE;
END $$;

-- Notify operators of what no order claims of a payment, once a payment. Answers whether the notice is new.
CREATE FUNCTION note_rest(p_channel TEXT, p_payment TEXT, p_now TIMESTAMPTZ) RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_subject TEXT := 'payment/' || p_channel || '/' || p_payment;
    v_rest    RECORD;
BEGIN
    SELECT p.currency, p.paid_minor - p.claimed_minor - p.returned_minor AS rest_minor,
           (SELECT min(o.opened_at) FROM orders o WHERE o.channel = p.channel AND o.payment = p.payment) AS since
    INTO v_rest FROM payments p WHERE p.channel = p_channel AND p.payment = p_payment;
    IF NOT FOUND OR v_rest.rest_minor <= 0 OR EXISTS (SELECT FROM notices n WHERE n.subject = v_subject) THEN
        RETURN FALSE;
    END IF;
    PERFORM add_notices(v_subject, jsonb_build_array(jsonb_build_object(
        'seq', 1, 'to', 'operator', 'name', 'payment_unclaimed', 'at', p_now,
        'facts', jsonb_build_object('channel', p_channel, 'payment', p_payment,
                                    'amount_minor', v_rest.rest_minor::TEXT, 'currency', v_rest.currency,
                                    'since', v_rest.since::TEXT))));
    RETURN TRUE;
END $$;

-- The same for the payment of an order that ends, if no other order of the payment is open. The lock is for two orders
-- that end at the same moment: the later one sees that the other has ended.
CREATE FUNCTION note_rest_at_end(p_order_id TEXT, p_now TIMESTAMPTZ) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_payment payments%ROWTYPE;
BEGIN
    SELECT p.* INTO v_payment FROM orders o JOIN payments p ON p.channel = o.channel AND p.payment = o.payment
    WHERE o.order_id = p_order_id AND p.paid_minor > p.claimed_minor + p.returned_minor;
    IF FOUND THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('rest/' || v_payment.channel || '/' || v_payment.payment, 0));
        IF NOT EXISTS (SELECT FROM orders o WHERE o.channel = v_payment.channel AND o.payment = v_payment.payment
                       AND NOT o.closed) THEN
            PERFORM note_rest(v_payment.channel, v_payment.payment, p_now);
        END IF;
    END IF;
END $$;

-- The same for each payment of which no order has claimed a part for so long. Returns how many notices were new.
CREATE FUNCTION note_rests(p_channel TEXT, p_before TIMESTAMPTZ, p_now TIMESTAMPTZ) RETURNS INT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_payment TEXT;
    v_new     INT := 0;
BEGIN
    FOR v_payment IN
        SELECT p.payment FROM payments p
        WHERE p.channel = p_channel AND p.paid_minor > p.claimed_minor + p.returned_minor
          AND (SELECT min(o.opened_at) FROM orders o
               WHERE o.channel = p.channel AND o.payment = p.payment) < p_before
          AND NOT EXISTS (SELECT FROM notices n WHERE n.subject = 'payment/' || p.channel || '/' || p.payment)
        ORDER BY p.payment
    LOOP
        v_new := v_new + note_rest(p_channel, v_payment, p_now)::INT;
    END LOOP;
    RETURN v_new;
END $$;
