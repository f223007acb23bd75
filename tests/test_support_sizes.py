"""What is tried at random: in CI the same each time."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture import providers
from sizes import no_words_of_ours


def _tried() -> list[tuple[str, int]]:
    tried = []

    @settings(settings.get_profile("ci"))
    @given(st.text(), st.integers(0, 10**6))
    def look(text: str, number: int) -> None:
        tried.append((text, number))

    look()
    return tried


def test_in_ci_the_same_is_tried_whatever_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_get_local_constants", no_words_of_ours)
    before = _tried()
    file = tmp_path / "loaded_later.py"
    file.write_text("WORDS = ['a word of its own', 123_457, 998_877, 'another']\n", encoding="utf-8")
    spec = spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, file.stem, module)
    spec.loader.exec_module(module)
    assert _tried() == before
