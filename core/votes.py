"""The words of two people: whose count, and what the first said while the second is awaited, for holds and journals."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from core.command import Command, same_person
from core.errors import Refused
from core.fields import Message
from core.reasons import SENTENCES, Refusal, refuse
from core.texts import Help

ACCESS_ENDED = "Their access has ended, or they have another role now."


class Voters(Message):
    """The people whose words a command would count, its sender among them, and the roles in which they may say so."""

    people: tuple[str, ...]
    roles: tuple[str, ...]


class Left(Message):
    """Those of the voters who may not say so any more: their access has ended, or they have another role."""

    people: tuple[str, ...] = ()


def has_left(person: str, left: Collection[str]) -> bool:
    """Whether this person's word does not count any more."""
    return any(same_person(person, one) for one in left)


def left_sender(command: Command, left: Collection[str]) -> Refusal | None:
    """Why the sender's word does not count; None where it does."""
    return refuse("wrong_actor", ACCESS_ENDED, "actor.id") if has_left(command.actor.id, left) else None


def access_ended() -> Refused:
    """The refusal of a word whose person's access has ended."""
    return Refused("wrong_actor", f"{SENTENCES['wrong_actor']} {ACCESS_ENDED}", "actor.id")


def words_dropped(before: Collection[str], left: Collection[str]) -> str | None:
    """The line of the journal where earlier words did not count any more.

    Args:
        before: whose words stood.
    """
    gone = [person for person in before if has_left(person, left)]
    return f"the access of {', '.join(gone)} has ended: that word does not count" if gone else None


_OUTCOMES: Mapping[str, Help] = {
    "arrived": Help("arrived", "已到账"),
    "paid": Help("paid", "已付款"),
    "failed": Help("failed", "失败"),
}


def awaiting_second(person: str, outcome: str, reference: str | None = None) -> Help:
    """The first person's word, and what the second must say to settle it."""
    said = _OUTCOMES[outcome]
    with_reference = Help(f" with the reference {reference}", f"，凭证 {reference}") if reference else Help("", "")
    return Help(
        f" {person} said `{outcome}`{with_reference.en}: another person who says the same settles it.",
        f"{person} 已报告{said.zh}{with_reference.zh}；须另一人提交相同内容。",
    )


def disagreement(person: str, outcome: str, reference: str | None = None) -> str:
    """The line of the journal where the second person said otherwise, so that both may vote again."""
    with_reference = f" with the reference {reference}" if reference else ""
    return f"{person} had said {outcome}{with_reference}: nothing is settled"
