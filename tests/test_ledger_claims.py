"""Waybill claims on a real PostgreSQL: all or none, recorded with their order, contested and given up."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from typing import Any

import asyncpg
import pytest
from ledger_samples import DAY, NOW, a_notice, a_record, an_order, funded, opened

from core.audit.facts import Rival
from core.records import LedgerFacts
from ledger.book import Book
from ledger.claims import Claimed
from ledger.looks import Number
from ledger.register import Register


async def _order(register: Register, order_id: str, merchant: str = "m-1", buyer: str = "b-1") -> None:
    await opened(register, an_order(order_id, merchant_id=merchant, buyer_id=buyer))


async def _claim(
    register: Register, order_id: str, *numbers: str, merchant: str = "m-1", buyer: str = "b-1", place: str = "CN/1"
) -> list[str]:
    parcels = [(f"p{n}", "sf", number) for n, number in enumerate(numbers, start=1)]
    return list((await register.claims.claim(order_id, merchant, buyer, place, parcels, NOW)).outcomes)


async def _rivals(
    register: Register, order_id: str, carrier: str, waybill: str, merchant: str, since: datetime
) -> tuple[Rival, ...]:
    known = await register.looks.read(Number(order_id, "p1", merchant, carrier, waybill), claimed_since=since)
    return known.rivals


async def test_a_number_is_claimed_and_the_same_claim_again_gets_the_same_answer(register: Register) -> None:
    await _order(register, "A1")
    assert await _claim(register, "A1", "SF1", "SF2") == ["claimed", "claimed"]
    assert await _claim(register, "A1", "SF1", "SF2") == ["claimed", "claimed"]


async def test_a_merged_parcel_for_the_same_buyer_and_place_is_allowed(register: Register) -> None:
    await _order(register, "A1")
    await _order(register, "A2")
    await _claim(register, "A1", "SF1")
    assert await _claim(register, "A2", "SF1") == ["merged"]
    assert await _claim(register, "A2", "SF1") == ["merged"]


async def test_a_number_in_use_for_another_buyer_or_place_is_refused_and_nothing_is_claimed(
    register: Register,
) -> None:
    await _order(register, "A1")
    await _order(register, "A2", buyer="b-2")
    await _claim(register, "A1", "SF1")
    assert await _claim(register, "A2", "SF2", "SF1", buyer="b-2") == ["claimed", "in_use"]
    assert await _claim(register, "A2", "SF1", place="CN/2") == ["in_use"]
    await _order(register, "A3", buyer="b-3")
    assert await _claim(register, "A3", "SF2", buyer="b-3") == ["claimed"]


@pytest.mark.parametrize(
    ("one", "other", "outcome"),
    [
        ("CN/浙江省/杭州市/西湖区/8817", "CN/浙江省/杭州市/西湖区/", "merged"),
        ("CN//杭州市//", "CN/浙江省/杭州市/西湖区/8817", "merged"),
        ("CN/浙江省/杭州市/西湖区/8817", "CN/浙江省/杭州市/西湖区/1234", "in_use"),
        ("CN/浙江省/杭州市//", "CN/浙江省/宁波市//", "in_use"),
        ("CN/浙江省/杭州市/西湖区/8817", "CN/浙江省/杭州市", "in_use"),
        ("CN////", "BR////", "in_use"),
    ],
)
async def test_what_one_order_does_not_tell_of_its_place_is_no_other_place(
    one: str, other: str, outcome: str, register: Register
) -> None:
    await _order(register, "A1")
    await _order(register, "A2")
    await _claim(register, "A1", "SF1", place=one)
    assert await _claim(register, "A2", "SF1", place=other) == [outcome]


async def test_two_orders_with_other_phones_are_not_joined_by_one_without(register: Register) -> None:
    for order_id in ("A1", "A2", "A3"):
        await _order(register, order_id)
    await _claim(register, "A1", "SF1", place="CN//杭州市//8817")
    assert await _claim(register, "A2", "SF1", place="CN//杭州市//") == ["merged"]
    assert await _claim(register, "A3", "SF1", place="CN//杭州市//1234") == ["in_use"]


async def test_another_merchants_claim_is_contested_and_both_see_each_other(register: Register) -> None:
    await _order(register, "A1")
    await _order(register, "A2", merchant="m-2", buyer="b-2")
    await _claim(register, "A1", "SF1")
    assert await _claim(register, "A2", "SF1", merchant="m-2", buyer="b-2") == ["contested"]
    assert await _rivals(register, "A1", "sf", "SF1", "m-1", since=NOW - DAY) == (
        Rival(merchant_id="m-2", claimed_at=NOW, ship_to=an_order().ship_to, paid_at=NOW),
    )
    assert [rival.merchant_id for rival in await _rivals(register, "A2", "sf", "SF1", "m-2", since=NOW)] == ["m-1"]


async def test_the_number_is_contested_under_another_carriers_name_where_only_one_printed_it(
    register: Register,
) -> None:
    await _order(register, "A1")
    await _order(register, "A2", merchant="m-2", buyer="b-2")
    await _order(register, "A3", buyer="b-3")
    number, digits = "YT9693083639795", "78474409893076"
    for order, merchant, buyer in (("A1", "m-1", "b-1"), ("A2", "m-2", "b-2"), ("A3", "m-1", "b-3")):
        named = "yto" if order == "A1" else "zto" if order == "A2" else "other"
        parcels = [("p1", named, number), ("p2", "jd" if named == "zto" else "zto", digits)]
        await register.claims.claim(order, merchant, buyer, f"CN/{order}", parcels[: 1 if order == "A3" else 2], NOW)
    rivals = await _rivals(register, "A1", "yto", number, "m-1", since=NOW)
    assert [rival.merchant_id for rival in rivals] == ["m-2", "m-1"]  # its own merchant's, for another buyer
    assert [r.merchant_id for r in await _rivals(register, "A3", "other", number, "m-1", since=NOW)] == [
        "m-1",
        "m-2",
    ]
    # Carriers print the same digits independently: two parcels.
    assert await _rivals(register, "A1", "zto", digits, "m-1", since=NOW) == ()


async def test_rivals_outside_the_window_or_given_up_do_not_count(register: Register) -> None:
    await _order(register, "A1")
    await _claim(register, "A1", "SF1")
    assert await _rivals(register, "A2", "sf", "SF1", "m-2", since=NOW + DAY) == ()
    await register.claims.release("A1", [], NOW)
    assert await _rivals(register, "A2", "sf", "SF1", "m-2", since=NOW - DAY) == ()


async def test_a_number_that_was_given_up_can_be_used_again(register: Register) -> None:
    await _order(register, "A1")
    await _order(register, "A2", buyer="b-2")
    await _claim(register, "A1", "SF1")
    await register.claims.release("A1", [], NOW)
    await register.claims.release("A1", [], NOW)
    assert await _claim(register, "A2", "SF1", buyer="b-2") == ["claimed"]
    assert await _claim(register, "A1", "SF1") == ["in_use"]


async def test_what_parcels_stand_for_stays_claimed_when_the_rest_is_given_up(register: Register) -> None:
    await _order(register, "A1")
    await _order(register, "A2", buyer="b-2")
    await _claim(register, "A1", "SF1", "SF2")
    await register.claims.release("A1", [("p1", "sf", "SF1")], NOW)
    assert await _claim(register, "A2", "SF1", buyer="b-2") == ["in_use"]
    assert await _claim(register, "A2", "SF2", buyer="b-2") == ["claimed"]


async def test_an_order_that_closes_gives_up_what_no_parcel_of_it_stands_for(register: Register) -> None:
    """A worker claimed SF2 and SF3 and died before it reported; other commands came first."""
    await _order(register, "A1")
    await _order(register, "A2", buyer="b-2")
    await _claim(register, "A1", "SF1", "SF2", "SF3")
    parcel = {"parcel_id": "p1", "carrier": "sf", "waybill": "SF1"}
    case = {"case_id": "1", "parcel": {**parcel, "parcel_id": "p2", "waybill": "SF2"}}
    state = {"parcels": [parcel], "cases": [case, {"case_id": "2"}]}
    await register.orders.record(a_record(revision=2, phase="shipped", state=state))
    assert await _claim(register, "A2", "SF3", buyer="b-2") == ["in_use"], "it may still be decided"
    await register.orders.record(a_record(revision=3, phase="refused", closed=True, state=state))
    assert await _claim(register, "A2", "SF1", buyer="b-2") == ["in_use"]
    assert await _claim(register, "A2", "SF2", buyer="b-2") == ["in_use"]
    assert await _claim(register, "A2", "SF3", buyer="b-2") == ["claimed"]


async def test_a_corrected_number_can_be_corrected_back(register: Register) -> None:
    await _order(register, "A1")
    await _claim(register, "A1", "SF1")
    await register.claims.release("A1", [], NOW)
    assert await _claim(register, "A1", "SF1") == ["claimed"]
    assert len(await _rivals(register, "A2", "sf", "SF1", "m-2", since=NOW)) == 1


async def test_the_same_number_of_another_carrier_is_another_number(register: Register) -> None:
    await _order(register, "A1")
    await _order(register, "A2", buyer="b-2")
    await _claim(register, "A1", "X1")
    other = await register.claims.claim("A2", "m-1", "b-2", "CN/1", [("p1", "zto", "X1")], NOW)
    assert other.outcomes == ("claimed",)


async def test_two_orders_racing_for_one_number_leave_one_winner(register: Register) -> None:
    for n in range(8):
        await asyncio.gather(*(_order(register, f"R{n}-{k}", buyer=f"b-{k}") for k in range(8)))
        numbers = [f"SF{n}", f"ZZ{n}"]
        answers = await asyncio.gather(
            *(_claim(register, f"R{n}-{k}", *numbers[:: 1 if k % 2 else -1], buyer=f"b-{k}") for k in range(8))
        )
        assert sum(answer == ["claimed", "claimed"] for answer in answers) == 1
        assert sum(answer == ["in_use", "in_use"] for answer in answers) == 7


async def test_a_number_with_a_character_that_no_text_can_hold_is_claimed_all_the_same(register: Register) -> None:
    await _order(register, "A1")
    assert await _claim(register, "A1", "SF\0") == ["claimed"]
    assert await _rivals(register, "A2", "sf", "SF\0", "m-2", since=NOW) != ()


async def _claim_recorded(register: Register, order_id: str, number: str, revision: int = 1, **fields: Any) -> Claimed:
    notices = (a_notice(revision, "shipped"),)
    record = a_record(order_id, revision, notices=notices, **{"phase": "shipped", **fields})
    return await register.claims.claim(order_id, "m-1", "b-1", "CN/1", [("p1", "sf", number)], NOW, record)


async def test_an_order_is_recorded_with_numbers_that_are_simply_claimed(register: Register, book: Book) -> None:
    await funded(register, book)
    first = await _claim_recorded(register, "A1", "X1")
    assert first.standing == LedgerFacts(kept=True, revision=-1, references=("order/A1/fund",))
    again = await _claim_recorded(register, "A1", "X1")
    assert (again.outcomes, again.standing) == (
        ("claimed",),
        LedgerFacts(kept=True, revision=1, references=("order/A1/fund",)),
    )
    other = await _claim_recorded(register, "A1", "X1", state={"by": "another try"})
    assert other.standing == LedgerFacts(
        kept=False, revision=1, references=("order/A1/fund",), notices=(a_notice(1, "shipped"),)
    )
    row = await register.orders.row("A1")
    assert row is not None
    assert row.phase == "shipped"
    assert [notice.name for notice in await register.notices.read()] == ["shipped"]


@pytest.mark.parametrize(("merchant", "buyer", "outcome"), [("m-1", "b-1", "merged"), ("m-2", "b-9", "contested")])
async def test_an_order_hears_of_another_claim_before_it_is_recorded(
    merchant: str, buyer: str, outcome: str, register: Register
) -> None:
    await _order(register, "A1")
    await _order(register, "A2", merchant=merchant, buyer=buyer)
    await _claim(register, "A2", "X1", merchant=merchant, buyer=buyer)
    claimed = await _claim_recorded(register, "A1", "X1")
    assert (claimed.outcomes, claimed.standing) == ((outcome,), None)
    assert await register.notices.read() == []


async def test_a_number_in_use_is_neither_claimed_nor_recorded(register: Register) -> None:
    await _order(register, "A1")
    await _order(register, "A2", buyer="b-2")
    await _claim(register, "A2", "X1", buyer="b-2")
    claimed = await _claim_recorded(register, "A1", "X1")
    assert (claimed.outcomes, claimed.standing) == (("in_use",), None)
    assert await _rivals(register, "A9", "sf", "X1", "m-9", since=NOW) != ()
    known = await register.orders.known("A1")
    assert known is not None
    assert known.state is None


async def test_a_record_that_cannot_be_kept_takes_the_claim_back(register: Register) -> None:
    await _order(register, "A1")
    with pytest.raises(asyncpg.CheckViolationError):
        await _claim_recorded(register, "A1", "X1", refunded_minor=1001)
    assert await _rivals(register, "A9", "sf", "X1", "m-9", since=NOW) == ()


async def test_the_same_claim_many_times_at_once_is_recorded_once(register: Register) -> None:
    await _order(register, "A1")
    claims = await asyncio.gather(*(_claim_recorded(register, "A1", "X1", state={"try": n}) for n in range(20)))
    assert all(claim.outcomes == ("claimed",) for claim in claims)
    assert Counter(claim.standing.kept for claim in claims if claim.standing) == {True: 1, False: 19}


async def test_no_numbers_are_no_claims(register: Register) -> None:
    assert (await register.claims.claim("A1", "m-1", "b-1", "x", [], NOW)).outcomes == ()


async def test_a_push_goes_to_the_orders_that_use_the_number_else_to_those_that_last_did(register: Register) -> None:
    await _order(register, "A1")
    await _claim(register, "A1", "SF1")
    await register.claims.release("A1", [], NOW)
    assert [(one.order_id, one.uses) for one in await register.claims.claimants("SF1")] == [("A1", False)]
    await _order(register, "A2", buyer="b-2")
    await _claim(register, "A2", "SF1", buyer="b-2")
    assert [(one.order_id, one.uses) for one in await register.claims.claimants("SF1")] == [("A2", True)]
