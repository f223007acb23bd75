"""Workers that remember fewer workflows: with none, each task replays its workflow from the first event.

What a workflow keeps outside of its history, such as in a module or in the order of a set, then shows.
"""

from __future__ import annotations

import functools
from typing import Any

from temporalio.worker import Worker


def remember_only(cached: int) -> None:
    """Let every worker that is built from now on remember at most so many workflows."""
    build = Worker.__init__

    @functools.wraps(build)
    def built(worker: Worker, *args: Any, **kwargs: Any) -> None:
        build(worker, *args, **kwargs | {"max_cached_workflows": cached})

    Worker.__init__ = built  # type: ignore[assignment, method-assign]  # for the whole run
