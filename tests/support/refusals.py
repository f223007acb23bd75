"""The reason codes that a check can refuse with, read from its source and that of the checks it calls."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

_CODES = (
    re.compile(r'refuse\(\s*"(\w+)"'),
    re.compile(r'_one\(state, command\.parcel_id, "\w+", "(\w+)"\)'),  # a code that a helper is given
)
_LAMBDA = "<lambda>"


def codes_of(*checks: Callable[..., Any]) -> set[str]:
    """The codes in the source of these functions alone."""
    source = "".join(inspect.getsource(check) for check in checks if check.__name__ != _LAMBDA)
    return {code for form in _CODES for code in form.findall(source)}


def reached_from(check: Callable[..., Any]) -> list[Callable[..., Any]]:
    """A check, and every function that returns a refusal and is called on its way."""
    found: list[Callable[..., Any]] = []
    ahead = [check]
    while ahead:
        function = ahead.pop()
        if function not in found:
            found.append(function)
            ahead += [one for one in _named_by(function) if isinstance(one, FunctionType) and _refuses(one)]
    return found


def _refuses(function: FunctionType) -> bool:
    returns = str(function.__annotations__.get("return", ""))
    made_here = function.__module__ == "core.reasons"  # `refuse` itself
    return function.__name__ == _LAMBDA or ("Refusal" in returns and not made_here)


def _named_by(function: Callable[..., Any]) -> Iterator[object]:
    """The values that a function's source names, by itself or as parts of modules."""
    named = inspect.getclosurevars(function)
    yield from named.nonlocals.values()
    if function.__name__ == _LAMBDA:  # its source is the line around it: take its names from the compiled code
        yield from named.globals.values()
        modules = [one for one in named.globals.values() if isinstance(one, ModuleType)]
        yield from (getattr(module, name, None) for module in modules for name in named.unbound)
        return
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Name):
            yield named.globals.get(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = named.globals.get(node.value.id)
            if isinstance(module, ModuleType):
                yield getattr(module, node.attr)
