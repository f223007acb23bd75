"""One stage of an order's life by a client that openapi-python-client made from the document.

It runs with the tools' own Python, beside the generated package `generated`; nothing of ours is imported.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def _of(module: str, name: str) -> Any:
    """A name of the generated package, which is there only while this runs."""
    return getattr(importlib.import_module(f"generated.{module}"), name)


def main(stage: str, url: str, shop_key: str, merchant_key: str, text: str, waybill: str) -> int:
    """Carry the stage out and print its answer."""
    order, made = json.loads(text), _of("client", "AuthenticatedClient")
    shop, merchant = (made(base_url=url, token=key) for key in (shop_key, merchant_key))
    key = f"py-{stage}-{order['order_id']}"

    def send(verb: str, client: Any, model: str, body: dict[str, Any], *path: str) -> Any:
        message = _of("models", model).from_dict(body)
        call = _of(f"api.orders.{verb}", "sync_detailed")
        return call(*path, client=client, body=message, idempotency_key=key)

    if stage == "place":
        answer = send("start_order", shop, "StartOrderOrder", order)
    elif stage == "ship":
        parcels = [{"parcel_id": "p1", "carrier": "sandbox", "waybill": waybill}]
        answer = send("report_shipment", merchant, "ReportShipmentBody", {"parcels": parcels}, order["order_id"])
    elif stage == "confirm":
        actor = {"role": "buyer", "id": order["buyer_id"]}
        answer = send("confirm_receipt", shop, "ConfirmReceiptBody", {"actor": actor}, order["order_id"])
    else:
        answer = _of("api.orders.get_order", "sync_detailed")(order["order_id"], client=shop)
    print(json.dumps({"status": int(answer.status_code), "body": answer.parsed.to_dict()}))
    return 0 if answer.status_code < 400 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
