"""`backtest FOLDER`: replays past orders on their own stack, and reports whether they end as expected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from commands.console import Failed, JsonFlag, command, print_answer, wants_json
from commands.reading import read_text
from commands.writing import check_report, write_report
from core.policy import parse_policy

POLICY = Path(__file__).resolve().parents[1] / "policies" / "olist.toml"


@command
async def backtest(
    folder: Annotated[Path, typer.Argument(help="Orders, items, payments, customers, sellers: .csv or .csv.gz.")],
    limit: Annotated[int | None, typer.Option(help="At most this many orders, the first of the file.", min=1)] = None,
    policy: Annotated[
        str | None, typer.Option(help="The policy that the orders follow.", show_default="olist.toml")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the whole report to this file, as JSON.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Replay past orders, in the columns of the public Olist data set. Days pass by time skipping."""
    from backtest.running import live, read_orders  # loaded when it runs: servers, vendors and workflows

    orders, bad_rows = read_orders(folder)
    text = read_text(policy or str(POLICY))
    parse_policy(text)
    if report is not None:
        check_report(report)
    found = await live(orders[:limit], bad_rows, text, shows_progress=not wants_json())
    if report is not None:
        write_report(report, json.dumps(found.as_json(), ensure_ascii=False, indent=2) + "\n")
    print_answer(found.as_json(), found.show)
    if not found.holds:
        raise Failed
