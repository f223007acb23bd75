"""How long a list is, and its form."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from core.errors import Refused
from core.fields import Message
from storefront.problems import ProblemError

USUAL, MOST = 50, 500
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WORD = re.compile(r"[A-Za-z0-9_/-]{1,100}")


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


def page_of(rows: Sequence[Message], **more: Any) -> dict[str, Any]:
    """A list as the API answers it."""
    return {"data": [row.model_dump(mode="json") for row in rows], **more}
