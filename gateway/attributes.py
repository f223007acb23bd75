"""Our search attributes in a namespace: which ones exist, and adding the missing ones."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from core.errors import DakuanError, Misconfigured, Unavailable
from core.search_attributes import SEARCH_ATTRIBUTES

ATTRIBUTES_WITHIN = timedelta(seconds=10)

DEFAULT_LIMITS: Mapping[str, int] = {"Keyword": 10, "KeywordList": 3, "Int": 3, "Datetime": 3}
"""How many attributes of a type a namespace has room for, on a server with an SQL database for its visibility."""

log = logging.getLogger("dakuan.worker")

_TYPES = {
    "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
    "Int": IndexedValueType.INDEXED_VALUE_TYPE_INT,
    "Datetime": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}


async def search_attributes(client: Client) -> dict[str, str]:
    """Our attributes by name, each `present`, `missing`, or the wrong type that it has.

    Raises:
        Unavailable: Temporal did not answer.
        Misconfigured: this Temporal does not allow the query.
    """
    listed = await _listed(client)
    found = {}
    for name, kind in SEARCH_ATTRIBUTES.items():
        type_ = listed.get(name)
        found[name] = "missing" if type_ is None else "present" if type_ == _TYPES[kind] else _type_name(type_)
    return found


async def _listed(client: Client) -> Mapping[str, Any]:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        listed = await client.operator_service.list_search_attributes(request, timeout=ATTRIBUTES_WITHIN)
    except RPCError as error:
        raise _operator_refused(client, error) from None
    return listed.custom_attributes


async def attributes_without_room(client: Client) -> list[str]:
    """Attribute types for which the namespace has too little room left, as sentences; empty if all fit.

    Raises:
        Unavailable, Misconfigured: as `search_attributes`.
    """
    listed = await _listed(client)
    missing = [kind for name, kind in SEARCH_ATTRIBUTES.items() if name not in listed]
    said = []
    for kind in dict.fromkeys(missing):
        room = max(DEFAULT_LIMITS[kind] - sum(type_ == _TYPES[kind] for type_ in listed.values()), 0)
        if missing.count(kind) > room:
            said.append(
                f"the namespace {client.namespace} has room for {room} more {kind} attributes, "
                f"Dakuan needs {missing.count(kind)}"
            )
    return said


async def register_search_attributes(client: Client) -> None:
    """Add the missing attributes. A workflow that sets a missing one would be stuck.

    Raises:
        Misconfigured: one exists with another type (adding it again would silently change nothing), or the namespace
            has no room for all.
        Unavailable: Temporal did not answer.
    """
    try:
        found = await search_attributes(client)
    except Misconfigured as error:
        # A managed service allows this only in its own console: there the attributes are added once, by hand.
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
        if error.status == RPCStatusCode.ALREADY_EXISTS:
            return  # another worker that is starting was first
        if "cannot have more than" in error.message:
            said = await attributes_without_room(client)
            cure = "remove some of the others, or use a namespace of its own"
            raise Misconfigured(f"{'; '.join(said) or error.message}: {cure}.") from None
        raise _operator_refused(client, error) from None


def _type_name(value: Any) -> str:
    return IndexedValueType.Name(value).removeprefix("INDEXED_VALUE_TYPE_")


def _operator_refused(client: Client, error: RPCError) -> DakuanError:
    if error.status in {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED}:
        needed = ", ".join(f"{name} ({kind})" for name, kind in SEARCH_ATTRIBUTES.items())
        return Misconfigured(
            f"Temporal does not let us register search attributes in {client.namespace} ({error.message}). "
            f"Have an administrator add them: {needed}."
        )
    return Unavailable(f"Temporal did not answer: {error.message}")
