"""Waybill numbers: recognised, judged, normalised; check digits computed by hand and against public test numbers."""

from __future__ import annotations

import csv
import json
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import at_least

from core.audit.checks import Check, check_character
from core.audit.normalising import normalise
from core.audit.waybills import (
    CARRIERS,
    carrier,
    judge,
    load_carriers,
    recognise,
    sandbox_number,
    suggest,
)

POSTS = ["correios", "evri", "gls", "hermes", "japan_post", "la_poste", "royal_mail", "sf_international"]
INTERNATIONAL = [
    "amazon",
    "canada_post",
    "canpar",
    "dhl",
    "dpd",
    "fedex",
    "gofo",
    "landmark",
    "lasership",
    "old_dominion",
    "ontrac",
    "purolator",
    "s10",
    "speedee",
    "ups",
    "usps",
    "yodel",
    "yunexpress",
]
CHINESE = ["sf", "yto", "zto", "sto", "yunda", "jd", "ems", "china_post", "jt", "deppon", "best"]


@pytest.mark.parametrize("carrier_id", [*INTERNATIONAL, *POSTS, *CHINESE, "sandbox", "olist_post"])
def test_every_carrier_has_names_and_a_kind(carrier_id: str) -> None:
    known = carrier(carrier_id)
    assert known is not None
    assert known.name
    assert known.name_zh
    assert (known.numbers == "closed") == (carrier_id == "s10"), "only the postal union publishes all its forms"


@pytest.mark.parametrize("carrier_id", CHINESE)
def test_every_chinese_carrier_is_known_to_both_providers(carrier_id: str) -> None:
    known = carrier(carrier_id)
    assert known is not None
    assert known.kuaidi100
    assert known.kdniao


def test_ids_and_provider_codes_are_unique() -> None:
    """A service may be a carrier of its own in the table, too: a parcel is reported under either name."""
    own = {code for c in CARRIERS.carriers for code in (c.kuaidi100, c.kdniao)}
    services = [service for c in CARRIERS.carriers for service in c.services if service.kuaidi100 not in own]
    for codes in (
        [c.id for c in CARRIERS.carriers],
        [c.kuaidi100 for c in CARRIERS.carriers if c.kuaidi100] + [one.kuaidi100 for one in services if one.kuaidi100],
        [c.kdniao for c in CARRIERS.carriers if c.kdniao] + [one.kdniao for one in services if one.kdniao],
        [service.easypost for service in services if service.easypost],
    ):
        assert len(set(codes)) == len(codes)


def test_other_is_no_carrier_of_the_table() -> None:
    assert carrier("other") is None
    assert carrier("SF") is None


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("SF", "sf"),
        ("shunfeng", "sf"),
        ("顺丰速运", "sf"),
        ("顺丰", "sf"),
        ("ZTO Express", "zto"),
        ("YD", "yunda"),
        ("fedx", "fedex"),
        ("HTKY", "best"),
    ],
)
def test_an_unknown_id_gets_suggestions(typed: str, meant: str) -> None:
    assert meant in suggest(typed)
    assert len(suggest(typed)) <= 3


@given(st.text(max_size=70))
def test_suggestions_are_total(typed: str) -> None:
    assert len(suggest(typed)) <= 3


# --- check digits: each worked out by hand ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "serial", "expected"),
    [
        # 1·3 + 2·1 + 3·3 + 4·1 = 18, so 2 is missing to 20
        (Check(scheme="mod10", weights=(3, 1)), "1234", "2"),
        # from the right: 4·3 + 3·1 + 2·3 + 1·1 = 22, so 8
        (Check(scheme="mod10", weights=(3, 1), from_right=True), "1234", "8"),
        # A = 2: 2·1 + 5·2 = 12, so 8
        (Check(scheme="mod10", weights=(1, 2)), "A5", "8"),
        # the prefix 4 shifts the weights: 4·1 + 1·2 + 2·1 = 8, so 2
        (Check(scheme="mod10", weights=(1, 2), prefix="4"), "12", "2"),
        # 100 = 14·7 + 2
        (Check(scheme="mod7"), "100", "2"),
        # the known Luhn example 7992739871 → 3
        (Check(scheme="luhn"), "7992739871", "3"),
        # the postal union's own example: 47312482 → 9
        (Check(scheme="s10"), "47312482", "9"),
        # 8·1 = 8, 11 − 8 = 3
        (Check(scheme="s10"), "10000000", "3"),
        # the sum is 0: 11 becomes 5
        (Check(scheme="s10"), "00000000", "5"),
        # 4·3 = 12, remainder 1: 10 becomes 0
        (Check(scheme="s10"), "00004000", "0"),
        # 1·3 + 2·1 + 3·7 = 26, 26 mod 11 = 4
        (Check(scheme="weighted", weights=(3, 1, 7), modulus=11, second_modulus=10), "123", "4"),
        # 3·3 + 1·1 = 10, 10 mod 11 = 10, mod 10 = 0
        (Check(scheme="weighted", weights=(3, 1), modulus=11, second_modulus=10), "31", "0"),
        # one modulus only
        (Check(scheme="weighted", weights=(2, 1), modulus=7), "41", "2"),
    ],
)
def test_check_digits_follow_their_scheme(check: Check, serial: str, expected: str) -> None:
    assert check_character(check, serial) == expected


@given(st.text(string.digits + string.ascii_uppercase, min_size=1, max_size=40))
def test_mod_37_36_leaves_the_remainder_one(serial: str) -> None:
    """ISO 7064: running the number with its check character through the same steps ends at 1."""
    digit = check_character(Check(scheme="mod37_36"), serial)
    alphabet = string.digits + string.ascii_uppercase
    product = 36
    for character in serial:
        product = (product + alphabet.index(character)) % 36 or 36
        product = product * 2 % 37
    assert (product + alphabet.index(digit)) % 36 == 1


# --- public numbers --------------------------------------------------------------------------------------


def _public(shared_data: Path, kind: str) -> list[tuple[str, str]]:
    numbers = []
    for file in sorted((shared_data / "tracking_numbers").glob("*.json")):
        table = json.loads(file.read_text())
        carrier_id = table.get("courier_code", "s10")
        numbers += [(carrier_id, n) for form in table["tracking_numbers"] for n in form["test_numbers"][kind]]
    return numbers


def test_every_valid_public_number_is_possible_and_recognised(shared_data: Path) -> None:
    numbers = _public(shared_data, "valid")
    assert len(numbers) > 100
    for carrier_id, number in numbers:
        assert judge(carrier_id, number).answer == "possible", (carrier_id, number)
        assert carrier_id in [candidate.carrier for candidate in recognise(number).candidates], (carrier_id, number)
        assert judge(None, number).answer == "possible", number
        assert judge("other", number).answer == "possible", number


def test_no_invalid_public_number_is_possible_or_recognised(shared_data: Path) -> None:
    numbers = _public(shared_data, "invalid")
    assert len(numbers) > 50
    for carrier_id, number in numbers:
        assert judge(carrier_id, number).answer != "possible", (carrier_id, number)
        assert carrier_id not in [candidate.carrier for candidate in recognise(number).candidates], (carrier_id, number)


def test_no_chinese_number_seen_in_public_is_impossible_for_any_chinese_carrier(shared_data: Path) -> None:
    file = shared_data / "carriers_cn" / "waybills_seen_in_public.csv"
    numbers = [row["waybill"] for row in csv.DictReader(file.read_text().splitlines())]
    assert len(numbers) >= 8
    for number in numbers:
        for carrier_id in (*CHINESE, None, "other", "sandbox"):
            assert judge(carrier_id, number).answer != "impossible", (carrier_id, number)


def test_numbers_seen_in_public_fit_the_carrier_they_were_seen_with(shared_data: Path) -> None:
    file = shared_data / "carriers_cn" / "waybills_seen_in_public.csv"
    ours = {c.kdniao: c.id for c in CARRIERS.carriers if c.kdniao}
    for row in csv.DictReader(file.read_text().splitlines()):
        known = [ours[code] for code in row["carrier_code_kdniao"].split("|") if code in ours]
        assert any(judge(carrier_id, row["waybill"]).answer == "possible" for carrier_id in known), row


# --- our own numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier_id", "number", "answer"),
    [
        ("s10", "RR473124829CN", "possible"),
        ("s10", "RR473124828CN", "impossible"),
        ("s10", "RR473124829XX", "impossible"),  # no such country
        ("china_post", "RR473124829CN", "possible"),
        ("china_post", "RR473124828CN", "impossible"),
        ("usps", "RR473124829US", "possible"),
        ("ups", "RR473124829CN", "other_carrier_likelier"),
        ("ups", "hello", "impossible"),
        ("sf", "SF6026131434978", "possible"),
        ("sf", "YT9693083639795", "other_carrier_likelier"),
        ("jd", "SF6026131434978", "other_carrier_likelier"),
        ("zto", "78474409893076", "possible"),
        ("zto", "1", "impossible"),
        ("zto", "ABCDEFGH", "impossible"),
        ("zto", "运单123456789", "impossible"),
        ("zto", "1" * 33, "impossible"),
        ("ane", "300012345678", "possible"),
        ("sandbox", "SBX1234566", "possible"),
        ("sandbox", "SBX1234567", "impossible"),
        ("sandbox", "SF6026131434978", "possible"),
        ("other", "XY12345678", "possible"),
        ("other", "", "impossible"),
        (None, "1Z1111111111111111", "impossible"),
        (None, "LTN74207623N1", "possible"),
    ],
)
def test_a_number_is_possible_impossible_or_likelier_anothers(carrier_id: str | None, number: str, answer: str) -> None:
    judged = judge(carrier_id, number)
    assert judged.answer == answer
    assert judged.reason.endswith(".")
    assert judged.reason_zh


def test_a_shared_shape_gives_several_candidates_and_none_is_forced() -> None:
    candidates = [candidate.carrier for candidate in recognise("312208599281014").candidates]
    assert "yunda" in candidates
    assert {"zto", "dhl"} <= {candidate.carrier for candidate in recognise("78474409893076").candidates}


def test_a_check_digit_ranks_before_a_prefix_and_a_prefix_before_a_shape() -> None:
    order = {"check_digit": 0, "prefix": 1, "shape": 2}
    ranks = [order[candidate.certainty] for candidate in recognise("390141793061").candidates]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) > 1


@pytest.mark.parametrize(
    ("typed", "normalised", "changes"),
    [
        ("SF6026131434978", "SF6026131434978", ()),
        (" sf 6026-1314-34978\n", "SF6026131434978", ("spaces", "lower case", "dashes")),
        ("ＳＦ６０２６１３１４３４９７８", "SF6026131434978", ("full-width characters",)),
        ("SF\u200b6026131434978", "SF6026131434978", ("invisible characters",)),
        ("SF6026—131434978", "SF6026131434978", ("dashes",)),
        ("SF　6026131434978", "SF6026131434978", ("full-width characters", "spaces")),
        ("ß12345678", "ß12345678", ()),
        ("JDVA00012340001-1-1-", "JDVA00012340001", ("package number: 1 of 1",)),
        (
            "jdva00012340001－2－3－",
            "JDVA00012340001",
            ("full-width characters", "lower case", "package number: 2 of 3"),
        ),
        ("JDVA00012340001-1-2", "JDVA00012340001", ("package number: 1 of 2",)),
        ("JD0123456789012-1-2-07", "JD0123456789012", ("package number: 1 of 2",)),
        ("JDVA00012340001-1-2-07-", "JDVA00012340001", ("package number: 1 of 2",)),
        ("JDVA00012340001-1-2-A区", "JDVA00012340001", ("package number: 1 of 2",)),
        ("JDVA00012340001-1", "JDVA00012340001", ("package number: 1",)),
        ("JDVA00012340001-2-", "JDVA00012340001", ("package number: 2",)),
        ("35437645863N1S2H15", "35437645863", ("package number: 1 of 2",)),
        ("35437645863-1-2-", "3543764586312", ("dashes",)),  # only JD's where JD is named
        ("JDVA0001-2340001", "JDVA00012340001", ("dashes",)),
    ],
)
def test_what_people_type_is_normalised_and_the_changes_are_named(
    typed: str, normalised: str, changes: tuple[str, ...]
) -> None:
    text, done = normalise(typed)
    assert (text, set(done)) == (normalised, set(changes))
    assert recognise(typed).changes == done


def test_digits_off_a_label_are_a_package_number_where_jd_is_named() -> None:
    assert judge("jd", "35437645863-1-2-").normalised == "35437645863"
    assert judge("jd", "35437645863-1-2-").changes == ("package number: 1 of 2",)


def test_an_older_number_of_jd_has_packages_too() -> None:
    assert judge("jd", "VA00012340001-1-1-").normalised == "VA00012340001"


@pytest.mark.parametrize(
    ("carrier_id", "typed", "waybill"),
    [
        ("kye", "KY4000123456789-001", "KY4000123456789"),
        ("sf", "sf1234567890611-1", "SF1234567890611"),
        ("zto", "78474409893076-1-2", "78474409893076"),
    ],
)
def test_a_piece_of_a_shipment_is_asked_for_by_its_waybill(carrier_id: str, typed: str, waybill: str) -> None:
    judged = judge(carrier_id, typed)
    assert judged.normalised == waybill
    assert judged.changes[-1].startswith("package number: ")


@pytest.mark.parametrize(
    ("carrier_id", "typed"),
    [
        ("zto", "7847-4409-8930-76"),  # dashes between groups
        ("yunda", "312208599281-1"),  # a form of the carrier as a whole
        ("ane", "300012345678-0001"),  # nothing is known of its forms
        ("other", "KY4000123456789-001"),
    ],
)
def test_a_dash_that_need_not_be_a_piece_is_left_out(carrier_id: str, typed: str) -> None:
    assert judge(carrier_id, typed).normalised == typed.replace("-", "")


# --- forms that carriers really print --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier_id", "number"),
    [
        ("dhl", "00340434000000000017"),
        ("dhl", "JJD000390000000000001"),
        ("dhl", "JD014600000000000012"),
        ("dhl", "JVGL0612345678901234"),
        ("dhl", "3SABCD123456789"),
        ("dhl", "123456789012"),
        ("ups", "801234567890123456"),
        ("ups", "12345678901234567890123456"),
        ("ups", "9274890000000000000012"),
        ("ups", "123456789"),
        ("fedex", "123456789"),
        ("fedex", "00123456789012"),
        ("fedex", "02931234567890123456"),
        ("fedex", "9261290100000000000012"),
        ("dpd", "09980000020033"),
        ("dpd", "1234567890"),
        ("yodel", "0928000000000001"),
        ("jd", "12345678901"),
        ("ems", "9876543210123"),
        ("yto", "YT1234567890123456"),
        ("yto", "123456789012345678"),
        ("gls", "12345678901"),
        ("gls", "ZFG1A2B3"),
        ("evri", "H00HYA0012345678"),
        ("hermes", "H1000730000000000001"),
        ("royal_mail", "RR473124829GB"),
        ("la_poste", "6A12345678901"),
        ("la_poste", "RR473124829FR"),
        ("correios", "RR473124829BR"),
        ("japan_post", "RR473124829JP"),
        ("japan_post", "123456789012"),
        ("sf_international", "SF1234567890123"),
    ],
)
def test_a_form_that_the_carrier_prints_is_possible(carrier_id: str, number: str) -> None:
    assert judge(carrier_id, number).answer == "possible"
    assert carrier_id in [candidate.carrier for candidate in recognise(number).candidates]


@pytest.mark.parametrize("carrier_id", [*INTERNATIONAL, *POSTS])
@given(number=st.from_regex(r"[A-Z]{0,3}[0-9]{7,25}", fullmatch=True))
@settings(max_examples=at_least(25))
def test_nothing_but_a_check_digit_makes_a_form_impossible(carrier_id: str, number: str) -> None:
    """Carriers print more forms than they publish; only the postal union publishes all of its own."""
    judged = judge(carrier_id, number)
    if judged.answer == "impossible" and carrier_id != "s10":
        assert "check digit" in judged.reason


@pytest.mark.parametrize(
    ("carrier_id", "number"),
    [("royal_mail", "RR473124828GB"), ("correios", "RR473124828BR"), ("dhl", "00340434000000000018")],
)
def test_a_published_check_digit_that_fails_is_impossible(carrier_id: str, number: str) -> None:
    assert judge(carrier_id, number).answer == "impossible"


def test_a_public_number_of_each_listed_form_is_never_impossible_under_its_carriers_name(shared_data: Path) -> None:
    for carrier_id, number in _public(shared_data, "valid"):
        for known in CARRIERS.carriers:
            if known.id == carrier_id:
                assert judge(known.id, number).answer != "impossible", number


@given(st.text(max_size=80), st.sampled_from([None, "other", "ups", "s10", "sf", "dpd", "sandbox", "nonsense"]))
def test_any_text_gets_an_answer(number: str, carrier_id: str | None) -> None:
    judged = judge(carrier_id, number)
    assert judged.answer in {"possible", "impossible", "other_carrier_likelier"}
    assert judge(carrier_id, judged.normalised).answer == judged.answer
    assert recognise(number).input == number


@given(
    st.text(string.ascii_uppercase + string.digits, min_size=6, max_size=32).filter(
        lambda t: sum(map(str.isdigit, t)) >= 4
    )
)
def test_without_a_check_digit_nothing_well_formed_is_impossible(number: str) -> None:
    for carrier_id in ("sf", "zto", "yunda", "jt", "ane"):
        assert judge(carrier_id, number).answer != "impossible"


@given(st.integers(0, 10**12))
def test_a_sandbox_number_is_possible_and_with_another_last_digit_impossible(serial: int) -> None:
    number = sandbox_number(serial)
    assert judge("sandbox", number).answer == "possible"
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert judge("sandbox", wrong).answer == "impossible"


@given(st.integers(0, 99_999_999), st.sampled_from(["CN", "US", "GB", "BR", "JP"]))
def test_exactly_one_digit_completes_a_postal_number(serial: int, country: str) -> None:
    answers = [judge("s10", f"RR{serial:08d}{digit}{country}").answer for digit in range(10)]
    assert answers.count("possible") == 1


def test_a_table_of_carriers_is_read_from_text_and_a_wrong_one_refused() -> None:
    table = load_carriers(
        """
        postal_countries = "CN"
        [[carrier]]
        id = "x"
        name = "X"
        name_zh = "某"
        country = "CN"
        numbers = "closed"
        formats = [{ id = "x_8", pattern = 'X[0-9]{8}' }]
        """
    )
    assert table.judge("x", "X12345678").answer == "possible"
    assert table.judge("x", "Y12345678").answer == "impossible"
    with pytest.raises(ValueError, match="line 2: colour: unknown key"):
        load_carriers('postal_countries = ""\ncolour = "red"\ncarrier = []')
    with pytest.raises(ValueError, match=r"line 1: postal_countrys: .*mean postal_countries"):
        load_carriers('postal_countrys = ""\ncarrier = []')
