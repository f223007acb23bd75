"""Commands of the platform's staff about money that goes back to a buyer."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from core.command import Command, LineQuantity
from core.fields import AmountMinor, Reason


class RefundOrder(Command):
    """One of two people gives the buyer money back. The second, who sends the same, makes it happen.

    Lines, an amount, or all that is left. `freight` gives the freight back with lines that are not the last.
    """

    verb: ClassVar[str] = "refund_order"
    lines: Annotated[tuple[LineQuantity, ...], Field(min_length=1, max_length=200)] | None = None
    amount_minor: AmountMinor | None = None
    freight: Annotated[bool, Field(strict=True)] = False
    bearer: Literal["merchant", "platform"] = "merchant"
    reason: Reason

    @model_validator(mode="after")
    def _is_one_scope(self) -> RefundOrder:
        if self.lines is not None and self.amount_minor is not None:
            raise ValueError("amount_minor: a refund is of lines or of an amount, not of both")
        if self.freight and self.lines is None:
            raise ValueError("freight: it goes with lines; an amount above all goods is freight")
        if self.lines is not None and len({part.line_id for part in self.lines}) != len(self.lines):
            raise ValueError("lines: a line stands there twice")
        return self
