"""Compiled files are kept during a test run, even if the environment forbids it."""

from __future__ import annotations

import os
import sys


def keep_bytecode() -> None:
    """Compile each file once, for this process and those that it starts. `make clean` removes what was compiled.

    Without its bytecode, each process of a run compiles all 200 files of tests, and each worker all of the product.
    """
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
