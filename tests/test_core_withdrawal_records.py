"""A withdrawal's journal, records and views."""

from __future__ import annotations

from typing import get_args

from withdrawal_driver import (
    LARGE,
    RAIL,
    WithdrawalDriver,
    answered,
    asked,
    desk,
    pending,
    reasons,
    receive_only,
    resolution,
    stuck_desk,
    unknown_desk,
)

from core.answers import Answer
from core.reasons import SENTENCES, Refusal
from core.withdrawal.page import details_of
from core.withdrawal.policy import WithdrawalPolicy
from core.withdrawal.recovering import resume
from core.withdrawal.state import ENDS, Phase
from core.withdrawal.steps import Pay, next_step
from core.withdrawal.views import (
    holds_of,
    journal_view,
    record_of,
    search_values,
)

# --- the ledger disagrees ----------------------------------------------------------------------------------


def test_books_that_refuse_for_good_hold_it_until_a_person_says_try_again() -> None:
    made = WithdrawalDriver()
    made.pays.append(answered("paid"))
    pending(made, Pay)
    made.books.broken = "conflict: withdrawal/w-1/close"
    made.run()
    assert reasons(made) == ["ledger_disagrees"]
    assert made.phase == "paid"
    made.books.broken = None
    made.send("approve", "operator", "ann")
    assert made.books.cash_out == 10_000
    made.check()


# --- duplicates, limits, journal ---------------------------------------------------------------------------


def test_a_duplicate_gets_the_first_answer_and_changes_nothing() -> None:
    made = desk(withdrawal=asked(LARGE))
    first = made.send("approve", "reviewer", "bob", command_id="same")
    again = made.send("approve", "reviewer", "bob", command_id="same")
    assert isinstance(first, Answer)
    assert isinstance(again, Answer)
    assert again == first.model_copy(update={"outcome": "duplicate"})
    assert len(made.state.approvals) == 1


def test_a_refused_update_leaves_nothing_and_a_refused_signal_uses_up_its_id() -> None:
    made = desk(answered("accepted"))
    before = made.state
    assert made.code("cancel", "merchant", "m-7", command_id="x") == "already_submitted"
    assert made.state == before
    assert made.code("cancel", "merchant", "m-7", "signal", command_id="x") == "already_submitted"
    assert journal_view(made.state)[-1]["code"] == "already_submitted"
    assert made.code("cancel", "merchant", "m-7", command_id="x") == "already_submitted"
    assert made.state.inbox.counted == 1


def test_commands_are_limited_and_some_are_kept_for_people_who_decide() -> None:
    made = desk(withdrawal=asked(LARGE), policy=WithdrawalPolicy(commands_max=30))
    for _ in range(10):
        made.send("reject", "merchant", "m-7", "signal", reason="x")
    assert made.code("cancel", "merchant", "m-7") == "too_many_commands"
    assert isinstance(made.send("approve", "reviewer", "bob"), Answer)


def test_a_thousand_callbacks_lock_out_no_person() -> None:
    made = desk(withdrawal=asked(LARGE), policy=WithdrawalPolicy(callbacks_max=50))
    for number in range(60):
        made.send("report_payout", "rail", RAIL, "signal", key="junk", outcome="paid", event_id=f"e{number}",
                  amount_minor=1, currency="CNY")  # fmt: skip
    assert made.state.callbacks == 50
    assert journal_view(made.state)[-1]["code"] == "too_many_commands"
    assert isinstance(made.send("cancel", "merchant", "m-7"), Answer)


def test_every_refusal_has_a_sentence() -> None:
    for code in ("unknown_payout", "wrong_amount", "event_exists_with_different_content", "not_unknown"):
        assert SENTENCES[code]


# --- records and views -------------------------------------------------------------------------------------


def test_a_record_is_enough_to_go_on_from() -> None:
    made = stuck_desk()
    made.wait(days=3)
    record = record_of(made.state, made.now)
    assert record.state_name == "unknown"
    assert not record.closed
    resumed = resume(record.state, record.revision)
    same = {"notices": (), "notice_seq": 0, "asks_first": True}
    assert resumed.changed(**same) == made.state.changed(**same)
    assert resumed.asks_first
    assert next_step(resumed, made.now) is None


def test_a_record_is_closed_once_the_reservation_is() -> None:
    made = desk(answered("paid"))
    assert made.records[-1].closed
    assert made.records[-1].state_name == "paid"


def test_the_page_says_state_deadline_holds_and_payouts() -> None:
    made = desk(answered("unknown"))
    page = details_of(made.state)
    for part in ("100.00 CNY", "**unknown**", "query_at", "outcome_unknown", made.sent[0].key, "…4242"):
        assert part in page
    values = search_values(made.state)
    assert values["WithdrawalState"] == "unknown"
    assert values["HoldReasons"] == ["outcome_unknown"]


def test_every_hold_says_who_and_what_helps() -> None:
    made = stuck_desk()
    made.wait(days=3)
    for view in holds_of(made.state):
        assert view.who_can_act
        assert view.what_helps
    assert "resolve_unknown" in holds_of(made.state)[-1].what_helps


def test_each_phase_in_which_money_waits_says_why_since_when_and_who_must_act() -> None:
    waits = {
        "requested": (WithdrawalDriver(), "being_submitted", "system", False),
        "in_approval": (desk(withdrawal=asked(LARGE)), "awaiting_approval", "reviewer", True),
        "approved": (desk(answered("failed", "quota")), "quota", "system", True),
        "submitting": (desk(withdrawal=asked(LARGE)), "being_submitted", "system", False),
        "submitted": (desk(answered("accepted")), "with_the_bank", "rail", True),
        "unknown": (unknown_desk(), "outcome_unknown", "rail", True),
        "in_suspense": (stuck_desk(), "in_suspense", "operator", True),
    }
    for person in ("ann", "bob"):
        waits["submitting"][0].state = receive_only(waits["submitting"][0], "approve", "operator", person)
    waits["in_suspense"][0].wait(days=3)
    for person in ("ann", "bob"):
        waits["in_suspense"][0].send("resolve_unknown", "operator", person, **resolution("failed"))
    for phase, (made, reason, who, expected) in waits.items():
        (view,) = holds_of(made.state)
        assert (made.phase, view.reason, view.who_can_act) == (phase, reason, who)
        assert view.since == made.state.phase_since
        assert (view.expected_release is not None) == expected
        assert view.what_helps
    assert set(waits) == set(get_args(Phase)) - ENDS


def test_a_refusal_is_not_an_answer_by_signal_either() -> None:
    made = desk(answered("accepted"))
    answer = made.send("approve", "operator", "ann", "signal")
    assert isinstance(answer, Refusal)
    assert answer.code == "not_in_approval"


def test_receive_never_raises_in_any_phase() -> None:
    for made in (
        WithdrawalDriver(),
        desk(),
        desk(available=1),
        desk(answered("paid")),
        unknown_desk(),
        desk(withdrawal=asked(LARGE)),
    ):
        for verb in ("cancel", "approve"):
            for role in ("merchant", "operator", "rail", "buyer"):
                made.send(verb, role, "m-7", "signal")
