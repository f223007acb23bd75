"""Reads a workflow's start arguments. It never raises for a client's arguments: any of them may come, and none may
block the workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from core.fields import Message
    from core.reading import Unreadable

S = TypeVar("S", bound=Message)


def first_argument(bodies: Sequence[Any]) -> Any:
    """The first argument; none becomes a value that is refused."""
    return bodies[0] if bodies else Unreadable(why="It takes one JSON object, and there is none.")


def start_options(bodies: Sequence[Any]) -> dict[str, Any]:
    """The second argument: how to open, or the state of the previous run. Anything else is ignored."""
    return bodies[1] if len(bodies) > 1 and isinstance(bodies[1], dict) else {}


def carried_state(model: type[S], bodies: Sequence[Any], started_with: str) -> S | None:
    """The state of the previous run, if this one continues it.

    Args:
        started_with: the state's field that is left out, because it is the first argument.

    Raises:
        ValidationError: this code cannot read it. The task fails, and the workflow goes on once the code can.
    """
    if not workflow.info().continued_run_id or "state" not in start_options(bodies):
        return None
    return model.model_validate({**start_options(bodies)["state"], started_with: first_argument(bodies)})
