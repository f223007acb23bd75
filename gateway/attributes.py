"""Our search attributes in a namespace: which are there, and adding what is missing."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from core.errors import DakuanError, Misconfigured, Unavailable
from core.search_attributes import SEARCH_ATTRIBUTES

ATTRIBUTES_WITHIN = timedelta(seconds=10)

log = logging.getLogger("dakuan.worker")

_TYPES = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}


async def search_attributes(client: Client) -> dict[str, str]:
    """Ours by name, each `present`, `missing`, or the type it has instead.

    Raises:
        Unavailable: Temporal did not answer.
        Misconfigured: this Temporal does not let us ask.
    """
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        listed = await client.operator_service.list_search_attributes(request, timeout=ATTRIBUTES_WITHIN)
    except RPCError as error:
        raise _operator_refused(client, error) from None
    found = {}
    for name, kind in SEARCH_ATTRIBUTES.items():
        type_ = listed.custom_attributes.get(name)
        found[name] = "missing" if type_ is None else "present" if type_ == _TYPES[kind] else _type_name(type_)
    return found


async def register_search_attributes(client: Client) -> None:
    """Add what is missing. Without them a workflow that sets one would be stuck.

    Raises:
        Misconfigured: one exists with another type; adding it again would silently change nothing.
        Unavailable: Temporal did not answer.
    """
    try:
        found = await search_attributes(client)
    except Misconfigured as error:
        # A managed service keeps this to its own console; there the attributes are added once, by hand.
        log.warning("%s", error)
        return
    clashes = [
        f"{name} is {state}, not {SEARCH_ATTRIBUTES[name]}"
        for name, state in found.items()
        if state not in {"present", "missing"}
    ]
    if clashes:
        raise Misconfigured(f"Search attributes of namespace {client.namespace} clash: {'; '.join(clashes)}.")
    missing = {name: _TYPES[SEARCH_ATTRIBUTES[name]] for name, state in found.items() if state == "missing"}
    if not missing:
        return
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
    try:
        await client.operator_service.add_search_attributes(request, timeout=ATTRIBUTES_WITHIN)
    except RPCError as error:
        if error.status != RPCStatusCode.ALREADY_EXISTS:  # another worker that starts beside us was first
            raise _operator_refused(client, error) from None


def _type_name(value: Any) -> str:
    return IndexedValueType.Name(value).removeprefix("INDEXED_VALUE_TYPE_")


def _operator_refused(client: Client, error: RPCError) -> DakuanError:
    if error.status in {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED}:
        needed = ", ".join(f"{name} ({kind})" for name, kind in SEARCH_ATTRIBUTES.items())
        return Misconfigured(
            f"Temporal does not let us register search attributes in {client.namespace} ({error.message}). "
            f"Have them added by whoever may: {needed}."
        )
    return Unavailable(f"Temporal did not answer: {error.message}")
