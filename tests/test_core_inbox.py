"""Answers by command id, and a journal that keeps the last entries and counts the rest."""

from __future__ import annotations

from datetime import UTC, datetime

from core.answers import Answer
from core.inbox import JOURNAL_KEPT, MESSAGE_KEPT, Inbox
from core.messages import Actor, CancelOrder, PlaceHold
from core.reasons import Refusal, refuse

NOW = datetime(2026, 11, 23, tzinfo=UTC)
ANSWER = Answer(outcome="accepted", phase="shipped", audit="collecting", receipt="not_due")


def sent(command_id: str, role: str = "buyer", actor_id: str = "b-1") -> CancelOrder:
    actor = Actor.model_validate({"role": role, "id": actor_id})
    return CancelOrder(command_id=command_id, actor=actor, reason="no")


def test_new_id_has_no_answer() -> None:
    assert Inbox().answer_to(sent("x")) is None


def test_senders_choose_their_ids_without_knowing_each_other() -> None:
    inbox = Inbox().note_answer(sent("1"), ANSWER)
    assert inbox.answer_to(sent("1")) is not None
    assert inbox.answer_to(sent("1", "operator", "b-1")) is None
    assert inbox.answer_to(sent("1", "buyer", "b-2")) is None


def test_answer_comes_back_as_a_duplicate_and_a_refusal_as_itself() -> None:
    refusal = refuse("nothing_shipped")
    inbox = Inbox().note_answer(sent("a"), ANSWER).note_answer(sent("b"), refusal)
    assert inbox.answer_to(sent("a")) == ANSWER.model_copy(update={"outcome": "duplicate"})
    assert inbox.answer_to(sent("b")) == refusal
    assert inbox.counted == 2


def test_journal_keeps_the_last_entries_and_counts_the_rest_by_code_or_outcome() -> None:
    inbox = Inbox()
    for _ in range(3):
        inbox = inbox.note(NOW, "signal", "x", "refused", refusal=refuse("malformed"))
    for _ in range(2):
        inbox = inbox.note(NOW, "deadline", "ship_by", "noted")
    for _ in range(JOURNAL_KEPT):
        inbox = inbox.note(NOW, "update", "confirm_receipt", "accepted")
    assert len(inbox.journal) == JOURNAL_KEPT
    assert inbox.dropped == {"malformed": 3, "noted": 2}
    assert inbox.seq == JOURNAL_KEPT + 5
    assert inbox.journal[0].seq == 6


def test_entries_do_not_grow_without_end() -> None:
    inbox = Inbox().note(NOW, "signal", "v" * 1000, "refused", message="m" * 5000)
    entry = inbox.journal[0]
    assert (len(entry.verb), len(entry.message or "")) == (64, MESSAGE_KEPT)


def test_a_command_that_is_delivered_again_keeps_its_line() -> None:
    older = Inbox().note(NOW, "signal", "cancel_order", "refused", command=sent("a"), refusal=refuse("order_over"))
    stored = older
    for command_id in ("a", "b"):
        stored = stored.note(NOW, "signal", "cancel_order", "accepted", command=sent(command_id))
    inbox = stored.after(older)
    again = inbox.note(NOW, "signal", "cancel_order", "duplicate", command=sent("b"))
    assert again.journal == stored.journal
    assert again.note(NOW, "signal", "cancel_order", "duplicate", command=sent("b")).seq == stored.seq + 1
    # Another channel, another sender, and what changes something have lines of their own.
    others = (
        inbox.note(NOW, "update", "cancel_order", "duplicate", command=sent("b")),
        inbox.note(NOW, "signal", "cancel_order", "duplicate", command=sent("b", actor_id="b-2")),
        inbox.note(NOW, "signal", "cancel_order", "accepted", command=sent("b")),
    )
    assert {other.seq for other in others} == {stored.seq + 1}


def test_a_line_has_only_what_it_says() -> None:
    kept = Inbox().note(NOW, "deadline", "ship_by", "noted").model_dump(mode="json")
    (line,) = kept["journal"]
    assert line.keys() == {"seq", "at", "channel", "verb", "outcome"}
    older = {**kept, "journal": [{**line, "command_id": None, "actor": None, "code": None, "message": None}]}
    assert Inbox.model_validate(older) == Inbox.model_validate(kept)


def test_inbox_survives_json() -> None:
    inbox = Inbox().note_answer(sent("a"), ANSWER).note_answer(sent("b"), refuse("malformed", field="x"))
    inbox = inbox.note(NOW, "system", "rescue", "noted")
    assert Inbox.model_validate(inbox.model_dump(mode="json")) == inbox


def test_the_same_id_with_another_body_is_refused_and_says_why() -> None:
    inbox = Inbox().note_answer(sent("a"), ANSWER)
    other = sent("a").model_copy(update={"reason": "another"})
    verb = PlaceHold(command_id="a", actor=sent("a").actor, name="n", scope="credit", reason="no")
    for command in (other, verb):
        refusal = inbox.answer_to(command)
        assert isinstance(refusal, Refusal)
        assert (refusal.code, refusal.field) == ("command_id_used_with_different_content", "command_id")
    assert inbox.answer_to(sent("a")) is not None


def test_an_id_of_a_state_from_before_counts_by_itself() -> None:
    inbox = Inbox().note_answer(sent("a"), ANSWER).model_copy(update={"digests": {}})
    again = inbox.answer_to(sent("a").model_copy(update={"reason": "another"}))
    assert isinstance(again, Answer)


def test_an_event_is_bound_by_its_own_id_instead() -> None:
    inbox = Inbox().note_answer(sent("a"), ANSWER, bound=False)
    assert isinstance(inbox.answer_to(sent("a").model_copy(update={"reason": "another"})), Answer)
