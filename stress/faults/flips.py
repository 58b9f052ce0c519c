"""Single bits of a machine's state that a cosmic ray might flip.

Only bits that the state can have either way: what hardware wires to zero cannot flip.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from lockstep.cpu.state import HartSnapshot
from lockstep.machine.board import PAGE
from lockstep.machine.machine import Machine

_EVERY: Final = (1 << 64) - 1

HART_BITS: Final[dict[str, int]] = {
    **{f"x{i}": _EVERY for i in range(1, 32)},
    **{f"f{i}": _EVERY for i in range(32)},
    "pc": (1 << 39) - 2,
    "mscratch": _EVERY,
    "mepc": _EVERY - 1,
    "mcause": _EVERY,
    "mtval": _EVERY,
    "mtvec": _EVERY - 3,
    "mie": 0xAAA,
    "mstatus": 1 << 3 | 1 << 7 | 1 << 1 | 1 << 5 | 1 << 17 | 1 << 18 | 1 << 19,
    "medeleg": 0xB1FF,
    "mideleg": 0x222,
    "mcounteren": 7,
    "mcycle_offset": _EVERY,
    "minstret_offset": _EVERY,
    "exceptions": _EVERY,
    "sscratch": _EVERY,
    "sepc": _EVERY - 1,
    "scause": _EVERY,
    "stval": _EVERY,
    "stvec": _EVERY - 3,
    "stimecmp": _EVERY,
    "mtimecmp": _EVERY,
    "fcsr": 0xFF,
    "pmpaddr3": (1 << 54) - 1,
}
DEVICE_BITS: Final[dict[str, dict[str, int]]] = {
    "serial0": {
        "divisor": 0xFFFF,
        "ier": 0xF,
        "fcr": 0xC9,
        "lcr": 0xFF,
        "mcr": 0x1F,
        "msr_delta": 0xF,
        "scr": 0xFF,
        "overrun": 1,
        "thr_empty": 1,
    },
    "rtc": {
        "offset": _EVERY,
        "latched_high": (1 << 32) - 1,
        "alarm": _EVERY,
        "irq_enabled": 1,
        "irq_pending": 1,
    },
    "mswi": {"msip": 1},
    "plic": {
        "priority": 7,
        "threshold": 7,
        "levels": 0xFFFF_FFFE,
        "pending": 0xFFFF_FFFE,
        "claimed": 0xFFFF_FFFE,
        "asserted": 3,
    },
}


class Flip(NamedTuple):
    """A bit, and how it is flipped. `part` and `where` as in a `Difference`."""

    part: str
    where: str
    apply: Callable[[Machine], None]


def register_flip(rng: random.Random, harts: int) -> Flip:
    """In a register of a hart: half of the time an integer one."""
    hart = rng.randrange(harts)
    integers = [name for name in HART_BITS if name[0] == "x"]
    name = rng.choice(integers if rng.random() < 0.5 else list(HART_BITS))
    bit = _one_of(rng, HART_BITS[name])

    def apply(machine: Machine) -> None:
        state = machine.cpu.save()
        harts = list(state.harts)
        harts[hart] = _flipped_hart(harts[hart], name, bit)
        machine.cpu.restore(msgspec.structs.replace(state, harts=tuple(harts)))

    return Flip(f"hart {hart}", name, apply)


def device_flip(rng: random.Random, harts: int) -> Flip:
    """In a field of a device."""
    part = rng.choice(list(DEVICE_BITS))
    field = rng.choice(list(DEVICE_BITS[part]))
    bit = _one_of(rng, DEVICE_BITS[part][field])
    index = {"priority": rng.randrange(1, 96), "threshold": rng.randrange(2 * harts)}.get(field, 0)
    listed = part == "plic" and field != "asserted"

    def apply(machine: Machine) -> None:
        device = machine.devices[part]
        state = device.save()
        value = getattr(state, field)
        changed = _replaced(value, index, value[index] ^ bit) if listed else _flipped(value, bit)
        device.restore(msgspec.structs.replace(state, **{field: changed}))

    return Flip(part, f"{field}[{index}]" if listed else field, apply)


def memory_flip(rng: random.Random, machine: Machine) -> Flip:
    """In RAM: mostly in a page that is in use at the end, as `machine` shows it."""
    pages = sorted(machine.pages())
    number = rng.choice(pages) if rng.random() < 0.8 else rng.randrange(machine.ram.size // PAGE)
    at, bit = rng.randrange(PAGE), 1 << rng.randrange(8)
    address = machine.ram.base + number * PAGE + at

    def apply(machine: Machine) -> None:
        flipped = machine.ram.view[number * PAGE + at] ^ bit
        machine.ram.write(address, bytes([flipped]))

    return Flip("ram", f"page {machine.ram.base + number * PAGE:#x}, byte {at:#x}", apply)


def _one_of(rng: random.Random, bits: int) -> int:
    return 1 << rng.choice([i for i in range(64) if bits >> i & 1])


def _flipped(value: int, bit: int) -> int:
    return not value if isinstance(value, bool) else value ^ bit


def _flipped_hart(hart: HartSnapshot, name: str, bit: int) -> HartSnapshot:
    if name[0] in "xf" and name[1:].isdigit():
        file, index = name[0], int(name[1:])
        values = getattr(hart, file)
        return msgspec.structs.replace(
            hart, **{file: _replaced(values, index, values[index] ^ bit)}
        )
    fields = {**hart.fields, name: hart.fields[name] ^ bit}
    return msgspec.structs.replace(hart, fields=fields)


def _replaced(values: tuple[int, ...], index: int, value: int) -> tuple[int, ...]:
    return (*values[:index], value, *values[index + 1 :])
