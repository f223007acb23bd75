"""Reading a folder of past orders: each broken row is reported with file, line and reason, and stops nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from past_orders import BROUGHT, HEADERS, PICKED, Folder

from backtest.past import past_orders
from backtest.rows import UnusableRow, read_folder
from core.errors import BadInput


@pytest.fixture
def two() -> Folder:
    return Folder().order("o1", picked=PICKED, delivered=BROUGHT).order("o2", picked=PICKED, delivered=BROUGHT)


def read(folder: Path) -> tuple[list[str], list[UnusableRow]]:
    orders, bad_rows = past_orders(read_folder(folder))
    return [order.order_id for order in orders], bad_rows


@pytest.mark.parametrize("names", ["{}.csv", "olist_{}_dataset.csv"])
@pytest.mark.parametrize("packed", [False, True])
def test_folder_is_read_under_both_names_plain_and_packed(
    two: Folder, tmp_path: Path, names: str, packed: bool
) -> None:
    folder = two.write(tmp_path, names=names + (".gz" if packed else ""), packed=packed)
    assert read(folder) == (["o1", "o2"], [])


def test_byte_order_mark_windows_lines_quotes_and_more_columns_are_read(two: Folder, tmp_path: Path) -> None:
    folder = two.write(tmp_path)
    path = folder / "customers.csv"
    lines = path.read_text().splitlines()
    quoted = ["note," + lines[0], *(f'"seen, twice",{line}' for line in lines[1:])]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(quoted).encode() + b"\r\n\r\n")
    assert read(folder) == (["o1", "o2"], [])


@pytest.mark.parametrize("missing", ["orders", "order_items", "order_payments", "customers", "sellers"])
def test_missing_table_is_one_sentence_that_says_what_was_looked_for(two: Folder, tmp_path: Path, missing: str) -> None:
    folder = two.write(tmp_path)
    (folder / f"{missing}.csv").unlink()
    with pytest.raises(BadInput, match=rf"looked for {missing}\.csv, {missing}\.csv\.gz, olist_"):
        read_folder(folder)


def test_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no folder"):
        read_folder(tmp_path / "nowhere")


def test_missing_column_is_named(two: Folder, tmp_path: Path) -> None:
    folder = two.write(tmp_path)
    path = folder / "orders.csv"
    path.write_text(path.read_text().replace("order_approved_at", "approved"))
    with pytest.raises(BadInput, match=r"orders\.csv has no column order_approved_at"):
        read_folder(folder)


def test_empty_file_is_said_to_be_empty(two: Folder, tmp_path: Path) -> None:
    folder = two.write(tmp_path)
    (folder / "sellers.csv").write_bytes(b"")
    with pytest.raises(BadInput, match=r"sellers\.csv is empty"):
        read_folder(folder)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"o3,customer-o1,delivered", "it has 3 columns, the header 8"),
        (b"o3,customer-o1,delivered,a,b,c,d,e,f", "it has 9 columns, the header 8"),
        (b'o3,"customer-o1,delivered,a,b,c,d,e', "not CSV: unexpected end of data"),
        (b"o3,customer-\xff,delivered,a,b,c,d,e", "byte 12 is not UTF-8"),
        (b"o3,customer-\x00,delivered,a,b,c,d,e", "it has a control character"),
        (b"o3," + b"x" * 200_000 + b",delivered,a,b,c,d,e", "the line is longer than 65536 bytes"),
    ],
)
def test_broken_line_is_reported_and_skipped(two: Folder, tmp_path: Path, row: bytes, reason: str) -> None:
    folder = two.write(tmp_path)
    path = folder / "orders.csv"
    first, second, third = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join((first, second, row, third)) + b"\n")
    assert read(folder) == (["o1", "o2"], [UnusableRow("orders.csv", 3, reason)])


def test_packed_file_that_breaks_off_gives_what_came_before(tmp_path: Path) -> None:
    folder = Folder()
    for number in range(3000):
        folder.order(f"o{number}", picked=PICKED, delivered=BROUGHT)
    folder.write(tmp_path, names="{}.csv.gz", packed=True)
    path = tmp_path / "customers.csv.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    orders, bad_rows = read(tmp_path)
    assert 0 < len(orders) < 3000
    assert bad_rows[0].file == "customers.csv.gz"
    assert bad_rows[0].line == len(orders) + 2
    assert bad_rows[0].reason.startswith("the file breaks off here")
    assert len(bad_rows) == 1 + 3000 - len(orders)


@pytest.mark.parametrize(
    ("table", "column", "value", "reason"),
    [
        ("orders", "order_status", "lost", "order_status: 'lost' is none that is known"),
        ("orders", "order_purchase_timestamp", "", "order_purchase_timestamp: it is empty"),
        ("orders", "order_approved_at", "2018-02-30 10:00:00", "order_approved_at: '2018-02-30 10:00:00' is no time"),
        ("orders", "order_approved_at", "01/03/2018", "order_approved_at: '01/03/2018' is no time"),
        ("orders", "order_delivered_customer_date", "2218-03-09 12:00:00", "more than ten years from the purchase"),
        ("orders", "customer_id", "nobody", "customer_id: 'nobody' is not among the customers"),
        ("orders", "order_id", "o/1", "order_id: 'o/1' is no id"),
        ("order_items", "price", "-1.00", "price: '-1.00' is no amount of BRL"),
        ("order_items", "price", "1.005", "price: '1.005' is no amount of BRL"),
        ("order_items", "price", "NaN", "price: 'NaN' is no amount of BRL"),
        ("order_items", "freight_value", "", "freight_value: '' is no amount of BRL"),
        ("order_items", "seller_id", "nobody", "seller_id: nobody is not among the sellers"),
        ("order_items", "shipping_limit_date", "", "shipping_limit_date: it is empty"),
        ("order_payments", "payment_value", "ten", "payment_value: 'ten' is no amount of BRL"),
        ("order_payments", "payment_value", "0.00", "it was approved, but nothing was paid for it"),
        ("order_payments", "payment_value", "1.00", "only 1.00 BRL of 110.00 BRL was paid"),
    ],
)
def test_unusable_cell_leaves_its_order_out_and_says_why(
    two: Folder, tmp_path: Path, table: str, column: str, value: str, reason: str
) -> None:
    two.rows[table][0][list(HEADERS[table]).index(column)] = value
    if table == "orders" and column == "order_id":
        two.rows["order_items"].pop(0)
        two.rows["order_payments"].pop(0)
    orders, bad_rows = read(two.write(tmp_path))
    assert orders == ["o2"]
    assert bad_rows[0].file == f"{'orders' if reason.startswith(('it was', 'only')) else table}.csv"
    assert bad_rows[0].line == 2
    assert reason in bad_rows[0].reason
    assert all("left out" in row.reason for row in bad_rows[1:])


def test_order_without_items_is_a_bad_row(two: Folder, tmp_path: Path) -> None:
    two.rows["order_items"].pop(0)
    assert read(two.write(tmp_path)) == (["o2"], [UnusableRow("orders.csv", 2, "order o1: it has no items")])


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("orders", "order_id o1 stands in line 2 already"),
        ("order_items", "order_item_id 1 of order o1 stands in line 2 already"),
        ("order_payments", "payment_sequential 1 of order o1 stands in line 2 already"),
        ("customers", "customer_id customer-o1 stands in line 2 already"),
        ("sellers", "seller_id merchant-1 stands in line 2 already"),
    ],
)
def test_row_that_stands_twice_counts_once(two: Folder, tmp_path: Path, table: str, reason: str) -> None:
    two.rows[table].append(two.rows[table][0])
    folder = two.write(tmp_path)
    assert read(folder) == (["o1", "o2"], [UnusableRow(f"{table}.csv", 4, reason)])


def test_rows_of_orders_that_are_not_there_are_one_bad_row(two: Folder, tmp_path: Path) -> None:
    two.rows["order_items"] += [["o8", *two.rows["order_items"][0][1:]], ["o9", *two.rows["order_items"][0][1:]]]
    _, bad_rows = read(two.write(tmp_path))
    assert bad_rows == [UnusableRow("order_items.csv", 4, "order o8 is not among the orders; so it is with 2 rows")]


@pytest.mark.parametrize(("table", "column"), [("sellers", "seller_city"), ("customers", "customer_city")])
def test_a_number_where_the_city_should_be_leaves_only_the_city_out(
    two: Folder, tmp_path: Path, table: str, column: str
) -> None:
    two.rows[table][0][list(HEADERS[table]).index(column)] = "04482255"
    orders, bad_rows = past_orders(read_folder(two.write(tmp_path)))
    assert [order.order_id for order in orders] == ["o1", "o2"]
    assert not bad_rows
    address = orders[0].ship_from if table == "sellers" else orders[0].ship_to
    assert address is not None
    assert (address.city, bool(address.province)) == (None, True)
