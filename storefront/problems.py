"""Every error as `application/problem+json` (RFC 9457), with our reason code, and the status that the code has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse

from core.errors import BadInput, DakuanError, Misconfigured, Refused, RetryableError
from core.reason_details import field_zh
from core.reason_texts import HTTP_REASONS
from core.reasons import SENTENCES, in_chinese

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 5
"""Seconds after which a request that found something away is worth another try."""

_NAMED_IN_BODIES = {"unknown_verb", "unknown_line", "unknown_carrier", "unknown_policy"}
_UNKNOWN = {code for code in SENTENCES if code.startswith("unknown_")} - _NAMED_IN_BODIES
_NOT_FOUND = {"not_running", "payment_not_found", "no_such_refund", *_UNKNOWN}
_CONTENT = {
    *("invalid_order", "malformed", "quantity_too_large", *_NAMED_IN_BODIES),
    *("impossible_waybill", "reason_missing", "parcel_required", "payment_time", "payment_over_claimed"),
    *("command_id_used_with_different_content", "order_exists_with_different_content", "outbound_number"),
    *("withdrawal_exists_with_different_content", "event_exists_with_different_content", "wrong_currency"),
    *(
        "receipt_exists_with_different_content",
        "below_minimum",
        "above_maximum",
        "above_refundable",
        "above_return_freight",
        "wrong_amount",
    ),
    *("account_number_invalid", "bank_missing", "holder_mismatch", "wrong_drop_amount", "above_receivable"),
}
_OWN = {
    "unauthorized": 401,
    "forged_form": 403,
    "missing_scope": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "idempotency_key_missing": 400,
    "idempotency_key_malformed": 400,
    "under_way": 409,
    "unreadable": 400,
    "too_slow": 408,
    "challenge_failed": 409,
    "workflow_unnamed": 422,
    "too_many_endpoints": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "unknown_host": 400,
    "unknown_version": 400,
    "too_many_requests": 429,
    "unavailable": 503,
}
"""Codes of the gateway itself, and their status."""


class HttpProblem(BaseModel):
    """An error, as RFC 9457 has it. `code` is a reason code of the contract, `errors` name the wrong fields.

    `detail_zh` says the same in Chinese, of the whole and of each field.
    """

    type: str
    title: str
    status: int
    code: str
    detail: str
    detail_zh: str | None = None
    errors: list[dict[str, str]] = []
    request_id: str | None = None


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        reasons: Sequence[Mapping[str, str]] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        errors = [_error_at(one["field"], one["message"], field_zh(one["message"])) for one in reasons]
        self.problem = problem_of(code, detail).model_copy(update={"errors": errors} if errors else {})
        self.headers = headers or {}


def status_of(code: str) -> int:
    """The HTTP status of a reason code: 404 what is not there, 422 the content forbids it, 409 the state forbids it."""
    if code in _OWN:
        return _OWN[code]
    if code == "internal_error":
        return 500
    if code == "wrong_actor":
        return 403
    return 404 if code in _NOT_FOUND else 422 if code in _CONTENT else 409


def problem_of(code: str, detail: str = "", field: str | None = None) -> HttpProblem:
    """The problem of a reason code."""
    title = HTTP_REASONS[code].en if code in _OWN else SENTENCES.get(code, "The request was refused.")
    chinese = in_chinese(code, detail or title)
    errors = [_error_at(field, detail or title, chinese)] if field else []
    return HttpProblem(
        type=f"urn:dakuan:reason:{code}",
        title=title,
        status=status_of(code),
        code=code,
        detail=detail or title,
        detail_zh=chinese,
        errors=errors,
    )


def _error_at(field: str, detail: str, chinese: str | None) -> dict[str, str]:
    """What is wrong with one field, as `errors` has it."""
    return {"pointer": _pointer(field), "detail": detail, **({"detail_zh": chinese} if chinese is not None else {})}


def _pointer(field: str) -> str:
    """A dotted path as a JSON pointer (RFC 6901); the whole body is the empty one."""
    return "" if field == "(whole)" else f"/{field.replace('~', '~0').replace('/', '~1').replace('.', '/')}"


def problem_in(error: DakuanError) -> HttpProblem:
    """The problem that an error of ours is; its sentence names no address, no key and no stack trace."""
    if isinstance(error, Refused):
        return problem_of(error.code, error.message, error.field)
    if isinstance(error, BadInput):
        return problem_of("unreadable", str(error))
    if isinstance(error, RetryableError):
        return problem_of("unavailable")
    return problem_of("internal_error", "" if isinstance(error, Misconfigured) else SENTENCES["internal_error"])


def respond(problem: HttpProblem, headers: dict[str, str] | None = None) -> JSONResponse:
    """The response of a problem. Where a retry may help, it says when."""
    given = dict(headers or {})
    if problem.status in {429, 503} or problem.code == "under_way":
        given.setdefault("Retry-After", str(RETRY_AFTER))
    return JSONResponse(body_of(problem), problem.status, given, MEDIA_TYPE)


def body_of(problem: HttpProblem) -> dict[str, Any]:
    """A problem as JSON, without what it does not say."""
    return problem.model_dump(exclude_none=True)
