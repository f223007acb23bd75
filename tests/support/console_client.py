"""The console without a server: its pages over a register, for tests that need no Temporal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx2
from starlette.applications import Starlette
from starlette.routing import Mount

from config import Settings
from config.console import ConsoleSettings
from ledger.register import Register
from storefront.changing import Changes
from storefront.console.app import console_app
from storefront.limits import Limits
from storefront.service import HttpService

ISSUER, OURS = "https://id.example", "https://pay.example"
CLIENT = ("dakuan", "s3cret")
SETTINGS = Settings(
    peppers=(b"p" * 32,),
    temporal_ui_url="http://127.0.0.1:8233",
    console=ConsoleSettings(url=OURS, issuer=ISSUER, client_id=CLIENT[0], client_secret=CLIENT[1]),
)
NOTHING = cast(Any, None)
"""A part of the gateway that no page needs."""


@asynccontextmanager
async def console_client(
    register: Register,
    provider: httpx2.AsyncBaseTransport | None = None,
    settings: Settings = SETTINGS,
    endpoints: Any = NOTHING,
) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser in front of a console: over TLS, or of a local stack where the settings name no provider."""
    changes = Changes(register, NOTHING, settings.peppers_needed)
    service = HttpService(settings, register, NOTHING, changes, NOTHING, NOTHING, Limits(), endpoints)
    console = console_app(service)
    console.state.transport = provider
    app = Starlette(routes=[Mount("/console", console)])
    address = OURS if settings.console is not None else "http://127.0.0.1"
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=address) as client:
        yield client
