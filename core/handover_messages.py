"""What is said of goods that no carrier takes along: collected by the buyer, brought by a courier of the city, or sent
as data."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from core.command import Command, LineQuantity
from core.fields import Place, Text, Word

Sha256 = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9a-f]{64}$")]


class ReportReady(Command):
    """The goods of an order with delivery mode `pickup` wait for the buyer."""

    verb: ClassVar[str] = "report_ready"
    place: Place | None = None


class ReportDelivery(Command):
    """Goods of an order with delivery mode `virtual` are with the buyer; `sha256` is of what was sent.

    Nothing that was sent enters: a key, a ticket or a link is named by its hash.
    """

    verb: ClassVar[str] = "report_delivery"
    reference: Text
    sha256: Sha256
    lines: Annotated[tuple[LineQuantity, ...], Field(min_length=1, max_length=200)] | None = None


class ConfirmHandover(Command):
    """The merchant, or a courier's gateway, says the code that the buyer gave when the goods were handed over."""

    verb: ClassVar[str] = "confirm_handover"
    code: Word


HANDOVER_COMMANDS: tuple[type[Command], ...] = (ReportReady, ReportDelivery, ConfirmHandover)
