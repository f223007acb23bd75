"""Waybill numbers as people type and scan them, changed to the form that a carrier prints. Every change is named."""

from __future__ import annotations

import re
import unicodedata

_JD = frozenset({"jd", "jd_freight"})
_PACKAGE = re.compile(
    r"(?P<waybill>JD[A-Z]{0,3}[0-9]{8,14}|V[A-Z][0-9]{9,13}|[0-9]{9,15})"
    r"(?:-(?P<which>[0-9]{1,4})-(?P<of>[0-9]{1,4})(?:-[A-Z0-9\u4e00-\u9fff]{0,8}){0,2}|N(?P<nth>[0-9]{1,4})S(?P<sum>[0-9]{1,4})H[0-9]{0,6})",
    re.ASCII,
)
"""The bar code on a JD label is the package's: the waybill, which package, of how many, and where it goes. `N1S2H3` is
the older form."""
_CUT_PACKAGE = re.compile(r"(?P<waybill>JD[A-Z]{2}[0-9]{11})-(?P<which>[0-9]{1,2})-?", re.ASCII)
"""A package number of which the rest was left out: the waybill is whole before the dash."""


def normalise(number: str, carrier_id: str | None = None) -> tuple[str, tuple[str, ...]]:
    """What was typed as a carrier prints it, and what was changed: upper case, no spaces, dashes or full width.

    A package number of JD becomes its waybill, which is what the carrier knows; the packages of a shipment share it.
    """
    if number.isascii() and number.isalnum() and not any(map(str.islower, number)) and "N" not in number:
        return number, ()
    text, changes = _plain(number)
    waybill, package = _without_package(text, carrier_id)
    if package is not None:
        return waybill, (*(change for change in changes if change != "dashes"), package)
    return text.replace("-", ""), changes


def _plain(number: str) -> tuple[str, tuple[str, ...]]:
    """Upper case and ASCII as far as possible. Every dash becomes a hyphen."""
    kept: list[str] = []
    changes: dict[str, None] = {}
    for typed in number:
        character = typed
        if "！" <= typed <= "～" or typed == "\u3000":
            character = chr(ord(typed) - 0xFEE0) if typed != "\u3000" else " "
            changes["full-width characters"] = None
        if character.isspace():
            changes["spaces"] = None
        elif character == "\u2212" or unicodedata.category(character) == "Pd":
            changes["dashes"] = None
            kept.append("-")
        elif unicodedata.category(character) == "Cf":
            changes["invisible characters"] = None
        elif "a" <= character <= "z":
            changes["lower case"] = None
            kept.append(character.upper())
        else:
            kept.append(character)
    return "".join(kept), tuple(changes)


def _without_package(text: str, carrier_id: str | None) -> tuple[str, str | None]:
    """The waybill of a JD package number, and which package it was.

    Digits with dashes count as one only where the merchant named JD.
    """
    if (cut := _CUT_PACKAGE.fullmatch(text)) is not None:
        return cut["waybill"], f"package number: {int(cut['which'])}"
    package = _PACKAGE.fullmatch(text)
    if package is None or not (text.startswith("JD") or package["nth"] or carrier_id in _JD):
        return text, None
    which, of = package["which"] or package["nth"], package["of"] or package["sum"]
    return package["waybill"], f"package number: {int(which)} of {int(of)}"
