"""What people read: one way to write a time and a length of time, and sentences wholly in one of two languages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import pytest
from chinese import english_in
from order_driver import OrderDriver
from order_walks import STARTS, a_driver, walks

from core.account_drop import texts as drop_texts
from core.answers import JournalEntry
from core.audit import explain
from core.audit.absence import Doubt
from core.audit.explain import LANGUAGES, sentence
from core.audit.policy import SERVICE_RULES, TRUTH_RULES
from core.audit.waybills import CARRIERS
from core.chart import IN_CHINESE, IN_ENGLISH, KINDS_BY_NAME
from core.journal_notes import note_of
from core.messages import Actor, Order
from core.order import texts as order_texts
from core.order.auditing import SILENCE
from core.order.opening import Screening, check_payment_time
from core.order.state import ScreeningHit
from core.order.texts import refund_reason, screening_sentence
from core.order.views import findings_of, holds_of
from core.reason_texts import REASONS as REFUSALS
from core.texts import Help, Language, clock, spell
from core.withdrawal import texts as withdrawal_texts
from core.withdrawal.texts import FAILURES, withdrawal_reason
from core.withdrawal_messages import FailureClass

OPERATOR = Actor(role="operator", id="ann")
PROJECT = Path(__file__).parents[1]
WAITS = ("no_scan_yet", "not_picked_up", "not_delivered", "no_new_scan", "carrier_silent")
PEOPLE = ("no_pickup", "undelivered", "correction_time_over", "rejected_before", "appeal", "screening")
REASONS = (*TRUTH_RULES, *SERVICE_RULES, *WAITS, *get_args(Doubt), *PEOPLE)
"""All that may stand beside a parcel or goods that a person looks at."""
SAMPLE: dict[str, Any] = {
    "number": "1234567890",
    "reason": "It is empty.",
    "reason_zh": "单号为空。",
    "likelier": ["1", "2"],
    "name": "某快递",
    "first_at": "2026-11-22T08:00:00+08:00",
    "paid_at": "2026-11-22T10:00:00Z",
    "looks": 3,
    "waited_h": 74.3,
    "limit_h": 72.0,
    "early_h": 13.0,
    "took_h": 2.1,
    "least_h": 0.5,
    "weighed_g": 1,
    "claimed_g": 2,
    "place": "上海市",
    "expected": "北京市",
    "from": "上海市",
    "to": "北京市",
    "picked_up": "杭州市",
    "scans": 2,
    "at": "2026-11-22T08:00:00Z",
    "picked_up_at": "2026-11-22T08:00:00Z",
    "uploaded_at": "2026-11-22T08:00:00Z",
    "since": "2026-11-22T08:00:00Z",
    "delivered_at": "2026-11-22T08:00:00Z",
    "after": "last_scan",
    "claimed": "1",
    "found": "2",
    "rules": "筛查规则“药品”",
}


# --- times and lengths -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "english", "chinese"),
    [
        (timedelta(days=30), "30 days", "30 天"),
        (timedelta(days=1), "1 day", "1 天"),
        (timedelta(hours=2, minutes=5), "2 h 5 min", "2 小时 5 分钟"),
        (timedelta(days=3, hours=2, minutes=59), "3 days 2 h", "3 天 2 小时"),
        (timedelta(days=3, minutes=59), "3 days", "3 天"),
        (timedelta(seconds=90), "1 min 30 s", "1 分钟 30 秒"),
        (timedelta(milliseconds=250), "250 ms", "250 毫秒"),
        (timedelta(), "0 s", "0 秒"),
        (-timedelta(hours=2), "-2 h", "-2 小时"),
    ],
)
def test_a_length_of_time_has_its_largest_unit_and_the_next(length: timedelta, english: str, chinese: str) -> None:
    assert (spell(length), spell(length, "zh")) == (english, chinese)


def test_a_time_is_written_in_one_way_from_wherever_it_comes() -> None:
    at = datetime(2026, 11, 24, 16, 0, 59, tzinfo=UTC)
    elsewhere = at.astimezone(timezone(timedelta(hours=8)))
    assert (
        clock(at)
        == clock(elsewhere)
        == clock(at.isoformat())
        == clock("2026-11-24T16:00:59Z")
        == "2026-11-24 16:00 UTC"
    )
    assert clock(None) == clock("") == ""


def test_nothing_else_writes_times_for_people() -> None:
    """What files and vendors want, and names of workflows, are other formats; a traced time answers with itself."""
    others = {"core/ids.py", "gateway/reconciling.py", "inbound/statements/xlsx.py"}
    others |= {"activities/carriers/kdniao.py", "backtest/tracing.py", "local/dialects.py", "local/registering.py"}
    written = {
        str(file.relative_to(PROJECT))
        for folder in (
            "activities",
            "backtest",
            "commands",
            "core",
            "demo",
            "gateway",
            "inbound",
            "ledger",
            "local",
            "workflows",
        )
        for file in (PROJECT / folder).rglob("*.py")
        if re.search(r"strftime\(|:%[YHd]", file.read_text(encoding="utf-8"))
    }
    assert written == others


def test_a_payment_from_long_ago_is_told_how_old_it_may_be() -> None:
    driver = OrderDriver().open()
    order: Order = driver.state.order
    late = order.payment.paid_at + timedelta(days=400)
    refusal = check_payment_time(order, driver.state.policy, late)
    assert refusal is not None
    assert refusal.message.endswith("It is older than 30 days.")


# --- sentences -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_sentence_of_its_own(reason: str, language: Language) -> None:
    entries = explain._ENTRIES[reason]
    variants = [name for name in entries if name not in {"title", "advice"}]
    assert "title" in entries
    assert "fail" in variants
    for variant in variants:
        outcome, _, what = variant.partition("_")
        said = sentence(reason, outcome, {**SAMPLE, "what": what}, language)
        assert "?" not in said, variant
        assert "{" not in said, variant
        assert said.endswith("." if language == "en" else ("。", "）")), said


def test_no_sentence_is_left_of_a_reason_that_is_gone() -> None:
    assert explain._ENTRIES.keys() == set(REASONS)
    assert set(REASONS) >= SILENCE


def test_chinese_sentences_are_wholly_chinese() -> None:
    for reason, entries in explain._ENTRIES.items():
        for variant, texts in entries.items():
            outcome, _, what = variant.partition("_")
            said = (
                texts["zh"]
                if outcome in {"title", "advice"}
                else sentence(reason, outcome, {**SAMPLE, "what": what}, "zh")
            )
            assert english_in(said) == [], (reason, variant, said)
    for words in explain._WORDS.values():
        for word in words.values():
            assert english_in(word["zh"]) == []
    assert sentence("signed_in_time", "fail", SAMPLE, "zh").startswith("最后一条轨迹之后 2 小时 6 分钟未签收")


@pytest.mark.parametrize("texts", [order_texts, withdrawal_texts, drop_texts])
def test_what_helps_is_said_in_both_languages(texts: Any) -> None:
    tables = [getattr(texts, name, {}) for name in ("WAITING", "HELD")]
    found = [entry for table in tables for entry in table.values()] + [
        value for value in vars(texts).values() if isinstance(value, Help) and value.en[0].isupper()
    ]
    assert found
    for one in found:
        assert english_in(one.zh) == [], one
        assert re.match(r"[A-Z{].*\.$", one.en), one
        assert one.zh.endswith("。"), one


@pytest.mark.parametrize(
    "number", ["", "12!3", "1Z5R89390357567128", "SF602613143497", "YT123", "A" * 60, "RR123456789CN"]
)
def test_what_is_said_of_a_number_is_chinese_but_for_names(number: str) -> None:
    names = {carrier.name_zh for carrier in CARRIERS.carriers}
    for carrier in (None, "sf", "ups", "yto", "ems"):
        said = CARRIERS.judge(carrier, number).reason_zh
        assert english_in(said, number, *names) == [], said


def _check(view: Any, *names: str) -> None:
    assert view.what_helps_zh, view
    assert english_in(view.what_helps_zh, *names) == [], view.what_helps_zh
    assert "something is wrong" not in view.what_helps
    assert "发现异常" not in view.what_helps_zh


@pytest.mark.parametrize("start", STARTS)
def test_whatever_holds_an_order_is_said_in_chinese(start: str) -> None:
    driver = a_driver(start, 1)
    causes = [refund.cause for refund in driver.state.refunds]
    for view in holds_of(driver.state):
        _check(view, *causes)


def test_on_random_ways_all_holds_and_findings_are_said_in_chinese() -> None:
    for driver, _ in walks(range(40), steps=25):
        disputes = [case.dispute.reference for case in driver.state.cases if case.dispute is not None]
        causes = [*(refund.cause for refund in driver.state.refunds), *disputes]
        for view in holds_of(driver.state):
            _check(view, *causes, "sandbox")
        for parcel in driver.state.parcels:
            assert len(findings_of(parcel, "zh")) == len(findings_of(parcel, "en"))
        journal = driver.state.inbox.journal
        written = [entry.message or "" for entry in journal if entry.actor is not None]
        for said in (*(note_of(entry, "zh") for entry in journal if entry.actor is None), *_reasons(driver)):
            assert english_in(said, "auto-A1001", "command_id", "actor", *written, *causes) == [], said


def _reasons(driver: OrderDriver) -> list[str]:
    return [refund_reason(refund.reason, "zh", driver.state.screening_hits) for refund in driver.state.refunds]


def test_a_refund_of_prohibited_goods_names_the_rules_in_chinese() -> None:
    driver = OrderDriver(screening=Screening(verdict="refuse", reasons=("medicine (line 1)",), hits=HITS)).open()
    assert _reasons(driver) == ["禁售商品：“药品”（第 1、2 行）、“possible replica”（第 3 行）"]


@pytest.mark.parametrize(
    ("reason", "of_rail", "english", "chinese"),
    [
        ("no one approved it in time", False, "no one approved it in time", "逾期无人批准"),
        ("called off by the merchant", False, "called off by the merchant", "由商家撤销"),
        (
            "payee NAME_ERROR not his",
            True,
            "the payee's account was refused: “NAME_ERROR not his”",
            "收款账户被拒：“NAME_ERROR not his”",
        ),
        ("payee asked for it", False, "payee asked for it", "payee asked for it"),
        (
            "receivable_outstanding: The merchant owes money.",
            False,
            "The merchant owes money.",
            "商家有欠款。",
        ),
        ("holder_mismatch", False, REFUSALS["holder_mismatch"].en, REFUSALS["holder_mismatch"].zh),
        (
            "user by_hand B-77, the bank says so",
            True,
            "two people said that it was not paid: B-77, the bank says so",
            "两人核定为未付款：B-77, the bank says so",
        ),
    ],
)
def test_why_a_withdrawal_ended_is_said_in_both_languages(
    reason: str, of_rail: bool, english: str, chinese: str
) -> None:
    assert withdrawal_reason(reason, of_rail=of_rail) == english
    assert withdrawal_reason(reason, "zh", of_rail=of_rail) == chinese
    assert {*get_args(FailureClass)} == FAILURES.keys()


AT = datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("verb", "actor", "message", "english", "chinese"),
    [
        (
            "deadline_shifted",
            None,
            "approve_by: 2026-11-22T08:00:00+00:00 → 2026-11-23T08:00:00+00:00, outage",
            "“approval”: 2026-11-22 08:00 UTC → 2026-11-23 08:00 UTC, as our service was down",
            "“批准期限”：2026-11-22 08:00 UTC → 2026-11-23 08:00 UTC（系统中断）",
        ),
        (
            "clock_paused",
            None,
            "receipt_by: 2026-11-22T08:00:00+00:00 → paused, case 1 is open",
            "“receipt is confirmed at”: 2026-11-22 08:00 UTC → paused, case 1 is open",
            "“自动确认收货”：2026-11-22 08:00 UTC → 暂停，售后 1 处理中",
        ),
        (
            "shift_deadline",
            OPERATOR,
            "ship_by moved by 3d: Spring Festival",
            "“ship by” moved by 3 days: Spring Festival",
            "“发货期限”顺延 3 天：Spring Festival",
        ),
        (
            "shift_deadline",
            OPERATOR,
            "ship_by taken back by 3d: a mistake",
            "“ship by” taken back by 3 days: a mistake",
            "“发货期限”收回顺延 3 天：a mistake",
        ),
        ("open_after_sale", OPERATOR, "wrong_item", "wrong item", "发错货"),
        ("cancel_order", OPERATOR, "2 for parcel p1", "2 for parcel p1", "2 for parcel p1"),
        ("start_withdrawal", None, "withdrawal 20261122", "withdrawal 20261122", "提现 20261122"),
    ],
)
def test_a_note_of_the_journal_names_deadlines_and_times(
    verb: str, actor: Actor | None, message: str, english: str, chinese: str
) -> None:
    entry = JournalEntry(seq=1, at=AT, channel="system", verb=verb, actor=actor, outcome="noted", message=message)
    assert note_of(entry, "en") == english
    assert note_of(entry, "zh") == chinese


def test_a_refund_that_the_channel_refused_quotes_the_channel_in_chinese() -> None:
    driver = a_driver("refund refused", 1)
    (view,) = [view for view in holds_of(driver.state) if view.reason == "refund_stuck"]
    assert view.what_helps_zh is not None
    assert "被支付渠道拒绝" in view.what_helps_zh


def test_what_the_ledger_refuses_is_said_in_chinese() -> None:
    assert IN_CHINESE.keys() == IN_ENGLISH.keys() == KINDS_BY_NAME.keys()
    driver = a_driver("not funded", 1)
    (view,) = [view for view in holds_of(driver.state) if view.reason == "ledger_disagrees"]
    assert view.what_helps_zh is not None
    assert view.what_helps_zh.startswith("账本拒绝该笔记账（买家付款入担保账户）：与已有记账内容不符。")


# --- the screening of goods ------------------------------------------------------------------------------

HITS = (
    ScreeningHit(rule="medicine", rule_zh="药品", lines=("1", "2")),
    ScreeningHit(rule="possible replica", lines=("3",)),
)


def test_goods_that_wait_for_a_person_say_why() -> None:
    driver = OrderDriver(screening=Screening(verdict="hold", reasons=("medicine (line 1)",), hits=HITS)).open()
    (view,) = holds_of(driver.state)
    assert view.what_helps.startswith(
        "The goods match the screening rules “medicine” (lines 1, 2), “possible replica” (line 3); a person decides"
    )
    assert view.what_helps_zh is not None
    assert view.what_helps_zh.startswith(
        "商品命中筛查规则“药品”（第 1、2 行）、“possible replica”（第 3 行），由人工裁定"
    )
    assert screening_sentence(()) == "The screening wants a person to look at the goods."
