"""`python -m bench peers`: the happy order on other engines, with the same duties, interleaved with the product.

*Bare* is Temporal with these duties alone; *product* is Dakuan. The others are as their own pages advise. Each
engine has one worker process; behind it are PostgreSQL and, for product and bare, Temporal, or an engine's own server.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import asyncpg
import typer

import gateway
from bench.engines import Engine, Peer, Product
from bench.figures import FigureFile, Figures, median_ratio, percentile, show, write
from bench.orders import BENCH_POLICY, WORKERS, prepare, travelled
from bench.peers.duties import database_of
from bench.peers.restate_server import PROGRAM, RestateServer
from bench.rounds import CLIENTS, Round, interleave, trees_cpu_seconds, workers_of
from core.errors import Misconfigured
from core.policy import policy_hash
from ledger.migrate import migrate
from ledger.pool import open_pool
from ledger.register import Register
from local.service import ServerProcess
from local.stack import LocalStack

STARTS_WITHIN = 10.0
"""Seconds until all workers poll; some make their tables first."""
IDLE_S = 3.0


class _Other(NamedTuple):
    """An engine that is not part of the product's install."""

    module: str
    client: str
    """The class of its client in the module, a `PeerClient`."""
    needs: tuple[str, ...]
    """Packages and programs."""
    server: type[ServerProcess] | None = None
    """Its own, if it has one."""


OTHERS = {
    "dbos": _Other("bench.peers.on_dbos", "OnDbos", ("dbos",)),
    "procrastinate": _Other("bench.peers.on_procrastinate", "OnProcrastinate", ("procrastinate",)),
    "restate": _Other("bench.peers.on_restate", "OnRestate", ("restate", PROGRAM), RestateServer),
}


def _is_there(need: str) -> bool:
    return find_spec(need) is not None or shutil.which(need) is not None


def peers(
    engines: Annotated[
        list[str] | None, typer.Argument(help=f"Which of {', '.join(OTHERS)}; all if none is named.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Interleaved rounds of each engine.")] = 5,
    per_round: Annotated[int, typer.Option(min=1, help="Orders a round and engine.")] = 96,
    json: FigureFile = None,
) -> None:
    """The same order on other engines: orders a second, processor time, confirm → credited, beside the product."""
    asyncio.run(_measure(chosen(engines or list(OTHERS)), pairs, per_round, json))


def chosen(names: Sequence[str], is_there: Callable[[str], object] = _is_there) -> list[str]:
    """The names, each once.

    Raises:
        Misconfigured: an engine that is not known, or one whose package or program is not installed.
    """
    if unknown := [name for name in names if name not in OTHERS]:
        raise Misconfigured(f"no engine {unknown[0]!r}: choose from {', '.join(OTHERS)}")
    if missing := [need for name in names for need in OTHERS[name].needs if not is_there(need)]:
        raise Misconfigured(f"not installed: {', '.join(missing)}. `make peers` installs them apart from the product.")
    return list(dict.fromkeys(names))


async def _measure(names: Sequence[str], pairs: int, per_round: int, file: Path | None) -> None:
    async with LocalStack.temporary() as stack, AsyncExitStack() as opened:
        settings = stack.settings
        owner = settings.needed("database_owner_url")
        await migrate(owner)
        await prepare(owner)
        for name in names:
            await _create_database(owner, database_of(settings, name))
        servers = {"postgres": _pid(stack.postgres), "temporal": _pid(stack.temporal)}
        for name in names:
            if (kind := OTHERS[name].server) is not None:
                servers[name] = _pid(await opened.enter_async_context(_running(kind(stack.home))))
        pool = await open_pool(settings.needed("database_url"), size=CLIENTS)
        opened.push_async_callback(pool.close)
        await Register(pool).policies.keep("bench", policy_hash(BENCH_POLICY), BENCH_POLICY)
        client = await opened.enter_async_context(gateway.connected(settings))

        async def scan(waybill: str) -> None:
            await travelled(stack, waybill)

        commands = {name: WORKERS[name] for name in ("product", "bare")}
        commands |= {name: ("-m", OTHERS[name].module) for name in names}
        workers = await opened.enter_async_context(workers_of(stack.home, commands, within=STARTS_WITHIN))
        engines: list[Engine] = [Product(client, pool, scan), Peer("bare", client, pool, scan)]
        for name in names:
            other = getattr(import_module(OTHERS[name].module), OTHERS[name].client)(settings, pool, scan)
            engines.append(await opened.enter_async_context(other))
        behind = {name: _behind(name, servers) for name in workers}
        rounds = await interleave(engines, workers, pool, pairs, per_round, behind)
        idle = await _idle(servers)
    _report(rounds, idle, file)


@asynccontextmanager
async def _running(server: ServerProcess) -> AsyncIterator[ServerProcess]:
    """Ended with the bench."""
    await asyncio.to_thread(server.start)
    try:
        yield server
    finally:
        await asyncio.to_thread(server.stop)


def _pid(server: ServerProcess) -> int:
    assert server.pid is not None
    return server.pid


def _behind(engine: str, servers: Mapping[str, int]) -> list[int]:
    """The processes of the servers that work for an engine."""
    own = engine if engine in OTHERS else "temporal"
    return [pid for server, pid in servers.items() if server in {"postgres", own}]


async def _create_database(owner_dsn: str, database: str) -> None:
    connection = await asyncpg.connect(owner_dsn)
    try:
        await connection.execute(f'CREATE DATABASE "{database.rpartition("/")[2]}"')
    finally:
        await connection.close()


async def _idle(servers: Mapping[str, int]) -> Figures:
    """What each server uses in a second while all workers only poll, in milliseconds."""
    began, used = time.perf_counter(), {name: trees_cpu_seconds([pid]) for name, pid in servers.items()}
    await asyncio.sleep(IDLE_S)
    seconds = time.perf_counter() - began
    return {
        f"peers_idle_ms_per_s_{name}": (trees_cpu_seconds([pid]) - used[name]) * 1000 / seconds
        for name, pid in servers.items()
    }


def _report(rounds: dict[str, list[Round]], idle: Figures, file: Path | None) -> None:
    figures: Figures = dict(idle)
    rows = []
    for name, measured in rounds.items():
        found = _figures_of(measured)
        rows.append((name, *(f"{value:,.1f}" for value in found.values())))
        figures |= {f"peers_{what}_{name}": value for what, value in found.items()}
        if name != "product":
            figures |= {f"peers_{what}_ratio_{name}": ratio for what, ratio in ratios(rounds["product"], measured)}
    columns = ("engine", "orders/s", "worker CPU ms/order", "servers CPU ms/order", "credited p50 ms", "p99 ms")
    show(f"The same order on each engine, {CLIENTS} clients, medians", columns, rows, figures)
    write(figures, file)


_WHAT: dict[str, Callable[[Round], float]] = {
    "orders_per_s": lambda one: one.orders_per_s,
    "worker_ms": lambda one: one.cpu_ms,
    "servers_ms": lambda one: one.servers_ms,
    "credited_p50_ms": lambda one: percentile(one.credited_ms, 50),
    "credited_p99_ms": lambda one: percentile(one.credited_ms, 99),
}


def _figures_of(measured: Sequence[Round]) -> Figures:
    return {what: percentile([of(one) for one in measured], 50) for what, of in _WHAT.items()}


def ratios(ours: Sequence[Round], theirs: Sequence[Round]) -> list[tuple[str, Any]]:
    """The product's figures over theirs."""
    return [(what, median_ratio([*map(of, ours)], [*map(of, theirs)])) for what, of in _WHAT.items()]
