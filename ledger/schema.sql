-- What the migrations come to: written by `make schema`, never by hand. The reasons stand in ledger/migrations.

-- Functions may name what is only made below.
SET check_function_bodies = off;

CREATE DOMAIN account_class AS text
    CONSTRAINT account_kind_known CHECK (VALUE = ANY (ARRAY['asset'::text, 'liability'::text, 'income'::text, 'expense'::text]));
CREATE DOMAIN currency_code AS text COLLATE "C"
    CONSTRAINT currency_is_iso4217 CHECK (VALUE ~ '^[A-Z]{3}$'::text);
CREATE DOMAIN guarded_balance AS bigint
    CONSTRAINT guarded_balance_never_negative CHECK (VALUE >= 0);
CREATE DOMAIN movement_reference AS text COLLATE "C"
    CONSTRAINT reference_in_bounds CHECK (length(VALUE) >= 1 AND length(VALUE) <= 300);
CREATE DOMAIN order_key AS text
    CONSTRAINT order_id_form CHECK (VALUE ~ '^[A-Za-z0-9_-]+$'::text AND length(VALUE) <= 64);
CREATE DOMAIN order_total AS bigint
    CONSTRAINT order_total_in_bounds CHECK (VALUE >= 1 AND VALUE <= '1000000000000000'::bigint);
CREATE DOMAIN transfer_amount AS bigint
    CONSTRAINT amount_in_bounds CHECK (VALUE >= 1 AND VALUE <= '1000000000000000'::bigint);

CREATE FUNCTION channel_key(p_reference text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT left(encode(sha256(convert_to(p_reference, 'UTF8')), 'hex'), 32)
$function$;

CREATE FUNCTION event_position()
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    RETURN pg_current_xact_id()::TEXT::BIGINT + coalesce((SELECT max(c.ahead) FROM event_clock c), 0);
END $function$;

CREATE FUNCTION has_open_case(p_hold_reasons text[])
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT EXISTS (SELECT FROM unnest(p_hold_reasons) AS reason WHERE starts_with(reason, 'after_sale_'))
$function$;

CREATE FUNCTION person_of(p_name text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE STRICT
AS $function$
    SELECT lower(regexp_replace(regexp_replace(
        normalize(p_name, NFKC), '^\s*(operator|reviewer|merchant|buyer|storefront|channel|carrier|rail|system)[\s:/]+', '',
        'i'), '[^[:alnum:]_-]', '', 'g'))
$function$;

CREATE TABLE accounts (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    path text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    kind account_class NOT NULL,
    guarded boolean NOT NULL,
    balance_minor guarded_balance,
    CONSTRAINT accounts_pkey PRIMARY KEY (id),
    CONSTRAINT accounts_path_currency_key UNIQUE (path, currency),
    CONSTRAINT balance_stored_where_guarded CHECK ((balance_minor IS NOT NULL) = guarded)
) WITH (fillfactor=70);
CREATE INDEX accounts_unguarded ON accounts USING btree (id) WHERE NOT guarded;

CREATE TABLE api_keys (
    key_id text NOT NULL,
    line text NOT NULL,
    name text NOT NULL,
    digest bytea NOT NULL,
    merchant_id text,
    scopes text[] NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    ended_by text,
    last_used timestamp with time zone,
    CONSTRAINT api_keys_pkey PRIMARY KEY (key_id),
    CONSTRAINT api_keys_digest_key UNIQUE (digest),
    CONSTRAINT api_keys_line_fkey FOREIGN KEY (line) REFERENCES api_keys(key_id),
    CONSTRAINT key_digest_form CHECK (length(digest) = 32),
    CONSTRAINT key_has_scopes CHECK (cardinality(scopes) > 0),
    CONSTRAINT key_id_form CHECK (key_id ~ '^[A-Za-z0-9]{8}$'::text),
    CONSTRAINT key_name_form CHECK (length(name) >= 1 AND length(name) <= 100),
    CONSTRAINT keyed_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$'::text)
);
CREATE INDEX api_keys_by_merchant ON api_keys USING btree (merchant_id, created_at, key_id);

CREATE TABLE callbacks (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    provider text NOT NULL,
    digest text NOT NULL,
    body bytea,
    headers jsonb NOT NULL,
    received_at timestamp with time zone NOT NULL,
    outcome text,
    detail text NOT NULL DEFAULT ''::text,
    about text,
    key text,
    event_id text,
    repeats integer NOT NULL DEFAULT 0,
    CONSTRAINT callbacks_pkey PRIMARY KEY (id),
    CONSTRAINT a_callback_is_journaled_once UNIQUE (provider, digest)
);
CREATE INDEX callbacks_by_age ON callbacks USING btree (received_at) WHERE body IS NOT NULL;
CREATE INDEX callbacks_by_event ON callbacks USING btree (provider, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX callbacks_by_key ON callbacks USING btree (key) WHERE key IS NOT NULL;
CREATE INDEX callbacks_refused ON callbacks USING btree (received_at) WHERE outcome = ANY (ARRAY['wrong_signature'::text, 'too_large'::text]);

CREATE TABLE carrier_answers (
    carrier text NOT NULL,
    waybill text NOT NULL,
    answered_at timestamp with time zone NOT NULL,
    no_trace boolean NOT NULL,
    CONSTRAINT one_answer_a_number PRIMARY KEY (carrier, waybill)
) WITH (fillfactor=80);
CREATE INDEX carrier_answers_by_age ON carrier_answers USING btree (answered_at);
CREATE INDEX carrier_answers_by_time ON carrier_answers USING btree (carrier, answered_at DESC);

CREATE TABLE carrier_looks (
    provider text NOT NULL,
    carrier text NOT NULL,
    waybill text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    phone_last4 text NOT NULL DEFAULT ''::text,
    trace jsonb,
    answer text,
    took_ms integer,
    CONSTRAINT one_look_a_number PRIMARY KEY (provider, carrier, waybill)
);
CREATE INDEX carrier_looks_by_age ON carrier_looks USING btree (asked_at);

CREATE TABLE carrier_subscriptions (
    provider text NOT NULL,
    carrier text NOT NULL,
    waybill text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    tries integer NOT NULL DEFAULT 1,
    outcome text,
    detail text NOT NULL DEFAULT ''::text,
    CONSTRAINT one_subscription_a_number PRIMARY KEY (provider, carrier, waybill)
);

CREATE TABLE deposit_moves (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    merchant_id text,
    grade text,
    currency text NOT NULL,
    required_minor bigint,
    role text NOT NULL,
    who text NOT NULL,
    why text NOT NULL,
    at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT deposit_moves_pkey PRIMARY KEY (id),
    CONSTRAINT a_deposit_is_a_merchants_or_a_grades CHECK (num_nonnulls(merchant_id, grade) = 1),
    CONSTRAINT deposit_currency_is_iso4217 CHECK (currency ~ '^[A-Z]{3}$'::text),
    CONSTRAINT deposit_in_bounds CHECK (required_minor >= 0 AND required_minor <= '1000000000000000'::bigint),
    CONSTRAINT deposit_moves_have_a_reason CHECK (length(why) >= 1 AND length(why) <= 500),
    CONSTRAINT deposit_of_a_grade_form CHECK (grade ~ '^[a-z0-9_-]{1,40}$'::text),
    CONSTRAINT deposit_of_a_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$'::text),
    CONSTRAINT operators_ask_for_deposits CHECK (role = 'operator'::text)
);
CREATE INDEX deposit_moves_by_grade ON deposit_moves USING btree (grade, currency, id) WHERE grade IS NOT NULL;
CREATE INDEX deposit_moves_by_merchant ON deposit_moves USING btree (merchant_id, currency, id) WHERE merchant_id IS NOT NULL;

CREATE TABLE endpoints (
    endpoint_id text NOT NULL,
    merchant_id text,
    url text NOT NULL,
    description text NOT NULL,
    types text[] NOT NULL,
    signing text NOT NULL,
    state text NOT NULL,
    disabled_for text,
    failing_since timestamp with time zone,
    paused_until timestamp with time zone,
    echoed_at timestamp with time zone,
    position bigint NOT NULL,
    event bigint NOT NULL,
    advanced_at timestamp with time zone,
    created_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    digest text NOT NULL,
    taken_by text,
    taken_until timestamp with time zone,
    CONSTRAINT endpoints_pkey PRIMARY KEY (endpoint_id),
    CONSTRAINT disabled_for_known CHECK (disabled_for = ANY (ARRAY['challenge'::text, 'gone'::text, 'failing'::text, 'asked'::text])),
    CONSTRAINT endpoint_description_form CHECK (length(description) <= 200),
    CONSTRAINT endpoint_id_form CHECK (endpoint_id ~ '^[A-Za-z0-9_-]{1,64}$'::text),
    CONSTRAINT endpoint_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$'::text),
    CONSTRAINT endpoint_signing_known CHECK (signing = ANY (ARRAY['v1'::text, 'v1a'::text])),
    CONSTRAINT endpoint_state_known CHECK (state = ANY (ARRAY['active'::text, 'failing'::text, 'disabled'::text])),
    CONSTRAINT endpoint_types_are_few CHECK (cardinality(types) <= 50),
    CONSTRAINT endpoint_url_form CHECK (length(url) >= 1 AND length(url) <= 2000),
    CONSTRAINT only_a_disabled_one_says_why CHECK ((state = 'disabled'::text) = (disabled_for IS NOT NULL)),
    CONSTRAINT only_echoed_urls_are_sent_to CHECK (state = 'disabled'::text OR echoed_at IS NOT NULL)
) WITH (fillfactor=50);
CREATE INDEX endpoints_by_creation ON endpoints USING btree (created_at, endpoint_id);
CREATE INDEX endpoints_by_merchant ON endpoints USING btree (merchant_id, created_at, endpoint_id);

CREATE TABLE endpoints_with_news (
    endpoint_id text NOT NULL,
    CONSTRAINT endpoints_with_news_pkey PRIMARY KEY (endpoint_id)
);

CREATE TABLE event_clock (
    ahead bigint NOT NULL,
    base bigint NOT NULL DEFAULT 0,
    CONSTRAINT event_clock_goes_forward CHECK (ahead > 0)
);

CREATE TABLE event_subjects (
    subject text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    position bigint NOT NULL,
    CONSTRAINT event_subjects_pkey PRIMARY KEY (subject)
) WITH (fillfactor=70);

CREATE TABLE events (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    position bigint NOT NULL,
    subject text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    merchant_id text,
    type text NOT NULL,
    at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    data jsonb NOT NULL,
    CONSTRAINT events_pkey PRIMARY KEY ("position", id),
    CONSTRAINT events_are_numbered_by_subject UNIQUE (subject, seq)
);
CREATE INDEX events_by_recording ON events USING btree (recorded_at);
CREATE INDEX events_of_merchant ON events USING btree (merchant_id, "position", id);

CREATE TABLE figures (
    name text NOT NULL,
    taken_at timestamp with time zone NOT NULL,
    body jsonb NOT NULL,
    CONSTRAINT figures_pkey PRIMARY KEY (name)
);

CREATE TABLE grade_moves (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    merchant_id text NOT NULL,
    grade text,
    role text NOT NULL,
    who text NOT NULL,
    why text NOT NULL,
    at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT grade_moves_pkey PRIMARY KEY (id),
    CONSTRAINT grade_form CHECK (grade ~ '^[a-z0-9_-]{1,40}$'::text),
    CONSTRAINT grade_moves_have_a_reason CHECK (length(why) >= 1 AND length(why) <= 500),
    CONSTRAINT graded_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$'::text),
    CONSTRAINT operators_grade_merchants CHECK (role = 'operator'::text)
);
CREATE INDEX grade_moves_by_merchant ON grade_moves USING btree (merchant_id, id);

CREATE TABLE licence_moves (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    merchant_id text NOT NULL,
    licence text NOT NULL,
    what text NOT NULL,
    number text,
    valid_until timestamp with time zone,
    role text NOT NULL,
    who text NOT NULL,
    why text NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT licence_moves_pkey PRIMARY KEY (id),
    CONSTRAINT a_noted_licence_has_a_number CHECK ((what = 'noted'::text) = (number IS NOT NULL)),
    CONSTRAINT licence_form CHECK (licence ~ '^[a-z][a-z0-9_]{0,39}$'::text),
    CONSTRAINT licence_move_known CHECK (what = ANY (ARRAY['noted'::text, 'withdrawn'::text])),
    CONSTRAINT licence_moves_have_a_reason CHECK (length(why) >= 1 AND length(why) <= 500),
    CONSTRAINT licensed_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$'::text),
    CONSTRAINT people_of_the_platform_note_licences CHECK (role = ANY (ARRAY['operator'::text, 'reviewer'::text]))
);
CREATE INDEX licence_moves_by_merchant ON licence_moves USING btree (merchant_id, licence, id);

CREATE TABLE merchant_days (
    merchant_id text NOT NULL,
    currency text COLLATE "C" NOT NULL,
    day date NOT NULL,
    pending_minor bigint NOT NULL,
    available_minor bigint NOT NULL,
    deposit_minor bigint NOT NULL,
    reserved_minor bigint NOT NULL,
    owed_minor bigint NOT NULL,
    frozen_minor bigint NOT NULL,
    CONSTRAINT merchant_days_pkey PRIMARY KEY (merchant_id, currency, day)
) WITH (fillfactor=90);

CREATE TABLE merchant_moves (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    merchant_id text NOT NULL,
    what text NOT NULL,
    value text,
    role text NOT NULL,
    who text NOT NULL,
    why text NOT NULL,
    at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT merchant_moves_pkey PRIMARY KEY (id),
    CONSTRAINT merchant_move_known CHECK ((what = ANY (ARRAY['frozen'::text, 'suspended'::text, 'leaving'::text])) AND COALESCE(value, 'yes'::text) = 'yes'::text OR what = 'settlement_delay'::text AND COALESCE(value, '0s'::text) ~ '^[0-9]{1,9}[smhd]$'::text OR what = 'commission_bps'::text AND COALESCE(value::integer, 0) >= 0 AND COALESCE(value::integer, 0) <= 10000 OR what = 'auto_withdraw'::text AND (COALESCE(value, 'yes'::text) = ANY (ARRAY['yes'::text, 'no'::text]))),
    CONSTRAINT merchant_moves_have_a_reason CHECK (length(why) >= 1 AND length(why) <= 500),
    CONSTRAINT moved_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$'::text),
    CONSTRAINT operators_move_merchants CHECK (role = 'operator'::text)
);
CREATE INDEX merchant_moves_by_merchant ON merchant_moves USING btree (merchant_id, what, id);
CREATE INDEX merchant_moves_of_leaving ON merchant_moves USING btree (merchant_id) WHERE what = 'leaving'::text;

CREATE TABLE merchant_transfers (
    merchant_id text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    movement_id bigint NOT NULL,
    leg integer NOT NULL,
    currency text COLLATE "C" NOT NULL,
    reference text COLLATE "C" NOT NULL,
    linked_to text COLLATE "C",
    debit text COLLATE "C" NOT NULL,
    credit text COLLATE "C" NOT NULL,
    pending_minor bigint NOT NULL,
    available_minor bigint NOT NULL,
    deposit_minor bigint NOT NULL,
    reserved_minor bigint NOT NULL,
    owed_minor bigint NOT NULL,
    frozen_minor bigint NOT NULL,
    stated boolean NOT NULL,
    CONSTRAINT merchant_transfers_pkey PRIMARY KEY (merchant_id, occurred_at, movement_id, leg) INCLUDE (currency, stated, pending_minor, available_minor, deposit_minor, reserved_minor, owed_minor, frozen_minor)
) WITH (autovacuum_vacuum_insert_threshold=5000, autovacuum_vacuum_insert_scale_factor=0);
CREATE INDEX merchant_transfers_by_movement ON merchant_transfers USING btree (merchant_id, movement_id) INCLUDE (occurred_at, currency, stated, pending_minor, available_minor, deposit_minor, reserved_minor, owed_minor, frozen_minor);
CREATE INDEX merchant_transfers_in_order ON merchant_transfers USING brin (movement_id) WITH (pages_per_range='16', autosummarize='on');

CREATE TABLE merchants (
    merchant_id text NOT NULL,
    legal_name text,
    CONSTRAINT merchants_pkey PRIMARY KEY (merchant_id)
);

CREATE TABLE moved_orders (
    move_id text COLLATE "C" NOT NULL,
    order_id text COLLATE "C" NOT NULL,
    deadline text NOT NULL,
    CONSTRAINT moved_orders_pkey PRIMARY KEY (move_id, order_id)
);

CREATE TABLE movement_kinds (
    kind text NOT NULL,
    subject text NOT NULL,
    reference text NOT NULL,
    emptied text,
    shape text NOT NULL,
    CONSTRAINT movement_kinds_pkey PRIMARY KEY (kind)
);
CREATE INDEX movement_kinds_by_shape ON movement_kinds USING btree (shape);

CREATE TABLE movements (
    id bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
    reference movement_reference NOT NULL,
    currency currency_code NOT NULL,
    request_hash bytea NOT NULL,
    linked_to text COLLATE "C",
    occurred_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT movements_pkey PRIMARY KEY (id),
    CONSTRAINT movements_reference_key UNIQUE (reference),
    CONSTRAINT link_known FOREIGN KEY (linked_to) REFERENCES movements(reference)
);
CREATE INDEX movements_by_channel_key ON movements USING btree (channel_key(reference::text)) WHERE reference::text ~~ 'order/%/refund/%'::text OR reference::text ~~ 'order/%/claim_back/%'::text;
CREATE INDEX movements_by_link ON movements USING btree (linked_to) WHERE linked_to IS NOT NULL;
CREATE INDEX movements_of_chargebacks ON movements USING btree (reference) WHERE reference::text ~~ 'order/%/chargeback/%'::text;

CREATE TABLE news_noted (
    only_row boolean NOT NULL DEFAULT true,
    position bigint NOT NULL,
    event bigint NOT NULL,
    CONSTRAINT news_noted_pkey PRIMARY KEY (only_row),
    CONSTRAINT news_are_noted_once CHECK (only_row)
);

CREATE TABLE notices (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    subject text NOT NULL,
    seq integer NOT NULL,
    recipient text NOT NULL,
    merchant_id text,
    name text NOT NULL,
    facts jsonb NOT NULL,
    at timestamp with time zone NOT NULL,
    position bigint NOT NULL DEFAULT event_position(),
    CONSTRAINT notices_pkey PRIMARY KEY (id),
    CONSTRAINT a_notice_is_stored_once UNIQUE (subject, seq)
);
CREATE INDEX notices_by_recipient ON notices USING btree (recipient, "position", id);
CREATE INDEX notices_in_order ON notices USING btree ("position", id);
CREATE INDEX notices_of_merchant ON notices USING btree (merchant_id, "position", id) WHERE merchant_id IS NOT NULL;

CREATE TABLE payment_numbers (
    channel text NOT NULL,
    number text NOT NULL,
    payment text NOT NULL,
    CONSTRAINT payment_numbers_pkey PRIMARY KEY (channel, number)
);

CREATE TABLE payments (
    channel text NOT NULL,
    payment text NOT NULL,
    currency text NOT NULL,
    paid_minor bigint NOT NULL,
    claimed_minor bigint NOT NULL DEFAULT 0,
    returned_minor bigint NOT NULL DEFAULT 0,
    CONSTRAINT payments_pkey PRIMARY KEY (channel, payment),
    CONSTRAINT payment_not_over_claimed CHECK (claimed_minor >= 0 AND returned_minor >= 0 AND (claimed_minor + returned_minor) <= paid_minor)
);
CREATE INDEX payments_with_a_rest ON payments USING btree (channel, payment) WHERE paid_minor > (claimed_minor + returned_minor);

CREATE TABLE payout_account_commands (
    role text NOT NULL,
    who text NOT NULL,
    command_id text NOT NULL,
    digest text NOT NULL,
    taken_at timestamp with time zone NOT NULL,
    CONSTRAINT an_account_command_is_carried_out_once PRIMARY KEY (role, who, command_id)
);

CREATE TABLE people (
    person_id text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    merchant_id text,
    added_by text NOT NULL,
    added_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    ended_by text,
    CONSTRAINT people_pkey PRIMARY KEY (person_id),
    CONSTRAINT person_id_form CHECK (person_id ~ '^[A-Za-z0-9_-]{1,64}$'::text),
    CONSTRAINT person_name_form CHECK (length(name) >= 1 AND length(name) <= 100),
    CONSTRAINT person_role_known CHECK (role = ANY (ARRAY['operator'::text, 'reviewer'::text, 'merchant'::text])),
    CONSTRAINT persons_merchant_form CHECK (merchant_id ~ '^[A-Za-z0-9_-]{1,64}$'::text),
    CONSTRAINT staff_of_a_merchant CHECK ((role = 'merchant'::text) = (merchant_id IS NOT NULL))
);
CREATE UNIQUE INDEX one_person_an_id ON people USING btree (person_of(person_id));

CREATE TABLE policies (
    content_hash text NOT NULL,
    name text NOT NULL,
    text text NOT NULL,
    registered_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT policies_pkey PRIMARY KEY (content_hash)
);

CREATE TABLE polled_traces (
    order_id text NOT NULL,
    parcel_id text NOT NULL,
    provider text NOT NULL,
    answer text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    trace jsonb NOT NULL,
    kept_at timestamp with time zone NOT NULL DEFAULT now(),
    CONSTRAINT one_polled_trace_a_provider PRIMARY KEY (order_id, parcel_id, provider)
) WITH (fillfactor=80);
CREATE INDEX polled_traces_by_age ON polled_traces USING btree (kept_at);

CREATE TABLE proof_runs (
    only_row boolean NOT NULL DEFAULT true,
    ran_at timestamp with time zone NOT NULL,
    broken text[] NOT NULL,
    CONSTRAINT proof_runs_pkey PRIMARY KEY (only_row),
    CONSTRAINT proof_runs_only_row_check CHECK (only_row)
);

CREATE TABLE pushed_traces (
    carrier text NOT NULL,
    waybill text NOT NULL,
    provider text NOT NULL,
    scans integer NOT NULL,
    trace jsonb NOT NULL,
    received_at timestamp with time zone NOT NULL,
    CONSTRAINT one_pushed_trace_a_number PRIMARY KEY (carrier, waybill, provider)
);
CREATE INDEX pushed_traces_by_number ON pushed_traces USING btree (waybill);

CREATE TABLE pushes (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    vendor text NOT NULL,
    digest text NOT NULL,
    body bytea NOT NULL,
    headers jsonb NOT NULL,
    received_at timestamp with time zone NOT NULL,
    outcome text,
    detail text NOT NULL DEFAULT ''::text,
    repeats integer NOT NULL DEFAULT 0,
    CONSTRAINT pushes_pkey PRIMARY KEY (id),
    CONSTRAINT a_push_is_journaled_once UNIQUE (vendor, digest)
);
CREATE INDEX pushes_by_age ON pushes USING btree (received_at);

CREATE TABLE reconciliation_breaks (
    break_id text COLLATE "C" NOT NULL,
    scope text NOT NULL,
    name text NOT NULL,
    reason text NOT NULL,
    body jsonb NOT NULL,
    first_seen_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    resolved_at timestamp with time zone,
    CONSTRAINT reconciliation_breaks_pkey PRIMARY KEY (break_id)
);
CREATE INDEX open_breaks ON reconciliation_breaks USING btree (scope, name) WHERE resolved_at IS NULL;

CREATE TABLE reconciliation_runs (
    scope text NOT NULL,
    name text NOT NULL,
    ran_at timestamp with time zone NOT NULL,
    ours integer NOT NULL,
    theirs integer NOT NULL,
    breaks integer NOT NULL,
    CONSTRAINT reconciliation_runs_pkey PRIMARY KEY (scope, name)
);

CREATE TABLE requests (
    api_key text NOT NULL,
    idempotency_key text NOT NULL,
    digest text NOT NULL,
    what text NOT NULL,
    subject text NOT NULL,
    body jsonb NOT NULL,
    received_at timestamp with time zone NOT NULL,
    taken_until timestamp with time zone NOT NULL,
    status integer,
    answer jsonb,
    answered_at timestamp with time zone,
    CONSTRAINT requests_pkey PRIMARY KEY (api_key, idempotency_key),
    CONSTRAINT an_answer_is_whole CHECK ((status IS NULL) = (answer IS NULL) AND (status IS NULL) = (answered_at IS NULL)),
    CONSTRAINT idempotency_key_form CHECK (idempotency_key ~ '^[A-Za-z0-9_-]{1,64}$'::text),
    CONSTRAINT sender_form CHECK (api_key ~ '^([A-Za-z0-9]{8}|person:[A-Za-z0-9_-]{1,64})$'::text)
);
CREATE INDEX requests_by_age ON requests USING btree (received_at);
CREATE INDEX requests_unanswered ON requests USING btree (taken_until) WHERE status IS NULL;

CREATE TABLE safeguards (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    value interval NOT NULL,
    who text NOT NULL,
    why text NOT NULL,
    set_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT safeguards_pkey PRIMARY KEY (id),
    CONSTRAINT safeguard_known CHECK (name = ANY (ARRAY['cooling'::text, 'clock_skew'::text, 'kept'::text, 'deposit_kept'::text])),
    CONSTRAINT safeguard_not_negative CHECK (value >= '00:00:00'::interval),
    CONSTRAINT safeguards_have_a_reason CHECK (length(why) >= 1 AND length(why) <= 500)
);

CREATE TABLE seal_bound (
    only_row boolean NOT NULL DEFAULT true,
    last_movement bigint NOT NULL,
    CONSTRAINT seal_bound_pkey PRIMARY KEY (only_row),
    CONSTRAINT seal_bound_only_row_check CHECK (only_row)
);

CREATE TABLE seals (
    number integer NOT NULL,
    first_movement bigint NOT NULL,
    last_movement bigint NOT NULL,
    movements bigint NOT NULL,
    sums jsonb NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    previous bytea,
    hash bytea NOT NULL,
    CONSTRAINT seals_pkey PRIMARY KEY (number),
    CONSTRAINT seal_has_movements CHECK (movements >= 1 AND first_movement <= last_movement),
    CONSTRAINT seal_hash_form CHECK (length(hash) = 32 AND length(previous) = 32),
    CONSTRAINT seals_are_numbered CHECK (number >= 1 AND (number = 1) = (previous IS NULL))
);

CREATE TABLE statement_loads (
    load_no bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    scope text NOT NULL,
    name text NOT NULL,
    loaded_at timestamp with time zone NOT NULL,
    lines integer NOT NULL,
    asked_by text,
    asked_at timestamp with time zone,
    asked_in xid8,
    reason text,
    withdrawn_by text,
    withdrawn_at timestamp with time zone,
    told jsonb,
    position bigint,
    moved jsonb NOT NULL DEFAULT '{}'::jsonb,
    CONSTRAINT statement_loads_pkey PRIMARY KEY (load_no),
    CONSTRAINT a_load_is_withdrawn_by_two_people CHECK (withdrawn_by IS NULL OR asked_by IS NOT NULL AND person_of(asked_by) <> person_of(withdrawn_by))
);

CREATE TABLE transfers (
    movement_id bigint NOT NULL,
    leg integer NOT NULL,
    debit_account bigint NOT NULL,
    credit_account bigint NOT NULL,
    currency text COLLATE "C" NOT NULL,
    amount_minor transfer_amount NOT NULL,
    CONSTRAINT transfers_pkey PRIMARY KEY (movement_id, leg),
    CONSTRAINT accounts_differ CHECK (debit_account <> credit_account)
);
CREATE INDEX transfers_by_credit ON transfers USING btree (credit_account);
CREATE INDEX transfers_by_debit ON transfers USING btree (debit_account);

CREATE TABLE verdicts (
    order_id text NOT NULL,
    parcel_id text NOT NULL,
    n integer NOT NULL,
    carrier text NOT NULL,
    waybill text NOT NULL,
    judged_at timestamp with time zone NOT NULL,
    rule_set text,
    outcome text NOT NULL,
    reasons jsonb NOT NULL,
    findings jsonb NOT NULL,
    traces jsonb,
    decided_by text,
    decision text,
    recorded_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT verdicts_are_numbered_by_parcel PRIMARY KEY (order_id, parcel_id, n),
    CONSTRAINT a_decision_has_a_person CHECK ((decided_by IS NULL) = (decision IS NULL))
);
CREATE INDEX verdicts_by_time ON verdicts USING brin (recorded_at) WITH (pages_per_range='32');
CREATE INDEX verdicts_with_traces ON verdicts USING btree (recorded_at) WHERE traces IS NOT NULL;

CREATE TABLE write_offs (
    request_id text NOT NULL,
    merchant_id text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    reason text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    asked_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
    done_by text,
    done_at timestamp with time zone,
    CONSTRAINT write_offs_pkey PRIMARY KEY (request_id),
    CONSTRAINT a_debt_is_given_up_by_two_people CHECK (person_of(done_by) <> person_of(asked_by)),
    CONSTRAINT write_off_amount_in_bounds CHECK (amount_minor >= 1 AND amount_minor <= '1000000000000000'::bigint),
    CONSTRAINT write_off_request_form CHECK (request_id ~ '^[A-Za-z0-9_-]{1,64}$'::text)
);

CREATE TABLE attempts (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    endpoint_id text NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    at timestamp with time zone NOT NULL,
    status integer,
    took_ms integer NOT NULL,
    answer text NOT NULL,
    error text NOT NULL,
    CONSTRAINT attempts_pkey PRIMARY KEY (id),
    CONSTRAINT attempts_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES endpoints(endpoint_id) ON DELETE CASCADE,
    CONSTRAINT attempts_keep_the_beginning CHECK (length(answer) <= 2048 AND length(error) <= 2048)
);
CREATE INDEX attempts_by_age ON attempts USING btree (at);
CREATE INDEX attempts_by_endpoint ON attempts USING btree (endpoint_id, id);

CREATE TABLE closings (
    number integer NOT NULL,
    account_id bigint NOT NULL,
    balance_minor bigint NOT NULL,
    CONSTRAINT closings_pkey PRIMARY KEY (number, account_id),
    CONSTRAINT closings_account_id_fkey FOREIGN KEY (account_id) REFERENCES accounts(id),
    CONSTRAINT closings_number_fkey FOREIGN KEY (number) REFERENCES seals(number)
);
CREATE INDEX closings_by_account ON closings USING btree (account_id, number DESC);

CREATE TABLE corrections (
    request_id text NOT NULL,
    reference text COLLATE "C" NOT NULL,
    legs jsonb NOT NULL,
    reason text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    asked_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
    done_by text,
    done_at timestamp with time zone,
    CONSTRAINT corrections_pkey PRIMARY KEY (request_id),
    CONSTRAINT corrects_a_movement FOREIGN KEY (reference) REFERENCES movements(reference),
    CONSTRAINT a_movement_is_corrected_by_two_people CHECK (person_of(done_by) <> person_of(asked_by)),
    CONSTRAINT correction_request_form CHECK (request_id ~ '^[A-Za-z0-9_-]{1,64}$'::text)
);
CREATE INDEX corrections_by_movement ON corrections USING btree (reference);

CREATE TABLE earlier_periods (
    person_id text NOT NULL,
    period integer NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    merchant_id text,
    added_by text NOT NULL,
    added_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    ended_by text NOT NULL,
    CONSTRAINT earlier_periods_pkey PRIMARY KEY (person_id, period),
    CONSTRAINT earlier_periods_person_id_fkey FOREIGN KEY (person_id) REFERENCES people(person_id)
);

CREATE TABLE endpoint_secrets (
    endpoint_id text NOT NULL,
    number integer NOT NULL,
    asked_as text NOT NULL,
    key_id text NOT NULL,
    nonce bytea NOT NULL,
    ciphertext bytea NOT NULL,
    ends_at timestamp with time zone,
    older_end_at timestamp with time zone,
    CONSTRAINT endpoint_secrets_pkey PRIMARY KEY (endpoint_id, number),
    CONSTRAINT endpoint_secrets_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES endpoints(endpoint_id) ON DELETE CASCADE,
    CONSTRAINT sealed_secret_holds_a_tag CHECK (length(ciphertext) > 16),
    CONSTRAINT secret_nonce_is_ninety_six_bits CHECK (length(nonce) = 12)
);
CREATE INDEX endpoint_secrets_by_key ON endpoint_secrets USING btree (key_id);

CREATE TABLE movement_legs (
    kind text NOT NULL,
    leg integer NOT NULL,
    debit text NOT NULL,
    credit text NOT NULL,
    debit_shape text NOT NULL,
    credit_shape text NOT NULL,
    CONSTRAINT movement_legs_pkey PRIMARY KEY (kind, leg),
    CONSTRAINT movement_legs_kind_fkey FOREIGN KEY (kind) REFERENCES movement_kinds(kind)
);

CREATE TABLE orders (
    order_id order_key NOT NULL,
    merchant_id text NOT NULL,
    buyer_id text NOT NULL,
    currency text NOT NULL,
    total_minor order_total NOT NULL,
    channel text NOT NULL,
    payment text NOT NULL,
    body jsonb NOT NULL,
    device_hash text,
    place_hash text,
    content_hash text NOT NULL,
    opened_by text NOT NULL,
    policy_hash text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    revision integer NOT NULL DEFAULT '-1'::integer,
    phase text NOT NULL DEFAULT 'opening'::text,
    audit text NOT NULL DEFAULT 'not_started'::text,
    receipt text NOT NULL DEFAULT 'not_due'::text,
    next_deadline_name text,
    next_deadline_at timestamp with time zone,
    hold_reasons text[] NOT NULL DEFAULT '{}'::text[],
    holds text[] NOT NULL DEFAULT '{}'::text[],
    refunded_minor bigint NOT NULL DEFAULT 0,
    closed boolean NOT NULL DEFAULT false,
    state jsonb,
    recorded_at timestamp with time zone,
    emptied_at timestamp with time zone,
    CONSTRAINT orders_pkey PRIMARY KEY (order_id),
    CONSTRAINT orders_channel_payment_fkey FOREIGN KEY (channel, payment) REFERENCES payments(channel, payment),
    CONSTRAINT orders_policy_hash_fkey FOREIGN KEY (policy_hash) REFERENCES policies(content_hash),
    CONSTRAINT order_never_refunds_more_than_paid CHECK (refunded_minor >= 0 AND refunded_minor <= total_minor::bigint)
) WITH (fillfactor=80);
CREATE INDEX orders_by_audit ON orders USING btree (audit, opened_at DESC, closed);
CREATE INDEX orders_by_buyer ON orders USING btree (buyer_id, opened_at DESC);
CREATE INDEX orders_by_device ON orders USING btree (merchant_id, device_hash, opened_at) WHERE device_hash IS NOT NULL;
CREATE INDEX orders_by_hold_reason ON orders USING gin (hold_reasons) WITH (gin_pending_list_limit='64') WHERE cardinality(hold_reasons) > 0;
CREATE INDEX orders_by_merchant ON orders USING btree (merchant_id, opened_at DESC, order_id DESC);
CREATE INDEX orders_by_opening ON orders USING btree (opened_at DESC);
CREATE INDEX orders_by_payment ON orders USING btree (payment, channel);
CREATE INDEX orders_by_phase ON orders USING btree (phase, opened_at DESC, closed);
CREATE INDEX orders_by_place ON orders USING btree (merchant_id, place_hash, opened_at) WHERE place_hash IS NOT NULL;
CREATE INDEX orders_closed_by_merchant ON orders USING btree (merchant_id, opened_at DESC, order_id DESC) WHERE closed;
CREATE INDEX orders_held ON orders USING btree (opened_at DESC) WHERE cardinality(holds) > 0;
CREATE INDEX orders_held_by_merchant ON orders USING btree (merchant_id, opened_at DESC, order_id DESC) WHERE cardinality(holds) > 0;
CREATE INDEX orders_open ON orders USING btree (opened_at DESC) INCLUDE (phase) WHERE NOT closed;
CREATE INDEX orders_open_by_merchant ON orders USING btree (merchant_id, opened_at DESC, order_id DESC) WHERE NOT closed;
CREATE INDEX orders_waiting ON orders USING btree (opened_at DESC) WHERE cardinality(hold_reasons) > 0;
CREATE INDEX orders_with_open_case ON orders USING btree (opened_at DESC, order_id DESC) WHERE has_open_case(hold_reasons);
CREATE INDEX orders_with_whole_states ON orders USING btree (recorded_at) WHERE closed AND emptied_at IS NULL;
CREATE STATISTICS orders_that_wait ON cardinality(hold_reasons) FROM orders;

CREATE TABLE parked (
    endpoint_id text NOT NULL,
    subject text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    failures integer NOT NULL,
    next_at timestamp with time zone NOT NULL,
    last_status integer,
    last_error text,
    CONSTRAINT parked_pkey PRIMARY KEY (endpoint_id, subject),
    CONSTRAINT parked_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES endpoints(endpoint_id) ON DELETE CASCADE
);
CREATE INDEX parked_by_time ON parked USING btree (endpoint_id, next_at, subject);

CREATE TABLE payout_accounts (
    account_id text NOT NULL,
    merchant_id text NOT NULL,
    version integer NOT NULL,
    is_default boolean NOT NULL DEFAULT false,
    suspended_at timestamp with time zone,
    suspended_for text,
    suspended_by text,
    CONSTRAINT payout_accounts_pkey PRIMARY KEY (account_id),
    CONSTRAINT payout_accounts_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchants(merchant_id),
    CONSTRAINT account_id_form CHECK (account_id ~ '^[A-Za-z0-9_-]{1,64}$'::text)
);
CREATE UNIQUE INDEX one_default_a_merchant ON payout_accounts USING btree (merchant_id) WHERE is_default;
CREATE INDEX payout_accounts_by_merchant ON payout_accounts USING btree (merchant_id);

CREATE TABLE policy_moves (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    from_hash text,
    to_hash text NOT NULL,
    who text NOT NULL,
    why text NOT NULL,
    role text NOT NULL DEFAULT SESSION_USER,
    moved_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT policy_moves_pkey PRIMARY KEY (id),
    CONSTRAINT policy_moves_from_hash_fkey FOREIGN KEY (from_hash) REFERENCES policies(content_hash),
    CONSTRAINT policy_moves_to_hash_fkey FOREIGN KEY (to_hash) REFERENCES policies(content_hash),
    CONSTRAINT a_move_leads_elsewhere CHECK (from_hash IS DISTINCT FROM to_hash),
    CONSTRAINT moves_have_a_reason CHECK (length(why) >= 1 AND length(why) <= 500)
);
CREATE INDEX policy_moves_by_name ON policy_moves USING btree (name, to_hash);

CREATE TABLE policy_names (
    name text NOT NULL,
    content_hash text NOT NULL,
    CONSTRAINT policy_names_pkey PRIMARY KEY (name),
    CONSTRAINT policy_names_content_hash_fkey FOREIGN KEY (content_hash) REFERENCES policies(content_hash)
);

CREATE TABLE proven (
    only_row boolean NOT NULL DEFAULT true,
    seal integer NOT NULL,
    position bigint NOT NULL,
    proven_at timestamp with time zone NOT NULL,
    CONSTRAINT proven_pkey PRIMARY KEY (only_row),
    CONSTRAINT proven_seal_fkey FOREIGN KEY (seal) REFERENCES seals(number),
    CONSTRAINT proven_only_row_check CHECK (only_row)
);

CREATE TABLE purposes (
    number integer NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    currency text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    balance_minor bigint NOT NULL,
    CONSTRAINT purposes_pkey PRIMARY KEY (number, purpose, currency),
    CONSTRAINT purposes_number_fkey FOREIGN KEY (number) REFERENCES seals(number)
);

CREATE TABLE reconciled (
    scope text NOT NULL,
    seal integer NOT NULL,
    position bigint NOT NULL,
    ran_at timestamp with time zone NOT NULL,
    name text NOT NULL,
    open jsonb NOT NULL DEFAULT '[]'::jsonb,
    CONSTRAINT reconciled_pkey PRIMARY KEY (scope, name),
    CONSTRAINT reconciled_seal_fkey FOREIGN KEY (seal) REFERENCES seals(number),
    CONSTRAINT reconciled_scope_known CHECK (scope = ANY (ARRAY['orders'::text, 'withdrawals'::text, 'rail'::text, 'channel'::text]))
);

CREATE TABLE rest_returns (
    return_id text NOT NULL,
    channel text NOT NULL,
    payment text NOT NULL,
    currency text NOT NULL,
    amount_minor bigint NOT NULL,
    reason text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    asked_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
    done_by text,
    done_at timestamp with time zone,
    state text NOT NULL DEFAULT 'asked'::text,
    closed_at timestamp with time zone,
    reference text,
    message text NOT NULL DEFAULT ''::text,
    CONSTRAINT rest_returns_pkey PRIMARY KEY (return_id),
    CONSTRAINT rest_return_of_a_payment FOREIGN KEY (channel, payment) REFERENCES payments(channel, payment),
    CONSTRAINT a_rest_is_returned_by_two_people CHECK (person_of(done_by) <> person_of(asked_by)),
    CONSTRAINT a_rest_moves_once_two_agree CHECK ((state = ANY (ARRAY['asked'::text, 'claimed'::text])) = (done_by IS NULL)),
    CONSTRAINT rest_return_amount_in_bounds CHECK (amount_minor >= 1 AND amount_minor <= '1000000000000000'::bigint),
    CONSTRAINT rest_return_form CHECK (return_id ~ '^[A-Za-z0-9_-]{1,64}$'::text),
    CONSTRAINT rest_return_state_known CHECK (state = ANY (ARRAY['asked'::text, 'owed'::text, 'arrived'::text, 'refused'::text, 'claimed'::text]))
);
CREATE INDEX rest_returns_by_payment ON rest_returns USING btree (channel, payment);

CREATE TABLE seal_blocks (
    number integer NOT NULL,
    block integer NOT NULL,
    first_movement bigint NOT NULL,
    last_movement bigint NOT NULL,
    marks bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT seal_blocks_pkey PRIMARY KEY (number, block),
    CONSTRAINT seal_blocks_number_fkey FOREIGN KEY (number) REFERENCES seals(number),
    CONSTRAINT block_hash_form CHECK (length(hash) = 32),
    CONSTRAINT marks_are_whole CHECK ((length(marks) % 8) = 0 AND length(marks) >= 8)
);

CREATE TABLE sessions (
    digest bytea NOT NULL,
    person_id text NOT NULL,
    signed_in_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    ends_at timestamp with time zone NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (digest),
    CONSTRAINT sessions_person_id_fkey FOREIGN KEY (person_id) REFERENCES people(person_id),
    CONSTRAINT a_session_ends CHECK (ends_at > signed_in_at AND ends_at <= (signed_in_at + '1 day'::interval)),
    CONSTRAINT session_digest_form CHECK (length(digest) = 32)
);
CREATE INDEX sessions_by_end ON sessions USING btree (ends_at);
CREATE INDEX sessions_by_person ON sessions USING btree (person_id);

CREATE TABLE statement_lines (
    scope text NOT NULL,
    name text NOT NULL,
    line_id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    key text COLLATE "C",
    amount_minor bigint NOT NULL,
    fee_minor bigint NOT NULL DEFAULT 0,
    currency text COLLATE "C" NOT NULL,
    at timestamp with time zone NOT NULL,
    reference text,
    event_id text,
    loaded_at timestamp with time zone NOT NULL,
    load_no bigint,
    position bigint DEFAULT event_position(),
    CONSTRAINT a_line_is_stored_once PRIMARY KEY (scope, name, line_id),
    CONSTRAINT statement_lines_load_no_fkey FOREIGN KEY (load_no) REFERENCES statement_loads(load_no),
    CONSTRAINT statement_amount_in_bounds CHECK (amount_minor >= 1 AND amount_minor <= '1000000000000000'::bigint),
    CONSTRAINT statement_fee_in_bounds CHECK (fee_minor >= 0 AND fee_minor <= amount_minor),
    CONSTRAINT statement_kind_known CHECK (scope = 'rail'::text AND (kind = ANY (ARRAY['payout'::text, 'return'::text, 'funding'::text])) OR scope = 'channel'::text AND (kind = ANY (ARRAY['payment'::text, 'refund'::text, 'settlement'::text, 'chargeback'::text, 'chargeback_fee'::text, 'chargeback_won'::text]))),
    CONSTRAINT statement_scope_known CHECK (scope = ANY (ARRAY['rail'::text, 'channel'::text]))
);
CREATE INDEX statement_lines_by_key ON statement_lines USING btree (scope, name, key);
CREATE INDEX statement_lines_by_load ON statement_lines USING btree (load_no);
CREATE INDEX statement_lines_by_position ON statement_lines USING btree (scope, name, "position");
CREATE INDEX statement_lines_by_reference ON statement_lines USING btree (scope, name, reference) WHERE kind = 'payment'::text;

CREATE TABLE statement_periods (
    scope text NOT NULL,
    name text NOT NULL,
    since timestamp with time zone NOT NULL,
    until timestamp with time zone NOT NULL,
    loaded_at timestamp with time zone NOT NULL,
    load_no bigint,
    position bigint DEFAULT event_position(),
    CONSTRAINT statement_periods_pkey PRIMARY KEY (scope, name, since, until),
    CONSTRAINT statement_periods_load_no_fkey FOREIGN KEY (load_no) REFERENCES statement_loads(load_no),
    CONSTRAINT a_period_has_a_length CHECK (since < until)
);

CREATE TABLE stored_legs (
    kind text NOT NULL,
    reference text COLLATE "C" NOT NULL,
    debit text COLLATE "C" NOT NULL,
    credit text COLLATE "C" NOT NULL,
    asked boolean NOT NULL,
    emptied text,
    CONSTRAINT stored_legs_pkey PRIMARY KEY (reference, debit, credit),
    CONSTRAINT stored_legs_kind_fkey FOREIGN KEY (kind) REFERENCES movement_kinds(kind)
);

CREATE TABLE subjects (
    issuer text NOT NULL,
    subject text NOT NULL,
    person_id text NOT NULL,
    linked_by text NOT NULL,
    linked_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    ended_by text,
    CONSTRAINT subjects_pkey PRIMARY KEY (issuer, subject, linked_at),
    CONSTRAINT subjects_person_id_fkey FOREIGN KEY (person_id) REFERENCES people(person_id),
    CONSTRAINT a_subject_ends_by_someone CHECK ((ended_at IS NULL) = (ended_by IS NULL))
);
CREATE UNIQUE INDEX one_person_a_subject ON subjects USING btree (issuer, subject) WHERE ended_at IS NULL;
CREATE INDEX subjects_by_person ON subjects USING btree (person_id);

CREATE TABLE claim_payments (
    order_id text NOT NULL,
    case_id integer NOT NULL,
    channel text NOT NULL,
    payment text NOT NULL,
    CONSTRAINT claim_payments_pkey PRIMARY KEY (order_id, case_id),
    CONSTRAINT claim_payments_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(order_id)
);
CREATE INDEX claim_payments_by_payment ON claim_payments USING btree (payment, channel);

CREATE TABLE payout_account_changes (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    merchant_id text NOT NULL,
    account_id text,
    version integer,
    what text NOT NULL,
    detail text NOT NULL DEFAULT ''::text,
    role text NOT NULL,
    who text NOT NULL,
    why text NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT payout_account_changes_pkey PRIMARY KEY (id),
    CONSTRAINT payout_account_changes_account_id_fkey FOREIGN KEY (account_id) REFERENCES payout_accounts(account_id),
    CONSTRAINT payout_account_changes_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchants(merchant_id),
    CONSTRAINT change_known CHECK (what = ANY (ARRAY['named'::text, 'bound'::text, 'replaced'::text, 'made_default'::text, 'no_longer_default'::text, 'suspended'::text, 'resumed'::text, 'verified'::text, 'resealed'::text, 'dropped'::text, 'told_wrong'::text, 'cooling_shortened'::text])),
    CONSTRAINT change_of_an_account_has_a_version CHECK ((account_id IS NULL) = (version IS NULL)),
    CONSTRAINT changes_have_a_reason CHECK (length(why) >= 1 AND length(why) <= 500),
    CONSTRAINT only_the_merchant_is_named CHECK ((what = 'named'::text) = (account_id IS NULL))
);
CREATE INDEX payout_account_changes_by_account ON payout_account_changes USING btree (account_id, id);
CREATE INDEX payout_account_changes_by_merchant ON payout_account_changes USING btree (merchant_id, id);

CREATE TABLE payout_account_versions (
    account_id text NOT NULL,
    version integer NOT NULL,
    kind text NOT NULL,
    currency text NOT NULL,
    holder text NOT NULL,
    last4 text NOT NULL,
    rail text NOT NULL,
    rail_token text NOT NULL,
    cooling_until timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    bank_name text,
    bank_code text,
    verified_at timestamp with time zone,
    CONSTRAINT payout_account_versions_pkey PRIMARY KEY (account_id, version),
    CONSTRAINT payout_account_versions_account_id_fkey FOREIGN KEY (account_id) REFERENCES payout_accounts(account_id),
    CONSTRAINT account_kind_known CHECK (kind = ANY (ARRAY['bank_card'::text, 'company_account'::text, 'wallet'::text, 'iban'::text])),
    CONSTRAINT only_the_last_four_are_shown CHECK (length(last4) >= 1 AND length(last4) <= 4),
    CONSTRAINT rail_form CHECK (rail ~ '^[A-Za-z0-9_-]{1,64}$'::text)
);

CREATE TABLE refunded_lines (
    order_id text NOT NULL,
    line_id text NOT NULL,
    paid_minor bigint NOT NULL,
    refunded_minor bigint NOT NULL,
    CONSTRAINT refunded_lines_pkey PRIMARY KEY (order_id, line_id),
    CONSTRAINT refunded_lines_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(order_id),
    CONSTRAINT a_line_gives_back_no_more_than_was_paid CHECK (refunded_minor >= 0 AND refunded_minor <= paid_minor)
);

CREATE TABLE review_claims (
    order_id text NOT NULL,
    parcel_id text NOT NULL,
    reviewer text NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    CONSTRAINT one_reviewer_a_parcel PRIMARY KEY (order_id, parcel_id),
    CONSTRAINT review_claims_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(order_id)
);

CREATE TABLE review_queue (
    order_id text NOT NULL,
    parcel_id text NOT NULL,
    kind text NOT NULL,
    merchant_id text NOT NULL,
    currency text NOT NULL,
    total_minor bigint NOT NULL,
    reasons text[] NOT NULL,
    verdict jsonb,
    evidence jsonb,
    since timestamp with time zone NOT NULL,
    sla text,
    CONSTRAINT review_queue_pkey PRIMARY KEY (order_id, parcel_id),
    CONSTRAINT review_queue_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(order_id)
);
CREATE INDEX review_queue_by_kind ON review_queue USING btree (kind, since, ((order_id || '/'::text) || parcel_id));
CREATE INDEX review_queue_in_order ON review_queue USING btree (since, ((order_id || '/'::text) || parcel_id));

CREATE TABLE waybill_claims (
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    carrier text NOT NULL,
    waybill text NOT NULL,
    order_id text NOT NULL,
    parcel_id text NOT NULL,
    merchant_id text NOT NULL,
    buyer_id text NOT NULL,
    destination text NOT NULL,
    claimed_at timestamp with time zone NOT NULL,
    released_at timestamp with time zone,
    CONSTRAINT waybill_claims_pkey PRIMARY KEY (id),
    CONSTRAINT one_claim_a_parcel UNIQUE (order_id, parcel_id, carrier, waybill),
    CONSTRAINT waybill_claims_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(order_id)
);
CREATE INDEX claims_by_number ON waybill_claims USING btree (waybill);
CREATE INDEX live_claims_by_number ON waybill_claims USING btree (carrier, waybill) WHERE released_at IS NULL;
CREATE INDEX live_claims_by_number_alone ON waybill_claims USING btree (waybill) WHERE released_at IS NULL;

CREATE TABLE account_drops (
    key text COLLATE "C" NOT NULL,
    account_id text NOT NULL,
    version integer NOT NULL,
    drop_no integer NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    rail text NOT NULL,
    state text NOT NULL DEFAULT 'open'::text,
    detail text,
    tries_left integer NOT NULL,
    valid_until timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    position bigint,
    CONSTRAINT account_drops_pkey PRIMARY KEY (key),
    CONSTRAINT drops_are_numbered UNIQUE (account_id, version, drop_no),
    CONSTRAINT account_drops_account_id_version_fkey FOREIGN KEY (account_id, version) REFERENCES payout_account_versions(account_id, version),
    CONSTRAINT drop_is_small CHECK (amount_minor >= 1 AND amount_minor <= 99),
    CONSTRAINT drop_key_fits_every_rail CHECK (key ~ '^[A-Za-z0-9]{1,32}$'::text),
    CONSTRAINT drop_state_known CHECK (state = ANY (ARRAY['open'::text, 'sending'::text, 'accepted'::text, 'unknown'::text, 'paid'::text, 'failed'::text, 'unsent'::text, 'lost'::text])),
    CONSTRAINT drop_tries_not_negative CHECK (tries_left >= 0)
);
CREATE INDEX account_drops_by_position ON account_drops USING btree (rail, "position");
CREATE INDEX account_drops_by_rail ON account_drops USING btree (rail);
CREATE UNIQUE INDEX one_drop_at_a_time ON account_drops USING btree (account_id, version) WHERE state = ANY (ARRAY['open'::text, 'sending'::text, 'accepted'::text, 'unknown'::text]);

CREATE TABLE payout_account_numbers (
    account_id text NOT NULL,
    version integer NOT NULL,
    key_id text NOT NULL,
    nonce bytea NOT NULL,
    ciphertext bytea NOT NULL,
    fingerprint bytea NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    CONSTRAINT payout_account_numbers_pkey PRIMARY KEY (account_id, version),
    CONSTRAINT payout_account_numbers_account_id_version_fkey FOREIGN KEY (account_id, version) REFERENCES payout_account_versions(account_id, version),
    CONSTRAINT ciphertext_holds_a_tag CHECK (length(ciphertext) > 16),
    CONSTRAINT key_id_form CHECK (key_id ~ '^[A-Za-z0-9_-]{1,64}$'::text),
    CONSTRAINT nonce_is_ninety_six_bits CHECK (length(nonce) = 12)
);
CREATE INDEX payout_account_numbers_by_key ON payout_account_numbers USING btree (key_id);

CREATE TABLE withdrawals (
    withdrawal_id text NOT NULL,
    merchant_id text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    account_id text NOT NULL,
    account_version integer NOT NULL,
    requested_by text NOT NULL,
    body jsonb NOT NULL,
    content_hash text NOT NULL,
    needs_approval boolean NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    revision integer NOT NULL DEFAULT '-1'::integer,
    state_name text NOT NULL DEFAULT 'requested'::text,
    next_deadline_name text,
    next_deadline_at timestamp with time zone,
    closed boolean NOT NULL DEFAULT false,
    state jsonb,
    recorded_at timestamp with time zone,
    emptied_at timestamp with time zone,
    CONSTRAINT withdrawals_pkey PRIMARY KEY (withdrawal_id),
    CONSTRAINT withdrawals_requester_key UNIQUE (withdrawal_id, requested_by),
    CONSTRAINT withdrawals_account_id_account_version_fkey FOREIGN KEY (account_id, account_version) REFERENCES payout_account_versions(account_id, version),
    CONSTRAINT withdrawals_merchant_id_fkey FOREIGN KEY (merchant_id) REFERENCES merchants(merchant_id),
    CONSTRAINT withdrawal_amount_in_bounds CHECK (amount_minor >= 1 AND amount_minor <= '1000000000000000'::bigint),
    CONSTRAINT withdrawal_id_form CHECK (withdrawal_id ~ '^[A-Za-z0-9_-]{1,64}$'::text)
);
CREATE INDEX withdrawals_by_merchant ON withdrawals USING btree (merchant_id, requested_at DESC);
CREATE INDEX withdrawals_by_request ON withdrawals USING btree (requested_at DESC);
CREATE INDEX withdrawals_by_state ON withdrawals USING btree (state_name, requested_at DESC);
CREATE INDEX withdrawals_open ON withdrawals USING btree (requested_at DESC) WHERE NOT closed;
CREATE INDEX withdrawals_open_by_merchant ON withdrawals USING btree (merchant_id, requested_at DESC) WHERE NOT closed;
CREATE INDEX withdrawals_with_whole_states ON withdrawals USING btree (recorded_at) WHERE closed AND emptied_at IS NULL;

CREATE TABLE payout_attempts (
    key text COLLATE "C" NOT NULL,
    withdrawal_id text NOT NULL,
    attempt_no integer NOT NULL,
    request_hash text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    account_id text NOT NULL,
    account_version integer NOT NULL,
    holder text NOT NULL,
    last4 text NOT NULL,
    rail text NOT NULL,
    rail_token text NOT NULL,
    terms jsonb NOT NULL,
    lease_until timestamp with time zone,
    state text NOT NULL DEFAULT 'open'::text,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    position bigint,
    CONSTRAINT payout_attempts_pkey PRIMARY KEY (key),
    CONSTRAINT attempts_are_numbered UNIQUE (withdrawal_id, attempt_no),
    CONSTRAINT payout_attempts_account_id_account_version_fkey FOREIGN KEY (account_id, account_version) REFERENCES payout_account_versions(account_id, version),
    CONSTRAINT payout_attempts_withdrawal_id_fkey FOREIGN KEY (withdrawal_id) REFERENCES withdrawals(withdrawal_id),
    CONSTRAINT attempt_amount_in_bounds CHECK (amount_minor >= 1 AND amount_minor <= '1000000000000000'::bigint),
    CONSTRAINT attempt_state_known CHECK (state = ANY (ARRAY['open'::text, 'sending'::text, 'unsent'::text, 'accepted'::text, 'unknown'::text, 'paid'::text, 'failed'::text])),
    CONSTRAINT key_fits_every_rail CHECK (key ~ '^[A-Za-z0-9]{1,32}$'::text)
);
CREATE UNIQUE INDEX one_live_attempt_a_withdrawal ON payout_attempts USING btree (withdrawal_id) WHERE state <> ALL (ARRAY['failed'::text, 'unsent'::text]);
CREATE INDEX payout_attempts_by_position ON payout_attempts USING btree (rail, "position");
CREATE INDEX payout_attempts_by_rail ON payout_attempts USING btree (rail);

CREATE TABLE withdrawal_approvals (
    withdrawal_id text NOT NULL,
    attempt_no integer NOT NULL,
    person text NOT NULL,
    role text NOT NULL,
    requested_by text NOT NULL,
    approved_at timestamp with time zone NOT NULL,
    CONSTRAINT approvers_are_different_people PRIMARY KEY (withdrawal_id, attempt_no, person),
    CONSTRAINT requester_is_the_withdrawals FOREIGN KEY (withdrawal_id, requested_by) REFERENCES withdrawals(withdrawal_id, requested_by),
    CONSTRAINT approvers_are_staff CHECK (role = ANY (ARRAY['reviewer'::text, 'operator'::text])),
    CONSTRAINT nobody_approves_what_they_asked_for CHECK (person_of(person) <> person_of(requested_by))
);

CREATE TABLE payout_events (
    rail text NOT NULL,
    event_id text NOT NULL,
    key text COLLATE "C" NOT NULL,
    outcome text NOT NULL,
    amount_minor bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    CONSTRAINT an_event_counts_once PRIMARY KEY (rail, event_id),
    CONSTRAINT payout_events_key_fkey FOREIGN KEY (key) REFERENCES payout_attempts(key)
);
CREATE INDEX payout_events_by_key ON payout_events USING btree (key);

CREATE FUNCTION account_guarded(p_path text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE STRICT
AS $function$
    SELECT p_path LIKE 'order/%' OR p_path LIKE 'merchant/%' OR p_path LIKE 'withdrawal/%' OR p_path LIKE 'payment/%'
$function$;

CREATE FUNCTION account_kind(p_path text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE STRICT
AS $function$
    SELECT CASE
        WHEN p_path ~ '^psp/[A-Za-z0-9_-]+$' OR p_path ~ '^rail/[A-Za-z0-9_-]+/cash$' THEN 'asset'
        WHEN p_path ~ '^merchant/[A-Za-z0-9_-]+/receivable$' THEN 'asset'
        WHEN p_path ~ '^order/[A-Za-z0-9_-]+/(escrow|proceeds|frozen|refund_payable/[A-Za-z0-9_-]+)$' THEN 'liability'
        WHEN p_path ~ '^merchant/[A-Za-z0-9_-]+/(available|deposit)$' THEN 'liability'
        WHEN p_path ~ '^withdrawal/[A-Za-z0-9_-]+/reserved$' OR p_path = 'suspense' THEN 'liability'
        WHEN p_path ~ '^payment/[A-Za-z0-9_-]+/owed$' THEN 'liability'
        WHEN p_path IN ('income/commission', 'income/withdrawal_fee') THEN 'income'
        WHEN p_path IN ('expense/psp_fee', 'expense/rail_fee', 'expense/goodwill', 'expense/discount') THEN 'expense'
    END
$function$;

CREATE FUNCTION add_account_events()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    PERFORM add_events(
        coalesce('account/' || NEW.account_id, 'merchant/' || NEW.merchant_id), NEW.merchant_id, NEW.at,
        jsonb_build_array(jsonb_build_object(
            'type', CASE WHEN NEW.account_id IS NULL THEN 'merchant.' ELSE 'account.' END || NEW.what,
            'data', jsonb_strip_nulls(jsonb_build_object(
                'by', NEW.role, 'version', NEW.version, 'kind', v.kind, 'currency', v.currency, 'rail', v.rail,
                'cooling_until', event_time(v.cooling_until))))))
    FROM (SELECT) AS once
    LEFT JOIN payout_account_versions v ON v.account_id = NEW.account_id AND v.version = NEW.version;
    RETURN NULL;
END $function$;

CREATE FUNCTION add_api_key(
    p_key_id text,
    p_name text,
    p_digest bytea,
    p_merchant_id text,
    p_scopes text[],
    p_created_by text,
    p_expires_at timestamp with time zone,
    p_now timestamp with time zone,
    p_line text
)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    INSERT INTO api_keys (key_id, line, name, digest, merchant_id, scopes, created_by, created_at, expires_at)
    VALUES (p_key_id, coalesce(p_line, p_key_id), p_name, p_digest, p_merchant_id, p_scopes, p_created_by, p_now,
            p_expires_at)
$function$;

CREATE FUNCTION add_break_events()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET enable_nestloop TO 'off'
AS $function$
DECLARE
    v_changed reconciliation_breaks[];
    v_told    RECORD;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(ROW(a.*)::reconciliation_breaks) INTO v_changed FROM after a;
    ELSE
        SELECT array_agg(ROW(a.*)::reconciliation_breaks) INTO v_changed
        FROM after a JOIN before b USING (break_id) WHERE a.resolved_at IS DISTINCT FROM b.resolved_at;
    END IF;
    FOR v_told IN
        SELECT concat_ws('/', 'reconciliation', c.scope, c.name) AS subject,
               max(coalesce(c.resolved_at, c.last_seen_at)) AS at,
               jsonb_agg(jsonb_build_object(
                   'type', 'reconciliation.break_' || CASE WHEN c.resolved_at IS NULL THEN 'found' ELSE 'resolved' END,
                   'data', jsonb_strip_nulls(jsonb_build_object(
                       'scope', c.scope, 'name', c.name, 'break_id', c.break_id, 'reason', c.reason,
                       'kind', c.body -> 'kind', 'about', c.body -> 'subject', 'ours_minor', c.body -> 'ours_minor',
                       'theirs_minor', c.body -> 'theirs_minor', 'currency', coalesce(
                           nullif(c.body -> 'theirs_currency', 'null'), c.body -> 'ours_currency'))))
                   ORDER BY c.break_id) AS events
        FROM unnest(v_changed) AS c GROUP BY 1 ORDER BY 1
    LOOP
        PERFORM add_events(v_told.subject, NULL, v_told.at, v_told.events);
    END LOOP;
    RETURN NULL;
END $function$;

CREATE FUNCTION add_drop_events()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    PERFORM add_events(
        'account/' || NEW.account_id,
        (SELECT a.merchant_id FROM payout_accounts a WHERE a.account_id = NEW.account_id), NEW.updated_at,
        jsonb_build_array(jsonb_build_object('type', 'account.drop_' || NEW.state, 'data', jsonb_build_object(
            'version', NEW.version, 'drop_no', NEW.drop_no, 'previous', jsonb_build_object('drop', OLD.state)))));
    RETURN NULL;
END $function$;

CREATE FUNCTION add_endpoint(
    p_endpoint_id text,
    p_merchant_id text,
    p_url text,
    p_description text,
    p_types text[],
    p_signing text,
    p_created_by text,
    p_digest text,
    p_asked_as text,
    p_key_id text,
    p_nonce bytea,
    p_ciphertext bytea,
    p_at_most integer,
    p_now timestamp with time zone
)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_known TEXT := (SELECT n.digest FROM endpoints n WHERE n.endpoint_id = p_endpoint_id);
BEGIN
    IF v_known IS NOT NULL THEN
        RETURN CASE WHEN v_known = p_digest THEN 'same' ELSE 'other' END;
    END IF;
    IF (SELECT count(*) FROM endpoints n WHERE n.merchant_id IS NOT DISTINCT FROM p_merchant_id) >= p_at_most THEN
        RETURN 'too_many';
    END IF;
    INSERT INTO endpoints (endpoint_id, merchant_id, url, description, types, signing, state, disabled_for,
                           position, event, created_by, created_at, digest)
    VALUES (p_endpoint_id, p_merchant_id, p_url, p_description, p_types, p_signing, 'disabled', 'challenge',
            events_end(), 0, p_created_by, p_now, p_digest)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        -- Another call of the same moment was first.
        RETURN (SELECT CASE WHEN n.digest = p_digest THEN 'same' ELSE 'other' END
                FROM endpoints n WHERE n.endpoint_id = p_endpoint_id);
    END IF;
    INSERT INTO endpoint_secrets (endpoint_id, number, asked_as, key_id, nonce, ciphertext)
    VALUES (p_endpoint_id, 1, p_asked_as, p_key_id, p_nonce, p_ciphertext);
    RETURN 'added';
END $function$;

CREATE FUNCTION add_events(p_subject text, p_merchant_id text, p_at timestamp with time zone, p_events jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    IF p_events <> '[]' THEN
        PERFORM add_events_of(event_position(), ARRAY[p_subject], ARRAY[p_merchant_id], ARRAY[p_at], NULL,
                              ARRAY[p_events]);
    END IF;
END $function$;

CREATE FUNCTION add_events_of(
    p_position bigint,
    p_subjects text[],
    p_merchant_ids text[],
    p_at timestamp with time zone[],
    p_facts jsonb[],
    p_events jsonb[]
)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_nestloop TO 'on'
AS $function$
DECLARE
    v_lasts     BIGINT[];
    v_positions BIGINT[];
    v_base      BIGINT := coalesce((SELECT max(c.base) FROM event_clock c), 0);
BEGIN
    -- Two transactions may reach these locks in another order than they began in: the position never goes back.
    IF cardinality(p_subjects) = 1 THEN -- mostly
        INSERT INTO event_subjects AS s (subject, seq, position)
        VALUES (p_subjects[1], v_base + jsonb_array_length(p_events[1]), p_position)
        ON CONFLICT (subject) DO UPDATE
        SET seq = greatest(s.seq, v_base) + excluded.seq - v_base, position = greatest(s.position, excluded.position)
        RETURNING ARRAY[s.seq], ARRAY[s.position] INTO v_lasts, v_positions;
    ELSE
        WITH numbered AS (
            INSERT INTO event_subjects AS s (subject, seq, position)
            SELECT g.subject, v_base + jsonb_array_length(g.events), p_position
            FROM unnest(p_subjects, p_events) AS g (subject, events) ORDER BY g.subject COLLATE "C"
            ON CONFLICT (subject) DO UPDATE
            SET seq = greatest(s.seq, v_base) + excluded.seq - v_base, position = greatest(s.position, excluded.position)
            RETURNING s.subject, s.seq, s.position
        )
        SELECT array_agg(k.seq ORDER BY g.n), array_agg(k.position ORDER BY g.n) INTO v_lasts, v_positions
        FROM numbered k JOIN unnest(p_subjects) WITH ORDINALITY AS g (subject, n) ON g.subject = k.subject;
    END IF;
    INSERT INTO events (position, subject, seq, merchant_id, type, at, data)
    SELECT e.position, e.subject, e.seq,
           CASE WHEN e.body ? 'merchant_id' THEN e.body ->> 'merchant_id' ELSE e.merchant_id END,
           coalesce(e.body ->> 'type', 'unnamed'), coalesce((e.body ->> 'at')::TIMESTAMPTZ, e.at, clock_timestamp()),
           CASE WHEN octet_length(e.data::TEXT) <= 3500 THEN e.data ELSE cut_data(e.data) END
    FROM (
        SELECT g.position, g.subject, g.last - jsonb_array_length(g.events) + l.n AS seq, g.merchant_id, g.at, l.body,
               CASE WHEN g.facts IS NULL THEN l.body -> 'data'
                    ELSE jsonb_strip_nulls(g.facts || (l.body -> 'data')) END AS data
        FROM unnest(p_subjects, v_positions, v_lasts, p_merchant_ids, p_at, p_facts, p_events) WITH ORDINALITY
            AS g (subject, position, last, merchant_id, at, facts, events, n)
        CROSS JOIN LATERAL jsonb_array_elements(g.events) WITH ORDINALITY AS l (body, n)
        ORDER BY g.n, l.n
    ) AS e;
END $function$;

CREATE FUNCTION add_merchant_event(
    p_merchant_id text,
    p_type text,
    p_role text,
    p_at timestamp with time zone,
    p_facts jsonb
)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT add_events('merchant/' || p_merchant_id, p_merchant_id, p_at, jsonb_build_array(jsonb_build_object(
        'type', 'merchant.' || p_type, 'data', jsonb_strip_nulls(jsonb_build_object('by', p_role) || p_facts))))
$function$;

CREATE FUNCTION add_merchant_events()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    IF TG_TABLE_NAME = 'merchant_moves' THEN
        PERFORM add_merchant_event(NEW.merchant_id, CASE
            WHEN NEW.what IN ('frozen', 'suspended', 'leaving')
            THEN CASE WHEN NEW.value IS NULL THEN 'no_longer_' ELSE '' END || NEW.what
            ELSE 'terms_changed' END, NEW.role, NEW.at, jsonb_build_object(
                'what', CASE WHEN NEW.what NOT IN ('frozen', 'suspended', 'leaving') THEN NEW.what END,
                'value', CASE WHEN NEW.what NOT IN ('frozen', 'suspended', 'leaving') THEN NEW.value END));
    ELSIF TG_TABLE_NAME = 'grade_moves' THEN
        PERFORM add_merchant_event(NEW.merchant_id, 'grade_changed', NEW.role, NEW.at, jsonb_build_object(
            'grade', NEW.grade));
    ELSIF TG_TABLE_NAME = 'licence_moves' THEN
        PERFORM add_merchant_event(NEW.merchant_id, 'licence_' || NEW.what, NEW.role, NEW.at, jsonb_build_object(
            'licence', NEW.licence, 'valid_until', event_time(NEW.valid_until)));
    ELSIF NEW.merchant_id IS NOT NULL THEN
        PERFORM add_merchant_event(NEW.merchant_id, 'deposit_required', NEW.role, NEW.at, jsonb_build_object(
            'currency', NEW.currency, 'required_minor', NEW.required_minor));
    ELSE
        PERFORM add_events('grade/' || NEW.grade, NULL, NEW.at, jsonb_build_array(jsonb_build_object(
            'type', 'grade.deposit_required', 'data', jsonb_strip_nulls(jsonb_build_object(
                'by', NEW.role, 'currency', NEW.currency, 'required_minor', NEW.required_minor)))));
    END IF;
    RETURN NULL;
END $function$;

CREATE FUNCTION add_notice_events()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET max_parallel_workers_per_gather TO '0'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
DECLARE
    v_notice    RECORD;
    v_last      INT := 0;
    v_position  BIGINT;
    v_subjects  TEXT[] := '{}';
    v_merchants TEXT[] := '{}';
    v_events    JSONB[] := '{}';
    v_of_one    JSONB[];
BEGIN
    FOR v_notice IN
        SELECT a.subject, a.position, a.merchant_id, jsonb_build_object(
            'type', 'notice.' || a.name, 'at', a.at, 'data', jsonb_build_object('to', a.recipient, 'facts', a.facts))
            || CASE WHEN a.recipient <> 'merchant' THEN '{"merchant_id": null}'::JSONB ELSE '{}' END AS event
        FROM added a ORDER BY a.subject, a.seq
    LOOP
        IF v_last = 0 OR v_subjects[v_last] <> v_notice.subject THEN
            IF v_last > 0 THEN
                v_events[v_last] := to_jsonb(v_of_one);
            END IF;
            v_last := v_last + 1;
            v_subjects[v_last] := v_notice.subject;
            v_merchants[v_last] := NULL;
            v_of_one := '{}';
        END IF;
        v_merchants[v_last] := coalesce(v_merchants[v_last], v_notice.merchant_id);
        v_of_one := array_append(v_of_one, v_notice.event); -- in place; a JSONB is copied whole at each
        v_position := v_notice.position; -- one transaction has one
    END LOOP;
    IF v_last > 0 THEN -- a notice that was there before is no event
        v_events[v_last] := to_jsonb(v_of_one);
        PERFORM add_events_of(v_position, v_subjects, v_merchants, NULL, NULL, v_events);
    END IF;
    RETURN NULL;
END $function$;

CREATE FUNCTION add_notices(p_subject text, p_notices jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    PERFORM add_notices_of(ARRAY[p_subject], ARRAY[p_notices]);
END $function$;

CREATE FUNCTION add_notices_of(p_subjects text[], p_notices jsonb[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
DECLARE
    v_position BIGINT := event_position();
BEGIN
    INSERT INTO notices (subject, seq, recipient, merchant_id, name, facts, at, position)
    SELECT g.subject, (n ->> 'seq')::INT, n ->> 'to', CASE n ->> 'to' WHEN 'merchant' THEN merchant_of_subject(g.subject) END,
           n ->> 'name', n -> 'facts', (n ->> 'at')::TIMESTAMPTZ, v_position
    FROM unnest(p_subjects, p_notices) WITH ORDINALITY AS g (subject, notices, n_of)
    CROSS JOIN LATERAL jsonb_array_elements(g.notices) AS n
    ORDER BY g.n_of, (n ->> 'seq')::INT
    ON CONFLICT ON CONSTRAINT a_notice_is_stored_once DO NOTHING;
END $function$;

CREATE FUNCTION add_person(
    p_person_id text,
    p_name text,
    p_role text,
    p_merchant_id text,
    p_issuer text,
    p_subject text,
    p_by text,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    IF is_anothers_subject(p_issuer, p_subject, p_person_id) THEN
        RETURN FALSE;
    END IF;
    INSERT INTO people (person_id, name, role, merchant_id, added_by, added_at)
    VALUES (p_person_id, p_name, p_role, p_merchant_id, p_by, p_now)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        INSERT INTO subjects (issuer, subject, person_id, linked_by, linked_at)
        VALUES (p_issuer, p_subject, p_person_id, p_by, p_now);
    END IF;
    RETURN EXISTS (
        SELECT FROM people p JOIN subjects s USING (person_id)
        WHERE p.person_id = p_person_id AND p.role = p_role AND p.merchant_id IS NOT DISTINCT FROM p_merchant_id
          AND p.ended_at IS NULL AND s.issuer = p_issuer AND s.subject = p_subject AND s.ended_at IS NULL
    );
END $function$;

CREATE FUNCTION add_refunded_lines(p_order_id text, p_lines jsonb, p_total bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    -- The price bounds what a caller may say was paid.
    IF EXISTS (
        SELECT FROM jsonb_to_recordset(p_lines) AS l (line_id TEXT, paid_minor BIGINT, amount_minor BIGINT)
        LEFT JOIN LATERAL (
            SELECT b.unit_price_minor * b.quantity AS price_minor FROM orders o
            CROSS JOIN LATERAL jsonb_to_recordset(o.body -> 'lines')
                AS b (line_id TEXT, unit_price_minor BIGINT, quantity BIGINT)
            WHERE o.order_id = p_order_id AND b.line_id = l.line_id
        ) AS p ON TRUE
        WHERE p.price_minor IS NULL OR l.paid_minor > p.price_minor OR l.amount_minor <= 0
    ) OR (SELECT sum(l.amount_minor) FROM jsonb_to_recordset(p_lines) AS l (amount_minor BIGINT)) > p_total THEN
        RAISE EXCEPTION 'order % has no such lines to refund', p_order_id USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO refunded_lines AS r (order_id, line_id, paid_minor, refunded_minor)
    SELECT p_order_id, l.line_id, l.paid_minor, l.amount_minor
    FROM jsonb_to_recordset(p_lines) AS l (line_id TEXT, paid_minor BIGINT, amount_minor BIGINT)
    ORDER BY l.line_id
    ON CONFLICT (order_id, line_id) DO UPDATE SET refunded_minor = r.refunded_minor + excluded.refunded_minor;
END $function$;

CREATE FUNCTION add_withdrawal_events()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET max_parallel_workers_per_gather TO '0'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
DECLARE
    v_now JSONB := event_cause(OLD.state, NEW.state) || jsonb_build_object(
        'phase', NEW.state_name, 'amount_minor', NEW.amount_minor, 'currency', NEW.currency,
        'account_id', NEW.account_id,
        'next_deadline', NEW.next_deadline_name, 'next_deadline_at', event_time(NEW.next_deadline_at));
BEGIN
    PERFORM add_events('withdrawal/' || NEW.withdrawal_id, NEW.merchant_id, NEW.recorded_at,
        jsonb_agg(jsonb_build_object('type', c.type, 'data', jsonb_strip_nulls(v_now || c.data))))
    FROM withdrawal_changes(OLD, NEW) AS c;
    RETURN NULL;
END $function$;

CREATE FUNCTION advance_endpoint(
    p_endpoint_id text,
    p_by text,
    p_position bigint,
    p_event bigint,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    UPDATE endpoints n SET position = p_position, event = p_event, advanced_at = p_now
    WHERE n.endpoint_id = p_endpoint_id AND n.taken_by = p_by;
    RETURN FOUND;
END $function$;

CREATE FUNCTION answer_request(
    p_api_key text,
    p_idempotency_key text,
    p_status integer,
    p_answer jsonb,
    p_now timestamp with time zone
)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    UPDATE requests SET status = p_status, answer = p_answer, answered_at = p_now
    WHERE api_key = p_api_key AND idempotency_key = p_idempotency_key AND status IS NULL
$function$;

CREATE FUNCTION bind_account(
    p_account_id text,
    p_merchant_id text,
    p_kind text,
    p_currency text,
    p_holder text,
    p_last4 text,
    p_rail text,
    p_rail_token text,
    p_bank_name text,
    p_bank_code text,
    p_is_default boolean,
    p_cooling_until timestamp with time zone,
    p_must_be text,
    p_expected integer,
    p_key_id text,
    p_nonce bytea,
    p_ciphertext bytea,
    p_fingerprints bytea[],
    p_role text,
    p_who text,
    p_why text,
    p_now timestamp with time zone
)
 RETURNS TABLE(outcome text, bound_version integer)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_account payout_accounts%ROWTYPE;
    v_same    BOOLEAN;
    v_by_hand BOOLEAN;
    v_floor   INTERVAL := safeguard('cooling');
    v_cools   TIMESTAMPTZ := greatest(p_cooling_until, CASE WHEN v_floor > INTERVAL '0' THEN
                                          greatest(p_now, clock_timestamp()) + v_floor END);
BEGIN
    INSERT INTO merchants (merchant_id) VALUES (p_merchant_id) ON CONFLICT DO NOTHING;
    PERFORM FROM merchants m WHERE m.merchant_id = p_merchant_id FOR UPDATE;
    SELECT * INTO v_account FROM payout_accounts a WHERE a.account_id = p_account_id;
    IF v_account.merchant_id <> p_merchant_id THEN
        RETURN QUERY SELECT 'another_merchants', v_account.version;
        RETURN;
    END IF;
    SELECT (v.kind, v.currency, v.holder, v.last4, v.rail, v.rail_token)
             = (p_kind, p_currency, p_holder, p_last4, p_rail, p_rail_token)
           AND (v.bank_name, v.bank_code) IS NOT DISTINCT FROM (p_bank_name, p_bank_code)
           AND (CASE WHEN n.account_id IS NULL THEN p_key_id IS NULL
                ELSE p_key_id IS NOT NULL AND n.fingerprint = ANY (p_fingerprints) END)
    INTO v_same
    FROM payout_account_versions v LEFT JOIN payout_account_numbers n USING (account_id, version)
    WHERE v.account_id = p_account_id AND v.version = v_account.version;
    IF v_account.version IS NULL AND p_must_be = 'known' THEN
        RETURN QUERY SELECT 'missing', NULL::INT;
        RETURN;
    ELSIF v_account.version IS NOT NULL AND NOT v_same AND p_must_be = 'new' THEN
        RETURN QUERY SELECT 'exists', v_account.version;
        RETURN;
    ELSIF v_same IS NOT TRUE AND p_expected IS NOT NULL AND p_expected <> coalesce(v_account.version, 0) + 1 THEN
        RETURN QUERY SELECT 'raced', v_account.version;
        RETURN;
    END IF;

    IF p_is_default THEN
        WITH moved AS (
            UPDATE payout_accounts a SET is_default = FALSE
            WHERE a.merchant_id = p_merchant_id AND a.is_default AND a.account_id <> p_account_id
            RETURNING a.account_id, a.version
        )
        INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
        SELECT p_merchant_id, m.account_id, m.version, 'no_longer_default', p_account_id, p_role, p_who, p_why, p_now
        FROM moved m;
    END IF;
    IF v_same THEN
        -- A repeated request does not restart the cooling period.
        IF v_account.is_default <> p_is_default THEN
            UPDATE payout_accounts a SET is_default = p_is_default WHERE a.account_id = p_account_id;
            INSERT INTO payout_account_changes (merchant_id, account_id, version, what, role, who, why, at)
            VALUES (p_merchant_id, p_account_id, v_account.version,
                    CASE WHEN p_is_default THEN 'made_default' ELSE 'no_longer_default' END,
                    p_role, p_who, p_why, p_now);
        END IF;
        RETURN QUERY SELECT 'same', v_account.version;
        RETURN;
    END IF;

    bound_version := coalesce(v_account.version, 0) + 1;
    -- This change lifts a suspension that a rail's answer caused; one by a person only a person lifts.
    v_by_hand := coalesce(v_account.suspended_by IS NOT NULL, FALSE);
    INSERT INTO payout_accounts AS a (account_id, merchant_id, version, is_default)
    VALUES (p_account_id, p_merchant_id, bound_version, p_is_default)
    ON CONFLICT (account_id) DO UPDATE
    SET version = excluded.version, is_default = p_is_default,
        suspended_at = CASE WHEN v_by_hand THEN a.suspended_at END,
        suspended_for = CASE WHEN v_by_hand THEN a.suspended_for END
    WHERE a.merchant_id = p_merchant_id;
    IF NOT FOUND THEN
        -- Another merchant, whose lock we do not hold, took the id at the same moment.
        RETURN QUERY SELECT 'another_merchants', NULL::INT;
        RETURN;
    END IF;
    INSERT INTO payout_account_versions (account_id, version, kind, currency, holder, last4, rail, rail_token,
                                         bank_name, bank_code, cooling_until, created_at)
    VALUES (p_account_id, bound_version, p_kind, p_currency, p_holder, p_last4, p_rail, p_rail_token, p_bank_name,
            p_bank_code, v_cools, p_now);
    IF p_key_id IS NOT NULL THEN
        INSERT INTO payout_account_numbers (account_id, version, key_id, nonce, ciphertext, fingerprint, sealed_at)
        VALUES (p_account_id, bound_version, p_key_id, p_nonce, p_ciphertext, p_fingerprints[1], p_now);
    END IF;
    outcome := CASE bound_version WHEN 1 THEN 'bound' ELSE 'replaced' END;
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
    VALUES (p_merchant_id, p_account_id, bound_version, outcome, concat_ws(' ',
                p_kind, '…' || p_last4, 'cools off until ' || to_char(
                    v_cools AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')),
            p_role, p_who, p_why, p_now);
    RETURN NEXT;
END $function$;

CREATE FUNCTION bounded_now(p_now timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT least(p_now, clock_timestamp() + safeguard('clock_skew'))
$function$;

CREATE FUNCTION call_for_debt(
    p_merchant_id text,
    p_currency text,
    p_owed bigint,
    p_since timestamp with time zone,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_since TEXT := to_char(p_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('merchant/' || p_merchant_id, 0));
    IF EXISTS (SELECT FROM notices n WHERE n.subject = 'merchant/' || p_merchant_id AND n.name = 'receivable_overdue'
               AND n.facts ->> 'currency' = p_currency AND n.facts ->> 'since' = v_since) THEN
        RETURN FALSE;
    END IF;
    PERFORM tell_of_merchant(p_merchant_id, 'receivable_overdue', jsonb_build_object(
        'amount_minor', p_owed::TEXT, 'currency', p_currency, 'since', v_since), p_now);
    RETURN TRUE;
END $function$;

CREATE FUNCTION case_events(p_old jsonb, p_new jsonb)
 RETURNS TABLE(type text, data jsonb)
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    RETURN QUERY
    SELECT CASE WHEN c.new ->> 'kind' = 'chargeback' THEN 'chargeback.' ELSE 'case.' END || t.word,
           jsonb_build_object(
               'case_id', c.new -> 'case_id', 'kind', c.new -> 'kind', 'reason', c.new -> 'reason',
               'stage', c.new -> 'stage', 'until', c.new #> '{due,at}', 'case_minor', c.new -> 'amount_minor',
               'closed_as', c.new -> 'closed_as', 'previous', jsonb_build_object('stage', c.old -> 'stage'))
    FROM (
        SELECT n.n, n.body AS new, o.body AS old
        FROM jsonb_path_query(p_new, '$[*]') WITH ORDINALITY AS n (body, n)
        LEFT JOIN jsonb_path_query(p_old, '$[*]') AS o (body) ON o.body -> 'case_id' = n.body -> 'case_id'
    ) AS c
    CROSS JOIN LATERAL (VALUES
        (1, 'opened', c.old IS NULL),
        (2, c.new ->> 'stage', (c.old IS NULL AND c.new ->> 'stage' NOT IN ('applied', 'disputed', 'claimed'))
                               OR (c.old -> 'stage', c.old -> 'since') <> (c.new -> 'stage', c.new -> 'since'))
    ) AS t (n, word, happened)
    WHERE t.happened
    ORDER BY c.n, t.n;
END $function$;

CREATE FUNCTION change_endpoint(p_endpoint_id text, p_url text, p_description text, p_types text[])
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    UPDATE endpoints n
    SET url = coalesce(p_url, n.url), description = coalesce(p_description, n.description),
        types = coalesce(p_types, n.types), taken_by = taken_by || '!',
        state = CASE WHEN p_url <> n.url THEN 'disabled' ELSE n.state END,
        disabled_for = CASE WHEN p_url <> n.url THEN 'challenge' ELSE n.disabled_for END,
        echoed_at = CASE WHEN p_url <> n.url THEN NULL ELSE n.echoed_at END
    WHERE n.endpoint_id = p_endpoint_id;
    RETURN FOUND;
END $function$;

CREATE FUNCTION claim_and_record(
    p_order_id text,
    p_merchant_id text,
    p_buyer_id text,
    p_destination text,
    p_parcels text[],
    p_carriers text[],
    p_waybills text[],
    p_now timestamp with time zone,
    p_record jsonb
)
 RETURNS TABLE(outcomes text[], kept boolean)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    outcomes := claim_waybills(p_order_id, p_merchant_id, p_buyer_id, p_destination,
                               p_parcels, p_carriers, p_waybills, p_now);
    IF p_record IS NOT NULL AND 'claimed' = ALL (outcomes) THEN
        kept := record_order(p_record);
    END IF;
    RETURN NEXT;
END $function$;

CREATE FUNCTION claim_review(p_order_id text, p_parcel_id text, p_reviewer text, p_now timestamp with time zone)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_reviewer TEXT;
BEGIN
    INSERT INTO review_claims (order_id, parcel_id, reviewer, claimed_at)
    VALUES (p_order_id, p_parcel_id, p_reviewer, p_now)
    ON CONFLICT ON CONSTRAINT one_reviewer_a_parcel DO UPDATE
    SET reviewer = EXCLUDED.reviewer, claimed_at = EXCLUDED.claimed_at
    WHERE review_claims.reviewer = EXCLUDED.reviewer
       OR review_claims.claimed_at <= EXCLUDED.claimed_at - INTERVAL '30 minutes';
    SELECT c.reviewer INTO v_reviewer FROM review_claims c
    WHERE c.order_id = p_order_id AND c.parcel_id = p_parcel_id;
    RETURN v_reviewer;
END $function$;

CREATE FUNCTION claim_waybills(
    p_order_id text,
    p_merchant_id text,
    p_buyer_id text,
    p_destination text,
    p_parcels text[],
    p_carriers text[],
    p_waybills text[],
    p_now timestamp with time zone
)
 RETURNS text[]
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
DECLARE
    v_outcomes TEXT[];
BEGIN
    -- One lock a number, in order: two orders that claim the same numbers are served one after the other.
    PERFORM pg_advisory_xact_lock(k.key)
    FROM (SELECT DISTINCT hashtextextended(u.carrier || '/' || u.waybill, 0) AS key
          FROM unnest(p_carriers, p_waybills) AS u (carrier, waybill) ORDER BY 1) AS k;
    SELECT array_agg(CASE WHEN others.in_use THEN 'in_use' WHEN others.contested THEN 'contested'
                          WHEN others.merged THEN 'merged' ELSE 'claimed' END ORDER BY u.n)
    INTO v_outcomes
    FROM unnest(p_parcels, p_carriers, p_waybills) WITH ORDINALITY AS u (parcel, carrier, waybill, n)
    CROSS JOIN LATERAL (
        SELECT bool_or(CASE WHEN c.merchant_id <> p_merchant_id THEN FALSE WHEN c.buyer_id <> p_buyer_id THEN TRUE
                            ELSE NOT may_be_one_place(c.destination, p_destination) END) AS in_use,
               bool_or(c.merchant_id <> p_merchant_id) AS contested,
               bool_or((c.order_id, c.parcel_id) <> (p_order_id, u.parcel)) AS merged
        FROM waybill_claims c WHERE c.carrier = u.carrier AND c.waybill = u.waybill AND c.released_at IS NULL
    ) AS others;
    IF NOT 'in_use' = ANY (v_outcomes) THEN
        INSERT INTO waybill_claims (carrier, waybill, order_id, parcel_id, merchant_id, buyer_id, destination,
                                    claimed_at)
        SELECT u.carrier, u.waybill, p_order_id, u.parcel, p_merchant_id, p_buyer_id, p_destination, p_now
        FROM unnest(p_parcels, p_carriers, p_waybills) AS u (parcel, carrier, waybill)
        ON CONFLICT ON CONSTRAINT one_claim_a_parcel
        DO UPDATE SET released_at = NULL, claimed_at = excluded.claimed_at
        WHERE waybill_claims.released_at IS NOT NULL;
    END IF;
    RETURN v_outcomes;
END $function$;

CREATE FUNCTION clock_events(p_name text, p_old jsonb, p_new jsonb)
 RETURNS jsonb[]
 LANGUAGE sql
 STABLE
AS $function$
    SELECT CASE WHEN nullif(p_old, 'null') <> nullif(p_new, 'null') THEN
        ARRAY[event_of('deadline.changed', jsonb_build_object('deadline', p_name, 'old', p_old, 'new', p_new))] END
$function$;

CREATE FUNCTION close_merchant_days(p_first bigint, p_last bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_moved merchant_days[];
BEGIN
    SELECT array_agg(ROW(s.*)::merchant_days) INTO v_moved FROM (
        SELECT t.merchant_id, t.currency, utc_day(t.occurred_at) AS day, sum(t.pending_minor)::BIGINT,
               sum(t.available_minor)::BIGINT, sum(t.deposit_minor)::BIGINT, sum(t.reserved_minor)::BIGINT,
               sum(t.owed_minor)::BIGINT, sum(t.frozen_minor)::BIGINT
        FROM merchant_transfers t WHERE t.movement_id BETWEEN p_first AND p_last
        GROUP BY t.merchant_id, t.currency, utc_day(t.occurred_at)) AS s;
    -- A new day begins with what the day before ended with.
    INSERT INTO merchant_days
    SELECT n.merchant_id, n.currency, n.day, coalesce(b.pending_minor, 0), coalesce(b.available_minor, 0),
           coalesce(b.deposit_minor, 0), coalesce(b.reserved_minor, 0), coalesce(b.owed_minor, 0),
           coalesce(b.frozen_minor, 0)
    FROM unnest(v_moved) AS n LEFT JOIN LATERAL (
        SELECT d.* FROM merchant_days d
        WHERE d.merchant_id = n.merchant_id AND d.currency = n.currency AND d.day < n.day
        ORDER BY d.day DESC LIMIT 1) AS b ON TRUE
    ON CONFLICT DO NOTHING;
    UPDATE merchant_days k
    SET pending_minor = k.pending_minor + s.pending_minor, available_minor = k.available_minor + s.available_minor,
        deposit_minor = k.deposit_minor + s.deposit_minor, reserved_minor = k.reserved_minor + s.reserved_minor,
        owed_minor = k.owed_minor + s.owed_minor, frozen_minor = k.frozen_minor + s.frozen_minor
    FROM (
        SELECT d.merchant_id, d.currency, d.day, sum(n.pending_minor)::BIGINT AS pending_minor,
               sum(n.available_minor)::BIGINT AS available_minor, sum(n.deposit_minor)::BIGINT AS deposit_minor,
               sum(n.reserved_minor)::BIGINT AS reserved_minor, sum(n.owed_minor)::BIGINT AS owed_minor,
               sum(n.frozen_minor)::BIGINT AS frozen_minor
        FROM unnest(v_moved) AS n JOIN merchant_days d
            ON d.merchant_id = n.merchant_id AND d.currency = n.currency AND d.day >= n.day
        GROUP BY d.merchant_id, d.currency, d.day) AS s
    WHERE k.merchant_id = s.merchant_id AND k.currency = s.currency AND k.day = s.day;
END $function$;

CREATE FUNCTION close_rest_return(
    p_return text,
    p_arrived boolean,
    p_reference text,
    p_message text,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_return rest_returns%ROWTYPE;
BEGIN
    SELECT * INTO v_return FROM rest_returns r WHERE r.return_id = p_return;
    -- In the order in which `return_rest` locks them.
    PERFORM FROM payments p WHERE p.channel = v_return.channel AND p.payment = v_return.payment FOR UPDATE;
    UPDATE rest_returns r
    SET state = CASE WHEN p_arrived THEN 'arrived' ELSE 'refused' END, closed_at = p_now, reference = p_reference,
        message = coalesce(p_message, '')
    WHERE r.return_id = p_return AND r.state = 'owed';
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    PERFORM post_rest(p_return, 'close', v_return.currency, p_now, 'payment/' || p_return || '/owed',
                      'payment/' || p_return || '/owed', 'psp/' || v_return.channel, v_return.amount_minor);
    IF NOT p_arrived THEN
        UPDATE payments p SET returned_minor = p.returned_minor - v_return.amount_minor
        WHERE p.channel = v_return.channel AND p.payment = v_return.payment;
        PERFORM add_notices('payment/' || p_return, jsonb_build_array(jsonb_build_object(
            'seq', 1, 'to', 'operator', 'name', 'rest_refused', 'at', p_now,
            'facts', jsonb_build_object('return_id', p_return, 'channel', v_return.channel, 'payment', v_return.payment,
                                        'amount_minor', v_return.amount_minor::TEXT, 'currency', v_return.currency,
                                        'message', coalesce(p_message, '')))));
    END IF;
    RETURN TRUE;
END $function$;

CREATE FUNCTION correct_movement(
    p_request text,
    p_reference text,
    p_legs jsonb,
    p_by text,
    p_reason text,
    p_now timestamp with time zone
)
 RETURNS TABLE(outcome text, account text, short_by bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_request  corrections%ROWTYPE;
    v_legs     JSONB;
    v_currency TEXT;
    v_linked   TEXT;
    v_debits   TEXT[];
    v_credits  TEXT[];
    v_amounts  BIGINT[];
BEGIN
    -- One correction of a movement at a time.
    PERFORM pg_advisory_xact_lock(hashtextextended('correction/' || p_reference, 0));
    SELECT m.currency, m.linked_to INTO v_currency, v_linked FROM movements m WHERE m.reference = p_reference;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'unknown_movement', NULL::TEXT, NULL::BIGINT;
        RETURN;
    ELSIF NOT may_be_corrected(p_reference) OR (p_reference LIKE 'correction/%' AND v_linked LIKE 'correction/%') THEN
        RETURN QUERY SELECT 'not_correctable', NULL::TEXT, NULL::BIGINT;
        RETURN;
    END IF;
    SELECT * INTO v_request FROM corrections k WHERE k.request_id = p_request FOR UPDATE;
    v_legs := coalesce(p_legs, v_request.legs,
                       (SELECT jsonb_agg(jsonb_build_object('leg', l.leg, 'amount_minor', l.amount_minor - l.corrected_minor)
                                         ORDER BY l.leg)
                        FROM correctable_legs(p_reference) AS l WHERE l.amount_minor > l.corrected_minor), '[]');
    IF v_request.request_id IS NOT NULL AND (v_request.reference, v_request.legs) IS DISTINCT FROM (p_reference, v_legs) THEN
        RETURN QUERY SELECT 'different', NULL::TEXT, NULL::BIGINT;
        RETURN;
    ELSIF v_request.done_at IS NOT NULL THEN
        RETURN QUERY SELECT 'already', NULL::TEXT, NULL::BIGINT;
        RETURN;
    END IF;
    SELECT CASE WHEN c.leg IS NULL THEN 'no_such_leg' ELSE 'above_movement' END, w.leg::TEXT,
           w.amount_minor - (c.amount_minor - c.corrected_minor)
    INTO outcome, account, short_by
    FROM (SELECT g.leg, sum(g.amount_minor)::BIGINT AS amount_minor, min(g.amount_minor) AS least
          FROM jsonb_to_recordset(v_legs) AS g (leg INT, amount_minor BIGINT) GROUP BY g.leg) AS w
    LEFT JOIN correctable_legs(p_reference) AS c ON c.leg = w.leg
    WHERE c.leg IS NULL OR w.amount_minor > c.amount_minor - c.corrected_minor OR w.least < 1
    ORDER BY w.leg LIMIT 1;
    IF FOUND THEN
        RETURN NEXT;
        RETURN;
    ELSIF v_legs = '[]' THEN
        RETURN QUERY SELECT 'above_movement', NULL::TEXT, NULL::BIGINT;
        RETURN;
    ELSIF NOT may_decide(p_by) THEN
        RETURN QUERY SELECT 'access_ended', NULL::TEXT, NULL::BIGINT;
        RETURN;
    ELSIF v_request.request_id IS NULL OR NOT may_decide(v_request.asked_by) THEN
        INSERT INTO corrections (request_id, reference, legs, reason, asked_by, asked_at)
        VALUES (p_request, p_reference, v_legs, p_reason, p_by, p_now)
        ON CONFLICT (request_id) DO UPDATE
        SET reason = EXCLUDED.reason, asked_by = EXCLUDED.asked_by, asked_at = EXCLUDED.asked_at, asked_in = EXCLUDED.asked_in;
        RETURN QUERY SELECT 'asked', NULL::TEXT, NULL::BIGINT;
        RETURN;
    ELSIF person_of(v_request.asked_by) = person_of(p_by) THEN
        RETURN QUERY SELECT 'same_person', NULL::TEXT, NULL::BIGINT;
        RETURN;
    END IF;
    PERFORM refuse_in_one_breath(p_request, v_request.asked_in);
    SELECT g.merchant INTO account
    FROM (SELECT DISTINCT split_part(c.debit, '/', 2) AS merchant FROM correctable_legs(p_reference) AS c
          WHERE c.debit LIKE 'merchant/%/available' ORDER BY 1) AS g
    WHERE stop_of_merchant(g.merchant) = 'merchant_frozen' LIMIT 1;
    IF FOUND THEN
        RETURN QUERY SELECT 'merchant_frozen', account, NULL::BIGINT;
        RETURN;
    END IF;
    SELECT array_agg(s.debit ORDER BY w.leg), array_agg(c.debit ORDER BY w.leg), array_agg(s.amount_minor ORDER BY w.leg)
    INTO v_debits, v_credits, v_amounts
    FROM jsonb_to_recordset(v_legs) AS w (leg INT, amount_minor BIGINT)
    JOIN correctable_legs(p_reference) AS c ON c.leg = w.leg
    CROSS JOIN LATERAL split_owed(c.credit, v_currency, w.amount_minor) AS s;
    SELECT p.outcome, p.account, p.short_by INTO outcome, account, short_by
    FROM post(ARRAY['correction/' || p_request], ARRAY[v_currency], ARRAY[p_now], ARRAY[p_reference], ARRAY[NULL::TEXT],
              array_fill(1, ARRAY[cardinality(v_debits)]), v_debits, v_credits, v_amounts) AS p;
    IF outcome = 'posted' THEN
        UPDATE corrections k SET done_by = p_by, done_at = p_now WHERE k.request_id = p_request;
        outcome := 'corrected';
    END IF;
    RETURN NEXT;
END $function$;

CREATE FUNCTION correctable_legs(p_reference text)
 RETURNS TABLE(leg integer, debit text, credit text, currency text, amount_minor bigint, corrected_minor bigint)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT t.leg, d.path, c.path, t.currency, t.amount_minor,
           coalesce((SELECT sum(l.amount_minor) FROM corrections k
                     CROSS JOIN LATERAL jsonb_to_recordset(k.legs) AS l (leg INT, amount_minor BIGINT)
                     WHERE k.reference = p_reference AND k.done_at IS NOT NULL AND l.leg = t.leg), 0)::BIGINT
    FROM movements m JOIN transfers t ON t.movement_id = m.id
    JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
    WHERE m.reference = p_reference
    ORDER BY t.leg
$function$;

CREATE FUNCTION cut_data(p_data jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT coalesce((SELECT jsonb_object_agg(d.key, d.value) FROM jsonb_each(p_data) AS d
                     WHERE octet_length(d.value::TEXT) <= 200), '{}') || '{"cut": true}'
$function$;

CREATE FUNCTION deadline_events(p_old jsonb, p_new jsonb)
 RETURNS jsonb[]
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
BEGIN
    RETURN ARRAY(
        SELECT event_of('deadline.changed', jsonb_build_object('deadline', t.name, 'old', t.old, 'new', t.new))
        FROM (
            SELECT 'case_' || (n.body #>> '{due,name}') AS name, o.body #> '{due,at}' AS old, n.body #> '{due,at}' AS new
            FROM jsonb_path_query(p_new, '$.cases[*]') WITH ORDINALITY AS n (body, n)
            JOIN jsonb_path_query(p_old, '$.cases[*]') AS o (body) ON o.body -> 'case_id' = n.body -> 'case_id'
                AND o.body -> 'since' = n.body -> 'since' AND o.body #> '{due,name}' = n.body #> '{due,name}'
            ORDER BY n.n
        ) AS t
        WHERE t.old <> t.new
        UNION ALL
        SELECT event_of('deadline.changed', jsonb_build_object('deadline', s.key, 'moved_by', s.value, 'previous',
            jsonb_build_object('moved_by', p_old -> 'shifts' -> s.key)))
        FROM jsonb_each(CASE jsonb_typeof(p_new -> 'shifts') WHEN 'object' THEN p_new -> 'shifts' ELSE '{}' END) AS s
        WHERE s.key NOT IN ('ship_by', 'receipt_by') AND s.value IS DISTINCT FROM p_old -> 'shifts' -> s.key);
END $function$;

CREATE FUNCTION depends_on_others(p_reference text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT p_reference LIKE 'withdrawal/%'
        OR p_reference LIKE 'order/%' AND split_part(p_reference, '/', 3) IN ('refund', 'chargeback', 'claim_back')
$function$;

CREATE FUNCTION deposit_required(p_merchant_id text, p_currency text)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT CASE WHEN merchant_value(p_merchant_id, 'leaving') IS NOT NULL THEN 0 ELSE coalesce(
        (SELECT d.required_minor FROM deposit_moves d
         WHERE d.merchant_id = p_merchant_id AND d.currency = p_currency ORDER BY d.id DESC LIMIT 1),
        (SELECT d.required_minor FROM deposit_moves d
         WHERE d.grade = (SELECT g.grade FROM grade_moves g
                          WHERE g.merchant_id = p_merchant_id ORDER BY g.id DESC LIMIT 1)
           AND d.currency = p_currency ORDER BY d.id DESC LIMIT 1),
        0) END
$function$;

CREATE FUNCTION disable_endpoint(p_endpoint_id text, p_why text, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    UPDATE endpoints n SET state = 'disabled', disabled_for = p_why, taken_by = taken_by || '!'
    WHERE n.endpoint_id = p_endpoint_id AND n.state <> 'disabled';
    IF FOUND THEN
        PERFORM tell_of_disabled(p_endpoint_id, p_why, p_now);
        RETURN TRUE;
    END IF;
    RETURN FALSE;
END $function$;

CREATE FUNCTION disputed_debt(p_merchant text, p_currency text)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT coalesce(sum(CASE WHEN coalesce(o.state -> 'cases', '[]') @> jsonb_build_array(jsonb_build_object(
                                -- A cast of another word would stop every write-off of this merchant.
                                'case_id', CASE WHEN split_part(m.reference, '/', 4) ~ '^[0-9]{1,9}$'
                                                THEN split_part(m.reference, '/', 4)::INT END, 'stage', 'lost'))
                             THEN least(t.amount_minor, r.owed_minor) ELSE t.amount_minor END), 0)::BIGINT
    FROM accounts a JOIN transfers t ON t.debit_account = a.id JOIN movements m ON m.id = t.movement_id
    LEFT JOIN orders o ON o.order_id = split_part(m.reference, '/', 2)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(p.balance_minor), 0) AS owed_minor FROM accounts p
        WHERE p.path >= 'order/' || split_part(m.reference, '/', 2) || '/refund_payable/'
          AND p.path < 'order/' || split_part(m.reference, '/', 2) || '/refund_payable0'
          AND split_part(m.reference, '/', 5) = 'above'
    ) AS r
    WHERE a.path = 'merchant/' || p_merchant || '/receivable' AND a.currency = p_currency
      AND m.reference LIKE 'order/%/chargeback/%' AND split_part(m.reference, '/', 5) <> 'fee'
      AND NOT EXISTS (SELECT FROM movements w WHERE w.reference = m.reference || '/won')
$function$;

CREATE FUNCTION earlier_parcel(p_parcels jsonb, p_parcel jsonb)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
AS $function$
    SELECT CASE WHEN p_parcel ? 'way' THEN jsonb_path_query_first(
               p_parcels, '$[*] ? (@.case_id == $is.case_id && @.way == $is.way)', jsonb_build_object('is', p_parcel))
           ELSE jsonb_path_query_first(
               p_parcels, '$[*] ? (@.parcel_id == $is.parcel_id && !exists (@.way))', jsonb_build_object('is', p_parcel))
           END
$function$;

CREATE FUNCTION empty_orders(p_ended_before timestamp with time zone, p_limit integer, p_apply boolean)
 RETURNS SETOF text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_before TIMESTAMPTZ := least(p_ended_before, clock_timestamp() - INTERVAL '30 days');
BEGIN
    IF NOT p_apply THEN
        RETURN QUERY SELECT o.order_id::TEXT FROM orders o
        WHERE o.closed AND o.emptied_at IS NULL AND o.recorded_at < v_before AND may_be_emptied(o)
        ORDER BY o.recorded_at LIMIT p_limit;
        RETURN;
    END IF;
    -- An order that is being recorded now is not waited for: it is not over.
    RETURN QUERY
    WITH chosen AS MATERIALIZED (
        SELECT o.order_id FROM orders o
        WHERE o.closed AND o.emptied_at IS NULL AND o.recorded_at < v_before AND may_be_emptied(o)
        ORDER BY o.recorded_at LIMIT p_limit FOR UPDATE OF o SKIP LOCKED
    )
    UPDATE orders o SET state = rest_of_state(o.state), emptied_at = clock_timestamp()
    FROM chosen c WHERE o.order_id = c.order_id
    RETURNING o.order_id::TEXT;
END $function$;

CREATE FUNCTION empty_state()
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT '{"parcels": [], "holds": [], "refunds": [], "refund_request": null}'::JSONB
$function$;

CREATE FUNCTION empty_withdrawals(p_ended_before timestamp with time zone, p_limit integer, p_apply boolean)
 RETURNS SETOF text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_before TIMESTAMPTZ := least(p_ended_before, clock_timestamp() - INTERVAL '30 days');
BEGIN
    IF NOT p_apply THEN
        RETURN QUERY SELECT w.withdrawal_id FROM withdrawals w
        WHERE w.closed AND w.emptied_at IS NULL AND w.recorded_at < v_before AND withdrawal_may_be_emptied(w)
        ORDER BY w.recorded_at LIMIT p_limit;
        RETURN;
    END IF;
    -- One that is being recorded now is not waited for: it goes on.
    RETURN QUERY
    WITH chosen AS MATERIALIZED (
        SELECT w.withdrawal_id FROM withdrawals w
        WHERE w.closed AND w.emptied_at IS NULL AND w.recorded_at < v_before AND withdrawal_may_be_emptied(w)
        ORDER BY w.recorded_at LIMIT p_limit FOR UPDATE OF w SKIP LOCKED
    )
    UPDATE withdrawals w SET state = rest_of_withdrawal(w.state), emptied_at = clock_timestamp()
    FROM chosen c WHERE w.withdrawal_id = c.withdrawal_id
    RETURNING w.withdrawal_id;
END $function$;

CREATE FUNCTION enable_endpoint(p_endpoint_id text, p_url text, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    UPDATE endpoints n
    SET state = 'active', disabled_for = NULL, failing_since = NULL, echoed_at = p_now, taken_by = taken_by || '!',
        paused_until = NULL
    WHERE n.endpoint_id = p_endpoint_id AND n.url = p_url;
    IF FOUND THEN
        UPDATE parked SET next_at = p_now WHERE endpoint_id = p_endpoint_id AND next_at > p_now;
        PERFORM look_at_endpoint(p_endpoint_id);
        RETURN TRUE;
    END IF;
    RETURN FALSE;
END $function$;

CREATE FUNCTION end_api_key(p_key_id text, p_at timestamp with time zone, p_by text)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    UPDATE api_keys SET expires_at = p_at, ended_by = p_by
    WHERE key_id = p_key_id AND (expires_at IS NULL OR expires_at > p_at);
    RETURN FOUND;
END $function$;

CREATE FUNCTION end_orders(p_records jsonb[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    UPDATE waybill_claims c SET released_at = (r.body ->> 'recorded_at')::TIMESTAMPTZ
    FROM unnest(p_records) AS r (body)
    WHERE c.order_id = r.body ->> 'order_id' AND c.released_at IS NULL
      AND NOT EXISTS (
          SELECT FROM jsonb_path_query(r.body, '$.state.parcels[*]') AS p (body)
          WHERE (p.body ->> 'parcel_id', p.body ->> 'carrier', p.body ->> 'waybill') = (c.parcel_id, c.carrier, c.waybill))
      AND NOT EXISTS (
          SELECT FROM jsonb_path_query(r.body, '$.state.cases[*].parcel') AS p (body)
          WHERE (p.body ->> 'parcel_id', p.body ->> 'carrier', p.body ->> 'waybill') = (c.parcel_id, c.carrier, c.waybill));
    PERFORM note_rest_at_end(r.order_id, r.recorded_at)
    FROM (
        SELECT o.order_id, (g.body ->> 'recorded_at')::TIMESTAMPTZ AS recorded_at
        FROM unnest(p_records) AS g (body) JOIN orders o ON o.order_id = g.body ->> 'order_id'
        JOIN payments p ON p.channel = o.channel AND p.payment = o.payment
        WHERE p.paid_minor > p.claimed_minor + p.returned_minor ORDER BY o.order_id COLLATE "C"
    ) AS r;
END $function$;

CREATE FUNCTION end_person(p_person_id text, p_now timestamp with time zone, p_by text)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    DELETE FROM sessions WHERE person_id = p_person_id;
    UPDATE people SET ended_at = p_now, ended_by = p_by WHERE person_id = p_person_id AND ended_at IS NULL;
    RETURN FOUND;
END $function$;

CREATE FUNCTION end_session(p_digest bytea)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    DELETE FROM sessions WHERE digest = p_digest
$function$;

CREATE FUNCTION event_cause(p_old jsonb, p_new jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
DECLARE
    v_line JSONB := p_new #> '{inbox,journal,-1}';
BEGIN
    IF v_line ->> 'outcome' IN ('accepted', 'noted') AND v_line -> 'seq' > coalesce(p_old #> '{inbox,seq}', '0') THEN
        RETURN jsonb_build_object('because', v_line -> 'verb', 'by', v_line #> '{actor,role}');
    END IF;
    RETURN '{}';
END $function$;

CREATE FUNCTION event_of(p_type text, p_data jsonb)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
AS $function$
    SELECT jsonb_build_object('type', p_type, 'data', p_data)
$function$;

CREATE FUNCTION event_time(p_at timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT rtrim(rtrim(to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '0'), '.') || 'Z'
$function$;

CREATE FUNCTION events_end()
 RETURNS bigint
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT pg_snapshot_xmin(pg_current_snapshot())::TEXT::BIGINT + coalesce((SELECT max(c.ahead) FROM event_clock c), 0)
$function$;

CREATE FUNCTION fault_beside_others(p_reference text, p_debits text[], p_amounts bigint[])
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
 SET random_page_cost TO '4'
AS $function$
DECLARE
    v_order TEXT := split_part(p_reference, '/', 2);
    v_fault TEXT;
BEGIN
    -- Not every such movement locks an account of the order's: two at one moment must see each other.
    PERFORM FROM orders o WHERE o.order_id = v_order FOR NO KEY UPDATE;
    IF p_reference LIKE 'order/%/claim_back/%' THEN
        SELECT CASE WHEN g.claimed_minor > g.arrived_minor THEN 'more is claimed than arrived with the buyer'
                    WHEN g.discount_minor > coalesce((o.body ->> 'discount_minor')::BIGINT, 0)
                    THEN 'more discount than was given' END INTO v_fault
        FROM orders o CROSS JOIN LATERAL given_back(o.order_id) AS g
        WHERE o.order_id = v_order;
        RETURN v_fault;
    END IF;
    SELECT CASE WHEN g.back_minor > o.total_minor THEN 'refunds of more than was paid'
                -- A buyer who paid for a claim made two payments, and a channel takes back each.
                WHEN g.charged_minor > o.total_minor + g.claimed_minor THEN 'chargebacks of more than was paid'
                -- What is above what was left had gone back to the buyer: without that it is the order's own money.
                WHEN g.charged_minor > g.back_minor + g.claimed_minor THEN 'it takes above what was left more than was refunded'
                -- No channel or card scheme takes more for a dispute than this. No policy can raise it.
                WHEN split_part(p_reference, '/', 5) = 'fee'
                     AND (SELECT sum(a) FROM unnest(p_amounts) AS a) > greatest(o.total_minor, 100000)
                THEN 'a fee of more than a channel takes'
                WHEN g.covered_minor > g.above_minor THEN 'more refunds are covered than chargebacks took above what was left'
                WHEN g.commission_minor < 0 THEN 'more commission back than was taken'
                WHEN g.discount_minor < 0 THEN 'more discount back than was given' END INTO v_fault
    FROM orders o CROSS JOIN LATERAL given_back(o.order_id) AS g
    WHERE o.order_id = v_order;
    -- Before the settlement the order's own money is there: escrow or proceeds.
    IF v_fault IS NULL AND split_part(p_reference, '/', 5) NOT IN ('fee', 'above')
       AND EXISTS (SELECT FROM unnest(p_debits) AS g (path) WHERE g.path LIKE 'merchant/%')
       AND NOT EXISTS (SELECT FROM movements m WHERE m.reference = 'order/' || v_order || '/settle') THEN
        v_fault := 'it takes from the merchant before the settlement';
    END IF;
    RETURN v_fault;
END $function$;

CREATE FUNCTION fault_of_withdrawal(p_reference text, p_debits text[], p_credits text[], p_amounts bigint[])
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
 SET random_page_cost TO '4'
AS $function$
DECLARE
    v_withdrawal TEXT := split_part(p_reference, '/', 2);
    v_base       TEXT := 'withdrawal/' || v_withdrawal;
    v_most       BIGINT;
    v_moved      BIGINT;
BEGIN
    IF p_reference LIKE 'withdrawal/%/return/%' THEN
        SELECT w.amount_minor INTO v_most FROM withdrawals w WHERE w.withdrawal_id = v_withdrawal;
        SELECT sum(t.amount_minor) INTO v_moved FROM movements m JOIN transfers t ON t.movement_id = m.id
        WHERE m.reference >= v_base || '/return/' AND m.reference < v_base || '/return0';
        IF v_moved > v_most THEN
            RETURN 'returns of more than was withdrawn';
        END IF;
        SELECT sum(CASE WHEN t.credit_account = a.id THEN t.amount_minor ELSE -t.amount_minor END) INTO v_moved
        FROM movements m JOIN transfers t ON t.movement_id = m.id
        JOIN accounts a ON a.id IN (t.debit_account, t.credit_account) AND a.path = 'income/withdrawal_fee'
        WHERE m.reference >= v_base || '/' AND m.reference < v_base || '0';
        IF v_moved < 0 THEN
            RETURN 'more of the fee back than was taken';
        END IF;
    ELSIF p_reference LIKE 'withdrawal/%/close' THEN
        -- What the books pay is what a rail was asked to send. Without an attempt people have paid by hand.
        SELECT sum(g.amount) INTO v_moved FROM unnest(p_credits, p_amounts) AS g (credit, amount)
        WHERE g.credit LIKE 'rail/%';
        IF v_moved <> ALL (ARRAY(SELECT a.amount_minor FROM payout_attempts a WHERE a.withdrawal_id = v_withdrawal))
           AND EXISTS (SELECT FROM payout_attempts a WHERE a.withdrawal_id = v_withdrawal) THEN
            RETURN 'not what was sent';
        END IF;
    END IF;
    IF EXISTS (
        SELECT FROM unnest(p_debits || p_credits) AS p (path)
        WHERE p.path LIKE 'rail/%' AND NOT EXISTS (
            SELECT FROM withdrawals w JOIN payout_account_versions v
                ON v.account_id = w.account_id AND v.version = w.account_version
            WHERE w.withdrawal_id = v_withdrawal AND p.path = 'rail/' || v.rail || '/cash')
          AND NOT EXISTS (
            SELECT FROM payout_attempts a WHERE a.withdrawal_id = v_withdrawal AND p.path = 'rail/' || a.rail || '/cash')
    ) THEN
        RETURN 'another rail than the payout''s';
    END IF;
    RETURN NULL;
END $function$;

CREATE FUNCTION few_orders(
    p_merchant_id text,
    p_buyer_id text,
    p_phase text,
    p_audit text,
    p_held boolean,
    p_closed boolean,
    p_reason text,
    p_most integer
)
 RETURNS SETOF orders
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_indexscan TO 'off'
AS $function$
BEGIN
    RETURN QUERY EXECUTE 'SELECT * FROM orders WHERE TRUE'
        || CASE WHEN p_merchant_id IS NULL THEN '' ELSE ' AND merchant_id = $1' END
        || CASE WHEN p_buyer_id IS NULL THEN '' ELSE ' AND buyer_id = $2' END
        || CASE WHEN p_phase IS NULL THEN '' ELSE ' AND phase = $3' END
        || CASE WHEN p_audit IS NULL THEN '' ELSE ' AND audit = $4' END
        || CASE WHEN p_held THEN ' AND cardinality(holds) > 0' WHEN NOT p_held THEN ' AND cardinality(holds) = 0'
                ELSE '' END
        || CASE WHEN p_closed THEN ' AND closed' WHEN NOT p_closed THEN ' AND NOT closed' ELSE '' END
        || CASE WHEN p_reason IS NULL THEN ''
                ELSE ' AND cardinality(hold_reasons) > 0 AND hold_reasons @> ARRAY[$5]' END
        || ' LIMIT $6'
    USING p_merchant_id, p_buyer_id, p_phase, p_audit, p_reason, p_most;
END $function$;

CREATE FUNCTION finish_callback(p_id bigint, p_outcome text, p_detail text, p_about text, p_key text, p_event_id text)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    UPDATE callbacks c
    SET outcome = p_outcome, detail = p_detail, about = p_about, key = p_key, event_id = p_event_id,
        body = CASE WHEN p_outcome <> 'repeated' THEN c.body END
    WHERE c.id = p_id AND c.outcome IS NULL
$function$;

CREATE FUNCTION finish_push(p_id bigint, p_outcome text, p_detail text)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    UPDATE pushes p SET outcome = p_outcome, detail = p_detail WHERE p.id = p_id AND p.outcome IS NULL
$function$;

CREATE FUNCTION finish_subscription(p_provider text, p_carrier text, p_waybill text, p_outcome text, p_detail text)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    UPDATE carrier_subscriptions s SET outcome = p_outcome, detail = p_detail
    WHERE s.provider = p_provider AND s.carrier = p_carrier AND s.waybill = p_waybill
$function$;

CREATE FUNCTION follow_event_clock()
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_next BIGINT := pg_snapshot_xmax(pg_current_snapshot())::TEXT::BIGINT;
    -- A proof and a comparison read up to a position, an endpoint was sent all up to one, and each goes on there: new events
    -- come after it, too.
    v_last BIGINT := greatest((SELECT max(e.position) FROM events e), (SELECT max(n.position) FROM notices n),
                              (SELECT max(p.position) - 1 FROM proven p), (SELECT max(c.position) - 1 FROM reconciled c),
                              (SELECT max(n.position) - 1 FROM endpoints n), (SELECT max(n.position) FROM news_noted n));
BEGIN
    IF v_last IS NULL OR v_last < v_next + coalesce((SELECT max(c.ahead) FROM event_clock c), 0) THEN
        RETURN FALSE;
    END IF;
    PERFORM set_event_clock(v_last - pg_snapshot_xmin(pg_current_snapshot())::TEXT::BIGINT + 1, 0);
    RETURN TRUE;
END $function$;

CREATE FUNCTION follow_new_order()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
BEGIN
    PERFORM keep_reviews(NEW.order_id);
    PERFORM add_events_of(
        event_position(), ARRAY['order/' || NEW.order_id], ARRAY[NEW.merchant_id], ARRAY[NEW.recorded_at],
        ARRAY[event_cause(empty_state(), NEW.state) || order_facts(NEW.phase, NEW.audit, NEW.receipt, NEW.total_minor, NEW.currency,
                                                          NEW.next_deadline_name, NEW.next_deadline_at)],
        ARRAY[to_jsonb(order_changes(empty_state(), NEW.state, NULL, NEW.phase, NULL, NEW.closed))]);
    PERFORM keep_verdicts(NEW.order_id, NEW.recorded_at, NULL, NEW.state);
    PERFORM keep_moves(NEW.order_id, NEW.state -> 'moves');
    RETURN NULL;
END $function$;

CREATE FUNCTION follow_orders()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET max_parallel_workers_per_gather TO '0'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_hashjoin TO 'on'
 SET enable_nestloop TO 'off'
AS $function$
DECLARE
    v_order     RECORD;
    v_was       JSONB;
    v_is        JSONB;
    v_changes   JSONB[];
    v_subjects  TEXT[] := '{}';
    v_merchants TEXT[] := '{}';
    v_recorded  TIMESTAMPTZ[] := '{}';
    v_facts     JSONB[] := '{}';
    v_events    JSONB[] := '{}';
BEGIN
    FOR v_order IN
        SELECT n.order_id, n.merchant_id, n.recorded_at, n.phase, n.closed, n.state, o.state AS state_was,
               CASE WHEN o.revision >= 0 THEN o.phase END AS phase_was, o.closed AS closed_was,
               n.revision <> o.revision AS recorded,
               order_facts(n.phase, n.audit, n.receipt, n.total_minor, n.currency, n.next_deadline_name,
                           n.next_deadline_at) AS facts,
               ARRAY[n.audit, o.audit] && '{rejected,in_review}' OR 'screening_held' IN (n.phase, o.phase)
               OR 'after_sale_arbitration' = ANY (n.hold_reasons || o.hold_reasons) AS in_review
        FROM orders_after n JOIN orders_before o ON o.order_id = n.order_id
    LOOP
        IF v_order.in_review THEN -- few orders ever are
            PERFORM keep_reviews(v_order.order_id);
        END IF;
        CONTINUE WHEN NOT v_order.recorded;
        v_was := coalesce(v_order.state_was || '{}', empty_state()); -- unpacked once
        v_is := v_order.state;
        v_changes := order_changes(v_was, v_is, v_order.phase_was, v_order.phase, v_order.closed_was, v_order.closed);
        IF v_changes <> '{}' THEN
            v_subjects := v_subjects || ('order/' || v_order.order_id);
            v_merchants := v_merchants || v_order.merchant_id;
            v_recorded := v_recorded || v_order.recorded_at;
            v_facts := v_facts || (event_cause(v_was, v_is) || v_order.facts);
            v_events := v_events || to_jsonb(v_changes);
            IF v_is -> 'moves' IS DISTINCT FROM v_was -> 'moves' THEN
                PERFORM keep_moves(v_order.order_id, v_is -> 'moves');
            END IF;
        END IF;
        IF v_is @? '$.parcels[*] ? (exists (@.verdict.outcome) || exists (@.decisions[0]))' THEN
            IF v_is -> 'parcels' IS DISTINCT FROM v_was -> 'parcels' THEN
                PERFORM keep_verdicts(v_order.order_id, v_order.recorded_at, v_was, v_is);
            END IF;
        END IF;
    END LOOP;
    IF v_subjects <> '{}' THEN
        PERFORM add_events_of(event_position(), v_subjects, v_merchants, v_recorded, v_facts, v_events);
    END IF;
    RETURN NULL;
END $function$;

CREATE FUNCTION forget_idle()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_noted CONSTANT TEXT[] := ARRAY(SELECT w.endpoint_id FROM endpoints_with_news w);
    v_idle  TEXT[];
BEGIN
    v_idle := ARRAY(
        SELECT c.endpoint_id FROM endpoints c
        WHERE c.endpoint_id = ANY (v_noted) AND c.taken_by IS NULL
          AND (c.state = 'disabled'
               OR (NOT EXISTS (SELECT FROM events e WHERE e.merchant_id = c.merchant_id
                               AND (e.position, e.id) > (c.position, c.event) AND e.position < events_end())
                   AND NOT EXISTS (SELECT FROM parked p WHERE p.endpoint_id = c.endpoint_id)))
        FOR UPDATE SKIP LOCKED);
    DELETE FROM endpoints_with_news w
    WHERE w.endpoint_id = ANY (v_idle) OR NOT EXISTS (SELECT FROM endpoints c WHERE c.endpoint_id = w.endpoint_id);
END $function$;

CREATE FUNCTION given_back(
    p_order text, OUT back_minor bigint, OUT commission_minor bigint, OUT discount_minor bigint, OUT charged_minor bigint, OUT arrived_minor bigint, OUT claimed_minor bigint, OUT above_minor bigint, OUT covered_minor bigint
)
 RETURNS record
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT coalesce(sum(CASE WHEN c.path LIKE 'order/%/refund\_payable/%' THEN t.amount_minor
                             WHEN m.reference NOT LIKE 'order/%/chargeback/%'
                                  OR split_part(m.reference, '/', 5) IN ('fee', 'above') THEN 0
                             WHEN c.path LIKE 'psp/%' THEN t.amount_minor
                             WHEN d.path LIKE 'psp/%' THEN -t.amount_minor END), 0),
           coalesce(sum(CASE 'income/commission' WHEN c.path THEN t.amount_minor WHEN d.path THEN -t.amount_minor END), 0),
           coalesce(sum(CASE 'expense/discount' WHEN d.path THEN t.amount_minor WHEN c.path THEN -t.amount_minor END), 0),
           coalesce(sum(CASE WHEN m.reference LIKE 'order/%/chargeback/%' AND split_part(m.reference, '/', 5) <> 'fee'
                             THEN CASE WHEN c.path LIKE 'psp/%' THEN t.amount_minor
                                       WHEN d.path LIKE 'psp/%' THEN -t.amount_minor END END), 0),
           coalesce(sum(t.amount_minor) FILTER (WHERE m.reference LIKE 'order/%/refund/%/paid'
                                                      AND c.path LIKE 'psp/%'), 0),
           coalesce(sum(t.amount_minor) FILTER (WHERE m.reference LIKE 'order/%/claim_back/%'
                                                      AND d.path LIKE 'psp/%'), 0),
           coalesce(sum(CASE WHEN m.reference LIKE 'order/%/chargeback/%' AND split_part(m.reference, '/', 5) = 'above'
                             THEN CASE WHEN c.path LIKE 'psp/%' THEN t.amount_minor
                                       WHEN d.path LIKE 'psp/%' THEN -t.amount_minor END END), 0),
           coalesce(sum(t.amount_minor) FILTER (WHERE m.reference LIKE 'order/%/refund/%/covered'), 0)
    FROM movements m JOIN transfers t ON t.movement_id = m.id
    JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
    WHERE m.reference >= 'order/' || p_order || '/' AND m.reference < 'order/' || p_order || '0'
$function$;

CREATE FUNCTION held_by_merchants(p_references text[], p_leg_of integer[], p_credits text[])
 RETURNS boolean[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_merchants TEXT[];
    v_locks     INT;
    v_ever      BOOLEAN;
BEGIN
    SELECT array_agg(k.merchant_id), count(pg_advisory_xact_lock_shared(k.key)) INTO v_merchants, v_locks FROM (
        SELECT DISTINCT hashtextextended('merchant/' || o.merchant_id, 0) AS key, o.merchant_id
        FROM unnest(p_references) WITH ORDINALITY AS r (reference, n)
        CROSS JOIN LATERAL (
            SELECT n.merchant_id FROM orders n
            WHERE n.order_id = split_part(r.reference, '/', 2)
              AND waits_for_merchant(r.reference, CASE WHEN r.reference LIKE 'order/%/claim\_back/%' THEN ARRAY(
                  SELECT g.credit FROM unnest(p_leg_of, p_credits) AS g (leg_of, credit) WHERE g.leg_of = r.n) END)
            OFFSET 0
        ) AS o
        ORDER BY 1
    ) AS k;
    IF v_merchants IS NOT NULL THEN -- first whether any of them ever was: few are
        SELECT TRUE INTO v_ever FROM merchant_moves f WHERE f.merchant_id = ANY (v_merchants) AND f.what = 'frozen';
    END IF;
    IF v_ever IS NULL THEN
        RETURN array_fill(FALSE, ARRAY[cardinality(p_references)]);
    END IF;
    -- No EXISTS: for many references the planner would make a table of all movements.
    RETURN (
        SELECT array_agg(
            waits_for_merchant(r.reference, CASE WHEN r.reference LIKE 'order/%/claim\_back/%' THEN ARRAY(
                SELECT g.credit FROM unnest(p_leg_of, p_credits) AS g (leg_of, credit) WHERE g.leg_of = r.n) END)
            AND CASE WHEN (SELECT m.id FROM movements m WHERE m.reference = r.reference) IS NOT NULL
                THEN is_kept_frozen(r.reference)
                ELSE merchant_value(
                    (SELECT o.merchant_id FROM orders o WHERE o.order_id = split_part(r.reference, '/', 2)),
                    'frozen') IS NOT NULL END ORDER BY r.n)
        FROM unnest(p_references) WITH ORDINALITY AS r (reference, n));
END $function$;

CREATE FUNCTION hold_events(p_kind text, p_old jsonb, p_new jsonb)
 RETURNS TABLE(type text, data jsonb)
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    RETURN QUERY
    SELECT p_kind || CASE WHEN h.held THEN '.held' ELSE '.released' END, jsonb_build_object(
        'hold', h.body -> 'name', 'about', nullif(h.body -> 'subject', '""'), 'scope', h.body -> 'scope',
        'owner', h.body -> 'owner', 'since', h.body -> 'since', 'review_at', h.body -> 'review_at')
    FROM (
        SELECT n.body, TRUE AS held, o.body AS other
        FROM jsonb_path_query(p_new, '$[*]') AS n (body)
        LEFT JOIN jsonb_path_query(p_old, '$[*]') AS o (body)
            ON o.body -> 'name' = n.body -> 'name' AND o.body -> 'subject' = n.body -> 'subject'
        UNION ALL
        SELECT o.body, FALSE, n.body
        FROM jsonb_path_query(p_old, '$[*]') AS o (body)
        LEFT JOIN jsonb_path_query(p_new, '$[*]') AS n (body)
            ON n.body -> 'name' = o.body -> 'name' AND n.body -> 'subject' = o.body -> 'subject'
    ) AS h
    WHERE h.other IS NULL;
END $function$;

CREATE FUNCTION holds_in(p_record jsonb)
 RETURNS text[]
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
BEGIN
    RETURN ARRAY(
        SELECT held.body ->> 'name' FROM jsonb_path_query(p_record, '$.state.holds[*]') AS held (body)
        WHERE held.body ->> 'name' IS NOT NULL
        UNION
        SELECT reason FROM jsonb_array_elements_text(p_record -> 'hold_reasons') AS reason
        WHERE reason = ANY (reasons_to_act())
        ORDER BY 1
    );
END $function$;

CREATE FUNCTION holds_to_let_go(p_record jsonb)
 RETURNS text[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_stops    TEXT[];
    v_merchant TEXT;
BEGIN
    IF p_record #> '{state,holds,0}' IS NULL THEN
        RETURN '{}';
    END IF;
    v_stops := ARRAY(SELECT h.body ->> 'name' FROM jsonb_path_query(p_record, '$.state.holds[*]') AS h (body)
                     WHERE h.body ->> 'name' IN ('merchant_frozen', 'merchant_suspended'));
    IF v_stops = '{}' THEN
        RETURN v_stops;
    END IF;
    v_merchant := (SELECT o.merchant_id FROM orders o WHERE o.order_id = p_record ->> 'order_id');
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('merchant/' || v_merchant, 0));
    RETURN ARRAY(SELECT s FROM unnest(v_stops) AS s
                 WHERE merchant_value(v_merchant, substr(s, length('merchant_') + 1)) IS NULL);
END $function$;

CREATE FUNCTION is_anothers_subject(p_issuer text, p_subject text, p_person_id text)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('subject/' || p_issuer || '/' || p_subject, 0));
    RETURN EXISTS (SELECT FROM subjects s
                   WHERE s.issuer = p_issuer AND s.subject = p_subject AND s.person_id <> p_person_id);
END $function$;

CREATE FUNCTION is_held_by_merchant(p_reference text)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_merchant TEXT := (SELECT o.merchant_id FROM orders o WHERE o.order_id = split_part(p_reference, '/', 2));
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('merchant/' || v_merchant, 0));
    IF EXISTS (SELECT FROM movements m WHERE m.reference = p_reference) THEN
        RETURN is_kept_frozen(p_reference);
    END IF;
    RETURN merchant_value(v_merchant, 'frozen') IS NOT NULL;
END $function$;

CREATE FUNCTION is_kept_frozen(p_reference text)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    RETURN p_reference LIKE 'order/%/claim\_back/%' AND EXISTS (
        SELECT FROM movements m JOIN transfers t ON t.movement_id = m.id
        JOIN accounts a ON a.id = t.credit_account AND a.path LIKE 'order/%/frozen'
        WHERE m.reference = p_reference);
END $function$;

CREATE FUNCTION is_own(p_path text, p_reference text, p_order orders, p_withdrawal withdrawals, p_debit text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT CASE split_part(p_path, '/', 1)
        WHEN 'order' THEN p_path LIKE 'order/%' AND p_reference LIKE 'order/%'
            AND split_part(p_path, '/', 2) = split_part(p_reference, '/', 2)
            AND split_part(p_path, '/', 4) IN ('', split_part(p_reference, '/', 4))
        WHEN 'withdrawal' THEN p_reference LIKE 'withdrawal/%'
            AND split_part(p_path, '/', 2) = split_part(p_reference, '/', 2)
        WHEN 'merchant' THEN split_part(p_path, '/', 2) IS NOT DISTINCT FROM coalesce(
            p_order.merchant_id, p_withdrawal.merchant_id,
            CASE WHEN p_reference LIKE 'merchant/%' THEN split_part(p_reference, '/', 2) END)
        WHEN 'psp' THEN split_part(p_path, '/', 2) IS NOT DISTINCT FROM coalesce(
            p_order.channel, CASE WHEN p_reference LIKE 'psp/%' THEN split_part(p_reference, '/', 2)
                                  WHEN p_reference LIKE 'merchant/%' THEN split_part(p_debit, '/', 2) END)
        ELSE TRUE
    END
$function$;

CREATE FUNCTION journal_callback(
    p_provider text,
    p_digest text,
    p_body bytea,
    p_headers jsonb,
    p_now timestamp with time zone
)
 RETURNS TABLE(id bigint, outcome text, detail text)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    INSERT INTO callbacks AS c (provider, digest, body, headers, received_at)
    VALUES (p_provider, p_digest, p_body, p_headers, p_now)
    ON CONFLICT ON CONSTRAINT a_callback_is_journaled_once DO UPDATE SET repeats = c.repeats + 1
    RETURNING c.id, c.outcome, c.detail
$function$;

CREATE FUNCTION journal_push(
    p_vendor text,
    p_digest text,
    p_body bytea,
    p_headers jsonb,
    p_now timestamp with time zone
)
 RETURNS TABLE(id bigint, outcome text)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    INSERT INTO pushes AS p (vendor, digest, body, headers, received_at)
    VALUES (p_vendor, p_digest, p_body, p_headers, p_now)
    ON CONFLICT ON CONSTRAINT a_push_is_journaled_once DO UPDATE SET repeats = p.repeats + 1
    RETURNING p.id, p.outcome
$function$;

CREATE FUNCTION journey_events(p_which jsonb, p_old jsonb, p_new jsonb)
 RETURNS jsonb[]
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
DECLARE
    v_was    JSONB := p_old -> 'verdict';
    v_is     JSONB := p_new -> 'verdict';
    v_moved  TEXT := coalesce(v_is ->> 'first_physical_at', p_new ->> 'pushed_physical_at');
    v_events JSONB[] := '{}';
BEGIN
    IF v_moved IS NOT NULL AND coalesce(v_was ->> 'first_physical_at', p_old ->> 'pushed_physical_at') IS NULL THEN
        v_events := v_events || event_of('parcel.picked_up', p_which || jsonb_build_object('picked_up_at', v_moved));
    END IF;
    IF v_is ->> 'returned_at' IS NULL THEN
        IF v_is ->> 'delivered_at' IS NOT NULL
           AND (v_was ->> 'delivered_at' IS NULL OR v_was ->> 'returned_at' IS NOT NULL) THEN
            v_events := v_events || event_of('parcel.delivered', p_which || jsonb_build_object(
                'delivered_at', v_is -> 'delivered_at'));
        END IF;
    ELSIF v_was ->> 'returned_at' IS NULL THEN
        v_events := v_events || event_of('parcel.came_back', p_which || jsonb_build_object(
            'returned_at', v_is -> 'returned_at'));
    END IF;
    RETURN v_events;
END $function$;

CREATE FUNCTION keep_answer(
    p_provider text,
    p_carrier text,
    p_waybill text,
    p_phone_last4 text,
    p_answer text,
    p_took_ms integer,
    p_trace jsonb
)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    UPDATE carrier_looks l SET trace = coalesce(p_trace, l.trace), answer = p_answer, took_ms = p_took_ms
    WHERE l.provider = p_provider AND l.carrier = p_carrier AND l.waybill = p_waybill AND l.phone_last4 = p_phone_last4
$function$;

CREATE FUNCTION keep_figures(p_name text, p_body jsonb, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    INSERT INTO figures (name, taken_at, body) VALUES (p_name, p_now, p_body)
    ON CONFLICT (name) DO UPDATE SET taken_at = EXCLUDED.taken_at, body = EXCLUDED.body
    WHERE figures.taken_at < EXCLUDED.taken_at
$function$;

CREATE FUNCTION keep_known_transfers()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
DECLARE
    v_unknown TEXT;
BEGIN
    WITH t AS MATERIALIZED (
        SELECT n.*, m.reference, m.occurred_at, m.linked_to, d.path AS debit, c.path AS credit
        FROM added n
        -- One by one (OFFSET 0): a session keeps a plan that it made on short books.
        LEFT JOIN LATERAL (SELECT o.reference, o.occurred_at, o.linked_to FROM movements o
                           WHERE o.id = n.movement_id OFFSET 0) AS m ON TRUE
        LEFT JOIN LATERAL (SELECT a.path FROM accounts a
                           WHERE a.id = n.debit_account AND a.currency = n.currency OFFSET 0) AS d ON TRUE
        LEFT JOIN LATERAL (SELECT a.path FROM accounts a
                           WHERE a.id = n.credit_account AND a.currency = n.currency OFFSET 0) AS c ON TRUE
    ), noted AS (
        INSERT INTO merchant_transfers
        SELECT v.merchant_id, t.occurred_at, t.movement_id, t.leg, t.currency, t.reference, t.linked_to,
               t.debit, t.credit,
               t.amount_minor * ((v.more = 'proceeds')::INT - (v.less = 'proceeds')::INT),
               t.amount_minor * ((v.more = 'available')::INT - (v.less = 'available')::INT),
               t.amount_minor * ((v.more = 'deposit')::INT - (v.less = 'deposit')::INT),
               t.amount_minor * ((v.more IN ('reserved', ''))::INT - (v.less IN ('reserved', ''))::INT),
               t.amount_minor * ((v.less = 'receivable')::INT - (v.more = 'receivable')::INT),
               t.amount_minor * ((v.more = 'frozen')::INT - (v.less = 'frozen')::INT),
               v.more NOT IN ('frozen', 'none') OR v.less NOT IN ('frozen', 'none')
        FROM t
        CROSS JOIN LATERAL (
            SELECT CASE WHEN t.debit LIKE 'merchant/%' THEN split_part(t.debit, '/', 2)
                        WHEN t.debit LIKE 'order/%/proceeds' OR t.debit LIKE 'order/%/frozen'
                        THEN (SELECT o.merchant_id FROM orders o
                              WHERE o.order_id = split_part(t.debit, '/', 2) COLLATE "default")
                        WHEN t.debit LIKE 'withdrawal/%' OR t.debit = 'suspense'
                        THEN merchant_of(t.debit, t.reference, t.credit) END AS debtor,
                   CASE WHEN t.credit LIKE 'merchant/%' THEN split_part(t.credit, '/', 2)
                        WHEN t.credit LIKE 'order/%/proceeds' OR t.credit LIKE 'order/%/frozen'
                        THEN (SELECT o.merchant_id FROM orders o
                              WHERE o.order_id = split_part(t.credit, '/', 2) COLLATE "default")
                        WHEN t.credit LIKE 'withdrawal/%' OR t.credit = 'suspense'
                        THEN merchant_of(t.credit, t.reference, t.debit) END AS creditor OFFSET 0
        ) AS m
        -- One row where both accounts are the same merchant's. No VALUES, whose expressions are prepared again for each
        -- transfer.
        CROSS JOIN LATERAL (
            SELECT m.debtor AS merchant_id, split_part(t.debit, '/', 3) AS less,
                   CASE WHEN m.creditor = m.debtor THEN split_part(t.credit, '/', 3) ELSE 'none' END AS more
            WHERE m.debtor IS NOT NULL
            UNION ALL SELECT m.creditor, 'none', split_part(t.credit, '/', 3)
            WHERE m.creditor IS NOT NULL AND m.creditor IS DISTINCT FROM m.debtor
        ) AS v
    )
    SELECT format('leg %s of movement %s moves %s between accounts %s and %s', t.leg, t.movement_id, t.currency,
                  t.debit_account, t.credit_account)
    INTO v_unknown FROM t WHERE t.reference IS NULL OR t.debit IS NULL OR t.credit IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '%: not all of them are there, in this currency', v_unknown
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $function$;

CREATE FUNCTION keep_look(
    p_order_id text,
    p_parcel_id text,
    p_carrier text,
    p_waybill text,
    p_traces jsonb,
    p_no_trace boolean,
    p_now timestamp with time zone,
    p_window interval,
    p_most integer
)
 RETURNS TABLE(answers bigint, without_trace bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    -- Traces before answers, as in purge_logistics: the other way round, the two could wait for each other.
    INSERT INTO polled_traces AS k (order_id, parcel_id, provider, answer, asked_at, trace)
    SELECT DISTINCT ON (t ->> 'provider') p_order_id, p_parcel_id, t ->> 'provider', t ->> 'answer',
           (t ->> 'fetched_at')::TIMESTAMPTZ, t
    FROM jsonb_array_elements(p_traces) AS t
    ORDER BY t ->> 'provider', jsonb_array_length(t -> 'scans') DESC
    ON CONFLICT ON CONSTRAINT one_polled_trace_a_provider
    DO UPDATE SET answer = excluded.answer, asked_at = excluded.asked_at, kept_at = now(),
                  trace = CASE WHEN excluded.trace -> 'scans' = '[]' AND excluded.trace -> 'waybill' = k.trace -> 'waybill'
                               THEN k.trace ELSE excluded.trace END;
    IF p_no_trace IS NOT NULL THEN
        INSERT INTO carrier_answers AS a (carrier, waybill, answered_at, no_trace)
        VALUES (p_carrier, p_waybill, p_now, p_no_trace)
        ON CONFLICT ON CONSTRAINT one_answer_a_number
        DO UPDATE SET answered_at = excluded.answered_at, no_trace = excluded.no_trace;
    END IF;
    RETURN QUERY
    SELECT count(*), count(*) FILTER (WHERE newest.no_trace)
    FROM (SELECT a.no_trace FROM carrier_answers a
          WHERE a.carrier = p_carrier AND a.answered_at > p_now - p_window AND a.waybill <> p_waybill
          ORDER BY a.answered_at DESC LIMIT p_most) AS newest;
END $function$;

CREATE FUNCTION keep_moves(p_order_id text, p_moves jsonb)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    INSERT INTO moved_orders (move_id, order_id, deadline)
    SELECT m.body ->> 'move_id', p_order_id, m.body ->> 'deadline'
    FROM jsonb_path_query(p_moves, '$[*]') AS m (body)
    ON CONFLICT DO NOTHING
$function$;

CREATE FUNCTION keep_policy(p_name text, p_content_hash text, p_text text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO policies (content_hash, name, text) VALUES (p_content_hash, p_name, p_text)
    ON CONFLICT (content_hash) DO NOTHING;
    IF NOT EXISTS (SELECT FROM policies p WHERE p.content_hash = p_content_hash AND p.text = p_text) THEN
        RAISE EXCEPTION 'policy % has another text under this hash', p_content_hash USING ERRCODE = 'unique_violation';
    END IF;
END $function$;

CREATE FUNCTION keep_pushed(
    p_carrier text,
    p_waybill text,
    p_provider text,
    p_trace jsonb,
    p_replaces boolean,
    p_now timestamp with time zone
)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    INSERT INTO pushed_traces AS k (carrier, waybill, provider, scans, trace, received_at)
    VALUES (p_carrier, p_waybill, p_provider, jsonb_array_length(p_trace -> 'scans'), p_trace, p_now)
    ON CONFLICT ON CONSTRAINT one_pushed_trace_a_number
    DO UPDATE SET scans = excluded.scans, trace = excluded.trace, received_at = excluded.received_at
    WHERE p_replaces
       OR (excluded.scans >= k.scans AND newest_scan(excluded.trace) >= newest_scan(k.trace))
$function$;

CREATE FUNCTION keep_reviews(p_order_id text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET enable_nestloop TO 'on'
AS $function$
BEGIN
    DELETE FROM review_queue q WHERE q.order_id = p_order_id;
    INSERT INTO review_queue SELECT r.* FROM orders o CROSS JOIN LATERAL reviews_of(o) AS r
    WHERE o.order_id = p_order_id AND r.since IS NOT NULL AND r.parcel_id IS NOT NULL;
END $function$;

CREATE FUNCTION keep_verdicts(p_order_id text, p_recorded_at timestamp with time zone, p_old jsonb, p_new jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET max_parallel_workers_per_gather TO '0'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_nestloop TO 'on'
AS $function$
BEGIN
    INSERT INTO verdicts (order_id, parcel_id, n, carrier, waybill, judged_at, rule_set, outcome, reasons, findings,
                          traces, decided_by, decision)
    SELECT p_order_id, v.parcel_id,
           row_number() OVER (PARTITION BY v.parcel_id) + coalesce((SELECT max(k.n) FROM verdicts k
               WHERE k.order_id = p_order_id AND k.parcel_id = v.parcel_id), 0),
           coalesce(v.parcel ->> 'carrier', ''), coalesce(v.parcel ->> 'waybill', ''),
           coalesce(time_or_null(v.judged_at), p_recorded_at), v.parcel #>> '{verdict,rule_set}',
           coalesce(v.outcome, 'unknown'), coalesce(v.parcel #> '{verdict,reasons}', '[]'),
           coalesce(v.parcel #> '{verdict,findings}', '[]'), t.traces, v.decided_by, v.decision
    FROM new_verdicts(p_old, p_new) AS v
    CROSS JOIN LATERAL (
        SELECT jsonb_agg(a.trace ORDER BY a.provider) AS traces
        FROM (
            SELECT p.provider, p.trace FROM polled_traces p
            WHERE p.order_id = p_order_id AND p.parcel_id = v.parcel_id
            UNION ALL
            SELECT p.provider, p.trace FROM pushed_traces p
            WHERE p.carrier = v.parcel ->> 'carrier' AND p.waybill = v.parcel ->> 'waybill'
        ) AS a
    ) AS t
    WHERE v.parcel_id IS NOT NULL;
END $function$;

CREATE FUNCTION leave_lost_numbers()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_notices TEXT := pg_get_serial_sequence('dakuan.notices', 'id');
    v_now     BIGINT := ceil(extract(epoch FROM clock_timestamp()))::BIGINT * 1000000;
    v_clock   RECORD;
BEGIN
    SELECT coalesce(max(c.ahead), 0) AS ahead, coalesce(max(c.base), 0) AS base INTO v_clock FROM event_clock c;
    PERFORM set_event_clock(greatest(v_clock.ahead + 1000000000000, v_now), greatest(v_clock.base + 1000000, v_now));
    PERFORM setval(v_notices, greatest(nextval(v_notices) + 1000000, v_now));
END $function$;

CREATE FUNCTION link_subject(
    p_person_id text,
    p_issuer text,
    p_subject text,
    p_beside boolean,
    p_by text,
    p_now timestamp with time zone
)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_replaced BOOLEAN := FALSE;
BEGIN
    IF is_anothers_subject(p_issuer, p_subject, p_person_id) THEN
        RETURN 'anothers';
    END IF;
    PERFORM FROM people p WHERE p.person_id = p_person_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown_person';
    END IF;
    IF NOT p_beside THEN
        UPDATE subjects s SET ended_at = greatest(p_now, s.linked_at), ended_by = p_by
        WHERE s.person_id = p_person_id AND s.ended_at IS NULL AND (s.issuer, s.subject) <> (p_issuer, p_subject);
        v_replaced := FOUND;
    END IF;
    IF v_replaced THEN
        -- Which subject opened a session is not kept.
        DELETE FROM sessions WHERE person_id = p_person_id;
    END IF;
    INSERT INTO subjects (issuer, subject, person_id, linked_by, linked_at)
    SELECT p_issuer, p_subject, p_person_id, p_by,
           greatest(p_now, max(s.linked_at) + INTERVAL '1 microsecond', max(s.ended_at))
    FROM subjects s WHERE s.issuer = p_issuer AND s.subject = p_subject
    ON CONFLICT (issuer, subject) WHERE ended_at IS NULL DO NOTHING;
    RETURN CASE WHEN FOUND OR v_replaced THEN 'linked' ELSE 'same' END;
END $function$;

CREATE FUNCTION load_statement(
    p_scope text,
    p_name text,
    p_lines jsonb,
    p_since timestamp with time zone,
    p_until timestamp with time zone,
    p_now timestamp with time zone
)
 RETURNS TABLE(added integer, different text[])
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_load BIGINT;
    v_new  INT;
BEGIN
    -- One statement at a time for a rail or channel.
    PERFORM pg_advisory_xact_lock(hashtextextended('statement/' || p_scope || '/' || p_name, 0));
    SELECT array_agg(DISTINCT d.line_id ORDER BY d.line_id) INTO different
    FROM (
        SELECT t.line_id FROM told_lines(p_lines) AS t GROUP BY t.line_id HAVING count(*) > 1
        UNION
        SELECT t.line_id FROM told_lines(p_lines) AS t JOIN statement_lines s
            ON s.scope = p_scope AND s.name = p_name AND s.line_id = t.line_id
        WHERE (s.kind, s.key, s.amount_minor, s.fee_minor, s.currency, s.at, s.reference, s.event_id)
            IS DISTINCT FROM
              (t.kind, t.key, t.amount_minor, t.fee_minor, t.currency, t.at, t.reference, t.event_id)
    ) AS d;
    added := 0;
    IF different IS NULL THEN
        INSERT INTO statement_loads (scope, name, loaded_at, lines) VALUES (p_scope, p_name, p_now, 0)
        RETURNING load_no INTO v_load;
        INSERT INTO statement_lines (scope, name, line_id, kind, key, amount_minor, fee_minor, currency, at, reference,
                                     event_id, loaded_at, load_no)
        SELECT p_scope, p_name, t.line_id, t.kind, t.key, t.amount_minor, t.fee_minor, t.currency, t.at, t.reference,
               t.event_id, p_now, v_load
        FROM told_lines(p_lines) AS t
        ON CONFLICT ON CONSTRAINT a_line_is_stored_once DO NOTHING;
        GET DIAGNOSTICS added = ROW_COUNT;
        v_new := added;
        IF p_since < p_until THEN
            INSERT INTO statement_periods (scope, name, since, until, loaded_at, load_no)
            VALUES (p_scope, p_name, p_since, p_until, p_now, v_load)
            ON CONFLICT DO NOTHING;
            v_new := v_new + FOUND::INT;
        END IF;
        IF v_new = 0 THEN
            DELETE FROM statement_loads l WHERE l.load_no = v_load;
        ELSE
            UPDATE statement_loads l
            SET lines = added,
                moved = (SELECT coalesce(jsonb_object_agg(s.currency, s.minor), '{}')
                         FROM (SELECT n.currency, sum(stated_cash(n.kind, n.amount_minor)) AS minor
                               FROM statement_lines n WHERE n.load_no = v_load GROUP BY n.currency) AS s)
            WHERE l.load_no = v_load;
        END IF;
    END IF;
    RETURN NEXT;
END $function$;

CREATE FUNCTION look_at_endpoint(p_endpoint_id text)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    INSERT INTO endpoints_with_news SELECT n.endpoint_id FROM endpoints n
    WHERE n.endpoint_id = p_endpoint_id AND n.merchant_id IS NOT NULL
    ON CONFLICT DO NOTHING
$function$;

CREATE FUNCTION may_be_corrected(p_reference text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT p_reference LIKE 'psp/%/settlement/%' OR p_reference LIKE 'merchant/%/paid_in/%'
        OR p_reference LIKE 'merchant/%/write_off/%'
        OR split_part(p_reference, '/', 1) NOT IN ('order', 'withdrawal', 'psp', 'account', 'merchant', 'payment')
$function$;

CREATE FUNCTION may_be_emptied(o orders)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT o.closed AND o.revision >= 0 AND o.holds = '{}' AND o.hold_reasons = '{}'
       AND NOT EXISTS (SELECT FROM accounts a WHERE a.path >= 'order/' || o.order_id || '/'
                       AND a.path < 'order/' || o.order_id || '0' AND a.balance_minor <> 0)
       AND NOT EXISTS (SELECT FROM accounts a WHERE a.path = 'merchant/' || o.merchant_id || '/receivable'
                       AND a.balance_minor <> 0)
       AND NOT EXISTS (SELECT FROM payments p WHERE p.channel = o.channel AND p.payment = o.payment
                       AND p.claimed_minor + p.returned_minor <> p.paid_minor)
       AND NOT EXISTS (SELECT FROM rest_returns r WHERE r.channel = o.channel AND r.payment = o.payment
                       AND r.closed_at IS NULL)
       AND NOT EXISTS (SELECT FROM reconciliation_breaks b WHERE b.resolved_at IS NULL
                       AND b.body ->> 'subject' = 'order/' || o.order_id)
$function$;

CREATE FUNCTION may_be_one_place(p_one text, p_other text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT p_one = p_other
        OR (cardinality(a.parts) = cardinality(b.parts)
            AND NOT EXISTS (SELECT FROM unnest(a.parts, b.parts) AS u (one, other)
                            WHERE u.one <> '' AND u.other <> '' AND u.one <> u.other))
    FROM (SELECT string_to_array(p_one, '/')) AS a (parts), (SELECT string_to_array(p_other, '/')) AS b (parts)
$function$;

CREATE FUNCTION may_decide(p_name text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT may_decide_as(p_name, ARRAY['operator', 'reviewer'])
$function$;

CREATE FUNCTION may_decide_as(p_name text, p_roles text[])
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT coalesce(bool_and(p.ended_at IS NULL AND p.role = ANY (p_roles)), TRUE)
    FROM people p WHERE person_of(p.person_id) = person_of(p_name)
$function$;

CREATE FUNCTION mend_endpoint(p_endpoint_id text, p_by text, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    UPDATE endpoints n SET state = 'active', failing_since = NULL
    WHERE n.endpoint_id = p_endpoint_id AND n.taken_by = p_by AND n.state = 'failing';
    IF NOT FOUND THEN
        RETURN EXISTS (SELECT FROM endpoints n WHERE n.endpoint_id = p_endpoint_id AND n.taken_by = p_by);
    END IF;
    UPDATE parked SET next_at = p_now WHERE endpoint_id = p_endpoint_id AND next_at > p_now;
    RETURN TRUE;
END $function$;

CREATE FUNCTION merchant_changes(
    p_movement bigint,
    p_leg integer,
    p_debit bigint,
    p_credit bigint,
    p_currency text,
    p_amount bigint
)
 RETURNS SETOF merchant_transfers
 LANGUAGE sql
 STABLE
AS $function$
    SELECT s.merchant_id, m.occurred_at, m.id, p_leg, p_currency, m.reference, m.linked_to, d.path, c.path,
           coalesce(sum(s.delta) FILTER (WHERE s.part = 'proceeds'), 0)::BIGINT,
           coalesce(sum(s.delta) FILTER (WHERE s.part = 'available'), 0)::BIGINT,
           coalesce(sum(s.delta) FILTER (WHERE s.part = 'deposit'), 0)::BIGINT,
           coalesce(sum(s.delta) FILTER (WHERE s.part IN ('reserved', '')), 0)::BIGINT,
           coalesce(sum(-s.delta) FILTER (WHERE s.part = 'receivable'), 0)::BIGINT,
           coalesce(sum(s.delta) FILTER (WHERE s.part = 'frozen'), 0)::BIGINT,
           bool_or(s.part <> 'frozen')
    -- One by one (OFFSET 0): a session keeps a plan that it made on short books.
    FROM (SELECT n.* FROM movements n WHERE n.id = p_movement OFFSET 0) AS m
    CROSS JOIN LATERAL (SELECT a.path FROM accounts a WHERE a.id = p_debit OFFSET 0) AS d
    CROSS JOIN LATERAL (SELECT a.path FROM accounts a WHERE a.id = p_credit OFFSET 0) AS c
    CROSS JOIN LATERAL (VALUES
        (merchant_of(d.path, m.reference, c.path), split_part(d.path, '/', 3), -p_amount),
        (merchant_of(c.path, m.reference, d.path), split_part(c.path, '/', 3), p_amount)
    ) AS s (merchant_id, part, delta)
    WHERE s.merchant_id IS NOT NULL
    GROUP BY s.merchant_id, m.occurred_at, m.id, m.reference, m.linked_to, d.path, c.path
$function$;

CREATE FUNCTION merchant_of(p_path text, p_reference text, p_other text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
AS $function$
DECLARE
    v_withdrawal TEXT;
BEGIN
    IF p_path LIKE 'merchant/%' THEN
        RETURN split_part(p_path, '/', 2);
    ELSIF p_path LIKE 'order/%/proceeds' OR p_path LIKE 'order/%/frozen' THEN
        RETURN (SELECT o.merchant_id FROM orders o WHERE o.order_id = split_part(p_path, '/', 2) COLLATE "default");
    ELSIF p_path LIKE 'withdrawal/%' THEN
        IF p_reference LIKE 'withdrawal/%/reserve' THEN
            -- The withdrawal's own row comes after the money was set aside.
            RETURN split_part(p_other, '/', 2);
        END IF;
        v_withdrawal := split_part(p_path, '/', 2);
    ELSIF p_path = 'suspense' AND p_reference LIKE 'withdrawal/%'
          AND split_part(p_reference, '/', 3) IN ('suspense', 'close') THEN
        v_withdrawal := split_part(p_reference, '/', 2);
    ELSE
        RETURN NULL;
    END IF;
    RETURN (SELECT w.merchant_id FROM withdrawals w WHERE w.withdrawal_id = v_withdrawal COLLATE "default");
END $function$;

CREATE FUNCTION merchant_of_subject(p_subject text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_id CONSTANT TEXT := split_part(p_subject, '/', 2);
BEGIN
    RETURN CASE split_part(p_subject, '/', 1)
        WHEN 'order' THEN (SELECT o.merchant_id FROM orders o WHERE o.order_id = v_id)
        WHEN 'withdrawal' THEN (SELECT w.merchant_id FROM withdrawals w WHERE w.withdrawal_id = v_id)
        WHEN 'merchant' THEN v_id END;
END $function$;

CREATE FUNCTION merchant_stop(p_merchant_id text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT CASE WHEN merchant_value(p_merchant_id, 'frozen') IS NOT NULL THEN 'merchant_frozen'
                WHEN merchant_value(p_merchant_id, 'suspended') IS NOT NULL THEN 'merchant_suspended' END
$function$;

CREATE FUNCTION merchant_value(p_merchant_id text, p_what text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT m.value FROM merchant_moves m
    WHERE m.merchant_id = p_merchant_id AND m.what = p_what ORDER BY m.id DESC LIMIT 1
$function$;

CREATE FUNCTION move_grade(
    p_merchant_id text,
    p_grade text,
    p_role text,
    p_who text,
    p_why text,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_last TEXT;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('grade/' || p_merchant_id, 0));
    SELECT g.grade INTO v_last FROM grade_moves g WHERE g.merchant_id = p_merchant_id ORDER BY g.id DESC LIMIT 1;
    IF v_last IS NOT DISTINCT FROM p_grade THEN
        RETURN FALSE;
    END IF;
    INSERT INTO grade_moves (merchant_id, grade, role, who, why, at)
    VALUES (p_merchant_id, p_grade, p_role, p_who, p_why, p_now);
    RETURN TRUE;
END $function$;

CREATE FUNCTION move_licence(
    p_merchant_id text,
    p_licence text,
    p_what text,
    p_number text,
    p_valid_until timestamp with time zone,
    p_role text,
    p_who text,
    p_why text,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_last licence_moves%ROWTYPE;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('licence/' || p_merchant_id || '/' || p_licence, 0));
    SELECT * INTO v_last FROM licence_moves l
    WHERE l.merchant_id = p_merchant_id AND l.licence = p_licence ORDER BY l.id DESC LIMIT 1;
    IF coalesce(v_last.what, 'withdrawn') = p_what AND v_last.number IS NOT DISTINCT FROM p_number
       AND v_last.valid_until IS NOT DISTINCT FROM p_valid_until THEN
        RETURN FALSE;
    END IF;
    INSERT INTO licence_moves (merchant_id, licence, what, number, valid_until, role, who, why, at)
    VALUES (p_merchant_id, p_licence, p_what, p_number, p_valid_until, p_role, p_who, p_why, p_now);
    RETURN TRUE;
END $function$;

CREATE FUNCTION move_merchant(
    p_merchant_id text,
    p_what text,
    p_value text,
    p_role text,
    p_who text,
    p_why text,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('merchant/' || p_merchant_id, 0));
    IF merchant_value(p_merchant_id, p_what) IS NOT DISTINCT FROM p_value THEN
        RETURN FALSE;
    END IF;
    INSERT INTO merchant_moves (merchant_id, what, value, role, who, why, at)
    VALUES (p_merchant_id, p_what, p_value, p_role, p_who, p_why, p_now);
    PERFORM tell_of_merchant(p_merchant_id, 'merchant_changed', jsonb_build_object(
        'what', p_what, 'value', coalesce(p_value, ''), 'reason', p_why), p_now);
    RETURN TRUE;
END $function$;

CREATE FUNCTION move_policy(p_name text, p_content_hash text, p_text text, p_cooling interval, p_who text, p_why text)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_before TEXT;
BEGIN
    PERFORM keep_policy(p_name, p_content_hash, p_text);
    IF NOT name_policy(p_name, p_content_hash, p_who, p_why) THEN
        SELECT n.content_hash INTO v_before FROM policy_names n WHERE n.name = p_name FOR UPDATE;
    END IF;
    IF v_before <> p_content_hash THEN
        UPDATE policy_names SET content_hash = p_content_hash WHERE name = p_name;
        INSERT INTO policy_moves (name, from_hash, to_hash, who, why)
        VALUES (p_name, v_before, p_content_hash, p_who, p_why);
    END IF;
    IF p_name = 'default' THEN
        PERFORM set_safeguard('cooling', p_cooling, p_who, p_why);
    END IF;
    RETURN v_before;
END $function$;

CREATE FUNCTION movement_hashes(p_first bigint, p_last bigint)
 RETURNS TABLE(movement_id bigint, hash bytea)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT m.id, sha256(convert_to(jsonb_build_array(
               m.id, m.reference, m.currency, encode(m.request_hash, 'hex'), m.linked_to,
               extract(EPOCH FROM m.occurred_at), extract(EPOCH FROM m.recorded_at), t.legs)::TEXT, 'UTF8'))
    FROM movements m LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_array(t.leg, d.path, c.path, t.currency, t.amount_minor) ORDER BY t.leg) AS legs
        FROM transfers t JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
        WHERE t.movement_id = m.id) AS t ON TRUE
    WHERE m.id BETWEEN p_first AND p_last
$function$;

CREATE FUNCTION name_merchant(
    p_merchant_id text,
    p_name text,
    p_held_by_others text[],
    p_role text,
    p_who text,
    p_why text,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_before  TEXT;
    v_account TEXT;
BEGIN
    INSERT INTO merchants (merchant_id) VALUES (p_merchant_id) ON CONFLICT DO NOTHING;
    SELECT m.legal_name INTO v_before FROM merchants m WHERE m.merchant_id = p_merchant_id FOR UPDATE;
    FOREACH v_account IN ARRAY p_held_by_others LOOP
        PERFORM suspend_account(v_account, 'holder_mismatch', p_role, p_who, p_why, p_now)
        FROM payout_accounts a WHERE a.account_id = v_account AND a.merchant_id = p_merchant_id;
    END LOOP;
    IF v_before IS NOT DISTINCT FROM p_name THEN
        RETURN FALSE;
    END IF;
    UPDATE merchants SET legal_name = p_name WHERE merchant_id = p_merchant_id;
    INSERT INTO payout_account_changes (merchant_id, what, detail, role, who, why, at)
    VALUES (p_merchant_id, 'named', coalesce(v_before || ' → ', '') || p_name, p_role, p_who, p_why, p_now);
    RETURN TRUE;
END $function$;

CREATE FUNCTION name_payment(p_channel text, p_number text, p_payment text)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_payment TEXT;
BEGIN
    INSERT INTO payment_numbers (channel, number, payment) VALUES (p_channel, p_number, p_payment)
    ON CONFLICT (channel, number) DO NOTHING;
    SELECT n.payment INTO v_payment FROM payment_numbers n WHERE n.channel = p_channel AND n.number = p_number;
    RETURN v_payment;
END $function$;

CREATE FUNCTION name_policy(p_name text, p_content_hash text, p_who text, p_why text)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO policy_names (name, content_hash) VALUES (p_name, p_content_hash) ON CONFLICT (name) DO NOTHING;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    INSERT INTO policy_moves (name, to_hash, who, why) VALUES (p_name, p_content_hash, p_who, p_why);
    RETURN TRUE;
END $function$;

CREATE FUNCTION named_in(p_pattern text, p_subject text, p_reference text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT replace(replace(replace(p_pattern, '{order}', p_subject), '{withdrawal}', p_subject),
                   '{cause}', split_part(p_reference, '/', 4))
$function$;

CREATE FUNCTION new_verdicts(p_old jsonb, p_new jsonb)
 RETURNS TABLE(parcel_id text, parcel jsonb, judged_at text, outcome text, decided_by text, decision text)
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    RETURN QUERY
    SELECT c.new ->> 'parcel_id', c.new, v.judged_at, v.outcome, v.decided_by, v.decision
    FROM (
        SELECT n.n, n.body AS new, o.body AS old
        FROM jsonb_path_query(p_new, '$.parcels[*]') WITH ORDINALITY AS n (body, n)
        LEFT JOIN jsonb_path_query(p_old, '$.parcels[*]') AS o (body) ON o.body -> 'parcel_id' = n.body -> 'parcel_id'
        WHERE n.body IS DISTINCT FROM o.body
    ) AS c
    CROSS JOIN LATERAL (
        SELECT 1 AS n, c.new #>> '{verdict,judged_at}' AS judged_at, c.new #>> '{verdict,outcome}' AS outcome,
               NULL::TEXT AS decided_by, NULL::TEXT AS decision
        WHERE c.new #>> '{verdict,outcome}' <> 'pending'
          AND (c.new -> 'waybill', c.new #> '{verdict,outcome}', c.new #> '{verdict,reasons}')
              IS DISTINCT FROM (c.old -> 'waybill', c.old #> '{verdict,outcome}', c.old #> '{verdict,reasons}')
        UNION ALL
        SELECT 1 + d.n::INT, d.body ->> 'at', d.body ->> 'verdict', coalesce(d.body ->> 'reviewer', 'unknown'),
               coalesce(d.body ->> 'reason', '')
        FROM jsonb_path_query(c.new, '$.decisions[*]') WITH ORDINALITY AS d (body, n)
        WHERE NOT coalesce(c.old -> 'decisions', '[]') @> jsonb_build_array(d.body)
    ) AS v
    ORDER BY c.n, v.n;
END $function$;

CREATE FUNCTION newest_scan(p_trace jsonb)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT coalesce(max((s ->> 'at')::TIMESTAMPTZ), '-infinity') FROM jsonb_array_elements(p_trace -> 'scans') AS s
$function$;

CREATE FUNCTION note_attempt(
    p_endpoint_id text,
    p_event_id text,
    p_type text,
    p_at timestamp with time zone,
    p_status integer,
    p_took_ms integer,
    p_answer text,
    p_error text
)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    INSERT INTO attempts (endpoint_id, event_id, type, at, status, took_ms, answer, error)
    SELECT p_endpoint_id, p_event_id, p_type, p_at, p_status, p_took_ms, p_answer, p_error
    WHERE EXISTS (SELECT FROM endpoints n WHERE n.endpoint_id = p_endpoint_id)
$function$;

CREATE FUNCTION note_callback(
    p_provider text,
    p_event_id text,
    p_name text,
    p_facts jsonb,
    p_now timestamp with time zone
)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    IF p_name NOT IN ('chargeback_unplaced', 'complaint') THEN
        RAISE EXCEPTION '% is no notice of a callback', p_name USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM add_notices('callback/' || p_provider || '/' || p_event_id, jsonb_build_array(jsonb_build_object(
        'seq', 1, 'to', 'operator', 'name', p_name, 'at', p_now, 'facts', p_facts)));
END $function$;

CREATE FUNCTION note_claim_payments(p_record jsonb)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    INSERT INTO claim_payments (order_id, case_id, channel, payment)
    SELECT o.order_id, (c.body ->> 'case_id')::INT, o.channel, c.body #>> '{claim,reference}'
    FROM orders o CROSS JOIN LATERAL jsonb_path_query(p_record, '$.state.cases[*]') AS c (body)
    WHERE o.order_id = p_record ->> 'order_id' AND c.body #>> '{claim,status}' IN ('confirmed', 'booked')
      AND c.body #>> '{claim,reference}' IS NOT NULL
    ON CONFLICT (order_id, case_id) DO NOTHING
$function$;

CREATE FUNCTION note_compared(p_scope text, p_name text, p_seal integer, p_position bigint, p_open jsonb)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    INSERT INTO reconciled (scope, name, seal, position, ran_at, open)
    VALUES (p_scope, p_name, p_seal, least(p_position, events_end()), clock_timestamp(), p_open)
    ON CONFLICT (scope, name) DO UPDATE
    SET seal = excluded.seal, position = excluded.position, ran_at = excluded.ran_at, open = excluded.open
    WHERE reconciled.seal <= excluded.seal AND reconciled.position <= excluded.position
$function$;

CREATE FUNCTION note_key_used(p_key_id text, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    UPDATE api_keys SET last_used = p_now
    WHERE key_id = p_key_id AND (last_used IS NULL OR last_used < p_now - INTERVAL '1 minute')
$function$;

CREATE FUNCTION note_news()
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_from news_noted%ROWTYPE;
    v_to   RECORD;
BEGIN
    -- A row's lock would write something twice a second, also where nothing ever happens.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('news', 0)) THEN
        RETURN FALSE;
    END IF;
    SELECT * INTO v_from FROM news_noted;
    WITH seen AS MATERIALIZED (
        SELECT e.position, e.id, e.merchant_id FROM events e
        WHERE (e.position, e.id) > (coalesce(v_from.position, 0), coalesce(v_from.event, 0)) AND e.position < events_end()
        ORDER BY e.position, e.id LIMIT 20000
    ), noted AS (
        INSERT INTO endpoints_with_news SELECT n.endpoint_id FROM endpoints n
        WHERE n.merchant_id IN (SELECT s.merchant_id FROM seen s) AND n.state <> 'disabled'
        ON CONFLICT DO NOTHING
    )
    SELECT s.position, s.id INTO v_to FROM seen s ORDER BY s.position DESC, s.id DESC LIMIT 1;
    IF FOUND THEN
        INSERT INTO news_noted (position, event) VALUES (v_to.position, v_to.id)
        ON CONFLICT (only_row) DO UPDATE SET position = excluded.position, event = excluded.event;
    END IF;
    RETURN TRUE;
END $function$;

CREATE FUNCTION note_position()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    NEW.position := event_position();
    RETURN NEW;
END $function$;

CREATE FUNCTION note_proof_run(p_broken text[])
 RETURNS text[]
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_subject TEXT := 'reconciliation/books/proofs';
    v_now     TIMESTAMPTZ := clock_timestamp();
    v_seq     INT;
    v_new     TEXT[];
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(v_subject, 0));
    SELECT coalesce(array_agg(b.name ORDER BY b.name), '{}') INTO v_new
    FROM (SELECT DISTINCT u.name FROM unnest(p_broken) AS u (name)) AS b
    WHERE NOT EXISTS (SELECT FROM proof_runs r WHERE b.name = ANY (r.broken));
    INSERT INTO proof_runs (ran_at, broken) VALUES (v_now, p_broken)
    ON CONFLICT (only_row) DO UPDATE SET ran_at = excluded.ran_at, broken = excluded.broken;
    SELECT coalesce(max(n.seq), 0) INTO v_seq FROM notices n WHERE n.subject = v_subject;
    PERFORM add_notices(v_subject, jsonb_agg(jsonb_build_object(
        'seq', v_seq + b.n, 'to', 'operator', 'name', 'proof_broken', 'at', v_now,
        'facts', jsonb_build_object('proof', b.name))))
    FROM unnest(v_new) WITH ORDINALITY AS b (name, n)
    HAVING count(*) > 0;
    RETURN v_new;
END $function$;

CREATE FUNCTION note_proven(p_seal integer, p_position bigint)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    INSERT INTO proven (seal, position, proven_at) VALUES (p_seal, least(p_position, events_end()), clock_timestamp())
    ON CONFLICT (only_row) DO UPDATE
    SET seal = excluded.seal, position = excluded.position, proven_at = excluded.proven_at
    WHERE proven.seal <= excluded.seal AND proven.position <= excluded.position
$function$;

CREATE FUNCTION note_rest(p_channel text, p_payment text, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_subject TEXT := 'payment/' || p_channel || '/' || p_payment;
    v_rest    RECORD;
BEGIN
    SELECT p.currency, p.paid_minor - p.claimed_minor - p.returned_minor AS rest_minor,
           (SELECT min(o.opened_at) FROM orders o WHERE o.channel = p.channel AND o.payment = p.payment) AS since
    INTO v_rest FROM payments p WHERE p.channel = p_channel AND p.payment = p_payment;
    IF NOT FOUND OR v_rest.rest_minor <= 0 OR EXISTS (SELECT FROM notices n WHERE n.subject = v_subject) THEN
        RETURN FALSE;
    END IF;
    PERFORM add_notices(v_subject, jsonb_build_array(jsonb_build_object(
        'seq', 1, 'to', 'operator', 'name', 'payment_unclaimed', 'at', p_now,
        'facts', jsonb_build_object('channel', p_channel, 'payment', p_payment,
                                    'amount_minor', v_rest.rest_minor::TEXT, 'currency', v_rest.currency,
                                    'since', v_rest.since::TEXT))));
    RETURN TRUE;
END $function$;

CREATE FUNCTION note_rest_at_end(p_order_id text, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_payment payments%ROWTYPE;
BEGIN
    SELECT p.* INTO v_payment FROM orders o JOIN payments p ON p.channel = o.channel AND p.payment = o.payment
    WHERE o.order_id = p_order_id AND p.paid_minor > p.claimed_minor + p.returned_minor;
    IF FOUND THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('rest/' || v_payment.channel || '/' || v_payment.payment, 0));
        IF NOT EXISTS (SELECT FROM orders o WHERE o.channel = v_payment.channel AND o.payment = v_payment.payment
                       AND NOT o.closed) THEN
            PERFORM note_rest(v_payment.channel, v_payment.payment, p_now);
        END IF;
    END IF;
END $function$;

CREATE FUNCTION note_rests(p_channel text, p_before timestamp with time zone, p_now timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_payment TEXT;
    v_new     INT := 0;
BEGIN
    FOR v_payment IN
        SELECT p.payment FROM payments p
        WHERE p.channel = p_channel AND p.paid_minor > p.claimed_minor + p.returned_minor
          AND (SELECT min(o.opened_at) FROM orders o
               WHERE o.channel = p.channel AND o.payment = p.payment) < p_before
          AND NOT EXISTS (SELECT FROM notices n WHERE n.subject = 'payment/' || p.channel || '/' || p.payment)
        ORDER BY p.payment
    LOOP
        v_new := v_new + note_rest(p_channel, v_payment, p_now)::INT;
    END LOOP;
    RETURN v_new;
END $function$;

CREATE FUNCTION note_seal_bound()
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET lock_timeout TO '2s'
AS $function$
DECLARE
    v_last BIGINT;
BEGIN
    LOCK TABLE movements IN SHARE MODE;
    SELECT max(id) INTO v_last FROM movements;
    IF v_last IS NOT NULL THEN
        INSERT INTO seal_bound (last_movement) VALUES (v_last)
        ON CONFLICT (only_row) DO UPDATE SET last_movement = greatest(seal_bound.last_movement, excluded.last_movement);
    END IF;
    RETURN v_last;
END
$function$;

CREATE FUNCTION note_session_used(p_digest bytea, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    UPDATE sessions SET seen_at = p_now WHERE digest = p_digest AND seen_at < p_now - INTERVAL '1 minute'
$function$;

CREATE FUNCTION note_whole_withdrawal()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    NEW.emptied_at := NULL;
    RETURN NEW;
END $function$;

CREATE FUNCTION number_in_use(p_waybill text)
 RETURNS boolean
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT EXISTS (SELECT FROM waybill_claims c JOIN orders o ON o.order_id = c.order_id
                   WHERE c.waybill = p_waybill AND c.released_at IS NULL AND NOT o.closed)
$function$;

CREATE FUNCTION open_accounts(p_keys text[])
 RETURNS void
 LANGUAGE plpgsql
AS $function$
DECLARE
    v_unknown TEXT;
BEGIN
    SELECT split_part(w.key, ' ', 1) INTO v_unknown FROM unnest(p_keys) AS w (key)
    WHERE account_kind(split_part(w.key, ' ', 1)) IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'no account has the path %', v_unknown USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO accounts (path, currency, kind, guarded, balance_minor)
    SELECT w.path, w.currency, account_kind(w.path), account_guarded(w.path),
           CASE WHEN account_guarded(w.path) THEN 0 END
    FROM (SELECT split_part(k, ' ', 1) AS path, split_part(k, ' ', 2) AS currency FROM unnest(p_keys) AS k) AS w
    -- No EXISTS: as a join the planner may begin at all accounts. The currency is hidden from it, as in `post`.
    WHERE (SELECT a.id FROM accounts a WHERE a.path = w.path AND a.currency || '' = w.currency) IS NULL
    ORDER BY w.path COLLATE "C", w.currency COLLATE "C"
    ON CONFLICT ON CONSTRAINT accounts_path_currency_key DO NOTHING;
END $function$;

CREATE FUNCTION open_and_fund_order(
    p_order jsonb,
    p_content_hash text,
    p_opened_by text,
    p_paid_minor bigint,
    p_policy_hash text,
    p_now timestamp with time zone,
    p_reference text,
    p_currency text,
    p_occurred_at timestamp with time zone,
    p_emptied text,
    p_debits text[],
    p_credits text[],
    p_amounts bigint[],
    p_record jsonb,
    p_number text
)
 RETURNS TABLE(outcome text, recorded boolean, refs text[])
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_stop    TEXT;
    v_channel TEXT := p_order #>> '{payment,channel}';
    v_payment TEXT := p_order #>> '{payment,reference}';
BEGIN
    IF NOT EXISTS (SELECT FROM orders o WHERE o.order_id = p_order ->> 'order_id') THEN
        v_stop := coalesce(stop_of_merchant(p_order ->> 'merchant_id'),
                           'merchant_' || CASE WHEN merchant_value(p_order ->> 'merchant_id', 'leaving') IS NOT NULL
                                               THEN 'leaving' END);
        IF v_stop IS NOT NULL AND NOT coalesce(p_record #> '{state,holds}', '[]')
                                      @> jsonb_build_array(jsonb_build_object('name', v_stop)) THEN
            outcome := v_stop;
            recorded := FALSE;
            refs := '{}';
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    IF p_number IS NOT NULL AND name_payment(v_channel, p_number, v_payment) <> v_payment THEN
        outcome := 'claimed_otherwise';
    ELSE
        outcome := open_order(p_order, p_content_hash, p_opened_by, p_paid_minor, p_policy_hash, p_now);
        IF p_number IS NOT NULL AND outcome <> 'registered' THEN -- few are refused
            -- Until this transaction ends no one has read the name.
            DELETE FROM payment_numbers n
            WHERE n.channel = v_channel AND n.number = p_number
              AND NOT EXISTS (SELECT FROM orders o WHERE o.channel = v_channel AND o.payment = v_payment);
        END IF;
    END IF;
    IF outcome = 'registered' AND p_reference IS NOT NULL THEN
        PERFORM post_for_order(p_reference, p_currency, p_occurred_at, p_emptied, p_debits, p_credits, p_amounts,
                               p_record);
    END IF;
    recorded := EXISTS (SELECT FROM orders o WHERE o.order_id = p_order ->> 'order_id' AND o.state IS NOT NULL);
    refs := ARRAY(SELECT m.reference FROM movements m
                  WHERE m.reference >= 'order/' || (p_order ->> 'order_id') || '/'
                    AND m.reference < 'order/' || (p_order ->> 'order_id') || '0' ORDER BY m.id);
    RETURN NEXT;
END $function$;

CREATE FUNCTION open_attempt(
    p_withdrawal_id text,
    p_attempt_no integer,
    p_key text,
    p_request_hash text,
    p_amount bigint,
    p_terms jsonb,
    p_approvers text[],
    p_roles text[],
    p_now timestamp with time zone,
    p_record jsonb
)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_withdrawal withdrawals%ROWTYPE;
    v_stop       TEXT;
BEGIN
    SELECT * INTO v_withdrawal FROM withdrawals w WHERE w.withdrawal_id = p_withdrawal_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'withdrawal % is not registered', p_withdrawal_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF p_amount > v_withdrawal.amount_minor THEN
        RAISE EXCEPTION 'withdrawal % is of %, and its payout of % is refused', p_withdrawal_id,
            v_withdrawal.amount_minor, p_amount USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Before the record: the withdrawal goes on from where it is once its merchant is let go.
    v_stop := stop_of_merchant(v_withdrawal.merchant_id);
    IF v_stop IS NOT NULL
       AND NOT EXISTS (SELECT FROM payout_attempts a
                       WHERE a.withdrawal_id = p_withdrawal_id AND a.attempt_no = p_attempt_no)
       AND NOT EXISTS (SELECT FROM movements m WHERE m.reference = 'withdrawal/' || p_withdrawal_id || '/close') THEN
        RETURN v_stop;
    END IF;
    -- Before the record as well: two are asked anew where one who approved it may approve nothing any more.
    IF v_withdrawal.needs_approval
       AND EXISTS (SELECT FROM unnest(p_approvers) AS a (person) WHERE NOT may_decide(a.person))
       AND NOT EXISTS (SELECT FROM payout_attempts a
                       WHERE a.withdrawal_id = p_withdrawal_id AND a.attempt_no = p_attempt_no)
       AND NOT EXISTS (SELECT FROM movements m WHERE m.reference = 'withdrawal/' || p_withdrawal_id || '/close') THEN
        RETURN 'needs_other_person';
    END IF;
    IF p_record IS NOT NULL THEN
        PERFORM record_withdrawal(p_record);
    END IF;
    IF EXISTS (SELECT FROM payout_attempts a
               WHERE a.withdrawal_id = p_withdrawal_id AND a.attempt_no = p_attempt_no) THEN
        RETURN 'exists';
    END IF;
    IF EXISTS (SELECT FROM movements m WHERE m.reference = 'withdrawal/' || p_withdrawal_id || '/close') THEN
        RETURN 'withdrawal_over';
    END IF;
    IF EXISTS (SELECT FROM payout_accounts a
               WHERE a.account_id = v_withdrawal.account_id AND a.suspended_at IS NOT NULL) THEN
        RETURN 'account_suspended';
    END IF;
    IF EXISTS (SELECT FROM accounts a WHERE a.path = 'merchant/' || v_withdrawal.merchant_id || '/receivable'
               AND a.currency = v_withdrawal.currency AND a.balance_minor > 0) THEN
        RETURN 'receivable_outstanding';
    END IF;
    INSERT INTO withdrawal_approvals (withdrawal_id, attempt_no, person, role, requested_by, approved_at)
    SELECT p_withdrawal_id, p_attempt_no, a.person, a.role, v_withdrawal.requested_by, p_now
    FROM unnest(p_approvers, p_roles) AS a (person, role)
    ON CONFLICT ON CONSTRAINT approvers_are_different_people DO NOTHING;
    IF v_withdrawal.needs_approval AND (SELECT count(DISTINCT person_of(a.person)) FROM withdrawal_approvals a
                                        WHERE a.withdrawal_id = p_withdrawal_id) < 2 THEN
        RETURN 'needs_other_person';
    END IF;
    INSERT INTO payout_attempts (key, withdrawal_id, attempt_no, request_hash, amount_minor, currency, account_id,
                                 account_version, holder, last4, rail, rail_token, terms, created_at, updated_at)
    SELECT p_key, p_withdrawal_id, p_attempt_no, p_request_hash, p_amount, v_withdrawal.currency, v.account_id,
           v.version, v.holder, v.last4, v.rail, v.rail_token, p_terms, p_now, p_now
    FROM payout_account_versions v
    WHERE v.account_id = v_withdrawal.account_id AND v.version = v_withdrawal.account_version;
    RETURN 'opened';
END $function$;

CREATE FUNCTION open_drop(
    p_key text,
    p_account_id text,
    p_amount bigint,
    p_tries integer,
    p_valid_until timestamp with time zone,
    p_drops_max integer,
    p_role text,
    p_who text,
    p_why text,
    p_now timestamp with time zone
)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_account payout_accounts%ROWTYPE;
    v_version payout_account_versions%ROWTYPE;
    v_count   INT;
BEGIN
    SELECT * INTO v_account FROM payout_accounts a WHERE a.account_id = p_account_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown_account';
    ELSIF EXISTS (SELECT FROM account_drops d WHERE d.key = p_key) THEN
        RETURN 'exists';
    END IF;
    SELECT * INTO v_version FROM payout_account_versions v
    WHERE v.account_id = p_account_id AND v.version = v_account.version;
    SELECT count(*) INTO v_count FROM account_drops d
    WHERE d.account_id = p_account_id AND d.version = v_account.version;
    IF v_account.suspended_at IS NOT NULL THEN
        RETURN 'account_suspended';
    ELSIF v_version.verified_at IS NOT NULL THEN
        RETURN 'already_verified';
    ELSIF EXISTS (SELECT FROM account_drops d
                  WHERE d.account_id = p_account_id AND d.version = v_account.version
                    AND d.state IN ('open', 'sending', 'accepted', 'unknown')) THEN
        RETURN 'drop_under_way';
    ELSIF v_count >= least(p_drops_max, 20) THEN -- as many as a policy may allow; the caller may ask for fewer
        RETURN 'drops_used_up';
    END IF;
    INSERT INTO account_drops (key, account_id, version, drop_no, amount_minor, currency, rail, tries_left, valid_until,
                               created_at, updated_at)
    VALUES (p_key, p_account_id, v_account.version, v_count + 1, p_amount, v_version.currency, v_version.rail, p_tries,
            p_valid_until, p_now, p_now);
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, role, who, why, at)
    VALUES (v_account.merchant_id, p_account_id, v_account.version, 'dropped', p_role, p_who, p_why, p_now);
    RETURN 'opened';
END $function$;

CREATE FUNCTION open_order(
    p_order jsonb,
    p_content_hash text,
    p_opened_by text,
    p_paid_minor bigint,
    p_policy_hash text,
    p_now timestamp with time zone
)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
DECLARE
    v_id      TEXT := p_order ->> 'order_id';
    v_channel TEXT := p_order #>> '{payment,channel}';
    v_payment TEXT := p_order #>> '{payment,reference}';
    v_total   BIGINT := (p_order ->> 'total_minor')::BIGINT;
    v_known   orders%ROWTYPE;
BEGIN
    -- An order lives under a text that its policy's name points to, or pointed to a moment ago: terms are the owner's.
    IF NOT EXISTS (SELECT FROM policy_moves m
                   WHERE m.name = coalesce(p_order ->> 'policy', 'default') AND m.to_hash = p_policy_hash) THEN
        RAISE EXCEPTION 'order % is refused: no policy % ever had the text %', v_id,
            coalesce(p_order ->> 'policy', 'default'), p_policy_hash USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- The payment's row is the lock under which its orders are registered one by one. A lower amount never replaces
    -- what the channel has confirmed as paid.
    INSERT INTO payments AS p (channel, payment, currency, paid_minor)
    VALUES (v_channel, v_payment, p_order ->> 'currency', p_paid_minor)
    ON CONFLICT (channel, payment) DO UPDATE
    SET paid_minor = CASE WHEN p.currency = excluded.currency THEN greatest(p.paid_minor, excluded.paid_minor)
                          ELSE p.paid_minor END;
    SELECT * INTO v_known FROM orders o WHERE o.order_id = v_id FOR UPDATE;
    IF FOUND THEN
        IF v_known.content_hash <> p_content_hash THEN RETURN 'different_content'; END IF;
        IF v_known.opened_by <> p_opened_by THEN
            IF v_known.closed THEN RETURN 'over'; END IF;
            IF EXISTS (SELECT FROM movements m WHERE m.reference = 'order/' || v_id || '/fund') THEN
                RETURN 'money_moved';
            END IF;
        END IF;
        -- Until a state is recorded, the order's policy is that of the last answer to its run.
        UPDATE orders SET opened_by = p_opened_by,
                          policy_hash = CASE WHEN revision < 0 THEN p_policy_hash ELSE policy_hash END
        WHERE order_id = v_id;
        RETURN CASE WHEN v_known.opened_by = p_opened_by THEN 'same_run' ELSE 'taken_over' END;
    END IF;
    UPDATE payments p SET claimed_minor = p.claimed_minor + v_total
    WHERE p.channel = v_channel AND p.payment = v_payment
      AND p.currency = p_order ->> 'currency' AND p.claimed_minor + p.returned_minor + v_total <= p.paid_minor;
    IF NOT FOUND THEN RETURN 'payment_over_claimed'; END IF;
    BEGIN
        INSERT INTO orders (order_id, merchant_id, buyer_id, currency, total_minor, channel, payment, body, device_hash,
                            place_hash, content_hash, opened_by, policy_hash, opened_at)
        VALUES (v_id, p_order ->> 'merchant_id', p_order ->> 'buyer_id', p_order ->> 'currency', v_total, v_channel,
                v_payment, p_order, p_order ->> 'device_hash', p_order ->> 'place_hash', p_content_hash, p_opened_by,
                p_policy_hash, p_now);
    EXCEPTION WHEN unique_violation THEN
        -- The same id with another payment, registered in the same moment.
        UPDATE payments p SET claimed_minor = p.claimed_minor - v_total
        WHERE p.channel = v_channel AND p.payment = v_payment;
        RETURN 'different_content';
    END;
    RETURN 'registered';
END $function$;

CREATE FUNCTION open_session(
    p_digest bytea,
    p_replaces bytea,
    p_person_id text,
    p_signed_in_at timestamp with time zone,
    p_ends_at timestamp with time zone,
    p_now timestamp with time zone,
    p_issuer text,
    p_subject text
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    DELETE FROM sessions WHERE digest = p_replaces OR ends_at < p_now;
    INSERT INTO sessions (digest, person_id, signed_in_at, seen_at, ends_at)
    SELECT p_digest, p.person_id, p_signed_in_at, p_now, p_ends_at
    FROM people p WHERE p.person_id = p_person_id AND p.ended_at IS NULL
      AND (p_subject IS NULL OR EXISTS (SELECT FROM subjects s WHERE s.person_id = p_person_id AND s.issuer = p_issuer
                                        AND s.subject = p_subject AND s.ended_at IS NULL))
    -- Who ends the access or replaces the subject waits, and then finds this session.
    FOR SHARE OF p;
    RETURN FOUND;
END $function$;

CREATE FUNCTION order_changes(
    p_old jsonb,
    p_new jsonb,
    p_phase_was text,
    p_phase text,
    p_closed_was boolean,
    p_closed boolean
)
 RETURNS jsonb[]
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
DECLARE
    v_events JSONB[] := '{}';
    v_was    JSONB := p_old -> 'receipt';
    v_is     JSONB := p_new -> 'receipt';
    v_seldom BOOLEAN := (p_new -> 'cases', p_new -> 'refunds', p_new -> 'refund_request', p_new -> 'holds',
                         p_new -> 'shifts', p_new -> 'freeze')
        IS DISTINCT FROM (p_old -> 'cases', p_old -> 'refunds', p_old -> 'refund_request', p_old -> 'holds',
                          p_old -> 'shifts', p_old -> 'freeze')
        OR p_new -> 'ship_by' <> p_old -> 'ship_by' OR p_new -> 'settle_not_before' <> p_old -> 'settle_not_before';
BEGIN
    IF p_phase_was IS NULL THEN
        v_events := ARRAY[event_of('order.opened', '{}')];
    END IF;
    -- A case may have parcels, too.
    IF v_seldom OR p_new -> 'parcels' IS DISTINCT FROM p_old -> 'parcels' THEN
        v_events := v_events || parcel_events(p_old, p_new);
    END IF;
    IF v_is IS DISTINCT FROM v_was THEN
        IF v_is ->> 'status' <> coalesce(v_was ->> 'status', 'not_due') THEN
            v_events := v_events || event_of('receipt.' || (v_is ->> 'status'), jsonb_build_object(
                'by', v_is -> 'by', 'receipt_by', v_is -> 'deadline', 'previous', jsonb_build_object(
                    'receipt', coalesce(v_was -> 'status', '"not_due"'))));
        END IF;
        IF v_is -> 'extensions' > coalesce(v_was -> 'extensions', '0') THEN
            v_events := v_events || event_of('receipt.extended', jsonb_build_object(
                'receipt_by', v_is -> 'deadline', 'previous', jsonb_build_object('receipt_by', v_was -> 'deadline')));
        END IF;
        v_seldom := v_seldom OR v_is ->> 'deadline' <> v_was ->> 'deadline';
    END IF;
    IF v_seldom THEN
        v_events := v_events || seldom_changes(p_old, p_new);
    END IF;
    IF p_phase <> coalesce(p_phase_was, CASE p_phase WHEN 'opening' THEN p_phase ELSE 'awaiting_shipment' END) THEN
        -- A new order is opening, or waits for its shipment; `order.opened` says that.
        v_events := v_events || event_of('order.' || p_phase, jsonb_build_object(
            'credited_minor', CASE p_phase WHEN 'credited' THEN p_new -> 'credited_minor' END,
            'commission_minor', CASE p_phase WHEN 'credited' THEN p_new -> 'commission_minor' END,
            'settled_minor', CASE p_phase WHEN 'settled' THEN p_new -> 'settled_minor' END,
            'previous', jsonb_build_object('phase', p_phase_was)));
    END IF;
    IF p_closed AND p_closed_was IS NOT TRUE THEN
        v_events := v_events || event_of('order.closed', '{}');
    ELSIF p_closed_was AND NOT p_closed THEN
        v_events := v_events || event_of('order.reopened', '{}');
    END IF;
    RETURN v_events;
END $function$;

CREATE FUNCTION order_facts(
    p_phase text,
    p_audit text,
    p_receipt text,
    p_total_minor bigint,
    p_currency text,
    p_deadline text,
    p_at timestamp with time zone
)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
AS $function$
    SELECT jsonb_build_object('phase', p_phase, 'audit', p_audit, 'receipt', p_receipt, 'amount_minor', p_total_minor,
                              'currency', p_currency, 'next_deadline', p_deadline, 'next_deadline_at', event_time(p_at))
$function$;

CREATE FUNCTION parcel_events(p_old jsonb, p_new jsonb)
 RETURNS jsonb[]
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
DECLARE
    v_earlier JSONB := p_old -> 'parcels';
    v_parcels JSONB := p_new -> 'parcels';
    v_was     JSONB;
    v_is      JSONB;
    v_which   JSONB;
    v_events  JSONB[] := '{}';
BEGIN
    IF p_old ? 'cases' OR p_new ? 'cases' OR jsonb_typeof(v_earlier) IS DISTINCT FROM 'array'
       OR jsonb_typeof(v_parcels) IS DISTINCT FROM 'array' THEN
        v_earlier := parcels_in(p_old);
        v_parcels := parcels_in(p_new);
    END IF;
    FOR i IN 0 .. jsonb_array_length(v_parcels) - 1 LOOP
        v_is := v_parcels -> i;
        v_was := v_earlier -> i;
        IF v_earlier <> '[]' AND (v_was -> 'parcel_id' IS DISTINCT FROM v_is -> 'parcel_id' OR v_is ? 'way') THEN
            v_was := earlier_parcel(v_earlier, v_is);
        END IF;
        CONTINUE WHEN v_is IS NOT DISTINCT FROM v_was;
        v_which := jsonb_build_object('parcel_id', v_is -> 'parcel_id', 'way', v_is -> 'way');
        IF v_was IS NULL THEN
            v_events := v_events || event_of('parcel.reported', v_which || jsonb_build_object(
                'carrier', v_is -> 'carrier', 'waybill', v_is -> 'waybill'));
        ELSIF (v_is -> 'carrier', v_is -> 'waybill') IS DISTINCT FROM (v_was -> 'carrier', v_was -> 'waybill') THEN
            v_events := v_events || event_of('parcel.corrected', v_which || jsonb_build_object(
                'carrier', v_is -> 'carrier', 'waybill', v_is -> 'waybill', 'previous', jsonb_build_object(
                    'carrier', v_was -> 'carrier', 'waybill', v_was -> 'waybill')));
        END IF;
        IF v_is -> 'verdict' <> coalesce(v_was -> 'verdict', 'null')
           OR v_is -> 'pushed_physical_at' <> coalesce(v_was -> 'pushed_physical_at', 'null') THEN
            v_events := v_events || journey_events(v_which, v_was, v_is);
        END IF;
        IF v_is ->> 'audit' <> coalesce(v_was ->> 'audit', 'collecting') THEN
            v_events := v_events || event_of('audit.' || (v_is ->> 'audit'), v_which || jsonb_build_object(
                'rules', v_is #> '{verdict,reasons}', 'previous', jsonb_build_object('audit', v_was -> 'audit')));
        END IF;
        IF v_is -> 'ended' = 'true' AND v_was -> 'ended' IS DISTINCT FROM 'true' THEN
            v_events := v_events || event_of('parcel.ended', v_which);
        END IF;
        IF v_is -> 'late' <> coalesce(v_was -> 'late', '0') THEN -- it is left out where there is none
            v_events := v_events || event_of('parcel.late_news', v_which || jsonb_build_object(
                'what', v_is #> '{late,-1,what}'));
        END IF;
    END LOOP;
    RETURN v_events;
END $function$;

CREATE FUNCTION parcels_in(p_state jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
DECLARE
    v_parcels JSONB := coalesce(jsonb_path_query_array(p_state, '$.parcels[*]'), '[]');
BEGIN
    IF p_state #> '{cases,0}' IS NULL THEN
        RETURN v_parcels;
    END IF;
    RETURN v_parcels || coalesce((
        SELECT jsonb_agg(c.body -> w.part || jsonb_build_object('way', w.way, 'case_id', c.body -> 'case_id')
                         ORDER BY c.n, w.part)
        FROM jsonb_path_query(p_state, '$.cases[*]') WITH ORDINALITY AS c (body, n)
        CROSS JOIN (VALUES ('parcel', 'back'), ('replacement', 'again')) AS w (part, way)
        WHERE jsonb_typeof(c.body -> w.part) = 'object'), '[]');
END $function$;

CREATE FUNCTION park_subject(
    p_endpoint_id text,
    p_by text,
    p_subject text,
    p_seq bigint,
    p_failures integer,
    p_next_at timestamp with time zone,
    p_status integer,
    p_error text,
    p_state text,
    p_failing_since timestamp with time zone,
    p_disabled_for text,
    p_paused_until timestamp with time zone,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_was TEXT;
BEGIN
    SELECT n.state INTO v_was FROM endpoints n
    WHERE n.endpoint_id = p_endpoint_id AND n.taken_by = p_by FOR UPDATE;
    IF v_was IS NULL THEN
        RETURN FALSE;
    END IF;
    INSERT INTO parked AS w (endpoint_id, subject, seq, failures, next_at, last_status, last_error)
    VALUES (p_endpoint_id, p_subject, p_seq, p_failures, p_next_at, p_status, p_error)
    ON CONFLICT (endpoint_id, subject) DO UPDATE
    SET seq = p_seq, failures = p_failures, next_at = p_next_at, last_status = p_status, last_error = p_error;
    UPDATE endpoints n
    SET state = p_state, failing_since = p_failing_since, disabled_for = p_disabled_for,
        paused_until = greatest(n.paused_until, p_paused_until)
    WHERE n.endpoint_id = p_endpoint_id
      AND ((n.state, n.failing_since) IS DISTINCT FROM (p_state, p_failing_since)
           OR n.paused_until IS DISTINCT FROM greatest(n.paused_until, p_paused_until));
    IF p_state = 'disabled' AND v_was <> 'disabled' THEN
        PERFORM tell_of_disabled(p_endpoint_id, p_disabled_for, p_now);
    END IF;
    RETURN TRUE;
END $function$;

CREATE FUNCTION pay_deposit_back(p_merchant_id text, p_currency text, p_now timestamp with time zone)
 RETURNS TABLE(outcome text, amount_minor bigint, ready_at timestamp with time zone)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_base    TEXT := 'merchant/' || p_merchant_id;
    v_leaving TIMESTAMPTZ;
    v_number  BIGINT;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(v_base, 0));
    -- A refund may take from the deposit meanwhile. In id order, as `post` locks them.
    PERFORM FROM accounts a
    WHERE a.path IN (v_base || '/available', v_base || '/deposit', v_base || '/receivable') AND a.currency = p_currency
    ORDER BY a.id FOR NO KEY UPDATE;
    SELECT a.balance_minor - deposit_required(p_merchant_id, p_currency) INTO amount_minor FROM accounts a
    WHERE a.path = v_base || '/deposit' AND a.currency = p_currency;
    IF coalesce(amount_minor, 0) <= 0 THEN
        RETURN QUERY SELECT 'nothing', 0::BIGINT, NULL::TIMESTAMPTZ;
        RETURN;
    END IF;
    SELECT m.at INTO v_leaving FROM merchant_moves m
    WHERE m.merchant_id = p_merchant_id AND m.what = 'leaving' ORDER BY m.id DESC LIMIT 1;
    IF merchant_value(p_merchant_id, 'leaving') IS NOT NULL THEN
        SELECT greatest(v_leaving, max(o.recorded_at)) + safeguard('deposit_kept') INTO ready_at
        FROM orders o WHERE o.merchant_id = p_merchant_id;
        outcome := CASE
            WHEN EXISTS (SELECT FROM orders o WHERE o.merchant_id = p_merchant_id AND NOT o.closed) THEN 'orders_open'
            WHEN ready_at > bounded_now(p_now) THEN 'too_early' END;
    END IF;
    IF merchant_value(p_merchant_id, 'frozen') IS NOT NULL THEN
        outcome := 'merchant_frozen';
    END IF;
    IF outcome IS NULL THEN
        SELECT count(*) + 1 INTO v_number FROM movements m
        WHERE m.reference >= v_base || '/deposit_back/' AND m.reference < v_base || '/deposit_back0';
        SELECT CASE p.outcome WHEN 'posted' THEN 'paid_back' ELSE p.outcome END INTO outcome
        FROM post(ARRAY[v_base || '/deposit_back/' || v_number], ARRAY[p_currency], ARRAY[p_now], ARRAY[NULL::TEXT],
                  ARRAY[NULL::TEXT], ARRAY[1], ARRAY[v_base || '/deposit'], ARRAY[v_base || '/available'],
                  ARRAY[pay_deposit_back.amount_minor]) AS p;
        IF outcome = 'paid_back' THEN
            PERFORM tell_of_merchant(p_merchant_id, 'deposit_paid_back', jsonb_build_object(
                'amount_minor', pay_deposit_back.amount_minor::TEXT, 'currency', p_currency), p_now);
        END IF;
    END IF;
    RETURN NEXT;
END $function$;

CREATE FUNCTION payout_events(p_old jsonb, p_new jsonb)
 RETURNS TABLE(type text, data jsonb)
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    RETURN QUERY
    SELECT 'payout.' || t.word, jsonb_build_object('attempt', c.new -> 'number', 'rail', c.new -> 'rail') || t.facts
    FROM (
        SELECT n.n, n.body AS new, o.body AS old
        FROM jsonb_path_query(p_new -> 'attempts', '$[*]') WITH ORDINALITY AS n (body, n)
        LEFT JOIN jsonb_path_query(p_old -> 'attempts', '$[*]') AS o (body) ON o.body -> 'number' = n.body -> 'number'
    ) AS c
    CROSS JOIN LATERAL (VALUES
        (1, 'opened', c.old IS NULL, '{}'::JSONB),
        (2, c.new ->> 'outcome', c.new ->> 'outcome' <> coalesce(c.old ->> 'outcome', 'open'), jsonb_build_object(
            'code', c.new #> '{failure,code}', 'previous', jsonb_build_object('outcome', c.old -> 'outcome')))
    ) AS t (n, word, happened, facts)
    WHERE t.happened
    UNION ALL
    SELECT 'payout.returned', jsonb_build_object('returned_minor', p_new #> '{returns_minor,-1}')
    WHERE p_new #> '{returns_minor,-1}' IS NOT NULL
      AND p_new -> 'returns_minor' IS DISTINCT FROM p_old -> 'returns_minor';
END $function$;

CREATE FUNCTION post(
    p_references text[],
    p_currencies text[],
    p_occurred_at timestamp with time zone[],
    p_linked_to text[],
    p_emptied text[],
    p_leg_of integer[],
    p_debits text[],
    p_credits text[],
    p_amounts bigint[]
)
 RETURNS TABLE(outcome text, account text, short_by bigint)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_written RECORD;
BEGIN
    v_written := write_movements(
        p_references, p_currencies, p_occurred_at, p_linked_to, p_emptied, p_leg_of, p_debits, p_credits, p_amounts);
    RETURN QUERY SELECT * FROM unnest(v_written.outcomes, v_written.accounts, v_written.shorts);
END $function$;

CREATE FUNCTION post_chargeback_won(
    p_reference text,
    p_currency text,
    p_occurred_at timestamp with time zone,
    p_record jsonb,
    p_lines jsonb
)
 RETURNS TABLE(outcome text, account text, short_by bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_leg_of  INT[];
    v_written RECORD;
    v_order   TEXT := split_part(p_reference, '/', 2);
    v_taken   TEXT := left(p_reference, -4);
    v_debits  TEXT[];
    v_credits TEXT[];
    v_amounts BIGINT[];
BEGIN
    IF p_reference !~ '^order/[^/]+/chargeback/[^/]+(/above)?/won$' THEN
        RAISE EXCEPTION 'movement % is refused: it is no chargeback that was won', p_reference
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT array_agg(b.debit ORDER BY b.debit, b.credit), array_agg(b.credit ORDER BY b.debit, b.credit),
           array_agg(b.amount ORDER BY b.debit, b.credit)
    INTO v_debits, v_credits, v_amounts
    FROM (
        SELECT c.path AS debit, sum(t.amount_minor)::BIGINT AS amount,
               CASE WHEN d.path LIKE 'order/%/frozen' OR d.path LIKE 'merchant/%/receivable'
                    THEN 'merchant/' || o.merchant_id || '/available' ELSE d.path END AS credit
        FROM movements m JOIN transfers t ON t.movement_id = m.id
        JOIN accounts d ON d.id = t.debit_account JOIN accounts c ON c.id = t.credit_account
        JOIN orders o ON o.order_id = v_order
        WHERE m.reference = v_taken AND m.currency = p_currency
        GROUP BY 1, 3
    ) AS b;
    IF v_debits IS NULL THEN
        RAISE EXCEPTION 'movement % is refused: there is no %', p_reference, v_taken
            USING ERRCODE = 'insufficient_privilege';
    ELSIF p_reference LIKE 'order/%/above/won' AND p_lines <> '[]' THEN
        -- What was above what was left took nothing of a line.
        RAISE EXCEPTION 'movement % is refused: it gives no line back', p_reference
            USING ERRCODE = 'insufficient_privilege';
    ELSIF (SELECT coalesce(sum(l.amount_minor), 0) FROM jsonb_to_recordset(p_lines) AS l (amount_minor BIGINT))
          > (SELECT sum(a) FROM unnest(v_debits, v_amounts) AS u (path, a) WHERE u.path LIKE 'psp/%') THEN
        RAISE EXCEPTION 'movement % is refused: its lines give back more than was taken', p_reference
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    v_leg_of := array_fill(1, ARRAY[cardinality(v_debits)]);
    v_written := write_movements(
        ARRAY[p_reference], ARRAY[p_currency], ARRAY[p_occurred_at], ARRAY[v_taken], ARRAY[NULL::TEXT], v_leg_of, v_debits,
        v_credits, v_amounts);
    outcome := v_written.outcomes[1];
    account := v_written.accounts[1];
    short_by := v_written.shorts[1];
    IF outcome = 'posted' THEN
        PERFORM refuse_unlawful_of(
            ARRAY[p_reference], ARRAY[p_currency], ARRAY[NULL::TEXT], v_written.outcomes, v_leg_of, v_debits, v_credits,
            v_amounts, v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
        -- The constraint refuses a line that gave less than that.
        UPDATE refunded_lines r SET refunded_minor = r.refunded_minor - l.amount_minor
        FROM jsonb_to_recordset(p_lines) AS l (line_id TEXT, amount_minor BIGINT)
        WHERE r.order_id = v_order AND r.line_id = l.line_id;
    END IF;
    IF outcome IN ('posted', 'exists') AND p_record IS NOT NULL THEN
        PERFORM record_order(p_record);
    END IF;
    RETURN NEXT;
END $function$;

CREATE FUNCTION post_for_order(
    p_reference text,
    p_currency text,
    p_occurred_at timestamp with time zone,
    p_emptied text,
    p_debits text[],
    p_credits text[],
    p_amounts bigint[],
    p_record jsonb
)
 RETURNS TABLE(outcome text, account text, short_by bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
 SET random_page_cost TO '4'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
DECLARE
    v_leg_of  INT[] := array_fill(1, ARRAY[cardinality(p_debits)]);
    v_written RECORD;
    v_lawful  BOOLEAN;
BEGIN
    IF p_reference NOT LIKE 'order/%' OR p_reference LIKE '%/won' THEN -- few are refused
        PERFORM refuse_unless_an_orders(p_reference);
    END IF;
    IF waits_for_merchant(p_reference, p_credits) AND is_held_by_merchant(p_reference) THEN
        outcome := 'held';
        RETURN NEXT;
        RETURN;
    END IF;
    v_written := write_movements(
        ARRAY[p_reference], ARRAY[p_currency], ARRAY[p_occurred_at], ARRAY[NULL::TEXT], ARRAY[p_emptied], v_leg_of, p_debits,
        p_credits, p_amounts);
    outcome := v_written.outcomes[1];
    account := v_written.accounts[1];
    short_by := v_written.shorts[1];
    IF outcome = 'posted' THEN
        v_lawful := refuse_unlawful_of(
            ARRAY[p_reference], ARRAY[p_currency], ARRAY[p_emptied], v_written.outcomes, v_leg_of, p_debits, p_credits,
            p_amounts, v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
        IF depends_on_others(p_reference) THEN
            PERFORM refuse_one_persons_word(p_reference, p_record);
        END IF;
    END IF;
    IF outcome IN ('posted', 'exists') AND p_record IS NOT NULL THEN
        PERFORM record_order(p_record);
    END IF;
    RETURN NEXT;
END $function$;

CREATE FUNCTION post_for_orders(
    p_references text[],
    p_currencies text[],
    p_occurred_at timestamp with time zone[],
    p_emptied text[],
    p_leg_of integer[],
    p_debits text[],
    p_credits text[],
    p_amounts bigint[],
    p_records jsonb[]
)
 RETURNS TABLE(outcome text, account text, short_by bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
 SET random_page_cost TO '4'
 SET plan_cache_mode TO 'force_generic_plan'
 SET lock_timeout TO '1s'
AS $function$
DECLARE
    v_all     TEXT := array_to_string(p_references, ' ');
    -- Whether any may depend on others of its order.
    v_others  BOOLEAN := strpos(v_all, '/refund/') > 0 OR strpos(v_all, '/chargeback/') > 0
                         OR strpos(v_all, '/claim_back/') > 0;
    v_held    BOOLEAN[];
    v_written RECORD;
    v_lawful  BOOLEAN;
BEGIN
    -- What begins with `order/` stands between these two. A query is started only where one may be refused.
    IF NOT ('order/' COLLATE "C" <= ALL (p_references) AND 'order0' COLLATE "C" > ALL (p_references))
       OR strpos(v_all, '/won') > 0 THEN
        PERFORM refuse_unless_an_orders(r) FROM unnest(p_references) AS r;
    END IF;
    v_held := held_by_merchants(p_references, p_leg_of, p_credits);
    IF TRUE = ANY (v_held) THEN
        RETURN QUERY SELECT CASE WHEN h THEN 'held' END, NULL::TEXT, NULL::BIGINT FROM unnest(v_held) AS h;
        RETURN;
    END IF;
    v_written := write_movements(
        p_references, p_currencies, p_occurred_at, array_fill(NULL::TEXT, ARRAY[cardinality(p_references)]), p_emptied,
        p_leg_of, p_debits, p_credits, p_amounts);
    IF v_others THEN
        -- Such a movement's check locks its order, and each record does: all of them now, in one order. Otherwise an array
        -- that checks a refund of one order and keeps a record of another could wait for one that does the reverse.
        PERFORM FROM orders o WHERE o.order_id = ANY (ARRAY(SELECT split_part(r, '/', 2) FROM unnest(p_references) AS r))
        ORDER BY o.order_id COLLATE "C" FOR NO KEY UPDATE;
    END IF;
    v_lawful := refuse_unlawful_of(
        p_references, p_currencies, p_emptied, v_written.outcomes, p_leg_of, p_debits, p_credits, p_amounts,
        v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
    IF v_others THEN
        PERFORM refuse_one_persons_word(r.reference, r.record)
        FROM unnest(p_references, p_records, v_written.outcomes) AS r (reference, record, outcome)
        WHERE r.outcome = 'posted' AND r.record IS NOT NULL AND depends_on_others(r.reference);
    END IF;
    IF num_nonnulls(VARIADIC p_records) > 0 THEN
        PERFORM record_orders(ARRAY(
            SELECT r.record FROM unnest(p_records, v_written.outcomes) AS r (record, outcome)
            WHERE r.outcome IN ('posted', 'exists') AND r.record IS NOT NULL));
    END IF;
    RETURN QUERY SELECT * FROM unnest(v_written.outcomes, v_written.accounts, v_written.shorts);
END $function$;

CREATE FUNCTION post_for_withdrawal(
    p_withdrawal_id text,
    p_reference text,
    p_currency text,
    p_occurred_at timestamp with time zone,
    p_emptied text,
    p_debits text[],
    p_credits text[],
    p_amounts bigint[],
    p_record jsonb
)
 RETURNS TABLE(outcome text, account text, short_by bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_leg_of  INT[] := array_fill(1, ARRAY[cardinality(p_debits)]);
    v_written RECORD;
    v_base      TEXT := 'withdrawal/' || p_withdrawal_id;
    v_reserved  TEXT := v_base || '/reserved';
    v_debits    TEXT[] := p_debits;
    v_emptied   TEXT := p_emptied;
    v_sum       BIGINT := (SELECT coalesce(sum(a), 0) FROM unnest(p_amounts) AS a);
    v_suspended BIGINT;
    v_paid      BIGINT;
    v_back      BIGINT;
    v_revision  INT;
BEGIN
    SELECT w.revision INTO v_revision FROM withdrawals w WHERE w.withdrawal_id = p_withdrawal_id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'withdrawal % is not registered', p_withdrawal_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF p_reference NOT LIKE replace(v_base, '_', '\_') || '/%' OR p_reference = v_base || '/reserve' THEN
        RAISE EXCEPTION 'movement % is refused: it is not this withdrawal''s', p_reference
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF p_reference = v_base || '/close' THEN
        SELECT sum(t.amount_minor) INTO v_suspended
        FROM movements m JOIN transfers t ON t.movement_id = m.id
        WHERE m.reference = v_base || '/suspense';
        IF v_suspended IS NOT NULL THEN
            v_debits := array_replace(p_debits, v_reserved, 'suspense');
            v_emptied := NULL;
        END IF;
    END IF;
    IF p_reference = v_base || '/close' THEN
        -- A payout whose instruction was written before the freeze may have left: it is booked. Without one nothing was sent.
        IF EXISTS (SELECT FROM unnest(p_credits) AS c (path) WHERE c.path LIKE 'rail/%')
           AND NOT EXISTS (SELECT FROM payout_attempts a WHERE a.withdrawal_id = p_withdrawal_id)
           AND stop_of_merchant((SELECT w.merchant_id FROM withdrawals w WHERE w.withdrawal_id = p_withdrawal_id))
               = 'merchant_frozen' THEN
            RAISE EXCEPTION 'movement % is refused: its merchant is frozen', p_reference
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END IF;
    IF NOT EXISTS (SELECT FROM movements m WHERE m.reference = p_reference) THEN
        IF v_revision <> (p_record ->> 'follows')::INT THEN
            -- Decided on a state that is older than the register's: the workflow was set back, and must follow first.
            outcome := 'conflict';
        ELSIF v_suspended <> v_sum THEN
            -- Suspense is shared and stores no balance: only this check keeps a withdrawal to its own money.
            SELECT 'conflict', 'suspense', abs(v_suspended - v_sum) INTO outcome, account, short_by;
        ELSIF v_reserved = ANY (p_debits) THEN
            -- Money goes back to the merchant only when no payout may still arrive.
            SELECT 'conflict', v_reserved, v_sum INTO outcome, account, short_by
            FROM payout_attempts a
            WHERE a.withdrawal_id = p_withdrawal_id AND a.state NOT IN ('failed', 'unsent')
              AND p_credits[1] LIKE 'merchant/%/available'
              AND NOT EXISTS (
                  SELECT FROM jsonb_to_recordset(p_record #> '{state,attempts}') AS r (key TEXT, outcome TEXT)
                  WHERE r.key = a.key AND r.outcome IN ('failed', 'unsent'));
        ELSE
            -- A bank can return only what was paid, and never more.
            SELECT coalesce(sum(t.amount_minor), 0) INTO v_paid
            FROM movements m JOIN transfers t ON t.movement_id = m.id JOIN accounts a ON a.id = t.credit_account
            WHERE m.reference = v_base || '/close' AND a.path LIKE 'rail/%';
            SELECT coalesce(sum(t.amount_minor), 0) INTO v_back
            FROM movements m JOIN transfers t ON t.movement_id = m.id JOIN accounts a ON a.id = t.debit_account
            WHERE m.reference LIKE 'withdrawal/' || replace(p_withdrawal_id, '_', '\_') || '/return/%'
              AND a.path LIKE 'rail/%';
            SELECT coalesce(sum(l.amount), 0) INTO v_sum
            FROM unnest(p_debits, p_amounts) AS l (debit, amount) WHERE l.debit LIKE 'rail/%';
            IF v_back + v_sum > v_paid THEN
                SELECT 'conflict', l.debit, v_back + v_sum - v_paid INTO outcome, account, short_by
                FROM unnest(p_debits) AS l (debit) WHERE l.debit LIKE 'rail/%';
            END IF;
        END IF;
        IF outcome IS NOT NULL THEN
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    v_written := write_movements(
        ARRAY[p_reference], ARRAY[p_currency], ARRAY[p_occurred_at], ARRAY[NULL::TEXT], ARRAY[v_emptied], v_leg_of,
        v_debits, p_credits, p_amounts);
    outcome := v_written.outcomes[1];
    account := v_written.accounts[1];
    short_by := v_written.shorts[1];
    IF outcome = 'posted' THEN
        PERFORM refuse_unlawful_of(
            ARRAY[p_reference], ARRAY[p_currency], ARRAY[p_emptied], v_written.outcomes, v_leg_of, p_debits, p_credits,
            p_amounts, v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
    END IF;
    IF outcome IN ('posted', 'exists') AND p_record IS NOT NULL THEN
        PERFORM record_withdrawal(p_record);
    END IF;
    RETURN NEXT;
END $function$;

CREATE FUNCTION post_movements(
    p_references text[],
    p_currencies text[],
    p_occurred_at timestamp with time zone[],
    p_linked_to text[],
    p_emptied text[],
    p_leg_of integer[],
    p_debits text[],
    p_credits text[],
    p_amounts bigint[]
)
 RETURNS TABLE(outcome text, account text, short_by bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
 SET random_page_cost TO '4'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
DECLARE
    v_held    INT;
    v_written RECORD;
    v_lawful  BOOLEAN;
BEGIN
    FOR v_n IN 1..cardinality(p_references) LOOP
        IF split_part(p_references[v_n], '/', 1) <> 'order' OR p_linked_to[v_n] IS NOT NULL
           OR p_references[v_n] LIKE 'order/%/chargeback/%/won' THEN
            RAISE EXCEPTION 'movement % is refused: only the owner posts it', p_references[v_n]
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
    v_held := array_position(held_by_merchants(p_references, p_leg_of, p_credits), TRUE);
    IF v_held IS NOT NULL THEN
        RAISE EXCEPTION 'movement % is refused: its merchant is frozen', p_references[v_held]
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    v_written := write_movements(
        p_references, p_currencies, p_occurred_at, p_linked_to, p_emptied, p_leg_of, p_debits, p_credits, p_amounts);
    v_lawful := refuse_unlawful_of(
        p_references, p_currencies, p_emptied, v_written.outcomes, p_leg_of, p_debits, p_credits, p_amounts,
        v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
    RETURN QUERY SELECT * FROM unnest(v_written.outcomes, v_written.accounts, v_written.shorts);
END $function$;

CREATE FUNCTION post_paid_in(
    p_reference text,
    p_currency text,
    p_occurred_at timestamp with time zone,
    p_debits text[],
    p_credits text[],
    p_amounts bigint[]
)
 RETURNS TABLE(outcome text, account text, short_by bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_leg_of  INT[] := array_fill(1, ARRAY[cardinality(p_debits)]);
    v_written RECORD;
BEGIN
    IF p_reference !~ '^merchant/[^/]+/paid_in/[^/]+$' THEN
        RAISE EXCEPTION 'movement % is refused: it is no payment of a merchant', p_reference
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    v_written := write_movements(
        ARRAY[p_reference], ARRAY[p_currency], ARRAY[p_occurred_at], ARRAY[NULL::TEXT], ARRAY[NULL::TEXT], v_leg_of,
        p_debits, p_credits, p_amounts);
    outcome := v_written.outcomes[1];
    account := v_written.accounts[1];
    short_by := v_written.shorts[1];
    IF outcome = 'posted' THEN
        PERFORM refuse_unlawful_of(
            ARRAY[p_reference], ARRAY[p_currency], ARRAY[NULL::TEXT], v_written.outcomes, v_leg_of, p_debits, p_credits,
            p_amounts, v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
    END IF;
    RETURN NEXT;
END $function$;

CREATE FUNCTION post_refund(
    p_reference text,
    p_currency text,
    p_occurred_at timestamp with time zone,
    p_emptied text,
    p_debits text[],
    p_credits text[],
    p_amounts bigint[],
    p_record jsonb,
    p_lines jsonb
)
 RETURNS TABLE(outcome text, account text, short_by bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_order TEXT := split_part(p_reference, '/', 2);
    v_rule  TEXT;
BEGIN
    BEGIN
        SELECT p.outcome, p.account, p.short_by INTO outcome, account, short_by
        FROM post_for_order(p_reference, p_currency, p_occurred_at, p_emptied, p_debits, p_credits, p_amounts,
                            NULL) AS p;
        IF outcome = 'posted' THEN
            PERFORM add_refunded_lines(v_order, p_lines, (SELECT sum(a) FROM unnest(p_amounts) AS a)::BIGINT);
        END IF;
    EXCEPTION WHEN check_violation THEN
        GET STACKED DIAGNOSTICS v_rule = CONSTRAINT_NAME;
        IF v_rule <> 'a_line_gives_back_no_more_than_was_paid' THEN
            RAISE;
        END IF;
        outcome := 'conflict';
        account := 'order/' || v_order || '/lines';
        SELECT sum(greatest(0, coalesce(r.refunded_minor, 0) + l.amount_minor - coalesce(r.paid_minor, l.paid_minor)))
        INTO short_by
        FROM jsonb_to_recordset(p_lines) AS l (line_id TEXT, paid_minor BIGINT, amount_minor BIGINT)
        LEFT JOIN refunded_lines r ON r.order_id = v_order AND r.line_id = l.line_id;
    END;
    IF outcome IN ('posted', 'exists') AND p_record IS NOT NULL THEN
        PERFORM record_order(p_record);
    END IF;
    RETURN NEXT;
END $function$;

CREATE FUNCTION post_rest(
    p_return text,
    p_step text,
    p_currency text,
    p_now timestamp with time zone,
    p_emptied text,
    p_debit text,
    p_credit text,
    p_amount bigint
)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_outcome TEXT;
BEGIN
    SELECT p.outcome INTO v_outcome
    FROM post(ARRAY['payment/' || p_return || '/' || p_step], ARRAY[p_currency], ARRAY[p_now], ARRAY[NULL::TEXT],
              ARRAY[p_emptied], ARRAY[1], ARRAY[p_debit], ARRAY[p_credit], ARRAY[p_amount]) AS p;
    IF v_outcome <> 'posted' THEN
        RAISE EXCEPTION 'return % is refused: the books answer %', p_return, v_outcome
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END $function$;

CREATE FUNCTION post_settlements(
    p_channel text,
    p_references text[],
    p_currencies text[],
    p_occurred_at timestamp with time zone[],
    p_leg_of integer[],
    p_debits text[],
    p_credits text[],
    p_amounts bigint[]
)
 RETURNS TABLE(outcome text, account text, short_by bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
 SET random_page_cost TO '4'
AS $function$
DECLARE
    v_path     TEXT := 'psp/' || p_channel;
    v_count    INT := cardinality(p_references);
    v_outcomes TEXT[] := array_fill(NULL::TEXT, ARRAY[v_count]);
    v_accounts TEXT[] := array_fill(NULL::TEXT, ARRAY[v_count]);
    v_shorts   BIGINT[] := array_fill(NULL::BIGINT, ARRAY[v_count]);
    -- The rest that each currency holds; which settlements go to `post`, and the position of each there.
    v_held     JSONB := '{}';
    v_indexes  INT[] := '{}';
    v_at       INT[] := array_fill(NULL::INT, ARRAY[v_count]);
    v_seen     TEXT[] := '{}';
    v_takes    BIGINT;
    v_left     BIGINT;
    v_currency TEXT;
    v_row      RECORD;
    v_given    RECORD;
    v_written  RECORD;
BEGIN
    FOR v_row IN SELECT r.reference FROM unnest(p_references) AS r (reference)
                 WHERE starts_with(r.reference, v_path || '/settlement/') IS NOT TRUE LOOP
        RAISE EXCEPTION 'movement % is refused: it is no settlement of this channel', v_row.reference
            USING ERRCODE = 'insufficient_privilege';
    END LOOP;
    -- In one order, so that two calls cannot deadlock.
    FOR v_currency IN SELECT DISTINCT c.code COLLATE "C" AS code FROM unnest(p_currencies) AS c (code) ORDER BY code LOOP
        PERFORM pg_advisory_xact_lock(hashtextextended('settlement/' || p_channel || '/' || v_currency, 0));
        -- What it held at the last seal, and all that was booked since. Asked for by account, its transfers are as many as
        -- there are payments.
        SELECT coalesce((SELECT c.balance_minor FROM closings c WHERE c.account_id = a.id ORDER BY c.number DESC LIMIT 1), 0)
               + coalesce((SELECT sum(CASE a.id WHEN t.debit_account THEN t.amount_minor
                                                WHEN t.credit_account THEN -t.amount_minor END)
                           FROM transfers t WHERE t.movement_id > l.movement), 0)
        INTO v_left
        FROM accounts a
        CROSS JOIN (SELECT coalesce(max(s.last_movement), 0) AS movement FROM seals s) AS l
        WHERE a.path = v_path AND a.currency = v_currency;
        v_held := v_held || jsonb_build_object(v_currency, coalesce(v_left, 0));
    END LOOP;

    FOR v_row IN
        SELECT r.n, r.reference, r.currency, EXISTS (SELECT FROM movements m WHERE m.reference = r.reference) AS stands,
               (SELECT coalesce(sum(l.amount), 0) FROM unnest(p_leg_of, p_amounts) AS l (of, amount)
                WHERE l.of = r.n) AS taken
        FROM unnest(p_references, p_currencies) WITH ORDINALITY AS r (reference, currency, n)
        ORDER BY r.n
    LOOP
        -- A reference that is in the books, or earlier in this array, takes nothing more: `post` answers `exists` or
        -- `conflict`.
        v_takes := CASE WHEN v_row.stands OR v_row.reference = ANY (v_seen) THEN 0 ELSE v_row.taken END;
        v_left := (v_held ->> v_row.currency)::BIGINT - v_takes;
        IF v_takes > 0 AND v_left < 0 THEN
            v_outcomes[v_row.n] := 'insufficient_funds';
            v_accounts[v_row.n] := v_path;
            v_shorts[v_row.n] := -v_left;
        ELSE
            v_held := v_held || jsonb_build_object(v_row.currency, v_left);
            v_indexes := array_append(v_indexes, v_row.n::INT);
            v_at[v_row.n] := cardinality(v_indexes);
            v_seen := array_append(v_seen, v_row.reference);
        END IF;
    END LOOP;

    SELECT * INTO v_given FROM (
        SELECT array_agg(p_references[i.i] ORDER BY i.n) AS refs, array_agg(p_currencies[i.i] ORDER BY i.n) AS codes,
               array_agg(p_occurred_at[i.i] ORDER BY i.n) AS times, array_fill(NULL::TEXT, ARRAY[count(*)::INT]) AS none
        FROM unnest(v_indexes) WITH ORDINALITY AS i (i, n)
    ) AS m CROSS JOIN (
        SELECT coalesce(array_agg(v_at[l.of] ORDER BY l.n), '{}') AS leg_of,
               array_agg(l.debit ORDER BY l.n) AS debits, array_agg(l.credit ORDER BY l.n) AS credits,
               array_agg(l.amount ORDER BY l.n) AS amounts
        FROM unnest(p_leg_of, p_debits, p_credits, p_amounts) WITH ORDINALITY AS l (of, debit, credit, amount, n)
        WHERE v_at[l.of] IS NOT NULL
    ) AS g;
    IF v_given.refs IS NOT NULL THEN
        v_written := write_movements(
            v_given.refs, v_given.codes, v_given.times, v_given.none, v_given.none, v_given.leg_of, v_given.debits,
            v_given.credits, v_given.amounts);
        FOR v_n IN 1..cardinality(v_indexes) LOOP
            v_outcomes[v_indexes[v_n]] := v_written.outcomes[v_n];
            v_accounts[v_indexes[v_n]] := v_written.accounts[v_n];
            v_shorts[v_indexes[v_n]] := v_written.shorts[v_n];
        END LOOP;
        PERFORM refuse_unlawful_of(
            v_given.refs, v_given.codes, v_given.none, v_written.outcomes, v_given.leg_of, v_given.debits, v_given.credits,
            v_given.amounts, v_written.moved_of, v_written.moved_for, v_written.moved_from, v_written.moved_to, v_written.moved);
    END IF;
    RETURN QUERY SELECT * FROM unnest(v_outcomes, v_accounts, v_shorts);
END $function$;

CREATE FUNCTION purge_attempts(p_before timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_gone BIGINT;
BEGIN
    DELETE FROM attempts WHERE at < least(p_before, now() - INTERVAL '7 days');
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END $function$;

CREATE FUNCTION purge_callbacks(p_before timestamp with time zone)
 RETURNS TABLE(emptied bigint, removed bigint)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    WITH gone AS (
        DELETE FROM callbacks c
        WHERE c.received_at < least(p_before, now() - safeguard('kept')) AND c.outcome IN ('wrong_signature', 'too_large')
        RETURNING 1
    ), empty AS (
        UPDATE callbacks c SET body = NULL, headers = '{}'
        WHERE c.received_at < least(p_before, now() - safeguard('kept')) AND c.body IS NOT NULL
          AND c.outcome IS DISTINCT FROM 'wrong_signature' AND c.outcome IS DISTINCT FROM 'too_large'
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM empty), (SELECT count(*) FROM gone)
$function$;

CREATE FUNCTION purge_events(p_before timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_gone BIGINT;
BEGIN
    WITH old AS MATERIALIZED (
        -- A merchant's endpoint waits for its own events: it rests at the last one, and would keep everyone's without end.
        -- Nor does one do so that is disabled and forgotten.
        SELECT e.position, e.id, e.subject, e.seq, EXISTS (
                   SELECT FROM endpoints n
                   WHERE (n.merchant_id = e.merchant_id OR n.merchant_id IS NULL) AND n.position <= e.position
                     AND n.echoed_at IS NOT NULL
                     AND (n.state <> 'disabled' OR e.recorded_at > clock_timestamp() - INTERVAL '1 year')) AS waits
        FROM events e
        WHERE e.recorded_at < least(p_before, now() - INTERVAL '30 days')
          AND NOT EXISTS (SELECT FROM proven p WHERE p.position <= e.position
                                                 AND e.recorded_at > clock_timestamp() - INTERVAL '1 year')
          AND NOT EXISTS (SELECT FROM parked w WHERE w.subject = e.subject AND w.seq <= e.seq)
    ), waiting AS (
        -- Of a subject nothing goes behind what stays.
        SELECT o.subject, min(o.seq) AS seq FROM old o WHERE o.waits GROUP BY o.subject
    )
    DELETE FROM events e USING old o LEFT JOIN waiting w USING (subject)
    WHERE e.position = o.position AND e.id = o.id AND (w.seq IS NULL OR o.seq < w.seq);
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END $function$;

CREATE FUNCTION purge_logistics(
    p_details_before timestamp with time zone,
    p_before timestamp with time zone,
    p_limit integer
)
 RETURNS TABLE(push_bodies bigint, looks bigint, answers bigint, pushes bigint, traces bigint, subscriptions bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
#variable_conflict use_column
DECLARE
    v_details TIMESTAMPTZ := LEAST(p_details_before, now() - safeguard('kept'));
    v_all TIMESTAMPTZ := LEAST(p_before, now() - safeguard('kept'));
BEGIN
    RETURN QUERY
    WITH gone AS (
        DELETE FROM pushes p WHERE p.id IN (SELECT o.id FROM pushes o WHERE o.received_at < v_all LIMIT p_limit)
        RETURNING p.id
    ), emptied AS (
        UPDATE pushes p SET body = '', headers = '{}'
        WHERE p.id IN (SELECT o.id FROM pushes o WHERE o.received_at < v_details AND o.received_at >= v_all
                       AND length(o.body) > 0 LIMIT p_limit)
        RETURNING p.id
    ), unlooked AS (
        DELETE FROM carrier_looks l
        WHERE l.ctid IN (SELECT o.ctid FROM carrier_looks o WHERE o.asked_at < v_details LIMIT p_limit)
        RETURNING l.waybill
    ), unpolled AS (
        DELETE FROM polled_traces p
        WHERE p.ctid IN (SELECT k.ctid FROM polled_traces k WHERE k.kept_at < v_details
                         AND NOT EXISTS (SELECT FROM orders o WHERE o.order_id = k.order_id AND NOT o.closed)
                         LIMIT p_limit)
        RETURNING p.order_id
    ), unanswered AS (
        DELETE FROM carrier_answers a
        WHERE a.ctid IN (SELECT o.ctid FROM carrier_answers o WHERE o.answered_at < v_details LIMIT p_limit)
        RETURNING a.waybill
    ), untraced AS (
        DELETE FROM pushed_traces t
        WHERE t.ctid IN (SELECT o.ctid FROM pushed_traces o WHERE o.received_at < v_all
                         AND NOT number_in_use(o.waybill) LIMIT p_limit)
        RETURNING t.waybill
    ), unsubscribed AS (
        DELETE FROM carrier_subscriptions s
        WHERE s.ctid IN (SELECT o.ctid FROM carrier_subscriptions o WHERE o.asked_at < v_all
                         AND NOT number_in_use(o.waybill) LIMIT p_limit)
        RETURNING s.waybill
    )
    SELECT (SELECT count(*) FROM emptied), (SELECT count(*) FROM unlooked) + (SELECT count(*) FROM unpolled),
           (SELECT count(*) FROM unanswered),
           (SELECT count(*) FROM gone), (SELECT count(*) FROM untraced), (SELECT count(*) FROM unsubscribed);
END $function$;

CREATE FUNCTION purge_requests(p_before timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_gone BIGINT;
BEGIN
    DELETE FROM requests WHERE status IS NOT NULL AND received_at < least(p_before, now() - INTERVAL '30 days');
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END $function$;

CREATE FUNCTION purge_verdict_traces(p_before timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_gone BIGINT;
BEGIN
    UPDATE verdicts SET traces = NULL
    WHERE traces IS NOT NULL AND recorded_at < least(p_before, now() - INTERVAL '30 days');
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    RETURN v_gone;
END $function$;

CREATE FUNCTION purpose_of(p_path text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE STRICT
AS $function$
    SELECT CASE WHEN account_guarded(p_path) THEN split_part(p_path, '/', 1) || '/*/' || split_part(p_path, '/', 3)
                ELSE p_path END
$function$;

CREATE FUNCTION readmit_person(
    p_person_id text,
    p_name text,
    p_role text,
    p_merchant_id text,
    p_issuer text,
    p_subject text,
    p_by text,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_was people;
BEGIN
    SELECT p.* INTO v_was FROM people p
    WHERE p.person_id = p_person_id
      AND EXISTS (SELECT FROM subjects s WHERE s.person_id = p_person_id AND s.issuer = p_issuer
                  AND s.subject = p_subject AND s.ended_at IS NULL) FOR UPDATE;
    IF v_was.ended_at IS NULL THEN
        -- There is none, or the same again.
        RETURN coalesce((v_was.role, v_was.merchant_id) IS NOT DISTINCT FROM (p_role, p_merchant_id), FALSE)
               AND EXISTS (SELECT FROM earlier_periods WHERE person_id = p_person_id);
    END IF;
    IF (v_was.merchant_id IS NULL) <> (p_merchant_id IS NULL) THEN
        RETURN FALSE;
    END IF;
    INSERT INTO earlier_periods (person_id, period, name, role, merchant_id, added_by, added_at, ended_at, ended_by)
    SELECT p_person_id, count(*) + 1, v_was.name, v_was.role, v_was.merchant_id, v_was.added_by, v_was.added_at,
           v_was.ended_at, v_was.ended_by
    FROM earlier_periods WHERE person_id = p_person_id;
    -- A session that was opened while the access ended counts no more.
    DELETE FROM sessions WHERE person_id = p_person_id;
    UPDATE people
    SET name = p_name, role = p_role, merchant_id = p_merchant_id, added_by = p_by,
        added_at = greatest(p_now, v_was.ended_at), ended_at = NULL, ended_by = NULL
    WHERE person_id = p_person_id;
    RETURN TRUE;
END $function$;

CREATE FUNCTION reasons_to_act()
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT '{screening,audit_in_review,refund_stuck,refund_failed}'::TEXT[]
$function$;

CREATE FUNCTION record_breaks(
    p_scope text,
    p_name text,
    p_breaks jsonb,
    p_ours integer,
    p_theirs integer,
    p_now timestamp with time zone
)
 RETURNS text[]
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_subject TEXT := 'reconciliation/' || p_scope || '/' || p_name;
    v_seq     INT;
    v_new     TEXT[];
    v_notices JSONB;
    -- A run from the future would silence all that come after it.
    v_now     TIMESTAMPTZ := bounded_now(p_now);
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(v_subject, 0));
    IF EXISTS (SELECT FROM reconciliation_runs r WHERE r.scope = p_scope AND r.name = p_name AND r.ran_at > v_now) THEN
        RETURN '{}';
    END IF;
    INSERT INTO reconciliation_runs (scope, name, ran_at, ours, theirs, breaks)
    VALUES (p_scope, p_name, v_now, p_ours, p_theirs, jsonb_array_length(p_breaks))
    ON CONFLICT (scope, name) DO UPDATE
    SET ran_at = excluded.ran_at, ours = excluded.ours, theirs = excluded.theirs, breaks = excluded.breaks;

    SELECT coalesce(max(n.seq), 0) INTO v_seq FROM notices n WHERE n.subject = v_subject;
    SELECT coalesce(array_agg(f.id ORDER BY f.n), '{}'), jsonb_agg(jsonb_build_object(
        'seq', v_seq + f.n, 'to', 'operator', 'name', 'break_found', 'at', v_now,
        'facts', jsonb_strip_nulls(jsonb_build_object(
            'reason', f.body ->> 'reason', 'kind', f.body ->> 'kind', 'key', f.body ->> 'key',
            'about', f.body ->> 'subject', 'ours_minor', f.body ->> 'ours_minor',
            'theirs_minor', f.body ->> 'theirs_minor',
            'currency', coalesce(f.body ->> 'theirs_currency', f.body ->> 'ours_currency')))) ORDER BY f.n)
    INTO v_new, v_notices
    FROM (SELECT k.body, k.body ->> 'break_id' AS id, row_number() OVER (ORDER BY k.body ->> 'break_id') AS n
          FROM jsonb_array_elements(p_breaks) AS k (body)
          WHERE NOT EXISTS (SELECT FROM reconciliation_breaks b
                            WHERE b.break_id = k.body ->> 'break_id' AND b.resolved_at IS NULL)) AS f;
    INSERT INTO reconciliation_breaks (break_id, scope, name, reason, body, first_seen_at, last_seen_at)
    SELECT f.body ->> 'break_id', p_scope, p_name, f.body ->> 'reason', f.body, v_now, v_now
    FROM jsonb_array_elements(p_breaks) AS f (body)
    ON CONFLICT (break_id) DO UPDATE
    SET body = excluded.body, last_seen_at = excluded.last_seen_at, resolved_at = NULL;
    -- NOT IN is a look into a hash. After an outage there are tens of thousands, and an anti-join may compare each with all.
    UPDATE reconciliation_breaks b SET resolved_at = v_now
    WHERE b.scope = p_scope AND b.name = p_name AND b.resolved_at IS NULL
      AND b.break_id NOT IN (SELECT f.body ->> 'break_id' FROM jsonb_array_elements(p_breaks) AS f (body));
    IF v_notices IS NOT NULL THEN
        PERFORM add_notices(v_subject, v_notices);
    END IF;
    RETURN v_new;
END $function$;

CREATE FUNCTION record_order(p_record jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_kept BOOLEAN[] := record_orders(ARRAY[p_record]);
BEGIN
    RETURN v_kept[1];
END $function$;

CREATE FUNCTION record_orders(p_records jsonb[])
 RETURNS boolean[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
 SET random_page_cost TO '4'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
DECLARE
    v_kept   BOOLEAN[] := array_fill(FALSE, ARRAY[cardinality(p_records)]);
    v_of     INT[]; -- those that this call kept, in the order of the orders
    v_same   BOOLEAN;
    v_n      INT;
    v_record JSONB;
    v_cases  BOOLEAN := FALSE;
    v_closed JSONB[] := '{}';
    -- Whom the records notify.
    v_subjects TEXT[] := '{}';
    v_notices  JSONB[] := '{}';
BEGIN
    WITH kept AS (
        UPDATE orders o
        SET revision = r.revision,
            phase = r.body ->> 'phase',
            audit = r.body ->> 'audit',
            receipt = r.body ->> 'receipt',
            next_deadline_name = r.body #>> '{next_deadline,name}',
            next_deadline_at = (r.body #>> '{next_deadline,at}')::TIMESTAMPTZ,
            hold_reasons = ARRAY(SELECT jsonb_array_elements_text(r.body -> 'hold_reasons')),
            holds = CASE WHEN coalesce(r.body #> '{state,holds}', '[]') = '[]'
                              AND NOT r.body -> 'hold_reasons' ?| reasons_to_act() THEN '{}' ELSE holds_in(r.body) END,
            refunded_minor = (r.body ->> 'refunded_minor')::BIGINT,
            closed = (r.body ->> 'closed')::BOOLEAN,
            state = r.body -> 'state',
            recorded_at = (r.body ->> 'recorded_at')::TIMESTAMPTZ,
            emptied_at = NULL
        FROM (
            -- In the order of the orders, whose rows are locked one by one.
            SELECT g.n, g.body, g.body ->> 'order_id' AS order_id, (g.body ->> 'revision')::INT AS revision,
                   (g.body #>> '{state,recorded_revision}')::INT AS follows
            FROM unnest(p_records) WITH ORDINALITY AS g (body, n) ORDER BY g.body ->> 'order_id' COLLATE "C"
        ) AS r
        WHERE o.order_id = r.order_id AND o.revision < r.revision AND o.revision = coalesce(r.follows, o.revision)
        RETURNING r.n, o.order_id
    )
    SELECT array_agg(k.n ORDER BY k.order_id COLLATE "C") INTO v_of FROM kept k;
    FOREACH v_n IN ARRAY coalesce(v_of, '{}') LOOP
        v_kept[v_n] := TRUE;
        v_record := p_records[v_n];
        IF v_record -> 'notices' <> '[]' THEN -- many records have none
            v_subjects := v_subjects || ('order/' || (v_record ->> 'order_id'));
            v_notices := v_notices || (v_record -> 'notices');
        END IF;
        IF v_record -> 'closed' = 'true' THEN
            v_closed := v_closed || v_record;
        END IF;
        v_cases := v_cases OR v_record #> '{state,cases,0}' IS NOT NULL;
    END LOOP;
    IF v_subjects <> '{}' THEN
        PERFORM add_notices_of(v_subjects, v_notices);
    END IF;
    IF v_cases THEN -- most orders have none
        PERFORM note_claim_payments(p_records[n]) FROM unnest(v_of) AS n;
    END IF;
    IF v_closed <> '{}' THEN
        PERFORM end_orders(v_closed);
    END IF;
    FOR v_n IN 1..cardinality(p_records) LOOP
        CONTINUE WHEN v_kept[v_n];
        v_record := p_records[v_n];
        SELECT o.revision = (v_record ->> 'revision')::INT AND o.state = v_record -> 'state' INTO v_same
        FROM orders o WHERE o.order_id = v_record ->> 'order_id';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'order % is not registered', v_record ->> 'order_id'
                USING ERRCODE = 'foreign_key_violation';
        END IF;
        v_kept[v_n] := coalesce(v_same, FALSE);
    END LOOP;
    RETURN v_kept;
END $function$;

CREATE FUNCTION record_withdrawal(p_record jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_id       TEXT := p_record ->> 'withdrawal_id';
    v_revision INT := (p_record ->> 'revision')::INT;
    v_kept     BOOLEAN;
BEGIN
    UPDATE withdrawals
    SET revision = v_revision,
        state_name = p_record ->> 'state_name',
        next_deadline_name = p_record #>> '{next_deadline,name}',
        next_deadline_at = (p_record #>> '{next_deadline,at}')::TIMESTAMPTZ,
        closed = (p_record ->> 'closed')::BOOLEAN,
        state = p_record -> 'state',
        recorded_at = (p_record ->> 'recorded_at')::TIMESTAMPTZ
    WHERE withdrawal_id = v_id AND revision < v_revision
      AND revision = coalesce((p_record ->> 'follows')::INT, revision);
    v_kept := FOUND;
    IF v_kept THEN
        UPDATE payout_attempts a SET state = r.outcome, updated_at = (p_record ->> 'recorded_at')::TIMESTAMPTZ
        FROM jsonb_to_recordset(p_record #> '{state,attempts}') AS r (key TEXT, outcome TEXT)
        WHERE a.key = r.key AND a.withdrawal_id = v_id AND r.outcome NOT IN ('open', a.state);
        INSERT INTO payout_events (rail, event_id, key, outcome, amount_minor, at)
        SELECT a.rail, e.event_id, a.key, e.outcome, e.amount_minor, e.at
        FROM jsonb_to_recordset(p_record #> '{state,attempts}') AS r (key TEXT, events JSONB)
        JOIN payout_attempts a ON a.key = r.key AND a.withdrawal_id = v_id
        CROSS JOIN LATERAL jsonb_to_recordset(r.events)
            AS e (event_id TEXT, outcome TEXT, amount_minor BIGINT, at TIMESTAMPTZ)
        ON CONFLICT ON CONSTRAINT an_event_counts_once DO NOTHING;
        PERFORM add_notices('withdrawal/' || v_id, p_record -> 'notices');
    ELSIF NOT EXISTS (SELECT FROM withdrawals w WHERE w.withdrawal_id = v_id) THEN
        RAISE EXCEPTION 'withdrawal % is not registered', v_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN v_kept;
END $function$;

CREATE FUNCTION refund_events(p_old jsonb, p_new jsonb)
 RETURNS TABLE(type text, data jsonb)
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    RETURN QUERY
    SELECT 'refund.' || (n.body ->> 'status'), jsonb_build_object(
        'cause', n.body -> 'cause', 'refund_minor', n.body -> 'amount_minor', 'source', n.body -> 'source',
        'bearer', n.body -> 'bearer', 'previous', jsonb_build_object('status', o.body -> 'status'))
    FROM jsonb_path_query(p_new -> 'refunds', '$[*]') WITH ORDINALITY AS n (body, n)
    LEFT JOIN jsonb_path_query(p_old -> 'refunds', '$[*]') AS o (body) ON o.body -> 'cause' = n.body -> 'cause'
    WHERE n.body -> 'status' IS DISTINCT FROM o.body -> 'status'
    UNION ALL
    SELECT 'refund.' || t.word, jsonb_build_object('cause', t.body -> 'cause')
    FROM (VALUES
        ('requested', p_new -> 'refund_request', p_old -> 'refund_request'),
        ('request_ended', p_old -> 'refund_request', p_new -> 'refund_request')) AS t (word, body, other)
    WHERE jsonb_typeof(t.body) = 'object' AND t.body -> 'cause' IS DISTINCT FROM t.other -> 'cause';
END $function$;

CREATE FUNCTION refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION 'the books are only added to: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $function$;

CREATE FUNCTION refuse_change_of_history()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION '% is only added to', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $function$;

CREATE FUNCTION refuse_in_one_breath(p_request text, p_asked_in xid8)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF p_asked_in = pg_current_xact_id() THEN
        RAISE EXCEPTION 'request % is refused: one transaction asks and agrees', p_request
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END $function$;

CREATE FUNCTION refuse_one_persons_word(p_reference text, p_record jsonb)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF p_reference LIKE 'order/%/refund/%/paid' OR p_reference LIKE 'order/%/refund/%/covered' THEN
        IF EXISTS (
            SELECT FROM jsonb_path_query(p_record, '$.state.refunds[*]') AS r (body)
            WHERE r.body ->> 'cause' = split_part(p_reference, '/', 4) AND jsonb_array_length(r.body -> 'votes') > 0
              AND (SELECT count(DISTINCT person_of(v ->> 0)) FROM jsonb_array_elements(r.body -> 'votes') AS v) < 2
        ) THEN
            RAISE EXCEPTION 'movement % is refused: one person says that it arrived', p_reference
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    ELSIF p_reference LIKE 'order/%/claim_back/%' THEN
        IF EXISTS (
            SELECT FROM jsonb_path_query(p_record, '$.state.cases[*]') AS c (body)
            CROSS JOIN LATERAL (VALUES
                ((SELECT array_agg(v ->> 0) FROM jsonb_path_query(c.body, '$.claim.votes[*]') AS v)),
                ((SELECT array_agg(p #>> '{}') FROM jsonb_path_query(c.body, '$.claim.ruled_by[*]') AS p))) AS w (people)
            WHERE c.body ->> 'case_id' = split_part(p_reference, '/', 4)
              AND (SELECT count(DISTINCT person_of(n)) FROM unnest(w.people) AS n) = 1
        ) THEN
            RAISE EXCEPTION 'movement % is refused: one person decided it', p_reference
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END IF;
END $function$;

CREATE FUNCTION refuse_unlawful_of(
    p_references text[],
    p_currencies text[],
    p_emptied text[],
    p_outcomes text[],
    p_leg_of integer[],
    p_debits text[],
    p_credits text[],
    p_amounts bigint[],
    p_moved_of integer[],
    p_moved_for integer[],
    p_moved_from text[],
    p_moved_to text[],
    p_moved bigint[]
)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
 SET random_page_cost TO '4'
AS $function$
DECLARE
    v_twice      TEXT;
    v_withdrawal withdrawals;
    v_faults     TEXT[];
    v_of         INT[];
    v_n          INT;
    v_fault      TEXT;
BEGIN
    FOR v_k IN 2..cardinality(p_leg_of) LOOP
        CONTINUE WHEN p_leg_of[v_k] <> p_leg_of[v_k - 1]; -- few movements have several legs, which stand together
        -- Each transfer is looked at for itself: the same leg again would move the same money again.
        SELECT p_references[l.of] INTO v_twice
        FROM unnest(p_leg_of, p_debits, p_credits, p_amounts) AS l (of, debit, credit, amount)
        WHERE l.amount <> 0 GROUP BY l.of, l.debit, l.credit HAVING count(*) > 1 LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'movement % is refused: it has a leg twice', v_twice USING ERRCODE = 'insufficient_privilege';
        END IF;
        EXIT; -- that looked at all movements
    END LOOP;
    -- A withdrawal's movement comes alone, and an array of orders looks for none. Among others it counts as not registered.
    IF cardinality(p_references) = 1 AND p_references[1] LIKE 'withdrawal/%' THEN
        SELECT w.* INTO v_withdrawal FROM withdrawals w WHERE w.withdrawal_id = split_part(p_references[1], '/', 2);
    END IF;
    -- One row, not a cursor, which would copy its plan each time.
    SELECT array_agg(c.of ORDER BY c.id COLLATE "C", c.reference COLLATE "C"),
           array_agg(c.fault ORDER BY c.id COLLATE "C", c.reference COLLATE "C") INTO v_of, v_faults
    FROM (
        SELECT m.of, m.id, m.reference, CASE
                WHEN m.fault LIKE 'its subject is not registered:%' THEN 'not registered'
                WHEN m.strange OR m.kind <> m.other_kind OR m.emptied IS DISTINCT FROM named_in(m.empties, m.id, m.reference)
                THEN 'no kind of movement has these legs'
                ELSE m.fault
            END AS fault
        FROM (
            SELECT t.of, p_references[t.of] AS reference, split_part(p_references[t.of], '/', 2) AS id,
                   p_emptied[t.of] AS emptied, bool_or(l.asked IS NOT TRUE) AS strange,
                   min(l.kind) AS kind, max(l.kind) AS other_kind, min(l.emptied) AS empties,
                   min(transfer_fault(
                       p_references[t.of], p_currencies[t.of], t.debit, t.credit, t.amount, l.written, o, v_withdrawal)
                       || ': ' || t.debit || ' to ' || t.credit) AS fault
            FROM unnest(p_moved_of, p_moved_for, p_moved_from, p_moved_to, p_moved) AS t (of, leg, debit, credit, amount)
            -- The leg that asked for it, and the kind of what the database may have written in its place.
            LEFT JOIN LATERAL (
                SELECT s.kind, s.emptied, s.asked,
                       CASE WHEN (t.debit, t.credit) = (p_debits[t.leg], p_credits[t.leg]) THEN s.kind ELSE (
                           SELECT r.kind FROM stored_legs r
                           WHERE r.reference = s.reference AND r.debit = shape_of(t.debit) AND r.credit = shape_of(t.credit)
                       ) END AS written
                FROM stored_legs s
                WHERE s.reference = shape_of(p_references[t.of]) AND s.debit = shape_of(p_debits[t.leg])
                  AND s.credit = shape_of(p_credits[t.leg]) OFFSET 0
            ) AS l ON TRUE
            LEFT JOIN orders o ON o.order_id = CASE WHEN p_references[t.of] LIKE 'order/%'
                                                    THEN split_part(p_references[t.of], '/', 2) END
            GROUP BY t.of
        ) AS m
        OFFSET 0 -- so that each fault is looked for once
    ) AS c
    WHERE c.fault IS NOT NULL OR depends_on_others(c.reference);
    IF NOT array_positions(p_outcomes, 'posted') <@ coalesce(p_moved_of, '{}') THEN
        -- Also a movement that moves nothing is one.
        SELECT array_agg(c.of ORDER BY c.id COLLATE "C", c.reference COLLATE "C"),
               array_agg(c.fault ORDER BY c.id COLLATE "C", c.reference COLLATE "C") INTO v_of, v_faults
        FROM (
            SELECT m.of, m.id, m.reference, CASE
                    WHEN m.of = ANY (v_of) THEN v_faults[array_position(v_of, m.of)]
                    WHEN m.reference LIKE 'order/%' AND (SELECT 1 FROM orders o WHERE o.order_id = m.id) IS NULL
                         OR m.reference LIKE 'withdrawal/%'
                            AND (SELECT 1 FROM withdrawals w WHERE w.withdrawal_id = m.id) IS NULL
                    THEN 'not registered'
                    WHEN NOT EXISTS (SELECT FROM movement_kinds k
                                     WHERE k.shape = shape_of(m.reference) AND p_emptied[m.of] IS NOT DISTINCT FROM
                                           named_in(k.emptied, m.id, m.reference))
                    THEN 'no kind of movement has these legs'
                    -- An order that ended with nothing for anybody is still credited and settled, with nothing.
                    WHEN m.reference NOT LIKE 'order/%/credit' AND m.reference NOT LIKE 'order/%/settle'
                    THEN 'it moves nothing'
                END AS fault
            FROM (
                SELECT n AS of, p_references[n] AS reference, split_part(p_references[n], '/', 2) AS id
                FROM unnest(array_positions(p_outcomes, 'posted')) AS n
                WHERE n = ANY (v_of) OR (n = ANY (p_moved_of)) IS NOT TRUE
            ) AS m
            OFFSET 0
        ) AS c
        WHERE c.fault IS NOT NULL OR c.of = ANY (v_of);
    END IF;
    FOR v_k IN 1..coalesce(cardinality(v_of), 0) LOOP
        v_n := v_of[v_k];
        v_fault := v_faults[v_k];
        IF v_fault = 'not registered' THEN
            RAISE EXCEPTION '% % is not registered', split_part(p_references[v_n], '/', 1),
                split_part(p_references[v_n], '/', 2) USING ERRCODE = 'foreign_key_violation';
        ELSIF v_fault IS NULL THEN
            SELECT CASE WHEN p_references[v_n] LIKE 'order/%'
                        THEN fault_beside_others(p_references[v_n], l.debits, l.amounts)
                        ELSE fault_of_withdrawal(p_references[v_n], l.debits, l.credits, l.amounts) END INTO v_fault
            FROM (
                SELECT array_agg(g.debit) AS debits, array_agg(g.credit) AS credits, array_agg(g.amount) AS amounts
                FROM unnest(p_leg_of, p_debits, p_credits, p_amounts) AS g (of, debit, credit, amount) WHERE g.of = v_n
            ) AS l;
        END IF;
        IF v_fault IS NOT NULL THEN
            RAISE EXCEPTION 'movement % is refused: %', p_references[v_n], v_fault
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    END LOOP;
    RETURN TRUE;
END $function$;

CREATE FUNCTION refuse_unless_an_orders(p_reference text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF p_reference NOT LIKE 'order/%' THEN
        RAISE EXCEPTION 'movement % is refused: it is no order''s', p_reference
            USING ERRCODE = 'insufficient_privilege';
    ELSIF p_reference LIKE 'order/%/chargeback/%/won' THEN
        -- It gives a merchant money of the channel's, as much as the chargeback took, which no caller may say.
        RAISE EXCEPTION 'movement % is refused: only the database makes it', p_reference
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END $function$;

CREATE FUNCTION register_policy(p_name text, p_content_hash text, p_text text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    PERFORM keep_policy(p_name, p_content_hash, p_text);
    PERFORM name_policy(p_name, p_content_hash, session_user, 'the first of this name');
    RETURN EXISTS (SELECT FROM policy_names n WHERE n.name = p_name AND n.content_hash = p_content_hash);
END $function$;

CREATE FUNCTION release_claims(
    p_order_id text,
    p_parcels text[],
    p_carriers text[],
    p_waybills text[],
    p_now timestamp with time zone
)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    UPDATE waybill_claims c SET released_at = p_now
    WHERE c.order_id = p_order_id AND c.released_at IS NULL
      AND NOT EXISTS (SELECT FROM unnest(p_parcels, p_carriers, p_waybills) AS u (parcel, carrier, waybill)
                      WHERE (u.parcel, u.carrier, u.waybill) = (c.parcel_id, c.carrier, c.waybill))
$function$;

CREATE FUNCTION release_endpoint(p_endpoint_id text, p_by text, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    UPDATE endpoints SET taken_by = NULL, taken_until = p_now WHERE endpoint_id = p_endpoint_id AND rtrim(taken_by, '!') = p_by
$function$;

CREATE FUNCTION release_review(p_order_id text, p_parcel_id text, p_reviewer text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    DELETE FROM review_claims c
    WHERE c.order_id = p_order_id AND c.parcel_id = p_parcel_id AND c.reviewer = p_reviewer;
    RETURN FOUND;
END $function$;

CREATE FUNCTION remove_endpoint(p_endpoint_id text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    DELETE FROM endpoints WHERE endpoint_id = p_endpoint_id;
    RETURN FOUND;
END $function$;

CREATE FUNCTION require_deposit(
    p_merchant_id text,
    p_grade text,
    p_currency text,
    p_required bigint,
    p_role text,
    p_who text,
    p_why text,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_last BIGINT;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(
        coalesce('merchant/' || p_merchant_id, 'deposit_of_grade/' || p_grade), 0));
    SELECT d.required_minor INTO v_last FROM deposit_moves d
    WHERE (d.merchant_id = p_merchant_id OR d.grade = p_grade) AND d.currency = p_currency
    ORDER BY d.id DESC LIMIT 1;
    IF v_last IS NOT DISTINCT FROM p_required THEN
        RETURN FALSE;
    END IF;
    INSERT INTO deposit_moves (merchant_id, grade, currency, required_minor, role, who, why, at)
    VALUES (p_merchant_id, p_grade, p_currency, p_required, p_role, p_who, p_why, p_now);
    IF p_merchant_id IS NOT NULL THEN
        PERFORM tell_of_merchant(p_merchant_id, 'merchant_changed', jsonb_build_object(
            'what', 'deposit', 'value', coalesce(p_required || ' ' || p_currency, ''), 'reason', p_why), p_now);
    END IF;
    RETURN TRUE;
END $function$;

CREATE FUNCTION reseal_account(
    p_account_id text,
    p_version integer,
    p_old_nonce bytea,
    p_key_id text,
    p_nonce bytea,
    p_ciphertext bytea,
    p_fingerprint bytea,
    p_role text,
    p_who text,
    p_why text,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_before TEXT;
BEGIN
    SELECT n.key_id INTO v_before FROM payout_account_numbers n
    WHERE n.account_id = p_account_id AND n.version = p_version AND n.nonce = p_old_nonce FOR UPDATE;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    UPDATE payout_account_numbers n
    SET key_id = p_key_id, nonce = p_nonce, ciphertext = p_ciphertext, fingerprint = p_fingerprint, sealed_at = p_now
    WHERE n.account_id = p_account_id AND n.version = p_version;
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
    SELECT a.merchant_id, p_account_id, p_version, 'resealed', v_before || ' → ' || p_key_id, p_role, p_who, p_why,
           p_now
    FROM payout_accounts a WHERE a.account_id = p_account_id;
    RETURN TRUE;
END $function$;

CREATE FUNCTION reseal_endpoint(
    p_endpoint_id text,
    p_number integer,
    p_was bytea,
    p_key_id text,
    p_nonce bytea,
    p_ciphertext bytea
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    UPDATE endpoint_secrets s SET key_id = p_key_id, nonce = p_nonce, ciphertext = p_ciphertext
    WHERE s.endpoint_id = p_endpoint_id AND s.number = p_number AND s.nonce = p_was;
    RETURN FOUND;
END $function$;

CREATE FUNCTION resend_subject(p_endpoint_id text, p_subject text, p_seq bigint, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    UPDATE endpoints n SET taken_by = taken_by || '!' WHERE n.endpoint_id = p_endpoint_id;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    INSERT INTO parked AS w (endpoint_id, subject, seq, failures, next_at) VALUES (p_endpoint_id, p_subject, p_seq, 0, p_now)
    ON CONFLICT (endpoint_id, subject) DO UPDATE
    SET seq = least(w.seq, p_seq), next_at = p_now,
        failures = CASE WHEN p_seq < w.seq THEN 0 ELSE w.failures END;
    PERFORM look_at_endpoint(p_endpoint_id);
    RETURN TRUE;
END $function$;

CREATE FUNCTION reserve(
    p_withdrawal jsonb,
    p_content_hash text,
    p_minimum bigint,
    p_maximum bigint,
    p_daily_count integer,
    p_daily_sum bigint,
    p_day_start timestamp with time zone,
    p_needs_approval boolean,
    p_now timestamp with time zone,
    p_record jsonb
)
 RETURNS TABLE(outcome text, detail text)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_id       TEXT := p_withdrawal ->> 'withdrawal_id';
    v_merchant TEXT := p_withdrawal ->> 'merchant_id';
    v_amount   BIGINT := (p_withdrawal ->> 'amount_minor')::BIGINT;
    v_currency TEXT := p_withdrawal ->> 'currency';
    v_hash     TEXT;
    v_account  RECORD;
    v_owed     BIGINT;
    v_count    BIGINT;
    v_sum      BIGINT;
    v_posted   RECORD;
    -- A later time would end the cooling of an account.
    v_now      TIMESTAMPTZ := bounded_now(p_now);
    v_stop     TEXT := stop_of_merchant(v_merchant);
BEGIN
    INSERT INTO merchants (merchant_id) VALUES (v_merchant) ON CONFLICT DO NOTHING;
    PERFORM FROM merchants m WHERE m.merchant_id = v_merchant FOR UPDATE;

    SELECT w.content_hash INTO v_hash FROM withdrawals w WHERE w.withdrawal_id = v_id;
    IF FOUND THEN
        IF v_hash <> p_content_hash THEN
            RETURN QUERY SELECT 'withdrawal_exists_with_different_content', v_id;
            RETURN;
        END IF;
        IF p_record IS NOT NULL THEN
            PERFORM record_withdrawal(p_record);
        END IF;
        RETURN QUERY SELECT 'exists', v_id;
        RETURN;
    END IF;

    SELECT a.merchant_id, a.version, a.suspended_at, v.currency, v.cooling_until INTO v_account
    FROM payout_accounts a JOIN payout_account_versions v USING (account_id, version)
    WHERE a.account_id = p_withdrawal ->> 'account_id'
    FOR SHARE OF a;
    SELECT a.balance_minor INTO v_owed FROM accounts a
    WHERE a.path = 'merchant/' || v_merchant || '/receivable' AND a.currency = v_currency;
    SELECT count(*), coalesce(sum(w.amount_minor), 0) INTO v_count, v_sum FROM withdrawals w
    WHERE w.merchant_id = v_merchant AND w.currency = v_currency
      AND w.requested_at >= p_day_start AND w.requested_at < p_day_start + INTERVAL '24 hours'
      AND w.state_name NOT IN ('rejected', 'cancelled', 'failed');

    SELECT r.code, r.about INTO outcome, detail
    FROM (VALUES
        (0, v_stop IS NOT NULL, v_stop, v_merchant),
        (1, v_account.merchant_id IS DISTINCT FROM v_merchant, 'unknown_account', p_withdrawal ->> 'account_id'),
        (2, v_account.suspended_at IS NOT NULL, 'account_suspended', p_withdrawal ->> 'account_id'),
        (3, v_account.currency IS DISTINCT FROM v_currency, 'wrong_currency', v_account.currency),
        (4, v_account.cooling_until > v_now, 'account_cooling', to_char(
            v_account.cooling_until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')),
        (5, v_amount < p_minimum, 'below_minimum', p_minimum::TEXT),
        (6, v_amount > p_maximum, 'above_maximum', p_maximum::TEXT),
        (7, coalesce(v_owed, 0) > 0, 'receivable_outstanding', v_owed::TEXT),
        (8, v_count >= p_daily_count, 'daily_limit', v_count::TEXT),
        (9, v_sum + v_amount > p_daily_sum, 'daily_limit', v_sum::TEXT)
    ) AS r (n, refused, code, about)
    WHERE r.refused ORDER BY r.n LIMIT 1;
    IF FOUND THEN
        RETURN NEXT;
        RETURN;
    END IF;

    SELECT p.outcome, p.account, p.short_by INTO v_posted
    FROM post(ARRAY['withdrawal/' || v_id || '/reserve'], ARRAY[v_currency], ARRAY[v_now], ARRAY[NULL::TEXT],
              ARRAY[NULL::TEXT], ARRAY[1], ARRAY['merchant/' || v_merchant || '/available'],
              ARRAY['withdrawal/' || v_id || '/reserved'], ARRAY[v_amount]) AS p;
    IF v_posted.outcome = 'insufficient_funds' THEN
        RETURN QUERY SELECT 'insufficient_funds', v_posted.short_by::TEXT;
        RETURN;
    ELSIF v_posted.outcome <> 'posted' THEN
        RAISE EXCEPTION 'withdrawal % has a reserve movement and no row', v_id;
    END IF;
    INSERT INTO withdrawals (withdrawal_id, merchant_id, amount_minor, currency, account_id, account_version,
                             requested_by, body, content_hash, needs_approval, requested_at)
    VALUES (v_id, v_merchant, v_amount, v_currency, p_withdrawal ->> 'account_id', v_account.version,
            p_withdrawal #>> '{requested_by,id}', p_withdrawal, p_content_hash, p_needs_approval, v_now);
    IF p_record IS NOT NULL THEN
        PERFORM record_withdrawal(p_record);
    END IF;
    RETURN QUERY SELECT 'reserved', v_id;
END $function$;

CREATE FUNCTION reserve_verified(
    p_withdrawal jsonb,
    p_content_hash text,
    p_minimum bigint,
    p_maximum bigint,
    p_daily_count integer,
    p_daily_sum bigint,
    p_day_start timestamp with time zone,
    p_needs_approval boolean,
    p_now timestamp with time zone,
    p_record jsonb
)
 RETURNS TABLE(outcome text, detail text)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_merchant TEXT := p_withdrawal ->> 'merchant_id';
BEGIN
    PERFORM FROM merchants m WHERE m.merchant_id = v_merchant FOR UPDATE;
    IF NOT EXISTS (SELECT FROM withdrawals w WHERE w.withdrawal_id = p_withdrawal ->> 'withdrawal_id')
       AND EXISTS (SELECT FROM payout_accounts a JOIN payout_account_versions v USING (account_id, version)
                   WHERE a.account_id = p_withdrawal ->> 'account_id' AND a.merchant_id = v_merchant
                     AND a.suspended_at IS NULL AND v.verified_at IS NULL) THEN
        RETURN QUERY SELECT 'account_unverified', p_withdrawal ->> 'account_id';
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM reserve(p_withdrawal, p_content_hash, p_minimum, p_maximum, p_daily_count, p_daily_sum,
                                       p_day_start, p_needs_approval, p_now, p_record);
END $function$;

CREATE FUNCTION rest_of_inbox(p_inbox jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT p_inbox || '{"journal": [], "weight": 0, "unheard": []}' || jsonb_build_object(
        'dropped', coalesce(p_inbox -> 'dropped', '{}') || jsonb_build_object('emptied',
            coalesce((p_inbox #>> '{dropped,emptied}')::INT, 0)
            + coalesce(jsonb_array_length(p_inbox -> 'journal'), 0)))
$function$;

CREATE FUNCTION rest_of_parcel(p_parcel jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT p_parcel || '{"evidence_of_review": {}}' || CASE jsonb_typeof(p_parcel -> 'verdict')
        WHEN 'object' THEN jsonb_build_object('verdict', p_parcel -> 'verdict' || '{"findings": []}') ELSE '{}' END
$function$;

CREATE FUNCTION rest_of_parcels(p_body jsonb, p_parts text[])
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT coalesce(jsonb_object_agg(p.part, rest_of_parcel(p_body -> p.part)), '{}')
    FROM unnest(p_parts) AS p (part) WHERE jsonb_typeof(p_body -> p.part) = 'object'
$function$;

CREATE FUNCTION rest_of_state(p_state jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT p_state
        || CASE jsonb_typeof(p_state -> 'inbox') WHEN 'object' THEN
               jsonb_build_object('inbox', rest_of_inbox(p_state -> 'inbox')) ELSE '{}' END
        || CASE WHEN p_state @? '$.parcels[0]' THEN jsonb_build_object('parcels', (
               SELECT jsonb_agg(rest_of_parcel(p.body) ORDER BY p.n)
               FROM jsonb_path_query(p_state, '$.parcels[*]') WITH ORDINALITY AS p (body, n))) ELSE '{}' END
        || CASE WHEN p_state @? '$.cases[0]' THEN jsonb_build_object('cases', (
               SELECT jsonb_agg(c.body || rest_of_parcels(c.body, '{parcel,replacement}') ORDER BY c.n)
               FROM jsonb_path_query(p_state, '$.cases[*]') WITH ORDINALITY AS c (body, n))) ELSE '{}' END
$function$;

CREATE FUNCTION rest_of_withdrawal(p_state jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT p_state || CASE WHEN jsonb_typeof(p_state #> '{inbox,journal}') = 'array' THEN (
        SELECT jsonb_build_object('inbox', (p_state -> 'inbox') || jsonb_build_object(
            'journal', coalesce(jsonb_agg(j.line ORDER BY j.n) FILTER (WHERE j.staff), '[]'),
            'weight', coalesce(sum(octet_length(j.line::TEXT)) FILTER (WHERE j.staff), 0),
            'unheard', '[]'::JSONB,
            'dropped', coalesce(p_state #> '{inbox,dropped}', '{}') || jsonb_build_object('emptied',
                coalesce((p_state #>> '{inbox,dropped,emptied}')::INT, 0) + count(*) FILTER (WHERE NOT j.staff))))
        FROM (
            SELECT l.line, l.n, coalesce(l.line #>> '{actor,role}' IN ('operator', 'reviewer'), FALSE) AS staff
            FROM jsonb_array_elements(p_state #> '{inbox,journal}') WITH ORDINALITY AS l (line, n)
        ) AS j) ELSE '{}' END
$function$;

CREATE FUNCTION resume_account(p_account_id text, p_role text, p_who text, p_why text, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_account payout_accounts%ROWTYPE;
BEGIN
    SELECT * INTO v_account FROM payout_accounts a
    WHERE a.account_id = p_account_id AND a.suspended_at IS NOT NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    UPDATE payout_accounts a SET suspended_at = NULL, suspended_for = NULL, suspended_by = NULL
    WHERE a.account_id = p_account_id;
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
    VALUES (v_account.merchant_id, p_account_id, v_account.version, 'resumed', v_account.suspended_for, p_role, p_who,
            p_why, p_now);
    RETURN TRUE;
END $function$;

CREATE FUNCTION return_rest(
    p_return text,
    p_channel text,
    p_payment text,
    p_by text,
    p_reason text,
    p_now timestamp with time zone
)
 RETURNS TABLE(outcome text, amount_minor bigint, currency text)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_payment payments%ROWTYPE;
    v_return  rest_returns%ROWTYPE;
    v_rest    BIGINT;
BEGIN
    -- The payment's row is the lock under which orders claim their parts.
    SELECT * INTO v_payment FROM payments p WHERE p.channel = p_channel AND p.payment = p_payment FOR UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'unknown_payment', NULL::BIGINT, NULL::TEXT;
        RETURN;
    END IF;
    v_rest := v_payment.paid_minor - v_payment.claimed_minor - v_payment.returned_minor;
    currency := v_payment.currency;
    SELECT * INTO v_return FROM rest_returns r WHERE r.return_id = p_return;
    amount_minor := coalesce(v_return.amount_minor, v_rest);
    outcome := CASE
        WHEN (v_return.channel, v_return.payment) IS DISTINCT FROM (p_channel, p_payment)
             AND v_return.return_id IS NOT NULL THEN 'different'
        WHEN v_return.state = 'claimed' THEN 'claimed'
        WHEN v_return.state <> 'asked' THEN 'already'
        WHEN NOT may_decide(p_by) THEN 'access_ended'
        WHEN v_return.return_id IS NOT NULL AND v_return.amount_minor <= v_rest AND NOT may_decide(v_return.asked_by)
             THEN 'asked'
        WHEN person_of(v_return.asked_by) = person_of(p_by) THEN 'same_person'
        WHEN v_rest = 0 AND v_return.return_id IS NULL THEN 'nothing_left'
        WHEN v_return.return_id IS NULL THEN 'asked'
        WHEN v_return.amount_minor > v_rest THEN 'claimed'
        ELSE 'owed' END;
    IF outcome = 'asked' THEN
        UPDATE rest_returns r SET state = 'claimed', closed_at = p_now
        WHERE r.channel = p_channel AND r.payment = p_payment AND r.state = 'asked' AND r.amount_minor > v_rest;
        INSERT INTO rest_returns (return_id, channel, payment, currency, amount_minor, reason, asked_by, asked_at)
        VALUES (p_return, p_channel, p_payment, v_payment.currency, v_rest, p_reason, p_by, p_now)
        ON CONFLICT (return_id) DO UPDATE
        SET reason = EXCLUDED.reason, asked_by = EXCLUDED.asked_by, asked_at = EXCLUDED.asked_at, asked_in = EXCLUDED.asked_in;
    ELSIF outcome = 'owed' THEN
        PERFORM refuse_in_one_breath(p_return, v_return.asked_in);
        UPDATE rest_returns r SET state = 'owed', done_by = p_by, done_at = p_now WHERE r.return_id = p_return;
        UPDATE payments p SET returned_minor = p.returned_minor + v_return.amount_minor
        WHERE p.channel = p_channel AND p.payment = p_payment;
        PERFORM post_rest(p_return, 'rest', v_payment.currency, p_now, NULL, 'psp/' || p_channel,
                          'payment/' || p_return || '/owed', v_return.amount_minor);
    END IF;
    RETURN NEXT;
END $function$;

CREATE FUNCTION reviews_of(o orders)
 RETURNS SETOF review_queue
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT o.order_id, p.parcel ->> 'parcel_id', 'audit', o.merchant_id, o.currency, o.total_minor,
           ARRAY(SELECT f #>> '{}' FROM jsonb_path_query(p.parcel, '$.findings_of_review[*]') AS f),
           p.parcel -> 'verdict', p.parcel -> 'evidence_of_review', (p.parcel ->> 'audit_since')::TIMESTAMPTZ,
           o.state #>> '{policy,review_sla}'
    FROM jsonb_path_query(o.state, '$.parcels[*]') AS p (parcel)
    -- An order's audit is its worst parcel's.
    WHERE NOT o.closed AND o.audit IN ('rejected', 'in_review')
      AND p.parcel ->> 'audit' = 'in_review' AND p.parcel -> 'ended' = 'false'
    UNION ALL
    SELECT o.order_id, '', 'screening', o.merchant_id, o.currency, o.total_minor,
           ARRAY[coalesce(o.state ->> 'screening_reason', 'screening')], NULL,
           jsonb_build_object('hits', o.state -> 'screening_hits'), (o.state ->> 'screening_since')::TIMESTAMPTZ,
           o.state #>> '{policy,screening_sla}'
    WHERE o.phase = 'screening_held'
    UNION ALL
    SELECT o.order_id, 'case-' || (c.newest ->> 'case_id'), 'arbitration', o.merchant_id, o.currency, o.total_minor,
           ARRAY[c.newest ->> 'kind', c.newest ->> 'reason'], NULL, c.newest, (c.newest ->> 'since')::TIMESTAMPTZ,
           -- Until the end of the stage that runs; one that has none any more is overdue.
           coalesce(extract(EPOCH FROM (c.newest #>> '{due,at}')::TIMESTAMPTZ - (c.newest ->> 'since')::TIMESTAMPTZ), 0)
               ::BIGINT || 's'
    FROM (SELECT o.state #> '{cases,-1}' AS newest) AS c
    WHERE o.hold_reasons @> ARRAY['after_sale_arbitration']
$function$;

CREATE FUNCTION rewind_endpoint(p_endpoint_id text, p_position bigint, p_event bigint, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    UPDATE endpoints n
    SET taken_by = taken_by || '!',
        position = CASE WHEN (p_position, p_event) < (n.position, n.event) THEN p_position ELSE n.position END,
        event = CASE WHEN (p_position, p_event) < (n.position, n.event) THEN p_event ELSE n.event END
    WHERE n.endpoint_id = p_endpoint_id;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    -- What waits behind the new place would come twice. What waits before it is due.
    DELETE FROM parked w USING events e
    WHERE w.endpoint_id = p_endpoint_id AND e.subject = w.subject AND e.seq = w.seq
      AND (e.position, e.id) > (p_position, p_event);
    UPDATE parked SET next_at = p_now WHERE endpoint_id = p_endpoint_id AND next_at > p_now;
    PERFORM look_at_endpoint(p_endpoint_id);
    RETURN TRUE;
END $function$;

CREATE FUNCTION rotate_api_key(
    p_old text,
    p_seen_ends timestamp with time zone,
    p_old_ends timestamp with time zone,
    p_key_id text,
    p_digest bytea,
    p_by text,
    p_expires_at timestamp with time zone,
    p_now timestamp with time zone
)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_old      api_keys;
    v_follower TEXT;
BEGIN
    SELECT * INTO v_old FROM api_keys k WHERE k.key_id = p_old FOR UPDATE;
    SELECT k.key_id INTO v_follower FROM api_keys k
    WHERE k.line = v_old.line AND k.created_at > v_old.created_at AND (k.expires_at IS NULL OR k.expires_at > p_now)
    ORDER BY k.created_at DESC LIMIT 1;
    IF FOUND THEN
        RETURN v_follower;
    ELSIF v_old.expires_at IS DISTINCT FROM p_seen_ends THEN
        RETURN p_old;
    END IF;
    PERFORM add_api_key(
        p_key_id, v_old.name, p_digest, v_old.merchant_id, v_old.scopes, p_by, p_expires_at, p_now, v_old.line);
    PERFORM end_api_key(p_old, p_old_ends, p_by);
    RETURN NULL;
END $function$;

CREATE FUNCTION rotate_endpoint(
    p_endpoint_id text,
    p_number integer,
    p_asked_as text,
    p_key_id text,
    p_nonce bytea,
    p_ciphertext bytea,
    p_ends_at timestamp with time zone
)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_number INT;
BEGIN
    PERFORM FROM endpoints n WHERE n.endpoint_id = p_endpoint_id FOR UPDATE;
    SELECT s.number INTO v_number FROM endpoint_secrets s
    WHERE s.endpoint_id = p_endpoint_id AND s.asked_as = p_asked_as;
    IF FOUND THEN
        RETURN v_number;
    END IF;
    SELECT max(s.number) INTO v_number FROM endpoint_secrets s WHERE s.endpoint_id = p_endpoint_id;
    IF v_number IS DISTINCT FROM p_number - 1 THEN
        RETURN NULL;
    END IF;
    UPDATE endpoint_secrets s SET ends_at = p_ends_at WHERE s.endpoint_id = p_endpoint_id AND s.number = v_number;
    DELETE FROM endpoint_secrets s WHERE s.endpoint_id = p_endpoint_id AND s.ends_at <= now();
    INSERT INTO endpoint_secrets (endpoint_id, number, asked_as, key_id, nonce, ciphertext, older_end_at)
    VALUES (p_endpoint_id, p_number, p_asked_as, p_key_id, p_nonce, p_ciphertext, p_ends_at);
    UPDATE endpoints n SET taken_by = taken_by || '!' WHERE n.endpoint_id = p_endpoint_id;
    RETURN p_number;
END $function$;

CREATE FUNCTION safeguard(p_name text)
 RETURNS interval
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT coalesce(
        (SELECT s.value FROM safeguards s WHERE s.name = p_name ORDER BY s.id DESC LIMIT 1),
        CASE p_name WHEN 'cooling' THEN INTERVAL '72 hours'
                    WHEN 'clock_skew' THEN INTERVAL '5 minutes'
                    WHEN 'kept' THEN INTERVAL '7 days'
                    WHEN 'deposit_kept' THEN INTERVAL '30 days' END)
$function$;

CREATE FUNCTION seal_books(p_block integer, p_most integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
AS $function$
DECLARE
    v_before seals;
    v_seal seals;
BEGIN
    IF p_block NOT BETWEEN 1 AND 100000 OR p_most < 1 THEN
        RAISE EXCEPTION 'a block has 1 to 100000 movements, a seal at least 1' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- One sealer at a time; the second finds what the first did.
    LOCK TABLE seals IN SHARE ROW EXCLUSIVE MODE;
    SELECT * INTO v_before FROM seals ORDER BY number DESC LIMIT 1;
    SELECT min(m.id), max(m.id), count(*) INTO v_seal.first_movement, v_seal.last_movement, v_seal.movements
    FROM (SELECT n.id FROM movements n, seal_bound b
          WHERE n.id > coalesce(v_before.last_movement, 0) AND n.id <= b.last_movement ORDER BY n.id LIMIT p_most) AS m;
    IF v_seal.movements = 0 THEN
        RETURN NULL;
    END IF;
    v_seal.number := coalesce(v_before.number, 0) + 1;
    v_seal.previous := v_before.hash;
    v_seal.sealed_at := clock_timestamp();
    v_seal.hash := sha256('');
    SELECT coalesce(jsonb_object_agg(s.what, s.total), '{}') INTO v_seal.sums FROM (
        SELECT e.kind || ' ' || e.currency AS what, sum(e.delta_minor) AS total FROM entries e
        WHERE e.movement_id BETWEEN v_seal.first_movement AND v_seal.last_movement GROUP BY 1) AS s;
    INSERT INTO seals SELECT v_seal.*;
    INSERT INTO seal_blocks (number, block, first_movement, last_movement, marks, hash)
    SELECT v_seal.number, b.block, min(b.movement_id), max(b.movement_id),
           string_agg(substr(b.hash, 1, 8), '' ORDER BY b.movement_id), sha256(string_agg(b.hash, '' ORDER BY b.movement_id))
    FROM (SELECT h.*, (row_number() OVER (ORDER BY h.movement_id) - 1) / p_block AS block
          FROM movement_hashes(v_seal.first_movement, v_seal.last_movement) AS h) AS b
    GROUP BY b.block;
    -- A merchant's account that did not move keeps its last closing.
    INSERT INTO closings (number, account_id, balance_minor)
    SELECT v_seal.number, e.account_id, coalesce(c.balance_minor, 0) + e.moved_minor
    FROM (
        SELECT m.account_id, sum(m.delta_minor) AS moved_minor FROM (
            SELECT account_id, delta_minor FROM entries
            WHERE movement_id BETWEEN v_seal.first_movement AND v_seal.last_movement
              AND (path LIKE 'merchant/%' OR NOT account_guarded(path))
            UNION ALL SELECT id, 0 FROM accounts WHERE NOT guarded) AS m
        GROUP BY m.account_id) AS e
    LEFT JOIN LATERAL (SELECT l.balance_minor FROM closings l WHERE l.account_id = e.account_id
                       ORDER BY l.number DESC LIMIT 1) AS c ON TRUE;
    INSERT INTO purposes (number, purpose, currency, kind, balance_minor)
    SELECT v_seal.number, p.purpose, p.currency, min(p.kind), sum(p.minor) FROM (
        SELECT u.purpose, u.currency, u.kind, u.balance_minor AS minor FROM purposes u WHERE u.number = v_before.number
        UNION ALL
        SELECT purpose_of(path), currency, kind, delta_minor FROM entries
        WHERE movement_id BETWEEN v_seal.first_movement AND v_seal.last_movement) AS p
    GROUP BY p.purpose, p.currency;
    PERFORM close_merchant_days(v_seal.first_movement, v_seal.last_movement);
    UPDATE seals s SET hash = seal_hash(s) WHERE s.number = v_seal.number;
    RETURN v_seal.number;
END
$function$;

CREATE FUNCTION seal_hash(p_seal seals)
 RETURNS bytea
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT sha256(convert_to(jsonb_build_array(
        p_seal.number, p_seal.first_movement, p_seal.last_movement, p_seal.movements, p_seal.sums,
        extract(EPOCH FROM p_seal.sealed_at), encode(p_seal.previous, 'hex'),
        (SELECT jsonb_agg(jsonb_build_array(b.first_movement, b.last_movement, encode(b.hash, 'hex')) ORDER BY b.block)
         FROM seal_blocks b WHERE b.number = p_seal.number),
        (SELECT jsonb_agg(jsonb_build_array(a.path, a.currency, c.balance_minor) ORDER BY a.path, a.currency)
         FROM closings c JOIN accounts a ON a.id = c.account_id WHERE c.number = p_seal.number),
        (SELECT jsonb_agg(jsonb_build_array(u.purpose, u.currency, u.kind, u.balance_minor)
                          ORDER BY u.purpose, u.currency)
         FROM purposes u WHERE u.number = p_seal.number))::TEXT, 'UTF8'))
$function$;

CREATE FUNCTION seldom_changes(p_old jsonb, p_new jsonb)
 RETURNS jsonb[]
 LANGUAGE plpgsql
 IMMUTABLE
AS $function$
DECLARE
    v_was    BOOLEAN := coalesce(p_old #> '{freeze,asked_minor}' > '0', FALSE);
    v_is     BOOLEAN := coalesce(p_new #> '{freeze,asked_minor}' > '0', FALSE);
    v_events JSONB[] := ARRAY(
        SELECT event_of(c.type, c.data) FROM case_events(p_old -> 'cases', p_new -> 'cases') AS c);
BEGIN
    IF p_new -> 'refunds' IS DISTINCT FROM p_old -> 'refunds'
       OR p_new -> 'refund_request' IS DISTINCT FROM p_old -> 'refund_request' THEN
        v_events := v_events || ARRAY(SELECT event_of(c.type, c.data) FROM refund_events(p_old, p_new) AS c);
    END IF;
    IF p_new -> 'holds' IS DISTINCT FROM p_old -> 'holds' THEN
        v_events := v_events || ARRAY(
            SELECT event_of(c.type, c.data) FROM hold_events('order', p_old -> 'holds', p_new -> 'holds') AS c);
    END IF;
    v_events := v_events || clock_events('ship_by', p_old -> 'ship_by', p_new -> 'ship_by')
        || clock_events('receipt_by', p_old #> '{receipt,deadline}', p_new #> '{receipt,deadline}')
        || clock_events('settle_at', p_old -> 'settle_not_before', p_new -> 'settle_not_before')
        || deadline_events(p_old, p_new);
    IF v_is AND NOT v_was THEN
        v_events := v_events || event_of('order.money_frozen', jsonb_build_object(
            'frozen_minor', p_new #> '{freeze,asked_minor}'));
    ELSIF v_was AND NOT v_is THEN
        v_events := v_events || event_of('order.money_thawed', '{}');
    END IF;
    RETURN v_events;
END $function$;

CREATE FUNCTION set_event_clock(p_ahead bigint, p_base bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_base BIGINT := greatest((SELECT max(c.base) FROM event_clock c), p_base);
BEGIN
    LOCK TABLE event_clock IN EXCLUSIVE MODE;
    DELETE FROM event_clock;
    INSERT INTO event_clock (ahead, base) VALUES (p_ahead, v_base);
END $function$;

CREATE FUNCTION set_safeguard(p_name text, p_value interval, p_who text, p_why text)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('safeguard/' || p_name, 0));
    IF safeguard(p_name) = p_value THEN
        RETURN FALSE;
    END IF;
    INSERT INTO safeguards (name, value, who, why) VALUES (p_name, p_value, p_who, p_why);
    RETURN TRUE;
END $function$;

CREATE FUNCTION settlements_of(p_references text[])
 RETURNS TABLE(id bigint, reference text, currency text, occurred_at timestamp with time zone, channel text, settlement text, cash text, gross_minor bigint, net_minor bigint)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET enable_nestloop TO 'on'
AS $function$
BEGIN
    RETURN QUERY SELECT b.id, b.reference::TEXT, b.currency::TEXT, b.occurred_at, b.channel, b.settlement, b.cash,
                        b.gross_minor, b.net_minor
                 FROM booked_settlements b WHERE b.reference = ANY (p_references);
END $function$;

CREATE FUNCTION shape_of(p_path text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
AS $function$
BEGIN
    RETURN CASE
        WHEN p_path LIKE 'income/%' OR p_path LIKE 'expense/%' THEN p_path
        WHEN p_path LIKE 'account/%'
        THEN 'account/' || regexp_replace(regexp_replace(p_path, '^account/[^/]+/', '*/'), '([^/]+/)[^/]+', '\1*', 'g')
        WHEN p_path LIKE '%//%' OR p_path LIKE '/%' OR p_path LIKE '%/' OR p_path LIKE '%/%/%/%/%'
        THEN regexp_replace(p_path, '([^/]+/)[^/]+', '\1*', 'g')
        WHEN p_path LIKE '%/%/%/%' THEN split_part(p_path, '/', 1) || '/*/' || split_part(p_path, '/', 3) || '/*'
        WHEN p_path LIKE '%/%/%' THEN split_part(p_path, '/', 1) || '/*/' || split_part(p_path, '/', 3)
        WHEN p_path LIKE '%/%' THEN split_part(p_path, '/', 1) || '/*'
        ELSE p_path
    END;
END $function$;

CREATE FUNCTION shorten_cooling(
    p_account_id text,
    p_version integer,
    p_until timestamp with time zone,
    p_role text,
    p_who text,
    p_why text,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_merchant TEXT;
    v_before   TIMESTAMPTZ;
BEGIN
    IF p_role <> 'operator' THEN
        RAISE EXCEPTION 'only an operator shortens the cooling of an account' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT a.merchant_id, v.cooling_until INTO v_merchant, v_before
    FROM payout_accounts a JOIN payout_account_versions v USING (account_id, version)
    WHERE a.account_id = p_account_id AND a.version = p_version FOR UPDATE;
    IF v_before IS NULL OR v_before <= p_until THEN
        RETURN FALSE;
    END IF;
    UPDATE payout_account_versions v SET cooling_until = p_until
    WHERE v.account_id = p_account_id AND v.version = p_version;
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
    VALUES (v_merchant, p_account_id, p_version, 'cooling_shortened', concat_ws(' → ',
                to_char(v_before AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
                coalesce(to_char(p_until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), 'none')),
            p_role, p_who, p_why, p_now);
    RETURN TRUE;
END $function$;

CREATE FUNCTION split_owed(p_debit text, p_currency text, p_amount bigint)
 RETURNS TABLE(debit text, amount_minor bigint)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_left BIGINT := p_amount;
    v_has  RECORD;
BEGIN
    IF p_debit NOT LIKE 'merchant/%/receivable' THEN
        RETURN QUERY SELECT p_debit, p_amount;
        RETURN;
    END IF;
    PERFORM FROM accounts a
    WHERE a.path IN ('merchant/' || split_part(p_debit, '/', 2) || '/available',
                     'merchant/' || split_part(p_debit, '/', 2) || '/deposit', p_debit)
      AND a.currency = p_currency
    ORDER BY a.id FOR NO KEY UPDATE;
    FOR v_has IN
        SELECT a.path, a.balance_minor FROM accounts a
        WHERE a.path IN ('merchant/' || split_part(p_debit, '/', 2) || '/available',
                         'merchant/' || split_part(p_debit, '/', 2) || '/deposit')
          AND a.currency = p_currency AND a.balance_minor > 0
        ORDER BY a.path
    LOOP
        debit := v_has.path;
        amount_minor := least(v_left, v_has.balance_minor);
        v_left := v_left - amount_minor;
        IF amount_minor > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
    IF v_left > 0 THEN
        RETURN QUERY SELECT p_debit, v_left;
    END IF;
END $function$;

CREATE FUNCTION stated_cash(p_kind text, p_amount bigint)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT CASE WHEN p_kind IN ('payout', 'refund', 'settlement', 'chargeback', 'chargeback_fee') THEN -p_amount
                ELSE p_amount END
$function$;

CREATE FUNCTION stop_merchant(
    p_merchant_id text,
    p_what text,
    p_value text,
    p_role text,
    p_who text,
    p_why text,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    IF p_what NOT IN ('frozen', 'suspended', 'leaving') THEN
        RAISE EXCEPTION '% of a merchant is the owner''s to decide', p_what USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN move_merchant(p_merchant_id, p_what, p_value, p_role, p_who, p_why, p_now);
END $function$;

CREATE FUNCTION stop_of_merchant(p_merchant_id text)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('merchant/' || p_merchant_id, 0));
    RETURN merchant_stop(p_merchant_id);
END $function$;

CREATE FUNCTION suspend_account(
    p_account_id text,
    p_reason text,
    p_role text,
    p_who text,
    p_why text,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_person TEXT := CASE WHEN p_role <> 'system' THEN p_role || ':' || p_who END;
BEGIN
    -- A person's suspension replaces one that a rail's answer caused.
    UPDATE payout_accounts a
    SET suspended_at = coalesce(a.suspended_at, p_now), suspended_for = p_reason, suspended_by = v_person
    WHERE a.account_id = p_account_id
      AND (a.suspended_at IS NULL OR (a.suspended_by IS NULL AND v_person IS NOT NULL));
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
    SELECT a.merchant_id, a.account_id, a.version, 'suspended', p_reason, p_role, p_who, p_why, p_now
    FROM payout_accounts a WHERE a.account_id = p_account_id;
    RETURN TRUE;
END $function$;

CREATE FUNCTION take_account_command(
    p_role text,
    p_who text,
    p_command_id text,
    p_digests text[],
    p_now timestamp with time zone
)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    -- Waits for another transaction that takes the same command.
    INSERT INTO payout_account_commands (role, who, command_id, digest, taken_at)
    VALUES (p_role, p_who, p_command_id, p_digests[1], p_now)
    ON CONFLICT ON CONSTRAINT an_account_command_is_carried_out_once DO NOTHING;
    IF FOUND THEN
        RETURN 'taken';
    END IF;
    RETURN (SELECT CASE WHEN c.digest = ANY (p_digests) THEN 'duplicate' ELSE 'different' END
            FROM payout_account_commands c
            WHERE c.role = p_role AND c.who = p_who AND c.command_id = p_command_id);
END $function$;

CREATE FUNCTION take_endpoints(
    p_by text,
    p_failing boolean,
    p_at_most integer,
    p_parked_at_most integer,
    p_until timestamp with time zone,
    p_now timestamp with time zone
)
 RETURNS SETOF text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_notes CONSTANT BOOLEAN := note_news();
    v_noted CONSTANT TEXT[] := ARRAY(SELECT w.endpoint_id FROM endpoints_with_news w
                                     UNION ALL SELECT n.endpoint_id FROM endpoints n WHERE n.merchant_id IS NULL);
BEGIN
    RETURN QUERY
    UPDATE endpoints n SET taken_by = p_by, taken_until = p_until
    FROM (
        SELECT c.endpoint_id FROM endpoints c
        WHERE c.endpoint_id = ANY (v_noted)
          AND c.state = CASE WHEN p_failing THEN 'failing' ELSE 'active' END
          AND (c.taken_by IS NULL OR c.taken_until <= p_now)
          AND (c.paused_until IS NULL OR c.paused_until <= p_now)
          AND (EXISTS (SELECT FROM parked w WHERE w.endpoint_id = c.endpoint_id AND w.next_at <= p_now)
               OR (CASE WHEN c.merchant_id IS NULL
                   THEN EXISTS (SELECT FROM events e WHERE (e.position, e.id) > (c.position, c.event)
                                AND e.position < events_end())
                   ELSE EXISTS (SELECT FROM events e WHERE e.merchant_id = c.merchant_id
                                AND (e.position, e.id) > (c.position, c.event) AND e.position < events_end()) END
                   AND (SELECT count(*) FROM (SELECT FROM parked w WHERE w.endpoint_id = c.endpoint_id
                                              LIMIT p_parked_at_most) AS few) < p_parked_at_most))
        ORDER BY c.taken_until NULLS FIRST, c.endpoint_id LIMIT p_at_most FOR UPDATE SKIP LOCKED
    ) AS mine
    WHERE n.endpoint_id = mine.endpoint_id
    RETURNING n.endpoint_id;
    IF v_notes THEN
        PERFORM forget_idle();
    END IF;
END $function$;

CREATE FUNCTION take_look(
    p_provider text,
    p_carrier text,
    p_waybill text,
    p_phone_last4 text,
    p_interval interval,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO carrier_looks AS l (provider, carrier, waybill, asked_at, phone_last4)
    VALUES (p_provider, p_carrier, p_waybill, p_now, p_phone_last4)
    ON CONFLICT ON CONSTRAINT one_look_a_number
    DO UPDATE SET asked_at = excluded.asked_at,
                  trace = CASE WHEN l.phone_last4 = excluded.phone_last4 THEN l.trace END,
                  phone_last4 = excluded.phone_last4
    WHERE l.asked_at <= excluded.asked_at - p_interval;
    RETURN FOUND;
END $function$;

CREATE FUNCTION take_over_order(p_order_id text, p_opened_by text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    UPDATE orders SET opened_by = p_opened_by WHERE order_id = p_order_id AND NOT closed;
    RETURN FOUND;
END $function$;

CREATE FUNCTION take_request(
    p_api_key text,
    p_idempotency_key text,
    p_digests text[],
    p_what text,
    p_subject text,
    p_body jsonb,
    p_taken_until timestamp with time zone,
    p_now timestamp with time zone
)
 RETURNS TABLE(outcome text, status integer, answer jsonb)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_known requests%ROWTYPE;
BEGIN
    INSERT INTO requests (api_key, idempotency_key, digest, what, subject, body, received_at, taken_until)
    VALUES (p_api_key, p_idempotency_key, p_digests[1], p_what, p_subject, p_body, p_now, p_taken_until)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        RETURN QUERY SELECT 'taken', NULL::INT, NULL::JSONB;
        RETURN;
    END IF;
    SELECT * INTO v_known FROM requests r
    WHERE r.api_key = p_api_key AND r.idempotency_key = p_idempotency_key FOR UPDATE;
    IF v_known.digest <> ALL (p_digests) THEN
        RETURN QUERY SELECT 'other', NULL::INT, NULL::JSONB;
    ELSIF v_known.status IS NOT NULL THEN
        RETURN QUERY SELECT 'answered', v_known.status, v_known.answer;
    ELSIF v_known.taken_until > p_now THEN
        RETURN QUERY SELECT 'under_way', NULL::INT, NULL::JSONB;
    ELSE
        UPDATE requests r SET taken_until = p_taken_until
        WHERE r.api_key = p_api_key AND r.idempotency_key = p_idempotency_key;
        RETURN QUERY SELECT 'taken', NULL::INT, NULL::JSONB;
    END IF;
END $function$;

CREATE FUNCTION take_subscription(
    p_provider text,
    p_carrier text,
    p_waybill text,
    p_again interval,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO carrier_subscriptions AS s (provider, carrier, waybill, asked_at)
    VALUES (p_provider, p_carrier, p_waybill, p_now)
    ON CONFLICT ON CONSTRAINT one_subscription_a_number
    DO UPDATE SET asked_at = excluded.asked_at, tries = s.tries + 1, outcome = NULL
    WHERE (s.outcome IS NULL OR s.outcome IN ('unavailable', 'auth')) AND s.asked_at <= excluded.asked_at - p_again;
    RETURN FOUND;
END $function$;

CREATE FUNCTION take_unanswered(
    p_at_most integer,
    p_taken_until timestamp with time zone,
    p_now timestamp with time zone
)
 RETURNS TABLE(api_key text, idempotency_key text, digest text, what text, subject text, body jsonb)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    UPDATE requests r SET taken_until = p_taken_until
    FROM (
        SELECT u.api_key, u.idempotency_key FROM requests u
        WHERE u.status IS NULL AND u.taken_until <= p_now
        ORDER BY u.taken_until LIMIT p_at_most FOR UPDATE SKIP LOCKED
    ) AS mine
    WHERE r.api_key = mine.api_key AND r.idempotency_key = mine.idempotency_key
    RETURNING r.api_key, r.idempotency_key, r.digest, r.what, r.subject, r.body
$function$;

CREATE FUNCTION tell_drop(
    p_account_id text,
    p_amount bigint,
    p_role text,
    p_who text,
    p_why text,
    p_now timestamp with time zone
)
 RETURNS TABLE(outcome text, tries_left integer)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_account payout_accounts%ROWTYPE;
    v_drop    account_drops%ROWTYPE;
BEGIN
    SELECT * INTO v_account FROM payout_accounts a WHERE a.account_id = p_account_id FOR UPDATE;
    SELECT * INTO v_drop FROM account_drops d
    WHERE d.account_id = p_account_id AND d.version = v_account.version
      AND d.state IN ('sending', 'accepted', 'unknown', 'paid', 'lost')
    ORDER BY d.drop_no DESC LIMIT 1 FOR UPDATE;
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'no_drop', NULL::INT;
    ELSIF v_drop.valid_until < p_now THEN
        RETURN QUERY SELECT 'drop_expired', v_drop.tries_left;
    ELSIF v_drop.tries_left = 0 THEN
        RETURN QUERY SELECT 'drop_tries_used_up', 0;
    ELSIF v_drop.amount_minor = p_amount THEN
        IF verify_account(p_account_id, v_drop.version, 'penny drop', p_role, p_who, p_why, p_now) THEN
            RETURN QUERY SELECT 'verified', v_drop.tries_left;
        ELSE
            RETURN QUERY SELECT 'already_verified', v_drop.tries_left;
        END IF;
    ELSE
        UPDATE account_drops d SET tries_left = d.tries_left - 1 WHERE d.key = v_drop.key;
        INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
        VALUES (v_account.merchant_id, p_account_id, v_drop.version, 'told_wrong',
                'tries left: ' || (v_drop.tries_left - 1), p_role, p_who, p_why, p_now);
        RETURN QUERY SELECT 'wrong_drop_amount', v_drop.tries_left - 1;
    END IF;
END $function$;

CREATE FUNCTION tell_of_disabled(p_endpoint_id text, p_why text, p_now timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_subject  TEXT := 'endpoint/' || p_endpoint_id;
    v_last     INT := (SELECT coalesce(max(n.seq), 0) FROM notices n WHERE n.subject = v_subject);
    v_merchant TEXT;
    v_since    TEXT;
    v_host     TEXT;
BEGIN
    SELECT n.merchant_id, to_char(n.failing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'),
           substring(n.url FROM '^[a-z]+://([^/?]*)')
    INTO v_merchant, v_since, v_host FROM endpoints n WHERE n.endpoint_id = p_endpoint_id;
    PERFORM add_events(v_subject, v_merchant, p_now, jsonb_build_array(jsonb_build_object(
        'type', 'endpoint.disabled',
        'data', jsonb_strip_nulls(jsonb_build_object('host', v_host, 'why', p_why, 'failing_since', v_since)))));
    PERFORM add_notices(v_subject, jsonb_build_array(jsonb_build_object(
        'seq', v_last + 1, 'to', 'operator', 'name', 'endpoint_disabled', 'at', p_now,
        'facts', jsonb_strip_nulls(jsonb_build_object('host', v_host, 'why', p_why, 'failing_since', v_since)))));
END $function$;

CREATE FUNCTION tell_of_merchant(p_merchant_id text, p_name text, p_facts jsonb, p_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_subject TEXT := 'merchant/' || p_merchant_id;
    v_last    INT := (SELECT coalesce(max(n.seq), 0) FROM notices n WHERE n.subject = v_subject);
BEGIN
    PERFORM add_notices(v_subject, jsonb_build_array(
        jsonb_build_object('seq', v_last + 1, 'to', 'merchant', 'name', p_name, 'facts', p_facts, 'at', p_at),
        jsonb_build_object('seq', v_last + 2, 'to', 'operator', 'name', p_name, 'facts', p_facts, 'at', p_at)));
END $function$;

CREATE FUNCTION time_or_null(p_text text)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 STABLE
AS $function$
BEGIN
    RETURN p_text::TIMESTAMPTZ;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $function$;

CREATE FUNCTION told_lines(p_lines jsonb)
 RETURNS TABLE(line_id text, kind text, key text, amount_minor bigint, fee_minor bigint, currency text, at timestamp with time zone, reference text, event_id text)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT DISTINCT r.line_id, r.kind, r.key, r.amount_minor, coalesce(r.fee_minor, 0), r.currency, r.at, r.reference,
                    r.event_id
    FROM jsonb_to_recordset(p_lines) AS r (
        line_id TEXT, kind TEXT, key TEXT, amount_minor BIGINT, fee_minor BIGINT, currency TEXT, at TIMESTAMPTZ,
        reference TEXT, event_id TEXT)
$function$;

CREATE FUNCTION transfer_fault(
    p_reference text,
    p_currency text,
    p_debit text,
    p_credit text,
    p_amount bigint,
    p_kind text,
    p_order orders,
    p_withdrawal withdrawals
)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT CASE
        WHEN split_part(p_reference, '/', 1) IN ('order', 'withdrawal') AND p_order.order_id IS NULL
             AND p_withdrawal.withdrawal_id IS NULL THEN 'its subject is not registered'
        WHEN p_kind IS NULL THEN 'not a leg of its kind'
        WHEN p_currency <> coalesce(p_order.currency, p_withdrawal.currency, p_currency) THEN 'another currency'
        WHEN p_kind = 'fund' AND p_amount <> p_order.total_minor THEN 'not what was paid'
        WHEN p_debit = 'expense/discount' AND p_amount > CASE p_order.body ->> 'discount_funded_by' WHEN 'platform'
             THEN coalesce((p_order.body ->> 'discount_minor')::BIGINT, 0) ELSE 0 END THEN 'more than the discount'
        WHEN NOT is_own(p_debit, p_reference, p_order, p_withdrawal, p_debit)
             OR NOT is_own(p_credit, p_reference, p_order, p_withdrawal, p_debit) THEN 'another subject''s account'
    END
$function$;

CREATE FUNCTION unpark_subject(p_endpoint_id text, p_by text, p_subject text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    PERFORM FROM endpoints n WHERE n.endpoint_id = p_endpoint_id AND n.taken_by = p_by FOR UPDATE;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    DELETE FROM parked w WHERE w.endpoint_id = p_endpoint_id AND w.subject = p_subject;
    RETURN TRUE;
END $function$;

CREATE FUNCTION update_attempt(
    p_key text,
    p_state text,
    p_when text[],
    p_lease_until timestamp with time zone,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
BEGIN
    UPDATE payout_attempts a
    SET state = p_state, lease_until = p_lease_until, updated_at = p_now
    WHERE a.key = p_key AND (p_when IS NULL OR a.state = ANY (p_when));
    RETURN FOUND;
END $function$;

CREATE FUNCTION update_drop(p_key text, p_state text, p_when text[], p_detail text, p_now timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_drop   account_drops%ROWTYPE;
    v_posted TEXT;
BEGIN
    SELECT * INTO v_drop FROM account_drops d WHERE d.key = p_key AND d.state = ANY (p_when) FOR UPDATE;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    IF p_state = 'paid' THEN
        SELECT p.outcome INTO v_posted
        FROM post(ARRAY[concat_ws('/', 'account', v_drop.account_id, v_drop.version, 'drop', v_drop.drop_no)],
                  ARRAY[v_drop.currency], ARRAY[p_now], ARRAY[NULL::TEXT], ARRAY[NULL::TEXT], ARRAY[1],
                  ARRAY['expense/rail_fee'], ARRAY['rail/' || v_drop.rail || '/cash'], ARRAY[v_drop.amount_minor]) AS p;
        IF v_posted <> 'posted' THEN
            RAISE EXCEPTION 'the drop % cannot be booked: %', p_key, v_posted;
        END IF;
    END IF;
    UPDATE account_drops d SET state = p_state, detail = coalesce(p_detail, d.detail), updated_at = p_now
    WHERE d.key = p_key;
    RETURN TRUE;
END $function$;

CREATE FUNCTION utc_day(p_at timestamp with time zone)
 RETURNS date
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT (p_at AT TIME ZONE 'UTC')::DATE
$function$;

CREATE FUNCTION verify_account(
    p_account_id text,
    p_version integer,
    p_detail text,
    p_role text,
    p_who text,
    p_why text,
    p_now timestamp with time zone
)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_merchant TEXT;
BEGIN
    SELECT a.merchant_id INTO v_merchant FROM payout_accounts a
    WHERE a.account_id = p_account_id AND a.version = p_version FOR UPDATE;
    UPDATE payout_account_versions v SET verified_at = p_now
    WHERE v.account_id = p_account_id AND v.version = p_version AND v.verified_at IS NULL AND v_merchant IS NOT NULL;
    IF NOT FOUND THEN
        RETURN FALSE;
    END IF;
    INSERT INTO payout_account_changes (merchant_id, account_id, version, what, detail, role, who, why, at)
    VALUES (v_merchant, p_account_id, p_version, 'verified', p_detail, p_role, p_who, p_why, p_now);
    RETURN TRUE;
END $function$;

CREATE FUNCTION waits_for_merchant(p_reference text, p_credits text[])
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT p_reference LIKE 'order/%' AND CASE split_part(p_reference, '/', 3)
        WHEN 'credit' THEN TRUE WHEN 'settle' THEN TRUE WHEN 'release' THEN TRUE
        WHEN 'claim_back' THEN array_to_string(p_credits, ' ') LIKE '%/available%' ELSE FALSE END
$function$;

CREATE FUNCTION withdraw_load(p_load bigint, p_by text, p_reason text, p_now timestamp with time zone)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_load statement_loads%ROWTYPE;
BEGIN
    SELECT * INTO v_load FROM statement_loads l WHERE l.load_no = p_load FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 'unknown';
    ELSIF v_load.withdrawn_at IS NOT NULL THEN
        RETURN 'already';
    ELSIF NOT may_decide(p_by) THEN
        RETURN 'access_ended';
    ELSIF v_load.asked_by IS NULL OR NOT may_decide(v_load.asked_by) THEN
        UPDATE statement_loads l
        SET asked_by = p_by, asked_at = p_now, asked_in = pg_current_xact_id(), reason = p_reason
        WHERE l.load_no = p_load;
        RETURN 'asked';
    ELSIF person_of(v_load.asked_by) = person_of(p_by) THEN
        RETURN 'same_person';
    END IF;
    PERFORM refuse_in_one_breath('load ' || p_load, v_load.asked_in);
    UPDATE statement_loads l
    SET withdrawn_by = p_by, withdrawn_at = p_now,
        told = (SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.line_id), '[]')
                FROM statement_lines s WHERE s.load_no = p_load)
    WHERE l.load_no = p_load;
    DELETE FROM statement_lines s WHERE s.load_no = p_load;
    DELETE FROM statement_periods s WHERE s.load_no = p_load;
    -- The next run finds the breaks that remain.
    UPDATE reconciliation_breaks b SET resolved_at = p_now
    WHERE b.scope = v_load.scope AND b.name = v_load.name AND b.resolved_at IS NULL;
    RETURN 'withdrawn';
END $function$;

CREATE FUNCTION withdrawal_changes(p_old withdrawals, p_new withdrawals)
 RETURNS TABLE(type text, data jsonb)
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_first BOOLEAN := coalesce(p_old.revision, -1) < 0;
    v_phase TEXT := CASE WHEN v_first THEN 'requested' ELSE p_old.state_name END;
    o       JSONB := p_old.state;
    n       JSONB := p_new.state;
BEGIN
    IF v_first THEN
        RETURN QUERY SELECT 'withdrawal.requested', '{}'::JSONB;
    END IF;
    RETURN QUERY SELECT * FROM payout_events(o, n);
    IF n -> 'holds' IS DISTINCT FROM o -> 'holds' THEN
        RETURN QUERY SELECT * FROM hold_events('withdrawal', o -> 'holds', n -> 'holds');
    END IF;
    RETURN QUERY
    SELECT 'deadline.changed', jsonb_build_object('deadline', c.name, 'old', o -> c.name, 'new', n -> c.name)
    FROM unnest(ARRAY['approve_by', 'not_before', 'suspense_until', 'watch_until']) AS c (name)
    WHERE nullif(o -> c.name, 'null') <> nullif(n -> c.name, 'null');
    RETURN QUERY
    SELECT t.type, t.facts
    FROM (VALUES
        (1, 'withdrawal.approval', n #> '{approvals,-1}' IS NOT NULL
                                   AND n -> 'approvals' IS DISTINCT FROM o -> 'approvals', jsonb_build_object(
            'approvals', jsonb_path_query_array(n, '$.approvals.size()') -> 0)),
        (2, 'withdrawal.' || p_new.state_name, p_new.state_name <> v_phase, jsonb_build_object(
            'previous', jsonb_build_object('phase', CASE WHEN NOT v_first THEN v_phase END))),
        (3, 'withdrawal.closed', p_new.closed AND NOT coalesce(p_old.closed, FALSE), '{}'),
        (4, 'withdrawal.reopened', p_old.closed AND NOT p_new.closed, '{}')
    ) AS t (n, type, happened, facts)
    WHERE t.happened ORDER BY t.n;
END $function$;

CREATE FUNCTION withdrawal_may_be_emptied(w withdrawals)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
    SELECT w.closed AND w.revision >= 0 AND coalesce(w.state -> 'holds', '[]') = '[]'
       AND w.state ->> 'watch_until' IS NULL AND w.state ->> 'incident' IS NULL
       AND w.state ->> 'account_suspension' IS DISTINCT FROM 'wanted'
       AND NOT w.state @? '$.attempts[*] ? (@.look_due == true)'
       AND NOT EXISTS (SELECT FROM payout_attempts p WHERE p.withdrawal_id = w.withdrawal_id
                       AND p.state IN ('sending', 'accepted', 'unknown'))
       AND NOT EXISTS (SELECT FROM accounts a WHERE a.path >= 'withdrawal/' || w.withdrawal_id || '/'
                       AND a.path < 'withdrawal/' || w.withdrawal_id || '0' AND a.balance_minor <> 0)
       AND NOT EXISTS (SELECT FROM accounts a WHERE a.path = 'merchant/' || w.merchant_id || '/receivable'
                       AND a.balance_minor <> 0)
       AND NOT EXISTS (SELECT FROM reconciliation_breaks b WHERE b.resolved_at IS NULL
                       AND b.body ->> 'subject' = 'withdrawal/' || w.withdrawal_id)
$function$;

CREATE FUNCTION write_movements(
    p_references text[],
    p_currencies text[],
    p_occurred_at timestamp with time zone[],
    p_linked_to text[],
    p_emptied text[],
    p_leg_of integer[],
    p_debits text[],
    p_credits text[],
    p_amounts bigint[], OUT outcomes text[], OUT accounts text[], OUT shorts bigint[], OUT moved_of integer[], OUT moved_for integer[], OUT moved_from text[], OUT moved_to text[], OUT moved bigint[]
)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
 SET random_page_cost TO '4'
AS $function$
DECLARE
    v_movements  INT := cardinality(p_references);
    v_legs       INT := cardinality(p_leg_of);
    -- What the legs may touch, `path currency`. Then the accounts of the call in the order of their ids, one position each,
    -- and the positions by key; balances only of the guarded ones.
    v_wanted     TEXT[];
    v_keys       TEXT[];
    v_paths      TEXT[];
    v_at         JSONB;
    v_ids        BIGINT[];
    v_signs      INT[];
    v_balances   BIGINT[];
    -- By leg that takes back: the order's frozen account. By leg that settles: what the merchant's deposit must hold.
    v_frozen     TEXT[];
    v_required   BIGINT[];
    v_deposits   BOOLEAN; -- whether a deposit was ever required of anybody
    -- The movements in the order of their references. By movement: its first leg, what its legs ask for, the hash that
    -- is stored, its id.
    v_order      INT[];
    v_first      INT[];
    v_requests   TEXT[];
    v_stored     BYTEA[];
    v_ids_of     BIGINT[];
    -- What will be written: movements, and their transfers.
    w_ids        BIGINT[];
    w_indexes    INT[];
    w_hashes     BYTEA[];
    t_legs       INT[];
    t_debits     INT[];
    t_credits    INT[];
    -- The current movement.
    v_i          INT;
    v_k          INT;
    v_n          INT;
    v_mark       INT;
    v_hash       BYTEA;
    v_last       TEXT;
    v_last_hash  BYTEA;
    v_amount     BIGINT;
    v_part       BIGINT;
    v_debit      INT;
    v_credit     INT;
    v_merchant   TEXT;
    v_currency   TEXT;
    -- Of the current leg: positions of its debit and its credit, and of what may take their place.
    v_debit_at   INT;
    v_credit_at  INT;
    v_frozen_at  INT;
    v_has_at     INT;
    v_deposit_at INT;
    v_owed_at    INT;
    v_topup_at   INT;
BEGIN
    accounts := array_fill(NULL::TEXT, ARRAY[v_movements]);
    shorts := array_fill(NULL::BIGINT, ARRAY[v_movements]);
    moved := '{}';
    IF v_movements = 0 THEN
        RETURN;
    END IF;
    -- The checks around this read the arrays as rows, which hides where an array begins: they would look at other amounts than
    -- those that are written.
    IF ARRAY[array_dims(p_references), array_dims(p_currencies), array_dims(p_occurred_at), array_dims(p_linked_to),
             array_dims(p_emptied)] <> array_fill('[1:' || v_movements || ']', ARRAY[5])
       OR ARRAY[array_dims(p_leg_of), array_dims(p_debits), array_dims(p_credits), array_dims(p_amounts)]
          <> array_fill(CASE WHEN v_legs > 0 THEN '[1:' || v_legs || ']' END, ARRAY[4]) THEN
        RAISE EXCEPTION 'the arrays are not of one length, or are not numbered from 1'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Numbers are drawn before the rows are written. Without this, a seal that locks in between would take a higher number
    -- for its bound, and leave these movements out of seals and of the balances that rest on them.
    LOCK TABLE movements IN ROW EXCLUSIVE MODE;
    FOR v_k IN 1..v_legs LOOP
        v_i := p_leg_of[v_k];
        IF v_i NOT BETWEEN 1 AND v_movements OR v_i < p_leg_of[v_k - 1] THEN
            RAISE EXCEPTION 'leg % is out of place', v_k USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF num_nulls(p_debits[v_k], p_credits[v_k], p_amounts[v_k]) > 0 THEN
            -- A NULL would take the other legs out of the hash, so that other content looked like the same movement.
            RAISE EXCEPTION 'leg % lacks an account or an amount', v_k USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF strpos(p_debits[v_k] || p_credits[v_k], ' ') > 0 THEN
            -- An account is known by its path and its currency, with a space between: it would have two names.
            RAISE EXCEPTION 'leg % has a space in the path of an account', v_k USING ERRCODE = 'invalid_parameter_value';
        END IF;
        v_first[v_i] := coalesce(v_first[v_i], v_k);
        CONTINUE WHEN p_amounts[v_k] = 0; -- a leg of nothing touches none
        v_requests[v_i] := coalesce(v_requests[v_i], '')
                           || E'\n' || p_debits[v_k] || ' ' || p_credits[v_k] || ' ' || p_amounts[v_k];
        v_currency := ' ' || p_currencies[v_i];
        v_wanted := array_append(v_wanted, p_debits[v_k] || v_currency);
        v_wanted := array_append(v_wanted, p_credits[v_k] || v_currency);
        IF p_credits[v_k] LIKE 'merchant/%/available' THEN
            -- Where a merchant gets available money, what that merchant owes is one of the accounts.
            v_merchant := left(p_credits[v_k], -9);
            v_wanted := array_append(v_wanted, v_merchant || 'receivable' || v_currency);
            IF split_part(p_references[v_i], '/', 3) = 'settle' THEN
                IF v_deposits IS NULL THEN
                    v_deposits := EXISTS (SELECT FROM deposit_moves); -- asked once: each time would start a query
                END IF;
                IF v_deposits THEN
                    v_required[v_k] := nullif(
                        deposit_required(split_part(p_credits[v_k], '/', 2), p_currencies[v_i]), 0);
                    IF v_required[v_k] IS NOT NULL THEN
                        v_wanted := array_append(v_wanted, v_merchant || 'deposit' || v_currency);
                    END IF;
                END IF;
            END IF;
        END IF;
        IF p_debits[v_k] LIKE 'merchant/%/receivable' AND p_references[v_i] LIKE 'order/%' THEN
            v_merchant := left(p_debits[v_k], -10);
            v_frozen[v_k] := 'order/' || split_part(p_references[v_i], '/', 2) || '/frozen' || v_currency;
            v_wanted := array_append(v_wanted, v_frozen[v_k]);
            v_wanted := array_append(v_wanted, v_merchant || 'available' || v_currency);
            v_wanted := array_append(v_wanted, v_merchant || 'deposit' || v_currency);
        END IF;
    END LOOP;

    -- The accounts are on the inner side, and looked up one by one. The currency is hidden from the planner: on empty
    -- books it chose the index of ids and currencies, and a session that kept that plan read every account of the currency.
    FOR v_n IN 1..2 LOOP
        SELECT array_agg(w.key), array_agg(w.path), array_agg(w.id), array_agg(w.sign) INTO v_keys, v_paths, v_ids, v_signs
        FROM (
            SELECT k.key, split_part(k.key, ' ', 1) AS path, a.id, a.sign
            FROM (SELECT DISTINCT u.key COLLATE "C" AS key FROM unnest(v_wanted) AS u (key)) AS k
            LEFT JOIN LATERAL (
                SELECT c.id, CASE WHEN c.kind IN ('liability', 'income') THEN 1 ELSE -1 END AS sign FROM accounts c
                WHERE c.path = split_part(k.key, ' ', 1) AND c.currency || '' = split_part(k.key, ' ', 2) OFFSET 0
            ) AS a ON TRUE
            ORDER BY a.id
        ) AS w;
        EXIT WHEN array_position(v_ids, NULL) IS NULL;
        PERFORM open_accounts(v_keys); -- before any is locked
    END LOOP;
    -- Read the balances under the locks: they cannot change until this transaction ends. One after the other, in the order
    -- of their ids.
    SELECT array_agg(b.balance_minor), jsonb_object(v_keys, array_agg(w.n::TEXT)) INTO v_balances, v_at
    FROM unnest(v_ids) WITH ORDINALITY AS w (id, n)
    LEFT JOIN LATERAL (
        SELECT c.balance_minor FROM accounts c WHERE c.id = w.id AND c.guarded FOR NO KEY UPDATE
    ) AS b ON TRUE;

    SELECT array_agg(m.request_hash ORDER BY r.n), array_agg(r.n ORDER BY r.reference COLLATE "C", r.n)
    INTO v_stored, v_order
    FROM unnest(p_references) WITH ORDINALITY AS r (reference, n)
    LEFT JOIN movements m ON m.reference = r.reference;

    FOREACH v_i IN ARRAY v_order LOOP
        v_hash := sha256(convert_to(
            p_references[v_i] || ' ' || p_currencies[v_i] || coalesce(v_requests[v_i], ''), 'UTF8'));
        IF v_stored[v_i] IS NULL AND p_references[v_i] = v_last THEN
            v_stored[v_i] := v_last_hash;
        END IF;
        IF v_stored[v_i] IS NOT NULL THEN
            outcomes[v_i] := CASE WHEN v_stored[v_i] = v_hash THEN 'exists' ELSE 'conflict' END;
            CONTINUE;
        END IF;

        v_mark := cardinality(moved);
        v_ids_of[v_i] := nextval('movements_id_seq');
        v_n := 0;
        v_currency := ' ' || p_currencies[v_i];
        v_k := v_first[v_i];
        WHILE v_k <= v_legs AND p_leg_of[v_k] = v_i LOOP
            v_amount := p_amounts[v_k];
            v_debit_at := (v_at ->> (p_debits[v_k] || v_currency))::INT;
            v_credit_at := (v_at ->> (p_credits[v_k] || v_currency))::INT;
            v_owed_at := NULL;
            IF p_credits[v_k] LIKE 'merchant/%/available' THEN
                v_merchant := left(p_credits[v_k], -9);
                v_owed_at := (v_at ->> (v_merchant || 'receivable' || v_currency))::INT;
                v_topup_at := (v_at ->> (v_merchant || 'deposit' || v_currency))::INT;
            END IF;
            IF v_frozen[v_k] IS NOT NULL THEN
                v_merchant := left(p_debits[v_k], -10);
                v_frozen_at := (v_at ->> v_frozen[v_k])::INT;
                v_has_at := (v_at ->> (v_merchant || 'available' || v_currency))::INT;
                v_deposit_at := (v_at ->> (v_merchant || 'deposit' || v_currency))::INT;
            END IF;
            IF p_credits[v_k] LIKE 'order/%/frozen' OR p_debits[v_k] LIKE 'order/%/frozen' THEN
                v_amount := least(v_amount, v_balances[v_debit_at]);
                IF v_amount = 0 AND p_amounts[v_k] > 0 THEN
                    outcomes[v_i] := 'insufficient_funds';
                    accounts[v_i] := p_debits[v_k];
                    shorts[v_i] := p_amounts[v_k];
                END IF;
            END IF;
            -- One transfer for each place that the money comes from, or goes to.
            WHILE v_amount <> 0 LOOP
                v_part := v_amount;
                v_debit := v_debit_at;
                IF v_frozen[v_k] IS NOT NULL THEN
                    v_debit := CASE WHEN v_balances[v_frozen_at] > 0 THEN v_frozen_at
                                    WHEN v_balances[v_has_at] > 0 THEN v_has_at
                                    WHEN v_balances[v_deposit_at] > 0 THEN v_deposit_at
                                    ELSE v_debit END;
                    IF v_debit <> v_debit_at THEN
                        v_part := least(v_part, v_balances[v_debit]);
                    END IF;
                END IF;
                v_credit := v_credit_at;
                IF v_balances[v_owed_at] > 0 THEN
                    v_credit := v_owed_at;
                    v_part := least(v_part, v_balances[v_credit]);
                ELSIF v_balances[v_topup_at] < v_required[v_k] THEN
                    v_credit := v_topup_at;
                    v_part := least(v_part, v_required[v_k] - v_balances[v_credit]);
                END IF;
                v_n := v_n + 1;
                moved_of := array_append(moved_of, v_i);
                t_legs := array_append(t_legs, v_n);
                t_debits := array_append(t_debits, v_debit);
                t_credits := array_append(t_credits, v_credit);
                moved_for := array_append(moved_for, v_k);
                moved_from := array_append(moved_from, v_paths[v_debit]);
                moved_to := array_append(moved_to, v_paths[v_credit]);
                moved := array_append(moved, v_part);
                v_balances[v_debit] := v_balances[v_debit] - v_signs[v_debit] * v_part;
                v_balances[v_credit] := v_balances[v_credit] + v_signs[v_credit] * v_part;
                v_amount := v_amount - v_part;
            END LOOP;
            v_k := v_k + 1;
        END LOOP;

        outcomes[v_i] := coalesce(outcomes[v_i], 'posted');
        FOR v_k IN v_mark + 1..cardinality(moved) LOOP
            IF v_balances[t_debits[v_k]] < 0 OR v_balances[t_credits[v_k]] < 0 THEN
                v_debit := CASE WHEN v_balances[t_debits[v_k]] < 0 THEN t_debits[v_k] ELSE t_credits[v_k] END;
                outcomes[v_i] := 'insufficient_funds';
                accounts[v_i] := v_paths[v_debit];
                shorts[v_i] := -v_balances[v_debit];
                EXIT;
            ELSIF v_balances[t_debits[v_k]] > 0 AND v_paths[t_debits[v_k]] = p_emptied[v_i] THEN
                outcomes[v_i] := 'conflict';
                accounts[v_i] := p_emptied[v_i];
                shorts[v_i] := v_balances[t_debits[v_k]];
            END IF;
        END LOOP;
        IF outcomes[v_i] <> 'posted' THEN
            FOR v_k IN v_mark + 1..cardinality(moved) LOOP
                v_debit := t_debits[v_k];
                v_credit := t_credits[v_k];
                v_balances[v_debit] := v_balances[v_debit] + v_signs[v_debit] * moved[v_k];
                v_balances[v_credit] := v_balances[v_credit] - v_signs[v_credit] * moved[v_k];
            END LOOP;
            moved_of := moved_of[1:v_mark];
            t_legs := t_legs[1:v_mark];
            t_debits := t_debits[1:v_mark];
            t_credits := t_credits[1:v_mark];
            moved_for := moved_for[1:v_mark];
            moved_from := moved_from[1:v_mark];
            moved_to := moved_to[1:v_mark];
            moved := moved[1:v_mark];
            CONTINUE;
        END IF;
        w_ids := array_append(w_ids, v_ids_of[v_i]);
        w_indexes := array_append(w_indexes, v_i);
        w_hashes := array_append(w_hashes, v_hash);
        v_last := p_references[v_i];
        v_last_hash := v_hash;
    END LOOP;

    IF cardinality(w_ids) > 0 THEN
        INSERT INTO movements (id, reference, currency, request_hash, linked_to, occurred_at)
        SELECT w.id, p_references[w.i], p_currencies[w.i], w.hash, p_linked_to[w.i], p_occurred_at[w.i]
        FROM unnest(w_ids, w_indexes, w_hashes) WITH ORDINALITY AS w (id, i, hash, n)
        ORDER BY w.n
        ON CONFLICT ON CONSTRAINT movements_reference_key DO NOTHING;
        GET DIAGNOSTICS v_n = ROW_COUNT;
        IF v_n < cardinality(w_ids) THEN
            -- Another call posted one of these references after our look-up. The unique key is the guard: the caller
            -- repeats the whole call, which then finds the reference.
            RAISE EXCEPTION 'a reference was posted meanwhile' USING ERRCODE = 'serialization_failure';
        END IF;
        INSERT INTO transfers (movement_id, leg, debit_account, credit_account, currency, amount_minor)
        SELECT v_ids_of[t.of], t.leg, v_ids[t.debit], v_ids[t.credit], split_part(v_keys[t.debit], ' ', 2), t.amount
        FROM unnest(moved_of, t_legs, t_debits, t_credits, moved) AS t (of, leg, debit, credit, amount);
        UPDATE accounts a SET balance_minor = v_balances[width_bucket(a.id, v_ids)]
        WHERE a.id = ANY (v_ids) AND a.balance_minor <> v_balances[width_bucket(a.id, v_ids)];
    END IF;
END $function$;

CREATE FUNCTION write_off(
    p_request text,
    p_merchant text,
    p_currency text,
    p_amount bigint,
    p_by text,
    p_reason text,
    p_now timestamp with time zone
)
 RETURNS TABLE(outcome text, short_by bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'dakuan', 'pg_temp'
AS $function$
DECLARE
    v_path    TEXT := 'merchant/' || p_merchant || '/receivable';
    v_request write_offs%ROWTYPE;
    v_owed    BIGINT;
BEGIN
    -- Two who ask for it first at the same moment both find no request: one asks, the other must meet the first's.
    PERFORM pg_advisory_xact_lock(hashtextextended('write_off/' || p_request, 0));
    SELECT a.balance_minor INTO v_owed FROM accounts a WHERE a.path = v_path AND a.currency = p_currency
    FOR NO KEY UPDATE;
    SELECT * INTO v_request FROM write_offs w WHERE w.request_id = p_request FOR UPDATE;
    IF FOUND AND (v_request.merchant_id, v_request.currency, v_request.amount_minor)
                 IS DISTINCT FROM (p_merchant, p_currency, p_amount) THEN
        RETURN QUERY SELECT 'different', NULL::BIGINT;
    ELSIF v_request.done_at IS NOT NULL THEN
        RETURN QUERY SELECT 'already', NULL::BIGINT;
    ELSIF p_amount > coalesce(v_owed, 0) THEN
        RETURN QUERY SELECT 'insufficient_funds', p_amount - coalesce(v_owed, 0);
    ELSIF p_amount > v_owed - disputed_debt(p_merchant, p_currency) THEN
        RETURN QUERY SELECT 'disputed', least(p_amount, p_amount - v_owed + disputed_debt(p_merchant, p_currency));
    ELSIF NOT may_decide(p_by) THEN
        RETURN QUERY SELECT 'access_ended', NULL::BIGINT;
    ELSIF v_request.request_id IS NULL OR NOT may_decide(v_request.asked_by) THEN
        INSERT INTO write_offs (request_id, merchant_id, currency, amount_minor, reason, asked_by, asked_at)
        VALUES (p_request, p_merchant, p_currency, p_amount, p_reason, p_by, p_now)
        ON CONFLICT (request_id) DO UPDATE
        SET reason = EXCLUDED.reason, asked_by = EXCLUDED.asked_by, asked_at = EXCLUDED.asked_at, asked_in = EXCLUDED.asked_in;
        RETURN QUERY SELECT 'asked', NULL::BIGINT;
    ELSIF person_of(v_request.asked_by) = person_of(p_by) THEN
        RETURN QUERY SELECT 'same_person', NULL::BIGINT;
    ELSE
        PERFORM refuse_in_one_breath(p_request, v_request.asked_in);
        SELECT p.outcome, p.short_by INTO outcome, short_by
        FROM post(ARRAY['merchant/' || p_merchant || '/write_off/' || p_request], ARRAY[p_currency], ARRAY[p_now],
                  ARRAY[NULL::TEXT], ARRAY[NULL::TEXT], ARRAY[1], ARRAY['expense/goodwill'], ARRAY[v_path],
                  ARRAY[p_amount]) AS p;
        IF outcome = 'posted' THEN
            UPDATE write_offs w SET done_by = p_by, done_at = p_now WHERE w.request_id = p_request;
            outcome := 'written_off';
        END IF;
        RETURN NEXT;
    END IF;
END $function$;

CREATE VIEW entries AS
 SELECT t.movement_id,
    t.leg,
    m.reference,
    m.occurred_at,
    a.id AS account_id,
    a.path,
    a.kind,
    t.currency,
        CASE
            WHEN a.kind::text = ANY (ARRAY['liability'::text, 'income'::text]) THEN - t.amount_minor::bigint
            ELSE t.amount_minor::bigint
        END AS delta_minor
   FROM transfers t
     JOIN movements m ON m.id = t.movement_id
     JOIN accounts a ON a.id = t.debit_account
UNION ALL
 SELECT t.movement_id,
    t.leg,
    m.reference,
    m.occurred_at,
    a.id AS account_id,
    a.path,
    a.kind,
    t.currency,
        CASE
            WHEN a.kind::text = ANY (ARRAY['liability'::text, 'income'::text]) THEN t.amount_minor::bigint
            ELSE - t.amount_minor::bigint
        END AS delta_minor
   FROM transfers t
     JOIN movements m ON m.id = t.movement_id
     JOIN accounts a ON a.id = t.credit_account;

CREATE VIEW legs_of_chart AS
 SELECT k.kind,
    k.shape AS reference,
    d.shape AS debit,
    c.shape AS credit,
    d.asked AND c.asked AS asked,
    k.emptied
   FROM movement_kinds k
     JOIN movement_legs l USING (kind)
     CROSS JOIN LATERAL ( SELECT l.debit_shape AS shape,
            true AS asked
        UNION ALL
         SELECT 'suspense'::text AS shape,
            false AS asked
          WHERE k.kind = ANY (ARRAY['pay'::text, 'void'::text])
        UNION ALL
         SELECT shape_of(t.path) AS shape,
            false AS asked
           FROM ( VALUES ('order/{order}/frozen'::text), ('merchant/{merchant}/available'::text), ('merchant/{merchant}/deposit'::text)) t(path)
          WHERE k.subject = 'order'::text AND l.debit = 'merchant/{merchant}/receivable'::text) d
     CROSS JOIN LATERAL ( VALUES (l.credit_shape,true), (
                CASE
                    WHEN l.credit = 'merchant/{merchant}/available'::text THEN shape_of('merchant/{merchant}/receivable'::text)
                    ELSE NULL::text
                END,false), (
                CASE
                    WHEN k.kind = 'settle'::text THEN shape_of('merchant/{merchant}/deposit'::text)
                    ELSE NULL::text
                END,false)) c(shape, asked)
  WHERE d.shape IS NOT NULL AND c.shape IS NOT NULL;

CREATE VIEW movement_faults AS
 SELECT m.id AS movement_id,
    m.reference,
    t.leg,
    d.path AS debit,
    c.path AS credit,
    t.amount_minor,
    m.currency,
    f.fault
   FROM movements m
     JOIN transfers t ON t.movement_id = m.id
     JOIN accounts d ON d.id = t.debit_account
     JOIN accounts c ON c.id = t.credit_account
     LEFT JOIN orders o ON o.order_id::text = (
        CASE
            WHEN m.reference::text ~~ 'order/%'::text THEN split_part(m.reference::text, '/'::text, 2)
            ELSE NULL::text
        END COLLATE "default")
     LEFT JOIN withdrawals w ON w.withdrawal_id = (
        CASE
            WHEN m.reference::text ~~ 'withdrawal/%'::text THEN split_part(m.reference::text, '/'::text, 2)
            ELSE NULL::text
        END COLLATE "default")
     CROSS JOIN LATERAL ( SELECT shape_of(m.reference::text) AS reference,
            shape_of(d.path) AS debit,
            shape_of(c.path) AS credit
         OFFSET 0) s
     LEFT JOIN stored_legs l ON l.reference = s.reference AND l.debit = s.debit AND l.credit = s.credit
     CROSS JOIN LATERAL ( SELECT transfer_fault(m.reference::text, m.currency::text, d.path, c.path, t.amount_minor::bigint, l.kind, o.*, w.*) AS fault
         OFFSET 0) f
  WHERE (split_part(m.reference::text, '/'::text, 1) = ANY (ARRAY['order'::text, 'withdrawal'::text, 'psp'::text, 'account'::text, 'merchant'::text])) AND f.fault IS NOT NULL;

CREATE VIEW licences AS
 SELECT merchant_id,
    licence,
    number,
    valid_until,
    role,
    who,
    why,
    at
   FROM licence_moves m
  WHERE what = 'noted'::text AND NOT (EXISTS ( SELECT
           FROM licence_moves l
          WHERE l.merchant_id = m.merchant_id AND l.licence = m.licence AND l.id > m.id));

CREATE VIEW booked_settlements AS
 SELECT m.id,
    m.reference,
    m.currency,
    m.occurred_at,
    split_part(m.reference::text, '/'::text, 2) AS channel,
    split_part(m.reference::text, '/'::text, 4) AS settlement,
    max(
        CASE
            WHEN d.path ~~ 'rail/%'::text THEN d.path
            WHEN c.path ~~ 'rail/%'::text THEN c.path
            ELSE NULL::text
        END) AS cash,
    COALESCE(sum(
        CASE
            WHEN c.path ~~ 'psp/%'::text THEN t.amount_minor::bigint
            WHEN d.path ~~ 'psp/%'::text THEN - t.amount_minor::bigint
            ELSE NULL::bigint
        END), 0::numeric)::bigint AS gross_minor,
    COALESCE(sum(
        CASE
            WHEN d.path ~~ 'rail/%'::text THEN t.amount_minor::bigint
            WHEN c.path ~~ 'rail/%'::text THEN - t.amount_minor::bigint
            ELSE NULL::bigint
        END), 0::numeric)::bigint AS net_minor
   FROM movements m
     CROSS JOIN LATERAL ( SELECT m.id
        UNION ALL
         SELECT k.id
           FROM movements k
          WHERE k.linked_to = m.reference::text
        UNION ALL
         SELECT l.id
           FROM movements k
             JOIN movements l ON l.linked_to = k.reference::text
          WHERE k.linked_to = m.reference::text) x(id)
     JOIN transfers t ON t.movement_id = x.id
     JOIN accounts d ON d.id = t.debit_account
     JOIN accounts c ON c.id = t.credit_account
  WHERE m.reference::text > 'psp/'::text AND m.reference::text < 'psp0'::text AND m.reference::text ~~ 'psp/%/settlement/%'::text
  GROUP BY m.id, m.reference;

CREATE VIEW purpose_balances AS
 WITH last AS MATERIALIZED (
         SELECT COALESCE(max(seals.number), 0) AS number,
            COALESCE(max(seals.last_movement), 0::bigint) AS movement
           FROM seals
        )
 SELECT purpose,
    currency,
    kind,
    sum(balance_minor)::bigint AS balance_minor
   FROM ( SELECT p.purpose,
            p.currency,
            p.kind,
            p.balance_minor
           FROM purposes p
             JOIN last ON last.number = p.number
        UNION ALL
         SELECT purpose_of(e.path) AS purpose_of,
            e.currency,
            e.kind,
            e.delta_minor
           FROM entries e
          WHERE e.movement_id > (( SELECT last.movement
                   FROM last))) s
  GROUP BY purpose, currency, kind;

CREATE TRIGGER a_drop_has_a_position BEFORE INSERT OR UPDATE ON account_drops FOR EACH ROW EXECUTE FUNCTION note_position();
CREATE TRIGGER a_drop_has_its_events AFTER UPDATE OF state ON account_drops FOR EACH ROW WHEN (new.state <> old.state) EXECUTE FUNCTION add_drop_events();
CREATE TRIGGER accounts_are_never_removed BEFORE DELETE OR TRUNCATE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER accounts_are_never_renamed BEFORE UPDATE OF id, path, currency, kind, guarded ON accounts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER a_required_deposit_is_an_event AFTER INSERT ON deposit_moves FOR EACH ROW EXECUTE FUNCTION add_merchant_events();
CREATE TRIGGER deposit_moves_are_only_added_to BEFORE DELETE OR UPDATE OR TRUNCATE ON deposit_moves FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();
CREATE TRIGGER a_grade_is_an_event AFTER INSERT ON grade_moves FOR EACH ROW EXECUTE FUNCTION add_merchant_events();
CREATE TRIGGER grade_moves_are_only_added_to BEFORE DELETE OR UPDATE OR TRUNCATE ON grade_moves FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();
CREATE TRIGGER a_licence_is_an_event AFTER INSERT ON licence_moves FOR EACH ROW EXECUTE FUNCTION add_merchant_events();
CREATE TRIGGER licence_moves_are_only_added_to BEFORE DELETE OR UPDATE OR TRUNCATE ON licence_moves FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();
CREATE TRIGGER a_decision_about_a_merchant_is_an_event AFTER INSERT ON merchant_moves FOR EACH ROW EXECUTE FUNCTION add_merchant_events();
CREATE TRIGGER merchant_moves_are_only_added_to BEFORE DELETE OR UPDATE OR TRUNCATE ON merchant_moves FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();
CREATE TRIGGER merchant_transfers_are_only_added BEFORE DELETE OR UPDATE OR TRUNCATE ON merchant_transfers FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER movements_are_only_added BEFORE DELETE OR UPDATE OR TRUNCATE ON movements FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER notices_are_events AFTER INSERT ON notices REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION add_notice_events();
CREATE TRIGGER a_new_order_is_followed AFTER INSERT ON orders FOR EACH ROW WHEN (new.revision >= 0) EXECUTE FUNCTION follow_new_order();
CREATE TRIGGER orders_are_followed AFTER UPDATE ON orders REFERENCING OLD TABLE AS orders_before NEW TABLE AS orders_after FOR EACH STATEMENT EXECUTE FUNCTION follow_orders();
CREATE TRIGGER a_change_of_an_account_is_an_event AFTER INSERT ON payout_account_changes FOR EACH ROW EXECUTE FUNCTION add_account_events();
CREATE TRIGGER payout_account_changes_are_only_added_to BEFORE DELETE OR UPDATE OR TRUNCATE ON payout_account_changes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();
CREATE TRIGGER an_attempt_has_a_position BEFORE INSERT OR UPDATE ON payout_attempts FOR EACH ROW EXECUTE FUNCTION note_position();
CREATE TRIGGER policy_moves_are_only_added_to BEFORE DELETE OR UPDATE OR TRUNCATE ON policy_moves FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();
CREATE TRIGGER a_break_that_comes_back_or_goes_is_an_event AFTER UPDATE ON reconciliation_breaks REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION add_break_events();
CREATE TRIGGER a_new_break_is_an_event AFTER INSERT ON reconciliation_breaks REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION add_break_events();
CREATE TRIGGER safeguards_are_only_added_to BEFORE DELETE OR UPDATE OR TRUNCATE ON safeguards FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();
CREATE TRIGGER a_withdrawn_load_has_a_position BEFORE UPDATE OF withdrawn_at ON statement_loads FOR EACH ROW EXECUTE FUNCTION note_position();
CREATE TRIGGER transfers_are_known AFTER INSERT ON transfers REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION keep_known_transfers();
CREATE TRIGGER transfers_are_only_added BEFORE DELETE OR UPDATE OR TRUNCATE ON transfers FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER a_new_withdrawal_has_its_events AFTER INSERT ON withdrawals FOR EACH ROW WHEN (new.revision >= 0) EXECUTE FUNCTION add_withdrawal_events();
CREATE TRIGGER a_withdrawal_has_its_events AFTER UPDATE OF revision, state, state_name, closed ON withdrawals FOR EACH ROW WHEN (new.revision <> old.revision) EXECUTE FUNCTION add_withdrawal_events();
CREATE TRIGGER a_withdrawal_that_goes_on_is_whole BEFORE UPDATE OF revision ON withdrawals FOR EACH ROW WHEN (old.emptied_at IS NOT NULL) EXECUTE FUNCTION note_whole_withdrawal();

GRANT SELECT ON TABLE account_drops TO dakuan_worker;
GRANT SELECT ON TABLE accounts TO dakuan_worker;
GRANT SELECT ON TABLE api_keys TO dakuan_worker;
GRANT SELECT ON TABLE attempts TO dakuan_worker;
GRANT SELECT ON TABLE booked_settlements TO dakuan_worker;
GRANT SELECT ON TABLE callbacks TO dakuan_worker;
GRANT SELECT ON TABLE carrier_answers TO dakuan_worker;
GRANT SELECT ON TABLE carrier_looks TO dakuan_worker;
GRANT SELECT ON TABLE carrier_subscriptions TO dakuan_worker;
GRANT SELECT ON TABLE claim_payments TO dakuan_worker;
GRANT SELECT ON TABLE closings TO dakuan_worker;
GRANT SELECT ON TABLE corrections TO dakuan_worker;
GRANT SELECT ON TABLE deposit_moves TO dakuan_worker;
GRANT SELECT ON TABLE earlier_periods TO dakuan_worker;
GRANT SELECT ON TABLE endpoint_secrets TO dakuan_worker;
GRANT SELECT ON TABLE endpoints TO dakuan_worker;
GRANT SELECT ON TABLE endpoints_with_news TO dakuan_worker;
GRANT SELECT ON TABLE entries TO dakuan_worker;
GRANT SELECT ON TABLE event_clock TO dakuan_worker;
GRANT SELECT ON TABLE event_subjects TO dakuan_worker;
GRANT SELECT ON TABLE events TO dakuan_worker;
GRANT SELECT ON TABLE figures TO dakuan_worker;
GRANT SELECT ON TABLE grade_moves TO dakuan_worker;
GRANT SELECT ON TABLE legs_of_chart TO dakuan_worker;
GRANT SELECT ON TABLE licence_moves TO dakuan_worker;
GRANT SELECT ON TABLE licences TO dakuan_worker;
GRANT SELECT ON TABLE merchant_days TO dakuan_worker;
GRANT SELECT ON TABLE merchant_moves TO dakuan_worker;
GRANT SELECT ON TABLE merchant_transfers TO dakuan_worker;
GRANT SELECT ON TABLE merchants TO dakuan_worker;
GRANT SELECT ON TABLE moved_orders TO dakuan_worker;
GRANT SELECT ON TABLE movement_faults TO dakuan_worker;
GRANT SELECT ON TABLE movement_kinds TO dakuan_worker;
GRANT SELECT ON TABLE movement_legs TO dakuan_worker;
GRANT SELECT ON TABLE movements TO dakuan_worker;
GRANT SELECT ON TABLE news_noted TO dakuan_worker;
GRANT SELECT ON TABLE notices TO dakuan_worker;
GRANT SELECT ON TABLE orders TO dakuan_worker;
GRANT SELECT ON TABLE parked TO dakuan_worker;
GRANT SELECT ON TABLE payment_numbers TO dakuan_worker;
GRANT SELECT ON TABLE payments TO dakuan_worker;
GRANT SELECT ON TABLE payout_account_changes TO dakuan_worker;
GRANT SELECT ON TABLE payout_account_commands TO dakuan_worker;
GRANT SELECT ON TABLE payout_account_numbers TO dakuan_worker;
GRANT SELECT ON TABLE payout_account_versions TO dakuan_worker;
GRANT SELECT ON TABLE payout_accounts TO dakuan_worker;
GRANT SELECT ON TABLE payout_attempts TO dakuan_worker;
GRANT SELECT ON TABLE payout_events TO dakuan_worker;
GRANT SELECT ON TABLE people TO dakuan_worker;
GRANT SELECT ON TABLE policies TO dakuan_worker;
GRANT SELECT ON TABLE policy_moves TO dakuan_worker;
GRANT SELECT ON TABLE policy_names TO dakuan_worker;
GRANT SELECT ON TABLE polled_traces TO dakuan_worker;
GRANT SELECT ON TABLE proof_runs TO dakuan_worker;
GRANT SELECT ON TABLE proven TO dakuan_worker;
GRANT SELECT ON TABLE purpose_balances TO dakuan_worker;
GRANT SELECT ON TABLE purposes TO dakuan_worker;
GRANT SELECT ON TABLE pushed_traces TO dakuan_worker;
GRANT SELECT ON TABLE pushes TO dakuan_worker;
GRANT SELECT ON TABLE reconciled TO dakuan_worker;
GRANT SELECT ON TABLE reconciliation_breaks TO dakuan_worker;
GRANT SELECT ON TABLE reconciliation_runs TO dakuan_worker;
GRANT SELECT ON TABLE refunded_lines TO dakuan_worker;
GRANT SELECT ON TABLE requests TO dakuan_worker;
GRANT SELECT ON TABLE rest_returns TO dakuan_worker;
GRANT SELECT ON TABLE review_claims TO dakuan_worker;
GRANT SELECT ON TABLE review_queue TO dakuan_worker;
GRANT SELECT ON TABLE safeguards TO dakuan_worker;
GRANT SELECT ON TABLE schema_migrations TO dakuan_worker;
GRANT SELECT ON TABLE seal_blocks TO dakuan_worker;
GRANT SELECT ON TABLE seal_bound TO dakuan_worker;
GRANT SELECT ON TABLE seals TO dakuan_worker;
GRANT SELECT ON TABLE sessions TO dakuan_worker;
GRANT SELECT ON TABLE statement_lines TO dakuan_worker;
GRANT SELECT ON TABLE statement_loads TO dakuan_worker;
GRANT SELECT ON TABLE statement_periods TO dakuan_worker;
GRANT SELECT ON TABLE stored_legs TO dakuan_worker;
GRANT SELECT ON TABLE subjects TO dakuan_worker;
GRANT SELECT ON TABLE transfers TO dakuan_worker;
GRANT SELECT ON TABLE verdicts TO dakuan_worker;
GRANT SELECT ON TABLE waybill_claims TO dakuan_worker;
GRANT SELECT ON TABLE withdrawal_approvals TO dakuan_worker;
GRANT SELECT ON TABLE withdrawals TO dakuan_worker;
GRANT SELECT ON TABLE write_offs TO dakuan_worker;
GRANT EXECUTE ON FUNCTION account_guarded TO dakuan_worker;
GRANT EXECUTE ON FUNCTION account_kind TO dakuan_worker;
GRANT EXECUTE ON FUNCTION add_account_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION add_break_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION add_drop_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION add_endpoint TO dakuan_worker;
GRANT EXECUTE ON FUNCTION add_merchant_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION add_notice_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION add_withdrawal_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION advance_endpoint TO dakuan_worker;
GRANT EXECUTE ON FUNCTION answer_request TO dakuan_worker;
GRANT EXECUTE ON FUNCTION bind_account TO dakuan_worker;
GRANT EXECUTE ON FUNCTION bounded_now TO dakuan_worker;
GRANT EXECUTE ON FUNCTION call_for_debt TO dakuan_worker;
GRANT EXECUTE ON FUNCTION case_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION change_endpoint TO dakuan_worker;
GRANT EXECUTE ON FUNCTION channel_key TO dakuan_worker;
GRANT EXECUTE ON FUNCTION claim_and_record TO dakuan_worker;
GRANT EXECUTE ON FUNCTION claim_review TO dakuan_worker;
GRANT EXECUTE ON FUNCTION claim_waybills TO dakuan_worker;
GRANT EXECUTE ON FUNCTION clock_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION close_rest_return TO dakuan_worker;
GRANT EXECUTE ON FUNCTION correct_movement TO dakuan_worker;
GRANT EXECUTE ON FUNCTION correctable_legs TO dakuan_worker;
GRANT EXECUTE ON FUNCTION cut_data TO dakuan_worker;
GRANT EXECUTE ON FUNCTION deadline_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION depends_on_others TO dakuan_worker;
GRANT EXECUTE ON FUNCTION deposit_required TO dakuan_worker;
GRANT EXECUTE ON FUNCTION disable_endpoint TO dakuan_worker;
GRANT EXECUTE ON FUNCTION disputed_debt TO dakuan_worker;
GRANT EXECUTE ON FUNCTION earlier_parcel TO dakuan_worker;
GRANT EXECUTE ON FUNCTION empty_orders TO dakuan_worker;
GRANT EXECUTE ON FUNCTION empty_state TO dakuan_worker;
GRANT EXECUTE ON FUNCTION empty_withdrawals TO dakuan_worker;
GRANT EXECUTE ON FUNCTION enable_endpoint TO dakuan_worker;
GRANT EXECUTE ON FUNCTION end_session TO dakuan_worker;
GRANT EXECUTE ON FUNCTION event_cause TO dakuan_worker;
GRANT EXECUTE ON FUNCTION event_of TO dakuan_worker;
GRANT EXECUTE ON FUNCTION event_position TO dakuan_worker;
GRANT EXECUTE ON FUNCTION event_time TO dakuan_worker;
GRANT EXECUTE ON FUNCTION events_end TO dakuan_worker;
GRANT EXECUTE ON FUNCTION few_orders TO dakuan_worker;
GRANT EXECUTE ON FUNCTION finish_callback TO dakuan_worker;
GRANT EXECUTE ON FUNCTION finish_push TO dakuan_worker;
GRANT EXECUTE ON FUNCTION finish_subscription TO dakuan_worker;
GRANT EXECUTE ON FUNCTION follow_new_order TO dakuan_worker;
GRANT EXECUTE ON FUNCTION follow_orders TO dakuan_worker;
GRANT EXECUTE ON FUNCTION given_back TO dakuan_worker;
GRANT EXECUTE ON FUNCTION has_open_case TO dakuan_worker;
GRANT EXECUTE ON FUNCTION hold_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION holds_in TO dakuan_worker;
GRANT EXECUTE ON FUNCTION holds_to_let_go TO dakuan_worker;
GRANT EXECUTE ON FUNCTION is_own TO dakuan_worker;
GRANT EXECUTE ON FUNCTION journal_callback TO dakuan_worker;
GRANT EXECUTE ON FUNCTION journal_push TO dakuan_worker;
GRANT EXECUTE ON FUNCTION journey_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION keep_answer TO dakuan_worker;
GRANT EXECUTE ON FUNCTION keep_figures TO dakuan_worker;
GRANT EXECUTE ON FUNCTION keep_known_transfers TO dakuan_worker;
GRANT EXECUTE ON FUNCTION keep_look TO dakuan_worker;
GRANT EXECUTE ON FUNCTION keep_pushed TO dakuan_worker;
GRANT EXECUTE ON FUNCTION load_statement TO dakuan_worker;
GRANT EXECUTE ON FUNCTION may_be_corrected TO dakuan_worker;
GRANT EXECUTE ON FUNCTION may_be_emptied TO dakuan_worker;
GRANT EXECUTE ON FUNCTION may_be_one_place TO dakuan_worker;
GRANT EXECUTE ON FUNCTION may_decide TO dakuan_worker;
GRANT EXECUTE ON FUNCTION may_decide_as TO dakuan_worker;
GRANT EXECUTE ON FUNCTION mend_endpoint TO dakuan_worker;
GRANT EXECUTE ON FUNCTION merchant_changes TO dakuan_worker;
GRANT EXECUTE ON FUNCTION merchant_of TO dakuan_worker;
GRANT EXECUTE ON FUNCTION merchant_of_subject TO dakuan_worker;
GRANT EXECUTE ON FUNCTION merchant_stop TO dakuan_worker;
GRANT EXECUTE ON FUNCTION merchant_value TO dakuan_worker;
GRANT EXECUTE ON FUNCTION move_licence TO dakuan_worker;
GRANT EXECUTE ON FUNCTION movement_hashes TO dakuan_worker;
GRANT EXECUTE ON FUNCTION name_merchant TO dakuan_worker;
GRANT EXECUTE ON FUNCTION named_in TO dakuan_worker;
GRANT EXECUTE ON FUNCTION new_verdicts TO dakuan_worker;
GRANT EXECUTE ON FUNCTION newest_scan TO dakuan_worker;
GRANT EXECUTE ON FUNCTION note_attempt TO dakuan_worker;
GRANT EXECUTE ON FUNCTION note_callback TO dakuan_worker;
GRANT EXECUTE ON FUNCTION note_compared TO dakuan_worker;
GRANT EXECUTE ON FUNCTION note_key_used TO dakuan_worker;
GRANT EXECUTE ON FUNCTION note_position TO dakuan_worker;
GRANT EXECUTE ON FUNCTION note_proof_run TO dakuan_worker;
GRANT EXECUTE ON FUNCTION note_proven TO dakuan_worker;
GRANT EXECUTE ON FUNCTION note_rests TO dakuan_worker;
GRANT EXECUTE ON FUNCTION note_seal_bound TO dakuan_worker;
GRANT EXECUTE ON FUNCTION note_session_used TO dakuan_worker;
GRANT EXECUTE ON FUNCTION note_whole_withdrawal TO dakuan_worker;
GRANT EXECUTE ON FUNCTION number_in_use TO dakuan_worker;
GRANT EXECUTE ON FUNCTION open_and_fund_order TO dakuan_worker;
GRANT EXECUTE ON FUNCTION open_attempt TO dakuan_worker;
GRANT EXECUTE ON FUNCTION open_drop TO dakuan_worker;
GRANT EXECUTE ON FUNCTION open_order TO dakuan_worker;
GRANT EXECUTE ON FUNCTION open_session TO dakuan_worker;
GRANT EXECUTE ON FUNCTION order_changes TO dakuan_worker;
GRANT EXECUTE ON FUNCTION order_facts TO dakuan_worker;
GRANT EXECUTE ON FUNCTION parcel_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION parcels_in TO dakuan_worker;
GRANT EXECUTE ON FUNCTION park_subject TO dakuan_worker;
GRANT EXECUTE ON FUNCTION pay_deposit_back TO dakuan_worker;
GRANT EXECUTE ON FUNCTION payout_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION person_of TO dakuan_worker;
GRANT EXECUTE ON FUNCTION post_chargeback_won TO dakuan_worker;
GRANT EXECUTE ON FUNCTION post_for_order TO dakuan_worker;
GRANT EXECUTE ON FUNCTION post_for_orders TO dakuan_worker;
GRANT EXECUTE ON FUNCTION post_for_withdrawal TO dakuan_worker;
GRANT EXECUTE ON FUNCTION post_movements TO dakuan_worker;
GRANT EXECUTE ON FUNCTION post_paid_in TO dakuan_worker;
GRANT EXECUTE ON FUNCTION post_refund TO dakuan_worker;
GRANT EXECUTE ON FUNCTION post_settlements TO dakuan_worker;
GRANT EXECUTE ON FUNCTION purge_attempts TO dakuan_worker;
GRANT EXECUTE ON FUNCTION purge_callbacks TO dakuan_worker;
GRANT EXECUTE ON FUNCTION purge_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION purge_logistics TO dakuan_worker;
GRANT EXECUTE ON FUNCTION purge_requests TO dakuan_worker;
GRANT EXECUTE ON FUNCTION purge_verdict_traces TO dakuan_worker;
GRANT EXECUTE ON FUNCTION purpose_of TO dakuan_worker;
GRANT EXECUTE ON FUNCTION reasons_to_act TO dakuan_worker;
GRANT EXECUTE ON FUNCTION record_breaks TO dakuan_worker;
GRANT EXECUTE ON FUNCTION record_order TO dakuan_worker;
GRANT EXECUTE ON FUNCTION record_withdrawal TO dakuan_worker;
GRANT EXECUTE ON FUNCTION refund_events TO dakuan_worker;
GRANT EXECUTE ON FUNCTION refuse_change TO dakuan_worker;
GRANT EXECUTE ON FUNCTION refuse_change_of_history TO dakuan_worker;
GRANT EXECUTE ON FUNCTION refuse_in_one_breath TO dakuan_worker;
GRANT EXECUTE ON FUNCTION refuse_one_persons_word TO dakuan_worker;
GRANT EXECUTE ON FUNCTION refuse_unless_an_orders TO dakuan_worker;
GRANT EXECUTE ON FUNCTION register_policy TO dakuan_worker;
GRANT EXECUTE ON FUNCTION release_claims TO dakuan_worker;
GRANT EXECUTE ON FUNCTION release_endpoint TO dakuan_worker;
GRANT EXECUTE ON FUNCTION release_review TO dakuan_worker;
GRANT EXECUTE ON FUNCTION remove_endpoint TO dakuan_worker;
GRANT EXECUTE ON FUNCTION resend_subject TO dakuan_worker;
GRANT EXECUTE ON FUNCTION reserve TO dakuan_worker;
GRANT EXECUTE ON FUNCTION reserve_verified TO dakuan_worker;
GRANT EXECUTE ON FUNCTION rest_of_inbox TO dakuan_worker;
GRANT EXECUTE ON FUNCTION rest_of_parcel TO dakuan_worker;
GRANT EXECUTE ON FUNCTION rest_of_parcels TO dakuan_worker;
GRANT EXECUTE ON FUNCTION rest_of_state TO dakuan_worker;
GRANT EXECUTE ON FUNCTION rest_of_withdrawal TO dakuan_worker;
GRANT EXECUTE ON FUNCTION resume_account TO dakuan_worker;
GRANT EXECUTE ON FUNCTION return_rest TO dakuan_worker;
GRANT EXECUTE ON FUNCTION reviews_of TO dakuan_worker;
GRANT EXECUTE ON FUNCTION rewind_endpoint TO dakuan_worker;
GRANT EXECUTE ON FUNCTION rotate_endpoint TO dakuan_worker;
GRANT EXECUTE ON FUNCTION safeguard TO dakuan_worker;
GRANT EXECUTE ON FUNCTION seal_books TO dakuan_worker;
GRANT EXECUTE ON FUNCTION seal_hash TO dakuan_worker;
GRANT EXECUTE ON FUNCTION seldom_changes TO dakuan_worker;
GRANT EXECUTE ON FUNCTION settlements_of TO dakuan_worker;
GRANT EXECUTE ON FUNCTION shape_of TO dakuan_worker;
GRANT EXECUTE ON FUNCTION split_owed TO dakuan_worker;
GRANT EXECUTE ON FUNCTION stated_cash TO dakuan_worker;
GRANT EXECUTE ON FUNCTION stop_merchant TO dakuan_worker;
GRANT EXECUTE ON FUNCTION suspend_account TO dakuan_worker;
GRANT EXECUTE ON FUNCTION take_account_command TO dakuan_worker;
GRANT EXECUTE ON FUNCTION take_endpoints TO dakuan_worker;
GRANT EXECUTE ON FUNCTION take_look TO dakuan_worker;
GRANT EXECUTE ON FUNCTION take_over_order TO dakuan_worker;
GRANT EXECUTE ON FUNCTION take_request TO dakuan_worker;
GRANT EXECUTE ON FUNCTION take_subscription TO dakuan_worker;
GRANT EXECUTE ON FUNCTION take_unanswered TO dakuan_worker;
GRANT EXECUTE ON FUNCTION tell_drop TO dakuan_worker;
GRANT EXECUTE ON FUNCTION time_or_null TO dakuan_worker;
GRANT EXECUTE ON FUNCTION told_lines TO dakuan_worker;
GRANT EXECUTE ON FUNCTION transfer_fault TO dakuan_worker;
GRANT EXECUTE ON FUNCTION unpark_subject TO dakuan_worker;
GRANT EXECUTE ON FUNCTION update_attempt TO dakuan_worker;
GRANT EXECUTE ON FUNCTION update_drop TO dakuan_worker;
GRANT EXECUTE ON FUNCTION utc_day TO dakuan_worker;
GRANT EXECUTE ON FUNCTION verify_account TO dakuan_worker;
GRANT EXECUTE ON FUNCTION waits_for_merchant TO dakuan_worker;
GRANT EXECUTE ON FUNCTION withdraw_load TO dakuan_worker;
GRANT EXECUTE ON FUNCTION withdrawal_changes TO dakuan_worker;
GRANT EXECUTE ON FUNCTION withdrawal_may_be_emptied TO dakuan_worker;
GRANT EXECUTE ON FUNCTION write_off TO dakuan_worker;
