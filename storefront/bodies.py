"""Request bodies: read by our strict JSON reader, against the models of the contract, unknown fields refused."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from core.errors import BadInput
from core.fields import Message
from core.reading import reasons_of
from core.strict_json import parse_json
from storefront.problems import ProblemError

M = TypeVar("M", bound=Message)

LARGEST = 256 * 1024
"""Bytes. An order of 200 lines with long titles has a quarter of it."""
ARRIVES_WITHIN = 10.0
"""Seconds for a whole body. A sender of one byte a second would hold a connection for days."""


async def raw_of(request: Request, largest: int = LARGEST) -> bytes:
    """The bytes of a body.

    Raises:
        ProblemError: `too_large` or `too_slow`.
    """
    raw = await first_of(request, largest + 1)
    if len(raw) > largest:
        raise ProblemError("too_large", f"A body has at most {largest:,} bytes.")
    return raw


async def first_of(request: Request, most: int) -> bytes:
    """The first bytes of a body; the rest is not read.

    Raises:
        ProblemError: `too_slow`.
    """
    raw = bytearray()
    async with arriving():
        async for chunk in request.stream():
            raw += chunk
            if len(raw) >= most:
                break
    return bytes(raw[:most])


@asynccontextmanager
async def arriving() -> AsyncIterator[None]:
    """The time in which a body is read.

    Raises:
        ProblemError: `too_slow`; `unreadable`: its sender is gone.
    """
    try:
        async with asyncio.timeout(ARRIVES_WITHIN):
            yield
    except TimeoutError:
        why = f"A body arrives within {ARRIVES_WITHIN:g} seconds."
        raise ProblemError("too_slow", why, headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise ProblemError("unreadable", "The connection ended within the body.") from None


async def object_of(request: Request) -> dict[str, Any]:
    """The JSON object of a body; no body is an empty one.

    Raises:
        ProblemError: `unreadable`, with the line where JSON has lines; `unsupported_media_type`; `too_large`.
    """
    _refuse_other_media(request)
    raw = await raw_of(request)
    if raw.startswith(codecs.BOM_UTF8):
        raise ProblemError("unreadable", "The body starts with a byte order mark: send UTF-8 without one.")
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


def _refuse_other_media(request: Request) -> None:
    """JSON in UTF-8 alone, as it is: what two readers read differently must not reach the books."""
    kinds = request.headers.getlist("content-type")
    kind, _, parameters = (kinds[0] if len(kinds) == 1 else "two" if kinds else "").lower().partition(";")
    charset = parameters.partition("charset=")[2].strip().strip('"')
    if kind.strip() not in {"", "application/json"} or charset not in {"", "utf-8", "utf8"}:
        raise ProblemError("unsupported_media_type", "Send JSON in UTF-8 as Content-Type: application/json.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProblemError("unsupported_media_type", "Send the body as it is, without Content-Encoding.")


def message_of(model: type[M], fields: dict[str, Any], code: str = "malformed", withheld: Collection[str] = ()) -> M:
    """A message of the contract.

    Args:
        withheld: fields that the gateway fills in itself; a refusal offers none of them for an unknown one.

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
        raise ProblemError(code, reasons=reasons_of(error, model, {PROOF, *withheld})) from None
    except (RecursionError, ValueError, TypeError) as error:
        raise ProblemError(code, f"It cannot be read: {type(error).__name__}.") from None
