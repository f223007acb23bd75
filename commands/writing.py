"""Writing the files that a command is asked for."""

from __future__ import annotations

from pathlib import Path

from core.errors import BadInput


def write_text(file: Path, text: str) -> None:
    """Write a file, in UTF-8 and with the ends of lines that the text has.

    Raises:
        BadInput: it cannot be written.
    """
    _write(file, text, "w", str(file))


def write_report(file: Path, text: str) -> None:
    """The same, of a report. Raises as `write_text`."""
    _write(file, text, "w", f"the report {file}")


def check_report(file: Path) -> None:
    """Find out before the work that a report is about whether it can be written. Raises as `write_text`."""
    _write(file, "", "a", f"the report {file}")


def _write(file: Path, text: str, mode: str, what: str) -> None:
    try:
        with file.open(mode, encoding="utf-8", newline="") as stream:
            stream.write(text)
    except OSError as error:
        raise BadInput(f"{what} cannot be written: {error.strerror or error}") from None
