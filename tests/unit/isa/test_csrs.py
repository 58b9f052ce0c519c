"""Control and status registers: who may touch them, what they keep, whom they tell."""

from __future__ import annotations

import pytest

from fakes.hart import FakeHart, GuestTrap
from lockstep.isa.csrs import CSR_NAMES, CSR_NUMBERS, check_csr, csr_read, csr_to_modify, csr_write
from lockstep.isa.privileged import (
    ENVCFG_ADUE,
    ENVCFG_STCE,
    MACHINE,
    SEIP,
    SSIP,
    STATUS_FS,
    STATUS_MIE,
    STATUS_MPRV,
    STATUS_SD,
    STATUS_SIE,
    STATUS_SUM,
    STATUS_TVM,
    STIP,
    SUPERVISOR,
    USER,
)
from lockstep.isa.values import Bits

ONES = (1 << 64) - 1


def number(csr: str | int) -> Bits:
    return Bits(64, CSR_NUMBERS[csr] if isinstance(csr, str) else csr)


def read(hart: FakeHart, csr: str) -> int:
    return int(csr_read(hart, number(csr)))


def write(hart: FakeHart, csr: str, value: int) -> int:
    """Write and read back."""
    csr_write(hart, number(csr), Bits(64, value))
    return read(hart, csr)


def accessible(hart: FakeHart, csr: str | int, *, writing: bool = False) -> bool:
    try:
        check_csr(hart, number(csr), writing)
    except GuestTrap as trap:
        return (trap.cause, trap.tval) != (2, hart.word)
    return True


NEEDED = """
fflags frm fcsr cycle time instret hpmcounter3 hpmcounter31 sstatus sie stvec scounteren senvcfg
sscratch sepc scause stval sip stimecmp satp mvendorid marchid mimpid mhartid mconfigptr mstatus
misa medeleg mideleg mie mtvec mcounteren menvcfg mscratch mepc mcause mtval mip mcountinhibit
mhpmevent3 mhpmevent31 mhpmcounter3 mhpmcounter31 mcycle minstret pmpcfg0 pmpcfg2 pmpaddr0
pmpaddr15 tselect tdata1 tdata2 tdata3
""".split()  # noqa: SIM905 - a list this long reads better as text


@pytest.mark.parametrize("name", NEEDED)
def test_machine_mode_reads_every_register(name: str) -> None:
    """All that OpenSBI and Linux touch exists, and read-only ones refuse writes."""
    hart = FakeHart()
    hart.mstatus = STATUS_FS
    assert accessible(hart, name)
    read(hart, name)
    assert accessible(hart, name, writing=True) == (CSR_NUMBERS[name] >> 10 != 3)


def test_what_does_not_exist_traps() -> None:
    """Odd pmpcfg, entries past 16, hypervisor, mseccfg, debug mode, mcycleh."""
    hart = FakeHart()
    missing = [0x3A1, 0x3A4, 0x3C0, 0x600, 0x747, 0x7B0, 0xB80, 0xB01, 0xDA0, 0x30C, 0x321, 0x7A4]
    assert [csr for csr in missing if accessible(hart, csr)] == []


def test_the_number_tells_the_mode() -> None:
    """Bits 9..8: U may not touch S registers, S may not touch M registers."""
    hart = FakeHart()
    for priv, name, expected in [
        (USER, "sscratch", False),
        (SUPERVISOR, "sscratch", True),
        (SUPERVISOR, "mscratch", False),
        (MACHINE, "sscratch", True),
    ]:
        hart.priv = priv
        assert accessible(hart, name) == expected


def test_names_and_numbers_are_each_other_s_inverse() -> None:
    """The disassembler's maps."""
    assert CSR_NAMES[0x3B7] == "pmpaddr7"
    assert CSR_NAMES[0xC1F] == "hpmcounter31"
    assert all(CSR_NUMBERS[name] == csr for csr, name in CSR_NAMES.items())


def test_float_registers_need_fs() -> None:
    """FS = Off makes fcsr illegal; a write makes it dirty (Priv. 3.1.6.6)."""
    hart = FakeHart()
    assert not accessible(hart, "fcsr")
    assert not accessible(hart, "frm")
    hart.mstatus = 1 << 13
    assert accessible(hart, "fflags", writing=True)
    assert write(hart, "fcsr", ONES) == 0xFF
    assert write(hart, "fflags", 0) == 0
    assert read(hart, "fcsr") == 0xE0
    assert write(hart, "frm", 0xA) == 2
    assert write(hart, "fflags", 0x3F) == 0x1F
    assert read(hart, "fcsr") == 0x5F
    assert read(hart, "sstatus") & (STATUS_SD | STATUS_FS) == STATUS_SD | STATUS_FS


@pytest.mark.parametrize(("name", "bit"), [("cycle", 0), ("time", 1), ("hpmcounter31", 31)])
def test_counters_are_opened_mode_by_mode(name: str, bit: int) -> None:
    """mcounteren opens them to S; U needs scounteren too."""
    hart = FakeHart()
    seen = []
    for priv in (MACHINE, SUPERVISOR, USER):
        for machine, supervisor in ((0, 1), (1, 0), (1, 1)):
            hart.priv = priv
            hart.mcounteren, hart.scounteren = machine << bit, supervisor << bit
            seen.append(accessible(hart, name))
    assert seen == [True, True, True, False, True, True, False, False, True]


def test_stimecmp_needs_stce_and_tm() -> None:
    """Sstc 2.2; machine mode always may."""
    hart = FakeHart()
    assert accessible(hart, "stimecmp")
    hart.priv, hart.mcounteren = SUPERVISOR, 2
    assert not accessible(hart, "stimecmp")
    hart.menvcfg = ENVCFG_STCE
    assert accessible(hart, "stimecmp", writing=True)
    hart.mcounteren = 0
    assert not accessible(hart, "stimecmp")


def test_tvm_takes_satp_from_the_supervisor() -> None:
    """Priv. 3.1.6.5."""
    hart = FakeHart()
    hart.mstatus = STATUS_TVM
    assert accessible(hart, "satp")
    hart.priv = SUPERVISOR
    assert not accessible(hart, "satp")


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("mscratch", ONES),
        ("mepc", ONES - 1),
        ("sepc", ONES - 1),
        ("mcause", ONES),
        ("medeleg", 0xB3FF),
        ("mideleg", 0x222),
        ("mie", 0xAAA),
        ("mcounteren", 0xFFFF_FFFF),
        ("scounteren", 0xFFFF_FFFF),
        ("mcountinhibit", 5),
        ("menvcfg", 0xF1 | ENVCFG_STCE | ENVCFG_ADUE),
        ("senvcfg", 0xF1),
        ("pmpaddr3", (1 << 54) - 1),
        ("mhpmcounter5", 0),
        ("mhpmevent5", 0),
        ("tselect", 0),
        ("tdata1", 0),
        ("stimecmp", ONES),
        ("mstatus", 0x8000_000A_007E_79AA),
        ("sstatus", 0x8000_0002_000C_6122),
    ],
)
def test_what_a_register_keeps_of_all_ones(name: str, kept: int) -> None:
    """The writable bits, and constants."""
    assert write(FakeHart(), name, ONES) == kept


def test_misa_is_constant() -> None:
    """RV64IMAFDC with S and U."""
    assert write(FakeHart(), "misa", 0) == 0x8000_0000_0014_112D


def test_reserved_values_change_nothing() -> None:
    """WARL: MPP = 2, satp modes unknown, vector modes 2 and 3, CBIE = 2."""
    hart = FakeHart()
    write(hart, "mstatus", 1 << 11)
    assert write(hart, "mstatus", 2 << 11) >> 11 & 3 == 1
    for mode in (0, 8, 9, 10):
        assert write(hart, "satp", mode << 60 | 0xFFFF << 44 | 7) == mode << 60 | 0xFFFF << 44 | 7
    for mode in (*range(1, 8), *range(11, 16)):
        assert write(hart, "satp", mode << 60) == 10 << 60 | 0xFFFF << 44 | 7
    for name in ("mtvec", "stvec"):
        assert write(hart, name, 0x8000_0001) == 0x8000_0001
        assert write(hart, name, 0x9000_0002) == 0x8000_0001
    assert write(hart, "senvcfg", 0x20) == 0
    assert write(hart, "senvcfg", 0x30) == 0x30


def test_supervisor_views() -> None:
    """sstatus, sie and sip show and change only their part."""
    hart = FakeHart()
    hart.mstatus = STATUS_MIE | STATUS_MPRV
    write(hart, "sstatus", STATUS_SIE | STATUS_SUM)
    assert hart.mstatus == STATUS_MIE | STATUS_MPRV | STATUS_SIE | STATUS_SUM
    hart.mideleg, hart.mie = SSIP | SEIP, 0x888 | STIP
    assert write(hart, "sie", ONES) == SSIP | SEIP
    assert hart.mie == 0x888 | STIP | SSIP | SEIP
    assert write(hart, "sip", ONES) == SSIP
    hart.mideleg, hart.mip = SEIP, SEIP | SSIP
    assert write(hart, "sip", 0) == SEIP
    assert hart.mip == SEIP | SSIP


def test_the_machine_may_write_supervisor_pending_bits() -> None:
    """SSIP, SEIP, and STIP while STCE is clear; never those of M."""
    hart = FakeHart()
    assert write(hart, "mip", ONES) == SSIP | SEIP | STIP
    assert write(hart, "mip", 0) == 0
    hart.menvcfg = ENVCFG_STCE
    assert write(hart, "mip", ONES) == SSIP | SEIP


def test_the_external_line_does_not_stick() -> None:
    """CSRRS on mip modifies the software bit, not what the line shows (Priv. 3.1.9)."""
    hart = FakeHart()
    hart.mip = SEIP
    old = csr_read(hart, number("mip"))
    assert old == SEIP
    csr_write(hart, number("mip"), csr_to_modify(hart, number("mip"), old) | SSIP)
    hart.mip &= ~SEIP
    assert read(hart, "mip") == SSIP
    assert csr_to_modify(hart, number("mie"), Bits(64, 7)) == 7


def test_counters_count() -> None:
    """cycle counts attempts, instret what retired; a write is what the next instruction reads."""
    hart = FakeHart()
    hart.counted, hart.exceptions = 100, 7
    assert (read(hart, "cycle"), read(hart, "instret")) == (100, 93)
    csr_write(hart, number("mcycle"), Bits(64, 5))
    csr_write(hart, number("minstret"), Bits(64, ONES))
    hart.counted += 1
    assert (read(hart, "mcycle"), read(hart, "minstret")) == (5, ONES)
    hart.counted += 1
    assert (read(hart, "mcycle"), read(hart, "minstret")) == (6, 0)


def test_counters_stop() -> None:
    """mcountinhibit freezes each on its own; values written while stopped stay."""
    hart = FakeHart()
    hart.counted = 10
    csr_write(hart, number("mcountinhibit"), Bits(64, 1))
    hart.counted = 20
    assert (read(hart, "cycle"), read(hart, "instret")) == (11, 20)
    csr_write(hart, number("mcycle"), Bits(64, 77))
    hart.counted = 30
    assert read(hart, "cycle") == 77
    csr_write(hart, number("mcountinhibit"), Bits(64, 4))
    hart.counted = 40
    assert (read(hart, "cycle"), read(hart, "instret")) == (86, 31)


def test_time_is_mtime() -> None:
    """The counter that devices see."""
    hart = FakeHart()
    hart.mtime = 4711
    assert read(hart, "time") == 4711


@pytest.mark.parametrize(
    ("name", "value", "notes"),
    [
        ("sscratch", 1, []),
        ("mepc", 8, []),
        ("fcsr", 1, []),
        ("scounteren", 7, []),
        ("stvec", 0x100, []),
        ("sstatus", STATUS_SIE, ["resync"]),
        ("sstatus", STATUS_SUM, ["resync"]),
        ("sstatus", STATUS_FS, []),
        ("mstatus", STATUS_MPRV, ["resync"]),
        ("mie", 0xAAA, ["resync"]),
        ("mip", SSIP, ["resync"]),
        ("mideleg", 0x222, ["resync"]),
        ("sie", 0, ["resync"]),
        ("sip", 0, ["resync"]),
        ("stimecmp", 9, ["timer"]),
        ("menvcfg", ENVCFG_STCE, ["timer"]),
        ("satp", 8 << 60, ["flush", "resync"]),
        ("pmpcfg0", 0x1F, ["flush", "resync"]),
        ("pmpaddr0", 1, ["flush", "resync"]),
    ],
)
def test_the_engine_is_told_what_it_must_know(name: str, value: int, notes: list[str]) -> None:
    """And nothing more: cheap registers stay cheap, and so do writes that change nothing."""
    hart = FakeHart()
    csr_write(hart, number(name), Bits(64, value))
    assert hart.notes == notes
    hart.notes.clear()
    csr_read(hart, number(name))
    assert hart.notes == []


def test_clearing_an_enable_needs_no_resync() -> None:
    """Nothing can become pending by it; kernels do it all the time."""
    hart = FakeHart()
    hart.mstatus = STATUS_SIE
    csr_write(hart, number("sstatus"), Bits(64, 0))
    assert hart.notes == []
    assert hart.mstatus == 0


def test_locked_entries_keep_their_address() -> None:
    """pmpaddr of a locked entry, and below a locked top of range (Priv. 3.7.1)."""
    hart = FakeHart()
    write(hart, "pmpcfg0", 0x88_00)
    for i in range(3):
        write(hart, f"pmpaddr{i}", 5)
    assert [read(hart, f"pmpaddr{i}") for i in range(3)] == [0, 0, 5]
    assert write(hart, "pmpcfg0", 0x1F_1F_1F) == 0x1F_88_1F
    assert write(hart, "pmpcfg2", 0x98) == 0x98
    assert write(hart, "pmpaddr8", 1) == 0
