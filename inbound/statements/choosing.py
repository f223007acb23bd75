"""Chooses the reader of a statement file: by its content alone, never by its name."""

from __future__ import annotations

from core.errors import BadInput
from core.reconciliation.lines import Scope
from inbound.statements.alipay import AlipayAccount, AlipayBusiness
from inbound.statements.base import Source, StatementRead, StatementReader
from inbound.statements.camt053 import Camt053
from inbound.statements.mt940 import Mt940
from inbound.statements.paypal import PaypalActivity
from inbound.statements.stripe import StripePayouts, StripeReport
from inbound.statements.wechatpay import WechatPayFunds, WechatPayTrades
from inbound.statements.xlsx import is_xlsx

READERS: tuple[StatementReader, ...] = (
    Camt053(),
    Mt940(),
    WechatPayTrades(),
    WechatPayFunds(),
    AlipayBusiness(),
    AlipayAccount(),
    StripeReport(),
    StripePayouts(),
    PaypalActivity(),
)
"""The providers' readers. A file that none of them recognises is in our own format, or unknown."""


def read_foreign(name: str, raw: bytes, scope: Scope) -> StatementRead | None:
    """Read a provider's file; None if it is of no provider that we know.

    Raises:
        BadFile: rows cannot be read, each of them named.
        BadInput: the file is broken, or is not a statement of this scope.
    """
    source = Source(name, raw)
    reader = next((one for one in READERS if one.recognises(source)), None)
    if reader is None:
        if is_xlsx(raw):
            known = ", ".join(one.name for one in READERS)
            raise BadInput(f"{name} is a workbook in which no header of a statement is found; known: {known}")
        return None
    if scope not in reader.scopes:
        raise BadInput(
            f"{name} is of the kind {reader.name}, a statement of a {reader.scopes[0]}: give --{reader.scopes[0]}"
        )
    return reader.read(source, scope)
