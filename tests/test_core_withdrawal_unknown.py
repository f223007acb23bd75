"""A payout whose outcome is unknown: queries, and people who resolve it."""

from __future__ import annotations

from datetime import timedelta

from withdrawal_driver import T0, answered, desk, names, reasons, resolution, stuck_desk, unknown_desk

from core.money import format_minor
from core.withdrawal.views import holds_of

# --- unknown -----------------------------------------------------------------------------------------------


def test_unknown_posts_nothing_and_looks_on_schedule() -> None:
    made = unknown_desk()
    made.looks.extend([answered("unknown")] * 40)
    made.wait(days=2, hours=1)
    expected = [timedelta(minutes=1), timedelta(minutes=5), timedelta(hours=1), timedelta(days=1), timedelta(days=2)]
    assert [at - T0 for at in made.looked] == expected
    assert len(made.sent) == 1
    assert made.books.reserved == 10_000
    assert reasons(made) == ["outcome_unknown"]


def test_unknown_turns_out_paid() -> None:
    made = unknown_desk()
    made.looks.append(answered("paid", amount_minor=10_000))
    made.wait(minutes=1)
    assert made.phase == "paid"
    assert made.books.cash_out == 10_000


def test_unknown_turns_out_failed_and_is_given_back() -> None:
    made = unknown_desk()
    made.looks.append(answered("failed", "payee"))
    made.wait(minutes=1)
    assert made.phase == "failed"
    assert made.books.available == 5_000_000
    assert len(made.sent) == 1


def test_after_three_days_a_person_is_asked_and_looking_goes_on() -> None:
    made = unknown_desk()
    made.looks.extend([answered("unknown")] * 5)
    made.wait(days=3)
    assert reasons(made) == ["outcome_unknown", "payout_stuck"]
    assert "operator:payout_stuck" in names(made)
    made.check()
    made.wait(days=40)
    assert made.looked[-1] - T0 <= timedelta(days=30)
    made.check()


def test_a_payout_the_bank_never_finishes_is_unknown_after_three_days() -> None:
    made = desk(answered("accepted"))
    made.wait(days=3)
    assert made.phase == "unknown"
    made.wait(days=1)  # the bank still says accepted: it stays with the person
    assert made.phase == "unknown"
    made.report("paid")
    assert made.phase == "paid"
    assert reasons(made) == []


def test_no_answer_takes_nothing_away_from_an_acknowledgement() -> None:
    made = desk(answered("accepted"))
    made.looks.append(answered("unknown"))
    made.wait(minutes=1)
    assert made.phase == "submitted"
    made.looks.append(answered("not_found"))
    made.wait(minutes=4)
    assert made.phase == "unknown"


def test_another_amount_than_told_is_unknown_and_a_person_is_asked() -> None:
    made = desk(answered("paid", amount_minor=9_999))
    assert made.phase == "unknown"
    assert "amount_disagrees" in reasons(made)
    assert [hold.facts["told"] for hold in made.state.holds if hold.name == "amount_disagrees"] == ["99.99 CNY"]
    assert made.books.reserved == 10_000


def test_another_currency_alone_is_told_with_the_amount_of_the_instruction() -> None:
    made = desk(answered("paid", currency="USD"))
    told = [hold.facts["told"] for hold in made.state.holds if hold.name == "amount_disagrees"]
    assert told == [format_minor(made.state.net_minor, "USD")]


# --- people resolve ----------------------------------------------------------------------------------------


def test_two_people_with_the_banks_reference_settle_an_unknown_payout() -> None:
    made = stuck_desk()
    made.wait(hours=47)
    assert made.code("resolve_unknown", "operator", "ann", **resolution()) == "too_early"
    made.wait(hours=1)  # a window of 24 h and a margin of 24 h
    assert made.code("resolve_unknown", "operator", "M-7", **resolution()) == "needs_other_person"
    made.send("resolve_unknown", "operator", "ann", **resolution())
    assert made.phase == "unknown"
    assert made.code("resolve_unknown", "operator", "Ann", **resolution()) == "needs_other_person"
    made.send("resolve_unknown", "operator", "bob", **resolution())
    assert made.phase == "paid"
    assert made.books.cash_out == 10_000


def test_two_people_who_differ_settle_nothing() -> None:
    made = stuck_desk()
    made.wait(days=3)
    made.send("resolve_unknown", "operator", "ann", **resolution("paid"))
    made.send("resolve_unknown", "operator", "bob", **resolution("failed"))
    assert made.state.statements == ()
    made.send("resolve_unknown", "operator", "ann", **resolution("paid", "B-77"))
    made.send("resolve_unknown", "operator", "bob", **resolution("paid", "B-78"))
    assert made.phase == "unknown"


def test_the_first_of_two_words_is_shown_and_the_journal_keeps_both() -> None:
    made = stuck_desk()
    made.wait(days=3)
    made.send("resolve_unknown", "operator", "ann", **resolution("paid", "B-77"))
    held = holds_of(made.state)[-1]
    assert "ann said `paid` with the reference B-77: another person" in held.what_helps
    assert "ann 已报告已付款，凭证 B-77" in (held.what_helps_zh or "")
    made.send("resolve_unknown", "operator", "bob", **resolution("paid", "B-78"))
    assert "ann" not in holds_of(made.state)[-1].what_helps
    said = [entry.message for entry in made.state.inbox.journal if entry.verb == "resolve_unknown"]
    assert said == [
        "paid, B-77: the bank's letter",
        "paid, B-78: the bank's letter; ann had said paid with the reference B-77: nothing is settled",
    ]


def test_failed_by_hand_stays_put_for_days_before_it_is_given_back() -> None:
    made = stuck_desk()
    made.wait(days=3)
    for person in ("ann", "bob"):
        made.send("resolve_unknown", "operator", person, **resolution("failed"))
    assert made.phase == "in_suspense"
    assert (made.books.reserved, made.books.suspense) == (0, 10_000)
    assert made.code("cancel", "merchant", "m-7") == "already_submitted"
    made.wait(days=4.9)
    assert made.phase == "in_suspense"
    made.wait(days=0.1)
    assert made.phase == "failed"
    assert (made.books.available, made.books.suspense) == (5_000_000, 0)


def test_a_payout_found_while_in_suspense_is_paid() -> None:
    made = stuck_desk()
    made.wait(days=3)
    for person in ("ann", "bob"):
        made.send("resolve_unknown", "operator", person, **resolution("failed"))
    assert made.code("resolve_unknown", "operator", "cleo", **resolution("failed")) == "not_unknown"
    made.report("paid")
    assert made.phase == "paid"
    assert (made.books.cash_out, made.books.suspense) == (10_000, 0)


def test_two_people_who_learn_better_pay_out_of_suspense() -> None:
    made = stuck_desk()
    made.wait(days=3)
    for person in ("ann", "bob"):
        made.send("resolve_unknown", "operator", person, **resolution("failed"))
    made.wait(days=1)
    for person in ("ann", "bob"):
        made.send("resolve_unknown", "operator", person, **resolution("paid", "B-78"))
    assert made.phase == "paid"
    assert (made.books.cash_out, made.books.suspense, made.books.reserved) == (10_000, 0, 0)
    made.wait(days=20)
    assert made.state.over


def test_nobody_resolves_what_is_not_unknown() -> None:
    assert desk(answered("accepted")).code("resolve_unknown", "operator", "ann", **resolution()) == "not_unknown"
    assert desk(answered("paid")).code("resolve_unknown", "operator", "ann", **resolution()) == "not_unknown"
    made = stuck_desk()
    made.wait(days=3)
    assert made.code("resolve_unknown", "operator", "ann", **resolution(reason="")) == "reason_missing"
    assert made.code("resolve_unknown", "merchant", "m-7", **resolution()) == "wrong_actor"
