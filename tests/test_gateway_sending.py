"""What leaves for a workflow: its history keeps every body, so couriers are masked before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import Client

import gateway

TEXT = "快递员张三，电话13812345678，正在为您派件"
SCANS = [{"at": "2026-10-01T08:00:00Z", "code": "202", "stage": "out_for_delivery", "city": "杭州市", "text": TEXT}]


class _Recording:
    """A workflow that keeps what it is sent."""

    id = "order-A1"
    body: dict[str, Any]

    async def execute_update(self, _: str, body: dict[str, Any], **__: Any) -> dict[str, Any]:
        self.body = body
        return {}

    async def signal(self, _: str, body: dict[str, Any]) -> None:
        self.body = body


@pytest.mark.parametrize("send", [gateway.send, gateway.signal], ids=lambda send: send.__name__)
async def test_no_courier_is_sent_along(send: Any) -> None:
    workflow = _Recording()
    client = cast(Client, SimpleNamespace(get_workflow_handle=lambda _: workflow))
    await send(client, workflow.id, "report_scan", {"carrier": "zto", "waybill": "78474409893076", "scans": SCANS})
    assert "13812345678" not in str(workflow.body)
    assert "张三" not in str(workflow.body)
    assert workflow.body["scans"][0]["city"] == "杭州市"
    await send(client, workflow.id, "cancel_order", {"reason": TEXT})
    assert workflow.body == {"reason": TEXT}
