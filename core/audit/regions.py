"""Names and rough positions of the places in traces: Chinese provinces and prefectures, Brazilian states, countries.

They are read from `regions.toml` once, at import.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import NamedTuple

_TABLES: dict[str, str] = tomllib.loads(
    resources.files("core.audit").joinpath("regions.toml").read_text(encoding="utf-8")
)


def _entries(table: str) -> list[list[str]]:
    """The words of each entry; entries stand on lines of their own or between bars."""
    groups = (group for line in _TABLES[table].splitlines() for group in line.split("|"))
    return [group.split() for group in groups if group.strip()]


class Spot(NamedTuple):
    """Where a region lies: degrees, and how far its farthest part is from there, in km."""

    latitude: float
    longitude: float
    radius_km: float


MUNICIPALITIES = frozenset({"北京", "上海", "天津", "重庆", "香港", "澳门"})

CITY_RADIUS_KM = 120.0
"""How far a prefecture reaches from its centre, generously."""


class Province(NamedTuple):
    """A Chinese province: where it lies and what its prefectures are called, without their suffixes."""

    spot: Spot
    cities: tuple[str, ...]


def _provinces() -> tuple[dict[str, Province], dict[str, str]]:
    provinces: dict[str, Province] = {}
    latin: dict[str, str] = {}
    for name, latitude, longitude, radius, written, *cities in _entries("provinces"):
        spot = Spot(float(latitude), float(longitude), float(radius))
        provinces[name] = Province(spot, tuple(cities) or (name,))
        latin[written] = name
    return provinces, latin


PROVINCES, PROVINCE_LATIN = _provinces()
"""Chinese provinces by name without suffix, and those names by their Latin spelling."""

PROVINCE_OF_CITY: dict[str, str] = {city: province for province, facts in PROVINCES.items() for city in facts.cities}

CITY_OF_COUNTY: dict[str, str] = {county: city for city, *counties in _entries("county_cities") for county in counties}
"""County-level cities that traces name on their own, and the prefecture they belong to."""

CITY_LATIN: dict[str, str] = {latin: city for city, latin in _entries("city_latin")}

LATIN_NAMES: dict[str, str] = {
    name.replace("_", " "): first.replace("_", " ") for first, *names in _entries("latin_names") for name in names
}
"""Cities abroad by their other names, as `core.audit.places.fold` writes them."""

LATIN_WORDS: dict[str, str] = {entry[0]: entry[1] for entry in _entries("latin_words")}
"""Words of names, by how the post shortens them."""

COUNTRY_OF: dict[str, str] = {name.replace("_", " "): code for code, *names in _entries("countries") for name in names}
"""The ISO 3166 code of a country by its names, as `core.audit.places.fold` writes them."""

_CITY_SPOT = {name: Spot(float(lat), float(lon), CITY_RADIUS_KM) for name, lat, lon in _entries("city_spots")}
_STATE_SPOT = {name: Spot(float(lat), float(lon), float(radius)) for name, lat, lon, radius in _entries("brazil")}


def spot_of(province: str | None, city: str | None) -> Spot | None:
    """The finest position known of a Chinese city or province."""
    if city is not None and city in _CITY_SPOT:
        return _CITY_SPOT[city]
    return PROVINCES[province].spot if province is not None and province in PROVINCES else None


def spot_of_state(country: str | None, state: str) -> Spot | None:
    """The position of a state by its two letters. They say a state only with its country: PA is Pará in Brazil, and
    Pennsylvania in the United States.
    """
    return _STATE_SPOT.get(state.upper()) if country == "BR" else None
