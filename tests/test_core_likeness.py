"""A misspelt name is known from the name of another thing of its kind."""

from __future__ import annotations

import pytest
from arrows import sources

from core.likeness import misspelt

HOLDS = ("shipment", "screening", "merchant_frozen", "late_scan")


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("shipmnt", HOLDS, ["shipment"]),
        ("shipment", HOLDS, []),
        ("asked_by_police", HOLDS, []),
        ("merchant-frozen", HOLDS, ["merchant_frozen"]),
        # several of one kind
        ("screening_2", HOLDS, []),
        ("bank_b", ("bank_a", "bank_c"), []),
        ("wechatpay-12", ("wechatpay-1", "wechatpay"), []),
        ("wechatpay2", ("wechatpay1", "wechatpay"), []),
        ("bank_transfer_b", ("bank_transfer_a", "bank_tranfer_b"), ["bank_tranfer_b"]),
        # one, written otherwise
        ("bank-a", ("bank_a", "bank_b"), ["bank_a"]),
        ("bnak_a", ("bank_a",), ["bank_a"]),
        ("x", (), []),
    ],
)
def test_what_a_name_misspells(name: str, known: tuple[str, ...], meant: list[str]) -> None:
    assert misspelt(name, known) == meant


def test_names_are_compared_in_one_place() -> None:
    """Each comparison of its own had another share from which names are alike."""
    using = {source.path for source in sources() if "difflib" in source.text}
    assert {path for path in using if not path.startswith("tests/")} == {"core/likeness.py"}
