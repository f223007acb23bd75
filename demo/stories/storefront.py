"""An order over HTTP alone: every command by API key, and every event as a webhook that its receiver verifies."""

from __future__ import annotations

from typing import Any

import httpx2

from core.errors import Unavailable
from demo.consumer import receiving
from demo.stage import StagedOrder
from demo.stories.outcomes import Chapter, Outcome, ending, settled

STOREFRONT = Chapter()


@STOREFRONT.story("lives over HTTP alone: every webhook verified, in order, none missing")
async def over_http(play: StagedOrder) -> Outcome:
    assert play.stage.http is not None
    where, order = f"/v1/orders/{play.name}", play.order
    headers = {"Authorization": f"Bearer {play.stage.http.key}"}
    async with (
        receiving() as receiver,
        httpx2.AsyncClient(base_url=play.stage.http.url, headers=headers, timeout=30, trust_env=False) as client,
    ):
        made = await _post(client, "/v1/endpoints", {"url": receiver.url}, f"{play.name}-hooks")
        receiver.secret = made["verify_with"]
        await _post(client, "/v1/orders", order.model_dump(mode="json", exclude_unset=True), f"{play.name}-start")
        merchant = {"actor": {"role": "merchant", "id": order.merchant_id}}
        await _post(client, f"{where}/report_shipment", {**merchant, "parcels": [play.parcel()]}, f"{play.name}-ship")
        await play.travel()
        buyer = {"actor": {"role": "buyer", "id": order.buyer_id}}
        await _post(client, f"{where}/confirm_receipt", buyer, f"{play.name}-confirm")
        await play.days(8)
        ended = await ending(play)
        came = await receiver.until(f"order/{play.name}", "order.settled")
        await client.delete(f"/v1/endpoints/{made['endpoint_id']}")
    # What came again is no fault.
    numbers = list(dict.fromkeys(number for number, _ in came))
    whole = numbers == list(range(1, len(numbers) + 1)) and "order.settled" in dict(came).values()
    return (
        f"{settled(play)}; webhooks whole, 0 forged",
        f"{ended}; webhooks {'whole' if whole else came}, {receiver.forged} forged",
    )


async def _post(client: httpx2.AsyncClient, path: str, body: dict[str, Any], key: str) -> dict[str, Any]:
    """The answer of a changing request.

    Raises:
        Unavailable: it was refused; the story ends with what was answered.
    """
    reply = await client.post(path, json=body, headers={"Idempotency-Key": key})
    if reply.status_code >= 400:
        raise Unavailable(f"{path} answered {reply.status_code}: {reply.text[:300]}")
    return dict(reply.json())
