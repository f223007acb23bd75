-- What the console's pages read.

-- For the verdicts of the last weeks. They are recorded in the order of time: ranges of pages are enough, and cost a
-- verdict nothing.
CREATE INDEX verdicts_by_time ON verdicts USING brin (recorded_at) WITH (pages_per_range = 32);

-- Whether an order's money waits for an after-sale case.
CREATE FUNCTION has_open_case(p_hold_reasons TEXT[]) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT EXISTS (SELECT FROM unnest(p_hold_reasons) AS reason WHERE starts_with(reason, 'after_sale_'))
$$;

-- For the list of cases: few of the orders that wait, wait for one.
CREATE INDEX orders_with_open_case ON orders (opened_at DESC, order_id DESC) WHERE has_open_case(hold_reasons);
