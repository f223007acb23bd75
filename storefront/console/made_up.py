"""The made-up people of a local stack."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from ledger.people import PersonRole
from ledger.register import Register
from storefront.console.signing_in import LOCAL_ISSUER


class MadeUp(NamedTuple):
    """A person whom anyone on this machine may be."""

    person_id: str
    name: str
    role: PersonRole
    merchant_id: str | None = None


PEOPLE = (
    MadeUp("ann", "Ann", "operator"),
    MadeUp("bob", "Bob", "operator"),
    MadeUp("rui", "Rui 芮", "reviewer"),
    MadeUp("mei", "Mei 梅", "merchant", "m-7"),
)


async def add_made_up_people(owners: Register, now: datetime) -> None:
    """Add them, as the database's owner. Those who are there stay as they are."""
    for one in PEOPLE:
        await owners.people.add(
            one.person_id,
            one.name,
            one.role,
            merchant_id=one.merchant_id,
            issuer=LOCAL_ISSUER,
            subject=one.person_id,
            by="up",
            now=now,
        )
