"""What schemathesis asks about: orders in several phases, a withdrawal, accounts and endpoints of one merchant.

Without them nearly every request would end at 404, and say nothing of what lies behind.
"""

from __future__ import annotations

import copy
import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from command_line import ask
from consumer import Consumer
from http_stack import Http, fresh_key, keyed
from up_stack import fresh_order, fresh_waybill, settled

from docs.examples import COMMANDS

NOT_CHECKED = "positive_data_acceptance"
"""A schema cannot say that an order's lines add up: data that it allows may be refused with 422."""
ORDERS = 60
"""One sender gives an order twenty commands an hour, and there are over forty verbs."""
ENDPOINTS = 8
BY = ("--by", "operator:ann", "--reason", "papers seen")
CARRIED_OUT_WITHIN = 300
"""Seconds that a run may take beyond its own limit."""


@dataclass(frozen=True)
class Known:
    """A merchant with everything that an address can name."""

    shop: Http
    merchant: Http
    ids: dict[str, list[str]]
    """Name of a parameter → values that exist."""


@contextmanager
def something_known(http: httpx2.Client) -> Iterator[Known]:
    """Make it; its consumer of webhooks answers while the block runs."""
    paid = settled()
    name, buyer = paid["merchant_id"], paid["buyer_id"]
    shop, merchant = keyed(http), keyed(http, "--merchant", name)
    consumer = Consumer()
    with consumer.in_a_thread():
        found = {
            "merchant_id": [name],
            "buyer_id": [buyer],
            "order_id": [paid["order_id"], *_orders(shop, name, buyer)],
            "parcel_id": ["p1"],
            "account_id": _accounts(name),
            "endpoint_id": [_endpoint(merchant, consumer.url) for _ in range(ENDPOINTS)],
            "number": [fresh_waybill()],
            "channel": ["wechat"],
            "provider": ["kuaidi100", "easypost"],
            "account": ["wechatpay", "stripe"],
            "code": ["too_early", "late_scan"],
        }
        yield Known(shop, merchant, found)


def _orders(shop: Http, merchant: str, buyer: str) -> list[str]:
    """Orders of one merchant; every other one is shipped."""
    made = []
    for number in range(ORDERS):
        body = fresh_order(merchant_id=merchant, buyer_id=buyer)
        assert shop.post("/v1/orders", body, fresh_key()).status == 201
        made.append(str(body["order_id"]))
        if number % 2:
            parcel = {"parcel_id": "p1", "carrier": "sandbox", "waybill": fresh_waybill()}
            report = {"parcels": [parcel], "actor": {"role": "merchant", "id": merchant}}
            assert shop.post(f"/v1/orders/{made[-1]}/report_shipment", report, fresh_key()).status == 200
    return made


def _accounts(merchant: str) -> list[str]:
    ask("accounts", "merchant", merchant, "--name", "王芳", *BY)
    name = f"acc-{merchant}"
    bind = ("accounts", "bind", merchant, name, "--holder", "王芳", "--cooling", "0s")
    ask(*bind, *BY, stdin="6222 0212 3456 7894")
    return [name]


def _endpoint(sender: Http, url: str) -> str:
    made = sender.post("/v1/endpoints", {"url": url}, fresh_key())
    assert made.status == 201, made.body
    return str(made.body["endpoint_id"])


def _of_the_sender(known: Known, sender: Http) -> dict[str, list[str]]:
    """Ids that belong to one key: a request is another key's secret."""
    key, name = fresh_key(), known.ids["merchant_id"][0]
    asked = {"amount_minor": 100, "currency": "CNY", "account_id": known.ids["account_id"][0], "merchant_id": name}
    made = sender.post("/v1/withdrawals", asked, key)
    assert made.status == 201, made.body
    return {"idempotency_key": [key], "withdrawal_id": [made.body["withdrawal_id"]]}


def explore(tools: Path, http: httpx2.Client, folder: Path, *, examples: int, seconds: int) -> None:
    """Ask every operation what its schema allows, and what it does not: as a storefront, and as a merchant.

    Args:
        folder: schemathesis keeps its files there.
        seconds: at most, for each of them.

    Raises:
        SystemExit: it found something, or an operation was only ever asked for what does not exist.
    """
    document = http.get("/v1/openapi.json").json()
    with something_known(http) as known:
        answered: dict[str, set[int]] = {}
        # Before either asks: they suspend the merchant's account, too.
        senders = [
            (name, sender, known.ids | _of_the_sender(known, sender))
            for name, sender in (("storefront", known.shop), ("merchant", known.merchant))
        ]
        for name, sender, ids in senders:
            (folder / f"{name}.toml").write_text(_settings(ids), encoding="utf-8")
            (folder / f"{name}.json").write_text(json.dumps(with_examples(document, ids, name)), encoding="utf-8")
            program = [
                *(str(tools / "schemathesis"), "--config-file", f"{name}.toml", "run", f"{name}.json"),
                *("--url", str(http.base_url), "-H", f"Authorization: Bearer {sender.key}"),
                *("--max-examples", str(examples), "--seed", "1", "--max-time", str(seconds)),
                *("--phases", "examples,coverage,fuzzing", "--exclude-checks", NOT_CHECKED),
                *("--request-timeout", "40", "--rate-limit", "18/s", "--continue-on-failure", "--no-color"),
                *("--report", "har", "--report-har-path", f"{name}.har"),
            ]
            print(f"{name}: {_last_line(program, folder, seconds + CARRIED_OUT_WITHIN)}", flush=True)
            for operation, statuses in _statuses(document, folder / f"{name}.har").items():
                answered.setdefault(operation, set()).update(statuses)
        if unasked := [operation for operation, statuses in answered.items() if not statuses]:
            print(f"there was no time for {len(unasked)} operations, such as {unasked[0]}", flush=True)
        if lost := sorted(operation for operation, statuses in answered.items() if statuses and statuses <= {404, 405}):
            raise SystemExit(f"only ever 404: {', '.join(lost)}")


def with_examples(document: dict[str, Any], ids: dict[str, list[str]], name: str) -> dict[str, Any]:
    """The document with a body for each verb that the contract's own examples have, from the people of the order."""
    whole = copy.deepcopy(document)
    for path, methods in whole["paths"].items():
        verb = path.rpartition("/")[2]
        if verb in COMMANDS and "post" in methods:
            body = {field: value for field, value in COMMANDS[verb].items() if field != "command_id"}
            role = "buyer" if body["actor"]["role"] == "buyer" else "merchant"
            body["actor"] = {"role": role, "id": ids[f"{role}_id"][0]}
            if name == "merchant":
                del body["actor"]
            methods["post"]["requestBody"]["content"]["application/json"]["example"] = body
    return whole


def _settings(ids: dict[str, list[str]]) -> str:
    """The settings of a run, as TOML: a list of strings is written in it as in JSON."""
    removed, *kept = ids["endpoint_id"]
    lists = {**ids, "endpoint_id": kept, "removed": [removed], "speaker": ids["merchant_id"] + ids["buyer_id"]}
    named = [name for name in ids if name != "buyer_id"]
    lines = [
        *(f"dictionaries.{name}.values = {json.dumps(values)}" for name, values in lists.items()),
        "[parameters]",
        *(f'"path.{name}" = {{ dictionary = "{name}" }}' for name in named),
        *(f'"body.{name}" = {{ dictionary = "{name}" }}' for name in ("parcel_id", "account_id", "merchant_id")),
        '"body.actor.id" = { dictionary = "speaker" }',
        "[[operations]]",
        'include-operation-id = "remove_endpoint"',
        'parameters = { "path.endpoint_id" = { dictionary = "removed" } }',
    ]
    return "\n".join(lines) + "\n"


def _last_line(program: Sequence[str], folder: Path, within: int) -> str:
    ended = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=within, check=False)
    if ended.returncode:
        raise SystemExit(f"schemathesis found something:\n{ended.stdout[-12_000:]}\n{ended.stderr[-2_000:]}")
    return ended.stdout.strip().splitlines()[-1]


def _statuses(document: dict[str, Any], har: Path) -> dict[str, set[int]]:
    """Operation → the statuses of what it answered, from a run's record."""
    patterns = {
        path: re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))
        for path in sorted(document["paths"], key=lambda path: path.count("{"))
    }
    found = {f"{method.upper()} {path}": set[int]() for path, of in document["paths"].items() for method in of}
    for entry in json.loads(har.read_text(encoding="utf-8"))["log"]["entries"]:
        asked = urlsplit(entry["request"]["url"]).path
        path = next((path for path, pattern in patterns.items() if pattern.fullmatch(asked)), None)
        if (operation := f"{entry['request']['method']} {path}") in found:
            found[operation].add(entry["response"]["status"])
    return found
