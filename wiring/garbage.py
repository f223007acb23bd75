"""How programs that run for long look for garbage: seldom, and not in what they loaded.

Python looks for garbage each time 700 more objects are there than were freed, and now and then in all objects. A worker
has 120,000 from its modules alone, which stay until it ends: each look through them stops every order for a tenth of a
second. A single order makes 700 objects, nearly all of which need no such look.
"""

from __future__ import annotations

import gc

NEW_OBJECTS = 5_000
"""So many more objects are looked through, in about a millisecond."""
AGAIN_AFTER = 5
"""After so many looks, what survived them is looked through once more. More would cost as much, and keep more garbage.
"""
ALL_AFTER = 2
"""After so many of those second looks, all may be looked through: a workflow that left memory is such garbage."""


def spare_what_is_loaded() -> None:
    """Leave what the program has loaded out of every look for garbage; call it once, when all is loaded."""
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, AGAIN_AFTER, ALL_AFTER)
