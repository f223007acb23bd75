"""Lists: a page at a time with the filters in the address, and the same rows as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.responses import Response

from core.fields import Message
from core.money import CURRENCIES
from ledger.register_part import Position
from storefront.api.paging import page_until
from storefront.console.visits import Visit

R = TypeVar("R", bound=Message)
ROWS, ROWS_OF_CSV = 50, 2_000
OF_LISTS = ("cursor", "format")
"""What the address of every list may ask for."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def wants_csv(visit: Visit) -> bool:
    """Whether the address asks for a file."""
    return visit.chosen("format", ("csv",)) == "csv"


def limit_of(visit: Visit) -> int:
    """One row more than is shown, to know whether there is another page."""
    return (ROWS_OF_CSV if wants_csv(visit) else ROWS) + 1


def addresses(visit: Visit, rows: Sequence[R], position: Callable[[R], Position], shown: int = ROWS) -> dict[str, Any]:
    """The links below a list: the next page, the first one, and the file where there are rows. Filters stay in them."""
    cursor = page_until(rows, shown, position)["next_cursor"] if len(rows) > shown else None
    kept = {name: value for name, value in visit.request.query_params.items() if name not in {"cursor", "format"}}
    path = visit.request.url.path
    return {
        "next_page": f"{path}?{urlencode({**kept, 'cursor': cursor})}" if cursor else None,
        "first_page": f"{path}?{urlencode(kept)}" if visit.given("cursor") else None,
        "csv": f"{path}?{urlencode({**kept, 'format': 'csv'})}" if rows else None,
    }


def csv_of(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """Rows as a file. A text that a spreadsheet would run as a formula is marked as text.

    It begins with the mark of UTF-8, without which Excel reads Chinese by the code page of its machine.
    """
    written = io.StringIO()
    written.write("\N{ZERO WIDTH NO-BREAK SPACE}")
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(written.getvalue(), media_type="text/csv", headers=headers)


def decimal(amount_minor: int, currency: str) -> str:
    """An amount as spreadsheets read it."""
    exponent = CURRENCIES.get(currency, 0)
    sign, whole = "-" if amount_minor < 0 else "", f"{abs(amount_minor):0{exponent + 1}}"
    return f"{sign}{whole[:-exponent]}.{whole[-exponent:]}" if exponent else f"{sign}{whole}"


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    is_number = text.removeprefix("-").replace(".", "", 1).isdecimal()
    return f"'{text}" if text.startswith(_FORMULA) and not is_number else text
