"""The routes of verbs: a command's fields become a request that is written down. The workflow decides."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from core.command import Command
from core.errors import Refused
from storefront.api.documents import body_of
from storefront.api.paging import id_in
from storefront.api.routing import Handler, changing
from storefront.bodies import message_of, object_of
from storefront.changing import idempotency_key_of
from storefront.service import service_of

Kind = Literal["order", "withdrawal"]
COMMAND_ID = "command_id"


def add_verbs(
    router: APIRouter, kind: Kind, commands: Mapping[str, type[Command]], *, without: Collection[str]
) -> None:
    """A route for each verb of the contract.

    Args:
        without: verbs that no key may send, since their senders prove themselves by a signature.
    """
    for verb, model in commands.items():
        if verb not in without:
            changing(
                router,
                f"/{kind}s/{{{kind}_id}}/{verb}",
                _sender(kind, verb, model),
                says=model.purpose(),
                name=verb if kind == "order" else f"{kind}_{verb}",
                body=body_of(model),
            )


def _sender(kind: Kind, verb: str, model: type[Command]) -> Handler:
    async def send(request: Request) -> Response:
        service = service_of(request)
        caller = await service.caller(request, f"{kind}s:write")
        key, subject = idempotency_key_of(request), id_in(request, f"{kind}_id")
        await (service.order(caller, subject) if kind == "order" else service.withdrawal(caller, subject))
        fields = await object_of(request)
        if COMMAND_ID in fields:
            raise Refused("malformed", f"{COMMAND_ID}: is the header Idempotency-Key; leave it out.", COMMAND_ID)
        ours = {COMMAND_ID: key, "actor": caller.actor(fields.get("actor"))}
        withheld = {COMMAND_ID} if caller.key.merchant_id is None else ours.keys()
        command = message_of(model, {**fields, **ours}, withheld=withheld)
        body = command.model_dump(mode="json", exclude_unset=True)
        pending = await service.pending(caller, key, f"{kind}.{verb}", subject, body)
        return await service.changes.answer(pending, request)

    return send
