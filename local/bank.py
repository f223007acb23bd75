"""The stand-in bank: it pays once under each key, and can refuse, delay, lose answers, and return money.

The beginning of a payee's token decides the outcome of a payout:

    refuse-…   it fails (ACCOUNT_CLOSED)
    slow-…     it is accepted, and paid after two queries
    lost-…     it is paid, but the request and two queries get no answer
    return-…   it is paid, and returned at the second query

A plan (`POST /bank/plans`) decides the same for any key, token or last four digits, and what follows later.

Like many banks it may remember a key only for some time (`POST /bank/window`): after that the same key pays again.
Payouts are reported in callbacks (`local.callbacks`), which a client fetches, and in the bank's statement (`GET
/bank/statement`), including the bank's own mistakes (`POST /bank/mistakes`).
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from core.fields import AmountMinor, Currency, Message
from local.callbacks import CALLBACKS, CallbackOutbox
from local.faults import Faults
from local.journal import JournaledStore
from local.statements import StatementQuestion, page

Answer = tuple[int, dict[str, Any]]
Key = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9]{1,32}$")]
Outcome = Literal["paid", "processing", "failed", "unknown", "returned"]

_PAYOUTS = """
CREATE TABLE IF NOT EXISTS payouts (
    key TEXT PRIMARY KEY, amount_minor INTEGER NOT NULL, currency TEXT NOT NULL,
    token TEXT NOT NULL, last4 TEXT, holder TEXT,
    state TEXT NOT NULL, reference TEXT NOT NULL, code TEXT, message TEXT,
    returned_minor INTEGER NOT NULL DEFAULT 0, returns INTEGER NOT NULL DEFAULT 0,
    looks_left INTEGER, silent_looks INTEGER NOT NULL DEFAULT 0
)
"""
_KEYS = "CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, token TEXT NOT NULL, at REAL NOT NULL)"
_WINDOW = "CREATE TABLE IF NOT EXISTS window (seconds REAL NOT NULL)"
_RETURNS = "CREATE TABLE IF NOT EXISTS returns_due (key TEXT PRIMARY KEY, at REAL NOT NULL, amount_minor INTEGER)"
_EVENTS = "CREATE TABLE IF NOT EXISTS line_events (seq INTEGER PRIMARY KEY, event_id TEXT NOT NULL)"
_PLANS = "CREATE TABLE IF NOT EXISTS plans (subject TEXT PRIMARY KEY, plan TEXT NOT NULL)"


class BankAccount(Message):
    """The account that gets the money."""

    token: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=128)]
    last4: str | None = None
    holder: str | None = None


class NewPayout(Message):
    """An instruction to pay."""

    key: Key
    amount_minor: AmountMinor
    currency: Currency
    account: BankAccount


class PayoutPlan(Message):
    """The outcome of payouts to an account (or under a key): `match`. `looks` null: it stays open until `finish`.

    `then`: the end of a processing payout after its queries. `return_after_s`: the paid amount, or `return_minor` of
    it, is returned that much later.
    """

    match: str
    outcome: Outcome
    looks: Annotated[int, Field(ge=0)] | None = 2
    code: str = "ACCOUNT_CLOSED"
    message: str = "as planned"
    then: Literal["paid", "failed"] = "paid"
    return_after_s: Annotated[float, Field(ge=0)] | None = None
    return_minor: AmountMinor | None = None


class FinishPayout(Message):
    """The end of a payout that was accepted."""

    key: Key
    state: Literal["paid", "failed"] = "paid"
    code: str | None = None


class ReturnPayout(Message):
    """A paid payout comes back, all of it or a part."""

    key: Key
    amount_minor: AmountMinor | None = None


class KeyWindow(Message):
    """How long the bank remembers a key; null: always."""

    seconds: Annotated[float, Field(ge=0)] | None = None


class Mistake(Message):
    """Money that the bank moves without an instruction, under its own key or another's; `return` brings it back."""

    effect: Literal["payout", "return"] = "payout"
    key: Key
    amount_minor: AmountMinor
    currency: Currency
    token: str = "mistake"


class Funding(Message):
    """Money that arrives for us: a channel's settlement."""

    key: Key
    amount_minor: AmountMinor
    currency: Currency


_BY_TOKEN: dict[str, Outcome] = {"refuse-": "failed", "slow-": "processing", "lost-": "unknown", "return-": "returned"}


class BankDesk:
    """Executes payouts; every effect is journaled in the transaction that makes it."""

    def __init__(self, folder: Path, faults: Faults) -> None:
        schema = (_PAYOUTS, _PLANS, _KEYS, _WINDOW, _RETURNS, _EVENTS, *CALLBACKS)
        self._store = JournaledStore(folder / "bank.db", *schema)
        self.callbacks = CallbackOutbox(self._store, faults)

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def effects(self) -> list[dict[str, Any]]:
        """The journal."""
        return self._store.effects()

    def pay(self, given: NewPayout) -> Answer:
        """Pay once under a key: a repeat gets the present state, other content gets 409.

        This is so as long as the bank remembers the key.
        """
        known = self._remembered(given.key)
        if known is not None:
            same = self._content(given) == {name: known[name] for name in self._content(given)}
            return (
                self._shown(known) if same else (409, {"code": "KEY_REUSED", "message": "another payout has this key"})
            )
        plan = self._plan(given)
        outcome = plan.outcome if plan else "paid"
        state = {"processing": "accepted", "failed": "failed"}.get(outcome, "paid")
        with self._store.transaction():
            self._store.write(
                "INSERT OR REPLACE INTO payouts (key, amount_minor, currency, token, last4, holder, state, reference,"
                " code, message, looks_left, returns, silent_looks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                *self._content(given).values(),
                *(state, f"PO{secrets.token_hex(8)}"),
                *((plan.code, plan.message) if plan and state == "failed" else (None, None)),
                *(plan.looks if plan else None, outcome == "returned"),
                (plan.looks or 0) + 1 if plan and outcome == "unknown" else 0,
            )
            self._store.write(
                "INSERT OR REPLACE INTO keys VALUES (?, ?, ?)", given.key, given.account.token, time.time()
            )
            if state == "paid":
                self._journal("payout", given.key, given.amount_minor)
                self._plan_return(given.key, plan)
            elif state == "failed":
                self._call_back("failed", given.key, given.amount_minor)
        return self._answer(given.key)

    def remember(self, given: NewPayout) -> None:
        """Remember the payee of a key, even if the request fails."""
        self._store.write("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", given.key, given.account.token, time.time())

    def about(self, key: str) -> str:
        """The payee's token of a known key, or else the key."""
        row = self._store.row("SELECT token FROM keys WHERE key = ?", key)
        return str(row["token"]) if row else key

    def remember_for(self, given: KeyWindow) -> Answer:
        """Set how long a key is remembered."""
        with self._store.transaction():
            self._store.write("DELETE FROM window")
            if given.seconds is not None:
                self._store.write("INSERT INTO window VALUES (?)", given.seconds)
        return 200, {"seconds": given.seconds}

    def due_callbacks(self) -> Answer:
        """The callbacks to deliver now. Returns that are due happen first."""
        for row in self._store.rows("SELECT key, amount_minor FROM returns_due WHERE at <= ?", time.time()):
            self.give_back(ReturnPayout(key=row["key"], amount_minor=row["amount_minor"]))
        return 200, self.callbacks.due()

    def status(self, key: str, *, stale: bool = False) -> Answer:
        """The state of a payout. Each query brings its planned end nearer."""
        known = None if stale else self._payout(key)
        if known is None:
            return 404, {"code": "PAYOUT_UNKNOWN", "message": "no such payout"}
        if not known["silent_looks"] and known["looks_left"] is not None:
            self._look(known)
        return self._answer(key)

    def _look(self, known: dict[str, Any]) -> None:
        """Count down the queries; at zero the plan is carried out."""
        key, left = known["key"], known["looks_left"]
        due = left == 0 if known["state"] == "accepted" else left <= 1
        if not due:
            self._store.write("UPDATE payouts SET looks_left = looks_left - 1 WHERE key = ?", key)
        elif known["state"] == "accepted":
            plan = self._plan_of(key, known["token"], known["last4"])
            then = plan.then if plan else "paid"
            self.finish(FinishPayout(key=key, state=then, code=plan.code if plan and then == "failed" else None))
        elif known["state"] == "paid" and known["returns"]:
            self.give_back(ReturnPayout(key=key))

    def _answer(self, key: str) -> Answer:
        known = self._payout(key)
        assert known is not None  # the caller has just written or read it
        if known["silent_looks"]:
            self._store.write("UPDATE payouts SET silent_looks = silent_looks - 1 WHERE key = ?", key)
            return 503, {"code": "TRY_LATER", "message": "as planned"}
        return self._shown(known)

    def finish(self, given: FinishPayout) -> Answer:
        """End a payout that was accepted."""
        with self._store.transaction():
            ended = self._store.write(
                "UPDATE payouts SET state = ?, code = ? WHERE key = ? AND state = 'accepted'",
                *(given.state, given.code, given.key),
            )
            if ended and given.state == "paid":
                self._journal("payout", given.key, None)
                self._plan_return(given.key, self._plan_of(given.key, *self.subjects(given.key)))
            elif ended:
                self._call_back("failed", given.key, None)
        return (200, {"key": given.key}) if ended else (404, {"code": "PAYOUT_UNKNOWN", "message": "none accepted"})

    def give_back(self, given: ReturnPayout) -> Answer:
        """Return a paid payout."""
        known = self._payout(given.key)
        if known is None or known["state"] not in {"paid", "returned"}:
            return 404, {"code": "PAYOUT_UNKNOWN", "message": "none paid"}
        left = known["amount_minor"] - known["returned_minor"]
        amount = left if given.amount_minor is None else given.amount_minor
        if not 0 < amount <= left:
            return 400, {"code": "MALFORMED", "message": f"{left} is left to return"}
        with self._store.transaction():
            self._store.write(
                "UPDATE payouts SET state = 'returned', returned_minor = returned_minor + ? WHERE key = ?",
                *(amount, given.key),
            )
            self._store.write("DELETE FROM returns_due WHERE key = ?", given.key)
            self._journal("return", given.key, amount)
        return 200, {"key": given.key, "returned_minor": known["returned_minor"] + amount}

    def make_mistake(self, given: Mistake) -> Answer:
        """Move money without an instruction, or bring such money back; no callback reports it."""
        with self._store.transaction():
            self._store.journal(given.effect, **given.model_dump(exclude={"effect", "token"}), subject=given.token)
        return 200, {"key": given.key}

    def receive(self, given: Funding) -> None:
        """Receive money, once under a key."""
        with self._store.transaction():
            if not self._store.row("SELECT 1 FROM effects WHERE effect = 'funding' AND key = ?", given.key):
                self._store.journal("funding", **given.model_dump(), subject="")

    def statement(self, asked: StatementQuestion) -> Answer:
        """The statement of a day."""
        rows = self._store.rows(
            "SELECT effects.*, event_id, reference FROM effects LEFT JOIN line_events USING (seq)"
            " LEFT JOIN payouts USING (key) WHERE effects.at >= ? ORDER BY seq",
            asked.day.isoformat(),
        )
        shown = ("key", "amount_minor", "currency", "at", "reference", "event_id")
        return page(
            asked,
            [
                {"line_id": f"E{row['seq']}", "kind": row["effect"], **{name: row[name] for name in shown}}
                for row in rows
            ],
        )

    def subjects(self, key: str) -> tuple[str, ...]:
        """A payout's other names: its payee's token and last four digits."""
        known = self._payout(key)
        return tuple(filter(None, (known["token"], known["last4"]))) if known else ()

    def plan(self, given: PayoutPlan) -> Answer:
        """Set the outcome of later payouts."""
        self._store.write("INSERT OR REPLACE INTO plans VALUES (?, ?)", given.match, given.model_dump_json())
        return 200, {"match": given.match}

    def _payout(self, key: str) -> dict[str, Any] | None:
        return self._store.row("SELECT * FROM payouts WHERE key = ?", key)

    def _remembered(self, key: str) -> dict[str, Any] | None:
        """The payout under a key, unless the key is forgotten by now."""
        row = self._store.row(
            "SELECT 1 FROM keys, window WHERE key = ? AND keys.at + window.seconds < ?", key, time.time()
        )
        return None if row else self._payout(key)

    def _plan_of(self, *subjects: str | None) -> PayoutPlan | None:
        for subject in (*subjects, "*"):
            if row := self._store.row("SELECT plan FROM plans WHERE subject = ?", subject):
                return PayoutPlan.model_validate_json(row["plan"])
        return None

    def _plan_return(self, key: str, plan: PayoutPlan | None) -> None:
        if plan is not None and plan.return_after_s is not None:
            at = time.time() + plan.return_after_s
            self._store.write("INSERT OR REPLACE INTO returns_due VALUES (?, ?, ?)", key, at, plan.return_minor)

    def _plan(self, given: NewPayout) -> PayoutPlan | None:
        if plan := self._plan_of(given.key, given.account.token, given.account.last4):
            return plan
        for prefix, outcome in _BY_TOKEN.items():
            if given.account.token.startswith(prefix):
                return PayoutPlan(match=given.account.token, outcome=outcome)
        return None

    def _journal(self, effect: str, key: str, amount_minor: int | None) -> None:
        payout = self._payout(key)
        assert payout is not None  # written in this very transaction
        self._store.journal(
            effect,
            key=key,
            subject=payout["token"],
            amount_minor=payout["amount_minor"] if amount_minor is None else amount_minor,
            currency=payout["currency"],
        )
        event_id = self._call_back({"payout": "paid", "return": "returned"}[effect], key, amount_minor)
        self._store.write("INSERT INTO line_events SELECT max(seq), ? FROM effects", event_id)

    def _call_back(self, outcome: str, key: str, amount_minor: int | None) -> str:
        payout = self._payout(key)
        assert payout is not None  # written in this very transaction
        return self.callbacks.add(outcome, payout, payout["amount_minor"] if amount_minor is None else amount_minor)

    @staticmethod
    def _content(given: NewPayout) -> dict[str, Any]:
        return {**given.model_dump(exclude={"account"}), **given.account.model_dump()}

    @staticmethod
    def _shown(payout: dict[str, Any]) -> Answer:
        shown = ("key", "state", "amount_minor", "currency", "reference", "returned_minor", "code", "message")
        return 200, {name: payout[name] for name in shown if payout[name] is not None}
