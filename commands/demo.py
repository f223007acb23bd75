"""`demo`: plays a mix of stories on its own stack, days passing by time skipping, and prints a table of results."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from commands.console import Failed, command
from commands.writing import check_report, write_report
from core.money import format_minor
from logs import log_to_file
from screens import table

if TYPE_CHECKING:
    from demo.running import StoryResult
    from ledger.balances import AccountBalance
    from ledger.proofs import Proof


WORKER_LOG = "worker.log"


@command
async def demo(
    orders: Annotated[
        int | None, typer.Option(help="How many orders; by default enough to play every story.", min=1, max=999)
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same orders.")] = 1,
    report: Annotated[Path | None, typer.Option("--json", help="Write the result to this file, as JSON.")] = None,
    keep: Annotated[bool, typer.Option(help="Leave the stack up until Ctrl-C, to look at the Web UI.")] = False,
) -> None:
    """Watch orders live: paid, shipped, audited, confirmed, credited, withdrawn, and what goes wrong."""
    from demo.running import FEWEST, play_all, stage_of  # loaded when it runs: servers, vendors and workflows
    from gateway.core_log import log_core
    from ledger.proofs import prove

    log_core()  # before the first client
    if report is not None:
        check_report(report)
    wanted = orders or FEWEST
    async with stage_of(seed) as (stage, stack):
        # Some stories take the database away on purpose: what the worker says of it is not for this terminal.
        log_to_file(stack.home / WORKER_LOG)
        began = time.perf_counter()
        results = await play_all(stage, wanted)
        seconds = time.perf_counter() - began
        proofs = await prove(stage.register.pool)
        balances = await stage.register.balances.by_purpose()
        places = {
            "Console": f"{stage.http.url}/console/" if stage.http else "",
            "Web UI": stack.settings.temporal_ui_url,
        }
        _show(Console(), results, balances, proofs, wanted / seconds, places)
        ok = all(result.ok for result in results) and all(proof.holds for proof in proofs)
        if report is not None:
            view = _as_json(ok, results, proofs, wanted / seconds)
            write_report(report, json.dumps(view, ensure_ascii=False, indent=2) + "\n")
        if keep:
            await asyncio.Event().wait()
    if not ok:
        raise Failed


# --- what people and scripts get -------------------------------------------------------------------------


def _show(
    console: Console,
    results: Sequence[StoryResult],
    balances: Sequence[AccountBalance],
    proofs: Sequence[Proof],
    pace: float,
    places: Mapping[str, str | None],
) -> None:
    """Story → result, the balances, the proofs, and where to look further."""
    rows = [(t.order, "✓" if t.ok else "✗", t.name, _result(t)) for t in results]
    money = [(balance.path, format_minor(balance.balance_minor, balance.currency)) for balance in balances]
    console.print(table("Stories", ("order", "", "story", "result"), rows))
    console.print(table("Balances", ("account", "amount"), money, numbers=("amount",)))
    console.print(
        table("Proofs", ("proof", "", "says"), [(p.name, "✓" if p.holds else "✗", p.sentence) for p in proofs])
    )
    failed = [result for result in results if not result.ok]
    console.print(f"{len(results) - len(failed)} of {len(results)} orders as expected, {pace:.1f} orders/s")
    console.print("While the demo runs (--keep leaves it up):")
    for name, address in places.items():
        if address:
            console.print(f"  {name}: {address}", soft_wrap=True)


def _result(story: StoryResult) -> str:
    """How it ended; beside it what was expected, where that is something else."""
    return story.got if story.ok else f"{story.got} (expected: {story.expected})"


def _as_json(ok: bool, results: Sequence[StoryResult], proofs: Sequence[Proof], pace: float) -> dict[str, Any]:
    return {
        "ok": ok,
        "stories": [
            {"name": f"{t.name} ({t.order})", "expected": t.expected, "got": t.got, "ok": t.ok} for t in results
        ],
        "proofs": [{"name": proof.name, "holds": proof.holds} for proof in proofs],
        "orders_per_s": round(pace, 3),
    }
