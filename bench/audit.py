"""`python -m bench audit`: the audit's results for honest parcels and for named fakes, by rule and by verdict.

Each parcel goes through the audit's own looks, at growing intervals, with each scan visible once it has happened, until
the verdict is no longer pending. Randomness comes from the seed, and time from the parcel.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from backtest.past import PastOrder, past_orders
from backtest.rows import read_folder
from backtest.timeline import first_scan_at, uploaded_at
from bench.figures import FigureFile, Figures, percentile, show, write
from bench.parcels import FAKES, UNDECIDABLE, Fake, Shipment, honest, honest_and_claimed_by_a_thief, scan
from core.audit.facts import NoTrace, OrderFacts, ParcelFacts
from core.audit.policy import SERVICE_RULES, TRUTH_RULES, AuditPolicy
from core.audit.trace import Trace
from core.audit.verdict import Verdict, audit, next_look, remember
from core.audit.waybills import sandbox_number
from core.policy import parse_policy

LAST_LOOK = timedelta(days=120)
POLICIES = Path(__file__).parents[1] / "policies"


class Judged(NamedTuple):
    """One parcel's verdict, its time, and how long it held the money after the delivery."""

    label: str
    verdict: Verdict
    held_h: float


def audit_bench(
    parcels: Annotated[
        int, typer.Option(min=10, help="Honest parcels with a dense trace; each fake gets a tenth.")
    ] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same parcels.")] = 1,
    data: Annotated[
        Path | None, typer.Option(help="Folder with the public Olist tables, for real, sparse timelines.")
    ] = None,
    json: FigureFile = None,
) -> None:
    """Precision, recall and false holds of the audit, by rule and for the verdict; and its speed."""
    policy = parse_policy((POLICIES / "default.toml").read_text(encoding="utf-8")).audit
    good = [honest(number, seed) for number in range(parcels)]
    fair = [_live("honest", shipment, policy) for shipment in good]
    fakes = list(_fakes(good, seed, policy, FAKES))
    undecidable = list(_fakes(good, seed, policy, UNDECIDABLE))
    contested = list(_fakes(good, seed, policy, {"honest, number claimed twice": honest_and_claimed_by_a_thief}))
    figures = _figures(fair, fakes) | {"verdicts_per_s": _speed(good[:500], policy)}
    _show_rules(fair, fakes)
    _show_kinds([*fair, *contested], fakes, undecidable)
    if data is not None:
        _show_olist(data, figures)
    else:
        Console().print("No --data: the real, sparse timelines are left out.")
    show("Audit", (), (), figures)
    Console().print(
        "verdicts_per_s counts seconds of this process's CPU, which other work on the machine does not take."
    )
    Console().print("No public set of labelled fake shipments exists; these fakes were made by the rules' own authors.")
    write(figures, json)


# --- the looks ----------------------------------------------------------------------------


def _live(label: str, shipment: Shipment, policy: AuditPolicy) -> Judged:
    """Look as the activity does, until there is a verdict."""
    silences: tuple[NoTrace, ...] = ()
    parcel, looks, at = shipment.parcel, 0, shipment.parcel.uploaded_at
    while True:
        trace = _trace(shipment, at)
        silences = remember(silences, (trace,))
        known = parcel.model_copy(update={"looks": looks, "no_trace": silences})
        verdict = audit(shipment.order, known, (trace,), policy, at)
        if verdict.outcome != "pending" or at > shipment.parcel.uploaded_at + LAST_LOOK:
            return Judged(label, verdict, _held_h(shipment, at))
        at += next_look(looks, policy)
        looks += 1


def _trace(shipment: Shipment, at: datetime) -> Trace:
    """The carrier's trace at a time."""
    scans = [one for one in shipment.scans if one.at <= at]
    if shipment.shows_ahead and len(scans) == len(shipment.scans) - 1:
        scans = list(shipment.scans)
    parcel = shipment.parcel
    return Trace(
        provider="bench",
        carrier=parcel.carrier,
        waybill=parcel.waybill,
        fetched_at=at,
        answer="found" if scans else "no_trace",
        scans=tuple(scans),
    )


def _held_h(shipment: Shipment, at: datetime) -> float:
    delivered = [one.at for one in shipment.scans if one.stage == "delivered"]
    return max(0.0, (at - delivered[-1]).total_seconds() / 3600) if delivered else 0.0


def _fakes(good: list[Shipment], seed: int, policy: AuditPolicy, kinds: dict[str, Fake]) -> Iterator[Judged]:
    for name, make in kinds.items():
        for number, shipment in enumerate(good[: max(1, len(good) // 10)]):
            fake = make(shipment, random.Random(f"{seed}/{name}/{number}"))
            yield _live(name, fake, policy)


# --- figures ---------------------------------------------------------------------------------------------


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _figures(fair: list[Judged], fakes: list[Judged]) -> Figures:
    outcomes = Counter(one.verdict.outcome for one in fair)
    approved = sum(one.verdict.outcome == "approved" for one in fakes)
    held = [one.held_h for one in fair if one.verdict.outcome == "approved"]
    return {
        "fakes": float(len(fakes)),
        "fakes_approved": float(approved),
        "fake_recall": 1 - _share(approved, len(fakes)),
        "honest": float(len(fair)),
        "honest_review_rate": _share(outcomes["needs_review"], len(fair)),
        "honest_rejected": float(outcomes["rejected"]),
        "honest_held_p50_h": percentile(held, 50),
        "honest_held_p99_h": percentile(held, 99),
    }


def _speed(shipments: list[Shipment], policy: AuditPolicy) -> float:
    """Verdicts per second of CPU on one core, over whole traces."""
    cases = [(one.order, one.parcel, (_trace(one, one.scans[-1].at),), one.scans[-1].at) for one in shipments]
    best = 0.0
    for _ in range(5):
        began = time.process_time()
        for order, parcel, traces, now in cases:
            audit(order, parcel, traces, policy, now)
        best = max(best, len(cases) / (time.process_time() - began))
    return best


def _failing(verdicts: Iterable[Judged]) -> Counter[str]:
    return Counter(
        finding.rule
        for one in verdicts
        for finding in one.verdict.findings
        if finding.outcome == "fail" and finding.weight != "none"
    )


def _show_rules(fair: list[Judged], fakes: list[Judged]) -> None:
    """How many of the parcels that a rule fails are fakes, and how often it fails honest ones."""
    on_fair, on_fakes = _failing(fair), _failing(fakes)
    grid = Table("rule", "fails fakes", "fails honest", "precision", "recall", "false-hold rate", title="By rule")
    for rule in sorted(on_fair | on_fakes, key=lambda rule: -on_fakes[rule]):
        caught, wronged = on_fakes[rule], on_fair[rule]
        grid.add_row(
            rule,
            str(caught),
            str(wronged),
            f"{_share(caught, caught + wronged):.3f}",
            f"{_share(caught, len(fakes)):.3f}",
            f"{_share(wronged, len(fair)):.4f}",
        )
    Console().print(grid)


def _show_kinds(fair: list[Judged], fakes: list[Judged], undecidable: list[Judged]) -> None:
    grid = Table("parcels", "approved", "review", "rejected", "pending", "what said so", title="By kind")
    for label, group in (*_by_label(fair), *_by_label(fakes), *_by_label(undecidable)):
        outcomes = Counter(one.verdict.outcome for one in group)
        said = Counter(reason for one in group for reason in one.verdict.reasons).most_common(3)
        name = f"{label} (undecidable)" if label in UNDECIDABLE else label
        counts = [str(outcomes[key]) for key in ("approved", "needs_review", "rejected", "pending")]
        grid.add_row(name, *counts, ", ".join(reason for reason, _ in said))
    Console().print(grid)


def _by_label(verdicts: list[Judged]) -> list[tuple[str, list[Judged]]]:
    groups: dict[str, list[Judged]] = {}
    for one in verdicts:
        groups.setdefault(one.label, []).append(one)
    return list(groups.items())


# --- real timelines --------------------------------------------------------------------------------------


def _show_olist(folder: Path, figures: Figures) -> None:
    """Honest orders of a real market, two scans each, under its own policy and under the default one."""
    past, _ = past_orders(read_folder(folder))
    shipments = [shipment for order in past if (shipment := _of_past(order)) is not None]
    grid = Table(
        "policy", "orders", "approved", "review", "rejected", "held p50 h", "held p99 h", title="Olist, honest"
    )
    lived: dict[str, list[Judged]] = {}
    for name in ("olist", "default"):
        policy = parse_policy((POLICIES / f"{name}.toml").read_text(encoding="utf-8")).audit
        judged = lived[name] = [_live(name, shipment, policy) for shipment in shipments]
        outcomes = Counter(one.verdict.outcome for one in judged)
        held = [one.held_h for one in judged if one.verdict.outcome == "approved"]
        figures[f"olist_{name}_review_rate"] = _share(outcomes["needs_review"], len(judged))
        figures[f"olist_{name}_rejected"] = float(outcomes["rejected"])
        counts = [str(outcomes[key]) for key in ("approved", "needs_review", "rejected")]
        grid.add_row(name, str(len(judged)), *counts, f"{percentile(held, 50):.1f}", f"{percentile(held, 99):.1f}")
    Console().print(grid)
    _show_olist_rules(lived)


def _show_olist_rules(lived: dict[str, list[Judged]]) -> None:
    """Each rule's results for honest orders: a rule that never decides is useless, one that sends them to people is
    harmful.
    """
    columns = [f"{name}: {what}" for name in lived for what in ("fails", "unknown", "sent to review")]
    grid = Table("rule", *columns, title="Olist, by rule: shares of honest orders")
    for rule in (*TRUTH_RULES, *SERVICE_RULES):
        cells = []
        for judged in lived.values():
            found = Counter(f.outcome for one in judged for f in one.verdict.findings if f.rule == rule)
            reviewed = sum(rule in one.verdict.reasons for one in judged if one.verdict.outcome == "needs_review")
            cells += [f"{_share(count, len(judged)):.2%}" for count in (found["fail"], found["unknown"], reviewed)]
        grid.add_row(rule, *cells)
    grid.add_section()
    for reason in ("no_new_scan", "carrier_silent"):
        shares = [
            _share(sum(reason in one.verdict.reasons for one in judged), len(judged)) for judged in lived.values()
        ]
        grid.add_row(reason, *(cell for share in shares for cell in ("", "", f"{share:.2%}")))
    Console(width=140).print(grid)


def _of_past(past: PastOrder) -> Shipment | None:
    """A delivered order of the data: paid, uploaded, two scans at its real times and places."""
    first, uploaded = first_scan_at(past), uploaded_at(past)
    if past.status != "delivered" or None in (past.paid_at, past.delivered_at, first, uploaded):
        return None
    assert past.paid_at is not None
    assert past.delivered_at is not None
    assert first is not None
    assert uploaded is not None
    order = OrderFacts(
        order_id=past.order_id,
        merchant_id=past.merchant_id,
        paid_at=past.paid_at,
        ship_from=past.ship_from,
        ship_to=past.ship_to,
    )
    waybill = sandbox_number(past.line, prefix="OLP")
    parcel = ParcelFacts(parcel_id="p1", carrier="olist_post", waybill=waybill, uploaded_at=uploaded)
    scans = (scan(first, "picked_up", past.ship_from.city), scan(past.delivered_at, "delivered", past.ship_to.city))
    return Shipment(order, parcel, tuple(sorted(scans, key=lambda one: one.at)))
