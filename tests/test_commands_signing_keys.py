"""`keys root` and `keys certify`: what they write, a client signs with and a workflow believes."""

from __future__ import annotations

import asyncio
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import ask, refusal

import gateway
from commands.doctor import _signing
from config import Settings
from core.command import Actor
from core.errors import Misconfigured
from core.messages import ApproveWithdrawal
from core.proving import unproven_command
from core.sender_proofs import ProofNeeds, SenderProof
from gateway.repeating import Repeating
from gateway.signing import Signing, read_signer


def test_a_certified_key_signs_what_the_policy_believes(tmp_path: Path) -> None:
    root = ask("keys", "root", str(tmp_path / "root.pem"), "--json")["root"]
    ask(
        "keys",
        "certify",
        str(tmp_path / "ann.json"),
        "--root",
        str(tmp_path / "root.pem"),
        "--for",
        "operator:ann",
        "--json",
    )
    signer, now = read_signer(tmp_path / "ann.json"), datetime.now(UTC)
    command = ApproveWithdrawal.model_validate({"command_id": "c-1", "actor": {"role": "operator", "id": "ann"}})
    proof = SenderProof.model_validate(signer.proof_of(command, "approve", "withdrawal-w-1"))
    needs = ProofNeeds(roots=(root,), required_of=("operator",))
    signed = command.model_copy(update={"proof": proof})
    assert unproven_command(signed, "withdrawal-w-1", needs, now) is None
    assert 6 <= (signer.certificate.not_after - now).days <= 7
    assert signer.signs_for(Actor(role="operator", id="ann"))
    assert not signer.signs_for(Actor(role="operator", id="bob"))
    assert not signer.signs_for(Actor(role="reviewer", id="ann"))


def test_a_client_that_connects_later_signs_too(tmp_path: Path) -> None:
    """A gateway that starts while Temporal is away would else send what is refused as `unproven` once it is back."""
    ask("keys", "root", str(tmp_path / "root.pem"), "--json")
    ask("keys", "certify", str(tmp_path / "gateway.json"), "--root", str(tmp_path / "root.pem"), "--json")
    settings = Settings(temporal_address="127.0.0.1:9", signing_key=tmp_path / "gateway.json")

    async def between() -> list[type]:
        async with gateway.connected(settings, later=True) as client:
            return [type(one) for one in client.config()["interceptors"]]

    assert asyncio.run(between()) == [Repeating, Signing]


def test_keys_are_for_their_owner_and_never_written_over(tmp_path: Path) -> None:
    file = tmp_path / "root.pem"
    assert ask("keys", "root", str(file), "--json")["file"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    assert refusal("keys", "root", str(file)) == "bad_input"
    assert file.read_bytes() == before


def test_a_file_that_is_no_root_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no key")
    assert refusal("keys", "certify", str(tmp_path / "new"), "--root", str(tmp_path / "x")) == "bad_input"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("who", ["ann", "system:ann", "operator:", "boss:ann"])
def test_a_key_of_one_actor_needs_a_role_that_proves_itself(tmp_path: Path, who: str) -> None:
    ask("keys", "root", str(tmp_path / "root.pem"), "--json")
    new = tmp_path / "new"
    assert refusal("keys", "certify", str(new), "--root", str(tmp_path / "root.pem"), "--for", who) == "malformed"
    assert not new.exists()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"key": "x", "certificate": {}}', json.dumps({"key": "A" * 43})])
def test_a_file_that_is_no_signing_key_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "key.json").write_text(content)
    with pytest.raises(Misconfigured, match="DAKUAN_SIGNING_KEY"):
        read_signer(tmp_path / "key.json")


def test_the_doctor_says_when_a_key_ends_before_everything_is_refused(tmp_path: Path) -> None:
    root, file = str(tmp_path / "root.pem"), tmp_path / "ann.json"
    ask("keys", "root", root)
    ask("keys", "certify", str(file), "--root", root, "--for", "operator:ann", "--days", "7")
    settings, now = Settings(signing_key=file), datetime.now(UTC)
    for later, ok, said in ((0, True, "ends"), (6, False, "ends"), (8, False, "ended")):
        (finding,) = _signing(settings, now + timedelta(days=later))
        assert finding.ok is ok
        assert finding.found.startswith(f"speaks for operator:ann, {said} 20")
        assert ("keys certify" in finding.helps) is not ok
    (finding,) = _signing(Settings(signing_key=Path(root)), now)
    assert (finding.ok, "keys certify" in finding.found) == (False, True)
    assert _signing(Settings(), now) == []
