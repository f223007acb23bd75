"""Traces of several providers and pushes as one: each event once, in order, and what moves a parcel on."""

from __future__ import annotations

import pytest
from audited_parcels import a_trace, hour, scan

from core.audit.trace import merge, moves_on
from core.messages import Stage


def test_the_same_event_of_two_providers_and_a_push_is_one_scan() -> None:
    one = a_trace(scan(6, "picked_up", "杭州市", "已揽收", "1"), scan(9, "arrived", None, "到达", "2"))
    two = a_trace(scan(6, "picked_up", None, None, "GOT"), scan(9, "arrived", "上海市", "到达", "ARR"), provider="two")
    merged = merge([two, one, one])
    assert [(s.at, s.stage, s.city) for s in merged] == [
        (hour(6), "picked_up", "杭州市"),
        (hour(9), "arrived", "上海市"),
    ]


def test_two_events_in_one_second_stay_two() -> None:
    trace = a_trace(scan(6, "arrived", None, "one"), scan(6, "arrived", None, "two"), scan(6, "out_for_delivery"))
    assert len(merge([trace])) == 3


def test_scans_are_put_in_order() -> None:
    assert [s.at for s in merge([a_trace(scan(9, "arrived"), scan(6, "picked_up"))])] == [hour(6), hour(9)]


@pytest.mark.parametrize(
    ("known", "fresh", "moves"),
    [
        ((), ("label",), False),
        (("label",), ("in_transit",), True),
        (("picked_up",), ("in_transit", "arrived", "out_for_delivery", "customs"), False),
        (("picked_up",), ("in_transit", "exception"), True),
        (("picked_up",), ("locker",), True),
        (("picked_up", "in_transit"), ("delivered",), True),
        (("picked_up", "in_transit"), ("returning",), True),
        (("picked_up", "delivered"), ("in_transit",), True),
        (("picked_up",), (), False),
    ],
)
def test_scan_moves_a_parcel_on_or_not(known: tuple[Stage, ...], fresh: tuple[Stage, ...], moves: bool) -> None:
    scans = [scan(number, stage) for number, stage in enumerate((*known, *fresh))]
    assert moves_on(scans[: len(known)], scans[len(known) :]) is moves


def test_scan_that_is_older_than_the_delivery_moves_nothing_on() -> None:
    assert not moves_on([scan(1, "picked_up"), scan(9, "delivered")], [scan(5, "arrived")])
