-- The kinds of movement, as core/chart.py has them, and the rules for each movement: legs of its kind, between accounts
-- of its own subject, in its currency, within what the register knows. A worker's role can post nothing else. The owner
-- can, and a proof checks everything that was posted.

-- The shape of a reference, a path or a pattern: `*` stands for each name. The second part is a name, and then every
-- other one; an account's reference has two names. In PL/pgSQL, which prepares the expression once a transaction: put into
-- a query, or as a query of its own, a posting prepares it for each path. Most have two parts to four, which take a tenth
-- of what the pattern takes.
CREATE FUNCTION shape_of(p_path TEXT) RETURNS TEXT LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN CASE
        WHEN p_path LIKE 'income/%' OR p_path LIKE 'expense/%' THEN p_path
        WHEN p_path LIKE 'account/%'
        THEN 'account/' || regexp_replace(regexp_replace(p_path, '^account/[^/]+/', '*/'), '([^/]+/)[^/]+', '\1*', 'g')
        WHEN p_path LIKE '%//%' OR p_path LIKE '/%' OR p_path LIKE '%/' OR p_path LIKE '%/%/%/%/%'
        THEN regexp_replace(p_path, '([^/]+/)[^/]+', '\1*', 'g')
        WHEN p_path LIKE '%/%/%/%' THEN split_part(p_path, '/', 1) || '/*/' || split_part(p_path, '/', 3) || '/*'
        WHEN p_path LIKE '%/%/%' THEN split_part(p_path, '/', 1) || '/*/' || split_part(p_path, '/', 3)
        WHEN p_path LIKE '%/%' THEN split_part(p_path, '/', 1) || '/*'
        ELSE p_path
    END;
END $$;

-- `migrate` fills these tables from core/chart.py each time it runs, so the chart is written once. A worker's role only
-- reads them.
CREATE TABLE movement_kinds (
    kind      TEXT PRIMARY KEY,
    subject   TEXT NOT NULL,
    reference TEXT NOT NULL,
    emptied   TEXT,
    shape     TEXT NOT NULL
);
-- Each posting looks up the kinds of its reference.
CREATE INDEX movement_kinds_by_shape ON movement_kinds (shape);

CREATE TABLE movement_legs (
    kind         TEXT NOT NULL REFERENCES movement_kinds (kind),
    leg          INT NOT NULL,
    debit        TEXT NOT NULL,
    credit       TEXT NOT NULL,
    debit_shape  TEXT NOT NULL,
    credit_shape TEXT NOT NULL,
    PRIMARY KEY (kind, leg)
);

-- The legs as they may be stored: money that becomes available first repays a receivable, a settlement fills the deposit
-- before that, and a close takes money out
-- of suspense if it is there.
CREATE VIEW legs_of_chart AS
SELECT k.kind, k.shape AS reference, d.shape AS debit, c.shape AS credit, d.asked AND c.asked AS asked, k.emptied
FROM movement_kinds k JOIN movement_legs l USING (kind)
CROSS JOIN LATERAL (
    SELECT l.debit_shape AS shape, TRUE AS asked
    UNION ALL SELECT 'suspense' AS shape, FALSE AS asked WHERE k.kind IN ('pay', 'void')
    UNION ALL SELECT shape_of(t.path) AS shape, FALSE AS asked
              FROM (VALUES ('order/{order}/frozen'), ('merchant/{merchant}/available'),
                           ('merchant/{merchant}/deposit')) AS t (path)
              WHERE k.subject = 'order' AND l.debit = 'merchant/{merchant}/receivable'
) AS d
CROSS JOIN LATERAL (VALUES (l.credit_shape, TRUE),
                           (CASE WHEN l.credit = 'merchant/{merchant}/available'
                                 THEN shape_of('merchant/{merchant}/receivable') END, FALSE),
                           (CASE WHEN k.kind = 'settle' THEN shape_of('merchant/{merchant}/deposit') END, FALSE)
) AS c (shape, asked)
WHERE d.shape IS NOT NULL AND c.shape IS NOT NULL;

-- The same as rows, which `migrate` writes after the chart: each leg looks one up, as it is asked for and as it is stored.
-- From the view it read all legs of all kinds. No two kinds of one reference (pay and void) have a leg in common.
CREATE TABLE stored_legs (
    kind      TEXT NOT NULL REFERENCES movement_kinds (kind),
    reference TEXT COLLATE "C" NOT NULL,
    debit     TEXT COLLATE "C" NOT NULL,
    credit    TEXT COLLATE "C" NOT NULL,
    -- Whether a caller may ask for it, or only the database puts it in a leg's place.
    asked     BOOLEAN NOT NULL,
    -- What its kind empties.
    emptied   TEXT,
    PRIMARY KEY (reference, debit, credit)
);

-- Whether an account is the subject's own: its order or withdrawal, its cause, its merchant, its channel; a merchant pays in
-- through any channel, which is that of the leg's debit. Rails are checked apart.
CREATE FUNCTION is_own(p_path TEXT, p_reference TEXT, p_order orders, p_withdrawal withdrawals, p_debit TEXT)
RETURNS BOOLEAN LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE split_part(p_path, '/', 1)
        WHEN 'order' THEN p_path LIKE 'order/%' AND p_reference LIKE 'order/%'
            AND split_part(p_path, '/', 2) = split_part(p_reference, '/', 2)
            AND split_part(p_path, '/', 4) IN ('', split_part(p_reference, '/', 4))
        WHEN 'withdrawal' THEN p_reference LIKE 'withdrawal/%'
            AND split_part(p_path, '/', 2) = split_part(p_reference, '/', 2)
        WHEN 'merchant' THEN split_part(p_path, '/', 2) IS NOT DISTINCT FROM coalesce(
            p_order.merchant_id, p_withdrawal.merchant_id,
            CASE WHEN p_reference LIKE 'merchant/%' THEN split_part(p_reference, '/', 2) END)
        WHEN 'psp' THEN split_part(p_path, '/', 2) IS NOT DISTINCT FROM coalesce(
            p_order.channel, CASE WHEN p_reference LIKE 'psp/%' THEN split_part(p_reference, '/', 2)
                                  WHEN p_reference LIKE 'merchant/%' THEN split_part(p_debit, '/', 2) END)
        ELSE TRUE
    END
$$;

-- What is wrong with a transfer of a movement, beside the register; null: nothing. `p_kind` is that of its row in
-- `stored_legs`, and null where it has none.
CREATE FUNCTION transfer_fault(
    p_reference TEXT, p_currency TEXT, p_debit TEXT, p_credit TEXT, p_amount BIGINT, p_kind TEXT,
    p_order orders, p_withdrawal withdrawals
) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN split_part(p_reference, '/', 1) IN ('order', 'withdrawal') AND p_order.order_id IS NULL
             AND p_withdrawal.withdrawal_id IS NULL THEN 'its subject is not registered'
        WHEN p_kind IS NULL THEN 'not a leg of its kind'
        WHEN p_currency <> coalesce(p_order.currency, p_withdrawal.currency, p_currency) THEN 'another currency'
        WHEN p_kind = 'fund' AND p_amount <> p_order.total_minor THEN 'not what was paid'
        WHEN p_debit = 'expense/discount' AND p_amount > CASE p_order.body ->> 'discount_funded_by' WHEN 'platform'
             THEN coalesce((p_order.body ->> 'discount_minor')::BIGINT, 0) ELSE 0 END THEN 'more than the discount'
        WHEN NOT is_own(p_debit, p_reference, p_order, p_withdrawal, p_debit)
             OR NOT is_own(p_credit, p_reference, p_order, p_withdrawal, p_debit) THEN 'another subject''s account'
    END
$$;

-- Transfers of movements of orders, withdrawals, channels and payout accounts that are not what their kind allows.
-- A movement under another reference is an adjustment, which only the owner can post.
CREATE VIEW movement_faults AS
SELECT m.id AS movement_id, m.reference, t.leg, d.path AS debit, c.path AS credit, t.amount_minor, m.currency, f.fault
FROM movements m
JOIN transfers t ON t.movement_id = m.id
JOIN accounts d ON d.id = t.debit_account
JOIN accounts c ON c.id = t.credit_account
-- In the collation of the ids: in that of references no index would serve, and each posting would read all orders.
LEFT JOIN orders o
    ON o.order_id = CASE WHEN m.reference LIKE 'order/%' THEN split_part(m.reference, '/', 2) END COLLATE "default"
LEFT JOIN withdrawals w
    ON w.withdrawal_id = CASE WHEN m.reference LIKE 'withdrawal/%' THEN split_part(m.reference, '/', 2) END
                         COLLATE "default"
-- Shapes once a transfer (OFFSET keeps them from being computed again for each leg of the chart).
CROSS JOIN LATERAL (
    SELECT shape_of(m.reference) AS reference, shape_of(d.path) AS debit, shape_of(c.path) AS credit OFFSET 0
) AS s
LEFT JOIN stored_legs l ON l.reference = s.reference AND l.debit = s.debit AND l.credit = s.credit
CROSS JOIN LATERAL (
    SELECT transfer_fault(m.reference, m.currency, d.path, c.path, t.amount_minor, l.kind, o, w) AS fault OFFSET 0
) AS f
WHERE split_part(m.reference, '/', 1) IN ('order', 'withdrawal', 'psp', 'account', 'merchant') AND f.fault IS NOT NULL;

-- What an order gave back to the buyer in all, refunds and chargebacks that were not won back; and what of its
-- commission and of the platform's discount stands after that; what channels took in all, also above what was left;
-- what of the refunds arrived with the buyer, and what was claimed back of that; what of that above stands, and how much
-- of it the buyer has in place of refunds.
CREATE FUNCTION given_back(
    p_order TEXT, OUT back_minor BIGINT, OUT commission_minor BIGINT, OUT discount_minor BIGINT, OUT charged_minor BIGINT,
    OUT arrived_minor BIGINT, OUT claimed_minor BIGINT, OUT above_minor BIGINT, OUT covered_minor BIGINT
) LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT coalesce(sum(CASE WHEN c.path LIKE 'order/%/refund\_payable/%' THEN t.amount_minor
                             WHEN m.reference NOT LIKE 'order/%/chargeback/%'
                                  OR split_part(m.reference, '/', 5) IN ('fee', 'above') THEN 0
                             WHEN c.path LIKE 'psp/%' THEN t.amount_minor
                             WHEN d.path LIKE 'psp/%' THEN -t.amount_minor END), 0),
           coalesce(sum(CASE 'income/commission' WHEN c.path THEN t.amount_minor WHEN d.path THEN -t.amount_minor END), 0),
           coalesce(sum(CASE 'expense/discount' WHEN d.path THEN t.amount_minor WHEN c.path THEN -t.amount_minor END), 0),
           coalesce(sum(CASE WHEN m.reference LIKE 'order/%/chargeback/%' AND split_part(m.reference, '/', 5) <> 'fee'
                             THEN CASE WHEN c.path LIKE 'psp/%' THEN t.amount_minor
                                       WHEN d.path LIKE 'psp/%' THEN -t.amount_minor END END), 0),
           coalesce(sum(t.amount_minor) FILTER (WHERE m.reference LIKE 'order/%/refund/%/paid'
                                                      AND c.path LIKE 'psp/%'), 0),
           coalesce(sum(t.amount_minor) FILTER (WHERE m.reference LIKE 'order/%/claim_back/%'
                                                      AND d.path LIKE 'psp/%'), 0),
           coalesce(sum(CASE WHEN m.reference LIKE 'order/%/chargeback/%' AND split_part(m.reference, '/', 5) = 'above'
                             THEN CASE WHEN c.path LIKE 'psp/%' THEN t.amount_minor
                                       WHEN d.path LIKE 'psp/%' THEN -t.amount_minor END END), 0),
           coalesce(sum(t.amount_minor) FILTER (WHERE m.reference LIKE 'order/%/refund/%/covered'), 0)
    FROM movements m JOIN transfers t ON t.movement_id = m.id
    JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
    WHERE m.reference >= 'order/' || p_order || '/' AND m.reference < 'order/' || p_order || '0'
$$;

-- What is wrong with an order's refund, chargeback or claim, beside its others; null: nothing.
CREATE FUNCTION fault_beside_others(p_reference TEXT, p_debits TEXT[], p_amounts BIGINT[]) RETURNS TEXT
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
SET random_page_cost = 4 AS $$
DECLARE
    v_order TEXT := split_part(p_reference, '/', 2);
    v_fault TEXT;
BEGIN
    -- Not every such movement locks an account of the order's: two at one moment must see each other.
    PERFORM FROM orders o WHERE o.order_id = v_order FOR NO KEY UPDATE;
    IF p_reference LIKE 'order/%/claim_back/%' THEN
        SELECT CASE WHEN g.claimed_minor > g.arrived_minor THEN 'more is claimed than arrived with the buyer'
                    WHEN g.discount_minor > coalesce((o.body ->> 'discount_minor')::BIGINT, 0)
                    THEN 'more discount than was given' END INTO v_fault
        FROM orders o CROSS JOIN LATERAL given_back(o.order_id) AS g
        WHERE o.order_id = v_order;
        RETURN v_fault;
    END IF;
    SELECT CASE WHEN g.back_minor > o.total_minor THEN 'refunds of more than was paid'
                -- A buyer who paid for a claim made two payments, and a channel takes back each.
                WHEN g.charged_minor > o.total_minor + g.claimed_minor THEN 'chargebacks of more than was paid'
                -- What is above what was left had gone back to the buyer: without that it is the order's own money.
                WHEN g.charged_minor > g.back_minor + g.claimed_minor THEN 'it takes above what was left more than was refunded'
                -- No channel or card scheme takes more for a dispute than this. No policy can raise it.
                WHEN split_part(p_reference, '/', 5) = 'fee'
                     AND (SELECT sum(a) FROM unnest(p_amounts) AS a) > greatest(o.total_minor, 100000)
                THEN 'a fee of more than a channel takes'
                WHEN g.covered_minor > g.above_minor THEN 'more refunds are covered than chargebacks took above what was left'
                WHEN g.commission_minor < 0 THEN 'more commission back than was taken'
                WHEN g.discount_minor < 0 THEN 'more discount back than was given' END INTO v_fault
    FROM orders o CROSS JOIN LATERAL given_back(o.order_id) AS g
    WHERE o.order_id = v_order;
    -- Before the settlement the order's own money is there: escrow or proceeds.
    IF v_fault IS NULL AND split_part(p_reference, '/', 5) NOT IN ('fee', 'above')
       AND EXISTS (SELECT FROM unnest(p_debits) AS g (path) WHERE g.path LIKE 'merchant/%')
       AND NOT EXISTS (SELECT FROM movements m WHERE m.reference = 'order/' || v_order || '/settle') THEN
        v_fault := 'it takes from the merchant before the settlement';
    END IF;
    RETURN v_fault;
END $$;

-- What is wrong with a withdrawal's movement, beside its others and what was sent; null: nothing.
CREATE FUNCTION fault_of_withdrawal(p_reference TEXT, p_debits TEXT[], p_credits TEXT[], p_amounts BIGINT[]) RETURNS TEXT
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
SET random_page_cost = 4 AS $$
DECLARE
    v_withdrawal TEXT := split_part(p_reference, '/', 2);
    v_base       TEXT := 'withdrawal/' || v_withdrawal;
    v_most       BIGINT;
    v_moved      BIGINT;
BEGIN
    IF p_reference LIKE 'withdrawal/%/return/%' THEN
        SELECT w.amount_minor INTO v_most FROM withdrawals w WHERE w.withdrawal_id = v_withdrawal;
        SELECT sum(t.amount_minor) INTO v_moved FROM movements m JOIN transfers t ON t.movement_id = m.id
        WHERE m.reference >= v_base || '/return/' AND m.reference < v_base || '/return0';
        IF v_moved > v_most THEN
            RETURN 'returns of more than was withdrawn';
        END IF;
        SELECT sum(CASE WHEN t.credit_account = a.id THEN t.amount_minor ELSE -t.amount_minor END) INTO v_moved
        FROM movements m JOIN transfers t ON t.movement_id = m.id
        JOIN accounts a ON a.id IN (t.debit_account, t.credit_account) AND a.path = 'income/withdrawal_fee'
        WHERE m.reference >= v_base || '/' AND m.reference < v_base || '0';
        IF v_moved < 0 THEN
            RETURN 'more of the fee back than was taken';
        END IF;
    ELSIF p_reference LIKE 'withdrawal/%/close' THEN
        -- What the books pay is what a rail was asked to send. Without an attempt people have paid by hand.
        SELECT sum(g.amount) INTO v_moved FROM unnest(p_credits, p_amounts) AS g (credit, amount)
        WHERE g.credit LIKE 'rail/%';
        IF v_moved <> ALL (ARRAY(SELECT a.amount_minor FROM payout_attempts a WHERE a.withdrawal_id = v_withdrawal))
           AND EXISTS (SELECT FROM payout_attempts a WHERE a.withdrawal_id = v_withdrawal) THEN
            RETURN 'not what was sent';
        END IF;
    END IF;
    IF EXISTS (
        SELECT FROM unnest(p_debits || p_credits) AS p (path)
        WHERE p.path LIKE 'rail/%' AND NOT EXISTS (
            SELECT FROM withdrawals w JOIN payout_account_versions v
                ON v.account_id = w.account_id AND v.version = w.account_version
            WHERE w.withdrawal_id = v_withdrawal AND p.path = 'rail/' || v.rail || '/cash')
          AND NOT EXISTS (
            SELECT FROM payout_attempts a WHERE a.withdrawal_id = v_withdrawal AND p.path = 'rail/' || a.rail || '/cash')
    ) THEN
        RETURN 'another rail than the payout''s';
    END IF;
    RETURN NULL;
END $$;

-- Whether what a movement may do depends on other movements of its subject.
CREATE FUNCTION depends_on_others(p_reference TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE AS $$
    SELECT p_reference LIKE 'withdrawal/%'
        OR p_reference LIKE 'order/%' AND split_part(p_reference, '/', 3) IN ('refund', 'chargeback', 'claim_back')
$$;

-- An account's pattern with the names of a movement's subject.
CREATE FUNCTION named_in(p_pattern TEXT, p_subject TEXT, p_reference TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE AS $$
    SELECT replace(replace(replace(p_pattern, '{order}', p_subject), '{withdrawal}', p_subject),
                   '{cause}', split_part(p_reference, '/', 4))
$$;

-- Refuse what was just posted, and undo it with the whole transaction, where it is not what its kind allows. The legs as
-- they were asked for must be one kind's, all of them, and empty what that kind empties; the transfers as `write_movements`
-- wrote them must be of that kind and of their subject. One query checks an array; what also depends on other movements of
-- its subject is checked one by one, subjects in the order of their ids.
--
-- Whether a merchant is frozen is asked before, under a lock that is still held.
--
-- It returns true or raises. What many wait for assigns the answer, as that of `write_movements`: PERFORM and SELECT INTO
-- start a query for each call, an assignment does not.
CREATE FUNCTION refuse_unlawful_of(
    p_references TEXT[], p_currencies TEXT[], p_emptied TEXT[], p_outcomes TEXT[],
    p_leg_of INT[], p_debits TEXT[], p_credits TEXT[], p_amounts BIGINT[],
    p_moved_of INT[], p_moved_for INT[], p_moved_from TEXT[], p_moved_to TEXT[], p_moved BIGINT[]
) RETURNS BOOLEAN
-- One plan a session, as for `post`. With joins switched off a plan for these very values looks cheaper each time, so
-- that every posting planned all of this again.
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
SET random_page_cost = 4 AS $$
DECLARE
    v_twice      TEXT;
    v_withdrawal withdrawals;
    v_faults     TEXT[];
    v_of         INT[];
    v_n          INT;
    v_fault      TEXT;
BEGIN
    FOR v_k IN 2..cardinality(p_leg_of) LOOP
        CONTINUE WHEN p_leg_of[v_k] <> p_leg_of[v_k - 1]; -- few movements have several legs, which stand together
        -- Each transfer is looked at for itself: the same leg again would move the same money again.
        SELECT p_references[l.of] INTO v_twice
        FROM unnest(p_leg_of, p_debits, p_credits, p_amounts) AS l (of, debit, credit, amount)
        WHERE l.amount <> 0 GROUP BY l.of, l.debit, l.credit HAVING count(*) > 1 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'movement % is refused: it has a leg twice', v_twice USING ERRCODE = 'insufficient_privilege';
        END IF;
        EXIT; -- that looked at all movements
    END LOOP;
    -- A withdrawal's movement comes alone, and an array of orders looks for none. Among others it counts as not registered.
    IF cardinality(p_references) = 1 AND p_references[1] LIKE 'withdrawal/%' THEN
        SELECT w.* INTO v_withdrawal FROM withdrawals w WHERE w.withdrawal_id = split_part(p_references[1], '/', 2);
    END IF;
    -- One row, not a cursor, which would copy its plan each time.
    SELECT array_agg(c.of ORDER BY c.id COLLATE "C", c.reference COLLATE "C"),
           array_agg(c.fault ORDER BY c.id COLLATE "C", c.reference COLLATE "C") INTO v_of, v_faults
    FROM (
        SELECT m.of, m.id, m.reference, CASE
                WHEN m.fault LIKE 'its subject is not registered:%' THEN 'not registered'
                WHEN m.strange OR m.kind <> m.other_kind OR m.emptied IS DISTINCT FROM named_in(m.empties, m.id, m.reference)
                THEN 'no kind of movement has these legs'
                ELSE m.fault
            END AS fault
        FROM (
            SELECT t.of, p_references[t.of] AS reference, split_part(p_references[t.of], '/', 2) AS id,
                   p_emptied[t.of] AS emptied, bool_or(l.asked IS NOT TRUE) AS strange,
                   min(l.kind) AS kind, max(l.kind) AS other_kind, min(l.emptied) AS empties,
                   min(transfer_fault(
                       p_references[t.of], p_currencies[t.of], t.debit, t.credit, t.amount, l.written, o, v_withdrawal)
                       || ': ' || t.debit || ' to ' || t.credit) AS fault
            FROM unnest(p_moved_of, p_moved_for, p_moved_from, p_moved_to, p_moved) AS t (of, leg, debit, credit, amount)
            -- The leg that asked for it, and the kind of what the database may have written in its place.
            LEFT JOIN LATERAL (
                SELECT s.kind, s.emptied, s.asked,
                       CASE WHEN (t.debit, t.credit) = (p_debits[t.leg], p_credits[t.leg]) THEN s.kind ELSE (
                           SELECT r.kind FROM stored_legs r
                           WHERE r.reference = s.reference AND r.debit = shape_of(t.debit) AND r.credit = shape_of(t.credit)
                       ) END AS written
                FROM stored_legs s
                WHERE s.reference = shape_of(p_references[t.of]) AND s.debit = shape_of(p_debits[t.leg])
                  AND s.credit = shape_of(p_credits[t.leg]) OFFSET 0
            ) AS l ON TRUE
            LEFT JOIN orders o ON o.order_id = CASE WHEN p_references[t.of] LIKE 'order/%'
                                                    THEN split_part(p_references[t.of], '/', 2) END
            GROUP BY t.of
        ) AS m
        OFFSET 0 -- so that each fault is looked for once
    ) AS c
    WHERE c.fault IS NOT NULL OR depends_on_others(c.reference);
    IF NOT array_positions(p_outcomes, 'posted') <@ coalesce(p_moved_of, '{}') THEN
        -- Also a movement that moves nothing is one.
        SELECT array_agg(c.of ORDER BY c.id COLLATE "C", c.reference COLLATE "C"),
               array_agg(c.fault ORDER BY c.id COLLATE "C", c.reference COLLATE "C") INTO v_of, v_faults
        FROM (
            SELECT m.of, m.id, m.reference, CASE
                    WHEN m.of = ANY (v_of) THEN v_faults[array_position(v_of, m.of)]
                    WHEN m.reference LIKE 'order/%' AND (SELECT 1 FROM orders o WHERE o.order_id = m.id) IS NULL
                         OR m.reference LIKE 'withdrawal/%'
                            AND (SELECT 1 FROM withdrawals w WHERE w.withdrawal_id = m.id) IS NULL
                    THEN 'not registered'
                    WHEN NOT EXISTS (SELECT FROM movement_kinds k
                                     WHERE k.shape = shape_of(m.reference) AND p_emptied[m.of] IS NOT DISTINCT FROM
                                           named_in(k.emptied, m.id, m.reference))
                    THEN 'no kind of movement has these legs'
                    -- An order that ended with nothing for anybody is still credited and settled, with nothing.
                    WHEN m.reference NOT LIKE 'order/%/credit' AND m.reference NOT LIKE 'order/%/settle'
                    THEN 'it moves nothing'
                END AS fault
            FROM (
                SELECT n AS of, p_references[n] AS reference, split_part(p_references[n], '/', 2) AS id
                FROM unnest(array_positions(p_outcomes, 'posted')) AS n
                WHERE n = ANY (v_of) OR (n = ANY (p_moved_of)) IS NOT TRUE
            ) AS m
            OFFSET 0
        ) AS c
        WHERE c.fault IS NOT NULL OR c.of = ANY (v_of);
    END IF;
    FOR v_k IN 1..coalesce(cardinality(v_of), 0) LOOP
        v_n := v_of[v_k];
        v_fault := v_faults[v_k];
        IF v_fault = 'not registered' THEN
            RAISE EXCEPTION '% % is not registered', split_part(p_references[v_n], '/', 1),
                split_part(p_references[v_n], '/', 2) USING ERRCODE = 'foreign_key_violation';
        ELSIF v_fault IS NULL THEN
            SELECT CASE WHEN p_references[v_n] LIKE 'order/%'
                        THEN fault_beside_others(p_references[v_n], l.debits, l.amounts)
                        ELSE fault_of_withdrawal(p_references[v_n], l.debits, l.credits, l.amounts) END INTO v_fault
            FROM (
                SELECT array_agg(g.debit) AS debits, array_agg(g.credit) AS credits, array_agg(g.amount) AS amounts
                FROM unnest(p_leg_of, p_debits, p_credits, p_amounts) AS g (of, debit, credit, amount) WHERE g.of = v_n
            ) AS l;
        END IF;
        IF v_fault IS NOT NULL THEN
            RAISE EXCEPTION 'movement % is refused: %', p_references[v_n], v_fault
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
    RETURN TRUE;
END $$;

-- As `post`, for a worker: movements of orders, each as its kind allows. Withdrawals and channels have
-- functions of their own, which know attempts, locks and what is held.
CREATE FUNCTION post_movements(
    p_references TEXT[], p_currencies TEXT[], p_occurred_at TIMESTAMPTZ[], p_linked_to TEXT[], p_emptied TEXT[],
    p_leg_of INT[], p_debits TEXT[], p_credits TEXT[], p_amounts BIGINT[]
) RETURNS TABLE (outcome TEXT, account TEXT, short_by BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off
SET random_page_cost = 4 SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_held    INT;
    v_written RECORD;
    v_lawful  BOOLEAN;
BEGIN
    FOR v_n IN 1..cardinality(p_references) LOOP
        IF split_part(p_references[v_n], '/', 1) <> 'order' OR p_linked_to[v_n] IS NOT NULL
           OR p_references[v_n] LIKE 'order/%/chargeback/%/won' THEN
            RAISE EXCEPTION 'movement % is refused: only the owner posts it', p_references[v_n]
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
    v_held := array_position(held_by_merchants(p_references, p_leg_of, p_credits), TRUE);
    IF v_held IS NOT NULL THEN
        RAISE EXCEPTION 'movement % is refused: its merchant is frozen', p_references[v_held]
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    v_written := write_movements(
        p_references, p_currencies, p_occurred_at, p_linked_to, p_emptied, p_leg_of, p_debits, p_credits, p_amounts);
    v_lawful := refuse_unlawful_of(
        p_references, p_currencies, p_emptied, v_written.outcomes, p_leg_of, p_debits, p_credits, p_amounts,
        v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
    RETURN QUERY SELECT * FROM unnest(v_written.outcomes, v_written.accounts, v_written.shorts);
END $$;
