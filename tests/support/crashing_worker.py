"""A worker that dies by kill -9: right after an effect and before its report, or at random moments.

    with crashing_worker(folder, {"credit": "A1"}, settings): ...   it dies after the credit of order A1, once
    with crashing_worker(folder, {"kills": 5, "seed": 3}, settings): ...   it dies five times

It is started again each time. After its last death it works until the block ends. All workers of a test run are forked
from one process that has imported everything: the imports take longer than most of their lives.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import random
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from temporalio.common import RetryPolicy

import gateway
import worker
import workflows.order
import workflows.payment_return
import workflows.running
import workflows.withdrawal
from activities.channels.sandbox import SandboxChannel
from config import PROJECT, load
from core.chart import Kind
from core.movements import Movement
from ledger.book import Book
from ledger.claims import Claims
from ledger.looks import Looks
from ledger.orders import Orders
from ledger.payments import Payments
from ledger.payouts import Payouts

EFFECTS: dict[str, tuple[Any, str] | tuple[Any, str, Kind] | tuple[Any, str, Kind, str]] = {
    "open": (Orders, "open"),
    "fund": (Book, "post", "fund"),
    "record": (Orders, "record"),
    "claim": (Claims, "claim"),
    "release": (Claims, "release"),
    "look": (Looks, "keep"),
    "judge": (Looks, "read"),
    "credit": (Book, "post", "credit"),
    "settle": (Book, "post", "settle"),
    "withdrawal": (gateway, "start_withdrawal"),
    "refund": (Book, "post", "refund"),
    "case": (Book, "post", "refund"),
    "afterwards": (Book, "post", "refund"),
    "chargeback": (Book, "post", "chargeback"),
    "won": (Book, "post", "chargeback_won"),
    "above": (Book, "post", "chargeback_above"),
    "above_won": (Book, "post", "chargeback_above_won"),
    "covered": (Book, "post", "refund_covered"),
    "freeze": (Book, "post", "freeze"),
    "thaw": (Book, "post", "release"),
    "deposit": (Book, "post", "settle"),
    "held": (Book, "post", "credit"),
    "basket": (Book, "post", "refund"),
    "freight": (Book, "post", "refund", "-freight"),
    "charge": (SandboxChannel, "charge"),
    "claim_back": (Book, "post", "claim_back"),
    "kept": (Book, "post", "claim_back", "/frozen"),
    "late": (Book, "post", "refund", "/late"),
    "rest": (Payments, "close_return"),
    "sent_again": (Claims, "claim"),
    "replaced": (Claims, "claim"),
    "channel": (SandboxChannel, "refund"),
    "arrived": (Book, "post", "refund_arrived"),
    "attempt": (Payouts, "open"),
    "suspense": (Book, "post", "suspense"),
    "void": (Book, "post", "void"),
    "pay": (Book, "post", "pay"),
    "return": (Book, "post", "bank_return"),
}
"""The effects after which it can die unreported, and the function of each; for a posting the kind of its movement, and
where one kind is posted twice the end of its reference, or of an account that gets money.
"""
WAITS = timedelta(seconds=4)
"""How long Temporal waits for the report of an activity whose worker died; 30 s in production."""
LIVES = timedelta(minutes=1)
"""How long a local activity may take; 3 s in production."""
ALIVE_S = (0.6, 2.0)
"""Seconds that a worker lives when chance ends it. A third of a second passes before it polls."""
MOMENT_S = 0.5
"""From an effect to the death: what is due at once happens within it, and shares a death, where each would cost the
start of a worker and the wait for its lost work.
"""


class Deaths:
    """The deaths of a worker after effects. Those that happen within a moment are one death's: none is reported, and
    none is half done.
    """

    def __init__(self, folder: Path, effects: Collection[str]) -> None:
        self._folder, self._effects = folder, effects
        self._happened: set[str] = set()
        self._under_way = 0
        self._quiet = asyncio.Event()

    def after(
        self, effect: str, act: Callable[..., Awaitable[Any]], order_id: str, kind: Kind | None = None, ends: str = ""
    ) -> Callable[..., Awaitable[Any]]:
        """The effect. Once it happened for this order (with this movement), the worker dies before the report; once."""

        async def acted(*args: Any, **kwargs: Any) -> Any:
            moves = [arg for arg in args if isinstance(arg, Movement)]
            of_kind = kind is None or any(one.kind == kind and _ends(one, ends) for one in moves)
            if order_id not in f"{args}{kwargs}" or not of_kind or effect not in self._left():
                return await act(*args, **kwargs)
            self._under_way += 1
            try:
                await act(*args, **kwargs)
            finally:
                self._under_way -= 1
                self._quiet.set()
            self._happened.add(effect)
            return await self._die()

        return acted

    def _left(self) -> set[str]:
        return set(ahead(self._folder, self._effects))

    async def _die(self) -> NoReturn:
        """Once the others of this moment have happened, too."""
        if self._happened < self._left():
            await asyncio.sleep(MOMENT_S)
        while self._under_way:
            self._quiet.clear()
            await self._quiet.wait()
        for effect in self._happened:
            (self._folder / effect).touch()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it is dead")


def ahead(folder: Path, effects: Iterable[str]) -> list[str]:
    """The effects after which no worker has died yet."""
    return [effect for effect in effects if not (folder / effect).exists()]


def _ends(movement: Movement, ends: str) -> bool:
    return any(name.endswith(ends) for name in (movement.reference, *(leg.credit for leg in movement.legs)))


_told_to_end = threading.Event()


def until_it_dies(body: Callable[[], object]) -> bool:
    """Run this in a child process; returns whether it was killed. A request to end is passed on to the child."""

    def end(*_: object) -> None:
        _told_to_end.set()
        os.kill(child, signal.SIGTERM)

    # Blocked until it can be passed on: a child that misses it would outlive the test and take its tasks.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    child = os.fork()
    signal.signal(signal.SIGTERM, end if child else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    if not child:
        os._exit(0 if body() == 0 else 1)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("the worker failed")
    return os.WIFSIGNALED(status) and not _told_to_end.is_set()


def shorten_waits() -> None:
    """A test waits less than production for the work of a dead worker, and longer for that of one that lives: a parcel
    whose judgement takes long is looked at instead, and no worker would die of its judgement.
    """
    workflows.running.QUICK = LIVES
    workflows.running.PATIENT = workflows.order.LOOK_LIMIT = WAITS
    # A worker that dies of one effect takes with it what it asks a bank or a channel for others.
    workflows.withdrawal.SENDING = workflows.payment_return.SENT_WITHIN = WAITS
    workflows.order.POLLING = RetryPolicy(initial_interval=timedelta(seconds=1), backoff_coefficient=1)


def after_effects(folder: Path, orders: dict[str, str]) -> None:
    """Die after each of these effects, for the order beside it."""
    deaths = Deaths(folder, orders)
    for effect, order_id in orders.items():
        place, name, *kind = EFFECTS[effect]
        setattr(place, name, deaths.after(effect, getattr(place, name), order_id, *kind))
    shorten_waits()
    while until_it_dies(worker.cli):
        pass


def by_chance(kills: int, seed: int) -> None:
    """Die this often, at random moments."""
    chance = random.Random(seed)
    shorten_waits()
    lives = [chance.uniform(*ALIVE_S) for _ in range(kills)]

    def work(seconds: float | None) -> int:
        if seconds is not None:
            threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
        return worker.cli()

    for seconds in lives:
        killed = until_it_dies(partial(work, seconds))
        if _told_to_end.is_set():
            return
        assert killed
    until_it_dies(partial(work, None))


def _work_and_die(folder: Path, how: Mapping[str, Any], environment: Mapping[str, str]) -> None:
    """In a process of its own, forked from one that is clean; see the module."""
    os.environ.clear()
    os.environ.update(environment)
    with (folder / "log").open("wb") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    load()
    gc.freeze()  # a collection in each life would copy the pages of all that was imported
    if "kills" in how:
        by_chance(how["kills"], how["seed"])
    else:
        after_effects(folder, dict(how))


_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload([__name__])


@contextmanager
def crashing_worker(folder: Path, how: Mapping[str, Any], addresses: Mapping[str, object]) -> Iterator[None]:
    """One for the block, and the log of its lives in the folder.

    Args:
        how: an effect → the id for which it is the last; or `kills`, how many, at moments that `seed` makes.
        addresses: variables that lead it to its servers, beside those of this process.

    Raises:
        RuntimeError: it ended before the block did, so that nothing worked on; with the last line of the log.
    """
    environment = {**os.environ, **{name: str(value) for name, value in addresses.items()}}
    process = _forks.Process(target=_work_and_die, args=(folder, how, environment))
    with _found_by_new_programs(PROJECT, PROJECT / "tests" / "support"):
        process.start()
    try:
        yield
    finally:
        ended = process.exitcode
        process.terminate()
        process.join(30)
        if ended is not None:
            said = (folder / "log").read_text(errors="replace").strip().splitlines()
            raise RuntimeError(f"the crashing worker ended by itself with {ended}: {' '.join(said[-1:])}")


@contextmanager
def _found_by_new_programs(*folders: Path) -> Iterator[None]:
    """The process from which workers are forked is started with the first of them, and imports what it can find."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, folders))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
