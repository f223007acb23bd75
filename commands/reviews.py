"""`reviews`: what waits for a person, why, since when, and who has claimed it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.console import JsonFlag, LangOption, command, language_of, print_answer
from commands.headings import print_in
from commands.link import books
from commands.traces import trace_table
from commands.views import reason_sentences
from core.errors import Refused
from core.money import format_minor
from core.names import name_of
from core.reasons import SENTENCES
from core.texts import Language, clock, joined
from screens import counted, table
from wiring.tracing import traces_of

if TYPE_CHECKING:
    from rich.console import Console

    from ledger.register import Register
    from ledger.reviews import Review


@command
async def reviews(
    claim: Annotated[str | None, typer.Option(help="Claim the reviews of this order.")] = None,
    release: Annotated[str | None, typer.Option(help="Release the reviews of this order.")] = None,
    parcel: Annotated[str | None, typer.Option(help="Only this parcel of it.")] = None,
    reviewer: Annotated[str | None, typer.Option("--as", help="Who you are: the reviewer's id.")] = None,
    with_traces: Annotated[
        bool, typer.Option("--trace", help="Show the carriers' answers for each parcel; a claim shows them as well.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most this many.")] = 100,
    lang: LangOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List the review queue, the longest waiting first. Decide with `send decide_audit` or `send decide_screening`."""
    language = language_of(lang)
    order_id = claim or release
    if order_id is not None and reviewer is None:
        raise typer.BadParameter("say who you are: --as REVIEWER")
    if claim is not None and release is not None:
        raise typer.BadParameter("either --claim or --release")
    async with books() as register:
        queue = await register.reviews.waiting(order_id=order_id, limit=limit)
        queue = [one for one in queue if parcel in (None, one.parcel_id)]
        if order_id is not None and reviewer is not None:
            if not queue:
                raise Refused("not_in_review", f"{SENTENCES['not_in_review']} {order_id}", "id")
            await _take(register, queue, reviewer, give_back=release is not None)
            queue = [
                one for one in await register.reviews.waiting(order_id=order_id) if parcel in (None, one.parcel_id)
            ]
        traces = await _traces(register, queue) if with_traces or claim is not None else {}
    now = datetime.now(UTC)
    views = [_view(one, language, now) for one in queue]
    for view in views:
        if (seen := traces.get((view["order_id"], view["parcel_id"]))) is not None:
            view["traces"] = seen
    print_answer(views, lambda console: _show(console, views, language))


async def _take(register: Register, queue: list[Review], reviewer: str, *, give_back: bool) -> None:
    for one in queue:
        if give_back:
            if not await register.reviews.release(one.order_id, one.parcel_id, reviewer):
                raise Refused("needs_other_person", f"{one.order_id} {one.parcel_id} is not yours to give back.", "as")
            continue
        holder = await register.reviews.claim(one.order_id, one.parcel_id, reviewer, datetime.now(UTC))
        if holder != reviewer:
            raise Refused("needs_other_person", f"{holder} looks at {one.order_id} {one.parcel_id} already.", "as")


def _view(one: Review, language: Language, now: datetime) -> dict[str, Any]:
    due = one.since + one.sla
    return {
        "kind": one.kind,
        "order_id": one.order_id,
        "parcel_id": one.parcel_id,
        "merchant_id": one.merchant_id,
        "total_minor": one.total_minor,
        "currency": one.currency,
        "reasons": list(one.reasons),
        "evidence": _evidence(one, language),
        "since": one.since.isoformat(),
        "due": due.isoformat(),
        "overdue": due < now,
        "reviewer": one.reviewer,
    }


def _evidence(one: Review, language: Language) -> list[str]:
    """Why a person must look, in sentences."""
    if one.kind == "arbitration":
        return _case_told(one.evidence or {}, language)
    if one.kind == "screening":
        from core.order.state import ScreeningHit  # loaded when it is shown: the whole order machine
        from core.order.texts import screening_sentence

        found = (one.evidence or {}).get("hits") or ()
        return [screening_sentence([ScreeningHit.model_validate(hit) for hit in found], language)]
    return reason_sentences(one.reasons, one.verdict or {}, language, one.evidence or {})


def _case_told(case: dict[str, Any], language: Language) -> list[str]:
    """What an arbitration is about, and what each side said last."""
    from core.aftersale.texts import KINDS  # loaded when it is shown, as above

    kind, reason = KINDS[str(case["kind"])], name_of("case_reason", case["reason"], language)
    about = f"申请{kind.zh}（{reason}）。" if language == "zh" else f"It asks for {kind.en} ({reason})."
    said = {one["by"]["role"]: one["text"] for one in case.get("said") or () if one.get("text")}
    colon = "：" if language == "zh" else ": "
    return [about, *(f"{name_of('role', role, language)}{colon}“{text}”" for role, text in said.items())]


async def _traces(register: Register, queue: list[Review]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """What the carriers said, by order and parcel."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for order_id in dict.fromkeys(one.order_id for one in queue if one.kind == "audit"):
        known = await register.orders.known(order_id)
        parcels = (known.state or {}).get("parcels", ()) if known is not None else ()
        for parcel_id, sources in (await traces_of(register, order_id, parcels)).items():
            found[order_id, parcel_id] = sources
    return found


_OVERDUE: Mapping[Language, str] = {"en": " overdue", "zh": "（已逾期）"}


def _show(console: Console, views: list[dict[str, Any]], language: Language) -> None:
    rows = [
        (
            f"{view['order_id']} {view['parcel_id']}".strip(),
            format_minor(view["total_minor"], view["currency"]),
            joined(view["evidence"], language),
            clock(view["since"]),
            clock(view["due"]) + (_OVERDUE[language] if view["overdue"] else ""),
            view["reviewer"],
        )
        for view in views
    ]
    columns = ("order", "amount", "why", "waiting since", "due", "reviewer")
    queue = table(counted(len(rows), "review"), columns, rows, numbers=("amount",), spare=("waiting since",))
    print_in(console, queue, language)
    for view in views:
        if "traces" in view:
            parcel = f"{view['parcel_id']} of {view['order_id']}"
            print_in(console, trace_table(parcel, view["traces"], language), language)
