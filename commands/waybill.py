"""`waybill NUMBER…`: what a number could be, whether the named carrier could have printed it, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from commands.console import JsonFlag, command, print_json, speaking_screen, speaks_chinese, wants_json
from commands.reading import read_text
from core.audit.waybills import candidates, judge, suggest
from core.audit.waybills import carrier as carrier_of
from core.errors import BadInput
from core.texts import Help
from inbound.tables import BadFile, BadRow, cells_of, damage, delimiter_of
from screens import table

USUAL_COLUMNS = (
    *("waybill", "waybill number", "tracking number", "tracking_number", "tracking code", "tracking no", "tracking"),
    *("运单号", "运单号码", "快递单号", "物流单号", "快递号", "单号"),
)
NO_HINT = Help("", "")


@command
async def waybill(
    numbers: Annotated[
        list[str] | None, typer.Argument(help="As typed; spaces, dashes and width do not matter.")
    ] = None,
    file: Annotated[
        str | None, typer.Option(help="One number a line, or a CSV file with a column of them; - reads stdin.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="The column of a CSV file; by default a column with a usual name for numbers.")
    ] = None,
    carrier: Annotated[str | None, typer.Option(help="Our id of the named carrier.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Recognise waybill numbers. A number is called impossible only where that is certain."""
    if carrier is not None and carrier != "other" and carrier_of(carrier) is None:
        near = ", ".join(suggest(carrier)) or "none like it"
        raise BadInput(f"carrier: {carrier!r} is not in the table; did you mean: {near}")
    if column is not None and file is None:
        raise typer.BadParameter("--column needs --file")
    typed = [*(numbers or []), *(_numbers(file, column) if file else [])]
    if not typed:
        raise typer.BadParameter("give a number, or --file")
    answers = [_answer(number, carrier) for number in typed]
    if wants_json():
        for answer in answers:
            print_json(answer)
        return
    rows = [(a["input"], a["normalised"], ", ".join(a["carriers"]), a["answer"], _why(a)) for a in answers]
    speaking_screen().print(table("Waybills", ("input", "normalised", "could be", "answer", "why"), rows))


def _why(answer: Mapping[str, Any]) -> str:
    return str(answer["reason_zh" if speaks_chinese() else "reason"])


def _numbers(file: str, column: str | None) -> list[str]:
    """The numbers of a file: its lines, or a column of its CSV.

    Raises:
        BadFile: there is no such column, or a spreadsheet changed a number in it. Every such row is named.
    """
    text = read_text(file)
    delimiter = delimiter_of(text)
    rows = list(cells_of(file, text, delimiter))
    header = [name.casefold() for name in rows[0].cells] if rows else []
    named = [name for name in ([column] if column else USUAL_COLUMNS) if name.strip().casefold() in header]
    if column is not None and not named:
        there = ", ".join(rows[0].cells) if rows else "nothing"
        raise BadFile(file, [BadRow(1, column[:40], f"there is no such column; there are {there[:300]}")])
    if not named and any(sum(map(bool, row.cells)) > 1 for row in rows):
        there = ", ".join(rows[0].cells)
        several = (
            f"several columns, none called as numbers usually are: name one with --column; there are {there[:300]}"
        )
        raise BadFile(file, [BadRow(1, "(whole)", several)])
    index = header.index(named[0].strip().casefold()) if named else 0
    found, bad = [], []
    for row in rows[1:] if named else rows:
        cell = row.cells[index] if index < len(row.cells) else ""
        why = damage(cell) if cell and not row.as_text[index] else None
        if why is not None:
            bad.append(BadRow(row.line, named[0] if named else "number", why))
        elif cell:
            found.append(cell)
    if bad:
        raise BadFile(file, bad)
    return found


def _answer(number: str, carrier: str | None) -> dict[str, Any]:
    """One line: input, normalised, candidates, answer, reason."""
    said = judge(carrier, number)
    found = candidates(said.normalised)
    hint = _lost_zeros(said.normalised, carrier) if said.answer != "possible" else NO_HINT
    return {
        "input": number,
        "normalised": said.normalised,
        "changes": list(said.changes),
        "candidates": [candidate.model_dump(mode="json") for candidate in found],
        "carriers": list(dict.fromkeys(candidate.carrier for candidate in found)),
        "answer": said.answer,
        "reason": said.reason + hint.en,
        "reason_zh": said.reason_zh + hint.zh,
    }


def _lost_zeros(number: str, carrier: str | None) -> Help:
    """A hint for a number that would be possible with the leading zeros that spreadsheets remove."""
    for zeros in ("0", "00", "000") if number.isdecimal() else ():
        judged = judge(carrier, zeros + number)
        sure = any(one.certainty == "check_digit" for one in candidates(judged.normalised))
        if judged.answer == "possible" and sure:
            before = "a zero" if zeros == "0" else f"{len(zeros)} zeros"
            return Help(
                f" With {before} before it, which a spreadsheet takes away, it would be possible.",
                f"在前面补 {len(zeros)} 个 0（电子表格会去掉）则有可能。",
            )
    return NO_HINT
