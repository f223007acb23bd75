-- What a load tells of the cash at a channel or rail is summed when it is loaded: a sum over all lines there ever were would
-- read as many rows as there are payments.

-- What a line of a statement moves of the cash at its channel or rail.
CREATE FUNCTION stated_cash(p_kind TEXT, p_amount BIGINT) RETURNS BIGINT
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT CASE WHEN p_kind IN ('payout', 'refund', 'settlement', 'chargeback', 'chargeback_fee') THEN -p_amount
                ELSE p_amount END
$$;

-- By currency, in minor units: {"CNY": -12300}.
ALTER TABLE statement_loads ADD COLUMN moved JSONB NOT NULL DEFAULT '{}';
UPDATE statement_loads l SET moved = s.moved FROM (
    SELECT load_no, jsonb_object_agg(currency, minor) AS moved
    FROM (SELECT load_no, currency, sum(stated_cash(kind, amount_minor)) AS minor FROM statement_lines
          GROUP BY load_no, currency) AS n
    GROUP BY load_no) AS s
WHERE s.load_no = l.load_no;
