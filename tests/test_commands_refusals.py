"""The command line refuses with a sentence: bad orders, bad commands, bad usage, no server. Nothing is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import WIDE
from order_bodies import ABSENT, bent, order_body
from typer.testing import CliRunner, Result

from starter import app

PROJECT = Path(__file__).parents[1]
NOBODY = "127.0.0.1:9"
"""The discard port: nothing listens there."""


@pytest.fixture(autouse=True)
def _nobody_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Addresses where nothing answers: what gets as far as connecting says so."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOBODY)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://worker:secret@{NOBODY}/dakuan")
    monkeypatch.setenv("DAKUAN_HOME", str(tmp_path))


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin, env=WIDE)


def order_with(path: str, value: Any) -> str:
    """The order with one field changed, as a file has it."""
    return json.dumps(bent(path, value))


BAD_ORDERS = [
    ("order_id", ABSENT),
    ("lines", ABSENT),
    ("ship_to", ABSENT),
    ("payment.reference", ABSENT),
    ("lines.0.title", ABSENT),
    ("surprise", 1),
    ("lines.0.colour", "red"),
    ("payment.iban", "x"),
    ("total_minor", 135.8),
    ("total_minor", 13580.0),
    ("total_minor", "13580"),
    ("total_minor", True),
    ("total_minor", -1),
    ("total_minor", 0),
    ("total_minor", 10**15 + 1),
    ("total_minor", 10**19),
    ("lines.0.unit_price_minor", -1),
    ("lines.0.quantity", 0),
    ("lines.0.quantity", 1.5),
    ("lines.1.line_id", "1"),
    ("lines", []),
    ("lines", {}),
    ("freight_minor", 801),
    ("discount_minor", 20000),
    ("payment.paid_minor", 13579),
    ("payment.paid_at", "2026-11-22T16:00:00"),
    ("payment.paid_at", "yesterday"),
    ("payment.paid_at", 1764000000),
    ("ship_by", "2026-11-24 16:00"),
    ("order_id", ""),
    ("order_id", "A/1"),
    ("order_id", "A 1"),
    ("order_id", "订单"),
    ("order_id", "A" * 65),
    ("order_id", "A1\n"),
    ("order_id", 1001),
    ("merchant_id", "m 7"),
    ("buyer_id", None),
    ("lines.0.title", "bad\0title"),
    ("lines.0.title", "bad\x1b[31mtitle"),
    ("lines.0.title", ""),
    ("lines.0.title", "x" * 501),
    ("payment.reference", "wx\r\n1"),
    ("currency", "cny"),
    ("currency", "XXQ"),
    ("currency", 156),
    ("ship_to.phone_last4", "88171"),
    ("ship_to.street", "长安街 1 号"),
    ("policy", {"settlement_delay": "0s"}),
]


@pytest.mark.parametrize(("path", "value"), BAD_ORDERS, ids=[f"{path}={value!r:.24}" for path, value in BAD_ORDERS])
def test_a_malformed_order_is_refused_with_field_and_reason_before_anything_is_asked(path: str, value: Any) -> None:
    answered = run("start", "-", "--json", stdin=order_with(path, value))
    assert answered.exit_code == 1, answered.output
    error = json.loads(answered.stdout)["error"]
    assert error["code"] == "invalid_order"
    assert error["line"] == 1
    fields = {reason["field"] for reason in error["reasons"]}
    related = {path, path.split(".")[0], "total_minor", "discount_minor", "payment.paid_minor", "lines"}
    assert fields & related, error
    assert all(reason["message"] for reason in error["reasons"])


BAD_FILES = [
    ("", "empty"),
    ("[]", "empty"),
    ("{", "not JSON"),
    ("null", "(whole)"),
    ('"order"', "(whole)"),
    ("17", "(whole)"),
    ('{"order_id": "A", "order_id": "B"}', "stands twice"),
    ('{"total_minor": NaN}', "NaN is not JSON"),
    ('{"total_minor": ' + "9" * 10_000 + "}", "10000 digits"),
    ("[" * 100_000, "nested too deeply"),
    ('{"a":' * 100_000, "nested too deeply"),
    (b"\xef\xbb\xbf" + json.dumps(order_body(), ensure_ascii=False).encode("gb18030"), "begins with the mark of UTF-8"),
    (json.dumps(order_body()).encode("utf-16") + b"\0", "begins with the mark of UTF-16"),
    ('{"title": "é"}'.encode("latin-1"), "not UTF-8"),
    ('{"order_id": "\\ud800"}', "half a character"),
]


@pytest.mark.parametrize(("content", "sentence"), BAD_FILES, ids=[f"{content!r:.20}" for content, _ in BAD_FILES])
def test_a_file_that_holds_no_orders_is_refused_in_a_sentence(
    content: str | bytes, sentence: str, tmp_path: Path
) -> None:
    file = tmp_path / "orders.json"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    answered = run("start", str(file))
    assert answered.exit_code == 1
    assert sentence in answered.stderr
    assert "Traceback" not in answered.output
    assert answered.stdout == ""


def test_every_malformed_order_of_many_is_named_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_text("\n".join(["", order_with("total_minor", 1), "{", order_with("buyer_id", ""), ""]))
    answered = run("start", str(file))
    assert answered.exit_code == 1
    lines = [line for line in answered.stderr.splitlines() if line.startswith("invalid_order")]
    assert [line.split(":")[1].strip() for line in lines] == ["line 2, order A1001", "line 3", "line 4, order A1001"]
    assert "  total_minor: goods 12780 + freight 800 - discount 0 is 13580, not 1" in answered.stderr


def test_the_wrong_exponent_of_a_currency_shows_as_totals_that_do_not_add_up_or_a_payment_that_does_not_cover() -> None:
    order = order_body(currency="JPY", total_minor=136)
    answered = run("start", "-", stdin=json.dumps(order))
    assert answered.exit_code == 1
    assert "total_minor" in answered.stderr


COMMAND = {"reason": "changed my mind"}


@pytest.mark.parametrize(
    ("arguments", "code", "field"),
    [
        (("cancel_order", "A1", "--as", "buyer:b-42"), "malformed", "reason"),
        (("cancel_order", "A1", "--body", json.dumps(COMMAND)), "malformed", "actor"),
        (("cancel_order", "A1", "--as", "nobody:x", "--body", json.dumps(COMMAND)), "malformed", "actor.role"),
        (("cancel_order", "A1", "--as", "buyer", "--body", json.dumps(COMMAND)), "malformed", "actor"),
        (("cancel_order", "A1", "--as", "buyer:b", "--body", '{"reason": "x", "spite": 1}'), "malformed", "spite"),
        (("cancel_order", "A1", "--as", "buyer:b", "--id", "a b", "--body", "{}"), "malformed", "command_id"),
        (("cancel_order", "A1", "--as", "buyer:b", "--body", "{"), "malformed", "body"),
        (("cancel_order", "A1", "--as", "buyer:b", "--body", "[]"), "malformed", "body"),
        (("cancel_order", "A1", "--as", "buyer:b", "--body", '{"reason": "\udcff"}'), "malformed", "body"),
        (("cancel_order", "A1", "--as", "buyer:b", "--body", '{"reason": "a", "reason": "b"}'), "malformed", "body"),
        (("cancel_order", "A1", "--as", "buyer:b", "--body", "@missing.json"), "bad_input", None),
        (
            (
                "cancel_order",
                "A1",
                "--as",
                "buyer:b",
                "--body",
                '{"reason": "x", "actor": {"role": "buyer", "id": "c"}}',
            ),
            "malformed",
            "actor",
        ),
        (("cancel_oder", "A1", "--as", "buyer:b"), "unknown_verb", None),
        (("approve", "A1", "--as", "reviewer:r"), "unknown_verb", None),
        (("cancel_order", "withdrawal-W1", "--as", "buyer:b"), "unknown_verb", None),
        (("cancel_order", "A/1", "--as", "buyer:b"), "malformed", "id"),
        (("reject", "withdrawal-W 1", "--as", "reviewer:r"), "malformed", "id"),
        (("report_shipment", "A1", "--as", "merchant:m", "--body", '{"parcels": []}'), "malformed", "parcels"),
        (
            ("place_hold", "A1", "--as", "operator:o", "--body", '{"name": "n", "scope": "everything", "reason": "x"}'),
            "malformed",
            "scope",
        ),
    ],
)
def test_a_malformed_command_is_refused_before_anything_is_asked(
    arguments: tuple[str, ...], code: str, field: str | None
) -> None:
    answered = run("send", *arguments, "--json")
    assert answered.exit_code == 1
    error = json.loads(answered.stdout)["error"]
    assert (error["code"], error["field"]) == (code, field)
    assert error["message"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("withdraw", "m-7", "twelve", "--account", "a1"), "is not a positive number"),
        (("withdraw", "m-7", "0", "--account", "a1"), "above zero"),
        (("withdraw", "m-7", "--account", "a1", "--", "-5"), "not a positive number"),
        (("withdraw", "m-7", "1.005", "--account", "a1"), "2 decimals"),
        (("withdraw", "m-7", "1.5", "--account", "a1", "--currency", "JPY"), "0 decimals"),
        (("withdraw", "m-7", "1.5", "--account", "a1", "--currency", "yuan"), "ISO 4217"),
        (("withdraw", "m-7", "9" * 20, "--account", "a1"), "more than can be moved"),
        (("withdraw", "m-7", "NaN", "--account", "a1"), "not a positive number"),
        (("withdraw", "m/7", "1", "--account", "a1"), "merchant"),
        (("withdraw", "m-7", "1", "--account", "a 1"), "account"),
        (("advance", "A1", "soon"), "duration"),
        (("advance", "A1", "0s"), "duration"),
        (("advance", "A1", "99999d"), "duration"),
        (("show", "../etc"), "id"),
        (("rescue", "A 1"), "id"),
        (("rescue", "withdrawal-w 1"), "id"),
        (("withdraw", "m-7", "9223372036854775808", "--account", "a1", "--estimate"), "more than can be moved"),
        (("schedules", "create", "m-7", "--every", "0s"), "every"),
        (("schedules", "create", "m 7", "--every", "1d"), "merchant"),
        (("schedules", "create", "m-7", "--every", "1d", "--timezone", "Asia/Shanghai"), "goes with --cron"),
        (("policy", "check", "missing.toml"), "cannot be read"),
        (("orders", "--merchant", "m 7"), "merchant"),
        (("show", "\udcff"), "id"),
        (("keys", "create", "", "--by", "ann"), "name: must be 1 to 100 printable characters"),
        (("keys", "create", "shop", "--by", " "), "--by: must be 1 to 100 printable characters"),
        (("keys", "create", "x" * 101, "--by", "ann"), "name: must be 1 to 100 printable characters"),
        (("keys", "rotate", "abcdefgh", "--by", "a\nb"), "--by: must be 1 to 100 printable characters"),
        (("keys", "revoke", "abcdefgh", "--by", ""), "--by: must be 1 to 100 printable characters"),
        (("people", "end", "ann", "--by", ""), "--by: must be 1 to 100 printable characters"),
        (("keys", "list", "--merchant", "m 7"), "merchant"),
        (("endpoints", "add", "https://shop.example/", "--by", ""), "--by: must be 1 to 100 printable characters"),
        (("endpoints", "list", "--merchant", "m 7"), "merchant"),
    ],
)
def test_what_people_type_wrong_is_said_in_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    answered = run(*arguments)
    assert answered.exit_code == 1, answered.output
    assert sentence in answered.stderr
    assert len(answered.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("start",),
        ("start", "a", "b"),
        ("send", "x"),
        ("withdraw", "m", "1"),
        ("orders", "--limit", "0"),
        ("orders", "--phase", "lost"),
    ],
)
def test_bad_usage_ends_with_two(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [("send", "confirm_receipt", "A1", "--as", "buyer:b"), ("advance", "A1", "1d"), ("start", "-")],
)
def test_a_temporal_that_is_down_is_named_by_its_address(arguments: tuple[str, ...]) -> None:
    answered = run(*arguments, stdin=json.dumps(order_body()))
    assert answered.exit_code == 1
    assert NOBODY in answered.stderr
    assert "Temporal" in answered.stderr


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        (("show", "A1"), "TEMPORAL_ADDRESS"),
        (("send", "confirm_receipt", "A1", "--as", "buyer:b"), "TEMPORAL_ADDRESS"),
        (("start", "-"), "TEMPORAL_ADDRESS"),
        (("orders",), "DATABASE_URL"),
        (("prove",), "DATABASE_URL"),
    ],
)
def test_without_settings_and_a_stack_a_command_says_which_it_lacks_and_how_to_start_one(
    arguments: tuple[str, ...], setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TEMPORAL_ADDRESS", "DATABASE_URL"):
        monkeypatch.delenv(name)
    answered = run(*arguments, stdin=json.dumps(order_body()))
    assert answered.exit_code == 2
    assert f"{setting} is not set, and no local stack is up" in answered.stderr
    assert answered.stderr.rstrip().endswith("set it, or run `python starter.py up`")


@pytest.mark.parametrize(
    "name", ["orders", "withdrawals", "prove", "notices", "accounts list m-7", "balance m-7", "show A1"]
)
def test_a_database_that_is_down_is_named_by_its_address_and_not_by_its_password(name: str) -> None:
    answered = run(*name.split(), "--json")
    assert answered.exit_code == 1
    error = json.loads(answered.stdout)["error"]
    assert error["code"] == "unavailable"
    assert f"PostgreSQL does not answer at {NOBODY}" in error["message"]
    assert "secret" not in answered.output


def test_the_program_itself_ends_with_its_exit_code_and_no_traceback(tmp_path: Path) -> None:
    environment = os.environ | {"TEMPORAL_ADDRESS": NOBODY, "DAKUAN_HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, str(PROJECT / "starter.py"), "start", "-"],
        input=order_with("total_minor", 0),
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("invalid_order: line 1, order A1001: The order is not well formed.\n  total_minor: ")


def test_a_worker_without_a_temporal_or_a_database_ends_with_a_sentence(tmp_path: Path) -> None:
    environment = os.environ | {
        "TEMPORAL_ADDRESS": NOBODY,
        "DATABASE_URL": f"postgresql://worker:secret@{NOBODY}/dakuan",
        "DAKUAN_HOME": str(tmp_path),
    }
    ended = subprocess.run(
        [sys.executable, str(PROJECT / "worker.py")], capture_output=True, text=True, env=environment, check=False
    )
    assert ended.returncode == 1
    assert f"PostgreSQL does not answer at {NOBODY}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr
