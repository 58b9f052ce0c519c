"""The device tree says what the machine is."""

from typing import Any

import fdt
import pytest

from lockstep.errors import UsageError
from lockstep.machine.board import BoardConfig
from lockstep.machine.dtb import Initrd, make_dtb

SEED = bytes(range(1, 33))
CONFIG = BoardConfig(memory=0x1_2000_0000, harts=3, bootargs="console=ttyS0 x=é", kaslr=True)


def cells(tree: Any, path: str, name: str) -> list[int]:
    return list(tree.get_property(name, path).data)


def raw(tree: Any, path: str, name: str) -> bytes:
    """A property's bytes, whatever the library took it for."""
    blob, _, _ = tree.get_property(name, path).to_dtb("")
    return bytes(blob[12 : 12 + int.from_bytes(blob[4:8], "big")])


def test_memory_and_harts_are_the_configured_ones() -> None:
    """64-bit numbers are two cells."""
    tree = fdt.parse_dtb(make_dtb(CONFIG, None, SEED))
    assert cells(tree, "/memory@80000000", "reg") == [0, 0x8000_0000, 1, 0x2000_0000]
    assert [tree.exist_node(f"/cpus/cpu@{n}") for n in range(4)] == [True, True, True, False]
    assert cells(tree, "/cpus", "timebase-frequency") == [10_000_000]


def test_isa_string_and_extension_list_agree() -> None:
    """Old and new kernels read one or the other."""
    tree = fdt.parse_dtb(make_dtb(CONFIG, None, SEED))
    string = tree.get_property("riscv,isa", "/cpus/cpu@1").value
    listed = tree.get_property("riscv,isa-extensions", "/cpus/cpu@1").data
    assert string.startswith("rv64imafdc_zicbom_")
    letters, *rest = string.removeprefix("rv64").split("_")
    assert [*letters, *rest] == listed


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, ["svadu"]), ({"svade": True}, ["svade", "svadu"]), ({"version": 1}, [])],
)
def test_it_says_who_sets_accessed_and_dirty(options: Any, expected: list[str]) -> None:
    """In the binding's words; a board from before did not say."""
    tree = fdt.parse_dtb(make_dtb(BoardConfig(memory=1 << 27, **options), None, b""))
    listed = tree.get_property("riscv,isa-extensions", "/cpus/cpu@0").data
    assert [name for name in listed if name.startswith("sva")] == expected


def test_interrupts_reach_every_hart() -> None:
    """Each hart's own controller, machine and supervisor external."""
    tree = fdt.parse_dtb(make_dtb(CONFIG, None, SEED))
    handles = [cells(tree, f"/cpus/cpu@{n}/interrupt-controller", "phandle")[0] for n in range(3)]
    wanted = [cell for handle in handles for cell in (handle, 11, handle, 9)]
    assert cells(tree, "/soc/plic@c000000", "interrupts-extended") == wanted


def test_chosen_has_what_this_boot_needs() -> None:
    """Command line, console, initrd and seeds."""
    tree = fdt.parse_dtb(make_dtb(CONFIG, Initrd(0x1_8000_0000, 0x1_8000_1234), SEED))
    assert raw(tree, "/chosen", "bootargs") == "console=ttyS0 x=é\0".encode()
    assert raw(tree, "/chosen", "stdout-path") == b"/soc/serial@10000000\0"
    assert cells(tree, "/chosen", "linux,initrd-end") == [1, 0x8000_1234]
    assert raw(tree, "/chosen", "rng-seed") == SEED
    assert len(raw(tree, "/chosen", "kaslr-seed")) == 8


def test_without_a_seed_there_is_none() -> None:
    """Nor an initrd, nor a command line."""
    tree = fdt.parse_dtb(make_dtb(BoardConfig(memory=1 << 27), None, b""))
    names = {prop.name for prop in tree.get_node("/chosen").props}
    assert names == {"stdout-path"}


def test_a_given_blob_is_taken_as_it_is() -> None:
    """Byte for byte when this boot adds nothing."""
    blob = make_dtb(CONFIG, None, SEED)
    assert make_dtb(BoardConfig(memory=1 << 27, dtb=blob), None, b"other") == blob


def test_a_given_blob_gets_command_line_and_initrd_of_this_boot() -> None:
    """Everything else stays."""
    blob = make_dtb(CONFIG, None, SEED)
    config = BoardConfig(memory=1 << 27, dtb=blob, bootargs="single")
    tree = fdt.parse_dtb(make_dtb(config, Initrd(1, 2), b"other"))
    assert raw(tree, "/chosen", "bootargs") == b"single\0"
    assert cells(tree, "/chosen", "linux,initrd-start") == [0, 1]
    assert raw(tree, "/chosen", "rng-seed") == SEED
    assert cells(tree, "/memory@80000000", "reg") == [0, 0x8000_0000, 1, 0x2000_0000]


@pytest.mark.parametrize("blob", [b"", b"not one", make_dtb(CONFIG, None, SEED)[:200]])
def test_a_damaged_blob_is_refused(blob: bytes) -> None:
    """With a remedy."""
    with pytest.raises(UsageError, match="device tree blob"):
        make_dtb(BoardConfig(memory=1 << 27, dtb=blob), None, b"")
