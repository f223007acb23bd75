"""The console against those who would act in someone's name: cookies, forms, hosts, and what is not theirs to see."""

from __future__ import annotations

import asyncio
import codecs
import html
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from command_line import ask, refusal, run
from up_stack import settled, started
from waiting import WITHIN

from commands.link import books
from core.reconciliation.lines import Break
from core.reconciliation.texts import HELPS
from storefront.console.lists import csv_of

pytestmark = pytest.mark.usefixtures("up")
TOKEN = re.compile(r'name="form_token" value="([0-9a-f]+)"')


@pytest.fixture
def browser(http_client: httpx2.Client) -> Iterator[httpx2.Client]:
    """What a browser would send, without one."""
    with httpx2.Client(base_url=http_client.base_url, timeout=WITHIN) as client:
        yield client


def token_of(browser: httpx2.Client, path: str = "/console/sign-in?again=1") -> str:
    found = TOKEN.search(browser.get(path).text)
    assert found is not None
    return found[1]


def signed_in(browser: httpx2.Client, who: str) -> httpx2.Client:
    answer = browser.post("/console/sign-in", data={"form_token": token_of(browser), "subject": who, "next": ""})
    assert answer.status_code == 303
    return browser


@pytest.fixture(scope="module")
def order() -> dict[str, Any]:
    """An order of a merchant that is not Mei's."""
    return started(merchant_id="m-elsewhere")


def test_no_page_is_shown_to_a_stranger(browser: httpx2.Client, order: dict[str, Any]) -> None:
    for path in ("/console/", f"/console/orders/{order['order_id']}", "/console/search?q=x"):
        answer = browser.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/console/sign-in?next=%2Fconsole")


def test_a_sign_in_gets_a_new_session_and_its_cookie_is_out_of_reach(browser: httpx2.Client) -> None:
    browser.cookies.set("dakuan-session", "chosen-by-someone-else", domain="127.0.0.1", path="/")
    signed_in(browser, "ann")
    (cookie,) = [one for one in browser.cookies.jar if one.name == "dakuan-session"]
    assert cookie.value != "chosen-by-someone-else"
    answer = browser.post("/console/sign-in", data={"form_token": token_of(browser), "subject": "ann", "next": ""})
    (said,) = [one for one in answer.headers.get_list("set-cookie") if one.startswith("dakuan-session=")]
    assert {part.strip().lower() for part in said.split(";")[1:]} >= {"httponly", "samesite=lax", "path=/"}
    old = httpx2.Client(base_url=browser.base_url, cookies={"dakuan-session": str(cookie.value)}, timeout=WITHIN)
    with old:
        assert old.get("/console/").status_code == 303


def test_a_form_from_elsewhere_does_nothing(browser: httpx2.Client, order: dict[str, Any]) -> None:
    signed_in(browser, "ann")
    body = {"name": "x", "scope": "credit", "reason": "y", "command_id": "c1"}
    where = f"/console/orders/{order['order_id']}/do/place_hold/send"
    with httpx2.Client(base_url=browser.base_url, timeout=WITHIN) as another:
        tokens = ("", "0" * 64, token_of(another))
    for token in tokens:
        answer = browser.post(where, data=body | {"form_token": token})
        assert (answer.status_code, "no longer valid" in answer.text) == (403, True)
    assert browser.post("/console/sign-out", data={}).status_code == 403
    assert browser.get("/console/").status_code == 200


def test_only_our_host_is_answered(browser: httpx2.Client) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""):
        assert browser.get("/console/sign-in", headers={"Host": host}).status_code in {400, 421}


def test_every_answer_keeps_other_sites_out(browser: httpx2.Client) -> None:
    signed_in(browser, "ann")
    for path in ("/console/", "/console/static/console.css", "/console/nothing", "/console/orders/none"):
        headers = browser.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_no_one_is_led_to_another_site(browser: httpx2.Client) -> None:
    for following in ("https://evil.example/", "//evil.example", "/\\evil.example", "/v1/orders", "/console\\@evil"):
        form = {"form_token": token_of(browser), "subject": "ann", "next": following}
        assert browser.post("/console/sign-in", data=form).headers["location"] == "/console"


def test_a_stranger_to_the_register_does_not_sign_in(browser: httpx2.Client) -> None:
    form = {"form_token": token_of(browser), "subject": "mallory", "next": ""}
    assert browser.post("/console/sign-in", data=form).status_code == 401
    assert browser.post("/console/sign-in", data=form | {"subject": "ann\0"}).status_code == 400


def test_what_is_not_there_and_what_is_anothers_look_the_same(browser: httpx2.Client, order: dict[str, Any]) -> None:
    signed_in(browser, "mei")
    for path in (
        f"/console/orders/{order['order_id']}",
        "/console/orders/none",
        "/console/orders/none/do/cancel_order",
    ):
        answer = browser.get(path)
        assert (answer.status_code, "not yours to see" in answer.text) == (404, True)
    assert order["order_id"] not in browser.get("/console/").text
    assert order["order_id"] not in browser.get(f"/console/search?q={order['buyer_id']}").text


def test_a_sign_out_ends_the_session_everywhere(browser: httpx2.Client) -> None:
    signed_in(browser, "ann")
    cookies = dict(browser.cookies)
    assert browser.post("/console/sign-out", data={"form_token": token_of(browser, "/console/")}).status_code == 303
    with httpx2.Client(base_url=browser.base_url, cookies=cookies, timeout=WITHIN) as again:
        assert again.get("/console/").status_code == 303


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"URL": "https://pay.example", "ISSUER": "https://id.example", "CLIENT_ID": "x", "CLIENT_SECRET": "y"}
    for name, value in given.items():
        monkeypatch.setenv(f"DAKUAN_{'CONSOLE' if name == 'URL' else 'OIDC'}_{name}", value)


ADD_KIM = ("people", "add", "kim", "--name", "Kim", "--role", "operator", "--subject", "kim@id", "--by", "ann")


def test_people_are_added_where_a_provider_is_set() -> None:
    assert refusal(*ADD_KIM) == "misconfigured"


@pytest.mark.usefixtures("provider")
def test_people_are_added_at_the_provider_that_is_set_and_end_at_once() -> None:
    add = ADD_KIM
    assert ask(*add)["role"] == "operator"
    assert ask(*add)["person_id"] == "kim"
    assert refusal(*add[:5], *add[5:-3], "other@id", "--by", "ann") == "malformed"
    assert refusal("people", "add", "lee", *add[3:], "--merchant", "m-1") == "bad_input"
    (kim,) = [one for one in ask("people", "list")["people"] if one["person_id"] == "kim"]
    (signs_in,) = kim["subjects"]
    assert (signs_in["issuer"], signs_in["subject"], kim["added_by"]) == ("https://id.example", "kim@id", "ann")
    assert ask("people", "end", "kim", "--by", "bob")["ended"] is True
    assert ask("people", "end", "kim", "--by", "eve")["ended"] is False
    (kim,) = [one for one in ask("people", "list")["people"] if one["person_id"] == "kim"]
    assert kim["ended_by"] == "bob"
    assert "--again lets them come back" in run(*add).stderr
    assert "请用 --again" in run("--lang", "zh", *add).stderr
    assert refusal("people", "end", "nobody", "--by", "bob") == "malformed"


@pytest.mark.usefixtures("provider")
def test_who_comes_back_has_the_same_id_and_subject_and_another_period() -> None:
    def add(person: str, subject: str, role: str = "reviewer", by: str = "ann") -> tuple[str, ...]:
        return ("people", "add", person, "--name", "Pat", "--role", role, "--subject", subject, "--by", by)

    assert ask(*add("pat", "pat@id"))["role"] == "reviewer"
    said = run(*add("pat", "pat@id", "operator"), "--again").stderr
    assert "pat is here as reviewer; `people end` comes first" in " ".join(said.split())
    assert ask("people", "end", "pat", "--by", "bob")["ended"] is True
    for person, subject in (("pat2", "pat@id"), ("pat", "new@id"), ("nobody", "nobody@id")):
        assert refusal(*add(person, subject), "--again") == "malformed", "one person has one entry"
    assert refusal(*add("pat2", "pat@id")) == "malformed"
    said = run(*add("pat", "pat@id", "merchant"), "--merchant", "m-7", "--again").stderr
    assert "no one changes between a merchant and the platform" in " ".join(said.split())
    for _ in range(2):
        assert ask(*add("pat", "pat@id", "operator", "eve"), "--again")["role"] == "operator"
    first, second = [one for one in ask("people", "list")["people"] if one["person_id"] == "pat"]
    assert [first[name] for name in ("role", "added_by", "ended_by")] == ["reviewer", "ann", "bob"]
    assert [second[name] for name in ("role", "added_by", "ended_by")] == ["operator", "eve", None]
    assert first["ended_at"] <= second["added_at"]


@pytest.mark.usefixtures("provider")
def test_who_has_a_new_subject_is_given_it_and_let_in_under_the_old_id() -> None:
    add = ("people", "add", "sue", "--name", "Sue", "--role", "operator", "--by", "ann", "--subject")
    link = ("people", "link", "sue", "--by", "ann", "--subject")
    ask(*add, "sue@id")
    ask("people", "end", "sue", "--by", "bob")
    assert "`people link` gives them another" in " ".join(run(*add, "sue@new", "--again").stderr.split())
    assert "请先用 `people link`" in run("--lang", "zh", *add, "sue@new", "--again").stderr
    assert [ask(*link, "sue@new")["outcome"] for _ in range(2)] == ["linked", "same"]
    assert ask(*add, "sue@new", "--again")["person_id"] == "sue"
    assert ask(*link, "sue@two", "--beside")["subjects"] == ["sue@new", "sue@two"]
    assert "sue@new, sue@two" in run("people", "list").stdout
    ask(*("people", "add", "tom", "--name", "Tom", "--role", "operator", "--by", "ann", "--subject", "tom@id"))
    assert "is or was another person's" in " ".join(run(*link, "tom@id").stderr.split())
    assert "不再给他人" in run("--lang", "zh", *link, "tom@id").stderr
    assert refusal("people", "link", "nobody", "--by", "ann", "--subject", "x") == "malformed"
    spelled = run("people", "add", "SUE", *add[3:], "sue@three").stderr
    assert "say the id as it is" in " ".join(spelled.split())


def test_staff_of_a_merchant_withdraw_once_however_often_they_send(browser: httpx2.Client) -> None:
    settled(merchant_id="m-7")
    by = ("--by", "operator:ann", "--reason", "papers seen")
    ask("accounts", "merchant", "m-7", "--name", "王芳", *by)
    bind = ("accounts", "bind", "m-7", "acc-m-7", "--holder", "王芳", "--cooling", "0s")
    ask(*bind, *by, stdin="6222 0212 3456 7894")
    signed_in(browser, "mei")
    where = "/console/merchants/m-7/withdraw"
    form = {"form_token": token_of(browser, where), "account_id": "acc-m-7|CNY", "amount_minor": "1.2345"}
    wrong = browser.post(where, data=form)
    assert (wrong.status_code, "CNY has 2 decimals" in wrong.text) == (422, True)
    much = browser.post(where, data=form | {"amount_minor": "40000"})
    assert (much.status_code, "The available balance is too small." in much.text) == (200, True)
    shown = browser.post(where, data=form | {"amount_minor": "100"})
    assert (shown.status_code, "100.00 CNY" in shown.text) == (200, True)
    kept = dict(re.findall(r'name="(account_id|amount_minor|withdrawal_id)" value="([^"]*)"', shown.text))
    sent = [browser.post(f"{where}/send", data=form | kept) for _ in range(2)]
    assert {answer.headers["location"] for answer in sent} == {
        f"/console/withdrawals/{kept['withdrawal_id']}?done=withdraw"
    }
    rows = ask("withdrawals", "--merchant", "m-7")["withdrawals"]
    assert [row["amount_minor"] for row in rows if row["withdrawal_id"] == kept["withdrawal_id"]] == [10_000]
    assert browser.get(f"/console/withdrawals/{kept['withdrawal_id']}").status_code == 200
    assert browser.get("/console/merchants/m-8/withdraw").status_code == 404
    assert browser.get("/console/reviews").status_code == 404
    heading = browser.get("/console/withdrawals?merchant=m-8").text.partition("<h1>")[2].partition("</h1>")[0]
    assert "m-8" not in heading, "what stands below is of their own merchant"
    statement = browser.get("/console/merchants/m-7/statement?format=csv")
    assert (statement.headers["content-type"], statement.text.count("\r\n") > 3) == ("text/csv; charset=utf-8", True)


@pytest.mark.parametrize("page", ["reviews", "withdrawals?state=all", "cases", "money", "quality", "carriers"])
def test_each_list_comes_as_a_file(browser: httpx2.Client, page: str) -> None:
    signed_in(browser, "ann")
    answer = browser.get(f"/console/{page}{'&' if '?' in page else '?'}format=csv")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert "," in answer.text.splitlines()[0]


def test_a_text_is_no_formula_in_a_file() -> None:
    answer = csv_of("x", ("a",), [("=HYPERLINK(1)",), ("-12.50",), ("+86",), ("plain",), ("@x",)])
    assert bytes(answer.body).startswith(codecs.BOM_UTF8)
    assert bytes(answer.body).decode().split("\r\n")[1:-1] == ["'=HYPERLINK(1)", "-12.50", "'+86", "plain", "'@x"]


@pytest.mark.parametrize(
    "path",
    [
        "/console/reviews?cursor=x",
        "/console/withdrawals?cursor=%00",
        "/console/orders/a%2Fb",
        "/console/orders/" + "x" * 200,
        "/console/search?q=" + "x" * 5000,
        "/console/search?q=%00",
        "/console/stream?subject=order/../x",
        "/console/merchants/%F0%9F%92%A9",
        "/console/reviews/none/p1",
    ],
)
def test_an_address_that_means_nothing_gets_a_page_and_no_defect(browser: httpx2.Client, path: str) -> None:
    signed_in(browser, "ann")
    answer = browser.get(path)
    assert answer.status_code in {200, 404, 422}, answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("reviews?kind=audits", "audit, screening, arbitration"),
        ("withdrawals?state=payed", "open, requested"),
        ("withdrawals?state=all&merchant=m+7", "A-Z"),
        ("cases?stage=aplied", "applied, proposed"),
        ("money/breaks?scope=bank", "channel"),
        ("reviews?format=xls", "csv"),
        ("merchants/m-7/statement?month=2026-13", "2026-12"),
        ("merchants/m-7/statement?format=xls", "csv"),
        # its name
        ("cases?stages=applied", "known are stage, cursor, format"),
        ("withdrawals?status=all", "state, merchant"),
        ("merchants/m-7/statement?moth=2026-12", "month, format"),
        ("merchants/m-7?curser=x", "cursor"),
        ("codes?code=late_scan", "there are none"),
        ("money?since=2026-12-01", "format"),
        ("cases?stage=applied&stage=proposed", "more than once"),
    ],
)
def test_a_filter_with_a_mistake_shows_no_list(browser: httpx2.Client, path: str, known: str) -> None:
    """Without the filter the page would show everything, as if all of it were meant."""
    signed_in(browser, "ann")
    answer = browser.get(f"/console/{path}")
    name = path.partition("?")[2].rpartition("=")[0].rpartition("&")[2]
    assert answer.status_code == 422
    assert f"{name}: " in answer.text
    assert known in answer.text


def test_the_tabs_of_one_merchants_withdrawals_lead_to_that_merchants(browser: httpx2.Client) -> None:
    signed_in(browser, "ann")
    page = browser.get("/console/withdrawals?state=cancelled&merchant=m-7").text
    tabs = re.findall(r'href="/console/withdrawals\?(state=[^"]*)"( aria-current="true")?', page)
    assert {address.partition("&amp;")[2] for address, _ in tabs} == {"merchant=m-7"}
    assert [address for address, current in tabs if current] == ["state=cancelled&amp;merchant=m-7"]
    assert 'href="/console/merchants/m-7">m-7</a></span></h1>' in page


def recorded(breaks: Sequence[Break]) -> None:
    """The breaks of a channel that no order names; none: they are resolved."""

    async def recording() -> None:
        async with books() as register:
            await register.breaks.record("channel", "elsewhere", breaks, ours=0, theirs=0, now=datetime.now(UTC))

    asyncio.run(recording())


def test_the_page_of_money_shows_what_each_side_says_of_a_break(browser: httpx2.Client) -> None:
    signed_in(browser, "ann")
    both = {"scope": "channel", "name": "elsewhere", "since": datetime.now(UTC)}
    ours = {"ours_minor": 1234, "ours_currency": "CNY"}
    theirs = {"theirs_minor": 5678, "theirs_currency": "JPY"}
    recorded(
        [
            Break(**both, reason="missing", kind="refund", key="k-ours", **ours),
            Break(**both, reason="extra", kind="chargeback_fee", key="k-theirs", **theirs),
            Break(**both, reason="currency", kind="payment", key="k-both", **ours, **theirs),
        ]
    )
    try:
        shown = browser.get("/console/money")
    finally:
        recorded([])
    assert shown.status_code == 200
    rows = {
        key: re.findall(r"<td[^>]*>(.*?)</td>", row)
        for row in shown.text.split("<tr>")
        for key in ("k-ours", "k-theirs", "k-both")
        if key in row
    }
    assert "Refund</strong>: only ours has it" in rows["k-ours"][0]
    assert {key: cells[3:5] for key, cells in rows.items()} == {
        "k-ours": ["12.34 CNY", "—"],
        "k-theirs": ["—", "5,678 JPY"],
        "k-both": ["12.34 CNY", "5,678 JPY"],
    }
    assert "k-ours" not in browser.get("/console/money").text


def test_more_breaks_than_a_page_shows_are_turned_over(browser: httpx2.Client) -> None:
    signed_in(browser, "ann")
    common = {"scope": "channel", "name": "elsewhere", "since": datetime.now(UTC), "reason": "extra", "kind": "payment"}
    recorded([Break(**common, key=f"k {number:03}/ü", helps=HELPS["extra"].en) for number in range(60)])
    try:
        assert "All breaks" in browser.get("/console/money").text
        browser.cookies.set("dakuan-language", "zh", domain="127.0.0.1", path="/")
        pages, address = [], "/console/money/breaks?scope=channel"
        while address:
            pages.append(browser.get(address).text)
            found = re.search(r'href="([^"]*cursor[^"]*)" rel="next"', pages[-1])
            address = html.unescape(found[1]) if found else ""
    finally:
        recorded([])
    keys = [key for page in pages for key in re.findall(r"k \d{3}/ü", page)]
    assert (len(pages), len(keys), len(set(keys))) == (2, 60, 60)
    assert HELPS["extra"].zh in pages[0]
    assert HELPS["extra"].en not in pages[0]
