"""The only access to Temporal for commands, desks and workers: connect, start, send, query.

It starts workflows by name and loads no workflow's code; `worker.plugin` does. A name is loaded at its first use:
Temporal's client takes half a second to load, and a help text or a wrong argument does not need it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.asking import opened, query, retries, status_of, unopened
    from gateway.attributes import attributes_without_room, register_search_attributes, search_attributes
    from gateway.connecting import connect, connected
    from gateway.converter import DATA_CONVERTER, converter_of
    from gateway.opening import open_order, open_withdrawal
    from gateway.pollers import failing, make_current, workers
    from gateway.reconciling import schedule_reconciliation, start_reconciliation, unschedule_reconciliation
    from gateway.refusals import refusal_in, refuse_if_failed
    from gateway.sealed import refuse_sealed
    from gateway.sending import recheck_withdrawal, send, signal
    from gateway.setting_back import ahead_of, moved_since, set_back
    from gateway.sightings import last_event_at, last_proof, newest, sighting
    from gateway.skipping import skip_time
    from gateway.starting import (
        refund_order,
        report_chargeback,
        report_payout,
        resume_withdrawal,
        send_reopening,
        signal_reopening,
        start_account_drop,
        start_order,
        start_payment_return,
        start_withdrawal,
    )

__all__ = [
    "DATA_CONVERTER",
    "ahead_of",
    "attributes_without_room",
    "connect",
    "connected",
    "converter_of",
    "failing",
    "last_event_at",
    "last_proof",
    "make_current",
    "moved_since",
    "newest",
    "open_order",
    "open_withdrawal",
    "opened",
    "query",
    "recheck_withdrawal",
    "refund_order",
    "refusal_in",
    "refuse_if_failed",
    "refuse_sealed",
    "register_search_attributes",
    "report_chargeback",
    "report_payout",
    "resume_withdrawal",
    "retries",
    "schedule_reconciliation",
    "search_attributes",
    "send",
    "send_reopening",
    "set_back",
    "sighting",
    "signal",
    "signal_reopening",
    "skip_time",
    "start_account_drop",
    "start_order",
    "start_payment_return",
    "start_reconciliation",
    "start_withdrawal",
    "status_of",
    "unopened",
    "unschedule_reconciliation",
    "workers",
]

_NAMES = {
    "asking": (
        "opened",
        "query",
        "retries",
        "status_of",
        "unopened",
    ),
    "attributes": (
        "attributes_without_room",
        "register_search_attributes",
        "search_attributes",
    ),
    "connecting": (
        "connect",
        "connected",
    ),
    "converter": (
        "DATA_CONVERTER",
        "converter_of",
    ),
    "opening": (
        "open_order",
        "open_withdrawal",
    ),
    "pollers": (
        "failing",
        "make_current",
        "workers",
    ),
    "reconciling": (
        "schedule_reconciliation",
        "start_reconciliation",
        "unschedule_reconciliation",
    ),
    "refusals": (
        "refusal_in",
        "refuse_if_failed",
    ),
    "sealed": ("refuse_sealed",),
    "sending": (
        "recheck_withdrawal",
        "send",
        "signal",
    ),
    "setting_back": (
        "ahead_of",
        "moved_since",
        "set_back",
    ),
    "sightings": (
        "last_event_at",
        "last_proof",
        "newest",
        "sighting",
    ),
    "skipping": ("skip_time",),
    "starting": (
        "refund_order",
        "report_chargeback",
        "report_payout",
        "resume_withdrawal",
        "send_reopening",
        "signal_reopening",
        "start_account_drop",
        "start_order",
        "start_payment_return",
        "start_withdrawal",
    ),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """A name of this package; its module is loaded now."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"gateway.{_MODULES[name]}"), name)
    return found
