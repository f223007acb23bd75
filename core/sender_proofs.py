"""The proof under a command: a signature that a workflow can check, over who says what to which workflow.

A policy names root keys. A root signs certificates: this key speaks for one actor, or for every actor that the gateway
has signed in, until a time. So keys change while orders stay open under the policy that they began with.
`core.proving` checks proofs; this file has what is signed.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, StringConstraints, model_validator

from core.fields import Id, Message, Time, omitted_at

if TYPE_CHECKING:
    from core.command import Role

PROOF_AHEAD = timedelta(minutes=5)
"""How far a signer's clock may be ahead of Temporal's."""
PROOF_WAITS = timedelta(days=7)
"""How long after its certificate's end a proof still counts: its command may have waited for a worker.

Its own time proves nothing here: a thief of an old key writes any time.
"""

START = "start"
"""The verb under which the start of an order or a withdrawal is signed."""

PublicKey = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_-]{43}$")]
"""An Ed25519 public key: 32 bytes in base64url without padding."""
Signature = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_-]{86}$")]
"""An Ed25519 signature: 64 bytes in base64url without padding."""
ProvingRole = Literal["storefront", "merchant", "buyer", "carrier", "channel", "rail", "reviewer", "operator"]


class Certificate(Message):
    """A root's word that a key may sign for one actor, a role and an id. Without both it may sign for every actor.

    That one is a gateway's.
    """

    key: PublicKey
    not_after: Time
    role: ProvingRole | None = omitted_at(None)
    speaks_for: Id | None = omitted_at(None)
    root: PublicKey
    signature: Signature

    @model_validator(mode="after")
    def _names_an_actor_or_none(self) -> Certificate:
        if (self.role is None) != (self.speaks_for is None):
            raise ValueError("role: a key of one actor names the role, too; else a merchant's key signs as an operator")
        return self

    def speaks_as(self, role: Role, actor_id: str) -> bool:
        """Whether the key may sign for this actor."""
        return self.speaks_for is None or (self.role, self.speaks_for) == (role, actor_id)

    def statement(self) -> bytes:
        """The bytes that the root signs."""
        return _line("dakuan-certificate-1", self.key, self.not_after.isoformat(), self.role, self.speaks_for)


class SenderProof(Message):
    """The signature of one command to one workflow."""

    at: Time
    certificate: Certificate
    signature: Signature


class ProofNeeds(Message):
    """Which senders must prove who they are, and the root keys that a workflow believes."""

    roots: tuple[PublicKey, ...] = ()
    required_of: tuple[ProvingRole, ...] = ()

    @model_validator(mode="after")
    def _believes_someone(self) -> ProofNeeds:
        if self.required_of and not self.roots:
            raise ValueError("roots: without a root key no proof can be believed")
        return self

    def need(self, role: Role) -> bool:
        """Whether a sender of this role must prove itself."""
        return role in self.required_of


NO_NEEDS = ProofNeeds()


def statement_of(message: BaseModel, verb: str, workflow_id: str, at: str) -> bytes:
    """The bytes that a sender signs: what it says, to which workflow, when.

    The content has the command's id and its actor. Fields with their default are left out, as in the digest of a
    command: a later version may add a field.
    """
    said = message.model_dump(mode="json", exclude_defaults=True)
    content = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return _line("dakuan-command-1", workflow_id, verb, hashlib.sha256(content.encode()).hexdigest(), at)


def _line(*parts: Any) -> bytes:
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()
