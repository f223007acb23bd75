"""Durations as a policy file writes them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from core.durations import LONGEST, Duration, format_duration, parse_duration


class Sample(BaseModel):
    wait: Duration = timedelta(hours=48)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("48h", timedelta(hours=48)),
        ("3d", timedelta(days=3)),
        ("1d12h", timedelta(hours=36)),
        ("250ms", timedelta(milliseconds=250)),
        ("0s", timedelta()),
    ],
)
def test_a_duration_is_read_as_people_write_it(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "48", "h", "-1h", "1.5h", " 1h", "1h ", "1h\n", "٣d", "1y", "9999d", "9" * 12 + "d"]
)
def test_what_is_not_a_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be (a duration such as|between)"):
        parse_duration(text)


@given(st.integers(0, LONGEST // timedelta(milliseconds=1)).map(lambda ms: timedelta(milliseconds=ms)))
def test_what_is_written_is_read_back_as_the_same(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


def test_a_field_travels_as_text_and_stays_a_timedelta_in_python() -> None:
    sample = Sample.model_validate({"wait": "36h"})
    assert sample.model_dump() == {"wait": timedelta(hours=36)}
    assert sample.model_dump_json() == '{"wait":"36h"}'
    assert Sample.model_validate_json(sample.model_dump_json()) == sample
    assert Sample().model_dump(mode="json") == {"wait": "2d"}


@pytest.mark.parametrize("value", [48, 1.5, None, True, "48", timedelta(days=-1), timedelta(microseconds=1)])
def test_a_number_without_a_unit_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate({"wait": value})
