"""The search attributes of our workflows: name → Temporal's type. Enums, ids, minor units and times only."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from core.ids import ORDER_WORKFLOW, WITHDRAWAL_WORKFLOW

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

_OPEN = 'ExecutionStatus = "Running"'
VIEWS = {
    "open orders": f'WorkflowType = "{ORDER_WORKFLOW}" AND {_OPEN}',
    "orders that wait for a reviewer": (
        f'WorkflowType = "{ORDER_WORKFLOW}" AND {_OPEN}'
        ' AND HoldReasons IN ("audit_in_review", "screening", "after_sale_arbitration")'
    ),
    "withdrawals to approve": (
        f'WorkflowType = "{WITHDRAWAL_WORKFLOW}" AND {_OPEN} AND WithdrawalState = "in_approval"'
    ),
}
"""Lists that people open in the Web UI: what each shows, and its query."""

_OF_ORDERS = ("MerchantId", "OrderPhase", "AuditState", "HoldReasons", "AmountMinor", "Currency", "NextDeadline")
VIEW_COLUMNS = {
    "open orders": _OF_ORDERS,
    "orders that wait for a reviewer": _OF_ORDERS,
    "withdrawals to approve": ("MerchantId", "WithdrawalState", "AmountMinor", "Currency", "NextDeadline"),
}
"""The columns that each of these lists is read with. The Web UI keeps them in the browser, and takes none by link."""


def view_url(ui_url: str, namespace: str, query: str) -> str:
    """The address of a list in the Web UI; saved there, it stands in the reader's own menu."""
    return f"{ui_url.rstrip('/')}/namespaces/{quote(namespace)}/workflows?query={quote(query)}"
