"""A movement as the posting functions of the database take it."""

from __future__ import annotations

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
