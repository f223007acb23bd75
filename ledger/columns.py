"""Movements as the posting functions of the database take them."""

from __future__ import annotations

from collections.abc import Sequence

from core.movements import Movement


def columns_of(movement: Movement) -> tuple[object, ...]:
    """Reference, currency, time, what it empties, and its legs as three arrays."""
    return (
        movement.reference,
        movement.currency,
        movement.occurred_at,
        movement.emptied,
        [leg.debit for leg in movement.legs],
        [leg.credit for leg in movement.legs],
        [leg.amount_minor for leg in movement.legs],
    )


def legs_of(batch: Sequence[Movement]) -> tuple[list[int], list[str], list[str], list[int]]:
    """The legs of an array of movements: of which movement, counted from 1; debits, credits, amounts."""
    legs = [(number, leg) for number, movement in enumerate(batch, start=1) for leg in movement.legs]
    return (
        [number for number, _ in legs],
        [leg.debit for _, leg in legs],
        [leg.credit for _, leg in legs],
        [leg.amount_minor for _, leg in legs],
    )
