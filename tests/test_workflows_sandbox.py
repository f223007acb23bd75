"""The sandbox of production: cheaper than the SDK's, and only where that changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

import gateway
from worker import passing_runner
from workflows.sandbox import ContextFreeRunner, treats_all_alike


class Codec(PayloadCodec):
    """One that might treat the payloads of each activity differently."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


def test_workers_ask_no_workflow_what_its_payloads_are_for() -> None:
    assert treats_all_alike(gateway.DATA_CONVERTER)
    assert isinstance(passing_runner(), ContextFreeRunner)


def test_a_codec_is_told_what_each_payload_is_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "DATA_CONVERTER", replace(gateway.DATA_CONVERTER, payload_codec=Codec()))
    assert not isinstance(passing_runner(), ContextFreeRunner)
    assert passing_runner().restrictions == ContextFreeRunner().restrictions.with_passthrough_all_modules()
