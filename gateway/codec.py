"""The codec of payloads: what stands in Temporal's histories is sealed with AES-256-GCM, and opened where it is read.

A payload is sealed whole, unless it is known to say nothing about a person: the answers of commands, refusals, numbers,
and the summaries of workflows, which are made of ids and an amount. The summaries of activities name waybills, and are
sealed; so are the messages of failures, see `gateway.converter`. Search attributes never pass a codec.

Each workflow has a key of its own, derived from ours, and its id is associated data: a payload that is copied into
another workflow does not open there. Payloads of plain clients are passed on as they are.

A replay decides by the kind and id of a command and not by its payload, so that a nonce may be random.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)

from config.codec import CodecKeys
from core.answers import Answer
from core.errors import Unavailable
from core.reasons import Refusal

SEALED = b"binary/dakuan-sealed"
"""The encoding of a sealed payload."""
KEY, WORKFLOW, UNOPENED = "key", "workflow", "unopened"
"""Its metadata: the key's id, the workflow's id, and, once it was not opened, why."""
NONCE_BYTES = 12
_SUMMARY = re.compile(
    rb'"(order|withdrawal) [A-Za-z0-9_-]{1,64} \xc2\xb7 '
    rb'([A-Za-z0-9_-]{1,64} \xc2\xb7 -?[0-9.,]{1,24} [A-Z]{3}|goes on)"'
)
"""The summary of an order's or a withdrawal's workflow, as `gateway.starting` makes it."""
_HARMLESS = frozenset(Answer.model_fields), frozenset(Refusal.model_fields)
_HARMLESS_MOST = 4_000
_NUMBER = re.compile(rb"-?[0-9.eE+-]{1,40}|true|false|null")
_BY_SCHEDULE = re.compile(r"-\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")
"""What a schedule adds to the id of the workflow that it was given an argument for."""


class SealingCodec(PayloadCodec, WithSerializationContext):
    """Seals with the newest key for the workflow of its context, and opens with any.

    Args:
        workflow_id: None where the context is not known; then it opens for the workflow that a payload names.
    """

    def __init__(self, keys: CodecKeys, workflow_id: str | None = None) -> None:
        self._keys, self._workflow_id = keys, workflow_id

    def __repr__(self) -> str:
        return f"SealingCodec({', '.join(self._keys.keys)})"

    def with_context(self, context: SerializationContext) -> SealingCodec:
        """The same for the payloads of one workflow and its activities."""
        if not isinstance(context, WorkflowSerializationContext | ActivitySerializationContext):
            return self
        return SealingCodec(self._keys, _BY_SCHEDULE.sub("", context.workflow_id or ""))

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Each sealed, but for the harmless ones."""
        return [payload if is_harmless(payload) else self._sealed(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Each opened. What is not sealed, or cannot be opened by anyone, is passed on; it then says why.

        Raises:
            Unavailable: a key of ours sealed it, and is not here. Taking it for unreadable would let a workflow go on
                as if a command had never come; so its task fails, and is tried again until the key is here.
        """
        return [self._opened(payload) for payload in payloads]

    def _sealed(self, payload: Payload) -> Payload:
        workflow_id, key_id = self._workflow_id or "", self._keys.sealing
        nonce = secrets.token_bytes(NONCE_BYTES)
        bound = _bound(key_id, workflow_id)
        sealed = self._cipher(key_id, workflow_id).encrypt(nonce, payload.SerializeToString(), bound)
        marks = {"encoding": SEALED, KEY: key_id.encode(), WORKFLOW: workflow_id.encode()}
        return Payload(metadata=marks, data=nonce + sealed)

    def _opened(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != SEALED:
            return payload
        key_id, workflow_id = (payload.metadata.get(name, b"").decode(errors="replace") for name in (KEY, WORKFLOW))
        if self._workflow_id not in {None, workflow_id}:
            return _unopened(payload, f"It was sealed for another workflow, {workflow_id[:80]!r}.")
        if key_id not in self._keys.keys:
            if self._keys.is_ours(key_id):
                raise Unavailable(
                    f"The key {key_id} sealed a payload of {workflow_id} and is not here: give this process the newest "
                    "file of DAKUAN_CODEC_KEYS"
                )
            return _unopened(payload, "It was sealed with a key that is not ours.")
        nonce, sealed = payload.data[:NONCE_BYTES], payload.data[NONCE_BYTES:]
        try:
            opened = self._cipher(key_id, workflow_id).decrypt(nonce, sealed, _bound(key_id, workflow_id))
            return Payload.FromString(opened)
        except (InvalidTag, ValueError, DecodeError):
            return _unopened(payload, "It was changed after it was sealed.")

    def _cipher(self, key_id: str, workflow_id: str) -> AESGCM:
        """The workflow's own key: so random nonces repeat for none, also with billions of workflows."""
        return AESGCM(
            hmac.new(self._keys.keys[key_id], b"dakuan/codec/" + workflow_id.encode(), hashlib.sha256).digest()
        )


def _bound(key_id: str, workflow_id: str) -> bytes:
    return f"{key_id}/{workflow_id}".encode()


def _unopened(payload: Payload, why: str) -> Payload:
    """The payload as it is, with the reason for its reader."""
    marks = {name: payload.metadata[name] for name in payload.metadata}
    return Payload(metadata={**marks, UNOPENED: why.encode()}, data=payload.data)


def why_unopened(payload: Payload) -> str | None:
    """Why a payload is still sealed; None where it is not."""
    if payload.metadata.get("encoding") != SEALED:
        return None
    return payload.metadata.get(UNOPENED, b"It is sealed, and this process has no key.").decode(errors="replace")


def is_harmless(payload: Payload) -> bool:
    """Whether a payload says nothing about a person, as far as its form can tell; what is not known is not harmless."""
    encoding, data = payload.metadata.get("encoding"), payload.data
    if encoding in {SEALED, b"binary/null"}:
        return True
    if encoding != b"json/plain":
        return False
    if data.startswith(b'"'):
        return _SUMMARY.fullmatch(data) is not None
    if not data.startswith(b"{"):
        return _NUMBER.fullmatch(data) is not None
    if len(data) > _HARMLESS_MOST:
        return False
    try:
        names = json.loads(data).keys()
    except (ValueError, AttributeError, RecursionError):
        return False
    return any(names <= known for known in _HARMLESS)
