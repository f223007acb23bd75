"""The stand-ins' one process: a carrier, a payment channel and a bank over real HTTP, with their data on disk.

    python -m local.world --port 8400 --data FOLDER

Their own interfaces (`activities/*/sandbox.py` uses them):

    POST /carrier/track              {carrier, waybill, phone_last4?}
    GET  /channel/payments           ?reference&amount_minor&currency&channel
    POST /channel/refunds            {key, payment_reference, amount_minor, currency, reason}
    GET  /channel/refunds/{key}
    POST /channel/charges            {key, payment_reference, amount_minor, currency, reason}
    GET  /channel/charges/{key}
    GET  /channel/statement          ?day&until&after&channel
    POST /bank/payouts               {key, amount_minor, currency, account: {token, last4?, holder?}}
    GET  /bank/payouts/{key}
    GET  /bank/statement             ?day&until&after

    POST /kuaidi100/poll/query.do    the vendors' own dialects (`local.dialects`), over the same parcels
    POST /kuaidi100/poll             a subscription
    POST /kdniao/api/dist
    POST /easypost/v2/trackers
    POST /17track/track/v2.2/…       vendors that know only registered numbers (`local.registering`)
    GET POST /aftership/tracking/…

To control them (`local.client.WorldClient`):

    POST /carrier/scans              {carrier, waybill, scans: [{at, code, stage, city?, text?}], phone_last4?}
    POST /carrier/freeze             {carrier, waybill, frozen}
    POST /carrier/mark               {carrier, waybill, answer: no_trace|unknown_carrier|bad_number|null}
    GET  /kuaidi100/pushes/{number}  the push about a subscribed number, for `starter.py push`
    POST /carrier/interval           {seconds}  how long Kuaidi100 locks a queried number
    POST /channel/payments           {reference, state, amount_minor, currency, paid_at?}
    POST /channel/plans              {match, outcome: arrived|processing|refused|unknown, looks?, code?}
    POST /channel/settle             {fee_bps?}  what it holds goes to the bank
    POST /channel/refunds/finish     {key, state, code?}
    POST /channel/charges/plan       {match, outcome: arrived|processing|refused|unknown}
    POST /channel/chargebacks        {case_reference, payment_reference, outcome?, amount_minor, fee_minor?, currency?,
                                      at?}
    POST /bank/plans                 {match, outcome: paid|processing|failed|unknown|returned, looks?, code?,
                                      then?, return_after_s?, return_minor?}
    POST /bank/window                {seconds}  how long the bank remembers a key
    GET  /bank/callbacks             the bank's callbacks, until they are acknowledged
    POST /bank/callbacks             {seqs}     these were delivered
    POST /bank/payouts/finish        {key, state, code?}
    POST /bank/mistakes              {effect: payout|return, key, amount_minor, currency, token?}
    POST /bank/payouts/return        {key, amount_minor?}
    POST GET DELETE /faults          see `local.faults.Fault`
    GET  /journal?on=channel|bank    money that moved there, in order
    GET  /asked?on=&verb=&match=     the number of requests since this process started
    GET  /tally                      counts of requests and of faults that struck, since the folder was made

The beginning of some references and tokens decides their outcome: see `local.channel` and `local.bank`.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.bank import BankDesk, FinishPayout, Funding, KeyWindow, Mistake, NewPayout, PayoutPlan, ReturnPayout
from local.callbacks import Acknowledged
from local.carrier import CarrierDesk, Freeze, Interval, Mark, NewScans, Track
from local.channel import ChannelDesk, FinishRefund, NewPayment, NewRefund, PaymentQuestion, RefundPlan, Settle
from local.dialects import KEY, Dialects, Vendor
from local.faults import Fault, Faults, Side, Verb
from local.guard import guard
from local.http import (
    Answer,
    Cut,
    Render,
    UnreadableRequest,
    body_of,
    fault_status,
    json_response,
    malformed,
    posted,
    query_of,
    raw_body,
    spoiled,
)
from local.ports import LOOPBACK
from local.registering import Registering
from local.statements import StatementQuestion
from local.taking import ChargePlan, NewChargeback
from local.wechatpay import WechatPay


class World:
    """The three desks, their faults, and counts of their requests."""

    def __init__(self, folder: Path) -> None:
        self.carrier = CarrierDesk(folder)
        self.dialects = Dialects(self.carrier)
        self.registering = Registering(self.carrier, KEY, self._misbehaving)
        self.channel = ChannelDesk(folder)
        self.faults = Faults(folder)
        self.bank = BankDesk(folder, self.faults)
        self.wechatpay = WechatPay(folder, self.bank, self.channel, self._misbehaving)
        self._asked: Counter[tuple[Side, Verb, frozenset[str]]] = Counter()

    def close(self) -> None:
        """Close the files."""
        for desk in (self.carrier, self.channel, self.wechatpay, self.bank, self.faults):
            desk.close()

    # --- their own interfaces ---

    async def track(self, request: Request) -> Response:
        asked = await body_of(request, Track)
        subjects = frozenset({asked.waybill})
        return await self._misbehaving(
            "carrier",
            "track",
            subjects,
            lambda: (200, self.carrier.track(asked)),
            lambda: (200, self.carrier.track(asked, stale=True)),
        )

    def vendor(self, vendor: Vendor) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of a vendor's query, in its own dialect."""

        async def endpoint(request: Request) -> Response:
            body, authorization = await raw_body(request), request.headers.get("authorization", "")
            return await self._misbehaving(
                "carrier",
                "track",
                frozenset({self.dialects.about(vendor, body)}),
                lambda: self.dialects.answer(vendor, body, authorization),
                lambda: self.dialects.answer(vendor, body, authorization, stale=True),
            )

        return endpoint

    async def subscribe(self, request: Request) -> Response:
        body = await raw_body(request)
        subjects = frozenset({self.dialects.subscribed(body)})
        return await self._misbehaving("carrier", "subscribe", subjects, lambda: self.dialects.subscribe(body))

    async def trackers(self, request: Request) -> Response:
        authorization = request.headers.get("authorization", "")
        return await self._misbehaving(
            "carrier", "track", frozenset({"trackers"}), lambda: self.dialects.trackers(authorization)
        )

    async def push(self, request: Request) -> Response:
        body = self.dialects.push(request.path_params["number"])
        if body is None:
            return json_response(
                404, {"code": "NOT_SUBSCRIBED", "message": "no one subscribed it, or nothing is known of it"}
            )
        return Response(body, media_type="application/x-www-form-urlencoded")

    def pace(self, given: Interval) -> dict[str, Any]:
        self.dialects.interval_s = given.seconds
        return {"seconds": given.seconds}

    async def payment(self, request: Request) -> Response:
        asked = query_of(request, PaymentQuestion)
        subjects = frozenset({asked.reference})
        return await self._misbehaving("channel", "payment", subjects, lambda: self.channel.payment(asked))

    async def refund(self, request: Request) -> Response:
        given = await body_of(request, NewRefund)
        subjects = frozenset({given.key, given.payment_reference})
        return await self._misbehaving("channel", "refund", subjects, lambda: self.channel.refund(given))

    async def refund_status(self, request: Request) -> Response:
        key = request.path_params["key"]
        return await self._misbehaving(
            "channel",
            "refund_status",
            frozenset({key, *self.channel.subjects(key)}),
            lambda: self.channel.refund_status(key),
            lambda: self.channel.refund_status(key, stale=True),
        )

    async def charge(self, request: Request) -> Response:
        given = await body_of(request, NewRefund)
        subjects = frozenset({given.key, given.payment_reference})
        return await self._misbehaving(
            "channel", "charge", subjects, lambda: self.channel.taking.charge(given.model_dump())
        )

    async def charge_status(self, request: Request) -> Response:
        key, taking = request.path_params["key"], self.channel.taking
        return await self._misbehaving(
            "channel",
            "charge_status",
            frozenset({key, *taking.subjects(key)}),
            lambda: taking.charge_status(key),
            lambda: taking.charge_status(key, stale=True),
        )

    async def payout(self, request: Request) -> Response:
        given = await body_of(request, NewPayout)
        self.bank.remember(given)
        subjects = frozenset({given.key, given.account.token, *filter(None, [given.account.last4])})
        # Keys differ in every run: chance depends on the payee.
        return await self._misbehaving(
            "bank", "payout", subjects, lambda: self.bank.pay(given), about=given.account.token
        )

    async def payout_status(self, request: Request) -> Response:
        key = request.path_params["key"]
        return await self._misbehaving(
            "bank",
            "payout_status",
            frozenset({key, *self.bank.subjects(key)}),
            lambda: self.bank.status(key),
            lambda: self.bank.status(key, stale=True),
            about=self.bank.about(key),
        )

    def statement(self, on: Literal["channel", "bank"]) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of a desk's statement."""

        async def endpoint(request: Request) -> Response:
            asked = query_of(request, StatementQuestion)
            desk = self.channel if on == "channel" else self.bank
            return await self._misbehaving(
                on, "statement", frozenset(), lambda: self._without_wechatpay(desk.statement(asked))
            )

        return endpoint

    def _without_wechatpay(self, answer: Answer) -> Answer:
        """A statement without the lines of WeChat Pay, which is another rail and another channel."""
        status, page = answer
        return status, {**page, "lines": [line for line in page["lines"] if not self.wechatpay.knows(line["key"])]}

    def settle(self, given: Settle) -> dict[str, Any]:
        """The channel settles what it holds; the bank receives the settlements that are new to it."""
        settlements = self.channel.settle(given)
        for one in settlements:
            net = one["gross_minor"] - one["fee_minor"]
            self.bank.receive(Funding(key=one["settlement_id"], amount_minor=net, currency=one["currency"]))
        return {"settlements": settlements}

    async def _misbehaving(
        self,
        on: Side,
        verb: Verb,
        subjects: frozenset[str],
        act: Callable[[], Answer],
        stale: Callable[[], Answer] | None = None,
        about: str = "",
        render: Render | None = None,
    ) -> Response:
        """Act and answer, or misbehave as a fault says. `render` writes it in a vendor's dialect."""
        render = render or json_response
        self._asked[on, verb, subjects] += 1
        fault = self.faults.take(on, verb, subjects, about)
        if fault is None:
            return render(*act())
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "status_before_effect":
            return fault_status(fault)
        elif fault.kind == "cut_before_effect":
            return Cut()
        status, answer = stale() if stale and fault.kind == "stale_lookup" else act()
        if fault.kind == "slow_answer":
            await asyncio.sleep(fault.seconds)
        return spoiled(fault, status, answer, render)

    # --- reading and faults ---

    async def journal(self, request: Request) -> Response:
        on = request.query_params.get("on")
        if on == "channel":
            return json_response(200, {"effects": self.channel.effects()})
        if on == "bank":
            return json_response(200, {"effects": self.bank.effects()})
        raise UnreadableRequest("on: must be channel or bank")

    async def asked(self, request: Request) -> Response:
        wanted = request.query_params
        match = wanted.get("match", "*")
        total = sum(
            count
            for (on, verb, subjects), count in self._asked.items()
            if wanted.get("on", on) == on and wanted.get("verb", verb) == verb and (match == "*" or match in subjects)
        )
        return json_response(200, {"asked": total})

    async def tally(self, request: Request) -> Response:
        return json_response(200, self.faults.tally())

    async def callbacks(self, request: Request) -> Response:
        return json_response(*self.bank.due_callbacks())

    async def all_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.faults.clear()
        return json_response(200, {"faults": self.faults.all()})

    async def new_fault(self, request: Request) -> Response:
        return json_response(200, {"number": self.faults.add(await body_of(request, Fault))})


async def _health(request: Request) -> Response:
    return json_response(200, {"ok": True})


def application(folder: Path) -> Starlette:
    """The stand-ins as an ASGI application; their data is in the folder."""
    world = World(folder)
    carrier, channel, bank = world.carrier, world.channel, world.bank

    @asynccontextmanager
    async def closing(app: Starlette) -> AsyncIterator[None]:
        yield
        world.close()

    return Starlette(
        routes=[
            Route("/health", _health),
            Route("/carrier/track", world.track, methods=["POST"]),
            Route("/carrier/scans", posted(NewScans, carrier.add), methods=["POST"]),
            Route("/carrier/freeze", posted(Freeze, carrier.freeze), methods=["POST"]),
            Route("/carrier/mark", posted(Mark, carrier.mark), methods=["POST"]),
            Route("/carrier/interval", posted(Interval, world.pace), methods=["POST"]),
            Route("/kuaidi100/poll/query.do", world.vendor("kuaidi100"), methods=["POST"]),
            Route("/kuaidi100/poll", world.subscribe, methods=["POST"]),
            Route("/kuaidi100/pushes/{number}", world.push),
            Route("/kdniao/api/dist", world.vendor("kdniao"), methods=["POST"]),
            Route("/easypost/v2/trackers", world.vendor("easypost"), methods=["POST"]),
            Route("/easypost/v2/trackers", world.trackers, methods=["GET"]),
            *world.registering.routes(),
            *world.wechatpay.routes(),
            Route("/channel/payments", world.payment, methods=["GET"]),
            Route("/channel/payments", posted(NewPayment, channel.register), methods=["POST"]),
            Route("/channel/plans", posted(RefundPlan, channel.plan), methods=["POST"]),
            Route("/channel/refunds", world.refund, methods=["POST"]),
            Route("/channel/refunds/finish", posted(FinishRefund, channel.finish), methods=["POST"]),
            Route("/channel/refunds/{key}", world.refund_status, methods=["GET"]),
            Route("/channel/charges", world.charge, methods=["POST"]),
            Route("/channel/charges/plan", posted(ChargePlan, channel.taking.plan), methods=["POST"]),
            Route("/channel/charges/{key}", world.charge_status, methods=["GET"]),
            Route("/channel/chargebacks", posted(NewChargeback, channel.taking.charge_back), methods=["POST"]),
            Route("/channel/statement", world.statement("channel"), methods=["GET"]),
            Route("/channel/settle", posted(Settle, world.settle), methods=["POST"]),
            Route("/bank/statement", world.statement("bank"), methods=["GET"]),
            Route("/bank/mistakes", posted(Mistake, bank.make_mistake), methods=["POST"]),
            Route("/bank/plans", posted(PayoutPlan, bank.plan), methods=["POST"]),
            Route("/bank/payouts", world.payout, methods=["POST"]),
            Route("/bank/window", posted(KeyWindow, bank.remember_for), methods=["POST"]),
            Route("/bank/callbacks", world.callbacks, methods=["GET"]),
            Route("/bank/callbacks", posted(Acknowledged, bank.callbacks.acknowledge), methods=["POST"]),
            Route("/bank/payouts/finish", posted(FinishPayout, bank.finish), methods=["POST"]),
            Route("/bank/payouts/return", posted(ReturnPayout, bank.give_back), methods=["POST"]),
            Route("/bank/payouts/{key}", world.payout_status, methods=["GET"]),
            Route("/faults", world.new_fault, methods=["POST"]),
            Route("/faults", world.all_faults, methods=["GET", "DELETE"]),
            Route("/journal", world.journal),
            Route("/asked", world.asked),
            Route("/tally", world.tally),
        ],
        exception_handlers={UnreadableRequest: malformed},
        lifespan=closing,
    )


def main() -> None:
    """Serve until SIGTERM."""
    arguments = argparse.ArgumentParser(
        description="A carrier, a payment channel and a bank that stand in for real ones."
    )
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--data", type=Path, required=True, help="folder for what they keep")
    arguments.add_argument("--guard", metavar="PID:START", help="end the whole stack around FOLDER when this one ends")
    given = arguments.parse_args()
    if given.guard:
        threading.Thread(target=guard, args=(given.data.parent, given.guard), daemon=True).start()
    uvicorn.run(
        application(given.data),
        host=LOOPBACK,
        port=given.port,
        http="h11",
        loop="asyncio",
        log_level="critical",
        access_log=False,
        # Longer than any client keeps an idle connection: otherwise it could use one just as we close it.
        timeout_keep_alive=600,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
