"""Which provider is asked: in order, the next where one is silent or has nothing, and what the file may say of it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from databases import Database
from vendor_adapters import fresh, query, way

from activities.carriers.base import TraceQuery, found, nothing_found, silent
from activities.carriers.chosen import ChosenCarriers
from config import Settings
from config.providers import parse_providers
from core.audit.trace import Trace, TraceAnswer
from core.errors import Misconfigured
from ledger.register import Register
from local.client import WorldClient
from local.dialects import CUSTOMER, KEY, SALT
from local.standins import StandIns
from wiring.carriers import open_carriers

FILE = f"""
default = ["kuaidi100", "kdniao"]

[carriers]
ups = ["easypost", "sandbox"]

[providers.kuaidi100]
url = "/kuaidi100"
customer = "$CUSTOMER"
key = "$KEY"
salt = "$SALT"

[providers.kdniao]
url = "/kdniao"
customer = "{CUSTOMER}"
key = "$KEY"

[providers.easypost]
url = "/easypost"
key = "$KEY"
salt = "$SALT"
"""
VARIABLES = {"CUSTOMER": CUSTOMER, "KEY": KEY, "SALT": SALT}


class Saying:
    """A provider that says always the same of some carriers."""

    def __init__(self, name: str, answer: TraceAnswer, serves: str = "*") -> None:
        self.name, self.answer, self.served, self.asked = name, answer, serves, 0

    def serves(self, carrier: str) -> bool:
        return self.served in ("*", carrier)

    async def trace(self, query: TraceQuery) -> Trace:
        self.asked += 1
        if self.answer == "found":
            return found(query, self.name, way())
        if self.answer in ("throttled", "auth", "unavailable"):
            return silent(query, self.name, self.answer, "so it is")
        return nothing_found(query, self.name, self.answer)


async def asked(*answers: TraceAnswer) -> tuple[list[str], list[int]]:
    saying = {str(number): Saying(str(number), answer) for number, answer in enumerate(answers)}
    traces = await ChosenCarriers(saying, tuple(saying)).traces(query("kdniao", "N1"))
    return [trace.answer for trace in traces], [one.asked for one in saying.values()]


async def test_the_first_that_knows_the_parcel_is_the_last_that_is_asked() -> None:
    assert await asked("found", "found") == (["found"], [1, 0])


@pytest.mark.parametrize("silence", ["throttled", "auth", "unavailable"])
async def test_the_next_is_asked_where_one_is_silent(silence: TraceAnswer) -> None:
    assert await asked(silence, "found", "found") == ([silence, "found"], [1, 1, 0])


async def test_no_trace_is_believed_of_two() -> None:
    assert await asked("no_trace", "no_trace") == (["no_trace", "no_trace"], [1, 1])


async def test_who_does_not_serve_a_carrier_is_not_asked_and_does_not_count() -> None:
    one, other = Saying("one", "found", serves="ups"), Saying("other", "found")
    chosen = ChosenCarriers({"one": one, "other": other}, ("one", "other"), {"sf": ("other",)})
    assert (chosen.providers("ups"), chosen.providers("yto"), chosen.providers("sf")) == (2, 1, 1)
    await chosen.traces(query("kdniao", "N1", "yto"))
    assert (one.asked, other.asked) == (0, 1)


async def test_nobody_who_serves_it_is_an_answer_too() -> None:
    nobody = Saying("one", "unknown_carrier", serves="ups")
    traces = await ChosenCarriers({"one": nobody}, ("one",)).traces(query("kdniao", "N1", "yto"))
    assert [trace.answer for trace in traces] == ["unknown_carrier"]


# --- the file --------------------------------------------------------------------------------------------


async def test_the_file_chooses_the_real_adapters_and_one_falls_back_on_the_next(
    standins: StandIns, world: WorldClient, database: Database
) -> None:
    settings = Settings(
        world_url=standins.url, carrier_url=standins.carrier_url, providers=parse_providers(FILE, VARIABLES)
    )
    yto, ups = fresh(), fresh("1Z")
    await world.add_scans("yto", yto, way())
    await world.add_scans("ups", ups, way())
    async with AsyncExitStack() as stack:
        chosen = await open_carriers(settings, stack, Register(database.pool))
        assert (chosen.providers("yto"), chosen.providers("ups")) == (2, 2)
        await world.fault("carrier", match=yto, kind="status_before_effect", status=503)
        traces = await chosen.traces(TraceQuery(carrier="yto", waybill=yto))
        assert [(trace.provider, trace.answer) for trace in traces] == [
            ("kuaidi100", "unavailable"),
            ("kdniao", "found"),
        ]
        traces = await chosen.traces(TraceQuery(carrier="ups", waybill=ups))
        assert [(trace.provider, trace.answer) for trace in traces] == [("easypost", "found")]


def test_the_vendors_interval_is_kept_unless_the_file_says_another() -> None:
    read = parse_providers(FILE, VARIABLES)
    assert read.providers["kuaidi100"].interval == timedelta(minutes=30)
    assert read.providers["kdniao"].interval == timedelta()
    other = parse_providers(FILE.replace('salt = "$SALT"', 'interval = "45m"', 1), VARIABLES)
    assert other.providers["kuaidi100"].interval == timedelta(minutes=45)


def test_no_secret_is_shown() -> None:
    assert SALT not in repr(parse_providers(FILE, VARIABLES))
    assert KEY not in repr(Settings(providers=parse_providers(FILE, VARIABLES)))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"kdniao"]', '"pigeon"]', "there is no provider 'pigeon'"),
        ("ups =", "pigeon =", "there is no carrier 'pigeon'"),
        ('key = "$KEY"', 'key = "$NOBODY"', "NOBODY is not set"),
        ('key = "$KEY"', 'key = ""', "key is missing"),
        ('key = "$KEY"', "key = 7", "key"),
        ('default = ["kuaidi100", "kdniao"]', "default = []", "default"),
        ("[carriers]", "[carriers", "line"),
        ("[providers.easypost]", "[providers.harbor]", "easypost"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_in_a_sentence(old: str, new: str, why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        parse_providers(FILE.replace(old, new, 1), VARIABLES)
