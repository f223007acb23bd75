"""What is about a person is refused at an order's door, by its name, and never repeated."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from order_bodies import order_body

from core.personal import refuse_personal, without_personal


@pytest.mark.parametrize(
    ("where", "name"),
    [
        *(
            ("ship_to", name)
            for name in ("street", "address1", "addressLine2", "name", "first_name", "phone", "Mobile")
        ),
        *(
            ("ship_to", name)
            for name in ("receiver", "consignee", "contactPhone", "tel", "email", "详细地址", "收件人")
        ),
        ("ship_from", "street"),
        *(("", name) for name in ("buyer_name", "buyer_phone", "email", "shipping_address", "recipient", "收货地址")),
        *(("", name) for name in ("tel", "buyer_tel", "buyerTel", "telNo", "qq", "qq_number", "wechat", "wechat_id")),
        *(("", name) for name in ("weixinHao", "nickname", "buyer_nick", "taobao_nick", "whatsapp", "openid", "昵称")),
        *(("ship_to", name) for name in ("qq", "nickname")),
    ],
)
def test_what_is_about_a_person_is_refused_by_its_name_and_not_repeated(where: str, name: str) -> None:
    body = order_body()
    (body[where] if where else body)[name] = "中关村大街1号 张三 13812345678"
    refusal = refuse_personal(body)
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("invalid_order", f"{where}.{name}".lstrip("."))
    assert "13812345678" not in refusal.message
    assert "张三" not in refusal.message


@pytest.mark.parametrize(
    ("where", "name"),
    [
        *(("", name) for name in ("name", "contact", "phone", "contact_person", "联系人", "id_card")),
        *(
            ("payment", name)
            for name in ("payer_name", "cardholder", "card_number", "email", "name", "openid", "付款人")
        ),
        *(("lines.0", name) for name in ("recipient", "contact", "phone", "name", "buyer_name", "收件人")),
        *(("lines.1", name) for name in ("phone",)),
    ],
)
def test_lines_and_payment_are_looked_into_and_the_fields_that_they_have_are_named(where: str, name: str) -> None:
    body: Any = order_body()
    body["lines"].append({**body["lines"][0], "line_id": "9"})
    part, _, index = where.partition(".")
    fields = body[part] if part else body
    (fields[int(index)] if index else fields)[name] = "张三 13812345678"
    refusal = refuse_personal(body)
    assert refusal is not None
    assert refusal.field == f"{where}.{name}".lstrip(".")
    expected = {"": "order_id, merchant_id", "payment": "reference, channel", "lines": "line_id, title"}[part]
    assert expected in refusal.message
    assert "张三" not in refusal.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sku", "A-1"),
        ("options", [{"name": "colour", "value": "red"}]),
        ("product", {"name": "茶饼", "weight_g": 357}),
        ("contactless", "yes"),
    ],
)
def test_the_name_of_a_thing_is_about_nobody(field: str, value: Any) -> None:
    body: Any = order_body()
    body["lines"][0][field] = body["payment"][field] = body[field] = value
    assert refuse_personal(body) is None


def test_people_in_lists_are_found() -> None:
    body: Any = order_body()
    body["gifts"] = [{"note": "x"}, {"receiver": {"name": "张三"}}]
    refusal = refuse_personal(body)
    assert refusal is not None
    assert refusal.field == "gifts.1.receiver"


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_an_empty_field_is_about_nobody(empty: Any) -> None:
    body = order_body()
    body["ship_to"]["street"] = empty
    assert refuse_personal(body) is None


@pytest.mark.parametrize("name", ["contact_less", "phone_verified", "mobile_app"])
def test_a_yes_or_no_is_about_nobody(name: str) -> None:
    body = order_body()
    body[name] = body["ship_to"][name] = True
    assert refuse_personal(body) is None


@pytest.mark.parametrize(
    "name", ["note", "postcode", "region_code", "gift", "channel_fee", "city_name", "provinceName"]
)
def test_other_unknown_fields_are_ignored_as_ever(name: str) -> None:
    body = order_body()
    body[name] = body["ship_to"][name] = "x"
    assert refuse_personal(body) is None


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_body_gets_an_answer(body: Any) -> None:
    assert refuse_personal(body) is None or body


@pytest.mark.parametrize("where", ["buyer.name", "customer.contact.phone", "ship_to.details.street", "ship_to.attn"])
def test_it_is_found_inside_of_an_unknown_object_too(where: str) -> None:
    body: Any = order_body()
    fields = body
    *objects, name = where.split(".")
    for one in objects:
        fields = fields.setdefault(one, {})
    fields[name] = "张三"
    refusal = refuse_personal(body)
    assert refusal is not None
    assert refusal.field is not None
    assert refusal.field.startswith(where.rpartition(".")[0])


def test_what_a_shop_keeps_of_its_own_is_about_nobody() -> None:
    body = {**order_body(), "shop": {"name": "茶店", "tags": {"color": "red"}}}
    body["ship_from"]["warehouse_id"] = "w1"
    assert refuse_personal(body) is None


def test_what_is_about_a_person_is_dropped_and_named() -> None:
    body: Any = order_body()
    right = order_body()
    body["ship_to"]["street"] = "中关村大街1号"
    body["buyer"] = {"vip": True, "name": "张三"}
    body["payment"]["openid"] = "o-123"
    body["lines"][0]["recipient"] = "张三"
    kept, dropped = without_personal(body)
    assert kept == right
    assert dropped == ("buyer", "ship_to.street", "payment.openid", "lines.0.recipient")
    assert refuse_personal(kept) is None
    assert body["ship_to"]["street"] == "中关村大街1号"


def test_other_unknown_fields_stay_for_whoever_refuses_them() -> None:
    body = order_body() | {"ship_byy": "2026-12-01", "product": {"name": "tea"}, "gift": True}
    assert without_personal(body) == (body, ())
    # Whose name it is cannot be told.
    assert without_personal(body | {"warehouse": {"name": "east"}}) == (body, ("warehouse",))
    assert without_personal({"lines": 7, "ship_to": "x", "payment": [{"phone": "1"}]})[1] == ("payment.0.phone",)


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_nothing_that_can_be_sent_raises(value: Any) -> None:
    body = order_body() | {"ship_to": value, "payment": value, "lines": value, "extra": value}
    kept, _ = without_personal(body)
    assert without_personal(kept)[1] == ()
