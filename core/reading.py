"""Reading what others send: a message, or a refusal that names each wrong field. Total over any JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from core.field_faults import said_plainly
from core.fields import UNPRINTABLE, Message
from core.known_keys import unknown_key
from core.messages import Command
from core.reasons import Refusal, refuse

M = TypeVar("M", bound=Message)


def content_hash(message: Message) -> str:
    """SHA-256 of the canonical JSON: equal exactly when the content is."""
    body = json.dumps(message.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()


def reasons_of(
    error: ValidationError, model: type[BaseModel] | None = None, withheld: Collection[str] = ()
) -> list[dict[str, str]]:
    """Field by field what was wrong: `[{"field": "lines.0.quantity", "message": "…"}]`.

    Args:
        model: what was read; an unknown key then gets the nearest known one.
        withheld: fields of the model that this sender may not give.
    """
    reasons = []
    details = error.errors(include_url=False, include_input=False)
    for detail in details:
        if detail["type"] == "too_short" and any(_lies_in(other["loc"], detail["loc"]) for other in details):
            continue  # without the wrong field it is too short; that field has its own reason
        field = ".".join(_shown(part) for part in detail["loc"] if part != _OF_KEY)
        message = said_plainly(detail)
        if detail["type"] == "extra_forbidden" and model is not None:
            message = unknown_key(model, detail["loc"], withheld)
        head, colon, tail = message.partition(": ")
        if not field and colon and " " not in head:
            field, message = head, tail
        reasons.append({"field": field or "(whole)", "message": message})
    return reasons


_OF_KEY = "[key]"
"""Added by pydantic where the key itself is wrong."""


def _lies_in(inner: tuple[str | int, ...], outer: tuple[str | int, ...]) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _shown(part: str | int) -> str:
    """A part of a path. An unknown field's name is the sender's text and goes to a terminal, so it is cleaned."""
    return UNPRINTABLE.sub("\ufffd", str(part)[:80])


class Unreadable(Message):
    """Stands for a payload that cannot be decoded: a value that is refused. An exception would block the workflow."""

    why: str


def read(model: type[M], body: Any, code: str = "malformed", *, strictly: bool = False) -> M | Refusal:
    """A message from decoded JSON, or the refusal that names the first wrong field and sums up the rest.

    Total: every Python value gets an answer, and none raises.
    """
    if isinstance(body, Unreadable):
        return refuse(code, body.why)
    try:
        return model.model_validate(body, extra="forbid" if strictly else "ignore")
    except ValidationError as error:
        reasons = reasons_of(error, model)
        detail = "; ".join(f"{reason['field']}: {reason['message']}" for reason in reasons[:10])
        return refuse(code, detail, field=reasons[0]["field"])
    except (RecursionError, ValueError, TypeError) as error:
        return refuse(code, f"It cannot be read: {type(error).__name__}.")


def read_command(
    commands: Mapping[str, type[Command]], verb: str, body: Any, *, strictly: bool = False
) -> Command | Refusal:
    """The command of this verb from decoded JSON, or why not."""
    model = commands.get(verb)
    if model is None:
        return refuse("unknown_verb", f"Known: {', '.join(sorted(commands)) or 'none'}.")
    return read(model, body, strictly=strictly)
