"""NOTICE names everything that `pyproject.toml` asks for, under the licence that the package itself states."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import metadata
from typing import Any

import pytest
from arrows import ROOT
from packaging.requirements import Requirement

NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ASKED = sorted(
    Requirement(asked).name
    for part in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for asked in part
)
LISTED = dict(re.findall(r"^  ([a-z0-9.-]+) +(\S.*)$", NOTICE, re.MULTILINE))


def test_the_notice_lists_what_is_asked_for_and_nothing_else() -> None:
    assert sorted(LISTED) == ASKED


@pytest.mark.parametrize("name", ASKED)
def test_a_package_is_listed_under_its_own_licence(name: str) -> None:
    for stated in metadata(name).get_all("License-Expression", []):  # older packages have none
        assert LISTED[name].startswith(stated), stated
