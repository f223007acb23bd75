"""Pushes: verified, journaled, given to their orders once, kept where no order has the number yet."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from databases import Database
from ledger_samples import an_order, fund
from order_driver import waiting
from push_desk import Orders, a_desk, shipped
from vendor_adapters import SERVED, VENDORS, fresh, plain, scan, way

from activities.carriers.base import MOST_SCANS
from core.errors import Refused, Unavailable
from inbound.pushes import LARGEST_PUSH, PushDesk
from ledger.book import Book
from ledger.register import Register
from local.dialects import AnyVendor, push_of


@pytest.fixture
def orders() -> Orders:
    return Orders()


@pytest.fixture
def desk(register: Register, orders: Orders) -> PushDesk:
    return a_desk(register, orders)


async def outcomes(database: Database) -> list[tuple[str | None, int]]:
    rows = await database.pool.fetch("SELECT outcome, repeats FROM pushes ORDER BY id")
    return [(row["outcome"], row["repeats"]) for row in rows]


def carrier_for(vendor: AnyVendor) -> str:
    return SERVED[vendor]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_push_reaches_the_order_that_uses_the_number(
    vendor: AnyVendor, desk: PushDesk, orders: Orders, register: Register, database: Database
) -> None:
    waybill, carrier = fresh(), carrier_for(vendor)
    await shipped(register, waybill, carrier)
    body, headers = push_of(vendor, carrier, waybill, plain(way()))
    answer = await desk.receive(vendor, body, headers)
    assert (answer.status, answer.outcome, answer.subjects) == (200, "applied", ("A1",))
    ((order_id, command),) = orders.taken
    assert (order_id, command.carrier, command.waybill, command.provider) == ("A1", carrier, waybill, vendor)
    assert [one.stage for one in command.scans] == [one.stage for one in way()]
    assert "13812345678" not in command.model_dump_json()
    assert await outcomes(database) == [("applied", 0)]


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_wrong_signature_is_refused_and_journaled(
    vendor: AnyVendor, desk: PushDesk, orders: Orders, register: Register, database: Database
) -> None:
    waybill, carrier = fresh(), carrier_for(vendor)
    await shipped(register, waybill, carrier)
    body, headers = push_of(vendor, carrier, waybill, plain(way()))
    for forged in (
        body.replace(b"%", b"%25", 1) if vendor in ("kuaidi100", "kdniao") else body + b" ",
        b"",
        b"\xff\xfe",
        b"{}",
    ):
        answer = await desk.receive(vendor, forged, headers)
        assert (answer.status, answer.outcome) == (401, "wrong_signature")
    assert orders.taken == []
    assert await register.pushes.traces(carrier, waybill) == []
    assert {outcome for outcome, _ in await outcomes(database)} == {"wrong_signature"}
    # What was forged does not stand in the way of the true one.
    assert (await desk.receive(vendor, body, headers)).outcome == "applied"


async def test_a_thousand_replays_are_one_push(
    desk: PushDesk, orders: Orders, register: Register, database: Database
) -> None:
    waybill = fresh()
    await shipped(register, waybill)
    body, headers = push_of("kuaidi100", "yto", waybill, plain(way()))
    for _ in range(100):
        answers = await asyncio.gather(*(desk.receive("kuaidi100", body, headers) for _ in range(10)))
        assert {answer.outcome for answer in answers} == {"applied"}
        assert {answer.body for answer in answers} == {'{"result":true,"returnCode":"200","message":"成功"}'.encode()}
    assert len(orders.taken) == 1
    assert await outcomes(database) == [("applied", 999)]


def respelled(vendor: AnyVendor, body: bytes, headers: dict[str, str]) -> tuple[bytes, dict[str, str]]:
    """The same signed content in other bytes: what everyone can make who saw a push once."""
    if vendor in ("easypost", "17track"):
        return body, {name: f" {value.upper()}" for name, value in headers.items()}
    if vendor == "aftership":
        return body, {name: f" {value} " for name, value in headers.items()}
    escaped = b"".join(b"%%%02X" % byte if byte in b"abc" else bytes([byte]) for byte in body.partition(b"=")[2])
    return body.partition(b"=")[0] + b"=" + escaped + b"&more=1", headers


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_respelled_replay_is_the_same_push_and_overwrites_nothing(
    vendor: AnyVendor, desk: PushDesk, orders: Orders, register: Register
) -> None:
    waybill, carrier = fresh(), carrier_for(vendor)
    await shipped(register, waybill, carrier)
    status = {"status": "updateall"} if vendor == "kuaidi100" else {}
    old = push_of(vendor, carrier, waybill, plain(way()[:2]), **status)
    await desk.receive(vendor, *old)
    await desk.receive(vendor, *push_of(vendor, carrier, waybill, plain(way())))
    before = await register.pushes.traces(carrier, waybill)
    again = await desk.receive(vendor, *respelled(vendor, old[0], dict(old[1])))
    assert (again.status, again.outcome, again.repeated) == (200, "applied", True)
    assert await register.pushes.traces(carrier, waybill) == before
    assert len(orders.taken) == 2


async def test_an_order_that_waits_for_its_parcel_is_told_what_moves_it_on(
    desk: PushDesk, orders: Orders, register: Register, book: Book
) -> None:
    """The first physical scan and the delivery; of the others the audit learns from the stored trace."""
    waybill = fresh()
    await shipped(register, waybill)
    await fund(book, an_order())
    await register.orders.record(waiting("A1", carrier="yto", waybill=waybill))
    answers = []
    for length in range(1, len(way()) + 1):
        body, headers = push_of("kuaidi100", "yto", waybill, plain(way()[:length]))
        answers.append((await desk.receive("kuaidi100", body, headers)).outcome)
    assert answers == ["kept", "applied", "kept", "kept", "kept", "applied"]
    assert [[one.stage for one in command.scans] for _, command in orders.taken] == [["picked_up"], ["delivered"]]
    (kept,) = await register.pushes.traces("yto", waybill)
    assert len(kept.scans) == 6


async def test_an_order_whose_parcel_is_over_is_told_every_scan(
    desk: PushDesk, orders: Orders, register: Register, book: Book
) -> None:
    """Each may be late news: then goods and money are with one party."""
    waybill = fresh()
    await shipped(register, waybill)
    await fund(book, an_order())
    await register.orders.record(waiting("A1", carrier="yto", waybill=waybill, ended=True))
    for length in (2, 3):
        await desk.receive("kuaidi100", *push_of("kuaidi100", "yto", waybill, plain(way()[:length])))
    assert [command.scans[-1].stage for _, command in orders.taken] == ["picked_up", "in_transit"]


async def test_half_a_character_in_a_header_is_no_defect(desk: PushDesk) -> None:
    for vendor in VENDORS:
        answer = await desk.receive(vendor, b"{}", {"X-Hmac-Signature": "\udcff", "User-Agent": "a\ud800b"})
        assert answer.outcome == "wrong_signature"


async def test_a_longer_history_tells_only_what_is_new(desk: PushDesk, orders: Orders, register: Register) -> None:
    waybill = fresh()
    await shipped(register, waybill)
    for length in (2, 4, 3, 6):
        body, headers = push_of("kdniao", "yto", waybill, plain(way()[:length]))
        await desk.receive("kdniao", body, headers)
    assert [len(command.scans) for _, command in orders.taken] == [2, 2, 2]
    (kept,) = await register.pushes.traces("yto", waybill)
    assert len(kept.scans) == 6


async def test_an_update_of_everything_replaces_what_was_told(desk: PushDesk, register: Register) -> None:
    waybill = fresh()
    for scans, status in ((way(), "polling"), (way()[:2], "updateall")):
        body, headers = push_of("kuaidi100", "yto", waybill, plain(scans), status=status)
        await desk.receive("kuaidi100", body, headers)
    (kept,) = await register.pushes.traces("yto", waybill)
    assert len(kept.scans) == 2


async def test_an_order_is_told_again_where_the_first_time_broke_off(
    desk: PushDesk, orders: Orders, register: Register, database: Database
) -> None:
    waybill = fresh()
    await shipped(register, waybill)
    body, headers = push_of("kuaidi100", "yto", waybill, plain(way()))
    orders.down = True
    with pytest.raises(Unavailable):
        await desk.receive("kuaidi100", body, headers)
    assert await outcomes(database) == [(None, 0)]
    orders.down = False
    assert (await desk.receive("kuaidi100", body, headers)).outcome == "applied"
    assert [len(command.scans) for _, command in orders.taken] == [len(way())]


async def test_an_order_that_is_over_is_not_told(desk: PushDesk, orders: Orders, register: Register) -> None:
    waybill = fresh()
    await shipped(register, waybill)
    orders.over = True
    body, headers = push_of("kuaidi100", "yto", waybill, plain(way()))
    assert (await desk.receive("kuaidi100", body, headers)).outcome == "kept"


async def test_every_order_of_a_merged_parcel_is_told(desk: PushDesk, orders: Orders, register: Register) -> None:
    waybill = fresh()
    await shipped(register, waybill)
    await shipped(register, waybill, order_id="A2")
    body, headers = push_of("kuaidi100", "yto", waybill, plain(way()))
    assert (await desk.receive("kuaidi100", body, headers)).subjects == ("A1", "A2")


async def test_a_parcel_of_another_carrier_reaches_the_order_under_the_carrier_it_named(
    desk: PushDesk, orders: Orders, register: Register
) -> None:
    waybill = fresh()
    await shipped(register, waybill, "yto")
    body, headers = push_of("kuaidi100", "zto", waybill, plain(way()), comOld="yuantong", comNew="zhongtong")
    assert (await desk.receive("kuaidi100", body, headers)).subjects == ("A1",)
    assert [command.carrier for _, command in orders.taken] == ["yto"]
    (kept,) = await register.pushes.traces("yto", waybill)
    assert kept.carrier == "zto"


@pytest.mark.parametrize(
    ("named", "found_with", "number", "told_of"),
    [
        ("zto", "yto", "YT", True),  # only YTO prints such numbers
        ("ups", "yto", "YT", True),
        ("other", "zto", "7", True),
        ("jd", "zto", "7", False),  # both print such digits: two parcels, for all one knows
        ("zto", "ups", "YT", False),  # UPS never printed it
    ],
)
async def test_a_push_under_another_code_reaches_whoever_can_only_mean_that_parcel(
    desk: PushDesk,
    orders: Orders,
    register: Register,
    named: str,
    found_with: str,
    number: str,
    told_of: bool,
) -> None:
    waybill = fresh(number)
    await shipped(register, waybill, named)
    vendor: AnyVendor = "easypost" if found_with == "ups" else "kuaidi100"
    answer = await desk.receive(vendor, *push_of(vendor, found_with, waybill, plain(way())))
    assert (answer.outcome, answer.subjects) == (("applied", ("A1",)) if told_of else ("kept", ()))
    assert [command.carrier for _, command in orders.taken] == [named] * told_of


async def test_more_scans_than_a_command_takes_come_in_several(
    desk: PushDesk, orders: Orders, register: Register
) -> None:
    waybill = fresh()
    await shipped(register, waybill)
    many = [scan(minute / 60, "in_transit") for minute in range(1200)]
    body, headers = push_of("kuaidi100", "yto", waybill, plain(many))
    assert (await desk.receive("kuaidi100", body, headers)).outcome == "applied"
    assert [len(command.scans) for _, command in orders.taken] == [500, 500, 200]
    assert len({command.command_id for _, command in orders.taken}) == 3


@pytest.mark.parametrize("vendor", VENDORS)
async def test_of_thousands_of_events_the_earliest_and_the_latest_are_kept(
    vendor: AnyVendor, desk: PushDesk, orders: Orders, register: Register
) -> None:
    waybill, carrier = fresh(), carrier_for(vendor)
    await shipped(register, waybill, carrier)
    way = [scan(minute / 60, "in_transit") for minute in range(1, MOST_SCANS + 500)]
    many = [scan(0, "picked_up"), *way, scan(100, "delivered")]
    body, headers = push_of(vendor, carrier, waybill, plain(many))
    assert (await desk.receive(vendor, body, headers)).outcome == "applied"
    (kept,) = await register.pushes.traces(carrier, waybill)
    assert len(kept.scans) == MOST_SCANS
    assert (kept.scans[0].stage, kept.scans[-1].stage) == ("picked_up", "delivered")
    assert (kept.detail or "").startswith("501 of its events, in the middle, are left out")
    assert sum(len(command.scans) for _, command in orders.taken) == MOST_SCANS


async def test_what_is_too_large_is_refused_and_hardly_kept(desk: PushDesk, database: Database) -> None:
    answer = await desk.receive("kuaidi100", b"x" * (LARGEST_PUSH + 1), {})
    assert (answer.status, answer.outcome) == (413, "too_large")
    assert await database.pool.fetchval("SELECT max(length(body)) FROM pushes") == 4096


async def test_verified_nonsense_is_unreadable_and_journaled(desk: PushDesk, database: Database) -> None:
    body, headers = push_of("kuaidi100", "yto", "!!", plain(way()))
    answer = await desk.receive("kuaidi100", body, headers)
    assert (answer.status, answer.outcome) == (200, "unreadable")
    assert json.loads(answer.body)["result"] is True, "the vendor would send the same bytes again"
    assert await outcomes(database) == [("unreadable", 0)]


async def test_a_carrier_that_is_none_of_ours_is_journaled_and_received(desk: PushDesk, database: Database) -> None:
    answer = await desk.receive("easypost", *push_of("easypost", "PigeonPost", "1Z0000000000000001", plain(way())))
    assert (answer.status, answer.outcome) == (200, "unreadable")
    assert "PigeonPost" in answer.detail
    assert await outcomes(database) == [("unreadable", 0)]


async def test_one_bad_entry_spoils_no_other_of_a_push(
    desk: PushDesk, orders: Orders, register: Register, database: Database
) -> None:
    waybill = fresh()
    await shipped(register, waybill)
    good = {
        "ShipperCode": "YTO",
        "LogisticCode": waybill,
        "Success": True,
        "State": "2",
        "Traces": [{"AcceptTime": "2026/11/28 5:09", "AcceptStation": "已收件"}, {"AcceptTime": ""}],
    }
    answer = await desk.receive("kdniao", *kdniao_push([{**good, "LogisticCode": "YT1（测试）"}, good]))
    assert (answer.status, answer.outcome, answer.subjects) == (200, "applied", ("A1",))
    assert json.loads(answer.body)["Success"] is True
    assert "2 not read: entry 1: no waybill number" in answer.detail
    ((_, command),) = orders.taken
    assert [one.at for one in command.scans] == [datetime(2026, 11, 27, 21, 9, tzinfo=UTC)]
    assert "not read" in str(await database.pool.fetchval("SELECT detail FROM pushes"))


def kdniao_push(parcels: list[dict[str, Any]]) -> tuple[bytes, dict[str, str]]:
    body, headers = push_of("kdniao", "yto", "YT0", [], Data=parcels)
    return body, headers


async def test_a_vendor_without_an_account_is_refused(desk: PushDesk) -> None:
    with pytest.raises(Refused, match="easypost, kdniao, kuaidi100"):
        await desk.receive("pigeon", b"", {})


async def test_the_journal_has_the_very_bytes(desk: PushDesk, database: Database) -> None:
    body, headers = push_of("easypost", "ups", "1Z0000000000000001", plain(way()))
    await desk.receive("easypost", body, {**headers, "Cookie": "secret"})
    row = await database.pool.fetchrow("SELECT body, headers::text AS headers FROM pushes")
    assert row is not None
    assert row["body"] == body
    assert "secret" not in str(row["headers"])
