-- Which orders a move of deadlines moved, kept with the record that first has the move: who takes the move back finds them here,
-- also those that are closed by now, or that the move's own conditions match no more.
CREATE TABLE moved_orders (
    -- The id of the move, which is that of its command to each order.
    move_id  TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    deadline TEXT NOT NULL,
    PRIMARY KEY (move_id, order_id)
);

-- Keep the moves of an order's state.
CREATE FUNCTION keep_moves(p_order_id TEXT, p_moves JSONB) RETURNS VOID
LANGUAGE sql SET search_path = pg_catalog, dakuan, pg_temp AS $$
    INSERT INTO moved_orders (move_id, order_id, deadline)
    SELECT m.body ->> 'move_id', p_order_id, m.body ->> 'deadline'
    FROM jsonb_path_query(p_moves, '$[*]') AS m (body)
    ON CONFLICT DO NOTHING
$$;
