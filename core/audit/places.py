"""Places as carriers write them, against the addresses of an order.

A carrier writes "【杭州市】", "杭州转运中心", "SAO PAULO - SP" or nothing. A place that cannot be read for certain is
unknown. An unknown place never counts against anyone.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from core.audit.regions import (
    CITY_LATIN,
    CITY_OF_COUNTY,
    COUNTRY_OF,
    LATIN_NAMES,
    LATIN_WORDS,
    MUNICIPALITIES,
    PROVINCE_LATIN,
    PROVINCE_OF_CITY,
    PROVINCES,
    Spot,
    spot_of,
    spot_of_state,
)
from core.audit.traditional import simplified
from core.likeness import as_alike
from core.messages import Address

Level = Literal["country", "province", "city", "district"]

REMEMBERED = 8_192
"""Answers that each function here keeps. Carriers write the names of all their stations, and any text: with eight times
as many, a worker grows by 93 MB more. An answer that is not remembered takes microseconds.
"""

_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_NOT_CHINESE_NAME = re.compile(r"[^\u4e00-\u9fff]+")
_PROVINCE_TAIL = re.compile(r"(壮族自治区|维吾尔自治区|回族自治区|自治区|特别行政区|省)")
_CITY_TAIL = re.compile(r"(?:[\u4e00-\u9fff]{1,5}族)*自治州|市|地区|盟|州")
_NOT_A_CITY_TAIL = ("区", "县", "路", "街", "镇", "乡", "道", "村", "大道", "北路", "南路", "东路", "西路", "中路")
_DISTRICT = re.compile(r"^([\u4e00-\u9fff]{1,7}?)(自治县|区|县|市|旗)")
_NO_DISTRICT = (
    "新",
    "高新",
    "开发",
    "经开",
    "经济",
    "技术",
    "工业",
    "园",
    "小",
    "社",
    "景",
    "厂",
    "务",
    "校",
    "片",
    "地",
)
_HUB_WORDS = ("center", "centre", "hub", "facility", "sorting", "depot", "airport", "centro", "unidade", "gateway")
_NO_ACCENT = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "ð": "d", "þ": "th"})
"""Letters that Unicode does not take apart."""
_LATIN_SPLIT = re.compile(r"[,/;|()\[\]]|\s-\s|\s–\s")
_NAMED_FIRST = frozenset({"CN", "BR", "US"})
"""Countries that may stand before the city, too. Others may not: Peru and Lebanon are towns of the United States."""
_OTHER_CODES = {"GB": frozenset({"gb", "uk"}), "GR": frozenset({"gr", "el"})}
"""Countries that are written by two codes."""


@dataclass(frozen=True, slots=True)
class ParsedPlace:
    """What is certain about a written place. Chinese parts without suffixes; Latin ones folded, in `segments`.

    `country`: the ISO 3166 code of the one that is named at the end; it is no segment.
    """

    chinese: bool
    province: str | None = None
    city: str | None = None
    district: str | None = None
    rest: str = ""
    segments: tuple[str, ...] = ()
    hub: bool = False
    country: str | None = None

    @property
    def city_key(self) -> str | None:
        """A name by which two places are known to be in different cities; None where that is not certain."""
        if self.chinese:
            return self.city
        return None if self.hub or not self.segments else self.segments[0]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether two places agree at the finest level that both know; `agrees` None: nothing comparable is known."""

    level: Level | None = None
    agrees: bool | None = None


UNKNOWN = Agreement()
ALIKE = 0.88
"""The share of letters that two spellings of one name have in common, less is another name."""


def fold(text: str) -> str:
    """Lower case, without accents, full width and punctuation, single spaces: two spellings of one name are equal."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
    plain = plain.translate(_NO_ACCENT)
    return " ".join("".join(c if c.isalnum() else " " for c in plain.replace("'", "")).split())


@lru_cache(maxsize=REMEMBERED)
def parse_place(text: str) -> ParsedPlace:
    """What is certain about a place as a carrier writes it. Total and pure; answers are remembered."""
    text = unicodedata.normalize("NFKC", text)
    if _CHINESE.search(text):
        return _parse_chinese(_NOT_CHINESE_NAME.sub("", simplified(text)).removeprefix("中国"))
    return _parse_latin(text)


def _parse_latin(text: str) -> ParsedPlace:
    segments, country = _without_country([s for s in map(fold, _LATIN_SPLIT.split(text)) if s])
    joined = [segment.removesuffix(" shi").removesuffix(" sheng").replace(" ", "") for segment in segments]
    city = next((CITY_LATIN[name] for name in joined if name in CITY_LATIN), None)
    province = next((PROVINCE_LATIN[name] for name in joined if name in PROVINCE_LATIN), None)
    if province in MUNICIPALITIES and city is None:
        city = province
    if city is not None or province is not None:
        return ParsedPlace(True, province or PROVINCE_OF_CITY[city or ""], city)
    hub = any(word in segment.split() for segment in segments for word in _HUB_WORDS)
    return ParsedPlace(False, segments=segments, hub=hub, country=country)


def _without_country(segments: list[str]) -> tuple[tuple[str, ...], str | None]:
    country = COUNTRY_OF.get(segments[-1]) if segments else None
    if country is not None:
        return tuple(segments[:-1]), country
    if segments and (first := COUNTRY_OF.get(segments[0])) in _NAMED_FIRST:
        return tuple(segments[1:]), first
    return tuple(segments), None


def _parse_chinese(text: str) -> ParsedPlace:
    province, rest = _leading_province(text)
    if province in MUNICIPALITIES:
        rest = rest.removeprefix("市").removeprefix("市辖区").removeprefix(province).removeprefix("市")
        return ParsedPlace(True, province, province, _district(rest), rest)
    found = _find_city(rest, province)
    if found is None:
        return ParsedPlace(True, province, rest=rest)
    city, county, tail = found
    tail = tail.removeprefix("市辖区")
    return ParsedPlace(True, PROVINCE_OF_CITY[city], city, county or _district(tail), (county or "") + tail)


def _leading_province(text: str) -> tuple[str | None, str]:
    for length in (3, 2):
        name = text[:length]
        if name not in PROVINCES:
            continue
        rest = text[length:]
        # 吉林市 is a city of the province 吉林; 海南州 a prefecture of another.
        if name not in MUNICIPALITIES and rest[:1] in ("市", "州"):
            return None, text
        tail = _PROVINCE_TAIL.match(rest)
        return name, rest[tail.end() :] if tail else rest
    return None, text


def _find_city(text: str, province: str | None) -> tuple[str, str | None, str] | None:
    """The prefecture that is named first: (prefecture, county-level city or None, what follows)."""
    for start in range(len(text) - 1):
        for length in (4, 3, 2):
            name = text[start : start + length]
            city = name if name in PROVINCE_OF_CITY else CITY_OF_COUNTY.get(name)
            if len(name) < length or city is None or (province is not None and PROVINCE_OF_CITY[city] != province):
                continue
            rest = text[start + length :]
            if rest.startswith(_NOT_A_CITY_TAIL):
                continue
            tail = _CITY_TAIL.match(rest)
            rest = rest[tail.end() :] if tail else rest
            if city == name:
                # 浙江省金华市义乌市: the county-level city follows its prefecture.
                return city, None, rest
            return city, name, rest
    return None


def _district(text: str) -> str | None:
    match = _DISTRICT.match(text)
    if match is None or len(match[1]) < 1 or match[1].endswith(_NO_DISTRICT):
        return None
    return match[1]


@lru_cache(maxsize=REMEMBERED)
def _address_place(province: str | None, city: str | None, district: str | None) -> ParsedPlace:
    """An order's address, read like a carrier's place, each field on its own."""
    whole = parse_place(city) if city else ParsedPlace(True)
    outer = parse_place(province) if province else ParsedPlace(True)
    if not (whole.chinese and outer.chinese) or (city and not _CHINESE.search(city) and whole.city is None):
        return ParsedPlace(False, segments=tuple(fold(part) for part in (city or "", province or "", district or "")))
    known = whole.city or (outer.city if outer.province in MUNICIPALITIES else None)
    named = _base(district) if district else whole.district
    return ParsedPlace(True, outer.province or whole.province, known, named)


def _base(district: str) -> str | None:
    name = _NOT_CHINESE_NAME.sub("", simplified(unicodedata.normalize("NFKC", district)))
    for suffix in ("自治县", "区", "县", "市", "旗"):
        if name.endswith(suffix) and len(name) > len(suffix) + 1:
            return name.removesuffix(suffix)
    return name or None


def agreement(address: Address, place: str) -> Agreement:
    """Whether a carrier's place lies where an address does, at the finest level that both know."""
    return _agreement(address.country, address.province, address.city, address.district, place)


@lru_cache(maxsize=REMEMBERED)
def _agreement(country: str, province: str | None, city: str | None, district: str | None, place: str) -> Agreement:
    here = parse_place(place)
    there = _address_place(province, city, district)
    if here.chinese != there.chinese:
        return UNKNOWN
    return _chinese_agreement(there, here) if here.chinese else _latin_agreement(country, there, here)


def _chinese_agreement(there: ParsedPlace, here: ParsedPlace) -> Agreement:
    if there.province and here.province and there.province != here.province:
        level: Level = "city" if there.city and here.city else "province"
        return Agreement(level, False)
    if there.city and here.city:
        if there.city != here.city:
            return Agreement("city", False)
        if there.district and there.district in here.rest:
            return Agreement("district", True)
        if there.district and here.district:
            return Agreement("district", False)
        return Agreement("city", True)
    if there.district and len(there.district) >= 2 and here.rest.startswith(there.district):
        return Agreement("district", True)
    return Agreement("province", True) if there.province and here.province else UNKNOWN


def _latin_agreement(country: str, there: ParsedPlace, here: ParsedPlace) -> Agreement:
    city, province, district = there.segments
    if not here.segments:
        if here.country is None or here.country == country:
            return UNKNOWN
        # A town may be called as another country is.
        return Agreement("city", True) if _is_called(city, here.country) else Agreement("country", False)
    if city and any(_same_name(city, segment) for segment in here.segments):
        if _states_differ(country, province, here):
            return Agreement("province", False)
        if district and any(_same_name(district, segment) for segment in here.segments):
            return Agreement("district", True)
        return Agreement("city", True)
    if district and any(_same_name(district, segment) for segment in here.segments):
        return Agreement("district", True)
    if province and len(here.segments) == 1 and here.segments[0] == province:
        return Agreement("province", True)
    if _states_differ(country, province, here):
        return Agreement("city" if city and len(here.segments) > 1 else "province", False)
    if not city or here.hub or not any(character.isalpha() for character in here.segments[0]):
        return UNKNOWN
    if len(here.segments[0]) <= 3:
        return UNKNOWN
    return Agreement("city", False)


def _is_called(city: str, country: str) -> bool:
    """Whether a city has a name of this country."""
    return any(_same_name(city, name) for name in _names_of(country)) if city else False


@lru_cache(maxsize=512)
def _names_of(country: str) -> tuple[str, ...]:
    return tuple(name for name, code in COUNTRY_OF.items() if code == country)


def _states_differ(country: str, province: str, here: ParsedPlace) -> bool:
    """Whether the text names another two-letter state than the address does; the address's country is no state."""
    ours = _OTHER_CODES.get(country, frozenset({country.casefold()}))
    states = [part for part in here.segments if len(part) == 2 and part.isalpha() and part not in ours]
    return len(province) == 2 and bool(states) and province not in here.segments


@lru_cache(maxsize=REMEMBERED)
def _canonical(name: str) -> str:
    """A folded name without abbreviations and digraphs, and by the name that stands for all of the city's."""
    words = " ".join(LATIN_WORDS.get(word, word) for word in name.split())
    name = LATIN_NAMES.get(words, words)
    plain = name.replace("ae", "a").replace("oe", "o").replace("ue", "u").replace("aa", "a")
    return LATIN_NAMES.get(plain, plain)


@lru_cache(maxsize=REMEMBERED)
def _same_name(one: str, other: str) -> bool:
    """The same name but for spelling: one holds the other as whole words, or they differ in a letter or two."""
    one, other = _canonical(one), _canonical(other)
    if one == other or f" {one} " in f" {other} ":
        return True
    if min(len(one), len(other)) < 5:
        return False
    return as_alike(one, other, ALIKE)


def same_province(address: Address, place: str) -> bool | None:
    """Whether a carrier's place lies in the province of an address; None where either is not known."""
    return _same_province(address.country, address.province, address.city, place)


@lru_cache(maxsize=REMEMBERED)
def _same_province(country: str, province: str | None, city: str | None, place: str) -> bool | None:
    here, there = parse_place(place), _address_place(province, city, None)
    if here.chinese != there.chinese:
        return None
    if here.chinese:
        return here.province == there.province if here.province and there.province else None
    town, state, _ = there.segments
    if _states_differ(country, state, here):
        return False
    if state in here.segments or (town and any(_same_name(town, segment) for segment in here.segments)):
        return True
    return None


def same_region(address: Address, provinces: tuple[str, ...]) -> bool:
    """Whether an address lies in one of these provinces."""
    there = _address_place(address.province, address.city, address.district)
    if there.chinese:
        return there.province is not None and there.province in {parse_place(name).province for name in provinces}
    return bool(there.segments[1]) and there.segments[1] in _folded(provinces)


@lru_cache(maxsize=1_024)
def _folded(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(fold, names))


def addresses_apart(one: Address, other: Address) -> bool:
    """Whether two addresses are certainly in different cities."""
    return _apart(one.province, one.city, other.province, other.city)


@lru_cache(maxsize=REMEMBERED)
def _apart(one_province: str | None, one_city: str | None, province: str | None, city: str | None) -> bool:
    if not one_city or not city:
        return False
    joint = ", " if one_city.isascii() else ""
    place = joint.join((one_city, one_province or "") if joint else (one_province or "", one_city))
    return _agreement("XX", province, city, None, place).agrees is False


@lru_cache(maxsize=REMEMBERED)
def different_cities(one: str, other: str) -> bool | None:
    """Whether two places are certainly in different cities (True), in the same (False), or it is not known (None)."""
    a, b = parse_place(one), parse_place(other)
    if a.chinese != b.chinese:
        return None
    first, second = a.city_key, b.city_key
    if first is None or second is None:
        return True if a.chinese and a.province and b.province and a.province != b.province else None
    return not (first == second if a.chinese else _same_name(first, second) or _same_name(second, first))


@lru_cache(maxsize=REMEMBERED)
def least_distance_km(one: str, other: str, country: str | None = None) -> float | None:
    """How far apart two places are at least, in km; None where their positions are not known.

    Args:
        country: the ISO 3166 code of the country that a place lies in where it names none.
    """
    first, second = _spot(parse_place(one), country), _spot(parse_place(other), country)
    if first is None or second is None:
        return None
    return max(0.0, _great_circle_km(first, second) - first.radius_km - second.radius_km)


def _spot(place: ParsedPlace, country: str | None) -> Spot | None:
    if place.chinese:
        return spot_of(place.province, place.city)
    states = [segment for segment in place.segments if len(segment) == 2]
    return spot_of_state(place.country or country, states[-1]) if states else None


def _great_circle_km(one: Spot, other: Spot) -> float:
    phi, psi = math.radians(one.latitude), math.radians(other.latitude)
    half = math.sin((psi - phi) / 2) ** 2
    half += math.cos(phi) * math.cos(psi) * math.sin(math.radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * 6371.0 * math.asin(math.sqrt(min(1.0, half)))
