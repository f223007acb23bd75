"""Each bench refuses a figure that it cannot measure with, and removes its servers where it is ended."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
from pathlib import Path

import pytest
from command_line import WIDE
from typer.testing import CliRunner

import bench.__main__


@pytest.mark.parametrize(
    "given",
    [
        "ledger --rounds 0",
        "ledger --seconds 0",
        "ledger --orders 0",
        "ledger --beside 0",
        "orders --pairs 0",
        "orders --per-round 0",
        "growth --orders 2999",
        "growth --orders 3000001",
        "faults --seconds -1",
        "faults --bug none",
        "audit --parcels 0",
        "kills --orders 0",
        "killed --orders 0",
        "parked --orders 0",
        "midnight --alone 0",
        "peers --pairs 0",
        "drill none",
    ],
)
def test_a_figure_that_no_bench_can_measure_with_is_bad_usage(given: str) -> None:
    result = CliRunner().invoke(bench.__main__.app, given.split(), env=WIDE)
    assert result.exit_code == 2, result.output
    assert "Invalid value" in result.output


@pytest.mark.parametrize("text", ["no TOML", "rules = []", "titles = 1"])
def test_a_file_without_titles_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "titles.toml"
    file.write_text(text)
    result = CliRunner().invoke(bench.__main__.app, ["screening", "--titles", str(file)])
    assert f"{file} has no titles" in str(result.exception)


def test_a_terminal_that_shows_no_chinese_gets_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii", write_through=True))
    monkeypatch.setattr(bench.__main__, "app", lambda: print("茶 …"))
    before = signal.getsignal(signal.SIGTERM)
    try:
        bench.__main__.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert shown.getvalue() == b"\\u8336 \\u2026\n"


def test_a_bench_that_is_ended_removes_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    removed = []

    async def measure() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(60)
        finally:
            removed.append(await asyncio.to_thread(lambda: "server"))

    monkeypatch.setattr(bench.__main__, "app", lambda: asyncio.run(measure()))
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(KeyboardInterrupt):
            bench.__main__.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert removed == ["server"]
