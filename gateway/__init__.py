"""The one door into Temporal for commands, desks and workers: connect, start, send, ask.

It starts workflows by their names and loads no workflow's code; `worker.plugin` carries that.
"""

from __future__ import annotations

from gateway.asking import opened, query, retries, status_of, unopened
from gateway.attributes import attributes_without_room, register_search_attributes, search_attributes
from gateway.connecting import connect, connected
from gateway.converter import DATA_CONVERTER
from gateway.reconciling import schedule_reconciliation, start_reconciliation, unschedule_reconciliation
from gateway.refusals import refusal_in, refuse_if_failed
from gateway.sending import recheck_withdrawal, send, signal
from gateway.starting import report_payout, resume_withdrawal, start_account_drop, start_order, start_withdrawal
from gateway.workers import failing, make_current, workers

__all__ = [
    "DATA_CONVERTER",
    "attributes_without_room",
    "connect",
    "connected",
    "failing",
    "make_current",
    "opened",
    "query",
    "recheck_withdrawal",
    "refusal_in",
    "refuse_if_failed",
    "register_search_attributes",
    "report_payout",
    "resume_withdrawal",
    "retries",
    "schedule_reconciliation",
    "search_attributes",
    "send",
    "signal",
    "start_account_drop",
    "start_order",
    "start_reconciliation",
    "start_withdrawal",
    "status_of",
    "unopened",
    "unschedule_reconciliation",
    "workers",
]
