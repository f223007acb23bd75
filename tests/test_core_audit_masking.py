"""Names and phones of couriers and receivers go; places, numbers and hotlines stay."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from core.audit.masking import mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("业务员【张婷,13812345678】正在为您派件", "业务员【***,***】正在为您派件"),
        ("【威海】的【王奕凯】正在派件", "【威海】的【***】正在派件"),
        ("已签收,签收人是【毕森】,签收网点是【威海】", "已签收,签收人是【***】,签收网点是【威海】"),
        ("派件员:李小明 138 1234 5678", "派件员:*** ***"),
        ("联系电话+86 138-1234-5678", "联系电话***"),
        ("网点:0710-3712345, 投诉电话:1860*", "网点:***, 投诉电话:***"),
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
        "本人签收",
    ],
)
def test_places_numbers_and_hotlines_stay(text: str) -> None:
    assert mask(text) == text


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
