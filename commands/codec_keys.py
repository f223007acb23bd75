"""`keys codec`: the file of keys that seal payloads in Temporal: made, given another key, changed to it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.console import JsonFlag, command, print_answer
from commands.signing_keys import write_secret
from config.codec import KEY_BYTES, NAME_BYTES, CodecKeys, first_keys, read_codec_keys
from core.errors import BadInput, Refused
from screens import facts

_NEXT = {
    "made": "set DAKUAN_CODEC_KEYS to this file for every worker, gateway and command",
    "added": "give this file to every process and start them again; then `keys codec FILE --seal-with ID`",
    "sealing": "give this file to every process and start them again; the keys before must stay while histories last",
    "dropped": "give this file to every process and start them again",
}


@command
async def change_codec_keys(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="A new file is made; one that exists gets another key.")],
    seal_with: Annotated[str | None, typer.Option(help="No new key: this one seals from now on.")] = None,
    drop: Annotated[
        str | None, typer.Option(help="No new key: this one goes. What it sealed can be read no more.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Make the keys that seal payloads in Temporal, or change them: add, give to every process, seal with the new."""
    if seal_with is not None and drop is not None:
        raise Refused("malformed", "seal-with: goes without --drop", "seal-with")
    named = seal_with or drop
    if not file.exists():
        if named is not None:
            raise BadInput(f"file: {file} does not exist")
        keys, done = first_keys(*_random()), "made"
        write_secret(file, keys.text().encode("ascii"))
    else:
        keys, done = _changed(read_codec_keys(file), seal_with, drop)
        _replace(file, keys)
    view: dict[str, Any] = {
        "file": str(file),
        "done": done,
        "seals": keys.sealing,
        "opens": list(keys.keys),
        "gone": sorted(keys.gone),
        "next": _NEXT[done],
    }
    print_answer(view, lambda console: console.print(facts("keys of payloads", view)))


def _changed(keys: CodecKeys, seal_with: str | None, drop: str | None) -> tuple[CodecKeys, str]:
    for option, key_id in (("seal-with", seal_with), ("drop", drop)):
        if key_id is not None and key_id not in keys.keys:
            raise Refused("malformed", f"{option}: {key_id[:40]!r} is not one of {', '.join(keys.keys)}", option)
    if seal_with is not None:
        return keys.sealing_with(seal_with), "sealing"
    if drop is None:
        return keys.with_new(*_random()), "added"
    if drop == keys.sealing:
        raise Refused("malformed", f"drop: {drop} seals; seal with another first", "drop")
    return keys.without(drop), "dropped"


def _random() -> tuple[bytes, bytes]:
    return secrets.token_bytes(NAME_BYTES), secrets.token_bytes(KEY_BYTES)


def _replace(file: Path, keys: CodecKeys) -> None:
    """Write the file as a whole: a process that starts meanwhile reads the old keys or the new ones."""
    beside = file.with_name(f".{file.name}.new")
    beside.unlink(missing_ok=True)
    write_secret(beside, keys.text().encode("ascii"))
    try:
        os.replace(beside, file)
    except OSError as error:
        raise BadInput(f"file: {file}: {error.strerror}") from None
