-- A comparison with statements begins where the last one ended, as one of our own books does. What changed since is found
-- by its position, which is that of an event (`event_position`): a time would skip what was written earlier and committed
-- later. Rows of before have none; the first comparison after this reads everything.

ALTER TABLE statement_lines ADD COLUMN position BIGINT;
ALTER TABLE statement_lines ALTER COLUMN position SET DEFAULT event_position();
CREATE INDEX statement_lines_by_position ON statement_lines (scope, name, position);

-- A channel gives a payment two numbers.
CREATE INDEX statement_lines_by_reference ON statement_lines (scope, name, reference) WHERE kind = 'payment';

ALTER TABLE statement_periods ADD COLUMN position BIGINT;
ALTER TABLE statement_periods ALTER COLUMN position SET DEFAULT event_position();

ALTER TABLE payout_attempts ADD COLUMN position BIGINT;
CREATE INDEX payout_attempts_by_position ON payout_attempts (rail, position);
ALTER TABLE account_drops ADD COLUMN position BIGINT;
CREATE INDEX account_drops_by_position ON account_drops (rail, position);

CREATE FUNCTION note_position() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    NEW.position := event_position();
    RETURN NEW;
END $$;

CREATE TRIGGER an_attempt_has_a_position BEFORE INSERT OR UPDATE ON payout_attempts
FOR EACH ROW EXECUTE FUNCTION note_position();
CREATE TRIGGER a_drop_has_a_position BEFORE INSERT OR UPDATE ON account_drops
FOR EACH ROW EXECUTE FUNCTION note_position();

-- Lines and periods of a withdrawn load are gone, and with them what they would touch: the next comparison reads everything.
ALTER TABLE statement_loads ADD COLUMN position BIGINT;
CREATE TRIGGER a_withdrawn_load_has_a_position BEFORE UPDATE OF withdrawn_at ON statement_loads
FOR EACH ROW EXECUTE FUNCTION note_position();

-- The key under which a channel knows a refund or a charge (`core.ids`).
CREATE FUNCTION channel_key(p_reference TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, dakuan, pg_temp AS $$
    SELECT left(encode(sha256(convert_to(p_reference, 'UTF8')), 'hex'), 32)
$$;
CREATE INDEX movements_by_channel_key ON movements (channel_key(reference))
WHERE reference LIKE 'order/%/refund/%' OR reference LIKE 'order/%/claim_back/%';
CREATE INDEX movements_of_chargebacks ON movements (reference) WHERE reference LIKE 'order/%/chargeback/%';

-- Some of `booked_settlements`, each found through an index.
CREATE FUNCTION settlements_of(p_references TEXT[]) RETURNS TABLE (
    id BIGINT, reference TEXT, currency TEXT, occurred_at TIMESTAMPTZ, channel TEXT, settlement TEXT, cash TEXT,
    gross_minor BIGINT, net_minor BIGINT
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, dakuan, pg_temp SET enable_nestloop = on AS $$
BEGIN
    RETURN QUERY SELECT b.id, b.reference::TEXT, b.currency::TEXT, b.occurred_at, b.channel, b.settlement, b.cash,
                        b.gross_minor, b.net_minor
                 FROM booked_settlements b WHERE b.reference = ANY (p_references);
END $$;

-- `open`: `key` and `subject` of what was under way or differed, or may yet be late. Of our own books that is found anew.
ALTER TABLE reconciled DROP CONSTRAINT reconciled_pkey;
ALTER TABLE reconciled DROP CONSTRAINT reconciled_scope_check;
ALTER TABLE reconciled ADD COLUMN name TEXT NOT NULL DEFAULT 'books';
ALTER TABLE reconciled ALTER COLUMN name DROP DEFAULT;
ALTER TABLE reconciled ADD COLUMN open JSONB NOT NULL DEFAULT '[]';
ALTER TABLE reconciled ADD PRIMARY KEY (scope, name);
ALTER TABLE reconciled ADD CONSTRAINT reconciled_scope_known
    CHECK (scope IN ('orders', 'withdrawals', 'rail', 'channel'));

DROP FUNCTION note_reconciled(TEXT, INTEGER, BIGINT);

-- Called once a comparison of this snapshot has kept its breaks. It only goes forward, as `note_proven` does.
CREATE FUNCTION note_compared(p_scope TEXT, p_name TEXT, p_seal INTEGER, p_position BIGINT, p_open JSONB) RETURNS VOID
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO reconciled (scope, name, seal, position, ran_at, open)
    VALUES (p_scope, p_name, p_seal, least(p_position, events_end()), clock_timestamp(), p_open)
    ON CONFLICT (scope, name) DO UPDATE
    SET seal = excluded.seal, position = excluded.position, ran_at = excluded.ran_at, open = excluded.open
    WHERE reconciled.seal <= excluded.seal AND reconciled.position <= excluded.position
$$;
