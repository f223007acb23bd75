"""A real Chromium for the console's pages: one a file of tests, with a page that notes what should not happen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, ParamSpec, TypeVar
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, sync_playwright
from sizes import SOAK_EXAMPLES
from up_stack import Up
from waiting import WITHIN

from config import load

P = ParamSpec("P")
R = TypeVar("R")
PROGRAMS = ("chromium-headless-shell", "chromium")
"""The engine without a desktop's window around it needs less, and shows pages alike; the other will do."""
WITHOUT = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup"),
    *("HttpsUpgrades", "MediaRouter", "OptimizationHints", "NetworkTimeServiceQuerying", "PaintHolding"),
    "SpareRendererForSitePerProcess",
)
"""Features of Chromium that are off: its address bar's suggestions are pages of their own, which each window loads, for
a quarter of all work, and each page would start a process for the next one. The others are off with Playwright, too; a
later list replaces an earlier one.
"""
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", f"--disable-features={','.join(WITHOUT)}"),
)
BESIDE = ThreadPoolExecutor(1)
COLOURS = ["color-contrast", "link-in-text-block"]
"""The rules of axe that depend on the theme, and not on the language."""
OFF = {"enabled": False}
LIKE_OTHERS = "tbody > tr:nth-child(n + 13):not(:last-child)"
"""Rows of long tables, which repeat the kinds of rows before them. Contrast is computed for each word of each row."""
AXE = Axe()
RUN = """([leftOut, options]) => axe.run({exclude: leftOut}, options).then(({violations}) =>
  violations.map(one => [one.id, one.nodes[0].html.slice(0, 200)]))"""
"""What axe finds, with the first element of each kind. Its whole answer says far more, and is slow to hand over."""
LATER = "Written down. It is being carried out"
TABS_MOST = 200
"""More stops than any page of the tests has."""


def apart(act: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
    """Call something that runs an event loop of its own: the browser's runs in this thread."""
    return BESIDE.submit(act, *arguments, **named).result()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium. It is a part of what the tests need: without it they fail."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program is not None, f"the console's tests need Chromium: apt-get install {PROGRAMS[0]} fonts-noto-cjk"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def console_url(up: Up) -> str:
    """Where the console of the running stack is."""
    port = (load().home / "http.port").read_text()
    return f"http://127.0.0.1:{port}"


@dataclass
class Visitor:
    """One person's browser: its page, and what should have been nowhere in it."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    """Requests to other hosts, violations of the policy, errors of scripts."""

    def __post_init__(self) -> None:
        self.page.set_default_timeout(WITHIN * 1_000)

    def watch(self) -> None:
        """Note what should not happen from now on."""
        self.page.on("request", self._noted)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if "Security" in said.text else None)

    def _noted(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.complaints.append(request.url)

    def go(self, path: str) -> None:
        """Open a page of ours, which must be one."""
        response = self.page.goto(f"{self.url}{path}", wait_until="load")
        assert response is not None
        assert response.status == 200, (path, response.status)

    def sign_in(self, who: str) -> None:
        """Sign a made-up person in."""
        self.go("/console/sign-in?again=1")
        with self.page.expect_navigation():
            self.page.click(f"button[value={who}]")

    def press(self, label: str) -> None:
        """Press a button or follow a link by what it says, by keys alone."""
        self.tab_to(f"one.innerText.replace(/\\s+/g, ' ').trim() === {json.dumps(label)}")
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def send(self, done: str) -> None:
        """Press Send, and read what is done, or that it goes on: a busy machine takes more than the page waits."""
        self.press("Send")
        assert done in self.says() or LATER in self.says(), self.says()

    def until(self, holds: str) -> None:
        """Wait until a condition holds in the page: what a key brings about may come a moment later."""
        self.page.wait_for_function(holds)

    def fill(self, name: str, text: str) -> None:
        """Write into a field, by keys alone."""
        self.tab_to(f"one.name === {json.dumps(name)}")
        self.page.keyboard.type(text)

    def choose(self, name: str, value: str) -> None:
        """Choose one of several radio buttons, by keys alone."""
        self.tab_to(f"one.name === {json.dumps(name)}")
        self.page.keyboard.press("Space")
        for _ in range(TABS_MOST):
            if self.page.evaluate("document.activeElement.value") == value:
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"no arrow leads to {value}")

    def tab_to(self, wanted: str) -> None:
        """Press Tab until the element with the focus is the one that is wanted: a condition of `one` in the page."""
        for _ in range(TABS_MOST):
            self.page.keyboard.press("Tab")
            if self.page.evaluate(f"(one => one !== document.body && {wanted})(document.activeElement)"):
                return
        raise AssertionError(f"no Tab leads to what is wanted: {wanted}")

    def says(self) -> str:
        """The text of the page."""
        return self.page.inner_text("main")

    def violations(self, *, colours: bool) -> list[str]:
        """What axe finds in this page: words and structure, and with `colours` also those of both themes."""
        off: dict[str, Any] = {} if colours else {"rules": dict.fromkeys(COLOURS, OFF)}
        found = self.found_in("light", off)
        if colours:
            found += self.found_in("dark", {"runOnly": {"type": "rule", "values": COLOURS}})
        return found

    def found_in(self, theme: str, options: Mapping[str, Any] = MappingProxyType({})) -> list[str]:
        """What axe finds in this page in one theme."""
        self.page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.axe_script)
        left_out = [] if SOAK_EXAMPLES else [[LIKE_OTHERS]]
        found = self.page.evaluate(RUN, [left_out, {"resultTypes": ["violations"], **options}])
        return [f"{theme} {rule}: {html}" for rule, html in found]

    def too_wide(self, *widths: int) -> list[int]:
        """Of these widths of a screen, 360 being the smallest telephone's, those where the page scrolls sideways."""
        found = []
        for width in widths:
            self.page.set_viewport_size({"width": width, "height": 760})
            if self.page.evaluate(f"document.documentElement.scrollWidth > {width}"):
                found.append(width)
        self.page.set_viewport_size({"width": 1280, "height": 900})
        return found


def visitor(browser: Browser, url: str, who: str, language: Literal["en", "zh"] = "en") -> Visitor:
    """A browser of its own for one person, who is signed in."""
    context = browser.new_context(locale="zh-CN" if language == "zh" else "en-US", reduced_motion="reduce")
    found = Visitor(context.new_page(), url)
    found.watch()
    found.sign_in(who)
    return found
