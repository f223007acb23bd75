"""What the audit makes of pushed scans: kept before the shipment, under another code, beside a poll."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from ledger_samples import an_order
from push_desk import Orders, a_desk, shipped
from temporalio.testing import ActivityEnvironment
from vendor_adapters import START, fresh, plain, query, way

from activities.carriers.base import Carrier, found, nothing_found, silent
from activities.carriers.chosen import ChosenCarriers
from activities.logistics import LogisticsActivities
from activities.policies import ParsedPolicies
from activities.requests import AuditRequest
from core.audit.facts import OrderFacts
from core.audit.trace import Trace
from core.policy import policy_hash
from inbound.pushes import PushDesk
from ledger.register import Register
from local.dialects import AnyVendor, push_of


@pytest.fixture
def desk(register: Register) -> PushDesk:
    return a_desk(register, Orders())


class Fixed:
    """A provider with one trace."""

    def __init__(self, trace: Trace) -> None:
        self.answer = trace

    def serves(self, carrier: str) -> bool:
        return True

    async def trace(self, query: Any) -> Trace:
        return self.answer


POLICY = 'name = "default"'


def request(waybill: str, **fields: Any) -> AuditRequest:
    order = an_order("A1")
    facts = OrderFacts(
        order_id="A1", merchant_id="m-1", paid_at=START, ship_from=order.ship_from, ship_to=order.ship_to
    )
    given: dict[str, Any] = {
        "facts": facts,
        "parcel_id": "p1",
        "carrier": "yto",
        "waybill": waybill,
        "uploaded_at": START,
        "policy_hash": policy_hash(POLICY),
        "collecting": True,
        "moved": False,
        "delivered": False,
    }
    return AuditRequest(**{**given, **fields})


async def looked(register: Register, carrier: Carrier, asked: AuditRequest) -> Any:
    await register.policies.keep("default", policy_hash(POLICY), POLICY)
    carriers = ChosenCarriers({"one": carrier}, ("one",))
    activities = LogisticsActivities(register, ParsedPolicies(register.policies), carriers)
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, started_time=START + timedelta(days=2))
    return await environment.run(activities.look, asked)


async def test_scans_of_an_unknown_number_are_found_when_it_is_shipped(register: Register) -> None:
    waybill, orders = fresh(), Orders()
    desk = a_desk(register, orders)
    body, headers = push_of("kuaidi100", "yto", waybill, plain(way()))
    assert (await desk.receive("kuaidi100", body, headers)).outcome == "kept"
    assert orders.taken == []
    nothing = Fixed(nothing_found(query("kuaidi100", waybill), "one", "no_trace"))
    verdict = await looked(register, nothing, request(waybill))
    assert verdict.delivered_at == START + timedelta(hours=30)


@pytest.mark.parametrize(
    ("named", "found_with", "number", "answer", "found_it"),
    [
        ("zto", "yto", "YT", "unavailable", True),
        ("other", "yto", "YT", "unknown_carrier", True),
        ("jd", "zto", "7", "no_trace", True),  # the named carrier has none: it may be a wrong drop-down
        ("jd", "zto", "7", "unavailable", False),
        ("zto", "ups", "YT", "no_trace", False),
    ],
)
async def test_a_push_kept_under_another_code_is_found_by_the_number(
    desk: PushDesk, register: Register, named: str, found_with: str, number: str, answer: Any, found_it: bool
) -> None:
    waybill = fresh(number)
    vendor: AnyVendor = "easypost" if found_with == "ups" else "kdniao"
    await desk.receive(vendor, *push_of(vendor, found_with, waybill, plain(way())))
    asked = query("kdniao", waybill, named)
    says = silent(asked, "one", answer, "") if answer == "unavailable" else nothing_found(asked, "one", answer)
    verdict = await looked(register, Fixed(says), request(waybill, carrier=named, carrier_name="阿强快运"))
    assert (verdict.delivered_at is not None) is found_it
    assert verdict.carrier == (found_with if found_it else named)


async def test_another_carrier_that_a_push_found_is_judged_with(desk: PushDesk, register: Register) -> None:
    waybill = fresh()
    await shipped(register, waybill, "yto")
    body, headers = push_of("kuaidi100", "zto", waybill, plain(way()), comOld="yuantong", comNew="zhongtong")
    await desk.receive("kuaidi100", body, headers)
    (kept,) = await register.pushes.traces("yto", waybill)
    nothing = Fixed(nothing_found(query("kuaidi100", waybill), "one", "no_trace"))
    verdict = await looked(register, nothing, request(waybill, pushed=kept.scans))
    agrees = next(finding for finding in verdict.findings if finding.rule == "carrier_agrees")
    assert agrees.evidence == {"claimed": "yto", "found": "zto"}


async def test_an_outage_shows_in_the_other_numbers_of_the_carrier(register: Register) -> None:
    old = START - timedelta(days=4)
    for number in range(25):
        waybill = f"YT{number:013}"
        await looked(
            register,
            Fixed(nothing_found(query("kdniao", waybill), "one", "no_trace")),
            request(waybill, uploaded_at=old),
        )
    waybill = fresh()
    silent_carrier = Fixed(nothing_found(query("kdniao", waybill), "one", "no_trace"))
    verdict = await looked(register, silent_carrier, request(waybill, uploaded_at=old))
    exists = next(finding for finding in verdict.findings if finding.rule == "trace_exists")
    assert exists.outcome == "unknown"
    assert exists.evidence["outage_share"] == 1.0
    for number in range(25):
        moving = f"YT{number:013}"
        await looked(register, Fixed(found(query("kdniao", moving), "one", way())), request(moving))
    verdict = await looked(register, silent_carrier, request(waybill, uploaded_at=old))
    exists = next(finding for finding in verdict.findings if finding.rule == "trace_exists")
    assert exists.outcome == "fail"
