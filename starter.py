"""The command line: puts the commands together, nothing else. `python starter.py --help`."""

from __future__ import annotations

import typer

from commands.accounts import accounts
from commands.advance import advance
from commands.backtest import backtest
from commands.balance import balance
from commands.callback import callback
from commands.demo import demo
from commands.doctor import doctor
from commands.migrate import migrate
from commands.notices import notices
from commands.orders import orders
from commands.policy import policy
from commands.prove import prove
from commands.purge import purge
from commands.push import push
from commands.reconcile import reconcile
from commands.rescue import rescue
from commands.reviews import reviews
from commands.safeguarding import safeguarding
from commands.schedules import schedules
from commands.send import send
from commands.settlement import settlement
from commands.show import show
from commands.start import start
from commands.statement import statement
from commands.up import up
from commands.waybill import waybill
from commands.withdraw import withdraw
from commands.withdrawals import withdrawals

COMMANDS = (
    up,
    demo,
    backtest,
    doctor,
    start,
    send,
    show,
    withdraw,
    balance,
    orders,
    withdrawals,
    advance,
    rescue,
    reviews,
    prove,
    reconcile,
    statement,
    settlement,
    safeguarding,
    notices,
    policy,
    waybill,
    push,
    callback,
    purge,
    migrate,
)
"""In the order of the help; a new one is a line above and a line here."""

app = typer.Typer(
    name="dakuan",
    help="Durable payment verification for marketplace orders, on Temporal and PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for one in COMMANDS:
    app.command()(one)
app.add_typer(accounts)
app.add_typer(schedules)

if __name__ == "__main__":
    app()
