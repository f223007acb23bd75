"""No page of the console reads more of long books than it shows: counted in buffers, not in seconds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from console_client import ISSUER, SETTINGS, console_client
from databases import Database
from explained import Explained

from bench.settled import add_settled_orders
from ledger.register import Register
from storefront.console.cookies import Jar

ORDERS = 3_000
MOST = 130
"""Buffers of 8 KB that a page may read: what grows with the orders stays below 2,000 at twenty times as many."""
FEW = 12
PAGES = (
    *("/console/", "/console/search?q=m-98", "/console/search?q=YT0000000000098", "/console/search?q=b-98"),
    *("/console/reviews", "/console/reviews?kind=audit", "/console/withdrawals", "/console/withdrawals?state=all"),
    *("/console/withdrawals?state=all&merchant=m-7", "/console/endpoints", "/console/search?q=pay-S0000098"),
    *("/console/cases", "/console/merchants/m-7", "/console/money", "/console/quality", "/console/carriers"),
)
"""Those that need no whole state of an order: the synthetic ones have none."""
ORDER = "S0000098"
OF_AN_ORDER: dict[str, Callable[[Register], Awaitable[Any]]] = {
    "money": lambda register: register.balances.of_order(ORDER),
    "notices": lambda register: register.notices.read(subject=f"order/{ORDER}", limit=200),
    "traces": lambda register: register.providers.polled([ORDER]),
    "pushes": lambda register: register.pushes.of_number("YT0000000000098"),
    "claimants": lambda register: register.claims.claimants("YT0000000000098"),
    "reviews": lambda register: register.reviews.waiting(order_id=ORDER),
    "events": lambda register: register.events.after(subject=f"order/{ORDER}"),
}
"""What the page of an order reads."""


async def test_no_page_reads_more_than_it_may(database: Database) -> None:
    async with database.owner.acquire() as owner:
        await add_settled_orders(owner, ORDERS)
    now, owners = datetime.now(UTC), Register(database.owner)
    await owners.people.add(
        "ann", "Ann", "operator", merchant_id=None, issuer=ISSUER, subject="ann", by="owner", now=now
    )
    digest = Jar(secure=True, pepper=SETTINGS.pepper_needed).digest("a session")
    await owners.people.open_session(
        digest, "ann", replaces=None, signed_in_at=now, ends_at=now + timedelta(hours=1), now=now
    )
    # Figures over everything are counted apart, and kept.
    await owners.figures.keep("money", {"currencies": [], "ageing": []}, now)
    await owners.figures.keep("quality", {"rules": [], "false_holds": []}, now)
    read: dict[str, int] = {}
    # A session's first call of each function reads the catalogue: the first page is read twice.
    for path in (PAGES[0], *PAGES):
        pool: Any = Explained(database.pool)
        async with console_client(Register(pool)) as browser:
            browser.cookies.set("__Host-dakuan-session", "a session")
            answer = await browser.get(path, follow_redirects=True)
            assert answer.status_code == 200, path
        read[path] = pool.buffers
    for name, asked in OF_AN_ORDER.items():
        pool = Explained(database.pool)
        await asked(Register(pool))
        read[name] = pool.buffers
    assert read["/console/cases"] <= FEW, "orders that wait for something else are not looked through"
    assert {path: buffers for path, buffers in read.items() if buffers > MOST} == {}
