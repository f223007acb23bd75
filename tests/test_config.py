"""Settings: what the environment says, what the local stack lends, and sentences for what cannot be right."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from config import STACK_FILE, Settings
from core.errors import Misconfigured

STACK = {
    "database_url": "postgresql://w:secret@127.0.0.1:5555/dakuan",
    "database_owner_url": "postgresql://o:secret@127.0.0.1:5555/dakuan",
    "temporal_address": "127.0.0.1:7777",
    "temporal_namespace": "default",
    "temporal_ui_url": "http://127.0.0.1:8888",
    "carrier_url": "http://127.0.0.1:9999/carrier",
    "channel_url": "http://127.0.0.1:9999/channel",
    "bank_url": "http://127.0.0.1:9999/bank",
    "world_url": "http://127.0.0.1:9999",
}


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment whose local stack is up."""
    written: dict[str, Any] = {**STACK, "pids": {"postgres": os.getpid()}}
    (tmp_path / STACK_FILE).write_text(json.dumps(written))
    return {"DAKUAN_HOME": str(tmp_path)}


@pytest.fixture
def empty(tmp_path: Path) -> dict[str, str]:
    """An environment without a stack."""
    return {"DAKUAN_HOME": str(tmp_path)}


def test_an_empty_environment_has_defaults_and_no_addresses(empty: dict[str, str]) -> None:
    settings = Settings.from_env(empty)
    assert settings.temporal_address is None
    assert settings.database_url is None
    assert (settings.policies / "default.toml").is_file()
    assert settings.screening.is_file()


def test_what_is_needed_and_missing_is_named(empty: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match=r"^DATABASE_URL is not set, and no local stack is up under /"):
        Settings.from_env(empty).needed("database_url")
    with pytest.raises(Misconfigured, match=r"^TEMPORAL_ADDRESS is not set, .* run `python starter\.py up`$"):
        Settings.from_env(empty).temporal_connect_config()


def test_the_environment_is_read(empty: dict[str, str], tmp_path: Path) -> None:
    settings = Settings.from_env(
        {
            **empty,
            "DATABASE_URL": "postgresql://u:p@db:5432/dakuan",
            "DATABASE_OWNER_URL": "postgresql:///dakuan?host=/run/postgresql",
            "TEMPORAL_ADDRESS": "temporal.internal:7233",
            "TEMPORAL_NAMESPACE": "shop",
            "TEMPORAL_API_KEY": "key",
            "DAKUAN_CARRIER_URL": "https://carrier.example/api",
            "DAKUAN_POLICIES": str(tmp_path),
            "DAKUAN_BUILD_ID": "2026-11-22",
        }
    )
    assert settings.needed("database_url") == "postgresql://u:p@db:5432/dakuan"
    assert settings.carrier_url == "https://carrier.example/api"
    assert (settings.policies, settings.screening) == (tmp_path, tmp_path / "screening.toml")
    assert settings.build_id == "2026-11-22"
    connect = settings.temporal_connect_config()
    assert (connect["target_host"], connect["namespace"]) == ("temporal.internal:7233", "shop")
    assert connect["api_key"] == "key"
    assert connect["tls"]


def test_an_empty_value_is_no_value(empty: dict[str, str]) -> None:
    assert Settings.from_env({**empty, "DATABASE_URL": "", "TEMPORAL_ADDRESS": ""}).database_url is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "dakuan"),
        ("DATABASE_URL", "mysql://u:hunter2@db/dakuan"),
        ("DATABASE_URL", "postgresql://u:hunter2@db:99999/dakuan"),
        ("DATABASE_OWNER_URL", "postgresql://"),
        ("TEMPORAL_ADDRESS", "temporal.internal"),
        ("TEMPORAL_ADDRESS", "temporal.internal:seven"),
        ("TEMPORAL_ADDRESS", ":7233"),
        ("TEMPORAL_ADDRESS", "host:99999"),
        ("DAKUAN_CARRIER_URL", "carrier.example"),
        ("DAKUAN_CHANNEL_URL", "ftp://channel.example"),
        ("DAKUAN_BANK_URL", "http://[::1"),
        ("DAKUAN_POLICIES", "/there/is/no/such/folder"),
        ("DAKUAN_SCREENING", "/there/is/no/such/file"),
        ("TEMPORAL_PROFILE", "nobody-wrote-this"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_by_name_and_without_its_secrets(
    empty: dict[str, str], variable: str, value: str
) -> None:
    with pytest.raises(Misconfigured, match="TEMPORAL_" if variable == "TEMPORAL_PROFILE" else variable) as caught:
        Settings.from_env({**empty, variable: value})
    assert "hunter2" not in str(caught.value)


def test_passwords_stand_in_no_representation(home: dict[str, str]) -> None:
    assert "secret" not in repr(Settings.from_env(home))
    assert "secret" not in str(Settings.from_env(home))


def test_the_local_stack_that_is_up_lends_everything(home: dict[str, str]) -> None:
    settings = Settings.from_env(home)
    assert {name: getattr(settings, name) for name in STACK} == STACK


def test_a_stack_whose_server_is_gone_lends_nothing(home: dict[str, str]) -> None:
    file = Path(home["DAKUAN_HOME"]) / STACK_FILE
    gone = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(gone, 0)
    file.write_text(json.dumps({**STACK, "pids": {"postgres": gone}}))
    assert Settings.from_env(home).database_url is None


def test_a_stack_file_that_cannot_be_read_says_what_to_do(home: dict[str, str]) -> None:
    (Path(home["DAKUAN_HOME"]) / STACK_FILE).write_text("{")
    with pytest.raises(Misconfigured, match="delete it"):
        Settings.from_env(home)


def test_ones_own_database_is_never_mixed_with_the_stacks_temporal(home: dict[str, str]) -> None:
    own = {"DATABASE_URL": "postgresql://u:p@db/dakuan"}
    with pytest.raises(Misconfigured, match="DATABASE_URL is set and TEMPORAL_ADDRESS is not"):
        Settings.from_env({**home, **own})
    with pytest.raises(Misconfigured, match="TEMPORAL_ADDRESS is set and DATABASE_URL is not"):
        Settings.from_env({**home, "TEMPORAL_ADDRESS": "temporal.internal:7233"})
    both = Settings.from_env({**home, **own, "TEMPORAL_ADDRESS": "temporal.internal:7233"})
    assert both.bank_url is None
    assert both.world_url is None


def test_the_stacks_own_addresses_may_be_spelt_out(home: dict[str, str]) -> None:
    named = {"DATABASE_URL": STACK["database_url"], "TEMPORAL_ADDRESS": STACK["temporal_address"]}
    for variable, value in named.items():
        assert Settings.from_env({**home, variable: value}) == Settings.from_env(home)
    assert Settings.from_env({**home, **named}) == Settings.from_env(home)


@pytest.mark.parametrize("spelt", [{}, {"TEMPORAL_ADDRESS": STACK["temporal_address"]}])
@pytest.mark.parametrize("name", ["TEMPORAL_TLS", "TEMPORAL_API_KEY", "TEMPORAL_TLS_SERVER_NAME"])
def test_tls_or_a_key_for_the_stacks_own_temporal_is_refused_by_name(
    name: str, spelt: dict[str, str], home: dict[str, str]
) -> None:
    with pytest.raises(Misconfigured, match=f"^{name} is set, and the local stack .* set TEMPORAL_ADDRESS") as refused:
        Settings.from_env({**home, **spelt, name: "unmistakable"})
    assert "unmistakable" not in str(refused.value)
    own = {"TEMPORAL_ADDRESS": "temporal.internal:7233", "DATABASE_URL": "postgresql://u:p@db/d"}
    assert Settings.from_env({**home, **own, "TEMPORAL_API_KEY": "unmistakable"}).temporal_options["api_key"]


def test_tls_that_is_turned_off_is_no_wish_for_it(home: dict[str, str]) -> None:
    assert Settings.from_env({**home, "TEMPORAL_TLS": "false"}) == Settings.from_env(home)


def test_another_namespace_of_the_stacks_temporal_is_taken(home: dict[str, str]) -> None:
    settings = Settings.from_env({**home, "TEMPORAL_NAMESPACE": "crowded"})
    assert (settings.temporal_address, settings.temporal_namespace) == (STACK["temporal_address"], "crowded")


def test_one_address_beside_the_stack_may_be_another(home: dict[str, str]) -> None:
    settings = Settings.from_env({**home, "DAKUAN_BANK_URL": "http://127.0.0.1:1234/bank"})
    assert settings.bank_url == "http://127.0.0.1:1234/bank"
    assert settings.carrier_url == STACK["carrier_url"]


def test_a_local_stack_asks_the_vendors_dialects_unless_told_otherwise(home: dict[str, str], tmp_path: Path) -> None:
    usual = Settings.from_env(home).providers
    assert usual is not None
    assert {provider.kind for provider in usual.providers.values()} == {
        "kuaidi100",
        "kdniao",
        "easypost",
        "17track",
        "aftership",
    }
    assert Settings.from_env({**home, "DAKUAN_CARRIER_URL": "https://carrier.example/api"}).providers is None
    own = tmp_path / "own.toml"
    own.write_text('default = ["sandbox"]\n')
    named = Settings.from_env({**home, "DAKUAN_CARRIERS": str(own)}).providers
    assert named is not None
    assert named.default == ("sandbox",)


def test_without_a_stack_no_provider_is_made_up(empty: dict[str, str]) -> None:
    assert Settings.from_env(empty).providers is None


def test_webhooks_go_to_the_usual_ports_of_public_addresses_unless_more_is_named(tmp_path: Path) -> None:
    home = {"DAKUAN_HOME": str(tmp_path)}
    usual = Settings.from_env(home)
    assert (usual.webhook_ports, usual.webhook_networks) == (frozenset({443, 8443}), ())
    assert not usual.webhooks_to_this_machine
    more = {"DAKUAN_WEBHOOK_PORTS": "443, 9443", "DAKUAN_WEBHOOK_NETWORKS": "10.8.0.0/16, fd00:8::/32"}
    named = Settings.from_env(home | more)
    assert named.webhook_ports == {443, 9443}
    assert [str(network) for network in named.webhook_networks] == ["10.8.0.0/16", "fd00:8::/32"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("DAKUAN_WEBHOOK_PORTS", value) for value in ("0", "65536", "https", "443,", "99999999999999999999")),
        *(("DAKUAN_WEBHOOK_NETWORKS", value) for value in ("10.8.0.1/16", "shop.example", "10.8.0.0/33")),
    ],
)
def test_a_wrong_place_for_webhooks_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(Misconfigured, match=name):
        Settings.from_env({"DAKUAN_HOME": str(tmp_path), name: value})


@pytest.mark.parametrize("value", ["JSON", "xml", "jsonl"])
def test_a_form_of_the_log_that_there_is_not_is_named(tmp_path: Path, value: str) -> None:
    with pytest.raises(Misconfigured, match=f"DAKUAN_LOG: {value} is not json"):
        Settings.from_env({"DAKUAN_HOME": str(tmp_path), "DAKUAN_LOG": value})
