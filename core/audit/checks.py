"""Check digits of waybill numbers: each scheme computes the one character that must follow a serial.

The schemes are those the carriers publish: weighted sums modulo 10, a plain remainder modulo 7, Luhn, the postal
S10 weights, ISO 7064 mod 37/36, and a weighted sum with a second modulus.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from core.fields import Message

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)

Weight = Annotated[int, Field(strict=True, ge=1, le=9)]


class Check(Message):
    """How a format's check character follows from its serial.

    `weights`: for `mod10` the weights of the first and of every second character, alternating; for `weighted` one a
    digit. `from_right` starts them at the last character. `second_modulus` is taken of the first remainder.
    `prefix` is put before a serial that does not begin with it, where the printed number leaves it out.
    """

    scheme: Literal["mod10", "mod7", "luhn", "s10", "mod37_36", "weighted"]
    weights: tuple[Weight, ...] = ()
    from_right: bool = False
    modulus: Annotated[int, Field(strict=True, ge=2, le=36)] = 10
    second_modulus: Annotated[int, Field(strict=True, ge=2, le=36)] | None = None
    prefix: str = ""


def check_character(check: Check, serial: str) -> str:
    """The character that must follow this serial; upper-case letters and digits only.

    Raises:
        ValueError: the serial has a character that the scheme has no value for.
    """
    if check.prefix and not serial.startswith(check.prefix):
        serial = check.prefix + serial
    return _SCHEMES[check.scheme](check, serial)


def passes(check: Check, serial: str, character: str) -> bool:
    """Whether the character that is there is the one that must be."""
    return check_character(check, serial) == character


def _letter_or_digit(character: str) -> int:
    """Letters count 2 for A, 3 for B …, modulo 10, as parcel carriers print them."""
    return int(character) if character.isdigit() else (ord(character) - ord("A") + 2) % 10


def _mod10(check: Check, serial: str) -> str:
    characters = serial[::-1] if check.from_right else serial
    first, second = check.weights
    total = sum(
        _letter_or_digit(character) * (second if index % 2 else first) for index, character in enumerate(characters)
    )
    return str(-total % 10)


def _mod7(_: Check, serial: str) -> str:
    return str(int(serial) % 7)


def _luhn(_: Check, serial: str) -> str:
    return luhn(serial)


def luhn(serial: str) -> str:
    """The Luhn digit: from the right every second digit is doubled, and both digits of the product count."""
    doubled, plain = serial[::-2], serial[-2::-2]
    return str(-(sum(map(_DOUBLED.__getitem__, doubled)) + sum(map(int, plain))) % 10)


_DOUBLED = {str(digit): digit * 2 - (9 if digit > 4 else 0) for digit in range(10)}


def _weighted_sum(weights: Sequence[int], serial: str) -> int:
    return sum(weight * int(digit) for weight, digit in zip(weights, serial, strict=True))


def _s10(_: Check, serial: str) -> str:
    # Eleven remainders have to fit ten digits: the postal union maps 10 to 0 and 11 to 5.
    rest = 11 - _weighted_sum(_S10_WEIGHTS, serial) % 11
    return {10: "0", 11: "5"}.get(rest, str(rest))


def _mod37_36(_: Check, serial: str) -> str:
    carry = 36
    for character in serial:
        carry = (carry + _ALPHABET.index(character)) % 36 or 36
        carry = carry * 2 % 37
    return _ALPHABET[(37 - carry) % 36]


def _weighted(check: Check, serial: str) -> str:
    rest = _weighted_sum(check.weights, serial) % check.modulus
    return str(rest if check.second_modulus is None else rest % check.second_modulus)


_SCHEMES: dict[str, Callable[[Check, str], str]] = {
    "mod10": _mod10,
    "mod7": _mod7,
    "luhn": _luhn,
    "s10": _s10,
    "mod37_36": _mod37_36,
    "weighted": _weighted,
}
