"""Orders from a storefront's export: every column by its mapping, no person, every bad order by its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands.order_exports import SHIPPED, orders_of, read_mapping
from core.errors import BadInput
from core.messages import Order
from inbound.tables import BadFile

SHOPIFY = (
    "Name,Email,Financial Status,Paid at,Currency,Subtotal,Shipping,Taxes,Total,Discount Amount,Lineitem quantity,"
    "Lineitem name,Lineitem price,Shipping Name,Shipping Street,Shipping City,Shipping Province,Shipping Country,"
    "Shipping Phone,Payment Reference\n"
    "#1001,jane@example.com,paid,2026-11-27 10:00:00 +0800,USD,30.00,5.00,2.40,37.40,0.00,2,Mug,10.00,"
    "Jane Doe,1 Main St,Seattle,WA,US,+1 206 555 0100,cs_live_a1\n"
    "#1001,jane@example.com,,,,,,,,,1,Plate,10.00,,,,,,,\n"
    "#1002,bob@example.com,pending,,USD,10.00,0.00,0.00,10.00,0.00,1,Mug,10.00,Bob,2 Main St,Austin,TX,US,,x\n"
)
WOO = (
    "Order Number;Order Status;Email (Billing);Order Currency;Order Shipping Amount;Cart Discount Amount;"
    "Order Total Tax Amount;Order Total Amount;Transaction ID;Paid Date;Item Name;Quantity;Item Cost;"
    "Country Code (Shipping);City (Shipping);First Name (Shipping)\n"
    "77;Completed;max@example.de;EUR;4,90;1,00;2,00;23,90;ch_1;2026-11-27 09:30;Tasse;2;10,00;DE;Berlin;Max\n"
)


def test_a_shopify_export_is_orders_without_people() -> None:
    first, second = orders_of("f", SHOPIFY, read_mapping("shopify"))
    order = Order.model_validate(first.value, extra="forbid")
    assert (order.order_id, order.total_minor, order.freight_minor, first.line) == ("1001", 3740, 500, 2)
    assert [(line.line_id, line.title, line.quantity, line.unit_price_minor) for line in order.lines] == [
        ("1", "Mug", 2, 1000),
        ("2", "Plate", 1, 1000),
        ("tax", "Tax", 1, 240),
    ]
    assert order.payment.paid_at.isoformat() == "2026-11-27T02:00:00+00:00"
    assert (order.ship_to.country, order.ship_to.city) == ("US", "Seattle")
    assert not any(word in json.dumps(first.value) for word in ("jane", "Jane", "Main St", "555"))
    assert str(second.wrong) == "status: it is not paid but 'pending'"


def test_a_woocommerce_export_with_semicolons_and_decimal_commas_is_read() -> None:
    (only,) = orders_of("f", WOO, read_mapping("woocommerce"))
    order = Order.model_validate(only.value, extra="forbid")
    # Its prices hold the tax: nothing is added.
    assert (order.total_minor, order.discount_minor, len(order.lines)) == (2390, 100, 1)
    assert order.payment.paid_at.isoformat() == "2026-11-27T09:30:00+00:00"


def with_modes(*modes: str) -> str:
    """One order for each word of a delivery."""
    header, row = (
        SHOPIFY.splitlines()[0],
        "#{},a@b.com,paid,2026-11-27 10:00:00 +0800,USD,10.00,0.00,0.00,10.00,0.00,1,Mug,10.00,,,,,US,,x,{}",
    )
    rows = [row.format(number, mode) for number, mode in enumerate(modes, 1001)]
    return "\n".join([f"{header},Shipping Method", *rows, ""])


def test_how_an_order_is_delivered_comes_from_its_column_in_the_files_own_words(tmp_path: Path) -> None:
    mapping = tmp_path / "own.toml"
    shopify = (SHIPPED / "shopify.toml").read_text(encoding="utf-8")
    own = shopify.replace("[columns]", '[columns]\ndelivery_mode = "Shipping Method"', 1)
    mapping.write_text(f'{own}\n[modes]\n"local pickup" = "pickup"\nstandard = "express"\n', encoding="utf-8")
    text = with_modes("Standard", "local", " Virtual ", "", "Local Pickup", "drone")
    found = orders_of("f", text, read_mapping(str(mapping)))
    assert [one.value.get("delivery_mode") for one in found[:5]] == ["express", "local", "virtual", None, "pickup"]
    assert Order.model_validate(found[2].value, extra="forbid").delivery_mode == "virtual"
    assert found[5].line == 7
    assert str(found[5].wrong) == (
        "delivery_mode: column 'Shipping Method' has 'drone'; it must be express, local, pickup, virtual or empty; "
        "the mapping's [modes] knows local pickup, standard"
    )


def test_a_mapping_that_names_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    mapping = tmp_path / "own.toml"
    shopify = (SHIPPED / "shopify.toml").read_text(encoding="utf-8")
    mapping.write_text(f'{shopify}\n[modes]\ncourier = "drone"\n', encoding="utf-8")
    with pytest.raises(BadInput, match=r"modes\.courier"):
        read_mapping(str(mapping))


def test_the_same_buyer_has_the_same_id() -> None:
    twice = SHOPIFY.replace("#1002,bob@example.com,pending,", "#1002,JANE@example.com,paid,2026-11-27 10:00:00 +0800")
    first, second = orders_of("f", twice, read_mapping("shopify"))
    assert first.value["buyer_id"] == second.value["buyer_id"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ((",2,Mug,10.00,", ",2.5,Mug,10.00,"), "line_quantity: '2.5' is no whole number"),
        ((",37.40,0.00,", ",37.405,0.00,"), "total: USD has 2 decimals"),
        (("cs_live_a1", "4.2E+27"), "payment_reference: '4.2E+27' was rounded by a spreadsheet"),
        (("10:00:00 +0800", "10:00:00"), "names no zone"),
    ],
)
def test_a_bad_order_is_named_and_spoils_no_other(changed: tuple[str, str], said: str) -> None:
    first, second = orders_of("f", SHOPIFY.replace(*changed), read_mapping("shopify"))
    assert said in str(first.wrong)
    assert "not paid" in str(second.wrong)


def test_a_column_that_is_missing_is_named() -> None:
    with pytest.raises(BadFile, match="row 1, Paid at: this column is missing; it would hold paid_at"):
        orders_of("f", SHOPIFY.replace("Paid at", "Paid"), read_mapping("shopify"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[columns]\ncolour = 'x'", "columns.colour"),
        ("[columns]\norder_id = 'Name'", "say under .columns. or .values. what is merchant_id"),
        ("columns = ", "not TOML"),
    ],
)
def test_a_mapping_that_cannot_be_right_says_why(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=said):
        read_mapping(str(file))


def test_every_shipped_mapping_is_tried() -> None:
    assert {file.stem for file in SHIPPED.glob("*.toml")} == {"shopify", "woocommerce"}
