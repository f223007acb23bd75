"""Decisions of two people: the word of someone who may not decide any more brings nothing about."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from case_driver import say
from claim_driver import charging, claimed
from order_driver import OrderDriver
from order_samples import DAY
from withdrawal_driver import LARGE, WithdrawalDriver, answered, asked

from core.answers import Answer
from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS, Command
from core.order import commands as orders
from core.order import voting as order_voting
from core.reading import read_command
from core.reasons import Refusal, refuse
from core.withdrawal import commands as withdrawals
from core.withdrawal import voting as withdrawal_voting

MAP = Path(__file__).parent.parent / "docs" / "state-machine.md"


def paid_order() -> OrderDriver:
    return OrderDriver().open()


def stuck_refund() -> OrderDriver:
    driver = paid_order()
    driver.send("cancel_order", "buyer", reason="no")
    return driver.advance(3 * DAY)


def stuck_claim() -> OrderDriver:
    driver = charging()
    return driver.until(driver.deadline("charged_by"))


def contested() -> OrderDriver:
    driver = claimed()
    say(driver, "contest_claim_back", "buyer", reason="the neighbour has it")
    return driver


def refund_amounts(driver: OrderDriver) -> list[int]:
    return list(driver.refunds().values())


def claim_stage(driver: OrderDriver) -> str:
    return driver.state.cases[-1].stage


STUCK = {"cause": "cancel", "outcome": "arrived", "reference": "B-1", "reason": "the statement"}
DECISIONS: dict[str, tuple[Callable[[], OrderDriver], str, str, dict[str, Any], Callable[[OrderDriver], Any], Any]] = {
    "a refund": (
        *(paid_order, "refund_order", "operator", {"amount_minor": 200, "reason": "dented"}),
        *(refund_amounts, [200]),
    ),
    "a stuck refund": (stuck_refund, "resolve_refund", "operator", STUCK, OrderDriver.refund_status, ["arrived"]),
    "a stuck claim": (
        stuck_claim,
        "resolve_refund",
        "operator",
        {**STUCK, "cause": "claim-2"},
        claim_stage,
        "paid_back",
    ),
    "a claim that a buyer contests": (
        *(contested, "arbitrate", "reviewer", {"decision": "all", "reason": "the scan shows it"}),
        *(claim_stage, "charging"),
    ),
}
"""By decision: the order, the verb and its words, and what shows that it was decided."""


class Desk:
    """People who say one thing about an order or a withdrawal, some of whom have left."""

    def __init__(self, driver: OrderDriver | WithdrawalDriver, verb: str, role: str, words: dict[str, Any]) -> None:
        self.driver, self.verb, self.role, self.words = driver, verb, role, words
        self.left: tuple[str, ...] = ()
        self.said = 0

    def says(self, person: str, *, again: bool = False, channel: Any = "update") -> str:
        """The outcome or the refusal's code of this person's word; `again`: the command of before."""
        self.said += not again
        body = {"command_id": f"said-{self.said}", "actor": {"role": self.role, "id": person}, **self.words}
        if isinstance(self.driver, OrderDriver):
            command = self._read(ORDER_COMMANDS, body)
            voters = order_voting.voters_of(self.driver.state, command)
            asked = voters.people if voters is not None else ()
            left = tuple(one for one in asked if one in self.left)
            self.driver.state, answer = orders.receive(self.driver.state, command, self.driver.now, channel, left=left)
            self.driver.do_what_is_due()
        else:
            command = self._read(WITHDRAWAL_COMMANDS, body)
            voters = withdrawal_voting.voters_of(self.driver.state, command)
            asked = voters.people if voters is not None else ()
            left = tuple(one for one in asked if one in self.left)
            self.driver.state, answer = withdrawals.receive(self.driver.state, command, self.driver.now, channel, left)
            self.driver.run()
        return answer.outcome if isinstance(answer, Answer) else answer.code

    def _read(self, commands: Any, body: dict[str, Any]) -> Command:
        command = read_command(commands, self.verb, body)
        assert not isinstance(command, Refusal), command
        return command

    def last_line(self) -> str:
        """What the journal keeps of the last word."""
        return self.driver.state.inbox.journal[-1].message or ""


@pytest.mark.parametrize("name", DECISIONS)
def test_the_word_of_who_has_left_decides_nothing_about_an_order(name: str) -> None:
    made, verb, role, words, shows, decided = DECISIONS[name]
    desk = Desk(made(), verb, role, words)
    assert isinstance(desk.driver, OrderDriver)
    before = shows(desk.driver)
    assert desk.says("ann") == "accepted"
    desk.left = ("ann",)
    assert desk.says("ann") == "wrong_actor"
    assert desk.says("bob") == "accepted", "the first word now"
    assert shows(desk.driver) == before
    assert "the access of ann has ended" in desk.last_line()
    assert desk.says("bob", again=True) == "duplicate"
    assert shows(desk.driver) == before
    assert desk.says("cleo") == "accepted"
    assert shows(desk.driver) == decided
    desk.left = ("ann", "bob", "cleo")
    assert shows(desk.driver) == decided, "what was decided stays"
    desk.driver.check()


@pytest.mark.parametrize("name", DECISIONS)
def test_while_both_may_decide_the_second_word_decides(name: str) -> None:
    made, verb, role, words, shows, decided = DECISIONS[name]
    desk = Desk(made(), verb, role, words)
    desk.left = ("eve",)
    assert [desk.says("ann"), desk.says("bob")] == ["accepted", "accepted"]
    assert isinstance(desk.driver, OrderDriver)
    assert shows(desk.driver) == decided
    assert "access" not in desk.last_line()


def test_a_refused_word_of_who_has_left_is_journaled_where_it_came_as_a_signal() -> None:
    made, verb, role, words, _, _ = DECISIONS["a refund"]
    desk = Desk(made(), verb, role, words)
    desk.left = ("ann",)
    assert desk.says("ann", channel="signal") == "wrong_actor"
    entry = desk.driver.state.inbox.journal[-1]
    assert (entry.verb, entry.outcome) == ("refund_order", "refused")


def test_the_approval_of_who_has_left_submits_nothing() -> None:
    desk = Desk(WithdrawalDriver(asked(LARGE)).run(), "approve", "operator", {})
    assert desk.says("ann") == "accepted"
    desk.left = ("ann",)
    assert [desk.says("ann"), desk.says("bob")] == ["wrong_actor", "accepted"]
    assert desk.driver.phase == "in_approval"
    assert desk.last_line() == "the access of ann has ended: that word does not count"
    desk.left = ()
    assert desk.says("ann") == "accepted", "who comes back says it again"
    assert desk.driver.phase == "submitted"


def test_what_who_has_left_said_of_a_payout_settles_nothing() -> None:
    driver = WithdrawalDriver()
    driver.pays.append(answered("unknown"))
    driver.looks.extend([answered("unknown")] * 500)
    driver.run().wait(days=4)
    desk = Desk(driver, "resolve_unknown", "operator", {"outcome": "paid", "reference": "B-1", "reason": "a letter"})
    assert desk.says("ann") == "accepted"
    desk.left = ("ann",)
    assert desk.says("bob") == "accepted"
    assert desk.driver.phase == "unknown"
    assert desk.says("cleo") == "accepted"
    assert desk.driver.phase == "paid"


def test_an_approval_that_the_database_no_longer_counts_is_asked_for_anew() -> None:
    """Between the second approval and the payout a day's limit or a merchant's stop may keep the money for days."""
    driver = WithdrawalDriver(asked(LARGE)).run()
    driver.account = refuse("needs_other_person")
    for person in ("ann", "bob"):
        driver.send("approve", "operator", person)
    assert (driver.phase, driver.state.approvals, driver.books.reserved) == ("in_approval", (), LARGE)
    driver.account = None
    for person in ("bob", "cleo"):
        driver.send("approve", "operator", person)
    assert driver.phase == "submitted"


def test_each_command_that_may_need_another_person_asks_whose_words_count() -> None:
    """The map of the machines names the commands that are refused so; another test compares it with the core."""
    rows = re.findall(r"^\| `(\w+)` \|.*`needs_other_person`", MAP.read_text(encoding="utf-8"), re.MULTILINE)
    asks = {verb for verb, command in ORDER_COMMANDS.items() if command in order_voting.ROLES}
    assert set(rows) & set(ORDER_COMMANDS) == asks
    assert {"approve", "resolve_unknown"} == {
        verb for verb, command in WITHDRAWAL_COMMANDS.items() if (command.__doc__ or "").startswith("One of two people")
    }
