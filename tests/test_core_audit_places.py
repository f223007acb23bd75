"""Places as carriers write them: matched where certain, unknown otherwise, never a false accusation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.audit.places import agreement, different_cities, least_distance_km, parse_place, same_province, same_region
from core.messages import Address

HAIDIAN = Address(country="CN", province="北京市", city="北京市", district="海淀区")
YIWU = Address(country="CN", province="浙江省", city="金华市", district="义乌市")
XICHANG = Address(country="CN", province="四川省", city="凉山彝族自治州", district="西昌市")
TAIPEI = Address(country="TW", province="台湾省", city="台北市", district="信义区")
TRADITIONAL = Address(country="CN", province="廣東省", city="廣州市", district="越秀區")
SAO_PAULO = Address(country="BR", province="SP", city="São Paulo")
EDISON = Address(country="US", province="NJ", city="Edison")


@pytest.mark.parametrize(
    ("address", "place", "level", "agrees"),
    [
        (HAIDIAN, "北京市", "city", True),
        (HAIDIAN, "北京", "city", True),
        (HAIDIAN, "【北京市】", "city", True),
        (HAIDIAN, "北京海淀公司", "district", True),
        (HAIDIAN, "北京市海淀区中关村营业部", "district", True),
        (HAIDIAN, "北京市朝阳区", "district", False),
        (HAIDIAN, "中国 北京市 市辖区 海淀区", "district", True),
        (HAIDIAN, "Beijing, CN", "city", True),
        (HAIDIAN, "BEIJING - CHINA MAINLAND", "city", True),
        (HAIDIAN, "杭州市", "city", False),
        (HAIDIAN, "河北省廊坊市", "city", False),
        (HAIDIAN, "河北省", "province", False),
        (HAIDIAN, "辽宁省朝阳市", "city", False),
        (HAIDIAN, "朝阳区", None, None),
        (HAIDIAN, "分拨中心", None, None),
        (HAIDIAN, "", None, None),
        (HAIDIAN, "北京市海澱區", "district", True),
        (TAIPEI, "臺灣臺北市信義區", "district", True),
        (TAIPEI, "台北", "city", True),
        (TAIPEI, "臺中市", "city", False),
        (TRADITIONAL, "广州市越秀区", "district", True),
        (TRADITIONAL, "廣東省廣州市", "city", True),
        (TRADITIONAL, "澳門", "city", False),
        (YIWU, "浙江省義烏市", "district", True),
        (YIWU, "杭州轉運中心", "city", False),
        (YIWU, "义乌市", "district", True),
        (YIWU, "浙江省金华市义乌市", "district", True),
        (YIWU, "浙江义乌", "district", True),
        (YIWU, "金华", "city", True),
        (YIWU, "杭州转运中心", "city", False),
        (YIWU, "浙江", "province", True),
        (XICHANG, "四川省凉山彝族自治州西昌市", "district", True),
        (XICHANG, "西昌", "district", True),
        (XICHANG, "成都市", "city", False),
        (SAO_PAULO, "sao paulo", "city", True),
        (SAO_PAULO, "SAO PAULO - SP", "city", True),
        (SAO_PAULO, "São Paulo, SP, BR", "city", True),
        (SAO_PAULO, "sao paolo", "city", True),
        (SAO_PAULO, "rio de janeiro, RJ", "city", False),
        (SAO_PAULO, "campinas/SP", "city", False),
        (SAO_PAULO, "SP", "province", True),
        (SAO_PAULO, "Centro de Distribuição", None, None),
        (SAO_PAULO, "北京市", None, None),
        (EDISON, "EDISON TWP, NJ", "city", True),
        (EDISON, "ORLANDO, FL", "city", False),
        (EDISON, "Edison, FL", "province", False),
    ],
)
def test_a_place_agrees_with_an_address_at_the_finest_level_both_know(
    address: Address, place: str, level: str | None, agrees: bool | None
) -> None:
    answer = agreement(address, place)
    assert (answer.level, answer.agrees) == (level, agrees)


@pytest.mark.parametrize(
    ("address", "place", "same"),
    [
        (YIWU, "杭州市", True),
        (YIWU, "上海市", False),
        (YIWU, "转运中心", None),
        (SAO_PAULO, "campinas, SP", True),
        (SAO_PAULO, "rio de janeiro, RJ", False),
        (SAO_PAULO, "campinas", None),
    ],
)
def test_provinces_are_compared_where_both_are_known(address: Address, place: str, same: bool | None) -> None:
    assert same_province(address, place) is same


@pytest.mark.parametrize(
    ("one", "other", "different"),
    [
        ("杭州市", "浙江省杭州市萧山区", False),
        ("杭州市", "义乌", True),
        ("浙江", "北京", True),
        ("浙江", "杭州", None),
        ("sao paulo", "Sao Paulo, SP", False),
        ("sao paulo", "rio de janeiro", True),
        ("杭州", "Hangzhou", False),
        ("北京", "sao paulo", None),
        ("sorting center", "sao paulo", None),
    ],
)
def test_two_places_are_in_different_cities_only_where_that_is_certain(
    one: str, other: str, different: bool | None
) -> None:
    assert different_cities(one, other) is different
    assert different_cities(other, one) is different


@pytest.mark.parametrize(
    ("city", "province", "place"),
    [
        ("St. Louis", "MO", "SAINT LOUIS, MO"),
        ("Saint Paul", "MN", "ST PAUL, MN, US"),
        ("Fort Worth", "TX", "FT WORTH, TX"),
        ("New York", "NY", "BROOKLYN, NY"),
        ("Long Island City", "NY", "NEW YORK, NY"),
        ("Köln", None, "Koeln"),
        ("Cologne", None, "KÖLN, Germany"),
        ("München", None, "Munich"),
        ("Muenchen", None, "MUNICH"),
        ("Düsseldorf", None, "DUESSELDORF"),
        ("Århus", None, "Aarhus"),
        ("København", None, "COPENHAGEN"),
        ("Łódź", None, "LODZ"),
        ("Ciudad de México", None, "MEXICO CITY"),
        ("Den Haag", None, "The Hague"),
    ],
)
def test_a_city_abroad_has_many_spellings(city: str, province: str | None, place: str) -> None:
    assert agreement(Address(country="XX", province=province, city=city), place).agrees is True


@pytest.mark.parametrize(
    ("city", "place"),
    [("St. Louis", "SAINT PAUL"), ("New York", "NEWARK, NJ"), ("Queens", "Queenstown"), ("Wien", "Wiener Neustadt")],
)
def test_another_city_stays_another(city: str, place: str) -> None:
    assert agreement(Address(country="XX", city=city), place).agrees is False


def test_the_city_jilin_is_told_from_the_province_and_districts_from_cities_of_their_name() -> None:
    assert (parse_place("吉林市").province, parse_place("吉林市").city) == ("吉林", "吉林")
    assert (parse_place("吉林省").province, parse_place("吉林省").city) == ("吉林", None)
    assert parse_place("吉林省长春市").city == "长春"
    assert parse_place("上海杭州路").city == "上海"
    assert parse_place("大连中山区").city == "大连"


def test_a_distance_is_never_longer_than_the_real_one() -> None:
    harbin_guangzhou = least_distance_km("哈尔滨", "广州")
    assert harbin_guangzhou is not None
    assert 2300 < harbin_guangzhou < 2800
    assert least_distance_km("浙江", "杭州") == 0
    assert least_distance_km("somewhere", "杭州") is None
    sao_paulo_manaus = least_distance_km("sao paulo, SP", "manaus, AM", "BR")
    assert sao_paulo_manaus is not None
    assert 500 < sao_paulo_manaus < 2700


def test_remote_regions_are_found_by_their_province() -> None:
    assert same_region(Address(country="CN", province="新疆维吾尔自治区", city="喀什地区"), ("新疆", "西藏"))
    assert not same_region(HAIDIAN, ("新疆", "西藏"))
    assert same_region(Address(country="BR", province="AM", city="Manaus"), ("AM",))


@given(
    st.one_of(st.text(max_size=40), st.text("省市区县州盟北京上海吉林杭浙江中山朝阳路自治", max_size=12)),
    st.text(max_size=10),
    st.text("省市区县州盟北京上海吉林杭浙江中山朝阳路自治", max_size=6),
)
def test_any_text_is_a_place_perhaps(place: str, province: str, city: str) -> None:
    address = Address.model_construct(country="CN", province=province or None, city=city or None, district=city or None)
    answer = agreement(address, place)
    assert (answer.level is None) == (answer.agrees is None)
    assert same_province(address, place) in (True, False, None)
    assert different_cities(place, city) in (True, False, None)


MUNICH = Address(country="DE", province="BY", city="München")


@pytest.mark.parametrize(
    ("address", "place", "level", "agrees"),
    [
        (MUNICH, "Munich, DE", "city", True),
        (MUNICH, "MUNICH - GERMANY", "city", True),
        (MUNICH, "Munich, BY, DE", "city", True),
        (MUNICH, "GERMANY", None, None),
        (MUNICH, "DE", None, None),
        (MUNICH, "Milano, IT", "city", False),
        (MUNICH, "Switzerland", "country", False),
        (Address(country="CA", province="ON", city="Toronto"), "TORONTO, CA", "city", True),
        (Address(country="US", province="NY", city="Ontario"), "ONTARIO, CA", "province", False),
        (Address(country="IT", province="MI", city="Milano"), "Milan, IT", "city", True),
        (Address(country="GB", province="LN", city="London"), "London, UK", "city", True),
        (Address(country="GB", province="LN", city="London"), "London, GB", "city", True),
        (Address(country="MX", city="Ciudad de México"), "Mexico", None, None),
        (Address(country="US", province="PA", city="Lebanon"), "LEBANON, PA", "city", True),
        (Address(country="US", province="PA", city="Lebanon"), "LEBANON", "city", True),
        (Address(country="US", province="GA", city="Atlanta"), "ATLANTA, GA, UNITED STATES", "city", True),
        (EDISON, "UNITED STATES", None, None),
        (SAO_PAULO, "Brazil", None, None),
    ],
)
def test_a_country_is_neither_a_state_nor_a_city(
    address: Address, place: str, level: str | None, agrees: bool | None
) -> None:
    answer = agreement(address, place)
    assert (answer.level, answer.agrees) == (level, agrees)


def test_two_places_of_which_one_is_only_a_country_may_be_one() -> None:
    assert different_cities("Germany", "Munich, Germany") is None


def test_a_country_is_no_other_province() -> None:
    assert same_province(MUNICH, "Nuremberg, DE") is None
    assert same_province(MUNICH, "Berlin, BE, DE") is False


def test_two_letters_say_a_state_of_brazil_only_there() -> None:
    """PA is Pará and Pennsylvania, SC Santa Catarina and South Carolina."""
    assert least_distance_km("Philadelphia, PA", "Columbia, SC") is None
    assert least_distance_km("Philadelphia, PA", "Columbia, SC", "US") is None
    assert least_distance_km("Belem, PA, US", "Florianopolis, SC, US", "BR") is None
    inland = least_distance_km("Belem, PA", "Florianopolis, SC", "BR")
    assert inland is not None
    assert inland > 500
    assert least_distance_km("Belem, PA, Brazil", "Florianopolis, SC, BR") == inland
