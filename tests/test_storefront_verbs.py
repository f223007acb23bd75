"""Every verb of the contract over HTTP: accepted, again, with another body, by the wrong actor, malformed, foreign."""

from __future__ import annotations

import re
from typing import Any

import pytest
from databases import Database
from http_in_process import Gateway, in_process
from ledger_samples import LIMITS, NOW, a_withdrawal, an_order, earned, opened

from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS
from core.reasons import SENTENCES
from docs.examples import COMMANDS
from ledger.book import Book
from ledger.register import Register
from storefront.api.orders import NEVER_BY_KEY as NO_ORDER_VERBS
from storefront.api.withdrawals import NEVER_BY_KEY as NO_WITHDRAWAL_VERBS
from storefront.limits import Limits
from storefront.problems import problem_of, status_of

VERBS = {
    **{verb: f"/v1/orders/A1/{verb}" for verb in ORDER_COMMANDS if verb not in NO_ORDER_VERBS},
    **{verb: f"/v1/withdrawals/W1/{verb}" for verb in WITHDRAWAL_COMMANDS if verb not in NO_WITHDRAWAL_VERBS},
}
SPOKEN_FOR = {"merchant": "m-1", "buyer": "b-1"}
"""For whom a storefront speaks: the persons of the order."""


def body_of(verb: str) -> dict[str, Any]:
    """The example, with a person for whom a storefront speaks."""
    body = COMMANDS[verb]
    role = body["actor"]["role"]
    return body | {"actor": {"role": role, "id": SPOKEN_FOR.get(role, "someone")}}


@pytest.fixture
async def books(register: Register, book: Book) -> None:
    """An order and a withdrawal of m-1."""
    await opened(register, an_order("A1"))
    await earned(register, book, 1_000)
    assert (await register.withdrawals.reserve(a_withdrawal(), LIMITS, now=NOW)).outcome == "reserved"


async def said(gateway: Gateway, path: str, shop: dict[str, str], body: Any, key: str) -> tuple[int, str]:
    answer = await gateway.ask("POST", path, shop, body, key)
    found = answer.json()
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "code", "detail", "request_id"} <= found.keys()
    return answer.status_code, found.get("code", found.get("outcome"))


@pytest.mark.usefixtures("books")
async def test_every_verb_is_taken_once_and_only_from_those_who_may(database: Database) -> None:
    async with in_process(database) as gateway:
        shop = await gateway.key()
        for verb, path in VERBS.items():
            body, key = body_of(verb), f"{verb}-1"
            before = len(gateway.changes.sent)
            first = await said(gateway, path, shop, body, key)
            if body["actor"]["role"] not in SPOKEN_FOR:
                assert first == (403, "wrong_actor"), verb
                assert len(gateway.changes.sent) == before
                continue
            assert first == (200, "accepted"), verb
            again = await gateway.ask("POST", path, shop, body, key)
            assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true"), verb
            (sent,) = gateway.changes.sent[before:]
            model = {**ORDER_COMMANDS, **WITHDRAWAL_COMMANDS}[verb]
            assert model.model_validate(sent.body) == model.model_validate(body | {"command_id": key}), verb
            other = body | {"actor": {"role": body["actor"]["role"], "id": "another"}}
            assert await said(gateway, path, shop, other, key) == (422, "command_id_used_with_different_content"), verb


@pytest.mark.usefixtures("books")
async def test_every_verb_is_read_strictly(database: Database) -> None:
    async with in_process(database) as gateway:
        shop, merchant = await gateway.key(), await gateway.key(merchant="m-1")
        for verb, path in VERBS.items():
            body, key = body_of(verb), f"{verb}-1"
            if body["actor"]["role"] not in SPOKEN_FOR:
                body = body | {"actor": {"role": "merchant", "id": "m-1"}}
            bent = await gateway.ask("POST", path, shop, body | {"surprise": 1}, key)
            assert bent.status_code == 422, verb
            (surprise,) = [error["detail"] for error in bent.json()["errors"] if error["pointer"] == "/surprise"]
            assert not {"command_id", "proof"} & set(re.findall(r"\w+", surprise)), verb
            named = await gateway.ask("POST", path, shop, body | {"command_id": key}, key)
            assert [error["pointer"] for error in named.json()["errors"]] == ["/command_id"], verb
            unsigned = await gateway.ask("POST", path, shop, body | {"proof": {}}, key)
            assert unsigned.status_code == 422, verb
            nobody = {name: value for name, value in body.items() if name != "actor"}
            assert await said(gateway, path, shop, nobody, key) == (422, "malformed"), verb
            buyer = {"role": "buyer", "id": "b-1"}
            assert await said(gateway, path, merchant, body | {"actor": buyer}, key) == (403, "wrong_actor"), verb
            keyless = await gateway.asker.post(path, json=body, headers=shop)
            assert (keyless.status_code, keyless.json()["code"]) == (400, "idempotency_key_missing"), verb
            absent = path.replace("/A1/", "/A9/").replace("/W1/", "/W9/")
            assert (await said(gateway, absent, shop, body, key))[0] == 404, verb
        assert gateway.changes.sent == []


@pytest.mark.parametrize("verb", sorted(NO_ORDER_VERBS | NO_WITHDRAWAL_VERBS))
async def test_what_proves_itself_by_a_signature_is_no_route(database: Database, verb: str) -> None:
    async with in_process(database) as gateway:
        shop = await gateway.key()
        noun = "orders/A1" if verb in ORDER_COMMANDS else "withdrawals/W1"
        assert (await gateway.ask("POST", f"/v1/{noun}/{verb}", shop, COMMANDS[verb])).status_code == 404


NOT_THERE = {"unknown_order", "unknown_withdrawal", "unknown_parcel", "unknown_account", "unknown_hold", "unknown_case"}


def test_each_reason_has_a_status_and_says_the_same_everywhere() -> None:
    statuses = {code: status_of(code) for code in SENTENCES}
    assert set(statuses.values()) == {403, 404, 409, 422, 500}
    assert {code for code in NOT_THERE & SENTENCES.keys() if statuses[code] != 404} == set()
    assert {statuses[code] for code in ("unknown_line", "unknown_carrier", "unknown_policy")} == {422}
    assert [code for code, status in statuses.items() if status == 403] == ["wrong_actor"]
    assert [code for code, status in statuses.items() if status == 500] == ["internal_error"]
    for code in SENTENCES:
        problem = problem_of(code)
        assert (problem.type, problem.code, problem.title) == (f"urn:dakuan:reason:{code}", code, SENTENCES[code])


@pytest.mark.usefixtures("books")
async def test_an_order_in_a_loop_is_slowed_and_loses_no_answer(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limits, "count", lambda *_, **__: None)
    async with in_process(database, limits=Limits()) as gateway:
        shop, path = await gateway.key(), VERBS["cancel_order"]
        bodies = [body_of("cancel_order") | {"reason": f"try {number}"} for number in range(21)]
        answers = [await gateway.ask("POST", path, shop, body, f"c-{number}") for number, body in enumerate(bodies)]
        assert [answer.status_code for answer in answers] == [200] * 20 + [429]
        assert 60 < int(answers[-1].headers["retry-after"]) <= 180
        again = await gateway.ask("POST", path, shop, bodies[0], "c-0")
        assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
        assert len(gateway.changes.sent) == 20
        elsewhere = await gateway.ask("POST", VERBS["cancel"], shop, body_of("cancel"))
        assert elsewhere.status_code == 200


async def test_a_storefronts_withdrawals_of_two_merchants_are_two(database: Database) -> None:
    """Its systems may choose the same Idempotency-Key; one merchant's keys that repeat a request make one alone."""
    asked = {"amount_minor": 100, "currency": "CNY", "account_id": "a-1"}
    async with in_process(database) as gateway:
        shops, own = [await gateway.key() for _ in range(2)], [await gateway.key(merchant="m-1") for _ in range(2)]
        for shop, merchant in zip(shops, ("m-1", "m-2"), strict=True):
            await gateway.ask("POST", "/v1/withdrawals", shop, asked | {"merchant_id": merchant}, "k1")
        for key in own:
            await gateway.ask("POST", "/v1/withdrawals", key, asked, "k1")
        first, second, *again = [pending.subject for pending in gateway.changes.sent]
    assert first != second
    assert again == [first, first]
