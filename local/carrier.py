"""The stand-in carrier: it knows only the parcels and scans that it was given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from core.fields import Message
from core.messages import Scan
from local.journal import Store

ParcelAnswer = Literal["no_trace", "unknown_carrier", "bad_number"]

_PARCELS = """
CREATE TABLE IF NOT EXISTS parcels (
    carrier TEXT NOT NULL, waybill TEXT NOT NULL,
    phone_last4 TEXT, answer TEXT, frozen_after INTEGER,
    PRIMARY KEY (carrier, waybill)
)
"""
_SUBSCRIPTIONS = """
CREATE TABLE IF NOT EXISTS subscriptions (
    carrier TEXT NOT NULL, waybill TEXT NOT NULL, callback TEXT NOT NULL, salt TEXT NOT NULL,
    PRIMARY KEY (carrier, waybill)
)
"""
_SCANS = """
CREATE TABLE IF NOT EXISTS scans (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    carrier TEXT NOT NULL, waybill TEXT NOT NULL, at TEXT NOT NULL, code TEXT NOT NULL, scan TEXT NOT NULL,
    UNIQUE (carrier, waybill, at, code)
)
"""


class Track(Message):
    """A question: where is this parcel?"""

    carrier: str
    waybill: str
    phone_last4: str | None = None


class NewScans(Message):
    """Scans of a parcel, added to the known ones. With `phone_last4` only a query with these digits gets an answer."""

    carrier: str
    waybill: str
    scans: Annotated[tuple[Scan, ...], Field(max_length=2000)] = ()
    phone_last4: str | None = None


class Freeze(Message):
    """From now on the parcel's new scans are not shown; `frozen` false shows them all again."""

    carrier: str
    waybill: str
    frozen: bool = True


class Mark(Message):
    """Give this answer for a parcel, regardless of its scans; null: answer by the scans again."""

    carrier: str
    waybill: str
    answer: ParcelAnswer | None = None


class Interval(Message):
    """The seconds within which a second query locks a number; 0 locks none."""

    seconds: Annotated[float, Field(ge=0, le=86400)]


class CarrierDesk:
    """Registers parcels and answers queries about them."""

    def __init__(self, folder: Path) -> None:
        self._store = Store(folder / "carrier.db", _PARCELS, _SCANS, _SUBSCRIPTIONS)

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def add(self, given: NewScans) -> dict[str, Any]:
        """Register the parcel and append scans; a scan with a known time and code is a repeat."""
        with self._store.transaction():
            self._register(given.carrier, given.waybill)
            if given.phone_last4 is not None:
                self._set("phone_last4", given.phone_last4, given)
            for scan in given.scans:
                self._store.write(
                    "INSERT OR IGNORE INTO scans (carrier, waybill, at, code, scan) VALUES (?, ?, ?, ?, ?)",
                    *(given.carrier, given.waybill, scan.at.isoformat(), scan.code, scan.model_dump_json()),
                )
        return {"scans": len(self._scans(given.carrier, given.waybill, None))}

    def freeze(self, given: Freeze) -> dict[str, Any]:
        """Hide a parcel's new scans, or show all again."""
        last = self._store.row("SELECT coalesce(max(seq), 0) AS seq FROM scans")
        with self._store.transaction():
            self._register(given.carrier, given.waybill)
            self._set("frozen_after", last["seq"] if given.frozen and last else None, given)
        return {"frozen": given.frozen}

    def mark(self, given: Mark) -> dict[str, Any]:
        """Set the answer for a parcel."""
        with self._store.transaction():
            self._register(given.carrier, given.waybill)
            self._set("answer", given.answer, given)
        return {"answer": given.answer}

    def track(self, asked: Track, *, stale: bool = False) -> dict[str, Any]:
        """All scans of a parcel, ascending; `stale` leaves the last one out, as a slow replica does."""
        parcel = self._store.row(
            "SELECT * FROM parcels WHERE carrier = ? AND waybill = ?", asked.carrier, asked.waybill
        )
        if parcel is None:
            return {"status": "no_trace", "waybill": asked.waybill}
        if parcel["answer"] is not None:
            return {"status": parcel["answer"], "waybill": asked.waybill}
        if parcel["phone_last4"] not in (None, asked.phone_last4):
            # As carriers that want digits do: without the right ones they answer "no trace".
            return {"status": "no_trace", "waybill": asked.waybill, "detail": "wrong or no phone digits"}
        scans = self._scans(asked.carrier, asked.waybill, parcel["frozen_after"])
        scans = scans[:-1] if stale else scans
        return {"status": "found" if scans else "no_trace", "waybill": asked.waybill, "scans": scans}

    def scans(self, carrier: str, waybill: str) -> list[dict[str, Any]]:
        """The visible scans of a parcel, ascending."""
        parcel = self._store.row("SELECT frozen_after FROM parcels WHERE carrier = ? AND waybill = ?", carrier, waybill)
        return self._scans(carrier, waybill, parcel["frozen_after"]) if parcel is not None else []

    # --- subscriptions ---

    def subscribe(self, carrier: str, waybill: str, callback: str, salt: str) -> bool:
        """Note a subscription; False if there was one."""
        known = self.subscription(waybill) is not None
        with self._store.transaction():
            self._store.write(
                "INSERT OR IGNORE INTO subscriptions (carrier, waybill, callback, salt) VALUES (?, ?, ?, ?)",
                *(carrier, waybill, callback, salt),
            )
        return not known

    def subscription(self, waybill: str) -> dict[str, Any] | None:
        """Carrier, callback and salt of a number's subscription; None if there is none."""
        row = self._store.row("SELECT * FROM subscriptions WHERE waybill = ?", waybill)
        return None if row is None else dict(row)

    def _register(self, carrier: str, waybill: str) -> None:
        self._store.write("INSERT OR IGNORE INTO parcels (carrier, waybill) VALUES (?, ?)", carrier, waybill)

    def _set(self, column: str, value: str | int | None, given: NewScans | Freeze | Mark) -> None:
        self._store.write(
            f"UPDATE parcels SET {column} = ? WHERE carrier = ? AND waybill = ?", value, given.carrier, given.waybill
        )

    def _scans(self, carrier: str, waybill: str, frozen_after: int | None) -> list[dict[str, Any]]:
        rows = self._store.rows(
            "SELECT seq, scan FROM scans WHERE carrier = ? AND waybill = ? ORDER BY seq", carrier, waybill
        )
        shown = [
            Scan.model_validate_json(row["scan"]) for row in rows if frozen_after is None or row["seq"] <= frozen_after
        ]
        return [scan.model_dump(mode="json", exclude_none=True) for scan in sorted(shown, key=lambda scan: scan.at)]
