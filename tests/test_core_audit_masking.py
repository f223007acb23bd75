"""Names and phones of couriers and receivers go; places, numbers and hotlines stay."""

from __future__ import annotations

import gzip
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
        ("お届け先 090-1234-5678 田中", "お届け先 *** ***"),
        ("Call 07911 123456", "Call ***"),
        ("Ring 012-345 6789 first", "Ring *** first"),
        ("Driver 9123 4567", "Driver ***"),
        ("身份证号：11010519491231002X 已核验", "身份证号：*** 已核验"),
        ("凭证件 11010519491231002X 取件", "凭证件 *** 取件"),
        ("凭 11010519491231002x 取件", "凭 *** 取件"),
        ("护照E12345678", "护照***"),
        ("Passport no. K1234567A checked", "Passport no. *** checked"),
        ("清关需护照：E1*****78", "清关需护照：***"),
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
        # A check digit, a day of birth and a place that are none; numbers of waybills and orders.
        "运单 110105194912310021 已揽收",
        "订单 119901199013450028",
        "运单 773012345678901234 转出",
        "JD0123456789012-1-1-",
        "2024-01-02 0123-4567",
        "班次 CA 1234 5678",
        "格口 0012-34",
        "Passport control passed",
        "ID 12",
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


def test_no_number_of_a_waybill_or_order_is_taken_for_a_person(shared_data: Path) -> None:
    """Measured on what is public: 2,160 numbers of carriers and orders, each in a sentence of a scan.

    Three are hit: 11 or 12 digits that begin with 0 have the form of a landline, and a landline may be a person's.
    """
    found = _numbers(shared_data)
    assert len(found) > 1_000
    hit = [number for number in found if mask(f"运单 {number} 已到达") != f"运单 {number} 已到达"]
    assert [number for number in hit if not re.fullmatch("0[0-9]{10,11}", number)] == []
    assert len(hit) <= 3


def _numbers(shared_data: Path) -> list[str]:
    """Test numbers of carriers, and ids of orders."""
    numbers = []
    for file in sorted((shared_data / "tracking_numbers").glob("*.json")):
        for one in json.loads(file.read_text(encoding="utf-8"))["tracking_numbers"]:
            valid = one["test_numbers"]["valid"] + one["test_numbers"].get("invalid", [])
            numbers += ["".join(number.split()) for number in valid]
    rows = gzip.decompress((shared_data / "olist" / "orders.csv.gz").read_bytes()).decode().splitlines()[1:2001]
    numbers += [row.partition(",")[0].strip('"') for row in rows]
    return numbers
