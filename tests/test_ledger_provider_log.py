"""What was remembered of providers is purged by age: details first, and nothing that an open order still needs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from databases import Database
from ledger_samples import an_order, opened
from vendor_adapters import fresh, query, way

from activities.carriers.base import found, nothing_found
from config.providers import Keep, parse_providers
from core.audit.trace import Trace
from core.errors import Misconfigured
from ledger.looks import Number
from ledger.provider_log import PurgedProviderLog
from ledger.register import Register

NOW = datetime.now(UTC)
DETAILS, NUMBERS = Keep().details, Keep().numbers
NOTHING = PurgedProviderLog(0, 0, 0, 0, 0, 0)


async def remembered(register: Register, waybill: str, age: timedelta) -> None:
    """One row of each kind, so old."""
    at, number = NOW - age, ("yto", waybill)
    trace = found(query("kdniao", waybill), "kdniao", way())
    await register.providers.take_look("kdniao", *number, "8817", timedelta(minutes=30), at)
    await register.providers.keep_answer("kdniao", "8817", number, trace, timedelta(seconds=0.2))
    await looked(register, "A0", *number, no_trace=True, at=at)
    await register.providers.take_subscription("kuaidi100", *number, timedelta(hours=1), at)
    pushed = await register.pushes.journal("kdniao", waybill, b"a body", {"user-agent": "x"}, at)
    await register.pushes.finish(pushed.id, "kept")
    await register.pushes.keep("yto", trace, replaces=False, now=at)


async def looked(
    register: Register,
    order_id: str,
    carrier: str,
    waybill: str,
    *traces: Trace,
    no_trace: bool | None = None,
    at: datetime = NOW,
) -> None:
    number = Number(order_id, "p1", "m-1", carrier, waybill)
    await register.looks.keep(number, traces, no_trace, at, claimed_since=at, window=timedelta(hours=1), most=10)


async def test_the_last_answer_about_a_parcel_is_kept_with_the_last_scans(register: Register) -> None:
    waybill = fresh()
    seen = found(query("kdniao", waybill), "kdniao", way())
    await looked(register, "A1", "yto", waybill, seen)
    later = nothing_found(query("kdniao", waybill), "kdniao", "no_trace")
    throttled = nothing_found(query("kuaidi100", waybill), "kuaidi100", "throttled")
    await looked(register, "A1", "yto", waybill, later, throttled)
    first, second = await register.providers.polled(["A1", "A2"])
    assert (first.provider, first.answer, first.trace.scans) == ("kdniao", "no_trace", seen.scans)
    assert (second.provider, second.answer, second.trace.scans) == ("kuaidi100", "throttled", ())
    corrected = nothing_found(query("kdniao", fresh()), "kdniao", "no_trace")
    await looked(register, "A1", "yto", corrected.waybill, corrected)
    assert (await register.providers.polled(["A1"]))[0].trace == corrected, "another number has no scans of this one"
    assert await register.providers.polled(["A2"]) == []


async def test_the_same_looks_again_and_at_once_are_kept_once(register: Register, database: Database) -> None:
    waybill = fresh()
    silence = nothing_found(query("kdniao", waybill), "kdniao", "no_trace")
    orders = [f"A{number}" for number in range(4)]
    for _ in range(2):
        await asyncio.gather(
            *(looked(register, order, "yto", waybill, silence, no_trace=True) for order in (*orders, *orders))
        )
    assert [one.order_id for one in await register.providers.polled(orders)] == orders
    assert await database.pool.fetchval("SELECT count(*) FROM carrier_answers") == 1


async def test_how_a_provider_answers_is_counted_by_kind_and_time(register: Register) -> None:
    answers = ("found", "no_trace", "throttled", "auth", "unavailable")
    for place, answer in enumerate(answers):
        number = ("yto", fresh())
        seen = found(query("kdniao", number[1]), "kdniao", way())
        await register.providers.take_look("kdniao", *number, None, timedelta(hours=1), NOW)
        if place == 0:  # nothing is known of a number that was never answered
            await register.providers.take_look("kdniao", "yto", fresh(), None, timedelta(hours=1), NOW)
        said = seen.model_copy(update={"answer": answer, "scans": seen.scans if answer == "found" else ()})
        await register.providers.keep_answer("kdniao", None, number, said, timedelta(milliseconds=100 * place))
        kept = await register.providers.last_answer("kdniao", *number, None)
        assert (kept is not None) == (answer in {"found", "no_trace"}), "what says nothing of the parcel is no answer"
    (figures,) = await register.figures.providers()
    assert (figures.answers, figures.no_trace, figures.throttled, figures.auth, figures.unavailable) == (5, 1, 1, 1, 1)
    assert (figures.median_ms, figures.slow_ms) == (200, 400)


async def test_polled_traces_go_with_the_details_but_not_of_open_orders(register: Register, database: Database) -> None:
    await opened(register, an_order("A1"))
    for order_id in ("A1", "gone"):
        seen = found(query("kdniao", fresh()), "kdniao", way())
        await looked(register, order_id, "yto", seen.waybill, seen)
    await database.owner.execute("UPDATE polled_traces SET kept_at = $1", NOW - DETAILS - timedelta(days=1))
    assert (await purged(register)).looks == 1
    assert [one.order_id for one in await register.providers.polled(["A1", "gone"])] == ["A1"]


async def purged(register: Register, **more: int) -> PurgedProviderLog:
    return await register.providers.purge(NOW - DETAILS, NOW - NUMBERS, **more)


async def test_what_is_young_stays(register: Register) -> None:
    await remembered(register, fresh(), DETAILS - timedelta(days=1))
    assert await purged(register) == NOTHING


async def test_details_go_before_the_rest(register: Register, database: Database) -> None:
    waybill = fresh()
    await remembered(register, waybill, DETAILS + timedelta(days=1))
    assert await purged(register) == PurgedProviderLog(
        push_bodies=1, looks=1, answers=1, pushes=0, traces=0, subscriptions=0
    )
    assert await purged(register) == NOTHING
    row = await database.pool.fetchrow("SELECT length(body) AS bytes, headers, outcome FROM pushes")
    assert row is not None
    assert (row["bytes"], row["headers"], row["outcome"]) == (0, {}, "kept")
    assert (await register.pushes.journal("kdniao", waybill, b"a body", {}, NOW)).outcome == "kept"
    assert len(await register.pushes.of_number(waybill)) == 1


async def test_in_the_end_all_of_it_goes(register: Register) -> None:
    for _ in range(5):
        await remembered(register, fresh(), NUMBERS + timedelta(days=1))
    assert await purged(register, most=2) == PurgedProviderLog(0, 5, 5, 5, 5, 5)


async def test_what_an_open_order_uses_stays(register: Register) -> None:
    waybill = fresh()
    await opened(register, an_order("A1"))
    await register.claims.claim("A1", "m-1", "b-1", "CN", [("p1", "yto", waybill)], NOW)
    await remembered(register, waybill, NUMBERS + timedelta(days=1))
    gone = await purged(register)
    assert (gone.traces, gone.subscriptions) == (0, 0)
    assert len(await register.pushes.of_number(waybill)) == 1


async def test_nothing_of_the_last_week_goes_whatever_is_asked(register: Register) -> None:
    await remembered(register, fresh(), timedelta(days=6))
    assert await register.providers.purge(NOW, NOW + timedelta(days=1)) == NOTHING


def test_the_ages_stand_in_the_file_of_providers() -> None:
    text = 'default = ["sandbox"]\n[keep]\ndetails = "14d"\nnumbers = "60d"\n'
    assert parse_providers(text, {}).keep == Keep(details=timedelta(days=14), numbers=timedelta(days=60))
    for wrong in ('details = "6d"', 'details = "60d"\nnumbers = "30d"', 'detials = "30d"'):
        with pytest.raises(Misconfigured, match="keep"):
            parse_providers(f'default = ["sandbox"]\n[keep]\n{wrong}\n', {})
