"""A labelled set for the audit: honest parcels, and fakes made by editing them in named ways.

No public set of labelled fake shipments exists. A set by the rules' own authors favours the rules: it proves that they
work as described, not that they catch fakes we did not think of.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from core.audit.verdict import OrderFacts, ParcelFacts, Rival
from core.audit.waybills import sandbox_number
from core.messages import Address, Scan, Stage

BEGAN_AT = datetime(2026, 3, 2, tzinfo=UTC)

CITIES = (
    ("浙江省", "杭州市"),
    ("广东省", "深圳市"),
    ("北京市", "北京市"),
    ("上海市", "上海市"),
    ("四川省", "成都市"),
    ("湖北省", "武汉市"),
    ("陕西省", "西安市"),
    ("江苏省", "南京市"),
    ("福建省", "厦门市"),
    ("辽宁省", "沈阳市"),
    ("山东省", "青岛市"),
    ("云南省", "昆明市"),
)
_PROVINCES = {city: province for province, city in CITIES}
HUBS = ("郑州市", "长沙市", "合肥市", "济南市", "南昌市")


class Shipment(NamedTuple):
    """One parcel with all its scans, each shown once it has happened.

    `shows_ahead`: the last scan is shown with the one before it, although it has not happened yet.
    """

    order: OrderFacts
    parcel: ParcelFacts
    scans: tuple[Scan, ...]
    shows_ahead: bool = False


def scan(at: datetime, stage: Stage, city: str | None) -> Scan:
    """One scan; its code is its stage."""
    return Scan(at=at, code=stage, stage=stage, city=city, text=None)


def honest(number: int, seed: int) -> Shipment:
    """An honest parcel between two cities with a dense trace: five to nine scans."""
    chance = random.Random(f"{seed}/{number}")
    origin, target = chance.sample(CITIES, 2)
    paid = BEGAN_AT + timedelta(minutes=chance.randint(0, 60 * 24 * 200))
    uploaded = paid + timedelta(hours=chance.uniform(1, 40))
    at = uploaded + timedelta(hours=chance.uniform(-0.5, 14))
    scans = [scan(uploaded, "label", origin[1])] if chance.random() < 0.5 else []
    scans.append(scan(at, "picked_up", origin[1]))
    legs: list[tuple[Stage, str]] = [("in_transit", origin[1])]
    legs += [("arrived", hub) for hub in chance.sample(HUBS, chance.randint(0, 3))]
    legs += [("arrived", target[1]), ("out_for_delivery", target[1]), ("delivered", target[1])]
    for stage, city in legs:
        at += timedelta(hours=chance.uniform(2.2, 20))
        scans.append(scan(at, stage, city))
    return Shipment(_order(number, paid, origin, target), _parcel(number, uploaded), tuple(scans))


def _order(number: int, paid: datetime, origin: tuple[str, str], target: tuple[str, str]) -> OrderFacts:
    return OrderFacts(
        order_id=f"bench-{number}",
        merchant_id=f"m-{number % 97}",
        paid_at=paid,
        ship_from=Address(country="CN", province=origin[0], city=origin[1]),
        ship_to=Address(country="CN", province=target[0], city=target[1]),
    )


def _parcel(number: int, uploaded: datetime) -> ParcelFacts:
    return ParcelFacts(parcel_id="p1", carrier="sandbox", waybill=sandbox_number(number), uploaded_at=uploaded)


# --- fakes -----------------------------------------------------------------------------------------------

Fake = Callable[[Shipment, random.Random], Shipment]


def _moved(scans: Iterable[Scan], by: timedelta) -> tuple[Scan, ...]:
    return tuple(one.model_copy(update={"at": one.at + by}) for one in scans)


def _at_city(scans: Iterable[Scan], city: str | None) -> tuple[Scan, ...]:
    return tuple(one.model_copy(update={"city": city}) for one in scans)


def _elsewhere(shipment: Shipment, chance: random.Random) -> str:
    near = {shipment.order.ship_from.city, shipment.order.ship_to.city}
    return chance.choice([city for _, city in CITIES if city not in near])


def _pickup(shipment: Shipment) -> int:
    return next(index for index, one in enumerate(shipment.scans) if one.stage == "picked_up")


def frozen_after_pickup(shipment: Shipment, chance: random.Random) -> Shipment:
    """Handed over, and never seen again."""
    return shipment._replace(scans=shipment.scans[: _pickup(shipment) + 2])


def signed_where_picked_up(shipment: Shipment, chance: random.Random) -> Shipment:
    """Picked up and signed in the merchant's own city."""
    first = shipment.scans[_pickup(shipment)]
    signed = scan(first.at + timedelta(hours=5), "delivered", first.city)
    return shipment._replace(scans=(first, signed))


def empty_parcel_in_the_buyers_city(shipment: Shipment, chance: random.Random) -> Shipment:
    """A parcel sent within the buyer's city to another address."""
    first = shipment.scans[_pickup(shipment)].at
    city = shipment.order.ship_to.city
    legs: tuple[tuple[float, Stage], ...] = ((0, "picked_up"), (4, "out_for_delivery"), (7, "delivered"))
    return shipment._replace(scans=tuple(scan(first + timedelta(hours=h), stage, city) for h, stage in legs))


def recycled_from_an_older_trace(shipment: Shipment, chance: random.Random) -> Shipment:
    """A number whose parcel travelled months ago."""
    return shipment._replace(scans=_moved(shipment.scans, -timedelta(days=chance.randint(40, 300))))


def number_of_another_order(shipment: Shipment, chance: random.Random) -> Shipment:
    """Another merchant's parcel to another city, claimed by its own merchant before."""
    city = _elsewhere(shipment, chance)
    middle = _pickup(shipment) + 2
    scans = (*shipment.scans[:middle], *_at_city(shipment.scans[middle:], city))
    return _contested(shipment, city)._replace(scans=scans)


def number_of_another_order_in_the_buyers_city(shipment: Shipment, chance: random.Random) -> Shipment:
    """Another merchant's parcel to the same city: its trace fits both."""
    return _contested(shipment, shipment.order.ship_to.city or "")


def _contested(shipment: Shipment, city: str) -> Shipment:
    """Another merchant, whose buyer is in this city, claimed the number before."""
    rival = Rival(
        merchant_id="m-rival",
        claimed_at=shipment.parcel.uploaded_at - timedelta(hours=3),
        ship_to=Address(country="CN", province=_PROVINCES[city], city=city),
        paid_at=shipment.order.paid_at - timedelta(hours=1),
    )
    return shipment._replace(parcel=shipment.parcel.model_copy(update={"rivals": (rival,)}))


def honest_and_claimed_by_a_thief(shipment: Shipment, chance: random.Random) -> Shipment:
    """An honest parcel whose number a merchant in another city claimed first: the trace must decide."""
    return _contested(shipment, _elsewhere(shipment, chance))


def wrong_destination(shipment: Shipment, chance: random.Random) -> Shipment:
    """Delivered in a third city."""
    city = _elsewhere(shipment, chance)
    return shipment._replace(scans=(*shipment.scans[:-3], *_at_city(shipment.scans[-3:], city)))


def wrong_origin_and_nothing_between(shipment: Shipment, chance: random.Random) -> Shipment:
    """Picked up in a third city and next seen at the buyer's door."""
    first, last = shipment.scans[_pickup(shipment)], shipment.scans[-1]
    return shipment._replace(scans=(*_at_city((first,), shipment.order.ship_to.city), last))


def delivered_before_shipped(shipment: Shipment, chance: random.Random) -> Shipment:
    """The signature lies days before the pickup."""
    last = shipment.scans[-1].model_copy(
        update={"at": shipment.scans[_pickup(shipment)].at - timedelta(days=4, hours=chance.randint(0, 20))}
    )
    return shipment._replace(scans=tuple(sorted((*shipment.scans[:-1], last), key=lambda one: one.at)))


def impossible_speed(shipment: Shipment, chance: random.Random) -> Shipment:
    """From city to city within the hour."""
    first = shipment.scans[_pickup(shipment)]
    fast = [one for one in shipment.scans if one.at > first.at]
    minutes = iter(range(8, 8 * len(fast) + 8, 8))
    squeezed = tuple(one.model_copy(update={"at": first.at + timedelta(minutes=next(minutes))}) for one in fast)
    return shipment._replace(scans=(first, *squeezed))


def no_trace_at_all(shipment: Shipment, chance: random.Random) -> Shipment:
    """A number that the carrier does not know."""
    return shipment._replace(scans=())


def label_only(shipment: Shipment, chance: random.Random) -> Shipment:
    """A label was printed, but nothing was handed over."""
    return shipment._replace(scans=(scan(shipment.parcel.uploaded_at, "label", shipment.order.ship_from.city),))


def returned(shipment: Shipment, chance: random.Random) -> Shipment:
    """It came back to the merchant, who would be paid nevertheless."""
    turned = shipment.scans[-2]
    back = (
        scan(turned.at + timedelta(hours=6), "refused", turned.city),
        scan(turned.at + timedelta(hours=50), "returned", shipment.order.ship_from.city),
    )
    return shipment._replace(scans=(*shipment.scans[:-1], *back))


def another_carriers_number(shipment: Shipment, chance: random.Random) -> Shipment:
    """A number that the named carrier cannot have printed."""
    digits = shipment.parcel.waybill
    wrong = digits[:-1] + str((int(digits[-1]) + chance.randint(1, 9)) % 10)
    return shipment._replace(parcel=shipment.parcel.model_copy(update={"waybill": wrong}), scans=())


def sent_before_the_payment(shipment: Shipment, chance: random.Random) -> Shipment:
    """All times lie days before the payment: another order's parcel."""
    first = shipment.scans[_pickup(shipment)].at
    by = shipment.order.paid_at - first - timedelta(days=3 + chance.randint(0, 5))
    return shipment._replace(scans=_moved(shipment.scans, by))


def delivered_in_the_future(shipment: Shipment, chance: random.Random) -> Shipment:
    """A signature that has not happened yet when the first scans are shown."""
    last = shipment.scans[-1].model_copy(update={"at": shipment.scans[-1].at + timedelta(days=40)})
    return shipment._replace(scans=(*shipment.scans[:-1], last), shows_ahead=True)


def unknown_carrier(shipment: Shipment, chance: random.Random) -> Shipment:
    """A carrier that no provider serves."""
    parcel = shipment.parcel.model_copy(update={"carrier": "other", "carrier_name": "My cousin's van"})
    return shipment._replace(parcel=parcel, scans=())


def wrong_origin_alone(shipment: Shipment, chance: random.Random) -> Shipment:
    """Sent from a third city and delivered correctly: a merchant may have many warehouses."""
    start = _pickup(shipment)
    city = _elsewhere(shipment, chance)
    scans = (*_at_city(shipment.scans[: start + 2], city), *shipment.scans[start + 2 :])
    return shipment._replace(scans=scans)


def sent_a_day_before_the_payment(shipment: Shipment, chance: random.Random) -> Shipment:
    """Picked up a day before the payment: 1.5 % of honest orders of a real market are."""
    first = shipment.scans[_pickup(shipment)].at
    return shipment._replace(scans=_moved(shipment.scans, shipment.order.paid_at - first - timedelta(hours=26)))


FAKES: dict[str, Fake] = {
    make.__name__: make
    for make in (
        frozen_after_pickup,
        signed_where_picked_up,
        empty_parcel_in_the_buyers_city,
        recycled_from_an_older_trace,
        number_of_another_order,
        number_of_another_order_in_the_buyers_city,
        wrong_destination,
        wrong_origin_and_nothing_between,
        delivered_before_shipped,
        impossible_speed,
        no_trace_at_all,
        label_only,
        returned,
        another_carriers_number,
        sent_before_the_payment,
        delivered_in_the_future,
        unknown_carrier,
    )
}
UNDECIDABLE: dict[str, Fake] = {make.__name__: make for make in (wrong_origin_alone, sent_a_day_before_the_payment)}
"""Fakes that look like honest parcels: approved with one weak finding, and listed here as undecidable."""
