"""The machines that run a batch: QEMU, and our two engines on a bus with next to nothing on it."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from conformance import layout as at
from conformance.cases import Batch, Result
from fakes.engines import Whims, compile_everything
from lockstep.cpu.engine import BusError, Cpu, Exit, make_cpu
from lockstep.cpu.layout import NEVER_HOT
from lockstep.cpu.memory import Ram
from lockstep.isa.privileged import MSI

QEMU: Final = "qemu-system-riscv64"
QEMU_VERSION: Final = "7.2"
# What we implement and no more, so that what is illegal here is illegal there. QEMU 7.2 has neither
# Zicbom nor Zicboz; the identification registers are 0 here.
QEMU_CPU: Final = ",".join((
    "rv64", "h=off", "v=off", "zba=on", "zbb=on", "zbc=on", "zbs=on", "sstc=on", "svinval=off",
    "svpbmt=off", "svnapot=off", "Zfh=off", "Zfhmin=off", "pmu-num=29", "debug=off",
    "mvendorid=0", "marchid=0", "mimpid=0",
))  # fmt: skip
QEMU_SECONDS: Final = 120
# The reference engine does some fifty thousand instructions a second; no case takes a thousand.
INSTRUCTIONS_A_CASE: Final = 2_000


@cache
def qemu_is_there() -> bool:
    """Whether there is the QEMU whose deviations we know."""
    if shutil.which(QEMU) is None:
        return False
    told = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True)
    return f"version {QEMU_VERSION}." in told.stdout


def require_qemu() -> None:
    """Skip if there is no QEMU to compare with, but not where nobody would see."""
    if not qemu_is_there():
        why = f"there is no {QEMU} {QEMU_VERSION}; `make system` installs it on Debian 12"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)


def run_on_qemu(batch: Batch) -> list[Result]:
    """Main memory is a file that we share with QEMU: program in, results out."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        path = Path(folder) / "ram"
        with path.open("w+b") as file:
            file.truncate(at.RAM_SIZE)
            with mmap.mmap(file.fileno(), at.RAM_SIZE) as ram, memoryview(ram) as view:
                batch.write_to(view)
                _run_qemu(path, batch, view)
                return batch.results(view)


def _run_qemu(path: Path, batch: Batch, ram: memoryview) -> None:
    # The second hart is parked. With only one, QEMU splits atomics into loads and stores, and
    # reports the wrong causes.
    command = [
        QEMU, "-machine", "virt,memory-backend=ram", "-m", f"{at.RAM_SIZE >> 20}M", "-smp", "2",
        "-object", f"memory-backend-file,id=ram,size={at.RAM_SIZE},mem-path={path},share=on",
        "-cpu", QEMU_CPU, "-bios", "none", "-display", "none", "-monitor", "none",
        "-serial", "none", "-parallel", "none", "-no-reboot",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=QEMU_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.fail("QEMU " + _stuck(batch, ram))
    assert done.returncode == 0, done.stderr
    assert batch.reached(ram) == len(batch.placed), "QEMU " + _stuck(batch, ram)


def run_on_ours(engine: str, batch: Batch) -> list[Result]:
    """The same on an engine of ours."""
    ram = Ram(at.RAM, at.RAM_SIZE)
    batch.write_to(ram.view)
    bus = TestBus()
    cpu = make_cpu(engine, 1, ram, bus, 0, regions=Whims(None))
    bus.cpu = cpu
    if engine == "auto":
        cpu._block.heat_least = NEVER_HOT
    _run_ours(engine, cpu, batch)
    if engine == "auto":  # what was executed has regions now: do it all again, in them
        ram.view[:] = bytes(ram.size)
        batch.write_to(ram.view)
        compile_everything(cpu)
        _run_ours(engine, cpu, batch)
    return batch.results(ram.view)


def _run_ours(engine: str, cpu: Cpu, batch: Batch) -> None:
    cpu.reset(at.HARNESS, {})
    end = cpu.run(cpu.icount + INSTRUCTIONS_A_CASE * (len(batch.placed) + 10))
    assert end is Exit.STOPPED, f"{engine} {_stuck(batch, cpu._ram.view)}"


def _stuck(batch: Batch, ram: memoryview) -> str:
    number = batch.reached(ram) - 1
    lines = batch.placed[number].listing()
    return "\n  ".join((f"did not come to the end of case {number}:", *lines))


class TestBus:
    """The test finisher and the interrupt controller's registers for hart 0."""

    __test__ = False
    cpu: Cpu

    def read(self, addr: int, size: int) -> int:
        raise BusError

    def stored(self, addr: int, size: int) -> None:
        raise AssertionError

    def probe(self, addr: int, size: int) -> None:
        raise BusError

    def write(self, addr: int, size: int, value: int) -> None:
        if addr == at.FINISHER and value == at.FINISHER_PASS:
            self.cpu.request_stop()
        elif addr == at.MSIP:
            self.cpu.set_irq(0, MSI, bool(value & 1))
        elif addr == at.MTIMECMP:
            self.cpu.harts[0].mtimecmp = value
        else:
            raise BusError
