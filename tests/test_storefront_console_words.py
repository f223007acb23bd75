"""Every word of the console is there in both languages, and none is there for nothing."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from arrows import ROOT
from temporalio.client import WorkflowExecutionStatus

from core.aftersale.deadlines import CASE_REMINDER
from core.aftersale.deadlines import PASSING as CASE_DEADLINES
from core.aftersale.state import OPEN, CaseStage
from core.answers import JournalEntry
from core.audit.findings import Outcome
from core.audit.trace import TraceAnswer
from core.chart import ACCOUNTS
from core.merchant_statement import RowType
from core.messages import ORDER_COMMANDS, WITHDRAWAL_COMMANDS, DeliveryMode, Stage
from core.order.passing import PASSING as ORDER_DEADLINES
from core.order.state import Phase
from core.order.texts import HELD, WAITING
from core.reconciliation.lines import Kind, Reason, Scope
from core.webhooks import EndpointState
from core.withdrawal.deadlines import PASSING as WITHDRAWAL_DEADLINES
from core.withdrawal.state import Phase as WithdrawalPhase
from core.withdrawal.texts import HELD as WITHDRAWAL_HELD
from core.withdrawal.texts import WAITING as WITHDRAWAL_WAITING
from docs.notices import NOTICES
from storefront.console.cases_page import STAGES
from storefront.console.names import part_of
from storefront.console.offers import ACTIONS
from storefront.console.words import TABLE, Phrases

CONSOLE = ROOT / "storefront" / "console"
TEXTS = {
    file.name: file.read_text(encoding="utf-8") for file in (*CONSOLE.glob("*.py"), *CONSOLE.glob("templates/*.html"))
}
KEY = re.compile(r"""(?:\bt\(|\bwords\()\s*["']([a-z_]+\.[a-z_0-9]+)["']""")
LISTED = re.compile(r"""["']([a-z_]+\.[a-z_0-9]+)["']""")
"""A key among the columns of a table."""
CHANGES = (ROOT / "ledger" / "migrations" / "0006_payout_accounts.sql").read_text(encoding="utf-8")
"""What may happen to an account."""
ONLY_TEXTS = {"collection", "courier", "refund", "refund_by_people"}
"""Texts of other reasons."""
OF_CODES = {
    *("phase", "audit", "receipt", "after_sale", "deadline", "hold", "stage", "case_stage", "case_kind", "case_reason"),
    *("endpoint_state", "endpoint_why", "endpoint_do", "endpoint_said"),
    *(
        "journal",
        "refund_status",
        "outcome",
        "part",
        "notice",
        "role",
        "verb",
        "field",
        "hint",
        "choice",
        "purpose",
        "place",
    ),
    *("carrier", "break_scope", "break_kind", "break_reason"),
    *("review_kind", "nav", "problem", "mode", "trace_answer", "trace_how", "account_change", "row", "merchant_move"),
    *("rule_outcome", "workflow", "entry_channel"),
}
"""Sections whose keys are codes of the contract, or parts of an address."""


def test_every_word_is_said_in_both_languages() -> None:
    wrong = [
        f"{section}.{key}"
        for section, entries in TABLE.items()
        for key, said in entries.items()
        if set(said) != {"en", "zh"} or re.findall(r"\{(\w+)\}", said["en"]) != re.findall(r"\{(\w+)\}", said["zh"])
    ]
    assert wrong == []


def test_every_word_that_a_page_says_is_there() -> None:
    asked = {key for text in TEXTS.values() for key in KEY.findall(text)}
    assert len(asked) > 100
    assert [key for key in sorted(asked) if key.partition(".")[2] not in TABLE[key.partition(".")[0]]] == []


def test_no_word_is_there_for_nothing() -> None:
    said = {key for text in TEXTS.values() for key in LISTED.findall(text)}
    prefixes = {f"{found}." for text in TEXTS.values() for found in re.findall(r"""["']([a-z_]+)\.["'] ~""", text)}
    unused = [
        f"{section}.{key}"
        for section, entries in TABLE.items()
        if section not in OF_CODES
        for key in entries
        if f"{section}.{key}" not in said and f"{section}." not in prefixes
    ]
    assert unused == []


@pytest.mark.parametrize(
    ("section", "codes"),
    [
        ("phase", (*get_args(Phase), *get_args(WithdrawalPhase))),
        ("case_stage", get_args(CaseStage)),
        ("stage", get_args(Stage)),
        ("case_stage", [stage for stage in STAGES if stage]),
        ("mode", get_args(DeliveryMode)),
        ("verb", (*ORDER_COMMANDS, *WITHDRAWAL_COMMANDS)),
        ("hold", sorted({*WAITING, *HELD, *WITHDRAWAL_WAITING, *WITHDRAWAL_HELD} - ONLY_TEXTS)),
        ("hold", [f"after_sale_{stage}" for stage in sorted(OPEN)]),
        ("part", [part_of(one.path) for one in ACCOUNTS if not one.path.startswith(("psp/", "rail/"))]),
        ("trace_answer", get_args(TraceAnswer)),
        ("rule_outcome", get_args(Outcome)),
        ("outcome", get_args(JournalEntry.model_fields["outcome"].annotation)),
        ("entry_channel", get_args(JournalEntry.model_fields["channel"].annotation)),
        ("workflow", [status.name.lower() for status in WorkflowExecutionStatus]),
        ("account_change", re.findall(r"'(\w+)'", CHANGES.split("change_known CHECK", 1)[1].split("))")[0])),
        ("row", get_args(RowType)),
        ("endpoint_state", get_args(EndpointState)),
        ("deadline", [*ORDER_DEADLINES, *CASE_DEADLINES, *WITHDRAWAL_DEADLINES, CASE_REMINDER]),
        ("notice", [one.name for one in NOTICES]),
        ("break_scope", get_args(Scope)),
        ("break_kind", get_args(Kind)),
        ("break_reason", get_args(Reason)),
        ("purpose", [verb for _, verb in ACTIONS]),
    ],
)
def test_every_code_has_a_name(section: str, codes: tuple[str, ...]) -> None:
    assert [code for code in codes if code not in TABLE[section]] == []


def test_every_field_of_a_form_and_what_can_be_chosen_has_a_name() -> None:
    words = Phrases("zh")
    unnamed = []
    for action in ACTIONS.values():
        for field in action.fields:
            said = [(words.label(action.verb, field.name), field.name)]
            said += [(words.choice(action.verb, field.name, value), value) for value in field.choices]
            unnamed += [(action.verb, field.name, code) for name, code in said if name == code.replace("_", " ")]
    assert unnamed == []


def test_no_hint_is_of_a_field_that_is_gone() -> None:
    known = {
        name
        for action in ACTIONS.values()
        for field in action.fields
        for name in (field.name, f"{action.verb}.{field.name}")
    }
    assert TABLE["hint"].keys() <= known


def test_every_stage_of_an_open_case_can_be_chosen() -> None:
    assert {stage for stage in STAGES if stage} == OPEN


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        (
            "en",
            "Two people send `resolve_unknown`; two approve it.",
            "Two people send “Resolve payout”; two approve it.",
        ),
        ("en", "2 more to send `approve`.", "2 more to send “Approve”."),
        ("zh", "等待审核人员提交 decide_audit。", "等待审核人员提交“审核裁定”。"),
        ("zh", "还需 2 人提交 approve，以 lift_hold 解除。", "还需 2 人提交“批准”，以“解除扣留”解除。"),
    ],
)
def test_a_sentence_names_buttons_and_not_verbs(language: Any, text: str, said: str) -> None:
    assert Phrases(language).plain(text) == said
