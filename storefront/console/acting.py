"""An action from form to answer: filled in, shown as it will be sent, sent as the API sends it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from core.audit.waybills import CARRIERS
from core.command import Command
from core.errors import BadInput
from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS, Line
from storefront.api.paging import refuse_others
from storefront.bodies import message_of
from storefront.changing import KeptAnswer
from storefront.console.filling import detail_of, read_field
from storefront.console.forms import assembled, said_by
from storefront.console.offers import ACTIONS, Action, Kind
from storefront.console.reading import known_order, known_withdrawal
from storefront.console.rendering import render, said_of
from storefront.console.visits import Handler, Visit, for_people, go, sign_in_for
from storefront.problems import HttpProblem, ProblemError

_COMMANDS: Mapping[str, Mapping[str, type[Command]]] = {"order": ORDER_COMMANDS, "withdrawal": WITHDRAWAL_COMMANDS}


def _form_page(kind: Kind) -> Handler:
    async def show(visit: Visit) -> Response:
        action, currency, lines = await _wanted(visit, kind)
        if (sign_in := _stale(visit, action)) is not None:
            return sign_in
        _refuse_others(visit, action)
        return _form(visit, action, currency, lines, dict(visit.request.query_params), [])

    return show


def _refuse_others(visit: Visit, action: Action) -> None:
    """The address may fill in the form's fields; those of goods have the line behind a dot."""
    asked = [field.name for field in action.fields]
    of_lines = [name for name in visit.request.query_params if name.partition(".")[0] in asked]
    refuse_others(visit.request, list(dict.fromkeys((*asked, *of_lines))))


def _check_page(kind: Kind) -> Handler:
    async def check(visit: Visit) -> Response:
        """What will be sent, before it is."""
        action, currency, lines = await _wanted(visit, kind)
        given = _texts(await visit.form())
        if (sign_in := _stale(visit, action)) is not None:
            return sign_in
        key = f"console-{secrets.token_hex(12)}"
        body, wrong = _read(visit, action, currency, given, key)
        if wrong or given.get("change"):
            return _form(visit, action, currency, lines, given, wrong)
        return _check(visit, action, currency, lines, given, key, body)

    return check


def _send_page(kind: Kind) -> Handler:
    async def send(visit: Visit) -> Response:
        """Send it, and go back to the page that it was about."""
        action, currency, lines = await _wanted(visit, kind)
        given = _texts(await visit.form())
        if (sign_in := _stale(visit, action)) is not None:
            return sign_in
        key = given.get("command_id", "")
        body, wrong = _read(visit, action, currency, given, key)
        if wrong:
            return _form(visit, action, currency, lines, given, wrong)
        subject = visit.request.path_params["id"]
        answer, problem = await carried_out(visit, key, f"{kind}.{action.verb}", subject, body)
        if problem is not None:
            return _check(visit, action, currency, lines, given, key, body, problem)
        return go(f"{_base(kind, subject)}?{'done' if answer is not None else 'later'}={action.verb}")

    return send


async def carried_out(
    visit: Visit, key: str, what: str, subject: str, body: dict[str, Any]
) -> tuple[KeptAnswer | None, HttpProblem | None]:
    """A request of a person, as the API carries it out: the answer, or why it was refused; neither while it goes on."""
    try:
        pending = await visit.service.pending(visit.who, key, what, subject, body)
        answer, _ = await visit.service.changes.carried_out(pending)
    except ProblemError as error:
        # Sent twice, as by a double click: the first one goes on, and nothing was refused.
        return None, None if error.problem.code == "under_way" else error.problem
    if answer is not None and answer.status >= 400:
        return None, HttpProblem.model_validate(answer.body)
    return answer, None


async def _wanted(visit: Visit, kind: Kind) -> tuple[Action, str, Sequence[Line]]:
    """The action of the address, and the currency and the goods of what it is about."""
    action = ACTIONS.get((kind, visit.request.path_params["verb"]))
    if action is None or visit.who.known.role not in action.roles:
        raise ProblemError("not_found")
    if kind == "order":
        order = (await known_order(visit)).order
        return action, order.currency, order.lines
    return action, (await known_withdrawal(visit)).withdrawal.currency, ()


def _stale(visit: Visit, action: Action) -> Response | None:
    """A sign-in first, where the action moves money and the last one is some time ago."""
    if not action.moves_money or visit.who.signed_in_lately(visit.now):
        return None
    base = _base(action.kind, visit.request.path_params["id"])
    preset = f"?{visit.request.url.query}" if visit.request.url.query else ""
    return sign_in_for(f"{base}/do/{action.verb}{preset}", again=True)


def _base(kind: Kind, subject: str) -> str:
    return f"/console/{kind}s/{subject}"


def _texts(form: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).strip() for name, value in form.items() if isinstance(value, str)}


def _read(
    visit: Visit, action: Action, currency: str, given: Mapping[str, str], key: str
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The command's body as the API would get it, and what is wrong with the form: (field, why)."""
    filled: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for field in action.fields:
        try:
            value = read_field(visit, field, given, currency)
        except BadInput as error:
            wrong.append((field.name, str(error)))
            continue
        if value is not None:
            filled[field.name] = value
        elif field.required:
            wrong.append((field.name, visit.words("act.required")))
    if wrong:
        return {}, wrong
    body = {"command_id": key, "actor": visit.who.actor.model_dump(), **assembled(action.fields, filled)}
    try:
        command = message_of(_COMMANDS[action.kind][action.verb], body)
    except ProblemError as error:
        found = error.problem.errors or [{"pointer": "", "detail": error.problem.detail}]
        return {}, [(_field_at(action, one["pointer"]), detail_of(visit, one["detail"])) for one in found]
    return command.model_dump(mode="json", exclude_unset=True), []


def _field_at(action: Action, pointer: str) -> str:
    """The field of the form behind a pointer into the command: `/parcels/0/lines/0/quantity` is among the lines."""
    asked, parts = {field.name for field in action.fields}, pointer.strip("/").split("/")
    return next((part for part in parts if part in asked), parts[-1])


def _form(
    visit: Visit,
    action: Action,
    currency: str,
    lines: Sequence[Line],
    given: Mapping[str, str],
    wrong: list[tuple[str, str]],
) -> Response:
    return render(
        visit,
        "form.html",
        422 if wrong else 200,
        **_about(visit, action, currency),
        lines=lines,
        carriers=CARRIERS.carriers,
        given=given,
        wrong=wrong,
        wrong_by_field=dict(wrong),
    )


def _check(
    visit: Visit,
    action: Action,
    currency: str,
    lines: Sequence[Line],
    given: Mapping[str, str],
    key: str,
    body: dict[str, Any],
    problem: HttpProblem | None = None,
) -> Response:
    asked = {field.name for field in action.fields}
    hidden = {name: text for name, text in given.items() if text and name.partition(".")[0] in asked}
    return render(
        visit,
        "check.html",
        problem.status if problem is not None else 200,
        **_about(visit, action, currency),
        hidden=hidden | {"command_id": key},
        body=said_by(action.fields, body),
        lines={line.line_id: line for line in lines},
        problem=problem,
        said=said_of(visit, problem) if problem is not None else "",
    )


def _about(visit: Visit, action: Action, currency: str) -> dict[str, Any]:
    subject = visit.request.path_params["id"]
    base = _base(action.kind, subject)
    return {
        "action": action,
        "subject": subject,
        "currency": currency,
        "base": base,
        "form_address": f"{base}/do/{action.verb}",
        "actor": visit.who.actor,
    }


def _routes(kind: Kind) -> list[Route]:
    base = f"/{kind}s/{{id}}/do/{{verb}}"
    return [
        Route(base, for_people(_form_page(kind), asks=None)),
        Route(base, for_people(_check_page(kind)), methods=["POST"]),
        Route(f"{base}/send", for_people(_send_page(kind)), methods=["POST"]),
    ]


ROUTES = [*_routes("order"), *_routes("withdrawal")]
