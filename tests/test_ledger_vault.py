"""The vault opens what it sealed, for the account it was sealed for, and shows nothing to anybody else."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core.errors import Misconfigured, Unavailable
from ledger.vault import Sealed, Vault

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
CARD = SecretStr("6222021234567894")

numbers = st.text("0123456789", min_size=1, max_size=64).map(SecretStr)


@given(numbers)
def test_what_was_sealed_opens(number: SecretStr) -> None:
    vault = Vault({"a": KEY})
    assert vault.open(vault.seal(number, "acc", 3), "acc", 3) == number


def test_the_first_key_seals_and_all_open() -> None:
    old = Vault({"a": KEY}).seal(CARD, "acc", 1)
    both = Vault({"b": OTHER, "a": KEY})
    assert both.open(old, "acc", 1) == CARD
    assert both.seal(CARD, "acc", 1).key_id == both.newest == "b"


def test_the_same_number_is_sealed_differently_each_time() -> None:
    vault = Vault({"a": KEY})
    seals = [vault.seal(CARD, "acc", 1) for _ in range(50)]
    assert len({sealed.nonce for sealed in seals}) == len({sealed.ciphertext for sealed in seals}) == 50


@pytest.mark.parametrize(("account", "version"), [("acc2", 1), ("acc", 2), ("acc/1", 1), ("ac", 1)])
def test_a_number_that_was_moved_to_another_account_does_not_open(account: str, version: int) -> None:
    vault = Vault({"a": KEY})
    with pytest.raises(Unavailable, match="does not open"):
        vault.open(vault.seal(CARD, "acc", 1), account, version)


@given(st.data())
def test_an_altered_seal_does_not_open(data: st.DataObject) -> None:
    vault = Vault({"a": KEY})
    sealed = vault.seal(CARD, "acc", 1)
    field = data.draw(st.sampled_from(["nonce", "ciphertext"]))
    was: bytes = getattr(sealed, field)
    bit = data.draw(st.integers(0, len(was) * 8 - 1))
    altered = bytearray(was)
    altered[bit // 8] ^= 1 << bit % 8
    nonce, ciphertext = (altered, sealed.ciphertext) if field == "nonce" else (sealed.nonce, altered)
    with pytest.raises(Unavailable):
        vault.open(Sealed("a", bytes(nonce), bytes(ciphertext)), "acc", 1)


def test_a_key_that_is_not_here_is_named() -> None:
    sealed = Vault({"a": KEY}).seal(CARD, "acc", 1)
    with pytest.raises(Unavailable, match="key a, which DAKUAN_ACCOUNT_KEYS does not have"):
        Vault({"b": OTHER}).open(sealed, "acc", 1)
    with pytest.raises(Unavailable, match="another key has this id"):
        Vault({"a": OTHER}).open(sealed, "acc", 1)


def test_without_a_key_nothing_is_sealed() -> None:
    with pytest.raises(Misconfigured, match="DAKUAN_ACCOUNT_KEYS is not set"):
        Vault({}).seal(CARD, "acc", 1)


def test_nothing_shows_a_number_or_a_key() -> None:
    vault = Vault({"a": KEY})
    sealed = vault.seal(CARD, "acc", 1)
    shown = f"{vault!r} {sealed!r} {CARD!r} {vault.open(sealed, 'acc', 1)}"
    assert CARD.get_secret_value() not in shown
    assert KEY.hex() not in shown
    assert repr(KEY) not in shown
    assert CARD.get_secret_value().encode() not in pickle.dumps(sealed)
    assert repr(sealed) == "Sealed(key_id='a')"


def test_a_fingerprint_tells_one_number_again_and_links_no_accounts() -> None:
    one, both = Vault({"a": KEY}), Vault({"b": OTHER, "a": KEY})
    known = one.fingerprints(CARD, "acc")
    assert known == one.fingerprints(CARD, "acc")
    assert known[0] == both.fingerprints(CARD, "acc")[1]
    assert known != one.fingerprints(CARD, "acc2")
    assert known != one.fingerprints(SecretStr("6222021234567893"), "acc")
    assert CARD.get_secret_value().encode() not in known[0]


def test_a_seal_of_nothing_is_no_seal() -> None:
    with pytest.raises(Unavailable):
        Vault({"a": KEY}).open(Sealed("a", bytes(12), b""), "acc", 1)
