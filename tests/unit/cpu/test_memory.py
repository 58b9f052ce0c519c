"""Main memory as the host sees it: contents, dirty pages, and who is told of a write."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from lockstep.cpu import hostmemory
from lockstep.cpu.hostmemory import check_executable, host_address
from lockstep.cpu.layout import CODE, DIRTY, PAGE, TABLE, WRITABLE
from lockstep.cpu.memory import Ram
from lockstep.errors import InternalError

BASE = 0x8000_0000


class Witness:
    """A follower that writes down what it hears, with the memory as it then is."""

    def __init__(self, ram: Ram) -> None:
        self.ram = ram
        self.heard: list[object] = []

    def before_write(self, paddr: int, size: int) -> None:
        self.heard.append((paddr, size, self.ram.read(paddr, size)))

    def flush(self) -> None:
        self.heard.append("flush")


def test_what_is_written_is_read_at_physical_addresses() -> None:
    """`view` counts from the base."""
    ram = Ram(BASE, 4 * PAGE)
    ram.write(BASE + 5, b"hello")
    assert ram.read(BASE + 4, 7) == b"\0hello\0"
    assert bytes(ram.view[5:10]) == b"hello"


@pytest.mark.parametrize(("addr", "size"), [(BASE - 1, 2), (BASE + 4 * PAGE - 1, 2), (0, 1)])
def test_an_address_outside_is_a_bug(addr: int, size: int) -> None:
    """The host asks for what is there, or something is wrong with the host's side."""
    ram = Ram(BASE, 4 * PAGE)
    with pytest.raises(InternalError, match=f"{addr:#x}"):
        ram.read(addr, size)
    with pytest.raises(InternalError):
        ram.write(addr, bytes(size))
    assert ram.dirty_pages() == []


def test_pages_are_dirty_once_written_and_until_cleared() -> None:
    """Every page that a write touches, and no other."""
    ram = Ram(BASE, 8 * PAGE)
    ram.write(BASE + 2 * PAGE - 1, bytes(PAGE + 2))
    ram.write(BASE + 7 * PAGE, b"x")
    ram.write(BASE + 5 * PAGE, b"")
    assert ram.dirty_pages() == [1, 2, 3, 7]
    ram.clear_dirty()
    assert ram.dirty_pages() == []


def test_clearing_keeps_what_engines_know_of_pages() -> None:
    """All but WRITABLE: no engine may store unseen any more."""
    ram = Ram(BASE, 2 * PAGE)
    ram.flags[1] = CODE | TABLE | DIRTY | WRITABLE
    ram.clear_dirty()
    assert ram.flags[1] == CODE | TABLE


def test_the_follower_hears_of_a_write_before_it_happens() -> None:
    """And is told to forget its translations when pages are called clean."""
    ram = Ram(BASE, 2 * PAGE)
    witness = Witness(ram)
    ram.follow(witness)
    ram.write(BASE + 8, b"abc")
    ram.write(BASE + 9, b"")
    ram.clear_dirty()
    assert witness.heard == [(BASE + 8, 3, b"\0\0\0"), "flush"]


def test_native_code_finds_it_by_address() -> None:
    """The same bytes, and page aligned."""
    ram = Ram(BASE, 2 * PAGE)
    ram.write(BASE + 100, b"here")
    address = host_address(ram.memory)
    assert address % PAGE == 0
    assert ctypes.string_at(address + 100, 4) == b"here"


def test_memory_that_may_not_be_executed_is_found_before_it_is_used(monkeypatch):
    """As LLVM's own assertion would end the process."""
    check_executable()
    monkeypatch.setattr(hostmemory, "_libc", SimpleNamespace(mprotect=lambda *_: -1))
    with pytest.raises(OSError, match="Errno"):
        check_executable()
