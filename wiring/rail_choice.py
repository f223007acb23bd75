"""Which rail is meant, and whether it can pay to an account at all."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from core.errors import Refused
from core.likeness import misspelt
from core.payout_accounts import AccountKind, AccountNumber
from core.reasons import Refusal, refuse

if TYPE_CHECKING:
    from config import Settings

STANDIN = "sandbox"
_ALIKE = 0.85
"""From here on two rails are one and its misspelling: their names are short."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def rail_named(settings: Settings, rail: str | None) -> str:
    """The named rail; on a local stack the stand-in bank where none was named.

    Raises:
        Refused: `malformed`; it is no name, or none was given where rails are real.
    """
    if rail is not None:
        if not _NAME.fullmatch(rail):
            raise Refused("malformed", f"rail: {rail[:80]!r} is not 1 to 64 of A-Z a-z 0-9 _ -", "rail")
        return rail
    if settings.world_url is not None:
        return STANDIN
    known = ", ".join(settings.rails.rails) if settings.rails else ""
    raise Refused("malformed", f"rail: say which it is, of {known}" if known else "rail: say which it is", "rail")


async def check_rail(
    settings: Settings, rail: str, currency: str, kind: AccountKind, number: AccountNumber | None
) -> None:
    """Check that a rail is set up and can pay to such an account: otherwise its money would wait forever.

    Raises:
        Refused: `wrong_currency` or `rail_cannot_pay`.
        Misconfigured: the rails' file or a key in it is invalid.
    """
    from wiring.rails import open_rails  # loaded when a rail is checked: vendors, HTTP and keys

    async with AsyncExitStack() as stack:
        rails = await open_rails(settings, stack)
        found = rails.of(rail)
        obstacle: Refusal | None
        # Where a bank takes all rails that are not set up, it would pay in the place of a misspelt one.
        if found is None or misspelt(rail, rails, alike=_ALIKE):
            obstacle = refuse("rail_cannot_pay", f"No rail {rail} is set up, only {', '.join(rails)}.", field="rail")
        else:
            obstacle = found.terms.obstacle(rail, currency, kind, number.hint if number else None)
    if obstacle is not None:
        raise Refused(obstacle.code, obstacle.message, obstacle.field)
