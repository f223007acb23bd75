"""Sign-in by OpenID Connect: the code flow with PKCE. The provider says who someone is, the register what they may do.

Specifications: OpenID Connect Core 1.0 (3.1.3.7 for the checks of the token), RFC 7636, RFC 9207.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

import httpx2
from joserfc import jwt
from starlette.responses import Response
from starlette.routing import Route

from config.console import ConsoleSettings
from core.addresses import is_plain_remote
from storefront.console import cookies
from storefront.console.provider_keys import UNFIT, ProviderKeys
from storefront.console.signing_in import LASTS, open_session
from storefront.console.visits import LONGEST_PAGE, Visit, for_anyone, go, own_page
from storefront.identities import address_of
from storefront.problems import ProblemError

ANSWERS_WITHIN = 10.0
"""Seconds."""
LEEWAY = timedelta(seconds=60)
"""How far the provider's clock may differ."""
LONGEST_CODE = 4_096
"""RFC 6749, 4.1.2 sets no limit, and some providers put a sealed token of more than a thousand characters into it."""
TAKES_AT_MOST = 600
"""Seconds from the start of a sign-in to its end."""
ALGORITHMS = ["RS256", "ES256", "PS256", "EdDSA", "Ed25519"]
"""All are signatures with the provider's own key: a token that we could have signed ourselves is none."""
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")

log = logging.getLogger("dakuan.console")


@dataclass(frozen=True)
class ProviderDesk:
    """The provider of identities.

    Args:
        keys: its keys, as they are kept between sign-ins.
        transport: how it is reached; the network unless given.
    """

    settings: ConsoleSettings
    keys: ProviderKeys
    transport: httpx2.AsyncBaseTransport | None = None

    async def document(self) -> dict[str, str]:
        """Where the provider's parts are, by its own document.

        Raises:
            ProblemError: `unavailable`: it does not answer, or the document is another's.
        """
        found = await self.json("GET", f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != self.settings.issuer:
            raise _away(f"the document at {self.settings.issuer} names another issuer")
        for name in _NEEDED:
            if not str(found.get(name, "")).startswith(("https://", "http://")) or is_plain_remote(found[name]):
                raise _away(f"the document at {self.settings.issuer} has no safe {name}")
        return found

    async def json(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        """One answer of the provider, as a JSON object.

        Raises:
            ProblemError: `unavailable`.
        """
        try:
            async with httpx2.AsyncClient(transport=self.transport, timeout=ANSWERS_WITHIN) as client:
                answer = await client.request(method, url, headers={"Accept": "application/json"}, **more)
            found = answer.json() if answer.status_code == 200 else None
        except (httpx2.HTTPError, ValueError) as error:
            raise _away(f"{url} does not answer: {type(error).__name__}") from None
        if not isinstance(found, dict):
            raise _away(f"{url} answered {answer.status_code}")
        return found

    @property
    def returns_to(self) -> str:
        """Where the provider sends the browser back."""
        return f"{self.settings.url}/console/sign-in/done"


def _away(why: str) -> ProblemError:
    log.warning("sign-in: %s", why)
    return ProblemError("unavailable")


def _desk(visit: Visit) -> ProviderDesk:
    settings = visit.service.settings.console
    if settings is None:
        raise ProblemError("not_found")
    state = visit.request.app.state
    return ProviderDesk(settings, state.provider_keys, getattr(state, "transport", None))


async def start(visit: Visit) -> Response:
    """Send the browser to the provider."""
    desk, again = _desk(visit), bool(visit.given("again"))
    visit.service.limits.count_unknown(address_of(visit.request))
    found = await desk.document()
    kept = {name: cookies.new_id() for name in ("state", "nonce", "verifier")}
    challenge = _base64(hashlib.sha256(kept["verifier"].encode()).digest())
    query = {
        "response_type": "code",
        "client_id": desk.settings.client_id,
        "redirect_uri": desk.returns_to,
        "scope": "openid",
        "state": kept["state"],
        "nonce": kept["nonce"],
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        # With it the token must say when the person proved who they are.
        "max_age": "0" if again else str(int(LASTS.total_seconds())),
        **({"prompt": "login"} if again else {}),
    }
    response = go(f"{found['authorization_endpoint']}?{urlencode(query)}")
    kept |= {
        "next": own_page(visit.given("next", LONGEST_PAGE)),
        "at": visit.now.isoformat(),
        "again": "1" if again else "",
    }
    visit.jar.put(
        response, cookies.SIGNING_IN, visit.jar.seal(_base64(json.dumps(kept).encode())), max_age=TAKES_AT_MOST
    )
    return response


async def done(visit: Visit) -> Response:
    """The provider sent the browser back, with a code."""
    desk, kept = _desk(visit), _kept(visit)
    visit.service.limits.count_unknown(address_of(visit.request))
    if visit.given("state") != kept["state"] or visit.given("iss") not in {"", desk.settings.issuer}:
        raise ProblemError("unauthorized", "This sign-in was not begun here.")
    code = visit.given("code", LONGEST_CODE)
    if visit.given("error") or not code:
        raise ProblemError("unauthorized", "The provider of identities did not sign you in.")
    found = await desk.document()
    claims = await _claims(desk, found, code, kept)
    known = await visit.register.people.of_subject(desk.settings.issuer, claims["sub"])
    if known is None:
        log.warning("sign-in: %s is not in the register", claims["sub"])
        raise ProblemError("unauthorized", "You are not known here; an operator may add you.")
    signed_in_at = _proved_at(claims, kept, visit.now)
    response = go(kept["next"])
    visit.jar.drop(response, cookies.SIGNING_IN)
    signed_in_by = (desk.settings.issuer, claims["sub"])
    await open_session(visit, known.person_id, response, signed_in_at, by=signed_in_by)
    return response


def _kept(visit: Visit) -> dict[str, str]:
    """What this browser's sign-in began with.

    Raises:
        ProblemError: `unauthorized`: none was begun in this browser, or it took too long.
    """
    sealed = visit.jar.unseal(visit.jar.get(visit.request, cookies.SIGNING_IN))
    if sealed is None:
        raise ProblemError("unauthorized", "This sign-in was not begun here.")
    kept: dict[str, str] = json.loads(base64.urlsafe_b64decode(f"{sealed}=="))
    if visit.now - datetime.fromisoformat(kept["at"]) > timedelta(seconds=TAKES_AT_MOST):
        raise ProblemError("unauthorized", "This sign-in took too long; begin again.")
    return kept


async def _claims(desk: ProviderDesk, found: dict[str, str], code: str, kept: dict[str, str]) -> dict[str, Any]:
    """What the provider says of the person, checked."""
    settings = desk.settings
    body = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": desk.returns_to,
        "code_verifier": kept["verifier"],
    }
    answer = await desk.json(
        "POST", found["token_endpoint"], data=body, auth=(settings.client_id, settings.client_secret)
    )
    published = partial(desk.json, "GET", found["jwks_uri"])
    try:
        token = await desk.keys.verified(str(answer.get("id_token", "")), ALGORITHMS, published)
        _registry(settings, kept["nonce"]).validate(token.claims)
    except UNFIT as error:
        log.warning("sign-in: the token is not valid: %s", type(error).__name__)
        raise ProblemError("unauthorized", "The provider's answer is not valid.") from None
    claims: dict[str, Any] = dict(token.claims)
    audience = claims["aud"]
    others = isinstance(audience, list) and audience != [settings.client_id]
    if not (isinstance(claims["sub"], str) and claims["sub"].isprintable()) or (
        others and claims.get("azp") != settings.client_id
    ):
        raise ProblemError("unauthorized", "The provider's answer is not valid.")
    return claims


def _registry(settings: ConsoleSettings, nonce: str) -> jwt.JWTClaimsRegistry:
    return jwt.JWTClaimsRegistry(
        leeway=int(LEEWAY.total_seconds()),
        iss={"essential": True, "value": settings.issuer},
        aud={"essential": True, "value": settings.client_id},
        exp={"essential": True},
        iat={"essential": True},
        sub={"essential": True},
        nonce={"essential": True, "value": nonce},
        auth_time={"essential": True},
    )


def _proved_at(claims: dict[str, Any], kept: dict[str, str], now: datetime) -> datetime:
    """When the person proved who they are.

    Raises:
        ProblemError: `unauthorized`: a fresh proof was asked for, and the provider remembered an older one.
    """
    try:
        at = min(datetime.fromtimestamp(int(claims["auth_time"]), UTC), now)
    except (TypeError, ValueError, OverflowError, OSError):
        raise ProblemError("unauthorized", "The provider's answer is not valid.") from None
    oldest = datetime.fromisoformat(kept["at"]) if kept["again"] else now - LASTS
    if at < oldest - LEEWAY:
        raise ProblemError("unauthorized", "The provider did not ask you to sign in again.")
    return max(at, now - LASTS)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


ROUTES = [Route("/sign-in/start", for_anyone(start)), Route("/sign-in/done", for_anyone(done))]
