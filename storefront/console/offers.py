"""What a person may do now: the commands that the core would accept from them, and the fields of their forms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

from core.command import Actor
from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS
from core.order.commands import refusal_of as order_refusal
from core.order.state import OrderState
from core.withdrawal.commands import refusal_of as withdrawal_refusal
from core.withdrawal.state import WithdrawalState

Kind = Literal["order", "withdrawal"]
FieldKind = Literal["reason", "text", "choice", "amount", "check", "fixed"]


@dataclass(frozen=True)
class FormField:
    """One field of a form. `fixed` comes from the page that led here and is shown, not asked."""

    name: str
    kind: FieldKind
    choices: tuple[str, ...] = ()
    required: bool = True


@dataclass(frozen=True)
class Action:
    """A command that a person sends from a page.

    `moves_money` asks for a recent sign-in. `leads`: it ends a wait that a person must end.
    """

    kind: Kind
    verb: str
    fields: tuple[FormField, ...]
    moves_money: bool = True
    leads: bool = False
    nested: str = ""
    """The field of the command of whose list the form fills one item; "" where the form's fields are the command's."""


REASON = FormField("reason", "reason")
_NAME, _SCOPE = FormField("name", "text"), FormField("scope", "choice", ("credit", "payout", "all"))
_BEARERS = ("merchant", "platform")
ACTIONS: Mapping[tuple[Kind, str], Action] = {
    (action.kind, action.verb): action
    for action in (
        Action(
            "order",
            "decide_audit",
            (FormField("parcel_id", "fixed"), FormField("verdict", "choice", ("approved", "rejected")), REASON),
            leads=True,
        ),
        Action(
            "order",
            "decide_screening",
            (FormField("verdict", "choice", ("allow", "refuse")), REASON),
            leads=True,
        ),
        Action(
            "order",
            "arbitrate",
            (
                FormField("decision", "choice", ("all", "part", "none")),
                FormField("amount_minor", "amount", required=False),
                FormField("bears", "choice", _BEARERS),
                FormField("after_return", "check", required=False),
                REASON,
            ),
            leads=True,
        ),
        Action(
            "order",
            "resolve_refund",
            (
                FormField("cause", "fixed"),
                FormField("outcome", "choice", ("arrived", "failed")),
                FormField("reference", "text"),
                REASON,
            ),
            leads=True,
        ),
        Action("order", "open_claim_back", (FormField("amount_minor", "amount", required=False), REASON)),
        Action("order", "lift_hold", (FormField("name", "fixed"), REASON), leads=True),
        Action("order", "place_hold", (_NAME, _SCOPE, REASON), moves_money=False),
        Action(
            "order",
            "refund_order",
            (FormField("amount_minor", "amount", required=False), FormField("bearer", "choice", _BEARERS), REASON),
        ),
        Action(
            "order",
            "shift_deadline",
            (
                FormField("deadline", "choice", ("ship_by", "pickup_by", "receipt_by", "undelivered_by")),
                FormField("by", "text"),
                REASON,
            ),
            moves_money=False,
        ),
        Action(
            "order",
            "add_evidence",
            (
                FormField("kind", "choice", ("text", "photo", "video", "document", "chat", "scan")),
                FormField("text", "reason", required=False),
                FormField("reference", "text", required=False),
            ),
            moves_money=False,
            nested="evidence",
        ),
        Action(
            "order",
            "report_chargeback",
            (
                FormField("case_reference", "text"),
                FormField("outcome", "choice", ("opened", "won", "lost")),
                FormField("amount_minor", "amount", required=False),
                FormField("fee_minor", "amount", required=False),
                FormField("reason", "reason", required=False),
            ),
        ),
        Action("order", "cancel_order", (REASON,)),
        Action("withdrawal", "approve", (FormField("reason", "reason", required=False),), leads=True),
        Action("withdrawal", "reject", (REASON,)),
        Action(
            "withdrawal",
            "resolve_unknown",
            (FormField("outcome", "choice", ("paid", "failed")), FormField("reference", "text"), REASON),
            leads=True,
        ),
        Action("withdrawal", "cancel", (FormField("reason", "reason", required=False),)),
    )
}


@dataclass(frozen=True)
class Offer:
    """An action that a person may take now, with the fields that are known already."""

    action: Action
    preset: Mapping[str, str]
    about: str = ""

    @property
    def verb(self) -> str:
        return self.action.verb

    @property
    def leads(self) -> bool:
        return self.action.leads

    @property
    def query(self) -> str:
        """The known fields, for the form's address."""
        return f"?{urlencode(self.preset)}" if self.preset else ""


_PROBES: Mapping[str, Mapping[str, Any]] = {
    "decide_audit": {"verdict": "rejected"},
    "decide_screening": {"verdict": "refuse"},
    "arbitrate": {"decision": "none"},
    "resolve_refund": {"outcome": "arrived", "reference": "probe"},
    "add_evidence": {"evidence": [{"kind": "text", "text": "probe"}]},
    "report_chargeback": {"case_reference": "probe", "amount_minor": 1},
    "place_hold": {"name": "probe", "scope": "credit"},
    "shift_deadline": {"by": timedelta(hours=1)},
    "resolve_unknown": {"outcome": "paid", "reference": "probe"},
}
"""What a form would say at the least, to ask the core whether it would be taken."""


def offers_of_order(state: OrderState, actor: Actor, now: datetime) -> tuple[Offer, ...]:
    """What the core would take from this person about this order now."""
    return tuple(offer for offer in _of_order(state) if _order_takes(state, offer, actor, now))


def offers_of_withdrawal(state: WithdrawalState, actor: Actor, now: datetime) -> tuple[Offer, ...]:
    """What the core would take from this person about this withdrawal now: nothing if they asked or approved."""
    found = []
    for (kind, verb), action in ACTIONS.items():
        if kind == "withdrawal":
            command = WITHDRAWAL_COMMANDS[verb].model_validate(_probe(verb, {}, actor))
            if withdrawal_refusal(state, command, now) is None:
                found.append(Offer(action, {}))
    return tuple(found)


def _of_order(state: OrderState) -> Iterator[Offer]:
    """Every action with what it may be about."""
    about: Mapping[str, Sequence[tuple[dict[str, str], str]]] = {
        "decide_audit": [
            ({"parcel_id": parcel.parcel_id}, parcel.parcel_id)
            for parcel in state.parcels
            if parcel.audit == "in_review"
        ],
        "lift_hold": [({"name": hold.name}, hold.name) for hold in state.holds],
        "resolve_refund": [
            *(({"cause": refund.cause}, refund.cause) for refund in state.refunds),
            *(({"cause": case.claim_name}, case.claim_name) for case in state.cases if case.claim is not None),
        ],
    }
    for (kind, verb), action in ACTIONS.items():
        if kind == "order":
            yield from (Offer(action, preset, name) for preset, name in about.get(verb, [({}, "")]))


def _order_takes(state: OrderState, offer: Offer, actor: Actor, now: datetime) -> bool:
    verb = offer.verb
    tries: Sequence[dict[str, Any]] = [{}]
    if verb == "report_chargeback":
        tries = [{}, *({"case_reference": one, "outcome": "won", "amount_minor": None} for one in _disputes(state))]
    if verb == "shift_deadline":
        tries = [{"deadline": name} for name in offer.action.fields[0].choices]
    for more in tries:
        command = ORDER_COMMANDS[verb].model_validate(_probe(verb, {**offer.preset, **more}, actor))
        if order_refusal(state, command, now) is None:
            return True
    return False


def _disputes(state: OrderState) -> list[str]:
    """The channel's names of the chargebacks that are open."""
    return [case.dispute.reference for case in state.cases if case.dispute is not None and case.open]


def _probe(verb: str, preset: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    return {**_PROBES.get(verb, {}), **preset, "command_id": "probe", "actor": actor, "reason": "probe"}
