"""Two sides are compared: a clean run is empty, and every planted break is found, for its reason, and only it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.reconciliation.breaks import breaks, by_reason
from core.reconciliation.lines import Break, Covered, OurLine, TheirLine
from core.reconciliation.policy import ReconciliationPolicy

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=10)
ALWAYS = [Covered(since=NOW - timedelta(days=400), until=NOW + timedelta(days=1))]
POLICY = ReconciliationPolicy()


def ours(key: str = "k1", **more: object) -> OurLine:
    given = {"kind": "payout", "subject": f"withdrawal/{key}", "amount_minor": 1000, "currency": "CNY", "at": LONG_AGO}
    return OurLine.model_validate({**given, "key": key, **more})


def theirs(key: str | None = "k1", line_id: str | None = None, **more: object) -> TheirLine:
    given = {"kind": "payout", "amount_minor": 1000, "currency": "CNY", "at": LONG_AGO}
    return TheirLine.model_validate({**given, "key": key, "line_id": line_id or f"l-{key}", **more})


def back(key: str = "k1", line_id: str | None = None, **more: object) -> TheirLine:
    return theirs(key, line_id or f"b-{key}", kind="return", **more)


def compared(our_lines: list[OurLine], their_lines: list[TheirLine], covered: list[Covered] = ALWAYS) -> list[Break]:
    return breaks("rail", "bank", our_lines, their_lines, NOW, POLICY, covered=covered)


def reasons(our_lines: list[OurLine], their_lines: list[TheirLine], covered: list[Covered] = ALWAYS) -> list[str]:
    return [found.reason for found in compared(our_lines, their_lines, covered)]


# --- one by one ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("our_lines", "their_lines", "expected"),
    [
        ([ours()], [theirs()], []),
        ([], [], []),
        ([ours()], [], ["missing"]),
        ([], [theirs()], ["extra"]),
        ([], [theirs(None, "l-7")], ["extra"]),
        ([ours()], [theirs(amount_minor=999)], ["amount"]),
        ([ours()], [theirs(currency="USD")], ["currency"]),
        ([ours()], [theirs(), theirs(line_id="again")], ["duplicate"]),
        ([ours(stand="under_way")], [theirs()], ["late"]),
        ([ours(stand="under_way")], [theirs(amount_minor=5)], ["amount"]),
        ([ours(stand="under_way")], [], ["stuck"]),
        ([ours(stand="under_way")], [theirs(), back()], ["returned"]),
        ([ours(stand="given_back")], [], []),
        ([ours(stand="given_back")], [theirs()], ["paid_after_failed"]),
        ([ours(stand="given_back")], [theirs(), back()], []),
        ([ours(stand="given_back")], [theirs(), back(amount_minor=400)], ["paid_after_failed"]),
        ([ours()], [theirs(), back()], ["returned"]),
        ([ours()], [theirs(), back(amount_minor=1)], ["returned"]),
        ([ours(), ours(kind="return")], [theirs(), back()], []),
        ([ours(), ours(kind="return", amount_minor=400)], [theirs(), back()], ["returned"]),
        ([ours(), ours(kind="return")], [theirs()], ["missing"]),
        ([ours(), ours(kind="return")], [theirs(), back(currency="USD")], ["currency"]),
        ([ours(kind="funding")], [theirs(kind="funding")], []),
    ],
)
def test_what_is_wrong_is_said(our_lines: list[OurLine], their_lines: list[TheirLine], expected: list[str]) -> None:
    assert reasons(our_lines, their_lines) == expected


@pytest.mark.parametrize(
    ("our_lines", "their_lines"),
    [
        ([], [theirs(), back()]),
        ([ours()], [theirs(), theirs(line_id="again"), back()]),
        ([ours()], [theirs(amount_minor=1500), back(amount_minor=1500), theirs(line_id="right")]),
        ([ours()], [theirs(amount_minor=1500), back(amount_minor=500)]),
    ],
    ids=["never asked for", "twice", "wrong amount, sent again", "surplus given back"],
)
def test_what_they_took_back_themselves_is_mended(our_lines: list[OurLine], their_lines: list[TheirLine]) -> None:
    assert reasons(our_lines, their_lines) == []


def test_both_sides_figures_and_the_lines_are_told() -> None:
    found = compared([ours()], [theirs(amount_minor=999)])[0]
    assert found.figures == ("10.00 CNY", "9.99 CNY")
    assert (found.line_ids, found.subject, found.since) == (("l-k1",), "withdrawal/k1", LONG_AGO)
    assert found.break_id == "rail/bank/payout/k1/amount"
    assert found.helps
    missing = compared([ours()], [])[0]
    assert missing.figures == ("10.00 CNY", "nothing")


def test_a_sum_of_several_returns_is_compared() -> None:
    halves = [back(line_id="b1", amount_minor=400), back(line_id="b2", amount_minor=600)]
    assert reasons([ours(), ours(kind="return")], [theirs(), *halves]) == []
    found = compared([ours()], [theirs(), *halves])[0]
    assert (found.reason, found.kind, found.theirs_minor) == ("returned", "return", 1000)


# --- what is under way is no break -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("our_lines", "their_lines", "reason", "tolerance"),
    [
        (lambda at: [ours(at=at)], lambda at: [], "missing", POLICY.missing_after),
        (lambda at: [ours(at=at, stand="under_way")], lambda at: [], "stuck", POLICY.stuck_after),
        (lambda at: [ours(stand="under_way")], lambda at: [theirs(at=at)], "late", POLICY.late_after),
        (lambda at: [ours()], lambda at: [theirs(), back(at=at)], "returned", POLICY.late_after),
        (lambda at: [], lambda at: [theirs(kind="funding", at=at)], "extra", POLICY.late_after),
        (lambda at: [ours(kind="deadline", at=at)], lambda at: [], "stuck", POLICY.overdue_after),
    ],
)
def test_it_is_a_break_only_after_its_tolerance(
    our_lines: Callable[[datetime], list[OurLine]],
    their_lines: Callable[[datetime], list[TheirLine]],
    reason: str,
    tolerance: timedelta,
) -> None:
    just, past = NOW - tolerance, NOW - tolerance - timedelta(seconds=1)
    assert reasons(our_lines(just), their_lines(just)) == []
    assert reasons(our_lines(past), their_lines(past)) == [reason]


def test_a_payout_that_nobody_asked_for_is_found_at_once() -> None:
    assert reasons([], [theirs(at=NOW)]) == ["extra"]


def test_an_absence_means_something_only_where_statements_tell_of_the_whole_time() -> None:
    line = ours(begun_at=LONG_AGO - timedelta(days=2))
    day = timedelta(days=1)
    assert reasons([line], [], []) == []
    assert reasons([line], [], [Covered(since=LONG_AGO - day, until=LONG_AGO + day)]) == []
    gap = [Covered(since=LONG_AGO - 3 * day, until=LONG_AGO - day), Covered(since=LONG_AGO - day / 2, until=NOW)]
    assert reasons([line], [], gap) == []
    whole = [
        Covered(since=LONG_AGO - day, until=LONG_AGO + day),
        Covered(since=LONG_AGO - 3 * day, until=LONG_AGO - day),
    ]
    assert reasons([line], [], whole) == ["missing"]


def test_our_own_books_need_no_tolerance() -> None:
    def books(our_lines: list[OurLine], their_lines: list[TheirLine]) -> list[str]:
        return [found.reason for found in breaks("orders", "books", our_lines, their_lines, NOW, POLICY)]

    assert books([ours(kind="credit", at=NOW)], []) == ["missing"]
    assert books([], [theirs(kind="credit", at=NOW)]) == ["extra"]
    assert books([ours(kind="credit", amount_minor=None)], [theirs(kind="credit")]) == []
    assert books([ours(kind="paid", at=NOW, stand="under_way")], []) == []


# --- many at once ----------------------------------------------------------------------------------------

PLANTS: dict[str, Callable[[list[OurLine], list[TheirLine], int], object]] = {
    "missing": lambda o, t, i: t.pop(i),
    "extra": lambda o, t, i: o.pop(i),
    "amount": lambda o, t, i: t.__setitem__(i, t[i].model_copy(update={"amount_minor": t[i].amount_minor + 1})),
    "currency": lambda o, t, i: t.__setitem__(i, t[i].model_copy(update={"currency": "JPY"})),
    "duplicate": lambda o, t, i: t.append(t[i].model_copy(update={"line_id": "twice"})),
    "late": lambda o, t, i: o.__setitem__(i, o[i].model_copy(update={"stand": "under_way"})),
    "paid_after_failed": lambda o, t, i: o.__setitem__(i, o[i].model_copy(update={"stand": "given_back"})),
    "returned": lambda o, t, i: t.append(back(f"k{i}", amount_minor=1)),
}


def pairs(amounts: list[int]) -> tuple[list[OurLine], list[TheirLine]]:
    return (
        [ours(f"k{i}", amount_minor=amount) for i, amount in enumerate(amounts)],
        [theirs(f"k{i}", amount_minor=amount) for i, amount in enumerate(amounts)],
    )


AMOUNTS = st.lists(st.integers(1, 10**15 - 1), min_size=1, max_size=20)


@given(AMOUNTS, st.randoms(use_true_random=False))
def test_a_clean_run_is_empty_in_any_order(amounts: list[int], chance: object) -> None:
    our_lines, their_lines = pairs(amounts)
    chance.shuffle(their_lines)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert compared(our_lines, their_lines) == []


@given(AMOUNTS, st.sampled_from(sorted(PLANTS)), st.data())
def test_a_planted_break_is_found_and_nothing_else(amounts: list[int], reason: str, data: st.DataObject) -> None:
    our_lines, their_lines = pairs(amounts)
    at = data.draw(st.integers(0, len(amounts) - 1))
    PLANTS[reason](our_lines, their_lines, at)
    found = compared(our_lines, data.draw(st.permutations(their_lines)))
    assert [(one.reason, one.key) for one in found] == [(reason, f"k{at}")]
    assert by_reason(found) == {reason: 1}


@given(st.lists(st.sampled_from(sorted(PLANTS)), min_size=1, max_size=12))
def test_several_breaks_do_not_hide_each_other(planted: list[str]) -> None:
    our_lines: list[OurLine] = []
    their_lines: list[TheirLine] = []
    for i, reason in enumerate(planted):
        mine, other = [ours(f"k{i}", amount_minor=100 + i)], [theirs(f"k{i}", amount_minor=100 + i)]
        PLANTS[reason](mine, other, 0) if reason != "returned" else other.append(back(f"k{i}", amount_minor=1))
        our_lines += mine
        their_lines += other
    assert sorted((one.reason, one.key) for one in compared(our_lines, their_lines)) == sorted(
        (reason, f"k{i}") for i, reason in enumerate(planted)
    )


@given(
    st.lists(
        st.tuples(st.sampled_from(["booked", "under_way", "given_back"]), st.integers(1, 3), st.sampled_from("abc")),
        max_size=3,
        unique_by=lambda line: line[2],
    ),
    st.lists(
        st.tuples(
            st.sampled_from(["payout", "return"]), st.integers(1, 3), st.sampled_from(["a", "b", "c", "d", None])
        ),
        max_size=8,
    ),
)
def test_any_two_sides_get_an_answer_and_silence_means_equal_money(
    mine: list[tuple[str, int, str]], other: list[tuple[str, int, str | None]]
) -> None:
    """Without a break, what each key moved on their side is what we say that it moved."""
    our_lines = [ours(key, stand=stand, amount_minor=amount) for stand, amount, key in mine]
    their_lines = [theirs(key, f"l{i}", kind=kind, amount_minor=amount) for i, (kind, amount, key) in enumerate(other)]
    if compared(our_lines, their_lines):
        return
    for key in "abcd":
        moved = sum(line.amount_minor * (1 if line.kind == "payout" else -1) for line in their_lines if line.key == key)
        said = sum(line.amount_minor or 0 for line in our_lines if line.key == key and line.stand == "booked")
        assert moved == said
    assert all(line.key is not None for line in their_lines)
