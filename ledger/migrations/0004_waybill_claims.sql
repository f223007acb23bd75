-- Waybill claims: a number belongs to one buyer and place of a merchant; between merchants the trace decides.

CREATE TABLE waybill_claims (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    carrier     TEXT NOT NULL,
    waybill     TEXT NOT NULL,
    order_id    TEXT NOT NULL REFERENCES orders (order_id),
    parcel_id   TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    buyer_id    TEXT NOT NULL,
    destination TEXT NOT NULL,
    claimed_at  TIMESTAMPTZ NOT NULL,
    released_at TIMESTAMPTZ,
    CONSTRAINT one_claim_a_parcel UNIQUE (order_id, parcel_id, carrier, waybill)
);

-- For the other claims of a number.
CREATE INDEX live_claims_by_number ON waybill_claims (carrier, waybill) WHERE released_at IS NULL;

-- For claims of a number under another carrier: a merchant may have named the wrong one.
CREATE INDEX live_claims_by_number_alone ON waybill_claims (waybill) WHERE released_at IS NULL;

-- For a push about a number that no open order uses any more.
CREATE INDEX claims_by_number ON waybill_claims (waybill);

-- Claim numbers for an order's parcels, all or none; one answer a number:
-- `claimed` · `merged` (same merchant, buyer and destination) · `in_use` (same merchant, another buyer or
-- destination) · `contested` (another merchant's live claim; both stand until the trace decides).
CREATE FUNCTION claim_waybills(
    p_order_id TEXT, p_merchant_id TEXT, p_buyer_id TEXT, p_destination TEXT,
    p_parcels TEXT[], p_carriers TEXT[], p_waybills TEXT[], p_now TIMESTAMPTZ
) RETURNS TEXT[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_outcomes TEXT[];
BEGIN
    -- One lock a number, in order: two orders that claim the same numbers are served one after the other.
    PERFORM pg_advisory_xact_lock(k.key)
    FROM (SELECT DISTINCT hashtextextended(u.carrier || '/' || u.waybill, 0) AS key
          FROM unnest(p_carriers, p_waybills) AS u (carrier, waybill) ORDER BY 1) AS k;
    SELECT array_agg(
        CASE
            WHEN EXISTS (SELECT FROM waybill_claims c WHERE c.carrier = u.carrier AND c.waybill = u.waybill
                         AND c.released_at IS NULL AND c.merchant_id = p_merchant_id
                         AND (c.buyer_id, c.destination) <> (p_buyer_id, p_destination)) THEN 'in_use'
            WHEN EXISTS (SELECT FROM waybill_claims c WHERE c.carrier = u.carrier AND c.waybill = u.waybill
                         AND c.released_at IS NULL AND c.merchant_id <> p_merchant_id) THEN 'contested'
            WHEN EXISTS (SELECT FROM waybill_claims c WHERE c.carrier = u.carrier AND c.waybill = u.waybill
                         AND c.released_at IS NULL AND (c.order_id, c.parcel_id) <> (p_order_id, u.parcel))
                 THEN 'merged'
            ELSE 'claimed'
        END ORDER BY u.n)
    INTO v_outcomes
    FROM unnest(p_parcels, p_carriers, p_waybills) WITH ORDINALITY AS u (parcel, carrier, waybill, n);
    IF NOT 'in_use' = ANY (v_outcomes) THEN
        INSERT INTO waybill_claims (carrier, waybill, order_id, parcel_id, merchant_id, buyer_id, destination,
                                    claimed_at)
        SELECT u.carrier, u.waybill, p_order_id, u.parcel, p_merchant_id, p_buyer_id, p_destination, p_now
        FROM unnest(p_parcels, p_carriers, p_waybills) AS u (parcel, carrier, waybill)
        ON CONFLICT ON CONSTRAINT one_claim_a_parcel
        DO UPDATE SET released_at = NULL, claimed_at = excluded.claimed_at
        WHERE waybill_claims.released_at IS NOT NULL;
    END IF;
    RETURN v_outcomes;
END $$;

-- Claim numbers and, if every answer is `claimed`, keep the order's next record. Any other answer changes that record,
-- so the order must get it first. `kept` is null if nothing was recorded.
CREATE FUNCTION claim_and_record(
    p_order_id TEXT, p_merchant_id TEXT, p_buyer_id TEXT, p_destination TEXT,
    p_parcels TEXT[], p_carriers TEXT[], p_waybills TEXT[], p_now TIMESTAMPTZ, p_record JSONB
) RETURNS TABLE (outcomes TEXT[], kept BOOLEAN)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    outcomes := claim_waybills(p_order_id, p_merchant_id, p_buyer_id, p_destination,
                               p_parcels, p_carriers, p_waybills, p_now);
    IF p_record IS NOT NULL AND 'claimed' = ALL (outcomes) THEN
        kept := record_order(p_record);
    END IF;
    RETURN NEXT;
END $$;

-- Release the numbers of an order but for these, which its parcels stand for. A try whose worker died before it reported
-- may have claimed others, of which the order does not know.
CREATE FUNCTION release_claims(
    p_order_id TEXT, p_parcels TEXT[], p_carriers TEXT[], p_waybills TEXT[], p_now TIMESTAMPTZ
) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    UPDATE waybill_claims c SET released_at = p_now
    WHERE c.order_id = p_order_id AND c.released_at IS NULL
      AND NOT EXISTS (SELECT FROM unnest(p_parcels, p_carriers, p_waybills) AS u (parcel, carrier, waybill)
                      WHERE (u.parcel, u.carrier, u.waybill) = (c.parcel_id, c.carrier, c.waybill))
$$;
