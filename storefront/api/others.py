"""Notices, waybill numbers, codes, and what became of a request."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import get_args

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.audit.waybills import candidates, judge
from core.codes import Meaning, meanings_of
from core.errors import Refused
from core.parcels import check_carrier
from core.states import Reader
from ledger.notices import StoredNotice
from storefront.api.documents import schema_of
from storefront.api.paging import id_in, limit_of, number_of, one_in, page_of, word_in
from storefront.api.routing import WORD, query, reading
from storefront.changing import KeptAnswer
from storefront.problems import ProblemError
from storefront.service import service_of

LONGEST_WAIT = 20
LOOK_EVERY = 0.5
RECIPIENTS: tuple[str, ...] = get_args(Reader)

router = APIRouter(prefix="/v1", tags=["more"])


async def list_notices(request: Request) -> Response:
    """Notices after a number, in order; none is passed over. With `wait` it answers once there is one."""
    service = service_of(request)
    caller = await service.caller(request, "notices:read")
    after = number_of(request, "after", 0, 0, 2**62)
    # What staff and buyers are notified of is not for the merchant.
    asked = one_in(request, "to", RECIPIENTS)
    recipient = "merchant" if caller.key.merchant_id is not None else asked
    wait = number_of(request, "wait", 0, 0, LONGEST_WAIT)
    with service.waits.held(caller.key.key_id) if wait else nullcontext():
        for _ in range(int(wait / LOOK_EVERY) + 1):
            rows = await service.register.notices.read(
                after_id=after,
                to=recipient,
                subject=word_in(request, "subject"),
                merchant_id=caller.key.merchant_id,
                limit=limit_of(request),
            )
            if rows or not wait or service.streams.ending or await request.is_disconnected():
                break
            await asyncio.sleep(LOOK_EVERY)
    return JSONResponse(page_of(rows, last=rows[-1].notice_id if rows else after))


async def judge_waybill(request: Request) -> Response:
    """Which carriers could have printed a number, and whether the one named could have."""
    service = service_of(request)
    await service.caller(request, "orders:read")
    carrier = request.query_params.get("carrier")
    if carrier is not None and (refusal := check_carrier(carrier, "carrier")) is not None:
        raise Refused(refusal.code, refusal.message, refusal.field)
    said = judge(carrier, request.path_params["number"])
    return JSONResponse(
        {
            "normalised": said.normalised,
            "answer": said.answer,
            "reason": said.reason,
            "reason_zh": said.reason_zh,
            "candidates": [candidate.model_dump(mode="json") for candidate in candidates(said.normalised)],
        }
    )


async def explain_code(request: Request) -> Response:
    """What a code means, in English and Chinese: a refusal, a hold, a finding, a break, a stage, a deadline."""
    await service_of(request).caller(request)
    found = meanings_of(request.path_params["code"])
    if not found:
        raise ProblemError("not_found")
    return JSONResponse({"data": [one.model_dump() for one in found]})


async def get_request(request: Request) -> Response:
    """What became of a changing request that was answered with 202."""
    service = service_of(request)
    caller = await service.caller(request)
    known = await service.register.requests.known(caller.sender, id_in(request, "idempotency_key"))
    if known is None:
        raise ProblemError("not_found")
    if known.status is None:
        raise ProblemError("under_way")
    return KeptAnswer(known.status, known.answer).response(request)


reading(
    router,
    "/notices",
    list_notices,
    says="Notices, in an order in which a reader can go on",
    answers={
        "type": "object",
        "properties": {"data": {"type": "array", "items": schema_of(StoredNotice)}, "last": {"type": "integer"}},
    },
    queries=(
        query("after", "The last number that was read.", type="integer", minimum=0),
        query("to", "For whom.", type="string", enum=list(RECIPIENTS)),
        query("subject", "order/A1001 or withdrawal/W1.", **WORD),
        query("wait", "Seconds to wait for the first one.", type="integer", minimum=0, maximum=LONGEST_WAIT),
        query("limit", "At most so many.", type="integer", minimum=1, maximum=500),
    ),
)
reading(
    router,
    "/waybills/{number}",
    judge_waybill,
    says="Which carriers could have printed a number",
    queries=(query("carrier", "The carrier it is said to be of.", type="string", minLength=1),),
)
reading(
    router,
    "/codes/{code}",
    explain_code,
    says="What a code means, in English and Chinese",
    answers={
        "type": "object",
        "properties": {"data": {"type": "array", "items": schema_of(Meaning)}},
        "required": ["data"],
    },
)
reading(router, "/requests/{idempotency_key}", get_request, says="What became of a request", more=(409,), created=True)
