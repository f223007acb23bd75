"""Every reason is said in English and in Chinese, and people get theirs in each place where a refusal reaches them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal

import pytest
from arrows import ROOT
from chinese import english_in
from pydantic import Field, ValidationError
from typer.testing import CliRunner

from core.audit.waybills import judge
from core.errors import BadInput
from core.event_types import unknown_type
from core.fields import AmountMinor, Digest, Id, Message, Quantity, Reason, Time, Title
from core.parcels import check_number
from core.reading import reasons_of
from core.reason_details import DETAILS, detail_zh, field_zh
from core.reason_details_commands import COMMAND_DETAILS
from core.reason_details_fields import FIELD_DETAILS
from core.reason_details_http import HTTP_DETAILS
from core.reason_details_rows import ROW_DETAILS
from core.reason_details_settings import SETTING_DETAILS
from core.reason_texts import HTTP_REASONS, REASONS
from core.reasons import SENTENCES, in_chinese, refuse
from core.strict_json import parse_json
from core.texts import Help, spell, spelled_zh
from gateway.pollers import Workers
from starter import app
from storefront.problems import ProblemError, body_of, problem_of

ALL = {**REASONS, **HTTP_REASONS}
NAMES = ("rescue", "X-Workflow-Id", "starter.py", "API", "Idempotency-Key", "Host", "A-Z", "a-z")


@pytest.mark.parametrize(("code", "said"), ALL.items())
def test_a_reason_is_one_sentence_in_both_languages(code: str, said: Help) -> None:
    assert english_in(said.zh, *NAMES) == []
    assert re.search("[\u4e00-\u9fff]", said.zh)
    assert said.zh.endswith("。")
    assert len(said.zh) <= 60
    assert not re.search(r"[,;:!?] ?[\u4e00-\u9fff]", said.zh), "punctuation of English"


def test_no_two_reasons_of_workflows_read_alike_in_chinese() -> None:
    said = [one.zh for one in REASONS.values()]
    assert [text for text in said if said.count(text) > 1] == []


def test_no_code_is_there_twice() -> None:
    assert REASONS.keys() & HTTP_REASONS.keys() == set()
    assert SENTENCES.keys() == REASONS.keys()


def test_the_details_stay_behind_the_chinese_sentence() -> None:
    found = refuse("invalid_order", "total_minor: must be 13580", "total_minor")
    assert in_chinese(found.code, found.message) == "订单内容不符合要求。total_minor: must be 13580"
    assert in_chinese("of_another_version", "Something.") is None


OF_FILES = {"must be a simple list"}


def details_in(folder: str, *calls: str, place: int = 1) -> Iterator[tuple[str, str]]:
    """Each detail that these calls give at this place, `{}` for what is put in, and where."""
    for file in sorted((ROOT / folder).glob("*.py") if place == 0 else (ROOT / folder).rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if not any(f"{call}(" in text for call in calls):
            continue  # to parse all files takes seconds
        tree = ast.parse(text)
        hints: dict[str, set[str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                hints.setdefault(node.targets[0].id, set()).update(forms(node.value))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and called_by(node.func) in calls:
                for given in node.args[place : place + 1]:
                    of_hint = hints.get(given.id, set()) if isinstance(given, ast.Name) else set()
                    for form in {*forms(given), *of_hint}:
                        yield form, f"{file.name}:{node.lineno}"


def called_by(function: ast.expr) -> str:
    """The name of a function or method that is called."""
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def forms(node: ast.expr) -> set[str]:
    if isinstance(node, ast.IfExp):
        return forms(node.body) | forms(node.orelse)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    if isinstance(node, ast.JoinedStr):
        return {"".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)}
    return set()


def test_every_detail_of_a_refusal_is_said_in_chinese() -> None:
    rooms = ("core", "ledger", "activities", "wiring")
    found = [one for room in rooms for one in details_in(room, "refuse")]
    assert len({form for form, _ in found}) > 80
    own = {"{}: {}; {} {}"}  # names of fields, for programs
    assert sorted((form, where) for form, where in found if form and form not in DETAILS and form not in own) == []


def test_every_detail_that_is_raised_is_said_in_chinese() -> None:
    rooms = ("core", "ledger", "activities", "wiring", "gateway")
    # Behind the code's own sentence stands what only the case knows, or a detail.
    found = {form.removeprefix("{} "): where for room in rooms for form, where in details_in(room, "Refused")}
    assert len(found) > 15
    own = {"{}.", "{}", "{}, {}"}
    found |= dict(details_in("core", "_invalid", place=0))
    missing = {form for form in found if form and form not in own and not said_in_chinese(form)}
    assert sorted((form, found[form]) for form in missing) == []


OF_OTHERS = {"", "{}", "{}.", "{}, {}", "{}: {}", "cooling: {}", "utc_offset: {}", "until: {}"}
"""Forms in which only the case has words: an id, a detail of the core, what the system said."""
PUT_TOGETHER = {
    "The workflow of {} {} has ended: its clock stands still.": (
        "The workflow of order A1 has ended: its clock stands still."
    ),
    "There is nothing to rescue of {} {}.": "There is nothing to rescue of withdrawal W1.",
    "There is no command {} of {}. Known: {}.": "There is no command 'x' of an order. Known: cancel_order.",
    "{} by an {}.": "A debt is given up by an operator or reviewer.",
    "kind: {} is none of a {}'s: {}": "kind: 'x' is none of a channel's: refund",
    "delivery_mode: {} {}; it must be {} or empty{}": "delivery_mode: [values] has 'x'; it must be express or empty",
    "{}{}; {}": "a.csv, line 2: byte 7 is not UTF-8; save it as UTF-8 (in Excel: CSV UTF-8)",
    "{} begins with the mark of {} and is not {}; {}": (
        "a.csv begins with the mark of UTF-8 and is not UTF-8; save it as UTF-8 (in Excel: CSV UTF-8)"
    ),
    "{}: there is no {} {}": "DAKUAN_POLICIES: there is no folder /x",
    "{}: {}: {}": "DAKUAN_PAYMENT_EVENTS: /x: policy: not TOML: y",
    "{}: {}.": "the namespace n has room for 1 more int attributes, Dakuan needs 2: remove some of the others, or use a"
    " namespace of its own.",
}
"""Forms in which words of ours are put in, and an example of each."""


ACTIVITIES = ("activities", "activities/channels", "activities/rails", "activities/carriers", "activities/wechatpay")


@pytest.mark.parametrize("error", ["Refused", "BadInput", "Unavailable", "Misconfigured", "NotSent"])
def test_every_detail_that_a_command_gives_is_said_in_chinese(error: str) -> None:
    """Whether a command raises it, the client of Temporal beneath, a reader of files, or a retried activity."""
    place = 1 if error == "Refused" else 0
    rooms = ("commands", "gateway", "inbound", "config", "wiring", "ledger", "local")
    found = {form: where for room in rooms for form, where in details_in(room, error, place=place)}
    found |= {form: where for room in ACTIVITIES for form, where in details_in(room, error, place=place)}
    assert len(found) > (0 if error == "NotSent" else 8)
    # Behind the code's own sentence stands the detail.
    said = {form for form in found if {form, form.removeprefix("{} ")} & OF_OTHERS or said_in_chinese(form)}
    said |= {form for form in found if form.startswith("{} ") and said_in_chinese(form.removeprefix("{} "))}
    said |= {form for form in found if {form, form.removeprefix("{} ")} & PUT_TOGETHER.keys()}
    assert sorted((form, where) for form, where in found.items() if form not in said) == []


@pytest.mark.parametrize("example", PUT_TOGETHER.values())
def test_what_is_put_together_is_said_in_chinese(example: str) -> None:
    typed = {"delivery", "mode", "values", "express", "kind", "refund", "csv", "UTF", "Excel", "int", "TOML", "policy"}
    assert {*english_in(detail_zh(example), "DAKUAN_POLICIES", "DAKUAN_PAYMENT_EVENTS")} <= typed


def test_a_detail_within_another_is_said_in_chinese_and_what_is_typed_stays() -> None:
    idle = Workers(workflows=frozenset(), activities=frozenset()).why_idle
    assert in_chinese("unavailable", f"{idle} Nothing was sent.") == (
        "所需服务暂无响应。没有工作进程轮询任务队列 dakuan：请以 `python worker.py` 启动。未发送任何内容。"
    )
    assert detail_zh("--role: 'king' is not one of operator, buyer") == "--role：'king' 不在可选值之列：operator, buyer"
    assert detail_zh("name; known: none") == "name；可用：无"
    assert in_chinese("bad_input", "What some library wrote") is None


@pytest.mark.parametrize(("english", "chinese"), {**COMMAND_DETAILS, **SETTING_DETAILS}.items())
def test_a_detail_of_a_command_puts_the_same_in(english: str, chinese: str) -> None:
    assert english.count("{}") == chinese.count("{}")
    # What is typed, and the names of settings, programs and formats, are the same in each language.
    assert {*english_in(chinese)} <= {*re.findall("[A-Za-z]{2,}", english)}
    values = [f"x{number}" for number in range(english.count("{}"))]
    assert detail_zh(english.format(*values)) == chinese.format(*values)


def said_in_chinese(form: str) -> bool:
    english = form.replace("{}", "x7")
    return detail_zh(english) != english


def test_a_length_of_time_in_a_detail_is_said_in_chinese_units() -> None:
    found = refuse("payment_time", f"It is older than {spell(timedelta(days=30, hours=2))}.")
    assert in_chinese(found.code, found.message) == "支付时间在未来，或距今过久。距今超过 30 天 2 小时。"
    lengths = [timedelta(), timedelta(days=1), timedelta(minutes=61), timedelta(milliseconds=1500), -timedelta(days=3)]
    assert [spelled_zh(spell(length)) for length in lengths] == [spell(length, "zh") for length in lengths]
    assert spelled_zh("3 tins") is None


def test_what_a_request_must_hold_is_said_as_the_request_has_it() -> None:
    assert detail_zh("phase: must be one of opening, shipped.") == "phase：须为 opening, shipped 之一。"
    assert detail_zh("At most 20 commands an hour to one order.") == "每小时最多 20 个命令（同一订单）。"


@pytest.mark.parametrize(("english", "chinese"), DETAILS.items())
def test_a_detail_puts_the_same_in(english: str, chinese: str) -> None:
    assert english.count("{}") == chinese.count("{}")
    assert (
        english_in(chinese, "next", "accounts merchant", "withdrawal.limits", "schedules delete", "openid", "IBAN")
        == []
    )
    values = [f"x{number}" for number in range(english.count("{}"))]
    assert detail_zh(english.format(*values)) == chinese.format(*values)


@pytest.mark.parametrize(("english", "chinese"), [*FIELD_DETAILS.items(), *ROW_DETAILS.items()])
def test_what_is_wrong_with_a_field_puts_the_same_in(english: str, chinese: str) -> None:
    assert english.count("{}") == chinese.count("{}")
    values = [f"x{number}" for number in range(english.count("{}"))]
    assert field_zh(english.format(*values)) == chinese.format(*values)


def test_what_is_wrong_with_a_row_is_said_in_chinese() -> None:
    """A row is refused by a reader of a format, a table, an amount, or our own columns."""
    found = {form for form, _ in details_in("inbound", "bad", "BadRow", place=2)}
    found |= {form for form, _ in details_in("commands", "BadRow", place=2)} & {*ROW_DETAILS}
    raised = {form for form, _ in details_in("core", "BadInput", place=0) if "ISO" in form or "number" in form}
    found |= {form.partition(": ")[2] for form in raised if form.startswith(("{}: ", "currency: "))}
    ours = {form for form in found if form and form != "{}"}
    assert len(ours) > 12
    assert {form for form in ours if field_zh(form.replace("{}", "7")) is None} == set()


def test_every_rule_of_a_message_is_said_in_chinese() -> None:
    files = ("core", "core/aftersale")
    raised = {form for folder in files for form, _ in details_in(folder, "ValueError", place=0)}
    plain = {form.partition(": ")[2] if re.match(r"[a-z_.]+: ", form) else form for form in raised}
    assert len(plain) > 25
    ours = {form for form in plain if form and field_zh(form.replace("{}", "7")) is None}
    assert ours - OF_FILES == set()


@pytest.mark.parametrize(
    ("carrier", "waybill"),
    [
        ("s10", "RR473124828CN"),
        ("ups", "1Z999AA10123456785"),
        ("sf", "X"),
        ("sf", "ABCDEFGHIJ"),
        ("yto", "啊啊啊啊啊啊啊啊"),
        ("yto", " "),
        ("usps", "ABCDEFGHIJ"),
    ],
)
def test_why_a_number_is_impossible_is_said_in_chinese_as_the_audit_says_it(carrier: str, waybill: str) -> None:
    verdict = judge(carrier, waybill)
    found = check_number(carrier, None, waybill, "")
    assert (verdict.answer, found and found.code) == ("impossible", "impossible_waybill")
    assert found is not None
    assert in_chinese(found.code, found.message) == f"该快递公司不可能有这样的运单号。{verdict.reason_zh}"


def test_every_rule_of_the_gateways_bodies_is_said_in_chinese() -> None:
    assert field_zh(unknown_type("order.nope") or "") == (
        "没有事件类型 'order.nope'；是否指 order.opened, order.reopened, order.closed？"
    )
    assert field_zh(unknown_type("zzz.zzz") or "") == "没有事件类型 'zzz.zzz'"


class Filled(Message):
    """A message with a field of each kind."""

    name: Id
    title: Title
    note: Reason
    amount: AmountMinor
    pieces: Quantity
    at: Time
    kind: Literal["a", "b"]
    digest: Digest
    lines: tuple[Annotated[Quantity, Field()], ...] = Field(min_length=1)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "x y", "须为 1 至 64 个字符，限 A-Z a-z 0-9 _ -"),
        ("name", 7, "须为文本"),
        ("title", "", "至少 1 个字符"),
        ("note", "x" * 501, "最多 500 个字符"),
        ("amount", 0, "不得小于 1"),
        ("amount", 10**16, "不得大于 1000000000000000"),
        ("pieces", 1.5, "须为整数"),
        ("at", "tomorrow", "须为带时区的 RFC 3339 时间，如 2026-11-22T16:00:00+08:00"),
        ("kind", "c", "可选值：'a', 'b'"),
        ("digest", "0", "须为 64 个字符，限 a-f 0-9"),
        ("lines", [], "至少 1 项，现有 0 项"),
    ],
)
def test_a_wrong_field_is_said_in_chinese_with_its_limit(field: str, value: object, said: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        Filled.model_validate({field: value})
    messages = {one["field"]: one["message"] for one in reasons_of(wrong.value)}
    assert field_zh(messages[field]) == said
    problem = body_of(ProblemError("malformed", reasons=reasons_of(wrong.value)).problem)
    assert {one["pointer"]: one["detail_zh"] for one in problem["errors"]}[f"/{field}"] == said


def test_codes_in_a_detail_have_names() -> None:
    said = "Case 1 is closed; escalate is for proposed or refused."
    assert detail_zh(said) == "售后 1 的状态：已关闭；escalate 适用于：待买家答复、已拒绝。"
    assert detail_zh("What a bank wrote") == "What a bank wrote"


@pytest.mark.parametrize("code", sorted(ALL))
def test_a_problem_says_it_in_chinese_too(code: str) -> None:
    said = body_of(problem_of(code))
    assert (said["detail"], said["detail_zh"]) == (ALL[code].en, ALL[code].zh)


def test_a_command_line_says_it_in_the_language_asked_for() -> None:
    run = CliRunner()
    wrong = ["send", "give_back", "A1"]
    english, chinese = run.invoke(app, wrong), run.invoke(app, ["--lang", "zh", *wrong])
    assert english.stderr.startswith("unknown_verb: There is no command 'give_back'"), english.stderr
    assert chinese.stderr.startswith("unknown_verb: 没有这个命令。"), chinese.stderr
    view = json.loads(run.invoke(app, [*wrong, "--json"]).stdout)["error"]
    assert view["message"].startswith("There is no command")
    assert view["message_zh"].startswith("没有这个命令。")
    assert run.invoke(app, ["--lang", "fr", *wrong]).exit_code == 2


def test_every_detail_of_the_gateway_is_said_in_chinese() -> None:
    found = list(details_in("storefront", "ProblemError", "Refused", "_hit", "_too_many"))
    found += [(f"url: {form}.", where) for form, where in url_rules()]
    assert len({form for form, _ in found}) > 50
    # Sentences of others.
    own = ("url: {}.", "types: {}", "{}: is not a query parameter; {}.")
    missing = {form for form, _ in found} - DETAILS.keys() - HTTP_DETAILS.keys() - OF_OTHERS
    assert sorted(form for form in missing if not form.startswith(own)) == []


def url_rules() -> list[tuple[str, str]]:
    """What is wrong with the address of an endpoint: given to `_wrong`, or returned by a function of why not."""
    tree = ast.parse((ROOT / "storefront/targets.py").read_text(encoding="utf-8"))
    returned = [
        (form, f"{function.name}:{node.lineno}")
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and "why" in function.name
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None
        for form in forms(node.value)
    ]
    return [*details_in("storefront", "_wrong", place=0), *returned]


@pytest.mark.parametrize(
    "text",
    ["{", '{"a": NaN}', '{"a": 1, "a": 2}', "{}{}", "[" * 9000, '"\\ud800"', "1" * 5000, "1e999"],
)
def test_what_is_wrong_with_json_is_said_in_chinese(text: str) -> None:
    with pytest.raises(BadInput) as raised:
        parse_json(text)
    assert detail_zh(str(raised.value)).startswith("第 1 行"), raised.value


@pytest.mark.parametrize(("english", "chinese"), HTTP_DETAILS.items())
def test_a_detail_of_the_gateway_puts_the_same_in(english: str, chinese: str) -> None:
    assert english.count("{}") == chinese.count("{}")
    values = [f"x{number}" for number in range(english.count("{}"))]
    assert detail_zh(english.format(*values)) == chinese.format(*values)


def test_a_refusal_says_amounts_as_people_read_them() -> None:
    """`4780 is left` was said to someone who had typed 47.80."""
    bare = [
        f"{file.relative_to(ROOT)}:{node.lineno} {ast.unparse(value)}"
        for file in sorted((ROOT / "core").rglob("*.py"))
        if "refuse(" in (text := file.read_text(encoding="utf-8"))
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "refuse"
        for node in ast.walk(call)
        if isinstance(node, ast.FormattedValue)
        for value in [node.value]
        if isinstance(value, ast.Attribute) and value.attr.endswith("_minor")
    ]
    assert bare == [], "format_minor, or `shown` of a case's facts"
    said = refuse("above_refundable", "47.80 CNY is left.").message
    assert in_chinese("above_refundable", said) == f"{REASONS['above_refundable'].zh}剩余 47.80 CNY。"
