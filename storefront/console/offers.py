"""What a person may do now: the commands that the core does not refuse to them before a form is filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args
from urllib.parse import urlencode

from pydantic import ValidationError

from core.answers import HoldView
from core.command import Actor, Command
from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS
from core.order import commands as of_orders
from core.order import views as order_views
from core.order.state import OrderState
from core.reasons import Refusal
from core.sender_proofs import ProofNeeds
from core.verbs import Verb
from core.withdrawal import commands as of_withdrawals
from core.withdrawal import views as withdrawal_views
from core.withdrawal.state import WithdrawalState
from ledger.people import PersonRole
from storefront.console.forms import TYPED, FormField, assembled, fields_of, least_of
from storefront.console.lists import decimal

Kind = Literal["order", "withdrawal"]
PEOPLE: frozenset[str] = frozenset(get_args(PersonRole))
PARTIES: frozenset[str] = frozenset({"buyer", "merchant"})
_MOVE_NOTHING = frozenset(
    {
        "add_evidence",
        "appeal_audit",
        "appeal_screening",
        "place_hold",
        "report_ready",
        "request_delay",
    }
)
"""Verbs that need no recent sign-in: no money moves by them, nor by silence after them."""
_FIXED: Mapping[str, frozenset[str]] = {
    "accept_amount": frozenset({"amount_minor"}),
    "appeal_audit": frozenset({"parcel_id"}),
    "correct_waybill": frozenset({"parcel_id"}),
    "decide_audit": frozenset({"parcel_id"}),
    "lift_hold": frozenset({"name"}),
    "report_shipment": frozenset({"parcel_id"}),
    "resolve_refund": frozenset({"cause"}),
}
"""Verb → what it is about: the page knows it, and `_about` says of what there is one."""


_FOUND_HERE = frozenset({"case_reference"})
"""Texts that a page knows where there is one to name: no other could be right."""


@dataclass(frozen=True)
class Action:
    """A command that a person sends from a page. `moves_money` asks for a recent sign-in."""

    kind: Kind
    verb: str
    roles: frozenset[str]
    fields: tuple[FormField, ...]

    @property
    def moves_money(self) -> bool:
        return self.verb not in _MOVE_NOTHING


def _actions() -> Iterator[Action]:
    """Every command of the contract that one of the console's people may send."""
    tables: tuple[tuple[Kind, Mapping[type[Command], Verb]], ...] = (
        ("order", of_orders.VERBS),
        ("withdrawal", of_withdrawals.VERBS),
    )
    for kind, verbs in tables:
        for command, verb in verbs.items():
            if verb.roles & PEOPLE:
                fixed = _FIXED.get(command.verb, frozenset())
                yield Action(kind, command.verb, verb.roles, fields_of(command, fixed))


ACTIONS: Mapping[tuple[Kind, str], Action] = {(action.kind, action.verb): action for action in _actions()}


@dataclass(frozen=True)
class Offer:
    """An action that a person may take now, with the fields that are known already.

    `leads`: the money waits for it. `for_party`: staff do it in the place of the buyer or the merchant.
    """

    action: Action
    preset: Mapping[str, Any]
    about: str = ""
    currency: str = ""
    leads: bool = False
    for_party: bool = False

    @property
    def verb(self) -> str:
        return self.action.verb

    @property
    def query(self) -> str:
        """The known fields as a person would type them, for the form's address."""
        typed = {
            name: decimal(value, self.currency) if name.endswith("_minor") else value
            for name, value in self.preset.items()
        }
        return f"?{urlencode(typed)}" if typed else ""


def offers_of_order(state: OrderState, actor: Actor, now: datetime) -> tuple[Offer, ...]:
    """What the core would take from this person about this order now; what the money waits for comes first."""
    asked = state.changed(policy=state.policy.model_copy(update={"proofs": ProofNeeds()}))
    holds = order_views.holds_of(state)
    found = [
        _offer("order", verb, preset, about, actor, holds, state.order.currency)
        for verb, preset, about in _about(state)
        if _takes(ACTIONS["order", verb], ORDER_COMMANDS[verb], preset, actor, now, _of(of_orders, asked, now))
    ]
    return tuple(sorted(found, key=lambda offer: not offer.leads))


def offers_of_withdrawal(state: WithdrawalState, actor: Actor, now: datetime) -> tuple[Offer, ...]:
    """What the core would take from this person about this withdrawal now: nothing if they asked or approved."""
    asked = state.changed(policy=state.policy.model_copy(update={"proofs": ProofNeeds()}))
    holds = withdrawal_views.holds_of(state)
    found = [
        _offer("withdrawal", verb, {}, "", actor, holds, state.withdrawal.currency)
        for kind, verb in ACTIONS
        if kind == "withdrawal"
        and _takes(ACTIONS[kind, verb], WITHDRAWAL_COMMANDS[verb], {}, actor, now, _of(of_withdrawals, asked, now))
    ]
    return tuple(sorted(found, key=lambda offer: not offer.leads))


def _of(module: Any, state: Any, now: datetime) -> Callable[[Command], Refusal | None]:
    """Why a machine would refuse a command. Proofs are the gateway's to make: `state` asks for none."""
    return lambda command: module.refusal_of(state, command, now)


def _offer(
    kind: Kind,
    verb: str,
    preset: Mapping[str, Any],
    about: str,
    actor: Actor,
    holds: Sequence[HoldView],
    currency: str,
) -> Offer:
    action = ACTIONS[kind, verb]
    of_party = bool(action.roles & PARTIES)
    wanted = any(
        re.search(rf"\b{verb}\b", hold.what_helps)
        and (not of_party or actor.role == hold.who_can_act.partition(" ")[0].partition(":")[0])
        and about in ("", hold.reason, *_subjects(hold))
        for hold in holds
    )
    return Offer(action, preset, about, currency, wanted, of_party and actor.role not in PARTIES)


def _subjects(hold: HoldView) -> Sequence[str]:
    """What a hold may be about, as its sentence names it: `Parcel p1: …`."""
    return re.findall(r"[A-Za-z0-9_-]+", hold.what_helps)


def _about(state: OrderState) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Every verb with what it may be about, and how that is called."""
    parcels = [({"parcel_id": parcel.parcel_id}, parcel.parcel_id) for parcel in state.parcels]
    offered = state.open_case.offer if state.open_case is not None else None
    several: Mapping[str, Sequence[tuple[dict[str, Any], str]]] = {
        "accept_amount": [({"amount_minor": offered.amount_minor}, "")] if offered is not None else [],
        **dict.fromkeys(("appeal_audit", "correct_waybill", "decide_audit"), parcels),
        "lift_hold": [({"name": hold.name}, hold.name) for hold in state.holds],
        "report_chargeback": [({}, ""), *(({"case_reference": one}, one) for one in _disputes(state))],
        "report_shipment": [({"parcel_id": _next_parcel(state)}, "")],
        "resolve_refund": [
            *(({"cause": refund.cause}, refund.cause) for refund in state.refunds),
            *(({"cause": case.claim_name}, case.claim_name) for case in state.cases if case.claim is not None),
        ],
    }
    for kind, verb in ACTIONS:
        if kind == "order":
            yield from ((verb, preset, name) for preset, name in several.get(verb, [({}, "")]))


def _disputes(state: OrderState) -> list[str]:
    """The channel's names of the chargebacks that are open."""
    return [case.dispute.reference for case in state.cases if case.dispute is not None and case.open]


def _next_parcel(state: OrderState) -> str:
    """A name for the next parcel that none of the order has."""
    taken = {parcel.parcel_id for parcel in state.parcels}
    return next(name for name in (f"p{number}" for number in range(1, len(taken) + 2)) if name not in taken)


def _takes(
    action: Action,
    command: type[Command],
    preset: Mapping[str, Any],
    actor: Actor,
    now: datetime,
    refusal_of: Callable[[Command], Refusal | None],
) -> bool:
    """Whether the core would take it, filled in well: it says at which field it would refuse it as it is."""
    if actor.role not in action.roles:
        return False
    typed = {field.name for field in action.fields if field.kind in TYPED and not field.fixed} - _FOUND_HERE
    for body in _tries(action, command, preset, now):
        try:
            refusal = refusal_of(command.model_validate({**body, "command_id": "probe", "actor": actor}))
        except ValidationError:
            continue
        if refusal is None or (refusal.field or "").rpartition(".")[2] in typed:
            return True
    return False


def _tries(
    action: Action, command: type[Command], preset: Mapping[str, Any], now: datetime
) -> Iterator[dict[str, Any]]:
    """The least that a form would say, with each choice in turn: alone, and with what the first one needs."""
    known = assembled(action.fields, preset)
    for least in (least_of(command, action.fields, now), least_of(command, action.fields, now, alone=True)):
        choices = ({field.name: choice} for field in action.fields for choice in field.choices if not field.of)
        for more in ({}, *choices):
            body = {**least, **more}
            for name, value in known.items():
                body[name] = [{**least[name][0], **value[0]}] if isinstance(value, list) else value
            yield body
