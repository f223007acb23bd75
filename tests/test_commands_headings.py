"""`--lang zh`: the headings of every table that such a command shows are Chinese, too."""

from __future__ import annotations

import ast
import inspect
import io
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chinese import english_in
from rich.console import Console

from commands.doctor_in_chinese import FOUND, HELPS, found_zh, helps_zh, looked_at_zh
from commands.headings import CHINESE, in_chinese, print_in
from commands.proofs_in_chinese import PROOFS as CHINESE_PROOFS
from commands.prove import ALL_RUN, NONE_STUCK, proofs_table
from commands.reading import Subject
from commands.said_in_chinese import sentence_zh
from commands.show import _warnings
from commands.traces import trace_table
from commands.views import (
    answer_facts,
    findings_table,
    holds_table,
    journal_table,
    parcels_table,
    payouts_table,
    retries_table,
    withdrawal_facts,
)
from core.texts import Language
from ledger import seals
from ledger.endpoints import StoredEndpoint
from ledger.proofs import CLAIMS, Proof
from screens import Shown, facts, table
from storefront.api.endpoints import _OURS as OURS

COMMANDS = Path(__file__).parents[1] / "commands"
FILES = sorted([*COMMANDS.glob("*.py"), *(COMMANDS.parent / "backtest").glob("*.py")])
INPUT = {"waybill.py": "columns of a file that people have, in which it looks for numbers"}
"""Files whose COLUMNS are no headings, with what they are."""


def _headings() -> Iterator[str]:
    """Every text that stands as a title, a column or the name of a fact in a command."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"table", "facts"}:
                yield from _texts(node.args[0])
                if node.func.id == "table":
                    yield from _texts(node.args[1])
                elif isinstance(node.args[1], ast.Dict):
                    for key in node.args[1].keys:
                        yield from _texts(key)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"COLUMNS", "columns"}:
                yield from _texts(node.value) if file.name not in INPUT else ()


def _texts(node: ast.AST | None) -> Iterator[str]:
    if isinstance(node, ast.Tuple):
        for element in node.elts:
            yield from _texts(element)
    elif isinstance(node, ast.Starred):
        yield from _texts(node.value)
    elif isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):  # a count of things, or a name of one
        parts = (part.value if isinstance(part, ast.Constant) else "7" for part in node.values)
        yield "".join(map(str, parts))


FOR_PROGRAMS = {
    *("asked_as", "changes", "correction", "corrections", "debts", "deposits", "different", "dropped", "dry_run"),
    *("endpoints", "fee_minor", "hint", "history", "keys", "legal_name", "legs", "line_id", "made", "merchant_frozen"),
    *("needs_other_person", "not_reached", "on", "people", "problems", "quantity", "reached", "replaces", "returns"),
    *("same_person", "sealing", "sent", "signature", "stop", "too_early", "verify_with"),
}
"""Keys of answers in JSON, and of refusals, that no table shows."""


def _facts() -> Iterator[str]:
    """Every name that may stand before a fact: the keys of all answers of the commands that show some."""
    for file in sorted(COMMANDS.glob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        if "facts" in called and file.name not in {"views.py", "show.py"}:  # whose names are said in both languages
            for node in ast.walk(tree):
                for key in node.keys if isinstance(node, ast.Dict) else ():
                    yield from _texts(key)
    yield from (name for name in StoredEndpoint.model_fields if name not in OURS)


def test_every_name_of_a_fact_has_a_chinese_one() -> None:
    found = set(_facts()) - FOR_PROGRAMS
    assert len(found) > 80
    names = {name for name in found if re.fullmatch("[a-z_ ]{2,}", name)}
    assert {name for name in names if name not in CHINESE} == set()


def test_every_heading_of_a_command_has_a_chinese_one() -> None:
    """Those that are made while a command runs are looked at by the screen of the tests: `command_line`."""
    found = {heading for heading in _headings() if re.search("[A-Za-z]", heading)}
    assert len(found) > 200
    assert {heading for heading in found if in_chinese(heading) == heading} - {"7 7", "7: 7"} == set()
    assert [chinese for chinese in CHINESE.values() if english_in(chinese, "API", "run")] == []


def test_what_prove_proves_is_said_in_chinese() -> None:
    proven = {claim.sentence for claim in CLAIMS} | {ALL_RUN, NONE_STUCK}
    assert set(CHINESE_PROOFS) == proven, "proofs_in_chinese.py has other sentences"
    shown = proofs_table([Proof(name="1", sentence=one, holds=True) for one in sorted(proven)])
    assert english_in("\n".join(_shown(shown, "zh", 400))) == []


def _printed() -> Iterator[str]:
    """Every sentence that a command prints by itself, each part that only the case knows as `{}`."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"console.print", "print_line"}:
                yield from (_form(shown) for shown in node.args[:1] if isinstance(shown, ast.Constant | ast.JoinedStr))


def _form(said: ast.expr) -> str:
    """A text in the source, each part that only the case knows as `{}`."""
    parts = said.values if isinstance(said, ast.JoinedStr) else [said]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


def test_every_sentence_that_a_command_prints_is_said_in_chinese() -> None:
    of_rows = {"malformed: {}"}  # the code of a refusal, whose rows are said in Chinese one by one
    found = {said for said in _printed() if re.search("[A-Za-z]{2}", said)} - of_rows
    assert len(found) > 25
    assert _only_english(found) == []


def _only_english(found: Iterable[str]) -> list[str]:
    return sorted(said for said in found if sentence_zh(said.replace("{}", "7")) == said.replace("{}", "7"))


def test_whatever_differs_from_a_seal_is_said_in_chinese() -> None:
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(seals))) if isinstance(node, ast.Call)]
    found = {_form(call.args[2]) for call in calls if ast.unparse(call.func) == "_fault"}
    assert len(found) == 8
    assert _only_english(found) == []
    shown = _shown(table("Seals", ("what differs",), [(said.replace("{}", "7"),) for said in sorted(found)]), "zh", 200)
    assert english_in("\n".join(shown)) == []


@pytest.mark.parametrize(
    ("activity", "summary", "chinese"),
    [
        ("open", "check the payment, register, fund, screen", "核实支付、登记、入账、筛查"),
        ("post", "refund ship_by", "退款（ship_by）"),
        ("look", "look at YT1 before the deadline", "期限前查询运单 YT1"),
    ],
)
def test_what_temporal_tries_again_is_said_in_chinese(activity: str, summary: str, chinese: str) -> None:
    tried = {
        "activity": activity,
        "summary": summary,
        "attempt": "3",
        "next_at": None,
        "failure": "no rail x is configured",
    }
    *_, line, _ = _shown(retries_table([tried]), "zh", 200)
    assert line.startswith(chinese)


def test_what_people_wrote_stays_in_a_chinese_table() -> None:
    rows = [("frozen", "moved", "paid")]
    *_, line, _ = _shown(table("Orders", ("merchant", "outcome", "why"), rows), "zh", 80)
    assert line.split() == ["frozen", "已执行", "paid"]


@pytest.mark.parametrize(
    ("title", "chinese"),
    [
        ("Order A-1", "订单 A-1"),
        ("Withdrawal w-1", "提现 w-1"),
        ("1 review", "1 项待审核"),
        ("What the carriers say of parcel p1 (尚未查询)", "快递公司关于包裹 p1 的轨迹（尚未查询）"),
        ("What the carriers say of parcel p1 of A1 (尚未查询)", "快递公司关于订单 A1 包裹 p1 的轨迹（尚未查询）"),
        ("another", "another"),
    ],
)
def test_a_title_that_names_something_is_chinese_around_it(title: str, chinese: str) -> None:
    assert in_chinese(title) == chinese


def _shown(shown: Shown, language: Language, width: int) -> list[str]:
    text = io.StringIO()
    print_in(Console(file=text, width=width, markup=False), shown, language)
    return text.getvalue().splitlines()


def test_what_a_table_says_of_itself_follows_the_language() -> None:
    journal = table("Journal", ("no", "verb", "why"), [("7", "cancel_order", "too late " * 4)], spare=("why",))
    assert _shown(journal, "en", 240)[1].split() == ["no", "verb", "why"]
    title, header, *_ = _shown(journal, "zh", 240)
    assert (title, header.split()) == ("日志", ["序号", "命令", "原因"])
    assert "30 列内未显示：原因。" in _shown(journal, "zh", 30)
    assert _shown(table("Parcels", ("parcel",), []), "zh", 80)[-2] == "无"
    assert "  原因：too late" in _shown(journal, "zh", 16)
    assert _shown(facts("Order A1", {"merchant": "m-7"}), "zh", 80)[:2] == ["订单 A1", " 商家  m-7"]


HELD = {"since": "2026-11-22T16:00:00Z", "what_helps": "x", "what_helps_zh": "等待"}
PARCEL = {
    "parcel_id": "p1",
    "carrier": "yto",
    "waybill": "W1",
    "audit": "in_review",
    "verdict": {"findings": [{"rule": "destination_matches", "outcome": "fail"}, {"rule": "y", "outcome": "pass"}]},
}
SCANS = [
    {"at": "2026-11-22T16:00:00Z", "stage": "picked_up", "code": "1", "city": "杭州"},
    {"at": "2026-11-29T16:00:00Z", "stage": "out_for_delivery", "code": "2"},
]
SOURCES = [
    {"provider": provider, "how": how, "answer": answer, "at": at, "carrier": "yto", "scans": SCANS}
    for provider, how, answer, at in (
        ("kdniao", "polled", "found", "2026-12-29T16:00:00Z"),
        ("report_scan", "reported", "no_trace", "2026-11-22T16:00:00Z"),
    )
]
ENTRY = {"seq": 1, "at": "2026-11-22T16:00:00Z", "channel": "system", "outcome": "noted"}
SEVERAL: dict[str, Callable[[Language], Shown | None]] = {
    "holds": lambda language: holds_table(
        [
            {**HELD, "reason": "audit_in_review", "who_can_act": "reviewer"},
            {**HELD, "reason": "payout_stuck", "who_can_act": "operator mei"},
        ],
        language,
    ),
    "parcels": lambda language: parcels_table([PARCEL, {**PARCEL, "carrier": "other", "verdict": None}], language),
    "findings": lambda language: findings_table([PARCEL], language),
    "trace": lambda language: trace_table("p1", SOURCES, language),
    "no trace": lambda language: trace_table("p1", [], language),
    "payouts": lambda language: payouts_table(
        [
            {"number": 1, "rail": "", "key": "", "outcome": "failed", "failure": {"failure": "payee", "code": "R03"}},
            {"number": 2, "rail": "", "key": "", "outcome": "accepted"},
        ],
        language,
    ),
    "journal": lambda language: journal_table(
        [
            {**ENTRY, "verb": "clock_paused"},
            {**ENTRY, "verb": "ship_by", "outcome": "refused", "actor": {"role": "operator", "id": "mei"}},
            {**ENTRY, "verb": "place_hold", "outcome": "accepted", "channel": "deadline"},
        ],
        language,
    ),
    "withdrawal": lambda language: withdrawal_facts(
        {
            "withdrawal": {
                "withdrawal_id": "W1",
                "amount_minor": 100,
                "currency": "CNY",
                "requested_by": {"role": "merchant", "id": "mei"},
            },
            "phase": "paid",
        },
        language,
    ),
    "answer": lambda language: answer_facts(
        "cancel_order", "A1", {"outcome": "duplicate", "phase": "shipped", "audit": "approved"}, language
    ),
}
"""Tables with codes of each kind, by what they are of."""


@pytest.mark.parametrize("of", SEVERAL)
def test_codes_in_a_table_are_said_by_their_names_in_chinese_and_as_they_are_in_english(of: str) -> None:
    chinese, english = SEVERAL[of]("zh"), SEVERAL[of]("en")
    assert chinese is not None
    assert english is not None
    said = "\n".join(_shown(chinese, "zh", 400))
    assert english_in(said, "mei", "kdniao", "CNY") == []
    kept = {"holds": "audit_in_review", "parcels": "1 fail, 1 pass", "journal": "clock_paused", "payouts": "payee R03"}
    assert kept.get(of, "") in "\n".join(_shown(english, "en", 400))


def test_what_show_warns_of_is_said_in_chinese() -> None:
    view: dict[str, Any] = {
        "workflow": "terminated",
        "source": "register",
        "why": "x",
        "why_zh": "没有应答。",
        "state": {"closed": False},
        "unclaimed": {"rest_minor": 100, "currency": "CNY", "payment": "wx1"},
    }
    said = [*_warnings(Subject("A1", is_withdrawal=False), view, "zh")]
    said += [*_warnings(Subject("W1", is_withdrawal=True), view | {"workflow": "gone"}, "zh")]
    commands = ("python starter.py rescue", "python starter.py basket", "wx1", "CNY", "Temporal", "withdrawal-")
    assert [english_in(line, *commands) for line in said] == [[]] * len(said)
    assert len(said) == 6
    assert next(_warnings(Subject("A1", is_withdrawal=False), view, "en")).startswith("1.00 CNY of its payment is no")


def test_numbers_stay_to_the_right_under_their_chinese_heading() -> None:
    rows = [("a", "1.00 CNY"), ("b", "1,000.00 CNY")]
    lines = _shown(table("Accounts", ("account", "balance"), rows, numbers=("balance",)), "zh", 80)
    assert lines[3] == "a         1.00 CNY"


DOCTORS = ("doctor.py", "postgres_findings.py", "restore_findings.py")


def _of_the_doctor() -> Iterator[str]:
    """What a finding of `doctor` is made of, where it stands in the call."""
    for name in DOCTORS:
        for node in ast.walk(ast.parse((COMMANDS / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "DoctorFinding":
                for given in (*node.args[:1], *node.args[2:4]):
                    for said in (given.body, given.orelse) if isinstance(given, ast.IfExp) else (given,):
                        if isinstance(said, ast.Constant | ast.JoinedStr):
                            yield from _texts(said)


def test_what_doctor_finds_and_advises_is_said_in_chinese() -> None:
    found = {said for said in _of_the_doctor() if re.search("[A-Za-z]{2}", said)}
    assert len(found) > 35
    put_together = {"7; 7", "7, 7 migrations7", "7 answers (7)", "PostgreSQL is 7", "temporal", "on: 7 seals, 7 open7"}
    bare = [said for said in found if not (looked_at_zh(said) or helps_zh(said)) and found_zh(said) == said]
    assert sorted(set(bare) - put_together) == []
    assert [said for said in (*FOUND.values(), *HELPS.values()) if not re.search("[\u4e00-\u9fff，]", said)] == []


def test_all_commands_show_by_the_screen_that_speaks() -> None:
    """One of its own would be English in a Chinese run, and unlooked at by the tests."""
    texts = {file.name: file.read_text(encoding="utf-8") for file in COMMANDS.glob("*.py")}
    own = [name for name, text in texts.items() if re.search(r"import .*\bscreen\b", text)]
    assert own == ["console.py"]
