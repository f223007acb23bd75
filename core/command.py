"""What every command carries: who sends it, and the id by which a repetition is known."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from core.fields import Id, Message, Quantity
from core.sender_proofs import SenderProof

Role = Literal["storefront", "merchant", "buyer", "carrier", "channel", "rail", "reviewer", "operator", "system"]


class Actor(Message):
    """Who sends a command. Where the policy asks no proof, the namespace is the boundary of trust."""

    role: Role
    id: Id


def same_person(one: str, other: str) -> bool:
    """Whether two ids are one person's: case does not count. What takes two people compares with this."""
    return one.casefold() == other.casefold()


class Command(Message):
    """What every command carries. `verb` is the name of its Update and of its Signal."""

    verb: ClassVar[str] = ""
    command_id: Id
    actor: Actor
    proof: SenderProof | None = Field(default=None, exclude=True)
    """Checked and not kept: sent again under another proof, it is the same command."""

    @classmethod
    def purpose(cls) -> str:
        """What it says, in one line: people see it beside the verb. It is the first line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]


class LineQuantity(Message):
    """How much of one line of the order a parcel holds."""

    line_id: Id
    quantity: Quantity
