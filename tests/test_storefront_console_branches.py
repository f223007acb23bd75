"""Every page with every kind of row that it can show: each branch of each template is rendered, without a browser.

A row that has a field more or less than the others must not fail a page (templates fail at a name they do not know).
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from itertools import cycle
from typing import Any

import pytest
from console_all_scenes import scenes
from console_client import SETTINGS, console_client
from console_scenes import Scene
from made_rows import made
from register_rows import RegisterRows
from template_branches import Branches

from core.merchant_statement import MerchantStatement, StatementRow
from core.messages import Withdrawal
from core.withdrawal.estimating import Estimate
from storefront.console import acting, counting, merchant_page, rendering, statement_page
from storefront.console.cookies import Jar
from storefront.problems import problem_of

LOCAL = SETTINGS.model_copy(update={"console": None, "world_url": "http://127.0.0.1:1"})
SESSION = "a-session"
TOKEN = Jar(secure=True, pepper=SETTINGS.pepper_needed).form_token(SESSION)


@pytest.fixture
def branches(monkeypatch: pytest.MonkeyPatch) -> Branches:
    environment = rendering._environment.__wrapped__()
    found = Branches(environment)
    monkeypatch.setattr(rendering, "_environment", lambda: environment)
    return found


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent is refused, an estimate stands against the first amount, and nothing is counted."""

    async def refused(*_given: Any) -> Any:
        return None, problem_of("needs_other_person")

    async def estimated(_settings: Any, _register: Any, wanted: Withdrawal) -> Estimate:
        full, needs_approval = wanted.amount_minor == 1_000, wanted.amount_minor == 2_000
        return made(Estimate, full=full, currency="CNY", needs_approval=needs_approval)

    def counted(*_given: Any) -> asyncio.Task[None]:
        return asyncio.create_task(asyncio.sleep(0))

    async def stated(_pool: Any, merchant_id: str, since: datetime, until: datetime) -> list[MerchantStatement]:
        abouts = ("order/A1", "withdrawal/w-1", "order/A1/refund/cancel")
        rows = [made(StatementRow, type="credit", about=about) for about in abouts * 80]
        several = [made(MerchantStatement, rows=rows), made(MerchantStatement, rows=rows[:1])]
        return several if since.month in {2, 11} else []

    monkeypatch.setattr(statement_page, "merchant_statements", stated)
    monkeypatch.setattr(counting, "count_again", counted)
    for module in (acting, merchant_page):
        monkeypatch.setattr(module, "carried_out", refused)
    monkeypatch.setattr(merchant_page, "estimate_now", estimated)


@pytest.mark.usefixtures("refusing")
async def test_every_branch_of_every_page_is_rendered(branches: Branches) -> None:
    wrong = [
        f"{scene.path} {scene.sent or ''}: {status}"
        for scene, language in zip(scenes(), cycle(("en", "zh")), strict=False)
        if (status := await shown(scene, language)) != scene.status
    ]
    assert not wrong, "\n".join(wrong)
    assert not branches.missed, "\n".join(branches.missed)


async def shown(scene: Scene, language: str) -> int:
    """The page's status."""
    rows: Any = RegisterRows({"people.signed_in": scene.person, **scene.answers})
    async with console_client(rows, settings=LOCAL if scene.local else SETTINGS) as browser:
        mark = "" if scene.local else "__Host-"
        browser.cookies.update({f"{mark}dakuan-session": SESSION, f"{mark}dakuan-language": language})
        path = f"/console{scene.path}"
        sent = None if scene.sent is None else {**scene.sent, "form_token": TOKEN}
        answer = await (browser.get(path) if sent is None else browser.post(path, data=sent))
    return answer.status_code
