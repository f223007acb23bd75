"""How the stand-ins misbehave when they are told to.

A fault names where (`on`, `verb`, `match`), what (`kind`) and how often (`times`, or by chance with `rate` and `seed`).
Faults are on disk, so that one that kills the process does not kill it again after the restart.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from local.journal import Store

Side = Literal["carrier", "channel", "bank"]
Verb = Literal["track", "payment", "refund", "refund_status", "payout", "payout_status"]
Kind = Literal[
    "delay",  # wait `seconds`, then act and answer
    "slow_answer",  # act, wait `seconds`, then answer
    "status_before_effect",  # answer `status` and do nothing
    "status_after_effect",  # act, then answer `status`
    "cut_before_effect",  # cut the connection and do nothing
    "cut",  # act, then cut the connection
    "die",  # act, then the whole process is killed
    "html",  # act, then answer a web page with status 200
    "garbage",  # act, then answer half of the JSON
    "huge",  # act, then answer ten megabytes
    "wrong_types",  # act, then answer with every value in an array
    "wrong_amount",  # act, then tell another amount
    "wrong_key",  # act, then answer about somebody else's
    "stale_lookup",  # a look-up that does not know yet what happened; a trace without its last scan
]

_ACTS: frozenset[Verb] = frozenset({"refund", "payout"})
_LOOK_UPS: frozenset[Verb] = frozenset({"track", "refund_status", "payout_status"})
_OF_ACTS: frozenset[Kind] = frozenset(
    {"status_before_effect", "status_after_effect", "cut_before_effect", "cut", "die", "wrong_amount"}
)


class Fault(BaseModel):
    """One way to misbehave.

    Without `verb`, kinds that speak of an effect meet refunds and payouts (and every question to the carrier, who has
    no effects), a stale look-up meets look-ups, and all others meet whatever comes first. `match` is a waybill, a
    payment's reference, a key, a payee's token or last four digits, or "*". `times` None is for ever; it is 1 where
    nothing is said, and for ever with a `rate`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    on: Side | Literal["*"] = "*"
    verb: Verb | None = None
    match: str = "*"
    kind: Kind
    times: Annotated[int, Field(ge=1)] | None = None
    rate: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int = 0
    status: Annotated[int, Field(ge=200, le=599)] = 503
    seconds: Annotated[float, Field(ge=0, le=3600)] = 1.0
    retry_after_s: int | None = None

    @model_validator(mode="after")
    def _once_unless_said(self) -> Self:
        if self.times is None and self.rate is None and "times" not in self.model_fields_set:
            return self.model_copy(update={"times": 1})
        return self

    def meets(self, on: Side, verb: Verb, subjects: frozenset[str]) -> bool:
        """Whether it is about this request."""
        if self.on not in ("*", on) or (self.match != "*" and self.match not in subjects):
            return False
        if self.verb is not None:
            return self.verb == verb
        if self.kind == "stale_lookup":
            return verb in _LOOK_UPS
        return self.kind not in _OF_ACTS or verb in _ACTS or on == "carrier"

    def by_chance(self, subject: str, nth: int) -> bool:
        """Whether it strikes the nth request of a subject: the same with the same seed, in whatever order they come."""
        if self.rate is None:
            return True
        digest = hashlib.sha256(f"{self.seed}/{self.kind}/{subject}/{nth}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < self.rate * 2**64


class Faults:
    """The faults that wait to strike."""

    def __init__(self, folder: Path) -> None:
        self._store = Store(
            folder / "faults.db",
            "CREATE TABLE IF NOT EXISTS faults"
            " (number INTEGER PRIMARY KEY AUTOINCREMENT, fault TEXT NOT NULL, times_left INTEGER)",
        )
        self._waiting: dict[int, tuple[Fault, int | None]] = {
            row["number"]: (Fault.model_validate_json(row["fault"]), row["times_left"])
            for row in self._store.rows("SELECT * FROM faults ORDER BY number")
        }
        self._asked: dict[tuple[int, str], int] = {}

    def close(self) -> None:
        """Give the file back."""
        self._store.close()

    def add(self, fault: Fault) -> int:
        """Let it wait; its number."""
        self._store.write("INSERT INTO faults (fault, times_left) VALUES (?, ?)", fault.model_dump_json(), fault.times)
        row = self._store.row("SELECT max(number) AS number FROM faults")
        number = int(row["number"]) if row else 0
        self._waiting[number] = (fault, fault.times)
        return number

    def all(self) -> list[dict[str, object]]:
        """Those that still wait, with what is left of them."""
        return [
            {"number": number, "times_left": left, **fault.model_dump()}
            for number, (fault, left) in self._waiting.items()
        ]

    def clear(self) -> None:
        """Behave from now on."""
        self._store.write("DELETE FROM faults")
        self._waiting.clear()
        self._asked.clear()

    def take(self, on: Side, verb: Verb, subjects: frozenset[str]) -> Fault | None:
        """The first fault that strikes this request; it is used up before it strikes."""
        subject = "/".join(sorted(subjects))
        for number, (fault, left) in list(self._waiting.items()):
            if not fault.meets(on, verb, subjects):
                continue
            nth = self._asked[number, subject] = self._asked.get((number, subject), 0) + 1
            if fault.by_chance(f"{on}/{verb}/{subject}", nth):
                self._use(number, fault, left)
                return fault
        return None

    def _use(self, number: int, fault: Fault, left: int | None) -> None:
        if left is None:
            return
        if left > 1:
            self._waiting[number] = (fault, left - 1)
            self._store.write("UPDATE faults SET times_left = ? WHERE number = ?", left - 1, number)
        else:
            del self._waiting[number]
            self._store.write("DELETE FROM faults WHERE number = ?", number)
