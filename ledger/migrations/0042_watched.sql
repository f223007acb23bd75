-- What the last proof of the books found, for those who watch.
CREATE TABLE proof_runs (
    only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    ran_at   TIMESTAMPTZ NOT NULL,
    broken   TEXT[] NOT NULL
);

-- Keep which proofs a run found broken. Each that held in the run before is a notice to the operators; their names are
-- returned.
CREATE FUNCTION note_proof_run(p_broken TEXT[]) RETURNS TEXT[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_subject TEXT := 'reconciliation/books/proofs';
    v_now     TIMESTAMPTZ := clock_timestamp();
    v_seq     INT;
    v_new     TEXT[];
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(v_subject, 0));
    SELECT coalesce(array_agg(b.name ORDER BY b.name), '{}') INTO v_new
    FROM (SELECT DISTINCT u.name FROM unnest(p_broken) AS u (name)) AS b
    WHERE NOT EXISTS (SELECT FROM proof_runs r WHERE b.name = ANY (r.broken));
    INSERT INTO proof_runs (ran_at, broken) VALUES (v_now, p_broken)
    ON CONFLICT (only_row) DO UPDATE SET ran_at = excluded.ran_at, broken = excluded.broken;
    SELECT coalesce(max(n.seq), 0) INTO v_seq FROM notices n WHERE n.subject = v_subject;
    PERFORM add_notices(v_subject, jsonb_agg(jsonb_build_object(
        'seq', v_seq + b.n, 'to', 'operator', 'name', 'proof_broken', 'at', v_now,
        'facts', jsonb_build_object('proof', b.name))))
    FROM unnest(v_new) WITH ORDINALITY AS b (name, n)
    HAVING count(*) > 0;
    RETURN v_new;
END $$;
