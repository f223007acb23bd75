"""An action from form to answer: filled in, shown as it will be sent, sent as the API sends it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from core.command import Command
from core.errors import BadInput
from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS
from core.money import parse_amount
from storefront.bodies import message_of
from storefront.changing import KeptAnswer
from storefront.console.offers import ACTIONS, Action, Kind
from storefront.console.reading import known_order, known_withdrawal
from storefront.console.rendering import render, said_of
from storefront.console.visits import Handler, Visit, for_people, go, sign_in_for
from storefront.problems import HttpProblem, ProblemError

_COMMANDS: Mapping[str, Mapping[str, type[Command]]] = {"order": ORDER_COMMANDS, "withdrawal": WITHDRAWAL_COMMANDS}


def _form_page(kind: Kind) -> Handler:
    async def show(visit: Visit) -> Response:
        action, currency = await _wanted(visit, kind)
        if (sign_in := _stale(visit, action)) is not None:
            return sign_in
        return _form(visit, action, currency, dict(visit.request.query_params), [])

    return show


def _check_page(kind: Kind) -> Handler:
    async def check(visit: Visit) -> Response:
        """What will be sent, before it is."""
        action, currency = await _wanted(visit, kind)
        given = _texts(await visit.form())
        if (sign_in := _stale(visit, action)) is not None:
            return sign_in
        key = f"console-{secrets.token_hex(12)}"
        body, wrong = _read(visit, action, currency, given, key)
        if wrong or given.get("change"):
            return _form(visit, action, currency, given, wrong)
        return _check(visit, action, currency, given, key, body)

    return check


def _send_page(kind: Kind) -> Handler:
    async def send(visit: Visit) -> Response:
        """Send it, and go back to the page that it was about."""
        action, currency = await _wanted(visit, kind)
        given = _texts(await visit.form())
        if (sign_in := _stale(visit, action)) is not None:
            return sign_in
        key = given.get("command_id", "")
        body, wrong = _read(visit, action, currency, given, key)
        if wrong:
            return _form(visit, action, currency, given, wrong)
        subject = visit.request.path_params["id"]
        answer, problem = await carried_out(visit, key, f"{kind}.{action.verb}", subject, body)
        if problem is not None:
            return _check(visit, action, currency, given, key, body, problem)
        return go(f"{_base(kind, subject)}?{'done' if answer is not None else 'later'}={action.verb}")

    return send


async def carried_out(
    visit: Visit, key: str, what: str, subject: str, body: dict[str, Any]
) -> tuple[KeptAnswer | None, HttpProblem | None]:
    """A request of a person, as the API carries it out: the answer, or why it was refused; neither while it goes on."""
    pending = visit.service.changes.pending(visit.who, key, what, subject, body)
    try:
        answer, _ = await visit.service.changes.carried_out(pending)
    except ProblemError as error:
        # Sent twice, as by a double click: the first one goes on, and nothing was refused.
        return None, None if error.problem.code == "under_way" else error.problem
    if answer is not None and answer.status >= 400:
        return None, HttpProblem.model_validate(answer.body)
    return answer, None


async def _wanted(visit: Visit, kind: Kind) -> tuple[Action, str]:
    """The action of the address, and the currency of what it is about."""
    action = ACTIONS.get((kind, visit.request.path_params["verb"]))
    if action is None:
        raise ProblemError("not_found")
    if kind == "order":
        return action, (await known_order(visit)).order.currency
    return action, (await known_withdrawal(visit)).withdrawal.currency


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
    fields: dict[str, Any] = {"command_id": key, "actor": visit.who.actor.model_dump()}
    filled: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for field in action.fields:
        text = given.get(field.name, "")
        if not text:
            if field.required:
                wrong.append((field.name, visit.words("act.required")))
            continue
        try:
            value = parse_amount(text, currency, visit.words("field.amount_minor")) if field.kind == "amount" else text
        except BadInput as error:
            wrong.append((field.name, str(error)))
            continue
        filled[field.name] = True if field.kind == "check" else value
    if wrong:
        return {}, wrong
    fields |= {action.nested: [filled]} if action.nested else filled
    try:
        command = message_of(_COMMANDS[action.kind][action.verb], fields)
    except ProblemError as error:
        found = error.problem.errors or [{"pointer": "", "detail": error.problem.detail}]
        return {}, [(one["pointer"].strip("/").rpartition("/")[2], one["detail"]) for one in found]
    return command.model_dump(mode="json", exclude_unset=True), []


def _form(
    visit: Visit, action: Action, currency: str, given: Mapping[str, str], wrong: list[tuple[str, str]]
) -> Response:
    return render(
        visit,
        "form.html",
        422 if wrong else 200,
        **_about(visit, action, currency),
        given=given,
        wrong=wrong,
        wrong_by_field=dict(wrong),
    )


def _check(
    visit: Visit,
    action: Action,
    currency: str,
    given: Mapping[str, str],
    key: str,
    body: dict[str, Any],
    problem: HttpProblem | None = None,
) -> Response:
    hidden = {field.name: given[field.name] for field in action.fields if given.get(field.name)}
    return render(
        visit,
        "check.html",
        problem.status if problem is not None else 200,
        **_about(visit, action, currency),
        hidden=hidden | {"command_id": key},
        body=body[action.nested][0] if action.nested and body else body,
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
        Route(base, for_people(_form_page(kind))),
        Route(base, for_people(_check_page(kind)), methods=["POST"]),
        Route(f"{base}/send", for_people(_send_page(kind)), methods=["POST"]),
    ]


ROUTES = [*_routes("order"), *_routes("withdrawal")]
