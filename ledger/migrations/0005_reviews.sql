-- The review queue: who reviews what, so that two people do not review the same parcel.

CREATE TABLE review_claims (
    order_id   TEXT NOT NULL REFERENCES orders (order_id),
    -- A parcel's id, or '' if the goods themselves are screened.
    parcel_id  TEXT NOT NULL,
    reviewer   TEXT NOT NULL,
    claimed_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT one_reviewer_a_parcel PRIMARY KEY (order_id, parcel_id)
);

-- Take a review; returns who has it. A repeated call keeps it. The primary key is the guard, not a look-up before it.
CREATE FUNCTION claim_review(p_order_id TEXT, p_parcel_id TEXT, p_reviewer TEXT, p_now TIMESTAMPTZ) RETURNS TEXT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_reviewer TEXT;
BEGIN
    INSERT INTO review_claims (order_id, parcel_id, reviewer, claimed_at)
    VALUES (p_order_id, p_parcel_id, p_reviewer, p_now)
    ON CONFLICT ON CONSTRAINT one_reviewer_a_parcel DO UPDATE
    SET reviewer = EXCLUDED.reviewer, claimed_at = EXCLUDED.claimed_at
    WHERE review_claims.reviewer = EXCLUDED.reviewer
       OR review_claims.claimed_at <= EXCLUDED.claimed_at - INTERVAL '30 minutes';
    SELECT c.reviewer INTO v_reviewer FROM review_claims c
    WHERE c.order_id = p_order_id AND c.parcel_id = p_parcel_id;
    RETURN v_reviewer;
END $$;

-- Give a review back; true if this reviewer had it.
CREATE FUNCTION release_review(p_order_id TEXT, p_parcel_id TEXT, p_reviewer TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    DELETE FROM review_claims c
    WHERE c.order_id = p_order_id AND c.parcel_id = p_parcel_id AND c.reviewer = p_reviewer;
    RETURN FOUND;
END $$;
