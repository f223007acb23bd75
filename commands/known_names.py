"""Rails and channels that a command may name. A mistyped name would create a new account that matches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import Refused
from core.reasons import SENTENCES
from core.reconciliation.lines import Scope
from wiring.rail_choice import STANDIN

if TYPE_CHECKING:
    from config import Settings
    from ledger.register import Register


async def refuse_unknown(settings: Settings, register: Register, scope: Scope, name: str) -> None:
    """Accept a name that an order, a payout, an account, a statement or a setting has.

    Raises:
        Refused: `unknown_channel` or `unknown_rail`.
    """
    from config.rails import Rails

    given = settings.rails or Rails()
    set_up = (
        given.channels.keys() if scope == "channel" else {*given.rails, STANDIN} if settings.bank_url else given.rails
    )
    if name in set_up or await register.statements.knows(scope, name):
        return
    code = f"unknown_{scope}"
    known = sorted({*set_up, *(one for kind, one in await register.breaks.comparisons() if kind == scope)})
    raise Refused(code, f"{SENTENCES[code]} {name}; known: {', '.join(known) or 'none'}", scope)
