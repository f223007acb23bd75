-- A payment may have several names: WeChat Pay knows it by its own number and by the storefront's. Orders claim it under
-- one of them, that of the first order; under another it would be claimed a second time.
CREATE TABLE payment_numbers (
    channel TEXT NOT NULL,
    -- The channel's own number of the payment.
    number  TEXT NOT NULL,
    -- The reference under which orders claim it.
    payment TEXT NOT NULL,
    PRIMARY KEY (channel, number)
);

-- The reference under which orders claim the payment of this number: the one given, unless there is one already. Called in
-- the transaction that registers the order: a name without an order would refuse orders for nothing.
CREATE FUNCTION name_payment(p_channel TEXT, p_number TEXT, p_payment TEXT) RETURNS TEXT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, dakuan, pg_temp AS $$
DECLARE
    v_payment TEXT;
BEGIN
    INSERT INTO payment_numbers (channel, number, payment) VALUES (p_channel, p_number, p_payment)
    ON CONFLICT (channel, number) DO NOTHING;
    SELECT n.payment INTO v_payment FROM payment_numbers n WHERE n.channel = p_channel AND n.number = p_number;
    RETURN v_payment;
END $$;
