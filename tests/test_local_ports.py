"""A port that was chosen for a server is chosen for no other, also while nothing listens there."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from arrows import ROOT

from core.errors import Unavailable
from local import ports
from local.service import ServerProcess


class Sleeper(ServerProcess):
    """A server that listens nowhere."""

    name = "sleeper"

    def command(self, ports: Mapping[str, int]) -> Sequence[str]:
        return ["sleep", "600"]

    def answers(self) -> bool:
        return True


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Sleeper]:
    server = Sleeper(tmp_path)
    server.start()
    yield server
    server.remove()


def _only(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Let there be no other port to choose."""
    monkeypatch.setattr(ports, "_OURS", range(port, port + 1))


def test_a_port_is_chosen_once_until_it_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    port = ports.free_port()
    _only(monkeypatch, port)
    assert ports.is_free(port), "nothing listens there"
    with pytest.raises(Unavailable, match=f"no port from {port} to {port} is free"):
        ports.free_port()
    ports.give_back(port)
    assert ports.free_port() == port
    ports.give_back(port)


def test_a_port_that_another_program_holds_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as others:
        others.bind((ports.LOOPBACK, 0))
        held = others.getsockname()[1]
        other = ports.kept_or_free(held)
        ports.give_back(other)
        assert other != held
        _only(monkeypatch, held)
        with pytest.raises(Unavailable):
            ports.free_port()


def test_a_server_that_is_down_keeps_its_port_until_it_is_removed(
    sleeper: Sleeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = sleeper.ports["port"]
    sleeper.kill()
    _only(monkeypatch, port)
    with pytest.raises(Unavailable):
        ports.free_port()
    sleeper.start()
    assert sleeper.ports["port"] == port
    sleeper.remove()
    assert ports.free_port() == port
    ports.give_back(port)


def test_a_server_that_another_program_left_is_adopted_with_its_port(
    sleeper: Sleeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = sleeper.ports["port"]
    ports.give_back(port)  # as the system does when a program ends
    Sleeper(sleeper.home).start()
    _only(monkeypatch, port)
    with pytest.raises(Unavailable):
        ports.free_port()


def test_a_program_that_ends_leaves_no_port_open() -> None:
    words = "from local.ports import free_port; free_port()"
    ended = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stderr == ""
