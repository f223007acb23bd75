"""Screening: one form for all spellings, what excuses a word, licences, appeals, and what is wrong with a file."""

from __future__ import annotations

import pytest
from order_samples import an_order

from core.errors import Misconfigured
from core.screening.checking import check_rules
from core.screening.judging import examine_goods
from core.screening.matching import BETWEEN_WORDS, Screener
from core.screening.rules import NO_RULES, parse_rules
from core.screening.simplified import simplified_characters

RULES = """
version = "7"
soften = ["海报", "novel"]

[lookalikes]
"鎗" = "枪"
"木仓" = "枪"
"о" = "o"

[[rules]]
id = "guns"
name = "Guns"
verdict = "refuse"
appeal = true
categories = ["weapons"]
keywords = ["枪支", "手枪", "pistol", "gun", "bb枪"]
allow = ["玩具手枪", "手枪钻"]

[[rules]]
id = "ivory"
name = "Ivory"
verdict = "refuse"
keywords = ["象牙", "ivory"]
allow = ["大象牙膏"]

[[rules]]
id = "spirit"
name = "Spirit"
verdict = "licence"
licence = "chemicals"
keywords = ["酒精"]
allow = ["酒精湿巾"]
"""


@pytest.fixture(scope="module")
def screener() -> Screener:
    return Screener(parse_rules(RULES), simplified_characters())


def outcomes(screener: Screener, title: str, *licences: str, category: str = "") -> dict[str, str]:
    return {hit.rule.id: hit.outcome(licences) for hit in screener.examine(title, category)}


WRITTEN = (
    *("枪支", "槍支", "鎗支", "木仓支", "枪 支", "枪-支", "枪\u200b支", "【枪】【支】", "枪\u3000支", "出售枪支配件"),
    *(
        "PISTOL",
        "ｐｉｓｔｏｌ",
        "pístol",
        "pistоl",
        "p i s t o l",
        "p.i.s.t.o.l",
        "pis-tol",
        "pist0l",
        "pisto1",
        "pistols",
    ),
    *("𝐩𝐢𝐬𝐭𝐨𝐥", "旧pistol新", "BB枪", "a gun"),
)
INNOCENT = (
    *("手工酥饼 500g", "burgundy gown", "begun", "Gundam", "手枪钻", "玩具手枪", "玩具 手 枪", "玩具手鎗", "大象牙膏"),
    *("大象 牙膏", "酒精湿巾", "9mm", ""),
)


@pytest.mark.parametrize("title", WRITTEN)
def test_a_word_is_found_however_it_is_written(screener: Screener, title: str) -> None:
    assert outcomes(screener, title) == {"guns": "refuse"}


@pytest.mark.parametrize("title", INNOCENT)
def test_what_only_looks_like_a_word_is_allowed(screener: Screener, title: str) -> None:
    assert set(outcomes(screener, title).values()) <= {"allow"}


def test_an_allowed_phrase_excuses_only_the_word_inside_it(screener: Screener) -> None:
    assert outcomes(screener, "玩具手枪 和 真手枪") == {"guns": "refuse"}
    assert outcomes(screener, "玩具手枪支") == {"guns": "refuse"}


def test_a_word_that_runs_from_one_word_into_the_next_is_looked_at(screener: Screener) -> None:
    hit = screener.examine("大象 牙雕")[0]
    assert (hit.doubt, hit.outcome(())) == (BETWEEN_WORDS, "hold")
    assert outcomes(screener, "精品象 牙") == {"ivory": "refuse"}


def test_a_softening_word_makes_a_refusal_a_hold_but_only_as_a_word_of_its_own(screener: Screener) -> None:
    assert outcomes(screener, "手枪海报") == {"guns": "hold"}
    assert outcomes(screener, "pistol novel") == {"guns": "hold"}
    assert outcomes(screener, "novelty pistol") == {"guns": "refuse"}
    assert outcomes(screener, "海报", category="weapons.parts") == {"guns": "refuse"}


SURROUNDED = """
version = "8"
ordinary = ["抽象", "牙科", "麻雀"]
products = ["抱枕", "贴纸", "pendant", "sock"]
shapes = ["造型", "形", "shaped"]
telling = ["开刃", "included"]

[[rules]]
id = "daggers"
name = "Daggers"
verdict = "refuse"
motif = true
keywords = ["匕首", "dagger", "大麻", "hand grenade"]

[[rules]]
id = "guns"
name = "Guns"
verdict = "refuse"
motif = true
hides = true
keywords = ["手枪", "pistol"]

[[rules]]
id = "ivory"
name = "Ivory"
verdict = "refuse"
keywords = ["象牙", "ivory"]
"""


@pytest.mark.parametrize(
    ("title", "excuse"),
    [
        ("抽象牙签画", "抽象"),
        ("象牙科海报", "牙科"),
        ("大麻雀 毛绒", "麻雀"),
        ("匕首图案 抱枕", "抱枕"),
        ("匕首 抱枕 套装", "抱枕"),
        ("silver dagger pendant", "pendant"),
        ("dagger print socks", "sock"),
        ("匕首造型 摆件", "造型"),
        ("手枪形 摆件", "形"),
        ("手枪 造型 抱枕", "造型"),
        ("手枪男孩 抱枕", "抱枕"),
        ("hand grenade shaped mug", "shaped"),
        ("hand grenade pendants", "pendant"),
        ("pistol enamel pendant", "pendant"),
        ("pistol shapeless", None),
        ("匕首造型 开刃", None),
        ("手枪造型 5发", None),
        ("摆件造型 匕首", None),
        ("ha nd grenade pendant", None),
        ("匕首 開刃 抱枕", None),
        ("匕首 贴纸赠送", None),
        ("dagger pendant included", None),
        ("dagger 5g pendant", None),
        ("大麻 10克 抱枕", None),
        ("抱枕 匕首", None),
        ("pendant dagger", None),
        ("匕 首 抱枕", None),
        ("象牙 抱枕", None),
        ("ivory pendant", None),
        ("大 麻 雀", None),
        ("抽 象牙雕", None),
    ],
)
def test_ordinary_words_and_products_excuse_a_word_unless_the_title_says_that_the_goods_are_meant(
    title: str, excuse: str | None
) -> None:
    screener = Screener(parse_rules(SURROUNDED), simplified_characters())
    (hit,) = screener.examine(title)
    assert hit.excused_by == excuse
    assert hit.outcome(()) == ("allow" if excuse else "refuse")


@pytest.mark.parametrize(
    ("title", "product"),
    [("手枪 抱枕", "抱枕"), ("手枪 抱枕 送贴纸", "抱枕"), ("pistol pendant", "pendant"), ("复古 手枪 贴纸", "贴纸")],
)
def test_where_only_a_product_follows_what_it_may_hide_a_person_looks(title: str, product: str) -> None:
    screener = Screener(parse_rules(SURROUNDED), simplified_characters())
    (hit,) = screener.examine(title)
    assert (hit.doubt, hit.outcome(())) == (f"it may be hidden in {product}", "hold")


def test_words_around_a_rules_are_checked() -> None:
    text = SURROUNDED.replace('"牙科"', '"抽象", "-"').replace('"included"', '"開刃"')
    found = [(problem.key, problem.message) for problem in check_rules(text, simplified_characters())]
    assert found == [
        ("ordinary.1", "'抽象' stands there already as '抽象'"),
        ("ordinary.2", "'-' has no letter and no digit"),
        ("telling.1", "'開刃' stands there already as '开刃'"),
    ]


def test_a_category_is_meant_with_everything_below_it(screener: Screener) -> None:
    assert outcomes(screener, "酥饼", category="weapons.air") == {"guns": "refuse"}
    assert outcomes(screener, "酥饼", category="weaponsmith") == {}


def test_a_licence_lets_goods_go_and_its_absence_is_named(screener: Screener) -> None:
    order = an_order()
    order = order.model_copy(update={"lines": (order.lines[0].model_copy(update={"title": "75%酒精"}),)})
    examined = examine_goods(order, screener)
    assert examined.asks_for_licences
    assert examined.judge(["chemicals"]).verdict == "allow"
    held = examined.judge(["liquor"])
    assert (held.verdict, held.reasons) == ("hold", ("spirit (line 1: 酒精; no licence chemicals)",))
    assert not examine_goods(an_order(), screener).asks_for_licences


def test_an_order_keeps_the_edition_and_may_appeal_what_a_word_refused(screener: Screener) -> None:
    order = an_order()
    gun = order.lines[0].model_copy(update={"title": "手枪"})
    said = examine_goods(order.model_copy(update={"lines": (gun,)}), screener).judge()
    assert (said.verdict, said.reasons, said.appealable) == ("refuse", ("guns (line 1: 手枪)",), True)
    assert said.edition == screener.rules.edition
    assert said.edition.startswith("7+")
    declared = order.lines[0].model_copy(update={"category": "weapons"})
    assert not examine_goods(order.model_copy(update={"lines": (gun, declared)}), screener).judge().appealable
    assert examine_goods(order, Screener(NO_RULES, {})).judge().verdict == "allow"


# --- what is wrong with a file --------------------------------------------------------------------------------

HEAD = 'version = "1"\n'
RULE = '[[rules]]\nid = "a"\nname = "A"\nverdict = "hold"\n'


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        ("version = \n", 1, "", "not TOML"),
        (HEAD + "[[rules]\n", 2, "", "not TOML"),
        (RULE, 1, "version", "must be given"),
        (HEAD + "colour = 1\n", 2, "colour", "unknown key; known: "),
        (HEAD + RULE + 'keyword = ["x"]\n', 6, "rules.0.keyword", "did you mean keywords?"),
        (HEAD + "[lookalikes]\n\n[[rule]]\n", 4, "rule", "did you mean rules?"),
        (HEAD + RULE.replace("hold", "maybe"), 5, "rules.0.verdict", "'refuse', 'hold', 'licence'"),
        (HEAD + RULE + 'keywords = [\n  "x1",\n  7,\n]\n', 8, "rules.0.keywords.1", "must be a text"),
        (HEAD + RULE + "appeal = true\nkeywords = ['x1']\n", 2, "rules.0", "appeal"),
        (HEAD + RULE + 'licence = "x"\nkeywords = ["x1"]\n', 2, "rules.0", "licence"),
        (HEAD + RULE.replace("hold", "licence") + 'keywords = ["x1"]\n', 2, "rules.0", "licence"),
        (HEAD + RULE + 'without = "hold"\nkeywords = ["x1"]\n', 2, "rules.0", "without"),
        (HEAD + RULE, 2, "rules.0", "never matches: it has neither"),
        (HEAD + RULE + 'keywords = ["***"]\n', 2, "rules.0", "never matches: none of its words"),
        (HEAD + RULE + 'keywords = ["x1", "--"]\n', 6, "rules.0.keywords.1", "no letter"),
        (HEAD + RULE + 'keywords = ["手枪"]\nallow = ["手枪"]\n', 6, "rules.0.keywords.0", "'手枪' excuses it"),
        (HEAD + RULE + 'keywords = ["象牙", "象牙筷"]\n', 6, "rules.0.keywords.1", "adds nothing: '象牙'"),
        (HEAD + RULE + 'keywords = ["象牙"]\nallow = ["酥饼"]\n', 7, "rules.0.allow.0", "excuses nothing"),
        (HEAD + RULE + 'categories = ["w", "w.x"]\n', 6, "rules.0.categories.1", "lies below 'w'"),
        (HEAD + RULE + 'keywords = ["枪支", "槍支"]\n', 6, "rules.0.keywords.1", "in rule 'a' already as '枪支'"),
        (HEAD + RULE + 'keywords = ["x1", "x1"]\n', 6, "rules.0.keywords.1", "in rule 'a' already"),
        (HEAD + 2 * (RULE + 'keywords = ["x1"]\n'), 8, "rules.1.id", "is rule 0 already"),
        (HEAD + '[lookalikes]\n"枪" = "枪"\n', 3, "lookalikes.枪", "changes nothing"),
        (HEAD + '[lookalikes]\n"鎗" = "槍"\n"槍" = "枪"\n', 3, "lookalikes.鎗", "is a look-alike itself"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_key(text: str, line: int, key: str, said: str) -> None:
    problems = check_rules(text, simplified_characters())
    assert any((one.line, one.key) == (line, key) and said in one.message for one in problems), problems


def test_rules_that_are_right_have_no_problem() -> None:
    assert check_rules(RULES, simplified_characters()) == []


def test_a_worker_refuses_a_file_that_is_not_well_formed_and_says_where() -> None:
    with pytest.raises(Misconfigured, match=r"line 2: colour"):
        parse_rules(HEAD + "colour = 1\n")


def test_two_texts_of_one_version_are_two_editions() -> None:
    assert parse_rules(HEAD).edition != parse_rules(HEAD + "# later\n").edition
