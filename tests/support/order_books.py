"""The books of one order in memory: double entry as the ledger does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from core.movements import Movement
from core.steps import PostingOutcome


def short(account: str) -> str:
    """The account of one order without its ids: `escrow`, `payable/{cause}`, `psp`, `available`, `commission` …"""
    if account.startswith("psp/"):
        return "psp"
    return account.split("/", 2 if account.startswith(("order/", "merchant/")) else 1)[-1].replace("refund_", "")


MILESTONES = ("label_at", "first_physical_at", "delivered_at", "returned_at")


def _waterfall(legs: Iterable[tuple[str, str, int]], balances: Mapping[str, int]) -> Iterator[tuple[str, str, int]]:
    """What a merchant would owe is taken first from what is frozen, then from what is available.

    A freeze and a release move at most what is there, and available money repays a receivable first.
    """
    left = dict(balances)
    for debit, credit, amount in legs:
        at_most = "frozen" in (debit, credit) and "available" in (debit, credit)
        wanted = min(amount, left.get(debit, 0)) if at_most else amount
        for place in ("frozen", "available") if debit == "receivable" else ():
            part = min(wanted, left.get(place, 0))
            if part:
                left[place] -= part
                wanted -= part
                yield place, credit, part
        if credit == "available" and (owed := min(wanted, -left.get("receivable", 0))) > 0:
            left["receivable"] += owed
            wanted -= owed
            yield debit, "receivable", owed
        if wanted:
            yield debit, credit, wanted


def _reverse(transfers: Iterable[tuple[str, str, int]]) -> tuple[tuple[str, str, int], ...]:
    """The legs of a chargeback that was won: what was frozen or owed is available again."""
    again = {"frozen": "available", "receivable": "available"}
    return tuple((credit, again.get(debit, debit), amount) for debit, credit, amount in transfers)


class Books:
    """Double entry in memory: one balance an account, guarded as in the ledger; each reference is posted once."""

    def __init__(self) -> None:
        self.balances: dict[str, int] = {}
        self.movements: dict[str, tuple[Any, ...]] = {}
        self.transfers: dict[str, tuple[tuple[str, str, int], ...]] = {}

    def post(self, movement: Movement) -> PostingOutcome:
        """Move every leg or nothing; credit-side accounts may not fall below zero."""
        legs = tuple((short(leg.debit), short(leg.credit), leg.amount_minor) for leg in movement.legs)
        if movement.kind in {"chargeback_won", "chargeback_above_won"}:
            legs = _reverse(self.transfers[movement.linked_to or ""])
        if movement.reference in self.movements:
            return "exists" if self.movements[movement.reference] == legs else "conflict"
        after = dict(self.balances)
        if movement.kind in {"freeze", "release"} and not after.get(legs[0][0], 0):
            return "insufficient_funds"
        moved = tuple(_waterfall(legs, after))
        for debit, credit, amount in moved:
            assert amount > 0, movement
            after[debit] = after.get(debit, 0) - amount
            after[credit] = after.get(credit, 0) + amount
        open_ended = ("psp", "discount", "goodwill", "receivable")  # `psp_fee` too
        guarded = {account for account in after if not account.startswith(open_ended)}
        if any(after[account] < 0 for account in guarded):
            return "insufficient_funds"
        if movement.emptied is not None and after.get(short(movement.emptied), 0):
            return "conflict"
        self.balances, self.movements[movement.reference] = after, legs
        self.transfers[movement.reference] = moved
        return "posted"

    def withdraw(self) -> None:
        """All that the merchant has available is paid out."""
        self.balances["spent"] = self.of("spent") + self.of("available")
        self.balances["available"] = 0

    def of(self, account: str) -> int:
        return self.balances.get(account, 0)

    def payable(self) -> int:
        """All that is owed to the buyer and has not arrived."""
        return sum(balance for account, balance in self.balances.items() if account.startswith("payable/"))
