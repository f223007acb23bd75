-- What the console's page on the audit's quality reads.

-- For the verdicts of the last weeks. They are recorded in the order of time: ranges of pages are enough, and cost a
-- verdict nothing.
CREATE INDEX verdicts_by_time ON verdicts USING brin (recorded_at) WITH (pages_per_range = 32);
