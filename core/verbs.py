"""A command's verb: who may send it, whether it may be done, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from core.messages import Command
from core.reasons import Refusal, refuse

Check = Callable[[Any, Any, datetime], Refusal | None]
"""`check(state, command, now)`: why the command is refused, or None."""
Effect = Callable[[Any, Any, datetime], Any]
"""`effect(state, command, now)`: the state after the command."""


class Verb(NamedTuple):
    """One row of a machine's table of verbs.

    `afterwards`: also when the machine is over, until it is closed. `reopens`: also of one that is closed.
    """

    roles: frozenset[str]
    check: Check
    effect: Effect
    afterwards: bool = False
    reopens: bool = False


def wrong_role(verb: Verb, command: Command) -> Refusal | None:
    """Why this sender's role may not send the command."""
    if command.actor.role in verb.roles:
        return None
    allowed = " or ".join(sorted(verb.roles))
    return refuse("wrong_actor", f"{command.verb} is for the {allowed}.", field="actor.role")
