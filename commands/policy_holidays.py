"""Public holidays of a country as the closed days of a policy: days on which its carriers rest.

The days come from the package `holidays`. They are written into the policy and not looked up at run time: a policy's
text never changes under an order, and a person can read and correct it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

from core.durations import format_duration
from core.errors import BadInput
from core.policy import Policy

DAY = timedelta(days=1)


class Closed(NamedTuple):
    """Consecutive public holidays, with their names."""

    first: date
    last: date
    name: str


def public_holidays(country: str, years: Iterable[int]) -> list[Closed]:
    """The public holidays of a country, consecutive days together.

    Raises:
        BadInput: the package knows no such country, or no holiday of these years.
    """
    from holidays import country_holidays, list_supported_countries  # only here: it knows the whole world

    if country not in list_supported_countries():
        raise BadInput(f"country: {country!r} is none that the package holidays knows, such as CN or BR")
    days = dict(sorted(country_holidays(country, years=list(years), language="en_US").items()))
    if not days:
        raise BadInput(f"country: no holiday of {country} is known in these years")
    return list(_runs(days))


def _runs(days: dict[date, str]) -> Iterator[Closed]:
    run: list[date] = []
    for day, following in pairwise([*days, None]):
        assert day is not None
        run.append(day)
        if following != day + DAY:
            names = dict.fromkeys(name for one in run for name in days[one].split("; "))
            yield Closed(run[0], run[-1], "; ".join(names))
            run = []


def not_closed_yet(found: Iterable[Closed], policy: Policy, country: str) -> list[Closed]:
    """The days that the policy does not have yet. A run that it has in part is cut to the missing days."""
    have = {
        closed.first + DAY * number
        for closed in policy.audit.closed_days
        if closed.country == country
        for number in range((closed.last - closed.first).days + 1)
    }
    left: list[Closed] = []
    for closed in found:
        days = [closed.first + DAY * number for number in range((closed.last - closed.first).days + 1)]
        left += _runs({day: closed.name for day in days if day not in have})
    return left


def tables_of(country: str, found: Iterable[Closed], utc_offset: timedelta) -> str:
    """The tables that a policy file has for them."""
    offset = f'utc_offset = "{format_duration(utc_offset)}"\n' if utc_offset else ""
    return "\n".join(
        f"[[audit.closed_days]]   # {closed.name}\n"
        f'country = "{country}"\nfirst = {closed.first}\nlast = {closed.last}\n{offset}'
        for closed in found
    )


def with_tables(text: str, title: str, tables: str) -> str:
    """A policy's text with these tables. Tables written before under the same title are replaced."""
    head, end = f"# {title}; written by `policy holidays`\n", f"# end of {title}\n"
    block = f"{head}{tables}{end}"
    written = re.compile(f"{re.escape(head)}.*?{re.escape(end)}", re.DOTALL)
    if written.search(text):
        return written.sub(lambda _: block, text)
    return f"{text.rstrip()}\n\n{block}"


def without_tables(text: str, title: str) -> str:
    """The text without the tables under this title."""
    return with_tables(text, title, "") if f"# end of {title}\n" in text else text
