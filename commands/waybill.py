"""`waybill NUMBER…`: what a number could be, whether the carrier named could have printed it, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from commands.console import JsonFlag, command, table, tell_json, wants_json
from commands.console import screen as console
from commands.reading import read_text
from core.audit.waybills import carrier as carrier_of
from core.audit.waybills import judge, recognise, suggest
from core.errors import BadInput


@command
async def waybill(
    numbers: Annotated[
        list[str] | None, typer.Argument(help="As typed; spaces, dashes and width do not matter.")
    ] = None,
    file: Annotated[str | None, typer.Option(help="One number a line; - reads stdin.")] = None,
    carrier: Annotated[str | None, typer.Option(help="Our id of the carrier it is said to be of.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Recognise waybill numbers. A number is called impossible only where that is certain."""
    if carrier is not None and carrier != "other" and carrier_of(carrier) is None:
        near = ", ".join(suggest(carrier)) or "none like it"
        raise BadInput(f"carrier: {carrier!r} is not in the table; did you mean: {near}")
    typed = [*(numbers or []), *([line for line in read_text(file).splitlines() if line.strip()] if file else [])]
    if not typed:
        raise typer.BadParameter("give a number, or --file")
    answers = [_answer(number, carrier) for number in typed]
    if wants_json():
        for answer in answers:
            tell_json(answer)
        return
    rows = [(a["input"], a["normalised"], ", ".join(a["carriers"]), a["answer"], a["reason"]) for a in answers]
    console().print(table("Waybills", ("input", "normalised", "could be", "answer", "why"), rows))


def _answer(number: str, carrier: str | None) -> dict[str, Any]:
    """One line: input, normalised, candidates, answer, reason."""
    seen, said = recognise(number), judge(carrier, number)
    return {
        "input": number,
        "normalised": said.normalised,
        "changes": list(seen.changes),
        "candidates": [candidate.model_dump(mode="json") for candidate in said.candidates],
        "carriers": list(dict.fromkeys(candidate.carrier for candidate in said.candidates)),
        "answer": said.answer,
        "reason": said.reason,
    }
