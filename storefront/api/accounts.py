"""`/v1/merchants/{id}/accounts`: a merchant's payout accounts. Numbers come in, and only the last four go out.

A number is never written down as a request is: the change is carried out at once, under the command's id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.account_requests import BindAccount, ReplaceAccount, StopAccount, VerifyAccount
from core.errors import Refused
from core.fields import Message
from core.messages import Actor
from ledger.payout_accounts import PayoutAccount
from storefront.api.documents import closed, schema_of
from storefront.api.paging import id_in
from storefront.api.routing import Handler, changing, reading
from storefront.bodies import message_of, object_of
from storefront.changing import idempotency_key_of
from storefront.identities import Caller
from storefront.problems import ProblemError
from storefront.service import HttpService, service_of
from wiring.payout_accounts import AccountDesk

M = TypeVar("M", bound=Message)
Carrying = Callable[[AccountDesk, PayoutAccount, M, Actor, str], Awaitable[bool]]
WRITE, READ = "accounts:write", "accounts:read"
_TAKEN = frozenset({"account_exists", "unknown_account"})
"""What binding a new account is refused with where its id is the merchant's own, or another's."""
_OURS = frozenset({"rail_token"})
"""What only the rail may know."""

router = APIRouter(prefix="/v1/merchants", tags=["accounts"])
_PATH = "/{merchant_id}/accounts"


async def list_accounts(request: Request) -> Response:
    """A merchant's payout accounts, the default first."""
    service, _, merchant_id = await _merchant(request, READ)
    rows = await service.register.accounts.of_merchant(merchant_id)
    name = await service.register.accounts.legal_name(merchant_id)
    return JSONResponse({"data": [_view(row) for row in rows], "legal_name": name})


async def bind_account(request: Request) -> Response:
    """Bind a payout account."""
    service, caller, merchant_id = await _merchant(request, WRITE)
    key, asked = idempotency_key_of(request), message_of(BindAccount, await object_of(request))
    desk = AccountDesk(service.settings, service.register)
    try:
        done = await desk.bind(asked, merchant_id, _actor(merchant_id), _command_id(caller, key))
    except Refused as refusal:
        if refusal.code in _TAKEN:
            # The same for a merchant's own id and another's: whose it is, is not for the sender to learn.
            raise Refused("account_exists", f"{asked.account_id} is taken: choose another id.", "account_id") from None
        raise
    return await _answer(service, asked.account_id, 201, done=done)


def _changer(model: type[M], carry_out: Carrying[M]) -> Handler:
    async def change(request: Request) -> Response:
        service, caller, merchant_id = await _merchant(request, WRITE)
        key, account_id = idempotency_key_of(request), id_in(request, "account_id")
        known = await service.register.accounts.get(account_id)
        if known is None or known.merchant_id != merchant_id:
            raise ProblemError("unknown_account")
        asked = message_of(model, await object_of(request))
        desk = AccountDesk(service.settings, service.register)
        done = await carry_out(desk, known, asked, _actor(merchant_id), _command_id(caller, key))
        return await _answer(service, account_id, 200, done=done)

    return change


def _actor(merchant_id: str) -> Actor:
    """A storefront speaks for the merchant of the address."""
    return Actor(role="merchant", id=merchant_id)


def _command_id(caller: Caller, key: str) -> str:
    """The command's id: two senders may speak for one merchant, and choose the same Idempotency-Key."""
    return hashlib.sha256(f"{caller.sender}/{key}".encode()).hexdigest()[:40]


async def _answer(service: HttpService, account_id: str, status: int, *, done: bool) -> Response:
    """The account as it is now, also where the command was carried out before."""
    row = await service.register.accounts.get(account_id)
    assert row is not None  # it was just changed
    return JSONResponse(_view(row), status, {} if done else {"Idempotent-Replayed": "true"})


def _view(row: PayoutAccount) -> dict[str, Any]:
    return row.model_dump(mode="json", exclude=set(_OURS))


async def _merchant(request: Request, scope: str) -> tuple[HttpService, Caller, str]:
    service, merchant_id = service_of(request), id_in(request, "merchant_id")
    caller = await service.caller(request, scope)
    if not caller.sees(merchant_id):
        raise ProblemError("not_found")
    return service, caller, merchant_id


_SCHEMA = schema_of(PayoutAccount)
_SHOWN = {**_SCHEMA, "properties": {name: of for name, of in _SCHEMA["properties"].items() if name not in _OURS}}
_SHOWN["required"] = [name for name in _SCHEMA["required"] if name not in _OURS]

reading(
    router,
    _PATH,
    list_accounts,
    says="A merchant's payout accounts",
    answers={"type": "object", "properties": {"data": {"type": "array", "items": _SHOWN}}},
)
changing(
    router,
    _PATH,
    bind_account,
    says="Bind a payout account",
    name="bind_account",
    body=closed(schema_of(BindAccount)),
    created=True,
)
for _verb, _model, _handler in (
    ("replace", ReplaceAccount, _changer(ReplaceAccount, AccountDesk.replace)),
    ("suspend", StopAccount, _changer(StopAccount, AccountDesk.suspend)),
    ("verify", VerifyAccount, _changer(VerifyAccount, AccountDesk.verify)),
):
    changing(
        router,
        f"{_PATH}/{{account_id}}/{_verb}",
        _handler,
        says=_model.__doc__ or _verb,
        name=f"{_verb}_account",
        body=closed(schema_of(_model)),
    )
