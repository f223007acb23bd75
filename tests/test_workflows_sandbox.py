"""The sandbox of production: cheaper than the SDK's, and only where that changes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

import gateway
from config.codec import first_keys
from worker import passing_runner
from workflows.sandbox import ContextFreeRunner, OwnContextRunner, treats_all_alike


class Codec(PayloadCodec):
    """One that might treat the payloads of each activity differently."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


def test_workers_ask_no_workflow_what_its_payloads_are_for() -> None:
    assert treats_all_alike(gateway.DATA_CONVERTER)
    assert isinstance(passing_runner(), ContextFreeRunner)


def test_a_codec_is_told_what_each_payload_is_for() -> None:
    runner = passing_runner(replace(gateway.DATA_CONVERTER, payload_codec=Codec()))
    assert not isinstance(runner, ContextFreeRunner | OwnContextRunner)
    assert runner.restrictions == ContextFreeRunner().restrictions.with_passthrough_all_modules()


def test_our_codec_asks_only_whose_payload_it_is() -> None:
    keys = first_keys(b"name", b"k" * 32)
    assert isinstance(passing_runner(gateway.converter_of(keys)), OwnContextRunner)


def test_every_payload_of_a_workflow_is_its_own() -> None:
    """`OwnContextRunner` would seal for the parent what a child must open."""
    others = re.compile(r"child_workflow|external_workflow|nexus")
    files = sorted((Path(__file__).parents[1] / "workflows").glob("*.py"))
    assert [file.name for file in files if others.search(file.read_text(encoding="utf-8"))] == []
