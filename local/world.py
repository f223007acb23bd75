"""The stand-ins' one process: a carrier, a payment channel and a bank over real HTTP, with all that they keep on disk.

    python -m local.world --port 8400 --data FOLDER

What they are asked (`activities/*/sandbox.py` speaks these dialects):

    POST /carrier/track              {carrier, waybill, phone_last4?}
    GET  /channel/payments           ?reference&amount_minor&currency
    POST /channel/refunds            {key, payment_reference, amount_minor, currency, reason}
    GET  /channel/refunds/{key}
    GET  /channel/statement          ?day&until&after
    POST /bank/payouts               {key, amount_minor, currency, account: {token, last4?, holder?}}
    GET  /bank/payouts/{key}
    GET  /bank/statement             ?day&until&after

    POST /kuaidi100/poll/query.do    the vendors' own dialects (`local.dialects`), over the same parcels
    POST /kuaidi100/poll             a subscription
    POST /kdniao/api/dist
    POST /easypost/v2/trackers
    POST /17track/track/v2.2/…       those who know only numbers that were registered (`local.registering`)
    GET POST /aftership/tracking/…

What they are told, by whoever plays the world (`local.client.WorldClient`):

    POST /carrier/scans              {carrier, waybill, scans: [{at, code, stage, city?, text?}], phone_last4?}
    POST /carrier/freeze             {carrier, waybill, frozen}
    POST /carrier/mark               {carrier, waybill, answer: no_trace|unknown_carrier|bad_number|null}
    GET  /kuaidi100/pushes/{number}  the body that it would push now of a subscribed number, for `starter.py push`
    POST /carrier/interval           {seconds}  how long Kuaidi100 locks a number that was asked for
    POST /channel/payments           {reference, state, amount_minor, currency, paid_at?}
    POST /channel/plans              {match, outcome: arrived|processing|refused|unknown, looks?, code?}
    POST /channel/settle             {fee_bps?}  what it holds goes to the bank
    POST /channel/refunds/finish     {key, state, code?}
    POST /bank/plans                 {match, outcome: paid|processing|failed|unknown|returned, looks?, code?,
                                      then?, return_after_s?, return_minor?}
    POST /bank/window                {seconds}  how long the bank remembers a key
    GET  /bank/callbacks             what the bank calls back about, until it is acknowledged
    POST /bank/callbacks             {seqs}     these were delivered
    POST /bank/payouts/finish        {key, state, code?}
    POST /bank/mistakes              {effect: payout|return, key, amount_minor, currency, token?}
    POST /bank/payouts/return        {key, amount_minor?}
    POST GET DELETE /faults          see `local.faults.Fault`
    GET  /journal?on=channel|bank    money that moved there, in order
    GET  /asked?on=&verb=&match=     how often they were asked since this process started
    GET  /tally                      how often each was asked, and each kind of fault struck, since the folder was made

References and tokens with certain beginnings have their fate in their name: see `local.channel` and `local.bank`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import uvicorn
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from core.reading import reasons_of
from local.bank import BankDesk, FinishPayout, Funding, KeyWindow, Mistake, NewPayout, PayoutPlan, ReturnPayout
from local.callbacks import Acknowledged
from local.carrier import CarrierDesk, Freeze, Interval, Mark, NewScans, Track
from local.channel import ChannelDesk, FinishRefund, NewPayment, NewRefund, PaymentQuestion, RefundPlan, Settle
from local.dialects import KEY, Dialects, Vendor
from local.faults import Fault, Faults, Side, Verb, about_another
from local.guard import guard
from local.registering import Registering
from local.service import LOOPBACK
from local.statements import StatementQuestion
from local.wechatpay import WechatPay

Answer = tuple[int, dict[str, Any]]
Dress = Callable[[int, dict[str, Any]], Response]
M = TypeVar("M", bound=BaseModel)

LARGEST_REQUEST = 4 * 1024 * 1024
_WEB_PAGE = b"<!doctype html><html><head><title>502</title></head><body><h1>Bad gateway</h1></body></html>"
_NAMES = {"key", "reference", "waybill", "nu", "LogisticCode", "tracking_code", "number", "tracking_number"}
"""What an answer calls the thing that it is about."""
_TEN_MEGABYTES = 10 * 1024 * 1024


class UnreadableRequest(Exception):
    """The request cannot be read: 400 with field and reason."""


class World:
    """The three desks, their faults, and what they were asked."""

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
        """Give the files back."""
        for desk in (self.carrier, self.channel, self.wechatpay, self.bank, self.faults):
            desk.close()

    # --- what they are asked ---

    async def track(self, request: Request) -> Response:
        asked = await _body(request, Track)
        subjects = frozenset({asked.waybill})
        return await self._misbehaving(
            "carrier",
            "track",
            subjects,
            lambda: (200, self.carrier.track(asked)),
            lambda: (200, self.carrier.track(asked, stale=True)),
        )

    def vendor(self, vendor: Vendor) -> Callable[[Request], Awaitable[Response]]:
        """A vendor's question about a number, in its own dialect."""

        async def endpoint(request: Request) -> Response:
            body, authorization = await _raw(request), request.headers.get("authorization", "")
            return await self._misbehaving(
                "carrier",
                "track",
                frozenset({self.dialects.about(vendor, body)}),
                lambda: self.dialects.answer(vendor, body, authorization),
                lambda: self.dialects.answer(vendor, body, authorization, stale=True),
            )

        return endpoint

    async def subscribe(self, request: Request) -> Response:
        body = await _raw(request)
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
            return _json(404, {"code": "NOT_SUBSCRIBED", "message": "nobody subscribed it, or nothing is known of it"})
        return Response(body, media_type="application/x-www-form-urlencoded")

    def pace(self, given: Interval) -> dict[str, Any]:
        self.dialects.interval_s = given.seconds
        return {"seconds": given.seconds}

    async def payment(self, request: Request) -> Response:
        asked = _query(request, PaymentQuestion)
        subjects = frozenset({asked.reference})
        return await self._misbehaving("channel", "payment", subjects, lambda: self.channel.payment(asked))

    async def refund(self, request: Request) -> Response:
        given = await _body(request, NewRefund)
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

    async def payout(self, request: Request) -> Response:
        given = await _body(request, NewPayout)
        self.bank.hear(given)
        subjects = frozenset({given.key, given.account.token, *filter(None, [given.account.last4])})
        # A key is another one in every run: chance goes by the payee.
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
        """What moved there on a day."""

        async def endpoint(request: Request) -> Response:
            asked = _query(request, StatementQuestion)
            desk = self.channel if on == "channel" else self.bank
            return await self._misbehaving(on, "statement", frozenset(), lambda: self._own(desk.statement(asked)))

        return endpoint

    def _own(self, told: Answer) -> Answer:
        """A statement without what went through WeChat Pay, which is another rail and another channel."""
        status, page = told
        return status, {**page, "lines": [line for line in page["lines"] if not self.wechatpay.knows(line["key"])]}

    def settle(self, given: Settle) -> dict[str, Any]:
        """The channel sends on what it holds; the bank takes in what it has not taken in yet."""
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
        dress: Dress | None = None,
    ) -> Response:
        """Act and answer, or do whatever a fault wants instead. `dress` says it in another dialect than ours."""
        dress = dress or _json
        self._asked[on, verb, subjects] += 1
        fault = self.faults.take(on, verb, subjects, about)
        if fault is None:
            return dress(*act())
        if fault.kind == "delay":
            await asyncio.sleep(fault.seconds)
        elif fault.kind == "status_before_effect":
            return _status(fault)
        elif fault.kind == "cut_before_effect":
            return Cut()
        status, answer = stale() if stale and fault.kind == "stale_lookup" else act()
        if fault.kind == "slow_answer":
            await asyncio.sleep(fault.seconds)
        return _spoiled(fault, status, answer, dress)

    # --- what is looked at ---

    async def journal(self, request: Request) -> Response:
        on = request.query_params.get("on")
        if on == "channel":
            return _json(200, {"effects": self.channel.effects()})
        if on == "bank":
            return _json(200, {"effects": self.bank.effects()})
        raise UnreadableRequest("on: must be channel or bank")

    async def asked(self, request: Request) -> Response:
        wanted = request.query_params
        match = wanted.get("match", "*")
        total = sum(
            count
            for (on, verb, subjects), count in self._asked.items()
            if wanted.get("on", on) == on and wanted.get("verb", verb) == verb and (match == "*" or match in subjects)
        )
        return _json(200, {"asked": total})

    async def tally(self, request: Request) -> Response:
        return _json(200, self.faults.tally())

    async def callbacks(self, request: Request) -> Response:
        return _json(*self.bank.due_callbacks())

    async def all_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.faults.clear()
        return _json(200, {"faults": self.faults.all()})

    async def new_fault(self, request: Request) -> Response:
        return _json(200, {"number": self.faults.add(await _body(request, Fault))})


# --- answers ---------------------------------------------------------------------------------------------


def _json(status: int, answer: dict[str, Any]) -> Response:
    return Response(json.dumps(answer, ensure_ascii=False), status, media_type="application/json")


def _status(fault: Fault) -> Response:
    headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
    return Response(_WEB_PAGE, fault.status, headers, "text/html")


def _spoiled(fault: Fault, status: int, answer: dict[str, Any], dress: Dress) -> Response:
    """The answer as the fault wants it, now that the effect has happened."""
    whole = json.dumps(answer, ensure_ascii=False).encode()
    match fault.kind:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "status_after_effect":
            return _status(fault)
        case "cut":
            return Cut()
        case "html":
            return Response(_WEB_PAGE, 200, media_type="text/html")
        case "garbage":
            return Response(whole[: len(whole) // 2], status, media_type="application/json")
        case "huge":
            return Response(whole[:-1] + b', "more": "' + b"x" * _TEN_MEGABYTES + b'"}', status)
        case "wrong_types":
            return _json(status, {name: [value] for name, value in answer.items()})
        case "wrong_amount" if "amount_minor" in answer:
            return dress(status, {**answer, "amount_minor": answer["amount_minor"] + 1})
        case "wrong_key":
            return dress(status, about_another(answer, _NAMES))
        case "unsigned" | "wrong_signature":
            return _unsigned(dress(status, answer), wrong=fault.kind == "wrong_signature")
    return dress(status, answer)


def _unsigned(response: Response, *, wrong: bool) -> Response:
    """An answer whose signature is gone, or is another answer's."""
    for name in [name for name in response.headers if name.endswith("-signature")]:
        if wrong:
            response.headers[name] = response.headers[name][::-1]
        else:
            del response.headers[name]
    return response


class Cut(Response):
    """An answer that breaks off: the server closes the connection when less comes than was announced."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"key": ', "more_body": True})


# --- requests --------------------------------------------------------------------------------------------


async def _raw(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_REQUEST:
            raise UnreadableRequest("too large")
    return bytes(raw)


async def _body(request: Request, model: type[M]) -> M:
    try:
        return model.model_validate_json(await _raw(request))
    except ValidationError as error:
        raise UnreadableRequest(_first_reason(error)) from None


def _query(request: Request, model: type[M]) -> M:
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise UnreadableRequest(_first_reason(error)) from None


def _first_reason(error: ValidationError) -> str:
    reason = reasons_of(error)[0]
    return f"{reason['field']}: {reason['message']}"


async def _malformed(request: Request, error: Exception) -> Response:
    return _json(400, {"code": "MALFORMED", "message": str(error)})


def _told(model: type[M], tell: Callable[[M], Answer | dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that hands its body on."""

    async def endpoint(request: Request) -> Response:
        answer = tell(await _body(request, model))
        return _json(*answer) if isinstance(answer, tuple) else _json(200, answer)

    return endpoint


async def _health(request: Request) -> Response:
    return _json(200, {"ok": True})


def application(folder: Path) -> Starlette:
    """The stand-ins as an ASGI application; what they keep is in the folder."""
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
            Route("/carrier/scans", _told(NewScans, carrier.add), methods=["POST"]),
            Route("/carrier/freeze", _told(Freeze, carrier.freeze), methods=["POST"]),
            Route("/carrier/mark", _told(Mark, carrier.mark), methods=["POST"]),
            Route("/carrier/interval", _told(Interval, world.pace), methods=["POST"]),
            Route("/kuaidi100/poll/query.do", world.vendor("kuaidi100"), methods=["POST"]),
            Route("/kuaidi100/poll", world.subscribe, methods=["POST"]),
            Route("/kuaidi100/pushes/{number}", world.push),
            Route("/kdniao/api/dist", world.vendor("kdniao"), methods=["POST"]),
            Route("/easypost/v2/trackers", world.vendor("easypost"), methods=["POST"]),
            Route("/easypost/v2/trackers", world.trackers, methods=["GET"]),
            *world.registering.routes(),
            *world.wechatpay.routes(),
            Route("/channel/payments", world.payment, methods=["GET"]),
            Route("/channel/payments", _told(NewPayment, channel.know), methods=["POST"]),
            Route("/channel/plans", _told(RefundPlan, channel.plan), methods=["POST"]),
            Route("/channel/refunds", world.refund, methods=["POST"]),
            Route("/channel/refunds/finish", _told(FinishRefund, channel.finish), methods=["POST"]),
            Route("/channel/refunds/{key}", world.refund_status, methods=["GET"]),
            Route("/channel/statement", world.statement("channel"), methods=["GET"]),
            Route("/channel/settle", _told(Settle, world.settle), methods=["POST"]),
            Route("/bank/statement", world.statement("bank"), methods=["GET"]),
            Route("/bank/mistakes", _told(Mistake, bank.err), methods=["POST"]),
            Route("/bank/plans", _told(PayoutPlan, bank.plan), methods=["POST"]),
            Route("/bank/payouts", world.payout, methods=["POST"]),
            Route("/bank/window", _told(KeyWindow, bank.remember_for), methods=["POST"]),
            Route("/bank/callbacks", world.callbacks, methods=["GET"]),
            Route("/bank/callbacks", _told(Acknowledged, bank.callbacks.acknowledge), methods=["POST"]),
            Route("/bank/payouts/finish", _told(FinishPayout, bank.finish), methods=["POST"]),
            Route("/bank/payouts/return", _told(ReturnPayout, bank.give_back), methods=["POST"]),
            Route("/bank/payouts/{key}", world.payout_status, methods=["GET"]),
            Route("/faults", world.new_fault, methods=["POST"]),
            Route("/faults", world.all_faults, methods=["GET", "DELETE"]),
            Route("/journal", world.journal),
            Route("/asked", world.asked),
            Route("/tally", world.tally),
        ],
        exception_handlers={UnreadableRequest: _malformed},
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
        # Longer than any client keeps an idle connection: it must not use one just as we close it.
        timeout_keep_alive=600,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
