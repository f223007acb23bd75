"""The file of DAKUAN_RAILS: what it may say, and a sentence for everything else."""

from __future__ import annotations

import pytest

from config.rails import URLS, parse_rails
from core.errors import Misconfigured

GOOD = """
[accounts.wechatpay]
mchid = "1900000109"
serial = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
private_key = "apiclient_key.pem"
apiv3_key = "$APIV3"
[accounts.wechatpay.platform_keys]
PUB_KEY_ID_1 = "pub_key.pem"
[rails.wechatpay_transfer]
account = "wechatpay"
appid = "wx8888888888888888"
scene = "1000"
[rails.bank]
kind = "wechatpay_withdraw"
account = "wechatpay"
[channels.wechat]
account = "wechatpay"
"""
VARIABLES = {"APIV3": "0123456789abcdef0123456789abcdef", "SHORT": "0123"}


def read(name: str) -> str:
    if name.endswith(".pem"):
        return f"content of {name}"
    raise FileNotFoundError(name)


def test_a_file_is_resolved_whole() -> None:
    rails = parse_rails(GOOD, VARIABLES, read)
    account = rails.accounts["wechatpay"]
    assert (account.kind, account.url) == ("wechatpay", URLS["wechatpay"])
    assert account.apiv3_key == VARIABLES["APIV3"]
    assert account.private_key == "content of apiclient_key.pem"
    assert account.platform_keys == {"PUB_KEY_ID_1": "content of pub_key.pem"}
    assert {name: rail.kind for name, rail in rails.rails.items()} == {
        "wechatpay_transfer": "wechatpay_transfer",
        "bank": "wechatpay_withdraw",
    }


def test_no_secret_stands_in_its_repr() -> None:
    shown = repr(parse_rails(GOOD, VARIABLES, read))
    assert VARIABLES["APIV3"] not in shown
    assert "content of" not in shown


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[accounts.wechatpay]", "[accounts.wechatpay", "Expected"),
        ('mchid = "1900000109"', "", "accounts.wechatpay.mchid"),
        ('mchid = "1900000109"', "mchid = 1900000109", "accounts.wechatpay.mchid"),
        ('mchid = "1900000109"', 'mchid = "1"\ncolour = "red"', "colour"),
        ("$APIV3", "$NOWHERE", "NOWHERE is not set"),
        ("$APIV3", "$SHORT", "32 bytes"),
        ("apiclient_key.pem", "nowhere", "private_key: nowhere cannot be read"),
        ("pub_key.pem", "nowhere", "platform_keys.PUB_KEY_ID_1: nowhere cannot be read"),
        ('PUB_KEY_ID_1 = "pub_key.pem"', "", "platform_keys"),
        ('appid = "wx8888888888888888"', "", "rails.wechatpay_transfer.appid is missing"),
        ('scene = "1000"', "", "rails.wechatpay_transfer.scene is missing"),
        ('kind = "wechatpay_withdraw"', "", "rails.bank: say its kind"),
        ('kind = "wechatpay_withdraw"', 'kind = "stripe"', "rails.bank.kind"),
        ('[channels.wechat]\naccount = "wechatpay"', '[channels.wechat]\naccount = "other"', "no account 'other'"),
        (
            '[rails.bank]\nkind = "wechatpay_withdraw"\naccount = "wechatpay"',
            '[rails.bank]\naccount = "other"',
            "rails.bank",
        ),
        ("[accounts.wechatpay]", "[accounts.main]\n[accounts.wechatpay]", "accounts.main"),
    ],
)
def test_a_mistake_is_named_and_no_secret_with_it(old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(Misconfigured) as refused:
        parse_rails(GOOD.replace(old, new, 1), VARIABLES, read)
    assert said in str(refused.value)
    assert VARIABLES["APIV3"] not in str(refused.value)


DISPUTES = GOOD + '[disputes.stripe]\nchannel = "card"\nsecret = "$APIV3"\n'


def test_a_source_of_disputes_names_its_channel_and_shows_no_secret() -> None:
    rails = parse_rails(DISPUTES, VARIABLES, read)
    entry = rails.disputes["stripe"]
    assert (entry.kind, entry.channel, entry.secret) == ("stripe", "card", VARIABLES["APIV3"])
    assert VARIABLES["APIV3"] not in repr(rails)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[disputes.stripe]", "[disputes.cards]", r"disputes\.cards: say its kind"),
        (
            "[disputes.stripe]",
            '[disputes.wechatpay]\nkind = "stripe"',
            r"disputes\.wechatpay: an account has this name",
        ),
        ('secret = "$APIV3"', 'secret = "$NOWHERE"', "NOWHERE is not set"),
        ('channel = "card"\nsecret', "secret", r"disputes\.stripe\.channel"),
    ],
)
def test_a_mistake_in_a_source_of_disputes_is_named(old: str, new: str, said: str) -> None:
    text = DISPUTES.replace(GOOD, "").replace(old, new, 1)
    with pytest.raises(Misconfigured, match=said):
        parse_rails(GOOD + text, VARIABLES, read)


def test_an_account_under_another_name_says_its_kind() -> None:
    text = GOOD.replace("accounts.wechatpay", "accounts.main").replace('account = "wechatpay"', 'account = "main"')
    with pytest.raises(Misconfigured, match=r"accounts\.main: say its kind"):
        parse_rails(text, VARIABLES, read)
    kinded = text.replace("[accounts.main]", '[accounts.main]\nkind = "wechatpay"')
    assert parse_rails(kinded, VARIABLES, read).channels["wechat"].account == "main"


def test_one_account_is_no_two_channels() -> None:
    """Each would find the payment, and claim it whole for its own orders."""
    again = '[channels.wechat_app]\naccount = "ours"\n'
    account = GOOD[: GOOD.index("[rails.")].replace("accounts.wechatpay", "accounts.ours")
    same = account.replace("[accounts.ours]", '[accounts.ours]\nkind = "wechatpay"')
    for text in (GOOD + again.replace("ours", "wechatpay"), GOOD + same + again):
        with pytest.raises(Misconfigured, match=r"channels\.wechat_app: its account is that of channels\.wechat,"):
            parse_rails(text, VARIABLES, read)
    other = same.replace("1900000109", "1900000110")
    assert set(parse_rails(GOOD + other + again, VARIABLES, read).channels) == {"wechat", "wechat_app"}


def test_an_empty_file_changes_nothing() -> None:
    assert parse_rails("", {}, read).rails == {}
