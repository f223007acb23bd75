-- What the register keeps of a withdrawal that ended long ago: all but the lines of its journal that no person of the
-- platform wrote. Theirs say why money went where it did, and stand nowhere else. A bank may return money years later:
-- the withdrawal goes on from this state as from a whole one.

-- Since when `state` is such a rest.
ALTER TABLE withdrawals ADD COLUMN emptied_at TIMESTAMPTZ;

-- For the next ones to empty, the oldest first.
CREATE INDEX withdrawals_with_whole_states ON withdrawals (recorded_at) WHERE closed AND emptied_at IS NULL;

CREATE FUNCTION note_whole_withdrawal() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    NEW.emptied_at := NULL;
    RETURN NEW;
END $$;

-- One that goes on is recorded whole, and is emptied again in its time.
CREATE TRIGGER a_withdrawal_that_goes_on_is_whole BEFORE UPDATE OF revision ON withdrawals
FOR EACH ROW WHEN (OLD.emptied_at IS NOT NULL) EXECUTE FUNCTION note_whole_withdrawal();

CREATE FUNCTION rest_of_withdrawal(p_state JSONB) RETURNS JSONB
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT p_state || CASE WHEN jsonb_typeof(p_state #> '{inbox,journal}') = 'array' THEN (
        SELECT jsonb_build_object('inbox', (p_state -> 'inbox') || jsonb_build_object(
            'journal', coalesce(jsonb_agg(j.line ORDER BY j.n) FILTER (WHERE j.staff), '[]'),
            'weight', coalesce(sum(octet_length(j.line::TEXT)) FILTER (WHERE j.staff), 0),
            'unheard', '[]'::JSONB,
            'dropped', coalesce(p_state #> '{inbox,dropped}', '{}') || jsonb_build_object('emptied',
                coalesce((p_state #>> '{inbox,dropped,emptied}')::INT, 0) + count(*) FILTER (WHERE NOT j.staff))))
        FROM (
            SELECT l.line, l.n, coalesce(l.line #>> '{actor,role}' IN ('operator', 'reviewer'), FALSE) AS staff
            FROM jsonb_array_elements(p_state #> '{inbox,journal}') WITH ORDINALITY AS l (line, n)
        ) AS j) ELSE '{}' END
$$;

-- Whether nothing of a withdrawal is open: it is closed and no longer watched, nobody has to act, none of its payouts may
-- still arrive, no money stands on its accounts, its merchant owes nothing, and no difference with a rail names it.
CREATE FUNCTION withdrawal_may_be_emptied(w withdrawals) RETURNS BOOLEAN
LANGUAGE sql STABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT w.closed AND w.revision >= 0 AND coalesce(w.state -> 'holds', '[]') = '[]'
       AND w.state ->> 'watch_until' IS NULL AND w.state ->> 'incident' IS NULL
       AND w.state ->> 'account_suspension' IS DISTINCT FROM 'wanted'
       AND NOT w.state @? '$.attempts[*] ? (@.look_due == true)'
       AND NOT EXISTS (SELECT FROM payout_attempts p WHERE p.withdrawal_id = w.withdrawal_id
                       AND p.state IN ('sending', 'accepted', 'unknown'))
       AND NOT EXISTS (SELECT FROM accounts a WHERE a.path >= 'withdrawal/' || w.withdrawal_id || '/'
                       AND a.path < 'withdrawal/' || w.withdrawal_id || '0' AND a.balance_minor <> 0)
       AND NOT EXISTS (SELECT FROM accounts a WHERE a.path = 'merchant/' || w.merchant_id || '/receivable'
                       AND a.balance_minor <> 0)
       AND NOT EXISTS (SELECT FROM reconciliation_breaks b WHERE b.resolved_at IS NULL
                       AND b.body ->> 'subject' = 'withdrawal/' || w.withdrawal_id)
$$;

-- As `empty_orders`, for withdrawals.
CREATE FUNCTION empty_withdrawals(p_ended_before TIMESTAMPTZ, p_limit INT, p_apply BOOLEAN) RETURNS SETOF TEXT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_before TIMESTAMPTZ := least(p_ended_before, clock_timestamp() - INTERVAL '30 days');
BEGIN
    IF NOT p_apply THEN
        RETURN QUERY SELECT w.withdrawal_id FROM withdrawals w
        WHERE w.closed AND w.emptied_at IS NULL AND w.recorded_at < v_before AND withdrawal_may_be_emptied(w)
        ORDER BY w.recorded_at LIMIT p_limit;
        RETURN;
    END IF;
    -- One that is being recorded now is not waited for: it goes on.
    RETURN QUERY
    WITH chosen AS MATERIALIZED (
        SELECT w.withdrawal_id FROM withdrawals w
        WHERE w.closed AND w.emptied_at IS NULL AND w.recorded_at < v_before AND withdrawal_may_be_emptied(w)
        ORDER BY w.recorded_at LIMIT p_limit FOR UPDATE OF w SKIP LOCKED
    )
    UPDATE withdrawals w SET state = rest_of_withdrawal(w.state), emptied_at = clock_timestamp()
    FROM chosen c WHERE w.withdrawal_id = c.withdrawal_id
    RETURNING w.withdrawal_id;
END $$;
