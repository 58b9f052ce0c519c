"""Writes a program out of dice: loops in loops, branches both ways, calls, faults, and patches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from conformance.assembler import Assembler
from conformance.dice import Dice
from conformance.steps import LOADS, STORES, floating, plain
from instructions import encode, named
from laws.flow.ground import (
    BAD,
    BUILT,
    CODE,
    CODE_AGAIN,
    DATA_POINTER,
    EDGE,
    NO_ACCESS_YET,
    NOTHING,
    PAGE,
    RAM,
    RAM_SIZE,
    READ_ONLY,
    REFUSED,
    REGISTER_POINTER,
    STACK,
    WINDOW,
    Conditions,
    M,
)
from lockstep.isa.csrs import CSR_NUMBERS
from lockstep.isa.disasm import disassemble
from lockstep.isa.table import Insn, table

TARGETS: Final = tuple(range(10, 16))  # what computations may write; compressed ones can, too
RETURN: Final = encode("jalr", rs1=1)
COUNTERS: Final = (20, 21, 22)  # of loops, by depth
ADDRESS, PATCH, ALIAS = 24, 25, 26
DEPTH: Final = len(COUNTERS)
_ELSEWHERE: Final = {
    *LOADS, *STORES, "jal", "jalr", "beq", "bne", "blt", "bge", "bltu", "bgeu", "fence",
    "fence.tso", "c.j", "c.jr", "c.jalr", "c.beqz", "c.bnez", "c.addi16sp", "c.ebreak",
}  # fmt: skip
_COMPUTING: Final = ("RV64I", "M", "C", "Zba", "Zbb", "Zbc", "Zbs")
CALCULATIONS: Final = [
    one for one in table() if one.ext in _COMPUTING and one.name not in _ELSEWHERE
]
LONG_CALCULATIONS: Final = [one for one in CALCULATIONS if one.length == 4]
FLOATS: Final = [one for one in table() if one.ext in ("F", "D") and one.name not in _ELSEWHERE]
ATOMICS: Final = [one for one in table() if one.ext == "A"]
ACCESSES: Final = [named(name) for name in (*LOADS, *STORES) if not name.startswith("c.")]
BRANCHES: Final = ("beq", "bne", "blt", "bge", "bltu", "bgeu")


class Program(NamedTuple):
    """Code at an address, what else is in memory, and under which conditions it runs."""

    start: int
    code: bytes
    given: Conditions
    data: Mapping[int, bytes] = MappingProxyType({})

    def listing(self) -> str:
        """What it says, for the report of a failure."""
        lines, at = [f"{self.given}"], 0
        while at < len(self.code):
            size = 4 if self.code[at] & 3 == 3 else 2
            word = int.from_bytes(self.code[at : at + size], "little")
            lines.append(f"{self.start + at:#x}  {disassemble(word, self.start + at)}")
            at += size
        return "\n".join(lines)


def write_program(dice: Dice, mode: int) -> Program:
    """Any program for that mode."""
    given = _conditions(dice, mode)
    start = CODE + 2 * dice.below(PAGE // 2)
    writer = _Writer(dice, start, given)
    return Program(start, writer.write(), given, writer.data)


def _conditions(dice: Dice, mode: int) -> Conditions:
    edges, bad = [REFUSED, RAM + RAM_SIZE], [PAGE, REFUSED + 64]
    if mode != M:
        edges = [REFUSED, WINDOW + PAGE, WINDOW + READ_ONLY * PAGE, WINDOW + NO_ACCESS_YET * PAGE]
        bad = [PAGE, WINDOW + NOTHING * PAGE + 64, 1 << 40]
    harts = dice.pick((1, 1, 2))
    return Conditions(
        mode,
        harts,
        quantum=dice.pick((5, 23, 100, 1000)),
        # From the handler's look at the time to its end it takes 14 ticks, if nobody else runs.
        period=harts * dice.pick((15, 20, 60, 300)) + dice.below(5),
        first=dice.below(200),
        edge=dice.pick(edges),
        bad=dice.pick(bad),
    )


def write_loop(dice: Dice, given: Conditions) -> tuple[Program, set[int]]:
    """A loop that calls a function and counts in memory; the addresses of all its instructions."""
    start = CODE + PAGE - 2 * dice.below(20)
    writer = _Writer(dice, start, given)
    asm = writer.asm
    asm.label("loop")
    for _ in range(dice.between(2, 6)):
        asm.word(writer.calculation(CALCULATIONS))
    asm.load(16, DATA_POINTER, 0)
    asm.emit("addi", rd=16, rs1=16, imm=1)
    asm.branch("jal", "function", rd=1)
    asm.store(16, DATA_POINTER, 0)
    asm.branch("jal", "loop")
    asm.label("function")
    for _ in range(dice.between(1, 4)):
        asm.word(writer.calculation(CALCULATIONS))
    asm.emit("c.jr", rs1=1)
    program = Program(start, asm.finish(), given)
    return program, {int(line.split()[0], 16) for line in program.listing().splitlines()[1:]}


class _Writer:
    """A program under construction: functions that call only those after them."""

    def __init__(self, dice: Dice, start: int, given: Conditions) -> None:
        self.dice, self.given = dice, given
        self.asm = Assembler(start)
        self.functions = dice.between(0, 3)
        self.slots = {f"slot{i}": self.two_words() for i in range(dice.between(1, 3))}
        self.unplaced = list(self.slots)
        self.built = [self.two_words() for _ in range(4)]
        self.data = {
            BUILT + 8 * i: (word | RETURN << 32).to_bytes(8, "little")
            for i, (word, _) in enumerate(self.built)
        }
        self.ahead: list[str] = []  # labels that were jumped to and have to come
        self.number = 0
        self.function = -1  # the one being written; the first is the main program

    def write(self) -> bytes:
        asm = self.asm
        asm.label("main")
        self.statements(0, self.dice.between(4, 8))
        self.place_all()
        asm.branch("jal", "main")
        for number in range(self.functions):
            self.function = number
            asm.label(f"function{number}")
            asm.emit("addi", rd=STACK, rs1=STACK, imm=-16)
            asm.store(1, STACK, 0)
            self.statements(1, self.dice.between(1, 3))
            self.place_all()
            asm.load(1, STACK, 0)
            asm.emit("addi", rd=STACK, rs1=STACK, imm=16)
            asm.emit("c.jr", rs1=1)
        while self.unplaced:
            self.slot(0)
        return asm.finish()

    def label(self) -> str:
        self.number += 1
        return f"label{self.number}"

    def place_all(self) -> None:
        for label in self.ahead:
            self.asm.label(label)
        self.ahead.clear()

    def statements(self, depth: int, count: int) -> None:
        kinds: list[Callable[[int], None]] = [
            self.calculations, self.calculations, self.access, self.access, self.loop, self.branch,
            self.jump_ahead, self.call, self.patch, self.patch, self.slot, self.build, self.special,
        ]  # fmt: skip
        for _ in range(count):
            if self.ahead and self.dice.once_in(3):
                self.asm.label(self.ahead.pop(0))
            self.dice.pick(kinds)(depth)

    # Straight on.

    def calculation(self, among: list[Insn]) -> int:
        one = self.dice.pick(among)
        fixed = {} if "rd" in floating(one) else {"rd": self.dice.pick(TARGETS)}
        return plain(self.dice, one, **fixed)

    def two_words(self) -> tuple[int, int]:
        return self.calculation(LONG_CALCULATIONS), self.calculation(LONG_CALCULATIONS)

    def calculations(self, depth: int) -> None:
        for _ in range(self.dice.between(1, 5)):
            among = FLOATS if self.dice.once_in(5) else CALCULATIONS
            self.asm.word(self.calculation(among))

    def access(self, depth: int) -> None:
        """A load, a store or an atomic; it may fault, in the middle of what is around it."""
        dice = self.dice
        base = dice.pick((DATA_POINTER,) * 5 + (EDGE, EDGE, REGISTER_POINTER, BAD))
        if dice.once_in(5):
            one = dice.pick(ATOMICS)
            self.asm.word(plain(dice, one, rs1=base, rd=dice.pick(TARGETS)))
            return
        one = dice.pick(ACCESSES)
        size = LOADS.get(one.name) or STORES[one.name]
        reach = {DATA_POINTER: 1000, EDGE: 12, REGISTER_POINTER: 16, BAD: 40}[base]
        low = 0 if base == REGISTER_POINTER else -reach
        imm = dice.between(low, reach)
        imm = imm if dice.once_in(4) else imm & -size
        fixed = {} if "rd" in floating(one) else {"rd": dice.pick(TARGETS)}
        self.asm.word(plain(dice, one, rs1=base, imm=imm, **fixed))

    def special(self, depth: int) -> None:
        """What ends a stretch of code, or must be exact within it."""
        csr = self.dice.pick(("instret", "cycle", "time", "fcsr"))
        word = self.dice.pick((
            encode("csrr", rd=self.dice.pick(TARGETS), csr=CSR_NUMBERS[csr]),
            encode("csrrw", rs1=self.dice.pick(TARGETS), csr=CSR_NUMBERS["fcsr"]),
            encode("ecall"), encode("ebreak"), 0, encode("fence"), encode("fence.i"),
            encode("sfence.vma"),
        ))  # fmt: skip
        self.asm.word(word)

    # Round and about.

    def compare(self) -> dict[str, int]:
        return {"rs1": self.dice.pick(TARGETS), "rs2": self.dice.pick((0, *TARGETS))}

    def loop(self, depth: int) -> None:
        if depth == DEPTH:
            return self.calculations(depth)
        counter, again = COUNTERS[depth], self.label()
        self.asm.constant(counter, self.dice.between(1, 6))
        self.asm.label(again)
        self.statements(depth + 1, self.dice.between(1, 4))
        self.asm.emit("addi", rd=counter, rs1=counter, imm=-1)
        self.asm.branch("blt", again, rs2=counter)
        return None

    def branch(self, depth: int) -> None:
        """Over something, or else over something else."""
        dice, otherwise, end = self.dice, self.label(), self.label()
        self.asm.branch(dice.pick(BRANCHES), otherwise, **self.compare())
        self.statements(max(depth, 1), dice.between(0, 2))
        if dice.once_in(2):
            self.asm.branch("jal", end)
        self.asm.label(otherwise)
        self.statements(max(depth, 1), dice.between(0, 2))
        self.asm.label(end)

    def jump_ahead(self, depth: int) -> None:
        """To wherever: out of loops, and into others."""
        label = self.label()
        self.ahead.append(label)
        self.asm.branch(self.dice.pick(BRANCHES), label, **self.compare())

    def call(self, depth: int) -> None:
        """Of a function, at either address of it; or of nothing at all."""
        dice, asm = self.dice, self.asm
        callees = range(self.function + 1, self.functions)
        if not callees or dice.once_in(8):
            asm.emit("jalr", rd=1, rs1=BAD)
            return
        name = f"function{dice.pick(callees)}"
        if dice.once_in(2):
            asm.branch("jal", name, rd=1)
            return
        self.point_to(name)
        asm.emit("jalr", rd=1, rs1=ADDRESS)

    def point_to(self, label: str) -> None:
        """ADDRESS = where that is, or where it is mapped as well."""
        self.asm.address(ADDRESS, label)
        if self.given.mode != M and self.dice.once_in(2):
            self.asm.constant(ALIAS, WINDOW + CODE_AGAIN * PAGE - CODE)
            self.asm.emit("add", rd=ADDRESS, rs1=ADDRESS, rs2=ALIAS)

    # Code that changes.

    def slot(self, depth: int) -> None:
        """An instruction that is patched."""
        if not self.unplaced:
            return self.calculations(depth)
        name = self.unplaced.pop(0)
        self.asm.label(name)
        self.asm.word(self.slots[name][0])
        return None

    def patch(self, depth: int) -> None:
        """A slot, or its upper half, becomes its other word, or what it was; fenced or not."""
        dice, asm = self.dice, self.asm
        name = dice.pick(list(self.slots))
        one, other = self.slots[name]
        self.point_to(name)
        load, store, shift = dice.pick((("lw", "sw", 0), ("lhu", "sh", 16), ("lbu", "sb", 24)))
        asm.constant(ALIAS, (one ^ other) >> shift)
        if shift == 0 and dice.once_in(2):
            asm.emit("amoxor.w", rs1=ADDRESS, rs2=ALIAS)
        else:
            asm.emit(load, rd=PATCH, rs1=ADDRESS, imm=shift // 8)
            asm.emit("xor", rd=PATCH, rs1=PATCH, rs2=ALIAS)
            asm.emit(store, rs1=ADDRESS, rs2=PATCH, imm=shift // 8)
        self.fence()
        if dice.once_in(2):
            self.slot(depth)

    def build(self, depth: int) -> None:
        """A function of one instruction and a return, among data: it is changed, and called."""
        dice, asm = self.dice, self.asm
        number = dice.below(len(self.built))
        one, other = self.built[number]
        asm.emit("addi", rd=ADDRESS, rs1=DATA_POINTER, imm=0x400 + 8 * number)
        asm.constant(ALIAS, one ^ other)
        asm.load(PATCH, ADDRESS, 0)
        asm.emit("xor", rd=PATCH, rs1=PATCH, rs2=ALIAS)
        asm.store(PATCH, ADDRESS, 0)
        self.fence()
        asm.emit("jalr", rd=1, rs1=ADDRESS)

    def fence(self) -> None:
        if self.dice.once_in(2):
            self.asm.emit("fence.i")
