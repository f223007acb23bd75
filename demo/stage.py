"""The stage of a demonstration: orders that live on a real stack while their days are skipped.

A staged order has its own clock: skipped time is added to the time of day, so that scans and commands have the order's
time.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle

import gateway
from core.audit.waybills import carrier as known_carrier
from core.errors import Refused
from core.messages import Actor, Address, Line, Order, Payment, Withdrawal
from core.money import share_bps
from core.policy import parse_policy
from demo.numbers import printed_number
from demo.waiting import until
from ledger.register import Register
from local.client import WorldClient
from local.postgres import Postgres

MERCHANT_CITY = Address(country="CN", province="浙江省", city="杭州市")
BUYER_CITIES = (
    Address(country="CN", province="北京市", city="北京市", district="海淀区", phone_last4="8817"),
    Address(country="CN", province="广东省", city="深圳市", district="南山区", phone_last4="0231"),
    Address(country="CN", province="四川省", city="成都市", district="武侯区", phone_last4="5520"),
)
AMERICAN_BUYER = Address(country="US", province="CA", city="Los Angeles")
"""The buyer of parcels with a carrier of that country."""
GOODS = (
    ("手工酥饼 500g", "food.snacks", 1990),
    ("茶叶 100g", "food.tea", 8800),
    ("棉麻围巾", "clothing.scarves", 5900),
    ("陶瓷茶杯", "home.kitchen", 3450),
    ("儿童绘本", "books.children", 2680),
)
COMMISSION_BPS = 500
"""The default policy's commission; the stories expect it."""


@dataclass(frozen=True)
class HttpAccess:
    """The HTTP gateway, and a storefront's key for it."""

    url: str
    key: str = field(repr=False)


@dataclass
class Stage:
    """One running stack, and the seed from which all orders are made.

    `carriers`: the carriers of orders, in turn, unless the story names one. `take_push` receives pushes: vendor, body,
    headers. `take_callback` receives callbacks of rails and channels; `dispute_secret` signs those about disputes.
    `server` is the database's, for stories in which it fails. `http` leads to the gateway.
    """

    client: Client
    world: WorldClient
    register: Register
    seed: int
    tag: str
    carriers: Sequence[str] = ("sandbox",)
    take_push: Callable[[str, bytes, Mapping[str, str]], Awaitable[Any]] | None = None
    take_callback: Callable[[str, bytes, Mapping[str, str]], Awaitable[Any]] | None = None
    server: Postgres | None = None
    dispute_secret: str = field(default="", repr=False)
    http: HttpAccess | None = None

    async def policy_of(self, text: str) -> str:
        """Register a policy for a story; returns its name."""
        policy = parse_policy(text)
        await self.register.policies.keep(policy.name, policy.content_hash, text)
        return policy.name

    def play(self, number: int) -> StagedOrder:
        """The order of this number; the same seed makes the same order."""
        carrier = self.carriers[number % len(self.carriers)]
        return StagedOrder(self, random.Random(f"{self.seed}/{number}"), f"{self.tag}-{number:03}", carrier)


@dataclass
class StagedOrder:
    """One order of the demonstration, with the people who act on it."""

    stage: Stage
    chance: random.Random
    name: str
    carrier: str = "sandbox"
    skipped: timedelta = timedelta(0)
    waybill: str = ""
    label_digits: str | None = None
    commands: int = 0
    withdrawals: int = 0

    def __post_init__(self) -> None:
        self.order = self._make()
        self.waybill = self.new_waybill()

    # --- making ----------------------------------------------------------------------------------------

    def _make(self, *, category: str | None = None, reference: str | None = None) -> Order:
        chosen = self.chance.sample(GOODS, k=self.chance.randint(1, 3))
        lines = tuple(
            Line(
                line_id=str(index),
                title=title,
                category=category or usual,
                quantity=self.chance.randint(1, 3),
                unit_price_minor=price,
            )
            for index, (title, usual, price) in enumerate(chosen, start=1)
        )
        freight = self.chance.choice((0, 800))
        buyer = self.chance.choice(BUYER_CITIES)
        total = sum(line.price_minor for line in lines) + freight
        return Order(
            order_id=self.name,
            merchant_id=f"m-{self.name}",
            buyer_id=f"b-{self.name}",
            currency="CNY",
            lines=lines,
            freight_minor=freight,
            total_minor=total,
            payment=Payment(
                reference=reference or f"wx-{self.name}",
                channel="wechat",
                paid_minor=total,
                paid_at=datetime.now(UTC) - timedelta(minutes=self.chance.randint(1, 20)),
            ),
            ship_from=MERCHANT_CITY,
            ship_to=AMERICAN_BUYER if self.carrier == "ups" else buyer,
        )

    def of_category(self, category: str) -> None:
        """Make it an order of other goods."""
        self.order = self._make(category=category)

    def titled(self, title: str) -> None:
        """Give its goods this title."""
        lines = tuple(line.model_copy(update={"title": title}) for line in self.order.lines)
        self.order = self.order.model_copy(update={"lines": lines})

    def paid_with(self, reference: str) -> None:
        """Make it an order with another payment."""
        self.order = self._make(reference=reference)

    def under(self, policy: str) -> None:
        """Use another policy for it."""
        self.order = self.order.model_copy(update={"policy": policy})

    def new_waybill(self) -> str:
        """Another number that this order's carrier could have printed."""
        return printed_number(self.carrier, self.chance)

    def sent_between(self, ship_from: Address, ship_to: Address) -> None:
        """Send it between other places."""
        self.order = self.order.model_copy(update={"ship_from": ship_from, "ship_to": ship_to})

    def sent_with(self, carrier: str) -> None:
        """Send it with this carrier."""
        self.carrier = carrier
        self.waybill = self.new_waybill()

    # --- expected money -----------------------------------------------------------------------

    @property
    def merchants_share(self) -> int:
        """The total less commission, which is computed line by line and not on freight."""
        return self.order.total_minor - sum(share_bps(line.price_minor, COMMISSION_BPS) for line in self.order.lines)

    # --- acting ----------------------------------------------------------------------------------------

    @property
    def handle(self) -> WorkflowHandle[Any, Any]:
        return self.stage.client.get_workflow_handle(f"order-{self.name}")

    @property
    def now(self) -> datetime:
        """The order's own time."""
        return datetime.now(UTC) + self.skipped

    async def start(self) -> dict[str, Any]:
        """Start the order, as the storefront does."""
        return await gateway.opened(await gateway.start_order(self.stage.client, self.order))

    async def send(self, verb: str, role: str, **body: Any) -> dict[str, Any]:
        """Send a command as an update."""
        return await gateway.send(self.stage.client, f"order-{self.name}", verb, self.command(role, **body))

    def command(self, role: str, **body: Any) -> dict[str, Any]:
        """A command of the party with this role, under a new id."""
        self.commands += 1
        who = {"merchant": self.order.merchant_id, "buyer": self.order.buyer_id}.get(role, f"{role}-1")
        actor = Actor.model_validate({"role": role, "id": who}).model_dump()
        return {"command_id": f"{self.name}-{self.commands}", "actor": actor, **body}

    async def refused(self, verb: str, role: str, **body: Any) -> str:
        """The reason code with which a command is refused, or `accepted`."""
        try:
            await self.send(verb, role, **body)
        except Refused as refusal:
            return refusal.code
        return "accepted"

    async def ship(self, waybill: str | None = None) -> dict[str, Any]:
        """The merchant hands everything to the carrier."""
        return await self.send("report_shipment", "merchant", parcels=[self.parcel(waybill)])

    def parcel(self, waybill: str | None = None) -> dict[str, Any]:
        """Everything in one parcel, as a merchant reports it."""
        return {"parcel_id": "p1", "carrier": self.carrier, "waybill": waybill or self.waybill, "lines": None}

    async def scan(self, stage: str, city: str | None = None) -> None:
        """The carrier scans the parcel now."""
        where = city or (self.order.ship_from.city if stage in {"picked_up", "label"} else self.order.ship_to.city)
        await self.scans_at((self.now, stage, where))

    async def scans_at(self, *seen: tuple[datetime, str, str | None]) -> None:
        """The carrier reports scans at other times than now."""
        scans = [
            {"at": at.isoformat(), "code": stage, "stage": stage, "city": city, "text": stage}
            for at, stage, city in seen
        ]
        known = known_carrier(self.carrier)
        digits = self.label_digits or self.order.ship_to.phone_last4
        digits = digits if known is not None and known.needs_phone else None
        await self.stage.world.add_scans(self.carrier, self.waybill, scans, digits)

    async def pushed(self) -> str:
        """Kuaidi100 pushes the parcel's trace; returns the push's outcome.

        Raises:
            Unavailable: there is no push.
        """
        body = await until(lambda: self.stage.world.pushed(self.waybill))
        assert body is not None
        assert self.stage.take_push is not None
        return str((await self.stage.take_push("kuaidi100", body, {})).outcome)

    async def travel(self) -> None:
        """Picked up, carried for three days, delivered to the buyer's city."""
        await self.scan("picked_up")
        await self.days(1)
        await self.scan("in_transit", "上海市")
        await self.days(1)
        await self.scan("arrived")
        await self.days(1)
        await self.scan("delivered")

    async def way_back(self, waybill: str) -> None:
        """A parcel goes from the buyer to the merchant in three days."""
        start, end = self.order.ship_to.city, self.order.ship_from.city
        for stage, city in (("picked_up", start), ("in_transit", "上海市"), ("arrived", end), ("delivered", end)):
            await self._scan_return(waybill, stage, city)
            await self.days(1)

    async def _scan_return(self, waybill: str, stage: str, city: str | None) -> None:
        known = known_carrier(self.carrier)
        digits = self.order.ship_from.phone_last4 if known is not None and known.needs_phone else None
        seen = {"at": self.now.isoformat(), "code": stage, "stage": stage, "city": city, "text": stage}
        await self.stage.world.add_scans(self.carrier, waybill, [seen], digits)

    async def days(self, days: float) -> None:
        """Days pass for this order alone."""
        await self.skip(self.handle, timedelta(days=days))
        self.skipped += timedelta(days=days)

    async def skip(self, handle: WorkflowHandle[Any, Any], length: timedelta) -> None:
        """Days pass for one workflow; it may end meanwhile.

        Raises:
            Refused: `not_running`: it has ended.
            Unavailable: Temporal did not answer.
        """
        await gateway.skip_time(self.stage.client, handle.id, length)

    async def state(self) -> dict[str, Any]:
        """The order's own view."""
        return dict(await self.handle.query("order"))

    async def until(self, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The order's state once it fits; no time is skipped.

        Raises:
            Unavailable: it does not fit in time; the message has the last state.
        """
        return await until(self.state, reached)

    # --- withdrawals -----------------------------------------------------------------------------------

    async def withdraw(self, amount_minor: int, account_id: str, **fields: Any) -> WorkflowHandle[Any, Any]:
        """The merchant requests money; `fields` are further fields of `Withdrawal`."""
        self.withdrawals += 1
        asked = {
            "withdrawal_id": f"w-{self.name}-{self.withdrawals}",
            "merchant_id": self.order.merchant_id,
            "amount_minor": amount_minor,
            "currency": self.order.currency,
            "account_id": account_id,
            "requested_by": {"role": "merchant", "id": self.order.merchant_id},
        }
        return await gateway.start_withdrawal(self.stage.client, Withdrawal.model_validate({**asked, **fields}))
