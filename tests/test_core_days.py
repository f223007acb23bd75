"""A day is one on every surface, and what is none is refused in the same words."""

from __future__ import annotations

from datetime import UTC, date, datetime
from urllib.parse import urlencode

import pytest
from command_line import run
from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from commands.licences import _end_of
from core.days import NO_DAY, day_of
from core.errors import Refused
from core.field_faults import said_plainly
from core.reasons import in_chinese
from storefront.api.merchants import _day

OUT_OF_OURS = "must lie between 1970 and 2199"
WRONG = [
    *(("2026-02-30", NO_DAY), ("2026-2-3", NO_DAY), ("20260203", NO_DAY), ("2026-W01-1", NO_DAY)),
    *(("２０２６-01-01", NO_DAY), ("", NO_DAY), ("9999-12-31", OUT_OF_OURS), ("0001-01-01", OUT_OF_OURS)),
]


def test_a_day_begins_at_midnight_utc() -> None:
    assert day_of("2028-02-29") == datetime(2028, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_is_no_day_is_refused_in_the_same_words_everywhere(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        day_of(text)
    with pytest.raises(Refused) as over_http:
        _day(Request({"type": "http", "query_string": urlencode({"to": text}).encode()}), "to")
    assert over_http.value.message == f"to: {said}"
    assert said in run("statement", "m-1", "--to", text).stderr
    with pytest.raises(Refused) as of_a_licence:
        _end_of(text)
    assert of_a_licence.value.message == f"until: {said}"


def test_a_day_within_a_message_is_refused_so_too() -> None:
    with pytest.raises(ValidationError) as wrong:
        TypeAdapter(date).validate_python("2026-02-30")
    assert said_plainly(wrong.value.errors()[0]) == NO_DAY
    assert in_chinese("malformed", f"to: {NO_DAY}") == "内容无法识别。to：须为存在的日期，如 2026-12-01"
