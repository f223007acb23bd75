"""Stripe's webhooks about disputes, as the local stack plays them: events signed with the endpoint's secret.

Source: docs.stripe.com/webhooks and docs.stripe.com/api/disputes/object.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any


def dispute_event(
    secret: str,
    kind: str,
    dispute_id: str,
    payment: str,
    amount_minor: int,
    *,
    at: int,
    currency: str = "cny",
    fee_minor: int = 0,
    **more: Any,
) -> tuple[bytes, Mapping[str, str]]:
    """The body and headers of `charge.dispute.{kind}`.

    Args:
        at: the time of the signature, in seconds.
        more: further fields of the dispute, such as `status`.
    """
    taken = {"amount": -amount_minor, "fee": fee_minor, "currency": currency, "net": -amount_minor - fee_minor}
    dispute = {
        "id": dispute_id,
        "object": "dispute",
        "amount": amount_minor,
        "currency": currency,
        "charge": f"ch_{payment}",
        "payment_intent": payment,
        "reason": "product_not_received",
        "status": "needs_response",
        "evidence_details": {"due_by": at + 7 * 86_400, "has_evidence": False},
        "balance_transactions": [taken],
        **more,
    }
    event = {"id": f"evt_{at}", "object": "event", "type": f"charge.dispute.{kind}", "data": {"object": dispute}}
    body = json.dumps(event).encode()
    signature = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return body, {"Stripe-Signature": f"t={at},v1={signature}", "Content-Type": "application/json"}
