"""The notices that people get: who, when, and the facts that come along. `docs/contract.md` lists them from here.

A notice's facts are texts: amounts are minor units, times RFC 3339. A storefront turns them into its own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

About = Literal[
    "order", "withdrawal", "order, withdrawal", "merchant", "payment", "callback", "reconciliation", "endpoint"
]


class NoticeKind(NamedTuple):
    """One kind of notice. Names and facts are a part of the contract: added, never renamed."""

    name: str
    about: About
    to: tuple[Literal["buyer", "merchant", "reviewer", "operator"], ...]
    when: str
    facts: tuple[str, ...] = ()


_CASE = (
    "case",
    "kind",
    "reason",
    "text",
    "text_zh",
    "until",
    "said",
    "amount_minor",
    "return_freight_minor",
    "because",
)
_CLOCK = ("clock", "old", "new", "why")

NOTICES: tuple[NoticeKind, ...] = (
    # --- of an order -----------------------------------------------------------------------------------------
    NoticeKind(
        "ship", "order", ("merchant",), "the payment and the goods are checked: the merchant may ship", ("ship_by",)
    ),
    NoticeKind(
        "deadline_shifted",
        "order, withdrawal",
        ("merchant", "buyer", "reviewer"),
        "an operator moved a deadline to later, or it moved because we were down (`reason` is `outage`); a reviewer "
        "hears of a withdrawal's `approve_by`",
        ("name", "old", "new", "reason"),
    ),
    NoticeKind(
        "screening_held",
        "order",
        ("reviewer",),
        "a person must look at the goods before they are shipped",
        ("reasons", "edition"),
    ),
    NoticeKind(
        "screening_refused",
        "order",
        ("merchant",),
        "the goods are refused unless the merchant appeals in time",
        ("reasons", "edition", "appeal_by"),
    ),
    NoticeKind(
        "screening_appealed",
        "order",
        ("reviewer",),
        "the merchant appealed against the refusal of the goods",
        ("statement",),
    ),
    NoticeKind(
        "screening_overdue", "order", ("reviewer",), "a screening was not decided in the reviewers' time", ("queue",)
    ),
    NoticeKind("ship_reminder", "order", ("merchant",), "the time to ship is nearly over", ("ship_by",)),
    NoticeKind("ship_by_passed", "order", ("merchant",), "the time to ship is over: what was not shipped is refunded"),
    NoticeKind(
        "ship_by_shortened",
        "order",
        ("merchant", "buyer"),
        "the order's own date is later than its policy allows: the policy's counts",
        ("old", "new", "why"),
    ),
    NoticeKind(
        "delay_asked",
        "order",
        ("buyer",),
        "the merchant asks to ship later: answer_delay, or silence refuses",
        ("old", "new", "reason", "answer_by"),
    ),
    NoticeKind(
        "delay_accepted", "order", ("merchant", "buyer"), "the buyer accepted a later date", ("old", "new", "reason")
    ),
    NoticeKind(
        "delay_refused",
        "order",
        ("merchant", "buyer"),
        "the buyer refused a later date, or did not answer: the date stays",
        ("ship_by", "reason"),
    ),
    NoticeKind("shipped", "order", ("buyer",), "a parcel was reported", ("parcel_id", "carrier", "waybill")),
    NoticeKind("ready_to_collect", "order", ("buyer",), "the goods wait for the buyer", ("place", "collect_by")),
    NoticeKind("collect_reminder", "order", ("buyer",), "the time to collect is nearly over", ("collect_by",)),
    NoticeKind("sent", "order", ("buyer",), "the goods were sent as data", ("parcel_id", "reference")),
    NoticeKind(
        "handover_code_wrong",
        "order",
        ("merchant", "buyer"),
        "somebody said a wrong code where the goods were handed over",
        ("tries_left",),
    ),
    NoticeKind(
        "waybill_read_from_package",
        "order",
        ("merchant",),
        "a package's number was typed, and its waybill was read from it",
        ("parcel_id", "typed", "waybill", "changes"),
    ),
    NoticeKind(
        "waybill_corrected", "order", ("buyer",), "the merchant corrected a parcel's number", ("parcel_id", "waybill")
    ),
    NoticeKind(
        "delivered",
        "order",
        ("buyer",),
        "every parcel is delivered: the time to confirm receipt begins",
        ("confirm_by",),
    ),
    NoticeKind("receipt_reminder", "order", ("buyer",), "the time to confirm receipt is nearly over", ("confirm_by",)),
    NoticeKind(
        "receipt_extended", "order", ("merchant",), "the buyer has more time to confirm", ("old", "new", "reason")
    ),
    NoticeKind(
        "receipt_confirmed",
        "order",
        ("merchant", "buyer"),
        "receipt is confirmed; the buyer gets it where silence confirmed the receipt",
        ("by",),
    ),
    NoticeKind(
        "undelivered", "order", ("buyer",), "a parcel is late or came back: the buyer is asked about it", ("answer",)
    ),
    NoticeKind("audit_in_review", "order", ("reviewer",), "a person must look at a parcel", ("parcel_id", "reasons")),
    NoticeKind(
        "review_overdue", "order", ("reviewer",), "a review was not finished in the reviewers' time", ("parcel_id",)
    ),
    NoticeKind(
        "audit_rejected",
        "order",
        ("merchant",),
        "a parcel's logistics information is rejected: correct it or appeal in time",
        ("parcel_id", "reasons", "correct_by"),
    ),
    NoticeKind("hold_placed", "order", ("merchant",), "a person holds the money back", ("name", "reason")),
    NoticeKind(
        "money_held",
        "order",
        ("operator",),
        "a person or a rule of our own holds the money back; `subject` is the parcel that it is about, if any",
        ("name", "subject", "scope", "owner", "reason", "reason_zh", "review_at"),
    ),
    NoticeKind(
        "hold_review_due",
        "order",
        ("operator",),
        "the day has come on which a hold was to be looked at again",
        ("name", "owner", "reason", "reason_zh", "since"),
    ),
    NoticeKind(
        "refund_stuck",
        "order",
        ("operator",),
        "the channel refused a refund, or its outcome stays unknown: two people must resolve it",
        ("cause", "amount_minor", "reason", "reason_zh"),
    ),
    NoticeKind("hold_lifted", "order", ("merchant",), "a hold was lifted", ("name", "reason")),
    NoticeKind(
        "late_scan",
        "order",
        ("merchant", "operator"),
        "a carrier reports a parcel whose money went back, whose order is credited or over, or whose case is over;"
        " once of each kind of news",
        ("parcel_id", "waybill", "what", "stage", "at", "phase"),
    ),
    NoticeKind(
        "credited", "order", ("merchant",), "the order's money is the merchant's, and pending", ("amount_minor",)
    ),
    NoticeKind("settled", "order", ("merchant",), "the order's money is available", ("amount_minor",)),
    NoticeKind(
        "frozen",
        "order",
        ("merchant",),
        "a dispute about a settled order keeps so much of what is available, or what there was of it",
        ("at_most_minor",),
    ),
    NoticeKind(
        "released", "order", ("merchant",), "what was frozen for a settled order and not used is available again"
    ),
    NoticeKind("refund_asked", "order", ("operator",), "a refund waits for a second person", ("by", "reason")),
    NoticeKind(
        "refund_owed",
        "order",
        ("buyer", "merchant"),
        "money goes back to the buyer",
        ("cause", "amount_minor", "reason"),
    ),
    NoticeKind(
        "refund_arrived",
        "order",
        ("buyer",),
        "the payment channel says that the buyer has the money back",
        ("cause", "amount_minor"),
    ),
    NoticeKind(
        "withdrawal_skipped", "order", ("merchant",), "the order's automatic withdrawal was not started", ("reason",)
    ),
    # --- of an after-sale case; facts that it has not are left out ------------------------------------------
    NoticeKind(
        "after_sale_applied",
        "order",
        ("buyer", "merchant"),
        "a buyer asks for money back or other goods: the merchant answers in time",
        _CASE,
    ),
    NoticeKind("after_sale_proposed", "order", ("buyer", "merchant"), "the merchant offers a smaller amount", _CASE),
    NoticeKind(
        "after_sale_refused",
        "order",
        ("buyer", "merchant"),
        "the merchant refuses: the buyer may let a person decide",
        _CASE,
    ),
    NoticeKind(
        "after_sale_awaiting_return",
        "order",
        ("buyer", "merchant"),
        "the goods come back first: the buyer sends them in time",
        _CASE,
    ),
    NoticeKind("after_sale_returning", "order", ("buyer", "merchant"), "the goods are on their way back", _CASE),
    NoticeKind(
        "after_sale_inspecting",
        "order",
        ("buyer", "merchant"),
        "the goods came back: the merchant looks at them in time",
        _CASE,
    ),
    NoticeKind(
        "after_sale_exchanged",
        "order",
        ("buyer", "merchant"),
        "the goods are exchanged: before the credit the merchant ships others",
        _CASE,
    ),
    NoticeKind(
        "after_sale_replacing",
        "order",
        ("buyer", "merchant"),
        "new goods after the credit: the merchant sends them in time, or the money goes back",
        _CASE,
    ),
    NoticeKind("after_sale_replacement_sent", "order", ("buyer", "merchant"), "the new goods are on their way", _CASE),
    NoticeKind(
        "after_sale_replacement_delivered",
        "order",
        ("buyer", "merchant"),
        "the new goods were delivered: the buyer confirms them, or silence does",
        _CASE,
    ),
    NoticeKind("after_sale_refunding", "order", ("buyer", "merchant"), "a refund was decided", _CASE),
    NoticeKind("after_sale_closed", "order", ("buyer", "merchant"), "the case ended without a refund", _CASE),
    NoticeKind(
        "after_sale_arbitration",
        "order",
        ("buyer", "merchant", "reviewer"),
        "a person decides: both sides may add evidence",
        _CASE,
    ),
    NoticeKind(
        "after_sale_decide", "order", ("reviewer",), "the time for evidence is over: the case is to be decided", _CASE
    ),
    NoticeKind("arbitration_late", "order", ("reviewer",), "a case was not decided in the reviewers' time", _CASE),
    NoticeKind(
        "arbitration_overdue",
        "order",
        ("operator",),
        "a case waits for a decision for too long: its order is held by name",
        _CASE,
    ),
    NoticeKind(
        "after_sale_disputed",
        "order",
        ("buyer", "merchant", "operator"),
        "the payment channel took money back: both sides may give evidence until then",
        _CASE,
    ),
    NoticeKind(
        "after_sale_won",
        "order",
        ("buyer", "merchant", "operator"),
        "the channel decided a chargeback for the merchant, who gets the money again",
        _CASE,
    ),
    NoticeKind(
        "after_sale_lost",
        "order",
        ("buyer", "merchant", "operator"),
        "the channel decided a chargeback for the buyer",
        _CASE,
    ),
    NoticeKind(
        "chargeback_heard",
        "order",
        ("operator",),
        "the time for evidence about a chargeback is over: an operator sends it to the channel",
        _CASE,
    ),
    NoticeKind(
        "chargeback_overdue",
        "order",
        ("operator",),
        "the channel did not decide a chargeback in time: its order is held by name",
        _CASE,
    ),
    NoticeKind(
        "chargeback_above",
        "order",
        ("operator",),
        "a channel took what the buyer had back already: an operator sends it the proof of the refund",
        ("case", "case_reference", "amount_minor", "bearer", "refunded", "until"),
    ),
    NoticeKind(
        "after_sale_claimed",
        "order",
        ("buyer", "merchant", "operator"),
        "the buyer got the goods and the money, and is asked to pay: silence agrees",
        _CASE,
    ),
    NoticeKind(
        "after_sale_charging",
        "order",
        ("buyer", "merchant", "operator"),
        "the payment channel is asked for the buyer's money; with WeChat Pay the storefront lets the buyer pay under"
        " `payment_key`",
        (*_CASE, "payment_key", "currency"),
    ),
    NoticeKind(
        "after_sale_paid_back",
        "order",
        ("buyer", "merchant", "operator"),
        "the buyer paid for the goods, and the merchant has the money",
        _CASE,
    ),
    NoticeKind(
        "after_sale_unpaid",
        "order",
        ("buyer", "merchant", "operator"),
        "the payment channel did not get the buyer's money",
        _CASE,
    ),
    NoticeKind(
        "claim_stuck",
        "order",
        ("operator",),
        "whether the buyer paid is not known in time: two people must resolve it",
        (*_CASE, "payment_key", "currency"),
    ),
    NoticeKind("case_reminder", "order", ("buyer", "merchant"), "the time to answer in a case is nearly over", _CASE),
    NoticeKind(
        "clock_paused", "order", ("merchant", "buyer"), "a clock of the order stands while a case is open", _CLOCK
    ),
    NoticeKind("clock_resumed", "order", ("merchant", "buyer"), "a clock of the order goes on", _CLOCK),
    # --- of a withdrawal -------------------------------------------------------------------------------------
    NoticeKind(
        "approval_needed", "withdrawal", ("reviewer",), "two people must approve the withdrawal", ("amount_minor",)
    ),
    NoticeKind("withdrawal_paid", "withdrawal", ("merchant",), "the payee has the money", ("amount_minor",)),
    NoticeKind(
        "withdrawal_failed",
        "withdrawal",
        ("merchant",),
        "the payout failed, and the money is available again",
        ("reason",),
    ),
    NoticeKind(
        "withdrawal_rejected",
        "withdrawal",
        ("merchant",),
        "the withdrawal was rejected, or not approved in time; the money is available again",
        ("reason",),
    ),
    NoticeKind(
        "withdrawal_cancelled",
        "withdrawal",
        ("merchant",),
        "the withdrawal was cancelled, and the money is available again",
        ("reason",),
    ),
    NoticeKind(
        "withdrawal_returned",
        "withdrawal",
        ("merchant",),
        "the bank sent money back, and it is available again",
        ("amount_minor",),
    ),
    NoticeKind(
        "our_side",
        "withdrawal",
        ("operator",),
        "the fault is ours: it is neither paid nor given back until an operator acts",
        ("why",),
    ),
    NoticeKind(
        "payout_stuck",
        "withdrawal",
        ("operator",),
        "a payout's outcome is still unknown: two people must resolve it",
        ("key",),
    ),
    NoticeKind(
        "amount_disagrees",
        "withdrawal",
        ("operator",),
        "the rail says that it paid another amount than instructed",
        ("key", "told"),
    ),
    NoticeKind(
        "paid_after_failed", "withdrawal", ("operator",), "the rail says it paid what it had said failed", ("key",)
    ),
    NoticeKind(
        "ledger_disagrees",
        "order, withdrawal",
        ("operator",),
        "the ledger refuses what the order or the withdrawal holds for right",
        ("step", "told"),
    ),
    NoticeKind(
        "merchant_frozen",
        "withdrawal",
        ("operator",),
        "the merchant is frozen: nothing is sent until an operator lets it go",
        ("why",),
    ),
    NoticeKind(
        "merchant_suspended",
        "withdrawal",
        ("operator",),
        "the merchant is suspended: nothing is sent until an operator lets it go",
        ("why",),
    ),
    # --- of a merchant ---------------------------------------------------------------------------------------
    NoticeKind(
        "merchant_changed",
        "merchant",
        ("merchant", "operator"),
        "a merchant is frozen, suspended, leaving, or has other terms; `value` is empty where it was undone",
        ("what", "value", "reason"),
    ),
    NoticeKind(
        "deposit_paid_back",
        "merchant",
        ("merchant", "operator"),
        "a deposit, or what it held too much, is available",
        ("amount_minor", "currency"),
    ),
    NoticeKind(
        "receivable_overdue",
        "merchant",
        ("merchant", "operator"),
        "the oldest part of what a merchant owes is overdue",
        ("amount_minor", "currency", "since"),
    ),
    # --- of a payment ----------------------------------------------------------------------------------------
    NoticeKind(
        "payment_unclaimed",
        "payment",
        ("operator",),
        "no order has claimed a part of a payment for `unclaimed_after` of the policy, when its channel is compared",
        ("channel", "payment", "amount_minor", "currency", "since"),
    ),
    NoticeKind(
        "rest_refused",
        "payment",
        ("operator",),
        "the channel refused to give back what no order claims: it is unclaimed again",
        ("return_id", "channel", "payment", "amount_minor", "currency", "message"),
    ),
    # --- of a callback ---------------------------------------------------------------------------------------
    NoticeKind(
        "chargeback_unplaced",
        "callback",
        ("operator",),
        "a channel took or gave back money of a payment that no order names, or whose order refused it",
        ("provider", "payment", "case_reference", "outcome", "amount_minor", "currency", "because"),
    ),
    NoticeKind(
        "complaint",
        "callback",
        ("operator",),
        "a buyer complained at the payment channel, or the complaint went on: people answer it there",
        ("provider", "complaint", "action"),
    ),
    # --- of a reconciliation ---------------------------------------------------------------------------------
    NoticeKind(
        "break_found",
        "reconciliation",
        ("operator",),
        "a comparison found a new difference; facts that it has not are left out",
        ("reason", "kind", "key", "about", "ours_minor", "theirs_minor", "currency"),
    ),
    NoticeKind(
        "proof_broken",
        "reconciliation",
        ("operator",),
        "a proof of the books that held before does not hold; `prove` shows the evidence",
        ("proof",),
    ),
    # --- of an endpoint --------------------------------------------------------------------------------------
    NoticeKind(
        "endpoint_disabled",
        "endpoint",
        ("operator",),
        "webhooks are no longer sent to an endpoint: it only failed for five days (`failing`), said that it is gone"
        " (`gone`), or was disabled (`asked`); what comes meanwhile waits",
        ("host", "why", "failing_since"),
    ),
)
BY_NAME: Mapping[str, NoticeKind] = {kind.name: kind for kind in NOTICES}
