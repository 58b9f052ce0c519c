"""From the code of a page to object code of its regions."""

from __future__ import annotations

from lockstep.cpu.native.functions import HANDLER_TYPE, NativeModule
from lockstep.cpu.native.lower import LoweringError
from lockstep.cpu.native.messages import Order, Portion, Product, decode_request, encode
from lockstep.cpu.native.objects import version_key
from lockstep.cpu.native.portions import compile_portion
from lockstep.cpu.native.regions.code import Code, page_of
from lockstep.cpu.native.regions.lowering import Foreign, Region
from lockstep.cpu.native.regions.shape import Shape, shapes
from lockstep.cpu.native.target import optimised

_foreign: set[str] = set()
"""Names of instructions that turned out to be the interpreter's."""


class OtherVersion(Exception):
    """Who asks is another lockstep than this: what is compiled here is not for it."""


def answer(request: bytes) -> bytes:
    """The compiler as a process has it: an Order gives a Product, a Portion object code.

    Raises OtherVersion: the program was installed anew, or is not the one that Python finds first.
    """
    question = decode_request(request)
    if question.version != version_key():
        raise OtherVersion("lockstep was installed anew meanwhile")
    if isinstance(question.asked, Portion):
        return compile_portion(question.asked.number)
    return encode(compile_regions(question.asked))


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
        except LoweringError:  # a bug of ours: the page stays with the interpreter
            return _product(NativeModule(), [], order.code)
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
        object=optimised(str(module.ir), vectors=False) if made else b"",
        entries=entries,
        imports=tuple(imports),
        covered=tuple(covered),
        page=page,
    )
