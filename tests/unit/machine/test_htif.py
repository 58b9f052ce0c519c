"""The host-target interface: what a store to `tohost` comes to, and when."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.device import FakeOutlet
from lockstep.cpu.memory import Ram
from lockstep.machine.devices.htif import Htif

BASE = 0x8000_0000
TOHOST, FROMHOST, BLOCK, TEXT = (BASE + n for n in (0x1000, 0x1008, 0x2000, 0x3000))
PATIENCE_NS = 64


class Guest:
    """A guest that stores, and all that comes of it."""

    def __init__(self) -> None:
        self.ram = Ram(BASE, 1 << 20)
        self.outlet = FakeOutlet()
        self.codes: list[int] = []
        self.now_ns = 1_000
        self.moved = 0
        places = (TOHOST, FROMHOST)
        self.htif = Htif(
            self.ram, places, self.outlet, self.codes.append,
            lambda: self.now_ns, self.move, PATIENCE_NS,
        )  # fmt: skip

    def move(self) -> None:
        self.moved += 1

    def store(self, value: int, offset: int = 0, size: int = 8) -> None:
        self.htif.stored(TOHOST + offset, size)
        self.ram.write(TOHOST + offset, value.to_bytes(size, "little"))
        deadline_ns = self.htif.deadline_ns
        assert deadline_ns is not None
        if deadline_ns <= self.now_ns:
            self.htif.run_timers(self.now_ns)

    def call(self, *words: int) -> int:
        """A system call's result, had it an answer."""
        self.ram.write(FROMHOST, bytes(8))
        block = b"".join(word.to_bytes(8, "little") for word in words)
        self.ram.write(BLOCK, block.ljust(64, b"\0"))
        self.store(BLOCK)
        assert self.word(FROMHOST) == 1
        return int.from_bytes(self.ram.read(BLOCK, 8), "little", signed=True)

    def word(self, address: int) -> int:
        return int.from_bytes(self.ram.read(address, 8), "little")


@pytest.fixture
def guest() -> Guest:
    return Guest()


@pytest.mark.parametrize(("value", "code"), [(1, 0), (7 << 1 | 1, 7)])
def test_an_odd_payload_ends_the_machine(guest: Guest, value: int, code: int) -> None:
    """At the boundary after the store, and `tohost` is free again."""
    guest.store(value)
    assert (guest.codes, guest.word(TOHOST), guest.htif.deadline_ns) == ([code], 0, None)
    assert guest.moved == 1


def test_two_halves_are_one_command(guest: Guest) -> None:
    """The lower one alone waits for the other: here it would have been an exit."""
    guest.store(ord("A"), size=4)
    assert guest.htif.deadline_ns == guest.now_ns + PATIENCE_NS
    guest.store(0x101 << 16, offset=4, size=4)
    assert (bytes(guest.outlet.emitted), guest.codes) == (b"A", [])


def test_half_a_command_is_one_after_a_while(guest: Guest) -> None:
    """Nobody is going to store the zeros that are there."""
    guest.store(1, size=4)
    guest.now_ns += PATIENCE_NS
    guest.htif.run_timers(guest.now_ns)
    assert guest.codes == [0]


def test_zero_is_no_command(guest: Guest) -> None:
    guest.store(0)
    assert (guest.codes, bytes(guest.outlet.emitted), guest.word(FROMHOST)) == ([], b"", 0)


@pytest.mark.parametrize("stream", [1, 2])
def test_what_is_written_is_console_output(guest: Guest, stream: int) -> None:
    guest.ram.write(TEXT, b"hello")
    assert guest.call(64, stream, TEXT, 5) == 5
    assert bytes(guest.outlet.emitted) == b"hello"


def test_a_long_write_is_cut_short(guest: Guest) -> None:
    """As POSIX allows: what leaves at one instant has an end."""
    assert guest.call(64, 1, BASE, 1 << 20) == 1 << 16


@pytest.mark.parametrize(
    "call", [(1024,), (64, 3, TEXT, 1), (64, 1, 0, 1), (64, 1, BASE - 1, 2), (64, 1, 1 << 63, 9)]
)  # fmt: skip
def test_a_call_that_cannot_be_done_says_so(guest: Guest, call: tuple[int, ...]) -> None:
    assert guest.call(*call) == -38
    assert bytes(guest.outlet.emitted) == b""


def test_exit_by_a_call(guest: Guest) -> None:
    block = (93).to_bytes(8, "little") + (3).to_bytes(8, "little")
    guest.ram.write(BLOCK, block)
    guest.store(BLOCK)
    assert guest.codes == [3]


@pytest.mark.parametrize(
    "value", [2, BASE + (1 << 20) - 8, 2 << 56, 0x1FF << 48, 1 << 56, (1 << 64) - 2]
)
def test_what_nobody_understands_is_dropped(guest: Guest, value: Any) -> None:
    """Devices and commands that are not there, blocks that are not in memory."""
    guest.store(value)
    assert (guest.codes, guest.word(TOHOST), guest.word(FROMHOST)) == ([], 0, 0)
