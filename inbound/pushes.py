"""Taking what providers push: verified, written down before anything is made of it, and given to the orders once.

A push that came before is answered as it was then. Scans of a number that no open order uses are kept: the first look
at a shipment with that number finds them. Nothing here decides anything about a parcel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from activities.carriers.base import PushContent, Pushed, PushReader
from core.audit.trace import SILENT_ANSWERS
from core.audit.waybills import CARRIERS
from core.errors import Refused, UnreadableAnswer
from core.messages import Message, Scan
from ledger.claims import Claimant
from ledger.pushes import Journaled, PushOutcome
from ledger.register import Register

LARGEST_PUSH = 1024 * 1024
"""Bytes."""
KEPT_OF_REFUSED = 4096
"""Bytes of a push that is not the vendor's: enough to see who plays, too little to fill a disk."""
SCANS_A_COMMAND = 500
_HEADERS = ("content-type", "user-agent", "x-hmac-signature")
_LONGEST_HEADER = 300
_LONGEST_DETAIL = 300

_STATUS: Mapping[str, int] = {"wrong_signature": 401, "too_large": 413}
"""How refusals are answered. What is signed is received, also where it cannot be read: the vendor would send the same
bytes again, or stop pushing. It stands in the journal.
"""

Report = Callable[[str, dict[str, Any]], Awaitable[None]]
"""Gives an order (its id) a `report_scan`. Raises `Refused` where it is over, `Unavailable` where a retry helps."""


class PushAnswer(Message):
    """What the vendor is answered, and what became of the push. `repeated`: it came before, with this outcome."""

    status: int
    body: bytes
    outcome: PushOutcome
    detail: str = ""
    orders: tuple[str, ...] = ()
    repeated: bool = False


class PushDesk:
    """Takes pushes.

    Args:
        readers: by vendor; each knows its own secret.
        report: see `Report`.
    """

    def __init__(self, register: Register, readers: Mapping[str, PushReader], report: Report) -> None:
        self._register, self._readers, self._report = register, readers, report

    async def receive(self, vendor: str, body: bytes, headers: Mapping[str, str]) -> PushAnswer:
        """Take one push.

        Args:
            body: the very bytes that came, which are what was signed.

        Raises:
            Refused: `malformed`; we have no account at this vendor.
            Unavailable: database or Temporal did not answer. Nothing may be acknowledged; the vendor sends it again,
                and what was done already is not done twice.
        """
        reader = self._readers.get(vendor)
        if reader is None:
            known = ", ".join(sorted(self._readers)) or "none"
            raise Refused("malformed", f"No provider {vendor[:64]!r} pushes to us; those that do: {known}.", "vendor")
        now = datetime.now(UTC)
        lower = {name.lower(): value for name, value in headers.items()}
        refused = _refused(reader, body, lower)
        journaled = await self._register.pushes.journal(
            vendor,
            _digest(body, lower),
            body if refused is None else body[:KEPT_OF_REFUSED],
            {name: lower[name][:_LONGEST_HEADER] for name in _HEADERS if name in lower},
            now,
        )
        if journaled.outcome is not None:
            return _answer(reader, now, journaled.outcome, journaled.detail, repeated=True)
        outcome, detail, orders = await self._outcome(reader, refused, body, journaled, now)
        await self._register.pushes.finish(journaled.id, outcome, detail)
        return _answer(reader, now, outcome, detail, orders)

    async def _outcome(
        self, reader: PushReader, refused: PushOutcome | None, body: bytes, journaled: Journaled, now: datetime
    ) -> tuple[PushOutcome, str, tuple[str, ...]]:
        if refused is not None:
            return refused, "", ()
        try:
            content = reader.read_push(body)
        except UnreadableAnswer as error:
            return "unreadable", str(error)[:_LONGEST_DETAIL], ()
        if content.unread and not content.parcels:
            return "unreadable", _summary(content), ()
        told: dict[str, None] = {}
        kept = False
        for index, pushed in enumerate(content.parcels):
            if pushed.trace.answer in SILENT_ANSWERS:
                continue
            fresh = await self._keep(pushed, journaled, now)
            kept = kept or bool(fresh)
            told.update(dict.fromkeys(await self._tell(reader.name, pushed, fresh, f"{journaled.id}-{index}")))
        orders = tuple(told)
        outcome: PushOutcome = "applied" if orders else "kept" if kept else "nothing_new"
        return outcome, _summary(content), orders

    async def _keep(self, pushed: Pushed, journaled: Journaled, now: datetime) -> list[Scan]:
        """Keep a pushed trace for those who will look the number up; which of its scans are new."""
        trace = pushed.trace
        before = await self._register.pushes.traces(pushed.asked, trace.waybill)
        known = {(scan.at, scan.code) for kept in before for scan in kept.scans}
        await self._register.pushes.keep(pushed.asked, trace, replaces=pushed.replaces, now=now)
        # One that broke off may have kept its scans without telling anybody.
        known = set() if journaled.unfinished else known
        return [scan for scan in trace.scans if (scan.at, scan.code) not in known]

    async def _tell(self, vendor: str, pushed: Pushed, scans: list[Scan], key: str) -> list[str]:
        """Give new scans to the orders that use the number; those that took them."""
        took = []
        for claimant in await self._claimants(pushed) if scans else []:
            try:
                for start in range(0, len(scans), SCANS_A_COMMAND):
                    part = scans[start : start + SCANS_A_COMMAND]
                    command = _command(vendor, claimant, pushed.trace.waybill, part, f"push-{vendor}-{key}-{start}")
                    await self._report(claimant.order_id, command)
            except Refused:
                continue  # it ended meanwhile; the scans are kept
            took.append(claimant.order_id)
        return took

    async def _claimants(self, pushed: Pushed) -> list[Claimant]:
        """The orders whose parcel it may be: under either carrier, or under one that hardly printed this number."""
        trace = pushed.trace
        return [
            claimant
            for claimant in await self._register.claims.claimants(trace.waybill)
            if claimant.carrier == pushed.asked or CARRIERS.may_be(claimant.carrier, trace.carrier, trace.waybill)
        ]


def _refused(reader: PushReader, body: bytes, headers: Mapping[str, str]) -> PushOutcome | None:
    if len(body) > LARGEST_PUSH:
        return "too_large"
    return None if reader.verified(body, headers) else "wrong_signature"


def _summary(content: PushContent) -> str:
    """The numbers that a push is about, and what of it could not be read; both have their room."""
    numbers = ", ".join(dict.fromkeys(f"{pushed.asked} {pushed.trace.waybill}" for pushed in content.parcels))
    if not content.unread:
        return numbers[:_LONGEST_DETAIL]
    unread = f"{len(content.unread)} not read: {'; '.join(content.unread)}"[: _LONGEST_DETAIL // 2]
    return f"{numbers[: _LONGEST_DETAIL // 2 - 2]}; {unread}" if numbers else unread


def _digest(body: bytes, headers: Mapping[str, str]) -> str:
    """One push, one digest. A signature in a header counts: a forged one must not stand in the way of the true one."""
    signature = headers.get("x-hmac-signature", "").encode(errors="replace")
    return hashlib.sha256(body + b"\0" + signature).hexdigest()


def _command(vendor: str, claimant: Claimant, waybill: str, scans: list[Scan], command_id: str) -> dict[str, Any]:
    return {
        "command_id": command_id,
        "actor": {"role": "carrier", "id": vendor},
        "carrier": claimant.carrier,
        "waybill": waybill,
        "scans": [scan.model_dump(mode="json", exclude_none=True) for scan in scans],
        "provider": vendor,
    }


def _answer(
    reader: PushReader,
    now: datetime,
    outcome: PushOutcome,
    detail: str,
    orders: tuple[str, ...] = (),
    *,
    repeated: bool = False,
) -> PushAnswer:
    taken = outcome not in _STATUS
    return PushAnswer(
        status=_STATUS.get(outcome, 200),
        body=reader.acknowledge(now, taken=taken, why="" if taken else outcome.replace("_", " ")),
        outcome=outcome,
        detail=detail,
        orders=orders,
        repeated=repeated,
    )
