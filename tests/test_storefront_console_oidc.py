"""Sign-in by a provider of identities: who it names gets in, and nothing that it did not say so of this sign-in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import pytest
from console_client import CLIENT, ISSUER, OURS, SETTINGS, console_client
from databases import Database
from joserfc.jwk import OKPKey
from rate_clock import hold_rates

from config.console import parse_console
from core.errors import Misconfigured
from ledger.register import Register
from local.identity import IdentityProvider
from storefront.console import provider_keys
from storefront.console.cookies import Jar
from storefront.console.oidc import ProviderDesk
from storefront.limits import UNKNOWN_SENDERS


@pytest.fixture
def provider() -> IdentityProvider:
    return IdentityProvider(ISSUER, CLIENT)


@pytest.fixture
async def browser(
    provider: IdentityProvider, register: Register, database: Database
) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser in front of a console over TLS, and an operator whom the provider knows as `ann-7`."""
    now = datetime.now(UTC)
    people = Register(database.owner).people
    assert await people.add(
        "ann", "Ann", "operator", merchant_id=None, issuer=ISSUER, subject="ann-7", by="owner", now=now
    )
    async with console_client(register, httpx2.ASGITransport(app=provider.app())) as client:
        yield client


async def through(
    browser: httpx2.AsyncClient, provider: IdentityProvider, path: str = "/console/sign-in/start", **changes: str
) -> httpx2.Response:
    """Begin a sign-in, let the provider send the browser back, and follow it."""
    begun = await browser.get(path)
    assert begun.status_code == 303, begun.text
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=provider.app())) as there:
        sent_back = await there.get(begun.headers["location"])
    query = {name: values[0] for name, values in parse_qs(urlsplit(sent_back.headers["location"]).query).items()}
    return await browser.get("/console/sign-in/done", params=query | changes)


async def test_whom_the_provider_names_gets_in(browser: httpx2.AsyncClient, provider: IdentityProvider) -> None:
    answer = await through(browser, provider, "/console/sign-in/start?next=/console/money")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/money")
    (said,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith("__Host-dakuan-session=")]
    assert {part.strip().lower() for part in said.split(";")[1:]} == {"httponly", "secure", "samesite=lax", "path=/"}
    page = await browser.get("/console/search?q=nothing")
    assert (page.status_code, "Ann" in page.text) == (200, True)


@pytest.mark.parametrize(
    "spoil",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another-client"},
        {"aud": ["dakuan", "another"], "azp": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"auth_time": None},
        {"auth_time": "soon"},
        {"sub": None},
        {"sub": ["ann-7"]},
        {"sub": "a stranger"},
        {"sub": "ann-7\0"},
    ],
    ids=str,
)
async def test_what_is_not_of_this_sign_in_is_refused(
    browser: httpx2.AsyncClient, provider: IdentityProvider, spoil: dict[str, Any]
) -> None:
    provider.spoil = spoil
    assert (await through(browser, provider)).status_code == 401
    assert (await browser.get("/console/search")).status_code == 303


async def test_a_token_that_another_key_signed_is_refused(
    browser: httpx2.AsyncClient, provider: IdentityProvider
) -> None:
    provider.signing_key = OKPKey.generate_key("Ed25519", {"kid": "k1"})
    assert (await through(browser, provider)).status_code == 401


async def test_keys_are_kept_and_a_new_one_is_found(
    browser: httpx2.AsyncClient, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answer = ProviderDesk.json

    async def counted(desk: ProviderDesk, method: str, url: str, **more: Any) -> dict[str, Any]:
        asked.append(url.rpartition("/")[2])
        return await answer(desk, method, url, **more)

    monkeypatch.setattr(ProviderDesk, "json", counted)
    for _ in range(3):
        assert (await through(browser, provider)).status_code == 303
    assert asked.count("jwks") == 1
    provider.key = OKPKey.generate_key("Ed25519", {"kid": "k2"})
    assert (await through(browser, provider)).status_code == 303
    assert asked.count("jwks") == 2
    # One that was taken back is believed no longer than this.
    monkeypatch.setattr(provider_keys, "KEPT_FOR", 0.0)
    assert (await through(browser, provider)).status_code == 303
    assert asked.count("jwks") == 3


async def test_a_sign_in_that_was_begun_elsewhere_is_refused(
    browser: httpx2.AsyncClient, provider: IdentityProvider
) -> None:
    assert (await through(browser, provider, state="forged")).status_code == 401
    assert (await through(browser, provider, iss="https://evil.example")).status_code == 401
    assert (await through(browser, provider, error="access_denied")).status_code == 401
    assert (await through(browser, provider, code="stolen")).status_code == 503
    browser.cookies.clear()
    assert (await browser.get("/console/sign-in/done?code=x&state=y")).status_code == 401


async def test_what_moves_money_asks_for_a_new_proof_and_gets_it(
    browser: httpx2.AsyncClient, provider: IdentityProvider, register: Register
) -> None:
    provider.signed_in_ago = 3 * 3600
    assert (await through(browser, provider)).status_code == 303
    signed_in = await register.people.signed_in(_digest(browser), datetime.now(UTC))
    assert signed_in is not None
    assert (datetime.now(UTC) - signed_in.signed_in_at).total_seconds() > 3 * 3600 - 60
    again = "/console/sign-in/start?again=1"
    assert (await through(browser, provider, again)).status_code == 303
    fresh = await register.people.signed_in(_digest(browser), datetime.now(UTC))
    assert fresh is not None
    assert fresh.signed_in_at > signed_in.signed_in_at
    provider.spoil = {"auth_time": 1_700_000_000}
    assert (await through(browser, provider, again)).status_code == 401


async def test_a_form_that_moves_money_is_shown_after_a_recent_sign_in_alone(
    browser: httpx2.AsyncClient, provider: IdentityProvider, database: Database
) -> None:
    people = Register(database.owner).people
    now = datetime.now(UTC)
    await people.add("mei", "Mei", "merchant", merchant_id="m-7", issuer=ISSUER, subject="mei", by="owner", now=now)
    provider.login, provider.signed_in_ago = "mei", 20 * 60
    assert (await through(browser, provider)).status_code == 303
    where = "/console/merchants/m-7/withdraw"
    again = await browser.get(where)
    assert (again.status_code, again.headers["location"]) == (
        303,
        f"/console/sign-in?again=1&next={quote(where, safe='')}",
    )
    assert "/console/sign-in/start?next=" in (await browser.get(again.headers["location"])).text
    answer = await through(browser, provider, f"/console/sign-in/start?again=1&next={where}")
    assert answer.headers["location"] == where
    assert (await browser.get(where)).status_code == 200


async def test_who_has_left_gets_in_no_more(
    browser: httpx2.AsyncClient, provider: IdentityProvider, database: Database
) -> None:
    assert (await through(browser, provider)).status_code == 303
    assert await Register(database.owner).people.end("ann", datetime.now(UTC), "owner")
    assert (await browser.get("/console/search")).status_code == 303
    assert (await through(browser, provider)).status_code == 401


async def test_no_made_up_person_signs_in_where_a_provider_is_set(browser: httpx2.AsyncClient) -> None:
    page = await browser.get("/console/sign-in")
    token = page.text.partition('name="form_token" value="')[2].partition('"')[0]
    answer = await browser.post("/console/sign-in", data={"form_token": token, "subject": "ann", "next": ""})
    assert answer.status_code == 404
    assert (await browser.get("/console/sign-in", headers={"Host": "127.0.0.1"})).status_code == 421


async def test_a_provider_that_is_away_or_another_is_said_so(
    browser: httpx2.AsyncClient, provider: IdentityProvider
) -> None:
    provider.issuer = "https://another.example"
    assert (await browser.get("/console/sign-in/start")).status_code == 503


def _digest(browser: httpx2.AsyncClient) -> bytes:
    return Jar(secure=True, pepper=SETTINGS.pepper_needed).digest(str(browser.cookies["__Host-dakuan-session"]))


GIVEN = {
    "DAKUAN_CONSOLE_URL": OURS,
    "DAKUAN_OIDC_ISSUER": ISSUER,
    "DAKUAN_OIDC_CLIENT_ID": CLIENT[0],
    "DAKUAN_OIDC_CLIENT_SECRET": CLIENT[1],
}


def test_the_settings_of_the_console_are_all_set_or_none() -> None:
    assert parse_console({}) is None
    usual = parse_console(GIVEN | {"DAKUAN_CONSOLE_URL": f"{OURS}:443/"})
    assert usual is not None
    assert usual.host == "pay.example"
    assert parse_console(GIVEN) == SETTINGS.console
    for name in GIVEN:
        with pytest.raises(Misconfigured, match="is not: the console needs all of"):
            parse_console({other: value for other, value in GIVEN.items() if other != name})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"DAKUAN_CONSOLE_URL": "pay.example"}, "DAKUAN_CONSOLE_URL is not an address"),
        ({"DAKUAN_CONSOLE_URL": "https://pay.example/console"}, "DAKUAN_CONSOLE_URL has a path"),
        ({"DAKUAN_CONSOLE_URL": "http://pay.example"}, "DAKUAN_CONSOLE_URL is plain http"),
        ({"DAKUAN_OIDC_ISSUER": "http://id.example"}, "DAKUAN_OIDC_ISSUER is plain http"),
        ({"DAKUAN_OIDC_ISSUER": "https://a:b@id.example"}, "DAKUAN_OIDC_ISSUER is not an address"),
    ],
)
def test_an_address_that_is_none_or_unsafe_is_named(changes: dict[str, str], said: str) -> None:
    with pytest.raises(Misconfigured, match=said):
        parse_console(GIVEN | changes)


async def test_a_code_may_be_long_and_the_page_to_come_back_to_too(
    browser: httpx2.AsyncClient, provider: IdentityProvider
) -> None:
    """Some providers put a sealed token into the code."""
    page = f"/console/search?q={'a' * 300}"
    begun = await browser.get("/console/sign-in/start", params={"next": page})
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=provider.app())) as there:
        sent_back = await there.get(begun.headers["location"])
    query = {name: values[0] for name, values in parse_qs(urlsplit(sent_back.headers["location"]).query).items()}
    long = f"{query['code']}.{'x' * 1_500}"
    provider.codes[long] = provider.codes.pop(query["code"])
    answer = await browser.get("/console/sign-in/done", params=query | {"code": long})
    assert (answer.status_code, answer.headers.get("location")) == (303, page)


async def test_one_address_does_not_let_us_ask_the_provider_without_end(
    browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_rates(monkeypatch)
    seen = {(await browser.get("/console/sign-in/start")).status_code for _ in range(UNKNOWN_SENDERS.burst + 1)}
    assert seen == {303, 429}


@pytest.mark.parametrize("keys", [{}, {"keys": None}, {"keys": ["k"]}, {"keys": [{"kty": "?"}]}], ids=str)
async def test_keys_of_no_form_that_there_is_let_no_one_in(
    browser: httpx2.AsyncClient, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any]
) -> None:
    asked = ProviderDesk.json

    async def spoilt(desk: ProviderDesk, method: str, url: str, **more: Any) -> dict[str, Any]:
        return keys if url.endswith("/jwks") else await asked(desk, method, url, **more)

    monkeypatch.setattr(ProviderDesk, "json", spoilt)
    assert (await through(browser, provider)).status_code == 401


async def test_a_stranger_chooses_a_language_on_any_page(browser: httpx2.AsyncClient) -> None:
    page = await browser.get("/console/nowhere")
    token = page.text.partition('name="form_token" value="')[2].partition('"')[0]
    chosen = {"form_token": token, "language": "zh", "back": "/console/nowhere"}
    answer = await browser.post("/console/preferences", data=chosen)
    assert (page.status_code, answer.status_code) == (404, 303)
    assert 'lang="zh-Hans"' in (await browser.get("/console/nowhere")).text
