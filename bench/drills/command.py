"""The command line of the drills."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from bench.drills.bad_line import work_behind_a_bad_line
from bench.drills.loss import lose_temporal
from bench.drills.restored import restore_both
from bench.drills.steps import Steps
from bench.drills.storage import take_no_writes
from bench.drills.upgrade import upgrade
from bench.figures import Figures, writable, write

DRILLS: dict[str, tuple[str, Callable[[int, Steps], Coroutine[Any, Any, None]]]] = {
    "loss": ("Temporal is lost", lose_temporal),
    "restore": ("either database restored to an earlier moment", restore_both),
    "line": ("a bad line between worker and PostgreSQL", work_behind_a_bad_line),
    "storage": ("a database that takes no writes, and a full disk", take_no_writes),
    "upgrade": ("an upgrade and back", upgrade),
}
"""In the order in which all are run."""


def drill(
    names: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(DRILLS)}; all unless named.")] = None,
    orders: Annotated[int, typer.Option(min=10, help="Orders and withdrawals of each drill.")] = 1_000,
    json: Annotated[
        Path | None,
        typer.Option(dir_okay=False, callback=writable, help="Write the figures to this file, of several the last."),
    ] = None,
) -> None:
    """What a person does after a loss, a restore or an upgrade. Exit code 1 if something is lost, twice or stuck."""
    if unknown := [name for name in names or () if name not in DRILLS]:
        raise typer.BadParameter(f"no drill is called {unknown[0]!r}; there are {', '.join(DRILLS)}")
    passed, figures = True, Figures(orders=0.0, effects=0.0, breaches=0.0)
    for name in names or DRILLS:
        title, act = DRILLS[name]
        steps = Steps(f"{title}, {orders:,} orders and withdrawals")
        asyncio.run(act(orders, steps))
        passed = steps.end() and passed
        figures |= {f"{name}_{figure}": value for figure, value in steps.figures.items()}
        figures["orders"] += orders
        figures["effects"] += steps.figures.get("effects_outside", 0)
        figures["breaches"] += len(steps.breaches)
    write(figures, json)
    raise typer.Exit(0 if passed else 1)
