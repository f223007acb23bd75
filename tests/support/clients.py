"""Clients that others make from our document place and settle an order, and schemathesis asks what no one else would.

`make clients` runs it with the tools in an environment of their own; `ARGS="--examples 50"` asks more. It needs npm for
the client in TypeScript.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
from command_line import ask
from exploring import explore
from http_stack import keyed
from up_stack import Up, fresh_order, fresh_waybill, scan, standing

from config import load

PROJECT = Path(__file__).parents[2]
PROGRAMS = PROJECT / "tests" / "clients"
GENERATES_WITHIN = 300
"""Seconds."""


def run(program: Sequence[str], folder: Path, within: int = GENERATES_WITHIN) -> str:
    """The output of a program that must succeed."""
    ended = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=within, check=False)
    if ended.returncode:
        raise SystemExit(f"{' '.join(program[:4])} failed:\n{ended.stdout[-4000:]}\n{ended.stderr[-2000:]}")
    return ended.stdout


def in_python(tools: Path, folder: Path) -> list[str]:
    """Generate the client in Python; the program that uses it."""
    generate = ("generate", "--path", "openapi.json", "--output-path", "generated", "--meta", "none")
    run([str(tools / "openapi-python-client"), *generate], folder)
    shutil.copy(PROGRAMS / "settle.py", folder)
    return [str(tools / "python"), "settle.py"]


def in_typescript(folder: Path) -> list[str]:
    """Generate the client in TypeScript, and check the types of the program that uses it."""
    for name in ("package.json", "settle.ts"):
        shutil.copy(PROGRAMS / name, folder)
    run(["npm", "install", "--no-audit", "--no-fund", "--silent"], folder)
    run(["npx", "openapi-typescript", "openapi.json", "-o", "api.ts", "--default-non-nullable=false"], folder)
    strict = ("--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck")
    run(["npx", "tsc", *strict, "settle.ts"], folder)
    return ["node", "settle.js"]


def settle(name: str, program: Sequence[str], folder: Path, http: httpx2.Client) -> None:
    """One order from its payment to its settlement, each request by the generated client."""
    order, waybill = fresh_order(), fresh_waybill()
    shop, merchant = keyed(http), keyed(http, "--merchant", order["merchant_id"])

    def stage(what: str) -> dict[str, Any]:
        given = (what, str(http.base_url).rstrip("/"), shop.key, merchant.key, json.dumps(order), waybill)
        found: dict[str, Any] = json.loads(run([*program, *given], folder))
        return found

    said = [f"placed {stage('place')['status']}", f"shipped {stage('ship')['status']}"]
    scan(order, waybill, "picked_up", 0)
    ask("advance", order["order_id"], "1d")
    scan(order, waybill, "delivered", 1)
    ask("advance", order["order_id"], "1d")
    said.append(f"confirmed {stage('confirm')['status']}")
    ask("advance", order["order_id"], "8d")
    phase = stage("read")["body"]["phase"]
    print(f"{name}: order {order['order_id']} {', '.join(said)}, {phase}", flush=True)
    if phase != "settled":
        raise SystemExit(f"{name}: the order is {phase}")


def clients(
    tools: Annotated[Path, typer.Option(resolve_path=True, help="Where the tools' programs are.")] = PROJECT
    / ".venv-clients"
    / "bin",
    examples: Annotated[int, typer.Option(min=0, help="Of schemathesis for each operation; 0: none.")] = 5,
    seconds: Annotated[int, typer.Option(min=1, help="At most, for schemathesis as each of two senders.")] = 180,
) -> None:
    """Two generated clients settle an order each; then schemathesis."""
    with tempfile.TemporaryDirectory(prefix="dakuan-clients-") as name:
        folder, up = Path(name), Up(Path(name) / "home")
        with standing(up):
            port = (load().home / "http.port").read_text()
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as http:
                document = http.get("/v1/openapi.json").text
                for language in ("python", "typescript"):
                    (folder / language).mkdir()
                    (folder / language / "openapi.json").write_text(document, encoding="utf-8")
                settle("python", in_python(tools, folder / "python"), folder / "python", http)
                settle("typescript", in_typescript(folder / "typescript"), folder / "typescript", http)
                if examples:
                    explore(tools, http, folder, examples=examples, seconds=seconds)


if __name__ == "__main__":
    typer.run(clients)
