"""How much chance tries: what `make test` affords within minutes, or, with DAKUAN_TESTS=soak, what takes hours."""

from __future__ import annotations

import os

from hypothesis import settings

SOAK = os.environ.get("DAKUAN_TESTS") == "soak"
SOAK_EXAMPLES = 20_000
"""Of every test by hypothesis that only computes."""
SOAK_EXAMPLES_ON_SERVERS = 2_000
"""Of one whose every example asks a database or a provider."""
MACHINE_EXAMPLES = SOAK_EXAMPLES if SOAK else 300
"""Lives that hypothesis makes up for a state machine."""
ORDER_WALKS, WITHDRAWAL_WALKS = 800, 100
"""Random walks through their lives; `soak.py` takes many more."""


def at_least(examples: int) -> int:
    """The examples of a test that needs more than others to find anything."""
    return SOAK_EXAMPLES if SOAK else examples


def on_servers(examples: int) -> int:
    """The examples of a test whose examples ask a database or a provider."""
    return SOAK_EXAMPLES_ON_SERVERS if SOAK else examples


def load_profile() -> None:
    """No deadline: the cores are shared with servers. In CI the same examples each time, so that red means a change."""
    settings.register_profile("here", deadline=None)
    settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
    settings.register_profile("soak", deadline=None, max_examples=SOAK_EXAMPLES, print_blob=True)
    settings.load_profile("soak" if SOAK else "ci" if os.environ.get("CI") else "here")
