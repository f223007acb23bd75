"""The page of an order: what it waits for, why its money is held, its parcels' scans, what happened, its money."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from starlette.responses import Response
from starlette.routing import Route

from core.audit.explain import advice, sentence, title
from core.ids import order_workflow_id
from core.messages import Scan
from core.money import format_minor
from core.order import views
from core.order.deadlines import next_deadline
from core.order.state import OrderState
from core.order.texts import refund_reason
from core.parcels import Parcel
from ledger.balances import AccountBalance, Money, TransferRow
from ledger.claims import Claimant
from ledger.notices import StoredNotice
from storefront.console.charts import ScanLine, scan_line
from storefront.console.names import account_name, movement_name
from storefront.console.offers import offers_of_order
from storefront.console.reading import known_order, state_of_order
from storefront.console.rendering import noted, render
from storefront.console.visits import Visit, for_people
from wiring.tracing import looked_at, scans_of, traces_of

NOTICES_MOST = 200


class Remark(NamedTuple):
    """What speaks against a parcel: the rule's name, the sentence, and what helps."""

    name: str
    said: str
    helps: str


class Passed(NamedTuple):
    """What speaks for a parcel: sentences that say what was seen, and the names of rules that found nothing wrong."""

    seen: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        return len(self.seen) + len(self.names)


class ParcelView(NamedTuple):
    """A parcel as the page shows it."""

    parcel: Parcel
    line: ScanLine | None
    scans: tuple[Scan, ...]
    sources: tuple[Mapping[str, Any], ...]
    remarks: tuple[Remark, ...]
    passed: Passed
    unknown: int
    """Rules that could not tell."""
    same_number: tuple[Claimant, ...]


class Happening(NamedTuple):
    """One line of what happened: a command and its answer, a notice, or a movement of money."""

    at: datetime
    kind: str
    what: str
    outcome: str
    by: str
    detail: str


async def order_page(visit: Visit) -> Response:
    """One order."""
    known = await known_order(visit)
    order_id, state = known.order.order_id, state_of_order(known)
    if state is None:
        return render(visit, "opening.html", order=known.order)
    register = visit.register
    money = await register.balances.of_order(order_id)
    notices = await register.notices.read(subject=f"order/{order_id}", limit=NOTICES_MOST)
    settings = visit.service.settings
    workflow = f"{settings.temporal_ui_url}/namespaces/{settings.temporal_namespace}/workflows/"
    return render(
        visit,
        "order.html",
        order=known.order,
        state=state,
        due=next_deadline(state),
        holds=views.holds_of(state),
        escrow=_balance(money, f"order/{order_id}/escrow"),
        offers=offers_of_order(state, visit.who.actor, visit.now),
        parcels=await parcel_views(visit, order_id, state),
        happened=sorted(_happened(visit, state, notices, money), key=lambda one: one.at, reverse=True),
        money=money,
        refund_reason=lambda reason: refund_reason(reason, visit.language, state.screening_hits),
        account_name=lambda path: account_name(visit, path),
        movement_name=lambda row: movement_name(visit, row),
        workflow=f"{workflow}{order_workflow_id(order_id)}"
        if settings.temporal_ui_url and visit.who.is_staff
        else None,
        done=visit.given("done"),
        later=visit.given("later"),
    )


async def parcel_views(visit: Visit, order_id: str, state: OrderState) -> list[ParcelView]:
    """Each parcel with its scans from every source, what speaks against it, and who else uses its number."""
    plain = [parcel.model_dump(mode="json") for parcel in state.parcels]
    traces = await traces_of(visit.register, order_id, plain) if plain else {}
    found = []
    for parcel in state.parcels:
        sources = traces.get(parcel.parcel_id, [])
        scans = scans_of(sources)
        # Whose order it is beside this one is for the platform's people alone.
        claimants = await visit.register.claims.claimants(parcel.waybill) if visit.who.is_staff else []
        found.append(
            ParcelView(
                parcel,
                scan_line(scans, looked_at(sources)),
                tuple(scans),
                tuple(sources),
                tuple(_remarks(visit, parcel)),
                _passed(visit, parcel),
                sum(found.outcome == "unknown" for found in parcel.verdict.findings) if parcel.verdict else 0,
                tuple(one for one in claimants if one.order_id != order_id),
            )
        )
    return found


def _remarks(visit: Visit, parcel: Parcel) -> Iterator[Remark]:
    """What sent it to a person comes first, with the evidence of that time; then what objects now."""
    verdict = parcel.verdict
    against = {found.rule: found.evidence for found in verdict.findings if found.outcome == "fail"} if verdict else {}
    evidence = {**against, **parcel.evidence_of_review}
    reasons = (*parcel.findings_of_review, *(verdict.reasons if verdict else ()), *against)
    for rule in dict.fromkeys(reasons):
        said = sentence(rule, "fail", evidence.get(rule, {}), visit.language)
        yield Remark(title(rule, visit.language), said, advice(rule, "fail", visit.language))


def _passed(visit: Visit, parcel: Parcel) -> Passed:
    language = visit.language
    findings = parcel.verdict.findings if parcel.verdict is not None else ()
    seen: list[str] = []
    names: list[str] = []
    for rule, evidence in ((one.rule, one.evidence) for one in findings if one.outcome == "pass"):
        said = sentence(rule, "pass", evidence, language)
        # A sentence that begins with the rule's name has nothing of its own to say.
        bare = said.startswith(title(rule, language))
        (names if bare else seen).append(title(rule, language) if bare else said)
    return Passed(tuple(seen), tuple(names))


def _happened(visit: Visit, state: OrderState, notices: Sequence[StoredNotice], money: Money) -> Iterator[Happening]:
    words = visit.words
    for entry in state.inbox.journal:
        by = f"{words.of('role', entry.actor.role)} {entry.actor.id}" if entry.actor else words.of("role", "system")
        yield Happening(entry.at, "command", words.entry(entry.verb), entry.outcome, by, noted(visit, entry))
    for notice in notices:
        if visit.who.is_staff or notice.to == "merchant":
            to = words("order.to_person", role=words.of("role", notice.to))
            yield Happening(notice.at, "notice", words.of("notice", notice.name), "", to, "")
    for row in money.transfers:
        legs = f"{account_name(visit, row.debit)} → {account_name(visit, row.credit)}"
        what = movement_name(visit, row)
        yield Happening(row.occurred_at, "money", what, "", legs, _amount_of(row))


def _amount_of(row: TransferRow) -> str:
    return format_minor(row.amount_minor, row.currency)


def _balance(money: Money, path: str) -> AccountBalance | None:
    return next((one for one in money.accounts if one.path == path and one.balance_minor), None)


ROUTES = [Route("/orders/{id}", for_people(order_page, asks=("done", "later")))]
