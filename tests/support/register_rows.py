"""A register that answers from a table: `{"orders.known": row}`. What is not in it was not meant to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class RegisterRows:
    """The register, for pages that read and do not write."""

    pool: Any = None

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers

    def __getattr__(self, part: str) -> _Part:
        return _Part(self._answers, part)


class _Part:
    def __init__(self, answers: Mapping[str, Any], name: str) -> None:
        self._answers, self._name = answers, name

    def __getattr__(self, method: str) -> Any:
        key = f"{self._name}.{method}"
        assert key in self._answers, f"no rows for {key}"

        async def answer(*arguments: Any, **named: Any) -> Any:
            return self._answers[key]

        return answer
