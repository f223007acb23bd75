"""`policy FILE`: check a policy file, and register it unless told only to check."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.console import JsonFlag, command, tell
from commands.link import books
from commands.reading import read_text
from core.policy import parse_policy
from screens import facts


@command
async def policy(
    file: Annotated[str, typer.Argument(help="A TOML file; - reads stdin.")],
    check: Annotated[bool, typer.Option("--check", help="Only say whether it is well formed.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Register a policy by its name and content. Open orders keep theirs; new ones get this."""
    text = read_text(file)
    parsed = parse_policy(text)
    if not check:
        async with books() as register:
            await register.policies.keep(parsed.name, parsed.content_hash, text)
    view = {"name": parsed.name, "content_hash": parsed.content_hash, "registered": not check}
    tell(view, lambda console: console.print(facts(f"Policy {parsed.name}", view)))
