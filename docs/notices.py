"""The notices that people get: who, when, and the facts that come along. `docs/contract.md` lists them from here.

A notice's facts are texts: amounts are minor units, times RFC 3339. A storefront turns them into its own words.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import TypeAdapter

About = Literal[
    "order", "withdrawal", "order, withdrawal", "merchant", "payment", "callback", "reconciliation", "endpoint"
]


class NoticeKind(NamedTuple):
    """One kind of notice. Names and facts are a part of the contract: added, never renamed."""

    name: str
    about: About
    to: tuple[Literal["buyer", "merchant", "reviewer", "operator"], ...]
    when: str
    facts: tuple[str, ...] = ()


_DATA = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
NOTICES = TypeAdapter(tuple[NoticeKind, ...]).validate_python(tomllib.loads(_DATA)["notice"])
BY_NAME: Mapping[str, NoticeKind] = {kind.name: kind for kind in NOTICES}
