"""Statement files of providers: each kind is recognised by its content and read; every bad row is named."""

from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statement_samples import (
    ALIPAY_ACCOUNT,
    ALIPAY_BUSINESS,
    CAMT,
    FUNDS,
    MT940,
    PAYPAL,
    STRIPE,
    STRIPE_PAYOUTS,
    TRADES,
)
from workbooks import workbook

from core.errors import BadInput
from core.reconciliation.breaks import breaks
from core.reconciliation.lines import OurLine, Scope
from core.reconciliation.reporting import chargeback_in
from inbound.statements.base import StatementRead
from inbound.statements.choosing import READERS, read_foreign
from inbound.tables import BadFile


def seen(read: StatementRead | None) -> list[tuple[str, str | None, int, str]]:
    assert read is not None
    return [(line.kind, line.key, line.amount_minor, line.at.isoformat()[:16]) for line in read.lines]


Seen = list[tuple[str, str | None, int, str]]
FUNDS_AS_CHANNEL: Seen = [
    ("payment", "T-1", 4780, "2026-11-27T02:00"),
    ("refund", "r1", 1000, "2026-11-27T03:00"),
]
FUNDS_AS_RAIL: Seen = [
    ("payout", "k1a2b3", 2000, "2026-11-27T04:00"),
    ("return", "k1a2b3", 2000, "2026-11-27T05:00"),
    ("funding", "2000000000000000000000000001", 50000, "2026-11-27T06:00"),
]
TRADES_READ: Seen = [("payment", "T-1", 4780, "2026-11-27T08:33"), ("refund", "r1", 1000, "2026-11-27T09:00")]
READ: list[tuple[str, str, Scope, Seen, dict[str, int]]] = [
    ("WeChat Pay trade bill", TRADES, "channel", TRADES_READ, {"REFUND PROCESSING": 1}),
    (
        "WeChat Pay fund-flow bill",
        FUNDS,
        "channel",
        FUNDS_AS_CHANNEL,
        {"扣除交易手续费 交易 支出": 1, "商家转账 商家转账 支出": 1, "转账退回 商家转账 收入": 1, "充值 充值 收入": 1},
    ),
    (
        "WeChat Pay fund-flow bill",
        FUNDS,
        "rail",
        FUNDS_AS_RAIL,
        {"交易 交易 收入": 1, "扣除交易手续费 交易 支出": 1, "退款 退款 支出": 1},
    ),
    (
        "Alipay business details",
        ALIPAY_BUSINESS,
        "channel",
        [("payment", "T-1", 4780, "2026-11-27T02:00"), ("refund", "r1", 1000, "2026-11-27T03:00")],
        {},
    ),
    (
        "Alipay account details",
        ALIPAY_ACCOUNT,
        "rail",
        [("payout", "k1a2b3", 2000, "2026-11-27T04:00")],
        {"在线支付": 1, "收费": 1},
    ),
    (
        "camt.053",
        CAMT,
        "rail",
        [
            ("payout", "k1a2b3", 12050, "2026-11-27T12:00"),
            ("payout", "k2", 1000, "2026-11-27T12:00"),
            ("payout", "k3", 2000, "2026-11-27T12:00"),
            ("return", "k1a2b3", 12050, "2026-11-27T14:00"),
            ("funding", None, 50000, "2026-11-27T12:00"),
        ],
        {"entries PDNG": 1},
    ),
    (
        "MT940",
        MT940,
        "rail",
        [
            ("payout", "k1a2b3", 12050, "2026-11-27T12:00"),
            ("return", "k1a2b3", 12050, "2026-11-28T12:00"),
            ("funding", None, 50000, "2026-11-28T12:00"),
        ],
        {"reversals of credits (RC)": 1},
    ),
    (
        "Stripe itemised report",
        STRIPE,
        "channel",
        [
            ("payment", "pi_1", 4780, "2026-11-27T10:00"),
            ("refund", "re_1", 1000, "2026-11-27T11:00"),
            ("settlement", "po_1", 3611, "2026-11-28T00:00"),
            ("chargeback_fee", "du_1", 1500, "2026-11-28T01:00"),
            ("chargeback", "du_1", 4780, "2026-11-28T01:00"),
            ("chargeback_won", "du_1", 4780, "2026-11-29T01:00"),
        ],
        {"transfer": 1, "fee": 1},
    ),
    (
        "Stripe itemised report",
        STRIPE,
        "rail",
        [("payout", "tr_1", 2000, "2026-11-28T00:00")],
        {"charge": 1, "refund": 1, "payout": 1, "fee": 1, "dispute": 1, "dispute_reversal": 1},
    ),
    (
        "Stripe payouts",
        STRIPE_PAYOUTS,
        "channel",
        [("settlement", "po_1", 3611, "2026-11-28T00:00")],
        {"in_transit": 1},
    ),
    (
        "PayPal activity download",
        PAYPAL,
        "channel",
        [
            ("payment", "T-1", 104780, "2026-11-27T18:00"),
            ("refund", "r1", 1000, "2026-11-27T19:00"),
            ("settlement", "5AB3", 3611, "2026-11-27T20:00"),
            ("chargeback", "5AB1", 4780, "2026-11-27T21:00"),
            ("chargeback_fee", "5AB1", 2000, "2026-11-27T21:00"),
            ("chargeback_won", "5AB1", 4780, "2026-11-27T22:00"),
        ],
        {"Mass Pay Payment Completed": 1, "Mass Pay Payment Unclaimed": 1},
    ),
    (
        "PayPal activity download",
        PAYPAL,
        "rail",
        [("payout", "k1a2b3", 2000, "2026-11-27T20:30")],
        {
            "Express Checkout Payment Completed": 1,
            "Payment Refund Completed": 1,
            "General Withdrawal Completed": 1,
            "Chargeback Completed": 1,
            "Chargeback Fee Completed": 1,
            "Chargeback Reversal Completed": 1,
            "Mass Pay Payment Unclaimed": 1,
        },
    ),
]


@pytest.mark.parametrize(("name", "text", "scope", "lines", "left_out"), READ)
def test_a_providers_file_is_recognised_and_read(
    name: str, text: str, scope: Scope, lines: Any, left_out: dict[str, int]
) -> None:
    for raw in (text.encode(), b"\xef\xbb\xbf" + text.encode(), text.replace("\r\n", "\n").encode()):
        read = read_foreign("file", raw, scope)
        assert seen(read) == lines
        assert read is not None
        assert (read.format, dict(read.left_out)) == (name, left_out)
        assert len({line.line_id for line in read.lines}) == len(read.lines)


def test_every_reader_has_a_sample() -> None:
    assert {reader.name for reader in READERS} == {name for name, *_ in READ}


@pytest.mark.parametrize("text", [TRADES, FUNDS, ALIPAY_BUSINESS, ALIPAY_ACCOUNT])
def test_chinas_bills_are_read_in_gbk(text: str) -> None:
    assert seen(read_foreign("file", text.encode("gbk"), "channel")) == seen(
        read_foreign("file", text.encode(), "channel")
    )


@pytest.mark.parametrize(("text", "expected"), [(TRADES, TRADES_READ), (FUNDS, FUNDS_AS_CHANNEL)])
def test_a_bill_as_a_workbook_says_the_same(text: str, expected: Any) -> None:
    rows = [line.split(",") for line in text.splitlines()]
    assert seen(read_foreign("bill.xlsx", workbook([["微信支付账单"], *rows]), "channel")) == expected


def test_a_statement_says_what_it_tells_whole() -> None:
    read = read_foreign("file", CAMT.encode(), "rail")
    assert read is not None
    assert read.covered is not None
    assert (read.covered.since.isoformat(), read.covered.until.isoformat()) == (
        "2026-11-26T23:00:00+00:00",
        "2026-11-27T23:00:00+00:00",
    )


@pytest.mark.parametrize(
    ("text", "changed", "row", "field"),
    [
        (TRADES, ("`47.80,`0.00,`\r\n", "`47.805,`0.00,`\r\n"), 2, "amount"),
        (TRADES, ("`2026-11-27 16:33:45", "`yesterday"), 2, "at"),
        (
            TRADES,
            ("`4200000000000000000000000001,`T-1,`o1,`JSAPI,`SUCCESS", "`4.2E+27,`T-1,`o1,`JSAPI,`SUCCESS"),
            2,
            "reference",
        ),
        (TRADES, ("`CMC,`CNY,`47.80", "`CMC,`XXQ,`47.80"), 2, "currency"),
        (ALIPAY_ACCOUNT, (",-20.00,", ",-20.005,"), 6, "amount"),
        (STRIPE, (",47.80,1.69", ",abc,1.69"), 2, "amount"),
        (STRIPE, ("2026-11-27 10:00:00,2026-11-29", "soon,2026-11-29"), 2, "at"),
        (PAYPAL, ('"10:00:00","PST"', '"10:00:00","Mars"'), 2, "at"),
    ],
)
def test_a_bad_row_is_named(text: str, changed: tuple[str, str], row: int, field: str) -> None:
    assert changed[0] in text
    scope: Scope = "rail" if text is ALIPAY_ACCOUNT else "channel"
    with pytest.raises(BadFile) as caught:
        read_foreign("file", text.replace(*changed).encode(), scope)
    assert (caught.value.rows[0].row, caught.value.rows[0].field) == (row, field)


def test_a_separator_in_a_text_is_named_and_shifts_nothing() -> None:
    with pytest.raises(BadFile, match="more cells than the header"):
        read_foreign("file", TRADES.replace("`茶饼,`,`0.28680", "`茶饼,红,`,`0.28680", 1).encode(), "channel")


def test_a_day_that_may_be_a_month_is_refused() -> None:
    text = PAYPAL.replace("11/27/2026", "11/10/2026").replace("PST", "CET")
    with pytest.raises(BadFile, match="day and month"):
        read_foreign("file", text.encode(), "channel")
    european = read_foreign(
        "file", PAYPAL.replace("11/27/2026", "27/11/2026").replace("PST", "CET").encode(), "channel"
    )
    assert seen(european)[0] == ("payment", "T-1", 104780, "2026-11-27T09:00")


@pytest.mark.parametrize(("text", "scope", "option"), [(MT940, "channel", "--rail"), (TRADES, "rail", "--channel")])
def test_a_statement_of_the_other_side_is_refused(text: str, scope: Scope, option: str) -> None:
    with pytest.raises(BadInput, match=f"give {option}"):
        read_foreign("file", text.encode(), scope)


def test_our_own_format_is_no_providers() -> None:
    assert read_foreign("file", b"line_id,kind,key,amount,currency,at\n", "rail") is None


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"PK\x03\x04broken", "broken workbook"),
        (workbook([["a", "b"]]), "no header of a statement"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><Document><BkToCstmrStmt/></Document>', "document type"),
        (b"<Document><BkToCstmrStmt>", "broken XML"),
    ],
)
def test_a_broken_or_hostile_file_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        read_foreign("file", raw, "rail")


def test_an_archive_is_not_unpacked_without_measure() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bill.csv", "x")
    with pytest.raises(BadInput, match="ZIP archive and no workbook"):
        read_foreign("file", packed.getvalue(), "rail")


@given(st.sampled_from([TRADES, FUNDS, ALIPAY_BUSINESS, CAMT, MT940, STRIPE, PAYPAL]), st.data())
def test_a_file_bent_anywhere_is_read_or_refused(text: str, data: st.DataObject) -> None:
    raw = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=10))
    for scope in ("rail", "channel"):
        with suppress(BadInput):
            read = read_foreign("file", bytes(raw), scope)
            assert read is None or all(line.amount_minor > 0 for line in read.lines)


def test_a_row_that_ends_early_is_counted() -> None:
    head, first, *_ = STRIPE.splitlines()
    read = read_foreign("file", f"{head}\n{first}\ntxn_9\n".encode(), "rail")
    assert read is not None
    assert read.left_out["(unnamed)"] == 1


@pytest.mark.parametrize(
    ("text", "scope"),
    [(TRADES, "channel"), (FUNDS, "channel"), (FUNDS, "rail"), (ALIPAY_BUSINESS, "channel"), (MT940, "rail")],
)
def test_a_bill_that_states_its_own_end_is_not_taken_without_it(text: str, scope: Scope) -> None:
    lines = text.splitlines(keepends=True)
    for cut in range(1, len(lines)):
        with suppress(BadInput):
            read = read_foreign("bill", "".join(lines[:cut]).encode(), scope)
            whole = {"导出时间", "交易合计", "-"}
            assert read is None or any(lines[cut].lstrip("#").startswith(rest) for rest in whole), lines[cut]


@pytest.mark.parametrize(("text", "scope"), [(TRADES, "channel"), (FUNDS, "channel"), (MT940, "rail")])
def test_a_row_that_is_missing_or_doubled_is_found_by_the_bills_own_figures(text: str, scope: Scope) -> None:
    lines = text.splitlines(keepends=True)
    rows = [at for at, line in enumerate(lines) if line.startswith(("`20", ":61:"))]
    assert len(rows) > 2
    for at in rows:
        for changed in (lines[:at] + lines[at + 1 :], lines[: at + 1] + lines[at:]):
            with pytest.raises(BadFile):
                read_foreign("bill", "".join(changed).encode(), scope)


WECHAT_DISPUTES = FUNDS.replace(
    "资金流水总笔数,",
    "`2026-11-27 15:00:00,`8000000000000000000000000001,`F7,`拒付,`拒付扣款,`支出,`47.80,`541.91,`system,`,`T-1\r\n"
    "`2026-11-27 15:00:00,`8000000000000000000000000001,`F8,`拒付,`拒付手续费,`支出,`15.00,`526.91,`system,`,`T-1\r\n"
    "`2026-11-27 15:30:00,`8000000000000000000000000001,`F9,`拒付,`拒付退回,`收入,`47.80,`574.71,`system,`,`T-1\r\n"
    "`2026-11-27 15:40:00,`8000000000000000000000000002,`F10,`消费者投诉赔付,`赔付,`支出,`5.00,`569.71,`system,`,`\r\n"
    "资金流水总笔数,",
    1,
).replace("`6,`3,", "`10,`4,")
ALIPAY_DISPUTES = ALIPAY_ACCOUNT.replace(
    "#导出时间",
    "1004\t,2026112788000000000000000001\t,T-1\t,茶饼,2026-11-27 15:00:00,,,-47.80,79.71,支付宝,拒付,\r\n"
    "1005\t,2026112788000000000000000001\t,T-1\t,茶饼,2026-11-27 15:00:00,,,-15.00,64.71,支付宝,拒付服务费,\r\n"
    "1006\t,2026112788000000000000000001\t,T-1\t,茶饼,2026-11-27 15:30:00,,47.80,,112.51,支付宝,其它,拒付申诉成功\r\n"
    "1007\t,2026112788000000000000000002\t,\t,,2026-11-27 15:40:00,,,-5.00,107.51,支付宝,其他,投诉赔付\r\n"
    "#导出时间",
    1,
)


@pytest.mark.parametrize(
    ("text", "dispute"),
    [(WECHAT_DISPUTES, "8000000000000000000000000"), (ALIPAY_DISPUTES, "2026112788000000000000000")],
)
def test_disputes_of_a_bill_are_known_by_the_channels_number_and_name_their_payment(text: str, dispute: str) -> None:
    read = read_foreign("bill.csv", text.encode(), "channel")
    assert read is not None
    disputes = [line for line in read.lines if line.kind.startswith("chargeback")]
    first, second = f"{dispute}001", f"{dispute}002"
    assert [(line.kind, line.key, line.reference, line.amount_minor) for line in disputes] == [
        ("chargeback", first, "T-1", 4780),
        ("chargeback_fee", first, "T-1", 1500),
        ("chargeback_won", first, "T-1", 4780),
        ("chargeback", second, None, 500),
    ]
    known = {line.kind: line.amount_minor for line in disputes[:3]}
    ours = [
        OurLine(kind=kind, key=first, subject="order/A1", amount_minor=amount, currency="CNY", at=disputes[0].at)
        for kind, amount in known.items()
    ]
    now = disputes[-1].at + timedelta(days=30)
    (unknown,) = breaks("channel", "pay", ours, disputes, now, covered=[])
    assert (unknown.kind, unknown.key, unknown.reason) == ("chargeback", second, "extra")
    assert "chargeback" in unknown.helps
    assert chargeback_in(unknown, disputes[3:]) is None, "it names no payment: a person asks the channel"
    (found, *_) = breaks("channel", "pay", [], disputes[:2], now, covered=[])
    report = chargeback_in(found, disputes[:2])
    assert report is not None
    assert (report.payments, report.report.amount_minor, report.report.fee_minor) == (("T-1",), 4780, 1500)


@pytest.mark.parametrize("text", [WECHAT_DISPUTES, ALIPAY_DISPUTES])
def test_disputes_are_the_channels_and_no_rails(text: str) -> None:
    read = read_foreign("bill.csv", text.encode(), "rail")
    assert read is not None
    assert not [line for line in read.lines if line.kind.startswith("chargeback")]
