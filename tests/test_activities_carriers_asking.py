"""What a provider is asked about a number: each service that prints it, and the digits of both phones."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from vendor_adapters import account, adapter, fresh, plain, way

from activities.carriers.asking import answered, questions_of
from activities.carriers.base import Carrier, TraceQuery, found, nothing_found, refused_contact
from activities.carriers.paced import PacedCarrier
from activities.carriers.sandbox import SandboxCarrier
from activities.http import HttpClient
from core.audit.facts import remember
from core.audit.trace import Trace, TraceAnswer
from core.audit.waybills import carrier as carrier_named
from ledger.register import Register
from local.client import WorldClient
from local.dialects import Vendor
from local.standins import StandIns
from wiring.carriers import carrier_of

PAKET, EXPRESS = "00340434000000000017", "3318810014"
PHONES = {"phone_last4": "1234", "sender_last4": "5678"}


def unpaced(register: Register, carrier: Carrier) -> PacedCarrier:
    return PacedCarrier(carrier, "vendor", register, timedelta())


def offline(vendor: Vendor) -> Carrier:
    """An adapter that nothing is asked of."""
    return carrier_of(account(vendor), HttpClient("http://127.0.0.1:9", name=vendor))


# --- the sender's digits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", ["kuaidi100", "kdniao"])
@pytest.mark.parametrize("carrier_id", ["sf", "zto", "kye"])
async def test_a_parcel_known_under_the_senders_digits_is_found(
    vendor: Vendor, carrier_id: str, standins: StandIns, world: WorldClient, register: Register
) -> None:
    number = fresh({"sf": "SF", "zto": "7", "kye": "KY"}[carrier_id])
    await world.add_scans(carrier_id, number, plain(way()), "5678")
    async with adapter(vendor, standins) as carrier:
        trace = await unpaced(register, carrier).trace(TraceQuery(carrier=carrier_id, waybill=number, **PHONES))
    assert (trace.answer, len(trace.scans), trace.contact) == ("found", len(way()), "sender")


async def test_the_stand_in_is_asked_with_the_senders_digits_too(
    standins: StandIns, world: WorldClient, register: Register
) -> None:
    number = fresh("SF")
    await world.add_scans("sf", number, plain(way()), "5678")
    async with HttpClient(standins.carrier_url, name="sandbox") as http:
        carrier = unpaced(register, SandboxCarrier(http))
        trace = await carrier.trace(TraceQuery(carrier="sf", waybill=number, **PHONES))
        unknown = await carrier.trace(TraceQuery(carrier="sf", waybill=number, phone_last4="1234"))
        nobody = await carrier.trace(TraceQuery(carrier="sf", waybill=fresh("SF"), phone_last4="1234"))
    assert (trace.answer, trace.contact) == ("found", None)
    assert (unknown.answer, unknown.lacking) == ("no_trace", "phone")
    assert (nobody.answer, nobody.lacking) == ("no_trace", None)


@pytest.mark.parametrize(("vendor", "answer"), [("kuaidi100", "found"), ("kdniao", "no_trace")])
async def test_digits_that_are_not_the_labels_are_no_word_about_the_parcel(
    vendor: Vendor, answer: str, standins: StandIns, world: WorldClient, register: Register
) -> None:
    number = fresh("SF")
    await world.add_scans("sf", number, plain(way()), "9999")
    async with adapter(vendor, standins) as carrier:
        trace = await unpaced(register, carrier).trace(TraceQuery(carrier="sf", waybill=number, **PHONES))
    assert (trace.answer, trace.scans, trace.lacking) == (answer, (), "phone")


async def test_only_kuaidi100_tells_wrong_digits_from_an_unknown_number(standins: StandIns, register: Register) -> None:
    query = TraceQuery(carrier="sf", waybill=fresh("SF"), **PHONES)
    async with adapter("kuaidi100", standins) as tells, adapter("kdniao", standins) as does_not:
        assert (await unpaced(register, tells).trace(query)).lacking is None
        assert (await unpaced(register, does_not).trace(query)).lacking == "phone"


@pytest.mark.parametrize("vendor", ["easypost", "17track", "aftership"])
async def test_a_vendor_that_takes_no_digits_cannot_be_certain_of_who_wants_them(vendor: Any) -> None:
    query = TraceQuery(carrier="sf", waybill="SF1234567890123", **PHONES)
    questions = questions_of(offline(vendor), query)
    assert (len(questions.asked), questions.certain) == (1, False)
    (question,) = questions.asked
    assert answered(nothing_found(query, "vendor", "no_trace"), question, questions).lacking == "phone"


def test_who_wants_no_digits_is_asked_once() -> None:
    assert len(questions_of(offline("kuaidi100"), TraceQuery(carrier="yto", waybill="YT1", **PHONES)).asked) == 1
    same = {"phone_last4": "1234", "sender_last4": "1234"}
    assert len(questions_of(offline("kuaidi100"), TraceQuery(carrier="sf", waybill="SF1", **same)).asked) == 1
    sender = TraceQuery(carrier="sf", waybill="SF1", sender_last4="5678")
    assert [one.query.phone_last4 for one in questions_of(offline("kdniao"), sender).asked] == ["5678"]


def test_no_questions_name_has_digits_in_it() -> None:
    asked = questions_of(offline("kuaidi100"), TraceQuery(carrier="sf", waybill="SF1", **PHONES)).asked
    assert not any("1234" in one.name or "5678" in one.name for one in asked)


# --- sister services -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier_id", "number", "codes", "certain"),
    [
        ("dhl", PAKET, ["dhlde"], True),
        ("dhl", EXPRESS, ["dhlen"], True),
        ("ups", "1Z5R89390357567127", ["ups"], True),
        ("ups", "801234567890123456", ["upsmailinno"], True),
        ("fedex", "986578788855", ["fedex", "fedexus"], True),
        ("dpd", "09980000020033", ["dpd", "dpdgermany", "dpduk", "dpdpoland", "dpd_ireland"], False),
        ("gls", "12345678901", ["gls", "glsitaly"], False),
        ("yto", "YT1234567890123", ["yuantong"], True),
        ("yunda", "462012345678", ["yunda", "yundakuaiyun"], True),
        ("jd", "JDK000123456789", ["jd", "jingdongkuaiyun"], True),
        ("ems", "1234567890123", ["ems", "youzhengguonei"], True),
        ("china_post", "9876543210123", ["youzhengguonei", "ems"], True),
        ("best", "B71234567890123", ["huitongkuaidi", "baishiwuliu"], True),
        ("zto", "76123456789012", ["zhongtong"], True),
    ],
)
def test_the_services_that_print_a_number_are_asked(
    carrier_id: str, number: str, codes: list[str], certain: bool
) -> None:
    questions = questions_of(offline("kuaidi100"), TraceQuery(carrier=carrier_id, waybill=number))
    assert ([one.query.code for one in questions.asked], questions.certain) == (codes, certain)


@pytest.mark.parametrize("vendor", ["kuaidi100", "kdniao"])
def test_freight_under_an_express_name_is_asked_for_as_freight(vendor: Vendor) -> None:
    query = TraceQuery(carrier="zto", waybill="202012345678", **PHONES)
    codes = [one.query.code for one in questions_of(offline(vendor), query).asked]
    freight = carrier_named("zto_freight")
    assert freight is not None
    assert getattr(freight, vendor) in codes


def test_a_number_of_no_known_form_is_asked_of_every_service() -> None:
    questions = questions_of(offline("kuaidi100"), TraceQuery(carrier="ups", waybill="X1234567"))
    assert [one.query.code for one in questions.asked] == ["ups", "upsmailinno", "upsfreight", "iparcel"]
    assert not questions.certain


def test_a_vendor_without_the_service_cannot_be_certain() -> None:
    questions = questions_of(offline("kdniao"), TraceQuery(carrier="dhl", waybill=PAKET))
    assert ([one.query.code for one in questions.asked], questions.certain) == (["DHL"], False)


async def test_a_paket_number_is_found_with_paket_and_unknown_to_express(
    standins: StandIns, world: WorldClient, register: Register
) -> None:
    await world.add_scans("dhl", PAKET, plain(way()))
    async with adapter("kuaidi100", standins) as carrier:
        query = TraceQuery(carrier="dhl", waybill=PAKET)
        assert (await carrier.trace(query.model_copy(update={"code": "dhlen"}))).answer == "no_trace"
        trace = await unpaced(register, carrier).trace(query)
    assert (trace.carrier, len(trace.scans)) == ("dhl", len(way()))


@pytest.mark.parametrize("vendor", ["kuaidi100", "kdniao", "easypost"])
async def test_a_no_of_some_services_is_no_word_about_the_parcel(
    vendor: Vendor, standins: StandIns, register: Register
) -> None:
    async with adapter(vendor, standins) as carrier:
        trace = await unpaced(register, carrier).trace(TraceQuery(carrier="dpd", waybill="09980000020033"))
    assert (trace.answer, trace.lacking) == ("no_trace", "service")


# --- one question after the other ------------------------------------------------------------------------


class Phone:
    """A provider that knows a parcel under one phone's digits, and whether it said so."""

    def __init__(self, digits: str, wrong: TraceAnswer = "found") -> None:
        self.digits, self.wrong, self.asked = digits, wrong, list[str | None]()

    def serves(self, carrier: str) -> bool:
        return True

    def questions(self, query: TraceQuery) -> object:
        return questions_of(offline("kuaidi100"), query)

    async def trace(self, query: TraceQuery) -> Trace:
        self.asked.append(query.phone_last4)
        if query.phone_last4 == self.digits:
            return found(query, "vendor", way(), contact="matched")
        if self.wrong == "found":
            return refused_contact(query, "vendor", "wrong digits")
        return nothing_found(query, "vendor", self.wrong)


SHORT = timedelta(milliseconds=20)


async def looks(register: Register, carrier: Phone, number: str, times: int) -> list[Trace]:
    paced, traces = PacedCarrier(carrier, "vendor", register, SHORT), []
    for _ in range(times):
        traces.append(await paced.trace(TraceQuery(carrier="sf", waybill=number, **PHONES)))
        await asyncio.sleep(0.03)
    return traces


async def test_behind_an_interval_one_question_follows_the_other_and_the_right_one_stays(register: Register) -> None:
    carrier = Phone("5678")
    traces = await looks(register, carrier, fresh("SF"), 4)
    assert carrier.asked == ["1234", "5678", "5678", "5678"]
    assert [trace.contact for trace in traces] == ["refused", "sender", "sender", "sender"]


async def test_a_vendor_is_never_asked_twice_within_its_interval(register: Register) -> None:
    carrier, number = Phone("5678"), fresh("SF")
    paced = PacedCarrier(carrier, "vendor", register, timedelta(minutes=30))
    query = TraceQuery(carrier="sf", waybill=number, **PHONES)
    first, second = await paced.trace(query), await paced.trace(query)
    assert (carrier.asked, first) == (["1234"], second)


async def test_a_no_counts_when_each_question_got_one(register: Register) -> None:
    traces = await looks(register, Phone("none", "no_trace"), fresh("SF"), 4)
    assert {trace.questions for trace in traces} == {2}
    assert [trace.question for trace in traces] == ["shunfeng/buyer", "shunfeng/sender"] * 2
    assert [entry.looks for entry in remember((), traces)] == [2, 2]
