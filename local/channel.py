"""The stand-in payment channel: it knows payments, and refunds once under each key.

So that any storefront can try the stack, it accepts an unknown payment at the first query, with the queried amount and
currency, and remembers it. The beginning of a payment's reference decides the outcome:

    forged…    the channel does not know it
    unpaid…    it was never paid
    slow-…     its refunds are in progress for two queries
    lost-…     its refunds happen, but the request and two queries get no answer
    refuse-…   its refunds are refused (PAYER_ACCOUNT_CLOSED)

A plan (`POST /channel/plans`) decides the same for any reference or key.

It settles on request (`POST /channel/settle`): payments less refunds and less its fee go to the bank. Its statement
(`GET /channel/statement`) has all of it.
"""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from core.fields import AmountMinor, Currency, Message, Time
from core.money import MAX_AMOUNT_MINOR
from local.journal import JournaledStore, utc_now
from local.statements import StatementQuestion, page
from local.taking import TABLES, Taking

Answer = tuple[int, dict[str, Any]]
Key = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9]{1,32}$")]
Outcome = Literal["arrived", "processing", "refused", "unknown"]

_PAYMENTS = """
CREATE TABLE IF NOT EXISTS payments (
    reference TEXT PRIMARY KEY, state TEXT NOT NULL, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL,
    paid_at TEXT NOT NULL
)
"""
_REFUNDS = """
CREATE TABLE IF NOT EXISTS refunds (
    key TEXT PRIMARY KEY, payment_reference TEXT NOT NULL, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL,
    reason TEXT NOT NULL, state TEXT NOT NULL, reference TEXT NOT NULL, code TEXT, message TEXT,
    looks_left INTEGER, silent_looks INTEGER NOT NULL DEFAULT 0
)
"""
_REFUNDS_OF_A_PAYMENT = "CREATE INDEX IF NOT EXISTS refunds_of_a_payment ON refunds (payment_reference)"
_SETTLEMENTS = """
CREATE TABLE IF NOT EXISTS settlements (
    settlement_id TEXT PRIMARY KEY, currency TEXT NOT NULL, gross_minor INTEGER NOT NULL, fee_minor INTEGER NOT NULL,
    at TEXT NOT NULL
)
"""
_SETTLED = "CREATE TABLE IF NOT EXISTS settled (line_id TEXT PRIMARY KEY, settlement_id TEXT NOT NULL)"
_CHANNELS = "CREATE TABLE IF NOT EXISTS channels (subject TEXT PRIMARY KEY, channel TEXT NOT NULL)"
"""Which channel a payment or settlement belongs to: a payment to the one by whose name it is asked for first."""
_PLANS = "CREATE TABLE IF NOT EXISTS plans (subject TEXT PRIMARY KEY, plan TEXT NOT NULL)"


class PaymentQuestion(Message):
    """Is this payment known, and what was paid?"""

    reference: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    amount_minor: Annotated[int, Field(ge=1, le=MAX_AMOUNT_MINOR)] | None = None
    currency: Currency | None = None
    channel: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None


class NewPayment(Message):
    """A payment that the channel knows from now on."""

    reference: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    state: Literal["paid", "unpaid"] = "paid"
    amount_minor: AmountMinor
    currency: Currency
    paid_at: Time | None = None


class NewRefund(Message):
    """An instruction to refund."""

    key: Key
    payment_reference: str
    amount_minor: AmountMinor
    currency: Currency
    reason: str = ""


class RefundPlan(Message):
    """The outcome of refunds of a payment (or under a key): `match`. `looks` null: it stays open until `finish`."""

    match: str
    outcome: Outcome
    looks: Annotated[int, Field(ge=0)] | None = 2
    code: str = "PAYER_ACCOUNT_CLOSED"
    message: str = "as planned"


class FinishRefund(Message):
    """The end of a refund that is in progress."""

    key: Key
    state: Literal["arrived", "refused"] = "arrived"
    code: str | None = None


class Settle(Message):
    """The channel settles what it holds, less its fee on the payments."""

    fee_bps: Annotated[int, Field(ge=0, le=10_000)] = 60


_LISTED = {"refund": "refund", "charge": "payment"}
"""How a statement lists each effect: a buyer who was charged has paid, under the charge's key."""
_BY_REFERENCE: dict[str, Outcome] = {"slow-": "processing", "lost-": "unknown", "refuse-": "refused"}


class ChannelDesk:
    """Answers for payments and executes refunds; every effect is journaled in the transaction that makes it."""

    def __init__(self, folder: Path) -> None:
        schema = (_PAYMENTS, _REFUNDS, _REFUNDS_OF_A_PAYMENT, _SETTLEMENTS, _SETTLED, _CHANNELS, _PLANS, *TABLES)
        self._store = JournaledStore(folder / "channel.db", *schema)
        self.taking = Taking(self._store)

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def effects(self) -> list[dict[str, Any]]:
        """The journal."""
        return self._store.effects()

    # --- payments ---

    def payment(self, asked: PaymentQuestion) -> Answer:
        """A known payment; an unknown one is accepted."""
        known = self._payment(asked.reference)
        believable = asked.amount_minor is not None and asked.currency is not None
        if known is None and believable and not asked.reference.startswith("forged"):
            state: Literal["paid", "unpaid"] = "unpaid" if asked.reference.startswith("unpaid") else "paid"
            self.register(NewPayment(**{**asked.model_dump(exclude={"channel"}), "state": state}))
            known = self._payment(asked.reference)
        if known is None:
            return 404, {"code": "PAYMENT_UNKNOWN", "message": "no such payment"}
        if asked.channel is not None:
            self._store.write("INSERT OR IGNORE INTO channels VALUES (?, ?)", asked.reference, asked.channel)
        return 200, known

    def register(self, given: NewPayment) -> Answer:
        """Remember a payment, in place of its earlier state."""
        self._store.write(
            "INSERT OR REPLACE INTO payments (reference, state, amount_minor, currency, paid_at)"
            " VALUES (?, ?, ?, ?, ?)",
            *(given.reference, given.state, given.amount_minor, given.currency),
            given.paid_at.isoformat() if given.paid_at else utc_now(),
        )
        return 200, {"reference": given.reference}

    def _payment(self, reference: str) -> dict[str, Any] | None:
        known = self._store.row("SELECT * FROM payments WHERE reference = ?", reference)
        return None if known is None else {**known, "refunded_minor": self._given_back(reference)}

    def _given_back(self, reference: str) -> int:
        """The sum of refunds that arrived or are in progress."""
        row = self._store.row(
            "SELECT coalesce(sum(amount_minor), 0) AS total FROM refunds"
            " WHERE payment_reference = ? AND state <> 'refused'",
            reference,
        )
        return int(row["total"]) if row else 0

    # --- settlements and the statement ---

    def settle(self, given: Settle) -> list[dict[str, Any]]:
        """Settle what was not settled yet, by channel and currency, if it is more than the refunds.

        Returns:
            All settlements, so that none is lost if the caller repeats the request.
        """
        done = {row["line_id"] for row in self._store.rows("SELECT line_id FROM settled")}
        parts: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for channel, line in self._moved():
            if line["kind"] != "settlement" and line["line_id"] not in done:
                parts.setdefault((channel or "", line["currency"]), []).append(line)
        for (channel, currency), lines in sorted(parts.items()):
            self._settle(lines, channel, currency, given.fee_bps)
        return self._store.rows("SELECT * FROM settlements ORDER BY at, settlement_id")

    def _settle(self, lines: list[dict[str, Any]], channel: str, currency: str, fee_bps: int) -> None:
        total = dict.fromkeys(("payment", "chargeback_won", "refund", "chargeback", "chargeback_fee"), 0)
        for line in lines:
            total[line["kind"]] += line["amount_minor"]
        paid = total["payment"]
        gone = total["refund"] + total["chargeback"] + total["chargeback_fee"]
        gross = paid + total["chargeback_won"] - gone
        fee = paid * fee_bps // 10_000
        if gross <= fee:
            return
        settlement_id = f"ST{secrets.token_hex(8)}"
        with self._store.transaction():
            self._store.write(
                "INSERT INTO settlements VALUES (?, ?, ?, ?, ?)", settlement_id, currency, gross, fee, utc_now()
            )
            if channel:
                self._store.write("INSERT INTO channels VALUES (?, ?)", settlement_id, channel)
            for line in lines:
                self._store.write("INSERT INTO settled VALUES (?, ?)", line["line_id"], settlement_id)

    def statement(self, asked: StatementQuestion) -> Answer:
        """The statement of a day: of one channel, or of all. What belongs to none yet stands in each."""
        lines = self._moved()
        return page(asked, [line for of, line in lines if asked.channel is None or of in (None, asked.channel)])

    def _moved(self) -> list[tuple[str | None, dict[str, Any]]]:
        """Each movement's line beside the channel that it belongs to, if that is known."""
        paid = self._store.rows("SELECT * FROM payments WHERE state = 'paid' ORDER BY rowid")
        settled = self._store.rows("SELECT * FROM settlements ORDER BY rowid")
        of = {row["subject"]: row["channel"] for row in self._store.rows("SELECT * FROM channels")}
        lines = [
            *(
                (key := one["reference"], _line("payment", f"P-{_short(key)}", key, one, one["paid_at"]))
                for one in paid
            ),
            *(
                (one["subject"], _line(_LISTED[one["effect"]], f"R-{one['seq']}", one["key"], one, one["at"]))
                for one in self.effects()
            ),
            *((line["reference"], line) for line in self.taking.lines()),
            *(
                (key := one["settlement_id"], _line("settlement", key, key, one, one["at"], one["gross_minor"]))
                for one in settled
            ),
        ]
        return [(of.get(subject), line) for subject, line in lines]

    # --- refunds ---

    def refund(self, given: NewRefund) -> Answer:
        """Refund once under a key: a repeat gets the present state, other content gets 409."""
        known = self._refund(given.key)
        if known is not None:
            same = all(known[name] == value for name, value in given.model_dump().items())
            return (
                self._shown(known) if same else (409, {"code": "KEY_REUSED", "message": "another refund has this key"})
            )
        plan = self._plan(given)
        refusal = self._why_not(given) or (plan.code if plan and plan.outcome == "refused" else None)
        state = "refused" if refusal else "processing" if plan and plan.outcome == "processing" else "arrived"
        silent = (plan.looks or 0) + 1 if plan and plan.outcome == "unknown" and not refusal else 0
        with self._store.transaction():
            self._store.write(
                "INSERT INTO refunds (key, payment_reference, amount_minor, currency, reason, state, reference, code,"
                " message, looks_left, silent_looks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *given.model_dump().values(),
                *(state, f"RF{secrets.token_hex(8)}", refusal, plan.message if refusal and plan else None),
                *(plan.looks if plan else None, silent),
            )
            if state == "arrived":
                self._journal(given.key)
        return self._answer(given.key)

    def refund_status(self, key: str, *, stale: bool = False) -> Answer:
        """The state of a refund. Each query brings a planned end nearer."""
        known = None if stale else self._refund(key)
        if known is None:
            return 404, {"code": "REFUND_UNKNOWN", "message": "no such refund"}
        if not known["silent_looks"] and known["state"] == "processing" and known["looks_left"] is not None:
            if known["looks_left"] == 0:
                self.finish(FinishRefund(key=key))
            else:
                self._store.write("UPDATE refunds SET looks_left = looks_left - 1 WHERE key = ?", key)
        return self._answer(key)

    def _answer(self, key: str) -> Answer:
        known = self._refund(key)
        assert known is not None  # the caller has just written or read it
        if known["silent_looks"]:
            self._store.write("UPDATE refunds SET silent_looks = silent_looks - 1 WHERE key = ?", key)
            return 503, {"code": "TRY_LATER", "message": "as planned"}
        return self._shown(known)

    def finish(self, given: FinishRefund) -> Answer:
        """End a refund that is in progress."""
        with self._store.transaction():
            ended = self._store.write(
                "UPDATE refunds SET state = ?, code = ? WHERE key = ? AND state = 'processing'",
                *(given.state, given.code, given.key),
            )
            if ended and given.state == "arrived":
                self._journal(given.key)
        return (200, {"key": given.key}) if ended else (404, {"code": "REFUND_UNKNOWN", "message": "none under way"})

    def subjects(self, key: str) -> tuple[str, ...]:
        """A refund's other name: its payment's reference."""
        known = self._refund(key)
        return (known["payment_reference"],) if known else ()

    def plan(self, given: RefundPlan) -> Answer:
        """Set the outcome of later refunds."""
        self._store.write("INSERT OR REPLACE INTO plans VALUES (?, ?)", given.match, given.model_dump_json())
        return 200, {"match": given.match}

    def _refund(self, key: str) -> dict[str, Any] | None:
        return self._store.row("SELECT * FROM refunds WHERE key = ?", key)

    def _plan(self, given: NewRefund) -> RefundPlan | None:
        for subject in (given.key, given.payment_reference, "*"):
            if row := self._store.row("SELECT plan FROM plans WHERE subject = ?", subject):
                return RefundPlan.model_validate_json(row["plan"])
        for prefix, outcome in _BY_REFERENCE.items():
            if given.payment_reference.startswith(prefix):
                return RefundPlan(match=given.payment_reference, outcome=outcome)
        return None

    def _why_not(self, given: NewRefund) -> str | None:
        payment = self._payment(given.payment_reference)
        if payment is None or payment["state"] != "paid":
            return "PAYMENT_UNKNOWN"
        if payment["currency"] != given.currency:
            return "WRONG_CURRENCY"
        over = payment["refunded_minor"] + given.amount_minor > payment["amount_minor"]
        return "MORE_THAN_PAID" if over else None

    def _journal(self, key: str) -> None:
        refund = self._refund(key)
        assert refund is not None  # written in this very transaction
        self._store.journal(
            "refund",
            key=key,
            subject=refund["payment_reference"],
            amount_minor=refund["amount_minor"],
            currency=refund["currency"],
        )

    def _shown(self, refund: dict[str, Any]) -> Answer:
        shown = ("key", "state", "amount_minor", "currency", "reference", "code", "message")
        return 200, {name: refund[name] for name in shown if refund[name] is not None}


def _short(reference: str) -> str:
    """A payment's reference as part of a line's id, which allows few characters."""
    return hashlib.sha256(reference.encode()).hexdigest()[:24]


def _line(
    kind: str, line_id: str, key: str, row: dict[str, Any], at: str, amount_minor: int | None = None
) -> dict[str, Any]:
    return {
        "line_id": line_id,
        "kind": kind,
        "key": key,
        "amount_minor": row["amount_minor"] if amount_minor is None else amount_minor,
        "fee_minor": row.get("fee_minor", 0),
        "currency": row["currency"],
        "at": at,
    }
