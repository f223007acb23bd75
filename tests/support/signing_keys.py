"""Root keys, and keys that a root certified, for tests of proofs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.key_forms import as_text
from core.sender_proofs import Certificate, ProofNeeds, ProvingRole
from gateway.signing import Signer

ROOT = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_ROOT = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
STAFF: tuple[ProvingRole, ...] = ("operator", "reviewer")


def public(key: Ed25519PrivateKey) -> str:
    return as_text(key.public_key().public_bytes_raw())


def needs(*roles: ProvingRole) -> ProofNeeds:
    """Proofs asked of these roles, of reviewers and operators unless given, by `ROOT`."""
    return ProofNeeds(roots=(public(ROOT),), required_of=roles or STAFF)


def a_signer(
    actor: str | None = None,
    *,
    at: datetime,
    ends: datetime | None = None,
    root: Ed25519PrivateKey = ROOT,
    role: ProvingRole = "operator",
) -> Signer:
    """A key of its own that signs at this time, certified for a week unless given."""
    key = Ed25519PrivateKey.generate()
    not_after = (ends or at + timedelta(days=7)).astimezone(UTC)
    unsigned = Certificate(
        key=public(key),
        not_after=not_after,
        role=role if actor is not None else None,
        speaks_for=actor,
        root=public(root),
        signature="A" * 86,
    )
    signature = as_text(root.sign(unsigned.statement()))
    return Signer(key, unsigned.model_copy(update={"signature": signature}), lambda: at)
