-- Seals: what was booked stays as it was booked, and a change is found, the owner's own included.

-- The movements up to a number, hashed and chained to the seal before.
CREATE TABLE seals (
    number         INTEGER PRIMARY KEY,
    first_movement BIGINT NOT NULL,
    last_movement  BIGINT NOT NULL,
    movements      BIGINT NOT NULL,
    -- Sums of the range by kind of account and currency: {"asset CNY": 12300}.
    sums           JSONB NOT NULL,
    sealed_at      TIMESTAMPTZ NOT NULL,
    previous       BYTEA,
    hash           BYTEA NOT NULL,
    CONSTRAINT seals_are_numbered CHECK (number >= 1 AND (number = 1) = (previous IS NULL)),
    CONSTRAINT seal_has_movements CHECK (movements >= 1 AND first_movement <= last_movement),
    CONSTRAINT seal_hash_form CHECK (length(hash) = 32 AND length(previous) = 32)
);

-- Parts of a seal: a change is looked for in one of them, and named by its movement.
CREATE TABLE seal_blocks (
    number         INTEGER NOT NULL REFERENCES seals (number),
    block          INTEGER NOT NULL,
    first_movement BIGINT NOT NULL,
    last_movement  BIGINT NOT NULL,
    -- The first eight bytes of each movement's hash, in order.
    marks          BYTEA NOT NULL,
    hash           BYTEA NOT NULL,
    PRIMARY KEY (number, block),
    CONSTRAINT marks_are_whole CHECK (length(marks) % 8 = 0 AND length(marks) >= 8),
    CONSTRAINT block_hash_form CHECK (length(hash) = 32)
);

-- Balances at a seal, of accounts that live as long as the books: those whose balance is not stored, and those of a
-- merchant that moved since the seal before.
CREATE TABLE closings (
    number        INTEGER NOT NULL REFERENCES seals (number),
    account_id    BIGINT NOT NULL REFERENCES accounts (id),
    balance_minor BIGINT NOT NULL,
    PRIMARY KEY (number, account_id)
);

-- What all accounts of one purpose held at a seal: `order/*/escrow`, `psp/wechat`. There are few.
CREATE TABLE purposes (
    number        INTEGER NOT NULL REFERENCES seals (number),
    purpose       TEXT COLLATE "C" NOT NULL,
    currency      TEXT COLLATE "C" NOT NULL,
    kind          TEXT NOT NULL,
    balance_minor BIGINT NOT NULL,
    PRIMARY KEY (number, purpose, currency)
);

-- Up to here no movement is under way. Numbers are given before a transaction ends, so a lower one may still come.
CREATE TABLE seal_bound (
    only_row      BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    last_movement BIGINT NOT NULL
);

-- Waits for the postings that are under way, and keeps new ones waiting meanwhile: call it in a transaction of its own.
CREATE FUNCTION note_seal_bound() RETURNS BIGINT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    v_last BIGINT;
BEGIN
    LOCK TABLE movements IN SHARE MODE;
    SELECT max(id) INTO v_last FROM movements;
    IF v_last IS NOT NULL THEN
        INSERT INTO seal_bound (last_movement) VALUES (v_last)
        ON CONFLICT (only_row) DO UPDATE SET last_movement = greatest(seal_bound.last_movement, excluded.last_movement);
    END IF;
    RETURN v_last;
END
$$;

-- The hash of each movement of a range: all that was booked, its accounts by name.
CREATE FUNCTION movement_hashes(p_first BIGINT, p_last BIGINT) RETURNS TABLE (movement_id BIGINT, hash BYTEA)
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT m.id, sha256(convert_to(jsonb_build_array(
               m.id, m.reference, m.currency, encode(m.request_hash, 'hex'), m.linked_to,
               extract(EPOCH FROM m.occurred_at), extract(EPOCH FROM m.recorded_at), t.legs)::TEXT, 'UTF8'))
    FROM movements m LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_array(t.leg, d.path, c.path, t.currency, t.amount_minor) ORDER BY t.leg) AS legs
        FROM transfers t JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
        WHERE t.movement_id = m.id) AS t ON TRUE
    WHERE m.id BETWEEN p_first AND p_last
$$;

-- The hash of a seal: its numbers, its blocks, and the seal before. So a seal that is written anew breaks the chain.
CREATE FUNCTION seal_hash(p_seal seals) RETURNS BYTEA
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT sha256(convert_to(jsonb_build_array(
        p_seal.number, p_seal.first_movement, p_seal.last_movement, p_seal.movements, p_seal.sums,
        extract(EPOCH FROM p_seal.sealed_at), encode(p_seal.previous, 'hex'),
        (SELECT jsonb_agg(jsonb_build_array(b.first_movement, b.last_movement, encode(b.hash, 'hex')) ORDER BY b.block)
         FROM seal_blocks b WHERE b.number = p_seal.number),
        (SELECT jsonb_agg(jsonb_build_array(a.path, a.currency, c.balance_minor) ORDER BY a.path, a.currency)
         FROM closings c JOIN accounts a ON a.id = c.account_id WHERE c.number = p_seal.number),
        (SELECT jsonb_agg(jsonb_build_array(u.purpose, u.currency, u.kind, u.balance_minor)
                          ORDER BY u.purpose, u.currency)
         FROM purposes u WHERE u.number = p_seal.number))::TEXT, 'UTF8'))
$$;

-- Seal what was booked up to the noted bound since the last seal, at most so many movements: a call ends in seconds,
-- however much was booked. Returns the seal's number; null: nothing was booked.
CREATE FUNCTION seal_books(p_block INTEGER, p_most INTEGER) RETURNS INTEGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp
-- A seal looks up the movements of a day, of which there are few; a hash would read every account there ever was.
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    v_before seals;
    v_seal seals;
BEGIN
    IF p_block NOT BETWEEN 1 AND 100000 OR p_most < 1 THEN
        RAISE EXCEPTION 'a block has 1 to 100000 movements, a seal at least 1' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- One sealer at a time; the second finds what the first did.
    LOCK TABLE seals IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO v_before FROM seals ORDER BY number DESC LIMIT 1;
    SELECT min(m.id), max(m.id), count(*) INTO v_seal.first_movement, v_seal.last_movement, v_seal.movements
    FROM (SELECT n.id FROM movements n, seal_bound b
          WHERE n.id > coalesce(v_before.last_movement, 0) AND n.id <= b.last_movement ORDER BY n.id LIMIT p_most) AS m;
    IF v_seal.movements = 0 THEN
        RETURN NULL;
    END IF;
    v_seal.number := coalesce(v_before.number, 0) + 1;
    v_seal.previous := v_before.hash;
    v_seal.sealed_at := clock_timestamp();
    v_seal.hash := sha256('');
    SELECT coalesce(jsonb_object_agg(s.what, s.total), '{}') INTO v_seal.sums FROM (
        SELECT e.kind || ' ' || e.currency AS what, sum(e.delta_minor) AS total FROM entries e
        WHERE e.movement_id BETWEEN v_seal.first_movement AND v_seal.last_movement GROUP BY 1) AS s;
    INSERT INTO seals SELECT v_seal.*;
    INSERT INTO seal_blocks (number, block, first_movement, last_movement, marks, hash)
    SELECT v_seal.number, b.block, min(b.movement_id), max(b.movement_id),
           string_agg(substr(b.hash, 1, 8), '' ORDER BY b.movement_id), sha256(string_agg(b.hash, '' ORDER BY b.movement_id))
    FROM (SELECT h.*, (row_number() OVER (ORDER BY h.movement_id) - 1) / p_block AS block
          FROM movement_hashes(v_seal.first_movement, v_seal.last_movement) AS h) AS b
    GROUP BY b.block;
    -- A merchant's account that did not move keeps its last closing.
    INSERT INTO closings (number, account_id, balance_minor)
    SELECT v_seal.number, e.account_id, coalesce(c.balance_minor, 0) + e.moved_minor
    FROM (
        SELECT m.account_id, sum(m.delta_minor) AS moved_minor FROM (
            SELECT account_id, delta_minor FROM entries
            WHERE movement_id BETWEEN v_seal.first_movement AND v_seal.last_movement
              AND (path LIKE 'merchant/%' OR NOT account_guarded(path))
            UNION ALL SELECT id, 0 FROM accounts WHERE NOT guarded) AS m
        GROUP BY m.account_id) AS e
    LEFT JOIN LATERAL (SELECT l.balance_minor FROM closings l WHERE l.account_id = e.account_id
                       ORDER BY l.number DESC LIMIT 1) AS c ON TRUE;
    INSERT INTO purposes (number, purpose, currency, kind, balance_minor)
    SELECT v_seal.number, p.purpose, p.currency, min(p.kind), sum(p.minor) FROM (
        SELECT u.purpose, u.currency, u.kind, u.balance_minor AS minor FROM purposes u WHERE u.number = v_before.number
        UNION ALL
        SELECT purpose_of(path), currency, kind, delta_minor FROM entries
        WHERE movement_id BETWEEN v_seal.first_movement AND v_seal.last_movement) AS p
    GROUP BY p.purpose, p.currency;
    PERFORM close_merchant_days(v_seal.first_movement, v_seal.last_movement);
    UPDATE seals s SET hash = seal_hash(s) WHERE s.number = v_seal.number;
    RETURN v_seal.number;
END
$$;
