"""Ids of commands about payout accounts: a repeat under the same id changes nothing, another content is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from core.fields import Id, Message
from core.inbox import DIGEST_LENGTH
from core.messages import Actor


class AccountCommand(Message):
    """What makes a change of accounts happen once.

    Two senders may use the same id, so an id is known together with its sender. `digests` identify the content: one for
    each key that may have sealed the account number in it. The first is the one that is stored.
    """

    command_id: Id
    actor: Actor
    digests: tuple[str, ...]


def account_command(
    command_id: str, actor: Actor, verb: str, said: Mapping[str, object], fingerprints: Sequence[bytes] = ()
) -> AccountCommand:
    """The command with this id.

    Args:
        said: every field that the sender typed; None where a field was left out. Never the account number.
        fingerprints: of the account number, under each key, the newest first. A plain digest of a number could be
            guessed.
    """
    content = {name: value for name, value in said.items() if value is not None}
    numbers = [fingerprint.hex() for fingerprint in fingerprints] or [""]
    return AccountCommand(
        command_id=command_id, actor=actor, digests=tuple(_digest(verb, content, number) for number in numbers)
    )


def _digest(verb: str, content: Mapping[str, object], number: str) -> str:
    body = json.dumps([verb, content, number], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()[:DIGEST_LENGTH]
