"""Who sends a command is proven by a signature, where the policy asks for one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from order_driver import OrderDriver
from order_samples import DAY, HOUR, SECOND, T0, a_policy, an_order
from signing_keys import OTHER_ROOT, ROOT, a_signer, needs, public
from withdrawal_driver import LARGE, WithdrawalDriver, asked
from withdrawal_driver import T0 as W0

from core.errors import BadInput
from core.inbox import digest_of
from core.messages import ApproveWithdrawal, Order, PlaceHold, Withdrawal
from core.order.opening import check_storefront
from core.policy import parse_policy, resolve
from core.proving import unproven_command
from core.reading import content_hash, read
from core.reasons import Refusal
from core.sender_proofs import START, Certificate, SenderProof
from core.withdrawal.policy import WithdrawalPolicy
from gateway.signing import Signer

W = "withdrawal-w-1"
PROVEN = WithdrawalPolicy(proofs=needs())


def approval(who: str = "ann", command_id: str = "c-1") -> ApproveWithdrawal:
    return ApproveWithdrawal.model_validate({"command_id": command_id, "actor": {"role": "operator", "id": who}})


def proven(command: Any, signer: Signer, workflow_id: str = W) -> Any:
    proof = SenderProof.model_validate(signer.proof_of(command, command.verb, workflow_id))
    return command.model_copy(update={"proof": proof})


def refusal(command: Any, now: Any = W0) -> Refusal:
    found = unproven_command(command, W, PROVEN.proofs, now)
    assert found is not None
    assert found.code == "unproven"
    return found


def test_a_signed_command_is_believed_by_the_root_of_the_policy() -> None:
    assert unproven_command(proven(approval(), a_signer(at=W0)), W, PROVEN.proofs, W0) is None
    assert unproven_command(proven(approval(), a_signer("ann", at=W0)), W, PROVEN.proofs, W0) is None


def test_without_a_proof_the_role_counts_for_nothing() -> None:
    assert refusal(approval()).field == "proof"
    merchant = approval().model_copy(update={"actor": approval().actor.model_copy(update={"role": "merchant"})})
    assert unproven_command(merchant, W, PROVEN.proofs, W0) is None


def test_a_key_of_one_person_signs_for_no_other() -> None:
    assert refusal(proven(approval("bob"), a_signer("ann", at=W0))).field == "proof.certificate.speaks_for"


def test_a_key_of_a_merchant_signs_for_no_operator_of_that_name() -> None:
    found = refusal(proven(approval("m-7"), a_signer("m-7", at=W0, role="merchant")))
    assert (found.field, "merchant:m-7" in found.message) == ("proof.certificate.speaks_for", True)
    certificate = a_signer("m-7", at=W0).certificate.model_dump(mode="json")
    del certificate["role"]
    with pytest.raises(ValueError, match="role"):
        Certificate.model_validate(certificate)


def test_a_proof_is_of_one_command_one_workflow_and_one_sender() -> None:
    signed = proven(approval(), a_signer(at=W0))
    for other in (approval("bob"), approval(command_id="c-2")):
        assert refusal(other.model_copy(update={"proof": signed.proof})).field == "proof.signature"
    elsewhere = unproven_command(signed, "withdrawal-w-2", PROVEN.proofs, W0)
    assert elsewhere is not None
    assert elsewhere.field == "proof.signature"
    as_verb = PlaceHold.model_validate({**signed.model_dump(), "name": "x", "scope": "all", "reason": "r"})
    assert refusal(as_verb.model_copy(update={"proof": signed.proof})).field == "proof.signature"


def test_a_root_that_the_policy_does_not_name_certifies_nothing() -> None:
    assert refusal(proven(approval(), a_signer(at=W0, root=OTHER_ROOT))).field == "proof.certificate.root"


def test_a_forged_certificate_is_known() -> None:
    signed = proven(approval(), a_signer("bob", at=W0))
    forged = signed.proof.certificate.model_copy(update={"speaks_for": "ann"})
    found = refusal(signed.model_copy(update={"proof": signed.proof.model_copy(update={"certificate": forged})}))
    assert found.field == "proof.certificate.signature"
    made_up = forged.model_copy(update={"root": public(ROOT), "signature": "A" * 86})
    found = refusal(signed.model_copy(update={"proof": signed.proof.model_copy(update={"certificate": made_up})}))
    assert found.field == "proof.certificate.signature"


def test_a_key_signs_until_it_ends_and_the_command_may_wait_a_week() -> None:
    signed = proven(approval(), a_signer(at=W0, ends=W0 + HOUR))
    assert unproven_command(signed, W, PROVEN.proofs, W0 + 6 * DAY) is None
    assert refusal(signed, W0 + 8 * DAY).field == "proof.certificate.not_after"
    assert refusal(proven(approval(), a_signer(at=W0, ends=W0 - SECOND))).field == "proof.at"


def test_a_signers_clock_may_be_five_minutes_ahead() -> None:
    ahead = proven(approval(), a_signer(at=W0 + timedelta(minutes=5)))
    assert unproven_command(ahead, W, PROVEN.proofs, W0) is None
    assert refusal(proven(approval(), a_signer(at=W0 + timedelta(minutes=6)))).field == "proof.at"


def test_a_proof_is_checked_and_not_kept() -> None:
    signed = proven(approval(), a_signer(at=W0))
    assert digest_of(signed) == digest_of(approval())
    assert "proof" not in signed.model_dump(mode="json")


@pytest.mark.parametrize("broken", ["", "x", {"at": "now"}, {"certificate": {}}])
def test_a_malformed_proof_is_refused_by_field(broken: Any) -> None:
    body = {"command_id": "c-1", "actor": {"role": "operator", "id": "ann"}, "proof": broken}
    found = read(ApproveWithdrawal, body)
    assert isinstance(found, Refusal)
    assert (found.code, str(found.field)[:5]) == ("malformed", "proof")


# --- the machines ------------------------------------------------------------------------------------------


def test_one_shell_cannot_approve_as_two_people() -> None:
    made = WithdrawalDriver(asked(LARGE), PROVEN).run()
    assert made.code("approve", "operator", "ann") == "unproven"
    assert made.code("approve", "operator", "bob") == "unproven"
    ann = a_signer("ann", at=W0)
    for who, code in (("ann", None), ("bob", "unproven")):
        proof = ann.proof_of(approval(who, f"c-{made.commands + 1}"), "approve", W)
        answer = made.send("approve", "operator", who, proof=proof)
        assert (answer.code if isinstance(answer, Refusal) else None) == code
    assert made.phase == "in_approval"


def test_a_withdrawal_asked_for_by_a_forger_moves_nothing() -> None:
    policy = WithdrawalPolicy(proofs=needs("merchant"))
    made = WithdrawalDriver(asked(), policy).run()
    assert made.state.refusal is not None
    assert (made.phase, made.state.refusal.code, made.books.reserved) == ("refused", "unproven", 0)
    proof = SenderProof.model_validate(a_signer("m-7", at=W0, role="merchant").proof_of(asked(), START, W))
    signed = asked().model_copy(update={"proof": proof})
    made = WithdrawalDriver(signed, policy).run()
    assert made.phase == "submitted"
    assert made.state.withdrawal == asked()


def test_an_order_asks_for_proofs_by_its_policy() -> None:
    made = OrderDriver(policy=a_policy().model_copy(update={"proofs": needs()}))
    made.do_what_is_due()
    hold = {"name": "look", "scope": "all", "reason": "why"}
    answer = made.send("place_hold", "operator", **hold)
    assert isinstance(answer, Refusal)
    assert answer.code == "unproven"
    body = {"command_id": "c-9", "actor": {"role": "operator", "id": "o-1"}, **hold}
    made.arrive(proven(PlaceHold.model_validate(body), a_signer(at=T0), "order-A1001"))
    assert [hold.name for hold in made.state.holds] == ["look"]


def test_a_start_is_proven_by_the_storefronts_key() -> None:
    policy = a_policy().model_copy(update={"proofs": needs("storefront")})
    found = check_storefront(an_order(), None, policy, T0)
    assert found is not None
    assert found.code == "unproven"
    proof = SenderProof.model_validate(a_signer(at=T0).proof_of(an_order(), START, "order-A1001"))
    assert check_storefront(an_order(), proof, policy, T0) is None
    assert check_storefront(an_order(total_minor=13580, buyer_id="b-1"), proof, policy, T0) is not None
    assert content_hash(Order.model_validate({**an_order().model_dump(), "proof": proof})) == content_hash(an_order())
    assert check_storefront(an_order(), None, a_policy(), T0) is None


# --- the policy --------------------------------------------------------------------------------------------


def test_a_policy_names_roots_and_roles() -> None:
    text = f'name = "strict"\n[proofs]\nroots = ["{public(ROOT)}"]\nrequired_of = ["operator", "reviewer"]\n'
    policy = parse_policy(text)
    assert policy.withdrawal.proofs == resolve(policy, an_order()).proofs == needs()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[proofs]\nrequired_of = ["operator"]', "roots"),
        ('[proofs]\nroots = ["short"]', "proofs.roots.0"),
        ('[proofs]\nrequired_of = ["system"]', "proofs.required_of.0"),
        (f'[withdrawal.proofs]\nroots = ["{public(ROOT)}"]', "withdrawal.proofs"),
    ],
)
def test_a_policy_of_impossible_proofs_is_refused_by_key(text: str, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        parse_policy(f'name = "strict"\n{text}\n')


def test_withdrawals_leave_no_proof_in_what_is_kept() -> None:
    proof = SenderProof.model_validate(a_signer(at=W0).proof_of(asked(), START, W))
    assert "proof" not in Withdrawal.model_validate({**asked().model_dump(), "proof": proof}).model_dump()
