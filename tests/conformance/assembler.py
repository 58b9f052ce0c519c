"""An assembler over the instruction table: the tests' programs are built without a compiler."""

from __future__ import annotations

from typing import Final

from instructions import encode
from lockstep.isa.csrs import CSR_NUMBERS

ZERO: Final = 0


class Assembler:
    """Machine code at a fixed address, with labels. Branches, `jal`, `address` may look ahead."""

    def __init__(self, base: int) -> None:
        self.base = base
        self.code = bytearray()
        self.labels: dict[str, int] = {}
        self._waiting: list[tuple[int, str, str, dict[str, int]]] = []
        self._addresses: list[tuple[int, int, str]] = []

    @property
    def here(self) -> int:
        return self.base + len(self.code)

    def label(self, name: str) -> None:
        """The next instruction is called `name`."""
        self.labels[name] = self.here

    def word(self, word: int) -> None:
        """An instruction, or whatever it is."""
        self.code += word.to_bytes(4 if word & 3 == 3 else 2, "little")

    def emit(self, name: str, **operands: int) -> None:
        """The instruction called `name`."""
        self.word(encode(name, **operands))

    def branch(self, name: str, label: str, **operands: int) -> None:
        """A branch or jump to `label`."""
        self._waiting.append((len(self.code), name, label, operands))
        self.word(encode("addi"))

    def address(self, rd: int, label: str) -> None:
        """rd = the address of `label`."""
        self._addresses.append((len(self.code), rd, label))
        self.word(encode("auipc"))
        self.word(encode("addi"))

    def csr_write(self, csr: str, rs1: int) -> None:
        self.emit("csrrw", csr=CSR_NUMBERS[csr], rs1=rs1)

    def csr_read(self, rd: int, csr: str) -> None:
        self.emit("csrr", rd=rd, csr=CSR_NUMBERS[csr])

    def load(self, rd: int, base: int, slot: int) -> None:
        """rd = the 64-bit slot number `slot` of the block at `base`."""
        self.emit("ld", rd=rd, rs1=base, imm=8 * slot)

    def store(self, rs2: int, base: int, slot: int) -> None:
        self.emit("sd", rs2=rs2, rs1=base, imm=8 * slot)

    def constant(self, rd: int, value: int) -> None:
        """rd = value, in as few instructions as it takes; 64 bits, signed or unsigned."""
        value = (value + (1 << 63)) % (1 << 64) - (1 << 63)
        if -2048 <= value < 2048:
            self.emit("addi", rd=rd, imm=value)
            return
        low = (value & 0xFFF) - (value & 0x800) * 2
        high = (value - low) >> 12
        if -(1 << 31) <= value - low < 1 << 31:
            self.emit("lui", rd=rd, imm=value - low)
            self.emit("addiw", rd=rd, rs1=rd, imm=low)
            return
        self.constant(rd, high)
        self.emit("slli", rd=rd, rs1=rd, shamt=12)
        self.emit("addi", rd=rd, rs1=rd, imm=low)

    def finish(self) -> bytes:
        """The machine code, every label resolved."""
        for at, name, label, operands in self._waiting:
            word = encode(name, imm=self.labels[label] - (self.base + at), **operands)
            self.code[at : at + 4] = word.to_bytes(4, "little")
        for at, rd, label in self._addresses:
            distance = self.labels[label] - (self.base + at)
            low = (distance & 0xFFF) - (distance & 0x800) * 2
            pair = (
                encode("auipc", rd=rd, imm=distance - low),
                encode("addi", rd=rd, rs1=rd, imm=low),
            )
            self.code[at : at + 8] = b"".join(word.to_bytes(4, "little") for word in pair)
        return bytes(self.code)
