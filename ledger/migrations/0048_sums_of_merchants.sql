-- A merchant's balance, and what a statement opens with, are summed from indexes alone: the rows of one merchant lie between
-- those of all others, so that each row that is read may cost a page of its own.

DROP INDEX merchant_transfers_by_movement;
CREATE INDEX merchant_transfers_by_movement ON merchant_transfers (merchant_id, movement_id)
    INCLUDE (occurred_at, currency, stated, pending_minor, available_minor, deposit_minor, reserved_minor, owed_minor,
             frozen_minor);

ALTER TABLE merchant_transfers DROP CONSTRAINT merchant_transfers_pkey;
ALTER TABLE merchant_transfers ADD PRIMARY KEY (merchant_id, occurred_at, movement_id, leg)
    INCLUDE (currency, stated, pending_minor, available_minor, deposit_minor, reserved_minor, owed_minor, frozen_minor);

-- An index answers alone for pages that VACUUM has noted as seen by all. By default VACUUM comes when a fifth of the table
-- is new, which may be months of it; here it comes after some thousand rows, and reads only their pages.
ALTER TABLE merchant_transfers SET (autovacuum_vacuum_insert_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0);
