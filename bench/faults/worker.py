"""A worker that may be killed, controlled by lines on its input.

    python -m bench.faults.worker '{"key_window": 30, "quicker": 0.25}'

    kill      kill -9 the worker; this parent, which has already imported everything, starts another at once
    stop      freeze it; `go` lets it go on
    (end)     the input ends: kill the worker and end, so that nothing is left if the bench itself is killed

It ends with 2 where the worker does: a wrong setting stays wrong at the next start.

`bug` plants a bug that loses money, to test that the bench finds it.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from temporalio.common import RetryPolicy

import worker
import workflows.order
import workflows.running
import workflows.withdrawal
from activities.http import HttpClient
from activities.rails.base import PayoutInstruction
from activities.rails.sandbox import SandboxRail
from config import load
from core.withdrawal.payouts import PayoutResult
from ending import end_with

LOOK_EVERY = 0.05
BORN_AGAIN_AFTER = 0.5
"""Seconds to wait after a worker ended by itself: its database or its Temporal is down."""
MISCONFIGURED = 2
"""The worker's exit code for a setting that is wrong."""
_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "go": signal.SIGCONT}


# --- planted bugs ----------------------------------------------------------------------------------------


def _replace_pay(pay: Callable[[SandboxRail, PayoutInstruction], Awaitable[PayoutResult]]) -> None:
    SandboxRail.pay = pay  # type: ignore[method-assign, assignment]  # this is the bug


def _new_key_on_retry() -> None:
    """An uncertain instruction is sent again at once, under another key."""
    pay = SandboxRail.pay

    async def careless(rail: SandboxRail, instruction: PayoutInstruction) -> PayoutResult:
        result = await pay(rail, instruction)
        if result.outcome != "unknown":
            return result
        return await pay(rail, instruction.model_copy(update={"key": secrets.token_hex(13)}))

    _replace_pay(careless)


def _give_back_on_timeout() -> None:
    """An uncertain instruction counts as failed."""
    pay = SandboxRail.pay

    async def careless(rail: SandboxRail, instruction: PayoutInstruction) -> PayoutResult:
        result = await pay(rail, instruction)
        if result.outcome != "unknown":
            return result
        return PayoutResult(outcome="failed", failure="user", code="TIMEOUT", message=result.message)

    _replace_pay(careless)


def _believe_in_long_keys() -> None:
    """The bank's keys are assumed to last for days, so an instruction may be resent after they were forgotten."""
    SandboxRail.terms = SandboxRail.terms.model_copy(update={"dedup_window": timedelta(days=6)})


BUGS: Mapping[str, Callable[[], None]] = {
    "new_key_on_retry": _new_key_on_retry,
    "give_back_on_timeout": _give_back_on_timeout,
    "believe_in_long_keys": _believe_in_long_keys,
}


# --- time ------------------------------------------------------------------------------------------------


def shorten_limits(quicker: float) -> None:
    """Shorten the limits after which a dead worker or a silent bank is noticed, as the policy's times are shortened."""
    workflows.running.PATIENT *= quicker
    workflows.withdrawal.SENDING *= quicker
    workflows.order.LOOK_LIMIT *= quicker
    workflows.order.POLLING = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=5))
    usual = HttpClient.__init__.__kwdefaults__ or {}
    usual["answers_within"] *= quicker


# --- processes -----------------------------------------------------------------------------------------------


def _start_worker(first: bool) -> int:
    """Start a worker in its own process; returns its number."""
    if not first:
        time.sleep(BORN_AGAIN_AFTER)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os._exit(worker.cli())
    return child


def keep_alive() -> int:
    """Keep one worker alive until the input ends; the exit code."""
    child = _start_worker(first=True)
    while True:
        readable, _, _ = select.select([0], [], [], LOOK_EVERY)
        line = os.read(0, 4096).decode() if readable else None
        for word in (line or "").split():
            os.kill(child, _SIGNALS[word])
        if line == "":
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return 0
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended and os.waitstatus_to_exitcode(status) == MISCONFIGURED:
            return MISCONFIGURED
        if ended:
            child = _start_worker(first=os.WIFSIGNALED(status))


def main() -> int:
    """See the module; the exit code."""
    options = json.loads(sys.argv[1])
    load()
    terms = SandboxRail.terms
    SandboxRail.terms = terms.model_copy(update={"dedup_window": timedelta(seconds=options["key_window"])})
    shorten_limits(options["quicker"])
    if options.get("bug"):
        BUGS[options["bug"]]()
    return keep_alive()


if __name__ == "__main__":
    end_with(main)
