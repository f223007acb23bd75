"""Who asks: an API key, and for whom it may speak."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from core.api_keys import key_id_of
from core.errors import Refused, RetryableError
from ledger.api_keys import ApiKey
from ledger.register import Register
from storefront.limits import Limits
from storefront.problems import ProblemError

_BEARER = "bearer "
_NAMED = frozenset({"merchant", "buyer"})
_SOMEONE = '{"role": "buyer", "id": "b-1"}'
"""The roles for which a storefront speaks; it names the person in the body."""


def digest_of(key: str, pepper: bytes) -> bytes:
    """What the register keeps of a key."""
    return hmac.new(pepper, key.encode(), hashlib.sha256).digest()


@dataclass(frozen=True)
class Caller:
    """A valid key."""

    key: ApiKey

    @property
    def sender(self) -> str:
        """Under which name its requests are kept."""
        return self.key.line

    def needs(self, scope: str) -> None:
        """Raise where the key lacks this scope.

        Raises:
            ProblemError: `missing_scope`.
        """
        if scope not in self.key.scopes:
            raise ProblemError("missing_scope", f"The key {self.key.key_id} lacks the scope {scope}.")

    def sees(self, merchant_id: str) -> bool:
        """Whether it may see what is this merchant's. What it may not see, it gets 404 for."""
        return self.key.merchant_id in (None, merchant_id)

    def actor(self, given: Any) -> dict[str, Any]:
        """The actor of a command: a merchant's key is that merchant, a storefront says for whom it speaks.

        Args:
            given: the body's `actor`, if it has one.

        Raises:
            Refused: `malformed` where a storefront names no one, `wrong_actor` where it may not speak for them.
        """
        if self.key.merchant_id is not None:
            own = {"role": "merchant", "id": self.key.merchant_id}
            if given is not None and given != own:
                raise Refused("wrong_actor", f"This key speaks for merchant {self.key.merchant_id} alone.", "actor")
            return own
        if not isinstance(given, dict):
            raise Refused("malformed", f"actor: say for whom, such as {_SOMEONE}.", "actor")
        role = given.get("role")
        if not isinstance(role, str) or role not in _NAMED:
            raise Refused("wrong_actor", "A storefront speaks for a merchant or a buyer only.", "actor.role")
        return given


async def caller_of(request: Request, register: Register, peppers: Sequence[bytes], limits: Limits) -> Caller:
    """Who sent this request.

    Raises:
        ProblemError: `unauthorized`; it does not say whether the key is unknown or has ended. `too_many_requests`.
    """
    found = await _key_of(request, register, peppers, limits)
    await register.api_keys.note_used(found.key_id, datetime.now(UTC))
    return Caller(found)


async def has_valid_key(request: Request, register: Register, peppers: Sequence[bytes], limits: Limits) -> bool:
    """Whether a valid key came with this request, while the register can say so. The key does not count as used."""
    try:
        await _key_of(request, register, peppers, limits)
    except (ProblemError, RetryableError):
        return False
    return True


async def _key_of(request: Request, register: Register, peppers: Sequence[bytes], limits: Limits) -> ApiKey:
    headers, now = request.headers.getlist("authorization"), datetime.now(UTC)
    header = headers[0] if len(headers) == 1 else ""  # of two, a proxy in front may have read the other one
    key = header[len(_BEARER) :].strip() if header.lower().startswith(_BEARER) else ""
    digests = [digest_of(key, pepper) for pepper in peppers] if key_id_of(key) else []
    if not digests:
        raise _unauthorized()  # no guess: what has not the form of a key is not looked up
    address = address_of(request)
    limits.refuse_guessing(address, digests)
    found = await register.api_keys.find(digests, now)
    if found is None:
        limits.note_wrong(address)
        raise _unauthorized()
    limits.note_right(digests)
    return found


def _unauthorized() -> ProblemError:
    return ProblemError("unauthorized", headers={"WWW-Authenticate": "Bearer"})


def address_of(request: Request) -> str:
    """Where a request came from; a proxy on this machine says it."""
    return request.client.host if request.client is not None else ""
