"""Takes the pushes of tracking providers: scans go to the orders that use the number.

Scans of a number that no open order uses are stored: the first look at a shipment with that number finds them. Nothing
here decides about a parcel.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from activities.carriers.base import PushContent, Pushed, PushReader, SignsAPart
from core.audit.trace import SILENT_ANSWERS, moves_on
from core.audit.waybills import CARRIERS
from core.errors import Refused, UnreadableAnswer
from core.messages import Scan
from inbound.desk import LONGEST_DETAIL, Desk, Found
from ledger.claims import Claimant
from ledger.pushes import Journaled, PushOutcome
from ledger.register import Register

LARGEST_PUSH = 1024 * 1024
"""Bytes."""
SCANS_A_COMMAND = 500
_SIGNATURES: Mapping[str, str] = {"17track": "sign", "aftership": "aftership-hmac-sha256"}
_SIGNATURE = "x-hmac-signature"
"""The signature's header, for vendors that sign in a header."""

Report = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Sends a `report_scan` to an order, by its id. Raises `Refused` if it has ended, `Unavailable` if a retry helps."""


class PushDesk(Desk[PushReader, Journaled]):
    """Takes pushes.

    A signed push is acknowledged even if it cannot be read: otherwise the vendor would send the same bytes again, or
    stop pushing. It stays in the journal.

    Args:
        readers: by vendor; each holds its own secret.
        report: see `Report`.
    """

    largest: ClassVar[int] = LARGEST_PUSH
    statuses: ClassVar[Mapping[str, int]] = {"wrong_signature": 401, "too_large": 413}
    unknown: ClassVar[tuple[str, str]] = ("vendor", "No provider {vendor} pushes to us; those that do: {known}.")

    def __init__(self, register: Register, readers: Mapping[str, PushReader], report: Report) -> None:
        super().__init__(readers)
        self._register, self._report = register, report

    def _why_not(self, reader: PushReader, body: bytes, headers: Mapping[str, str]) -> str | None:
        return None if reader.verified(body, headers) else ""

    def _signed_part(self, reader: PushReader, body: bytes) -> bytes | None:
        return reader.signed_part(body) if isinstance(reader, SignsAPart) else None

    def _kept_headers(self, reader: PushReader) -> Sequence[str]:
        return ("content-type", "user-agent", *self._signed_headers(reader))

    def _signed_headers(self, reader: PushReader) -> Sequence[str]:
        return (_SIGNATURES.get(reader.name, _SIGNATURE),)

    async def _journal(
        self, vendor: str, digest: str, body: bytes, headers: Mapping[str, str], now: datetime
    ) -> Journaled:
        return await self._register.pushes.journal(vendor, digest, body, headers, now)

    async def _finish(self, entry: Journaled, found: Found) -> None:
        await self._register.pushes.finish(entry.id, found.outcome, found.detail)

    async def _take(self, reader: PushReader, body: bytes, entry: Journaled, now: datetime) -> Found:
        try:
            content = reader.read_push(body)
        except UnreadableAnswer as error:
            return Found("unreadable", str(error)[:LONGEST_DETAIL])
        if content.unread and not content.parcels:
            return Found("unreadable", _summary(content))
        reported: dict[str, None] = {}
        kept = False
        for index, pushed in enumerate(content.parcels):
            if pushed.trace.answer in SILENT_ANSWERS:
                continue
            fresh, moves = await self._store_trace(pushed, entry, now)
            kept = kept or bool(fresh)
            key = f"{entry.id}-{index}"
            reported.update(dict.fromkeys(await self._report_scans(reader.name, pushed, fresh, key, moves=moves)))
        outcome: PushOutcome = "applied" if reported else "kept" if kept else "nothing_new"
        return Found(outcome, _summary(content), tuple(reported))

    async def _store_trace(self, pushed: Pushed, journaled: Journaled, now: datetime) -> tuple[list[Scan], bool]:
        """Store a pushed trace for later looks at the number; returns its new scans, and whether they move it on."""
        trace = pushed.trace
        before = await self._register.pushes.traces(pushed.asked, trace.waybill)
        known = {(scan.at, scan.code): scan for kept in before for scan in kept.scans}
        await self._register.pushes.keep(pushed.asked, trace, replaces=pushed.replaces, now=now)
        # An interrupted push may have stored its scans without reporting them to any order.
        known = {} if journaled.unfinished else known
        fresh = [scan for scan in trace.scans if (scan.at, scan.code) not in known]
        return fresh, moves_on(known.values(), fresh)

    async def _report_scans(
        self, vendor: str, pushed: Pushed, scans: list[Scan], key: str, *, moves: bool
    ) -> list[str]:
        """Report new scans to the orders that use the number; returns the orders that accepted them.

        An order that only waits for its parcel to move on learns of other scans when its audit looks: each signal costs
        it a task and a record.
        """
        took = []
        for claimant in await self._orders_using(pushed) if scans else []:
            if claimant.waits and not moves:
                continue
            try:
                for start in range(0, len(scans), SCANS_A_COMMAND):
                    part = scans[start : start + SCANS_A_COMMAND]
                    command = _command(vendor, claimant, pushed.trace.waybill, part, f"push-{vendor}-{key}-{start}")
                    await self._report(claimant.order_id, command)
            except Refused:
                continue  # the order has ended; the scans are stored
            took.append(claimant.order_id)
        return took

    async def _orders_using(self, pushed: Pushed) -> list[Claimant]:
        """The orders whose parcel it may be: under either carrier, or under one that is unlikely to use this number."""
        trace = pushed.trace
        return [
            claimant
            for claimant in await self._register.claims.claimants(trace.waybill)
            if claimant.carrier == pushed.asked or CARRIERS.may_be(claimant.carrier, trace.carrier, trace.waybill)
        ]


def _summary(content: PushContent) -> str:
    """The numbers that a push is about, and what could not be read, each within its own length limit."""
    numbers = ", ".join(dict.fromkeys(f"{pushed.asked} {pushed.trace.waybill}" for pushed in content.parcels))
    if not content.unread:
        return numbers[:LONGEST_DETAIL]
    unread = f"{len(content.unread)} not read: {'; '.join(content.unread)}"[: LONGEST_DETAIL // 2]
    return f"{numbers[: LONGEST_DETAIL // 2 - 2]}; {unread}" if numbers else unread


def _command(vendor: str, claimant: Claimant, waybill: str, scans: list[Scan], command_id: str) -> dict[str, Any]:
    return {
        "command_id": command_id,
        "actor": {"role": "carrier", "id": vendor},
        "carrier": claimant.carrier,
        "waybill": waybill,
        "scans": [scan.model_dump(mode="json", exclude_none=True) for scan in scans],
        "provider": vendor,
    }
