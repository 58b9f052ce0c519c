"""The module of native code under construction, and the helpers in it.

A helper is an ordinary function made from an `@outlined` one. It returns, and tells by the hart's
`event` field that its caller must not go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir

from lockstep.cpu.native.lower import Lowering
from lockstep.cpu.native.syntax import parsed
from lockstep.cpu.native.vocabulary import Block, NativeHart
from lockstep.cpu.native.words import I1, I64, PTR, VOID, NativeBool, NativeWord

HANDLER_TYPE: Final = ir.FunctionType(VOID, [PTR, PTR, I64, PTR, I64])
CONVENTION: Final = "preserve_nonecc"
LIKELY: Final = [4000, 1]
"""Weights of a branch whose first way is the usual one by far."""


class Compiled:
    """A helper: its LLVM function, and what a caller must know of it."""

    def __init__(self, function: ir.Function) -> None:
        self.function = function
        self.shape: Any = None
        self.effects: set[str] = set()


class NativeModule:
    """The LLVM module under construction: handlers by name, helpers by what they specialise."""

    def __init__(self) -> None:
        self.ir = ir.Module("lockstep")
        self.helpers: dict[Any, Compiled] = {}
        self.under_way: set[Any] = set()
        self._kinds: dict[str, Any] = {}

    def handler(self, name: str) -> ir.Function:
        """The handler `name`, declared if new."""
        found = self.ir.globals.get(name)
        if found is None:
            found = ir.Function(self.ir, HANDLER_TYPE, name)
            found.calling_convention = CONVENTION
        return found

    def memory_kind(self, name: str) -> Any:
        """Metadata for an access (LLVM's TBAA): kinds of different names do not overlap."""
        if name not in self._kinds:
            root = self.ir.add_metadata(["lockstep"])
            kind = self.ir.add_metadata([name, root])
            self._kinds[name] = self.ir.add_metadata([kind, kind, I64(0)])
        return self._kinds[name]

    def helper(self, receiver: Block, function: Callable[..., Any], args: list[Any]) -> Compiled:
        """The native function of `function` for arguments such as these, compiled if new."""
        key = (function, type(receiver), tuple(_kind(arg) for arg in args))
        found = self.helpers.get(key)
        if found is None:
            assert key not in self.under_way, f"{function.__name__} calls itself"
            self.under_way.add(key)
            found = Helper.compile(self, type(receiver), function, args)
            self.under_way.remove(key)
            self.helpers[key] = found
        return found


def _kind(arg: Any) -> Any:
    if isinstance(arg, Block):
        return ("block", type(arg))
    if isinstance(arg, NativeWord):
        return ("word", arg.width)
    if isinstance(arg, NativeBool):
        return ("bool",)
    return ("static", arg)


class NativeFunction(Lowering):
    """What instructions and helpers have in common."""

    ilen = 0

    def __init__(self, module: NativeModule, function: ir.Function) -> None:
        super().__init__(ir.IRBuilder(function.append_basic_block()))
        self.module = module
        self.function = function
        self.effects: set[str] = set()

    def mark(self, effect: str) -> None:
        """Note what a caller of this function must expect."""
        self.effects.add(effect)

    def writes_x(self, operand: str) -> None:
        raise AssertionError("helpers have no operands")

    def tagged(self, access: Any, memory: str) -> Any:
        """A load or store of a kind of memory (cpu/native/vocabulary) that no other overlaps."""
        return access

    # Vocabulary that depends on the kind of function.
    def before_call(self, receiver: Block) -> None:
        """Write down what the callee may read of our position."""

    def event_block(self) -> Any:
        """A block that leaves this function because of the hart's event."""
        raise NotImplementedError

    def leave_for_event(self) -> None:
        """The event has been set: end this path."""
        self.builder.branch(self.event_block())
        self.dead = True

    def current_pc(self, hart: NativeHart) -> NativeWord:
        self.mark("reads_position")
        return Block.__getattr__(hart, "pc")  # type: ignore[no-any-return]

    def budget_left(self, hart: NativeHart) -> NativeWord:
        self.mark("reads_position")
        return hart.left  # type: ignore[no-any-return]

    def data_table(self, hart: NativeHart) -> NativeWord:
        return hart.data_table  # type: ignore[no-any-return]

    def insn_word(self) -> NativeWord:
        # The trap itself looks the word up (op_event): illegal instructions are its only use.
        return self.literal(0)

    def either_way(
        self, likely: NativeBool, fast: Callable[[], Any], slow: Callable[[], Any]
    ) -> Any:
        """Branch with a strong expectation; returns the value of the side taken."""
        quick, rare = (self.builder.append_basic_block() for _ in range(2))
        branch = self.builder.cbranch(likely.value, quick, rare)
        branch.set_weights(LIKELY)
        self.builder.position_at_end(rare)
        rare_value = slow()
        rare_end = self.builder.block
        self.builder.position_at_end(quick)
        quick_value = fast()
        return self._merge_blocks([(self.builder.block, quick_value), (rare_end, rare_value)])

    def loop(self, start: NativeWord, count: int, body: Callable[[NativeWord], None]) -> None:
        """Call `body` for start .. start+count-1 at run time."""
        entry, inside, after = self.builder.block, *(self._block() for _ in range(2))
        self.builder.branch(inside)
        self.builder.position_at_end(inside)
        index = self.builder.phi(I64)
        index.add_incoming(start.value, entry)
        body(self.word(index))
        following = self.builder.add(index, I64(1))
        index.add_incoming(following, self.builder.block)
        again = self.builder.icmp_unsigned(
            "<", following, self.builder.add(start.value, I64(count))
        )
        self.builder.cbranch(again, inside, after)
        self.builder.position_at_end(after)

    def _block(self) -> Any:
        return self.builder.append_basic_block()

    # Calls of helpers.
    def call_outlined(self, receiver: Block, function: Callable[..., Any], args: Any) -> Any:
        """Call the native function of a semantic one; leave at once if it raised an event."""
        args = self._words_where_declared(function, list(args))
        callee = self.module.helper(receiver, function, args)
        if callee.effects & {"reads_position", "may_leave", "may_resync"}:
            self.before_call(receiver)
        self.effects |= callee.effects
        result = self.builder.call(callee.function, [receiver.pointer, *_run_time(args)])
        if "may_leave" in callee.effects:
            self._check_event(receiver)
        return self._unpack(result, callee.shape)

    def _words_where_declared(self, function: Callable[..., Any], args: list[Any]) -> list[Any]:
        """Literals given for parameters annotated Word are passed at run time, not specialised."""
        names = parsed(function).parameters[1:]
        declared = [str(function.__annotations__.get(name, "")) for name in names]
        return [
            self.literal(a) if isinstance(a, int) and d.startswith("Word") else a
            for a, d in zip(args, declared, strict=True)
        ]

    def _check_event(self, receiver: Block) -> None:
        following = self._block()
        happened = self.builder.icmp_unsigned("!=", receiver.event.value, I64(0))
        branch = self.builder.cbranch(happened, self.event_block(), following)
        branch.set_weights([1, 4000])
        self.builder.position_at_end(following)

    def _unpack(self, result: Any, shape: Any) -> Any:
        if shape is None:
            return None
        if isinstance(shape, tuple):
            parts = [self.builder.extract_value(result, i) for i in range(len(shape))]
            return tuple(self._typed(p, s) for p, s in zip(parts, shape, strict=True))
        return self._typed(result, shape)

    def _typed(self, value: Any, width: int) -> Any:
        return NativeBool(self, value) if width == 0 else self.word(value)

    # Raw pieces used by cpu/native/tlb and the interpreter's own handlers.
    def call_raw(self, name: str, result: Any, args: list[Any]) -> Any:
        """Call a function of the module that is written in LLVM rather than in the dialect."""
        found = self.module.ir.globals.get(name)
        if found is None:
            kind = ir.FunctionType(result, [a.type for a in args])
            found = ir.Function(self.module.ir, kind, name)
        return self.builder.call(found, args)

    def clear_decoded(self, page: NativeWord) -> None:
        self.call_raw("clear_decoded", VOID, [page.value])

    def put_handler(self, entry: NativeWord, name: str) -> None:
        """Let a decoded entry be executed by the handler `name`."""
        pointer = self.builder.inttoptr(entry.value, PTR)
        self.builder.store(self.module.handler(name), pointer)

    def forget_handler(self, entry: NativeWord) -> None:
        """Let a decoded entry be decoded anew, unless its page is to be looked up anew before."""
        pointer = self.builder.inttoptr(entry.value, PTR)
        looked_up, decoded = self.module.handler("op_refetch"), self.module.handler("op_decode")
        now = self.builder.load(pointer, typ=HANDLER_TYPE.as_pointer())
        pending = self.builder.icmp_unsigned("==", now, looked_up)
        self.builder.store(self.builder.select(pending, looked_up, decoded), pointer)

    def call_slice(self, hart: NativeHart, budget: NativeWord) -> None:
        self.call_raw("run_slice", VOID, [hart.pointer, budget.value])


class Helper(NativeFunction):
    """A semantic function made a native one."""

    @classmethod
    def compile(
        cls, module: NativeModule, kind: type[Block], function: Callable[..., Any], args: list[Any]
    ) -> Compiled:
        types = [PTR, *(a.type for a in _run_time(args))]
        # Whatever libc has of that name is not meant.
        name = module.ir.get_unique_name(f"helper.{function.__name__.strip('_')}")
        native = ir.Function(module.ir, ir.FunctionType(VOID, types), name)
        native.attributes.add("noinline")
        native.attributes.add("nounwind")
        self = cls(module, native)
        self.compiled = Compiled(native)
        self.hart = receiver = kind(self, native.args[0])
        given = iter(native.args[1:])
        own = [_rebound(self, a, given) for a in args]
        value = self.inline(function, (receiver, *own))
        self._return(value)
        self.compiled.effects = self.effects
        return self.compiled

    compiled: Compiled

    def __init__(self, module: NativeModule, function: ir.Function) -> None:
        super().__init__(module, function)
        self.exits: list[Any] = []

    def event_block(self) -> Any:
        self.mark("may_leave")
        block = self._block()
        self.exits.append(block)
        return block

    def _return(self, value: Any) -> None:
        """Emit the returns, now that the shape of the value is known."""
        shape = None if self.dead else _shape(value)
        kind = _return_type(shape)
        self.compiled.shape = shape
        self.function.ftype = ir.FunctionType(kind, self.function.ftype.args)
        self.function.type = self.function.ftype.as_pointer()
        self.function.return_value.type = kind
        if not self.dead:
            self._emit_return(value, kind)
        for block in self.exits:
            self.builder.position_at_end(block)
            self._emit_nothing(kind)

    def _emit_return(self, value: Any, kind: Any) -> None:
        if isinstance(kind, ir.VoidType):
            self.builder.ret_void()
        elif isinstance(value, tuple):
            packed = ir.Constant(kind, ir.Undefined)
            for index, part in enumerate(value):
                packed = self.builder.insert_value(packed, self._plain(part), index)
            self.builder.ret(packed)
        else:
            self.builder.ret(self._plain(value))

    def _plain(self, value: Any) -> Any:
        if isinstance(value, bool):
            return ir.Constant(I1, int(value))
        return I64(value) if isinstance(value, int) else value.value

    def _emit_nothing(self, kind: Any) -> None:
        if isinstance(kind, ir.VoidType):
            self.builder.ret_void()
        else:
            self.builder.ret(ir.Constant(kind, None))


def _run_time(args: list[Any]) -> list[Any]:
    """The LLVM values among the arguments; the others are specialised on."""
    values = [a.pointer if isinstance(a, Block) else a for a in args]
    values = [a.value if isinstance(a, NativeWord | NativeBool) else a for a in values]
    return [a for a in values if isinstance(a, ir.Value)]


def _rebound(owner: Lowering, arg: Any, given: Any) -> Any:
    if isinstance(arg, Block):
        return type(arg)(owner, next(given))
    if isinstance(arg, NativeWord):
        return NativeWord(owner, next(given))
    if isinstance(arg, NativeBool):
        return NativeBool(owner, next(given))
    return arg


def _shape(value: Any) -> Any:
    """Widths of a returned value: 0 a condition, else bits; a tuple of those; None for nothing."""
    if isinstance(value, tuple):
        return tuple(_shape(part) for part in value)
    if isinstance(value, NativeBool | bool):
        return 0
    if isinstance(value, NativeWord):
        return value.width
    return 64 if isinstance(value, int) else None


def _return_type(shape: Any) -> Any:
    if shape is None:
        return VOID
    if isinstance(shape, tuple):
        return ir.LiteralStructType([_return_type(part) for part in shape])
    return I1 if shape == 0 else ir.IntType(shape)
