"""The faults of the stand-ins: how they misbehave on request.

A fault names where (`on`, `verb`, `match`), what (`kind`) and how often (`times`, or by chance with `rate` and `seed`).
Faults are on disk, so that a fault that kills the process does not kill it again after the restart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from local.journal import Store

Side = Literal["carrier", "channel", "bank"]
Verb = Literal[
    "track",
    "subscribe",
    "payment",
    "refund",
    "refund_status",
    "charge",
    "charge_status",
    "payout",
    "payout_status",
    "callback",
    "statement",
]
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
    "wrong_amount",  # act, then answer with another amount
    "wrong_key",  # act, then answer about another key
    "unsigned",  # act, then answer without a signature
    "wrong_signature",  # act, then answer with a wrong signature
    "stale_lookup",  # a query that misses the latest change; a trace without its last scan
    "callback_lost",  # the bank never calls back about it
    "callback_twice",  # it calls back twice
    "callback_late",  # it calls back `seconds` later, after later events
]

_ACTS: frozenset[Verb] = frozenset({"refund", "charge", "payout"})
_LOOK_UPS: frozenset[Verb] = frozenset({"track", "refund_status", "charge_status", "payout_status"})
_OF_ACTS: frozenset[Kind] = frozenset(
    {"status_before_effect", "status_after_effect", "cut_before_effect", "cut", "die", "wrong_amount"}
)
_OF_CALLBACKS: frozenset[Kind] = frozenset({"callback_lost", "callback_twice", "callback_late"})


class Fault(BaseModel):
    """One way to misbehave.

    Without `verb`, kinds about an effect meet refunds, charges and payouts (and every request to the carrier, which has
    no effects), a stale look-up meets queries, kinds of callbacks meet callbacks, and all others meet the next request.
    `match` is a waybill, a payment's reference, a key, a payee's token or last four digits, or "*". `times` None has no
    end; the default is 1, or no end with a `rate`.
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
        """Whether it applies to this request."""
        if self.on not in ("*", on) or (self.match != "*" and self.match not in subjects):
            return False
        if (verb == "callback") != (self.kind in _OF_CALLBACKS):
            return False
        if self.verb is not None:
            return self.verb == verb
        if verb == "subscribe":
            return False  # only if it is named: faults of a carrier are about its answers
        if self.kind == "stale_lookup":
            return verb in _LOOK_UPS
        return self.kind not in _OF_ACTS or verb in _ACTS or on == "carrier"

    def by_chance(self, subject: str, nth: int) -> bool:
        """Whether it strikes the nth request of a subject: the same for the same seed, in any order of requests."""
        if self.rate is None:
            return True
        digest = hashlib.sha256(f"{self.seed}/{self.kind}/{subject}/{nth}".encode()).digest()
        return int.from_bytes(digest[:8], "big") < self.rate * 2**64


class Faults:
    """The pending faults, and counts of each kind of request and of each kind of fault that struck."""

    def __init__(self, folder: Path) -> None:
        self._store = Store(
            folder / "faults.db",
            "CREATE TABLE IF NOT EXISTS faults"
            " (number INTEGER PRIMARY KEY AUTOINCREMENT, fault TEXT NOT NULL, times_left INTEGER)",
        )
        # On disk: chance depends on how often a subject was queried, and must continue after a killed process.
        self._counts = Store(
            folder / "counts.db",
            "CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, n INTEGER NOT NULL)",
            through=False,
        )
        self._waiting: dict[int, tuple[Fault, int | None]] = {
            row["number"]: (Fault.model_validate_json(row["fault"]), row["times_left"])
            for row in self._store.rows("SELECT * FROM faults ORDER BY number")
        }

    def close(self) -> None:
        """Close the files."""
        self._store.close()
        self._counts.close()

    def add(self, fault: Fault) -> int:
        """Add a fault; returns its number."""
        self._store.write("INSERT INTO faults (fault, times_left) VALUES (?, ?)", fault.model_dump_json(), fault.times)
        row = self._store.row("SELECT max(number) AS number FROM faults")
        number = int(row["number"]) if row else 0
        self._waiting[number] = (fault, fault.times)
        return number

    def all(self) -> list[dict[str, object]]:
        """The pending faults, with what is left of each."""
        return [
            {"number": number, "times_left": left, **fault.model_dump()}
            for number, (fault, left) in self._waiting.items()
        ]

    def clear(self) -> None:
        """Remove all faults."""
        self._store.write("DELETE FROM faults")
        self._counts.write("DELETE FROM counts WHERE name LIKE 'nth/%'")
        self._waiting.clear()

    def tally(self) -> dict[str, int]:
        """`asked/SIDE/VERB` and `struck/SIDE/VERB/KIND` with counts since the folder was made."""
        rows = self._counts.rows("SELECT name, n FROM counts WHERE name NOT LIKE 'nth/%' ORDER BY name")
        return {row["name"]: row["n"] for row in rows}

    def take(self, on: Side, verb: Verb, subjects: frozenset[str], about: str = "") -> Fault | None:
        """The first fault that strikes this request; it is used up before it strikes.

        Args:
            about: the subject that chance depends on, if others differ in every run; by default all of them.
        """
        name = f"{on}/{verb}/{about or '/'.join(sorted(subjects))}"
        self._count(f"asked/{on}/{verb}")
        nth = self._count(f"nth/{name}") if self._waiting else 0
        for number, (fault, left) in list(self._waiting.items()):
            if fault.meets(on, verb, subjects) and fault.by_chance(name, nth):
                self._use(number, fault, left)
                self._count(f"struck/{on}/{verb}/{fault.kind}")
                return fault
        return None

    def _count(self, name: str) -> int:
        """Increase a count; returns the new one."""
        self._counts.write(
            "INSERT INTO counts VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET n = counts.n + 1",
            name,
        )
        row = self._counts.row("SELECT n FROM counts WHERE name = ?", name)
        assert row is not None  # written just now
        return int(row["n"])

    def _use(self, number: int, fault: Fault, left: int | None) -> None:
        if left is None:
            return
        if left > 1:
            self._waiting[number] = (fault, left - 1)
            self._store.write("UPDATE faults SET times_left = ? WHERE number = ?", left - 1, number)
        else:
            del self._waiting[number]
            self._store.write("DELETE FROM faults WHERE number = ?", number)


def about_another(answer: Any, names: Collection[str]) -> Any:
    """An answer in which the fields of these names, at any depth, name another thing."""
    if isinstance(answer, Mapping):
        return {name: "other" if name in names else about_another(value, names) for name, value in answer.items()}
    if isinstance(answer, list | tuple):
        return [about_another(one, names) for one in answer]
    return answer
