"""Personal data that does not belong in an order: streets, names, phones, e-mails.

Unknown fields are ignored across Temporal, but what a client sends stays in the workflow's history. So an order with
such a field is refused: the storefront sees it at once, and no order keeps it. Our own gateway drops such fields before
they reach a history, and says which.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from core.fields import Message
from core.messages import Address, Line, Order, Payment
from core.reasons import Refusal, refuse

_OF_A_PLACE = re.compile("(?i)^(country|state|province|city|county|district|region|area|town)_?name(_?(en|zh))?$")
"""The name of a place, which says no more than its own field."""
_CONTACT = (
    "^tel$|^tel_?(no|num)|_tel$|_tel_?(no|num)|(buyer|customer|user|home)tel|telegram|whats_?app|weibo|^qq$|_qq$"
    "|qq_?(id|no|num|hao)|we_?(chat|ixin)_?(id|no|num|name|account|hao)|wang_?wang|^nick$|_nick$|nick_?name"
    "|open_?id|union_?id|昵称|微信号|QQ号"
)
"""What a person is called, and found by, elsewhere."""
_IN_AN_ADDRESS = re.compile(
    f"(?i){_CONTACT}|street|addr|line_?[123]|name|recipient|receiver|consignee|contact|phone|mobile|tel_|^cell$|wechat|e_?mail"
    "|building|apartment|(?<!ware)house|^attn$"
    "|姓名|名字|电话|手机|地址|街道|门牌|收件|收货"
)
_OF_A_PERSON = (
    f"(?i){_CONTACT}|street|phone|mobile|e_?mail|recipient|consignee|receiver|^name$"
    "|(ship|shipping|billing|delivery)_?addr|contact(?!_?less)|(buyer|customer|first|last|full|real|legal)_?name"
    "|passport|id_?card|姓名|名字|电话|手机|地址|收件|收货|联系|身份证"
)
_IN_AN_ORDER = re.compile(f"{_OF_A_PERSON}|(^|buyer_|customer_)we_?(chat|ixin)$")
_IN_A_PAYMENT = re.compile(
    f"{_OF_A_PERSON}|holder|payer|card_?(no|num)|^pan$|^iban$|bank_?(account|card)|cv[vc]|卡号|持卡|付款人"
)
"""A bare `wechat` may be the facts of the channel."""
_PERSON = re.compile("(?i)^(buyer|customer|client|payer|person|user|ship_?to|ship_?from)$")
"""An object with the fields of a person."""
_THING = re.compile(
    "(?i)^(attribute|option|propert|variant|variation|sku|product|goods|shop|store|seller|brand|categor)"
)
"""An object, or a list of them, whose bare `name` is a thing's."""
DEEPEST = 3
"""Objects within objects that are looked into."""
LONGEST_PATH = 80
"""Characters of a field's path: its name is the sender's."""
LONGEST = 200
"""Entries of a list that are looked into; an order has no more lines."""
_PARTS: tuple[tuple[str, type[Message], re.Pattern[str]], ...] = (
    ("", Order, _IN_AN_ORDER),
    ("ship_to", Address, _IN_AN_ADDRESS),
    ("ship_from", Address, _IN_AN_ADDRESS),
    ("payment", Payment, _IN_A_PAYMENT),
    ("lines", Line, _IN_AN_ORDER),
)


def refuse_personal(body: Any) -> Refusal | None:
    """The refusal of an order, as decoded JSON, that says who its buyer is; None where it does not.

    The refusal names the field and repeats nothing of its value. Empty values, yes and no are harmless.
    """
    if not isinstance(body, Mapping):
        return None
    for part, model, personal in _PARTS:
        known = model.model_fields.keys()
        if (found := _first(body.get(part) if part else body, known, personal)) is not None:
            field = f"{part}.{found}".lstrip(".")[:LONGEST_PATH]
            why = "is about a person; leave it out, Dakuan keeps no names, streets, phones or e-mails"
            there = f"the fields of `{part}` are" if part else "the fields of an order are"
            return refuse("invalid_order", f"{field}: {why}; {there} {', '.join(known)}", field=field)
    return None


def without_personal(body: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A start without its unknown fields about a person, and the paths of what was dropped: `ship_to.street`, `buyer`.

    An unknown object is dropped as a whole. Other unknown fields stay, and are refused where they are read.
    """
    kept, dropped = dict(body), []
    for part, model, personal in _PARTS:
        known, given = model.model_fields.keys(), kept if not part else kept.get(part)
        if isinstance(given, Mapping):
            clean, gone = _dropped(given, known, personal)
            dropped += [f"{part}.{name}".lstrip(".") for name in gone]
            kept = clean if not part else {**kept, part: clean}
        elif isinstance(given, list | tuple):
            cleaned = [_dropped(one, known, personal) if isinstance(one, Mapping) else (one, ()) for one in given]
            dropped += [f"{part}.{number}.{name}" for number, (_, gone) in enumerate(cleaned) for name in gone]
            kept = {**kept, part: [clean for clean, _ in cleaned]}
    return kept, tuple(path[:LONGEST_PATH] for path in dropped)


def _dropped(
    given: Mapping[str, Any], known: Collection[str], personal: re.Pattern[str]
) -> tuple[dict[str, Any], list[str]]:
    gone = [name for name, value in given.items() if _first({name: value}, known, personal) is not None]
    return {name: value for name, value in given.items() if name not in gone}, gone


def _first(value: Any, known: Collection[str], personal: re.Pattern[str], depth: int = 0) -> str | None:
    """The path of the first field about a person, also inside of unknown objects and lists: `buyer.name`."""
    if isinstance(value, list | tuple):
        return _first_in_list(value, known, personal, depth)
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        if not isinstance(name, str) or name in known or not inner or inner is True or _OF_A_PLACE.match(name):
            continue
        if personal.search(name):
            return name
        if depth < DEEPEST and (found := _first(inner, *_inside(name, personal), depth + 1)) is not None:
            return f"{name}.{found}"
    return None


def _first_in_list(items: Sequence[Any], known: Collection[str], personal: re.Pattern[str], depth: int) -> str | None:
    for number, item in enumerate(items[:LONGEST]):
        if (found := _first(item, known, personal, depth)) is not None:
            return f"{number}.{found}"
    return None


def _inside(name: str, personal: re.Pattern[str]) -> tuple[Collection[str], re.Pattern[str]]:
    """What is harmless, and what is about a person, inside of the unknown field of this name."""
    return ("name",) if _THING.match(name) else (), _IN_AN_ADDRESS if _PERSON.match(name) else personal
