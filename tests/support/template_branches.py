"""Which branches of the templates were taken: each `if` both ways, each loop's body, each choice within an expression.

A name that a template misspells is an error where its line is rendered (StrictUndefined), and nowhere else.
"""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, nodes
from jinja2.compiler import CodeGenerator

Branch = tuple[str, int, str]
"""Template, line, which way."""


class Branches:
    """The branches of an environment's templates, and those that were taken."""

    def __init__(self, environment: Environment) -> None:
        self.known: set[Branch] = set()
        self.taken: set[Branch] = set()
        environment.code_generator_class = type("Noting", (_Noting,), {"branches": self})
        environment.extend(branch_taken=self._take)
        for name in environment.list_templates():
            environment.get_template(name)

    def _take(self, branch: Branch, value: Any = "") -> Any:
        """Note it, and give the value back."""
        self.taken.add(branch)
        return value

    @property
    def missed(self) -> list[str]:
        """Branches that no page took."""
        return [f"{name}:{line} {way}" for name, line, way in sorted(self.known - self.taken)]


class _Noting(CodeGenerator):
    """Compiles a template whose branches say that they were taken."""

    branches: Branches

    def visit_Template(self, node: nodes.Template, frame: Any = None) -> None:
        elifs = {id(one) for found in node.find_all(nodes.If) for one in found.elif_}
        for found in list(node.find_all((nodes.If, nodes.For, nodes.CondExpr))):
            self._mark(found, is_elif=id(found) in elifs)
        super().visit_Template(node, frame)

    def _mark(self, node: nodes.Node, *, is_elif: bool) -> None:
        if isinstance(node, nodes.CondExpr):
            node.expr1 = self._said(node, "chosen", node.expr1)
            if node.expr2 is not None:
                node.expr2 = self._said(node, "otherwise", node.expr2)
        elif isinstance(node, nodes.For):
            node.body = [self._note(node, "each"), *node.body]
            node.else_ = [self._note(node, "none"), *node.else_] if node.else_ else []
        elif isinstance(node, nodes.If):
            node.body = [self._note(node, "if"), *node.body]
            # The `else` of a chain belongs to its first `if`.
            if not is_elif:
                node.else_ = [self._note(node, "else"), *node.else_]

    def _note(self, node: nodes.Node, way: str) -> nodes.Output:
        return nodes.Output([self._said(node, way)], lineno=node.lineno)

    def _said(self, node: nodes.Node, way: str, *value: nodes.Expr) -> nodes.Call:
        branch = (str(self.name), node.lineno, way)
        self.branches.known.add(branch)
        named = nodes.EnvironmentAttribute("branch_taken")
        return nodes.Call(named, [nodes.Const(branch), *value], [], None, None, lineno=node.lineno)
