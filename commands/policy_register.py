"""`policy register FILE`: point a policy's name to its text, and say who did it."""

from __future__ import annotations

from commands.console import print_answer
from commands.link import books, owners_books
from commands.reading import actor_of, read_message
from config import load
from core.errors import Misconfigured, Refused
from core.messages import Actor
from core.payout_accounts import check_reason
from core.policy import Policy
from screens import facts


async def register(policy: Policy, text: str, by: str | None, reason: str) -> None:
    """Register a text, and print the result.

    Raises:
        Refused: `wrong_actor`, `reason_missing` or `malformed`.
        Misconfigured: a known name must be moved, and the owner's address is not known.
    """
    view = {"name": policy.name, "content_hash": policy.content_hash, "registered": True}
    view["moved_from"] = await _registered(policy, text, _who(by), check_reason(reason))
    print_answer(view, lambda console: console.print(facts(f"Policy {policy.name}", view)))


def _who(by: str | None) -> str:
    """Raises `Refused` with `wrong_actor`: merchants and buyers cannot set terms."""
    if by is None:
        return "operator"
    actor = read_message(Actor, actor_of(by), "malformed")
    if actor.role != "operator":
        raise Refused("wrong_actor", f"{by} may not do this to a policy, only an operator.", "actor")
    return f"{actor.role}:{actor.id}"


async def _registered(policy: Policy, text: str, who: str, why: str) -> str | None:
    """The hash that the name pointed to before, if that was another text.

    Raises:
        Misconfigured: it must be moved, and the owner's address is not known. The text is kept.
    """
    if load().database_owner_url is None:
        async with books() as register:
            if await register.policies.keep(policy.name, policy.content_hash, text):
                return None
        raise Misconfigured(
            f"The policy {policy.name} points to another text, and only the database's owner moves it: "
            "set DATABASE_OWNER_URL"
        )
    async with owners_books() as register:
        before = await register.policies.move(policy, text, who=who, why=why)
    return before if before != policy.content_hash else None
