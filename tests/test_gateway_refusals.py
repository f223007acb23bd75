"""What a client gets of a refusal: the reason, and nothing of the machine that refused."""

from __future__ import annotations

import asyncio
import gc
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from order_stage import Play
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode

import gateway
from core.errors import Refused, Unavailable
from core.ids import ORDER_WORKFLOW, TASK_QUEUE
from core.reasons import refuse
from demo.stage import StagedOrder
from gateway.refusals import in_our_words
from workflows.running import raise_refusal

PATHS = (str(Path(__file__).parent.parent), sys.prefix, "/usr/lib", ".py")


async def unreadable(play: StagedOrder, plain: Client) -> None:
    """Its validator refuses."""
    await play.start()
    await plain.get_workflow_handle(play.handle.id).execute_update("report_shipment", {"parcels": 7})


async def an_unknown_verb(play: StagedOrder, plain: Client) -> None:
    """The validator of what has no handler refuses."""
    await play.start()
    await plain.get_workflow_handle(play.handle.id).execute_update("give_everything_back", {})


async def a_claimed_number(play: StagedOrder, plain: Client) -> None:
    """Its handler refuses, once the register has answered."""
    other = play.stage.play(play.chance.randint(10_000, 99_999))
    other.order = other.order.model_copy(update={"merchant_id": play.order.merchant_id})
    await other.start()
    await other.ship(play.waybill)
    await play.start()
    body = play.command("merchant", parcels=[play.parcel()])
    await plain.get_workflow_handle(play.handle.id).execute_update("report_shipment", body)


async def a_forged_payment(play: StagedOrder, plain: Client) -> None:
    """The whole workflow fails."""
    play.paid_with(f"forged-{play.name}")
    body = play.order.model_dump(mode="json", exclude_none=True)
    await plain.execute_workflow(ORDER_WORKFLOW, body, id=play.handle.id, task_queue=TASK_QUEUE)


REFUSED: dict[Callable[[StagedOrder, Client], Awaitable[None]], str] = {
    unreadable: "malformed",
    an_unknown_verb: "unknown_verb",
    a_claimed_number: "waybill_in_use",
    a_forged_payment: "payment_not_found",
}


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.__name__)
async def test_a_plain_client_gets_the_reason_and_no_path_of_our_machine(
    refused: Callable[[StagedOrder, Client], Awaitable[None]], play: Play
) -> None:
    order = play()
    plain = await Client.connect(order.stage.client.service_client.config.target_host)
    with pytest.raises((WorkflowUpdateFailedError, WorkflowFailureError)) as caught:
        await refused(order, plain)
    cause = caught.value.__cause__
    assert isinstance(cause, ApplicationError)
    assert cause.type == REFUSED[refused]
    assert cause.failure is not None
    assert cause.failure.stack_trace == ""
    assert not cause.failure.HasField("cause")
    assert not [path for path in PATHS if path in str(cause.failure)]


def failure_of(error: BaseException) -> Failure:
    failure = Failure()
    converter = gateway.DATA_CONVERTER
    converter.failure_converter.to_failure(error, converter.payload_converter, failure)
    return failure


@pytest.mark.parametrize(
    "defect",
    [
        ValueError("a defect"),
        ApplicationError("a defect", type="Broken", non_retryable=True),
        ApplicationError("asked again", type="OutcomeUnknown"),
    ],
    ids=str,
)
def test_a_defect_keeps_its_trace_for_operators(defect: Exception) -> None:
    with pytest.raises(type(defect)) as caught:
        raise defect
    assert Path(__file__).name in failure_of(caught.value).stack_trace


def test_a_wait_that_is_no_defect_names_no_path() -> None:
    with pytest.raises(ApplicationError) as caught:
        raise ApplicationError("nothing new", type="NothingNew", category=ApplicationErrorCategory.BENIGN)
    assert failure_of(caught.value).stack_trace == ""


def test_a_refusal_says_nothing_of_the_error_in_which_it_was_raised() -> None:
    def refuses_meanwhile() -> None:
        try:
            raise OSError("/srv/secret/place")
        except OSError:
            raise_refusal(refuse("malformed"))

    with pytest.raises(ApplicationError) as caught:
        refuses_meanwhile()
    assert traceback.format_tb(caught.value.__traceback__)
    failure = failure_of(caught.value)
    assert (failure.stack_trace, failure.application_failure_info.type) == ("", "malformed")
    assert "/srv" not in str(failure)


@pytest.mark.parametrize("what", ["query workflow", "perform workflow execution update"])
def test_a_workflow_whose_task_fails_is_named_and_temporal_is_not_blamed(what: str) -> None:
    message = f"Unable to {what} due to Workflow Task in failed state."
    with (
        pytest.raises(Unavailable, match=r"^order-o1 cannot answer: its workflow task fails.*doctor"),
        in_our_words("order-o1"),
    ):
        raise RPCError(message, RPCStatusCode.FAILED_PRECONDITION, b"")


async def test_a_command_that_opens_nothing_leaves_no_error_that_no_one_reads(play: Play) -> None:
    order = play()
    known = order.stage.client
    nowhere = Client(known.service_client, namespace="nowhere", data_converter=known.data_converter)
    unread: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: unread.append(context))
    try:
        with pytest.raises((Refused, Unavailable)):
            await gateway.send_reopening(nowhere, order.order, "report_scan", {"parcels": 1})
        gc.collect()
    finally:
        loop.set_exception_handler(before)
    assert unread == []
