"""Who may import whom, read from the sources without running them.

starter → commands → demo, backtest → worker → wiring → inbound → activities → ledger → core
worker → workflows → activities      commands, demo, backtest, worker, wiring → gateway → core
commands, demo, backtest → local, screens      nearly every room may import core and config
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

ROOT = Path(__file__).parents[2]
Node = TypeVar("Node", bound=ast.AST)

EVERYONES = {"core", "config"}
EVERYTHING = {
    "starter",
    "commands",
    "gateway",
    "worker",
    "ending",
    "logs",
    "wiring",
    "inbound",
    "workflows",
    "activities",
    "ledger",
    "local",
    "demo",
    "backtest",
    "bench",
    "screens",
    "storefront",
} | EVERYONES
ARROWS: dict[str, set[str]] = {
    "core": {"core"},
    "config": {"core"},
    "ending": set(),
    "logs": EVERYONES,
    "ledger": EVERYONES,
    "activities": {"ledger"} | EVERYONES,
    "workflows": {"activities"} | EVERYONES,
    "gateway": EVERYONES,
    "inbound": {"activities", "ledger"} | EVERYONES,
    "wiring": {"gateway", "inbound", "activities", "ledger"} | EVERYONES,
    "worker": {"ending", "logs", "gateway", "wiring", "workflows"} | EVERYONES,
    "local": EVERYONES,
    "screens": set(),
    "storefront": {"ending", "logs", "gateway", "wiring", "inbound", "ledger"} | EVERYONES,
    "demo": {"screens", "gateway", "wiring", "worker", "local", "ledger", "storefront"} | EVERYONES,
    "backtest": {"screens", "gateway", "worker", "local", "ledger"} | EVERYONES,
    "commands": {
        "ending",
        "logs",
        "screens",
        "gateway",
        "wiring",
        "worker",
        "demo",
        "backtest",
        "local",
        "ledger",
        "inbound",
        "storefront",
    }
    | EVERYONES,
    "starter": {"commands", "ending"},
    "docs": {"local", "ledger"} | EVERYONES,
    "bench": EVERYTHING,
    "tests": EVERYTHING | {"docs"},
}
"""Room → the rooms it may import, besides itself."""

ONLY_IN: dict[str, set[str]] = {
    "asyncpg": {"ledger", "bench", "tests"},
    "temporalio": {
        "workflows",
        "activities",
        "gateway",
        "wiring",
        "worker",
        "config",
        "commands",
        "demo",
        "backtest",
        "local",
        "bench",
        "storefront",
        "tests",
    },
    "httpx2": {
        *("activities", "inbound", "wiring", "commands", "demo", "backtest", "local", "bench", "tests", "storefront"),
    },
    "httpcore2": {"storefront", "tests"},
    "standardwebhooks": {"demo", "tests"},
    "openpyxl": {"inbound", "tests"},
    "defusedxml": {"inbound"},
    "mt940": {"tests"},
    "starlette": {"local", "storefront", "tests"},
    "uvicorn": {"local", "storefront", "tests"},
    "fastapi": {"storefront", "tests"},
    "throttled": {"storefront", "tests"},
    "jinja2": {"storefront", "tests"},
    "joserfc": {"storefront", "local", "tests"},
    "playwright": {"tests"},
    "opencc": {"docs", "tests"},
    "holidays": {"commands", "tests"},
    "opentelemetry": {"gateway", "tests"},
    "typer": {"commands", "starter", "bench", "tests"},
    "rich": {"screens", "commands", "demo", "backtest", "bench", "tests"},
}
"""Library → the rooms that may import it."""

CORE_MAY_IMPORT = frozenset(
    {"__future__", "collections", "dataclasses", "enum", "functools", "itertools", "typing"}
    | {"datetime", "decimal", "math", "operator", "base64", "hashlib", "json", "tomllib", "importlib.resources"}
    | {"csv", "re", "difflib", "unicodedata", "urllib.parse", "zlib", "pydantic", "iso4217", "stdnum", "phonenumbers"}
    | {"cryptography.exceptions", "cryptography.hazmat.primitives.asymmetric.ed25519"}
)
"""No clock, chance, file, socket, process or environment. `importlib.resources`: tables that ship inside core.

To check a signature is pure; to make a key is not, see `IMPURE_METHODS`.
"""
IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "__import__"}
IMPURE_METHODS = {"now", "utcnow", "today", "fromtimestamp", "generate"}

SQL_ROOMS = {"ledger", "local", "bench", "tests"}
SQL = re.compile(
    r"^\s*SELECT\s|\bSELECT\s.+\sFROM\b|\bINSERT\s+INTO\b|\bUPDATE\s+[\w.]+\s+SET\b|\bDELETE\s+FROM\b"
    r"|\b(CREATE|ALTER|DROP)\s+(TABLE|ROLE|SCHEMA|DATABASE|INDEX|FUNCTION)\b|^\s*(GRANT|TRUNCATE|VACUUM|BEGIN|COMMIT)\b",
    re.DOTALL,
)
SQL_IN_SMALL = re.compile(r"^\s*(select\s.+\sfrom|insert\s+into|update\s+\w+\s+set|delete\s+from)\s", re.DOTALL)

ENVIRONMENT = {"environ", "environb", "getenv", "putenv"}
ENVIRONMENT_ROOMS = {"config", "tests"}
PARENTS = {"local", "commands", "demo", "backtest", "bench"}
"""Rooms that start processes and may pass the environment on."""


class Source(NamedTuple):
    """One Python file: its path inside the project, and its text."""

    path: str
    text: str

    @property
    def room(self) -> str:
        """The first part of its path: `core`, `worker`, …"""
        return self.path.partition("/")[0].removesuffix(".py")


@cache
def sources(root: Path = ROOT) -> Sequence[Source]:
    """Every Python file of the project, nothing that was built or installed. Read once."""
    files = {file: file.relative_to(root) for file in sorted([*root.glob("*.py"), *root.glob("[a-z]*/**/*.py")])}
    return [
        Source(path.as_posix(), file.read_text(encoding="utf-8"))
        for file, path in files.items()
        if path.parts[0] not in {"var", "build", "dist"}
    ]


@cache
def parsed(source: Source) -> ast.AST:
    """Its tree, parsed once."""
    return ast.parse(source.text, source.path)


@cache
def _by_kind(tree: ast.AST) -> dict[type[ast.AST], list[Any]]:
    """All nodes of a tree, walked once: every check asks for some. There are a million of all files."""
    found = defaultdict(list)
    todo = [tree]
    for node in todo:  # it grows
        found[type(node)].append(node)
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                todo += (part for part in value if isinstance(part, ast.AST))
            elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
                todo.append(value)
    return found


def nodes(tree: ast.AST, kind: type[Node]) -> Sequence[Node]:
    """Those of this very kind."""
    return _by_kind(tree).get(kind, [])


def violations(source: Source) -> list[str]:
    """What this file does that its room may not, each with file and line. Total over files that parse."""
    tree = parsed(source)
    checks = (_of_arrows, _of_libraries, _of_purity, _of_environment, _of_sql)
    return [f"{source.path}:{line}: {what}" for check in checks for line, what in check(source.room, tree)]


Found = Iterator[tuple[int, str]]


@cache
def imports(tree: ast.AST) -> Sequence[tuple[int, str]]:
    """(line, module) of every import, those inside functions and blocks too; `.` stands for a relative one."""
    whole = [(node.lineno, alias.name) for node in nodes(tree, ast.Import) for alias in node.names]
    parts = [
        (node.lineno, "." if node.level else f"{node.module}.{alias.name}")
        for node in nodes(tree, ast.ImportFrom)
        for alias in node.names
    ]
    return [*whole, *parts]


def _of_arrows(room: str, tree: ast.AST) -> Found:
    if room not in ARROWS:
        yield 1, f"no arrows are drawn for the room {room}"
        return
    for line, module in imports(tree):
        target = module.partition(".")[0]
        if module == ".":
            yield line, "a relative import; say from where"
        elif target in ARROWS and target != room and target not in ARROWS[room]:
            yield line, f"{room} may not import {target}"


def _of_libraries(room: str, tree: ast.AST) -> Found:
    for line, module in imports(tree):
        library = module.partition(".")[0]
        if library in ONLY_IN and room not in ONLY_IN[library]:
            yield line, f"{library} is not for {room}"


def _of_purity(room: str, tree: ast.AST) -> Found:
    if room != "core":
        return
    for line, module in imports(tree):
        top = module.partition(".")[0]
        within = {module, module.rpartition(".")[0], ".".join(module.split(".")[:2]), top}
        if top != "core" and not within & CORE_MAY_IMPORT:
            kind = "the standard library's" if top in sys.stdlib_module_names else "the library"
            yield line, f"core is pure and may not import {kind} {module}"
    for node in nodes(tree, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if name in IMPURE_CALLS or method in IMPURE_METHODS:
            yield node.lineno, f"core is pure and may not call {name or method}"


def _of_environment(room: str, tree: ast.AST) -> Found:
    if room in ENVIRONMENT_ROOMS:
        return
    for line, module in imports(tree):
        if module in {f"os.{name}" for name in ENVIRONMENT}:
            yield line, "only config reads the environment"
    passed_on = {id(part) for part in _passed_on(tree)} if room in PARENTS else set()
    for node in nodes(tree, ast.Attribute):
        if id(node) not in passed_on and node.attr in ENVIRONMENT and ast.unparse(node.value) == "os":
            yield node.lineno, "only config reads the environment"


def _passed_on(tree: ast.AST) -> Iterator[ast.AST]:
    """`os.environ` inside `{**os.environ, …}`: the whole of it, for a child, without a look at what is in it."""
    for node in nodes(tree, ast.Dict):
        yield from (value for key, value in zip(node.keys, node.values, strict=True) if key is None)


def _of_sql(room: str, tree: ast.AST) -> Found:
    if room in SQL_ROOMS:
        return
    docstrings = {id(node) for node in _docstrings(tree)}
    for node in nodes(tree, ast.Constant):
        if not isinstance(node.value, str) or id(node) in docstrings:
            continue
        if SQL.search(node.value) or SQL_IN_SMALL.search(node.value):
            yield node.lineno, "SQL stands only in ledger"


def _docstrings(tree: ast.AST) -> Iterator[ast.AST]:
    """Strings that are statements: docstrings of modules, classes, functions and attributes."""
    for node in nodes(tree, ast.Expr):
        if isinstance(node.value, ast.Constant):
            yield node.value
