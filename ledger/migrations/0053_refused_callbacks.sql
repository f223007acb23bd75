-- For the daily purge of callbacks that came from no provider: all others are kept without a limit of time, and without their bodies.
CREATE INDEX callbacks_refused ON callbacks (received_at) WHERE outcome IN ('wrong_signature', 'too_large');
