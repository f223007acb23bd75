"""Restate's server: one node that writes each step to disk before it goes on, with its settings as they come."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import Misconfigured
from local.ports import LOOPBACK, accepts
from local.service import ServerProcess

PROGRAM = "restate-server"


class RestateServer(ServerProcess):
    """Its ports: `port` for calls, `admin`, `node` for other nodes, and `worker`, where its handlers are served."""

    name = "restate"
    port_names = ("port", "admin", "node", "worker")

    def command(self, ports: Mapping[str, int]) -> Sequence[str]:
        """The server on the loopback interface; most of its settings are variables only."""
        settings = {
            "BIND_IP": LOOPBACK,
            "LISTEN_MODE": "tcp",
            "INGRESS__BIND_PORT": ports["port"],
            "ADMIN__BIND_PORT": ports["admin"],
            "BIND_PORT": ports["node"],
            "NODE_NAME": "bench",
            "DISABLE_TELEMETRY": "true",
            "LOG_FILTER": "warn",
        }
        variables = (f"RESTATE_{name}={value}" for name, value in settings.items())
        return ["env", *variables, restate_binary(), "--no-logo", "--base-dir", str(self.home / self.name)]

    def identity(self) -> Mapping[str, Any]:
        """Its own environment: ours may hold secrets, and `RESTATE_…` would change what it does."""
        return {"env": {"HOME": str(self.home)}}

    def answers(self) -> bool:
        """Whether it takes calls and registers handlers."""
        return accepts(self.ports["port"]) and accepts(self.ports["admin"])


def restate_binary() -> str:
    """The server's program on the path.

    Raises:
        Misconfigured: there is none.
    """
    found = shutil.which(PROGRAM)
    if found is None:
        raise Misconfigured(f"not installed: {PROGRAM}. `make peers` installs it apart from the product.")
    return found
