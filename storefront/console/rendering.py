"""Pages from templates: each word in the person's language, each time in their zone, each amount in one form."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any
from unicodedata import east_asian_width

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from core.answers import JournalEntry
from core.audit.waybills import carrier_name
from core.durations import parse_duration
from core.journal_notes import note_of
from core.money import format_minor
from core.names import actor_name
from core.texts import listed, spell
from storefront.console.offers import Offer
from storefront.console.visits import Visit
from storefront.console.words import TABLE
from storefront.problems import HttpProblem

PAGES: tuple[tuple[str, str, bool], ...] = (
    ("reviews", "/console/reviews", True),
    ("withdrawals", "/console/withdrawals", False),
    ("cases", "/console/cases", True),
    ("money", "/console/money", True),
    ("quality", "/console/quality", True),
    ("carriers", "/console/carriers", True),
    ("endpoints", "/console/endpoints", True),
)
"""Name, address, whether it is for the platform's people alone."""


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("storefront.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["amount"] = _amount
    made.filters["capital"] = _capital
    made.filters["fitting"] = _fitting
    made.tests["in_the_past"] = lambda at, now: _moment(at) < now
    return made


@cache
def asset_version() -> str:
    """Changes with the style sheet and the script, so that a browser may keep them."""
    folder = resources.files("storefront.console") / "static"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def render(visit: Visit, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page."""
    text = _environment().get_template(template).render(_common(visit) | values)
    return HTMLResponse(text, status)


def _common(visit: Visit) -> dict[str, Any]:
    """What every template may use."""
    words = visit.words
    return {
        "t": words,
        "named": words.of,
        "entry_name": words.entry,
        "noted": lambda entry: noted(visit, entry),
        "about_name": lambda offer: about_name(visit, offer),
        "label": words.label,
        "choice": words.choice,
        "hint_of": words.hint,
        "plain": words.plain,
        "colon": "：" if words.language == "zh" else ": ",
        "carrier_name": lambda code: carrier_name(code, words.language),
        "lang": words.language,
        "html_lang": "zh-Hans" if words.language == "zh" else "en",
        "theme": visit.theme,
        "zone": visit.zone.key,
        "person": visit.person.known if visit.person else None,
        "is_staff": visit.person is not None and visit.person.is_staff,
        "pages": [page for page in PAGES if visit.person and (visit.person.is_staff or not page[2])],
        "here": visit.here,
        "path": visit.request.url.path,
        "form_token": visit.jar.form_token(visit.browser_id),
        "asset_version": asset_version(),
        "now": visit.now,
        "actor": lambda who: actor_name(who, words.language),
        "when": lambda at: when(visit, at),
        "when_short": lambda at: when(visit, at, "%m-%d %H:%M"),
        "from_now": lambda at: from_now(visit, at),
        "lasts": lambda length: spell(_length(length), words.language),
        "beside": lambda said: f"（{said}）" if words.language == "zh" else f" ({said})",
        "listed": lambda words_in_a_row: listed(words_in_a_row, words.language),
        "iso": lambda at: _moment(at).isoformat() if at else "",
    }


def said_of(visit: Visit, problem: HttpProblem) -> str:
    """A problem as people read it."""
    section = TABLE["problem"]
    if problem.code in section:
        return section[problem.code][visit.language]
    chinese = problem.detail_zh if visit.language == "zh" else None
    return visit.words.plain(chinese or problem.detail)


def noted(visit: Visit, entry: JournalEntry) -> str:
    """What a journal says of an entry: why it was refused, or what was noted with it."""
    return visit.words.plain(note_of(entry, visit.language, lambda at: when(visit, at)))


def about_name(visit: Visit, offer: Offer) -> str:
    """What people call that which an offer is about: a hold of ours by its words, other ids as they are."""
    is_ours = offer.verb == "lift_hold" and offer.about in TABLE["hold"]
    return visit.words.of("hold", offer.about) if is_ours else offer.about


def when(visit: Visit, at: datetime | str | None, form: str = "%Y-%m-%d %H:%M") -> str:
    """A time in the person's zone, to the minute; "" where there is none."""
    return _moment(at).astimezone(visit.zone).strftime(form) if at else ""


def from_now(visit: Visit, at: datetime | str | None) -> str:
    """How far away a time is: `in 3 h`, `2 days ago`; "" where there is none."""
    if not at:
        return ""
    away = _moment(at) - visit.now
    key = "time.ahead" if away >= timedelta() else "time.ago"
    whole = timedelta(seconds=round(abs(away).total_seconds()))
    return visit.words(key, length=spell(whole, visit.language))


def _moment(at: datetime | str) -> datetime:
    return datetime.fromisoformat(at) if isinstance(at, str) else at


def _length(given: timedelta | str | float) -> timedelta:
    if isinstance(given, timedelta):
        return given
    return parse_duration(given) if isinstance(given, str) else timedelta(seconds=given)


def _amount(minor: int, currency: str) -> str:
    """`135.80 CNY`, with a true minus."""
    return format_minor(minor, currency).replace("-", "−")


def _capital(text: str) -> str:
    """A word of a sentence, where it stands alone."""
    return text[:1].upper() + text[1:]


def _fitting(text: str, columns: int) -> str:
    """As much of a text as has room in so many columns of a chart; a Chinese character takes two."""
    left = columns - 1
    for place, one in enumerate(text):
        left -= 2 if east_asian_width(one) in "WF" else 1
        if left < 0:
            return f"{text[:place].rstrip()}…"
    return text
