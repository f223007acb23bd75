"""`/v1/withdrawals`: ask, estimate, list, one with its payouts and holds, and every verb."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any, get_args

from fastapi import APIRouter
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.errors import Refused
from core.messages import WITHDRAWAL_COMMANDS, ReportPayout, Withdrawal
from core.withdrawal import views
from core.withdrawal.estimating import Estimate
from core.withdrawal.recovering import resume
from core.withdrawal.state import Phase
from ledger.register_part import Position
from ledger.withdrawals import WithdrawalRow
from storefront.api.documents import closed, schema_of
from storefront.api.paging import cursor_in, flag_in, id_in, limit_of, one_in, page_until, word_in
from storefront.api.routing import OF_BODIES, OVERDUE, PAGES, WORD, changing, listed, problems, query, reading
from storefront.api.verbs import add_verbs
from storefront.bodies import message_of, object_of
from storefront.changing import idempotency_key_of
from storefront.identities import Caller
from storefront.problems import ProblemError
from storefront.service import service_of
from wiring.estimating import estimate_now

NEVER_BY_KEY = frozenset({ReportPayout.verb})
"""Rails prove themselves by their own signature, at `/v1/in`."""
_ASKED_BY_US = ("requested_by", "leaving", "policy")
"""Fields that a merchant does not choose."""

ESTIMATE = "estimate"
"""The last part of an address that is no withdrawal's: no withdrawal has this id, or it could not be read."""


class _WithdrawalId(StringConvertor):
    regex = f"(?!{ESTIMATE}$)[^/]+"


register_url_convertor("withdrawal", _WithdrawalId())
STATES: tuple[str, ...] = get_args(Phase)

router = APIRouter(prefix="/v1", tags=["withdrawals"])


async def start_withdrawal(request: Request) -> Response:
    """Ask for a withdrawal of what is available."""
    service = service_of(request)
    caller = await service.caller(request, "withdrawals:write")
    key = idempotency_key_of(request)
    fields = await object_of(request)
    withdrawal = _asked(caller, {"withdrawal_id": _id_from(caller, fields, key), **fields})
    refuse_address(withdrawal)
    body = withdrawal.model_dump(mode="json", exclude_unset=True)
    pending = await service.pending(caller, key, "withdrawal", withdrawal.withdrawal_id, body)
    return await service.changes.answer(pending, request)


async def estimate_withdrawal(request: Request) -> Response:
    """What a withdrawal would cost, when it would arrive, and what stands against it; nothing is written."""
    service = service_of(request)
    caller = await service.caller(request, "withdrawals:read")
    withdrawal = _asked(caller, {"withdrawal_id": ESTIMATE, **await object_of(request)})
    found = await estimate_now(service.settings, service.register, withdrawal)
    return JSONResponse(found.model_dump(mode="json"))


def _id_from(caller: Caller, fields: Mapping[str, Any], key: str) -> str:
    """A withdrawal's id where its sender names none. Senders for two merchants may choose the same Idempotency-Key.

    The key that sent it is no part of it: sent again with another key of the merchant's, it is the same withdrawal.
    """
    merchant = caller.key.merchant_id or fields.get("merchant_id")
    return f"w-{hashlib.sha256(f'{merchant}/{key}'.encode()).hexdigest()[:32]}"


def refuse_address(withdrawal: Withdrawal) -> None:
    """Raise for an id under which no one could ask for the withdrawal.

    Raises:
        Refused: `malformed`.
    """
    if withdrawal.withdrawal_id == ESTIMATE:
        raise Refused("malformed", f"withdrawal_id: {ESTIMATE} is the address of another question.", "withdrawal_id")


def _asked(caller: Caller, fields: dict[str, Any]) -> Withdrawal:
    """The request for a withdrawal, asked for by the merchant.

    Raises:
        Refused: with every wrong field.
        ProblemError: `wrong_actor`: it is another merchant's money.
    """
    for name in _ASKED_BY_US:
        if name in fields:
            raise Refused("malformed", f"{name}: is not for the sender to say.", name)
    merchant = fields.setdefault("merchant_id", caller.key.merchant_id)
    if not isinstance(merchant, str):
        raise Refused("malformed", "merchant_id: say whose money it is.", "merchant_id")
    asked = {**fields, "requested_by": {"role": "merchant", "id": merchant}}
    withdrawal = message_of(Withdrawal, asked, withheld=_ASKED_BY_US)
    if not caller.sees(withdrawal.merchant_id):
        raise ProblemError("wrong_actor", f"This key speaks for merchant {caller.key.merchant_id} alone.")
    return withdrawal


async def list_withdrawals(request: Request) -> Response:
    """Withdrawals that the key may see, the newest first."""
    service = service_of(request)
    caller = await service.caller(request, "withdrawals:read")
    asked, limit = word_in(request, "merchant_id"), limit_of(request)
    # Every filter is read first: a wrong one is refused also where the answer is empty.
    read = partial(
        service.lists(caller.sender).withdrawals.rows,
        merchant_id=caller.key.merchant_id or asked,
        state_name=one_in(request, "state", STATES),
        overdue=flag_in(request, "overdue"),
        after=cursor_in(request),
        limit=limit + 1,
    )
    rows = await read() if asked is None or caller.sees(asked) else ()
    return JSONResponse(page_until(rows, limit, _position))


def _position(row: WithdrawalRow) -> Position:
    return Position(row.requested_at, row.withdrawal_id)


async def get_withdrawal(request: Request) -> Response:
    """One withdrawal: its state, payouts and holds."""
    service = service_of(request)
    caller = await service.caller(request, "withdrawals:read")
    known = await service.withdrawal(caller, id_in(request, "withdrawal_id"))
    if known.state is None:
        return JSONResponse({"withdrawal_id": known.withdrawal.withdrawal_id, "phase": known.state_name, "holds": []})
    state = resume(known.state, known.revision)
    holds = [hold.model_dump(mode="json", exclude_none=True) for hold in views.holds_of(state)]
    return JSONResponse({**views.withdrawal_view(state), "holds": holds})


def _body() -> dict[str, Any]:
    schema = schema_of(Withdrawal)
    properties = {name: of for name, of in schema["properties"].items() if name not in _ASKED_BY_US}
    required = ["amount_minor", "currency", "account_id"]
    return closed({"type": "object", "properties": properties, "required": required})


changing(
    router,
    "/withdrawals",
    start_withdrawal,
    says="Ask for a withdrawal",
    name="start_withdrawal",
    body=_body(),
    created=True,
)
router.add_api_route(
    f"/withdrawals/{ESTIMATE}",
    estimate_withdrawal,
    methods=["POST"],
    summary="What a withdrawal would cost and when it would arrive",
    operation_id="estimate_withdrawal",
    response_class=Response,
    responses={
        200: {"description": "Estimated.", "content": {"application/json": {"schema": schema_of(Estimate)}}},
        **problems(*OF_BODIES),
    },
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _body()}}}},
)
reading(
    router,
    "/withdrawals",
    list_withdrawals,
    says="List withdrawals",
    answers=listed(schema_of(WithdrawalRow)),
    queries=(
        query("merchant_id", "Of this merchant.", **WORD),
        query("state", "In this state.", type="string", enum=list(STATES)),
        OVERDUE,
        *PAGES,
    ),
)
reading(router, "/withdrawals/{withdrawal_id:withdrawal}", get_withdrawal, says="One withdrawal")
add_verbs(router, "withdrawal", WITHDRAWAL_COMMANDS, without=NEVER_BY_KEY)
