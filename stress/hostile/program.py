"""A hostile guest: any instructions, over any registers, page tables and devices.

All harts run a body of random words. Whatever traps to M-mode starts somewhere else in it, with
other pointers in the registers and in another mode, so that a program goes on whatever it does.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from typing import Final

from lockstep.isa.csrs import CSR_NUMBERS
from lockstep.isa.privileged import ENVCFG_ADUE, ENVCFG_STCE, STATUS_MPRV, STATUS_MXR, STATUS_SUM
from lockstep.isa.table import Insn, table
from lockstep.machine import board

BASE: Final = board.DRAM_BASE
MEMORY: Final = 4 << 20
_HANDLER, _BODY, _ROWS, _CSRS, _ROOT, _MIDDLE, _LEAVES, _SIZE = (
    0x1000, 0x2000, 0x6000, 0x7000, 0x8000, 0x9000, 0xA000, 0xC000,
)  # fmt: skip
_BODY_SIZE: Final = 0x1000
_ROW: Final = 512  # a pointer for each register, then mstatus
_ROW_COUNT: Final = 8
_SV39: Final = 8 << 60
_CSR_SETUP: Final = (
    "mtvec", "stvec", "medeleg", "mideleg", "mie", "mcounteren", "scounteren", "menvcfg",
    "senvcfg", "pmpaddr0", "pmpaddr1", "pmpcfg0", "satp", "mtvec",
)  # fmt: skip

_WINDOWS: Final = (
    board.FINISHER, board.RTC, board.ROM, board.MSWI, board.MTIMER, board.SSWI, board.PLIC,
    board.UART, *board.VIRTIO_MMIO, board.FW_CFG, *board.FLASH, board.PCIE_PORTS,
    board.PCIE_ECAM, board.PCIE_LOW, board.PLATFORM_BUS,
)  # fmt: skip
_MEMORY_ACCESS: Final = (
    "lb", "lh", "lw", "ld", "lbu", "lhu", "lwu", "sb", "sh", "sw", "sd", "flw", "fld", "fsw", "fsd",
    "lr.w", "lr.d", "sc.w", "sc.d", "amoswap.w", "amoadd.d", "amoor.w", "amomaxu.d",
    "cbo.inval", "cbo.clean", "cbo.flush", "cbo.zero",
)  # fmt: skip
_POINTERS: Final = range(8, 20)
_RESULTS: Final = range(20, 32)
_CSR_ACCESS: Final = ("csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci")
_PRIVILEGED: Final = ("ecall", "ebreak", "mret", "sret", "wfi", "sfence.vma", "fence.i", "fence")
_JUMPS: Final = ("beq", "bne", "blt", "bgeu", "jal", "jalr", "c.j", "c.beqz", "c.jr", "c.jalr")


@cache
def _named(name: str) -> Insn:
    return next(one for one in table() if one.name == name)


def _word(name: str, **operands: int) -> int:
    one, word = _named(name), _named(name).encoding.match
    for operand in one.encoding.operands:
        value = operands.get(operand.name, 0)
        for piece in operand.pieces:
            word |= (value >> piece.at & ((1 << piece.width) - 1)) << piece.low
    return word


def write(seed: int) -> bytes:
    """A raw image, to be run from its start with `MEMORY` bytes."""
    rng = random.Random(seed)
    image = bytearray(_SIZE)
    lower = rng.choice((0, 1))  # the mode below M that most of memory is for

    def put(offset: int, data: bytes) -> None:
        image[offset : offset + len(data)] = data

    put(0, _setup())
    put(_HANDLER, _handler(rng))
    put(_BODY, _body(rng))
    for row in range(_ROW_COUNT):
        values = [_pointer(rng) for _ in range(32)]
        put(_ROWS + row * _ROW, _dwords([*values, _status(rng, lower)]))
    put(_CSRS, _dwords(_registers(rng)))
    for offset, entries in _tables(rng, lower).items():
        put(offset, _dwords(entries))
    return bytes(image)


def _dwords(values: list[int]) -> bytes:
    return b"".join((value % (1 << 64)).to_bytes(8, "little") for value in values)


def _code(words: list[int]) -> bytes:
    return b"".join(word.to_bytes(4 if word & 3 == 3 else 2, "little") for word in words)


def _setup() -> bytes:
    """Control registers from their table; then the first trap."""
    words = [_word("auipc", rd=31), _word("lui", rd=30, imm=_CSRS)]
    words.append(_word("add", rd=31, rs1=31, rs2=30))
    for number, name in enumerate(_CSR_SETUP):
        words.append(_word("ld", rd=30, rs1=31, imm=8 * number))
        words.append(_word("csrrw", csr=CSR_NUMBERS[name], rs1=30))
    return _code([*words, _word("ecall")])


def _handler(rng: random.Random) -> bytes:
    """Past what trapped; or, once in 16 times, somewhere else in the body, with another row."""
    status, cycle, epc = (CSR_NUMBERS[name] for name in ("mstatus", "mcycle", "mepc"))
    start = _ROWS - _HANDLER
    skip = [
        _word("csrrs", rd=30, csr=epc),
        _word("addi", rd=30, rs1=30, imm=4),
        _word("csrrw", csr=epc, rs1=30),
        _word("mret"),
    ]
    words = [
        _word("csrrs", rd=30, csr=cycle),
        _word("andi", rd=30, rs1=30, imm=15),
        _word("beq", rs1=30, imm=4 * len(skip) + 4),
        *skip,
        _word("csrrw", csr=status),  # without MPRV
        _word("auipc", rd=31),
        _word("addi", rd=31, rs1=31, imm=-4 * (4 + len(skip))),
        _word("csrrs", rd=30, csr=cycle),
        _word("csrrs", rd=29, csr=CSR_NUMBERS["mhartid"]),
        _word("add", rd=30, rs1=30, rs2=29),
        _word("lui", rd=29, imm=rng.getrandbits(19) << 12 | 0x1000),
        _word("addi", rd=29, rs1=29, imm=rng.getrandbits(10) * 2 + 1),
        _word("mul", rd=30, rs1=30, rs2=29),
        _word("lui", rd=29, imm=_BODY_SIZE),
        _word("addi", rd=29, rs1=29, imm=-2),
        _word("srli", rd=28, rs1=30, shamt=7),
        _word("and", rd=28, rs1=28, rs2=29),
        _word("lui", rd=29, imm=_BODY - _HANDLER),
        _word("add", rd=28, rs1=28, rs2=29),
        _word("add", rd=28, rs1=28, rs2=31),
        _word("csrrw", csr=epc, rs1=28),
        _word("srli", rd=30, rs1=30, shamt=3),
        _word("andi", rd=30, rs1=30, imm=_ROW_COUNT - 1),
        _word("slli", rd=30, rs1=30, shamt=_ROW.bit_length() - 1),
        _word("lui", rd=29, imm=start),
        _word("add", rd=31, rs1=31, rs2=29),
        _word("add", rd=31, rs1=31, rs2=30),
        _word("ld", rd=30, rs1=31, imm=8 * 32),
        _word("csrrw", csr=status, rs1=30),
        *(_word("ld", rd=number, rs1=31, imm=8 * number) for number in range(1, 32)),
        _word("mret"),
    ]
    return _code(words)


def _body(rng: random.Random) -> bytes:
    code = bytearray()
    while len(code) < _BODY_SIZE:
        code += _code([_instruction(rng)])
    return bytes(code[:_BODY_SIZE])


def _instruction(rng: random.Random) -> int:
    kind = rng.random()
    if kind < 0.5:
        return _filled(rng, _named(rng.choice(_MEMORY_ACCESS)))
    if kind < 0.57:
        csr = rng.choice(list(CSR_NUMBERS.values())) if rng.random() < 0.9 else rng.getrandbits(12)
        return _filled(rng, _named(rng.choice(_CSR_ACCESS)), csr=csr)
    if kind < 0.6:
        return _word(rng.choice(_PRIVILEGED))
    if kind < 0.64:
        return _filled(rng, _named(rng.choice(_JUMPS)), imm=rng.randrange(-64, 64, 2))
    if kind < 0.65:
        return rng.getrandbits(32) | 3
    return _filled(rng, rng.choice(table()))


def _filled(rng: random.Random, one: Insn, **given: int) -> int:
    """Any operands, but that results mostly leave pointers alone, and accesses go by those."""
    names = [operand.name for operand in one.encoding.operands]
    operands = {name: rng.getrandbits(32) for name in names}
    if rng.random() < 0.95:
        operands |= {"rd": rng.choice(_RESULTS), "rs1": rng.choice(_POINTERS)}
        if one.name in _MEMORY_ACCESS:
            operands["imm"] = rng.choice((0, 0, 0, 4, 8, 12, -8, 0x70, rng.randrange(-2048, 2048)))
    return _word(one.name, **{name: (operands | given)[name] for name in names})


def _pointer(rng: random.Random) -> int:
    kind = rng.random()
    if kind < 0.3:
        return BASE + rng.choice((_BODY, _ROWS, _LEAVES, _ROOT, 0xF000)) + rng.randrange(0, 4096, 8)
    if kind < 0.6:
        return (1 << 30) + rng.randrange(0, 32 << 12, rng.choice((1, 8, 8)))
    if kind < 0.95:
        window = rng.choice(_WINDOWS)
        return window.base + rng.choice(
            (0, 4, 8, 0x10, 0x18, 0x70, rng.randrange(window.size) & -8)
        )
    edges = (BASE - 8, BASE + MEMORY - 4, BASE + MEMORY, 0, 1 << 55, (1 << 64) - 8)
    return rng.choice((*edges, rng.getrandbits(64)))


def _status(rng: random.Random, lower: int) -> int:
    mode = rng.choice((lower, lower, lower, 3, 1 - lower)) << 11
    extra = sum(
        bit for bit in (STATUS_SUM, STATUS_MXR, 1 << 1, 1 << 7, 3 << 13) if rng.random() < 0.6
    )
    return mode | extra | (STATUS_MPRV if rng.random() < 0.1 else 0)


def _registers(rng: random.Random) -> list[int]:
    handler = BASE + _HANDLER
    paging = _SV39 | (BASE + _ROOT) >> 12
    values: Mapping[str, int] = {
        "mtvec": handler,
        "stvec": BASE + _BODY + rng.randrange(0, _BODY_SIZE, 4),
        "medeleg": rng.choice((0, rng.getrandbits(16))),
        "mideleg": rng.choice((0, 0x222)),
        "mie": rng.choice((0, 0xAAA, rng.getrandbits(12))),
        "mcounteren": rng.choice((0, 7, 0xFFFF_FFFF)),
        "scounteren": rng.choice((0, 7)),
        "menvcfg": rng.choice((0, 0xF0))
        | rng.choice((0, ENVCFG_ADUE))
        | rng.choice((0, ENVCFG_STCE)),
        "senvcfg": rng.choice((0, 0xF0)),
        "pmpaddr0": rng.choice((BASE + rng.choice((_LEAVES, _ROOT, 0xF000)) >> 2 | 0x1FF, 0)),
        "pmpaddr1": (1 << 54) - 1,
        "pmpcfg0": 0x1F << 8 | rng.choice((0, 0x18, 0x19, 0x1B, 0x1C, 0x1F)),
        "satp": rng.choice((0, paging, paging, paging)),
    }
    return [values[name] for name in _CSR_SETUP]


def _tables(rng: random.Random, lower: int) -> Mapping[int, list[int]]:
    """Sv39: memory and devices one to one; windows onto both, with any flags, in between."""
    user = 0 if lower else 0x10

    def entry(frame: int, flags: int) -> int:
        marks = sum(bit for bit in (0x40, 0x80) if rng.random() < 0.5)
        return frame >> 12 << 10 | flags | marks

    def leaf(frame: int) -> int:
        flags = sum(bit for bit in (2, 4, 8) if rng.random() < 0.8)
        odd = rng.choice((0x10, 1 << 63, -1)) if rng.random() < 0.05 else 0
        return entry(frame, 1 | flags | user) ^ (odd % (1 << 64))

    frames = [BASE + page for page in range(_BODY, 0x1_0000, 0x1000)]
    windows = [window.base & ~0xFFF for window in _WINDOWS]
    return {
        _ROOT: [entry(0, 7 | user), (BASE + _MIDDLE) >> 2 | 1, entry(BASE, 0xCF | user)],
        _MIDDLE: [(BASE + _LEAVES) >> 2 | 1],
        _LEAVES: [leaf(rng.choice(frames if rng.random() < 0.7 else windows)) for _ in range(32)],
    }
