"""`policy check|list|show|diff|register|what-if`: the terms that orders are opened under.

A worker's role may register a new name. Moving a known name changes the terms of business: it needs the owner's role,
and is stored with who did it and why.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from commands.console import Failed, JsonFlag, command, print_answer
from commands.group import plain_app
from commands.link import books
from commands.policy_holidays import tables_of
from commands.policy_reading import offset_of, parsed, policy_of
from commands.policy_views import (
    difference_views,
    listed,
    moves_view,
    show_differences,
    show_holidays,
    show_list,
    show_values,
    value_views,
)
from commands.problems import print_problems
from commands.reading import id_of, read_text
from core.errors import Refused
from core.policy import parse_policy
from core.policy_checking import check_policy
from core.policy_sources import Selection, differences, values_for, values_of
from core.reasons import SENTENCES

policy = plain_app(
    name="policy", help="Policies: check, list, show, compare, register, try on past orders.", no_args_is_help=True
)

FileArgument = Annotated[str, typer.Argument(help="A TOML file; - reads stdin.")]
WhichArgument = Annotated[str, typer.Argument(metavar="POLICY", help="A registered name, a hash, or a file.")]
By = Annotated[str | None, typer.Option("--by", "--as", metavar="ROLE:ID", help="Who does it, such as operator:ann.")]


@policy.command("check")
@command
async def check_file(file: FileArgument, as_json: JsonFlag = False) -> None:
    """List the errors of a policy, by line and key: keys, values, and values that cannot work together."""
    text = read_text(file)
    problems = check_policy(text)
    good = {} if problems else {"name": parse_policy(text).name, "content_hash": parse_policy(text).content_hash}
    print_problems(file, problems, as_good=good)
    if problems:
        raise Failed


@policy.command("register")
@command
async def register_file(
    file: FileArgument,
    by: By = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "registered by command",
    anyway: Annotated[bool, typer.Option("--anyway", help="Register it even if `policy check` finds errors.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Register a policy by its name and content.

    Open orders keep theirs; new orders get this one. Changing the text of a known name needs DATABASE_OWNER_URL: a
    worker's role cannot change terms.
    """
    from commands.policy_register import register

    text = read_text(file)
    found = parsed(file, text)
    problems = [] if anyway else check_policy(text)
    if problems:
        print_problems(file, problems, as_good={})
        raise Failed
    await register(found, text, by, reason)


@policy.command("list")
@command
async def list_policies(as_json: JsonFlag = False) -> None:
    """List the registered names: the text of each, since when, by whom and why, and its open orders."""
    async with books() as register:
        views = listed(await register.policies.list())
    print_answer(views, lambda console: show_list(console, views))


@policy.command("show")
@command
async def show_policy(
    which: WhichArgument = "default",
    order: Annotated[str | None, typer.Option(help="Show it for this order; without POLICY.")] = None,
    merchant: Annotated[str | None, typer.Option(help="Show it for this merchant.")] = None,
    grade: Annotated[str | None, typer.Option(help="Show it for merchants of this grade.")] = None,
    category: Annotated[str | None, typer.Option(help="Show it for goods of this category.")] = None,
    delivery_mode: Annotated[
        Literal["express", "local", "pickup", "virtual"] | None, typer.Option("--mode", help="The delivery mode.")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Only keys with this beginning, such as order.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Show who changed the policy's text, and why.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show every value with its source: our default, the policy, or the rule that sets it."""
    if order is not None:
        async with books() as register:
            known = await register.orders.known(id_of(order))
            if known is None:
                raise Refused("unknown_order", f"{SENTENCES['unknown_order']} {order}", "order")
            found = parse_policy(await register.policies.text(known.policy_hash))
        values = values_for(found, known.order, ((known.state or {}).get("policy") or {}).get("grade"))
    else:
        found = await policy_of(which)
        values = values_of(found, Selection(merchant, grade, category, delivery_mode))
    view = {
        "name": found.name,
        "content_hash": found.content_hash,
        "values": value_views(values, only),
        "moves": await moves_view(found.name) if history else [],
    }
    print_answer(view, lambda console: show_values(console, view))


@policy.command("diff")
@command
async def diff_policies(old: WhichArgument, new: WhichArgument, as_json: JsonFlag = False) -> None:
    """Compare two policies: values that differ, and rules that one of them lacks."""
    before, after = await policy_of(old), await policy_of(new)
    views = difference_views(differences(before, after))
    print_answer(
        {"old": before.content_hash, "new": after.content_hash, "differences": views},
        lambda console: show_differences(console, old, new, views),
    )


@policy.command("what-if")
@command
async def what_if(
    file: FileArgument,
    folder: Annotated[Path, typer.Argument(help="Past orders, in the columns of the public Olist data set.")],
    against: Annotated[
        str | None,
        typer.Option(help="The other policy's file; that of the same name in the policies' folder."),
    ] = None,
    limit: Annotated[int | None, typer.Option(help="At most this many orders, the first of the file.", min=1)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Live past orders under two policies through the pure core, and compare: days held, endings, false holds."""
    from backtest.what_if import compare, show_comparison  # loaded when it runs: it reads the whole past
    from commands.policy_reading import other_text

    new_text = read_text(file)
    other = other_text(against, parsed(file, new_text).name)
    parsed(against or "the policy of the same name", other)
    found = compare(new_text, other, folder, limit)
    print_answer(found.as_json(), lambda console: show_comparison(console, found))


@policy.command("holidays")
@command
async def holidays(
    country: Annotated[str, typer.Argument(help="ISO 3166, such as CN.")],
    years: Annotated[list[int], typer.Argument(min=1970, max=2199, help="Such as 2027 2028.")],
    utc_offset: Annotated[str, typer.Option(help="How far its midnight is ahead of UTC, such as 8h.")] = "0s",
    into: Annotated[Path | None, typer.Option(help="Write them into this policy file; printed unless given.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a country's public holidays as closed days of a policy: where a rule of the audit waits, they do not count.

    Writing them again replaces what was written for that country and those years. Days that it has are left out.
    """
    from commands.policy_holidays import public_holidays
    from commands.policy_reading import written_into

    offset = offset_of(utc_offset)
    found = public_holidays(country, years)
    if into is not None:
        title = f"holidays of {country} {' '.join(map(str, sorted(set(years))))}"
        found = written_into(into, title, country, found, offset)
    view = {
        "country": country,
        "closed_days": [closed._asdict() for closed in found],
        "into": str(into) if into is not None else None,
    }
    print_answer(view, lambda console: show_holidays(console, view, tables_of(country, found, offset)))
