"""Every reason is said in English and in Chinese, and people get theirs wherever a refusal reaches them."""

from __future__ import annotations

import json
import re

import pytest
from chinese import english_in
from typer.testing import CliRunner

from core.reason_texts import HTTP_REASONS, REASONS
from core.reasons import SENTENCES, in_chinese, refuse
from core.texts import Help
from starter import app
from storefront.problems import body_of, problem_of

ALL = {**REASONS, **HTTP_REASONS}
NAMES = ("rescue", "API", "Idempotency-Key", "Host", "A-Z", "a-z")


@pytest.mark.parametrize(("code", "said"), ALL.items())
def test_a_reason_is_one_sentence_in_both_languages(code: str, said: Help) -> None:
    assert english_in(said.zh, *NAMES) == []
    assert re.search("[\u4e00-\u9fff]", said.zh)
    assert said.zh.endswith("。") or code == "idempotency_key_missing"
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
