-- A merchant's own view of the books: each transfer that changed what the merchant has, and the balance after each day.
-- Read from the accounts, a statement of one day would read the merchant's whole history.

-- One row for each transfer and merchant. Written by a trigger, with the transfer, and never changed. The
-- proof `merchant_transfers` compares the two.
CREATE TABLE merchant_transfers (
    merchant_id     TEXT NOT NULL,
    occurred_at     TIMESTAMPTZ NOT NULL,
    movement_id     BIGINT NOT NULL,
    leg             INT NOT NULL,
    currency        TEXT COLLATE "C" NOT NULL,
    reference       TEXT COLLATE "C" NOT NULL,
    linked_to       TEXT COLLATE "C",
    debit           TEXT COLLATE "C" NOT NULL,
    credit          TEXT COLLATE "C" NOT NULL,
    -- What changed, by part of the merchant's money. `reserved` is also what stands in suspense for a withdrawal.
    pending_minor   BIGINT NOT NULL,
    available_minor BIGINT NOT NULL,
    deposit_minor   BIGINT NOT NULL,
    reserved_minor  BIGINT NOT NULL,
    owed_minor      BIGINT NOT NULL,
    frozen_minor    BIGINT NOT NULL,
    -- False: only frozen money moved, which no statement shows.
    stated          BOOLEAN NOT NULL,
    -- In the order of a statement.
    PRIMARY KEY (merchant_id, occurred_at, movement_id, leg)
);

-- What moved since the last seal.
CREATE INDEX merchant_transfers_by_movement ON merchant_transfers (merchant_id, movement_id);

-- What a seal covers. Rows are written in the order of movements: ranges of pages are enough, and cost a posting nothing.
CREATE INDEX merchant_transfers_in_order ON merchant_transfers
    USING brin (movement_id) WITH (pages_per_range = 16, autosummarize = on);

CREATE TRIGGER merchant_transfers_are_only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON merchant_transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The merchant whose money an account holds, for a leg of this movement from or to the other account; null: it is no
-- merchant's. A path compares byte by byte and an id does not: without COLLATE each look-up would read all orders.
-- It is PL/pgSQL because a session keeps the plans of its look-ups; of an SQL function it makes them anew in each query.
CREATE FUNCTION merchant_of(p_path TEXT, p_reference TEXT, p_other TEXT) RETURNS TEXT
LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_withdrawal TEXT;
BEGIN
    IF p_path LIKE 'merchant/%' THEN
        RETURN split_part(p_path, '/', 2);
    ELSIF p_path LIKE 'order/%/proceeds' OR p_path LIKE 'order/%/frozen' THEN
        RETURN (SELECT o.merchant_id FROM orders o WHERE o.order_id = split_part(p_path, '/', 2) COLLATE "default");
    ELSIF p_path LIKE 'withdrawal/%' THEN
        IF p_reference LIKE 'withdrawal/%/reserve' THEN
            -- The withdrawal's own row comes after the money was set aside.
            RETURN split_part(p_other, '/', 2);
        END IF;
        v_withdrawal := split_part(p_path, '/', 2);
    ELSIF p_path = 'suspense' AND p_reference LIKE 'withdrawal/%'
          AND split_part(p_reference, '/', 3) IN ('suspense', 'close') THEN
        v_withdrawal := split_part(p_reference, '/', 2);
    ELSE
        RETURN NULL;
    END IF;
    RETURN (SELECT w.merchant_id FROM withdrawals w WHERE w.withdrawal_id = v_withdrawal COLLATE "default");
END $$;

-- What a transfer changed for merchants: no row for most, one for almost all others. For the
-- proof: a posting computes the same from what it has in hand.
CREATE FUNCTION merchant_changes(
    p_movement BIGINT, p_leg INT, p_debit BIGINT, p_credit BIGINT, p_currency TEXT, p_amount BIGINT
) RETURNS SETOF merchant_transfers
LANGUAGE sql STABLE AS $$
    SELECT s.merchant_id, m.occurred_at, m.id, p_leg, p_currency, m.reference, m.linked_to, d.path, c.path,
           coalesce(sum(s.delta) FILTER (WHERE s.part = 'proceeds'), 0)::BIGINT,
           coalesce(sum(s.delta) FILTER (WHERE s.part = 'available'), 0)::BIGINT,
           coalesce(sum(s.delta) FILTER (WHERE s.part = 'deposit'), 0)::BIGINT,
           coalesce(sum(s.delta) FILTER (WHERE s.part IN ('reserved', '')), 0)::BIGINT,
           coalesce(sum(-s.delta) FILTER (WHERE s.part = 'receivable'), 0)::BIGINT,
           coalesce(sum(s.delta) FILTER (WHERE s.part = 'frozen'), 0)::BIGINT,
           bool_or(s.part <> 'frozen')
    -- One by one (OFFSET 0): a session keeps a plan that it made on short books.
    FROM (SELECT n.* FROM movements n WHERE n.id = p_movement OFFSET 0) AS m
    CROSS JOIN LATERAL (SELECT a.path FROM accounts a WHERE a.id = p_debit OFFSET 0) AS d
    CROSS JOIN LATERAL (SELECT a.path FROM accounts a WHERE a.id = p_credit OFFSET 0) AS c
    CROSS JOIN LATERAL (VALUES
        (merchant_of(d.path, m.reference, c.path), split_part(d.path, '/', 3), -p_amount),
        (merchant_of(c.path, m.reference, d.path), split_part(c.path, '/', 3), p_amount)
    ) AS s (merchant_id, part, delta)
    WHERE s.merchant_id IS NOT NULL
    GROUP BY s.merchant_id, m.occurred_at, m.id, m.reference, m.linked_to, d.path, c.path
$$;

-- Refuse transfers of a movement or an account that is not there, or in another currency than their accounts have; and
-- write what they changed for merchants. Once a statement and for every role: both ask for the same rows.
CREATE FUNCTION keep_known_transfers() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp SET enable_seqscan = off AS $$
DECLARE
    v_unknown TEXT;
BEGIN
    WITH t AS MATERIALIZED (
        SELECT n.*, m.reference, m.occurred_at, m.linked_to, d.path AS debit, c.path AS credit
        FROM added n
        -- One by one (OFFSET 0): a session keeps a plan that it made on short books.
        LEFT JOIN LATERAL (SELECT o.reference, o.occurred_at, o.linked_to FROM movements o
                           WHERE o.id = n.movement_id OFFSET 0) AS m ON TRUE
        LEFT JOIN LATERAL (SELECT a.path FROM accounts a
                           WHERE a.id = n.debit_account AND a.currency = n.currency OFFSET 0) AS d ON TRUE
        LEFT JOIN LATERAL (SELECT a.path FROM accounts a
                           WHERE a.id = n.credit_account AND a.currency = n.currency OFFSET 0) AS c ON TRUE
    ), noted AS (
        INSERT INTO merchant_transfers
        SELECT v.merchant_id, t.occurred_at, t.movement_id, t.leg, t.currency, t.reference, t.linked_to,
               t.debit, t.credit,
               t.amount_minor * ((v.more = 'proceeds')::INT - (v.less = 'proceeds')::INT),
               t.amount_minor * ((v.more = 'available')::INT - (v.less = 'available')::INT),
               t.amount_minor * ((v.more = 'deposit')::INT - (v.less = 'deposit')::INT),
               t.amount_minor * ((v.more IN ('reserved', ''))::INT - (v.less IN ('reserved', ''))::INT),
               t.amount_minor * ((v.less = 'receivable')::INT - (v.more = 'receivable')::INT),
               t.amount_minor * ((v.more = 'frozen')::INT - (v.less = 'frozen')::INT),
               v.more NOT IN ('frozen', 'none') OR v.less NOT IN ('frozen', 'none')
        FROM t
        CROSS JOIN LATERAL (
            SELECT CASE WHEN t.debit LIKE 'merchant/%' THEN split_part(t.debit, '/', 2)
                        WHEN t.debit LIKE 'order/%/proceeds' OR t.debit LIKE 'order/%/frozen'
                        THEN (SELECT o.merchant_id FROM orders o
                              WHERE o.order_id = split_part(t.debit, '/', 2) COLLATE "default")
                        WHEN t.debit LIKE 'withdrawal/%' OR t.debit = 'suspense'
                        THEN merchant_of(t.debit, t.reference, t.credit) END AS debtor,
                   CASE WHEN t.credit LIKE 'merchant/%' THEN split_part(t.credit, '/', 2)
                        WHEN t.credit LIKE 'order/%/proceeds' OR t.credit LIKE 'order/%/frozen'
                        THEN (SELECT o.merchant_id FROM orders o
                              WHERE o.order_id = split_part(t.credit, '/', 2) COLLATE "default")
                        WHEN t.credit LIKE 'withdrawal/%' OR t.credit = 'suspense'
                        THEN merchant_of(t.credit, t.reference, t.debit) END AS creditor OFFSET 0
        ) AS m
        -- One row where both accounts are the same merchant's. No VALUES, whose expressions are prepared again for each
        -- transfer.
        CROSS JOIN LATERAL (
            SELECT m.debtor AS merchant_id, split_part(t.debit, '/', 3) AS less,
                   CASE WHEN m.creditor = m.debtor THEN split_part(t.credit, '/', 3) ELSE 'none' END AS more
            WHERE m.debtor IS NOT NULL
            UNION ALL SELECT m.creditor, 'none', split_part(t.credit, '/', 3)
            WHERE m.creditor IS NOT NULL AND m.creditor IS DISTINCT FROM m.debtor
        ) AS v
    )
    SELECT format('leg %s of movement %s moves %s between accounts %s and %s', t.leg, t.movement_id, t.currency,
                  t.debit_account, t.credit_account)
    INTO v_unknown FROM t WHERE t.reference IS NULL OR t.debit IS NULL OR t.credit IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '%: not all of them are there, in this currency', v_unknown
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER transfers_are_known AFTER INSERT ON transfers REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION keep_known_transfers();

INSERT INTO merchant_transfers
SELECT v.* FROM transfers t CROSS JOIN LATERAL merchant_changes(
    t.movement_id, t.leg, t.debit_account, t.credit_account, t.currency, t.amount_minor) AS v;

-- What a merchant had at the end of a day of UTC, by the time at which movements occurred: of all that is sealed. A
-- movement that is booked late, for an earlier day, is added to each day from then on when it is sealed. The proof
-- `merchant_days` adds all up again.
CREATE TABLE merchant_days (
    merchant_id     TEXT NOT NULL,
    currency        TEXT COLLATE "C" NOT NULL,
    day             DATE NOT NULL,
    pending_minor   BIGINT NOT NULL,
    available_minor BIGINT NOT NULL,
    deposit_minor   BIGINT NOT NULL,
    reserved_minor  BIGINT NOT NULL,
    owed_minor      BIGINT NOT NULL,
    frozen_minor    BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, currency, day)
) WITH (fillfactor = 90);

CREATE FUNCTION utc_day(p_at TIMESTAMPTZ) RETURNS DATE LANGUAGE sql IMMUTABLE AS $$
    SELECT (p_at AT TIME ZONE 'UTC')::DATE
$$;

-- Add a range of movements, which is being sealed, to the days of its merchants. Each range once: the seal's lock is held.
CREATE FUNCTION close_merchant_days(p_first BIGINT, p_last BIGINT) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_moved merchant_days[];
BEGIN
    SELECT array_agg(ROW(s.*)::merchant_days) INTO v_moved FROM (
        SELECT t.merchant_id, t.currency, utc_day(t.occurred_at) AS day, sum(t.pending_minor)::BIGINT,
               sum(t.available_minor)::BIGINT, sum(t.deposit_minor)::BIGINT, sum(t.reserved_minor)::BIGINT,
               sum(t.owed_minor)::BIGINT, sum(t.frozen_minor)::BIGINT
        FROM merchant_transfers t WHERE t.movement_id BETWEEN p_first AND p_last
        GROUP BY t.merchant_id, t.currency, utc_day(t.occurred_at)) AS s;
    -- A new day begins with what the day before ended with.
    INSERT INTO merchant_days
    SELECT n.merchant_id, n.currency, n.day, coalesce(b.pending_minor, 0), coalesce(b.available_minor, 0),
           coalesce(b.deposit_minor, 0), coalesce(b.reserved_minor, 0), coalesce(b.owed_minor, 0),
           coalesce(b.frozen_minor, 0)
    FROM unnest(v_moved) AS n LEFT JOIN LATERAL (
        SELECT d.* FROM merchant_days d
        WHERE d.merchant_id = n.merchant_id AND d.currency = n.currency AND d.day < n.day
        ORDER BY d.day DESC LIMIT 1) AS b ON TRUE
    ON CONFLICT DO NOTHING;
    UPDATE merchant_days k
    SET pending_minor = k.pending_minor + s.pending_minor, available_minor = k.available_minor + s.available_minor,
        deposit_minor = k.deposit_minor + s.deposit_minor, reserved_minor = k.reserved_minor + s.reserved_minor,
        owed_minor = k.owed_minor + s.owed_minor, frozen_minor = k.frozen_minor + s.frozen_minor
    FROM (
        SELECT d.merchant_id, d.currency, d.day, sum(n.pending_minor)::BIGINT AS pending_minor,
               sum(n.available_minor)::BIGINT AS available_minor, sum(n.deposit_minor)::BIGINT AS deposit_minor,
               sum(n.reserved_minor)::BIGINT AS reserved_minor, sum(n.owed_minor)::BIGINT AS owed_minor,
               sum(n.frozen_minor)::BIGINT AS frozen_minor
        FROM unnest(v_moved) AS n JOIN merchant_days d
            ON d.merchant_id = n.merchant_id AND d.currency = n.currency AND d.day >= n.day
        GROUP BY d.merchant_id, d.currency, d.day) AS s
    WHERE k.merchant_id = s.merchant_id AND k.currency = s.currency AND k.day = s.day;
END $$;

SELECT close_merchant_days(first_movement, last_movement) FROM seals ORDER BY number;
