"""Checks the proof under a command. Pure: the same command is judged the same way in every replay."""

from __future__ import annotations

from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel

from core.command import Actor, Command
from core.key_forms import from_text
from core.reasons import Refusal, refuse
from core.sender_proofs import PROOF_AHEAD, PROOF_WAITS, Certificate, ProofNeeds, SenderProof, statement_of
from core.texts import clock


def unproven_command(command: Command, workflow_id: str, needs: ProofNeeds, now: datetime) -> Refusal | None:
    """Why it is not proven that this actor sends the command; None where it is, or need not be."""
    return unproven(command, command.proof, command.verb, command.actor, workflow_id, needs, now)


def unproven(
    message: BaseModel,
    proof: SenderProof | None,
    verb: str,
    actor: Actor,
    workflow_id: str,
    needs: ProofNeeds,
    now: datetime,
) -> Refusal | None:
    """Why it is not proven that this actor sends the message; None where it is, or need not be."""
    if not needs.need(actor.role):
        return None
    if proof is None:
        return refuse("unproven", f"The policy asks a proof of every {actor.role}.", field="proof")
    return _untrusted(proof.certificate, actor, needs, now) or _unsigned(message, proof, verb, workflow_id, now)


def _untrusted(certificate: Certificate, actor: Actor, needs: ProofNeeds, now: datetime) -> Refusal | None:
    field = "proof.certificate"
    if certificate.root not in needs.roots:
        return refuse("unproven", "Its root is not one that the policy names.", field=f"{field}.root")
    if not certificate.speaks_as(actor.role, actor.id):
        who = f"{certificate.role}:{certificate.speaks_for}"
        return refuse("unproven", f"Its key speaks for {who}.", field=f"{field}.speaks_for")
    if now > certificate.not_after + PROOF_WAITS:
        return refuse("unproven", f"Its key ended {clock(certificate.not_after)}.", field=f"{field}.not_after")
    if not _signed(certificate.root, certificate.signature, certificate.statement()):
        return refuse("unproven", "The root did not sign it.", field=f"{field}.signature")
    return None


def _unsigned(message: BaseModel, proof: SenderProof, verb: str, workflow_id: str, now: datetime) -> Refusal | None:
    if not proof.at <= min(proof.certificate.not_after, now + PROOF_AHEAD):
        return refuse("unproven", "It was signed after its key ended, or in the future.", field="proof.at")
    statement = statement_of(message, verb, workflow_id, proof.at.isoformat())
    if _signed(proof.certificate.key, proof.signature, statement):
        return None
    return refuse("unproven", "Its signature is of another command, sender or workflow.", field="proof.signature")


def _signed(key: str, signature: str, statement: bytes) -> bool:
    """Whether this key signed the statement. Total: any 32 bytes may be given as a key."""
    try:
        Ed25519PublicKey.from_public_bytes(from_text(key)).verify(from_text(signature), statement)
    except (InvalidSignature, ValueError):
        return False
    return True
