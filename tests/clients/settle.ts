// One stage of an order's life by a client that openapi-typescript and openapi-fetch made from the document.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

declare const process: { argv: string[]; exitCode: number };
type Problem = components["schemas"]["HttpProblem"];
type Order = paths["/v1/orders"]["post"]["requestBody"]["content"]["application/json"];

const [stage, url, shopKey, merchantKey, orderText, waybill] = process.argv.slice(2) as string[];
const order = JSON.parse(orderText!) as Order;
const sender = (key: string) =>
  createClient<paths>({ baseUrl: url!, headers: { Authorization: `Bearer ${key}` } });
const shop = sender(shopKey!);
const merchant = sender(merchantKey!);
const header = { "Idempotency-Key": `ts-${stage}-${order.order_id}` };
const path = { order_id: order.order_id };

function done(answer: { data?: unknown; error?: Problem; response: Response }): void {
  console.log(JSON.stringify({ status: answer.response.status, body: answer.data ?? answer.error }));
  if (answer.error !== undefined) process.exitCode = 1;
}

if (stage === "place") {
  done(await shop.POST("/v1/orders", { params: { header }, body: order }));
} else if (stage === "ship") {
  const parcels = [{ parcel_id: "p1", carrier: "sandbox", waybill: waybill! }];
  done(await merchant.POST("/v1/orders/{order_id}/report_shipment", { params: { header, path }, body: { parcels } }));
} else if (stage === "confirm") {
  const actor = { role: "buyer", id: order.buyer_id } as const;
  done(await shop.POST("/v1/orders/{order_id}/confirm_receipt", { params: { header, path }, body: { actor } }));
} else {
  done(await shop.GET("/v1/orders/{order_id}", { params: { path } }));
}
