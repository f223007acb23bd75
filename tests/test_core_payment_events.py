"""A storefront's payment events: which start an order, how it is read from them, and what a mapping may not say."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from config.gateway import LOCAL_EVENTS
from core.errors import Misconfigured, Refused
from core.messages import Order
from core.payment_events import Ignored, OrderWanted, parse_mappings, read_event
from docs.examples import PAYMENT_EVENT

LOCAL = parse_mappings(LOCAL_EVENTS.read_text(encoding="utf-8"))["wechat"]


def event(**changes: Any) -> dict[str, Any]:
    """The example with parts at dotted paths changed."""
    found = copy.deepcopy(PAYMENT_EVENT)
    for path, value in changes.items():
        *way, last = path.split("__")
        place: Any = found
        for part in way:
            place = place[part]
        place[last] = value
    return found


def test_the_example_becomes_an_order_of_the_contract() -> None:
    wanted = read_event(LOCAL, event())
    assert isinstance(wanted, OrderWanted)
    order = Order.model_validate(wanted.order, extra="forbid")
    assert (order.order_id, order.merchant_id, order.total_minor, order.freight_minor) == ("S-501", "m-7", 4_780, 800)
    assert (order.payment.channel, order.payment.reference, order.payment.paid_minor) == ("wechat", "wx-5501", 4_780)
    assert [(line.line_id, line.unit_price_minor) for line in order.lines] == [("tea", 1_990)]
    assert len(wanted.command_id) <= 64


def test_one_event_has_one_id_and_another_has_another() -> None:
    first, again, other = (read_event(LOCAL, event(id=name)) for name in ("evt-1", "evt-1", "evt-2"))
    assert first[0] == again[0] != other[0]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"type": "payment.failed"}, 'type is "payment.failed", and must be "payment.succeeded"'),
        ({"livemode": False}, "livemode is false, and must be true"),
        ({"livemode": 1}, "livemode is 1, and must be true"),
        ({"livemode": "true"}, 'livemode is "true", and must be true'),
        ({"type": None}, 'type is null, and must be "payment.succeeded"'),
    ],
    ids=str,
)
def test_an_event_that_is_not_wanted_says_why(changes: dict[str, Any], why: str) -> None:
    assert read_event(LOCAL, event(**changes)) == Ignored(why)


def test_a_condition_on_what_is_not_there_does_not_hold() -> None:
    assert read_event(LOCAL, {"id": "e"}) == Ignored('type is not there, and must be "payment.succeeded"')
    one_of = parse_mappings('[c]\nevent = "$id"\nwhen = { "$type" = ["paid", "captured"] }\norder = {}')["c"]
    assert isinstance(read_event(one_of, {"id": "e", "type": "captured"}), OrderWanted)
    assert read_event(one_of, {"id": "e", "type": "x"}) == Ignored('type is "x", and must be "paid" or "captured"')


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": ""}, "id"),
        ({"id": None}, "id"),
        ({"id": True}, "id"),
        ({"data__amount": 47.8}, "data.amount"),
        ({"data__amount": "47.801"}, "data.amount"),
        ({"data__amount": "-1"}, "data.amount"),
        ({"data__amount": ["47.80"]}, "data.amount"),
        ({"data__currency": "XXX"}, "data.order.shipping"),
    ],
    ids=str,
)
def test_what_cannot_be_read_names_its_place_in_the_event(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        read_event(LOCAL, event(**changes))
    assert (refused.value.code, refused.value.field) == ("malformed", field)


def test_what_is_not_there_is_left_out_for_the_contract_to_name() -> None:
    incomplete = event()
    del incomplete["data"]["order"]["customer"], incomplete["data"]["order"]["items"]
    wanted = read_event(LOCAL, incomplete)
    assert isinstance(wanted, OrderWanted)
    assert not {"buyer_id", "lines"} & wanted.order.keys()


def test_constants_lists_and_dollars_stand_as_they_are() -> None:
    order = 'order = { currency = "CNY", note = "$$5", tags = ["a", "$x", "$y"], free = { major = "$z" } }'
    text = f'[c]\nevent = "$id"\n{order}'
    wanted = read_event(parse_mappings(text)["c"], {"id": 7, "x": 1, "z": "0.00"})
    assert isinstance(wanted, OrderWanted)
    assert wanted.order == {
        "currency": "CNY",
        "note": "$5",
        "tags": ["a", 1],
        "free": 0,
        "payment": {"channel": "c"},
    }


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[WeChat]\nevent = '$id'\norder = {}",
        "[c]\norder = {}",
        "[c]\nevent = '$id'",
        "[c]\nevent = 'id'\norder = {}",
        "[c]\nevent = '$id'\norder = {}\nsurprise = 1",
        "[c]\nevent = '$id'\norder = {}\nwhen = { type = 'x' }",
        "[c]\nevent = '$id'\norder = { payment = 1 }",
        "c = 1",
    ],
)
def test_a_mapping_that_cannot_work_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured):
        parse_mappings(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[c]\nevent = '$id'\norder = {}\nwen = {}", "line 4: c.wen: unknown key; did you mean when?"),
        ("[c]\norder = {}\nevent = 'id'", "line 3: c.event: must be a path, such as $id"),
        ("[c]\nevent = '$id'", "line 1: c.order: must be given"),
        ("[c]\nevent = '$id'\norder = {}\n[Wei]\nevent = '$id'\norder = {}", "line 4: Wei: no name of a channel"),
        ("[c]\nevent = '$id'\norder = { payment = 1 }", "line 3: c.order: payment: must be a table of its fields"),
        ("[c\n", "line 1: not TOML"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_key(text: str, said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        parse_mappings(text)
    assert said in str(refused.value)
