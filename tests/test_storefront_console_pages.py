"""Every kind of page in a real browser: nothing that axe finds, no page too wide, all of it by keys alone.

The rows are made up: forms, refusals, errors and empty lists, which a running stack does not have all at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import cycle

from chromium import Visitor
from console_all_scenes import scenes
from console_scenes import Scene
from console_served import Served
from sizes import SOAK_EXAMPLES

from core.texts import Language

FORMS = {"report_shipment", "arbitrate"}
"""Of all forms, those that have each kind of field together."""
STOPS = """() => {
  const every = document.querySelectorAll("a[href], button, input, textarea, select, summary, [tabindex='0']");
  const seen = [...every].filter(one => one.type !== "hidden" && one.checkVisibility() && one.tabIndex >= 0);
  const of = one => seen.filter(other => other.type === "radio" && other.name === one.name);
  const chosen = one => of(one).find(other => other.checked) ?? of(one)[0];
  const stops = seen.filter(one => one.type !== "radio" || one === chosen(one));
  stops.forEach((one, place) => { one.dataset.stop = place; });
  return stops.length;
}"""
"""How many stops Tab makes, each with its number. Of radio buttons the chosen one is a stop, or the first."""
STOP = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect(), look = getComputedStyle(one);
  const seen = box.width > 0 && box.bottom > 0 && box.top < innerHeight;
  const ring = look.outlineStyle !== "none" && look.outlineWidth !== "0px";
  return [Number(one.dataset.stop ?? -1), seen && ring, one.outerHTML.slice(0, 120)];
}"""
"""Where the focus is: which stop, whether a person sees it there, and what it is."""


DESCRIBED = """id => { const one = document.getElementById(id);
  return (one.type === "radio" ? one.closest("fieldset") : one).getAttribute("aria-describedby"); }"""
"""What describes a field: for radio buttons, what describes their group."""


def kind_of(scene: Scene) -> tuple[str, bool, int, bool]:
    """What a scene has in common with others that need no look of their own."""
    path = re.sub(r"\?.*|(?<=/)(A\d+|w-\d|m-[a-z0-9]+|x1|p\d|goods)(?=/|$|\?)", "", scene.path)
    return path, scene.sent is None, scene.status, bool(scene.answers) and all(map(bool, scene.answers.values()))


def looked_at() -> Iterator[Scene]:
    """One scene of each kind; all of them in a soak."""
    known = set()
    for scene in scenes():
        verb = re.search(r"/do/(\w+)", scene.path)
        file, other = "format=csv" in scene.path, verb is not None and verb[1] not in FORMS
        if file or (scene.path.startswith("/sign-in") and not scene.local):
            continue
        kind = kind_of(scene)
        if SOAK_EXAMPLES or not (other or kind in known):
            known.add(kind)
            yield scene


LOOKS: tuple[tuple[Language, str], ...] = (("en", "light"), ("zh", "dark"), ("en", "dark"), ("zh", "light"))
"""Language and theme: each page in one of them, in a soak in all."""


def faults(page: Visitor, theme: str) -> list[str]:
    """What no page may have. 640 pixels are a window of 1280 at 200 %."""
    return [*page.found_in(theme), *(f"too wide at {width}" for width in page.too_wide(360, 640))]


def test_no_kind_of_page_keeps_anything_from_anyone(served: Served) -> None:
    found = {}
    for scene, look in zip(looked_at(), cycle(LOOKS), strict=False):
        for language, theme in LOOKS if SOAK_EXAMPLES else (look,):
            page = served.show(scene, language)
            if wrong := faults(page, theme):
                found[f"{language} {theme} {scene.path} {scene.sent or ''}"] = wrong
    assert found == {}
    assert [served.visitor(language).complaints for language, _ in LOOKS[:2]] == [[], []]


def shown(served: Served, path: str, *, sent: bool = False, status: int = 200) -> Visitor:
    """The first scene of an address, or the first that sends something there."""
    of_path = (scene for scene in scenes() if scene.path == path and scene.status == status)
    return served.show(next(scene for scene in of_path if (scene.sent is not None) == sent), "en")


def focused(page: Visitor) -> str:
    """The element that has the focus, by its tag and class or id. A page gives it when it is first drawn."""
    page.until("document.activeElement !== document.body")
    found = page.page.evaluate("(one => `${one.tagName}.${one.className || one.id}`)(document.activeElement)")
    return str(found)


def next_stop(page: Visitor) -> tuple[int, bool, str]:
    """Where Tab leads. A time has stops of its own within its field."""
    before = page.page.evaluate("document.activeElement.dataset.stop ?? null")
    for _ in range(8):
        page.page.keyboard.press("Tab")
        if page.page.evaluate("document.activeElement.dataset.stop ?? null") != before:
            break
    stop, seen, what = page.page.evaluate(STOP)
    return stop, seen, what


def test_tab_comes_to_everything_in_order_and_is_seen_there(served: Served) -> None:
    wrong = []
    for path in ("/orders/A1001", "/orders/A1001/do/report_shipment", "/reviews", "/merchants/m-7/withdraw", "/money"):
        page = shown(served, path)
        stops = page.page.evaluate(STOPS)
        for expected in range(stops):
            stop, seen, what = next_stop(page)
            if stop != expected or not seen:
                wrong.append((path, expected, stop, seen, what))
                break
    assert wrong == []


def test_a_form_that_is_wrong_says_so_first_and_leads_to_its_fields_by_keys(served: Served) -> None:
    page = shown(served, "/orders/A1001/do/report_shipment", sent=True, status=422)
    assert focused(page) == "DIV.alert"
    names = [link.get_attribute("href") for link in page.page.locator(".alert a").all()]
    assert len(names) > 1
    for name in names:
        described = page.page.evaluate(DESCRIBED, str(name)[1:])
        assert page.page.locator(f"#{described.split()[-1]}.wrong").count() == 1, name
    page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    page.until(f"document.activeElement.id === {str(names[0])[1:]!r}")


def test_a_withdrawal_that_is_wrong_says_so_at_its_field_in_chinese(served: Served) -> None:
    wrong = next(scene for scene in scenes() if scene.path == "/merchants/m-7/withdraw" and scene.status == 422)
    page = served.show(wrong, "zh")
    assert focused(page) == "DIV.alert"
    said = page.page.inner_text("#w-amount_minor")
    assert said == "'much' 不是正数（如 120.50）。"
    assert page.page.inner_text(".alert li") == f"金额：{said}"
    assert page.page.get_attribute("#f-amount_minor", "aria-describedby") == "w-amount_minor"
    page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    page.until("document.activeElement.id === 'f-amount_minor'")


def test_what_will_be_sent_is_read_before_it_is_sent(served: Served) -> None:
    page = shown(served, "/orders/A1001/do/place_hold", sent=True)
    assert focused(page).startswith("H1")
    page.page.keyboard.press("Tab")
    page.until("document.activeElement.textContent === 'Send'")


def test_a_refusal_has_the_focus(served: Served) -> None:
    page = shown(served, "/orders/A1001/do/place_hold/send", sent=True, status=409)
    assert focused(page) == "DIV.alert"
    assert page.page.locator(".alert[role=alert]").count() == 1


def test_radio_buttons_are_chosen_by_arrows(served: Served) -> None:
    page = shown(served, "/orders/A1001/do/place_hold")
    page.page.focus("#f-scope")
    page.page.keyboard.press("Space")
    page.page.keyboard.press("ArrowDown")
    page.until("document.querySelector('input[name=scope]:checked')?.value === 'payout'")
