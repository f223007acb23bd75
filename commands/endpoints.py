"""`endpoints list|add|enable|disable|attempts`: where webhooks go."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError

from commands.console import JsonFlag, Malformed, command, print_answer
from commands.group import plain_app
from commands.link import books
from commands.reading import id_of, text_of
from config import load
from core.errors import Refused
from core.reading import content_hash, reasons_of
from core.texts import clock
from ledger.endpoints import StoredEndpoint
from ledger.register import Register
from ledger.vault import Vault
from screens import counted, facts, table
from storefront.api.endpoints import view_of
from storefront.endpoints import EndpointAsked, EndpointChange, EndpointDesk, view_of_answer
from storefront.posting import Poster
from storefront.problems import ProblemError
from storefront.targets import reach_of

endpoints = plain_app(
    name="endpoints", help="Endpoints of webhooks: list, add, enable, disable, attempts.", no_args_is_help=True
)

COLUMNS = ("endpoint", "for", "goes to", "types", "state", "since", "waiting")
ATTEMPT_COLUMNS = ("at", "event", "type", "status", "ms", "what came")

EndpointArgument = Annotated[str, typer.Argument(help="The endpoint's id.")]


@endpoints.command("list")
@command
async def list_endpoints(
    merchant: Annotated[str | None, typer.Option(help="Only this merchant's.")] = None, as_json: JsonFlag = False
) -> None:
    """Endpoints with their state and how many subjects wait."""
    if merchant is not None:
        id_of(merchant, "merchant")
    async with books() as register:
        found = await register.endpoints.rows(merchant)
        waiting = {one.endpoint_id: await register.endpoints.count_parked(one.endpoint_id) for one in found}
    rows = [
        (
            one.endpoint_id,
            f"merchant {one.merchant_id}" if one.merchant_id else "the platform",
            one.url,
            ", ".join(one.types) or "all",
            f"disabled ({one.disabled_for})" if one.disabled_for else one.state,
            clock(one.failing_since) if one.failing_since else "",
            str(waiting[one.endpoint_id]),
        )
        for one in found
    ]
    view = {"endpoints": [{**view_of(one), "waiting": waiting[one.endpoint_id]} for one in found]}
    title = counted(len(rows), "endpoint")
    print_answer(view, lambda console: console.print(table(title, COLUMNS, rows, numbers=("waiting",))))


@endpoints.command("add")
@command
async def add_endpoint(
    url: Annotated[str, typer.Argument(help="Where webhooks go: https://…")],
    by: Annotated[str, typer.Option("--by", help="Who does it, for the record.")],
    merchant: Annotated[str | None, typer.Option(help="Only this merchant's events; else all.")] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="May be given again: order.held, withdrawal.*. All unless given.")
    ] = None,
    signing: Annotated[
        Literal["v1", "v1a"],
        typer.Option(help="v1: a shared secret. v1a: a key of ours, of which you get the public half."),
    ] = "v1",
    as_json: JsonFlag = False,
) -> None:
    """Make an endpoint, challenge it, and show once what its consumer verifies by."""
    text_of(by, "--by")
    asked = _asked({"url": url, "types": kind or [], "signing": signing})
    name = f"ep-{uuid.uuid4().hex[:24]}"
    new: dict[str, Any] = {"endpoint_id": name, "created_by": by, "digest": content_hash(asked), "asked_as": name}
    new["merchant_id"] = id_of(merchant, "merchant") if merchant is not None else None
    async with _desk() as (desk, _):
        made = await desk.make(asked, new, datetime.now(UTC))
    view = {**view_of(made.endpoint), "verify_with": made.verify_with}
    if made.challenge is not None:
        view["challenge"] = view_of_answer(made.challenge)
    shown = {key: view[key] for key in view if key != "verify_with"}

    def show(console: Any) -> None:
        console.print(facts(f"endpoint {name}", shown))
        # A table could break it over two lines.
        print(made.verify_with)
        console.print("It is shown this once. The consumer verifies webhooks by it.")

    print_answer(view, show)


@endpoints.command("enable")
@command
async def enable_endpoint(endpoint: EndpointArgument, as_json: JsonFlag = False) -> None:
    """Challenge an endpoint and let it go on where it was; nothing was skipped."""
    await _change(endpoint, EndpointChange(state="active"))


@endpoints.command("disable")
@command
async def disable_endpoint(endpoint: EndpointArgument, as_json: JsonFlag = False) -> None:
    """Send nothing there until it is enabled; what comes meanwhile waits."""
    await _change(endpoint, EndpointChange(state="disabled"))


@endpoints.command("attempts")
@command
async def list_attempts(
    endpoint: EndpointArgument,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most this many.")] = 50,
    as_json: JsonFlag = False,
) -> None:
    """Posts that failed, and those that mended it, the newest first."""
    async with books() as register:
        await _known(register, endpoint)
        found = await register.endpoints.attempts(endpoint, limit=limit)
    rows = [
        (clock(one.at), one.event_id, one.type, str(one.status or ""), str(one.took_ms), one.error or one.answer)
        for one in found
    ]
    view = {"attempts": [one.model_dump(mode="json") for one in found]}
    print_answer(
        view, lambda console: console.print(table(f"endpoint {endpoint}", ATTEMPT_COLUMNS, rows, numbers=("ms",)))
    )


@asynccontextmanager
async def _desk() -> AsyncIterator[tuple[EndpointDesk, Register]]:
    settings = load()
    async with books() as register, Poster(reach_of(settings)) as poster:
        try:
            yield EndpointDesk(register, Vault(settings.account_keys), poster), register
        except ProblemError as error:
            raise Refused("malformed", f"endpoint: {error.problem.detail}", "endpoint") from None


async def _change(endpoint_id: str, change: EndpointChange) -> None:
    async with _desk() as (desk, register):
        made = await desk.change(await _known(register, endpoint_id), change, datetime.now(UTC))
    view = view_of(made.endpoint)
    print_answer(view, lambda console: console.print(facts(f"endpoint {endpoint_id}", view)))


async def _known(register: Register, endpoint_id: str) -> StoredEndpoint:
    found = await register.endpoints.get(endpoint_id)
    if found is None:
        raise Refused(
            "malformed", f"endpoint: {endpoint_id[:40]!r} is not known; `endpoints list` has them", "endpoint"
        )
    return found


def _asked(fields: dict[str, Any]) -> EndpointAsked:
    try:
        return EndpointAsked.model_validate(fields)
    except ValidationError as error:
        raise Malformed("malformed", reasons_of(error)) from None
