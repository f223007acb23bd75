"""Money owed against held, the quality of the audit, the carriers: figures about everything at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from core.audit.explain import title
from core.money import format_minor
from core.reconciliation.texts import helps
from ledger.figures import CarrierFigures, ProviderFigures, PushFigures
from storefront.console.charts import bars
from storefront.console.counting import COUNTS, count_again, figures_of
from storefront.console.lists import csv_of, decimal, wants_csv
from storefront.console.rendering import render
from storefront.console.visits import STAFF, Visit, for_people, go
from storefront.problems import ProblemError

UNKNOWN = ("unknown", "in_suspense")
"""States of withdrawals whose money is neither paid nor given back."""
ROWS_MOST = 50
BREAKS_SHOWN = 10
"""The oldest; the others stand on a page of their own."""
AGES = (0, 1, 3, 7, 14, 30)


async def money_page(visit: Visit) -> Response:
    """What is owed and what is held, how old escrow is and why it waits, unknown payouts, breaks."""
    found = await figures_of(visit, "money")
    body = found.body if found is not None else {"currencies": [], "ageing": []}
    if wants_csv(visit):
        return _money_csv(body)
    unknown = [
        row
        for state in UNKNOWN
        for row in await visit.lists.withdrawals.rows(state_name=state, closed=False, limit=ROWS_MOST)
    ]
    breaks = await visit.lists.breaks.known(limit=BREAKS_SHOWN + 1)
    return render(
        visit,
        "money.html",
        taken_at=found.taken_at if found is not None else None,
        currencies=body["currencies"],
        ageing=[_ageing(visit, one["currency"], body["ageing"]) for one in body["currencies"]],
        unknown=unknown,
        breaks=breaks[:BREAKS_SHOWN],
        more_breaks=len(breaks) > BREAKS_SHOWN,
        helps=helps,
        runs=await visit.register.breaks.last_runs(),
        csv="/console/money?format=csv",
    )


def _ageing(visit: Visit, currency: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One currency's escrow: a table of reasons by age, and a bar for each reason."""
    own = [row for row in rows if row["currency"] == currency]
    sums: dict[str, int] = {}
    cells: dict[tuple[str, int], int] = {}
    for row in own:
        sums[row["reason"]] = sums.get(row["reason"], 0) + row["amount_minor"]
        cells[row["reason"], row["days"]] = row["amount_minor"]
    ordered = sorted(sums, key=lambda reason: -sums[reason])
    named = [(visit.words.of("hold", reason), sums[reason]) for reason in ordered]
    return {
        "currency": currency,
        "ages": AGES,
        "rows": [
            (name, total, [cells.get((reason, age), 0) for age in AGES])
            for reason, (name, total) in zip(ordered, named, strict=True)
        ],
        "bars": [(bar, format_minor(bar.amount, currency)) for bar in bars(named)],
    }


def _money_csv(body: Mapping[str, Any]) -> Response:
    rows: list[Sequence[Any]] = []
    for one in body["currencies"]:
        currency = one["currency"]
        rows += [("owed", owed["kind"], "", currency, decimal(owed["amount_minor"], currency)) for owed in one["owed"]]
        rows += [
            ("held", place["scope"], place["name"], currency, decimal(place["cash_minor"], currency))
            for place in one["held"]
        ]
    rows += [
        ("escrow", row["reason"], f"{row['days']} days", row["currency"], decimal(row["amount_minor"], row["currency"]))
        for row in body["ageing"]
    ]
    return csv_of("money", ("what", "kind", "name", "currency", "amount"), rows)


async def quality_page(visit: Visit) -> Response:
    """What each rule of the audit objected to, and what people made of it."""
    found = await figures_of(visit, "quality")
    rules = found.body["rules"] if found is not None else []
    columns = ("rule", "fired", "decided", "overturned", "appeals", "appeals_won", "shadow")
    if wants_csv(visit):
        rows = ([*(rule[name] for name in columns), _money_days(rule["false_minor_days"])] for rule in rules)
        return csv_of("quality", (*columns, "false_money_days"), rows)
    drawn = bars([(rule["rule"], rule["fired"]) for rule in rules])
    return render(
        visit,
        "quality.html",
        taken_at=found.taken_at if found is not None else None,
        rules=list(zip(rules, drawn, strict=True)),
        false_holds=found.body.get("false_holds", []) if found is not None else [],
        rule_title=lambda rule: title(rule, visit.language),
        csv="/console/quality?format=csv",
    )


def _money_days(of: Mapping[str, int]) -> str:
    return "; ".join(f"{decimal(amount, currency)} {currency}" for currency, amount in sorted(of.items()))


async def carriers_page(visit: Visit) -> Response:
    """How often carriers know nothing, and what their providers push."""
    figures = visit.register.figures
    carriers, providers, pushes = await figures.carriers(), await figures.providers(), await figures.pushes()
    if wants_csv(visit):
        return csv_of("carriers", _CARRIER_COLUMNS, _carrier_cells(carriers, providers, pushes))
    return render(
        visit,
        "carriers.html",
        carriers=carriers,
        providers=providers,
        pushes=pushes,
        csv="/console/carriers?format=csv",
    )


_CARRIER_COLUMNS = (
    *("what", "name", "count", "without trace", "over quota", "refused", "no answer", "unreadable"),
    *("median ms", "95 % ms", "last"),
)


def _carrier_cells(
    carriers: Sequence[CarrierFigures], providers: Sequence[ProviderFigures], pushes: Sequence[PushFigures]
) -> Iterator[Sequence[Any]]:
    """One line a carrier, a provider that is asked, and one that pushes; what does not apply is empty."""
    for carrier in carriers:
        yield ("carrier", carrier.carrier, carrier.answers, carrier.without_trace, *[""] * 6, carrier.last_at)
    for one in providers:
        counts = (one.answers, one.no_trace, one.throttled, one.auth, one.unavailable)
        yield ("provider", one.provider, *counts, "", one.median_ms, one.slow_ms, one.last_at)
    for push in pushes:
        refused = ("", "", push.refused, "", push.unreadable)
        yield ("pushes", push.provider, push.pushes, *refused, "", "", push.last_at)


async def count(visit: Visit) -> Response:
    """Count a page's figures anew."""
    await visit.form()
    name = visit.request.path_params["name"]
    if name not in COUNTS:
        raise ProblemError("not_found")
    await asyncio.wait({count_again(visit.service, name)}, timeout=5)
    return go(f"/console/{name}")


ROUTES = [
    Route("/money", for_people(money_page, STAFF, asks=("format",))),
    Route("/quality", for_people(quality_page, STAFF, asks=("format",))),
    Route("/carriers", for_people(carriers_page, STAFF, asks=("format",))),
    Route("/count/{name}", for_people(count, STAFF), methods=["POST"]),
]
