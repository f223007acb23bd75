"""What came in, and what was answered.

This part of a state makes duplicates harmless and records every message. A command that was answered before gets the
first answer again. It is known by its id and its sender, since senders choose their ids independently. The same id with
another body is refused: its sender would believe that the new body took effect. The journal keeps the last entries and
counts the rest.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from core.answers import Answer, JournalEntry
from core.budgets import ANSWER_KEPT, JOURNAL_WEIGHS
from core.messages import Command
from core.parts import Part
from core.reasons import Refusal, refuse

JOURNAL_KEPT = 500
"""Entries kept word for word; older ones are counted by outcome or code."""

MESSAGE_KEPT = 500
"""Characters of an entry's message; a journal travels with its state."""

DIGEST_LENGTH = 16
"""Hexadecimal digits: two bodies of one sender's id meet by chance once in 10^19."""

Channel = Literal["update", "signal", "deadline", "system"]
Outcome = Literal["accepted", "duplicate", "refused", "noted"]


class Inbox(Part):
    """Answers by sender and command id, the journal, and how many commands were counted.

    `digests` are what the answered commands said, by the same keys; a command without one is bound to its id alone.
    `counted` are the commands that used up an id; `scans` the scans kept; `dropped` counts the journal entries that are
    no longer kept, by code or outcome.
    """

    answers: dict[str, Answer | Refusal] = Field(default_factory=dict)
    digests: dict[str, str] = Field(default_factory=dict)
    journal: tuple[JournalEntry, ...] = ()
    seq: int = 0
    counted: int = 0
    dropped: dict[str, int] = Field(default_factory=dict)
    weight: int = 0
    """Of the journal, by `JOURNAL_WEIGHS`."""
    unheard: tuple[int, ...] = ()
    """Lines, by `seq`, of a workflow task that was lost after its record was written.

    Temporal delivers their commands again.
    """

    def answer_to(self, command: Command) -> Answer | Refusal | None:
        """The first answer to this sender's id, marked as a duplicate; None where the id is new.

        A refusal where the id already belongs to another command.
        """
        first = self.answers.get(_key(command))
        if first is not None and self.digests.get(_key(command)) not in (None, digest_of(command)):
            return refuse("command_id_used_with_different_content", field="command_id")
        if isinstance(first, Answer):
            return first.model_copy(update={"outcome": "duplicate"})
        return first

    def note_answer(self, command: Command, answer: Answer | Refusal, *, bound: bool = True) -> Inbox:
        """The inbox with this answer remembered and the command counted.

        Args:
            bound: digest of the command's content; without it, the id alone makes a duplicate.
        """
        if isinstance(answer, Refusal):
            answer = answer.model_copy(update={"message": answer.message[:ANSWER_KEPT]})
        answers = {**self.answers, _key(command): answer}
        digests = {**self.digests, _key(command): digest_of(command)} if bound else self.digests
        return self.changed(answers=answers, digests=digests, counted=self.counted + 1)

    def note(
        self,
        at: datetime,
        channel: Channel,
        verb: str,
        outcome: Outcome,
        *,
        command: Command | None = None,
        refusal: Refusal | None = None,
        message: str | None = None,
    ) -> Inbox:
        """The inbox with one more line in its journal, unless the command has its line from a task that was lost."""
        if command is not None and outcome != "accepted" and (line := self._line_of(channel, command)) is not None:
            return self.changed(unheard=tuple(seq for seq in self.unheard if seq != line))
        said = refusal.message if refusal else message
        entry = JournalEntry(
            seq=self.seq + 1,
            at=at,
            channel=channel,
            verb=verb[:64],
            command_id=command.command_id if command else None,
            actor=command.actor if command else None,
            outcome=outcome,
            code=refusal.code if refusal else None,
            message=said[:MESSAGE_KEPT] if said else None,
        )
        return self._trimmed((*self.journal, entry), self.weight + _weight(entry)).changed(seq=self.seq + 1)

    def after(self, older: Inbox) -> Inbox:
        """This inbox, from the register, in place of an older one. The commands in between are delivered again."""
        return self.changed(unheard=tuple(entry.seq for entry in self.journal if entry.seq > older.seq))

    def _line_of(self, channel: Channel, command: Command) -> int | None:
        """The first line of the same command, which is delivered again."""
        for entry in self.journal if self.unheard else ():
            heard = (entry.channel, entry.verb, entry.command_id, entry.actor)
            if entry.seq in self.unheard and heard == (channel, command.verb, command.command_id, command.actor):
                return entry.seq
        return None

    def _trimmed(self, kept: tuple[JournalEntry, ...], weight: int) -> Inbox:
        """The inbox with the last of these entries, as many as fit."""
        dropped = dict(self.dropped)
        while len(kept) > JOURNAL_KEPT or (weight > JOURNAL_WEIGHS and len(kept) > 1):
            oldest, kept = kept[0], kept[1:]
            weight -= _weight(oldest)
            key = oldest.code or oldest.outcome
            dropped[key] = dropped.get(key, 0) + 1
        return self.changed(journal=kept, weight=max(weight, 0), dropped=dropped)

    def view(self) -> list[dict[str, Any]]:
        """The journal as JSON, oldest first. One last line counts the entries that were dropped."""
        kept = [entry.model_dump(mode="json", exclude_none=True) for entry in self.journal]
        return [*kept, {"dropped": self.dropped}] if self.dropped else kept

    def count(self, code: str, lines: int) -> Inbox:
        """The inbox with so many more lines of this code, counted and not kept."""
        return self.changed(seq=self.seq + lines, dropped={**self.dropped, code: self.dropped.get(code, 0) + lines})


def _weight(entry: JournalEntry) -> int:
    """The size of an entry as JSON, in bytes."""
    return len(entry.model_dump_json().encode())


def digest_of(command: Command) -> str:
    """A short digest of a command's content.

    Fields with their default are left out: a later version may add a field, and a command that is sent again after an
    upgrade must still be the same.
    """
    said = command.model_dump(mode="json", exclude_defaults=True)
    body = json.dumps([command.verb, said], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(body.encode()).hexdigest()[:DIGEST_LENGTH]


def _key(command: Command) -> str:
    return f"{command.actor.role}/{command.actor.id}/{command.command_id}"
