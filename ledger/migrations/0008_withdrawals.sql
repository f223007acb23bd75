-- Withdrawals: their approvals, attempts, rail events and movements.

CREATE TABLE withdrawals (
    withdrawal_id      TEXT PRIMARY KEY,
    merchant_id        TEXT NOT NULL REFERENCES merchants (merchant_id),
    amount_minor       BIGINT NOT NULL,
    currency           TEXT NOT NULL,
    account_id         TEXT NOT NULL,
    account_version    INT NOT NULL,
    requested_by       TEXT NOT NULL,
    body               JSONB NOT NULL,
    content_hash       TEXT NOT NULL,
    needs_approval     BOOLEAN NOT NULL,
    requested_at       TIMESTAMPTZ NOT NULL,
    revision           INT NOT NULL DEFAULT -1,
    state_name         TEXT NOT NULL DEFAULT 'requested',
    next_deadline_name TEXT,
    next_deadline_at   TIMESTAMPTZ,
    closed             BOOLEAN NOT NULL DEFAULT FALSE,
    state              JSONB,
    recorded_at        TIMESTAMPTZ,
    FOREIGN KEY (account_id, account_version) REFERENCES payout_account_versions (account_id, version),
    -- Lets an approval prove by foreign key that the requester it must differ from is the withdrawal's.
    CONSTRAINT withdrawals_requester_key UNIQUE (withdrawal_id, requested_by),
    CONSTRAINT withdrawal_id_form CHECK (withdrawal_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    CONSTRAINT withdrawal_amount_in_bounds CHECK (amount_minor BETWEEN 1 AND 1000000000000000)
);

-- A merchant's withdrawals, newest first; also for the day's count and sum.
CREATE INDEX withdrawals_by_merchant ON withdrawals (merchant_id, requested_at DESC);
CREATE INDEX withdrawals_by_request ON withdrawals (requested_at DESC);
CREATE INDEX withdrawals_by_state ON withdrawals (state_name, requested_at DESC);
CREATE INDEX withdrawals_open ON withdrawals (requested_at DESC) WHERE NOT closed;
CREATE INDEX withdrawals_open_by_merchant ON withdrawals (merchant_id, requested_at DESC) WHERE NOT closed;

CREATE TABLE withdrawal_approvals (
    withdrawal_id TEXT NOT NULL,
    attempt_no    INT NOT NULL,
    person        TEXT NOT NULL,
    role          TEXT NOT NULL,
    requested_by  TEXT NOT NULL,
    approved_at   TIMESTAMPTZ NOT NULL,
    CONSTRAINT approvers_are_different_people PRIMARY KEY (withdrawal_id, attempt_no, person),
    CONSTRAINT requester_is_the_withdrawals FOREIGN KEY (withdrawal_id, requested_by)
        REFERENCES withdrawals (withdrawal_id, requested_by),
    CONSTRAINT nobody_approves_what_they_asked_for CHECK (person_of(person) <> person_of(requested_by)),
    CONSTRAINT approvers_are_staff CHECK (role IN ('reviewer', 'operator'))
);

-- An attempt's row is written before anything is sent. `key` is the only id that the rail gets from us.
CREATE TABLE payout_attempts (
    key              TEXT COLLATE "C" PRIMARY KEY,
    withdrawal_id    TEXT NOT NULL REFERENCES withdrawals (withdrawal_id),
    attempt_no       INT NOT NULL,
    request_hash     TEXT NOT NULL,
    amount_minor     BIGINT NOT NULL,
    currency         TEXT NOT NULL,
    account_id       TEXT NOT NULL,
    account_version  INT NOT NULL,
    holder           TEXT NOT NULL,
    last4            TEXT NOT NULL,
    rail             TEXT NOT NULL,
    rail_token       TEXT NOT NULL,
    terms            JSONB NOT NULL,
    lease_until      TIMESTAMPTZ,
    state            TEXT NOT NULL DEFAULT 'open',
    created_at       TIMESTAMPTZ NOT NULL,
    updated_at       TIMESTAMPTZ NOT NULL,
    CONSTRAINT attempts_are_numbered UNIQUE (withdrawal_id, attempt_no),
    CONSTRAINT key_fits_every_rail CHECK (key ~ '^[A-Za-z0-9]{1,32}$'),
    CONSTRAINT attempt_state_known
        CHECK (state IN ('open', 'sending', 'unsent', 'accepted', 'unknown', 'paid', 'failed')),
    CONSTRAINT attempt_amount_in_bounds CHECK (amount_minor BETWEEN 1 AND 1000000000000000),
    FOREIGN KEY (account_id, account_version) REFERENCES payout_account_versions (account_id, version)
);

-- For the reconciliation of a rail.
CREATE INDEX payout_attempts_by_rail ON payout_attempts (rail);
-- At most one attempt may still pay: a new one needs to know that the last had no effect.
CREATE UNIQUE INDEX one_live_attempt_a_withdrawal ON payout_attempts (withdrawal_id)
    WHERE state NOT IN ('failed', 'unsent');

-- Each event of a rail counts once.
CREATE TABLE payout_events (
    rail         TEXT NOT NULL,
    event_id     TEXT NOT NULL,
    key          TEXT COLLATE "C" NOT NULL REFERENCES payout_attempts (key),
    outcome      TEXT NOT NULL,
    amount_minor BIGINT NOT NULL,
    at           TIMESTAMPTZ NOT NULL,
    CONSTRAINT an_event_counts_once PRIMARY KEY (rail, event_id)
);

CREATE INDEX payout_events_by_key ON payout_events (key);

-- --- records -------------------------------------------------------------------------------------------------

-- Keep a withdrawal's newest state (a WithdrawalRecord), the states of its payouts and the rail events that it counted.
-- A record that follows another revision than the stored one comes from a workflow that was set back. Nothing of it is
-- kept: its notices report what did not happen.
CREATE FUNCTION record_withdrawal(p_record JSONB) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_id       TEXT := p_record ->> 'withdrawal_id';
    v_revision INT := (p_record ->> 'revision')::INT;
    v_kept     BOOLEAN;
BEGIN
    UPDATE withdrawals
    SET revision = v_revision,
        state_name = p_record ->> 'state_name',
        next_deadline_name = p_record #>> '{next_deadline,name}',
        next_deadline_at = (p_record #>> '{next_deadline,at}')::TIMESTAMPTZ,
        closed = (p_record ->> 'closed')::BOOLEAN,
        state = p_record -> 'state',
        recorded_at = (p_record ->> 'recorded_at')::TIMESTAMPTZ
    WHERE withdrawal_id = v_id AND revision < v_revision
      AND revision = coalesce((p_record ->> 'follows')::INT, revision);
    v_kept := FOUND;
    IF v_kept THEN
        UPDATE payout_attempts a SET state = r.outcome, updated_at = (p_record ->> 'recorded_at')::TIMESTAMPTZ
        FROM jsonb_to_recordset(p_record #> '{state,attempts}') AS r (key TEXT, outcome TEXT)
        WHERE a.key = r.key AND a.withdrawal_id = v_id AND r.outcome NOT IN ('open', a.state);
        INSERT INTO payout_events (rail, event_id, key, outcome, amount_minor, at)
        SELECT a.rail, e.event_id, a.key, e.outcome, e.amount_minor, e.at
        FROM jsonb_to_recordset(p_record #> '{state,attempts}') AS r (key TEXT, events JSONB)
        JOIN payout_attempts a ON a.key = r.key AND a.withdrawal_id = v_id
        CROSS JOIN LATERAL jsonb_to_recordset(r.events)
            AS e (event_id TEXT, outcome TEXT, amount_minor BIGINT, at TIMESTAMPTZ)
        ON CONFLICT ON CONSTRAINT an_event_counts_once DO NOTHING;
        PERFORM add_notices('withdrawal/' || v_id, p_record -> 'notices');
    ELSIF NOT EXISTS (SELECT FROM withdrawals w WHERE w.withdrawal_id = v_id) THEN
        RAISE EXCEPTION 'withdrawal % is not registered', v_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN v_kept;
END $$;

-- --- reserve -------------------------------------------------------------------------------------------------

-- Reserve a withdrawal's amount: every check, the row and the posting in one transaction under the merchant's lock.
-- Answers `reserved`, `exists` (the same request before), or a reason code with its facts.
CREATE FUNCTION reserve(
    p_withdrawal JSONB, p_content_hash TEXT, p_minimum BIGINT, p_maximum BIGINT, p_daily_count INT, p_daily_sum BIGINT,
    p_day_start TIMESTAMPTZ, p_needs_approval BOOLEAN, p_now TIMESTAMPTZ, p_record JSONB
) RETURNS TABLE (outcome TEXT, detail TEXT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_id       TEXT := p_withdrawal ->> 'withdrawal_id';
    v_merchant TEXT := p_withdrawal ->> 'merchant_id';
    v_amount   BIGINT := (p_withdrawal ->> 'amount_minor')::BIGINT;
    v_currency TEXT := p_withdrawal ->> 'currency';
    v_hash     TEXT;
    v_account  RECORD;
    v_owed     BIGINT;
    v_count    BIGINT;
    v_sum      BIGINT;
    v_posted   RECORD;
    -- A later time would end the cooling of an account.
    v_now      TIMESTAMPTZ := bounded_now(p_now);
    v_stop     TEXT := stop_of_merchant(v_merchant);
BEGIN
    INSERT INTO merchants (merchant_id) VALUES (v_merchant) ON CONFLICT DO NOTHING;
    PERFORM FROM merchants m WHERE m.merchant_id = v_merchant FOR UPDATE;

    SELECT w.content_hash INTO v_hash FROM withdrawals w WHERE w.withdrawal_id = v_id;
    IF FOUND THEN
        IF v_hash <> p_content_hash THEN
            RETURN QUERY SELECT 'withdrawal_exists_with_different_content', v_id;
            RETURN;
        END IF;
        IF p_record IS NOT NULL THEN
            PERFORM record_withdrawal(p_record);
        END IF;
        RETURN QUERY SELECT 'exists', v_id;
        RETURN;
    END IF;

    SELECT a.merchant_id, a.version, a.suspended_at, v.currency, v.cooling_until INTO v_account
    FROM payout_accounts a JOIN payout_account_versions v USING (account_id, version)
    WHERE a.account_id = p_withdrawal ->> 'account_id'
    FOR SHARE OF a;
    SELECT a.balance_minor INTO v_owed FROM accounts a
    WHERE a.path = 'merchant/' || v_merchant || '/receivable' AND a.currency = v_currency;
    SELECT count(*), coalesce(sum(w.amount_minor), 0) INTO v_count, v_sum FROM withdrawals w
    WHERE w.merchant_id = v_merchant AND w.currency = v_currency
      AND w.requested_at >= p_day_start AND w.requested_at < p_day_start + INTERVAL '24 hours'
      AND w.state_name NOT IN ('rejected', 'cancelled', 'failed');

    SELECT r.code, r.about INTO outcome, detail
    FROM (VALUES
        (0, v_stop IS NOT NULL, v_stop, v_merchant),
        (1, v_account.merchant_id IS DISTINCT FROM v_merchant, 'unknown_account', p_withdrawal ->> 'account_id'),
        (2, v_account.suspended_at IS NOT NULL, 'account_suspended', p_withdrawal ->> 'account_id'),
        (3, v_account.currency IS DISTINCT FROM v_currency, 'wrong_currency', v_account.currency),
        (4, v_account.cooling_until > v_now, 'account_cooling', to_char(
            v_account.cooling_until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')),
        (5, v_amount < p_minimum, 'below_minimum', p_minimum::TEXT),
        (6, v_amount > p_maximum, 'above_maximum', p_maximum::TEXT),
        (7, coalesce(v_owed, 0) > 0, 'receivable_outstanding', v_owed::TEXT),
        (8, v_count >= p_daily_count, 'daily_limit', v_count::TEXT),
        (9, v_sum + v_amount > p_daily_sum, 'daily_limit', v_sum::TEXT)
    ) AS r (n, refused, code, about)
    WHERE r.refused ORDER BY r.n LIMIT 1;
    IF FOUND THEN
        RETURN NEXT;
        RETURN;
    END IF;

    SELECT p.outcome, p.account, p.short_by INTO v_posted
    FROM post(ARRAY['withdrawal/' || v_id || '/reserve'], ARRAY[v_currency], ARRAY[v_now], ARRAY[NULL::TEXT],
              ARRAY[NULL::TEXT], ARRAY[1], ARRAY['merchant/' || v_merchant || '/available'],
              ARRAY['withdrawal/' || v_id || '/reserved'], ARRAY[v_amount]) AS p;
    IF v_posted.outcome = 'insufficient_funds' THEN
        RETURN QUERY SELECT 'insufficient_funds', v_posted.short_by::TEXT;
        RETURN;
    ELSIF v_posted.outcome <> 'posted' THEN
        RAISE EXCEPTION 'withdrawal % has a reserve movement and no row', v_id;
    END IF;
    INSERT INTO withdrawals (withdrawal_id, merchant_id, amount_minor, currency, account_id, account_version,
                             requested_by, body, content_hash, needs_approval, requested_at)
    VALUES (v_id, v_merchant, v_amount, v_currency, p_withdrawal ->> 'account_id', v_account.version,
            p_withdrawal #>> '{requested_by,id}', p_withdrawal, p_content_hash, p_needs_approval, v_now);
    IF p_record IS NOT NULL THEN
        PERFORM record_withdrawal(p_record);
    END IF;
    RETURN QUERY SELECT 'reserved', v_id;
END $$;

-- As `reserve`, but an unverified account is refused. It holds the merchant's lock, as a change of the account does, so
-- `reserve` sees the version that was checked here.
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

-- --- close, suspense and return ------------------------------------------------------------------------------

-- Suspense is where the money of a payout stays for some days after two people said that it failed. It leaves from
-- there once: back to the merchant, or to the rail when the bank turns out to have paid after all.

-- Post a close (pay or void), a suspense or a bank return, and keep the withdrawal's record after it: both or neither.
-- The withdrawal's row is locked first, so that a void and a new attempt cannot both pass.
--
-- A new movement is refused if its record follows another revision than the stored one.
--
-- The caller asks for a close as if the money were reserved. Money in suspense leaves from there, whole: the caller may
-- not know yet that it was moved.
CREATE FUNCTION post_for_withdrawal(
    p_withdrawal_id TEXT, p_reference TEXT, p_currency TEXT, p_occurred_at TIMESTAMPTZ, p_emptied TEXT,
    p_debits TEXT[], p_credits TEXT[], p_amounts BIGINT[], p_record JSONB
) RETURNS TABLE (outcome TEXT, account TEXT, short_by BIGINT)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_leg_of  INT[] := array_fill(1, ARRAY[cardinality(p_debits)]);
    v_written RECORD;
    v_base      TEXT := 'withdrawal/' || p_withdrawal_id;
    v_reserved  TEXT := v_base || '/reserved';
    v_debits    TEXT[] := p_debits;
    v_emptied   TEXT := p_emptied;
    v_sum       BIGINT := (SELECT coalesce(sum(a), 0) FROM unnest(p_amounts) AS a);
    v_suspended BIGINT;
    v_paid      BIGINT;
    v_back      BIGINT;
    v_revision  INT;
BEGIN
    SELECT w.revision INTO v_revision FROM withdrawals w WHERE w.withdrawal_id = p_withdrawal_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'withdrawal % is not registered', p_withdrawal_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF p_reference NOT LIKE replace(v_base, '_', '\_') || '/%' OR p_reference = v_base || '/reserve' THEN
        RAISE EXCEPTION 'movement % is refused: it is not this withdrawal''s', p_reference
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF p_reference = v_base || '/close' THEN
        SELECT sum(t.amount_minor) INTO v_suspended
        FROM movements m JOIN transfers t ON t.movement_id = m.id
        WHERE m.reference = v_base || '/suspense';
        IF v_suspended IS NOT NULL THEN
            v_debits := array_replace(p_debits, v_reserved, 'suspense');
            v_emptied := NULL;
        END IF;
    END IF;
    IF p_reference = v_base || '/close' THEN
        -- A payout whose instruction was written before the freeze may have left: it is booked. Without one nothing was sent.
        IF EXISTS (SELECT FROM unnest(p_credits) AS c (path) WHERE c.path LIKE 'rail/%')
           AND NOT EXISTS (SELECT FROM payout_attempts a WHERE a.withdrawal_id = p_withdrawal_id)
           AND stop_of_merchant((SELECT w.merchant_id FROM withdrawals w WHERE w.withdrawal_id = p_withdrawal_id))
               = 'merchant_frozen' THEN
            RAISE EXCEPTION 'movement % is refused: its merchant is frozen', p_reference
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END IF;
    IF NOT EXISTS (SELECT FROM movements m WHERE m.reference = p_reference) THEN
        IF v_revision <> (p_record ->> 'follows')::INT THEN
            -- Decided on a state that is older than the register's: the workflow was set back, and must follow first.
            outcome := 'conflict';
        ELSIF v_suspended <> v_sum THEN
            -- Suspense is shared and stores no balance: only this check keeps a withdrawal to its own money.
            SELECT 'conflict', 'suspense', abs(v_suspended - v_sum) INTO outcome, account, short_by;
        ELSIF v_reserved = ANY (p_debits) THEN
            -- Money goes back to the merchant only when no payout may still arrive.
            SELECT 'conflict', v_reserved, v_sum INTO outcome, account, short_by
            FROM payout_attempts a
            WHERE a.withdrawal_id = p_withdrawal_id AND a.state NOT IN ('failed', 'unsent')
              AND p_credits[1] LIKE 'merchant/%/available'
              AND NOT EXISTS (
                  SELECT FROM jsonb_to_recordset(p_record #> '{state,attempts}') AS r (key TEXT, outcome TEXT)
                  WHERE r.key = a.key AND r.outcome IN ('failed', 'unsent'));
        ELSE
            -- A bank can return only what was paid, and never more.
            SELECT coalesce(sum(t.amount_minor), 0) INTO v_paid
            FROM movements m JOIN transfers t ON t.movement_id = m.id JOIN accounts a ON a.id = t.credit_account
            WHERE m.reference = v_base || '/close' AND a.path LIKE 'rail/%';
            SELECT coalesce(sum(t.amount_minor), 0) INTO v_back
            FROM movements m JOIN transfers t ON t.movement_id = m.id JOIN accounts a ON a.id = t.debit_account
            WHERE m.reference LIKE 'withdrawal/' || replace(p_withdrawal_id, '_', '\_') || '/return/%'
              AND a.path LIKE 'rail/%';
            SELECT coalesce(sum(l.amount), 0) INTO v_sum
            FROM unnest(p_debits, p_amounts) AS l (debit, amount) WHERE l.debit LIKE 'rail/%';
            IF v_back + v_sum > v_paid THEN
                SELECT 'conflict', l.debit, v_back + v_sum - v_paid INTO outcome, account, short_by
                FROM unnest(p_debits) AS l (debit) WHERE l.debit LIKE 'rail/%';
            END IF;
        END IF;
        IF outcome IS NOT NULL THEN
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    v_written := write_movements(
        ARRAY[p_reference], ARRAY[p_currency], ARRAY[p_occurred_at], ARRAY[NULL::TEXT], ARRAY[v_emptied], v_leg_of,
        v_debits, p_credits, p_amounts);
    outcome := v_written.outcomes[1];
    account := v_written.accounts[1];
    short_by := v_written.shorts[1];
    IF outcome = 'posted' THEN
        PERFORM refuse_unlawful_of(
            ARRAY[p_reference], ARRAY[p_currency], ARRAY[p_emptied], v_written.outcomes, v_leg_of, p_debits, p_credits,
            p_amounts, v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
    END IF;
    IF outcome IN ('posted', 'exists') AND p_record IS NOT NULL THEN
        PERFORM record_withdrawal(p_record);
    END IF;
    RETURN NEXT;
END $$;

-- --- attempts ------------------------------------------------------------------------------------------------

-- Write the intent to pay before anything is sent; an existing attempt of this number is left as it is.
-- Answers `opened`, `exists`, or the reason code for which nothing may be sent.
CREATE FUNCTION open_attempt(
    p_withdrawal_id TEXT, p_attempt_no INT, p_key TEXT, p_request_hash TEXT, p_amount BIGINT, p_terms JSONB,
    p_approvers TEXT[], p_roles TEXT[], p_now TIMESTAMPTZ, p_record JSONB
) RETURNS TEXT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_withdrawal withdrawals%ROWTYPE;
    v_stop       TEXT;
BEGIN
    SELECT * INTO v_withdrawal FROM withdrawals w WHERE w.withdrawal_id = p_withdrawal_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'withdrawal % is not registered', p_withdrawal_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF p_amount > v_withdrawal.amount_minor THEN
        RAISE EXCEPTION 'withdrawal % is of %, and its payout of % is refused', p_withdrawal_id,
            v_withdrawal.amount_minor, p_amount USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Before the record: the withdrawal goes on from where it is once its merchant is let go.
    v_stop := stop_of_merchant(v_withdrawal.merchant_id);
    IF v_stop IS NOT NULL
       AND NOT EXISTS (SELECT FROM payout_attempts a
                       WHERE a.withdrawal_id = p_withdrawal_id AND a.attempt_no = p_attempt_no)
       AND NOT EXISTS (SELECT FROM movements m WHERE m.reference = 'withdrawal/' || p_withdrawal_id || '/close') THEN
        RETURN v_stop;
    END IF;
    -- Before the record as well: two are asked anew where one who approved it may approve nothing any more.
    IF v_withdrawal.needs_approval
       AND EXISTS (SELECT FROM unnest(p_approvers) AS a (person) WHERE NOT may_decide(a.person))
       AND NOT EXISTS (SELECT FROM payout_attempts a
                       WHERE a.withdrawal_id = p_withdrawal_id AND a.attempt_no = p_attempt_no)
       AND NOT EXISTS (SELECT FROM movements m WHERE m.reference = 'withdrawal/' || p_withdrawal_id || '/close') THEN
        RETURN 'needs_other_person';
    END IF;
    IF p_record IS NOT NULL THEN
        PERFORM record_withdrawal(p_record);
    END IF;
    IF EXISTS (SELECT FROM payout_attempts a
               WHERE a.withdrawal_id = p_withdrawal_id AND a.attempt_no = p_attempt_no) THEN
        RETURN 'exists';
    END IF;
    IF EXISTS (SELECT FROM movements m WHERE m.reference = 'withdrawal/' || p_withdrawal_id || '/close') THEN
        RETURN 'withdrawal_over';
    END IF;
    IF EXISTS (SELECT FROM payout_accounts a
               WHERE a.account_id = v_withdrawal.account_id AND a.suspended_at IS NOT NULL) THEN
        RETURN 'account_suspended';
    END IF;
    IF EXISTS (SELECT FROM accounts a WHERE a.path = 'merchant/' || v_withdrawal.merchant_id || '/receivable'
               AND a.currency = v_withdrawal.currency AND a.balance_minor > 0) THEN
        RETURN 'receivable_outstanding';
    END IF;
    INSERT INTO withdrawal_approvals (withdrawal_id, attempt_no, person, role, requested_by, approved_at)
    SELECT p_withdrawal_id, p_attempt_no, a.person, a.role, v_withdrawal.requested_by, p_now
    FROM unnest(p_approvers, p_roles) AS a (person, role)
    ON CONFLICT ON CONSTRAINT approvers_are_different_people DO NOTHING;
    IF v_withdrawal.needs_approval AND (SELECT count(DISTINCT person_of(a.person)) FROM withdrawal_approvals a
                                        WHERE a.withdrawal_id = p_withdrawal_id) < 2 THEN
        RETURN 'needs_other_person';
    END IF;
    INSERT INTO payout_attempts (key, withdrawal_id, attempt_no, request_hash, amount_minor, currency, account_id,
                                 account_version, holder, last4, rail, rail_token, terms, created_at, updated_at)
    SELECT p_key, p_withdrawal_id, p_attempt_no, p_request_hash, p_amount, v_withdrawal.currency, v.account_id,
           v.version, v.holder, v.last4, v.rail, v.rail_token, p_terms, p_now, p_now
    FROM payout_account_versions v
    WHERE v.account_id = v_withdrawal.account_id AND v.version = v_withdrawal.account_version;
    RETURN 'opened';
END $$;

-- Move an attempt to a state if it is in one of `p_when` (null: in any) and no one else holds its lease.
CREATE FUNCTION update_attempt(
    p_key TEXT, p_state TEXT, p_when TEXT[], p_lease_until TIMESTAMPTZ, p_now TIMESTAMPTZ
) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    UPDATE payout_attempts a
    SET state = p_state, lease_until = p_lease_until, updated_at = p_now
    WHERE a.key = p_key AND (p_when IS NULL OR a.state = ANY (p_when));
    RETURN FOUND;
END $$;
