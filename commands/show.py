"""`show ID`: the state of an order or a withdrawal, what it waits for, why money is held, and its balances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

import gateway
from commands.console import JsonFlag, LangOption, command, error_view, language_of, print_answer
from commands.headings import print_in
from commands.link import books
from commands.reading import Subject, subject_of
from commands.service import temporal, why_idle
from commands.traces import trace_table
from commands.views import (
    accounts_table,
    cases_table,
    findings_table,
    holds_table,
    journal_table,
    late_table,
    order_facts,
    parcels_table,
    payouts_table,
    refunds_table,
    retries_table,
    transfers_table,
    withdrawal_facts,
    worded,
)
from core.errors import Refused, Unavailable
from core.money import format_minor
from core.reasons import SENTENCES
from core.texts import Help, Language
from wiring.tracing import traces_of

if TYPE_CHECKING:
    from rich.console import Console
    from temporalio.client import Client

    from core.answers import HoldView
    from ledger.balances import Money
    from ledger.register import Register

GONE = "gone"
"""The status of a workflow that Temporal does not have, or no longer has."""
UNKNOWN = "unknown"
"""The status of a workflow while Temporal does not answer."""

UNCLAIMED = Help(
    "{} of its payment is no order's: python starter.py basket {}",
    "该笔支付中有 {} 无订单认领：python starter.py basket {}",
)
NOT_THERE = Help(
    "Its workflow is not in Temporal. This is what the register has.", "Temporal 中没有其工作流，以下为登记内容。"
)
SILENT = Help(
    "Its workflow cannot answer: {} This is what the register has.", "其工作流无法答复，以下为登记内容。原因：{}"
)
UNTENDED = Help(
    "No workflow looks after it: it is {}. What helps: python starter.py rescue {}",
    "没有工作流处理它（{}）。处理办法：python starter.py rescue {}",
)
"""What is said before the rest: its money may wait for someone."""


@command
async def show(
    subject: Annotated[str, typer.Argument(metavar="ID", help="An order's id, or withdrawal-… .")],
    lang: LangOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show an order or a withdrawal. If its workflow or Temporal cannot answer, the register's state is shown."""
    about, language = subject_of(subject), language_of(lang)
    status, answer, why = await _looked(about)
    async with books() as register:
        if answer is None:
            answer = await _from_register(register, about, why)
        money = await (
            register.balances.of_withdrawal(about.id) if about.is_withdrawal else register.balances.of_order(about.id)
        )
        parcels = answer["state"].get("parcels") or ()
        traces = await traces_of(register, about.id, parcels) if parcels else {}
        rest = None if about.is_withdrawal else await register.payments.rest_beside(about.id)
    if rest is not None:
        answer["unclaimed"] = {**rest.model_dump(mode="json"), "rest_minor": rest.rest_minor}
    view = {"workflow": status, **answer, "traces": traces, "money": money.model_dump(mode="json")}
    print_answer(view, lambda console: _show(console, about, view, money, language))


async def _looked(about: Subject) -> tuple[str, dict[str, Any] | None, Refused | Unavailable | None]:
    """The workflow's status and answer; or no answer, and the reason. A Temporal that is away is one, too."""
    try:
        async with temporal() as client:
            found = await gateway.status_of(client, about.workflow_id)
            return (GONE, None, None) if found is None else (found.name.lower(), *await _asked(client, about))
    except Unavailable as error:
        return UNKNOWN, None, error


async def _asked(client: Client, about: Subject) -> tuple[dict[str, Any] | None, Refused | Unavailable | None]:
    """The workflow's answer; or None and the reason: no worker takes its tasks, its task fails, or it was refused."""
    try:
        if (idle := await why_idle(client)) is not None:
            return None, Unavailable(idle)
        return await _from_workflow(client, about), None
    except (Refused, Unavailable) as error:
        return None, error


async def _from_workflow(client: Client, about: Subject) -> dict[str, Any]:
    """The workflow's answer.

    Raises:
        Refused: it never opened; with the reason code.
    """
    state = await gateway.query(client, about.workflow_id, "withdrawal" if about.is_withdrawal else "order")
    if gateway.unopened(state):
        await gateway.refuse_if_failed(client.get_workflow_handle(about.workflow_id))
    journal = await gateway.query(client, about.workflow_id, "journal")
    holds = await gateway.query(client, about.workflow_id, "holds")
    retries = await gateway.retries(client, about.workflow_id)
    # While it opens it knows nothing else.
    known = {("withdrawal_id" if about.is_withdrawal else "order_id"): about.id, **state}
    return {"source": "workflow", "state": known, "holds": holds, "journal": journal, "retries": retries}


async def _from_register(register: Register, about: Subject, why: Refused | Unavailable | None) -> dict[str, Any]:
    """The register's answer: the last recorded state.

    Args:
        why: the reason why the workflow did not answer.

    Raises:
        Refused: `unknown_order`, or `not_running` for a withdrawal: it is not known.
    """
    view = await (_stored_withdrawal(register, about.id) if about.is_withdrawal else _stored_order(register, about.id))
    if view is None and why is not None:
        raise why
    if view is None:
        code = "not_running" if about.is_withdrawal else "unknown_order"
        raise Refused(code, f"{SENTENCES[code]} {about.id}", "id")
    said = error_view(why) if why else {}
    return {"source": "register", "why": said.get("message"), "why_zh": said.get("message_zh"), **view}


async def _stored_order(register: Register, order_id: str) -> dict[str, Any] | None:
    from core.order import views as order_views  # loaded when the register answers: the whole order machine
    from core.order.state import OrderState

    known = await register.orders.known(order_id)
    if known is None:
        return None
    if not known.state:
        return {"state": {"order_id": order_id, "phase": "opening", "closed": known.closed}, "holds": [], "journal": []}
    state = OrderState.model_validate({**known.state, "order": known.order})
    return {
        "state": order_views.order_view(state),
        "holds": _plain(order_views.holds_of(state)),
        "journal": order_views.journal_view(state),
    }


async def _stored_withdrawal(register: Register, withdrawal_id: str) -> dict[str, Any] | None:
    from core.withdrawal import views as withdrawal_views
    from core.withdrawal.recovering import resume

    known = await register.withdrawals.known(withdrawal_id)
    if known is None or known.state is None:
        return None
    state = resume(known.state, known.revision)
    return {
        "state": withdrawal_views.withdrawal_view(state),
        "holds": _plain(withdrawal_views.holds_of(state)),
        "journal": withdrawal_views.journal_view(state),
    }


def _plain(holds: Sequence[HoldView]) -> list[dict[str, Any]]:
    return [hold.model_dump(mode="json", exclude_none=True) for hold in holds]


# --- for people ------------------------------------------------------------------------------------------


def _show(console: Console, about: Subject, view: dict[str, Any], money: Money, language: Language) -> None:
    state = view["state"]
    for line in _warnings(about, view, language):
        console.print(line, style="yellow")
    print_in(
        console, withdrawal_facts(state, language) if about.is_withdrawal else order_facts(state, language), language
    )
    parcels = state.get("parcels", ())
    findings = findings_table(parcels, language)
    for shown in (
        parcels_table(parcels, language) if parcels else None,
        findings,
        *(trace_table(parcel, sources, language) for parcel, sources in view["traces"].items()),
        late_table(parcels, state.get("cases", ()), language),
        refunds_table(state, language) if state.get("refunds") else None,
        cases_table(state["cases"], state["order"]["currency"], language) if state.get("cases") else None,
        payouts_table(state["attempts"], language) if state.get("attempts") else None,
        holds_table(view["holds"], language) if view["holds"] else None,
        retries_table(view["retries"]) if view.get("retries") else None,
        journal_table(view["journal"], language) if view["journal"] else None,
        accounts_table(money.accounts) if money.accounts else None,
        transfers_table(money.transfers) if money.transfers else None,
    ):
        if shown is not None:
            print_in(console, shown, language)


def _warnings(about: Subject, view: dict[str, Any], language: Language) -> Iterator[str]:
    def said(warning: Help, *known: str) -> str:
        return str(getattr(warning, language)).format(*known)

    if rest := view.get("unclaimed"):
        yield said(UNCLAIMED, format_minor(rest["rest_minor"], rest["currency"]), rest["payment"])
    if view["source"] == "register":
        why = (view["why_zh"] if language == "zh" else None) or view["why"]
        yield said(NOT_THERE) if view["workflow"] == GONE else said(SILENT, why)
    if view["workflow"] not in {"running", "completed", UNKNOWN} and not view["state"].get("closed"):
        subject = about.workflow_id if about.is_withdrawal else about.id
        yield said(UNTENDED, worded("workflow", view["workflow"], language), subject)
