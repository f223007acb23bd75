"""The judge: it compares the bank's own journal with our books, withdrawal by withdrawal. Pure.

It does not trust the product: effects come from the bank's journal by payee (each withdrawal has its own), and money is
the sum of the transfers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ENDS = frozenset({"paid", "returned", "final", "failed", "rejected", "cancelled"})
WAITS_FOR_A_DEADLINE = {"approved": "submit_at", "in_approval": "approve_by"}
"""States that may wait for a named deadline; a payout that is only being queried does not count."""

NEVER = frozenset({"ledger_disagrees", "paid_after_failed"})
"""Holds that only a broken promise can cause here, because this bank never contradicts itself."""


@dataclass(frozen=True)
class Asked:
    """A withdrawal as its merchant requested it."""

    withdrawal_id: str
    merchant_id: str
    amount_minor: int
    token: str


@dataclass(frozen=True)
class AtBank:
    """The bank's journal for one payee: every payout and every return. Minor units."""

    payouts_minor: tuple[int, ...] = ()
    returned_minor: int = 0

    @property
    def net_minor(self) -> int:
        return sum(self.payouts_minor) - self.returned_minor


@dataclass(frozen=True)
class InBooks:
    """The sums of one withdrawal's transfers. `held_minor` is reserved or in suspense."""

    held_minor: int = 0
    paid_minor: int = 0
    returned_minor: int = 0
    fee_minor: int = 0

    @property
    def net_minor(self) -> int:
        return self.paid_minor - self.returned_minor


@dataclass(frozen=True)
class InRegister:
    """The state of a withdrawal in the register and in Temporal. `holds` are those for which a person must act."""

    phase: str
    closed: bool
    deadline: str | None = None
    holds: tuple[str, ...] = ()
    workflow: str = "RUNNING"
    task: str = ""
    """The workflow task that an unfinished one waits for; see `bench.faults.pending`."""

    @property
    def waits_for(self) -> str | None:
        """The named person or deadline that an open withdrawal waits for; None if it waits for neither."""
        if self.holds:
            return f"a person: {self.holds[0]}"
        if self.phase == "in_suspense":  # it is still being queried, which may end earlier
            return "suspense_until"
        wanted = WAITS_FOR_A_DEADLINE.get(self.phase)
        return self.deadline if wanted is not None and self.deadline == wanted else None

    @property
    def at_rest(self) -> bool:
        """Decided and booked, or waiting for a named person or deadline."""
        return (self.closed and self.phase in ENDS) or self.waits_for is not None


@dataclass(frozen=True)
class Breach:
    """A broken promise: the withdrawal, and what happened."""

    kind: str
    withdrawal_id: str
    what: str


@dataclass(frozen=True)
class Evidence:
    """The evidence once nothing changes any more. Keys are withdrawal ids, tokens, merchant ids."""

    asked: Sequence[Asked]
    bank: Mapping[str, AtBank]
    books: Mapping[str, InBooks]
    register: Mapping[str, InRegister]
    given_minor: Mapping[str, int]
    """The amount that each merchant could withdraw."""
    available_minor: Mapping[str, int]
    absent: Mapping[str, str] = field(default_factory=dict)
    """What Temporal says of a withdrawal that the register does not know."""
    broken_proofs: Sequence[tuple[str, Any]] = ()
    breaks: Sequence[tuple[str, str]] = ()
    """The breaks of the product's reconciliation: the withdrawal or line, and the break."""


@dataclass
class Verdict:
    """What the judge found. `lost_minor`: money on which bank and books disagree, or that neither has."""

    breaches: list[Breach] = field(default_factory=list)
    double_effects: int = 0
    lost_minor: int = 0
    stuck: int = 0
    breaks: int = 0

    @property
    def clean(self) -> bool:
        return not self.breaches


def judge(evidence: Evidence) -> Verdict:
    """Compare everything."""
    verdict = Verdict()
    for asked in evidence.asked:
        bank = evidence.bank.get(asked.token, AtBank())
        books = evidence.books.get(asked.withdrawal_id, InBooks())
        found, absent = evidence.register.get(asked.withdrawal_id), evidence.absent.get(asked.withdrawal_id, "")
        breaches = [*_effects(asked, bank, books), *_standing(asked, books, found, absent)]
        verdict.breaches += breaches
        verdict.double_effects += max(len(bank.payouts_minor) - 1, 0)
        verdict.lost_minor += abs(bank.net_minor - books.net_minor)
        verdict.stuck += any(breach.kind in {"stuck", "never_began", "reserved_for_ever"} for breach in breaches)
    strangers = set(evidence.bank) - {asked.token for asked in evidence.asked}
    verdict.breaches += [Breach("paid_to_a_stranger", token, str(evidence.bank[token])) for token in sorted(strangers)]
    _merchants(evidence, verdict)
    verdict.breaches += [Breach("proof", name, str(rows)) for name, rows in evidence.broken_proofs]
    verdict.breaches += [Breach("break", whose, what) for whose, what in evidence.breaks]
    verdict.breaks = sum(breach.kind in _BREAKS for breach in verdict.breaches)
    return verdict


_BREAKS = frozenset(
    {"break", "paid_not_booked", "booked_not_paid", "returns_differ", "wrong_amount", "paid_to_a_stranger"}
)
"""The breaks that a reconciliation with the bank's statement would find."""


def _effects(asked: Asked, bank: AtBank, books: InBooks) -> Iterator[Breach]:
    def breach(kind: str, what: str) -> Breach:
        return Breach(kind, asked.withdrawal_id, what)

    if len(bank.payouts_minor) > 1:
        yield breach("double_effect", f"the bank paid {len(bank.payouts_minor)} times: {bank.payouts_minor}")
    net = asked.amount_minor - books.fee_minor
    if bank.payouts_minor and bank.payouts_minor[0] != net:
        yield breach("wrong_amount", f"the bank paid {bank.payouts_minor[0]}, asked for was {net}")
    if bank.payouts_minor and not books.paid_minor:
        still = f"{books.held_minor} is still held for it" if books.held_minor else "nothing is held for it"
        yield breach("paid_not_booked", f"the bank paid {bank.payouts_minor}, the books say nothing of it; {still}")
    if books.paid_minor and not bank.payouts_minor:
        yield breach("booked_not_paid", f"the books say {books.paid_minor} was paid, the bank's journal does not")
    if books.returned_minor != bank.returned_minor:
        yield breach("returns_differ", f"{bank.returned_minor} came back, the books say {books.returned_minor}")


def _standing(asked: Asked, books: InBooks, found: InRegister | None, absent: str) -> Iterator[Breach]:
    def breach(kind: str, what: str) -> Breach:
        return Breach(kind, asked.withdrawal_id, what)

    if found is None:
        yield breach("never_began", f"the register does not know it {absent}".rstrip())
        return
    if found.workflow not in {"RUNNING", "COMPLETED", "CONTINUED_AS_NEW"}:
        yield breach("workflow_lost", f"its workflow is {found.workflow}")
    for hold in NEVER & set(found.holds):
        yield breach("incident", f"{hold}: the product itself says that bank and books disagree")
    if not found.at_rest:
        task = found.task or "no task known"
        yield breach("stuck", f"it is {found.phase}, next deadline {found.deadline}, and waits for no one; {task}")
    elif found.waits_for is None and books.held_minor:
        yield breach("reserved_for_ever", f"it is {found.phase}, and {books.held_minor} is still held")
    paid_out = found.phase in {"paid", "returned", "final"}
    if found.closed and paid_out != bool(books.paid_minor):
        yield breach("register_differs", f"the register says {found.phase}, the books {books}")


def _merchants(evidence: Evidence, verdict: Verdict) -> None:
    """A merchant's money is available, held, or was paid out and not returned."""
    gone: dict[str, int] = {}
    for asked in evidence.asked:
        books = evidence.books.get(asked.withdrawal_id, InBooks())
        gone[asked.merchant_id] = gone.get(asked.merchant_id, 0) + books.held_minor + books.net_minor + books.fee_minor
    for merchant, given in evidence.given_minor.items():
        lacking = given - evidence.available_minor.get(merchant, 0) - gone.get(merchant, 0)
        if lacking:
            verdict.lost_minor += abs(lacking)
            verdict.breaches.append(Breach("money_lost", merchant, f"{lacking} of {given} is nowhere"))
