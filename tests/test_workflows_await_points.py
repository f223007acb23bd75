"""Every point where a workflow awaits an activity, and what shows that a fault there loses and repeats nothing.

The points are read from the activities' own definitions and from the chart of movements. A new one without a row fails.
"""

from __future__ import annotations

import asyncio
import pkgutil
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
import pytest_asyncio
from await_faults import FAULTS, Fault, Strikes
from databases import Database
from disputed_life import MOVES, live_through_a_dispute
from order_crash_stage import CrashStage, open_crash_stage
from sizes import SOAK_EXAMPLES
from temporalio.common import RetryPolicy

import activities
import workflows.order
import workflows.running
import workflows.withdrawal
from bench.drills import lives as drills
from bench.drills.lives import Kind, Life, begin, go_on
from bench.drills.stage import POLICY
from core.chart import KINDS
from local.client import WorldClient
from local.temporal import Temporal

TESTS = Path(__file__).parent
ENDS_WITHIN = 60.0
"""Seconds, of a life on a busy machine."""
LIVES: tuple[Kind, ...] = ("unshipped", "cancelled", "case", "held", "approval", "unknown")
STRUCK = frozenset(
    {
        *("open", "record", "claim_waybills", "audit", "pay_refund"),
        *("post credit", "post settle", "post refund", "post refund_arrived", "post pay"),
        *("post freeze", "post release", "post chargeback", "post chargeback_fee", "post chargeback_won"),
        *("open_withdrawal", "follow_withdrawal", "reserve", "open_attempt", "pay", "query", "record_withdrawal"),
    }
)
"""Each is struck by each kind of fault below."""
_KILLED, _TAKEN = "test_workflows_order_crashes.py", "test_workflows_chargeback_crashes.py"
_ONCE = f"{_KILLED}::test_an_effect_that_nobody_heard_of_is_done_once"
_TAKEN_ONCE = f"{_TAKEN}::test_what_is_taken_back_kept_or_held_moves_once"
_COMPARED = "test_workflows_reconciliation.py::test_a_bank_that_does_not_answer_is_asked_again"
_DROPPED = "test_workflows_account_drop.py::test_a_timeout_is_unknown_and_becomes_paid_once"
_REST = "test_workflows_payment_return.py::test_a_worker_that_died_after_the_channel_had_it_sends_nothing_twice"
_WAITS = "test_workflows_withdrawal_waiting.py"
ELSEWHERE = {
    "post fund": _ONCE,
    "screen": _ONCE,
    "start_withdrawal": _ONCE,
    "release_claims": _ONCE,
    "who_left": "test_workflows_order_refunds.py::test_the_word_of_who_has_left_refunds_nothing",
    "rescue": "test_workflows_order_runs.py::test_a_terminated_order_is_rescued_where_it_was",
    "look": "test_activities_logistics.py::test_a_look_counts_with_those_that_the_order_remembers",
    "judge": "test_core_order_scans.py::test_scan_that_could_not_be_judged_makes_the_audit_look_at_once",
    **dict.fromkeys(("pay_rest", "close_rest"), _REST),
    "start_scheduled_withdrawal": (
        "test_workflows_auto_withdrawal.py::test_a_time_that_is_tried_again_starts_what_it_started_before"
    ),
    "resume_withdrawal": "test_workflows_withdrawal_set_back.py::test_a_reset_to_any_task_ends_as_the_register_says",
    "suspend_account": f"{_WAITS}::test_a_payout_that_came_back_stops_the_others_to_its_account",
    "check_standing": f"{_WAITS}::test_nobody_tells_and_it_is_found_within_hours",
    **dict.fromkeys(("open_account_drop", "pay_account_drop", "look_account_drop"), _DROPPED),
    "give_up_account_drop": "test_workflows_account_drop.py::test_what_never_becomes_known_is_lost_and_not_failed",
    **dict.fromkeys(("fetch_statements", "compare"), _COMPARED),
    "prove_books": "test_workflows_reconciliation.py::test_what_a_comparison_did_and_did_not_report_is_done_again",
    **dict.fromkeys(("post chargeback_above", "post chargeback_above_won", "post refund_covered"), _TAKEN_ONCE),
    **dict.fromkeys(("charge_buyer", "post claim_back"), _TAKEN_ONCE),
    "post suspense": "test_workflows_withdrawal_suspense.py::test_a_worker_killed_right_after_suspense_moves_it_once",
    **dict.fromkeys(
        ("post void", "post bank_return"),
        "test_workflows_withdrawal_crashes.py::"
        "test_what_the_bank_says_between_a_closing_and_its_report_contradicts_no_books",
    ),
}
"""Struck in a test of its own, which is named."""
BY_PEOPLE = frozenset(
    {
        *("psp_settlement", "paid_in", "write_off", "rest", "rest_closed", "correction", "deposit_back", "adjustment"),
        *("reserve", "account_drop"),
    }
)
"""Kinds of movement that no workflow posts by itself: commands, or functions that check and post in one."""


def points() -> set[str]:
    """Every activity that is defined, and one `post` for each kind of movement that workflows post."""
    names = set()
    for found in pkgutil.walk_packages(activities.__path__, "activities."):
        for thing in vars(import_module(found.name)).values():
            for method in vars(thing).values() if isinstance(thing, type) else (thing,):
                definition = getattr(method, "__temporal_activity_definition", None)
                if definition is not None:
                    names.add(definition.name)
    return (names - {"post"}) | {f"post {kind.name}" for kind in KINDS if kind.name not in BY_PEOPLE}


def test_every_await_point_has_a_row() -> None:
    assert points() - STRUCK - ELSEWHERE.keys() == set(), "what strikes these?"
    assert (STRUCK | ELSEWHERE.keys()) - points() == set(), "rows of points that are no more"
    assert STRUCK & ELSEWHERE.keys() == set()


def test_each_test_that_a_row_names_exists() -> None:
    for row in ELSEWHERE.values():
        file, _, name = row.partition("::")
        assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8"), row


# --- struck ------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def stage(
    temporal: Temporal, world: WorldClient, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[CrashStage]:
    """A stage whose limits are short: a step without an answer is given up within a second."""
    short = timedelta(seconds=1)
    monkeypatch.setattr(drills, "ENDS_WITHIN", ENDS_WITHIN)
    monkeypatch.setattr(workflows.running, "QUICK", short / 2)
    for place, name in (
        (workflows.running, "PATIENT"),
        (workflows.order, "LOOK_LIMIT"),
        (workflows.withdrawal, "SENDING"),
    ):
        monkeypatch.setattr(place, name, short)
    monkeypatch.setattr(workflows.order, "POLLING", RetryPolicy(initial_interval=short, backoff_coefficient=1))
    (tmp_path / "default.toml").write_text(POLICY, encoding="utf-8")
    async with open_crash_stage(temporal, world, database, tmp_path) as stage:
        yield stage


@pytest.mark.parametrize("fault", FAULTS if SOAK_EXAMPLES else FAULTS[2:])
async def test_a_fault_at_each_await_point_loses_nothing_and_does_nothing_twice(
    stage: CrashStage, fault: Fault
) -> None:
    strikes, lives = Strikes(fault), [Life(kind, stage.order(kind)) for kind in LIVES]
    for life in lives:
        life.order.under("default")
    disputed = stage.order("disputed")
    async with stage.worker(interceptors=[strikes]):
        disputing = asyncio.create_task(live_through_a_dispute(stage, disputed))
        await asyncio.gather(*(begin(life) for life in lives))
        await asyncio.gather(*(go_on(life) for life in lives), disputing)
        ended = {life.kind: await stage.register.orders.row(life.order.name) for life in lives}
    assert {kind: row.phase for kind, row in ended.items() if row is not None} == {
        life.kind: life.ends_as for life in lives
    }
    moved = Counter(f"order/{disputed.name}/{move}" for move in MOVES)
    assert await stage.references() == sum((life.movements for life in lives), moved)
    for life in lives:
        given_back = await stage.world.refund_effects(life.order.order.payment.reference)
        paid_out = await stage.world.payout_effects(life.token)
        assert (given_back, paid_out) == (life.ends_as != "settled", life.withdrawal_id is not None), life.kind
    assert set(strikes.struck) >= STRUCK
