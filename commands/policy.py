"""`policy FILE`: check a policy file and, unless it is only to be checked, point its name to it.

A worker's role may register a new name. Moving a known name changes the terms of business: it needs the owner's role,
and is stored with who did it and why.
"""

from __future__ import annotations

from typing import Annotated

import typer

from commands.console import JsonFlag, command, tell
from commands.link import books, owners_books
from commands.reading import actor_of, read_message, read_text
from config import load
from core.errors import Misconfigured, Refused
from core.messages import Actor
from core.payout_accounts import check_reason
from core.policy import Policy, parse_policy
from screens import facts


@command
async def policy(
    file: Annotated[str, typer.Argument(help="A TOML file; - reads stdin.")],
    check: Annotated[bool, typer.Option("--check", help="Only say whether it is well formed.")] = False,
    by: Annotated[
        str | None, typer.Option("--by", "--as", metavar="ROLE:ID", help="Who does it, such as operator:ann.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "registered by command",
    as_json: JsonFlag = False,
) -> None:
    """Register a policy by its name and content. Open orders keep theirs; new ones get this.

    A name that points to another text needs DATABASE_OWNER_URL: a worker's role cannot change terms.
    """
    text = read_text(file)
    parsed = parse_policy(text)
    view = {"name": parsed.name, "content_hash": parsed.content_hash, "registered": not check}
    if not check:
        view["moved_from"] = await _registered(parsed, text, _who(by), check_reason(reason))
    tell(view, lambda console: console.print(facts(f"Policy {parsed.name}", view)))


def _who(by: str | None) -> str:
    """Raises `Refused`, `wrong_actor`: merchants and buyers set no terms."""
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
