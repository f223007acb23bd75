"""The OpenAPI document: the contract's own schemas, our problems, and nothing that is not served."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from core.command import Command
from core.money import CURRENCIES
from storefront.api.routing import REFERENCES
from storefront.bodies import PROOF
from storefront.problems import HttpProblem

_OURS = frozenset({"command_id"})
"""Fields of a command that the gateway fills in."""
_CURRENCY = "Currency"
_schemas: dict[str, dict[str, Any]] = {
    _CURRENCY: {"type": "string", "enum": sorted(CURRENCIES), "description": "An ISO 4217 code."}
}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """A model's schema; the models inside of it become components of the document, and so do currencies."""
    schema = _naming_currencies(model.model_json_schema(ref_template=REFERENCES))
    schema.get("properties", {}).pop(PROOF, None)
    for name, component in schema.pop("$defs", {}).items():
        _schemas.setdefault(name, component)
    found: dict[str, Any] = schema
    return found


def _naming_currencies(schema: Any) -> Any:
    """The schema with one list of the currencies in place of each pattern of three letters."""
    if isinstance(schema, list):
        return [_naming_currencies(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "iso-4217":
        return {"$ref": REFERENCES.format(model=_CURRENCY)}
    return {name: _naming_currencies(part) for name, part in schema.items()}


def body_of(command: type[Command]) -> dict[str, Any]:
    """A command's schema as a body: its id is the Idempotency-Key, and a merchant's key says who sends it."""
    schema = schema_of(command)
    properties = {name: of for name, of in schema["properties"].items() if name not in _OURS}
    required = [name for name in schema.get("required", ()) if name not in {*_OURS, "actor"}]
    # No field is needed where nothing is required; an empty list is no valid schema for some readers.
    return closed({"type": "object", "properties": properties, **({"required": required} if required else {})})


def closed(body: dict[str, Any]) -> dict[str, Any]:
    """A body's schema, in which fields that are not known are refused at any depth, as they are."""
    for name in _named_in(body):
        if "properties" in (component := _schemas[name]) and "additionalProperties" not in component:
            component["additionalProperties"] = False
            closed(component)
    return {**body, "additionalProperties": False}


def _named_in(schema: Any) -> Iterator[str]:
    """The components that a schema refers to."""
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.rpartition("/")[2]
        for part in schema.values():
            yield from _named_in(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _named_in(part)


def _reachable(paths: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schemas that an operation leads to: what only we fill in leads nowhere."""
    found: dict[str, Any] = {}
    waiting = list(_named_in(paths))
    while waiting:
        if (name := waiting.pop()) not in found:
            found[name] = schemas[name]
            waiting += _named_in(schemas[name])
    return dict(sorted(found.items()))


def document_of(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        components = found.setdefault("components", {})
        problem = schema_of(HttpProblem)
        components["schemas"] = _reachable(found["paths"], {**_schemas, "HttpProblem": problem})
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        found["security"] = [{"key": []}]
        app.openapi_schema = found
    return app.openapi_schema
