"""The whole stack on one machine: PostgreSQL, Temporal, and the stand-ins for carrier, payment channel and bank.

    async with LocalStack(Path("var")) as stack:
        await migrate(stack.settings.needed("database_owner_url"))
        async with running_worker(stack.settings):
            ...

State stays under the home from one run to the next. A server that a killed program left running is adopted, or ended if
its command has changed. Only one program at a time uses a home.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from config import (
    PEPPER_FILE,
    STACK_FILE,
    Settings,
    read_rails,
    standin_providers,
)
from config.account_keys import ACCOUNT_KEYS_FILE, parse_account_keys
from config.gateway import LOCAL_EVENTS, parse_peppers, read_payment_events
from core.errors import Misconfigured
from local import pids
from local.client import WorldClient
from local.ports import kept_or_free
from local.postgres import Postgres
from local.service import ServerProcess
from local.standins import StandIns
from local.temporal import Temporal


class LocalStack:
    """An async context manager that starts the servers together and ends them in order.

    Args:
        home: folder for the stack's files.
        base: settings that the stack does not provide: policies, screening, build; by default the usual ones.
        durable: False gives up safety against a power failure for speed; for tests.
        temporary: delete everything at the end, even when this program is killed.
    """

    def __init__(
        self, home: Path, *, base: Settings | None = None, durable: bool = True, temporary: bool = False
    ) -> None:
        self.home = home.absolute()
        self.postgres = Postgres(self.home, durable=durable)
        self.temporal = Temporal(self.home, usual=not temporary)
        self.standins = StandIns(self.home, guarding=temporary)
        self._base = base or Settings()
        self._temporary = temporary
        self._lock: int | None = None
        self._world: WorldClient | None = None

    @classmethod
    def temporary(cls, *, base: Settings | None = None, durable: bool = True) -> LocalStack:
        """A stack in a fresh folder that is deleted at the end; for a demonstration or a test."""
        home = Path(tempfile.mkdtemp(prefix="dakuan-"))
        # Others may pass through it but not list it: under root, PostgreSQL's own user has its data in it.
        home.chmod(0o711)
        return cls(home, base=base, durable=durable, temporary=True)

    @property
    def services(self) -> Sequence[ServerProcess]:
        """The servers, in the order in which they are ended."""
        return (self.standins, self.temporal, self.postgres)

    @property
    def settings(self) -> Settings:
        """The settings that lead to this stack."""
        providers = self._base.providers or standin_providers()
        keys = self._base.account_keys or self._account_keys()
        own = {
            "temporal_options": {},
            "home": self.home,
            "providers": providers,
            "account_keys": keys,
            "peppers": self._base.peppers or self._peppers(),
            "webhooks_to_this_machine": True,
            "payment_events": self._base.payment_events or read_payment_events(LOCAL_EVENTS),
            **self._rails(),
        }
        return self._base.model_copy(update={**self._addresses(), **own})

    def port(self, name: str, usual: int) -> int:
        """A port for a further server of this program: that of the last run or the usual one where it is free."""
        file = self.home / f"{name}.port"
        last = int(file.read_text()) if file.is_file() else usual
        found = kept_or_free(last)
        pids.write(file, str(found))
        return found

    @property
    def world(self) -> WorldClient:
        """The client of the stand-ins, bound to the event loop of its first use."""
        if self._world is None:
            self._world = WorldClient(self.standins.url)
        return self._world

    async def __aenter__(self) -> Self:
        """Start or adopt all servers.

        Raises:
            Misconfigured: another program has this home, it cannot be written, or a server is not installed.
            Unavailable: a server did not start; the message ends with the last lines of its log.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self._take_lock()
        except OSError as error:
            raise Misconfigured(
                f"{self.home} cannot be used: {error.strerror}. Set DAKUAN_HOME to a folder that you may write."
            ) from None
        self._account_keys()
        self._peppers()
        starting = [asyncio.create_task(asyncio.to_thread(service.start)) for service in self.services]
        try:
            # Not gather: if one fails or we are interrupted, it would leave other servers starting unobserved.
            await asyncio.wait(starting)
            for started in starting:
                started.result()
        except BaseException:
            await asyncio.wait(starting)
            await self._stop()
            raise
        written = {**self._addresses(), "pids": {service.name: service.pid for service in self.services}}
        pids.write(self.home / STACK_FILE, json.dumps(written, indent=2))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._stop()

    def _addresses(self) -> dict[str, str]:
        return {
            "database_url": self.postgres.worker_dsn,
            "database_owner_url": self.postgres.owner_dsn,
            "temporal_address": self.temporal.address,
            "temporal_namespace": self.temporal.namespace,
            "temporal_ui_url": self.temporal.ui_url,
            "carrier_url": self.standins.carrier_url,
            "channel_url": self.standins.channel_url,
            "bank_url": self.standins.bank_url,
            "world_url": self.standins.url,
            "rails_file": str(self.standins.rails_file),
        }

    async def _stop(self) -> None:
        (self.home / STACK_FILE).unlink(missing_ok=True)
        if self._world is not None:
            await self._world.close()
            self._world = None
        for service in self.services:
            await asyncio.to_thread(service.remove if self._temporary else service.stop)
        if self._temporary:
            await asyncio.to_thread(shutil.rmtree, self.home, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _rails(self) -> dict[str, object]:
        """The stand-in WeChat Pay once its keys exist, unless other rails are configured."""
        file = self.standins.rails_file
        if self._base.rails is not None or not file.is_file():
            return {"rails": self._base.rails, "rails_file": self._base.rails_file}
        return {"rails": read_rails(file, {}), "rails_file": file}

    def _account_keys(self) -> dict[str, bytes]:
        """The home's own keys, created at the first use; no other user may read them."""
        return parse_account_keys(self._secret(ACCOUNT_KEYS_FILE, "local:"))

    def _peppers(self) -> tuple[bytes, ...]:
        """The home's own pepper, as its keys."""
        return parse_peppers(self._secret(PEPPER_FILE))

    def _secret(self, name: str, head: str = "") -> str:
        file = self.home / name
        if not file.exists():
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as written:
                written.write(f"{head}{base64.b64encode(secrets.token_bytes(32)).decode()}")
        return file.read_text(encoding="ascii")

    def _take_lock(self) -> None:
        """The operating system releases the lock when the program ends, in any way."""
        lock = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise Misconfigured(f"a local stack is up under {self.home} already: use it, or end it first") from None
        self._lock = lock


def running(home: Path) -> dict[str, int]:
    """The running servers of a home, by name, with their process numbers; for other programs."""
    found = {name: pids.read(home / f"{name}.json") for name in (Postgres.name, Temporal.name, StandIns.name)}
    return {name: left.pid for name, left in found.items() if left is not None and pids.is_running(left)}
