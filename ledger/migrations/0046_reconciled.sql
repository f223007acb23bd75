-- Where the next comparison of our own books begins: what was booked and recorded before, and agreed, is not read again.
CREATE TABLE reconciled (
    scope    TEXT PRIMARY KEY CHECK (scope IN ('orders', 'withdrawals')),
    seal     INTEGER NOT NULL REFERENCES seals (number),
    position BIGINT NOT NULL,
    ran_at   TIMESTAMPTZ NOT NULL
);

-- Called once a comparison of this snapshot has kept its breaks. It only goes forward, as `note_proven` does.
CREATE FUNCTION note_reconciled(p_scope TEXT, p_seal INTEGER, p_position BIGINT) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO reconciled (scope, seal, position, ran_at)
    VALUES (p_scope, p_seal, least(p_position, events_end()), clock_timestamp())
    ON CONFLICT (scope) DO UPDATE
    SET seal = excluded.seal, position = excluded.position, ran_at = excluded.ran_at
    WHERE reconciled.seal <= excluded.seal AND reconciled.position <= excluded.position
$$;
