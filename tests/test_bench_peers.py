"""The comparison with other engines: its command, a package that is missing, and what it counts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from bench.__main__ import app, main
from bench.peers import command
from bench.peers.duties import database_of
from bench.rounds import Round, cpu_seconds, trees_cpu_seconds
from config import Settings
from core.errors import Misconfigured

BURNS = "import time\nwhile time.process_time() < 0.1: pass"


def test_the_help_names_the_engines() -> None:
    done = CliRunner().invoke(app, ["peers", "--help"])
    assert done.exit_code == 0
    assert all(name in done.output for name in command.OTHERS)


def test_an_engine_that_is_not_installed_ends_with_one_line_and_exit_code_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = command.OTHERS["restate"]._replace(needs=("sys", "no-such-server"))
    monkeypatch.setattr(command, "OTHERS", {"restate": missing})
    monkeypatch.setattr(sys, "argv", ["bench", "peers"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.err == "not installed: no-such-server. `make peers` installs them apart from the product.\n"


def test_an_unknown_engine_is_named_with_those_that_there_are() -> None:
    with pytest.raises(Misconfigured, match="no engine 'cadence': choose from dbos, procrastinate, restate"):
        command.chosen(["cadence"], bool)


def test_an_engine_named_twice_runs_once() -> None:
    assert command.chosen(["dbos", "dbos"], bool) == ["dbos"]


def test_a_server_counts_for_the_engines_that_it_works_for() -> None:
    servers = {"postgres": 1, "temporal": 2, "restate": 3}
    assert command._behind("product", servers) == command._behind("bare", servers) == [1, 2]
    assert command._behind("dbos", servers) == [1]
    assert command._behind("restate", servers) == [1, 3]


def test_ratios_are_the_products_figures_over_theirs() -> None:
    ours, theirs = Round(10.0, 30.0, 40.0, [100.0]), Round(20.0, 15.0, 10.0, [50.0])
    assert dict(command.ratios([ours], [theirs])) == {
        "orders_per_s": 0.5,
        "worker_ms": 2.0,
        "servers_ms": 4.0,
        "credited_p50_ms": 2.0,
        "credited_p99_ms": 2.0,
    }


def test_processor_time_of_servers_has_their_children_those_that_ended_included() -> None:
    before = trees_cpu_seconds([os.getpid()])
    subprocess.run([sys.executable, "-c", BURNS], check=True)
    # Whole ticks of 10 ms: their difference as a float can be a hair below.
    assert round(trees_cpu_seconds([os.getpid()]) - before, 2) >= 0.09
    assert trees_cpu_seconds([os.getpid()]) >= cpu_seconds(os.getpid())


def test_an_engine_has_a_database_of_its_own_on_the_same_server() -> None:
    settings = Settings(database_owner_url="postgresql://owner:secret@127.0.0.1:5432/dakuan")
    assert database_of(settings, "dbos") == "postgresql://owner:secret@127.0.0.1:5432/bench_dbos"
