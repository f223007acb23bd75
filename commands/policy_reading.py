"""Policies as people name them: a registered name, the hash of a text, or a file."""

from __future__ import annotations

import re
from os.path import isfile

from commands.link import books
from commands.reading import read_text
from config import load
from core.errors import BadInput, Refused
from core.policy import Policy, parse_policy
from core.reasons import SENTENCES

_HASH = re.compile(r"[0-9a-f]{64}")


async def policy_of(which: str) -> Policy:
    """The policy that this means; see `policy_text_of`."""
    return parse_policy(await policy_text_of(which))


async def policy_text_of(which: str) -> str:
    """The text that this means.

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
