"""Characters as simplified Chinese writes them: traditional ones, those of Hong Kong and Taiwan, and Japanese ones."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

TABLE = "simplified.toml"
"""Written by `python -m docs.simplified` from OpenCC's tables; a test compares the two."""


@cache
def simplified_characters() -> Mapping[int, str]:
    """What stands for a character in simplified Chinese, by its code point; only where it is another.

    Single characters and no phrases: a word must fold alone as it folds inside a title.
    """
    table = tomllib.loads(resources.files("core.screening").joinpath(TABLE).read_text(encoding="utf-8"))
    return {ord(pair[0]): pair[1] for pair in table["pairs"].split()}
