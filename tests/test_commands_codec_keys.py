"""`keys codec`: a file of keys is made, gets another key, seals with it, and lets the old one go."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from command_line import ask, refusal

from config import Settings
from config.codec import read_codec_keys
from core.errors import Misconfigured


def test_keys_are_rotated_in_steps(tmp_path: Path) -> None:
    file = tmp_path / "payloads.keys"
    old = ask("keys", "codec", str(file), "--json")["seals"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    added = ask("keys", "codec", str(file), "--json")
    assert added["seals"] == old
    new = added["opens"][-1]
    first, both = read_codec_keys(file).without(new), read_codec_keys(file)
    assert first.is_ours(new)
    assert refusal("keys", "codec", str(file), "--drop", old) == "malformed"
    assert ask("keys", "codec", str(file), "--seal-with", new, "--json")["seals"] == new
    dropped = ask("keys", "codec", str(file), "--drop", old, "--json")
    assert (dropped["opens"], dropped["gone"]) == ([new], [old])
    assert read_codec_keys(file).keys == {new: both.keys[new]}
    assert read_codec_keys(file).is_ours(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["payloads.keys"]


def test_what_cannot_be_done_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "payloads.keys"
    assert refusal("keys", "codec", str(file), "--seal-with", "x") == "bad_input"
    ask("keys", "codec", str(file), "--json")
    before = file.read_bytes()
    assert refusal("keys", "codec", str(file), "--seal-with", "x") == "malformed"
    assert refusal("keys", "codec", str(file), "--seal-with", "x", "--drop", "x") == "malformed"
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "content", ["", "# none\n", "x:AAAA\n", "01010101-0123456789ab:AAAA\n", "01010101-0123456789ab:\n", "ü"]
)
def test_a_file_that_has_no_keys_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "k").write_text(content)
    with pytest.raises(Misconfigured, match="DAKUAN_CODEC_KEYS"):
        Settings.from_env({"DAKUAN_CODEC_KEYS": str(tmp_path / "k"), "DAKUAN_HOME": str(tmp_path)})


def test_a_web_ui_is_an_address(tmp_path: Path) -> None:
    ours = {"DAKUAN_HOME": str(tmp_path)}
    found = Settings.from_env({**ours, "DAKUAN_TEMPORAL_UI": "https://temporal.shop.example/"})
    assert found.temporal_ui_url == "https://temporal.shop.example"
    with pytest.raises(Misconfigured, match="DAKUAN_TEMPORAL_UI"):
        Settings.from_env({**ours, "DAKUAN_TEMPORAL_UI": "javascript:alert(1)"})
