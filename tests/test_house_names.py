"""One class name means one thing, in the whole product."""

from __future__ import annotations

import ast
from collections import defaultdict

from arrows import nodes, parsed, sources

APART = ("tests/", "bench/", "docs/")
MARKERS = {"patched", "deprecate_patch"}


def test_no_class_name_is_defined_twice() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for source in sources():
        if source.path.startswith(APART):
            continue
        for node in ast.iter_child_nodes(parsed(source)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(source.path)
    assert len(found) > 100
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}


def test_both_cores_have_the_same_files_for_the_same_things() -> None:
    paths = {source.path for source in sources()}
    for name in ("commands", "deadlines", "opening", "page", "state", "steps", "texts", "views"):
        assert {f"core/order/{name}.py", f"core/withdrawal/{name}.py"} <= paths, name


def test_a_movement_like_refund_arrived_stands_in_five_files() -> None:
    """Its line in the chart, its builder, the order that books it, and the two that compare it with statements."""
    knowing = [s.path for s in sources() if "refund_arrived" in s.text and not s.path.startswith(APART)]
    assert sorted(knowing) == [
        "core/chart.py",
        "core/movements.py",
        "core/order/bookings.py",
        "core/reconciliation/lines.py",
        "ledger/reconciling.py",
    ]


def test_no_workflow_asks_for_a_patch_marker() -> None:
    """Right after a local activity a replay may answer otherwise than the run did: docs/decisions/0022."""
    asking = [
        source.path
        for source in sources()
        if any(name in source.text for name in MARKERS)  # to look at all files takes seconds
        for node in nodes(parsed(source), ast.Attribute)
        if node.attr in MARKERS
    ]
    assert asking == []
