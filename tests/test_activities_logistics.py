"""Looks at parcels: what the order knows goes into them, and what makes a poll report."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from ledger_samples import an_order as ledger_order
from ledger_samples import fund, opened
from order_driver import waiting
from order_samples import an_order
from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker
from vendor_adapters import START, fresh, scan, way

from activities.carriers.base import TraceQuery, found, nothing_found, silent
from activities.carriers.chosen import ChosenCarriers
from activities.logistics import LogisticsActivities
from activities.policies import ParsedPolicies
from activities.requests import AuditRequest
from core.audit.facts import NoTrace, OrderFacts
from core.audit.trace import Trace
from core.audit.verdict import Verdict
from core.messages import Scan
from core.policy import policy_hash
from demo.stage import Stage
from ledger.book import Book
from ledger.register import Register

POLICY = 'name = "default"'


class Provider:
    """A provider that has no trace, or a whole one, and notes how it was asked."""

    def __init__(self, *, delivers: bool = False) -> None:
        self.delivers, self.asked = delivers, list[TraceQuery]()

    def serves(self, carrier: str) -> bool:
        return True

    async def trace(self, query: TraceQuery) -> Trace:
        self.asked.append(query)
        return found(query, "one", way()) if self.delivers else nothing_found(query, "one", "no_trace")


def request(**fields: Any) -> AuditRequest:
    order = an_order()
    facts = OrderFacts(
        order_id="A1", merchant_id="m-1", paid_at=START, ship_from=order.ship_from, ship_to=order.ship_to
    )
    given: dict[str, Any] = {
        "facts": facts,
        "parcel_id": "p1",
        "carrier": "yto",
        "waybill": fresh(),
        "uploaded_at": START,
        "policy_hash": policy_hash(POLICY),
        "collecting": False,
        "moved": True,
        "delivered": True,
    }
    return AuditRequest(**{**given, **fields})


async def run(register: Register, provider: Provider, verb: str, asked: AuditRequest, *, attempt: int = 1) -> Verdict:
    await register.policies.keep("default", policy_hash(POLICY), POLICY)
    activities = LogisticsActivities(
        register, ParsedPolicies(register.policies), ChosenCarriers({"one": provider}, ("one",))
    )
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, started_time=START + timedelta(days=5), attempt=attempt)
    verdict = await environment.run(getattr(activities, verb), asked)
    assert isinstance(verdict, Verdict)
    return verdict


async def test_a_look_counts_with_those_that_the_order_remembers(register: Register) -> None:
    earlier = NoTrace(provider="one", first_at=START, last_at=START + timedelta(hours=72), looks=9)
    once = await run(register, Provider(), "look", request())
    assert (once.carrier_says, [entry.looks for entry in once.no_trace]) == ("absent_once", [1])
    again = await run(register, Provider(), "look", request(no_trace=(earlier,)))
    assert (again.carrier_says, [entry.looks for entry in again.no_trace]) == ("absent", [10])


async def test_pushed_scans_are_judged_without_a_question(register: Register) -> None:
    """By the stored push, which also has scans that were not sent to the order, and by the carrier's last answer."""
    provider, now = Provider(), START + timedelta(days=5)
    asked = request(collecting=True, moved=False, delivered=False, now=now)
    before = await run(register, provider, "judge", asked)
    assert (before.outcome, before.first_physical_at, before.carrier_answered) == ("pending", None, False)
    trace = found(TraceQuery(carrier="yto", waybill=asked.waybill), "push", way())
    await register.pushes.keep("yto", trace, replaces=False, now=now)
    verdict = await run(register, provider, "judge", asked)
    assert (verdict.outcome, verdict.delivered_at, verdict.judged_at) == ("approved", way()[-1].at, now)
    assert provider.asked == []


async def test_later_looks_know_what_the_order_has_learned(register: Register, book: Book) -> None:
    """The activity was scheduled days ago: scans were reported since, and the order knows that the parcel moves."""
    await opened(register, ledger_order("A1"))
    await fund(book, ledger_order("A1"))
    asked, pushed = request(moved=False, collecting=True, delivered=False), (scan(2, "picked_up", "杭州市"),)
    reported = asked.model_copy(update={"pushed": pushed})
    assert (await run(register, Provider(), "audit", reported)).first_physical_at == pushed[0].at, "news to the order"
    known = {"pushed": pushed, "pushed_physical_at": pushed[0].at}
    await register.orders.record(waiting("A1", carrier=asked.carrier, waybill=asked.waybill, **known))
    assert (await run(register, Provider(), "audit", asked)).outcome == "needs_review", "it sees no scan"
    with pytest.raises(ApplicationError, match="nothing new"):
        await run(register, Provider(), "audit", asked, attempt=2)


async def test_silence_about_a_number_that_was_just_reported_costs_no_heartbeat(register: Register) -> None:
    sent: list[Any] = []
    await register.policies.keep("default", policy_hash(POLICY), POLICY)
    activities = LogisticsActivities(
        register, ParsedPolicies(register.policies), ChosenCarriers({"one": Provider()}, ("one",))
    )
    for hours in (0, 11, 12):
        environment = ActivityEnvironment()
        environment.on_heartbeat = lambda *details: sent.append(details)
        environment.info = dataclasses.replace(environment.info, started_time=START + timedelta(hours=hours))
        with pytest.raises(ApplicationError, match="nothing new"):
            await environment.run(activities.audit, request())
        assert len(sent) == (hours == 12)


async def test_both_phones_go_to_the_provider(register: Register) -> None:
    provider = Provider()
    await run(register, provider, "look", request(phone_last4="1234", sender_last4="5678"))
    assert [(one.phone_last4, one.sender_last4) for one in provider.asked] == [("1234", "5678")]


async def test_scans_that_end_a_review_for_silence_are_news(register: Register) -> None:
    verdict = await run(register, Provider(delivers=True), "audit", request(silent_review=True))
    assert verdict.outcome == "approved"
    with pytest.raises(ApplicationError, match="nothing new"):
        await run(register, Provider(delivers=True), "audit", request())


async def test_only_a_look_that_counts_costs_a_heartbeat(register: Register) -> None:
    """Temporal Cloud bills each. Looks closer together than half a day count as one."""
    sent: list[Any] = []
    await register.policies.keep("default", policy_hash(POLICY), POLICY)
    activities = LogisticsActivities(
        register, ParsedPolicies(register.policies), ChosenCarriers({"one": Provider()}, ("one",))
    )
    asked = request()
    for hours in (0, 1, 3, 12, 13):
        environment = ActivityEnvironment()
        environment.on_heartbeat = lambda *details: sent.append(details)
        environment.info = dataclasses.replace(
            environment.info,
            started_time=START + timedelta(days=5, hours=hours),
            heartbeat_details=sent[-1] if sent else (),
        )
        with pytest.raises(ApplicationError, match="nothing new"):
            await environment.run(activities.audit, asked)
    assert [(entry["looks"]) for (entries,) in sent for entry in entries] == [1, 2]


async def test_a_review_for_silence_is_not_reported_again_and_again(register: Register) -> None:
    with pytest.raises(ApplicationError, match="nothing new"):
        await run(register, Provider(), "audit", request(silent_review=True))


class WayBack(Provider):
    """A parcel that is on its way back, as far as this provider has heard."""

    def __init__(self, *scans: Scan) -> None:
        super().__init__()
        self.scans = scans

    async def trace(self, query: TraceQuery) -> Trace:
        return found(query, "one", [*way(), *self.scans])


BACK = (scan(50, "picked_up", "北京市"), scan(70, "delivered", "杭州市"))


async def test_a_way_back_in_a_review_is_told_once(register: Register) -> None:
    """Told again and again, the order would ask the carrier without a pause, as long as the review lasts."""
    asked = request(silent_review=True, moved=False, delivered=False)
    verdict = await run(register, WayBack(*BACK), "audit", asked)
    assert (verdict.outcome, verdict.returned_at) == ("needs_review", BACK[0].at)
    knows = asked.model_copy(update={"moved": True, "known": verdict.milestones})
    with pytest.raises(ApplicationError, match="nothing new"):
        await run(register, WayBack(*BACK), "audit", knows)
    later = await run(register, WayBack(*BACK, scan(80, "in_transit", "杭州市")), "audit", knows)
    assert later.last_scan_at != verdict.last_scan_at


async def test_a_provider_that_has_not_heard_of_the_way_back_tells_of_no_delivery(register: Register) -> None:
    told = await run(register, WayBack(*BACK), "look", request())
    asked = request(delivered=False, known=told.milestones)
    with pytest.raises(ApplicationError, match="nothing new"):
        await run(register, WayBack(scan(31, "locker", "北京市")), "audit", asked)


class Away(Provider):
    """A provider that has a way back, and then does not answer."""

    def __init__(self, *scans: Scan) -> None:
        super().__init__()
        self.scans, self.away = scans, False

    async def trace(self, query: TraceQuery) -> Trace:
        return silent(query, "away", "unavailable", "timed out") if self.away else found(query, "away", self.scans)


async def test_the_scans_of_a_provider_that_does_not_answer_now_stay_known(register: Register) -> None:
    """Refused, it says; then only the other one answers, which has it delivered, somewhere, on a later day."""
    await register.policies.keep("default", policy_hash(POLICY), POLICY)
    away, other = Away(*way()[:-1], scan(40, "refused", "北京市")), WayBack()
    other.scans = (scan(60, "delivered"),)
    carriers = ChosenCarriers({"away": away, "one": other}, ("away", "one"))
    activities = LogisticsActivities(register, ParsedPolicies(register.policies), carriers)
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, started_time=START + timedelta(days=5))
    asked = request(silent_review=True, moved=False, delivered=False)
    first = await environment.run(activities.look, asked)
    away.away = True
    second = await environment.run(activities.look, asked.model_copy(update={"known": first.milestones}))
    assert (first.outcome, first.refused_at) == ("rejected", scan(40, "refused").at)
    assert (second.outcome, second.reasons) == ("needs_review", ("not_returned",))
    again = await environment.run(activities.look, asked.model_copy(update={"known": second.milestones}))
    assert again.outcome == "needs_review", "silence takes nothing out of what is kept"


@activity.defn
async def look_thrice() -> list[str]:
    """Heartbeats in the first attempt alone; returns what the third was given."""
    info = activity.info()
    if info.attempt == 1:
        activity.heartbeat("since yesterday")
    if info.attempt < 3:
        raise ApplicationError("nothing new", next_retry_delay=timedelta(milliseconds=1))
    return [str(detail) for detail in info.heartbeat_details]


@workflow.defn(name="Remembers", sandboxed=False)
class Remembers:
    """One activity that remembers."""

    @workflow.run
    async def run(self) -> list[str]:
        return await workflow.execute_activity(look_thrice, start_to_close_timeout=timedelta(seconds=10))


async def test_the_server_keeps_a_heartbeat_over_attempts_without_any(order_stage: Stage) -> None:
    queue, client = "remembers", order_stage.client
    async with Worker(client, task_queue=queue, workflows=[Remembers], activities=[look_thrice]):
        assert await client.execute_workflow(Remembers.run, id=queue, task_queue=queue) == ["since yesterday"]
