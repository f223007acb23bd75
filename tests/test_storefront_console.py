"""The console in a real browser: every page by every sense, every action with its reason, no host but ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from chromium import Visitor, apart, visitor
from command_line import ask
from playwright.sync_api import Browser
from up_stack import fresh_waybill, scan, ship, started

pytestmark = pytest.mark.usefixtures("up")
LANGUAGES: tuple[Literal["en", "zh"], ...] = ("en", "zh")


@pytest.fixture(scope="module")
def ann(chromium: Browser, console_url: str) -> Iterator[Visitor]:
    """An operator. Nothing that should not happen in a browser happens in hers."""
    found = visitor(chromium, console_url, "ann")
    yield found
    assert found.complaints == []


@pytest.fixture(scope="module")
def order() -> dict[str, Any]:
    """An order on its way, which an operator holds."""
    return apart(a_held_order)


def a_held_order() -> dict[str, Any]:
    order, waybill = started(), fresh_waybill()
    ship(order, waybill)
    scan(order, waybill, "picked_up", 0)
    hold = {"name": "odd_buyer", "scope": "credit", "reason": "The phone is on our list"}
    ask("send", "place_hold", order["order_id"], "--as", "operator:ann", "--body", json.dumps(hold))
    return order


def pages_of(order: dict[str, Any]) -> list[str]:
    return [
        "/console/sign-in?again=1",
        "/console/",
        f"/console/search?q={order['merchant_id']}",
        f"/console/orders/{order['order_id']}",
        f"/console/orders/{order['order_id']}/do/lift_hold?name=odd_buyer",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_keeps_anything_from_anyone(
    chromium: Browser, console_url: str, order: dict[str, Any], language: Literal["en", "zh"]
) -> None:
    person = visitor(chromium, console_url, "ann", language)
    found = {}
    for path in pages_of(order):
        person.go(path)
        colours = person.violations(colours=True) if language == "en" else []
        found[path] = [*person.violations(colours=False), *colours, *(["too wide"] if person.too_wide() else [])]
    assert {path: what for path, what in found.items() if what} == {}
    assert person.complaints == []


def test_an_operator_lifts_a_hold_with_a_reason_that_is_shown_first(ann: Visitor, order: dict[str, Any]) -> None:
    where = f"/console/orders/{order['order_id']}"
    ann.go(where)
    assert "The phone is on our list" in ann.says()
    ann.press("Lift hold odd_buyer")
    ann.press("Check")
    assert "This must be filled in." in ann.says()
    ann.page.fill("textarea[name=reason]", "We spoke to the buyer")
    ann.press("Check")
    assert "Nothing has been sent yet." in ann.says()
    assert "odd_buyer" in [hold["reason"] for hold in apart(ask, "show", order["order_id"])["holds"]]
    ann.press("Send")
    assert "Done: Lift hold." in ann.says()
    shown = apart(ask, "show", order["order_id"])
    assert "odd_buyer" not in [hold["reason"] for hold in shown["holds"]]
    lifted = next(entry for entry in shown["journal"] if entry["verb"] == "lift_hold")
    assert lifted["actor"] == {"role": "operator", "id": "ann"}


def test_everything_is_reached_by_keys(ann: Visitor, order: dict[str, Any]) -> None:
    ann.go("/console/")
    ann.page.keyboard.press("Tab")
    assert ann.page.evaluate("document.activeElement.className") == "skip"
    ann.page.keyboard.press("Enter")
    assert ann.page.evaluate("document.activeElement.id") == "main"
    ann.page.keyboard.press("/")
    ann.page.keyboard.type(order["order_id"])
    ann.page.keyboard.press("Enter")
    ann.page.wait_for_url("**/orders/*")
    assert order["order_id"] in ann.says()
    ann.page.focus(".person summary")
    ann.page.keyboard.press("Enter")
    ann.page.focus("button[name=language][value=zh]")
    ann.page.keyboard.press("Enter")
    ann.page.wait_for_load_state()
    assert ann.page.get_attribute("html", "lang") == "zh-Hans"
    assert "款项未到账的原因" in ann.says()
    ann.page.click(".person summary")
    ann.press("English")
    assert ann.page.get_attribute("html", "lang") == "en"
