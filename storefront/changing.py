"""Changing requests: written down, carried out once, answered the same way each time.

A request is in the register before Temporal is called. If this process dies in between, or Temporal is away, another
round of `forward` goes on: orders, withdrawals and commands have ids under which a repetition counts once.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse
from temporalio.client import Client
from temporalio.service import RPCError

import gateway
from core.command import Command
from core.errors import DakuanError, Refused, RetryableError
from core.ids import withdrawal_workflow_id
from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS, Order, Withdrawal
from core.reasons import SENTENCES
from ledger.register import Register
from ledger.requests import PendingRequest
from storefront.bodies import message_of
from storefront.problems import MEDIA_TYPE, ProblemError, body_of, problem_in
from wiring.commanding import send_to_order

ANSWERS_WITHIN = 5.0
"""Seconds that a sender waits; after that it gets 202 and a place to look."""
TAKEN_FOR = timedelta(seconds=60)
"""Longer than one try of ours, the SDK's own retries included."""
TRIES_FOR = 45.0
"""Seconds of one try: it ends before another gateway may take the request."""
NOT_FINAL = frozenset({"not_running", "internal_error"})
"""What a rescue or a new version mends."""
FORWARD_EVERY = 1.0
AT_ONCE = 20
_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")

log = logging.getLogger("dakuan.storefront")


class Sender(Protocol):
    """Who sends a changing request."""

    @property
    def sender(self) -> str:
        """Under which name its requests are kept: no two senders have the same."""


@dataclass(frozen=True)
class KeptAnswer:
    """The answer to a changing request: a view, or a problem."""

    status: int
    body: dict[str, Any]

    def response(self, request: Request, headers: dict[str, str] | None = None) -> JSONResponse:
        """As HTTP; a problem names the request that it answers now."""
        if self.status < 400:
            return JSONResponse(self.body, self.status, headers or {})
        body = {**self.body, "request_id": request.state.request_id}
        return JSONResponse(body, self.status, headers or {}, MEDIA_TYPE)


def idempotency_key_of(request: Request) -> str:
    """The request's Idempotency-Key, which is the command's id.

    Raises:
        ProblemError: `idempotency_key_missing`; `idempotency_key_malformed`: it has another form, or there are two.
    """
    keys = request.headers.getlist("idempotency-key")
    if not any(keys):
        raise ProblemError("idempotency_key_missing")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise ProblemError("idempotency_key_malformed")
    return keys[0]


class Changes:
    """Carries changing requests out. While Temporal cannot be reached, requests are written down and go on later."""

    def __init__(self, register: Register, client: Client, peppers: Sequence[bytes]) -> None:
        self._register, self._client, self._peppers = register, client, peppers
        self._trying: set[asyncio.Task[KeptAnswer | None]] = set()
        """Held, or a task that nothing waits for could be collected."""

    def pending(self, caller: Sender, key: str, what: str, subject: str, body: dict[str, Any]) -> PendingRequest:
        """A request as it is written down.

        Args:
            caller: an API key, or a person at the console.
            what: `order` or `withdrawal` to start one, or with the verb of a command: `order.confirm_receipt`.
        """
        sender = caller.sender
        digest, *older = self._digests(sender, key, what, subject, body)
        return PendingRequest(
            api_key=sender,
            idempotency_key=key,
            digest=digest,
            older_digest=older[0] if older else None,
            what=what,
            subject=subject,
            body=body,
        )

    async def answer(self, pending: PendingRequest, request: Request, **more: Any) -> JSONResponse:
        """Carry out a request, or give its first answer again, as HTTP.

        Args:
            more: what the answer says beside the outcome.
        """
        found, again = await self.carried_out(pending)
        if found is None:
            return _accepted(pending.idempotency_key, more)
        return replace(found, body={**found.body, **more}).response(
            request, {"Idempotent-Replayed": "true"} if again else None
        )

    async def carried_out(self, pending: PendingRequest) -> tuple[KeptAnswer | None, bool]:
        """The answer to a request, and whether it was given before. None: it goes on, and has no answer yet.

        Raises:
            ProblemError: `command_id_used_with_different_content`, `under_way`.
        """
        now = datetime.now(UTC)
        taken = await self._register.requests.take(pending, taken_until=now + TAKEN_FOR, now=now)
        if taken.outcome == "other":
            raise ProblemError("command_id_used_with_different_content")
        if taken.outcome == "under_way":
            raise ProblemError("under_way")
        if taken.outcome == "answered":
            assert taken.status is not None
            return KeptAnswer(taken.status, taken.answer), True
        trying = asyncio.create_task(self._carry_out(pending))
        self._trying.add(trying)
        trying.add_done_callback(self._trying.discard)
        done, _ = await asyncio.wait({trying}, timeout=ANSWERS_WITHIN)
        # The try goes on after the wait: its answer is kept, and read at the place that 202 names.
        return (trying.result() if done else None), False

    async def _carry_out(self, pending: PendingRequest) -> KeptAnswer | None:
        """One try; None where there is no answer yet."""
        try:
            async with asyncio.timeout(TRIES_FOR):
                answer = await self._send(pending)
        except (RetryableError, TimeoutError) as error:
            log.info("%s of %s waits: %s", pending.what, pending.subject, error)
            return None
        except (RPCError, RuntimeError) as error:
            # The SDK raises a plain RuntimeError where it has never reached the server.
            log.info("%s of %s waits: %s", pending.what, pending.subject, type(error).__name__)
            return None
        except ProblemError as error:
            answer = KeptAnswer(error.problem.status, body_of(error.problem))
        except Refused as refusal:
            if refusal.code not in SENTENCES or refusal.code in NOT_FINAL:
                log.error("%s of %s waits: %s", pending.what, pending.subject, refusal)
                return None
            problem = problem_in(refusal)
            answer = KeptAnswer(problem.status, body_of(problem))
        except Exception:
            # A defect or a wrong setting is no answer for good: another gateway may do better.
            log.exception("%s of %s waits", pending.what, pending.subject)
            return None
        await self._register.requests.answer(
            pending.api_key, pending.idempotency_key, answer.status, answer.body, datetime.now(UTC)
        )
        return answer

    async def _send(self, pending: PendingRequest) -> KeptAnswer:
        if pending.what == "order":
            order = message_of(Order, pending.body, "invalid_order")
            state = await gateway.open_order(self._client, order, within=TAKEN_FOR.total_seconds() / 2)
            return KeptAnswer(201, _summary(state, "order_id", order.order_id))
        if pending.what == "withdrawal":
            withdrawal = message_of(Withdrawal, pending.body)
            state = await gateway.open_withdrawal(self._client, withdrawal)
            return KeptAnswer(201, _summary(state, "withdrawal_id", withdrawal.withdrawal_id))
        kind, _, verb = pending.what.partition(".")
        model = (ORDER_COMMANDS if kind == "order" else WITHDRAWAL_COMMANDS)[verb]
        command: Command = message_of(model, pending.body)
        if kind == "order":
            return KeptAnswer(
                200, await send_to_order(self._client, self._books, pending.subject, command, pending.body)
            )
        workflow_id = withdrawal_workflow_id(pending.subject)
        return KeptAnswer(200, await gateway.send(self._client, workflow_id, verb, pending.body))

    @asynccontextmanager
    async def _books(self) -> AsyncIterator[Register]:
        yield self._register

    async def forward(self) -> None:
        """Go on with requests that have no answer, until cancelled."""
        while True:
            try:
                await self._forward_once()
            except DakuanError as error:
                log.warning("requests wait: %s", error)
            except Exception:  # a defect with one must not stop the requests of all others
                log.exception("requests wait")
            await asyncio.sleep(FORWARD_EVERY)

    async def _forward_once(self) -> None:
        now = datetime.now(UTC)
        waiting = await self._register.requests.unanswered(AT_ONCE, taken_until=now + TAKEN_FOR, now=now)
        trying = (self._carry_out(pending) for pending in waiting if self._is_ours(pending))
        await asyncio.gather(*trying, return_exceptions=True)

    def _is_ours(self, pending: PendingRequest) -> bool:
        """Whether a gateway wrote this row. One that the worker's role was stolen for could name any sender."""
        right = self._digests(pending.api_key, pending.idempotency_key, pending.what, pending.subject, pending.body)
        if any(hmac.compare_digest(one, pending.digest) for one in right):
            return True
        log.error(
            "request %s of %s waits: no gateway wrote it, or one with another DAKUAN_PEPPER. If you changed it, append"
            " the one before after a comma until the request is answered",
            pending.idempotency_key,
            pending.api_key,
        )
        return False

    def _digests(self, *parts: Any) -> list[str]:
        """What proves a request, by each pepper."""
        text = json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()
        return [hmac.new(pepper, text, hashlib.sha256).hexdigest() for pepper in self._peppers]

    async def drain(self, within: float) -> None:
        """Let the tries that run come to their ends, for so many seconds. What is left goes on at another gateway."""
        if self._trying:
            _, late = await asyncio.wait(self._trying, timeout=within)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _accepted(key: str, more: Mapping[str, Any]) -> JSONResponse:
    where = f"/v1/requests/{key}"
    return JSONResponse(
        {"status": "under_way", "location": where, **more}, 202, {"Location": where, "Retry-After": "5"}
    )


def _summary(state: dict[str, Any], name: str, subject: str) -> dict[str, Any]:
    kept = ("phase", "audit", "next_deadline", "net_minor", "fee_minor")
    return {name: subject, **{field: state[field] for field in kept if field in state}}
