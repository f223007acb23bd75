-- Post movements, each whole or not at all. The answers come in the order given:
--   posted · exists (the same request before) · conflict (the same reference, another request; or `account`, which
--   the movement should have emptied, would keep `short_by`) · insufficient_funds (`account` would be `short_by`
--   below zero). Only `posted` uses up the reference.
--
-- Leg k moves `p_amounts[k]` for movement `p_leg_of[k]` (1-based, ascending); legs of 0 are dropped.
-- `p_emptied[i]` names an account that must stand at zero after movement i, or is null.
-- Money that would become a merchant's available money first repays what the merchant owes: never are both above zero.
-- An order's leg out of a merchant's receivable takes what the merchant has first: what is frozen for the order, then
-- what is available, then the deposit. Only the rest is owed. A leg that freezes money, or gives frozen money back,
-- moves at most what stands there; nothing there is `insufficient_funds`.
-- What a settlement would make available first fills the merchant's deposit up to what is required.
-- Each split is computed once, under the locks, and stored. The hash covers the request, so a retry finds the first
-- split.
--
-- Order of locks: the table of movements as every writer has it, missing accounts in path order, guarded accounts in id
-- order, then references in their own order.
-- Then the movements are decided one by one in memory, so that one that cannot be posted does not stop the others.
-- Those that can are written at once.
--
-- By movement: what became of it. By transfer that was written, in order: its movement, the leg that asked for it, from and to
-- which path it moves how much. What checks whether that was lawful reads it from here, and not from the tables again.
CREATE FUNCTION write_movements(
    p_references TEXT[], p_currencies TEXT[], p_occurred_at TIMESTAMPTZ[], p_linked_to TEXT[], p_emptied TEXT[],
    p_leg_of INT[], p_debits TEXT[], p_credits TEXT[], p_amounts BIGINT[],
    OUT outcomes TEXT[], OUT accounts TEXT[], OUT shorts BIGINT[],
    OUT moved_of INT[], OUT moved_for INT[], OUT moved_from TEXT[], OUT moved_to TEXT[], OUT moved BIGINT[]
)
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp
-- A session keeps its plans: one that was made on short books must still serve on long ones. Without sequential scans
-- the planner still chose hash and merge joins over a whole index of `movements`: after 100,000 movements one posting
-- took ten times as long. Nested loops look up only the rows that are asked for. A session that planned right after
-- ANALYZE on empty books materialised that index instead, so that is off too. Sessions count a random page as cheap, for
-- their lists: counted so, a plan may begin at the accounts, whose transfers are all there ever were.
SET enable_seqscan = off SET plan_cache_mode = force_generic_plan SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_material = off SET random_page_cost = 4 AS $$
DECLARE
    v_movements  INT := cardinality(p_references);
    v_legs       INT := cardinality(p_leg_of);
    -- What the legs may touch, `path currency`. Then the accounts of the call in the order of their ids, one position each,
    -- and the positions by key; balances only of the guarded ones.
    v_wanted     TEXT[];
    v_keys       TEXT[];
    v_paths      TEXT[];
    v_at         JSONB;
    v_ids        BIGINT[];
    v_signs      INT[];
    v_balances   BIGINT[];
    -- By leg that takes back: the order's frozen account. By leg that settles: what the merchant's deposit must hold.
    v_frozen     TEXT[];
    v_required   BIGINT[];
    v_deposits   BOOLEAN; -- whether a deposit was ever required of anybody
    -- The movements in the order of their references. By movement: its first leg, what its legs ask for, the hash that
    -- is stored, its id.
    v_order      INT[];
    v_first      INT[];
    v_requests   TEXT[];
    v_stored     BYTEA[];
    v_ids_of     BIGINT[];
    -- What will be written: movements, and their transfers.
    w_ids        BIGINT[];
    w_indexes    INT[];
    w_hashes     BYTEA[];
    t_legs       INT[];
    t_debits     INT[];
    t_credits    INT[];
    -- The current movement.
    v_i          INT;
    v_k          INT;
    v_n          INT;
    v_mark       INT;
    v_hash       BYTEA;
    v_last       TEXT;
    v_last_hash  BYTEA;
    v_amount     BIGINT;
    v_part       BIGINT;
    v_debit      INT;
    v_credit     INT;
    v_merchant   TEXT;
    v_currency   TEXT;
    -- Of the current leg: positions of its debit and its credit, and of what may take their place.
    v_debit_at   INT;
    v_credit_at  INT;
    v_frozen_at  INT;
    v_has_at     INT;
    v_deposit_at INT;
    v_owed_at    INT;
    v_topup_at   INT;
BEGIN
    accounts := array_fill(NULL::TEXT, ARRAY[v_movements]);
    shorts := array_fill(NULL::BIGINT, ARRAY[v_movements]);
    moved := '{}';
    IF v_movements = 0 THEN
        RETURN;
    END IF;
    -- The checks around this read the arrays as rows, which hides where an array begins: they would look at other amounts than
    -- those that are written.
    IF ARRAY[array_dims(p_references), array_dims(p_currencies), array_dims(p_occurred_at), array_dims(p_linked_to),
             array_dims(p_emptied)] <> array_fill('[1:' || v_movements || ']', ARRAY[5])
       OR ARRAY[array_dims(p_leg_of), array_dims(p_debits), array_dims(p_credits), array_dims(p_amounts)]
          <> array_fill(CASE WHEN v_legs > 0 THEN '[1:' || v_legs || ']' END, ARRAY[4]) THEN
        RAISE EXCEPTION 'the arrays are not of one length, or are not numbered from 1'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Numbers are drawn before the rows are written. Without this, a seal that locks in between would take a higher number
    -- for its bound, and leave these movements out of seals and of the balances that rest on them.
    LOCK TABLE movements IN ROW EXCLUSIVE MODE;
    FOR v_k IN 1..v_legs LOOP
        v_i := p_leg_of[v_k];
        IF v_i NOT BETWEEN 1 AND v_movements OR v_i < p_leg_of[v_k - 1] THEN
            RAISE EXCEPTION 'leg % is out of place', v_k USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF num_nulls(p_debits[v_k], p_credits[v_k], p_amounts[v_k]) > 0 THEN
            -- A NULL would take the other legs out of the hash, so that other content looked like the same movement.
            RAISE EXCEPTION 'leg % lacks an account or an amount', v_k USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF strpos(p_debits[v_k] || p_credits[v_k], ' ') > 0 THEN
            -- An account is known by its path and its currency, with a space between: it would have two names.
            RAISE EXCEPTION 'leg % has a space in the path of an account', v_k USING ERRCODE = 'invalid_parameter_value';
        END IF;
        v_first[v_i] := coalesce(v_first[v_i], v_k);
        CONTINUE WHEN p_amounts[v_k] = 0; -- a leg of nothing touches none
        v_requests[v_i] := coalesce(v_requests[v_i], '')
                           || E'\n' || p_debits[v_k] || ' ' || p_credits[v_k] || ' ' || p_amounts[v_k];
        v_currency := ' ' || p_currencies[v_i];
        v_wanted := array_append(v_wanted, p_debits[v_k] || v_currency);
        v_wanted := array_append(v_wanted, p_credits[v_k] || v_currency);
        IF p_credits[v_k] LIKE 'merchant/%/available' THEN
            -- Where a merchant gets available money, what that merchant owes is one of the accounts.
            v_merchant := left(p_credits[v_k], -9);
            v_wanted := array_append(v_wanted, v_merchant || 'receivable' || v_currency);
            IF split_part(p_references[v_i], '/', 3) = 'settle' THEN
                IF v_deposits IS NULL THEN
                    v_deposits := EXISTS (SELECT FROM deposit_moves); -- asked once: each time would start a query
                END IF;
                IF v_deposits THEN
                    v_required[v_k] := nullif(
                        deposit_required(split_part(p_credits[v_k], '/', 2), p_currencies[v_i]), 0);
                    IF v_required[v_k] IS NOT NULL THEN
                        v_wanted := array_append(v_wanted, v_merchant || 'deposit' || v_currency);
                    END IF;
                END IF;
            END IF;
        END IF;
        IF p_debits[v_k] LIKE 'merchant/%/receivable' AND p_references[v_i] LIKE 'order/%' THEN
            v_merchant := left(p_debits[v_k], -10);
            v_frozen[v_k] := 'order/' || split_part(p_references[v_i], '/', 2) || '/frozen' || v_currency;
            v_wanted := array_append(v_wanted, v_frozen[v_k]);
            v_wanted := array_append(v_wanted, v_merchant || 'available' || v_currency);
            v_wanted := array_append(v_wanted, v_merchant || 'deposit' || v_currency);
        END IF;
    END LOOP;

    -- The accounts are on the inner side, and looked up one by one. The currency is hidden from the planner: on empty
    -- books it chose the index of ids and currencies, and a session that kept that plan read every account of the currency.
    FOR v_n IN 1..2 LOOP
        SELECT array_agg(w.key), array_agg(w.path), array_agg(w.id), array_agg(w.sign) INTO v_keys, v_paths, v_ids, v_signs
        FROM (
            SELECT k.key, split_part(k.key, ' ', 1) AS path, a.id, a.sign
            FROM (SELECT DISTINCT u.key COLLATE "C" AS key FROM unnest(v_wanted) AS u (key)) AS k
            LEFT JOIN LATERAL (
                SELECT c.id, CASE WHEN c.kind IN ('liability', 'income') THEN 1 ELSE -1 END AS sign FROM accounts c
                WHERE c.path = split_part(k.key, ' ', 1) AND c.currency || '' = split_part(k.key, ' ', 2) OFFSET 0
            ) AS a ON TRUE
            ORDER BY a.id
        ) AS w;
        EXIT WHEN array_position(v_ids, NULL) IS NULL;
        PERFORM open_accounts(v_keys); -- before any is locked
    END LOOP;
    -- Read the balances under the locks: they cannot change until this transaction ends. One after the other, in the order
    -- of their ids.
    SELECT array_agg(b.balance_minor), jsonb_object(v_keys, array_agg(w.n::TEXT)) INTO v_balances, v_at
    FROM unnest(v_ids) WITH ORDINALITY AS w (id, n)
    LEFT JOIN LATERAL (
        SELECT c.balance_minor FROM accounts c WHERE c.id = w.id AND c.guarded FOR NO KEY UPDATE
    ) AS b ON TRUE;

    SELECT array_agg(m.request_hash ORDER BY r.n), array_agg(r.n ORDER BY r.reference COLLATE "C", r.n)
    INTO v_stored, v_order
    FROM unnest(p_references) WITH ORDINALITY AS r (reference, n)
    LEFT JOIN movements m ON m.reference = r.reference;

    FOREACH v_i IN ARRAY v_order LOOP
        v_hash := sha256(convert_to(
            p_references[v_i] || ' ' || p_currencies[v_i] || coalesce(v_requests[v_i], ''), 'UTF8'));
        IF v_stored[v_i] IS NULL AND p_references[v_i] = v_last THEN
            v_stored[v_i] := v_last_hash;
        END IF;
        IF v_stored[v_i] IS NOT NULL THEN
            outcomes[v_i] := CASE WHEN v_stored[v_i] = v_hash THEN 'exists' ELSE 'conflict' END;
            CONTINUE;
        END IF;

        v_mark := cardinality(moved);
        v_ids_of[v_i] := nextval('movements_id_seq');
        v_n := 0;
        v_currency := ' ' || p_currencies[v_i];
        v_k := v_first[v_i];
        WHILE v_k <= v_legs AND p_leg_of[v_k] = v_i LOOP
            v_amount := p_amounts[v_k];
            v_debit_at := (v_at ->> (p_debits[v_k] || v_currency))::INT;
            v_credit_at := (v_at ->> (p_credits[v_k] || v_currency))::INT;
            v_owed_at := NULL;
            IF p_credits[v_k] LIKE 'merchant/%/available' THEN
                v_merchant := left(p_credits[v_k], -9);
                v_owed_at := (v_at ->> (v_merchant || 'receivable' || v_currency))::INT;
                v_topup_at := (v_at ->> (v_merchant || 'deposit' || v_currency))::INT;
            END IF;
            IF v_frozen[v_k] IS NOT NULL THEN
                v_merchant := left(p_debits[v_k], -10);
                v_frozen_at := (v_at ->> v_frozen[v_k])::INT;
                v_has_at := (v_at ->> (v_merchant || 'available' || v_currency))::INT;
                v_deposit_at := (v_at ->> (v_merchant || 'deposit' || v_currency))::INT;
            END IF;
            IF p_credits[v_k] LIKE 'order/%/frozen' OR p_debits[v_k] LIKE 'order/%/frozen' THEN
                v_amount := least(v_amount, v_balances[v_debit_at]);
                IF v_amount = 0 AND p_amounts[v_k] > 0 THEN
                    outcomes[v_i] := 'insufficient_funds';
                    accounts[v_i] := p_debits[v_k];
                    shorts[v_i] := p_amounts[v_k];
                END IF;
            END IF;
            -- One transfer for each place that the money comes from, or goes to.
            WHILE v_amount <> 0 LOOP
                v_part := v_amount;
                v_debit := v_debit_at;
                IF v_frozen[v_k] IS NOT NULL THEN
                    v_debit := CASE WHEN v_balances[v_frozen_at] > 0 THEN v_frozen_at
                                    WHEN v_balances[v_has_at] > 0 THEN v_has_at
                                    WHEN v_balances[v_deposit_at] > 0 THEN v_deposit_at
                                    ELSE v_debit END;
                    IF v_debit <> v_debit_at THEN
                        v_part := least(v_part, v_balances[v_debit]);
                    END IF;
                END IF;
                v_credit := v_credit_at;
                IF v_balances[v_owed_at] > 0 THEN
                    v_credit := v_owed_at;
                    v_part := least(v_part, v_balances[v_credit]);
                ELSIF v_balances[v_topup_at] < v_required[v_k] THEN
                    v_credit := v_topup_at;
                    v_part := least(v_part, v_required[v_k] - v_balances[v_credit]);
                END IF;
                v_n := v_n + 1;
                moved_of := array_append(moved_of, v_i);
                t_legs := array_append(t_legs, v_n);
                t_debits := array_append(t_debits, v_debit);
                t_credits := array_append(t_credits, v_credit);
                moved_for := array_append(moved_for, v_k);
                moved_from := array_append(moved_from, v_paths[v_debit]);
                moved_to := array_append(moved_to, v_paths[v_credit]);
                moved := array_append(moved, v_part);
                v_balances[v_debit] := v_balances[v_debit] - v_signs[v_debit] * v_part;
                v_balances[v_credit] := v_balances[v_credit] + v_signs[v_credit] * v_part;
                v_amount := v_amount - v_part;
            END LOOP;
            v_k := v_k + 1;
        END LOOP;

        outcomes[v_i] := coalesce(outcomes[v_i], 'posted');
        FOR v_k IN v_mark + 1..cardinality(moved) LOOP
            IF v_balances[t_debits[v_k]] < 0 OR v_balances[t_credits[v_k]] < 0 THEN
                v_debit := CASE WHEN v_balances[t_debits[v_k]] < 0 THEN t_debits[v_k] ELSE t_credits[v_k] END;
                outcomes[v_i] := 'insufficient_funds';
                accounts[v_i] := v_paths[v_debit];
                shorts[v_i] := -v_balances[v_debit];
                EXIT;
            ELSIF v_balances[t_debits[v_k]] > 0 AND v_paths[t_debits[v_k]] = p_emptied[v_i] THEN
                outcomes[v_i] := 'conflict';
                accounts[v_i] := p_emptied[v_i];
                shorts[v_i] := v_balances[t_debits[v_k]];
            END IF;
        END LOOP;
        IF outcomes[v_i] <> 'posted' THEN
            FOR v_k IN v_mark + 1..cardinality(moved) LOOP
                v_debit := t_debits[v_k];
                v_credit := t_credits[v_k];
                v_balances[v_debit] := v_balances[v_debit] + v_signs[v_debit] * moved[v_k];
                v_balances[v_credit] := v_balances[v_credit] - v_signs[v_credit] * moved[v_k];
            END LOOP;
            moved_of := moved_of[1:v_mark];
            t_legs := t_legs[1:v_mark];
            t_debits := t_debits[1:v_mark];
            t_credits := t_credits[1:v_mark];
            moved_for := moved_for[1:v_mark];
            moved_from := moved_from[1:v_mark];
            moved_to := moved_to[1:v_mark];
            moved := moved[1:v_mark];
            CONTINUE;
        END IF;
        w_ids := array_append(w_ids, v_ids_of[v_i]);
        w_indexes := array_append(w_indexes, v_i);
        w_hashes := array_append(w_hashes, v_hash);
        v_last := p_references[v_i];
        v_last_hash := v_hash;
    END LOOP;

    IF cardinality(w_ids) > 0 THEN
        INSERT INTO movements (id, reference, currency, request_hash, linked_to, occurred_at)
        SELECT w.id, p_references[w.i], p_currencies[w.i], w.hash, p_linked_to[w.i], p_occurred_at[w.i]
        FROM unnest(w_ids, w_indexes, w_hashes) WITH ORDINALITY AS w (id, i, hash, n)
        ORDER BY w.n
        ON CONFLICT ON CONSTRAINT movements_reference_key DO NOTHING;
        GET DIAGNOSTICS v_n = ROW_COUNT;
        IF v_n < cardinality(w_ids) THEN
            -- Another call posted one of these references after our look-up. The unique key is the guard: the caller
            -- repeats the whole call, which then finds the reference.
            RAISE EXCEPTION 'a reference was posted meanwhile' USING ERRCODE = 'serialization_failure';
        END IF;
        INSERT INTO transfers (movement_id, leg, debit_account, credit_account, currency, amount_minor)
        SELECT v_ids_of[t.of], t.leg, v_ids[t.debit], v_ids[t.credit], split_part(v_keys[t.debit], ' ', 2), t.amount
        FROM unnest(moved_of, t_legs, t_debits, t_credits, moved) AS t (of, leg, debit, credit, amount);
        UPDATE accounts a SET balance_minor = v_balances[width_bucket(a.id, v_ids)]
        WHERE a.id = ANY (v_ids) AND a.balance_minor <> v_balances[width_bucket(a.id, v_ids)];
    END IF;
END $$;

-- The same for the owner: an answer for each movement.
CREATE FUNCTION post(
    p_references TEXT[], p_currencies TEXT[], p_occurred_at TIMESTAMPTZ[], p_linked_to TEXT[], p_emptied TEXT[],
    p_leg_of INT[], p_debits TEXT[], p_credits TEXT[], p_amounts BIGINT[]
) RETURNS TABLE (outcome TEXT, account TEXT, short_by BIGINT)
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_written RECORD;
BEGIN
    v_written := write_movements(
        p_references, p_currencies, p_occurred_at, p_linked_to, p_emptied, p_leg_of, p_debits, p_credits, p_amounts);
    RETURN QUERY SELECT * FROM unnest(v_written.outcomes, v_written.accounts, v_written.shorts);
END $$;
