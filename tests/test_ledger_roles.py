"""The worker's role calls functions and reads. No role edits the books."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from databases import Database
from ledger_samples import funded

from ledger.book import Book
from ledger.migrate import OWNERS_ALONE
from ledger.register import Register

TABLES = (
    "accounts",
    "movements",
    "transfers",
    "orders",
    "payments",
    "payment_numbers",
    "refunded_lines",
    "claim_payments",
    "write_offs",
    "corrections",
    "rest_returns",
    "policies",
    "policy_names",
    "policy_moves",
    "safeguards",
    "waybill_claims",
    "notices",
    "endpoints_with_news",
    "news_noted",
    "event_clock",
    "verdicts",
    "event_subjects",
    "events",
    "licence_moves",
    "grade_moves",
    "merchant_moves",
    "deposit_moves",
    "merchants",
    "payout_accounts",
    "payout_account_versions",
    "payout_account_numbers",
    "payout_account_changes",
    "payout_account_commands",
    "account_drops",
    "withdrawals",
    "withdrawal_approvals",
    "payout_attempts",
    "payout_events",
    "review_claims",
    "review_queue",
    "carrier_looks",
    "polled_traces",
    "carrier_answers",
    "carrier_subscriptions",
    "pushes",
    "pushed_traces",
    "callbacks",
    "statement_lines",
    "statement_loads",
    "statement_periods",
    "reconciliation_breaks",
    "reconciliation_runs",
    "reconciled",
    "movement_kinds",
    "movement_legs",
    "stored_legs",
    "schema_migrations",
    "api_keys",
    "requests",
    "people",
    "subjects",
    "earlier_periods",
    "sessions",
    "proven",
    "proof_runs",
    "seals",
    "seal_blocks",
    "closings",
    "purposes",
    "seal_bound",
    "merchant_transfers",
    "merchant_days",
    "endpoints",
    "endpoint_secrets",
    "parked",
    "moved_orders",
    "attempts",
    "figures",
)


VIEWS = ("booked_settlements", "entries", "legs_of_chart", "licences", "movement_faults", "purpose_balances")

READS_ONLY = "reads, or computes; changes nothing"
HANDS_ON = "within the chart and the register; its word for what channels, carriers and banks said is all there is"
SENDS_MORE = "events are sent sooner or again, as every consumer must expect"
CALLABLE = {
    # of the HTTP gateway
    "take_request": "what was asked over HTTP; the workflows decide about it",
    "take_unanswered": "the same: the digests of API keys can be read, and no key made from them",
    "answer_request": "what a sender is answered; moves nothing",
    "note_key_used": "when a key was last used",
    "purge_requests": "forgets answers older than thirty days; ids keep their promise in the workflows",
    # of webhooks: the role reads all events, and no secret without a key that is not in the database
    "add_endpoint": "nothing is sent to it before its URL echoed a challenge",
    "change_endpoint": "another URL has to echo a challenge, too",
    "enable_endpoint": SENDS_MORE,
    "disable_endpoint": "webhooks wait, and operators are notified; none is lost",
    "remove_endpoint": "events are no longer sent there; they stay in the stream",
    "rotate_endpoint": "a secret that was sealed without a key does not open, and nothing is sent",
    "take_endpoints": "webhooks wait for a minute",
    "advance_endpoint": "events are skipped there; they stay in the stream",
    "release_endpoint": SENDS_MORE,
    "note_attempt": "a line of an endpoint's history",
    "park_subject": "webhooks of a subject wait",
    "unpark_subject": "events of a subject are skipped there; they stay in the stream",
    "mend_endpoint": SENDS_MORE,
    "resend_subject": SENDS_MORE,
    "rewind_endpoint": SENDS_MORE,
    "purge_attempts": "forgets attempts older than a week",
    # of the console
    "open_session": "a row without a cookie: the digest is made with a pepper that is not in the database",
    "note_session_used": "when a session was last used",
    "end_session": "someone must sign in again",
    "keep_figures": "what a page shows; nothing is decided by it",
    # of orders
    "open_order": "claims a part of a payment, under a text that its policy's name pointed to; " + HANDS_ON,
    "open_and_fund_order": "the same, and what was paid, once; " + HANDS_ON,
    "post_for_order": HANDS_ON,
    "post_for_orders": HANDS_ON,
    "post_movements": HANDS_ON,
    "post_chargeback_won": "the exact reverse of a chargeback that stands in the books, once; " + HANDS_ON,
    "post_refund": "back to the buyer, at most what was paid, and of a line at most its price; " + HANDS_ON,
    "post_paid_in": "a merchant's debt is less, at most by what is owed; nothing becomes available",
    "write_off": "the same, and takes two names",
    "correct_movement": "takes back a settlement, a paid debt, a write-off or an adjustment, once; takes two names",
    "return_rest": "what no order claims goes back the way that it came, and takes two names",
    "close_rest_return": "the end of such a return; " + HANDS_ON,
    "note_rests": "a notice to operators, once a payment; moves nothing",
    "record_order": "what an order says of itself; the books do not follow it, and the proofs compare",
    "take_over_order": "another run owns an order; moves nothing",
    "claim_waybills": "numbers; moves nothing",
    "claim_and_record": "numbers, and what an order says of itself",
    "release_claims": "numbers; moves nothing",
    "claim_review": "who looks at it; moves nothing",
    "release_review": "who looks at it; moves nothing",
    "reviews_of": READS_ONLY,
    "few_orders": READS_ONLY,
    "purpose_of": READS_ONLY,
    "has_open_case": READS_ONLY,
    "register_policy": "a text, and a name that is new; moves no name",
    # of merchants and accounts
    "move_licence": "what a merchant may sell; moves nothing, and is kept in the history",
    "stop_merchant": "a merchant's money stops, or goes on on a person's word; kept in the history, and both are told",
    "call_for_debt": "calls people; moves nothing",
    "pay_deposit_back": "what is not required any more becomes the merchant's own, not before the safeguard says so",
    "name_merchant": "a name; kept in the history, and binds nothing",
    "take_account_command": "uses up a command id of anyone; a change is refused then, and none is made",
    "bind_account": "another number, that gets nothing before the safeguard's time has passed; kept in the history",
    "suspend_account": "no money goes there",
    "resume_account": "money goes to the merchant's own account again, which cooled off before; kept in the history",
    "verify_account": "where a policy asks for it; kept in the history, and ends no cooling",
    "open_drop": "0.01 to 0.99 to the merchant's own account, at most twenty times a version",
    "update_drop": "the cost of such a drop, once",
    "tell_drop": "the same as verify_account",
    # of withdrawals
    "reserve": "the merchant's own money, to an account that has cooled off by the database's clock",
    "reserve_verified": "the same",
    "post_for_withdrawal": "paid, given back or returned, never more than was set aside or paid; " + HANDS_ON,
    "record_withdrawal": "what a withdrawal says of itself, and what its payouts came to; " + HANDS_ON,
    "open_attempt": "a payout of at most what was set aside, by the account's own rail",
    "update_attempt": "what a payout came to; " + HANDS_ON,
    # of what comes in
    "journal_push": "a push; moves nothing",
    "finish_push": "a push; moves nothing",
    "keep_pushed": "a trace; " + HANDS_ON,
    "journal_callback": "a callback; moves nothing",
    "finish_callback": "a callback; moves nothing",
    "note_callback": "a notice to operators, once an event; moves nothing",
    "purge_callbacks": "nothing younger than the safeguard says",
    "purge_events": "nothing younger than 30 days, and none that an endpoint waits for",
    "purge_verdict_traces": "no trace younger than 30 days",
    "empty_orders": "journals and findings of orders that ended 30 days ago at the least, and have nothing open",
    "empty_withdrawals": "journals of withdrawals that ended 30 days ago at the least, and have nothing open",
    "may_be_emptied": READS_ONLY,
    "withdrawal_may_be_emptied": READS_ONLY,
    "rest_of_withdrawal": READS_ONLY,
    "rest_of_state": READS_ONLY,
    "rest_of_inbox": READS_ONLY,
    "rest_of_parcel": READS_ONLY,
    "rest_of_parcels": READS_ONLY,
    "purge_logistics": "nothing younger than the safeguard says",
    "take_look": "when a provider is asked",
    "keep_look": "an answer; " + HANDS_ON,
    "keep_answer": "an answer; " + HANDS_ON,
    "take_subscription": "when a provider is asked",
    "finish_subscription": "when a provider is asked",
    # of the seals
    "note_seal_bound": "postings wait for a moment",
    "note_proven": "the next proof skips what is closed and did not move; `prove --all` skips nothing",
    "note_proof_run": "what the last proof found; the next run, of any role, says it again",
    "seal_books": "seals what was booked; what is sealed stays, and a change is found",
    "note_compared": "the next comparison skips what is closed and did not change; `reconcile --all` skips nothing",
    "movement_hashes": READS_ONLY,
    "merchant_changes": READS_ONLY,
    "merchant_of": READS_ONLY,
    "utc_day": READS_ONLY,
    "seal_hash": READS_ONLY,
    # of the comparison with statements
    "load_statement": "what a statement said; each load is kept, and takes two names to withdraw",
    "withdraw_load": "the same; what was told is kept",
    "channel_key": READS_ONLY,
    "stated_cash": READS_ONLY,
    "settlements_of": READS_ONLY,
    "record_breaks": "what a comparison found; none from the future silences those after it",
    "post_settlements": "from a channel to a rail, at most what the channel holds",
    # helpers
    **dict.fromkeys(
        ("account_guarded", "account_kind", "bounded_now", "correctable_legs", "given_back", "is_own",
         "may_be_corrected", "may_be_one_place", "named_in", "newest_scan", "number_in_use", "safeguard", "shape_of",
         "told_lines", "transfer_fault", "merchant_value", "merchant_stop", "deposit_required", "events_end",
         "event_position", "disputed_debt", "person_of", "may_decide", "may_decide_as", "refuse_in_one_breath",
         "refuse_unless_an_orders",
         "refuse_one_persons_word", "waits_for_merchant", "holds_to_let_go", "depends_on_others",
         "reasons_to_act", "holds_in", "event_time", "event_cause", "event_of", "cut_data", "parcels_in",
         "earlier_parcel", "journey_events", "parcel_events", "clock_events", "deadline_events", "hold_events",
         "case_events", "refund_events", "seldom_changes", "order_changes", "order_facts", "empty_state",
         "merchant_of_subject", "payout_events", "withdrawal_changes", "new_verdicts", "time_or_null"),
        READS_ONLY,
    ),
    "split_owed": "locks a merchant's accounts until its transaction ends; changes nothing",
    **dict.fromkeys(
        ("refuse_change", "refuse_change_of_history", "follow_orders", "follow_new_order", "add_withdrawal_events",
         "add_notice_events", "add_account_events", "add_drop_events", "add_merchant_events", "add_break_events",
         "keep_known_transfers", "note_whole_withdrawal", "note_position"),
        "only a trigger can call it",
    ),
}  # fmt: skip
"""What the worker's role may call, and what somebody who has stolen it gains by that. A function that is new goes here,
with such a sentence, or to `OWNERS_ALONE`.
"""


async def test_these_are_all_functions_that_the_worker_may_call_and_each_has_its_danger(database: Database) -> None:
    rows = await database.pool.fetch(
        "SELECT proname, has_function_privilege(oid, 'EXECUTE') AS may FROM pg_proc"
        " WHERE pronamespace = 'dakuan'::REGNAMESPACE"
    )
    assert {row["proname"] for row in rows if row["may"]} == set(CALLABLE)
    assert {row["proname"] for row in rows if not row["may"]} == set(OWNERS_ALONE)


async def test_all_that_is_granted_to_the_worker_beside_functions_is_reading(database: Database) -> None:
    grants = await database.owner.fetch(
        "SELECT c.relname, c.relkind, g.privilege_type, g.is_grantable FROM pg_class c"
        " CROSS JOIN LATERAL aclexplode(c.relacl) g JOIN pg_roles r ON r.oid = g.grantee"
        " WHERE c.relnamespace = 'dakuan'::REGNAMESPACE AND r.rolname = 'dakuan_worker'"
    )
    assert {row["relname"] for row in grants} == {*TABLES, *VIEWS}
    assert {(row["privilege_type"], row["is_grantable"]) for row in grants} == {("SELECT", False)}
    columns = await database.owner.fetchval(
        "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE a.attacl IS NOT NULL AND c.relnamespace = 'dakuan'::REGNAMESPACE"
    )
    assert columns == 0
    schema: Any = await database.owner.fetchrow(
        "SELECT has_schema_privilege('dakuan_worker', 'dakuan', 'USAGE') AS used,"
        " has_schema_privilege('dakuan_worker', 'dakuan', 'CREATE') AS made,"
        " (SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member"
        "  WHERE r.rolname = 'dakuan_worker') AS roles"
    )
    assert tuple(schema) == (True, False, 0)


async def test_these_are_all_tables(database: Database) -> None:
    found = await database.owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'dakuan'")
    assert {row["tablename"] for row in found} == set(TABLES)


async def test_the_worker_reads_every_table_and_writes_none(database: Database) -> None:
    for table in TABLES:
        await database.pool.fetch(f"SELECT * FROM {table} LIMIT 1")
        for statement in (f"DELETE FROM {table}", f"INSERT INTO {table} DEFAULT VALUES", f"TRUNCATE {table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await database.pool.execute(statement)
    columns = await database.pool.fetch(
        "SELECT table_name, min(column_name) AS name FROM information_schema.columns"
        " WHERE table_schema = 'dakuan' AND table_name = ANY ($1) AND is_identity = 'NO' GROUP BY table_name",
        list(TABLES),
    )
    for column in columns:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.pool.execute(f"UPDATE {column['table_name']} SET {column['name']} = NULL")


async def test_the_worker_creates_nothing_in_the_schema(database: Database) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.pool.execute("CREATE TABLE dakuan.mine (x INT)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.pool.execute(
            "CREATE OR REPLACE FUNCTION dakuan.account_kind(p TEXT) RETURNS TEXT LANGUAGE sql AS 'SELECT 1::TEXT'"
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.pool.execute("ALTER TABLE transfers DISABLE TRIGGER USER")


async def test_a_temporary_table_does_not_stand_in_for_a_real_one(
    database: Database, book: Book, register: Register
) -> None:
    """The functions look for their tables in their own schema first: a caller's tables cannot replace them."""
    async with database.pool.acquire() as caller:
        await caller.execute("CREATE TEMPORARY TABLE orders (order_id TEXT); SET search_path = pg_temp, dakuan")
        assert await caller.fetchval("SELECT dakuan.take_over_order('A1', 'run-2')") is False
        await caller.execute("DROP TABLE pg_temp.orders; SET search_path = dakuan")


@pytest.mark.parametrize("table", ["transfers", "movements"])
async def test_not_even_the_owner_edits_the_books(
    database: Database, book: Book, register: Register, table: str
) -> None:
    await funded(register, book)
    column = {"transfers": "amount_minor", "movements": "occurred_at"}[table]
    for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added to"):
            await database.owner.execute(statement)


async def test_every_function_that_writes_fixes_where_it_looks(database: Database) -> None:
    loose = await database.owner.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'dakuan'::REGNAMESPACE AND prosecdef"
        " AND NOT coalesce(array_to_string(proconfig, ' ') LIKE '%search_path=pg_catalog, dakuan, pg_temp%', FALSE)"
    )
    assert [row["proname"] for row in loose] == []


async def test_strangers_may_call_nothing(database: Database) -> None:
    open_to_all = await database.owner.fetch(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'dakuan'::REGNAMESPACE"
        " AND EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0)"
    )
    assert [row["proname"] for row in open_to_all] == []
