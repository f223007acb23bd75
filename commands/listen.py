"""`listen --forward URL`: the events of the stack, signed and forwarded to a developer's machine, a line each."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import SecretStr

from commands.console import JsonFlag, command, print_answer, print_line
from commands.link import books
from config import load
from core.errors import BadInput
from core.events import Cursor, StoredEvent, read_cursor
from core.reasons import Refusal
from ledger.register import Register
from storefront.delivery import body_of
from storefront.posting import Poster
from storefront.signing import SECRET_BYTES, make_secret, shown, signed
from storefront.targets import Reach, check_url

LOOK_EVERY = 0.3
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{32,88}={0,2}")


@command
async def listen(
    forward: Annotated[str, typer.Option("--forward", help="Where to: http://localhost:3000/webhooks.")],
    kind: Annotated[list[str] | None, typer.Option("--type", help="May be given again: order.held, order.*.")] = None,
    merchant: Annotated[str | None, typer.Option(help="Only this merchant's events.")] = None,
    secret: Annotated[str | None, typer.Option(help="whsec_…: what to sign with; a new one unless given.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many events; else at Ctrl-C.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Forward the events that come from now on to your machine, signed as webhooks are.

    It moves no endpoint's cursor; an event that your machine does not take is not sent again.
    """
    settings = load()
    reach = Reach(settings.webhook_ports, settings.webhook_networks, loopback=True)
    check_url(forward, reach)
    key = _key_of(secret)
    async with books() as register, Poster(reach) as poster:
        place = await register.events.newest()
        print_answer({"verify_with": shown(key), "forward": forward}, lambda console: _show_start(shown(key), forward))
        stream = forwarded(register, poster, forward, key, place=place, types=kind or [], merchant=merchant)
        left = count
        async for line in stream:
            print_line(line)
            left = left and left - 1
            if left == 0:
                break


async def forwarded(
    register: Register,
    poster: Poster,
    url: str,
    key: SecretStr,
    *,
    place: Cursor,
    types: Sequence[str] = (),
    merchant: str | None = None,
) -> AsyncGenerator[str, None]:
    """Forward the events after a place, without end; a line for each."""
    while True:
        page = await register.events.after(place, types=types, merchant_id=merchant)
        end = read_cursor(page.next)
        assert not isinstance(end, Refusal)  # it was just written
        place = end
        for event in page.events:
            yield await _forward(poster, url, event, key)
        if not page.events:
            await asyncio.sleep(LOOK_EVERY)


async def _forward(poster: Poster, url: str, event: StoredEvent, key: SecretStr) -> str:
    body = body_of(event)
    answer = await poster.post(url, body, signed(event.event_id, datetime.now(UTC), body, [key]))
    return f"{event.type}  {event.subject} {event.seq}  {answer.status or answer.error}"


def _key_of(given: str | None) -> SecretStr:
    """The secret that is given, or a new one.

    Raises:
        BadInput: it is none. The sentence does not repeat it.
    """
    if given is None:
        return make_secret(secrets.token_bytes(SECRET_BYTES))
    if not _SECRET.fullmatch(given):
        raise BadInput("--secret: is not whsec_ and at least 24 bytes in base64")
    return SecretStr(given)


def _show_start(secret: str, url: str) -> None:
    # A table could break it over two lines.
    print(f"Events go to {url}, signed with\n{secret}", flush=True)
