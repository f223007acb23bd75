"""Requests to WeChat Pay are signed, and an answer without its signature is not believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from activities.carriers.base import Checked
from activities.http import HttpClient, Reply
from activities.wechatpay.signing import MerchantSigner, PlatformKeys
from core.errors import Unavailable, UnreadableAnswer
from core.fields import Message


class Problem(Message):
    """WeChat Pay's error body."""

    code: str
    message: str = ""


class WechatPayClient:
    """One merchant's connection to WeChat Pay.

    Args:
        http: at its base address.
    """

    def __init__(self, http: HttpClient, signer: MerchantSigner, platform: PlatformKeys) -> None:
        self._http, self._signer, self.platform = http, signer, platform
        self.mchid = signer.mchid

    async def check(self) -> Checked:
        """Check the account by querying a payment that does not exist. Never raises."""
        try:
            reply = await self.get(f"/v3/pay/transactions/out-trade-no/doctor?mchid={quote(self.mchid, safe='')}")
            code = "" if reply.status == 200 else reply.read(Problem).code
        except Unavailable as error:
            return Checked(outcome="unreachable", detail=str(error)[:200])
        except UnreadableAnswer as error:
            return Checked(outcome="cannot_tell", detail=str(error)[:200])
        if reply.status in {200, 404}:
            return Checked(outcome="accepted")
        return Checked(outcome="refused" if reply.status in {401, 403} else "cannot_tell", detail=code[:64])

    async def get(self, path: str) -> Reply:
        """Look something up; `path` with its query. See `ask`."""
        return await self.ask("GET", path, None)

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Send an instruction. See `ask`."""
        return await self.ask("POST", path, body)

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> Reply:
        """One exchange, never repeated here.

        Returns:
            The answer that WeChat Pay signed, with any status below 500.

        Raises:
            Unavailable: no complete answer came in time, or a 5xx; the request may have had its effect.
            UnreadableAnswer: the answer is unsigned, or signed by another: it proves nothing.
        """
        content = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Authorization": self._signer.authorization(method, path, content),
            "Wechatpay-Serial": self.platform.serial,
            "User-Agent": "dakuan",
            **({"Content-Type": "application/json"} if content else {}),
        }
        reply = await self._http.ask(method, path, content=content or None, headers=headers)
        why = self.platform.why_not(reply.headers, reply.raw)
        if why is not None:
            raise UnreadableAnswer(f"{reply.source} answered {reply.status}, and {why}")
        return reply
