"""Grades of merchants: given by operators, read where a policy has terms for one."""

from __future__ import annotations

from datetime import datetime

from core.fields import Message
from core.messages import Actor
from ledger.register_part import Conditions, RegisterPart


class GradeMove(Message):
    """One change of a merchant's grade; None where it has none any more."""

    merchant_id: str
    grade: str | None
    role: str
    who: str
    why: str
    at: datetime


class Grades(RegisterPart):
    """The register's grades of merchants."""

    async def move(self, merchant_id: str, grade: str | None, by: Actor, why: str, now: datetime) -> bool:
        """Give a merchant a grade, or none. False: it has that one already. Only the owner's role may call it."""
        return bool(
            await self._call("SELECT move_grade($1, $2, $3, $4, $5, $6)", merchant_id, grade, by.role, by.id, why, now)
        )

    async def of(self, merchant_id: str) -> str | None:
        """A merchant's grade; None where it has none."""
        grade = await self._call(
            "SELECT grade FROM grade_moves WHERE merchant_id = $1 ORDER BY id DESC LIMIT 1", merchant_id
        )
        return None if grade is None else str(grade)

    async def moves(self, merchant_id: str | None, limit: int = 1000) -> list[GradeMove]:
        """Every change, of one merchant or of all, the newest first."""
        wanted = Conditions()
        wanted.add("merchant_id = {}", merchant_id)
        columns = ", ".join(GradeMove.model_fields)
        return await self._all(
            GradeMove,
            f"SELECT {columns} FROM grade_moves{wanted.text} ORDER BY id DESC{wanted.limit(limit)}",
            *wanted.arguments,
        )
