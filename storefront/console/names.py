"""What people call accounts and movements of the books."""

from __future__ import annotations

from core.chart import IN_CHINESE, IN_ENGLISH, kind_of
from ledger.balances import TransferRow
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


def movement_name(visit: Visit, row: TransferRow) -> str:
    """What people call the movement of a transfer."""
    return (IN_CHINESE if visit.language == "zh" else IN_ENGLISH)[kind_of(row.reference, row.credit).name]
