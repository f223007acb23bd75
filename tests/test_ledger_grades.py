"""Grades of merchants: an order is opened, and rescued, under the terms of the grade that its merchant had then."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from databases import Database
from ledger_samples import an_order
from test_activities_opening import ForgetfulChannel

from activities.by_name import ByName
from activities.opening import OpeningActivities
from activities.policies import ParsedPolicies
from activities.requests import OpenRequest, RescueRequest
from activities.screening import ScreeningActivities
from core.messages import Actor
from core.policy import policy_hash
from core.screening.matching import Screener
from core.screening.rules import NO_RULES
from ledger.register import Register

ANN = Actor(role="operator", id="ann")
NOW = datetime.now(UTC)
POLICY = 'name = "default"\n[[rules]]\ngrade = "gold"\n[rules.order]\nship_within = "5d"\n'


async def test_a_grade_is_given_once_changed_and_taken_away(register: Register, database: Database) -> None:
    move = Register(database.owner).grades.move
    assert await register.grades.of("m-1") is None
    assert not await move("m-1", None, ANN, "none yet", NOW)
    assert sum(await asyncio.gather(*(move("m-1", "gold", ANN, "good", NOW) for _ in range(8)))) == 1
    assert await register.grades.of("m-1") == "gold"
    assert await move("m-1", None, ANN, "bad", NOW)
    assert await register.grades.of("m-1") is None
    assert [(one.grade, one.why) for one in await register.grades.moves("m-1")] == [(None, "bad"), ("gold", "good")]
    with pytest.raises(asyncpg.CheckViolationError):
        await move("m-1", "gold", Actor(role="merchant", id="m-1"), "me", NOW)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await register.grades.move("m-1", "gold", ANN, "as a worker", NOW)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.owner.execute("DELETE FROM grade_moves")


async def test_an_order_keeps_the_terms_of_the_grade_that_it_was_paid_under(
    register: Register, database: Database
) -> None:
    await register.policies.keep("default", policy_hash(POLICY), POLICY)
    screening = ScreeningActivities(Screener(NO_RULES, {}), register.licences)
    opening = OpeningActivities(
        register, ParsedPolicies(register.policies), ByName(stand_in=lambda _: ForgetfulChannel()), screening
    )
    order = an_order()
    move = Register(database.owner).grades.move
    await move(order.merchant_id, "gold", ANN, "good", NOW)
    opened = await opening.open(OpenRequest(order=order, opened_by="run-1", now=order.payment.paid_at))
    assert opened.policy is not None
    assert (opened.policy.grade, opened.policy.order.ship_within) == ("gold", timedelta(days=5))
    await move(order.merchant_id, None, ANN, "bad", NOW)
    rescued = await opening.rescue(RescueRequest(order_id=order.order_id, opened_by="run-1", set_back=True))
    assert rescued.policy == opened.policy
