"""Commands about goods that are not shipped yet: later than promised, or not at all."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from core.command import Command, LineQuantity
from core.fields import Reason, Time


class DeclineShipment(Command):
    """The merchant cannot ship the rest, or these lines of it: their money goes back at once."""

    verb: ClassVar[str] = "decline_shipment"
    reason: Reason
    lines: Annotated[tuple[LineQuantity, ...], Field(min_length=1, max_length=200)] | None = None


class RequestDelay(Command):
    """The merchant asks to ship later. The date stays as it is until the buyer accepts."""

    verb: ClassVar[str] = "request_delay"
    ship_by: Time
    reason: Reason


class AnswerDelay(Command):
    """The buyer accepts the later date that the merchant asked for, or refuses it."""

    verb: ClassVar[str] = "answer_delay"
    answer: Literal["accept", "refuse"]
    reason: Reason | None = None


PROMISE_COMMANDS: tuple[type[Command], ...] = (DeclineShipment, RequestDelay, AnswerDelay)
