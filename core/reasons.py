"""Reason codes: why something was refused, each with the sentence a person reads.

A code is a part of the contract: it is the type of the application error that a refused update raises,
and stands in the journal of a refused signal. Codes are added, never renamed.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

SENTENCES: dict[str, str] = {
    # opening
    "invalid_order": "The order is not well formed.",
    "malformed": "The message cannot be read.",
    "unknown_verb": "There is no command of this name.",
    "wrong_actor": "This actor may not do this to this order.",
    "unproven": "It is not proven that this actor sends it.",
    "order_over": "The order is over.",
    "command_id_used_with_different_content": "This command id stands for another command already; nothing was done.",
    "too_many_commands": "The order has received as many commands as it may.",
    "order_exists_with_different_content": "Another order with this id exists.",
    "order_already_open": "This order was opened before and its money has moved; rescue it if its workflow is lost.",
    "payment_not_found": "The payment channel does not know this payment, or it is not paid.",
    "payment_over_claimed": "The orders of this payment claim more than was paid.",
    "not_running": "No such order or withdrawal runs.",
    "unknown_order": "No such order is registered.",
    "payment_time": "The payment lies in the future or too far in the past.",
    "unknown_policy": "No policy of this name is registered.",
    "still_running": "Its workflow runs.",
    "internal_error": "This is a defect of Dakuan.",
    # shipping
    "already_shipped": "This was shipped already.",
    "already_moving": "A carrier has physically received a parcel of this order.",
    "nothing_left_to_ship": "Everything in this order is shipped.",
    "unknown_line": "The order has no such line.",
    "quantity_too_large": "More was reported than is left to ship.",
    "unknown_carrier": "The carrier is not in the table.",
    "impossible_waybill": "No waybill of this carrier can have this number.",
    "waybill_in_use": "This merchant already used the number for another buyer or address.",
    "not_released": "The order is not released for shipment.",
    "delay_pending": "A later date waits for the buyer's answer already.",
    "too_many_delays": "The merchant asked for a later date as often as it may.",
    "impossible_date": "The date cannot be asked for.",
    "no_delay_request": "No later date waits for an answer.",
    "wrong_delivery_mode": "The order is not delivered in this way.",
    "evidence_used": "This evidence stands for other goods already.",
    "no_handover_code": "The order has no code.",
    "handover_tries_used_up": "The code was wrong as often as it may be.",
    "parcel_exists": "The order has a parcel of this id.",
    "too_many_parcels": "The order has as many parcels as it may.",
    "unknown_parcel": "The order has no such parcel.",
    "parcel_required": "Several parcels are meant; say which.",
    "too_many_corrections": "The waybill was corrected as often as it may be.",
    "parcel_approved": "The parcel's audit is approved.",
    # receipt
    "nothing_shipped": "Nothing was shipped yet.",
    "not_fully_shipped": "A part of the order was not shipped yet.",
    "already_confirmed": "Receipt was confirmed already.",
    "case_open": "An after-sale case is open.",
    "too_early": "It is too early for this.",
    "too_late": "It is too late for this.",
    "too_many_extensions": "The receipt deadline was extended as often as it may be.",
    # people
    "not_in_review": "Nothing is in review.",
    "not_rejected": "The audit is not rejected.",
    "appeal_used": "The appeal was used already.",
    "reason_missing": "A reason must be given.",
    "not_held": "The order is not held for screening.",
    "already_credited": "The order was credited already.",
    "no_such_deadline": "No such deadline runs.",
    "shifted_too_far": "The deadline was moved as far as it may be.",
    "no_such_hold": "There is no such hold.",
    "hold_exists": "A hold of this name exists.",
    "needs_other_person": "Another person must do this.",
    "no_such_refund": "No refund with this cause waits for a decision.",
    # after-sale
    "no_open_case": "No after-sale case is open.",
    "too_many_cases": "The order had as many after-sale cases as it may.",
    "after_sale_window_over": "The time for an after-sale case is over.",
    "wrong_case_stage": "The case is not at a stage for this.",
    "above_refundable": "This is more than may still be refunded.",
    "above_return_freight": "This is more than may be given for a way back.",
    "nothing_to_return": "Nothing was delivered that could come back.",
    "outbound_number": "This is the number of a parcel to the buyer; the way back has one of its own.",
    "too_many_proposals": "As many amounts were proposed as may be.",
    "unknown_chargeback": "No chargeback of this reference was reported for this order.",
    "chargeback_exists_with_different_content": "A chargeback of this reference was reported with other amounts.",
    "several_orders": "Several orders were paid with this payment; say which.",
    "too_much_evidence": "This side has given as much evidence as it may.",
    # withdrawal
    "insufficient_funds": "The available balance is too small.",
    "below_minimum": "The amount is below the minimum.",
    "above_maximum": "The amount is above the maximum.",
    "daily_limit": "The day's count or sum of withdrawals is used up.",
    "unknown_account": "The merchant has no such payout account.",
    "account_cooling": "The payout account is new or changed and cools off.",
    "account_suspended": "The payout account is suspended.",
    "account_unverified": "Nobody has verified yet that the payout account is the merchant's.",
    "rail_cannot_pay": "The rail cannot pay to this account.",
    "account_exists": "The merchant has a payout account of this id.",
    "account_number_invalid": "The account number cannot be right.",
    "bank_missing": "The account's bank is missing.",
    "holder_mismatch": "The account's holder is not called as the merchant is.",
    "merchant_unnamed": "Nobody has said what the merchant is called.",
    "not_suspended": "The payout account is not suspended.",
    "already_verified": "The payout account is verified.",
    "drop_under_way": "An amount is on its way to the account.",
    "drops_used_up": "As many amounts were sent to the account as may be.",
    "drop_failed": "The amount could not be sent to the account.",
    "no_drop": "No amount was sent to the account as it is now.",
    "drop_expired": "The amount was sent too long ago.",
    "drop_tries_used_up": "The amount was told wrong as often as it may be.",
    "wrong_drop_amount": "This is not the amount that was sent.",
    "wrong_currency": "The currency does not fit.",
    "already_submitted": "The payout was submitted to the bank.",
    "not_in_approval": "The withdrawal does not wait for approval.",
    "not_unknown": "The payout's outcome is not unknown.",
    "withdrawal_over": "The withdrawal is over.",
    "nothing_available": "Nothing is available to withdraw.",
    "schedule_exists": "The merchant's automatic withdrawals are scheduled already, otherwise.",
    "unknown_schedule": "No automatic withdrawals of this merchant are scheduled.",
    "unknown_withdrawal": "No such withdrawal is registered.",
    "unknown_payout": "The withdrawal has no payout with this key.",
    "unknown_load": "No statement was loaded under this number.",
    "unknown_channel": "No order and no setting knows this payment channel.",
    "unknown_rail": "No payout, account or setting knows this rail.",
    "wrong_amount": "The amount is not the payout's.",
    "event_exists_with_different_content": "Another event with this id was counted.",
    "above_receivable": "This is more than the merchant owes.",
    "debt_disputed": "A channel may still give back what this debt came from.",
    "receipt_exists_with_different_content": "This id stands for another amount or merchant already.",
    "unknown_payment": "No order names this payment.",
    "nothing_unclaimed": "Orders claim all of this payment, or the rest has gone back.",
    "rest_claimed": "An order has claimed a part of it meanwhile; ask again.",
    "return_exists_with_different_content": "This id stands for another payment already.",
    "unknown_movement": "No movement was posted under this reference.",
    "not_correctable": "Another record answers for this movement, or it corrects a correction.",
    "no_such_leg": "The movement has no such leg.",
    "above_movement": "This is more than is left of what the movement moved.",
    "correction_below_zero": "The money is not there any more.",
    "correction_exists_with_different_content": "This id stands for another correction already.",
    "receivable_outstanding": "The merchant owes money.",
    "merchant_frozen": "The merchant is frozen.",
    "merchant_suspended": "The merchant is suspended.",
    "merchant_leaving": "The merchant leaves, and takes no new order.",
    "deposit_kept": "The deposit is not given back yet.",
    "withdrawal_exists_with_different_content": "Another withdrawal with this id exists.",
}


class Refusal(BaseModel):
    """Why a command was refused: `code` is a reason code, `message` a sentence, `field` a dotted path."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    field: str | None = None


def refuse(code: str, detail: str = "", field: str | None = None) -> Refusal:
    """A refusal with the code's sentence, followed by the detail if there is one."""
    return Refusal(code=code, message=" ".join(filter(None, (SENTENCES[code], detail))), field=field)
