"""What came in, and what was answered: the part of a state that makes duplicates harmless and nothing silent.

A command that was answered gets the first answer again: the same id of the same sender, since senders choose their ids
without knowing each other. The journal keeps the last entries and counts the rest.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from core.messages import Answer, Command, JournalEntry
from core.parts import Part
from core.reasons import Refusal

JOURNAL_KEPT = 500
"""Entries kept word for word; older ones are counted by outcome or code."""

MESSAGE_KEPT = 500
"""Characters of an entry's message; a journal travels with its state."""

Channel = Literal["update", "signal", "deadline", "system"]
Outcome = Literal["accepted", "duplicate", "refused", "noted"]


class Inbox(Part):
    """Answers by sender and command id, the journal, and how many commands were counted.

    `counted` are the commands that used up an id; `scans` the scans kept; `dropped` counts journal entries
    that were let go, by code or outcome.
    """

    answers: dict[str, Answer | Refusal] = {}
    journal: tuple[JournalEntry, ...] = ()
    seq: int = 0
    counted: int = 0
    dropped: dict[str, int] = {}

    def answer_to(self, command: Command) -> Answer | Refusal | None:
        """The first answer to this sender's id, marked as a duplicate; None where the id is new."""
        first = self.answers.get(_key(command))
        if isinstance(first, Answer):
            return first.model_copy(update={"outcome": "duplicate"})
        return first

    def note_answer(self, command: Command, answer: Answer | Refusal) -> Inbox:
        """The inbox with this answer remembered and the command counted."""
        answers = {**self.answers, _key(command): answer}
        return self.changed(answers=answers, counted=self.counted + 1)

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
        """The inbox with one more line in its journal."""
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
        kept, dropped = (*self.journal, entry), self.dropped
        if len(kept) > JOURNAL_KEPT:
            oldest, kept = kept[0], kept[1:]
            key = oldest.code or oldest.outcome
            dropped = {**dropped, key: dropped.get(key, 0) + 1}
        return self.changed(journal=kept, seq=self.seq + 1, dropped=dropped)


def _key(command: Command) -> str:
    return f"{command.actor.role}/{command.actor.id}/{command.command_id}"
