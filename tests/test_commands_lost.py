"""What has lost its workflow: it is open, and Temporal does not run it. Orders end while an operator looks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from databases import Database
from ledger_samples import a_record, funded
from temporalio.client import Client, WorkflowExecutionStatus

import gateway
from commands.lost import find_lost, open_subjects
from ledger.book import Book
from ledger.register import Register


class _Temporal:
    """It runs nothing."""

    async def list_workflows(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        runs: tuple[Any, ...] = ()
        for run in runs:
            yield run


async def test_an_order_that_ends_while_the_workflows_are_looked_up_is_not_lost(
    database: Database, register: Register, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    for order_id in ("A1", "A2"):
        await funded(register, book, order_id)
        await register.orders.record(a_record(order_id, state={"funded": True}))

    async def ended(_: Any, workflow_id: str) -> WorkflowExecutionStatus:
        """It ends now, after it was read as open."""
        if workflow_id == "order-A1":
            await database.owner.execute("UPDATE orders SET closed = TRUE WHERE order_id = 'A1'")
        return WorkflowExecutionStatus.COMPLETED

    monkeypatch.setattr(gateway, "status_of", ended, raising=False)
    database.broken = True  # an order does not end with money in escrow
    there = [subject async for subject in open_subjects(register)]
    lost = await find_lost(cast(Client, _Temporal()), register, there)
    assert [subject.id for subject in lost] == ["A2"]
    assert sorted(subject.id for subject in there) == ["A1", "A2"]
