"""Names and phones of couriers and receivers go; places, numbers and hotlines stay."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from core.audit.masking import mask, mask_scans


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("业务员【张婷,13812345678】正在为您派件", "业务员【***,***】正在为您派件"),
        ("【威海】的【王奕凯】正在派件", "【威海】的【***】正在派件"),
        ("已签收,签收人是【毕森】,签收网点是【威海】", "已签收,签收人是【***】,签收网点是【威海】"),
        ("派件员:李小明 138 1234 5678", "派件员:*** ***"),
        ("联系电话+86 138-1234-5678", "联系电话***"),
        ("网点:0710-3712345, 投诉电话:1860*", "网点:***, 投诉电话:***"),
        ("张三13812345678", "******"),
        ("快件由李四 13812345678 签收", "快件由*** *** 签收"),
        ("请联系欧阳锋(13812345678)", "请联系***(***)"),
        ("张三丰 电话：13812345678", "*** 电话：***"),
        ("包裹放前台,张三先生 138****5678", "包裹放前台,***先生 ***"),
        ("王女士13812345678", "***女士***"),
        ("陳志明，電話：010-12345678", "***，電話：***"),
        ("13812345678 张三", "*** ***"),
        ("13812345678(李小龙)已签收", "***(***)已签收"),
        ("John Smith, (555) 123-4567", "***, ***"),
        ("J. Smith +44 20 7946 0958", "*** ***"),
        ("Signed for by: J SMITH", "Signed for by: ***"),
        ("Call +44 20 7946 0958", "Call ***"),
    ],
)
def test_people_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "【襄阳市】 快件已到达 襄樊转运中心",
        "运单 78474409893076 由 YT4841733297234 转出",
        "请拨打 95720 或 400-821-1111",
        "快递员已取件",
        "2025-01-14 18:23:15 已签收",
        "Delivered, Front Door/Porch",
        "Call 1 or 800-463-3339",
        "本人签收",
    ],
)
def test_places_numbers_and_hotlines_stay(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("已到达杭州西湖公司 13812345678", "已到达杭州西湖公司 ***"),
        ("石家庄网点:13812345678", "石家庄网点:***"),
        ("联系电话13812345678", "联系电话***"),
        ("客服热线13812345678", "客服热线***"),
        ("浙江省杭州市 13812345678", "浙江省杭州市 ***"),
    ],
)
def test_a_place_or_a_word_before_a_number_stays(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_the_scans_of_a_command_are_masked_and_all_else_stays() -> None:
    scans = [
        {"at": "t", "city": "张三 13812345678", "text": "张三13812345678正在派件", "more": 1},
        None,
        "x",
        {"text": 7},
    ]
    masked = mask_scans({"waybill": "1", "scans": scans})
    assert masked["waybill"] == "1"
    assert masked["scans"][0] == {"at": "t", "city": "*** ***", "text": "******正在派件", "more": 1}
    assert masked["scans"][1:] == [None, "x", {"text": 7}]
    for strange in ({}, {"scans": None}, {"scans": "x"}, {"scans": {"a": 1}}):
        assert mask_scans(strange) == strange


def test_control_characters_and_lone_surrogates_go() -> None:
    assert mask("a\x00b\ud800c\u202ed") == "abcd"


def test_a_long_text_is_cut_after_masking() -> None:
    text = "件" * 495 + "13812345678"
    assert len(mask(text)) == 498
    assert mask("件" * 10_000 + "13812345678") == "件" * 500


def test_no_phone_of_published_answers_survives(shared_data: Path) -> None:
    samples = json.loads((shared_data / "tracking_samples" / "kdniao_doc_samples.json").read_text())
    texts = [
        event["AcceptStation"]
        for answer in samples.values()
        if isinstance(answer, dict)
        for event in answer.get("Traces") or []
    ]
    assert len(texts) > 20
    for text in texts:
        assert not re.search(r"(?<!\d)1[3-9]\d{1,9}(?:\*|(?!\d))", mask(text)), mask(text)
