"""What people type as account numbers and names, and what is made of it."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import TypeVar, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import luhn

from core.errors import Refused
from core.messages import Actor
from core.payout_accounts import (
    AccountKind,
    Change,
    check_actor,
    check_name,
    check_reason,
    judge_bank,
    judge_holder,
    judge_number,
    masked,
    name_key,
    network_of,
)
from core.reasons import in_chinese

T = TypeVar("T")
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
WIDE = str.maketrans(string.digits, "".join(chr(0xFF10 + digit) for digit in range(10)))

cards = st.builds(
    lambda network, rest: (body := network + rest) + luhn.calc_check_digit(body),
    st.sampled_from(["62", "4", "52", "356"]),
    st.text("0123456789", min_size=13, max_size=15),
)


def outcome(ask: Callable[[], T]) -> T | Refused:
    """The result, returned or raised."""
    try:
        return ask()
    except Refused as refusal:
        return refusal


def refused(code: str, kind: AccountKind, typed: str) -> str:
    with pytest.raises(Refused) as caught:
        judge_number(kind, typed)
    assert (caught.value.code, caught.value.field) == (code, "number")
    return caught.value.message


# --- bank cards ------------------------------------------------------------------------------------------


@given(cards, st.data())
def test_a_card_is_the_same_however_it_is_typed(card: str, data: st.DataObject) -> None:
    marks = data.draw(
        st.lists(st.sampled_from(["", " ", "-", "\u3000", "–", "\t"]), min_size=len(card), max_size=len(card))
    )
    typed = "".join(digit + mark for digit, mark in zip(card, marks, strict=True))
    assert (
        judge_number(
            "bank_card", typed.translate(WIDE) if data.draw(st.booleans()) else typed
        ).number.get_secret_value()
        == card
    )


@given(cards, st.data())
def test_one_wrong_digit_is_always_found(card: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(card) - 1))
    other = data.draw(st.sampled_from([digit for digit in string.digits if digit != card[place]]))
    refused("account_number_invalid", "bank_card", card[:place] + other + card[place + 1 :])


@given(st.text(max_size=80), st.sampled_from(get_args(AccountKind)))
def test_any_text_is_a_number_or_a_refusal_that_does_not_repeat_it(typed: str, kind: AccountKind) -> None:
    judged = outcome(lambda: judge_number(kind, typed))
    if isinstance(judged, Refused):
        assert judged.code == "account_number_invalid"
        # Without a digit it is no number, and may be a word of the refusal, such as "account".
        numeric = len(typed.strip()) > 6 and any(map(str.isdigit, typed))
        assert not numeric or typed.strip() not in judged.message
        return
    plain = judged.number.get_secret_value()
    assert plain.isascii()
    assert plain not in repr(judged)
    assert judged.last4.isalnum()
    assert len(judged.last4) == 4
    assert judge_number(kind, plain) == judged


@given(cards)
def test_a_card_shows_only_its_last_four(card: str) -> None:
    judged = judge_number("bank_card", card)
    assert judged.last4 == card[-4:]
    assert card not in f"{judged!r} {judged} {judged.number}"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "There is none"),
        (" \u3000", "There is none"),
        ("6222 0212 3456", "12 digits; a card number has 15 to 20"),
        ("6" * 21, "21 digits"),
        ("6222021234567890", "check digit"),
        ("6222O21234567894", "1 of its characters"),
        ("٦٢٢٢٠٢١٢٣٤٥٦٧٨٩٤", "16 of its characters"),
        ("0" * 16, "The same digit"),
        ("6" * 100, "100 characters"),
        ("622202\x001234567894", "1 of its characters"),
    ],
)
def test_what_is_wrong_with_a_card_is_said(typed: str, said: str) -> None:
    assert said in refused("account_number_invalid", "bank_card", typed)


@pytest.mark.parametrize(
    ("card", "network"),
    [
        ("6222021234567894", "UnionPay"),
        ("4111111111111111", "Visa"),
        ("5555555555554444", "Mastercard"),
        ("2221000000000009", "Mastercard"),
        ("2720990000000007", "Mastercard"),
        ("2721000000000004", "unknown network"),
        ("3528000000000007", "JCB"),
        ("378282246310005", "American Express"),
        ("30569309025904", "Diners Club"),
        ("9558800000000000", "unknown network"),
    ],
)
def test_the_network_is_a_hint_from_the_first_digits(card: str, network: str) -> None:
    assert network_of(card) == network


# --- other kinds -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "typed", "number", "last4"),
    [
        ("company_account", "3305-0161 6781 0000 0123", "33050161678100000123", "0123"),
        ("wallet", f" {OPENID} ", OPENID, "eS6o"),
        ("wallet", "oUpF8uMuAJO_M2pxb1Q9zNjWeS-_", "oUpF8uMuAJO_M2pxb1Q9zNjWeS-_", "jWeS"),
        ("wallet", "2088 1021 2233 4455", "2088102122334455", "4455"),
        ("iban", "de89 3704 0044 0532 0130 00", "DE89370400440532013000", "3000"),
        ("iban", "GB82-WEST-1234-5698-7654-32", "GB82WEST12345698765432", "5432"),
    ],
)
def test_other_kinds_have_their_forms(kind: AccountKind, typed: str, number: str, last4: str) -> None:
    judged = judge_number(kind, typed)
    assert (judged.number.get_secret_value(), judged.last4) == (number, last4)


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        ("company_account", "1234567"),
        ("company_account", "1" * 33),
        ("company_account", "00000000000"),
        ("company_account", "NL91ABNA0417164300"),
        ("wallet", "6222021234567894"),
        ("wallet", OPENID[:-1]),
        ("wallet", OPENID.lower() + "x"),
        ("wallet", "li.wei@example.com"),
        ("iban", "DE89370400440532013001"),
        ("iban", "DE8937040044053201300"),
        ("iban", "XX89370400440532013000"),
        ("iban", "6222021234567894"),
    ],
)
def test_a_number_of_another_form_is_refused(kind: AccountKind, typed: str) -> None:
    refused("account_number_invalid", kind, typed)


def test_a_company_account_names_its_bank() -> None:
    with pytest.raises(Refused, match="bank is missing") as caught:
        judge_bank("company_account", None, None)
    assert caught.value.code == "bank_missing"
    assert judge_bank("company_account", None, "1023 3100 0013").code == "102331000013"
    assert judge_bank("company_account", " 中国银行 ", None).name == "中国银行"
    assert judge_bank("iban", None, "deutdeff").code == "DEUTDEFF"
    assert judge_bank("bank_card", None, None).code is None
    with pytest.raises(Refused, match="CNAPS"):
        judge_bank("bank_card", None, "12345")


# --- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("杭州茶店(上海)有限公司", "杭州茶店（上海）有限公司"),
        ("杭州茶店〔上海〕有限公司", "杭州茶店【上海】有限公司"),
        ("杭州茶店 有限公司", "杭州茶店\u3000有限公司"),
        ("Li Wei", "LI  WEI"),
        ("ＡＣＭＥ Co., Ltd.", "Acme Co.,Ltd"),
        ("阿卜杜拉·买买提", "阿卜杜拉•买买提"),
        ("阿卜杜拉·买买提", "阿卜杜拉・买买提"),
        ("O'Brien", "O’Brien"),
        ("Straße GmbH", "STRASSE GMBH"),
        ("王\u200b芳", "王芳"),
    ],
)
def test_spellings_of_one_name_match(one: str, other: str) -> None:
    judge_holder(one, other)
    judge_holder(other, one)


@pytest.mark.parametrize(
    ("holder", "name"),
    [
        ("王芳", "王方"),
        ("杭州茶店有限公司", "杭州茶店(上海)有限公司"),
        ("杭州茶店(上海)有限公司", "杭州茶店(北京)有限公司"),
        ("Acme Ltd", "Acme"),
        ("Аcme", "Acme"),  # the first letter is Cyrillic
        ("José", "Jose"),
        ("Wei Li", "Li Wei"),
    ],
)
def test_other_names_do_not(holder: str, name: str) -> None:
    with pytest.raises(Refused) as caught:
        judge_holder(holder, name)
    assert (caught.value.code, caught.value.field) == ("holder_mismatch", "holder")


def test_a_merchant_nobody_has_named_has_no_holder() -> None:
    with pytest.raises(Refused, match="accounts merchant") as caught:
        judge_holder("王芳", None)
    assert caught.value.code == "merchant_unnamed"


@given(st.text(max_size=120))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    result = outcome(lambda: check_name(text, "name"))
    if isinstance(result, Refused):
        assert result.code == "malformed"
        return
    judge_holder(result, text)
    assert name_key(result)


@given(st.text("王芳杭州()AbcßÉ", min_size=1, max_size=20), st.data())
def test_spaces_width_and_case_never_tell_names_apart(name: str, data: st.DataObject) -> None:
    spaces = data.draw(st.lists(st.sampled_from(["", " ", "\u3000", "\u200b"]), min_size=len(name), max_size=len(name)))
    spaced = "".join(letter + space for letter, space in zip(name, spaces, strict=True))
    judge_holder(spaced.upper(), name)
    judge_holder(spaced.translate({ord("("): "（", ord(")"): "）", ord("A"): "Ａ"}), name)


# --- people ----------------------------------------------------------------------------------------------


def test_who_may_do_what() -> None:
    merchant, operator = Actor(role="merchant", id="m-7"), Actor(role="operator", id="ann")
    check_actor(merchant, "bind", "m-7")
    check_actor(merchant, "suspend", "m-7")
    for everything in get_args(Change):
        check_actor(operator, everything, "m-7")
    forbidden: tuple[tuple[Actor, Change], ...] = (
        (merchant, "name"),
        (merchant, "shorten_cooling"),
        (merchant, "resume"),
        (merchant, "verify"),
        (Actor(role="merchant", id="m-8"), "bind"),
        (Actor(role="buyer", id="m-7"), "bind"),
        (Actor(role="reviewer", id="r"), "resume"),
    )
    for actor, change in forbidden:
        with pytest.raises(Refused) as caught:
            check_actor(actor, change, "m-7")
        assert caught.value.code == "wrong_actor"


@pytest.mark.parametrize(
    ("reason", "code"),
    [(None, "reason_missing"), (" ", "reason_missing"), ("x" * 501, "malformed"), ("a\nb", "malformed")],
)
def test_a_change_has_a_reason(reason: str | None, code: str) -> None:
    with pytest.raises(Refused) as caught:
        check_reason(reason)
    assert caught.value.code == code
    assert check_reason(" lost phone ") == "lost phone"


# --- answers of rails ------------------------------------------------------------------------------------


@given(cards, st.sampled_from(["", " ", "-"]))
def test_a_rails_answer_keeps_only_the_four(card: str, mark: str) -> None:
    spaced = mark.join(card[place : place + 4] for place in range(0, len(card), 4))
    result = masked(f"account {spaced} is closed, see case 12345678", card[-4:])
    assert card not in result
    assert spaced not in result or len(card) < 9
    assert result.startswith(f"account …{card[-4:]} is closed")
    if card[-4:] != "5678":
        assert result.endswith("12345678")


def test_an_answer_without_a_number_stays_as_it_is() -> None:
    text = "The daily limit of card …4242 is used up; reference 20261123000000001"
    assert masked(text, "4242") == text
    assert masked(f"openid {OPENID} is not known", "eS6o") == "openid …eS6o is not known"


@pytest.mark.parametrize(
    ("number", "chinese"),
    [
        ("DE89370400440532013001", "校验位错误：有字符输错或缺失，或有两位颠倒。"),
        ("DE8937040044053201300", "校验位错误：有字符输错或缺失，或有两位颠倒。"),
        ("XX46370400440532013000", "没有以 XX 开头的 IBAN。"),
        ("DE03WEST12345698765432", "以 DE 开头的 IBAN 格式不同；该账号有 22 个字符。"),
    ],
)
def test_what_is_wrong_with_an_iban_is_said_in_chinese(number: str, chinese: str) -> None:
    with pytest.raises(Refused) as refused:
        judge_number("iban", number)
    assert in_chinese(refused.value.code, refused.value.message) == f"账号有误。{chinese}"
