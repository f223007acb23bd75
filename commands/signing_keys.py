"""`keys root|certify`: the keys whose signatures workflows believe, where the policy asks for proofs."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.console import JsonFlag, command, print_answer
from commands.reading import actor_of, read_message
from core.command import Actor
from core.errors import BadInput, Refused
from core.texts import clock
from screens import facts

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NewFile = Annotated[Path, typer.Argument(dir_okay=False, help="A new file; only its owner may read it.")]


@command
async def make_root(file: NewFile, as_json: JsonFlag = False) -> None:
    """Make a root key. Name its public part in the policy, and keep the file away from the servers."""
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    root = Ed25519PrivateKey.generate()
    pem = root.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    write_secret(file, pem)
    view = {"file": str(file), "root": _public(root)}
    print_answer(view, lambda console: console.print(facts("root key", view)))


@command
async def certify(
    file: NewFile,
    root: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The root's file, from `keys root`.")],
    actor: Annotated[
        str | None,
        typer.Option("--for", help="The one actor that the key speaks for, ROLE:ID; a gateway's speaks for all."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="It ends after so many days.")] = 7,
    as_json: JsonFlag = False,
) -> None:
    """Make a signing key and let the root certify it. Set DAKUAN_SIGNING_KEY to its file."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from core.key_forms import as_text
    from core.sender_proofs import Certificate

    signed_by, key = _root_of(root), Ed25519PrivateKey.generate()
    named = _named(actor) if actor is not None else None
    whole = {
        "key": _public(key),
        "not_after": datetime.now(UTC).replace(microsecond=0) + timedelta(days=days),
        "role": named.role if named is not None else None,
        "speaks_for": named.id if named is not None else None,
        "root": _public(signed_by),
    }
    unsigned = Certificate(**whole, signature="A" * 86)
    certificate = unsigned.model_copy(update={"signature": as_text(signed_by.sign(unsigned.statement()))})
    written = {"key": as_text(key.private_bytes_raw()), "certificate": certificate.model_dump(mode="json")}
    write_secret(file, json.dumps(written, indent=1).encode())
    view: dict[str, Any] = {
        "file": str(file),
        "speaks_for": actor or "every actor that this process has identified",
        "ends": clock(certificate.not_after),
    }
    print_answer(view, lambda console: console.print(facts("signing key", view)))


def _named(actor: str) -> Actor:
    found = read_message(Actor, actor_of(actor), "malformed")
    if found.role == "system":
        raise Refused("malformed", "for: system proves nothing; name the role of a sender", "for")
    return found


def _root_of(file: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        root = load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm, OSError):
        root = None
    if not isinstance(root, Ed25519PrivateKey):
        raise BadInput(f"root: {file} is not a root key; `keys root FILE` makes one")
    return root


def _public(key: Ed25519PrivateKey) -> str:
    from core.key_forms import as_text

    return as_text(key.public_key().public_bytes_raw())


def write_secret(file: Path, content: bytes) -> None:
    """Write a secret: never over another, and for its owner alone from its first byte."""
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(content)
    except FileExistsError:
        raise BadInput(f"file: {file} exists; a key is never written over") from None
    except OSError as error:
        raise BadInput(f"file: {file}: {error.strerror}") from None
