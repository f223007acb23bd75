"""What README and docs show is what happens: their commands are run as they stand there, one after the other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from command_line import WRAPPER, ask, serving
from up_stack import Up, a_basket, fresh_waybill, scan, ship, shown, started
from waiting import until_so

from config import STACK_FILE
from docs import examples

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
CHINESE = "README.zh.md"
FIRST = ("README.md", CHINESE, "docs/start.md")
PAGES = (
    *FIRST,
    *(
        page
        for page in sorted(str(p.relative_to(PROJECT)) for p in (PROJECT / "docs").rglob("*.md"))
        if page not in FIRST
    ),
)
CASE = "python starter.py send open_after_sale "
BASKET = "python starter.py basket "
RETURN = "python starter.py unclaimed\n"
CODEC = "python starter.py keys codec "
CLAIM = "python starter.py send open_claim_back "
ELSEWHERE = ("make ", "python starter.py backtest FOLDER", "temporal ", CASE, CLAIM, BASKET, RETURN, CODEC)
"""Beginnings of blocks that need more than a running `up` and what stands before them: the demo, the tests, files that
the reader has, orders of one's own."""


class Block(NamedTuple):
    """A shell block of a page."""

    page: str
    text: str


def blocks() -> list[Block]:
    """The shell blocks of all pages, in their order; README first. Its Chinese has the same ones."""
    return [Block(page, text) for page in PAGES if page != CHINESE for text in _blocks_of(page)]


def _blocks_of(page: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", (PROJECT / page).read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_chinese_readme_has_the_same_blocks_and_leads_to_the_same_pages() -> None:
    assert _blocks_of(CHINESE) == _blocks_of("README.md")
    english, chinese = README, (PROJECT / CHINESE).read_text(encoding="utf-8")
    for form in (r"\]\((?!README|#)([^)]+)\)", r"^(\| `[a-z]+/`)", r"^(#+) ", r"^(\| \d \|)"):
        assert re.findall(form, chinese, flags=re.MULTILINE) == re.findall(form, english, flags=re.MULTILINE), form


@pytest.fixture
def environment(up: Up, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Another terminal beside the running `up`, with a `python` that starts quickly."""
    tools, socket = tmp_path / "bin", tmp_path / "door"
    tools.mkdir()
    wrapper = tools / "python"
    wrapper.write_text(WRAPPER.format(python=sys.executable, socket=str(socket)), encoding="utf-8")
    wrapper.chmod(0o755)
    path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    address = json.loads((up.home / STACK_FILE).read_text(encoding="utf-8"))["temporal_address"]
    with serving(socket):
        yield {**os.environ, "DAKUAN_HOME": str(up.home), "PATH": path, "TEMPORAL_ADDRESS": address}


def shell(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A script that ends with its first command that fails."""
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,
    )


def test_every_block_runs_as_it_stands(environment: dict[str, str]) -> None:
    runnable = [block for block in blocks() if not block.text.startswith(ELSEWHERE)]
    pages = {
        "README.md",
        "docs/guide.md",
        "docs/http.md",
        "docs/merchants.md",
        "docs/reconciliation.md",
        "docs/start.md",
    }
    assert {block.page for block in runnable} == pages
    # Without this line `python` stays the quick one. With it, each of the commands would load everything anew.
    script = re.sub(r"\. \.venv/bin/activate(?:\n|; )", "", "\n".join(block.text for block in runnable))
    assert "activate" not in script
    done = shell(script, environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for said in ("trace_exists", "no_trace", "orphaned_escrow", "UPS", "applied", "settled", "paid", "No breaks."):
        assert said in done.stdout, said
    assert "sealed again" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_storefront_needs_no_python(environment: dict[str, str]) -> None:
    """The contract's example of another client reaches an order, which says why not yet."""
    (block,) = [block for block in blocks() if block.text.startswith("temporal ")]
    order_id = started(buyer_id=examples.command("confirm_receipt")["actor"]["id"])["order_id"]
    done = shell(block.text.replace("order-A1001", f"order-{order_id}"), environment)
    assert "Nothing was shipped yet." in done.stderr, done.stdout + done.stderr


def test_an_after_sale_case_goes_as_its_page_says(environment: dict[str, str]) -> None:
    order, waybill = started(merchant_id="m-7", buyer_id="b-42"), fresh_waybill()
    ship(order, waybill)
    scan(order, waybill, "picked_up", 0)
    ask("advance", order["order_id"], "1d")
    scan(order, waybill, "delivered", 1)
    ask("advance", order["order_id"], "1d")
    (block,) = [block for block in blocks() if block.text.startswith(CASE)]
    done = shell(block.text.replace("A1001", order["order_id"]), environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "refund/case-1" in done.stdout
    # The channel's answer comes a moment after the decision.
    until_so(lambda: str(ask("show", order["order_id"])), lambda view: "refund/case-1/paid" in view)


def test_goods_after_the_refund_are_claimed_back_as_the_page_says(environment: dict[str, str]) -> None:
    order, waybill = started(merchant_id="m-7", buyer_id="b-42"), fresh_waybill()
    ship(order, waybill)
    for person in ("ann", "bob"):
        ask(*_of(order, "refund_order", f"operator:{person}", {"reason": "it never came"}))
    until_refunded(order["order_id"])
    delivered = {"at": datetime.now(UTC).isoformat(), "code": "80", "stage": "delivered"}
    scans = {"carrier": "sandbox", "waybill": waybill, "provider": "sandbox", "scans": [delivered]}
    ask(*_of(order, "report_scan", "carrier:sandbox", scans))
    (block,) = [block for block in blocks() if block.text.startswith(CLAIM)]
    done = shell(block.text.replace("A1001", order["order_id"]), environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "claim_back" in done.stdout


def until_refunded(order_id: str) -> None:
    """Wait until the buyer has the money."""

    def statuses() -> list[str]:
        return [refund["status"] for refund in shown(order_id, "refunded")["state"]["refunds"]]

    until_so(statuses, lambda found: found == ["arrived"])


def _of(order: dict[str, Any], verb: str, who: str, body: dict[str, Any]) -> tuple[str, ...]:
    return ("send", verb, order["order_id"], "--as", who, "--body", json.dumps(body))


def test_a_basket_is_refunded_and_its_rest_goes_back_as_the_page_says(environment: dict[str, str]) -> None:
    reference, orders = a_basket(3)
    found = {text.partition("\n")[0]: text for _, text in blocks() if text.startswith((BASKET, RETURN))}
    script = "\n".join(found.values()).replace("wx-2001", reference)
    for name, order in zip(("A2002", "A2003"), orders, strict=False):
        script = script.replace(name, order["order_id"])
    done = shell(script, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(found) == 2
    assert "owed" in done.stdout
    phases = [one["phase"] for one in ask("basket", reference)["orders"]]
    assert sorted(phases) == ["awaiting_shipment", "refunded", "refunded"]


def test_keys_of_payloads_are_made_and_changed_as_the_page_says(environment: dict[str, str], tmp_path: Path) -> None:
    (block,) = [block for block in blocks() if block.text.startswith(CODEC)]
    file = tmp_path / "payloads.keys"
    made, added, sealing, dropping = block.text.strip().replace("payloads.keys", str(file)).splitlines()
    assert shell(f"{made}\n{added}", environment).returncode == 0
    (old, new) = [line.rpartition(":")[0] for line in file.read_text(encoding="utf-8").splitlines()]
    done = shell(f"{sealing.replace(' ID', f' {new}')}\n{dropping.replace(' ID', f' {old}')}", environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"seals  {new}" in done.stdout


def test_every_command_of_the_readme_exists() -> None:
    pages = [(PROJECT / page).read_text(encoding="utf-8") for page in PAGES]
    named = {name for page in pages for name in re.findall(r"starter\.py ([a-z][a-z-]+)", page)}
    done = subprocess.run([sys.executable, "starter.py", "--help"], cwd=PROJECT, capture_output=True, text=True)
    known = set(re.findall(r"^  ([a-z][a-z-]+) ", done.stdout, flags=re.MULTILINE))
    assert named <= known, named - known


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    pages = [(PROJECT / page).read_text(encoding="utf-8") for page in PAGES]
    named = {name for page in pages for name in re.findall(r"(?:`|^)make ([a-z]+)", page, flags=re.MULTILINE)}
    assert named <= targets, named - targets


def test_every_file_the_readme_links_to_exists() -> None:
    links = [
        (page, link)
        for page in PAGES
        for link in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", (PROJECT / page).read_text(encoding="utf-8"))
    ]
    assert [link for page, link in links if page == "README.md"]
    assert [link for page, link in links if not (PROJECT / page).parent.joinpath(link).exists()] == []
