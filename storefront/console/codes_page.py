"""Codes: what each one of the contract means and what helps; all of them, or one with its meanings."""

from __future__ import annotations

from itertools import groupby

from starlette.responses import Response
from starlette.routing import Route

from core.codes import KINDS_OF_CODES, Meaning, meanings, meanings_of
from storefront.console.rendering import render
from storefront.console.visits import Visit, for_people
from storefront.problems import ProblemError


async def codes_page(visit: Visit) -> Response:
    """All codes, by kind."""
    return _shown(visit, "", meanings())


async def code_page(visit: Visit) -> Response:
    """One code, within each kind of codes that has it."""
    code = visit.request.path_params["code"]
    found = meanings_of(code)
    if not found:
        raise ProblemError("not_found")
    return _shown(visit, code, found)


def _shown(visit: Visit, code: str, found: tuple[Meaning, ...]) -> Response:
    groups = [
        (getattr(KINDS_OF_CODES[kind], visit.language), [*rows]) for kind, rows in groupby(found, lambda one: one.kind)
    ]
    return render(visit, "codes.html", code=code, groups=groups)


ROUTES = [Route("/codes", for_people(codes_page)), Route("/codes/{code:path}", for_people(code_page))]
