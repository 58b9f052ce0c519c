"""From the code of a page to object code of its regions."""

from __future__ import annotations

from typing import Final

from llvmlite import binding as llvm

from lockstep.cpu.native.functions import HANDLER_TYPE, NativeModule
from lockstep.cpu.native.objects import target_machine
from lockstep.cpu.native.regions.code import Code, page_of
from lockstep.cpu.native.regions.lowering import Foreign, Region
from lockstep.cpu.native.regions.messages import Order, Product, decode_order, encode
from lockstep.cpu.native.regions.shape import Shape, shapes

_SPEED: Final = 2

_foreign: set[str] = set()
"""Names of instructions that turned out to be the interpreter's."""


def answer(order: bytes) -> bytes:
    """The regions compiler as a process has it: an Order in, a Product out."""
    return encode(compile_regions(decode_order(order)))


def compile_regions(order: Order) -> Product:
    """Regions around what is hot and not covered yet. There may be none."""
    while True:
        code = Code.read(order, frozenset(_foreign))
        made = shapes(code, order.heat, frozenset(order.covered))
        try:
            module = _module(made, code)
        except Foreign as found:
            _foreign.add(found.name)
            continue
        return _product(module, made, order.code)


def _module(made: list[Shape], code: Code) -> NativeModule:
    module = NativeModule()
    for number, shape in enumerate(made):
        Region(module, _name(number), shape, code.stamps)
    return module


def _name(number: int) -> str:
    return f"region{number}"


def _product(module: NativeModule, made: list[Shape], page: bytes) -> Product:
    entries: dict[int, str] = {}
    for number, shape in enumerate(made):
        entries |= dict.fromkeys(shape.entries, _name(number))
    steps = (step for shape in made for block in shape.blocks.values() for step in block)
    covered = sorted({step.at for step in steps if page_of(step.at) == 0})
    imports = [f.name for f in module.ir.functions if f.ftype == HANDLER_TYPE and f.is_declaration]
    return Product(
        object=_object(str(module.ir)) if made else b"",
        entries=entries,
        imports=tuple(imports),
        covered=tuple(covered),
        page=page,
    )


def _object(text: str) -> bytes:
    module = llvm.parse_assembly(text)
    machine = target_machine()
    options = llvm.create_pipeline_tuning_options(speed_level=_SPEED)
    # Guest loops are short of what pays for these, and they make the code three times as large.
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return bytes(machine.emit_object(module))
