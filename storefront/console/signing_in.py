"""Sign-in and sign-out, and how a person likes to read. On a local stack people are made up and need no password."""

from __future__ import annotations

from datetime import datetime, timedelta

from starlette.responses import Response
from starlette.routing import Route

from storefront.console import cookies
from storefront.console.rendering import render
from storefront.console.visits import LONGEST_PAGE, ZONES, Visit, for_anyone, for_people, go, own_page
from storefront.problems import ProblemError

LOCAL_ISSUER = "local-stack"
"""The issuer of made-up people: they can sign in on a local stack alone."""
LASTS = timedelta(hours=12)
"""A session, however much it is used."""
PREFERENCES = {
    "language": (cookies.LANGUAGE, frozenset({"en", "zh"})),
    "theme": (cookies.THEME, frozenset({"auto", "light", "dark"})),
    "zone": (cookies.ZONE, ZONES),
}
"""Form field → its cookie, and what it may say."""


async def sign_in_page(visit: Visit) -> Response:
    """Who are you?"""
    following, again = own_page(visit.given("next", LONGEST_PAGE)), bool(visit.given("again"))
    if visit.person is not None and not again:
        return go(following)
    local = visit.service.settings.console is None
    people = await visit.register.people.of_issuer(LOCAL_ISSUER) if local else []
    return render(visit, "sign_in.html", people=people, local=local, following=following, again=again)


async def sign_in_made_up(visit: Visit) -> Response:
    """Sign a made-up person in."""
    form = await visit.form()
    if visit.service.settings.console is not None:
        raise ProblemError("not_found")
    known = await visit.register.people.of_subject(LOCAL_ISSUER, str(form.get("subject", "")))
    if known is None:
        raise ProblemError("unauthorized", "No such person may sign in.")
    response = go(own_page(str(form.get("next", ""))))
    zone = str(form.get("zone", ""))
    if zone in ZONES and visit.jar.get(visit.request, cookies.ZONE) is None:
        visit.jar.put(response, cookies.ZONE, zone, max_age=cookies.A_YEAR)
    await open_session(visit, known.person_id, response, by=(LOCAL_ISSUER, str(form.get("subject", ""))))
    return response


async def open_session(
    visit: Visit, person_id: str, response: Response, signed_in_at: datetime | None = None, *, by: tuple[str, str]
) -> None:
    """A new session under a new id: who knew the browser's old id knows nothing.

    Args:
        signed_in_at: when the person proved who they are; now unless given.
        by: the issuer and the subject that signed them in.

    Raises:
        ProblemError: `unauthorized`: the person's access has ended.
    """
    session_id, old = cookies.new_id(), visit.jar.get(visit.request, cookies.SESSION)
    opened = await visit.register.people.open_session(
        visit.jar.digest(session_id),
        person_id,
        replaces=visit.jar.digest(old) if old else None,
        signed_in_at=signed_in_at or visit.now,
        ends_at=visit.now + LASTS,
        now=visit.now,
        by=by,
    )
    if not opened:
        raise ProblemError("unauthorized", "This person's access has ended.")
    visit.jar.put(response, cookies.SESSION, session_id)
    visit.jar.drop(response, cookies.BEFORE)


async def sign_out(visit: Visit) -> Response:
    """End the session."""
    await visit.form()
    await visit.register.people.end_session(visit.jar.digest(visit.browser_id))
    response = go("/console/sign-in")
    visit.jar.drop(response, cookies.SESSION)
    return response


async def prefer(visit: Visit) -> Response:
    """Keep how this browser's person likes to read."""
    form = await visit.form()
    response = go(own_page(str(form.get("back", ""))))
    for field, (cookie, allowed) in PREFERENCES.items():
        if (value := str(form.get(field, ""))) in allowed:
            visit.jar.put(response, cookie, value, max_age=cookies.A_YEAR)
    return response


ROUTES = [
    Route("/sign-in", for_anyone(sign_in_page)),
    Route("/sign-in", for_anyone(sign_in_made_up), methods=["POST"]),
    Route("/sign-out", for_people(sign_out), methods=["POST"]),
    Route("/preferences", for_anyone(prefer), methods=["POST"]),
]
