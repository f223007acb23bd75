"""Every page with every kind of row that it can show: each branch of each template is rendered, without a browser.

A row that has a field more or less than the others must not fail a page (templates fail at a name they do not know).
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

import pytest
from console_all_scenes import scenes
from console_client import SETTINGS, console_client
from console_scenes import Scene
from console_served import LOCAL, SESSION
from register_rows import RegisterRows
from template_branches import Branches

from storefront.console import rendering
from storefront.console.cookies import Jar

TOKEN = Jar(secure=True, pepper=SETTINGS.pepper_needed).form_token(SESSION)


@pytest.fixture
def branches(monkeypatch: pytest.MonkeyPatch) -> Branches:
    environment = rendering._environment.__wrapped__()
    found = Branches(environment)
    monkeypatch.setattr(rendering, "_environment", lambda: environment)
    return found


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
