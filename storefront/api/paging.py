"""How long a list is, its form, and where the next page begins."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from starlette.requests import Request

from core.errors import Refused
from core.fields import UNPRINTABLE, Message
from ledger.register_part import Position
from storefront.problems import ProblemError

R = TypeVar("R", bound=Message)

USUAL, MOST = 50, 500
LONGEST_TEXT = 255
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PLACE = re.compile(r"[A-Za-z0-9_-]{1,64}(/[A-Za-z0-9_-]{0,64})?")
"""Where a page ended: an id, or two."""
_WORD = re.compile(r"[A-Za-z0-9_/-]{1,100}")


def refuse_others(request: Request, names: Sequence[str]) -> None:
    """Check that the address asks for nothing but these, and for each once.

    Raises:
        Refused: `malformed`; a mistyped filter would let everything through.
    """
    for name in request.query_params:
        if name not in names:
            known = f"known are {', '.join(names)}" if names else "there are none"
            raise Refused("malformed", f"{name[:40]}: is not a query parameter; {known}.", name[:40])
        if len(request.query_params.getlist(name)) > 1:
            raise Refused("malformed", f"{name}: is given more than once.", name)


def limit_of(request: Request) -> int:
    """At most so many rows.

    Raises:
        Refused: `malformed`.
    """
    return number_of(request, "limit", USUAL, 1, MOST)


def id_in(request: Request, name: str) -> str:
    """An id of the address.

    Raises:
        ProblemError: `not_found`: nothing can have it.
    """
    given: str = request.path_params[name]
    if not _ID.fullmatch(given):
        raise ProblemError("not_found")
    return given


def word_in(request: Request, name: str) -> str | None:
    """A filter of the address, if it is given.

    Raises:
        Refused: `malformed`; no such name can exist.
    """
    given = request.query_params.get(name)
    if given is not None and not _WORD.fullmatch(given):
        raise Refused("malformed", f"{name}: {given[:40]!r} is not 1 to 100 of A-Z a-z 0-9 _ / -", name)
    return given


def one_in(request: Request, name: str, known: Sequence[str]) -> str | None:
    """A filter of the address that has certain values, if it is given.

    Raises:
        Refused: `malformed`; a mistyped one would find nothing, and read as if there were nothing.
    """
    given = request.query_params.get(name)
    if given is not None and given not in known:
        raise Refused("malformed", f"{name}: must be one of {', '.join(known)}.", name)
    return given


def flag_in(request: Request, name: str) -> bool | None:
    """A filter of the address that lets only these rows through, or all others; None where it is not given.

    Raises:
        Refused: `malformed`.
    """
    given = one_in(request, name, ("true", "false"))
    return None if given is None else given == "true"


def number_of(request: Request, name: str, usual: int, least: int, most: int) -> int:
    """A whole number of the address.

    Raises:
        Refused: `malformed`; it is none, or out of its bounds.
    """
    given = request.query_params.get(name)
    if given is None:
        return usual
    if not (given.isascii() and given.isdecimal() and len(given) < 20 and least <= int(given) <= most):
        raise Refused("malformed", f"{name}: {given[:40]!r} is not a whole number from {least} to {most}.", name)
    return int(given)


def text_in(request: Request, name: str) -> str | None:
    """Another party's name for something, in the address: a waybill, a payment's reference.

    Raises:
        Refused: `malformed`.
    """
    given = request.query_params.get(name)
    if given is not None and (not 1 <= len(given) <= LONGEST_TEXT or UNPRINTABLE.search(given)):
        raise Refused("malformed", f"{name}: must be 1 to {LONGEST_TEXT} printable characters.", name)
    return given


def page_of(rows: Sequence[Message], **more: Any) -> dict[str, Any]:
    """A list as the API answers it."""
    return {"data": [row.model_dump(mode="json") for row in rows], **more}


# --- cursors ---------------------------------------------------------------------------------------------


def cursor_in(request: Request) -> Position | None:
    """Where the page begins that the address asks for.

    Raises:
        Refused: `malformed`; no list of ours gave it.
    """
    given = request.query_params.get("cursor")
    if given is None:
        return None
    try:
        at, of = json.loads(base64.b64decode(given, altchars=b"-_", validate=True))
        found = Position(datetime.fromisoformat(at), of)
        whole = _cursor_of(found) == given and found.at.tzinfo is not None and _PLACE.fullmatch(of) is not None
    except (ValueError, TypeError, RecursionError, binascii.Error):
        whole = False
    if not whole:
        raise Refused(
            "malformed", "cursor: is not the next_cursor of a list; leave it out for the first page.", "cursor"
        )
    return found


def _cursor_of(position: Position) -> str:
    text = json.dumps([position.at.isoformat(), position.id], separators=(",", ":"))
    return base64.b64encode(text.encode(), altchars=b"-_").decode()


def page_until(rows: Sequence[R], limit: int, position: Callable[[R], Position], **more: Any) -> dict[str, Any]:
    """A page of a list, with the cursor of the next one, or null.

    Args:
        rows: one row more than the page, where there is one.
    """
    page = rows[:limit]
    after = _cursor_of(position(page[-1])) if len(rows) > limit else None
    return page_of(page, next_cursor=after, **more)
