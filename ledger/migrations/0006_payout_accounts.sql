-- Payout accounts: versions, sealed numbers, legal names, verification, and who changed what and why.

-- One row a merchant: the lock under which its withdrawals are reserved one by one.
CREATE TABLE merchants (
    merchant_id TEXT PRIMARY KEY,
    -- The holder of every account of the merchant must have this name. Null: it is not known, so no number is bound.
    legal_name  TEXT
);

CREATE TABLE payout_accounts (
    account_id    TEXT PRIMARY KEY,
    merchant_id   TEXT NOT NULL REFERENCES merchants (merchant_id),
    version       INT NOT NULL,
    is_default    BOOLEAN NOT NULL DEFAULT FALSE,
    suspended_at  TIMESTAMPTZ,
    suspended_for TEXT,
    -- The person who suspended it, if one did: binding another number does not lift that.
    suspended_by  TEXT,
    CONSTRAINT account_id_form CHECK (account_id ~ '^[A-Za-z0-9_-]{1,64}$')
);

CREATE UNIQUE INDEX one_default_a_merchant ON payout_accounts (merchant_id) WHERE is_default;
CREATE INDEX payout_accounts_by_merchant ON payout_accounts (merchant_id);

-- An account's details. A change is a new version; a withdrawal keeps the version it was requested for.
CREATE TABLE payout_account_versions (
    account_id    TEXT NOT NULL REFERENCES payout_accounts (account_id),
    version       INT NOT NULL,
    kind          TEXT NOT NULL,
    currency      TEXT NOT NULL,
    holder        TEXT NOT NULL,
    last4         TEXT NOT NULL,
    rail          TEXT NOT NULL,
    rail_token    TEXT NOT NULL,
    cooling_until TIMESTAMPTZ,
    created_at    TIMESTAMPTZ NOT NULL,
    bank_name     TEXT,
    bank_code     TEXT,
    verified_at   TIMESTAMPTZ,
    PRIMARY KEY (account_id, version),
    CONSTRAINT account_kind_known CHECK (kind IN ('bank_card', 'company_account', 'wallet', 'iban')),
    CONSTRAINT only_the_last_four_are_shown CHECK (length(last4) BETWEEN 1 AND 4),
    CONSTRAINT rail_form CHECK (rail ~ '^[A-Za-z0-9_-]{1,64}$')
);

-- A number sealed with AES-256-GCM, in a separate table that only a payout reads. `fingerprint` is a keyed hash by
-- which the same number is recognised without opening it. Account and version are authenticated with the ciphertext, so
-- a row that was moved to another account does not open.
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

-- For the numbers that are not yet sealed with the newest key.
CREATE INDEX payout_account_numbers_by_key ON payout_account_numbers (key_id);

-- Every change to a merchant's accounts. `account_id` null: a change to the merchant itself.
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
        'resealed', 'dropped', 'told_wrong', 'cooling_shortened')),
    CONSTRAINT change_of_an_account_has_a_version CHECK ((account_id IS NULL) = (version IS NULL)),
    CONSTRAINT only_the_merchant_is_named CHECK ((what = 'named') = (account_id IS NULL)),
    CONSTRAINT changes_have_a_reason CHECK (length(why) BETWEEN 1 AND 500)
);

-- For a merchant's history and an account's history.
CREATE INDEX payout_account_changes_by_merchant ON payout_account_changes (merchant_id, id);
CREATE INDEX payout_account_changes_by_account ON payout_account_changes (account_id, id);

CREATE TRIGGER payout_account_changes_are_only_added_to
    BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_account_changes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();

-- Commands about accounts that were carried out, by sender and id. `digest` is what a command said.
CREATE TABLE payout_account_commands (
    role       TEXT NOT NULL,
    who        TEXT NOT NULL,
    command_id TEXT NOT NULL,
    digest     TEXT NOT NULL,
    taken_at   TIMESTAMPTZ NOT NULL,
    CONSTRAINT an_account_command_is_carried_out_once PRIMARY KEY (role, who, command_id)
);

-- Take a command; its change belongs to the same transaction, so that both stand or neither. `p_digests` are what it
-- says, under each key of the account numbers. Answers `taken`, `duplicate`, or `different` for the id of another one.
CREATE FUNCTION take_account_command(
    p_role TEXT, p_who TEXT, p_command_id TEXT, p_digests TEXT[], p_now TIMESTAMPTZ
) RETURNS TEXT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    -- Waits for another transaction that takes the same command.
    INSERT INTO payout_account_commands (role, who, command_id, digest, taken_at)
    VALUES (p_role, p_who, p_command_id, p_digests[1], p_now)
    ON CONFLICT ON CONSTRAINT an_account_command_is_carried_out_once DO NOTHING;
    IF FOUND THEN
        RETURN 'taken';
    END IF;
    RETURN (SELECT CASE WHEN c.digest = ANY (p_digests) THEN 'duplicate' ELSE 'different' END
            FROM payout_account_commands c
            WHERE c.role = p_role AND c.who = p_who AND c.command_id = p_command_id);
END $$;

-- --- merchants -----------------------------------------------------------------------------------------------

-- Set a merchant's legal name, and suspend the accounts that are held under another name. False: that was its name.
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

-- --- accounts ------------------------------------------------------------------------------------------------

-- Bind an account, or change it. The number, if there is one, is sealed for the version that the caller expects.
-- Answers the version, with `bound`, `replaced`, `same`, or a refusal: `another_merchants`, `exists` or `missing` if
-- the caller said what it must be (`new`, `known`), `raced` if the expected version is not the next.
--
-- It cools off at least as long as the safeguard says, by the database's clock. Otherwise a stolen worker's role could
-- bind an account of its own and be paid at once.
CREATE FUNCTION bind_account(
    p_account_id TEXT, p_merchant_id TEXT, p_kind TEXT, p_currency TEXT, p_holder TEXT, p_last4 TEXT, p_rail TEXT,
    p_rail_token TEXT, p_bank_name TEXT, p_bank_code TEXT, p_is_default BOOLEAN, p_cooling_until TIMESTAMPTZ,
    p_must_be TEXT, p_expected INT, p_key_id TEXT, p_nonce BYTEA, p_ciphertext BYTEA, p_fingerprints BYTEA[],
    p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS TABLE (outcome TEXT, bound_version INT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_account payout_accounts%ROWTYPE;
    v_same    BOOLEAN;
    v_by_hand BOOLEAN;
    v_floor   INTERVAL := safeguard('cooling');
    v_cools   TIMESTAMPTZ := greatest(p_cooling_until, CASE WHEN v_floor > INTERVAL '0' THEN
                                          greatest(p_now, clock_timestamp()) + v_floor END);
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
    IF v_account.version IS NULL AND p_must_be = 'known' THEN
        RETURN QUERY SELECT 'missing', NULL::INT;
        RETURN;
    ELSIF v_account.version IS NOT NULL AND NOT v_same AND p_must_be = 'new' THEN
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
        -- A repeated request does not restart the cooling period.
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
    -- This change lifts a suspension that a rail's answer caused; one by a person only a person lifts.
    v_by_hand := coalesce(v_account.suspended_by IS NOT NULL, FALSE);
    INSERT INTO payout_accounts AS a (account_id, merchant_id, version, is_default)
    VALUES (p_account_id, p_merchant_id, bound_version, p_is_default)
    ON CONFLICT (account_id) DO UPDATE
    SET version = excluded.version, is_default = p_is_default,
        suspended_at = CASE WHEN v_by_hand THEN a.suspended_at END,
        suspended_for = CASE WHEN v_by_hand THEN a.suspended_for END
    WHERE a.merchant_id = p_merchant_id;
    IF NOT FOUND THEN
        -- Another merchant, whose lock we do not hold, took the id at the same moment.
        RETURN QUERY SELECT 'another_merchants', NULL::INT;
        RETURN;
    END IF;
    INSERT INTO payout_account_versions (account_id, version, kind, currency, holder, last4, rail, rail_token,
                                         bank_name, bank_code, cooling_until, created_at)
    VALUES (p_account_id, bound_version, p_kind, p_currency, p_holder, p_last4, p_rail, p_rail_token, p_bank_name,
            p_bank_code, v_cools, p_now);
    IF p_key_id IS NOT NULL THEN
        INSERT INTO payout_account_numbers (account_id, version, key_id, nonce, ciphertext, fingerprint, sealed_at)
        VALUES (p_account_id, bound_version, p_key_id, p_nonce, p_ciphertext, p_fingerprints[1], p_now);
    END IF;
    outcome := CASE bound_version WHEN 1 THEN 'bound' ELSE 'replaced' END;
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
    VALUES (p_merchant_id, p_account_id, bound_version, outcome, concat_ws(' ',
                p_kind, '…' || p_last4, 'cools off until ' || to_char(
                    v_cools AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')),
            p_role, p_who, p_why, p_now);
    RETURN NEXT;
END $$;

-- Shorten the cooling of an account in its newest version. Only the owner may call it, for an operator who gives a reason.
-- False: the cooling is not longer than that, or the account was changed meanwhile.
CREATE FUNCTION shorten_cooling(
    p_account_id TEXT, p_version INT, p_until TIMESTAMPTZ, p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_merchant TEXT;
    v_before   TIMESTAMPTZ;
BEGIN
    IF p_role <> 'operator' THEN
        RAISE EXCEPTION 'only an operator shortens the cooling of an account' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT a.merchant_id, v.cooling_until INTO v_merchant, v_before
    FROM payout_accounts a JOIN payout_account_versions v USING (account_id, version)
    WHERE a.account_id = p_account_id AND a.version = p_version FOR UPDATE;
    IF v_before IS NULL OR v_before <= p_until THEN
        RETURN FALSE;
    END IF;
    UPDATE payout_account_versions v SET cooling_until = p_until
    WHERE v.account_id = p_account_id AND v.version = p_version;
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
    VALUES (v_merchant, p_account_id, p_version, 'cooling_shortened', concat_ws(' → ',
                to_char(v_before AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
                coalesce(to_char(p_until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), 'none')),
            p_role, p_who, p_why, p_now);
    RETURN TRUE;
END $$;

-- Send no more money to an account. Its merchant gets `p_reason`. After a rail's answer the actor is `system`.
CREATE FUNCTION suspend_account(
    p_account_id TEXT, p_reason TEXT, p_role TEXT, p_who TEXT, p_why TEXT, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_person TEXT := CASE WHEN p_role <> 'system' THEN p_role || ':' || p_who END;
BEGIN
    -- A person's suspension replaces one that a rail's answer caused.
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

-- Mark this version as verified, if it is still the newest. False: it was verified before, or the account has a newer
-- version.
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

-- Store a number sealed under another key, unless a concurrent call was first. Only the owner may call it: the database
-- cannot check that it is the same number. Another number would replace an account that has cooled off.
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
