"""`keys create|list|rotate|revoke`: who may ask over HTTP. `keys root|certify` are in `signing_keys`,
`keys codec` in `codec_keys`."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.codec_keys import change_codec_keys
from commands.console import JsonFlag, command, print_answer
from commands.group import plain_app
from commands.link import books, owners_books
from commands.reading import id_of, text_of
from commands.signing_keys import certify, make_root
from config import load
from core.api_keys import ALL_SCOPES, PAYLOADS, RANDOM_BYTES, SCOPES, check_scopes, key_id_of, make_key
from core.errors import Refused
from core.texts import clock
from ledger.api_keys import ApiKey
from ledger.register import Register
from screens import facts, table
from storefront.identities import digest_of

if TYPE_CHECKING:
    from rich.console import Console

keys = plain_app(
    name="keys",
    help="API keys: create, list, rotate, revoke. Signing keys: root, certify. Payloads: codec.",
    no_args_is_help=True,
)

keys.command("root")(make_root)
keys.command("certify")(certify)
keys.command("codec")(change_codec_keys)

COLUMNS = ("key", "name", "for", "scopes", "ends", "last used", "by")
OVERLAP = timedelta(days=1)
"""The old key of a rotation goes on so long: the sender takes the new one in its own time."""

KeyArgument = Annotated[str, typer.Argument(help="The visible part of a key: its 8 characters after the prefix.")]
By = Annotated[str, typer.Option("--by", help="Who does it, for the record.")]


@keys.command("create")
@command
async def create_key(
    name: Annotated[str, typer.Argument(help="What it is for, such as shop-backend.")],
    by: By,
    merchant: Annotated[
        str | None, typer.Option(help="It speaks for this merchant alone; else it is the storefront's.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"May be given again: {', '.join(ALL_SCOPES)}. All but {PAYLOADS} unless given."),
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="It ends after so many days.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Create a key and show it once. It is kept nowhere; who loses it rotates it."""
    text_of(name, "name")
    text_of(by, "--by")
    if merchant is not None:
        id_of(merchant, "merchant")
    scopes = check_scopes(tuple(scope or SCOPES))
    now = datetime.now(UTC)
    async with owners_books() as register:
        key, key_id, digest = _made()
        ends = now + timedelta(days=days) if days else None
        await register.api_keys.add(
            key_id, name, digest, merchant_id=merchant, scopes=scopes, by=by, expires_at=ends, now=now
        )
    view = _shown_once(key, key_id, name, merchant, scopes, ends)
    print_answer(view, lambda console: _show_new(console, view))


@keys.command("list")
@command
async def list_keys(
    merchant: Annotated[str | None, typer.Option(help="Only this merchant's.")] = None, as_json: JsonFlag = False
) -> None:
    """Keys with their scopes, ends and last use; never the keys themselves."""
    if merchant is not None:
        id_of(merchant, "merchant")
    async with books() as register:
        found = await register.api_keys.list(merchant)
    rows = [
        (
            key.key_id,
            key.name,
            f"merchant {key.merchant_id}" if key.merchant_id else "the storefront",
            ", ".join(key.scopes),
            _end_of(key),
            clock(key.last_used) if key.last_used else "never",
            key.created_by,
        )
        for key in found
    ]
    view = {"keys": [key.model_dump(mode="json") for key in found]}
    print_answer(view, lambda console: console.print(table("API keys", COLUMNS, rows)))


def _end_of(key: ApiKey) -> str:
    """When it ends, and who ended it."""
    return f"{clock(key.expires_at)}{f' by {key.ended_by}' if key.ended_by else ''}"


@keys.command("rotate")
@command
async def rotate_key(
    key_id: KeyArgument,
    by: By,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="The new one ends after so many days; else when this one would.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Create a key like this one; the old one goes on for a day."""
    text_of(by, "--by")
    now = datetime.now(UTC)
    async with owners_books() as register:
        old = await _known(register, key_id)
        if (follower := await register.api_keys.follower(old, now)) is not None:
            raise _replaced(key_id, follower.key_id)
        if old.expires_at is not None and old.expires_at <= now + OVERLAP and days is None:
            raise _ends(old)
        ends = now + timedelta(days=days) if days else old.expires_at
        key, new_id, digest = _made()
        first = await register.api_keys.follow(old, now + OVERLAP, new_id, digest, by=by, expires_at=ends, now=now)
        old = await _known(register, key_id)
        if first is not None:  # it was rotated or revoked meanwhile: one more key would be one too many
            raise _ends(old) if first == key_id else _replaced(key_id, first)
    view = _shown_once(key, new_id, old.name, old.merchant_id, old.scopes, ends)
    view |= {"replaces": key_id, "old_ends_at": old.expires_at.isoformat() if old.expires_at else None}
    print_answer(view, lambda console: _show_new(console, view))


def _ends(old: ApiKey) -> Refused:
    said = f"key: {old.key_id} ends {clock(old.expires_at)}: give the new one --days of its own"
    return Refused("malformed", said, "key")


def _replaced(key_id: str, by: str) -> Refused:
    return Refused("malformed", f"key: {key_id} was replaced by {by}: rotate that one", "key")


@keys.command("revoke")
@command
async def revoke_key(key_id: KeyArgument, by: By, as_json: JsonFlag = False) -> None:
    """End a key now. The same again changes nothing."""
    text_of(by, "--by")
    async with owners_books() as register:
        await _known(register, key_id)
        ended = await register.api_keys.end(key_id, datetime.now(UTC), by)
    view = {"key_id": key_id, "revoked": ended}
    print_answer(view, lambda console: console.print(facts(f"key {key_id}", view)))


async def _known(register: Register, key_id: str) -> ApiKey:
    found = await register.api_keys.get(key_id)
    if found is None:
        raise Refused(
            "malformed", f"key: {key_id[:40]!r} is not the visible part of a key; `keys list` has them", "key"
        )
    return found


def _made() -> tuple[str, str, bytes]:
    """A new key, its visible part, and its digest."""
    key = make_key(secrets.token_bytes(RANDOM_BYTES))
    key_id = key_id_of(key)
    assert key_id is not None  # it was just made
    return key, key_id, digest_of(key, load().pepper_needed)


def _shown_once(
    key: str, key_id: str, name: str, merchant: str | None, scopes: tuple[str, ...], ends: datetime | None
) -> dict[str, Any]:
    view = {"key": key, "key_id": key_id, "name": name, "merchant_id": merchant, "scopes": list(scopes)}
    return {**view, "expires_at": ends.isoformat() if ends else None}


def _show_new(console: Console, view: dict[str, Any]) -> None:
    shown = {name: value for name, value in view.items() if name not in {"key", "expires_at", "old_ends_at"}}
    ends = {name: clock(view.get(name)) for name in ("expires_at", "old_ends_at")}
    console.print(facts(f"API key {view['key_id']}", {**shown, **ends}))
    # A table could break it over two lines.
    print(view["key"])
    console.print("It is shown this once. Send it as the header `Authorization: Bearer KEY`.")
