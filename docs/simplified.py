"""Write the table of simplified characters from OpenCC's: `python -m docs.simplified`.

The product needs the table and not OpenCC: a worker starts without it, and an upgrade of OpenCC changes no verdict
before a person has seen the difference.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from opencc import OpenCC

from core.screening.simplified import TABLE

FILE = Path(__file__).parents[1] / "core" / "screening" / TABLE
_TABLES = ("jp2t", "hk2t", "tw2t", "t2s")
"""One after the other: Japanese forms, those of Hong Kong and Taiwan, then traditional to simplified."""
_IDEOGRAPHS = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x323B0))
_PAIRS_A_LINE = 36


def pairs() -> list[str]:
    """Each ideograph that OpenCC writes otherwise in simplified Chinese, with what it writes."""
    letters = [chr(code) for first, end in _IDEOGRAPHS for code in range(first, end)]
    letters_out = "\n".join(letters)
    for table in _TABLES:
        letters_out = OpenCC(table).convert(letters_out)
    return [old + new for old, new in zip(letters, letters_out.split("\n"), strict=True) if old != new]


def table_text() -> str:
    """The whole file."""
    found = pairs()
    lines = [" ".join(found[start : start + _PAIRS_A_LINE]) for start in range(0, len(found), _PAIRS_A_LINE)]
    head = (
        f"# Written by `python -m docs.simplified`. The character, and what OpenCC {version('opencc')} writes for it.\n"
    )
    return f'{head}pairs = """\n' + "\n".join(lines) + '\n"""\n'


if __name__ == "__main__":
    FILE.write_text(table_text(), encoding="utf-8")
    print(f"{FILE} written")
