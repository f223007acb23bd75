"""`python -m bench NAME [--json FILE]`: measure side by side in one run, and print ratios."""

from __future__ import annotations

import signal
import sys

import typer

from bench.actions import actions
from bench.audit import audit_bench
from bench.drills.command import drill
from bench.faults.command import faults
from bench.growth import growth
from bench.killed import killed
from bench.kills.command import kills
from bench.ledger import ledger
from bench.midnight import midnight
from bench.orders import orders
from bench.parked import parked
from bench.peers.command import peers
from bench.screening import screening_bench
from core.errors import DakuanError
from ending import end_with
from screens import write_anything

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
app.command()(orders)
app.command()(peers)
app.command()(actions)
app.command()(ledger)
app.command("audit")(audit_bench)
app.command("screening")(screening_bench)
app.command()(killed)
app.command()(kills)
app.command()(parked)
app.command()(midnight)
app.command()(faults)
app.command()(drill)
app.command()(growth)


def main() -> None:
    """One benchmark. A wrong setting is reported in a sentence."""
    signal.signal(signal.SIGTERM, interrupt)
    write_anything()
    try:
        app()
    except DakuanError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def interrupt(*_: object) -> None:
    """End as at Ctrl-C: the servers go, too, and the gigabytes of their data."""
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    end_with(main)
