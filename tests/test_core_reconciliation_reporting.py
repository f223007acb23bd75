"""What only a statement knows becomes the callbacks that never came: each event once, and never twice by two ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.reconciliation.lines import Break, Kind, Reason, Summary, TheirLine
from core.reconciliation.reporting import chargeback_in, reports, withdrawal_in
from core.reconciliation.texts import HELPS, HELPS_BY_KIND
from core.reconciliation.viewing import details_of

OF_WITHDRAWALS: tuple[tuple[Reason, Kind], ...] = (
    ("late", "payout"),
    ("returned", "return"),
    ("paid_after_failed", "payout"),
)
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def a_break(**fields: Any) -> Break:
    given = {"scope": "rail", "name": "bank", "reason": "returned", "kind": "return", "key": "k1", "since": NOW}
    return Break.model_validate({**given, "subject": "withdrawal/W1", "helps": "report it", **fields})


def line(line_id: str, kind: str = "return", amount: int = 1000, event_id: str | None = None) -> TheirLine:
    return TheirLine(
        line_id=line_id, kind=kind, key="k1", amount_minor=amount, currency="CNY", at=NOW, event_id=event_id
    )


PAID = line("L1", "payout", event_id="ev-1")


def test_what_was_heard_is_not_reported_again() -> None:
    lines = [PAID, line("L2", event_id="ev-2")]
    assert [(one.outcome, one.event_id) for one in reports(a_break(), lines, ())] == [
        ("paid", "ev-1"),
        ("returned", "ev-2"),
    ]
    assert [one.event_id for one in reports(a_break(), lines, {"ev-1"})] == ["ev-2"]
    assert reports(a_break(), lines, {"ev-1", "ev-2"}) == []


def test_a_part_without_the_rails_own_event_is_left_to_the_look_ups() -> None:
    assert reports(a_break(), [PAID, line("L2", amount=400)], {"ev-1"}) == []
    (part,) = reports(a_break(), [PAID, line("L2", amount=400, event_id="ev-2")], {"ev-1"})
    assert (part.amount_minor, part.actor.id) == (400, "bank")


def test_a_line_without_an_event_has_the_same_id_for_ever() -> None:
    lines = [line("L1", "payout"), line("a/very:long.id" * 10)]
    first, again = reports(a_break(), lines, ()), reports(a_break(), lines, ())
    assert [one.event_id for one in first] == [one.event_id for one in again]
    assert len({one.event_id for one in first}) == 2
    assert reports(a_break(), lines, {one.event_id for one in first}) == []


def test_only_what_a_withdrawal_has_not_heard_is_reported_to_one() -> None:
    assert withdrawal_in(a_break()) == "W1"
    assert withdrawal_in(a_break(reason="late", kind="payout")) == "W1"
    assert withdrawal_in(a_break(reason="paid_after_failed", kind="payout")) == "W1"
    for other in ({"reason": "extra"}, {"scope": "channel"}, {"subject": None}, {"subject": "account/a"}):
        assert withdrawal_in(a_break(**other)) is None


@pytest.mark.parametrize(("reason", "kind"), [*HELPS_BY_KIND, *OF_WITHDRAWALS])
def test_a_break_says_apply_only_where_something_is_then_reported(reason: Reason, kind: Kind) -> None:
    """A refund that only the statement had said so, and nothing came of it."""
    about = ("rail", "withdrawal/W1") if (reason, kind) in OF_WITHDRAWALS else ("channel", "order/A1")
    found = a_break(reason=reason, kind=kind, scope=about[0], subject=about[1])
    lines = [taken("L1"), taken("L2", "chargeback_fee", 15), taken("L3", "chargeback_won")]
    told = withdrawal_in(found) or chargeback_in(found, lines)
    helps = HELPS_BY_KIND.get((reason, kind), HELPS[reason])
    assert ["--apply" in said for said in (helps.en, helps.zh)] == [bool(told)] * 2


def taken(line_id: str, kind: str = "chargeback", amount: int = 1000, reference: str | None = "pi_1") -> TheirLine:
    return line(line_id, kind, amount).model_copy(update={"reference": reference})


def lacking(kind: str = "chargeback", **fields: Any) -> Break:
    given = {"scope": "channel", "name": "card", "reason": "extra", "subject": None, **fields}
    return a_break(kind=kind, **given)


def test_a_debit_that_only_the_channel_has_opens_the_chargeback_with_its_fee() -> None:
    lines = [taken("L1"), taken("L2", "chargeback_fee", 15), taken("L3", "chargeback_won", 5)]
    found = chargeback_in(lacking(), lines)
    assert found is not None
    assert found.payments == ("pi_1",)
    assert (found.report.case_reference, found.report.outcome, found.report.actor.id) == ("k1", "opened", "card")
    assert (found.report.amount_minor, found.report.fee_minor) == (1000, 15)
    assert chargeback_in(lacking(), lines) == found


def test_a_fee_that_came_later_is_reported_with_the_chargeback_that_it_is_about() -> None:
    lines = [taken("L1"), taken("L2", "chargeback_fee", 15, reference=None)]
    first, later = chargeback_in(lacking(), lines), chargeback_in(lacking("chargeback_fee"), lines)
    assert first is not None
    assert later is not None
    assert later.payments == ("pi_1",)
    assert (later.report.outcome, later.report.amount_minor, later.report.fee_minor) == ("opened", 1000, 15)
    assert later.report.command_id != first.report.command_id
    assert chargeback_in(lacking("chargeback_fee"), lines[1:]) is None, "its chargeback is in no statement"


def test_money_that_only_the_channel_gave_back_ends_it_as_won() -> None:
    found = chargeback_in(lacking("chargeback_won"), [taken("L1"), taken("L3", "chargeback_won")])
    assert found is not None
    assert (found.report.outcome, found.report.amount_minor) == ("won", None)


def test_other_breaks_and_a_debit_of_no_payment_are_left_to_people() -> None:
    assert chargeback_in(lacking(), [taken("L1", reference=None)]) is None
    for other in ({"reason": "amount"}, {"reason": "missing"}, {"scope": "rail"}, {"kind": "payment"}):
        assert chargeback_in(lacking(**other), [taken("L1")]) is None


def test_the_page_names_each_break_with_both_figures_and_counts_the_rest() -> None:
    found = a_break(ours_minor=5, ours_currency="CNY", theirs_minor=7, theirs_currency="CNY")
    given: dict[str, Any] = {"scope": "rail", "name": "bank", "at": NOW + timedelta(hours=1), "ours": 3, "theirs": 4}
    page = details_of(
        Summary(**given, count=3, by_reason={"returned": 3}, breaks=(found,), new=()), "the bank did not answer"
    )
    assert "### rail bank: 3 breaks" in page
    assert "`returned` return k1 (withdrawal/W1): ours 0.05 CNY, theirs 0.07 CNY; report it" in page
    assert "and 2 more" in page
    assert "**No statement was fetched**: the bank did not answer" in page
    assert "clean" in details_of(Summary(**given, count=0, by_reason={}, breaks=(), new=()))


def test_the_page_names_the_broken_proofs_and_why_there_was_none() -> None:
    clean = Summary(scope="orders", name="books", at=NOW, ours=0, theirs=0, count=0, by_reason={}, breaks=(), new=())
    assert "proof" not in details_of(clean)
    assert details_of(clean, None, {"broken": []}).endswith("Every proof holds.")
    assert "**Broken proofs**: `chart`, `escrow`;" in details_of(clean, None, {"broken": ["chart", "escrow"]})
    assert "not proven**: too slow" in details_of(clean, None, {"not_proven": "too slow"})
