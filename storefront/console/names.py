"""What people call accounts and movements of the books."""

from __future__ import annotations

from core.chart import IN_CHINESE
from storefront.console.visits import Visit


def account_name(visit: Visit, path: str) -> str:
    """What people call an account: `escrow`, `channel wechat`, `available m-7`."""
    parts = path.split("/")
    if parts[0] in {"psp", "rail"}:
        return f"{visit.words.of('place', parts[0])} {parts[1]}"
    said = visit.words.of("part", part_of(path))
    return f"{said} {parts[1]}" if parts[0] == "merchant" else said


def part_of(path: str) -> str:
    """The purpose of an account, which has words."""
    parts = path.split("/")
    return parts[2] if len(parts) > 2 else parts[-1]


def movement_name(visit: Visit, reference: str) -> str:
    """What people call a movement, from its reference."""
    kind = reference.split("/")[2] if reference.count("/") >= 2 else reference
    if visit.language == "zh":
        return IN_CHINESE.get(kind, kind)
    return kind.replace("_", " ")
