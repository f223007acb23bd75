-- A session keeps its plans, and one that was made while the books were short must serve when they are long. Without
-- sequential scans the planner still chose hash and merge joins over a whole index of `movements`: after 100,000
-- movements one posting cost ten times as much. Nested loops look up what is asked for and nothing else.
ALTER FUNCTION post(TEXT[], TEXT[], TIMESTAMPTZ[], TEXT[], TEXT[], INT[], TEXT[], TEXT[], BIGINT[])
    SET enable_hashjoin = off;
ALTER FUNCTION post(TEXT[], TEXT[], TIMESTAMPTZ[], TEXT[], TEXT[], INT[], TEXT[], TEXT[], BIGINT[])
    SET enable_mergejoin = off;
