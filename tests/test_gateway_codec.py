"""The codec: what stands in histories is sealed for its workflow, and nothing that arrives makes it raise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress

import pytest
import pytest_asyncio
from databases import Database
from failed_tasks import failed_tasks
from google.protobuf.message import Message
from leaking import leaked
from order_crash_stage import CrashStage, open_crash_stage, strict_runner, travelled, until
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.converter import DataConverter, WorkflowSerializationContext
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import Replayer

import gateway
from config.codec import CodecKeys, first_keys
from core.errors import Misconfigured, Unavailable
from core.reading import Unreadable
from demo.stage import StagedOrder
from gateway.codec import KEY, SEALED, is_harmless
from local.client import WorldClient
from local.temporal import Temporal
from worker import plugin

OLD = first_keys(b"\x01" * 4, b"\x01" * 32)
BOTH = OLD.with_new(b"\x02" * 4, b"\x02" * 32)
NEW_ID = list(BOTH.keys)[-1]
NEW = BOTH.sealing_with(NEW_ID)
STRANGE = first_keys(b"\x03" * 4, b"\x03" * 32)
ORDER = {"order_id": "A1", "ship_to": {"city": "北京市", "phone_last4": "8817"}}


def converter(keys: CodecKeys, workflow_id: str = "order-A1") -> DataConverter:
    return gateway.converter_of(keys).with_context(WorkflowSerializationContext("default", workflow_id))


# --- one payload -------------------------------------------------------------------------------------------


async def test_a_payload_is_sealed_and_opened() -> None:
    (sealed,) = await converter(OLD).encode([ORDER])
    assert sealed.metadata["encoding"] == SEALED
    assert b"8817" not in sealed.SerializeToString()
    assert await converter(OLD).decode([sealed]) == [ORDER]
    assert (await converter(OLD).encode([ORDER]))[0].data != sealed.data


@pytest.mark.parametrize("keys", [BOTH, NEW])
async def test_what_the_key_before_sealed_is_opened_after_a_rotation(keys: CodecKeys) -> None:
    assert await converter(keys).decode(await converter(OLD).encode([ORDER])) == [ORDER]


async def test_a_plain_payload_is_taken_as_it_is() -> None:
    plain = await gateway.DATA_CONVERTER.encode([ORDER])
    assert await converter(OLD).decode(plain) == [ORDER]


async def test_a_payload_of_another_workflow_is_not_opened() -> None:
    moved = await converter(OLD, "order-A1").encode([ORDER])
    (found,) = await converter(OLD, "order-A2").decode(moved)
    assert found == Unreadable(why="It was sealed for another workflow, 'order-A1'.")
    moved[0].metadata["workflow"] = b"order-A2"
    (found,) = await converter(OLD, "order-A2").decode(moved)
    assert found == Unreadable(why="It was changed after it was sealed.")


@pytest.mark.parametrize("at", [0, 15, -1])
async def test_a_changed_payload_is_not_opened(at: int) -> None:
    (sealed,) = await converter(OLD).encode([ORDER])
    changed = bytearray(sealed.data)
    changed[at] ^= 1
    sealed.data = bytes(changed)
    assert isinstance((await converter(OLD).decode([sealed]))[0], Unreadable)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00" * 11, b"\x00" * 28, b"\xff" * 4000])
@pytest.mark.parametrize("key", [b"", b"\xff\xfe", OLD.sealing.encode(), STRANGE.sealing.encode(), b"k" * 9999])
async def test_no_forged_payload_raises(data: bytes, key: bytes) -> None:
    forged = Payload(metadata={"encoding": SEALED, KEY: key, "workflow": b"order-A1"}, data=data)
    (found,) = await converter(OLD).decode([forged])
    assert isinstance(found, Unreadable)
    (raw,) = await converter(OLD).decode([forged], [RawValue])
    assert isinstance(raw, RawValue)


async def test_a_payload_under_a_key_of_ours_that_is_not_here_waits() -> None:
    """Refused, a workflow would go on as if the command had never come."""
    with pytest.raises(Unavailable, match=NEW_ID):
        await converter(OLD).decode(await converter(NEW).encode([ORDER]))
    with pytest.raises(Unavailable, match=OLD.sealing):
        await converter(NEW.without(OLD.sealing)).decode(await converter(OLD).encode([ORDER]))


async def test_a_schedule_seals_for_the_workflows_that_it_starts() -> None:
    sealed = await converter(OLD, "auto-withdrawal-m-1-CNY").encode([ORDER])
    assert await converter(OLD, "auto-withdrawal-m-1-CNY-2026-11-28T12:00:00Z").decode(sealed) == [ORDER]


@pytest.mark.parametrize(
    ("value", "harmless"),
    [
        ({"outcome": "accepted", "phase": "shipped", "audit": "approved", "receipt": "waiting"}, True),
        ({"code": "too_early", "message": "It is too early for this."}, True),
        ("order A1001 · m-7 · 135.80 CNY", True),
        ("order A1001 · m-7 · 13,580 JPY", True),
        ("withdrawal W-1 · goes on", True),
        ("audit sf SF1234567890123", False),
        ("order A1001 · 王小明 · 135.80 CNY", False),
        (7, True),
        (True, True),
        (None, True),
        ("Goods:\n- 1 × 茶叶", False),
        ("x" * 400, False),
        ({"outcome": "accepted", "name": "王小明"}, False),
        ([{"code": "x"}], False),
        ({}, True),
        (ORDER, False),
    ],
)
async def test_only_what_is_known_to_name_no_one_stays_plain(value: object, harmless: bool) -> None:
    (payload,) = gateway.DATA_CONVERTER.payload_converter.to_payloads([value])
    assert is_harmless(payload) is harmless
    assert (await converter(OLD).decode(await converter(OLD).encode([value]))) == [value]


# --- failures ----------------------------------------------------------------------------------------------


async def test_what_failed_is_sealed_with_its_causes_and_opened() -> None:
    sealing, failure = converter(OLD), Failure()
    try:
        try:
            raise ValueError("SF1234567890123 has no scans")
        except ValueError as cause:
            raise ApplicationError("the phone 8817 is wrong", type="Unavailable") from cause
    except ApplicationError as error:
        await sealing.encode_failure(error, failure)
    raw = failure.SerializeToString()
    assert [word for word in (b"SF1234", b"8817", b"test_gateway_codec") if word in raw] == []
    assert failure.application_failure_info.type == "Unavailable"
    opened = await sealing.decode_failure(failure)
    assert isinstance(opened, ApplicationError)
    assert (opened.message, str(opened.__cause__)) == (
        "the phone 8817 is wrong",
        "ValueError: SF1234567890123 has no scans",
    )
    again = Failure()
    await sealing.encode_failure(opened, again)
    assert b"8817" not in again.SerializeToString()


async def test_a_plain_client_can_read_why_it_was_refused() -> None:
    failure = Failure()
    await converter(OLD).encode_failure(ApplicationError("Too early.", type="too_early", non_retryable=True), failure)
    assert failure.message == "Too early."
    assert str(await gateway.DATA_CONVERTER.decode_failure(failure)) == "too_early: Too early."


# --- a life ------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def stage(money_temporal: Temporal, world: WorldClient, database: Database) -> AsyncIterator[CrashStage]:
    async with open_crash_stage(money_temporal, world, database) as stage:
        yield stage
        # A worker without keys would not start beside open orders that are sealed, and later tests share this Temporal.
        for order in stage.named.values():
            with suppress(RPCError):
                await order.handle.terminate()
        await until(lambda: _refusal(_with(stage, None)), lambda said: said is None)


def _with(stage: CrashStage, keys: CodecKeys | None) -> Client:
    config = stage.client.config()
    config["data_converter"] = gateway.converter_of(keys)
    return Client(**config)


async def _refusal(client: Client) -> str | None:
    """Why a worker does not start; None: it does."""
    try:
        await gateway.refuse_sealed(client)
    except Misconfigured as error:
        return str(error)
    return None


def _bytes(history: WorkflowHistory) -> bytes:
    """All that Temporal has of an order, as it has it."""
    return b"".join(event.SerializeToString() for event in history.events)


def _unsealed(history: WorkflowHistory) -> bytes:
    """The same without what is sealed: four digits stand now and then in random bytes."""
    events = [HistoryEvent.FromString(event.SerializeToString()) for event in history.events]
    for payload in (payload for event in events for payload in _payloads(event)):
        if payload.metadata["encoding"] == SEALED:
            payload.ClearField("data")
    return b"".join(event.SerializeToString() for event in events)


def _payloads(message: Message) -> Iterator[Payload]:
    """Those in it, at any depth."""
    if isinstance(message, Payload):
        yield message
        return
    for _, value in message.ListFields():
        parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, Sequence) else [value]
        for part in parts:
            if isinstance(part, Message):
                yield from _payloads(part)


REASON = "damaged on the way"


def _secrets(order: StagedOrder) -> list[str]:
    return ["海淀区", "phone_last4", "8817", order.order.buyer_id, order.order.lines[0].title]


def _private(stage: CrashStage, name: str) -> StagedOrder:
    order = stage.order(name)
    address = order.order.ship_to.model_copy(update={"district": "海淀区", "phone_last4": "8817"})
    order.order = order.order.model_copy(update={"ship_to": address})
    return order


async def test_an_order_lives_sealed_through_a_rotation_and_replays(stage: CrashStage) -> None:
    plain, order = stage.client, _private(stage, "sealed")
    stage.client = _with(stage, OLD)
    async with stage.worker():
        await order.start()
        await travelled(order)
        # A storefront with a plain client goes on as before, and can read the answer.
        shipped = order.command("merchant", parcels=[order.parcel()])
        answer = await plain.get_workflow_handle(order.handle.id).execute_update("report_shipment", shipped)
        assert answer["phase"] == "shipped"
    stage.client = _with(stage, NEW)
    async with stage.worker():
        await until(order.state, lambda state: state["audit"] == "approved")
        late = order.command("buyer", reason=REASON)
        await gateway.signal(_with(stage, OLD), order.handle.id, "extend_receipt", late)
        await order.send("confirm_receipt", "buyer")
        await until(order.state, lambda state: state["phase"] == "settled")
        history = await order.handle.fetch_history()
    kept, private = _bytes(history), [*_secrets(order), REASON]
    assert leaked((word for word in private if not word.isdecimal()), kept) == []
    assert leaked(private, _unsealed(history)) == []
    # What the carrier's activities are called names the waybill.
    summaries = b"".join(event.user_metadata.SerializeToString() for event in history.events)
    assert order.waybill.encode() not in summaries
    assert f"order {order.name} · {order.order.merchant_id}".encode() in kept
    assert OLD.sealing.encode() in kept
    assert NEW_ID.encode() in kept
    for keys in (NEW, BOTH):
        sealed = gateway.converter_of(keys)
        await Replayer(workflows=[], plugins=[plugin(converter=sealed, runner=strict_runner())]).replay_workflow(
            history
        )
        await Replayer(workflows=[], plugins=[plugin(converter=sealed)]).replay_workflow(history)


async def test_an_order_that_began_plain_goes_on_sealed(stage: CrashStage) -> None:
    plain, order = stage.client, _private(stage, "mixed")
    async with stage.worker():
        await order.start()
    # Without a codec the words are there: the search of the test before would find them.
    assert leaked(_secrets(order), _unsealed(await order.handle.fetch_history())) == _secrets(order)
    stage.client = _with(stage, OLD)
    async with stage.worker():
        assert (await order.ship())["phase"] == "shipped"
        with pytest.raises(Exception, match="sealed"):
            dict(await plain.get_workflow_handle(order.handle.id).query("order", result_type=dict))


async def test_a_worker_without_the_key_waits_for_it(stage: CrashStage) -> None:
    """An order is not failed, and no command of it is lost, because keys were given out in the wrong order."""
    order = stage.order("early")
    stage.client = _with(stage, NEW)
    handle = await gateway.start_order(stage.client, order.order)
    stage.client = _with(stage, OLD)
    async with stage.worker():
        await until(handle.fetch_history, lambda history: bool(failed_tasks(history)))
    stage.client = _with(stage, BOTH)
    async with stage.worker():
        await until(order.state, lambda state: state["phase"] == "awaiting_shipment")


async def test_a_worker_without_any_key_does_not_start_where_payloads_are_sealed(stage: CrashStage) -> None:
    """It cannot tell them from forged ones: it would refuse the order for good."""
    keyless, order = _with(stage, None), stage.order("keyless")

    handle = await gateway.start_order(_with(stage, OLD), order.order)
    said = await until(lambda: _refusal(keyless), lambda said: said is not None and handle.id in said)
    assert "DAKUAN_CODEC_KEYS is not set" in str(said)
    assert await _refusal(_with(stage, OLD)) is None


async def test_a_payload_that_was_moved_is_refused_and_the_order_goes_on(stage: CrashStage) -> None:
    order, other = stage.order("aim"), stage.order("source")
    stage.client = _with(stage, OLD)
    async with stage.worker():
        await order.start()
        body = order.command("buyer", reason="changed my mind")
        (sealed,) = await converter(OLD, other.handle.id).encode([body])
        handle = _with(stage, None).get_workflow_handle(order.handle.id)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update("cancel_order", RawValue(sealed))
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == "malformed"
        assert "another workflow" in refused.value.cause.message
        await handle.signal("cancel_order", RawValue(sealed))
        journal = await gateway.query(stage.client, order.handle.id, "journal")
        assert [entry["code"] for entry in journal if entry["outcome"] == "refused"] == ["malformed"]
        assert (await order.state())["phase"] == "awaiting_shipment"
