"""`breaks`: compare two sides, and say where they disagree, why, and what to do. Pure; nothing is decided by it.

Something under way is no break yet: the tolerances of `ReconciliationPolicy` say for how long. A line back under the
same key mends a line that should not have been (`_without_reversals`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.reconciliation.lines import Break, Covered, Kind, OurLine, Reason, Scope, TheirLine
from core.reconciliation.policy import ReconciliationPolicy
from core.reconciliation.texts import HELPS, HELPS_BY_KIND, OF_THE_BOOKS

MAY_BE_AHEAD: frozenset[Kind] = frozenset(
    {"payment", "settlement", "funding", "chargeback", "chargeback_fee", "chargeback_won"}
)
"""The other side may know these first. A payout or refund has its key with us before anything is sent."""


@dataclass
class _Case:
    """All lines about one key: what went there, what came back."""

    kind: Kind
    key: str
    ours: OurLine | None = None
    ours_back: OurLine | None = None
    outs: list[TheirLine] = field(default_factory=list)
    backs: list[TheirLine] = field(default_factory=list)


@dataclass(frozen=True)
class _View:
    """Where and when a comparison stands."""

    scope: Scope
    name: str
    now: datetime
    policy: ReconciliationPolicy
    covered: Sequence[Covered] | None

    def older(self, at: datetime, than: timedelta) -> bool:
        """Whether the difference has lasted longer than the tolerance. Between our own books there is no tolerance."""
        return self.covered is None or self.now - at > than

    def has_not_heard(self, ours: OurLine, stated: TheirLine) -> bool:
        """Whether we should know a line of theirs by now."""
        waits = ours.stand == "under_way" and ours.kind not in MAY_BE_AHEAD
        return waits and self.older(stated.at, self.policy.late_after)

    def lacks(self, ours: OurLine) -> bool:
        """Whether it should be on their side by now: statements cover all of its time."""
        if not self.older(ours.at, self.policy.missing_after):
            return False
        if self.covered is None:
            return True
        reached = min(ours.begun_at or ours.at, ours.at)
        for period in sorted(self.covered, key=lambda period: period.since):
            if period.since <= reached < period.until:
                reached = period.until
        return reached > ours.at


def breaks(
    scope: Scope,
    name: str,
    ours: Iterable[OurLine],
    theirs: Iterable[TheirLine],
    now: datetime,
    policy: ReconciliationPolicy | None = None,
    *,
    covered: Sequence[Covered] | None = None,
) -> list[Break]:
    """Where two sides disagree, in the order of kind and key.

    Args:
        ours, theirs: one side each; a key of ours stands once a kind.
        now: what the tolerances count from.
        covered: times that their side covers completely, so that an absence there means something. None: it always
            covers everything at once, as our own ledger does.
    """
    view = _View(scope, name, now, policy or ReconciliationPolicy(), covered)
    found = [one for case in _cases(ours, theirs) for one in _judge(case, view)]
    return sorted(found, key=lambda one: (one.kind, one.key, one.reason))


def _cases(ours: Iterable[OurLine], theirs: Iterable[TheirLine]) -> Iterable[_Case]:
    cases: dict[tuple[str, str], _Case] = {}

    def case(kind: Kind, key: str) -> _Case:
        family: Kind = "payout" if kind == "return" else kind
        return cases.setdefault((family, key), _Case(family, key))

    for line in ours:
        found = case(line.kind, line.key)
        if line.kind == "return":
            found.ours_back = line
        else:
            found.ours = line
    paid = {key for kind, key in cases if kind == "payment"}
    for stated in theirs:
        if stated.kind == "payment" and stated.key not in paid and stated.reference in paid:
            # A channel gives a payment two numbers, and the storefront reports either of them.
            case("payment", stated.reference).outs.append(stated)
            continue
        # A line that names no payout is a case of its own.
        found = case(stated.kind, stated.key if stated.key is not None else f"line:{stated.line_id}")
        (found.backs if stated.kind == "return" else found.outs).append(stated)
    return cases.values()


def _judge(case: _Case, view: _View) -> Iterator[Break]:
    ours = case.ours
    if ours is not None and case.kind == "deadline":
        if view.now - ours.at > view.policy.overdue_after:
            yield _break(case, view, "stuck", at=ours.at)
        return
    outs, backs = _without_reversals(case)
    if ours is None or ours.stand == "given_back":
        yield from _unwanted(case, outs, backs, view)
        return
    if len(outs) > 1:
        yield _break(case, view, "duplicate", outs, at=outs[1].at)
    elif outs and outs[0].currency != ours.currency:
        yield _break(case, view, "currency", outs)
    elif outs and ours.amount_minor not in (None, outs[0].amount_minor):
        if not (case.ours_back is None and outs[0].amount_minor - _sum(backs) == ours.amount_minor):
            yield _break(case, view, "amount", outs)
        else:
            return  # the surplus was given back
    elif not outs:
        yield from _absent(case, ours, view)
    elif view.has_not_heard(ours, outs[0]) and not backs:
        yield _break(case, view, "late", outs)
    yield from _returns(case, backs, view)


def _without_reversals(case: _Case) -> tuple[list[TheirLine], list[TheirLine]]:
    """Their lines without each surplus line that they have fully reversed themselves.

    Surplus is every line but the one that we wanted: the one of our amount, else the first.
    """
    outs, backs = sorted(case.outs, key=_when), sorted(case.backs, key=_when)
    ours = case.ours
    wanted: TheirLine | None = None
    if ours is not None and ours.stand != "given_back":
        wanted = next((line for line in outs if line.amount_minor == ours.amount_minor), outs[0] if outs else None)
    for line in [line for line in outs if line is not wanted]:
        same = next((b for b in backs if (b.amount_minor, b.currency) == (line.amount_minor, line.currency)), None)
        if same is not None:
            outs.remove(line)
            backs.remove(same)
    return outs, backs


def _unwanted(case: _Case, outs: list[TheirLine], backs: list[TheirLine], view: _View) -> Iterator[Break]:
    """Their side has something that we never ordered, or gave up."""
    if outs:
        ahead = case.kind in MAY_BE_AHEAD and not view.older(outs[0].at, view.policy.late_after)
        if not ahead:
            yield _break(case, view, "extra" if case.ours is None else "paid_after_failed", outs)
    elif backs:
        yield _break(case, view, "extra", backs, kind="return")


def _absent(case: _Case, ours: OurLine, view: _View) -> Iterator[Break]:
    """Their side has nothing of what we sent or booked."""
    if ours.stand == "under_way":
        if view.now - ours.at > view.policy.stuck_after:
            yield _break(case, view, "stuck", at=ours.at)
    elif view.lacks(ours):
        yield _break(case, view, "missing", at=ours.at)


def _returns(case: _Case, backs: list[TheirLine], view: _View) -> Iterator[Break]:
    """What came back: as much as we have booked, in the same currency."""
    booked = case.ours_back
    known = booked.amount_minor or 0 if booked is not None else 0
    currency = booked.currency if booked is not None else case.ours.currency if case.ours is not None else None
    if any(line.currency != currency for line in backs):
        yield _break(case, view, "currency", backs, kind="return")
    elif _sum(backs) > known:
        if view.older(backs[-1].at, view.policy.late_after):
            yield _break(case, view, "returned", backs, kind="return", at=backs[-1].at)
    elif booked is not None and _sum(backs) < known and view.lacks(booked):
        yield _break(case, view, "missing", backs, kind="return", at=booked.at)


# --- leaves ------------------------------------------------------------------------------------------------


def _break(
    case: _Case,
    view: _View,
    reason: Reason,
    lines: Sequence[TheirLine] = (),
    *,
    kind: Kind | None = None,
    at: datetime | None = None,
) -> Break:
    of_returns = kind == "return"
    ours = case.ours_back if of_returns else case.ours
    subject = ours or case.ours
    first = lines[0] if lines else None
    return Break(
        scope=view.scope,
        name=view.name,
        reason=reason,
        kind=kind or case.kind,
        key=case.key,
        subject=subject.subject if subject else None,
        ours_minor=ours.amount_minor if ours else None,
        ours_currency=ours.currency if ours and ours.amount_minor is not None else None,
        theirs_minor=_sum(lines) if lines else None,
        theirs_currency=first.currency if first else None,
        line_ids=tuple(line.line_id for line in lines[:100]),
        since=at or (first.at if first else view.now),
        helps=_help(reason, kind or case.kind, view),
    )


def _help(reason: Reason, kind: Kind, view: _View) -> str:
    by_kind = HELPS_BY_KIND.get((reason, kind))
    if by_kind is None and view.covered is None:
        return OF_THE_BOOKS.en
    return (by_kind or HELPS[reason]).en


def _sum(lines: Iterable[TheirLine]) -> int:
    return sum(line.amount_minor for line in lines)


def _when(line: TheirLine) -> tuple[datetime, str]:
    return line.at, line.line_id


def by_reason(found: Iterable[Break]) -> dict[str, int]:
    """How many breaks of each reason."""
    counts: dict[str, int] = defaultdict(int)
    for one in found:
        counts[one.reason] += 1
    return dict(sorted(counts.items()))
