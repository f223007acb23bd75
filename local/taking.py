"""What the stand-in channel takes: a buyer's money once more (charges), and the seller's for a buyer (chargebacks).

A charge happens once under a key. The beginning of its payment's reference decides its outcome, unless a plan does:

    poor-…     the buyer's account is empty (INSUFFICIENT_FUNDS)
    asked-…    the buyer is asked, and pays at the third query
    mute-…     it happens, but the request and two queries get no answer
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from core.fields import AmountMinor, AmountOrZero, Message, Reference, Time
from local.journal import JournaledStore, utc_now

Answer = tuple[int, dict[str, Any]]
Outcome = Literal["arrived", "processing", "refused", "unknown"]
_CHARGES = """
CREATE TABLE IF NOT EXISTS charges (
    key TEXT PRIMARY KEY, payment_reference TEXT NOT NULL, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL,
    reason TEXT NOT NULL, state TEXT NOT NULL, reference TEXT NOT NULL, code TEXT, looks_left INTEGER NOT NULL,
    silent_looks INTEGER NOT NULL
)
"""
_CHARGEBACKS = """
CREATE TABLE IF NOT EXISTS chargebacks (
    case_reference TEXT NOT NULL, kind TEXT NOT NULL, payment_reference TEXT NOT NULL, amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (case_reference, kind)
)
"""
TABLES = (_CHARGES, _CHARGEBACKS)
LOOKS = 2
"""Queries before a charge that is in progress ends, or before one that is silent is answered."""
_BY_REFERENCE: Mapping[str, Outcome] = {"poor-": "refused", "asked-": "processing", "mute-": "unknown"}


class NewChargeback(Message):
    """The channel takes a payment back for its customer, or has decided about it for the seller (`won`)."""

    case_reference: Reference
    payment_reference: Reference
    outcome: Literal["opened", "won"] = "opened"
    amount_minor: AmountMinor
    fee_minor: AmountOrZero = 0
    currency: str = Field(default="CNY", pattern=r"^[A-Z]{3}$")
    at: Time | None = None


class ChargePlan(Message):
    """The outcome of charges of a payment: `match` is its reference."""

    match: Annotated[str, Field(min_length=1, max_length=255)]
    outcome: Outcome


class Taking:
    """Charges and chargebacks, in the channel's own file."""

    def __init__(self, store: JournaledStore) -> None:
        self._store = store

    # --- charges ---

    def charge(self, given: Mapping[str, Any]) -> Answer:
        """Charge once under a key: a repeat gets the present state, other content gets 409."""
        known = self._charge(given["key"])
        if known is not None:
            if any(known[name] != value for name, value in given.items()):
                return 409, {"code": "KEY_REUSED", "message": "another charge has this key"}
            return self._shown(known)
        outcome = self._outcome(given["payment_reference"])
        state = {"unknown": "arrived"}.get(outcome, outcome)
        with self._store.transaction():
            self._store.write(
                "INSERT INTO charges (key, payment_reference, amount_minor, currency, reason, state, reference, code,"
                " looks_left, silent_looks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *(given[name] for name in ("key", "payment_reference", "amount_minor", "currency", "reason")),
                *(state, f"CH{secrets.token_hex(8)}", "INSUFFICIENT_FUNDS" if state == "refused" else None),
                *(LOOKS, LOOKS + 1 if outcome == "unknown" else 0),
            )
            if state == "arrived":
                self._journal(given["key"])
        return self._answer(given["key"])

    def charge_status(self, key: str, *, stale: bool = False) -> Answer:
        """The state of a charge. Each query brings its end nearer."""
        known = None if stale else self._charge(key)
        if known is None:
            return 404, {"code": "CHARGE_UNKNOWN", "message": "no such charge"}
        if known["state"] == "processing":
            with self._store.transaction():
                ends = known["looks_left"] == 0
                self._store.write(
                    "UPDATE charges SET looks_left = looks_left - 1, state = ? WHERE key = ?",
                    *("arrived" if ends else "processing", key),
                )
                if ends:
                    self._journal(key)
        return self._answer(key)

    def subjects(self, key: str) -> tuple[str, ...]:
        """A charge's other name: its payment's reference."""
        known = self._charge(key)
        return (known["payment_reference"],) if known else ()

    def plan(self, given: ChargePlan) -> Answer:
        """Set the outcome of later charges."""
        self._store.write("INSERT OR REPLACE INTO plans VALUES (?, ?)", f"charge {given.match}", given.outcome)
        return 200, {"match": given.match}

    def _outcome(self, reference: str) -> Outcome:
        row = self._store.row("SELECT plan FROM plans WHERE subject = ?", f"charge {reference}")
        if row is not None:
            return ChargePlan(match=reference, outcome=row["plan"]).outcome
        return next((out for begin, out in _BY_REFERENCE.items() if reference.startswith(begin)), "arrived")

    def _charge(self, key: str) -> dict[str, Any] | None:
        return self._store.row("SELECT * FROM charges WHERE key = ?", key)

    def _answer(self, key: str) -> Answer:
        known = self._charge(key)
        assert known is not None  # the caller has just written or read it
        if known["silent_looks"]:
            self._store.write("UPDATE charges SET silent_looks = silent_looks - 1 WHERE key = ?", key)
            return 503, {"code": "TRY_LATER", "message": "as planned"}
        return self._shown(known)

    def _shown(self, charge: Mapping[str, Any]) -> Answer:
        shown = ("key", "state", "amount_minor", "currency", "reference", "code")
        return 200, {name: charge[name] for name in shown if charge[name] is not None}

    def _journal(self, key: str) -> None:
        charge = self._charge(key)
        assert charge is not None  # written in this very transaction
        self._store.journal(
            "charge",
            key=key,
            subject=charge["payment_reference"],
            amount_minor=charge["amount_minor"],
            currency=charge["currency"],
        )

    # --- chargebacks ---

    def charge_back(self, given: NewChargeback) -> Answer:
        """Take a payment back, with a fee, or give it back again; a repeat changes nothing."""
        kinds = {"chargeback": given.amount_minor, "chargeback_fee": given.fee_minor}
        if given.outcome == "won":
            kinds = {"chargeback_won": given.amount_minor}
        at = given.at.isoformat() if given.at is not None else utc_now()
        with self._store.transaction():
            for kind, amount in kinds.items():
                if amount:
                    self._store.write(
                        "INSERT OR IGNORE INTO chargebacks VALUES (?, ?, ?, ?, ?, ?)",
                        *(given.case_reference, kind, given.payment_reference, amount, given.currency, at),
                    )
        return 200, {"case_reference": given.case_reference}

    def lines(self) -> Iterator[dict[str, Any]]:
        """The chargebacks as lines of the channel's statement, oldest first."""
        for row in self._store.rows("SELECT rowid, * FROM chargebacks ORDER BY rowid"):
            yield {
                "line_id": f"D-{row['rowid']}",
                "kind": row["kind"],
                "key": row["case_reference"],
                "reference": row["payment_reference"],
                "amount_minor": row["amount_minor"],
                "fee_minor": 0,
                "currency": row["currency"],
                "at": row["at"],
            }
