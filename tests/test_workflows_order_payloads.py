"""No message blocks a workflow or is lost: signals, updates and starts with every malformed payload."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from failed_tasks import failed_tasks
from order_stage import Play
from temporalio.api.common.v1 import Payload
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.common import RawValue
from temporalio.service import RPCError
from waiting import WITHIN, until

import gateway
from demo.stage import StagedOrder

PROJECT = Path(__file__).parents[1]


def _raw(data: bytes, encoding: str = "json/plain") -> RawValue:
    return RawValue(Payload(metadata={"encoding": encoding.encode()}, data=data))


DEEP = b"[" * 5000 + b"]" * 5000
FORMS: dict[str, list[Any]] = {
    "no argument": [],
    "two arguments": [{"a": 1}, 2],
    "null": [None],
    "a number": [7],
    "a text": ["confirm"],
    "a list": [[1, 2]],
    "an empty object": [{}],
    "wrong types": [{"command_id": 7, "actor": "me"}],
    "a NUL": [{"command_id": "a\x00b", "actor": {"role": "buyer", "id": "b"}}],
    "an unknown encoding": [_raw(b"\x01\x02", "binary/secret")],
    "no JSON at all": [_raw(b"\xff{")],
    "cut JSON": [_raw(b'{"command_id": "x"')],
    "no encoding": [RawValue(Payload(data=b"{}"))],
    "deep": [_raw(DEEP)],
    "huge": [{"command_id": "x" * 200_000}],
}


async def _goes_on(play: StagedOrder) -> None:
    """It is not wedged: it lives on to its end."""
    await play.send("cancel_order", "buyer", reason="enough")
    await asyncio.wait_for(play.handle.result(), WITHIN)
    assert failed_tasks(await play.handle.fetch_history()) == []


async def test_every_malformed_signal_is_in_the_journal_and_wedges_nothing(play: Play) -> None:
    order = play()
    await order.start()
    for arguments in FORMS.values():
        await order.handle.signal("confirm_receipt", args=arguments)
    await order.handle.signal("confirm_reciept", {"command_id": "typo"})
    journal: list[dict[str, Any]] = await until(
        lambda: order.handle.query("journal"), lambda found: len(found) >= len(FORMS) + 1
    )
    assert [entry["outcome"] for entry in journal] == ["refused"] * (len(FORMS) + 1)
    assert [entry["code"] for entry in journal] == ["malformed"] * len(FORMS) + ["unknown_verb"]
    await _goes_on(order)


async def test_every_malformed_update_is_refused_and_wedges_nothing(play: Play) -> None:
    order = play()
    await order.start()
    before = (await order.handle.describe()).history_length
    for arguments in FORMS.values():
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await order.handle.execute_update("confirm_receipt", args=arguments)
        assert gateway.refusal_in(refused.value).code == "malformed"
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await order.handle.execute_update("confirm_reciept", {"command_id": "typo"})
    assert gateway.refusal_in(refused.value).code == "unknown_verb"
    assert (await order.handle.describe()).history_length == before
    await _goes_on(order)


async def test_an_update_that_no_worker_could_answer_makes_its_order_deaf_for_no_one(play: Play) -> None:
    order = play()
    await order.start()
    body = order.command("operator", name="x", scope="credit", reason="r" * 2_500_000)
    large = asyncio.create_task(order.handle.execute_update("place_hold", body, rpc_timeout=timedelta(seconds=1)))
    await asyncio.sleep(0.2)
    hold = order.send("place_hold", "operator", name="y", scope="credit", reason="seen")
    assert (await asyncio.wait_for(hold, WITHIN))["outcome"] == "accepted"
    with pytest.raises((RPCError, WorkflowUpdateRPCTimeoutOrCancelledError)):
        await large
    assert [hold["name"] for hold in (await order.state())["holds"]] == ["y"]


@pytest.mark.parametrize("form", FORMS)
async def test_every_malformed_start_fails_at_once_as_an_invalid_order(form: str, play: Play) -> None:
    order = play()
    with pytest.raises(WorkflowFailureError) as failed:
        await asyncio.wait_for(
            order.stage.client.execute_workflow(
                "OrderWorkflow", args=FORMS[form], id=f"order-{order.name}", task_queue="dakuan"
            ),
            WITHIN,
        )
    assert gateway.refusal_in(failed.value).code == "invalid_order"


# --- the plain command line of Temporal as the storefront -------------------------------------------------------


def _temporal(order: StagedOrder, *arguments: str) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("temporal")
    address = order.stage.client.service_client.config.target_host
    environment = {**os.environ, "TEMPORAL_ADDRESS": address}
    return subprocess.run([str(tool), *arguments], env=environment, capture_output=True, text=True, timeout=60)


async def test_a_plain_temporal_command_line_is_a_storefront(play: Play) -> None:
    order = play()
    body = order.order.model_dump_json()
    where = ("--workflow-id", order.handle.id)

    async def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(_temporal, order, *arguments)

    started = await run(
        "workflow", "start", "--type", "OrderWorkflow", "--task-queue", "dakuan", *where, "--input", body
    )
    assert started.returncode == 0, started.stderr
    await gateway.opened(order.handle)
    parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": order.waybill}
    shipment = json.dumps(order.command("merchant", parcels=[parcel]))
    shipped = await run("workflow", "update", "execute", *where, "--name", "report_shipment", "--input", shipment)
    assert shipped.returncode == 0, shipped.stderr
    again = json.dumps(order.command("merchant", parcels=[{**parcel, "parcel_id": "p2"}]))
    refused = await run("workflow", "update", "execute", *where, "--name", "report_shipment", "--input", again)
    assert refused.returncode == 1
    assert "nothing_left_to_ship" in refused.stderr + refused.stdout
    confirmed = await run(
        "workflow", "signal", *where, "--name", "confirm_receipt", "--input", json.dumps(order.command("buyer"))
    )
    assert confirmed.returncode == 0, confirmed.stderr
    queried = await run("workflow", "query", *where, "--type", "journal", "-o", "json")
    assert queried.returncode == 0, queried.stderr
    assert "confirm_receipt" in queried.stdout
