"""A visit: one request of a browser, the person behind it, and how they like to read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo, available_timezones

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from core.command import Actor
from core.errors import Refused
from core.fields import UNPRINTABLE
from core.texts import Language
from ledger.people import PersonRole, SignedIn
from ledger.register import Register
from storefront.api.paging import refuse_others
from storefront.bodies import arriving
from storefront.console import cookies
from storefront.console.cookies import Jar
from storefront.console.words import Phrases
from storefront.problems import ProblemError
from storefront.service import HttpService, service_of

Theme = Literal["auto", "light", "dark"]
Handler = Callable[["Visit"], Awaitable[Response]]
RECENT = timedelta(minutes=15)
"""What moves money asks for a sign-in not older than this."""
STAFF: frozenset[PersonRole] = frozenset({"operator", "reviewer"})
EVERYONE: frozenset[PersonRole] = STAFF | {"merchant"}
LONGEST_FORM = 16 * 1024
LONGEST_PAGE = 1_000
"""Of an address to come back to: cut off, it would be another page. A cookie of 4 KB holds it."""
ZONES = frozenset(available_timezones())


@dataclass(frozen=True)
class Visitor:
    """A person at the console, as the core and the register know them."""

    known: SignedIn

    @property
    def sender(self) -> str:
        """Under which name their requests are kept; see `storefront.changing.Sender`."""
        return f"person:{self.known.person_id}"

    @property
    def actor(self) -> Actor:
        """As whom they act: staff of a merchant act as that merchant."""
        return Actor(role=self.known.role, id=self.known.merchant_id or self.known.person_id)

    @property
    def is_staff(self) -> bool:
        """Whether they belong to the platform."""
        return self.known.role in STAFF

    def sees(self, merchant_id: str) -> bool:
        """Whether they may see what is this merchant's."""
        return self.known.merchant_id in (None, merchant_id)

    def signed_in_lately(self, now: datetime) -> bool:
        """Whether they proved who they are a short time ago."""
        return now - self.known.signed_in_at <= RECENT


@dataclass
class Visit:
    """One request at the console."""

    request: Request
    service: HttpService
    jar: Jar
    browser_id: str
    """The session's id; before a sign-in an id of its own."""
    person: Visitor | None
    now: datetime

    @property
    def register(self) -> Register:
        return self.service.register

    @property
    def lists(self) -> Register:
        """For pages that may be a moment old; see `HttpService.lists`."""
        return self.service.lists(self.who.sender)

    @property
    def who(self) -> Visitor:
        """The person who is signed in.

        Raises:
            ProblemError: `unauthorized`.
        """
        if self.person is None:
            raise ProblemError("unauthorized")
        return self.person

    @cached_property
    def language(self) -> Language:
        """As the person chose; else what the browser prefers."""
        given = self.jar.get(self.request, cookies.LANGUAGE)
        if given is None:
            given = _preferred(self.request.headers.get("accept-language", ""))
        return "zh" if given == "zh" else "en"

    @cached_property
    def theme(self) -> Theme:
        given = self.jar.get(self.request, cookies.THEME)
        return "light" if given == "light" else "dark" if given == "dark" else "auto"

    @cached_property
    def zone(self) -> ZoneInfo:
        """In which the page's times are."""
        given = self.jar.get(self.request, cookies.ZONE)
        return ZoneInfo(given if given in ZONES else "UTC")

    @cached_property
    def words(self) -> Phrases:
        return Phrases(self.language)

    @property
    def here(self) -> str:
        """The address of this page."""
        return f"{self.request.url.path}{f'?{query}' if (query := self.request.url.query) else ''}"

    def given(self, name: str, most: int = 200) -> str:
        """A filter of the address, without what no text of ours has; "" where it is not given."""
        return UNPRINTABLE.sub("", self.request.query_params.get(name, "")).strip()[:most]

    def chosen(self, name: str, known: Collection[str]) -> str:
        """A filter of the address that has certain values; "" where it is not given.

        Raises:
            Refused: `malformed`; a mistyped one would show everything, and read as if all of it were meant.
        """
        given = self.given(name)
        if given and given not in known:
            raise Refused("malformed", f"{name}: must be one of {', '.join(filter(None, known))}.", name)
        return given

    async def form(self) -> FormData:
        """The fields of a form of ours.

        Raises:
            ProblemError: `too_large`; `too_slow`; `unreadable`; `forged_form`: another site sent it, or it is older
                than the sign-in.
        """
        if int(self.request.headers.get("content-length") or LONGEST_FORM + 1) > LONGEST_FORM:
            raise ProblemError("too_large", f"A form has at most {LONGEST_FORM:,} bytes.")
        async with arriving():
            found = await self.request.form(max_files=0, max_fields=60, max_part_size=LONGEST_FORM)
        if not self.jar.is_form_token(self.browser_id, str(found.get("form_token", ""))):
            raise ProblemError("forged_form")
        if any(UNPRINTABLE.search(str(value)) for value in found.values()):
            raise ProblemError("unreadable", "The form has characters that no text of ours has.")
        return found


def _preferred(header: str) -> str:
    """`zh` where a browser names Chinese before English."""
    for part in header.lower().split(","):
        language = part.split(";")[0].strip().split("-")[0]
        if language in {"zh", "en"}:
            return language
    return "en"


def go(address: str) -> RedirectResponse:
    """Send the browser on with a GET."""
    return RedirectResponse(address, 303)


def own_page(address: str | None) -> str:
    """An address inside the console, for links back; the first page where it is none: no one is led elsewhere."""
    given = address or ""
    inside = given == "/console" or given.startswith(("/console/", "/console?"))
    return given if inside and "\\" not in given and given.isascii() and given.isprintable() else "/console"


def sign_in_for(address: str, *, again: bool = False) -> RedirectResponse:
    """Let someone sign in first, and come back."""
    return go(f"/console/sign-in?{'again=1&' if again else ''}next={quote(own_page(address), safe='')}")


async def visit_of(request: Request) -> Visit:
    """Who asks."""
    service, now = service_of(request), datetime.now(UTC)
    jar: Jar = request.app.state.jar
    session_id = jar.get(request, cookies.SESSION)
    found = await service.register.people.signed_in(jar.digest(session_id), now) if session_id else None
    browser_id = session_id if found is not None else jar.get(request, cookies.BEFORE)
    return Visit(
        request=request,
        service=service,
        jar=jar,
        browser_id=browser_id or cookies.new_id(),
        person=Visitor(found) if found is not None else None,
        now=now,
    )


def for_people(
    handler: Handler, roles: Collection[PersonRole] = EVERYONE, *, asks: Sequence[str] | None = ()
) -> Callable[[Request], Awaitable[Response]]:
    """A page for people who are signed in and have one of these roles. To others it does not exist.

    Args:
        asks: what its address may ask for; None: the page itself looks. Anything else is refused.
    """

    async def answer(request: Request) -> Response:
        visit = request.state.visit = await visit_of(request)
        if visit.person is None:
            return sign_in_for(visit.here if request.method == "GET" else "/console")
        if visit.person.known.role not in roles:
            raise ProblemError("not_found")
        changing = request.method not in {"GET", "HEAD"}
        service_of(request).limits.count(visit.person.sender, changing=changing)
        if changing:
            service_of(request).recent.note(visit.person.sender)
        elif asks is not None:
            refuse_others(request, asks)
        return await handler(visit)

    return answer


def for_anyone(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A page that needs no sign-in."""

    async def answer(request: Request) -> Response:
        visit = request.state.visit = await visit_of(request)
        response = await handler(visit)
        keep_browser(visit, response)
        return response

    return answer


def keep_browser(visit: Visit, response: Response) -> None:
    """Let a browser without a session keep its id: the forms of this page carry a token of it."""
    if visit.person is None and visit.jar.get(visit.request, cookies.BEFORE) != visit.browser_id:
        visit.jar.put(response, cookies.BEFORE, visit.browser_id)
