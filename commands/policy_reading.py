"""Policies as people name them: a registered name, the hash of a text, or a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from os.path import isfile
from pathlib import Path

from commands.console import Failed
from commands.link import books
from commands.policy_holidays import Closed, not_closed_yet, tables_of, with_tables, without_tables
from commands.problems import print_problems
from commands.reading import read_text
from commands.writing import write_text
from config import load
from core.durations import parse_duration
from core.errors import BadInput, Refused
from core.policy import Policy, parse_policy
from core.policy_checking import check_policy
from core.reasons import SENTENCES

_HASH = re.compile(r"[0-9a-f]{64}")


async def policy_of(which: str) -> Policy:
    """The policy of this name, hash or file; see `policy_text_of` and `parsed`."""
    return parsed(which, await policy_text_of(which))


def parsed(source: str, text: str) -> Policy:
    """The policy of a text. What is wrong with one that cannot be read is printed, by line and key.

    Args:
        source: what the person named, such as the file.
    """
    try:
        return parse_policy(text)
    except BadInput:
        if not (problems := check_policy(text)):
            raise
        print_problems(source, problems, as_good={})
        raise Failed from None


async def policy_text_of(which: str) -> str:
    """The text of this name, hash or file.

    Raises:
        Refused: `unknown_policy`: no such name or hash is registered, and there is no such file.
    """
    if is_file(which):
        return read_text(which)
    async with books() as register:
        if _HASH.fullmatch(which):
            try:
                return await register.policies.text(which)
            except LookupError:
                raise _unknown(which) from None
        stored = await register.policies.newest(which)
    if stored is None:
        raise _unknown(which)
    return stored.text


def is_file(which: str) -> bool:
    """Whether this names a file, or standard input."""
    return which == "-" or isfile(which)


def _unknown(which: str) -> Refused:
    return Refused("unknown_policy", f"{SENTENCES['unknown_policy']} {which[:80]}", "policy")


def other_text(file: str | None, name: str) -> str:
    """The policy to compare with: this file, or that of the same name in the policies' folder.

    Raises:
        BadInput: no file is given, and there is none of the name.
    """
    if file is not None:
        return read_text(file)
    same = load().policies / f"{name}.toml"
    if not same.is_file():
        raise BadInput(f"--against: there is no {same}; say with which policy to compare")
    return read_text(str(same))


def offset_of(text: str) -> timedelta:
    """A length of time, or None where it was not given.

    Raises:
        Refused: `malformed`; it is none.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise Refused("malformed", f"utc_offset: {error}", "utc_offset") from None


def written_into(file: Path, title: str, country: str, found: Sequence[Closed], offset: timedelta) -> list[Closed]:
    """Write closed days into a policy file; returns those that it did not have.

    Raises:
        BadInput: the file cannot be read or written, or would no longer be a policy. It stays unchanged then.
    """
    text = read_text(str(file))
    left = not_closed_yet(found, parse_policy(without_tables(text, title)), country)
    changed = with_tables(text, title, tables_of(country, left, offset))
    parse_policy(changed)
    write_text(file, changed)
    return left
