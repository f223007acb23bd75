"""Refusals: a reason code, and a sentence of `core.reason_texts` with what is known of the case behind it."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from core.reason_details import detail_zh
from core.reason_texts import HTTP_REASONS, REASONS

SENTENCES: Mapping[str, str] = {code: said.en for code, said in REASONS.items()}
"""Code → its sentence in English."""


class Refusal(BaseModel):
    """Why a command was refused: `code` is a reason code, `message` a sentence, `field` a dotted path."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    field: str | None = None


def refuse(code: str, detail: str = "", field: str | None = None) -> Refusal:
    """A refusal with the code's sentence, followed by the detail if there is one."""
    return Refusal(code=code, message=" ".join(filter(None, (SENTENCES[code], detail))), field=field)


def in_chinese(code: str, message: str) -> str | None:
    """A refusal's message in Chinese, with the details behind its sentence; those without a Chinese form as they are.

    None where neither the code nor the details have a sentence.
    """
    said = REASONS.get(code) or HTTP_REASONS.get(code)
    if said is None:
        detail = detail_zh(message)
        return detail if detail != message else None
    return f"{said.zh}{detail_zh(message.removeprefix(said.en).strip())}"
