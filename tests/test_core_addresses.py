"""Addresses are taken apart as they are written; a part that may be a password is never shown."""

from __future__ import annotations

import pytest

from core.addresses import (
    hide_passwords,
    is_plain_remote,
    parse_database_address,
    shown_url,
    split_login,
)
from core.errors import Misconfigured

SECRET = "unmistakable"

TAKEN = [
    ("postgresql://u:p@127.0.0.1:5432/d", "127.0.0.1:5432/d"),
    ("postgres://u@db/d", "db:5432/d"),
    ("postgresql://u:p@127.0.0.1:5432,127.0.0.1:5433/d", "127.0.0.1:5432,127.0.0.1:5433/d"),
    ("postgresql://u:p@a,b:5433/d", "a:5432,b:5433/d"),
    ("postgresql://u:p@[::1]:5433/d", "[::1]:5433/d"),
    ("postgresql:///d?host=/run/postgresql", "/run/postgresql:5432/d"),
    ("postgresql://%2Frun%2Fpostgresql/d", "/run/postgresql:5432/d"),
    ("postgresql:///d?host=a,b&port=5433", "a:5433,b:5433/d"),
    (f"postgresql://127.0.0.1:5432/d?user=u&password={SECRET}", "127.0.0.1:5432/d"),
    ("postgresql://h/d?user=u@azure", "h:5432/d"),
    ("postgresql://u:p@127.0.0.1:5432/d?sslmode=require&channel_binding=require", "127.0.0.1:5432/d"),
    ("postgresql://u:p@127.0.0.1:5432/d?connect_timeout=10", "127.0.0.1:5432/d"),
    ("postgresql://u:p@127.0.0.1:5432/d?pgbouncer=true", "127.0.0.1:5432/d"),
    ("postgresql://u:p@h/d?target_session_attrs=any&application_name=x&keepalives=1", "h:5432/d"),
    (f"postgresql://u:{SECRET}%40%2F%23%3F@h/d", "h:5432/d"),
    ("postgresql://u:p@h/d?port=6432", "h:6432/d"),
    ("postgresql://u:p@h:5432/d?port=6432", "h:6432/d"),
    ("postgresql://u:p@a:1,b:2/d?port=6432", "a:6432,b:6432/d"),
    ("postgresql://u:p@h:5433/d?host=other", "other:5433/d"),
    ("postgresql://u:p@h/d?host=a,b&port=1,2", "a:1,b:2/d"),
    ("postgresql://u:p@h/d?dbname=other", "h:5432/other"),
    ("postgresql://u:p@h/d?port=&host=", "h:5432/d"),
]


@pytest.mark.parametrize(("text", "shown"), TAKEN)
def test_an_address_is_taken_and_shown_without_its_password(text: str, shown: str) -> None:
    address = parse_database_address(text)
    assert address.shown == shown
    assert address.user is not None or "u@" not in text
    assert SECRET not in repr(address) + str(address)


def test_its_parts_are_what_was_written() -> None:
    address = parse_database_address("postgresql://u%40x:p%2Fw%23@a:1,b/d%20d?sslmode=require&connect_timeout=3")
    assert (address.user, address.password, address.database) == ("u@x", "p/w#", "d d")
    assert (address.hosts, address.ports) == (("a", "b"), (1, 5432))
    assert (address.driver, address.connect_within) == ({"sslmode": "require"}, 3.0)
    assert parse_database_address("postgresql://h/d?user=u&password=a+b%2Fc").password == "a b/c"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        *[("", False), ("?sslmode=prefer", False), ("?sslmode=allow", False), ("?sslmode=disable", False)],
        *[("?sslmode=require", True), ("?sslmode=verify-ca", True), ("?sslmode=verify-full", True)],
    ],
)
def test_an_address_says_whether_it_takes_a_session_without_tls(query: str, wanted: bool) -> None:
    assert parse_database_address(f"postgresql://u:p@a/d{query}").wants_tls is wanted


def test_a_parameter_replaces_what_stands_before_it_as_in_postgresqls_own_tools() -> None:
    address = parse_database_address("postgresql://u:p@h/d?user=other&password=word")
    assert (address.user, address.password) == ("other", "word")


def test_what_the_driver_cannot_give_is_named_where_the_address_requires_it() -> None:
    address = parse_database_address("postgresql://u:p@h/d?channel_binding=require&gssencmode=require")
    assert address.unkept == ("channel_binding=require", "gssencmode=require")


@pytest.mark.parametrize("name", ["hostaddr", "require_auth", "sslcertmode", "requirepeer", "sslcrldir", "replication"])
def test_a_parameter_of_libpq_that_would_be_ignored_is_refused_by_name(name: str) -> None:
    with pytest.raises(Misconfigured, match=f"does not know: {name}="):
        parse_database_address(f"postgresql://u:p@h/d?{name}=x")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("port=6432", "port= needs a host"),
        ("host=a,b,c&port=1,2", "one port for all hosts"),
        ("host=h&port=1x", "a port is"),
    ],
)
def test_ports_that_fit_no_host_are_refused(query: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        parse_database_address(f"postgresql:///d?{query}")


@pytest.mark.parametrize(
    ("text", "pooled"),
    [
        ("postgresql://u:p@h/d?pgbouncer=true", True),
        ("postgresql://u:p@h/d?statement_cache_size=0", True),
        ("postgresql://u:p@h/d?prepared_statements=false", True),
        (
            "postgresql://u:p@ep-cool-1-pooler.eu-central-1.aws.neon.tech/d?sslmode=require&channel_binding=require",
            True,
        ),
        ("postgresql://u:p@ep-cool-1.eu-central-1.aws.neon.tech/d?sslmode=require", False),
        ("postgresql://postgres.ref:p@aws-0-eu.pooler.supabase.com:6543/postgres", True),
        ("postgresql://postgres.ref:p@aws-0-eu.pooler.supabase.com:5432/postgres", False),
        ("postgresql://u:p@h/d?pgbouncer=false", False),
    ],
)
def test_an_address_may_say_that_a_pooler_stands_there(text: str, pooled: bool) -> None:
    assert parse_database_address(text).pooled is pooled


REFUSED = [
    (f"postgresql://u:sec@{SECRET}:x12@127.0.0.1:5432/d", "@ as %40"),
    (f"postgresql://u:p@{SECRET}/w#rd@127.0.0.1:5432/d", "/ as %2F"),
    (f"postgresql://u:{SECRET}/w@127.0.0.1:5432/d", "/ as %2F"),
    (f"postgresql://u:{SECRET}#w@127.0.0.1:5432/d", "# as %23"),
    (f"postgresql://u:{SECRET}?w@127.0.0.1:5432/d", "? as %3F"),
    (f"postgresql://u:1?{SECRET}=x@h/d", "? as %3F"),
    (f"postgresql://u:[{SECRET}@h/d", "DATABASE_URL"),
    (f"postgresql://u:{SECRET}@h:99999/d", "65535"),
    (f"postgresql://u:{SECRET}@h:port/d", "DATABASE_URL"),
    (f"mysql://u:{SECRET}@h/d", "DATABASE_URL is not an address such as postgresql://"),
    (f"postgresql+asyncpg://u:{SECRET}@h/d", "postgresql://"),
    (f"host=h password={SECRET}", "postgresql://"),
    (f"postgresql://u:{SECRET}@h/d?sslmod=require", "sslmod="),
    (f"postgresql://u:{SECRET}@h/d?connect_timeout=soon", "connect_timeout"),
    (f"postgresql://u:{SECRET}@h/d?target_session_attrs=master", "read-write"),
    (f"postgresql://u:{SECRET}@h/d?sslmode", "name=value"),
    ("postgresql://", "DATABASE_URL"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_what_cannot_be_read_is_named_with_its_cure_and_not_repeated(text: str, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        parse_database_address(text)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_setting_that_holds_it_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"^DATABASE_OWNER_URL"):
        parse_database_address("x", "DATABASE_OWNER_URL")


def test_a_login_is_taken_out_of_a_providers_address() -> None:
    assert split_login("https://u:p%40w@h:8443/x?y=1") == ("https://h:8443/x?y=1", ("u", "p@w"))
    assert split_login("https://h/x") == ("https://h/x", None)
    assert shown_url(f"https://u:{SECRET}@h:1/x?key={SECRET}#{SECRET}") == "https://h:1/x"


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("http://127.0.0.1:9/x", False),
        ("http://localhost/x", False),
        ("http://[::1]:9/x", False),
        ("https://bank.example/x", False),
        ("/kuaidi100", False),
        ("http://bank.example/x", True),
        ("http://10.0.0.7/x", True),
        ("HTTP://user:p@bank.example/x", True),
        ("http://127.0.0.1.bank.example/x", True),
    ],
)
def test_plain_http_to_another_machine_is_noticed(url: str, plain: bool) -> None:
    assert is_plain_remote(url) is plain


@pytest.mark.parametrize(
    "text",
    [
        f"cannot connect to postgresql://u:{SECRET}@h/d",
        f"postgresql://u:p@{SECRET}/w#rd@127.0.0.1/d: no",
        f"GET https://{SECRET}@h/x",
        f"postgresql://h/d?user=u&password={SECRET}",
        f"postgresql://h/d?user=u&password=@{SECRET}",
        f"postgresql://u:p@h/d?sslpassword=@{SECRET}&x=1",
        f"cannot read postgresql://u:a {SECRET} b@h/d",
        f"{{'password': '{SECRET}'}}",
        f'{{"api_key": "{SECRET}"}}',
        f"password={SECRET} host=h",
        f'violates check constraint "c" DETAIL:  Failing row contains (k1, (x), {SECRET}, null).',
    ],
)
def test_passwords_are_taken_out_of_any_text(text: str) -> None:
    assert SECRET not in hide_passwords(text)


@pytest.mark.parametrize(
    "text",
    [
        'password authentication failed for user "u" at 127.0.0.1:5432/d, see https://docs.example/x?y=1',
        "http://127.0.0.1:9 did not answer; write to ops@example.org",
        "http://bank.example:443/pay did not answer; write to ops@example.org",
    ],
)
def test_what_holds_no_password_stays(text: str) -> None:
    assert hide_passwords(text) == text
