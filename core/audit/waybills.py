"""Waybill numbers: which carriers could have printed one, and whether a named carrier could.

Recognition gives candidates, never one forced answer: several carriers share shapes, and no Chinese carrier publishes a
check digit. A number is *impossible* only where that is certain.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from core.audit.checks import Check, luhn, passes
from core.audit.normalising import normalise
from core.fields import Id, Message
from core.likeness import nearest
from core.names import name_of
from core.texts import Language
from core.toml_lines import read_toml

Certainty = Literal["check_digit", "prefix", "shape"]
"""Why a carrier is a candidate: a check digit agrees, the shape is its alone, or the shape is one of its own."""

Answer = Literal["possible", "impossible", "other_carrier_likelier"]

_Reason = tuple[str, str]
"""A sentence in English and in Chinese."""

SHORTEST, LONGEST = 6, 32
"""Lengths of any number whose carrier publishes no format."""

FEWEST_DIGITS = 4
"""A text with fewer digits is a word: no carrier prints such numbers."""


_PIECE = re.compile(r"(?P<waybill>[A-Z0-9]{8,})\s*-\s*(?P<which>[0-9]{1,3})(?:\s*-\s*[0-9]{1,3})?\s*-?", re.ASCII)
"""A piece of a shipment as labels number it: the waybill, which piece, perhaps of how many."""


class Format(Message):
    """One shape of a carrier's numbers. `pattern` fits the whole normalised number; `check` verifies its digit."""

    id: Id
    pattern: str
    check: Check | None = None
    distinctive: bool = False
    refutes: bool = True
    """Whether a failing check digit proves that the carrier never printed the number."""
    services: tuple[str, ...] = ("",)
    """The carrier's services that print it; "" is the main one."""


class Service(Message):
    """A sister service under a carrier's name, and what the providers call it ("" where it cannot be asked there)."""

    id: Id
    kuaidi100: str = ""
    kdniao: str = ""
    easypost: str = ""


class CarrierInfo(Message):
    """One carrier: our id, its names, what the tracking providers call it ("" where they do not serve it).

    `numbers` says what its formats are worth: `closed` all there are, `known` all that are known, `open` a few that
    were seen, `any` a stand-in's.
    """

    id: Id
    name: str
    name_zh: str
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    kuaidi100: str = ""
    kdniao: str = ""
    numbers: Literal["closed", "known", "open", "any"]
    needs_phone: bool = False
    services: tuple[Service, ...] = ()
    formats: tuple[Format, ...] = ()


class Candidate(Message):
    """A carrier that could have printed the number, by which of its formats, and how certain that is."""

    carrier: str
    format: str
    certainty: Certainty
    distinctive: bool = False


class Recognition(Message):
    """What a number could be. `changes` says what normalising did to what was typed; candidates are surest first."""

    input: str
    normalised: str
    changes: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()


class NumberAnswer(Message):
    """Whether a carrier could have printed a number, and why so."""

    normalised: str
    changes: tuple[str, ...] = ()
    answer: Answer
    reason: str
    reason_zh: str


class _File(Message):
    postal_countries: str
    carrier: Annotated[tuple[CarrierInfo, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class _Shape:
    """A format ready for use."""

    carrier: CarrierInfo
    format: Format
    fits: re.Pattern[str]
    countries: frozenset[str]

    def judge(self, number: str) -> bool | None:
        """None: another shape. Otherwise whether the check digit (and the postal country) agrees."""
        match = self.fits.fullmatch(number)
        if match is None:
            return None
        check = self.format.check
        if check is None:
            return True
        country = match.groupdict().get("country")
        if country is not None and country not in self.countries:
            return False
        return passes(check, match["serial"], match["check"])


class CarrierTable:
    """The carriers of one table, and its judgement of numbers. Pure; the product's own is `CARRIERS`."""

    def __init__(self, carriers: tuple[CarrierInfo, ...], countries: frozenset[str]) -> None:
        self.carriers = carriers
        self._by_id = {carrier.id: carrier for carrier in carriers}
        self._shapes = tuple(
            _Shape(carrier, shape, re.compile(shape.pattern), countries)
            for carrier in carriers
            for shape in carrier.formats
        )
        self._own = {carrier.id: tuple(s for s in self._shapes if s.carrier is carrier) for carrier in carriers}

    def carrier(self, carrier_id: str) -> CarrierInfo | None:
        """The carrier of this id; None for `other` and everything else that is not in the table."""
        return self._by_id.get(carrier_id)

    def suggest(self, carrier_id: str) -> list[str]:
        """Ids that may be meant by an unknown one: by a provider's code, a name, or its spelling; at most three."""
        wanted = carrier_id.strip().casefold()
        names = {
            carrier.id: [
                text.casefold()
                for text in (
                    carrier.id,
                    carrier.name,
                    carrier.name_zh,
                    carrier.kuaidi100,
                    carrier.kdniao,
                    *_codes(carrier),
                )
                if text
            ]
            for carrier in self.carriers
        }
        exact = [carrier_id for carrier_id, texts in names.items() if wanted in texts]
        if exact or not wanted:
            return exact[:3]
        within = [i for i, texts in names.items() if len(wanted) >= 2 and any(wanted in text for text in texts)]
        spelled = nearest(wanted, (text for texts in names.values() for text in texts))
        alike = [i for i, texts in names.items() if set(texts) & set(spelled)]
        return list(dict.fromkeys((*within, *alike)))[:3]

    def recognise(self, number: str) -> Recognition:
        """Every carrier that could have printed this number, surest first; none is forced."""
        normalised, changes = normalise(number)
        found = self.candidates(normalised)
        return Recognition(input=number, normalised=normalised, changes=changes, candidates=found)

    def candidates(self, number: str) -> tuple[Candidate, ...]:
        """Every carrier that could have printed a normalised number, surest first; all formats are tried."""
        best: dict[str, Candidate] = {}
        for shape in self._shapes:
            if not shape.judge(number):
                continue
            found = _candidate(shape)
            known = best.get(found.carrier)
            if known is None or _ORDER[found.certainty] < _ORDER[known.certainty]:
                best[found.carrier] = found
        return tuple(sorted(best.values(), key=lambda candidate: _ORDER[candidate.certainty]))

    def judge(self, carrier_id: str | None, number: str) -> NumberAnswer:
        """Whether this carrier could have printed this number; None (or `other`): whether any carrier could.

        Total: every text gets an answer. `impossible` needs proof; a carrier that publishes no formats is refuted
        only by characters, length, or a check digit that fails.
        """
        normalised, changes = self._without_piece(carrier_id, *normalise(number, carrier_id), number)
        answer, (reason, reason_zh) = self._answer(carrier_id, normalised)
        return NumberAnswer(normalised=normalised, changes=changes, answer=answer, reason=reason, reason_zh=reason_zh)

    def formats_of(self, carrier_id: str, normalised: str) -> tuple[Format, ...]:
        """The carrier's own formats that a normalised number has, check digit included."""
        return tuple(shape.format for shape in self._own.get(carrier_id, ()) if shape.judge(normalised))

    def fits(self, carrier_id: str, normalised: str) -> bool:
        """Whether a normalised number has one of the carrier's own shapes, check digit included: the quick yes."""
        return any(shape.judge(normalised) for shape in self._own.get(carrier_id, ()))

    def may_be(self, claimed: str, found: str, normalised: str, *, unseen: bool = False) -> bool:
        """Whether a parcel found with one carrier may be that of a merchant who named another carrier.

        Equal digits alone prove nothing: carriers number independently. It may be if the merchant named a carrier
        outside the table, or one that hardly printed this number.

        Args:
            unseen: the named carrier does not know the number; then it may also be if both could have printed it.
        """
        if claimed == found:
            return True
        if self.carrier(found) is None or self.judge(found, normalised).answer != "possible":
            return False
        return unseen or self.carrier(claimed) is None or self.judge(claimed, normalised).answer != "possible"

    def one_parcel(self, one: str, other: str, normalised: str) -> bool:
        """Whether one number under two carriers' names can only mean one parcel: not both could have printed it."""
        return one == other or not all(
            self.carrier(named) is not None and self.judge(named, normalised).answer == "possible"
            for named in (one, other)
        )

    def _without_piece(
        self, carrier_id: str | None, normalised: str, changes: tuple[str, ...], typed: str
    ) -> tuple[str, tuple[str, ...]]:
        """The waybill where only what stands before a dash has a form of the carrier, and a piece's number follows."""
        piece = _PIECE.fullmatch(typed.strip().upper()) if "dashes" in changes else None
        if carrier_id is None or piece is None or self.fits(carrier_id, normalised):
            return normalised, changes
        waybill, _ = normalise(piece["waybill"], carrier_id)
        if not self.fits(carrier_id, waybill):
            return normalised, changes
        kept = tuple(change for change in changes if change != "dashes")
        return waybill, (*kept, f"package number: {int(piece['which'])}")

    def _answer(self, carrier_id: str | None, number: str) -> tuple[Answer, _Reason]:
        carrier = self._by_id.get(carrier_id or "")
        if carrier is None and (found := self.candidates(number)):
            names = self._names(found)
            return "possible", (f"It could be a number of {names[0]}.", f"可能是{names[1]}的单号。")
        own = self._own[carrier.id] if carrier is not None else ()
        fits, fails = any(shape.judge(number) for shape in own), [s for s in own if s.judge(number) is False]
        if not fits and (why := _malformed(number, closed=carrier is not None and carrier.numbers == "closed")):
            return "impossible", why
        if carrier is None:
            return self._answer_for_any(number)
        if fits:
            return "possible", (f"It has the form of a number of {carrier.name}.", f"符合{carrier.name_zh}的单号格式。")
        if any(shape.format.refutes for shape in fails):
            return "impossible", _wrong_digit(carrier)
        if carrier.numbers in ("closed", "known"):
            return self._answer_for_listed(carrier, number)
        if carrier.numbers == "open" and (others := [c for c in self.candidates(number) if c.distinctive]):
            names = self._names(others)
            return "other_carrier_likelier", (
                f"It has the form of a number of {names[0]}.",
                f"更像是{names[1]}的单号。",
            )
        return "possible", (
            f"{carrier.name} publishes no form that refutes it.",
            f"{carrier.name_zh}未公布可据以否定的单号格式。",
        )

    def _answer_for_listed(self, carrier: CarrierInfo, number: str) -> tuple[Answer, _Reason]:
        why = (f"It has no form that {carrier.name} uses.", f"不符合{carrier.name_zh}的任何单号格式。")
        if carrier.numbers == "known":
            why = (f"It has no form that {carrier.name} is known to use.", f"不符合{carrier.name_zh}的已知单号格式。")
        if others := [c for c in self.candidates(number) if c.certainty != "shape"]:
            names = self._names(others)
            return "other_carrier_likelier", (f"{why[0]} It fits {names[0]}.", f"{why[1]}更像是{names[1]}的单号。")
        return ("impossible" if carrier.numbers == "closed" else "other_carrier_likelier"), why

    def _answer_for_any(self, number: str) -> tuple[Answer, _Reason]:
        failed = [shape for shape in self._shapes if shape.format.distinctive and shape.judge(number) is False]
        if failed:
            return "impossible", _wrong_digit(failed[0].carrier)
        return "possible", (
            "It has no known form; only a carrier that publishes none could have printed it.",
            "不符合任何已知格式，只可能来自未公布格式的快递公司。",
        )

    def _names(self, candidates: Sequence[Candidate]) -> _Reason:
        named = [self._by_id[candidate.carrier] for candidate in candidates[:5]]
        return ", ".join(carrier.name for carrier in named), "、".join(carrier.name_zh for carrier in named)


def _codes(carrier: CarrierInfo) -> tuple[str, ...]:
    """What the providers call the carrier's services."""
    return tuple(c for service in carrier.services for c in (service.kuaidi100, service.kdniao, service.easypost))


_ORDER: dict[Certainty, int] = {"check_digit": 0, "prefix": 1, "shape": 2}


def _candidate(shape: _Shape) -> Candidate:
    certainty: Certainty = "shape"
    if shape.format.check is not None:
        certainty = "check_digit"
    elif shape.format.distinctive:
        certainty = "prefix"
    return Candidate(
        carrier=shape.carrier.id,
        format=shape.format.id,
        certainty=certainty,
        distinctive=shape.format.distinctive,
    )


def _wrong_digit(carrier: CarrierInfo) -> _Reason:
    return (
        f"It has the form of a number of {carrier.name}, but its check digit is wrong.",
        f"符合{carrier.name_zh}的单号格式，但校验位错误。",
    )


def _malformed(number: str, *, closed: bool) -> _Reason | None:
    """Why no carrier prints such a number; None where one might."""
    if not number:
        return "It is empty.", "单号为空。"
    strange = sorted({character for character in number if not (character.isascii() and character.isalnum())})
    if strange:
        shown = " ".join(repr(character) for character in strange[:5])
        return f"It has characters that no number has: {shown}.", f"含有单号中不会出现的字符：{shown}。"
    if closed:
        return None
    if not SHORTEST <= len(number) <= LONGEST:
        return (
            f"It has {len(number)} characters; numbers have {SHORTEST} to {LONGEST}.",
            f"共 {len(number)} 位，单号应为 {SHORTEST} 至 {LONGEST} 位。",
        )
    if sum(character.isdigit() for character in number) < FEWEST_DIGITS:
        return "It has hardly any digits.", "几乎不含数字。"
    return None


# --- the product's own table -----------------------------------------------------------------------------


def load_carriers(text: str) -> CarrierTable:
    """The table from the text of a `carriers.toml`.

    Raises:
        ValueError: not TOML, a field that is wrong or unknown (says line and key), a pattern that cannot be compiled;
            final.
    """
    file, problems = read_toml(_File, text)
    if file is None:
        raise ValueError("; ".join(map(str, problems)))
    if len({carrier.id for carrier in file.carrier}) != len(file.carrier):
        raise ValueError("two carriers have the same id")
    return CarrierTable(file.carrier, frozenset(file.postal_countries.split()))


CARRIERS = load_carriers(resources.files("core.audit").joinpath("carriers.toml").read_text(encoding="utf-8"))


def carrier(carrier_id: str) -> CarrierInfo | None:
    """The carrier of this id, or None: `other` is none."""
    return CARRIERS.carrier(carrier_id)


def carrier_name(carrier_id: str, language: Language = "en") -> str:
    """What people call a carrier. Total: `other` has a name of its own, and an unknown id is its own."""
    known = carrier(carrier_id)
    if known is None:
        return name_of("carrier", carrier_id, language)
    return known.name_zh if language == "zh" else known.name


def suggest(carrier_id: str) -> list[str]:
    """At most three ids that may be meant by an unknown one."""
    return CARRIERS.suggest(carrier_id)


def recognise(number: str) -> Recognition:
    """Every carrier that could have printed this number, surest first."""
    return CARRIERS.recognise(number)


def candidates(normalised: str) -> tuple[Candidate, ...]:
    """The carriers that could have printed a normalised number, surest first."""
    return CARRIERS.candidates(normalised)


@lru_cache(maxsize=4096)
def judge(carrier_id: str | None, number: str) -> NumberAnswer:
    """Whether the carrier (None or `other`: any carrier) could have printed this number.

    Each look at a parcel asks again for the same number, so the last answers are kept.
    """
    return CARRIERS.judge(carrier_id, number)


def sandbox_number(serial: int, prefix: str = "SBX") -> str:
    """A number that the stand-in carrier prints: prefix, at least five digits of serial, a Luhn digit."""
    digits = f"{serial:05d}"
    return f"{prefix}{digits}{luhn(digits)}"
