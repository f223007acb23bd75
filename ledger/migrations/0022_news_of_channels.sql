-- What a callback brought and no order could take: an operator is called, once for each event. It moves nothing.
CREATE FUNCTION note_callback(p_provider TEXT, p_event_id TEXT, p_name TEXT, p_facts JSONB, p_now TIMESTAMPTZ) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
BEGIN
    IF p_name NOT IN ('chargeback_unplaced', 'complaint') THEN
        RAISE EXCEPTION '% is no notice of a callback', p_name USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM add_notices('callback/' || p_provider || '/' || p_event_id, jsonb_build_array(jsonb_build_object(
        'seq', 1, 'to', 'operator', 'name', p_name, 'at', p_now, 'facts', p_facts)));
END $$;
