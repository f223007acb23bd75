"""What `prove` shows a person."""

from __future__ import annotations

import io

from rich.console import Console

from commands.prove import proofs_table
from ledger.proofs import Proof


def test_a_claim_that_fails_for_many_names_the_first_and_counts_the_rest() -> None:
    evidence = tuple({"workflow_id": f"order-{number}"} for number in range(1_050))
    proof = Proof(name="workflows", sentence="Each open order has a workflow.", holds=False, evidence=evidence)
    console = Console(file=io.StringIO(), width=80)
    console.print(proofs_table([proof]))
    shown = console.file.getvalue()  # type: ignore[attr-defined]  # the file is the one above
    assert "order-19" in shown
    assert "order-20" not in shown
    assert "and 1,030 more; --json lists all" in " ".join(shown.split())
