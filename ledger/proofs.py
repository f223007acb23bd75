"""stub"""

from typing import Any


async def prove(pool: Any) -> list[Any]:
    return []
