"""What comes from outside is a message or a refusal that names the field: never an exception, never a guess."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from order_bodies import ABSENT, bent, order_body
from pydantic import TypeAdapter, ValidationError

from core.fields import Message, Time
from core.ids import automatic_withdrawal_id, order_workflow_id, refund_key, withdrawal_workflow_id
from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS, Command, Order, Withdrawal
from core.money import MAX_AMOUNT_MINOR
from core.reading import Unreadable, content_hash, read, reasons_of
from core.reasons import SENTENCES, Refusal

COMMANDS: Mapping[str, type[Command]] = {**ORDER_COMMANDS, **WITHDRAWAL_COMMANDS}


def refused(model: type[Message], body: Any, *, strictly: bool = False) -> Refusal:
    answer = read(model, body, "invalid_order", strictly=strictly)
    assert isinstance(answer, Refusal), f"accepted: {answer}"
    assert answer.code == "invalid_order"
    assert answer.message.startswith(SENTENCES["invalid_order"])
    return answer


# --- orders ----------------------------------------------------------------------------------------------

NO_INTEGER = [1.0, 1.5, "1", "", True, False, None, math.nan, math.inf, [], {}, 10**400]
NO_AMOUNT = [*NO_INTEGER, -1, MAX_AMOUNT_MINOR + 1]
NO_ID = ["", "a b", "a/b", "ä", "a\n", "a\x00", "x" * 65, "订单", 7, None, ["a"], True]
NO_TEXT = ["", "x" * 501, "a\x00b", "\x1b[2J", "\x7f", "\x85", "\ud800", 7, None, ["a"], b"a\xff"]
NO_TIME = [
    "2026-11-22T16:00:00",  # naive
    datetime.fromisoformat("2026-11-22T16:00:00"),
    "2026-11-22",
    "1700000000",
    1700000000,
    1700000000.5,
    "2026-11-22T16:00Z",
    "2026-02-30T16:00:00Z",
    "2026-11-22T24:30:00Z",
    "2026-11-22T16:00:00+25:00",
    "0001-01-01T00:00:00+08:00",
    "9999-12-31T23:59:59Z",
    "２０２６-11-22T16:00:00Z",
    "yesterday",
    "",
    True,
    {},
]

BAD_VALUES: dict[str, list[Any]] = {
    "order_id": [ABSENT, *NO_ID],
    "merchant_id": [ABSENT, *NO_ID],
    "buyer_id": [ABSENT, *NO_ID],
    "currency": [ABSENT, "", "cny", "RMB", "XYZ", "CNY ", 156, None, ["CNY"]],
    "lines": [ABSENT, [], None, {}, "lines", [None], [[]], 1],
    "lines.0.line_id": [ABSENT, *NO_ID],
    "lines.0.title": [ABSENT, *NO_TEXT],
    "lines.0.category": [ABSENT, "", "Food", "food snacks", "x" * 81, "食品", 7, None],
    "lines.0.quantity": [ABSENT, 0, 1_000_001, *NO_INTEGER, -1],
    "lines.0.unit_price_minor": [ABSENT, *NO_AMOUNT],
    "freight_minor": NO_AMOUNT,
    "discount_minor": NO_AMOUNT,
    "discount_funded_by": ["buyer", "", None, 1],
    "total_minor": [ABSENT, 0, *NO_AMOUNT],
    "payment": [ABSENT, None, [], "wx-420000", {}],
    "payment.reference": [ABSENT, "", "x" * 256, "wx\x00", 7, None],
    "payment.channel": [ABSENT, "", "WeChat", "we chat", "x" * 33, None],
    "payment.paid_minor": [ABSENT, 0, *NO_AMOUNT],
    "payment.paid_at": [ABSENT, None, *NO_TIME],
    "ship_from": [ABSENT, None, [], "CN"],
    "ship_from.country": [ABSENT, "", "China", "cn", "CHN", None, 86],
    "ship_to.province": ["x" * 81, "a\x00", 7],
    "ship_to.phone_last4": ["", "817", "88170", "８８１７", 8817, "88a7"],
    "delivery_mode": ["pigeon", "", None],
    "ship_by": NO_TIME,
    "policy": ["", "Default", "a/b", "x" * 65, 7, {"settlement_delay": "0d"}],
}
BAD = [(path, value) for path, values in BAD_VALUES.items() for value in values]


@pytest.mark.parametrize(("path", "value"), BAD, ids=[f"{path}={value!r:.40}" for path, value in BAD])
def test_a_bad_value_is_refused_by_the_name_of_its_field(path: str, value: Any) -> None:
    field = refused(Order, bent(path, value)).field
    assert field is not None
    assert field.startswith(path)


@pytest.mark.parametrize("strictly", [False, True])
def test_a_well_formed_order_is_read(strictly: bool) -> None:
    order = read(Order, order_body(), "invalid_order", strictly=strictly)
    assert isinstance(order, Order)
    assert sum(line.price_minor for line in order.lines) + order.freight_minor == order.total_minor == 13580
    assert order.payment.paid_at == datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.mark.parametrize("path", ["freight_minor", "discount_minor", "discount_funded_by", "delivery_mode", "ship_by"])
def test_an_optional_field_may_be_left_out(path: str) -> None:
    body = bent(path, ABSENT, order_body(freight_minor=0, total_minor=12780))
    assert isinstance(read(Order, body), Order)


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (order_body(total_minor=13579), "total_minor", "is 13580, not 13579"),
        (order_body(freight_minor=801), "total_minor", "is 13581, not 13580"),
        (order_body(discount_minor=12781), "discount_minor", "more than the goods"),
        (bent("payment.paid_minor", 13579), "payment.paid_minor", "does not cover"),
        (bent("lines.1.line_id", "1"), "lines", "the same line_id"),
        (order_body(lines=[order_body()["lines"][0]] * 201), "lines", "at most 200"),
    ],
    ids=["total", "freight", "discount", "unpaid", "twins", "many"],
)
def test_an_order_whose_numbers_disagree_is_refused(body: Any, field: str, said: str) -> None:
    refusal = refused(Order, body)
    assert refusal.field == field
    assert said in refusal.message


def test_goods_beyond_the_largest_amount_are_refused_even_when_a_discount_brings_the_total_down() -> None:
    dear = {**order_body()["lines"][0], "quantity": 2, "unit_price_minor": MAX_AMOUNT_MINOR}
    body = order_body(lines=[dear], freight_minor=0, discount_minor=MAX_AMOUNT_MINOR, total_minor=MAX_AMOUNT_MINOR)
    assert refused(Order, bent("payment.paid_minor", MAX_AMOUNT_MINOR, body)).field == "lines"


def test_the_largest_order_is_accepted() -> None:
    line = {**order_body()["lines"][0], "quantity": 1, "unit_price_minor": MAX_AMOUNT_MINOR}
    body = order_body(lines=[line], freight_minor=0, total_minor=MAX_AMOUNT_MINOR)
    assert isinstance(read(Order, bent("payment.paid_minor", MAX_AMOUNT_MINOR, body)), Order)


@pytest.mark.parametrize("around", [" {}", "{} ", "\t{}\n", "\u3000{}"])
def test_a_payment_with_a_space_around_its_reference_is_the_same_payment(around: str) -> None:
    order = read(Order, bent("payment.reference", around.format("wx-420000")))
    assert isinstance(order, Order)
    assert order.payment.reference == "wx-420000"
    assert refused(Order, bent("payment.reference", "  ")).field == "payment.reference"


def test_one_payment_may_be_larger_than_the_order() -> None:
    assert isinstance(read(Order, bent("payment.paid_minor", 99_999)), Order)


@pytest.mark.parametrize("path", ["settlement_delay", "payment.note", "lines.0.sku", "ship_to.street"])
def test_an_unknown_field_is_ignored_across_temporal_and_refused_where_people_type(path: str) -> None:
    body = bent(path, "x")
    assert isinstance(read(Order, body), Order)
    refusal = refused(Order, body, strictly=True)
    assert refusal.field == path


def test_the_name_of_an_unknown_field_cannot_write_to_a_terminal() -> None:
    refusal = refused(Order, order_body(**{"\x1b[2J" + "x" * 1000: 1}), strictly=True)
    assert refusal.field is not None
    assert "\x1b" not in refusal.field + refusal.message
    assert len(refusal.field) <= 80


def test_every_wrong_field_is_told_up_to_ten() -> None:
    message = refused(Order, order_body(order_id="", currency="x", total_minor=0)).message
    assert all(field in message for field in ("order_id: ", "currency: ", "total_minor: "))
    assert refused(Order, {}).message.count("must be given") == 9


@pytest.mark.parametrize("body", [None, [], "order", 7, b"{}", [order_body()], math.nan])
def test_what_is_no_object_is_refused_as_a_whole(body: Any) -> None:
    assert refused(Order, body).field == "(whole)"


def test_what_nobody_can_decode_is_refused_with_the_reason() -> None:
    assert "no such codec" in refused(Order, Unreadable(why="no such codec")).message


@pytest.mark.parametrize(
    "wrong", [{"title": "a\x00b"}, {"line_id": "a b"}, {"quantity": 0}, {"title": "a\x00b", "quantity": 0}]
)
def test_a_bad_line_has_its_own_reasons_and_no_other(wrong: dict[str, Any]) -> None:
    body = order_body()
    body["lines"] = [{**body["lines"][0], **wrong}]
    with pytest.raises(ValidationError) as caught:
        Order.model_validate(body)
    assert [reason["field"] for reason in reasons_of(caught.value)] == [f"lines.0.{name}" for name in wrong]
    assert "at least 1 item" not in refused(Order, body).message
    assert "at least 1 item" in refused(Order, {**body, "lines": []}).message


@pytest.mark.parametrize("place", ["海淀区 13812345678", "海淀 010-12345678", "+44 20 7946 0958"])
def test_a_region_holds_no_phone(place: str) -> None:
    body = order_body()
    body["ship_to"]["district"] = place
    assert refused(Order, body).field == "ship_to.district"


def test_a_windows_line_break_in_a_title_is_a_space() -> None:
    body = order_body()
    body["lines"][0]["title"] = "Mug\r\nblue\rlarge"
    read_order = read(Order, body)
    assert isinstance(read_order, Order)
    assert read_order.lines[0].title == "Mug blue large"


def test_a_payments_reference_may_be_as_long_as_stripes() -> None:
    body = order_body()
    body["payment"]["reference"] = "cs_live_" + "a1" * 123
    assert isinstance(read(Order, body), Order)


def test_chinese_titles_new_lines_and_young_emoji_are_text() -> None:
    for title in ("手工酥饼 500g", "two\nlines\tand a tab", "\U0001fae9", "𠮷野家", "é", "👨‍👩‍👧"):
        assert isinstance(read(Order, bent("lines.0.title", title)), Order)


# --- times, hashes, ids ----------------------------------------------------------------------------------


@given(
    st.datetimes(datetime.fromisoformat("1971-01-01"), datetime.fromisoformat("2198-12-31")),
    st.integers(-1439, 1439),
)
def test_a_time_is_one_instant_in_utc_however_it_is_spelled(local: datetime, minutes: int) -> None:
    at = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    read = TypeAdapter(Time).validate_python(at.isoformat())
    assert read == at
    assert read.tzinfo is UTC


def test_nanoseconds_are_cut_not_refused() -> None:
    read = TypeAdapter(Time).validate_python("2026-11-22T16:00:00.123456789+08:00")
    assert read == datetime(2026, 11, 22, 8, 0, 0, 123456, tzinfo=UTC)


def test_the_same_order_has_the_same_hash_whatever_the_order_of_its_keys_and_the_offset_of_its_times() -> None:
    body = dict(reversed(list(order_body().items())))
    body = bent("payment.paid_at", "2026-11-22T08:00:00Z", body)
    assert content_hash(Order(**body)) == content_hash(Order(**order_body()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("buyer_id", "b-43"),
        ("lines.0.title", "酥饼"),
        ("payment.paid_minor", 13581),
        ("ship_by", "2026-12-01T00:00:00Z"),
    ],
)
def test_another_content_has_another_hash(path: str, value: Any) -> None:
    assert content_hash(Order(**bent(path, value))) != content_hash(Order(**order_body()))


def test_ids_are_short_and_without_slashes() -> None:
    longest = "x" * 64
    assert order_workflow_id("A1") == "order-A1"
    assert withdrawal_workflow_id("W1") == "withdrawal-W1"
    assert automatic_withdrawal_id("A1") == "auto-A1"
    assert len(automatic_withdrawal_id(longest)) <= 64
    assert automatic_withdrawal_id(longest) != automatic_withdrawal_id("x" * 63 + "y")


def test_a_refund_has_one_key_for_ever() -> None:
    assert refund_key("A1001", "cancel") == refund_key("A1001", "cancel")
    assert len({refund_key(order, cause) for order in ("A1", "A2") for cause in ("x", "y")}) == 4
    assert refund_key("A1001", "cancel").isalnum()
    assert len(refund_key("A1001", "cancel")) == 32


# --- anything at all -------------------------------------------------------------------------------------

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
MODELS: list[type[Message]] = [Order, Withdrawal, *COMMANDS.values()]


@given(st.sampled_from(MODELS), ANY_JSON, st.booleans())
def test_reading_answers_whatever_comes(model: type[Message], body: Any, strictly: bool) -> None:
    answer = read(model, body, strictly=strictly)
    assert isinstance(answer, Refusal | model)


PATHS = sorted({path for path in BAD_VALUES if path != "lines"})


@given(st.sampled_from(PATHS), ANY_JSON, st.booleans())
def test_an_order_bent_anywhere_is_read_or_refused_and_what_is_read_survives_json(
    path: str, value: Any, strictly: bool
) -> None:
    answer = read(Order, bent(path, value), "invalid_order", strictly=strictly)
    if isinstance(answer, Order):
        again = read(Order, json.loads(answer.model_dump_json()), strictly=True)
        assert again == answer
    else:
        assert "\x00" not in answer.message


def test_a_body_nested_too_deeply_is_answered() -> None:
    body: Any = {}
    for _ in range(5_000):
        body = {"lines": [body]}
    assert isinstance(read(Order, body), Refusal)
    assert isinstance(read(Order, bent("lines.0.title", body)), Refusal)


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Order.__setattr__(Order(**order_body()), "total_minor", 1)
