"""Every page with every kind of row that it can show: each branch of each template is rendered, without a browser.

A row that has a field more or less than the others must not fail a page (templates fail at a name they do not know).
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from console_all_scenes import scenes
from console_client import SETTINGS, console_client
from console_scenes import Scene
from console_served import LOCAL, SESSION
from register_rows import RegisterRows
from template_branches import Branches
from visible import visible_texts

from core.audit.waybills import CARRIERS
from storefront.console import rendering
from storefront.console.cookies import Jar

WORDS = re.compile(r"[A-Za-z]{2,}[ ,:;]+[A-Za-z]{2,}")
"""A run of Latin words is a sentence that was not translated; one alone may be a name, a currency or a unit."""
COMMANDS = ("starter.py chargeback", "starter.py settlement", "starter.py rescue", "starter.py receivable --paid-in")
SAID = ("It is a toy", "It is ours", "It was whole", "looks odd", *COMMANDS)
NAMES = re.compile("|".join(map(re.escape, (*SAID, *(one.name_zh for one in CARRIERS.carriers)))))
TOKEN = Jar(secure=True, pepper=SETTINGS.pepper_needed).form_token(SESSION)


@pytest.fixture
def branches(monkeypatch: pytest.MonkeyPatch) -> Branches:
    environment = rendering._environment.__wrapped__()
    found = Branches(environment)
    monkeypatch.setattr(rendering, "_environment", lambda: environment)
    return found


@pytest.mark.usefixtures("refusing")
async def test_every_branch_of_every_page_is_rendered_and_all_of_it_in_chinese(branches: Branches) -> None:
    wrong: list[str] = []
    english: dict[str, str] = {}
    for scene in scenes():
        status, page = await shown(scene, "zh")
        if status != scene.status:
            wrong.append(f"{scene.path} {scene.sent or ''}: {status}")
        if "format=csv" not in scene.path:
            english |= dict.fromkeys(map(unnamed, visible_texts(page)), scene.path)
    both_ends = [*{one.path: one for one in scenes()}.values(), *{one.path: one for one in [*scenes()][::-1]}.values()]
    wrong += [f"{one.path} in English" for one in both_ends if (await shown(one, "en"))[0] != one.status]
    assert not wrong, "\n".join(wrong)
    assert not branches.missed, "\n".join(branches.missed)
    assert {text: path for text, path in english.items() if WORDS.search(text)} == {}


def unnamed(text: str) -> str:
    """A text without names, and without what people of the scenes say."""
    return NAMES.sub("", text)


async def shown(scene: Scene, language: str) -> tuple[int, str]:
    """The page's status and its text."""
    rows: Any = RegisterRows({"people.signed_in": scene.person, **scene.answers})
    async with console_client(rows, settings=LOCAL if scene.local else SETTINGS) as browser:
        mark = "" if scene.local else "__Host-"
        browser.cookies.update({f"{mark}dakuan-session": SESSION, f"{mark}dakuan-language": language})
        path = f"/console{scene.path}"
        sent = None if scene.sent is None else {**scene.sent, "form_token": TOKEN}
        answer = await (browser.get(path) if sent is None else browser.post(path, data=sent))
    return answer.status_code, answer.text
