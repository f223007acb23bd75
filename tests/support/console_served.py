"""Pages of the console from made-up rows, served to a real browser: every kind of page, without a stack.

The browser shows one scene at a time; what a scene sends, it sends as a form of the page.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import uvicorn
from chromium import Visitor
from console_client import NOTHING, SETTINGS
from console_scenes import Scene
from made_rows import made
from playwright.sync_api import Browser
from register_rows import RegisterRows
from starlette.applications import Starlette
from starlette.routing import Mount

from core.merchant_statement import MerchantStatement, StatementRow
from core.messages import Withdrawal
from core.texts import Language
from core.withdrawal.estimating import Estimate
from ledger.merchant_statements import NewestRows
from storefront.console import acting, counting, merchant_page, statement_page
from storefront.console.app import console_app
from storefront.console.cookies import Jar
from storefront.limits import Limits
from storefront.problems import problem_of
from storefront.service import HttpService

LOCAL = SETTINGS.model_copy(update={"console": None, "world_url": "http://127.0.0.1:1"})
SESSION = "a-session"
SEND = """fields => {
  const form = document.createElement("form");
  form.method = "post";
  for (const [name, value] of Object.entries(fields)) {
    const field = document.createElement("input");
    field.type = "hidden"; field.name = name; field.value = value;
    form.append(field);
  }
  document.body.append(form);
  form.action = window.place;
  form.submit();
}"""


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent is refused, an estimate stands against the first amount, and nothing is counted."""
    with_refusals(monkeypatch)


def with_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, for as long as the patches last."""

    async def refused(*_given: Any) -> Any:
        return None, problem_of("needs_other_person")

    async def estimated(_settings: Any, _register: Any, wanted: Withdrawal) -> Estimate:
        full, needs_approval = wanted.amount_minor == 1_000, wanted.amount_minor == 2_000
        return made(Estimate, full=full, currency="CNY", needs_approval=needs_approval)

    def counted(*_given: Any) -> asyncio.Task[None]:
        return asyncio.create_task(asyncio.sleep(0))

    async def stated(_pool: Any, merchant_id: str, since: datetime, until: datetime, *, most: int) -> list[NewestRows]:
        abouts = ("order/A1", "withdrawal/w-1", "order/A1/refund/cancel")
        rows = [made(StatementRow, type="credit", about=about) for about in abouts * 80]
        several = [made(MerchantStatement, rows=rows[:most]), made(MerchantStatement, rows=rows[:1], currency="USD")]
        counts = (len(rows), 1)
        return [NewestRows(*one) for one in zip(several, counts, strict=True)] if since.month in {2, 11} else []

    monkeypatch.setattr(statement_page, "newest_rows", stated)
    monkeypatch.setattr(counting, "count_again", counted)
    for module in (acting, merchant_page):
        monkeypatch.setattr(module, "carried_out", refused)
    monkeypatch.setattr(merchant_page, "estimate_now", estimated)


class Served:
    """A console whose register says what the scene says that is shown."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.rows = RegisterRows({})
        self.url = url
        self._browser = browser
        self._visitors: dict[Language, Visitor] = {}

    def __getattr__(self, part: str) -> Any:
        return getattr(self.rows, part)

    def visitor(self, language: Language) -> Visitor:
        """The browser in one language."""
        if language not in self._visitors:
            context = self._browser.new_context(reduced_motion="reduce", base_url=self.url)
            given = {"dakuan-session": SESSION, "dakuan-language": language, "dakuan-zone": "Asia/Shanghai"}
            context.add_cookies([{"name": name, "value": value, "url": self.url} for name, value in given.items()])
            found = Visitor(context.new_page(), self.url)
            found.page.add_init_script("window.EventSource = class { addEventListener() {} }")
            found.watch()
            self._visitors[language] = found
        return self._visitors[language]

    def show(self, scene: Scene, language: Language) -> Visitor:
        """The page of a scene, which must have its status."""
        self.rows = RegisterRows({"people.signed_in": scene.person, **scene.answers})
        found, address = self.visitor(language), f"{self.url}/console{scene.path}"
        if scene.sent is None:
            response = found.page.goto(address)
        else:
            found.page.goto(f"{self.url}/console/nothing")
            token = Jar(secure=False, pepper=LOCAL.pepper_needed).form_token(SESSION)
            with found.page.expect_navigation() as sent:
                found.page.evaluate(f"window.place = {address!r}")
                found.page.evaluate(SEND, {**scene.sent, "form_token": token})
            response = sent.value
        assert response is not None
        assert response.status == scene.status, (scene.path, response.status)
        return found


@pytest.fixture(scope="module")
def served(chromium: Browser) -> Iterator[Served]:
    """The console behind a port of its own."""
    register = Served(chromium, "")
    service = HttpService(LOCAL, register, NOTHING, NOTHING, NOTHING, NOTHING, Limits(), NOTHING)  # type: ignore[arg-type]  # rows stand in for the register
    app = Starlette(routes=[Mount("/console", console_app(service))])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run)
    with pytest.MonkeyPatch.context() as patch:
        with_refusals(patch)
        thread.start()
        while not server.started:
            threading.Event().wait(0.01)
        register.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        yield register
        server.should_exit = True
        thread.join()
