-- Whether two destinations of waybill claims may be one: country, province, city, district and the end of a phone, split
-- by "/". A part that one order does not tell is no other place: a buyer gives a phone with one order and none with the
-- next, and both go in one parcel.
CREATE FUNCTION may_be_one_place(p_one TEXT, p_other TEXT) RETURNS BOOLEAN
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT p_one = p_other
        OR (cardinality(a.parts) = cardinality(b.parts)
            AND NOT EXISTS (SELECT FROM unnest(a.parts, b.parts) AS u (one, other)
                            WHERE u.one <> '' AND u.other <> '' AND u.one <> u.other))
    FROM (SELECT string_to_array(p_one, '/')) AS a (parts), (SELECT string_to_array(p_other, '/')) AS b (parts)
$$;

-- As before, but for the comparison of destinations. One plan a session: with each call's own values it was made anew, which
-- took more than the rest.
CREATE OR REPLACE FUNCTION claim_waybills(
    p_order_id TEXT, p_merchant_id TEXT, p_buyer_id TEXT, p_destination TEXT,
    p_parcels TEXT[], p_carriers TEXT[], p_waybills TEXT[], p_now TIMESTAMPTZ
) RETURNS TEXT[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_outcomes TEXT[];
BEGIN
    -- One lock a number, in order: two orders that claim the same numbers are served one after the other.
    PERFORM pg_advisory_xact_lock(k.key)
    FROM (SELECT DISTINCT hashtextextended(u.carrier || '/' || u.waybill, 0) AS key
          FROM unnest(p_carriers, p_waybills) AS u (carrier, waybill) ORDER BY 1) AS k;
    SELECT array_agg(CASE WHEN others.in_use THEN 'in_use' WHEN others.contested THEN 'contested'
                          WHEN others.merged THEN 'merged' ELSE 'claimed' END ORDER BY u.n)
    INTO v_outcomes
    FROM unnest(p_parcels, p_carriers, p_waybills) WITH ORDINALITY AS u (parcel, carrier, waybill, n)
    CROSS JOIN LATERAL (
        SELECT bool_or(CASE WHEN c.merchant_id <> p_merchant_id THEN FALSE WHEN c.buyer_id <> p_buyer_id THEN TRUE
                            ELSE NOT may_be_one_place(c.destination, p_destination) END) AS in_use,
               bool_or(c.merchant_id <> p_merchant_id) AS contested,
               bool_or((c.order_id, c.parcel_id) <> (p_order_id, u.parcel)) AS merged
        FROM waybill_claims c WHERE c.carrier = u.carrier AND c.waybill = u.waybill AND c.released_at IS NULL
    ) AS others;
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
