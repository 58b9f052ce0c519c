"""Semantic functions as syntax trees, prepared for lowering.

`parsed(function)` gives the statements of a function with every expression compiled to a code
object. In the expressions, what plain Python would decide at once (`and`, `or`, `not`, `a if c
else b`) and every call is redirected to hooks (names starting with two underscores), so that the
lowerer may evaluate them over guest-time values.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any


@dataclass(frozen=True)
class Parsed:
    """A function's parameters, statements and the names visible to it."""

    name: str
    parameters: tuple[str, ...]
    body: tuple[ast.stmt, ...]
    scope: dict[str, Any]


class _Hooks(ast.NodeTransformer):
    """Redirect to hooks what must not be decided while generating code."""

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        name = "__both__" if isinstance(node.op, ast.And) else "__either__"
        result = node.values[0]
        for value in node.values[1:]:
            result = _call(name, result, value)
        return result

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        return _call("__not__", node.operand) if isinstance(node.op, ast.Not) else node

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        self.generic_visit(node)
        return _call("__select__", node.test, _thunk(node.body), _thunk(node.orelse))

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        return ast.Call(ast.Name("__invoke__", ast.Load()), [node.func, *node.args], node.keywords)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if len(node.ops) > 1:
            raise SyntaxError("chained comparisons do not lower; use `and`")
        return node


class _PlainAssignments(ast.NodeTransformer):
    """`x += 1` becomes `x = x + 1`."""

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        loaded = _copy(node.target)
        assign = ast.Assign([node.target], ast.BinOp(loaded, node.op, node.value))
        return ast.fix_missing_locations(ast.copy_location(assign, node))


def _call(name: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(args), [])


def _thunk(body: ast.expr) -> ast.expr:
    empty = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Lambda(empty, body)


@cache
def parsed(function: Callable[..., Any]) -> Parsed:
    """The prepared syntax tree of `function` (decorators looked through)."""
    plain = inspect.unwrap(function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(plain)))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef), f"{plain} is not a plain function"
    scope = dict(inspect.getclosurevars(plain).nonlocals)
    scope = {**plain.__globals__, **scope}
    parameters = tuple(a.arg for a in definition.args.args)
    body = tuple(_PlainAssignments().visit(statement) for statement in definition.body)
    return Parsed(plain.__name__, parameters, body, scope)


_compiled: dict[int, tuple[ast.expr, CodeType]] = {}


def compiled(expression: ast.expr) -> CodeType:
    """The code object of an expression, with hooks in place. Compiled once."""
    found = _compiled.get(id(expression))
    if found is None:
        hooked = ast.Expression(_Hooks().visit(_copy(expression)))
        ast.fix_missing_locations(hooked)
        # The expression is kept with its code so that its id stays taken.
        found = (expression, compile(hooked, "<semantics>", "eval"))
        _compiled[id(expression)] = found
    return found[1]


def _copy(expression: ast.expr) -> ast.expr:
    copied = ast.parse(ast.unparse(expression), mode="eval")
    return copied.body


def assigned_names(statements: list[ast.stmt]) -> set[str]:
    """Local names that the statements assign, at any depth."""
    found: set[str] = set()
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found.add(node.id)
    return found
