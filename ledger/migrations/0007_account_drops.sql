-- Penny drops: small amounts that verify a payout account.

-- A small random amount sent to an account: a person who can read its statements can report the amount. `lost`: the
-- outcome was not known in time; it may still have arrived, so it is not `failed`.
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

-- Write a drop before it is sent. Answers `opened`, `exists` (the same key), or why nothing may be sent.
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
    ELSIF v_count >= least(p_drops_max, 20) THEN -- as many as a policy may allow; the caller may ask for fewer
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

-- Move a drop to a state if it is in one of `p_when`; a paid drop is booked in the same call, as a cost of the rail.
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

-- Check a reported amount. The drop's outcome need not be known: the merchant may see the money before the rail reports
-- it. Answers `verified`, or a refusal: `wrong_drop_amount`, `no_drop`, `drop_expired`, `drop_tries_used_up`.
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
                'tries left: ' || (v_drop.tries_left - 1), p_role, p_who, p_why, p_now);
        RETURN QUERY SELECT 'wrong_drop_amount', v_drop.tries_left - 1;
    END IF;
END $$;
