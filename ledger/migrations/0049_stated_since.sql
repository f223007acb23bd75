-- The proof of statements begins where the last proof ended, by positions. What was written before there were positions
-- (0051), and after that proof, it would not see: where there is any, the next proof reads everything.
DELETE FROM proven p WHERE EXISTS (
    SELECT FROM statement_lines l WHERE l.loaded_at >= p.proven_at - INTERVAL '1 hour'
    UNION ALL
    SELECT FROM statement_periods s WHERE s.loaded_at >= p.proven_at - INTERVAL '1 hour'
    UNION ALL
    SELECT FROM payout_attempts a WHERE a.updated_at >= p.proven_at - INTERVAL '1 hour'
    UNION ALL
    SELECT FROM account_drops d WHERE d.updated_at >= p.proven_at - INTERVAL '1 hour'
);
