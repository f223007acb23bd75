"""`demo`: a stack of its own, a mix of stories, days passing by time skipping; a table of what came of them."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from temporalio.service import RPCError

from commands.console import Failed, command, error_screen, table
from core.errors import DakuanError
from core.money import format_minor
from demo.numbers import PRINTERS
from demo.stage import Stage
from demo.stories import STORIES
from ledger.balances import AccountBalance
from ledger.proofs import Proof, prove
from ledger.register import Register
from local.stack import LocalStack
from wiring.database import ready_database
from wiring.desks import callback_desk, push_desk
from worker import running_worker

AT_ONCE = 8
"""Orders that live at the same time: enough to keep two cores busy."""


class Telling(NamedTuple):
    """A story that was told."""

    order: str
    name: str
    expected: str
    got: str

    @property
    def ok(self) -> bool:
        return self.expected == self.got


@command
async def demo(
    orders: Annotated[
        int, typer.Option(help="How many orders; by default enough to tell every story.", min=1, max=999)
    ] = max(30, len(STORIES)),
    seed: Annotated[int, typer.Option(help="The same seed makes the same orders.")] = 1,
    report: Annotated[Path | None, typer.Option("--json", help="Write the result to this file, as JSON.")] = None,
    keep: Annotated[bool, typer.Option(help="Leave the stack up until Ctrl-C, to look at the Web UI.")] = False,
) -> None:
    """Watch orders live: paid, shipped, audited, confirmed, credited, withdrawn, and what goes wrong."""
    async with _stack(seed) as (stage, stack):
        began = time.perf_counter()
        tellings = await _tell_all(stage, orders)
        seconds = time.perf_counter() - began
        proofs = await prove(stage.register.pool)
        balances = await stage.register.balances.by_purpose()
        _show(Console(), tellings, balances, proofs, orders / seconds, stack.settings.temporal_ui_url or "")
        ok = all(telling.ok for telling in tellings) and all(proof.holds for proof in proofs)
        if report is not None:
            report.write_text(
                json.dumps(_as_json(ok, tellings, proofs, orders / seconds), ensure_ascii=False, indent=2)
            )
        if keep:
            await asyncio.Event().wait()
    if not ok:
        raise Failed


@asynccontextmanager
async def _stack(seed: int) -> AsyncIterator[tuple[Stage, LocalStack]]:
    """A whole stack in a folder that goes away, a worker on it, and the stage on top."""
    async with (
        LocalStack.temporary(durable=False) as stack,
        running_worker(stack.settings) as client,
        ready_database(stack.settings) as pool,
        push_desk(stack.settings, Register(pool), client) as desk,
    ):
        register = Register(pool)
        called_back = callback_desk(stack.settings, register, client).receive
        tag = secrets.token_hex(3)
        yield Stage(client, stack.world, register, seed, tag, PRINTERS, desk.receive, called_back), stack


async def _tell_all(stage: Stage, orders: int) -> list[Telling]:
    """Tell as many stories as there are orders, in turn, a few at a time, with a progress bar."""
    names = list(STORIES)
    chosen = [(number, names[number % len(names)]) for number in range(orders)]
    gate = asyncio.Semaphore(AT_ONCE)
    with Progress(
        TextColumn("[bold]orders"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=error_screen(),
    ) as progress:
        bar = progress.add_task("", total=orders)

        async def one(number: int, name: str) -> Telling:
            async with gate:
                telling = await _tell(stage, number, name)
            progress.update(bar, advance=1, description=name)
            return telling

        return list(await asyncio.gather(*(one(number, name) for number, name in chosen)))


async def _tell(stage: Stage, number: int, name: str) -> Telling:
    play = stage.play(number)
    try:
        expected, got = await STORIES[name](play)
    except (DakuanError, RPCError) as error:
        # A story that breaks is a result like any other: it is shown, and the rest goes on.
        expected, got = "the story ends", f"{type(error).__name__}: {error}"
    return Telling(play.name, name, expected, got)


# --- what people and scripts get -------------------------------------------------------------------------


def _show(
    console: Console,
    tellings: Sequence[Telling],
    balances: Sequence[AccountBalance],
    proofs: Sequence[Proof],
    pace: float,
    ui: str,
) -> None:
    """Story → expected → got, the balances, the proofs, and where to look further."""
    rows = [("✓" if t.ok else "✗", t.order, t.name, t.expected, t.got) for t in tellings]
    money = [(balance.path, format_minor(balance.balance_minor, balance.currency)) for balance in balances]
    console.print(table("Stories", ("", "order", "story", "expected", "got"), rows))
    console.print(table("Balances", ("account", "amount"), money, numbers=("amount",)))
    console.print(
        table("Proofs", ("", "proof", "says"), [("✓" if p.holds else "✗", p.name, p.sentence) for p in proofs])
    )
    failed = [telling for telling in tellings if not telling.ok]
    console.print(f"{len(tellings) - len(failed)} of {len(tellings)} orders as expected, {pace:.1f} orders/s")
    console.print(f"Web UI: {ui} (while the demo runs; --keep leaves it up)")


def _as_json(ok: bool, tellings: Sequence[Telling], proofs: Sequence[Proof], pace: float) -> dict[str, Any]:
    return {
        "ok": ok,
        "stories": [
            {"name": f"{t.name} ({t.order})", "expected": t.expected, "got": t.got, "ok": t.ok} for t in tellings
        ],
        "proofs": [{"name": proof.name, "holds": proof.holds} for proof in proofs],
        "orders_per_s": round(pace, 3),
    }
