"""`deploy --build-id B`: give the tasks to the workers of a build, at once or a share of them first."""

from __future__ import annotations

from typing import Annotated

import typer

import gateway
from commands.console import JsonFlag, command, print_answer
from commands.service import temporal


@command
async def deploy(
    build_id: Annotated[str, typer.Option("--build-id", help="The DAKUAN_BUILD_ID of its workers.")],
    ramp: Annotated[
        float | None, typer.Option(min=0, max=100, help="Only this share of the tasks, in percent; 0 undoes it.")
    ] = None,
    without_workers: Annotated[
        bool, typer.Option("--without-workers", help="Although no worker of it polls: everything waits for one.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make a build of the worker current. Its workers poll already; open orders move to it with their next task."""
    async with temporal() as client:
        await gateway.make_current(client, build_id, ramp=ramp, polled=not without_workers)
        now = await gateway.workers(client)
    view = {"build_id": build_id, "ramp": ramp, "current": now.current, "ramping": now.ramping}
    said = "is current" if ramp is None else f"gets {ramp:g} % of the tasks"
    print_answer(view, lambda console: console.print(f"Build {build_id} {said}."))
