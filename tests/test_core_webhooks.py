"""Webhooks, decided without a network: what an answer means, when to try again, when to stop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from core.webhooks import DISABLED_AFTER, RETRIES, Health, PostAnswer, health_after, next_try, outcome_of, pause_of

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (200, "delivered"),
        (204, "delivered"),
        (299, "delivered"),
        (None, "failed"),
        (199, "failed"),
        (301, "failed"),
        (302, "failed"),
        (307, "failed"),
        (400, "failed"),
        (401, "failed"),
        (404, "failed"),
        (410, "gone"),
        (429, "failed"),
        (500, "failed"),
        (503, "failed"),
    ],
)
def test_only_a_success_is_a_delivery(status: int | None, means: str) -> None:
    assert outcome_of(PostAnswer(status=status)) == means


@pytest.mark.parametrize(
    ("failures", "delay"),
    [
        (1, timedelta(seconds=5)),
        (2, timedelta(minutes=5)),
        (3, timedelta(minutes=30)),
        (4, timedelta(hours=2)),
        (5, timedelta(hours=5)),
        (6, timedelta(hours=10)),
        (7, timedelta(hours=14)),
        (8, timedelta(hours=20)),
        (9, DAY),
        (10, DAY),
        (1000, DAY),
    ],
)
def test_each_failure_waits_longer(failures: int, delay: timedelta) -> None:
    assert next_try(failures, NOW, 0.5) - NOW == delay
    assert next_try(failures, NOW, 0.0) - NOW == delay * 0.8
    assert next_try(failures, NOW, 1.0) - NOW == delay * 1.2


def test_a_consumer_may_ask_for_more_time_but_not_for_less() -> None:
    assert next_try(1, NOW, 0.5, timedelta(minutes=2)) == NOW + timedelta(minutes=2)
    assert next_try(3, NOW, 0.5, timedelta(seconds=1)) == NOW + RETRIES[2]


def test_a_consumer_cannot_put_an_event_off_for_years() -> None:
    assert next_try(1, NOW, 0.5, timedelta(days=9_999)) == NOW + DAY


@pytest.mark.parametrize(
    ("status", "asked", "paused"),
    [
        (429, timedelta(minutes=1), timedelta(minutes=1)),
        (503, timedelta(minutes=1), timedelta(minutes=1)),
        (503, timedelta(days=99), DAY),
        (503, timedelta(0), None),
        (503, None, None),
        (500, timedelta(minutes=1), None),
        (200, timedelta(minutes=1), None),
        (None, None, None),
    ],
)
def test_a_consumer_may_ask_for_a_pause(status: int | None, asked: timedelta | None, paused: timedelta | None) -> None:
    assert pause_of(PostAnswer(status=status, retry_after=asked)) == paused


def test_the_schedule_reaches_beyond_a_weekend() -> None:
    assert timedelta(days=3) < sum(RETRIES, timedelta()) < DISABLED_AFTER


def test_a_failure_marks_an_endpoint_and_a_delivery_clears_it() -> None:
    failing = health_after(Health(), "failed", NOW)
    assert failing == Health(state="failing", failing_since=NOW)
    assert health_after(failing, "failed", NOW + DAY).failing_since == NOW
    assert health_after(failing, "delivered", NOW + DAY) == Health()


def test_five_days_of_failures_only_disable_an_endpoint() -> None:
    failing = health_after(Health(), "failed", NOW)
    assert health_after(failing, "failed", NOW + DISABLED_AFTER - timedelta(seconds=1)).state == "failing"
    ended = health_after(failing, "failed", NOW + DISABLED_AFTER)
    assert (ended.state, ended.disabled_for, ended.failing_since) == ("disabled", "failing", NOW)


def test_one_delivery_within_the_five_days_begins_them_anew() -> None:
    health = health_after(Health(), "failed", NOW)
    health = health_after(health, "delivered", NOW + 4 * DAY)
    health = health_after(health, "failed", NOW + 6 * DAY)
    assert health.state == "failing"


def test_a_consumer_that_is_gone_is_disabled_at_once() -> None:
    ended = health_after(Health(), "gone", NOW)
    assert (ended.state, ended.disabled_for) == ("disabled", "gone")


def test_only_a_person_enables_an_endpoint_again() -> None:
    ended = health_after(Health(), "gone", NOW)
    assert health_after(ended, "delivered", NOW) == ended
