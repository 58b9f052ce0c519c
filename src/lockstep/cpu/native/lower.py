"""Lowering: runs a semantic function's syntax tree over guest-time values, emitting LLVM.

The tree is interpreted once, at generation time: static conditions and loops vanish, guest-time
ones become branches, and a local assigned on both sides of a branch becomes a phi. Functions called
on the way are inlined, or compiled once each if marked `@outlined`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from llvmlite import ir

from lockstep.cpu.native.syntax import assigned_names, compiled, parsed
from lockstep.cpu.native.words import I1, Emitter, NativeBool, NativeWord

Env = dict[str, Any]


class LoweringError(Exception):
    """A semantic function steps outside the dialect (a bug of ours)."""


class Frame:
    """One function being inlined: where its returns left off."""

    def __init__(self) -> None:
        self.returns: list[tuple[Any, Any, Any]] = []  # (block, value, control)


class Lowering(Emitter):
    """Executes statements of the dialect. Subclasses say what ends an instruction."""

    hart: Any

    def __init__(self, builder: ir.IRBuilder) -> None:
        super().__init__(builder)
        self.dead = False  # the current path has ended (trap, return, jump)
        self.finished = False  # ... because the instruction was finished on it
        self.control: Any = None  # where this path goes next; None: the next instruction
        self.frames: list[Frame] = []

    # What subclasses supply.
    def finish(self) -> None:
        """End the instruction on the current path. Only instructions can."""
        raise LoweringError("paths with different jumps meet inside a helper")

    # Calling.
    def inline(self, function: Callable[..., Any], args: Iterable[Any]) -> Any:
        """Lower a call of `function` in place and return its value."""
        tree = parsed(function)
        frame = Frame()
        env: Env = {**tree.scope, **self._hooks()}
        env.update(zip(tree.parameters, args, strict=True))
        self.frames.append(frame)
        try:
            self._run(tree.body, env)
        except LoweringError:
            raise
        except Exception as problem:
            raise LoweringError(f"in {tree.name}: {problem!r}") from problem
        finally:
            self.frames.pop()
        return self._join_returns(frame)

    def _join_returns(self, frame: Frame) -> Any:
        if not self.dead:
            frame.returns.append((self.builder.block, None, self.control))
        if not frame.returns:
            return None
        self.dead = False
        if len(frame.returns) == 1:
            block, value, self.control = frame.returns[0]
            self.builder.position_at_end(block)
            return value
        if self._finish_if_controls_differ([(b, c) for b, _, c in frame.returns]):
            return None
        _, _, self.control = frame.returns[0]
        return self._merge_blocks([(b, v) for b, v, _ in frame.returns])

    def _finish_if_controls_differ(self, paths: list[tuple[Any, Any]]) -> bool:
        if all(control is paths[0][1] for _, control in paths):
            return False
        for block, self.control in paths:
            self.builder.position_at_end(block)
            self.finish()
        self.dead = self.finished = True
        return True

    def _hooks(self) -> Env:
        return {
            "__both__": self._both,
            "__either__": self._either,
            "__not__": self._not,
            "__select__": self._select,
            "__invoke__": self._invoke,
        }

    def _invoke(self, function: Any, *args: Any, **keywords: Any) -> Any:
        plain = isinstance(function, FunctionType) and not hasattr(function, "__wrapped__")
        if plain and args and args[0] is self.hart:
            return self.inline(function, args)
        return function(*args, **keywords)

    # Conditions.
    def _as_bool(self, value: Any) -> NativeBool:
        if isinstance(value, NativeBool):
            return value
        assert isinstance(value, bool | int), f"{value!r} is not a condition"
        return NativeBool(self, ir.Constant(I1, int(bool(value))))

    def _both(self, a: Any, b: Any) -> Any:
        if isinstance(a, NativeBool) or isinstance(b, NativeBool):
            return self._as_bool(a).both(self._as_bool(b))
        return a and b

    def _either(self, a: Any, b: Any) -> Any:
        if isinstance(a, NativeBool) or isinstance(b, NativeBool):
            return self._as_bool(a).either(self._as_bool(b))
        return a or b

    def _not(self, a: Any) -> Any:
        return a.inverted() if isinstance(a, NativeBool) else not a

    def _select(self, condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
        if not isinstance(condition, NativeBool):
            return yes() if condition else no()
        one, two = self._alike([yes(), no()])
        chosen = self.builder.select(condition.value, one.value, two.value)
        return NativeBool(self, chosen) if isinstance(one, NativeBool) else self.word(chosen)

    def _alike(self, values: list[Any]) -> list[Any]:
        """Bring literals to the type of the guest-time values among them."""
        if any(isinstance(v, NativeBool) for v in values) or all(
            isinstance(v, bool) for v in values
        ):
            return [self._as_bool(v) for v in values]
        widths = {v.width for v in values if isinstance(v, NativeWord)} or {64}
        assert len(widths) == 1, f"widths {sorted(widths)} meet"
        width = widths.pop()
        return [v if isinstance(v, NativeWord) else self.literal(int(v), width) for v in values]

    # Statements.
    def _run(self, statements: Iterable[ast.stmt], env: Env) -> None:
        for statement in statements:
            if self.dead:
                if self.finished:
                    raise LoweringError("a statement follows a conditional jump")
                return
            handler = getattr(self, f"_do_{type(statement).__name__}", None)
            if handler is None:
                raise LoweringError(f"{type(statement).__name__} is not in the dialect")
            handler(statement, env)

    def _eval(self, expression: ast.expr, env: Env) -> Any:
        return eval(compiled(expression), env)

    def _do_Expr(self, statement: ast.Expr, env: Env) -> None:
        if not isinstance(statement.value, ast.Constant):
            self._eval(statement.value, env)

    def _do_Pass(self, statement: ast.Pass, env: Env) -> None:
        pass

    def _do_Assert(self, statement: ast.Assert, env: Env) -> None:
        pass  # the reference engine checks it

    def _do_Assign(self, statement: ast.Assign, env: Env) -> None:
        value = self._eval(statement.value, env)
        for target in statement.targets:
            self._assign(target, value, env)

    def _do_AnnAssign(self, statement: ast.AnnAssign, env: Env) -> None:
        if statement.value is not None:
            self._assign(statement.target, self._eval(statement.value, env), env)

    def _assign(self, target: ast.expr, value: Any, env: Env) -> None:
        if isinstance(target, ast.Name):
            env[target.id] = value
        elif isinstance(target, ast.Tuple):
            for part, one in zip(target.elts, value, strict=True):
                self._assign(part, one, env)
        elif isinstance(target, ast.Attribute):
            setattr(self._eval(target.value, env), target.attr, value)
        elif isinstance(target, ast.Subscript):
            self._eval(target.value, env)[self._eval(target.slice, env)] = value
        else:
            raise LoweringError(f"cannot assign to {ast.dump(target)}")

    def _do_Return(self, statement: ast.Return, env: Env) -> None:
        value = self._eval(statement.value, env) if statement.value else None
        if self.dead:  # the returned call never returns (a trap)
            return
        self.frames[-1].returns.append((self.builder.block, value, self.control))
        self.dead = True

    def _do_For(self, statement: ast.For, env: Env) -> None:
        for value in self._eval(statement.iter, env):
            if self.dead:
                return
            self._assign(statement.target, value, env)
            self._run(statement.body, env)

    def _do_If(self, statement: ast.If, env: Env) -> None:
        condition = self._eval(statement.test, env)
        if self.dead:
            return
        if not isinstance(condition, NativeBool):
            self._run(statement.body if condition else statement.orelse, env)
            return
        blocks = [self.builder.append_basic_block() for _ in range(2)]
        self.builder.cbranch(condition.value, *blocks)
        before, live = self.control, []
        for block, body in zip(blocks, (statement.body, statement.orelse), strict=True):
            self.builder.position_at_end(block)
            branch = dict(env)
            self.dead, self.control = False, before
            self._run(body, branch)
            if not self.dead:
                live.append((self.builder.block, branch, self.control))
        self._rejoin(live, env)

    def _rejoin(self, live: list[tuple[Any, Env, Any]], env: Env) -> None:
        """Continue after a branch: on the surviving side, or where both sides meet."""
        self.dead = not live
        if len(live) == 1:
            block, branch, self.control = live[0]
            self.builder.position_at_end(block)
            env.update(branch)
        elif live and not self._finish_if_controls_differ([(b, c) for b, _, c in live]):
            self.control = live[0][2]
            self._merge_env(live, env)

    def _merge_env(self, live: list[tuple[Any, Env, Any]], env: Env) -> None:
        first, second = live[0][1], live[1][1]
        changed = [n for n in first if n in second and first[n] is not second[n]]
        both = self._merge_blocks([(b, tuple(e[n] for n in changed)) for b, e, _ in live])
        env.update(zip(changed, both, strict=True))

    def _merge_blocks(self, arriving: list[tuple[Any, Any]]) -> Any:
        """Join blocks in a new one; returns the value that depends on where we came from."""
        meeting = self.builder.append_basic_block()
        for block, _ in arriving:
            self.builder.position_at_end(block)
            self.builder.branch(meeting)
        self.builder.position_at_end(meeting)
        return self._phi([block for block, _ in arriving], [value for _, value in arriving])

    def _phi(self, blocks: list[Any], values: list[Any]) -> Any:
        if all(v is values[0] for v in values):
            return values[0]
        if isinstance(values[0], tuple):
            return tuple(self._phi(blocks, list(parts)) for parts in zip(*values, strict=True))
        if not all(isinstance(v, NativeWord | NativeBool | int) for v in values):
            return None  # differing static objects: unusable afterwards
        if all(isinstance(v, int) for v in values) and len(set(values)) == 1:
            return values[0]
        alike = self._alike(values)
        phi = self.builder.phi(alike[0].value.type)
        for block, value in zip(blocks, alike, strict=True):
            phi.add_incoming(value.value, block)
        return NativeBool(self, phi) if isinstance(alike[0], NativeBool) else self.word(phi)

    def _do_While(self, statement: ast.While, env: Env) -> None:
        names = sorted(n for n in assigned_names(statement.body) if n in env)
        entry = self.builder.block
        header, body, after = (self.builder.append_basic_block() for _ in range(3))
        self.builder.branch(header)
        self.builder.position_at_end(header)
        phis = {}
        for name in names:
            (start,) = self._alike([env[name]])
            phi = self.builder.phi(start.value.type)
            phi.add_incoming(start.value, entry)
            phis[name] = phi
            env[name] = type(start)(self, phi)
        condition = self._as_bool(self._eval(statement.test, env))
        self.builder.cbranch(condition.value, body, after)
        self.builder.position_at_end(body)
        inside = dict(env)
        self._run(statement.body, inside)
        if not self.dead:
            for name, phi in phis.items():
                ended = inside[name]
                if isinstance(ended, int) and not isinstance(ended, bool):
                    ended = self.literal(ended, phi.type.width)
                phi.add_incoming(self._alike([ended])[0].value, self.builder.block)
            self.builder.branch(header)
        self.dead = False
        self.builder.position_at_end(after)
