"""The methods that an address takes, as a 405 must say them in its header Allow (RFC 9110, 15.5.6)."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

_ALL = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")


def methods_at(routes: Iterable[BaseRoute], scope: Scope) -> list[str]:
    """The methods that these routes take at the address of a request, in alphabetical order.

    The routes are asked themselves: each method of an address is a route of its own, and the one that refused knows
    only its own method.
    """
    given = list(routes)
    return [
        method for method in _ALL if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in given)
    ]
