"""Request bodies: read by our strict JSON reader, against the models of the contract, unknown fields refused."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from core.errors import BadInput
from core.fields import Message
from core.reading import reasons_of
from core.strict_json import parse_json
from storefront.problems import ProblemError

M = TypeVar("M", bound=Message)

LARGEST = 256 * 1024
"""Bytes. An order of 200 lines with long titles has a quarter of it."""


async def raw_of(request: Request, largest: int = LARGEST) -> bytes:
    """The bytes of a body.

    Raises:
        ProblemError: `too_large`.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > largest:
            raise ProblemError("too_large", f"A body has at most {largest:,} bytes.")
    return bytes(raw)


async def first_of(request: Request, most: int) -> bytes:
    """The first bytes of a body; the rest is not read."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) >= most:
            break
    return bytes(raw[:most])


async def object_of(request: Request) -> dict[str, Any]:
    """The JSON object of a body; no body is an empty one.

    Raises:
        ProblemError: `unreadable`, with the line where JSON has lines; `too_large`.
    """
    raw = await raw_of(request)
    if not raw.strip():
        return {}
    try:
        value = parse_json(raw.decode())
    except UnicodeDecodeError:
        raise ProblemError("unreadable", "The body is not UTF-8.") from None
    except BadInput as error:
        raise ProblemError("unreadable", str(error)) from None
    if not isinstance(value, dict):
        raise ProblemError("unreadable", "The body must be one JSON object.")
    return value


PROOF = "proof"
"""The one field of the contract that the gateway fills in where it sends."""


def message_of(model: type[M], fields: dict[str, Any], code: str = "malformed") -> M:
    """A message of the contract.

    Raises:
        ProblemError: with every wrong field.
    """
    if PROOF in fields:
        raise ProblemError(
            code, reasons=[{"field": PROOF, "message": "is made by the gateway, which knows the sender"}]
        )
    try:
        return model.model_validate(fields, extra="forbid")
    except ValidationError as error:
        raise ProblemError(code, reasons=reasons_of(error)) from None
    except (RecursionError, ValueError, TypeError) as error:
        raise ProblemError(code, f"It cannot be read: {type(error).__name__}.") from None
