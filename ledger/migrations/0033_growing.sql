-- Books that grow: what was proven is not read again, and no list reads more than its page.

-- Up to which seal all proofs held, and the position of the first event that the proof may not have seen.
CREATE TABLE proven (
    only_row  BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    seal      INTEGER NOT NULL REFERENCES seals (number),
    position  BIGINT NOT NULL,
    proven_at TIMESTAMPTZ NOT NULL
);

-- Called when every proof held in a snapshot that had this seal. It only goes forward: of two proofs at one time the
-- later one stands.
CREATE FUNCTION note_proven(p_seal INTEGER, p_position BIGINT) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO proven (seal, position, proven_at) VALUES (p_seal, p_position, clock_timestamp())
    ON CONFLICT (only_row) DO UPDATE
    SET seal = excluded.seal, position = excluded.position, proven_at = excluded.proven_at
    WHERE proven.seal <= excluded.seal AND proven.position <= excluded.position
$$;

-- The few accounts without a stored balance, among millions that have one.
CREATE INDEX accounts_unguarded ON accounts (id) WHERE NOT guarded;
-- The last closing of a merchant's account.
CREATE INDEX closings_by_account ON closings (account_id, number DESC);
