"""Blocks of a generated page."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any


def prose(text: str) -> str:
    """Text as it stands in the source, less the source's own indentation."""
    return textwrap.dedent(text).strip()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    ruled = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*ruled, *(f"| {' | '.join(row)} |" for row in rows)])


def words(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def json_block(body: Any) -> str:
    return f"```json\n{json.dumps(body, ensure_ascii=False, indent=2)}\n```"
