"""What the Web UI shows of a workflow: search attributes and current details."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey

with workflow.unsafe.imports_passed_through():
    from core.search_attributes import SEARCH_ATTRIBUTES, SearchAttributeType

_MAKERS: dict[SearchAttributeType, Callable[[str], SearchAttributeKey[Any]]] = {
    "Keyword": SearchAttributeKey.for_keyword,
    "KeywordList": SearchAttributeKey.for_keyword_list,
    "Int": SearchAttributeKey.for_int,
    "Datetime": SearchAttributeKey.for_datetime,
}
_KEYS = {name: _MAKERS[kind](name) for name, kind in SEARCH_ATTRIBUTES.items()}


def _search_value(value: Any) -> Any:
    """A value short enough for the server, which terminates a workflow that sets one of over 2,048 bytes."""
    if isinstance(value, str):
        return value[:100]
    return [str(item)[:100] for item in value][:10] if isinstance(value, list | tuple) else value


class Page:
    """Search attributes and current details, written only when they change."""

    def __init__(self) -> None:
        self._shown: dict[str, Any] = {}

    def show(self, values: dict[str, Any], details: str) -> None:
        """Upsert the changed attributes in one event, and set the details, which need none."""
        changed = {name: value for name, value in values.items() if self._shown.get(name) != value}
        updates = [
            _KEYS[name].value_unset() if value is None else _KEYS[name].value_set(_search_value(value))
            for name, value in changed.items()
        ]
        if updates:
            workflow.upsert_search_attributes(updates)
        self._shown = dict(values)
        workflow.set_current_details(details)
