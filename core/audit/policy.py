"""The thresholds of the audit: every number is configuration; `policies/default.toml` says where each comes from."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, StringConstraints, field_validator, model_validator

from core.durations import Duration
from core.fields import Id, Message

Count = Annotated[int, Field(strict=True, ge=0, le=100_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Literal["fatal", "strong", "weak", "confirms", "none"]
"""What a failed truth rule does: `fatal` rejects, `strong` sends to review, `weak` sends to review together with
another. `confirms`: when it passes, it offsets one weak finding.
"""

TruthRule = Literal[
    "number_possible",
    "carrier_known",
    "number_unclaimed",
    "trace_exists",
    "not_recycled",
    "destination_matches",
    "contact_matches",
    "origin_matches",
    "speed_possible",
    "time_order",
    "moved",
    "not_returned",
    "weight_plausible",
    "carrier_agrees",
]
TRUTH_RULES: tuple[TruthRule, ...] = get_args(TruthRule)
SERVICE_RULES = ("shipped_in_time", "picked_up_in_time", "keeps_moving", "signed_in_time")


class ClosedDays(Message):
    """Days on which a country's carriers rest; they do not count where a rule waits. Both days included."""

    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    first: date
    last: date
    utc_offset: Duration = timedelta()
    """How far the country's midnight is ahead of UTC."""

    @model_validator(mode="after")
    def _in_order(self) -> ClosedDays:
        if not date(1970, 1, 1) <= self.first <= self.last <= date(2200, 1, 1):
            raise ValueError("first must not be after last, and both lie between 1970 and 2200")
        return self

    @cached_property
    def span(self) -> tuple[datetime, datetime]:
        """From the first day's midnight of the country to the one after the last day, in UTC."""
        closes = datetime.combine(self.first, time(), UTC) - self.utc_offset
        return closes, datetime.combine(self.last, time(), UTC) + timedelta(days=1) - self.utc_offset


class Trial(Message):
    """Another threshold for one rule, tried on live orders. Its findings are recorded and do not count."""

    name: Id
    rule: TruthRule
    values: dict[str, Any] = {}


class Override(Message):
    """Other values for the orders that match everything named here. Later overrides win."""

    category: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]{1,80}$")] | None = None
    """Any line's category, or one below it."""
    carrier: Id | None = None
    merchant_id: Id | None = None
    from_country: str | None = None
    from_province: str | None = None
    to_country: str | None = None
    to_province: str | None = None
    values: dict[str, Any]


class AuditPolicy(Message):
    """The limits of a parcel's audit. `for_route` folds the overrides in for one parcel."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")] = "default"

    # truth: is it this order's, and did it move as claimed
    reuse_window: Duration = timedelta(days=30)
    no_trace_strong: Duration = timedelta(hours=72)
    no_trace_fatal: Duration = timedelta(days=7)
    no_trace_apart: Duration = timedelta(hours=12)
    """Two looks closer together than this count as one."""
    outage_share: Share = 0.5
    """Share of a carrier's answers that are no-trace, from which on the carrier is out rather than the parcel fake."""
    outage_answers_min: Count = 20
    early_unknown: Duration = timedelta(hours=12)
    early_weak: Duration = timedelta(hours=48)
    number_rests: Duration = timedelta(days=30)
    """Carriers reuse numbers: scans that ended this long before the payment belong to another parcel."""
    hubs: tuple[str, ...] = ()
    """Consolidation hubs. A signature there says nothing about the parcel's destination."""
    speed_max_kmh: Annotated[int, Field(strict=True, ge=1, le=40_000)] = 900
    between_cities_min: Duration = timedelta(hours=2)
    clock_skew: Duration = timedelta(minutes=10)
    weight_factor: Annotated[float, Field(gt=1, le=1000)] = 3.0

    # service: late, slow, stale
    ship_within: Duration = timedelta(hours=48)
    picked_up_within: Duration = timedelta(hours=48)
    gap_max: Duration = timedelta(hours=48)
    gap_max_remote: Duration = timedelta(hours=72)
    gap_max_very_remote: Duration = timedelta(hours=120)
    remote: tuple[str, ...] = ("内蒙古", "甘肃", "宁夏", "青海", "海南")
    very_remote: tuple[str, ...] = ("新疆", "西藏")
    attempt_within: Duration = timedelta(hours=36)
    locker_within: Duration = timedelta(hours=18)
    stale_after: Duration = timedelta(days=5)

    # the verdict
    horizon: Duration = timedelta(days=10)
    look_first: Duration = timedelta(minutes=30)
    look_longest: Duration = timedelta(hours=12)
    look_factor: Annotated[float, Field(ge=1, le=10)] = 2.0
    look_moving: Duration = timedelta(hours=8)
    """The first wait once a carrier has the parcel, at most `look_longest`: the next news is its delivery."""
    look_subscribed: Duration = timedelta(hours=12)
    """The first wait where a provider pushes the number's scans: a look is the net under a lost push."""
    look_subscribed_longest: Duration = timedelta(hours=24)
    weights: dict[TruthRule, Literal["fatal", "strong", "weak", "none"]] = {}
    """Instead of a rule's own weight when it fails."""
    shadow: tuple[TruthRule, ...] = ()
    """Rules whose findings are recorded and do not count."""
    trials: tuple[Trial, ...] = ()
    closed_days: tuple[ClosedDays, ...] = ()
    overrides: tuple[Override, ...] = ()

    @field_validator("shadow")
    @classmethod
    def _never_the_number(cls, shadow: tuple[TruthRule, ...]) -> tuple[TruthRule, ...]:
        if "number_possible" in shadow:
            raise ValueError("number_possible refuses at intake and cannot be a shadow")
        return shadow

    @model_validator(mode="after")
    def _values_are_values(self) -> AuditPolicy:
        for number, override in enumerate(self.overrides):
            self.with_values(override.values, f"overrides.{number}.values")
        for number, trial in enumerate(self.trials):
            self.with_values(trial.values, f"trials.{number}.values")
        return self

    def with_values(self, values: dict[str, Any], where: str = "values") -> AuditPolicy:
        """The policy with other values, checked.

        Raises:
            ValueError: a key that no policy has or that cannot be overridden, or a value out of range; final.
        """
        if not values:
            return self
        if strange := sorted(set(values) - set(AuditPolicy.model_fields) | set(values) & _NOT_OVERRIDDEN):
            raise ValueError(f"{where}: no such value: {', '.join(strange)}")
        own = {name: getattr(self, name) for name in AuditPolicy.model_fields if name not in _NOT_OVERRIDDEN}
        changed = AuditPolicy.model_validate({**own, **values})
        return changed.model_copy(update={name: getattr(self, name) for name in _NOT_OVERRIDDEN})

    def for_route(
        self,
        *,
        merchant_id: str,
        categories: Iterable[str],
        carrier: str,
        origin: tuple[str, str | None],
        destination: tuple[str, str | None],
    ) -> AuditPolicy:
        """The policy for one parcel, its overrides folded in; origin and destination are (country, province)."""
        if not self.overrides:
            return self
        categories = tuple(categories)
        values: dict[str, Any] = {}
        for override in self.overrides:
            wanted = (
                (override.carrier, carrier),
                (override.merchant_id, merchant_id),
                (override.from_country, origin[0]),
                (override.from_province, origin[1]),
                (override.to_country, destination[0]),
                (override.to_province, destination[1]),
            )
            if all(want is None or want == have for want, have in wanted) and (
                override.category is None
                or any(c == override.category or c.startswith(f"{override.category}.") for c in categories)
            ):
                values.update(override.values)
        return self.with_values(values)


_NOT_OVERRIDDEN = frozenset({"name", "overrides", "trials"})


def next_look(attempt: int, policy: AuditPolicy, *, moving: bool = False, subscribed: bool = False) -> timedelta:
    """How long to wait after the look of this number (0 the first): from `look_first`, growing, to `look_longest`.

    Args:
        moving: a carrier has the parcel.
        subscribed: a provider pushes its scans.
    """
    first, most = policy.look_first, policy.look_longest
    if subscribed:
        first, most = max(first, policy.look_subscribed), max(most, policy.look_subscribed_longest)
    elif moving:
        first = max(first, min(policy.look_moving, most))
    seconds, longest = first.total_seconds(), most.total_seconds()
    for _ in range(max(0, attempt)):
        if seconds >= longest or policy.look_factor == 1:
            break
        seconds *= policy.look_factor
    return timedelta(seconds=min(seconds, longest))
