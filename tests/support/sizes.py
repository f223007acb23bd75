"""How much is tried at random: what `make test` can afford within minutes, or a soak's own numbers."""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

VARIABLE = "DAKUAN_TEST_EXAMPLES"
"""The environment's name for the examples of each test in a soak; see `soak.py`."""
SOAK_EXAMPLES = int(os.environ.get(VARIABLE) or 0)
MACHINE_EXAMPLES = SOAK_EXAMPLES or 300
"""Lives that hypothesis generates for a state machine."""
BURST = (10_000, 5_000) if SOAK_EXAMPLES else (600, 600)
"""Junk signals, and scans, that reach an order at once."""
STORM = (10_000, 20, 40) if SOAK_EXAMPLES else (100, 6, 4)
"""Events, endpoints of which five misbehave, and gateways that are killed."""
ORDER_WALKS, WITHDRAWAL_WALKS, REFUND_WALKS = 400, 100, 2_000
"""Random walks through their lives; `soak.py` takes many more."""


def at_least(examples: int) -> int:
    """The examples of a test that needs more than others to find anything."""
    return max(examples, SOAK_EXAMPLES)


def on_servers(examples: int) -> int:
    """The examples of a test whose every example asks a database: in a soak a tenth of the others'."""
    return max(examples, SOAK_EXAMPLES // 10)


def load_profile() -> None:
    """No deadline: the cores are shared with servers. In CI the same examples each time, so that red means a change."""
    settings.register_profile("here", deadline=None)
    settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
    settings.register_profile("soak", deadline=None, max_examples=max(1, SOAK_EXAMPLES), print_blob=True)
    chosen = "soak" if SOAK_EXAMPLES else "ci" if os.environ.get("CI") else "here"
    settings.load_profile(chosen)
    if chosen == "ci":
        providers._get_local_constants = no_words_of_ours


def no_words_of_ours() -> Constants:
    """For hypothesis, which tries constants of our modules, too: of those that are loaded by then."""
    return Constants()
