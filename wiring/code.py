"""Which code a worker runs."""

from __future__ import annotations

import hashlib
from importlib.resources import as_file, files

ROOMS = ("activities", "core", "ledger", "workflows")
"""The rooms that decide, and those that touch the world."""
DIGEST_LENGTH = 16


def code_digest() -> str:
    """A short digest of the code of these rooms: Temporal shows which code finished a task."""
    digest = hashlib.sha256()
    for room in ROOMS:
        with as_file(files(room)) as folder:
            for file in sorted(folder.rglob("*.py")):
                digest.update(file.read_bytes())
    return digest.hexdigest()[:DIGEST_LENGTH]
