"""Personal data that does not belong in an order: streets, names, phones, e-mails.

Unknown fields are ignored across Temporal, but what a client sends stays in the workflow's history. So an order with
such a field is refused: the storefront sees it at once, and no order keeps it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from core.messages import Address, Order
from core.reasons import Refusal, refuse

_IN_AN_ADDRESS = re.compile(
    "(?i)street|addr|line_?[123]|name|recipient|receiver|consignee|contact|phone|mobile|^tel$|tel_|_tel|^cell$|wechat|e_?mail|building|apartment|(?<!ware)house|^attn$"
    "|姓名|名字|电话|手机|地址|街道|门牌|收件|收货"
)
_OF_A_PLACE = re.compile("(?i)^(country|state|province|city|county|district|region|area|town)_?name(_?(en|zh))?$")
"""The name of a place, which says no more than its own field."""
_IN_AN_ORDER = re.compile(
    "(?i)street|phone|mobile|e_?mail|recipient|consignee|receiver|(ship|shipping|billing|delivery)_?addr"
    "|(buyer|customer|contact|first|last|full)_?name|姓名|电话|手机|地址|收件|收货"
)
_PERSON = re.compile("(?i)^(buyer|customer|client|payer|person|user|ship_?to|ship_?from)$")
"""An object with the fields of a person."""
DEEPEST = 3
"""Objects within objects that are looked into."""
_PARTS = (
    ("", Order.model_fields.keys(), _IN_AN_ORDER),
    ("ship_to", Address.model_fields.keys(), _IN_AN_ADDRESS),
    ("ship_from", Address.model_fields.keys(), _IN_AN_ADDRESS),
)


def refuse_personal(body: Any) -> Refusal | None:
    """The refusal of an order, as decoded JSON, that says who its buyer is; None where it does not.

    The refusal names the field and repeats nothing of its value. Empty values, yes and no are harmless.
    """
    if not isinstance(body, Mapping):
        return None
    for part, known, personal in _PARTS:
        fields = body.get(part) if part else body
        if (found := _first(fields, known, personal)) is not None:
            field = f"{part}.{found}".lstrip(".")[:80]
            why = "is about a person; leave it out, Dakuan keeps no names, streets, phones or e-mails"
            return refuse("invalid_order", f"{field}: {why}", field=field)
    return None


def _first(fields: Any, known: Collection[str], personal: re.Pattern[str], depth: int = 0) -> str | None:
    """The first field about a person, also inside of an unknown one: `buyer.name`."""
    for name, value in fields.items() if isinstance(fields, Mapping) else ():
        if not isinstance(name, str) or name in known or not value or value is True or _OF_A_PLACE.match(name):
            continue
        if personal.search(name):
            return name
        within = _IN_AN_ADDRESS if _PERSON.match(name) else personal
        if depth < DEEPEST and (found := _first(value, (), within, depth + 1)) is not None:
            return f"{name}.{found}"
    return None
