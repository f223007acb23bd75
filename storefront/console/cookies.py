"""What a browser keeps of the console: a session's id, a sign-in under way, and how the person likes to read."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from config import Settings

SESSION, BEFORE, SIGNING_IN = "dakuan-session", "dakuan-before", "dakuan-signing-in"
LANGUAGE, THEME, ZONE = "dakuan-language", "dakuan-theme", "dakuan-zone"
A_YEAR = 365 * 86_400


@dataclass(frozen=True)
class Jar:
    """The console's cookies.

    Over TLS each name begins with `__Host-`: then no other host of the domain can have set it. A local stack has no
    TLS, and browsers refuse the prefix there.
    """

    secure: bool
    pepper: bytes

    def name(self, what: str) -> str:
        return f"__Host-{what}" if self.secure else what

    def get(self, request: Request, what: str) -> str | None:
        """What the browser sent."""
        return request.cookies.get(self.name(what))

    def put(self, response: Response, what: str, value: str, *, max_age: int | None = None) -> None:
        """Let the browser keep something; without an age until it is closed."""
        response.set_cookie(
            self.name(what), value, max_age=max_age, path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def drop(self, response: Response, what: str) -> None:
        """Let the browser forget something."""
        response.delete_cookie(self.name(what), path="/", secure=self.secure, httponly=True, samesite="lax")

    def digest(self, session_id: str) -> bytes:
        """What the register keeps of a session."""
        return self._sum("session", session_id)

    def form_token(self, browser_id: str) -> str:
        """What a form of this browser carries: another site can send the cookie along, and cannot know this."""
        return self._sum("form", browser_id).hex()

    def is_form_token(self, browser_id: str, given: str) -> bool:
        """Whether a form was ours."""
        return hmac.compare_digest(self.form_token(browser_id).encode(), given.encode())

    def seal(self, text: str) -> str:
        """A text that only we can have written."""
        return f"{text}.{self._sum('sealed', text).hex()}"

    def unseal(self, sealed: str | None) -> str | None:
        """The text of `seal`; None where someone else wrote it."""
        text, _, mark = (sealed or "").rpartition(".")
        return text if hmac.compare_digest(self._sum("sealed", text).hex().encode(), mark.encode()) else None

    def _sum(self, what: Literal["session", "form", "sealed"], text: str) -> bytes:
        return hmac.new(self.pepper, f"console/{what}/{text}".encode(), hashlib.sha256).digest()


def jar_of(settings: Settings) -> Jar:
    """The cookies of the console of these settings."""
    return Jar(secure=settings.console is not None, pepper=settings.pepper_needed)


def new_id() -> str:
    """An id that no one can guess."""
    return secrets.token_urlsafe(32)
