"""The options of a decision by two people of the platform: who, and why."""

from __future__ import annotations

import typer
from pydantic import ValidationError

from commands.reading import actor_of
from core.errors import Refused
from core.messages import Actor

DECIDING = ("operator", "reviewer")
LONGEST_REASON = 500


def person_of(actor: str | None, needed_by: str, what: str) -> Actor:
    """The operator or reviewer who decides.

    Args:
        needed_by: the option that needs `--as`.
        what: what only they may do, as a sentence begins: `A debt is given up`.

    Raises:
        BadParameter: `--as` is missing.
        Refused: `malformed` or `wrong_actor`.
    """
    if actor is None:
        raise typer.BadParameter(f"{needed_by} needs --as ROLE:ID: who says so")
    try:
        person = Actor.model_validate(actor_of(actor))
    except ValidationError:
        raise Refused("malformed", f"--as {actor[:80]!r} is not ROLE:ID, such as operator:o-1", "actor") from None
    if person.role not in DECIDING:
        raise Refused("wrong_actor", f"{what} by an {' or '.join(DECIDING)}.", "actor.role")
    return person


def reason_of(reason: str | None) -> str:
    """The reason of the decision.

    Raises:
        Refused: `reason_missing`.
    """
    if not reason or not reason.strip() or len(reason) > LONGEST_REASON:
        raise Refused("reason_missing", f"--reason: say in 1 to {LONGEST_REASON} characters why", "reason")
    return reason.strip()
