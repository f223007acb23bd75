"""What others see of a comparison: the page in the Web UI, in markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core.reconciliation.lines import Break, Summary
from core.texts import clock


def details_of(summary: Summary, not_fetched: str | None = None, proofs: Mapping[str, Any] | None = None) -> str:
    """The comparison's page: how much was compared, the breaks by reason, and each with both sides' figures.

    Args:
        proofs: what the proof of the books found, as `broken`, or why there was none, as `not_proven`.
    """
    lines = [*_lines(summary, not_fetched)]
    return "\n".join(lines if proofs is None else [*lines, f"\n{_proofs(proofs)}"])


def _proofs(proofs: Mapping[str, Any]) -> str:
    if why := proofs.get("not_proven"):
        return f"**The books were not proven**: {why}"
    broken = ", ".join(f"`{name}`" for name in proofs["broken"])
    return f"**Broken proofs**: {broken}; `starter.py prove` shows the evidence" if broken else "Every proof holds."


def _lines(summary: Summary, not_fetched: str | None) -> Iterator[str]:
    breaks = "1 break" if summary.count == 1 else f"{summary.count} breaks" if summary.count else "clean"
    yield f"### {summary.scope} {summary.name}: {breaks}"
    yield f"\n{summary.ours} of ours, {summary.theirs} of theirs, at {clock(summary.at)}"
    if not_fetched:
        yield f"\n**No statement was fetched**: {not_fetched}"
    if summary.by_reason:
        yield "\n" + ", ".join(f"{count} `{reason}`" for reason, count in summary.by_reason.items()) + "\n"
    yield from (_line(found) for found in summary.breaks)
    if summary.count > len(summary.breaks):
        yield f"- and {summary.count - len(summary.breaks)} more: `starter.py reconcile --json` has all"


def _line(found: Break) -> str:
    ours, theirs = found.figures
    about = f" ({found.subject})" if found.subject else ""
    return f"- `{found.reason}` {found.kind} {found.key}{about}: ours {ours}, theirs {theirs}; {found.helps}"
