"""The search attributes of our workflows: name → Temporal's type. Enums, ids, minor units and times only."""

from __future__ import annotations

from typing import Literal

SearchAttributeType = Literal["Keyword", "KeywordList", "Int", "Datetime"]

SEARCH_ATTRIBUTES: dict[str, SearchAttributeType] = {
    "OrderPhase": "Keyword",
    "AuditState": "Keyword",
    "ReceiptState": "Keyword",
    "MerchantId": "Keyword",
    "Currency": "Keyword",
    "WithdrawalState": "Keyword",
    "AfterSaleState": "Keyword",
    "HoldReasons": "KeywordList",
    "AmountMinor": "Int",
    "NextDeadline": "Datetime",
}
"""At most 10 Keyword and 3 of each other type fit into a namespace."""
