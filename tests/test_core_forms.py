"""A form finds what only the case knows, and no text of a sender makes it look for long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.forms import Forms
from core.reason_details import detail_zh
from core.strict_json import parse_json

FORMS = Forms({"{} of {}: {}": "<{}|{}|{}>", "it is {}.": "[{}]", "{}{}!": "{}+{}", "all {{of}} it": "all"})
FEW = st.text("a:!", max_size=9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 of 2: x", "<1|2|x>"),
        ("1 of 2 of 3: x: y", "<1|2 of 3|x: y>"),
        ("it is {}.", "[{}]"),
        ("it is .", None),
        ("it is a. ", None),
        ("ab!", "a+b"),
        ("a!", None),
        ("all {of} it", "all"),
        ("two\nlines of a: b", "<two\nlines|a|b>"),
        ("", None),
    ],
)
def test_what_stands_between_the_parts_of_a_form_is_put_into_the_other(text: str, said: str | None) -> None:
    assert FORMS.said(text) == said


@given(st.lists(st.text("a:!", max_size=2), min_size=1, max_size=4), FEW)
def test_a_form_finds_what_a_regular_expression_would(fixed: list[str], text: str) -> None:
    found = re.fullmatch("(.+?)".join(map(re.escape, fixed)), text, re.DOTALL)
    wanted = None if found is None else "|".join(found.groups())
    assert Forms({"{}".join(fixed): "|".join("{}" for _ in fixed[1:])}).said(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        *(": " * 100_000, "a: b is " * 20_000, "x, line 1: " * 20_000, "'" + "x: " * 50_000),
        # one within another, without end
        *("DAKUAN_RAILS: a: " * 10_000, "x" + " Nothing was sent." * 10_000),
    ],
    ids=lambda text: text[:16],
)
def test_a_senders_text_of_any_length_is_looked_at_once(text: str) -> None:
    """A regular expression would be at it for hours, and the gateway with it: a key of a body stands in its refusal."""
    assert len(detail_zh(text)) > 1_000
    with pytest.raises(BadInput, match="stands twice in one object") as refused:
        parse_json(f'{{"{text}": 1, "{text}": 2}}')
    assert len(str(refused.value)) < 200
