"""What every route needs: the register, Temporal, the desks, and who asks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from temporalio.client import Client

from config import Settings
from inbound.callbacks import CallbackDesk
from inbound.pushes import PushDesk
from ledger.orders import StoredOrder
from ledger.register import Register
from ledger.requests import PendingRequest
from ledger.withdrawals import StoredWithdrawal
from storefront.changing import Changes, Sender
from storefront.endpoints import EndpointDesk
from storefront.headers import host_in
from storefront.identities import Caller, caller_of, has_valid_key
from storefront.limits import Limits
from storefront.problems import ProblemError
from storefront.recent import Recent
from storefront.room import Room
from storefront.streams import Streams

WAITS_A_KEY, WAITS = 16, 200
"""Requests with `wait`: each holds a connection for up to 20 seconds, and the server has 1,000 for everyone."""


@dataclass
class Readiness:
    """What was wrong when someone last asked whether the gateway is ready, and until when that stands."""

    problems: dict[str, str] = field(default_factory=dict)
    until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class HttpService:
    """The parts of a running gateway."""

    settings: Settings
    register: Register
    client: Client
    changes: Changes
    pushes: PushDesk
    callbacks: CallbackDesk
    limits: Limits
    endpoints: EndpointDesk
    asked: Readiness = field(default_factory=Readiness)
    streams: Streams = field(default_factory=Streams)
    waits: Room = field(default_factory=lambda: Room("requests that wait", WAITS_A_KEY, WAITS))
    copies: Register | None = None
    """The register on the replica; None where there is none."""
    recent: Recent = field(default_factory=Recent)

    @property
    def hosts(self) -> frozenset[str]:
        """The names under which this gateway answers."""
        console = self.settings.console
        return self.settings.http_hosts | ({host_in(console.host)} if console is not None else frozenset())

    def lists(self, sender: str) -> Register:
        """The register for lists, pages and statements, which may be a moment old. Who changed something a moment ago
        reads where it was written.
        """
        return self.register if self.copies is None or self.recent.has(sender) else self.copies

    async def caller(self, request: Request, scope: str | None = None) -> Caller:
        """Who sent this request, where the key may do this now. Without a scope any key may.

        Raises:
            ProblemError: `unauthorized`, `missing_scope` or `too_many_requests`.
        """
        found = await caller_of(request, self.register, self.settings.peppers_needed, self.limits)
        changing = scope is not None and scope.endswith(":write")
        self.limits.count(found.key.key_id, changing=changing)
        if changing:
            self.recent.note(found.sender)
        if scope is not None:
            found.needs(scope)
        return found

    async def has_valid_key(self, request: Request) -> bool:
        """Whether a valid key came with this request."""
        return await has_valid_key(request, self.register, self.settings.peppers_needed, self.limits)

    async def pending(self, caller: Sender, key: str, what: str, subject: str, body: dict[str, Any]) -> PendingRequest:
        """A changing request of a key or a person, as it is written down; see `Changes.pending`.

        A command is counted for its sender. One that was taken before gets its answer, however many came since.

        Raises:
            ProblemError: `too_many_requests`.
        """
        kind, is_command, _ = what.partition(".")
        if (
            is_command
            and not self.limits.takes_command(caller.sender, kind, subject)
            and await self.register.requests.known(caller.sender, key) is None
        ):
            raise self.limits.refuse_command(caller.sender, kind, subject)
        return self.changes.pending(caller, key, what, subject, body)

    async def order(self, caller: Caller, order_id: str) -> StoredOrder:
        """An order that the caller may see.

        Raises:
            ProblemError: `unknown_order`, also for another merchant's: a key learns nothing about foreign ids.
        """
        known = await self.register.orders.known(order_id)
        if known is None or not caller.sees(known.order.merchant_id):
            raise ProblemError("unknown_order")
        return known

    async def withdrawal(self, caller: Caller, withdrawal_id: str) -> StoredWithdrawal:
        """A withdrawal that the caller may see.

        Raises:
            ProblemError: `unknown_withdrawal`, as for orders.
        """
        known = await self.register.withdrawals.known(withdrawal_id)
        if known is None or not caller.sees(known.withdrawal.merchant_id):
            raise ProblemError("unknown_withdrawal")
        return known


def service_of(request: Request) -> HttpService:
    """The gateway that serves this request."""
    found: HttpService = request.app.state.service
    return found
