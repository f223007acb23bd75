"""The command line of the fault bench."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import Annotated

import typer

from bench.faults.plan import Storm
from bench.faults.race import race
from bench.faults.report import Board, show_race, show_report
from bench.faults.run import under_fire
from bench.figures import FigureFile


def known_bug(name: str | None) -> str | None:
    """The name of a bug that can be planted.

    Raises:
        typer.BadParameter: none has this name.
    """
    if name is None:
        return None
    from bench.faults.worker import BUGS  # only here: it loads what a worker needs

    if name not in BUGS:
        raise typer.BadParameter(f"no bug is called {name!r}; there are {', '.join(BUGS)}")
    return name


def again(withdrawals: int, seed: int, seconds: float | None, kill_every: float | None, bug: str | None) -> str:
    """The command that makes the same plan."""
    more = {"--seconds": seconds, "--kill-every": kill_every, "--bug": bug}
    words = [f"{option} {value}" for option, value in more.items() if value is not None]
    return " ".join(["python -m bench faults --withdrawals", str(withdrawals), "--seed", str(seed), *words])


def faults(
    withdrawals: Annotated[int, typer.Option(min=1, help="Withdrawals; one in 25 is funded by a real order.")] = 2000,
    seed: Annotated[int | None, typer.Option(help="The same seed repeats the plan; else one is drawn.")] = None,
    seconds: Annotated[float | None, typer.Option(min=10.0, help="How long the storm lasts at least.")] = None,
    kill_every: Annotated[
        float | None,
        typer.Option(min=0.5, help="Seconds between two kills of a worker, half as many to half as many more."),
    ] = None,
    only_race: Annotated[bool, typer.Option("--race", help="Only the race for one balance.")] = False,
    no_race: Annotated[bool, typer.Option("--no-race", help="Without the race.")] = False,
    bug: Annotated[
        str | None, typer.Option(callback=known_bug, help="Plant a bug that loses money: the bench must find it.")
    ] = None,
    json: FigureFile = None,
) -> None:
    """Withdrawals and refunds while workers, database, Temporal and bank die: each is paid once or never, and the books
    know."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    if only_race:
        raced = asyncio.run(race(seed))
        show_race(raced, json)
        raise typer.Exit(0 if raced.clean else 1)
    storm = Storm.over(withdrawals) if seconds is None else Storm.of(seconds)
    if kill_every is not None:
        storm = replace(storm, kill_every=(kill_every / 2, kill_every * 1.5))
    raced_first = None if no_race else asyncio.run(race(seed))
    with Board() as board:
        facts, evidence, verdict = asyncio.run(under_fire(seed, withdrawals, board, storm=storm, bug=bug))
    show_report(facts, evidence, verdict, raced_first, again(withdrawals, seed, seconds, kill_every, bug), json)
    raise typer.Exit(0 if verdict.clean and (raced_first is None or raced_first.clean) else 1)
