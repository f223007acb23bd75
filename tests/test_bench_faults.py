"""The fault bench can fail: its judge finds every kind of broken promise, and its plan is the seed's alone."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import pytest
from databases import Database

from bench.engines import waybill_of
from bench.faults.command import again
from bench.faults.judging import Asked, AtBank, Breach, Evidence, InBooks, InRegister, Verdict, judge
from bench.faults.plan import Storm, bank_faults, fates, strikes
from bench.faults.race import race_on
from bench.faults.report import Board
from bench.faults.returns import ENDINGS, GoingBack, Returned, going_back, judge_returns
from bench.faults.run import under_fire
from core.audit.waybills import judge as judge_number

ASKED = Asked("w-1", "m-1", 1_000, "tok-w-1")
PAID = Evidence(
    asked=[ASKED],
    bank={"tok-w-1": AtBank((1_000,))},
    books={"w-1": InBooks(paid_minor=1_000)},
    register={"w-1": InRegister("paid", closed=True, deadline="watch_until")},
    given_minor={"m-1": 5_000},
    available_minor={"m-1": 4_000},
)
GIVEN_BACK = replace(
    PAID,
    bank={},
    books={"w-1": InBooks()},
    register={"w-1": InRegister("failed", closed=True)},
    available_minor={"m-1": 5_000},
)
RETURNED = replace(
    PAID,
    bank={"tok-w-1": AtBank((1_000,), 400)},
    books={"w-1": InBooks(paid_minor=1_000, returned_minor=400)},
    register={"w-1": InRegister("returned", closed=True)},
    available_minor={"m-1": 4_400},
)
HELD = replace(PAID, bank={}, books={"w-1": InBooks(held_minor=1_000)})
"""Reserved and not paid; where it stands is said by each test."""


def test_a_run_names_the_command_that_makes_its_plan_again() -> None:
    usual = "python -m bench faults --withdrawals 20 --seed 3"
    assert again(20, 3, None, None, None) == usual
    assert again(20, 3, 15.0, 2.5, "new_key_on_retry") == (
        f"{usual} --seconds 15.0 --kill-every 2.5 --bug new_key_on_retry"
    )


def _kinds(evidence: Evidence) -> Counter[str]:
    return Counter(breach.kind for breach in judge(evidence).breaches)


@pytest.mark.parametrize("honest", [PAID, GIVEN_BACK, RETURNED])
def test_a_kept_promise_is_no_breach(honest: Evidence) -> None:
    assert judge(honest).clean


@pytest.mark.parametrize(
    "waiting",
    [
        InRegister("approved", closed=False, deadline="submit_at"),
        InRegister("in_approval", closed=False, deadline="approve_by"),
        InRegister("in_suspense", closed=False, deadline="suspense_until"),
        InRegister("approved", closed=False, holds=("our_side",)),
        InRegister("unknown", closed=False, deadline="query_at", holds=("payout_stuck",)),
    ],
)
def test_waiting_for_a_named_person_or_deadline_is_no_breach(waiting: InRegister) -> None:
    assert judge(replace(HELD, register={"w-1": waiting})).clean


def test_a_second_effect_is_found_whatever_the_books_say() -> None:
    verdict = judge(replace(PAID, bank={"tok-w-1": AtBank((1_000, 1_000))}))
    assert (verdict.double_effects, verdict.lost_minor) == (1, 1_000)
    assert verdict.breaches[0] == Breach("double_effect", "w-1", "the bank paid 2 times: (1000, 1000)")


def test_money_given_back_though_the_bank_paid_is_found() -> None:
    verdict = judge(replace(GIVEN_BACK, bank=PAID.bank))
    assert _kinds(replace(GIVEN_BACK, bank=PAID.bank)) == {"paid_not_booked": 1}
    assert (verdict.lost_minor, verdict.breaks) == (1_000, 1)


def test_a_payout_that_is_booked_and_never_happened_is_found() -> None:
    assert _kinds(replace(PAID, bank={})) == {"booked_not_paid": 1}


def test_another_amount_than_was_asked_for_is_found() -> None:
    assert _kinds(replace(PAID, bank={"tok-w-1": AtBank((1_001,))})) == {"wrong_amount": 1}


def test_a_return_that_is_not_booked_is_found() -> None:
    assert _kinds(replace(PAID, bank=RETURNED.bank)) == {"returns_differ": 1}


@pytest.mark.parametrize(
    "standing",
    [
        InRegister("unknown", closed=False, deadline="query_at"),
        InRegister("submitting", closed=False),
        InRegister("submitted", closed=False, deadline="query_at"),
        InRegister("approved", closed=False),
        InRegister("paid", closed=False, deadline="watch_until"),
    ],
)
def test_what_waits_for_nobody_is_stuck(standing: InRegister) -> None:
    verdict = judge(replace(HELD, register={"w-1": standing}))
    assert (_kinds(replace(HELD, register={"w-1": standing})), verdict.stuck) == ({"stuck": 1}, 1)


def test_money_that_stays_reserved_after_the_end_is_found() -> None:
    kinds = _kinds(replace(HELD, register={"w-1": InRegister("failed", closed=True)}))
    assert kinds == {"reserved_for_ever": 1}


def test_a_withdrawal_that_was_never_registered_is_found() -> None:
    assert _kinds(replace(GIVEN_BACK, register={})) == {"never_began": 1}


@pytest.mark.parametrize("status", ["FAILED", "TERMINATED", "TIMED_OUT", "unknown"])
def test_a_workflow_that_was_lost_is_found(status: str) -> None:
    lost = {"w-1": replace(PAID.register["w-1"], workflow=status)}
    assert _kinds(replace(PAID, register=lost)) == {"workflow_lost": 1}


def test_a_register_that_says_otherwise_than_the_books_is_found() -> None:
    assert _kinds(replace(PAID, register=GIVEN_BACK.register)) == {"register_differs": 1}


def test_money_that_is_nowhere_is_found() -> None:
    verdict = judge(replace(PAID, available_minor={"m-1": 3_999}))
    assert (verdict.lost_minor, verdict.breaches) == (1, [Breach("money_lost", "m-1", "1 of 5000 is nowhere")])


def test_a_payout_to_somebody_who_asked_for_nothing_is_found() -> None:
    assert _kinds(replace(PAID, bank={**PAID.bank, "tok-other": AtBank((5,))})) == {"paid_to_a_stranger": 1}


def test_what_the_product_itself_holds_as_an_incident_is_a_breach() -> None:
    for hold in ("ledger_disagrees", "paid_after_failed"):
        held = {"w-1": InRegister("failed", closed=True, holds=(hold,))}
        assert _kinds(replace(GIVEN_BACK, register=held)) == {"incident": 1}


def test_broken_proofs_and_breaks_of_the_reconciliation_are_breaches() -> None:
    assert _kinds(replace(PAID, broken_proofs=[("reserved", ())], breaks=[("w-1", "missing")])) == {
        "proof": 1,
        "break": 1,
    }


BACK = GoingBack("b-1", "refund", 0.0)
LOST, WON, KEPT = (replace(BACK, how=how) for how in ("lost", "won", "freeze"))


@pytest.mark.parametrize(
    ("found", "kinds", "lost"),
    [
        (Returned(BACK, (500,), 500, True), {}, 0),
        (Returned(BACK, (500, 500), 500, True), {"double_effect": 1, "refunds_differ": 1}, 500),
        (Returned(BACK, (), 500, True), {"refunds_differ": 1}, 500),
        (Returned(BACK, (499,), 499, True), {"wrong_amount": 1}, 0),
        (Returned(BACK, (), 0, True), {"stuck": 1}, 0),
        (Returned(BACK, (500,), 500, False), {"stuck": 1}, 0),
        (Returned(LOST, (), 0, True, 500, moves=("chargeback/1",)), {}, 0),
        (Returned(LOST, (), 0, True, 1_000, moves=("chargeback/1",)), {"chargebacks_differ": 1}, 500),
        (Returned(LOST, (), 0, True), {"chargebacks_differ": 1, "stuck": 1}, 500),
        (Returned(WON, (), 0, True, moves=("chargeback/1", "chargeback/1/won")), {}, 0),
        (Returned(WON, (), 0, True, 500, moves=("chargeback/1",)), {"chargebacks_differ": 1, "stuck": 1}, 500),
        (Returned(KEPT, (), 0, True, moves=("freeze/1", "release/1")), {}, 0),
        (Returned(KEPT, (), 0, True, 0, 7, ("freeze/1", "release/1")), {"frozen_for_ever": 1}, 0),
    ],
)
def test_money_that_goes_back_does_so_once_and_the_books_know(
    found: Returned, kinds: dict[str, int], lost: int
) -> None:
    verdict = Verdict()
    judge_returns([found], verdict)
    assert Counter(breach.kind for breach in verdict.breaches) == kinds
    assert verdict.lost_minor == lost
    assert verdict.double_effects == kinds.get("double_effect", 0)
    assert verdict.stuck == kinds.get("stuck", 0)


# --- the plan --------------------------------------------------------------------------------------------


def test_the_seed_makes_the_plan() -> None:
    storm = Storm.of(120)
    assert (fates(7, 50), bank_faults(7)) == (fates(7, 50), bank_faults(7))
    assert list(itertools.islice(strikes(7, storm), 60)) == list(itertools.islice(strikes(7, storm), 60))
    assert fates(7, 50) != fates(8, 50)
    assert going_back(7, 50) == going_back(7, 50) != going_back(8, 50)
    assert {one.how for one in going_back(7, 10)} == {"case", "kept", "above", "refund"}
    assert {one.how for one in going_back(7, 2_000)} == set(ENDINGS)


def test_the_plan_is_as_bad_as_it_was_meant_to_be() -> None:
    storm = Storm.of(180)
    planned = Counter(strike.kill for strike in itertools.takewhile(lambda one: one.at < 180, strikes(1, storm)))
    assert planned["worker"] >= 30
    assert min(planned["postgres"], planned["temporal"]) >= 3
    assert (planned["outage"], planned["bank"]) == (1, 1)
    assert storm.outage > storm.key_window
    outcomes = Counter(fate.outcome for fate in fates(1, 2_000))
    assert 70 <= outcomes["returned"] <= 130
    assert all(outcomes[name] for name in ("processing_failed", "payee", "strange_code", "quota", "our_side", "risk"))


def test_a_fifth_of_the_effects_is_reported_as_a_failure_and_callbacks_go_astray() -> None:
    after_effect = {"status_after_effect", "cut", "garbage", "html", "wrong_key", "slow_answer"}
    left = {"effects": 1.0, "lost": 1.0, "disturbed": 1.0}
    for fault in bank_faults(1):
        kind, rate = fault["kind"], fault["rate"]
        if fault["verb"] == "payout" and kind in after_effect:
            left["effects"] *= 1 - rate
        if kind == "callback_lost":
            left["lost"] *= 1 - rate
        if kind in {"callback_twice", "callback_late"}:
            left["disturbed"] *= 1 - rate
    assert 1 - left["effects"] == pytest.approx(0.20, abs=0.015)
    assert 1 - left["lost"] == pytest.approx(0.10)
    assert 1 - left["disturbed"] == pytest.approx(0.32, abs=0.02)


# --- the race --------------------------------------------------------------------------------------------


async def test_racing_requests_never_reserve_the_same_money(database: Database) -> None:
    raced = await race_on(database.pool, database.owner_dsn, seed=5, rounds=3, requests=60)
    assert raced.clean
    assert (raced.rounds, raced.requests) == (3, 198)
    assert 0 < raced.reserved < 180


# --- a small run -----------------------------------------------------------------------------------------


async def test_a_small_storm_breaks_no_promise() -> None:
    storm = Storm(seconds=7, key_window=6, outage=2, kill_every=(2, 3), freeze=3)
    with Board() as board:
        run, evidence, verdict = await under_fire(11, 10, board, storm=storm)
    assert verdict.breaches == []
    assert run.kills["worker"] >= 2
    assert all(run.kills[server] for server in ("postgres", "temporal", "outage"))
    assert len(evidence.register) == 10
    assert run.back == 4
    assert any(bank.payouts_minor for bank in evidence.bank.values())


def test_no_two_orders_of_a_run_share_a_waybill() -> None:
    names = [f"{kind}-610994-{number}" for kind in ("o", "b") for number in range(500)]
    numbers = {waybill_of(name) for name in names}
    assert len(numbers) == len(names)
    assert {judge_number("sandbox", number).answer for number in numbers} == {"possible"}
