"""Temporal's own Web UI in a real browser: an operator reads what is sealed, through the gateway's codec server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from chromium import apart, visitor
from playwright.sync_api import Browser, Page, expect
from up_stack import numbers

import gateway
from config import Settings, load
from config.codec import first_keys
from storefront.serving import listen, serving

pytestmark = pytest.mark.usefixtures("up")
KEYS = first_keys(b"\x07" * 4, b"\x07" * 32)
PRIVATE = {"ship_to": {"district": "海淀区"}}
SUMMARY = "audit sf SF1234567890123"
SHOWN_WITHIN = 60_000
"""Milliseconds."""


@dataclass(frozen=True)
class Looked:
    """A workflow whose payloads are sealed, and a gateway that may open them."""

    url: str
    codec: str
    ui: str


@contextmanager
def _codec_server(settings: Settings) -> Iterator[str]:
    """A gateway with the keys, beside that of the stack."""
    listener, loop = listen("127.0.0.1", 0), asyncio.new_event_loop()
    address, up, ended = f"http://127.0.0.1:{listener.getsockname()[1]}", threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serving(settings, listener):
            up.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert up.wait(60)
        yield address
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(60)
        loop.close()


async def _started(settings: Settings) -> str:
    """The address of a workflow's page. No worker of ours takes a workflow of this type."""
    async with gateway.connected(settings) as client:
        started = await client.start_workflow(
            "LookedAt",
            PRIVATE,
            id=f"looked-at-{next(numbers)}",
            task_queue="no-worker",
            static_summary=SUMMARY,
        )
    return f"/namespaces/{client.namespace}/workflows/{started.id}/{started.result_run_id}/history"


@pytest.fixture(scope="module")
def looked() -> Iterator[Looked]:
    settings = load().model_copy(update={"codec_keys": KEYS})
    page = apart(lambda: asyncio.run(_started(settings)))
    with _codec_server(settings) as address:
        yield Looked(f"{settings.temporal_ui_url}{page}", address, str(settings.temporal_ui_url))


def _opened(chromium: Browser, looked: Looked, who: str) -> tuple[Page, int]:
    """The Web UI's page of the workflow, in the browser of someone who is signed in at the console, and the status of
    what the codec server answered to it.
    """
    page = visitor(chromium, looked.codec, who).page
    # What its dialog about codec servers keeps.
    kept = {"endpoint": f"{looked.codec}/codec", "includeCredentials": True, "overrideRemoteCodecConfiguration": True}
    lines = "".join(f"localStorage.setItem('{name}', {json.dumps(json.dumps(value))});" for name, value in kept.items())
    page.add_init_script(f"if (location.port === '{urlsplit(looked.ui).port}') {{ {lines} }}")
    asked = page.expect_response(lambda answer: answer.request.method == "POST" and "/codec/decode" in answer.url)
    with asked as decoded:
        page.goto(looked.url)
    expect(page.locator("body")).to_contain_text("Workflow Execution Started", timeout=SHOWN_WITHIN)
    return page, decoded.value.status


def test_an_operator_reads_a_sealed_history_in_the_web_ui(chromium: Browser, looked: Looked) -> None:
    page, status = _opened(chromium, looked, "ann")
    assert status == 200
    for words in ("海淀区", SUMMARY):
        expect(page.locator("body")).to_contain_text(words, timeout=SHOWN_WITHIN)


def test_a_reviewer_reads_nothing_there(chromium: Browser, looked: Looked) -> None:
    page, status = _opened(chromium, looked, "rui")
    assert status == 403
    assert [words for words in ("海淀区", SUMMARY) if words in page.inner_text("body")] == []
