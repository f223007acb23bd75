"""The catalogue of events names what the states can be, and its page has an example of each type."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from core.aftersale.state import CaseStage
from core.event_types import BY_TYPE, EVENT_TYPES, EventType, facts_of, unknown_type
from core.order.refunds import Refund
from core.order.state import Phase as OrderPhase
from core.order.state import Receipt
from core.parcels import AuditStage
from core.withdrawal.payouts import Attempt
from core.withdrawal.state import Phase as WithdrawalPhase
from docs.events import FACTS, example, page

CHARGEBACKS = {"disputed", "won", "lost"}
REGIONS = {
    "order": set(get_args(OrderPhase)) - {"opening"},
    "audit": set(get_args(AuditStage)) - {"not_started"},
    "receipt": set(get_args(Receipt.model_fields["status"].annotation)),
    "refund": set(get_args(Refund.model_fields["status"].annotation)),
    "case": set(get_args(CaseStage)) - CHARGEBACKS,
    "chargeback": CHARGEBACKS,
    "withdrawal": set(get_args(WithdrawalPhase)),
    "payout": set(get_args(Attempt.model_fields["outcome"].annotation)) - {"open"},
}
"""The values that the database makes types of."""


@pytest.mark.parametrize("room", REGIONS)
def test_each_state_has_its_type(room: str) -> None:
    assert {f"{room}.{value}" for value in REGIONS[room]} <= BY_TYPE.keys()


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.name)
def test_the_page_has_an_example_of_each_type(kind: EventType) -> None:
    body = example(kind)
    assert f"{kind.name}  {json.dumps(body)}" in page()
    assert len(json.dumps(body).encode()) < 4096
    own = {"subject", "merchant_id", "seq", f"{body['data']['subject'].partition('/')[0]}_id"}
    facts = facts_of(kind.name, kind.about.partition(",")[0])
    assert facts is not None
    assert body["data"].keys() - own <= facts
    assert kind.when[0].islower() or kind.when[0] == "`"
    assert not kind.when.endswith(".")


def test_no_type_is_there_twice_and_each_value_is_a_facts() -> None:
    assert len(BY_TYPE) == len(EVENT_TYPES)
    used = {name for kind in EVENT_TYPES for name in facts_of(kind.name, kind.about.partition(",")[0]) or ()}
    assert used == FACTS.keys()


def test_a_type_that_no_event_has_is_named_with_what_is_near() -> None:
    for known in ("order.opened", "order.*", "notice.ship", "notice.*", "reconciliation.*"):
        assert unknown_type(known) is None
    assert unknown_type("order.credit") == (
        "'order.credit' is no type of event. Did you mean order.credited, order.closed, order.held?"
    )
    for wrong in ("order", "*", "orders.*", ".*", "", "ORDER.OPENED"):
        assert unknown_type(wrong) is not None, wrong
