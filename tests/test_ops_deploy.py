"""How it is deployed: each file as its own tool reads it, and every setting that a file names exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import config

ROOT = Path(__file__).parents[1]
OPS = ROOT / "ops"
OURS = {"migrate", "worker", "gateway"}
NOT_SETTINGS = {"DAKUAN_OWNER_PASSWORD", "DAKUAN_WORKER_PASSWORD", "DAKUAN_CONFIG"}
"""Names of `compose.yaml` alone."""


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((OPS / "compose.yaml").read_text())["services"]
    return found


def test_the_images_recipe_has_no_fault() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--no-color", OPS / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", ["worker", "gateway"])
def test_a_unit_is_one_that_systemd_takes(name: str, tmp_path: Path) -> None:
    unit = tmp_path / f"dakuan-{name}.service"
    text = (OPS / "systemd" / unit.name).read_text()
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_setting_that_a_file_names_exists() -> None:
    named = set(re.findall(r"\b(DAKUAN_[A-Z_]+)\b", (OPS / "compose.yaml").read_text()))
    named |= set(re.findall(r"\b(DAKUAN_[A-Z_]+)\b", (OPS / "Dockerfile").read_text()))
    known = set(re.findall(r"\b(DAKUAN_[A-Z_]+)\b", str(config.__doc__)))
    assert named - known - NOT_SETTINGS == set()


def test_nothing_of_ours_starts_before_the_books_are_migrated(services: dict[str, Any]) -> None:
    for name in OURS - {"migrate"}:
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert services["migrate"]["depends_on"]["books"] == {"condition": "service_healthy"}


def test_only_the_migration_has_the_owners_password(services: dict[str, Any]) -> None:
    owners = {name for name in OURS if "DATABASE_OWNER_URL" in services[name]["environment"]}
    assert owners == {"migrate"}


def test_no_secret_has_a_default_and_no_port_is_open_to_others(services: dict[str, Any]) -> None:
    text = (OPS / "compose.yaml").read_text()
    assert [name for name in re.findall(r"\$\{([^}]*)\}", text) if not name.endswith(":?")] == []
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_the_commands_of_the_services_exist(services: dict[str, Any]) -> None:
    for name in OURS & {name for name in services if "command" in services[name]}:
        command = services[name]["command"]
        target = ROOT / command[2] if command[1] == "-m" else ROOT / command[1]
        assert target.exists(), command
