"""camt.053: what a statement says of its own entries is believed, and a file that lost or doubled one is refused."""

from __future__ import annotations

import re

import pytest
from statement_samples import CAMT

from inbound.statements.base import Source
from inbound.statements.camt053 import Camt053
from inbound.tables import BadFile

OPENED, CLOSED = 1000, 1470
SUMMARY = (
    "<TxsSummry><TtlNtries><NbOfNtries>4</NbOfNtries><Sum>771.00</Sum></TtlNtries>"
    "<TtlCdtNtries><NbOfNtries>2</NbOfNtries><Sum>620.5</Sum></TtlCdtNtries>"
    "<TtlDbtNtries><NbOfNtries>2</NbOfNtries><Sum>150.50</Sum></TtlDbtNtries></TxsSummry>"
)
BOOKED = [one for one in re.findall(r"<Ntry>.*?</Ntry>\n", CAMT, re.DOTALL) if "PDNG" not in one]


def balance(code: str, amount: int, day: str = "2026-11-27") -> str:
    sign = "DBIT" if amount < 0 else "CRDT"
    return (
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{abs(amount)}</Amt>'
        f"<CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def with_(*parts: str) -> str:
    """The sample, with what its bank says of it."""
    return CAMT.replace("</FrToDt>\n", f"</FrToDt>{''.join(parts)}\n")


def lines_of(text: str) -> int:
    return len(Camt053().read(Source("s.xml", text.encode()), "rail").lines)


BALANCES = (balance("OPBD", OPENED), balance("CLBD", CLOSED))


@pytest.mark.parametrize(
    "parts",
    [
        BALANCES,
        (balance("PRCD", -470, "2026-11-26"), balance("CLBD", 0), balance("CLAV", 17)),
        (balance("CLBD", CLOSED), balance("OPBD", OPENED), SUMMARY),
        # A statement of two days has the balances of both.
        (
            balance("OPBD", 1100, "2026-11-28"),
            balance("CLBD", CLOSED, "2026-11-28"),
            balance("OPBD", OPENED),
            balance("CLBD", 1100),
        ),
        (SUMMARY,),
        (balance("OPBD", 3),),
    ],
)
def test_a_whole_statement_is_read_with_its_own_sums(parts: tuple[str, ...]) -> None:
    assert lines_of(with_(*parts)) == 5


@pytest.mark.parametrize("said", [BALANCES, (SUMMARY,)])
@pytest.mark.parametrize("number", range(4))
def test_one_that_lost_or_doubled_an_entry_is_refused(said: tuple[str, ...], number: int) -> None:
    whole, entry = with_(*said), BOOKED[number]
    for changed in ("", entry * 2):
        with pytest.raises(BadFile, match=r"entries are missing or doubled|get it again"):
            lines_of(whole.replace(entry, changed))


def test_an_entry_of_several_transactions_needs_the_amount_of_each() -> None:
    """The entry's own is their sum: each would be taken for the whole."""
    text = CAMT.replace(
        '<EndToEndId>k2</EndToEndId></Refs><Amt Ccy="EUR">10.00</Amt>', "<EndToEndId>k2</EndToEndId></Refs>"
    )
    with pytest.raises(BadFile, match="row 2, Amt"):
        lines_of(text)


def test_amounts_of_another_currency_are_not_summed() -> None:
    other = '<Amt Ccy="EUR">500</Amt>'
    assert lines_of(with_(*BALANCES).replace(other, other.replace("EUR", "USD"))) == 5
