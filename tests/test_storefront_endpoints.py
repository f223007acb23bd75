"""Endpoints: challenged before anything is sent, rotated without a gap, seen by their owner alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from consumer import Consumer, status
from hooks import VAULT, Hooks, consumers, got
from http_stack import Http, fresh_key, keyed
from pydantic import ValidationError
from rate_clock import hold_rates
from standardwebhooks import Webhook
from waiting import WITHIN

from core.errors import Refused
from core.reading import reasons_of
from core.webhooks import OVERLAP, PostAnswer
from storefront.endpoints import POSTS_AN_OWNER, EndpointAsked, EndpointChange, EndpointDesk, Made, Redelivery, _echoes
from storefront.posting import Poster
from storefront.problems import ProblemError
from storefront.targets import Reach


@pytest.fixture
def desk(hooks: Hooks) -> EndpointDesk:
    return EndpointDesk(hooks.register, VAULT, hooks.poster)


async def _made(desk: EndpointDesk, hooks: Hooks, url: str, name: str = "e1", **asked: Any) -> Made:
    new = {"endpoint_id": name, "merchant_id": None, "created_by": "k", "digest": url, "asked_as": f"k/{name}"}
    return await desk.make(EndpointAsked(url=url, **asked), new, hooks.clock())


async def test_an_endpoint_is_active_once_it_echoed(desk: EndpointDesk, hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        made = await _made(desk, hooks, consumer.url)
    assert (made.endpoint.state, made.challenge) == ("active", None)
    assert str(made.verify_with).startswith("whsec_")


@pytest.mark.parametrize("answer", ["ok", "", '{"challenge": "other"}', '{"data": {}}', "[]", "{"])
def test_only_the_very_text_is_an_echo(answer: str) -> None:
    assert not _echoes(answer, "text")
    assert _echoes("text\n", "text")
    assert _echoes('{"challenge": "text"}', "text")


async def test_an_endpoint_that_does_not_echo_gets_nothing(desk: EndpointDesk, hooks: Hooks) -> None:
    """A shop that makes an endpoint could name the address of someone else."""
    consumer = Consumer(challenged=lambda text: status(200, body="hello"))
    async with consumers(consumer):
        made = await _made(desk, hooks, consumer.url)
        assert (made.endpoint.state, made.endpoint.disabled_for) == ("disabled", "challenge")
        assert made.challenge is not None
        await hooks.event("order/A1")
        await hooks.deliver()
        assert consumer.asked == 1
        with pytest.raises(ProblemError) as refused:
            await desk.test(made.endpoint, hooks.clock())
        assert refused.value.problem.code == "challenge_failed"
        consumer.challenged = None
        await desk.change(made.endpoint, EndpointChange(state="active"), hooks.clock())
        await hooks.deliver()
    assert got(consumer) == ["evt_order_A1_1"]


async def test_another_url_has_to_echo_first(desk: EndpointDesk, hooks: Hooks) -> None:
    one, other = Consumer(), Consumer(challenged=lambda text: status(500))
    async with consumers(one, other):
        made = await _made(desk, hooks, one.url)
        with pytest.raises(ProblemError) as refused:
            await desk.change(made.endpoint, EndpointChange(url=other.url), hooks.clock())
        assert refused.value.problem.status == 409
        await hooks.event("order/A1")
        await hooks.deliver()
        assert (other.events, one.events) == ([], [])
        other.challenged = None
        await desk.change(await hooks.endpoint(), EndpointChange(state="active"), hooks.clock())
        await hooks.deliver()
    assert got(other) == ["evt_order_A1_1"]


async def test_the_same_again_is_the_same_endpoint_with_the_same_secret(desk: EndpointDesk, hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        first = await _made(desk, hooks, consumer.url)
        again = await _made(desk, hooks, consumer.url)
        assert (again.endpoint.endpoint_id, again.verify_with) == (first.endpoint.endpoint_id, first.verify_with)
        with pytest.raises(ProblemError) as refused:
            await _made(desk, hooks, f"{consumer.url}/other")
    assert refused.value.problem.code == "command_id_used_with_different_content"
    assert len(await hooks.register.endpoints.rows()) == 1


async def test_there_are_so_many_and_no_more(desk: EndpointDesk, hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storefront.endpoints.ENDPOINTS_AT_MOST", 1)
    consumer = Consumer()
    async with consumers(consumer):
        await _made(desk, hooks, consumer.url)
        with pytest.raises(ProblemError) as refused:
            await _made(desk, hooks, consumer.url, "e2")
    assert refused.value.problem.code == "too_many_endpoints"


@pytest.mark.parametrize("model", [EndpointAsked, EndpointChange])
def test_a_type_that_no_event_has_is_refused(model: type[EndpointAsked | EndpointChange]) -> None:
    """Its endpoint would be active, and get nothing."""
    for known in ("order.held", "order.*", "notice.ship", "withdrawal.paid"):
        assert model.model_validate({"url": "https://shop.example", "types": [known]}).types == (known,)
    with pytest.raises(ValidationError) as refused:
        model.model_validate({"url": "https://shop.example", "types": ["order.held", "order.hold"]})
    (reason,) = reasons_of(refused.value)
    assert reason["field"] == "types.1"
    assert "Did you mean order.held" in reason["message"]


async def test_an_address_that_may_not_be_delivered_to_is_refused(desk: EndpointDesk, hooks: Hooks) -> None:
    with pytest.raises(Refused, match="not a public address"):
        await _made(desk, hooks, "https://10.0.0.1/hooks")
    assert await hooks.register.endpoints.rows() == []


@pytest.mark.parametrize(("signing", "prefix"), [("v1", "whsec_"), ("v1a", "whpk_")])
async def test_both_secrets_sign_for_a_day(desk: EndpointDesk, hooks: Hooks, signing: str, prefix: str) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        made = await _made(desk, hooks, consumer.url, signing=signing)
        new, ends = await desk.rotate(made.endpoint, "k/rotate", hooks.clock())
        assert await desk.rotate(made.endpoint, "k/rotate", hooks.clock()) == (new, ends)
        assert new.startswith(prefix)
        assert new != made.verify_with
        assert ends == hooks.clock() + OVERLAP
        await desk.test(made.endpoint, hooks.clock())
        assert len(consumer.headers["webhook-signature"].split()) == 2
        if signing == "v1":
            for secret in (new, str(made.verify_with)):
                Webhook(secret).verify(consumer.raw, consumer.headers)
        await desk.test(made.endpoint, ends)
        assert len(consumer.headers["webhook-signature"].split()) == 1


async def test_a_secret_signs_its_day_out_also_where_it_is_rotated_again(desk: EndpointDesk, hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        made = await _made(desk, hooks, consumer.url)
        first, ends = await desk.rotate(made.endpoint, "k/1", hooks.clock())
        later = [await desk.rotate(made.endpoint, f"k/{number}", hooks.clock()) for number in (2, 3, 4)]
        assert await desk.rotate(made.endpoint, "k/1", hooks.clock()) == (first, ends), "the same makes no further one"
        await desk.test(made.endpoint, hooks.clock())
        for secret in (str(made.verify_with), first, *(secret for secret, _ in later)):
            Webhook(secret).verify(consumer.raw, consumer.headers)
        with pytest.raises(ProblemError, match="At most 5 secrets") as refused:
            await desk.rotate(made.endpoint, "k/5", hooks.clock())
        assert refused.value.headers == {"Retry-After": "86400"}
        await desk.test(made.endpoint, ends)
        assert len(consumer.headers["webhook-signature"].split()) == 1
        await desk.rotate(made.endpoint, "k/5", ends)


async def test_a_rotation_that_is_sent_again_after_a_later_one_names_the_end_that_it_named(
    desk: EndpointDesk, hooks: Hooks
) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        made = await _made(desk, hooks, consumer.url)
        began = hooks.clock()
        answer = await desk.rotate(made.endpoint, "k/1", began)
        assert answer[1] == began + OVERLAP
        await desk.rotate(made.endpoint, "k/2", began + timedelta(hours=1))
        for later in (timedelta(hours=2), OVERLAP):
            assert await desk.rotate(made.endpoint, "k/1", began + later) == answer, later


async def test_a_secret_is_stored_sealed_and_opens_for_its_endpoint_alone(desk: EndpointDesk, hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        made = await _made(desk, hooks, consumer.url)
    (row,) = await hooks.register.endpoints.secrets("e1", hooks.clock())
    assert str(made.verify_with).encode() not in row.ciphertext
    with pytest.raises(Exception, match="does not open"):
        row.model_copy(update={"endpoint_id": "e2"}).open(VAULT)


async def test_an_event_is_sent_again_at_once(desk: EndpointDesk, hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        made = await _made(desk, hooks, consumer.url)
        await hooks.event("order/A1", "order.opened", "order.held")
        await hooks.deliver()
        answer = await desk.redeliver(made.endpoint, Redelivery(event="evt_order_A1_1"), hooks.clock())
        assert answer is not None
        assert answer.status == 200
        for what in (Redelivery(event="evt_order_A9_1"), Redelivery(event="x"), Redelivery(subject="order/A9")):
            with pytest.raises(ProblemError) as refused:
                await desk.redeliver(made.endpoint, what, hooks.clock())
            assert refused.value.problem.status == 404
        for what in (Redelivery(), Redelivery(event="evt_order_A1_1", subject="order/A1")):
            with pytest.raises(ProblemError) as refused:
                await desk.redeliver(made.endpoint, what, hooks.clock())
            assert refused.value.problem.code == "malformed"
    assert got(consumer) == ["evt_order_A1_1", "evt_order_A1_2", "evt_order_A1_1"]


async def test_everything_since_a_time_is_sent_again(desk: EndpointDesk, hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        made = await _made(desk, hooks, consumer.url)
        await hooks.event("order/A1")
        await hooks.deliver()
        since = hooks.clock() - timedelta(minutes=1)
        await desk.redeliver(made.endpoint, Redelivery(since=since), hooks.clock())
        await desk.redeliver(made.endpoint, Redelivery(subject="order/A1"), hooks.clock())
        await hooks.deliver()
    assert set(got(consumer)) == {"evt_order_A1_1"}
    assert len(consumer.events) >= 2


async def test_a_merchants_endpoint_gets_nothing_of_others_by_sending_again(desk: EndpointDesk, hooks: Hooks) -> None:
    consumer = Consumer()
    async with consumers(consumer):
        await hooks.add(consumer, merchant_id="m-2")
        await hooks.event("order/A1", merchant="m-1")
        endpoint = await hooks.endpoint()
        for what in (Redelivery(event="evt_order_A1_1"), Redelivery(subject="order/A1")):
            with pytest.raises(ProblemError) as refused:
                await desk.redeliver(endpoint, what, hooks.clock())
            assert refused.value.problem.status == 404
        await desk.redeliver(endpoint, Redelivery(since=hooks.clock() - timedelta(days=1)), hooks.clock())
        await hooks.deliver()
    assert consumer.events == []


async def test_challenges_are_few(desk: EndpointDesk, hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a key could let us knock at anyone's door."""
    hold_rates(monkeypatch)
    consumer = Consumer(challenged=lambda text: status(404))
    async with consumers(consumer):
        made = await _made(desk, hooks, consumer.url)
        for _ in range(5):
            await desk.challenge(made.endpoint, hooks.clock())
        with pytest.raises(ProblemError) as refused:
            await desk.challenge(made.endpoint, hooks.clock())
    assert (refused.value.problem.status, consumer.asked) == (429, 6)
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 10


# --- over HTTP ---------------------------------------------------------------------------------------------


@pytest.fixture
def listener() -> Iterator[Consumer]:
    """A consumer beside the stack."""
    consumer = Consumer()
    with consumer.in_a_thread():
        yield consumer


@pytest.mark.usefixtures("up")
def test_an_endpoint_lives_over_http(shop: Http, listener: Consumer) -> None:
    key = fresh_key()
    made = shop.post("/v1/endpoints", {"url": listener.url, "types": ["order.*"]}, key)
    assert (made.status, made.body["state"]) == (201, "active"), made.body
    where = f"/v1/endpoints/{made.body['endpoint_id']}"
    assert shop.post("/v1/endpoints", {"url": listener.url, "types": ["order.*"]}, key).body == made.body
    assert shop.post("/v1/endpoints", {"url": listener.url}, key).status == 422
    assert shop.get(where).body["waiting"] == 0
    assert shop.post(f"{where}/test").body["delivered"] is True
    assert Webhook(made.body["verify_with"]).verify(listener.raw, listener.headers)["type"] == "endpoint.test"
    rotated = shop.post(f"{where}/rotate", key=fresh_key()).body
    assert rotated["verify_with"] != made.body["verify_with"]
    assert shop.patch(where, {"description": "orders", "state": "disabled"}).body["disabled_for"] == "asked"
    assert shop.patch(where, {"state": "active"}).body["state"] == "active"
    kinds = [row["type"] for row in shop.get(f"{where}/attempts").body["data"]]
    assert kinds == ["endpoint.challenge", "endpoint.test", "endpoint.challenge"]
    assert shop.delete(where).body["removed"] is True
    assert shop.get(where).status == 404


@pytest.mark.usefixtures("up")
def test_bad_requests_about_endpoints_are_named(shop: Http, listener: Consumer) -> None:
    for body, pointer in (
        ({}, "/url"),
        ({"url": "http://shop.example/"}, "/url"),
        ({"url": "https://169.254.169.254/"}, "/url"),
        ({"url": listener.url, "types": ["Order"]}, "/types/0"),
        ({"url": listener.url, "types": ["order.held"] * 51}, "/types"),
        ({"url": listener.url, "signing": "v2"}, "/signing"),
        ({"url": listener.url, "secret": "x"}, "/secret"),
    ):
        answer = shop.post("/v1/endpoints", body, fresh_key())
        assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, pointer), answer.body
    assert shop.post("/v1/endpoints", {"url": listener.url}).body["code"] == "idempotency_key_missing"
    assert shop.get("/v1/endpoints/unknown").status == 404


@pytest.mark.usefixtures("up")
def test_an_endpoint_is_its_merchants_alone(http_client: httpx2.Client, shop: Http, listener: Consumer) -> None:
    mine, other = keyed(http_client, "--merchant", "m-hooks-1"), keyed(http_client, "--merchant", "m-hooks-2")
    made = mine.post("/v1/endpoints", {"url": listener.url}, fresh_key()).body
    where = f"/v1/endpoints/{made['endpoint_id']}"
    assert made["merchant_id"] == "m-hooks-1"
    assert [row["endpoint_id"] for row in mine.get("/v1/endpoints").body["data"]] == [made["endpoint_id"]]
    assert other.get("/v1/endpoints").body["data"] == []
    assert {other.get(where).status, other.patch(where, {"state": "disabled"}).status, other.delete(where).status} == {
        404
    }
    assert {other.post(f"{where}/{act}", key=fresh_key()).status for act in ("test", "redeliver", "rotate")} == {404}
    assert shop.get(where).status == 200
    foreign = {"url": listener.url, "merchant_id": "m-hooks-2"}
    assert mine.post("/v1/endpoints", foreign, fresh_key()).body["code"] == "wrong_actor"
    assert shop.post("/v1/endpoints", foreign, fresh_key()).body["merchant_id"] == "m-hooks-2"
    reader = keyed(http_client, "--scope", "orders:read")
    assert reader.get(where).status == 403


class Hanging(Poster):
    """A poster whose consumers never answer."""

    def __init__(self) -> None:
        super().__init__(Reach(loopback=True))
        self.began = asyncio.Semaphore(0)

    async def post(self, url: str, body: bytes, headers: Any) -> PostAnswer:
        self.began.release()
        never: asyncio.Future[PostAnswer] = asyncio.Future()
        return await never


async def test_a_merchant_that_lets_its_tests_hang_waits_alone(desk: EndpointDesk, hooks: Hooks) -> None:
    """Each holds a connection for 15 seconds, and a key may begin twenty a second."""
    consumer, hanging = Consumer(), Hanging()
    async with consumers(consumer):
        for name in ("m-1", "m-2"):
            new = {"endpoint_id": name, "merchant_id": name, "created_by": "k", "digest": name, "asked_as": name}
            await desk.make(EndpointAsked(url=consumer.url), new, hooks.clock())
    slow = EndpointDesk(hooks.register, VAULT, hanging)
    own, other = [await desk.get(name) for name in ("m-1", "m-2")]
    tasks = [asyncio.create_task(slow.test(own, hooks.clock())) for _ in range(POSTS_AN_OWNER)]
    for _ in tasks:
        await asyncio.wait_for(hanging.began.acquire(), WITHIN)
    with pytest.raises(ProblemError) as refused:
        await asyncio.wait_for(slow.test(own, hooks.clock()), WITHIN)
    assert refused.value.problem.code == "too_many_requests"
    tasks.append(asyncio.create_task(slow.test(other, hooks.clock())))
    await asyncio.wait_for(hanging.began.acquire(), WITHIN)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
