"""The console in a real browser: every page by every sense, every action by keys alone and with its reason, no host but
ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from arrows import ROOT
from chromium import Visitor, apart, visitor
from command_line import ask
from playwright.sync_api import Browser, Page
from up_stack import fresh_waybill, play, scan, settled, ship, shown, started
from waiting import until_so

from core.messages import Scan

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


@pytest.fixture(scope="module")
def reviewed() -> dict[str, Any]:
    """An order whose parcel waits for a person: its first scan is far from where it should be."""
    return apart(a_reviewed_order)


def a_reviewed_order() -> dict[str, Any]:
    order, waybill = started(), fresh_waybill()
    ship(order, waybill)
    at = datetime.now(UTC)
    scans = [
        Scan.model_validate({"at": at + timedelta(hours=hours), "code": stage, "stage": stage, "city": city})
        for hours, stage, city in ((0.1, "picked_up", "深圳"), (9, "in_transit", "广州"), (120, "delivered", "哈尔滨"))
    ]
    play(lambda world: world.add_scans("sandbox", waybill, scans))
    ask("advance", order["order_id"], "1d")
    return order


@pytest.fixture(scope="module")
def withdrawal_id(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A withdrawal that two people must approve, asked for by neither Ann nor Bob."""
    return apart(a_large_withdrawal, tmp_path_factory.mktemp("policies") / "two.toml")


def a_large_withdrawal(file: Path) -> str:
    text = (ROOT / "policies" / "default.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^name = .*$", 'name = "two_people"', text, count=1)
    file.write_text(re.sub(r"(?m)^approval_above_minor = .*$", "approval_above_minor = 0", text), encoding="utf-8")
    by = ("--by", "operator:ann", "--reason", "papers seen")
    ask("policy", "register", str(file), *by)
    merchant = settled()["merchant_id"]
    ask("accounts", "merchant", merchant, "--name", "王芳", *by)
    bind = ("accounts", "bind", merchant, f"acc-{merchant}", "--holder", "王芳", "--cooling", "0s")
    ask(*bind, *by, stdin="6222 0212 3456 7894")
    asked = ("withdraw", merchant, "100", "--account", f"acc-{merchant}", "--policy", "two_people")
    return str(ask(*asked, "--as", "operator:zoe")["withdrawal_id"])


def pages_of(order: dict[str, Any], reviewed: dict[str, Any], withdrawal_id: str) -> list[str]:
    """Those with the most on them; every kind of page is in `test_storefront_console_pages`."""
    return [
        f"/console/orders/{order['order_id']}",
        f"/console/reviews/{reviewed['order_id']}/p1",
        f"/console/withdrawals/{withdrawal_id}",
        f"/console/merchants/{order['merchant_id']}",
        "/console/money",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_of_a_stack_keeps_anything_from_anyone(
    chromium: Browser,
    console_url: str,
    order: dict[str, Any],
    reviewed: dict[str, Any],
    withdrawal_id: str,
    language: Literal["en", "zh"],
) -> None:
    person = visitor(chromium, console_url, "ann", language)
    found = {}
    for path in pages_of(order, reviewed, withdrawal_id)[language == "zh" :: 2]:
        person.go(path)
        found[path] = [*person.violations(colours=True), *(f"too wide at {width}" for width in person.too_wide(360))]
    assert {path: what for path, what in found.items() if what} == {}
    assert person.complaints == []


def test_an_operator_lifts_a_hold_with_a_reason_that_is_shown_first(ann: Visitor, order: dict[str, Any]) -> None:
    where = f"/console/orders/{order['order_id']}"
    ann.go(where)
    assert "The phone is on our list" in ann.says()
    ann.press("Lift hold odd_buyer")
    ann.press("Check")
    assert "This must be filled in." in ann.says()
    ann.fill("reason", "We spoke to the buyer")
    ann.press("Check")
    assert "Nothing has been sent yet." in ann.says()
    assert "odd_buyer" in [hold["reason"] for hold in apart(ask, "show", order["order_id"])["holds"]]
    ann.send("Done: Lift hold.")
    shown = until_so(
        lambda: apart(ask, "show", order["order_id"]),
        lambda shown: "odd_buyer" not in [hold["reason"] for hold in shown["holds"]],
    )
    lifted = next(entry for entry in shown["journal"] if entry["verb"] == "lift_hold")
    assert lifted["actor"] == {"role": "operator", "id": "ann"}


def test_an_open_page_shows_what_others_do_by_itself(ann: Visitor, order: dict[str, Any]) -> None:
    ann.go(f"/console/orders/{order['order_id']}")
    ann.page.wait_for_selector(".is-live")
    hold = {"name": "looked_at", "scope": "credit", "reason": "Bob looks at it, too"}
    apart(ask, "send", "place_hold", order["order_id"], "--as", "operator:bob", "--body", json.dumps(hold))
    ann.page.wait_for_selector("text=Bob looks at it, too")


def test_everything_is_reached_by_keys(ann: Visitor, order: dict[str, Any]) -> None:
    ann.go("/console/")
    ann.page.keyboard.press("Tab")
    ann.until("document.activeElement.className === 'skip'")
    ann.page.keyboard.press("Enter")
    ann.until("document.activeElement.id === 'main'")
    ann.page.keyboard.press("/")
    ann.until("document.activeElement.matches('#find, #q')")
    ann.page.keyboard.type(order["order_id"])
    ann.page.keyboard.press("Enter")
    ann.page.wait_for_url(f"**/orders/{order['order_id']}")
    assert order["order_id"] in ann.says()
    ann.page.focus(".person summary")
    ann.page.keyboard.press("Enter")
    ann.page.focus("button[name=language][value=zh]")
    with ann.page.expect_navigation():
        ann.page.keyboard.press("Enter")
    assert ann.page.get_attribute("html", "lang") == "zh-Hans"
    assert "款项未到账的原因" in ann.says()
    ann.page.click(".person summary")
    ann.press("English")
    assert ann.page.get_attribute("html", "lang") == "en"


def a_case() -> dict[str, Any]:
    """An order of Mei's shop whose buyer wants a part of the money back."""
    order, waybill = started(merchant_id="m-7"), fresh_waybill()
    ship(order, waybill)
    body = json.dumps({"kind": "refund_only", "reason": "damaged", "amount_minor": 1_000})
    ask("send", "open_after_sale", order["order_id"], "--as", f"buyer:{order['buyer_id']}", "--body", body)
    return order


def test_a_merchant_answers_a_case(chromium: Browser, console_url: str) -> None:
    order = apart(a_case)
    mei = visitor(chromium, console_url, "mei")
    mei.go(f"/console/orders/{order['order_id']}")
    mei.press("Refuse case")
    mei.fill("reason", "It was whole when it left")
    mei.press("Check")
    mei.send("Done: Refuse case.")
    until_so(
        lambda: apart(ask, "show", order["order_id"])["state"]["cases"],
        lambda cases: [case["stage"] for case in cases] == ["refused"],
    )
    assert mei.complaints == []


def shown_with(withdrawal_id: str, *, approvals: int) -> None:
    """Wait until so many people have approved it."""
    until_so(lambda: len(ask("show", f"withdrawal-{withdrawal_id}")["state"]["approvals"]) >= approvals)


def test_two_people_approve_a_withdrawal_and_one_cannot_twice(
    chromium: Browser, console_url: str, ann: Visitor, withdrawal_id: str
) -> None:
    where = f"/console/withdrawals/{withdrawal_id}"
    ann.go("/console/withdrawals")
    ann.press(withdrawal_id)
    assert "Approvals: 0 of 2" in ann.says()
    other_window = visitor(chromium, console_url, "ann")
    other_window.go(f"{where}/do/approve")
    other_window.press("Check")
    ann.press("Approve")
    ann.press("Check")
    ann.send("Done: Approve.")
    apart(shown_with, withdrawal_id, approvals=1)
    ann.go(where)
    assert "Approvals: 1 of 2" in ann.says()
    assert ann.page.get_by_role("link", name="Approve").count() == 0
    other_window.press("Send")
    assert "It was refused" in other_window.says()
    assert "This person approved it already." in other_window.says()
    bob = visitor(chromium, console_url, "bob")
    bob.go(where)
    bob.press("Approve")
    bob.press("Check")
    bob.press("Send")
    found = apart(shown, f"withdrawal-{withdrawal_id}", "paid")
    assert [one["actor"]["id"] for one in found["state"]["approvals"]] == ["ann", "bob"]
    assert [*bob.complaints, *other_window.complaints] == []


def test_a_reviewer_claims_a_review_sees_both_sides_and_decides(
    chromium: Browser, console_url: str, reviewed: dict[str, Any]
) -> None:
    rui = visitor(chromium, console_url, "rui", "zh")
    rui.go("/console/reviews")
    rui.press(f"{reviewed['order_id']} p1")
    said = rui.says()
    assert "商家说法" in said
    assert "深圳" in said
    assert rui.page.locator("svg.way circle").count() == 3
    rui.press("认领 30 分钟")
    assert "rui" in rui.says()
    rui.press("审核裁定")
    rui.choose("verdict", "rejected")
    rui.fill("reason", "单号属于另一件包裹")
    rui.press("核对")
    rui.press("提交")
    found = until_so(
        lambda: apart(ask, "show", reviewed["order_id"]),
        lambda found: found["state"]["parcels"][0]["audit"] == "rejected",
    )
    decided = next(entry for entry in found["journal"] if entry["verb"] == "decide_audit")
    assert decided["actor"] == {"role": "reviewer", "id": "rui"}
    assert rui.complaints == []


def click(page: Page, selector: str) -> None:
    """Press the mouse where an element is seen: what lies above it would get the click."""
    box = page.locator(selector).bounding_box()
    assert box is not None, selector
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


@pytest.mark.parametrize("width", [1280, 360])
def test_someone_signs_in_chooses_a_language_and_a_theme_and_leaves_by_mouse(
    chromium: Browser, console_url: str, width: int
) -> None:
    page = chromium.new_context(locale="en-US", viewport={"width": width, "height": 800}).new_page()
    browser = Visitor(page, console_url)
    browser.watch()
    browser.go("/console/sign-in")
    with page.expect_navigation():
        click(page, "button[value=ann]")
    for chosen, lang, theme in (("zh", "zh-Hans", "auto"), ("dark", "zh-Hans", "dark"), ("en", "en", "dark")):
        click(page, ".person summary")
        with page.expect_navigation():
            click(page, f".sheet button[value={chosen}]")
        assert page.evaluate("[document.documentElement.lang, document.documentElement.dataset.theme]") == [lang, theme]
    click(page, ".person summary")
    with page.expect_navigation():
        click(page, "form[action='/console/sign-out'] button")
    assert page.locator("button[value=ann]").count() == 1
    assert browser.complaints == []
