"""The commands of an after-sale case: what buyer, merchant and staff send when an order goes wrong."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from core.command import Command, LineQuantity
from core.fields import AmountMinor, AmountOrZero, Message, Reason, Reference, Text, Time, Told, Word

CaseKind = Literal["refund_only", "return_and_refund", "exchange"]
CaseReason = Literal[
    "not_received",
    "damaged",
    "wrong_item",
    "not_as_described",
    "quality",
    "changed_mind",
    "late",
    "other",
]
CaseBearer = Literal["merchant", "platform", "buyer"]

LINES_MOST = 100
"""Lines that a case may name. A case about more lines is about the whole order."""


class Evidence(Message):
    """Evidence of one side: a text, or a reference to something kept elsewhere. Files are not accepted."""

    kind: Literal["text", "photo", "video", "document", "chat", "scan"]
    reference: Reference | None = None
    sha256: Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9a-f]{64}$")] | None = None
    text: Told | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Evidence:
        if not self.reference and not self.text:
            raise ValueError("reference: a text or a reference must be given")
        return self


EvidenceList = Annotated[tuple[Evidence, ...], Field(max_length=10)]


class OpenAfterSale(Command):
    """The buyer asks for money back, or for other goods: for the whole order, for lines of it, or an amount."""

    verb: ClassVar[str] = "open_after_sale"
    kind: CaseKind
    reason: CaseReason
    text: Reason | None = None
    lines: Annotated[tuple[LineQuantity, ...], Field(min_length=1, max_length=LINES_MOST)] | None = None
    amount_minor: AmountMinor | None = None
    evidence: EvidenceList = ()

    @model_validator(mode="after")
    def _is_one_scope(self) -> OpenAfterSale:
        if self.lines is not None and self.amount_minor is not None:
            raise ValueError("amount_minor: a case is about lines or about an amount, not both")
        if self.amount_minor is not None and self.kind != "refund_only":
            raise ValueError("amount_minor: an amount goes with refund_only; goods that come back are lines")
        if self.lines is not None and len({part.line_id for part in self.lines}) != len(self.lines):
            raise ValueError("lines: a line stands there twice")
        return self


class WithdrawAfterSale(Command):
    """The buyer takes the case back, before its money is decided."""

    verb: ClassVar[str] = "withdraw_after_sale"
    reason: Reason | None = None


class AgreeAfterSale(Command):
    """The merchant agrees. `with_return` null: goods come back if the case is about a return or an exchange.

    `return_freight_minor`: what the buyer gets for the way back, beside the refund, from the merchant.
    """

    verb: ClassVar[str] = "agree_after_sale"
    with_return: Annotated[bool, Field(strict=True)] | None = None
    return_freight_minor: AmountMinor | None = None
    reason: Reason | None = None


class RefuseAfterSale(Command):
    """The merchant refuses, and says why. The buyer may ask a reviewer to decide."""

    verb: ClassVar[str] = "refuse_after_sale"
    reason: Reason
    evidence: EvidenceList = ()


class ProposeAmount(Command):
    """The merchant offers a smaller amount, which counts as an answer."""

    verb: ClassVar[str] = "propose_amount"
    amount_minor: AmountMinor
    reason: Reason | None = None


class AcceptAmount(Command):
    """The buyer takes the amount that was offered last."""

    verb: ClassVar[str] = "accept_amount"
    amount_minor: AmountMinor


class ReportReturn(Command):
    """The buyer has handed the goods to a carrier, for the merchant."""

    verb: ClassVar[str] = "report_return"
    carrier: Word
    waybill: Word
    carrier_name: Text | None = None


class ConfirmReturn(Command):
    """The merchant has the goods back in the expected state; `return_freight_minor` as in `agree_after_sale`."""

    verb: ClassVar[str] = "confirm_return"
    return_freight_minor: AmountMinor | None = None
    reason: Reason | None = None


class RefuseReturn(Command):
    """The merchant says, with evidence, what is wrong with the returned goods. A reviewer decides."""

    verb: ClassVar[str] = "refuse_return"
    reason: Reason
    evidence: EvidenceList = ()


class ReportReplacement(Command):
    """The merchant has handed the new goods of an exchange after the credit to a carrier, for the buyer."""

    verb: ClassVar[str] = "report_replacement"
    carrier: Word
    waybill: Word
    carrier_name: Text | None = None


class ConfirmReplacement(Command):
    """The buyer has the new goods; the merchant's money is free again."""

    verb: ClassVar[str] = "confirm_replacement"
    reason: Reason | None = None


class Escalate(Command):
    """The buyer asks a reviewer to decide."""

    verb: ClassVar[str] = "escalate"
    reason: Reason | None = None


class AddEvidence(Command):
    """One side adds evidence."""

    verb: ClassVar[str] = "add_evidence"
    evidence: Annotated[tuple[Evidence, ...], Field(min_length=1, max_length=10)]


class Arbitrate(Command):
    """A reviewer decides: all, a part, or none; who bears it; whether the goods come back first.

    `return_freight` says who bears the way back, `return_freight_minor` what the buyer gets for it beside the refund.
    """

    verb: ClassVar[str] = "arbitrate"
    decision: Literal["all", "part", "none"]
    reason: Reason
    amount_minor: AmountMinor | None = None
    bears: Literal["merchant", "platform"] = "merchant"
    after_return: Annotated[bool, Field(strict=True)] = False
    return_freight: CaseBearer | None = None
    return_freight_minor: AmountMinor | None = None

    @model_validator(mode="after")
    def _fits(self) -> Arbitrate:
        if (self.decision == "part") != (self.amount_minor is not None):
            raise ValueError("amount_minor: a part has an amount, all and none have none")
        if self.after_return and self.decision == "none":
            raise ValueError("after_return: nothing comes back for nothing")
        if self.return_freight_minor is not None and self.decision == "none":
            raise ValueError("return_freight_minor: freight goes back with a refund; give a part")
        if self.return_freight_minor is not None and self.return_freight == "buyer":
            raise ValueError("return_freight_minor: the buyer bears the way back, and gets nothing for it")
        return self


class ReportChargeback(Command):
    """The payment channel took money back for its customer, or says how the dispute about it ended.

    `case_reference` is the channel's own name for the dispute: the same report again changes nothing. `won`: the money
    is with us again. `fee_minor` is what the channel takes for the dispute, `evidence_due` until when it listens.
    `payment` is the channel's number of the payment, where it is one that the buyer made for a claim.
    """

    verb: ClassVar[str] = "report_chargeback"
    case_reference: Reference
    outcome: Literal["opened", "won", "lost"] = "opened"
    amount_minor: AmountMinor | None = None
    fee_minor: AmountOrZero = 0
    evidence_due: Time | None = None
    reason: Reason | None = None
    payment: Reference | None = None

    @model_validator(mode="after")
    def _has_an_amount(self) -> ReportChargeback:
        if (self.outcome == "opened") != (self.amount_minor is not None):
            raise ValueError("amount_minor: one that is opened has an amount, its end has none")
        if self.outcome != "opened" and (self.fee_minor or self.evidence_due):
            raise ValueError("fee_minor: fee and due date come as it is opened")
        return self


class OpenClaimBack(Command):
    """An operator claims back what went back to a buyer who got the goods all the same.

    `amount_minor` null: all that can be claimed back. The money is the merchant's, as that of a sale.
    """

    verb: ClassVar[str] = "open_claim_back"
    reason: Reason
    amount_minor: AmountMinor | None = None
    evidence: EvidenceList = ()


class AcceptClaimBack(Command):
    """The buyer agrees to pay for the goods; the channel is asked for the money."""

    verb: ClassVar[str] = "accept_claim_back"
    reason: Reason | None = None


class ContestClaimBack(Command):
    """The buyer objects, and says why. Two reviewers decide."""

    verb: ClassVar[str] = "contest_claim_back"
    reason: Reason
    evidence: EvidenceList = ()


AFTER_SALE_COMMANDS: tuple[type[Command], ...] = (
    OpenAfterSale,
    WithdrawAfterSale,
    AgreeAfterSale,
    RefuseAfterSale,
    ProposeAmount,
    AcceptAmount,
    ReportReturn,
    ConfirmReturn,
    RefuseReturn,
    ReportReplacement,
    ConfirmReplacement,
    Escalate,
    AddEvidence,
    Arbitrate,
    ReportChargeback,
    OpenClaimBack,
    AcceptClaimBack,
    ContestClaimBack,
)
