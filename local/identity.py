"""A stand-in for a provider of identities: OpenID Connect, for tests of the console's sign-in.

It signs everyone in whom `login` names, and lies on request: `spoil` changes the claims of the next token.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode

from joserfc import jwt
from joserfc.jwk import OKPKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route


@dataclass
class IdentityProvider:
    """The provider.

    Args:
        issuer: its address.
        client: the one client that it knows: id and secret.
    """

    issuer: str
    client: tuple[str, str]
    login: str = "ann-7"
    """The subject of the person who comes."""
    signed_in_ago: int = 0
    """Seconds since they proved who they are; forgotten where the client asks for a new proof."""
    spoil: Mapping[str, Any] = field(default_factory=dict)
    key: OKPKey = field(default_factory=lambda: OKPKey.generate_key("Ed25519", {"kid": "k1"}))
    signing_key: OKPKey | None = None
    """Another key than the published one."""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def app(self) -> Starlette:
        """Its endpoints."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._document),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/jwks", self._keys),
            ]
        )

    async def _document(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
            }
        )

    async def _keys(self, request: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        query = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        return RedirectResponse(f"{asked['redirect_uri']}?{query}", 302)

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self.codes.pop(form.get("code", ""), None)
        basic = base64.b64encode(":".join(self.client).encode()).decode()
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        wrong = asked is None or request.headers.get("authorization") != f"Basic {basic}"
        if asked is None or wrong or asked["code_challenge"] != challenge:
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse({"token_type": "Bearer", "access_token": "none", "id_token": self._id_token(asked)})

    def _id_token(self, asked: Mapping[str, str]) -> str:
        now = int(time.time())
        ago = 0 if asked.get("prompt") == "login" else self.signed_in_ago
        claims = {
            "iss": self.issuer,
            "aud": self.client[0],
            "sub": self.login,
            "iat": now,
            "exp": now + 300,
            "auth_time": now - ago,
            "nonce": asked["nonce"],
        }
        kept = {name: value for name, value in (claims | dict(self.spoil)).items() if value is not None}
        return jwt.encode(
            {"alg": "Ed25519", "kid": self.key.kid}, kept, self.signing_key or self.key, algorithms=["Ed25519"]
        )
