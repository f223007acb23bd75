"""Signatures of webhooks, verified by the package of the standard and by plain Ed25519."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import playwright
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import SecretStr
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


NODE = Path(playwright.__file__).parent / "driver" / "node"
"""The Node that comes with playwright: the test runs where the browser tests do."""
VERIFIER = """
const { createHmac, timingSafeEqual } = require("node:crypto");
exports.Webhook = class {
  constructor(secret) { this.key = Buffer.from(secret.replace("whsec_", ""), "base64"); }
  verify(body, headers) {
    const said = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    const wanted = createHmac("sha256", this.key).update(said).digest();
    const given = headers["webhook-signature"].split(" ").map((one) => Buffer.from(one.split(",")[1], "base64"));
    if (!given.some((one) => one.length === wanted.length && timingSafeEqual(one, wanted))) throw new Error("forged");
    return JSON.parse(body);
  }
};
"""
"""The standard's check with what Node has: a second reading of it, by no code of ours."""
ONE_REQUEST = """
const asked = JSON.parse(require("node:fs").readFileSync(0));
const queue = [], enqueue = (event) => queue.push(event.id);
const answer = { json: (said) => console.log(JSON.stringify(said)), sendStatus: (code) => console.log(code, ...queue) };
const app = { post: (path, parser, handler) => {
  try { handler({ body: Buffer.from(asked.body), headers: asked.headers }, answer); }
  catch (error) { console.log(error.message); }
} };
const express = { raw: () => null };
"""


def test_the_receiver_of_the_docs_in_javascript_verifies_it(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```js\n(.*?)```", text, re.DOTALL)
    (tmp_path / "verifier.js").write_text(VERIFIER)
    program = block.replace("whsec_…", shown(NEW)).replace(
        'import { Webhook } from "standardwebhooks";', 'const { Webhook } = require("./verifier.js");'
    )
    (tmp_path / "receiver.js").write_text(ONE_REQUEST + program)

    def answered(body: bytes, secret: SecretStr) -> str:
        asked = {"body": body.decode(), "headers": signed("evt_order_A1_1", _now(), body, [secret])}
        done = subprocess.run(
            [str(NODE), "receiver.js"],
            cwd=tmp_path,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert answered(BODY, NEW) == "204 evt_order_A1_1"
    assert answered(BODY, OLD) == "forged"
    challenge = b'{"id": "evt_1", "type": "endpoint.challenge", "data": {"challenge": "abc"}}'
    assert answered(challenge, NEW) == '{"challenge":"abc"}'
