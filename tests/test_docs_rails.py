"""`docs/rails.md` says what the code does: every code, state and window."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from activities.channels import wechatpay as channel
from activities.rails import sandbox, wechatpay, wechatpay_transfer, wechatpay_withdraw
from core.messages import FailureClass
from ledger.callbacks import CallbackOutcome

DOC = (Path(__file__).parents[1] / "docs" / "rails.md").read_text(encoding="utf-8")


def _tables(heading: str) -> list[list[list[str]]]:
    """The tables of a section: rows of cells, without their heads."""
    section = re.split(r"^## ", DOC, flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(f"{heading}\n"))
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|\n").split("|")] for line in block.splitlines()][2:] for block in blocks
    ]


def _classes(heading: str) -> dict[str, str]:
    [rows] = _tables(heading)
    return {code: failure for failure, codes in rows for code in re.findall(r"`([^`]+)`", codes)}


def _states(heading: str) -> dict[str, str]:
    [rows] = _tables(heading)
    return {its.strip("`"): ours for its, ours in rows}


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        ("Sandbox bank: reasons", sandbox.FAILURES),
        ("WeChat Pay merchant transfer: reasons", wechatpay_transfer.FAILURES),
        ("WeChat Pay e-commerce withdraw: reasons", wechatpay_withdraw.FAILURES),
    ],
)
def test_the_tables_of_reasons_are_the_codes(heading: str, known: Mapping[str, str]) -> None:
    assert _classes(heading) == dict(known)


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        ("WeChat Pay merchant transfer: states", wechatpay_transfer.STATES),
        ("WeChat Pay e-commerce withdraw: states", wechatpay_withdraw.STATES),
        ("WeChat Pay refunds: states", channel.STATES),
    ],
)
def test_the_tables_of_states_are_the_codes(heading: str, known: Mapping[str, str]) -> None:
    assert _states(heading) == dict(known)


def test_the_tables_of_refusals_are_the_codes() -> None:
    certain, left_open = _tables("WeChat Pay: refusals of an instruction")
    assert {(int(status), code.strip("`")): failure for status, code, failure in certain} == dict(wechatpay.REFUSALS)
    assert {code.strip("`"): found for code, found in left_open} == dict(wechatpay.OPEN_REFUSALS)


def test_the_windows_are_the_rails_own() -> None:
    rails: dict[str, Any] = {
        "sandbox": sandbox.SandboxRail,
        "wechatpay_transfer": wechatpay_transfer.WechatPayTransfer,
        "wechatpay_withdraw": wechatpay_withdraw.WechatPayWithdraw,
    }
    [rows] = _tables("What each rail promises")
    assert {name.strip("`"): tuple(rest) for name, *rest in rows} == {
        name: (
            f"{rail.terms.dedup_window.days} days",
            f"{rail.terms.query_window.days} days",
            "yes" if rail.terms.success_is_final else "no",
            ", ".join(rail.terms.currencies) or "any currency",
            (", ".join(rail.terms.account_kinds) or "any account") + (", of WeChat" if rail.terms.wallet else ""),
        )
        for name, rail in rails.items()
    }


def test_every_class_and_every_outcome_is_explained() -> None:
    assert {row[0] for row in _tables("What the classes of a failure do")[0]} == set(get_args(FailureClass))
    found = [outcome for row in _tables("Callbacks")[0] for outcome in row[0].split(", ")]
    assert sorted(found) == sorted(get_args(CallbackOutcome))
