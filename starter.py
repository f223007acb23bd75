"""The command line: `dakuan`, or `python starter.py`. A command's module is loaded when it is called."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from commands.group import LANGUAGE, LOCALE, group_of, language_of_locale
from ending import end_with

COMMANDS = {
    "up": "Run the local stack and a worker.",
    "demo": "Watch orders live: paid, shipped, audited, confirmed, credited, withdrawn, and what goes wrong.",
    "backtest": "Replay past orders, in the columns of the public Olist data set.",
    "doctor": "Check everything that Dakuan depends on, and say how to repair what is wrong.",
    "start": "Start orders.",
    "send": "Send a command to an order or a withdrawal and print its answer.",
    "refund": "Refund a buyer.",
    "chargeback": "Report a chargeback with its amount, and later its end.",
    "show": "Show an order or a withdrawal.",
    "withdraw": "Request a withdrawal.",
    "balance": "Show a merchant's money by account.",
    "receivable": "Show what a merchant owes, by age.",
    "orders": "List orders, the newest first.",
    "withdrawals": "List withdrawals, the newest first.",
    "advance": "Skip time for one order or withdrawal, as if the days had passed.",
    "shift": "Move a deadline of all open orders that match.",
    "rescue": "Restart a lost workflow whose money is held.",
    "reviews": "List the review queue, the longest waiting first.",
    "lists": "Print the lists of Temporal's Web UI, with the columns to be set there once.",
    "explain": "Explain a code: a refusal, a hold, a finding, a break, a stage, a deadline.",
    "prove": "Prove that no money was lost, created or paid twice, and that none is orphaned.",
    "seal": "Seal what was booked since the last seal.",
    "verify-chain": "Read the sealed books again and name the first movement that was changed.",
    "reconcile": "Compare the books with statements and with the register.",
    "basket": "Show the orders of one payment and where their money is.",
    "unclaimed": "List the unclaimed rests of payments.",
    "correct": "Take back what a movement moved.",
    "loads": "List loaded statements.",
    "statement": "Show every movement of a merchant's money, with opening and closing balance.",
    "settlement": "Book what a channel settled: its fee is an expense, the rest is with the rail.",
    "safeguarding": "Compare the client money owed with the cash at each channel and rail.",
    "notices": "Read the notices after a number; none is ever skipped.",
    "screening": "Screening of goods: check the rules file, try a title.",
    "merchant": "Merchants: freeze, suspend, terms, deposit, exit, and their history.",
    "licences": "Merchants' licences: note, withdraw, list.",
    "grades": "Merchants' grades, for which a policy may have other terms.",
    "policy": "Policies: check, list, show, compare, register, try on past orders.",
    "waybill": "Recognise waybill numbers.",
    "push": "Take one push of a tracking provider: verify, journal, and report it to its orders.",
    "callback": "Take one callback: verify, journal, and report it to whom it is about.",
    "purge": "Delete older raw callbacks of rails and payment channels; their outcomes are kept.",
    "deploy": "Make a build of the worker current.",
    "migrate": "Apply the missing migrations with DATABASE_OWNER_URL, and grant DATABASE_URL's role what it needs.",
    "accounts": "Payout accounts: bind, replace, suspend, verify, and their history.",
    "keys": "API keys: create, list, rotate, revoke. Signing keys: root, certify.",
    "endpoints": "Endpoints of webhooks: list, add, enable, disable, attempts.",
    "listen": "Forward the events that come from now on to your machine, signed as webhooks are.",
    "people": "People of the console: add, link, list, end.",
    "schedules": "Automatic withdrawals of merchants, by schedule.",
}
"""In the order of the help: `commands/NAME.py`, and the sentence its docstring begins with. A new one is a line."""

app = typer.Typer(
    name="dakuan",
    cls=group_of(COMMANDS),
    help="Durable payment verification for marketplace orders, on Temporal and PostgreSQL.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version  # only here: it costs as much as the whole help

    try:
        typer.echo(f"dakuan {version('dakuan')}")
    except PackageNotFoundError:
        typer.echo("dakuan, from files that are not installed: their version is in pyproject.toml")
    raise typer.Exit


@app.callback()
def main(
    shows_version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.", is_eager=True, callback=_show_version)
    ] = False,
    lang: Annotated[
        Literal["en", "zh"] | None, typer.Option(help="The language for people; that of the terminal unless given.")
    ] = None,
    locale: Annotated[str | None, typer.Option(envvar=LOCALE, hidden=True)] = None,
) -> None:
    """The options before a command."""
    LANGUAGE.set(lang or language_of_locale(locale))


def cli() -> None:
    """`dakuan`, or `python starter.py`."""
    end_with(app)


if __name__ == "__main__":
    cli()
