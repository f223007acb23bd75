"""Ports of this machine, each chosen for one server alone.

Who chooses a port holds the port of UDP that has its number, which no server of ours uses. So two programs that choose
at one moment choose two ports, and the port of a server that is down just now is given to no other.
"""

from __future__ import annotations

import atexit
import random
import socket

from core.errors import Unavailable

LOOPBACK = "127.0.0.1"
_OURS = range(20_000, 32_000)
"""Below the ports that systems give to connections: from 32,768 on Linux, from 49,152 elsewhere."""
_held: dict[int, socket.socket] = {}
"""Port → what holds it. The system gives it back when this program ends, in any way."""


def free_port() -> int:
    """A port that is free at this moment, and held from now on. The system gives it to no one who asks for any.

    A server that is killed and started again would find a port that others choose taken by another program, and its
    clients would talk to that one.

    Raises:
        Unavailable: all are taken. A retry may help.
    """
    for port in random.SystemRandom().sample(_OURS, len(_OURS)):
        if hold(port):
            if is_free(port):
                return port
            give_back(port)
    raise Unavailable(f"no port from {_OURS.start} to {_OURS.stop - 1} is free")


def kept_or_free(port: int | None) -> int:
    """This port, held from now on; another where it is none, taken, or held by another program.

    Raises:
        Unavailable: as `free_port`.
    """
    if port is not None and is_free(port) and (port in _held or hold(port)):
        return port
    return free_port()


def hold(port: int) -> bool:
    """Let it be chosen no more, by this program or another of ours. False: it is held already."""
    if port in _held:
        return False
    holding = socket.socket(type=socket.SOCK_DGRAM)
    try:
        holding.bind((LOOPBACK, port))
    except OSError:
        holding.close()
        return False
    _held[port] = holding
    return True


def give_back(port: int) -> None:
    """Let it be chosen again, if this program holds it."""
    if port in _held:
        _held.pop(port).close()


def accepts(port: int) -> bool:
    """Whether something on this machine accepts connections at the port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False


def is_free(port: int) -> bool:
    """Whether a server may listen at the port."""
    with socket.socket() as probe:
        # As the servers do, so that a port with lingering connections counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


@atexit.register
def _give_all_back() -> None:
    for port in tuple(_held):
        give_back(port)
