"""The stand-in bank's outbox, which keeps what was delivered."""

from __future__ import annotations

from pathlib import Path

from local.bank import BankAccount, BankDesk, NewPayout
from local.callbacks import Acknowledged
from local.faults import Faults


def test_a_payout_costs_the_same_after_many_that_were_delivered(tmp_path: Path) -> None:
    """Counted in steps of SQLite's own machine, not in seconds."""
    faults = Faults(tmp_path)
    bank = BankDesk(tmp_path, faults)
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    def cost(key: str) -> int:
        nonlocal steps
        steps = 0
        payout = NewPayout(key=key, amount_minor=100, currency="CNY", account=BankAccount(token="refuse-1"))
        assert bank.pay(payout)[0] == 200
        due = bank.callbacks.due()["callbacks"]
        assert [one["key"] for one in due] == [key]
        bank.callbacks.acknowledge(Acknowledged(seqs=tuple(one["seq"] for one in due)))
        return steps

    database = bank._store._connection
    database.set_progress_handler(count, 1)
    cost("k1")
    few = cost("k2")
    database.executemany(
        "INSERT INTO callbacks (event_id, key, outcome, amount_minor, currency, due_at, taken)"
        " VALUES (?, ?, 'paid', 100, 'CNY', 0, 1)",
        [(f"e{number}", f"o{number}") for number in range(2_000)],
    )
    assert cost("k3") <= few + 20, "each of them would take several"
    bank.close()
    faults.close()
