"""`requirements.lock` pins everything that `pyproject.toml` asks for, by hash, and names no place to fetch it from."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from arrows import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINES = re.findall(r"^([\w.-]+)==(\S+)[^\n]*((?:\n    --hash=\S+(?: \\)?)+)", LOCK, re.MULTILINE)
"""A package may have a pin for each of several Pythons."""
PINS = {canonicalize_name(name): (version, hashes) for name, version, hashes in LINES}
ASKED = [
    *PROJECT["project"]["dependencies"],
    *(one for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra),
    *PROJECT["dependency-groups"]["build"],
    *PROJECT["build-system"]["requires"],
]


@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_for_is_pinned_to_a_version_that_fits(asked: str) -> None:
    requirement = Requirement(asked)
    version, _ = PINS[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version)


def test_every_pin_has_hashes() -> None:
    assert len(LINES) == len(re.findall(r"^\w", LOCK, re.MULTILINE)) > 40
    assert [name for name, _, hashes in LINES if "sha256:" not in hashes] == []


def test_the_lock_names_no_address_and_no_path() -> None:
    assert re.findall(r"https?:|file:|^-|@ |/", LOCK, re.MULTILINE) == []
