-- Payout accounts: sealed numbers, merchants' legal names, verification, and who changed what and why.

-- What the holder of every account of the merchant must be called. Null: not known, so that no number is bound.
ALTER TABLE merchants ADD COLUMN legal_name TEXT;

-- Whoever suspended an account: a person's suspension is not lifted by binding another number.
ALTER TABLE payout_accounts ADD COLUMN suspended_by TEXT;

ALTER TABLE payout_account_versions
    ADD COLUMN bank_name TEXT,
    ADD COLUMN bank_code TEXT,
    ADD COLUMN verified_at TIMESTAMPTZ;

-- A number as AES-256-GCM leaves it, in a table of its own: only a payout reads it. `fingerprint` is a keyed hash that
-- tells the same number again without opening it. Account and version are authenticated with the ciphertext, so that a
-- row that was moved to another account opens no more.
CREATE TABLE payout_account_numbers (
    account_id  TEXT NOT NULL,
    version     INT NOT NULL,
    key_id      TEXT NOT NULL,
    nonce       BYTEA NOT NULL,
    ciphertext  BYTEA NOT NULL,
    fingerprint BYTEA NOT NULL,
    sealed_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (account_id, version),
    FOREIGN KEY (account_id, version) REFERENCES payout_account_versions (account_id, version),
    CONSTRAINT key_id_form CHECK (key_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT nonce_is_ninety_six_bits CHECK (length(nonce) = 12),
    CONSTRAINT ciphertext_holds_a_tag CHECK (length(ciphertext) > 16)
);

-- The numbers that are not yet sealed with the newest key.
CREATE INDEX payout_account_numbers_by_key ON payout_account_numbers (key_id);

-- Everything that was ever done to a merchant's accounts. `account_id` null: to the merchant itself.
CREATE TABLE payout_account_changes (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_id TEXT NOT NULL REFERENCES merchants (merchant_id),
    account_id  TEXT REFERENCES payout_accounts (account_id),
    version     INT,
    what        TEXT NOT NULL,
    detail      TEXT NOT NULL DEFAULT '',
    role        TEXT NOT NULL,
    who         TEXT NOT NULL,
    why         TEXT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    CONSTRAINT change_known CHECK (what IN (
        'named', 'bound', 'replaced', 'made_default', 'no_longer_default', 'suspended', 'resumed', 'verified',
        'resealed', 'dropped', 'told_wrong')),
    CONSTRAINT change_of_an_account_has_a_version CHECK ((account_id IS NULL) = (version IS NULL)),
    CONSTRAINT only_the_merchant_is_named CHECK ((what = 'named') = (account_id IS NULL)),
    CONSTRAINT changes_have_a_reason CHECK (length(why) BETWEEN 1 AND 500)
);

-- A merchant's history, an account's history.
CREATE INDEX payout_account_changes_by_merchant ON payout_account_changes (merchant_id, id);
CREATE INDEX payout_account_changes_by_account ON payout_account_changes (account_id, id);

CREATE FUNCTION refuse_change_of_history() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER payout_account_changes_are_only_added_to
    BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_account_changes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();

-- --- merchants -------------------------------------------------------------------------------------------

-- Let a merchant be called so, and suspend the accounts that are held under another name. False: it was called so.
CREATE FUNCTION name_merchant(
    p_merchant_id TEXT, p_name TEXT, p_held_by_others TEXT[], p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_before  TEXT;
    v_account TEXT;
BEGIN
    INSERT INTO merchants (merchant_id) VALUES (p_merchant_id) ON CONFLICT DO NOTHING;
    SELECT m.legal_name INTO v_before FROM merchants m WHERE m.merchant_id = p_merchant_id FOR UPDATE;
    FOREACH v_account IN ARRAY p_held_by_others LOOP
        PERFORM suspend_account(v_account, 'holder_mismatch', p_role, p_who, p_why, p_now)
        FROM payout_accounts a WHERE a.account_id = v_account AND a.merchant_id = p_merchant_id;
    END LOOP;
    IF v_before IS NOT DISTINCT FROM p_name THEN
        RETURN FALSE;
    END IF;
    UPDATE merchants SET legal_name = p_name WHERE merchant_id = p_merchant_id;
    INSERT INTO payout_account_changes (merchant_id, what, detail, role, who, why, at)
    VALUES (p_merchant_id, 'named', coalesce(v_before || ' → ', '') || p_name, p_role, p_who, p_why, p_now);
    RETURN TRUE;
END $$;

-- --- accounts --------------------------------------------------------------------------------------------

DROP FUNCTION bind_account(TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, BOOLEAN, TIMESTAMPTZ, TIMESTAMPTZ);

-- Bind an account, or change it. The number, if there is one, comes sealed for the version that the caller expects.
-- Answers the version, with `bound`, `replaced`, `same`, or why not: `another_merchants`, `exists` or `missing` where
-- the caller insisted, `raced` where the expected version is not the next.
CREATE FUNCTION bind_account(
    p_account_id TEXT, p_merchant_id TEXT, p_kind TEXT, p_currency TEXT, p_holder TEXT, p_last4 TEXT, p_rail TEXT,
    p_rail_token TEXT, p_bank_name TEXT, p_bank_code TEXT, p_is_default BOOLEAN, p_cooling_until TIMESTAMPTZ,
    p_insists TEXT, p_expected INT, p_key_id TEXT, p_nonce BYTEA, p_ciphertext BYTEA, p_fingerprints BYTEA[],
    p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS TABLE (outcome TEXT, bound_version INT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_account payout_accounts%ROWTYPE;
    v_same    BOOLEAN;
    v_by_hand BOOLEAN;
BEGIN
    INSERT INTO merchants (merchant_id) VALUES (p_merchant_id) ON CONFLICT DO NOTHING;
    PERFORM FROM merchants m WHERE m.merchant_id = p_merchant_id FOR UPDATE;
    SELECT * INTO v_account FROM payout_accounts a WHERE a.account_id = p_account_id;
    IF v_account.merchant_id <> p_merchant_id THEN
        RETURN QUERY SELECT 'another_merchants', v_account.version;
        RETURN;
    END IF;
    SELECT (v.kind, v.currency, v.holder, v.last4, v.rail, v.rail_token)
             = (p_kind, p_currency, p_holder, p_last4, p_rail, p_rail_token)
           AND (v.bank_name, v.bank_code) IS NOT DISTINCT FROM (p_bank_name, p_bank_code)
           AND (CASE WHEN n.account_id IS NULL THEN p_key_id IS NULL
                ELSE p_key_id IS NOT NULL AND n.fingerprint = ANY (p_fingerprints) END)
    INTO v_same
    FROM payout_account_versions v LEFT JOIN payout_account_numbers n USING (account_id, version)
    WHERE v.account_id = p_account_id AND v.version = v_account.version;
    IF v_account.version IS NULL AND p_insists = 'known' THEN
        RETURN QUERY SELECT 'missing', NULL::INT;
        RETURN;
    ELSIF v_account.version IS NOT NULL AND NOT v_same AND p_insists = 'new' THEN
        RETURN QUERY SELECT 'exists', v_account.version;
        RETURN;
    ELSIF v_same IS NOT TRUE AND p_expected IS NOT NULL AND p_expected <> coalesce(v_account.version, 0) + 1 THEN
        RETURN QUERY SELECT 'raced', v_account.version;
        RETURN;
    END IF;

    IF p_is_default THEN
        WITH moved AS (
            UPDATE payout_accounts a SET is_default = FALSE
            WHERE a.merchant_id = p_merchant_id AND a.is_default AND a.account_id <> p_account_id
            RETURNING a.account_id, a.version
        )
        INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
        SELECT p_merchant_id, m.account_id, m.version, 'no_longer_default', p_account_id, p_role, p_who, p_why, p_now
        FROM moved m;
    END IF;
    IF v_same THEN
        -- The same again: its cooling goes on from where it began.
        IF v_account.is_default <> p_is_default THEN
            UPDATE payout_accounts a SET is_default = p_is_default WHERE a.account_id = p_account_id;
            INSERT INTO payout_account_changes (merchant_id, account_id, version, what, role, who, why, at)
            VALUES (p_merchant_id, p_account_id, v_account.version,
                    CASE WHEN p_is_default THEN 'made_default' ELSE 'no_longer_default' END,
                    p_role, p_who, p_why, p_now);
        END IF;
        RETURN QUERY SELECT 'same', v_account.version;
        RETURN;
    END IF;

    bound_version := coalesce(v_account.version, 0) + 1;
    -- What a rail's answer suspended, its merchant has now put right; what a person suspended, a person resumes.
    v_by_hand := coalesce(v_account.suspended_by IS NOT NULL, FALSE);
    INSERT INTO payout_accounts AS a (account_id, merchant_id, version, is_default)
    VALUES (p_account_id, p_merchant_id, bound_version, p_is_default)
    ON CONFLICT (account_id) DO UPDATE
    SET version = excluded.version, is_default = p_is_default,
        suspended_at = CASE WHEN v_by_hand THEN a.suspended_at END,
        suspended_for = CASE WHEN v_by_hand THEN a.suspended_for END
    WHERE a.merchant_id = p_merchant_id;
    IF NOT FOUND THEN
        -- Another merchant, whose lock we do not hold, took the id in this very moment.
        RETURN QUERY SELECT 'another_merchants', NULL::INT;
        RETURN;
    END IF;
    INSERT INTO payout_account_versions (account_id, version, kind, currency, holder, last4, rail, rail_token,
                                         bank_name, bank_code, cooling_until, created_at)
    VALUES (p_account_id, bound_version, p_kind, p_currency, p_holder, p_last4, p_rail, p_rail_token, p_bank_name,
            p_bank_code, p_cooling_until, p_now);
    IF p_key_id IS NOT NULL THEN
        INSERT INTO payout_account_numbers (account_id, version, key_id, nonce, ciphertext, fingerprint, sealed_at)
        VALUES (p_account_id, bound_version, p_key_id, p_nonce, p_ciphertext, p_fingerprints[1], p_now);
    END IF;
    outcome := CASE bound_version WHEN 1 THEN 'bound' ELSE 'replaced' END;
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
    VALUES (p_merchant_id, p_account_id, bound_version, outcome, concat_ws(' ',
                p_kind, '…' || p_last4, 'cools off until ' || to_char(
                    p_cooling_until AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')),
            p_role, p_who, p_why, p_now);
    RETURN NEXT;
END $$;

DROP FUNCTION suspend_account(TEXT, TEXT, TIMESTAMPTZ);

-- No more money to an account. `p_reason` is what its merchant is told; what a rail's answer brings about, the system does.
CREATE FUNCTION suspend_account(
    p_account_id TEXT, p_reason TEXT, p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_person TEXT := CASE WHEN p_role <> 'system' THEN p_role || ':' || p_who END;
BEGIN
    -- A person who suspends what a rail has suspended before makes it theirs.
    UPDATE payout_accounts a
    SET suspended_at = coalesce(a.suspended_at, p_now), suspended_for = p_reason, suspended_by = v_person
    WHERE a.account_id = p_account_id
      AND (a.suspended_at IS NULL OR (a.suspended_by IS NULL AND v_person IS NOT NULL));
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
    SELECT a.merchant_id, a.account_id, a.version, 'suspended', p_reason, p_role, p_who, p_why, p_now
    FROM payout_accounts a WHERE a.account_id = p_account_id;
    RETURN TRUE;
END $$;

-- Lift a suspension. False: it was not suspended.
CREATE FUNCTION resume_account(p_account_id TEXT, p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ)
RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_account payout_accounts%ROWTYPE;
BEGIN
    SELECT * INTO v_account FROM payout_accounts a
    WHERE a.account_id = p_account_id AND a.suspended_at IS NOT NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    UPDATE payout_accounts a SET suspended_at = NULL, suspended_for = NULL, suspended_by = NULL
    WHERE a.account_id = p_account_id;
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
    VALUES (v_account.merchant_id, p_account_id, v_account.version, 'resumed', v_account.suspended_for, p_role, p_who,
            p_why, p_now);
    RETURN TRUE;
END $$;

-- The account in this version, which is still the newest, belongs to whom it should. False: it was verified before, or
-- was changed meanwhile.
CREATE FUNCTION verify_account(
    p_account_id TEXT, p_version INT, p_detail TEXT, p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_merchant TEXT;
BEGIN
    SELECT a.merchant_id INTO v_merchant FROM payout_accounts a
    WHERE a.account_id = p_account_id AND a.version = p_version FOR UPDATE;
    UPDATE payout_account_versions v SET verified_at = p_now
    WHERE v.account_id = p_account_id AND v.version = p_version AND v.verified_at IS NULL AND v_merchant IS NOT NULL;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
    VALUES (v_merchant, p_account_id, p_version, 'verified', p_detail, p_role, p_who, p_why, p_now);
    RETURN TRUE;
END $$;

-- The same number under another key, unless somebody else was first.
CREATE FUNCTION reseal_account(
    p_account_id TEXT, p_version INT, p_old_nonce BYTEA, p_key_id TEXT, p_nonce BYTEA, p_ciphertext BYTEA,
    p_fingerprint BYTEA, p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_before TEXT;
BEGIN
    SELECT n.key_id INTO v_before FROM payout_account_numbers n
    WHERE n.account_id = p_account_id AND n.version = p_version AND n.nonce = p_old_nonce FOR UPDATE;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    UPDATE payout_account_numbers n
    SET key_id = p_key_id, nonce = p_nonce, ciphertext = p_ciphertext, fingerprint = p_fingerprint, sealed_at = p_now
    WHERE n.account_id = p_account_id AND n.version = p_version;
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
    SELECT a.merchant_id, p_account_id, p_version, 'resealed', v_before || ' → ' || p_key_id, p_role, p_who, p_why,
           p_now
    FROM payout_accounts a WHERE a.account_id = p_account_id;
    RETURN TRUE;
END $$;

-- --- penny drops -----------------------------------------------------------------------------------------

-- A small random amount that was sent to an account, so that whoever reads its statements can tell how much. `lost`:
-- nobody found out in time what became of it; that is not `failed`.
CREATE TABLE account_drops (
    key          TEXT COLLATE "C" PRIMARY KEY,
    account_id   TEXT NOT NULL,
    version      INT NOT NULL,
    drop_no      INT NOT NULL,
    amount_minor BIGINT NOT NULL,
    currency     TEXT NOT NULL,
    rail         TEXT NOT NULL,
    state        TEXT NOT NULL DEFAULT 'open',
    detail       TEXT,
    tries_left   INT NOT NULL,
    valid_until  TIMESTAMPTZ NOT NULL,
    created_at   TIMESTAMPTZ NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL,
    FOREIGN KEY (account_id, version) REFERENCES payout_account_versions (account_id, version),
    CONSTRAINT drops_are_numbered UNIQUE (account_id, version, drop_no),
    CONSTRAINT drop_key_fits_every_rail CHECK (key ~ '^[A-Za-z0-9]{1,32}$'),
    CONSTRAINT drop_is_small CHECK (amount_minor BETWEEN 1 AND 99),
    CONSTRAINT drop_state_known
        CHECK (state IN ('open', 'sending', 'accepted', 'unknown', 'paid', 'failed', 'unsent', 'lost')),
    CONSTRAINT drop_tries_not_negative CHECK (tries_left >= 0)
);

CREATE UNIQUE INDEX one_drop_at_a_time ON account_drops (account_id, version)
    WHERE state IN ('open', 'sending', 'accepted', 'unknown');
-- For the reconciliation of a rail.
CREATE INDEX account_drops_by_rail ON account_drops (rail);

-- Write down what is to be sent, before it is. Answers `opened`, `exists` (this very key), or why nothing may be sent.
CREATE FUNCTION open_drop(
    p_key TEXT, p_account_id TEXT, p_amount BIGINT, p_tries INT, p_valid_until TIMESTAMPTZ, p_drops_max INT,
    p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS TEXT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_account payout_accounts%ROWTYPE;
    v_version payout_account_versions%ROWTYPE;
    v_count   INT;
BEGIN
    SELECT * INTO v_account FROM payout_accounts a WHERE a.account_id = p_account_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown_account';
    ELSIF EXISTS (SELECT FROM account_drops d WHERE d.key = p_key) THEN
        RETURN 'exists';
    END IF;
    SELECT * INTO v_version FROM payout_account_versions v
    WHERE v.account_id = p_account_id AND v.version = v_account.version;
    SELECT count(*) INTO v_count FROM account_drops d
    WHERE d.account_id = p_account_id AND d.version = v_account.version;
    IF v_account.suspended_at IS NOT NULL THEN
        RETURN 'account_suspended';
    ELSIF v_version.verified_at IS NOT NULL THEN
        RETURN 'already_verified';
    ELSIF EXISTS (SELECT FROM account_drops d
                  WHERE d.account_id = p_account_id AND d.version = v_account.version
                    AND d.state IN ('open', 'sending', 'accepted', 'unknown')) THEN
        RETURN 'drop_under_way';
    ELSIF v_count >= p_drops_max THEN
        RETURN 'drops_used_up';
    END IF;
    INSERT INTO account_drops (key, account_id, version, drop_no, amount_minor, currency, rail, tries_left, valid_until,
                               created_at, updated_at)
    VALUES (p_key, p_account_id, v_account.version, v_count + 1, p_amount, v_version.currency, v_version.rail, p_tries,
            p_valid_until, p_now, p_now);
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, role, who, why, at)
    VALUES (v_account.merchant_id, p_account_id, v_account.version, 'dropped', p_role, p_who, p_why, p_now);
    RETURN 'opened';
END $$;

-- Move a drop to a state if it is in one of `p_when`; what was paid is booked with it, as a cost of the rail.
CREATE FUNCTION update_drop(p_key TEXT, p_state TEXT, p_when TEXT[], p_detail TEXT, p_now TIMESTAMPTZ) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_drop   account_drops%ROWTYPE;
    v_posted TEXT;
BEGIN
    SELECT * INTO v_drop FROM account_drops d WHERE d.key = p_key AND d.state = ANY (p_when) FOR UPDATE;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    IF p_state = 'paid' THEN
        SELECT p.outcome INTO v_posted
        FROM post(ARRAY[concat_ws('/', 'account', v_drop.account_id, v_drop.version, 'drop', v_drop.drop_no)],
                  ARRAY[v_drop.currency], ARRAY[p_now], ARRAY[NULL::TEXT], ARRAY[NULL::TEXT], ARRAY[1],
                  ARRAY['expense/rail_fee'], ARRAY['rail/' || v_drop.rail || '/cash'], ARRAY[v_drop.amount_minor]) AS p;
        IF v_posted <> 'posted' THEN
            RAISE EXCEPTION 'the drop % cannot be booked: %', p_key, v_posted;
        END IF;
    END IF;
    UPDATE account_drops d SET state = p_state, detail = coalesce(p_detail, d.detail), updated_at = p_now
    WHERE d.key = p_key;
    RETURN TRUE;
END $$;

-- Somebody says how much arrived. An outcome that we do not know yet is no obstacle: they may have seen it before us.
-- Answers `verified`, or why not: `wrong_drop_amount`, `no_drop`, `drop_expired`, `drop_tries_used_up`.
CREATE FUNCTION tell_drop(
    p_account_id TEXT, p_amount BIGINT, p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS TABLE (outcome TEXT, tries_left INT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_account payout_accounts%ROWTYPE;
    v_drop    account_drops%ROWTYPE;
BEGIN
    SELECT * INTO v_account FROM payout_accounts a WHERE a.account_id = p_account_id FOR UPDATE;
    SELECT * INTO v_drop FROM account_drops d
    WHERE d.account_id = p_account_id AND d.version = v_account.version
      AND d.state IN ('sending', 'accepted', 'unknown', 'paid', 'lost')
    ORDER BY d.drop_no DESC LIMIT 1 FOR UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'no_drop', NULL::INT;
    ELSIF v_drop.valid_until < p_now THEN
        RETURN QUERY SELECT 'drop_expired', v_drop.tries_left;
    ELSIF v_drop.tries_left = 0 THEN
        RETURN QUERY SELECT 'drop_tries_used_up', 0;
    ELSIF v_drop.amount_minor = p_amount THEN
        IF verify_account(p_account_id, v_drop.version, 'penny drop', p_role, p_who, p_why, p_now) THEN
            RETURN QUERY SELECT 'verified', v_drop.tries_left;
        ELSE
            RETURN QUERY SELECT 'already_verified', v_drop.tries_left;
        END IF;
    ELSE
        UPDATE account_drops d SET tries_left = d.tries_left - 1 WHERE d.key = v_drop.key;
        INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
        VALUES (v_account.merchant_id, p_account_id, v_drop.version, 'told_wrong',
                (v_drop.tries_left - 1) || ' tries left', p_role, p_who, p_why, p_now);
        RETURN QUERY SELECT 'wrong_drop_amount', v_drop.tries_left - 1;
    END IF;
END $$;

-- --- reserve ---------------------------------------------------------------------------------------------

-- As `reserve`, and refused for an account that nobody verified. Under the merchant's lock, which a change of the
-- account takes too, so that `reserve` sees the version that was looked at here.
CREATE FUNCTION reserve_verified(
    p_withdrawal JSONB, p_content_hash TEXT, p_minimum BIGINT, p_maximum BIGINT, p_daily_count INT, p_daily_sum BIGINT,
    p_day_start TIMESTAMPTZ, p_needs_approval BOOLEAN, p_now TIMESTAMPTZ, p_record JSONB
) RETURNS TABLE (outcome TEXT, detail TEXT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_merchant TEXT := p_withdrawal ->> 'merchant_id';
BEGIN
    PERFORM FROM merchants m WHERE m.merchant_id = v_merchant FOR UPDATE;
    IF NOT EXISTS (SELECT FROM withdrawals w WHERE w.withdrawal_id = p_withdrawal ->> 'withdrawal_id')
       AND EXISTS (SELECT FROM payout_accounts a JOIN payout_account_versions v USING (account_id, version)
                   WHERE a.account_id = p_withdrawal ->> 'account_id' AND a.merchant_id = v_merchant
                     AND a.suspended_at IS NULL AND v.verified_at IS NULL) THEN
        RETURN QUERY SELECT 'account_unverified', p_withdrawal ->> 'account_id';
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM reserve(p_withdrawal, p_content_hash, p_minimum, p_maximum, p_daily_count, p_daily_sum,
                                       p_day_start, p_needs_approval, p_now, p_record);
END $$;
