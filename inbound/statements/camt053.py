"""camt.053, the bank's end-of-day statement of ISO 20022 (all its versions: elements are found by their local names).

A booked debit is a payout under its EndToEndId. A credit that returns one (return reason or reversal) is a return; any
other credit is a funding. Each transaction of an entry is one line. A file whose own sums its entries do not have was
cut off or changed.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from core.errors import BadInput
from core.reconciliation.lines import Covered, Kind, Scope
from inbound.statements.base import Collector, Source, StatementRead
from inbound.statements.camt053_sums import check_sums
from inbound.statements.elements import children, every, find, text_at
from inbound.statements.xlsx import is_xlsx

_NO_ID = frozenset({"", "NOTPROVIDED", "NONREF"})


class Camt053:
    """Bank statements."""

    name = "camt.053"
    scopes: tuple[Scope, ...] = ("rail",)

    def recognises(self, source: Source) -> bool:
        """See `StatementReader.recognises`."""
        head = b"" if is_xlsx(source.raw) else source.raw[:4096].replace(b"\0", b"")
        return b"BkToCstmrStmt" in head or b"camt.053" in head

    def read(self, source: Source, scope: Scope) -> StatementRead:
        """See `StatementReader.read`."""
        root = _parsed(source.raw, source.name)
        collector, covered = Collector(source, self.name), []
        number = 0
        for statement in every(root, "Stmt"):
            covered += _covered(statement)
            check_sums(statement, number, collector)
            for entry in every(statement, "Ntry"):
                number += 1
                if text_at(entry, "Sts/Cd") or text_at(entry, "Sts"):
                    state = text_at(entry, "Sts/Cd") or text_at(entry, "Sts")
                    if state != "BOOK":
                        collector.leave_out(f"entries {state}")
                        continue
                _take(entry, number, collector)
        return collector.done(covered[0] if len(covered) == 1 else None)


def _parsed(raw: bytes, name: str) -> Element:
    """The document. A document type is refused, because its entities could expand without limit."""
    try:
        root: Element = fromstring(raw, forbid_dtd=True)
    except DefusedXmlException:
        raise BadInput(f"{name} has an XML document type, which no statement needs") from None
    except (ParseError, ValueError, LookupError) as error:
        raise BadInput(f"{name} is broken XML: {error}") from None
    return root


def _take(entry: Element, number: int, collector: Collector) -> None:
    """Take the transactions of one entry; an entry without details is itself one."""
    bank = text_at(entry, "AcctSvcrRef") or text_at(entry, "NtryRef") or str(number)
    details = [one for part in children(entry, "NtryDtls") for one in children(part, "TxDtls")] or [entry]
    for index, one in enumerate(details):
        # Of several, none has the entry's amount: that is the sum of all.
        amount = _amount(one) or (_amount(entry) if len(details) == 1 else None)
        if amount is None:
            collector.bad(number, "Amt", "the entry has none")
            continue
        kind, key = _kind(entry, one), text_at(one, "Refs/EndToEndId")
        if kind is None:
            collector.leave_out("reversals of credits")
            continue
        own = text_at(one, "Refs/AcctSvcrRef") or (bank if len(details) == 1 else f"{bank}:{index + 1}")
        collector.take(
            number,
            kind,
            line_id=own,
            key="" if key in _NO_ID else key,
            reference=own,
            amount=amount[0],
            currency=amount[1],
            at=_time(entry),
        )


def _kind(entry: Element, one: Element) -> Kind | None:
    """The kind of a line. None: the reversal of a credit, which no comparison has."""
    debit = (text_at(one, "CdtDbtInd") or text_at(entry, "CdtDbtInd")) == "DBIT"
    back = text_at(entry, "RvslInd") == "true" or next(children(one, "RtrInf"), None) is not None
    if back:
        return None if debit else "return"
    return "payout" if debit else "funding"


def _amount(element: Element) -> tuple[str, str] | None:
    for path in ("Amt", "AmtDtls/TxAmt/Amt"):
        found = find(element, path)
        if found is not None and found.text:
            return found.text.strip(), found.get("Ccy") or ""
    return None


def _time(entry: Element) -> str:
    """The booking time. A date without a time becomes noon UTC, which is the same date nearly everywhere."""
    for path in ("BookgDt/DtTm", "BookgDt/Dt", "ValDt/DtTm", "ValDt/Dt"):
        if text := text_at(entry, path):
            return _moment(text, "T12:00:00")
    return ""


def _covered(statement: Element) -> list[Covered]:
    since, until = text_at(statement, "FrToDt/FrDtTm"), text_at(statement, "FrToDt/ToDtTm")
    if not since or not until:
        return []
    try:
        return [Covered.model_validate({"since": _moment(since), "until": _moment(until)})]
    except ValueError:
        raise BadInput(f"FrToDt: {since[:40]} to {until[:40]} is no time") from None


def _moment(text: str, time: str = "T00:00:00") -> str:
    text = text if "T" in text else f"{text[:10]}{time}"
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return at.isoformat(timespec="seconds") if at.tzinfo else f"{at.isoformat(timespec='seconds')}+00:00"
