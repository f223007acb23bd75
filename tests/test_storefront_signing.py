"""Signatures of webhooks, verified by the package of the standard and by plain Ed25519."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from storefront.signing import make_secret, shown, signed

BODY = b'{"id": "evt_order_A1_1", "type": "order.opened", "data": {"order_id": "A1"}}'
OLD, NEW = make_secret(b"o" * 32), make_secret(b"n" * 32)


def _now() -> datetime:
    return datetime.now(UTC)


def test_a_consumer_of_the_standard_verifies_it() -> None:
    headers = signed("evt_order_A1_1", _now(), BODY, [NEW])
    assert Webhook(shown(NEW)).verify(BODY, headers)["type"] == "order.opened"


def test_both_secrets_verify_while_one_is_rotated() -> None:
    headers = signed("evt_order_A1_1", _now(), BODY, [NEW, OLD])
    for one in (OLD, NEW):
        Webhook(shown(one)).verify(BODY, headers)


@pytest.mark.parametrize("changed", [BODY + b" ", BODY.replace(b"A1", b"A2")])
def test_another_body_is_refused(changed: bytes) -> None:
    headers = signed("evt_order_A1_1", _now(), BODY, [NEW])
    with pytest.raises(WebhookVerificationError):
        Webhook(shown(NEW)).verify(changed, headers)


def test_another_id_another_time_and_another_secret_are_refused() -> None:
    headers = signed("evt_order_A1_1", _now(), BODY, [NEW])
    later = str(int(headers["webhook-timestamp"]) + 1)
    for wrong in (headers | {"webhook-id": "evt_order_A2_1"}, headers | {"webhook-timestamp": later}):
        with pytest.raises(WebhookVerificationError):
            Webhook(shown(NEW)).verify(BODY, wrong)
    with pytest.raises(WebhookVerificationError):
        Webhook(shown(OLD)).verify(BODY, headers)


def test_an_old_webhook_is_refused_by_its_time() -> None:
    headers = signed("evt_order_A1_1", _now() - timedelta(minutes=6), BODY, [NEW])
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(shown(NEW)).verify(BODY, headers)


def test_a_public_key_verifies_and_cannot_sign() -> None:
    secret = make_secret(b"k" * 32, asymmetric=True)
    headers = signed("evt_order_A1_1", _now(), BODY, [secret])
    version, _, signature = headers["webhook-signature"].partition(",")
    assert version == "v1a"
    assert shown(secret).startswith("whpk_")
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(shown(secret).removeprefix("whpk_")))
    content = f"evt_order_A1_1.{headers['webhook-timestamp']}.".encode() + BODY
    key.verify(base64.b64decode(signature), content)
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(signature), content + b" ")


def test_a_secret_does_not_show_in_a_log() -> None:
    assert "whsec_" not in repr(NEW)
    assert "whsec_" not in str(NEW)


def test_the_receiver_of_the_docs_verifies_it() -> None:
    text = (Path(__file__).parents[1] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block.replace("whsec_…", shown(NEW)), names)
    assert names["receive"](BODY, signed("evt_order_A1_1", _now(), BODY, [NEW]))["type"] == "order.opened"
    with pytest.raises(WebhookVerificationError):
        names["receive"](BODY, signed("evt_order_A1_1", _now(), BODY, [OLD]))
