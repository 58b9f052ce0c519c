"""Compiled code in the cache that is whole, sealed, and wrong: as a host makes that miscomputes."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import msgspec

from conformance.assembler import Assembler
from fakes.images import elf
from lockstep import places
from lockstep.cpu.layout import HEAT_LINE, PAGE
from lockstep.cpu.native.messages import decode_product, encode
from lockstep.cpu.native.objects import Interpreter, load
from lockstep.cpu.native.regions import foundry
from lockstep.cpu.native.regions.compiler import answer
from lockstep.cpu.native.regions.service import Hot
from lockstep.host.codestore import CodeStore

BASE = 0x8000_0000
ROUNDS = 100_000_000
GREETING = b"hello, here is a line\n"
UART, FINISHER, PASS = 0x1000_0000, 0x10_0000, 0x5555


def counting_guest(path: Path) -> Path:
    """Says something, counts for a while, says it again and powers off."""
    path.write_bytes(elf((BASE, _program(1), PAGE)))
    return path


def put_wrong_regions() -> None:
    """Have the cache say that `counting_guest` counts by two."""
    store = CodeStore(places.compiled_regions())
    right = _program(1).ljust(PAGE, b"\0")
    for made in _products(_hot(load(print), _program(2).ljust(PAGE, b"\0"))):
        product = msgspec.structs.replace(decode_product(made), page=right)
        wrong = encode(product)
        name = hashlib.sha256(wrong).digest()
        store.put(name, wrong)
        for line in foundry._lines(product.covered):
            store.put(foundry._line_key(right, line), name)
    store.close()


def _program(step: int) -> bytes:
    code = Assembler(BASE)
    _say(code)
    code.constant(5, ROUNDS)
    while code.here % HEAT_LINE:
        code.emit("addi")
    code.label("loop")
    code.emit("addi", rd=6, rs1=6, imm=step)
    code.emit("addi", rd=5, rs1=5, imm=-1)
    code.branch("bne", "loop", rs1=5, rs2=0)
    _say(code)
    code.constant(5, FINISHER)
    code.constant(6, PASS)
    code.emit("sw", rs1=5, rs2=6, imm=0)
    code.label("end")
    code.branch("jal", "end", rd=0)
    return code.finish()


def _say(code: Assembler) -> None:
    code.constant(5, UART)
    for character in GREETING:
        code.constant(7, character)
        code.emit("sb", rs1=5, rs2=7, imm=0)


def _hot(interpreter: Interpreter, page: bytes) -> Hot:
    """The page, with its loop executed."""
    step = page.index(_loop(2))
    handlers = [interpreter.handlers["op_decode"]] * (PAGE // 2)
    for at in range(step, step + 12, 4):
        handlers[at // 2] = interpreter.handlers["op_illegal"] + 1  # anything but an op
    words = b"".join(each.to_bytes(8, "little") for each in handlers)
    heat = bytearray(2 * PAGE // HEAT_LINE)
    heat[2 * (step // HEAT_LINE)] = foundry.LEAST
    return Hot(0, page, words, bytes(heat), foundry.LEAST)


def _loop(step: int) -> bytes:
    code = Assembler(BASE)
    code.emit("addi", rd=6, rs1=6, imm=step)
    code.emit("addi", rd=5, rs1=5, imm=-1)
    return code.finish()


def _products(hot: Hot) -> list[bytes]:
    shelf, ready = _Shelf(), threading.Event()
    workshop = foundry.Workshop(load(print), shelf, answer, ready.set)
    try:
        workshop.order(hot)
        assert ready.wait(60)
    finally:
        workshop.close()
    return [each for each in shelf.parts if len(each) != hashlib.sha256().digest_size]


class _Shelf:
    """A store that has nothing, and shows what was put."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def get(self, key: bytes) -> list[bytes]:
        return []

    def put(self, key: bytes, part: bytes) -> None:
        self.parts.append(part)
