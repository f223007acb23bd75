"""Signs what this process sends, so that a workflow whose policy asks for proofs can believe it.

It sits in the client, under every call that sends a command or starts an order or a withdrawal: no sender can forget
it. The SDK's client interceptors (temporalio.client.Interceptor) see the arguments before they are encoded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError
from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    SignalWorkflowInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)

from core.command import Actor, Command
from core.errors import Misconfigured
from core.ids import withdrawal_workflow_id
from core.key_forms import as_text, from_text
from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS, Order, Withdrawal
from core.reading import read_command
from core.reasons import Refusal
from core.sender_proofs import START, Certificate, SenderProof, statement_of

Clock = Callable[[], datetime]


class Signer:
    """A key with its certificate. It signs for the actors that the certificate names."""

    def __init__(
        self, key: Ed25519PrivateKey, certificate: Certificate, now: Clock = lambda: datetime.now(UTC)
    ) -> None:
        self._key, self.certificate, self._now = key, certificate, now

    def signs_for(self, actor: Actor) -> bool:
        """Whether the certificate speaks for this actor."""
        return self.certificate.speaks_as(actor.role, actor.id)

    def proof_of(self, message: Command | Order | Withdrawal, verb: str, workflow_id: str) -> dict[str, Any]:
        """The proof of a message, as JSON."""
        at = self._now().astimezone(UTC)
        signature = self._key.sign(statement_of(message, verb, workflow_id, at.isoformat()))
        proof = SenderProof(at=at, certificate=self.certificate, signature=as_text(signature))
        return proof.model_dump(mode="json")


def read_signer(file: Path) -> Signer:
    """The key and certificate of a file that `keys certify` wrote.

    Raises:
        Misconfigured: it cannot be read. The message repeats no key.
    """
    try:
        written = json.loads(file.read_text(encoding="ascii"))
        key = Ed25519PrivateKey.from_private_bytes(from_text(written["key"]))
        return Signer(key, Certificate.model_validate(written["certificate"]))
    except OSError as error:
        raise Misconfigured(f"DAKUAN_SIGNING_KEY: {file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, ValidationError):
        raise Misconfigured(f"DAKUAN_SIGNING_KEY: {file} is not a file that `keys certify` wrote") from None


class Signing(Interceptor):
    """A client with it signs every command and every start that its key may sign."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Signed(next, self._signer)


class _Signed(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, signer: Signer) -> None:
        super().__init__(next)
        self._signer = signer

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        input.args = self._start(input.args, input.id)
        if input.start_signal is not None:
            input.start_signal_args = self._command(input.start_signal_args, input.start_signal, input.id)
        return await super().start_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        input.args = self._command(input.args, input.signal, input.id)
        await super().signal_workflow(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:
        input.args = self._command(input.args, input.update, input.id)
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self, input: StartWorkflowUpdateWithStartInput
    ) -> WorkflowUpdateHandle[Any]:
        start, update = input.start_workflow_input, input.update_workflow_input
        start.args = self._start(start.args, start.id)
        update.args = self._command(update.args, update.update, start.id)
        return await super().start_update_with_start_workflow(input)

    def _start(self, args: Sequence[Any], workflow_id: str) -> Sequence[Any]:
        asked = args[0] if args else None
        if not isinstance(asked, (Order, Withdrawal)):
            return args
        if isinstance(asked, Withdrawal) and not self._signer.signs_for(asked.requested_by):
            return args
        proof = self._signer.proof_of(asked, START, workflow_id)
        return [{**asked.model_dump(mode="json"), "proof": proof}, *args[1:]]

    def _command(self, args: Sequence[Any], verb: str, workflow_id: str) -> Sequence[Any]:
        """The arguments with a proof; as they are where they are no command, or another's."""
        if len(args) != 1 or not isinstance(args[0], Mapping) or "proof" in args[0]:
            return args
        of_withdrawals = workflow_id.startswith(withdrawal_workflow_id(""))
        command = read_command(WITHDRAWAL_COMMANDS if of_withdrawals else ORDER_COMMANDS, verb, args[0])
        if isinstance(command, Refusal) or not self._signer.signs_for(command.actor):
            return args
        return [{**args[0], "proof": self._signer.proof_of(command, verb, workflow_id)}]
